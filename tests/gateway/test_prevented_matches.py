"""myPreventedMatches, and what orders show of the matches that self-trade prevention kept them from."""

import pytest

from holdfast.codes import SelfTradePrevention
from holdfast.views import PreventedMatch
from tests.gateway.fakes import ACCOUNT_ID, START_NS, World
from tests.gateway.websockets import Client

MS = START_NS // 10**6
PATH = "/api/v3/myPreventedMatches"
FIRST = PreventedMatch(
    prevented_match_id=1,
    instrument_id=1,
    account_id=ACCOUNT_ID,
    taker_order_id=5,
    maker_order_id=3,
    self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER,
    price_ticks=110,
    taker_lots=0,
    maker_lots=130_000,
    ts_ns=START_NS,
    seq=1,
)
SECOND = FIRST._replace(prevented_match_id=2, maker_order_id=4)
THIRD = FIRST._replace(
    prevented_match_id=3, taker_order_id=9, self_trade_prevention=SelfTradePrevention.DECREMENT, taker_lots=130_000
)


@pytest.fixture
def prevented(world: World) -> World:
    world.replica.history.prevented += [FIRST, SECOND, THIRD, FIRST._replace(prevented_match_id=4, account_id=2)]
    return world


def ids(world: World, **parameters: object) -> list[int]:
    shown = world.signed("GET", PATH, symbol="BTCUSDT", **parameters).json
    return [match["preventedMatchId"] for match in shown]


def test_a_match_shows_the_quantity_of_each_order_that_lost_some(prevented: World) -> None:
    of_maker = {
        "symbol": "BTCUSDT",
        "preventedMatchId": 1,
        "takerOrderId": 5,
        "makerSymbol": "BTCUSDT",
        "makerOrderId": 3,
        "tradeGroupId": -1,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "price": "1.10000000",
        "makerPreventedQuantity": "1.30000000",
        "transactTime": MS,
    }
    assert prevented.signed("GET", PATH, symbol="BTCUSDT", preventedMatchId=1).json == [of_maker]
    (of_both,) = prevented.signed("GET", PATH, symbol="BTCUSDT", preventedMatchId=3).json
    assert (of_both["takerPreventedQuantity"], of_both["makerPreventedQuantity"]) == ("1.30000000", "1.30000000")
    (over_socket,) = Client(prevented).ask_signed("myPreventedMatches", symbol="BTCUSDT", preventedMatchId=1)["result"]
    assert over_socket == of_maker


def test_matches_are_chosen_by_id_or_by_either_order_from_an_id_on(prevented: World) -> None:
    assert ids(prevented, preventedMatchId=2) == [2]
    assert ids(prevented, preventedMatchId=4) == []  # Somebody else's.
    assert ids(prevented, orderId=5) == [1, 2]
    assert ids(prevented, orderId=3) == [1, 3]
    assert ids(prevented, orderId=3, limit=1) == [1]
    assert ids(prevented, orderId=3, fromPreventedMatchId=2) == [3]
    assert ids(prevented, orderId=5, fromPreventedMatchId=0, limit=1) == [1]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, -1128),
        ({"preventedMatchId": 1, "orderId": 5}, -1128),
        ({"preventedMatchId": 1, "limit": 5}, -1128),
        ({"fromPreventedMatchId": 1}, -1128),
        ({"orderId": 5, "limit": 1001}, -1130),
        ({"orderId": "x"}, -1100),
        ({"symbol": "NOTHING", "orderId": 5}, -1121),
    ],
)
def test_other_combinations_are_refused(prevented: World, parameters: dict[str, object], code: int) -> None:
    assert prevented.signed("GET", PATH, **{"symbol": "BTCUSDT", **parameters}).code == code


@pytest.mark.parametrize(
    ("parameters", "weight"),
    [({"preventedMatchId": 1}, 2), ({"orderId": 5}, 20), ({"orderId": 5, "symbol": "NOTHING"}, 2)],
)
def test_asking_by_order_weighs_more(prevented: World, parameters: dict[str, object], weight: int) -> None:
    answer = prevented.signed("GET", PATH, **{"symbol": "BTCUSDT", **parameters})
    assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) == weight


def test_an_order_that_lost_some_names_its_newest_match_in_every_query(world: World) -> None:
    world.order()
    world.order(newClientOrderId="other")
    replica = world.replica
    replica._open[1] = replica._open[1]._replace(prevented_lots=30)
    replica.history.prevented += [
        FIRST._replace(maker_order_id=1),
        FIRST._replace(prevented_match_id=2, taker_order_id=1),
    ]
    shown = [
        world.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=1).json,
        world.signed("GET", "/api/v3/openOrders").json[0],
        world.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT").json[0],
    ]
    for order in shown:
        assert (order["preventedMatchId"], order["preventedQuantity"]) == (2, "0.00030000")
    assert "preventedMatchId" not in world.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=2).json
