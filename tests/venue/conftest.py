"""One venue is traded on for all tests here; each works on a copy of its data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.venue.inside import VenueInside
from tests.venue.traded import Traded, trade


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Traded:
    return trade(tmp_path_factory.mktemp("traded") / "venue")


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], VenueInside]:
    """Makes venues inside this process, all on one data directory; one after the other."""
    monkeypatch.setenv("HOLDFAST_MASTER_KEY_FILE", str(tmp_path / "master.key"))
    return lambda: VenueInside(tmp_path / "data")
