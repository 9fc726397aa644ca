"""Unmodified clients trade on the venue: whoever wrote against Binance can point at Holdfast and nothing else changes.

Each script runs in its client's own environment against one real venue process, with two accounts of its own: it loads
markets, places, fills in part and in full, cancels, replaces, reads back, follows streams, and checks to the last unit.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.environments import python_of
from tests.support.venue import VenueProcess

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
AMOUNTS = {"BTC": "10", "ETH": "100", "SOL": "1000", "USDT": "1000000"}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with VenueProcess(tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.mark.parametrize(
    ("client", "script"),
    [
        ("ccxt", "drive_ccxt.py"),
        ("python-binance", "drive_python_binance.py"),
        ("binance-sdk-spot", "drive_binance_sdk_spot.py"),
        ("binance-connector", "drive_binance_connector.py"),
    ],
)
def test_an_unmodified_client_trades(venue: VenueProcess, client: str, script: str) -> None:
    keys = [json.dumps(venue.trader(f"{client}-{role}", **AMOUNTS)) for role in ("maker", "taker")]
    done = subprocess.run(
        [str(python_of(client)), str(HERE / script), str(venue.port), *keys],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    assert done.stdout.splitlines()[-1] == "ok"
