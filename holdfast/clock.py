"""The clock: one object that shows and judges time everywhere.

It starts at the wall clock and is carried on by a clock that nobody sets. When the two drift apart, or somebody sets
the wall clock, it follows by at most 500 ppm: a jump of an hour makes no deadline pass and no timestamp stale.

Invariants: it never goes back, and over any stretch it runs at 0.9995 to 1.0005 of real time.
"""

import threading
import time
from collections.abc import Callable
from functools import partial

SLEW_PPM_MAX = 500
PPM = 1_000_000
COMPARE_EVERY_NS = 10_000_000


# Nanoseconds of a clock that nobody sets. It counts a laptop's sleep too, which `time.monotonic_ns` leaves out.
steady_ns: Callable[[], int] = (
    partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns
)


class Clock:
    """The venue's time. Any thread may ask it; the two sources are arguments so that tests can set them."""

    def __init__(self, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = steady_ns) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._anchor_ns = wall_ns()
        self._anchor_monotonic_ns = monotonic_ns()
        self._behind_ns = 0  # How far the wall clock was ahead when they were last compared.

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        with self._lock:
            elapsed_ns = self._monotonic_ns() - self._anchor_monotonic_ns
            now_ns = self._anchor_ns + elapsed_ns + self._slewed_ns(elapsed_ns)
            if elapsed_ns >= COMPARE_EVERY_NS:
                self._anchor_ns = now_ns
                self._anchor_monotonic_ns += elapsed_ns
                self._behind_ns = self._wall_ns() - now_ns
            return now_ns

    def _slewed_ns(self, elapsed_ns: int) -> int:
        """The part of the known difference that may be made up for in this time, and never more than all of it."""
        most_ns = elapsed_ns * SLEW_PPM_MAX // PPM
        return max(-most_ns, min(most_ns, self._behind_ns))
