"""The clock that shows and judges time: nobody is refused because somebody set the wall clock."""

import threading

from holdfast.clock import Clock

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS


class Sources:
    """A wall clock and a steady one, moved by hand."""

    def __init__(self) -> None:
        self.wall_ns = 1_700_000_000 * SECOND_NS
        self.steady_ns = 5 * SECOND_NS

    def pass_ns(self, ns: int) -> None:
        self.wall_ns += ns
        self.steady_ns += ns

    def clock(self) -> Clock:
        return Clock(lambda: self.wall_ns, lambda: self.steady_ns)


def test_it_starts_at_the_wall_clock_and_goes_on_with_the_steady_one() -> None:
    sources = Sources()
    clock = sources.clock()
    assert clock.now_ns() == sources.wall_ns
    sources.pass_ns(3 * SECOND_NS)
    assert clock.now_ns() == sources.wall_ns


def test_a_jump_of_hours_is_followed_by_no_more_than_500_ppm() -> None:
    for jump_ns in (HOUR_NS, -HOUR_NS):
        sources = Sources()
        clock = sources.clock()
        true_ns = sources.wall_ns
        sources.wall_ns += jump_ns
        last_ns = clock.now_ns()
        for _ in range(1_000):
            sources.pass_ns(SECOND_NS // 10)
            true_ns += SECOND_NS // 10
            now_ns = clock.now_ns()
            assert abs(now_ns - last_ns - SECOND_NS // 10) <= SECOND_NS // 10 * 500 // 1_000_000
            last_ns = now_ns
        drift_ns = last_ns - true_ns
        assert (drift_ns > 0) == (jump_ns > 0)
        assert 45_000_000 < abs(drift_ns) <= 50_000_000  # 100 s at 500 ppm, less the first tenth.


def test_a_small_difference_is_made_up_for_and_not_overshot() -> None:
    sources = Sources()
    clock = sources.clock()
    sources.wall_ns += 1_000_000
    for _ in range(100):
        sources.pass_ns(SECOND_NS)
        assert clock.now_ns() <= sources.wall_ns
    assert clock.now_ns() == sources.wall_ns


def test_it_never_goes_back_however_often_it_is_asked() -> None:
    sources = Sources()
    clock = sources.clock()
    sources.wall_ns -= HOUR_NS
    last_ns = clock.now_ns()
    for step_ns in [1, 700, 3, 9_999_999, 10_000_000, 1, 0, 2, 20_000_000] * 50:
        sources.pass_ns(step_ns)
        now_ns = clock.now_ns()
        assert now_ns >= last_ns
        last_ns = now_ns


def test_threads_may_share_it() -> None:
    clock = Clock()

    def is_monotone() -> bool:
        times = [clock.now_ns() for _ in range(2_000)]
        return times == sorted(times)

    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(is_monotone())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4
