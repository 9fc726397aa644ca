"""One venue with two gateways in processes of their own, for all tests here that leave it running."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.venue import GatewayProcess, VenueProcess

CONFIG = Path(__file__).parents[1] / "crash" / "venue.toml"  # Small segments, frequent snapshots, no rate limits.


class Joined(NamedTuple):
    venue: VenueProcess
    first: GatewayProcess
    second: GatewayProcess


def joined(directory: Path, config: Path = CONFIG) -> Iterator[Joined]:
    """A venue and two gateways, until they are not needed any more."""
    with (
        VenueProcess(directory, "--config", str(config)) as venue,
        venue.gateway() as first,
        venue.gateway() as second,
    ):
        yield Joined(venue, first, second)


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Joined]:
    yield from joined(tmp_path_factory.mktemp("together"))


@pytest.fixture
def breakable(tmp_path: Path) -> Iterator[Joined]:
    """The same for a test that kills some of them."""
    yield from joined(tmp_path)
