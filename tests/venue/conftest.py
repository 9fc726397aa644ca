"""One venue is traded on for all tests here; each works on a copy of its data."""

import pytest

from tests.venue.traded import Traded, trade


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Traded:
    return trade(tmp_path_factory.mktemp("traded") / "venue")
