"""Unmodified clients trade on the venue: whoever wrote against Binance can point at Holdfast and nothing else changes.

Each script runs in its client's own environment against one real venue process, with two accounts of its own: it loads
markets, places, fills in part and in full, cancels, replaces, reads back, follows streams, and checks to the last unit.
Afterwards the venue is asked, by no client's code, whether that is what it holds too.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.environments import python_of
from tests.clients.trader import add_ed25519_key, check_settled, new_trader
from tests.support.venue import VenueProcess

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
AMOUNTS = {"BTC": "10", "ETH": "100", "SOL": "1000", "USDT": "1000000"}
SCRIPT_SECONDS_MAX = 120


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with VenueProcess(tmp_path_factory.mktemp("clients")) as running:
        yield running


# Each client has a market of its own: tickers and the book are what it made them.
@pytest.mark.parametrize(
    ("client", "script", "symbol", "base", "quote"),
    [
        pytest.param("ccxt", "drive_ccxt.py", "BTCUSDT", "BTC", "USDT", id="ccxt"),
        pytest.param("python-binance", "drive_python_binance.py", "ETHUSDT", "ETH", "USDT", id="python-binance"),
        pytest.param("binance-sdk-spot", "drive_binance_sdk_spot.py", "SOLUSDT", "SOL", "USDT", id="binance-sdk-spot"),
        pytest.param("binance-connector", "drive_binance_connector.py", "ETHBTC", "ETH", "BTC", id="binance-connector"),
    ],
)
def test_an_unmodified_client_trades(
    venue: VenueProcess, tmp_path: Path, client: str, script: str, symbol: str, base: str, quote: str
) -> None:
    check_client(venue, venue.port, tmp_path, client, script, {symbol: (base, quote)})


@pytest.mark.parametrize(
    ("client", "script", "symbol", "base"),
    [
        pytest.param("ccxt", "drive_ccxt.py", "BTCUSDT", "BTC", id="ccxt"),
        pytest.param("binance-sdk-spot", "drive_binance_sdk_spot.py", "SOLUSDT", "SOL", id="binance-sdk-spot"),
    ],
)
def test_an_unmodified_client_trades_through_a_joined_gateway(
    tmp_path: Path, client: str, script: str, symbol: str, base: str
) -> None:
    with VenueProcess(tmp_path) as venue, venue.gateway() as gateway:
        check_client(venue, gateway.port, tmp_path, client, script, {symbol: (base, "USDT")})


def check_client(
    venue: VenueProcess, port: int, tmp_path: Path, client: str, script: str, symbols: dict[str, tuple[str, str]]
) -> None:
    """Let a client's script trade at `port`, and ask the venue what it holds."""
    maker, taker = (new_trader(venue, f"{client}-{role}", **AMOUNTS) for role in ("maker", "taker"))
    keys = [maker.key, taker.key, add_ed25519_key(venue, maker, tmp_path / "maker.pem")]
    done = subprocess.run(
        [str(python_of(client)), str(HERE / script), str(port), *map(json.dumps, keys)],
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    assert done.stdout.splitlines()[-1] == "ok"
    trades = [check_settled(venue, trader, symbols) for trader in (maker, taker)]
    assert trades[0] == trades[1] >= 3
