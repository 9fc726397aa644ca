"""freqtrade, unmodified, runs a strategy through one buy and one sell in the demo market, its own or its stop's.

It trades for real as far as it can know: no dry run, an account of its own, the venue's books, candles and fees.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import python_of
from tests.clients.trader import Trader, check_settled, new_trader
from tests.support.rest import Rest
from tests.support.venue import VenueProcess

pytestmark = pytest.mark.slow
STRATEGIES = Path(__file__).parent / "strategies"
SYMBOL = "BTCUSDT"
START_SECONDS_MAX = 60
ROUND_SECONDS_MAX = 60
POLL_SECONDS = 0.1


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    with VenueProcess(tmp_path / "venue", "--demo") as running:
        yield running


def configuration(port: int, key: dict[str, str], directory: Path, strategy: str) -> dict[str, Any]:
    http, socket = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    urls = {
        "public": f"{http}/api/v3",
        "private": f"{http}/api/v3",
        "v1": f"{http}/api/v1",
        "sapi": f"{http}/sapi/v1",
        "ws": {"spot": f"{socket}/ws", "ws-api": {"spot": f"{socket}/ws-api/v3"}},
    }
    # The fifth price on the other side: crosses the spread even when the market moves meanwhile.
    pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 5}
    return {
        "dry_run": False,
        "bot_name": "one round",
        "initial_state": "running",
        "strategy": strategy,
        "stake_currency": "USDT",
        "stake_amount": 500,
        "max_open_trades": 1,
        "entry_pricing": pricing,
        "exit_pricing": pricing,
        "pairlists": [{"method": "StaticPairList"}],
        "internals": {"process_throttle_secs": 1},
        "db_url": f"sqlite:///{directory / 'trades.sqlite'}",
        "exchange": {
            "name": "binance",
            "key": key["apiKey"],
            "secret": key["secretKey"],
            "only_from_ccxt": True,  # Candles come from the venue, not from Binance's archive.
            "pair_whitelist": ["BTC/USDT"],
            "ccxt_config": {"urls": {"api": urls}, "options": {"fetchMarkets": {"types": ["spot"]}}},
            "_ft_has_params": {"ohlcv_partial_candle": False},  # A new venue has only the candle of this minute.
        },
    }


def wait_for(condition: Callable[[], bool], bot: subprocess.Popen[bytes], seconds_max: float) -> None:
    deadline_s = time.monotonic() + seconds_max
    while not condition():
        assert bot.poll() is None, "freqtrade ended"
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(POLL_SECONDS)


def goes_on(text: str) -> bool:
    return "User denied entry" in text or "locked until" in text


def test_freqtrade_buys_and_sells(venue: VenueProcess, tmp_path: Path) -> None:
    trader = new_trader(venue, "freqtrade", USDT="2000")
    run_round(venue, tmp_path, trader, "OneRound", meanwhile=lambda: None)
    check_round(venue, trader, sold_by="LIMIT")


def test_freqtrade_leaves_its_stop_to_the_exchange(venue: VenueProcess, tmp_path: Path) -> None:
    trader, seller = new_trader(venue, "freqtrade", USDT="2000"), new_trader(venue, "seller", BTC="1000")
    stop, other = Rest(venue.port, trader.key), Rest(venue.port, seller.key)

    def fall() -> None:
        """Somebody sells until the stop, once it is there, has been reached."""
        orders = stop.signed("GET", "/api/v3/openOrders", symbol=SYMBOL)[1]
        if any(order["type"] == "STOP_LOSS_LIMIT" and not order["isWorking"] for order in orders):
            other.signed("POST", "/api/v3/order", symbol=SYMBOL, side="SELL", type="MARKET", quantity="0.5")

    try:
        run_round(venue, tmp_path, trader, "StopOnExchange", meanwhile=fall)
    finally:
        stop.close()
        other.close()
    check_round(venue, trader, sold_by="STOP_LOSS_LIMIT")


def run_round(
    venue: VenueProcess, tmp_path: Path, trader: Trader, strategy: str, meanwhile: Callable[[], None]
) -> None:
    """Until it has sold, and goes on. `meanwhile` is called again and again before that."""
    directory, log = tmp_path / "freqtrade", tmp_path / "freqtrade.log"
    directory.mkdir()
    settings = directory / "config.json"
    settings.write_text(json.dumps(configuration(venue.port, trader.key, directory, strategy)))
    program = python_of("freqtrade").parent / "freqtrade"
    options = ["--config", settings, "--user-data-dir", directory, "--strategy-path", STRATEGIES]
    with log.open("wb") as output:
        bot = subprocess.Popen([program, "trade", *options], stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: "state='RUNNING'" in log.read_text(), bot, START_SECONDS_MAX)
            # Told once it has accounted for the sale, its fees too.
            wait_for(lambda: meanwhile() or "{'type': exit_fill" in log.read_text(), bot, ROUND_SECONDS_MAX)
            # And it goes on: the strategy is asked again and keeps still, or the pair is locked until the next candle.
            wait_for(lambda: goes_on(log.read_text()), bot, ROUND_SECONDS_MAX)
            assert "ERROR" not in log.read_text()
        except BaseException:
            print(log.read_text()[-6_000:])  # noqa: T201
            raise
        finally:
            bot.kill()
            bot.wait()


def check_round(venue: VenueProcess, trader: Trader, sold_by: str) -> None:
    """One buy and one sell, both filled, nothing left over but what the buy's fee made too small a step to sell."""
    assert check_settled(venue, trader, {SYMBOL: ("BTC", "USDT")}) >= 2
    rest = Rest(venue.port, trader.key)
    try:
        orders = rest.signed("GET", "/api/v3/allOrders", symbol=SYMBOL)[1]
    finally:
        rest.close()
    assert [(order["side"], order["type"], order["status"]) for order in orders] == [
        ("BUY", "LIMIT", "FILLED"),
        ("SELL", sold_by, "FILLED"),
    ]
    bought, sold = (Decimal(order["executedQty"]) for order in orders)
    assert 0 <= bought * Decimal("0.999") - sold < Decimal("0.00001")
