"""Somebody sets the wall clock while the venue runs: event time never goes back, and nobody is refused for it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.clock import Clock
from holdfast.journal.reader import read_committed
from tests.venue.inside import VenueInside
from tests.venue.traded import place

pytestmark = pytest.mark.slow

Inside = Callable[[], VenueInside]
HOUR_NS = 3_600 * 10**9


def event_times(data: Path) -> list[int]:
    return [int(row["ts_ns"]) for piece in read_committed(data / "journal", 1) for row in piece.records]


@pytest.mark.parametrize("hours", [5, -5, 1000, -1000])
def test_wall_clock_that_jumps_refuses_nobody(inside: Inside, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    jumped_ns = 0
    monkeypatch.setattr("holdfast.venue.Clock", lambda: Clock(wall_ns=lambda: time.time_ns() + jumped_ns))
    with inside() as venue:
        key = venue.trader("alice", USDT="1000000")
        with venue.rest(key) as rest:
            first = place(rest, "BUY", "30000")["transactTime"]
            jumped_ns = hours * HOUR_NS
            times = [place(rest, "BUY", "30000")["transactTime"] for _ in range(50)]  # Clients' clocks did not jump.
            assert times == sorted(times)
            assert 0 <= times[-1] - first < 60_000
            assert rest.signed("GET", "/api/v3/account")[0] == 200
            server_ms = rest.call("GET", "/api/v3/time")[1]["serverTime"]
            assert abs(server_ms - time.time() * 1000) < 5_000
    # A start in the middle of the jump: the clock begins where the wall clock is, event time goes on after the last.
    times_before = event_times(venue.data)
    with inside() as venue, venue.operator() as operator:
        body = {"asset": "USDT", "amount": "1"}
        assert operator.call("POST", "/accounts/alice/deposits", body, "after-the-jump")[0] == 201
    seen = event_times(venue.data)
    assert seen[: len(times_before)] == times_before
    assert seen == sorted(set(seen)), "event time went back"
