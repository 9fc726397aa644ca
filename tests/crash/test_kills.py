"""A dozen kills in every test run; `make crash` does hundreds. See `tests.crash.harness` for what is checked."""

from pathlib import Path

import pytest

from tests.crash.draws import LIST_KINDS
from tests.crash.harness import run

pytestmark = pytest.mark.slow


def test_nothing_acknowledged_is_lost_or_doubled_when_the_venue_is_killed(tmp_path: Path) -> None:
    harness = run(12, 20261123, tmp_path)
    assert harness.counts["kills"] == 12
    assert harness.counts["acknowledged"] > 100
    assert harness.counts["commands over the line"] > 100


def test_nothing_is_lost_or_doubled_when_some_of_the_venue_and_its_gateways_are_killed(tmp_path: Path) -> None:
    harness = run(12, 20261124, tmp_path, gateways=2)
    assert harness.counts["kills of the venue"] > 2
    assert harness.counts["kills of gateways"] > 2
    assert harness.counts["acknowledged"] > 100
    orders = ("amendments", "trailing stops", "icebergs", "pegged orders", *(f"lists {kind}" for kind in LIST_KINDS))
    timers = ("countdowns that ran out", "orders that countdowns canceled", "disconnects")
    never = [each for each in (*orders, *timers, "commands over the line") if not harness.counts[each]]
    assert not never
