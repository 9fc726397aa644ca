"""Trailing stops as a client writes and reads them: what becomes of `trailingDelta`, and where a market allows it."""

from typing import Any

import pytest

from holdfast.codes import CommandKind, OrderEventKind, OrderStatus, OrderType, RejectReason
from holdfast.events import OrderEvent
from holdfast.gateway.binance import errors, formats
from holdfast.instruments import Reference
from tests.gateway.fakes import BTC, START_NS, USDT, Answer, World, instrument, limit_order

BOUNDS = {
    "TRAILING_ABOVE_BIPS_MIN": 10,
    "TRAILING_ABOVE_BIPS_MAX": 2_000,
    "TRAILING_BELOW_BIPS_MIN": 50,
    "TRAILING_BELOW_BIPS_MAX": 1_000,
}
STOP = {"type": "STOP_LOSS_LIMIT", "trailingDelta": "100", "newOrderRespType": "RESULT"}


@pytest.fixture
def market(world: World) -> World:
    """A venue whose market allows trailing stops."""
    world.replica.reference = Reference([BTC, USDT], [instrument(**BOUNDS)])
    return world


def place(world: World, path: str = "/api/v3/order", **changes: Any) -> Answer:
    return world.signed("POST", path, **limit_order(**(STOP | changes)))


def test_a_delta_alone_or_with_a_stop_price_becomes_a_command(market: World) -> None:
    assert place(market).status == 200
    assert place(market, stopPrice="20000").status == 200
    assert place(market, type="TAKE_PROFIT", price=None, timeInForce=None).status == 200
    terms = [(one.order_type, one.stop_price_ticks, one.trailing_delta_bips) for one in market.replica.submitted]
    assert terms == [
        (OrderType.STOP_LOSS_LIMIT, 0, 100),
        (OrderType.STOP_LOSS_LIMIT, 2_000_000, 100),
        (OrderType.TAKE_PROFIT, 0, 100),
    ]


def test_a_replacement_may_trail(market: World) -> None:
    place(market)
    ask = limit_order(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1, **STOP)
    assert market.signed("POST", "/api/v3/order/cancelReplace", **ask).status == 200
    assert market.replica.submitted[-1].kind == CommandKind.REPLACE_ORDER
    assert market.replica.submitted[-1].trailing_delta_bips == 100


def test_replies_and_queries_show_the_delta_and_that_it_does_not_follow_yet(market: World) -> None:
    placed = place(market, stopPrice="20000").json
    assert (placed["stopPrice"], placed["trailingDelta"], placed["trailingTime"]) == ("20000.00000000", 100, -1)
    assert placed["workingTime"] == -1
    order = market.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=1).json
    assert (order["stopPrice"], order["trailingDelta"], order["trailingTime"]) == ("20000.00000000", 100, -1)
    assert (order["isWorking"], order["workingTime"]) == (False, -1)
    canceled = market.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1).json
    assert (canceled["trailingDelta"], canceled["trailingTime"]) == (100, -1)


def test_other_orders_show_neither(market: World) -> None:
    place(market, trailingDelta=None, stopPrice="20000")
    order = market.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=1).json
    assert not {"trailingDelta", "trailingTime"} & order.keys()


def report(**fields: Any) -> formats.Shown:
    event = OrderEvent(*(b"" if name == "client_id" else 0 for name in OrderEvent._fields))
    fields = {"kind": OrderEventKind.ORDER_ACCEPTED, "status": OrderStatus.NEW, "created_ts_ns": START_NS} | fields
    event = event._replace(side=1, order_type=OrderType.STOP_LOSS, ts_ns=START_NS, **fields)
    return formats.execution_report(instrument(), event, "", 10**6)


def test_the_user_stream_tells_the_delta_and_when_it_began_to_follow() -> None:
    before, after = report(trailing_delta_bips=100), report(trailing_delta_bips=100, trailing_ts_ns=START_NS)
    assert (before["d"], "D" in before, "W" in before) == (100, False, False)
    assert (after["d"], after["D"], "W" in after) == (100, START_NS // 10**6, False)
    assert not {"d", "D"} & report(stop_price_ticks=1).keys()


@pytest.mark.parametrize("path", ["/api/v3/order", "/api/v3/order/test"])
@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"type": "LIMIT"}, -1106, "Parameter 'trailingDelta' sent when not required."),
        ({"type": "LIMIT_MAKER"}, -1106, "Parameter 'trailingDelta' sent when not required."),
        ({"type": "MARKET", "price": None}, -1106, "Parameter 'trailingDelta' sent when not required."),
        ({"trailingDelta": "0"}, -1013, "Filter failure: TRAILING_DELTA"),
        ({"trailingDelta": "10000"}, -1013, "Filter failure: TRAILING_DELTA"),
        ({"trailingDelta": "9223372036854775807"}, -1013, "Filter failure: TRAILING_DELTA"),
        (
            {"trailingDelta": None},
            -1102,
            "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
        ),
        ({"stopPrice": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ],
)
def test_what_does_not_go_together_is_refused(
    market: World, path: str, changes: dict[str, Any], code: int, text: str
) -> None:
    answer = place(market, path, **changes)
    assert (answer.status, answer.code, answer.text) == (400, code, text)
    assert market.replica.submitted == []


@pytest.mark.parametrize("delta", ["-1", "1.5", "1e2", "x"])
def test_what_is_no_whole_number_is_refused(market: World, delta: str) -> None:
    assert place(market, trailingDelta=delta).code == -1100


@pytest.mark.parametrize(
    ("side", "order_type", "low", "high"),
    [
        ("BUY", "STOP_LOSS_LIMIT", 10, 2_000),
        ("SELL", "TAKE_PROFIT_LIMIT", 10, 2_000),
        ("SELL", "STOP_LOSS_LIMIT", 50, 1_000),
        ("BUY", "TAKE_PROFIT_LIMIT", 50, 1_000),
    ],
)
def test_a_test_order_is_measured_by_the_bounds_of_its_side(
    market: World, side: str, order_type: str, low: int, high: int
) -> None:
    for delta, is_allowed in ((low - 1, False), (low, True), (high, True), (high + 1, False)):
        answer = place(market, "/api/v3/order/test", side=side, type=order_type, trailingDelta=str(delta))
        assert (answer.status == 200) == is_allowed, (delta, answer.json)


def test_the_engines_refusal_is_the_filters() -> None:
    assert errors.rejection(RejectReason.TRAILING_DELTA).as_dict() == {
        "code": -1013,
        "msg": "Filter failure: TRAILING_DELTA",
    }


def test_exchange_info_shows_where_trailing_stops_are_allowed(market: World) -> None:
    (shown,) = market.get("/api/v3/exchangeInfo").json["symbols"]
    assert shown["allowTrailingStop"] is True
    assert [one for one in shown["filters"] if one["filterType"] == "TRAILING_DELTA"] == [
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2_000,
            "minTrailingBelowDelta": 50,
            "maxTrailingBelowDelta": 1_000,
        }
    ]
    market.replica.reference = Reference([BTC, USDT], [instrument()])
    (shown,) = market.get("/api/v3/exchangeInfo").json["symbols"]
    assert shown["allowTrailingStop"] is False
    assert "TRAILING_DELTA" not in [one["filterType"] for one in shown["filters"]]
