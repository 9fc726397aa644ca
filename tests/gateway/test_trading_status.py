"""Where a market is going can be read before it goes there: an endpoint of our own, and a header of every answer."""

import pytest

from holdfast.codes import TradingMode
from holdfast.gateway.binance.trading_status import AUCTION_AGE_NS_MAX, HEADER, MARKETS_IN_HEADER_MAX, PATH
from holdfast.instruments import Instrument, Reference, Stage
from holdfast.views import Auction
from tests.gateway.fakes import BTC, START_NS, USDT, World, instrument

START_MS = START_NS // 1_000_000
STAGES = (
    Stage(TradingMode.CANCEL_ONLY, START_NS + 10**9),
    Stage(TradingMode.AUCTION, START_NS + 3 * 10**9),
    Stage(TradingMode.TRADING, START_NS + 6 * 10**9),
)


@pytest.fixture
def world() -> World:
    return World()


def show(world: World, *instruments: Instrument) -> None:
    world.replica.reference = Reference([BTC, USDT], instruments)


def test_markets_tell_their_modes_and_when_the_next_ones_come(world: World) -> None:
    show(world, instrument(mode=TradingMode.HALT)._replace(stages=STAGES), instrument("ETHUSDT", 2))
    halted, trading = world.get(PATH).json["markets"]
    assert (halted["symbol"], halted["mode"]) == ("BTCUSDT", "HALT")
    assert halted["stages"] == [
        {"mode": "CANCEL_ONLY", "time": START_MS + 1_000},
        {"mode": "AUCTION", "time": START_MS + 3_000},
        {"mode": "TRADING", "time": START_MS + 6_000},
    ]
    assert (trading["mode"], trading["stages"]) == ("TRADING", [])
    assert world.get(PATH, "symbol=ETHUSDT").json["markets"] == [trading]
    assert world.get(PATH, "symbol=XYZ").json["code"] == -1121


def test_auction_is_shown_and_computed_at_most_every_100_ms(world: World) -> None:
    show(world, instrument(mode=TradingMode.AUCTION))
    world.replica.auctions[1] = Auction(2_500_000, 300_000, -100_000)

    def shown() -> dict[str, str]:
        auction: dict[str, str] = world.get(PATH, "symbol=BTCUSDT").json["markets"][0]["auction"]
        return auction

    assert shown() == {"price": "25000.00000000", "quantity": "3.00000000", "surplus": "-1.00000000"}
    world.replica.auctions[1] = Auction(2_600_000, 300_000, 0)
    world.clock.ns += AUCTION_AGE_NS_MAX - 1
    assert shown()["price"] == "25000.00000000"
    world.clock.ns += 1
    assert shown()["price"] == "26000.00000000"
    show(world, instrument())
    assert shown() == dict.fromkeys(("price", "quantity", "surplus"), "0.00000000")


def test_every_answer_names_the_markets_that_do_not_trade(world: World) -> None:
    assert HEADER not in world.get("/api/v3/ping").headers
    show(
        world,
        instrument(mode=TradingMode.AUCTION)._replace(stages=STAGES[2:]),
        instrument("ETHUSDT", 2),
        instrument("LTCUSDT", 3, TradingMode.HALT),
    )
    expected = f"BTCUSDT AUCTION TRADING@{START_MS + 6_000}, LTCUSDT HALT"
    for answer in (world.get("/api/v3/ping"), world.get(PATH, "symbol=XYZ"), world.order(symbol="ETHUSDT")):
        assert answer.headers[HEADER] == expected


def test_header_is_short_however_many_markets_stand_still(world: World) -> None:
    show(world, *[instrument(f"C{i}USDT", i, TradingMode.HALT) for i in range(1, 101)])
    told = world.get("/api/v3/ping").headers[HEADER].split(", ")
    assert len(told) == MARKETS_IN_HEADER_MAX + 1
    assert told[-1] == f"and {100 - MARKETS_IN_HEADER_MAX} more"
