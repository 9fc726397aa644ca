"""A dozen kills in every test run; `make crash` does hundreds. See `tests.crash.harness` for what is checked."""

from pathlib import Path

import pytest

from tests.crash.harness import run

pytestmark = pytest.mark.slow


def test_nothing_acknowledged_is_lost_or_doubled_when_the_venue_is_killed(tmp_path: Path) -> None:
    counts = run(12, 20261123, tmp_path)
    assert counts["kills"] == 12
    assert counts["acknowledged"] > 100
