"""What the engine refuses reaches the client in Binance's words, since clients match on code and text."""

import pytest

from holdfast.codes import OrderStatus, RejectReason, TradingMode
from holdfast.gateway.binance.errors import REJECTIONS
from holdfast.instruments import Reference
from tests.gateway.fakes import BTC, USDT, World, instrument, limit_order

R = RejectReason
BUSY = "Server is currently overloaded with other requests. Please try again in a few minutes."

NEW_ORDERS = [
    (R.DEADLINE_PASSED, 400, -1021, "Timestamp for this request is outside of the recvWindow."),
    (R.KEY_INVALID, 401, -2015, "Invalid API-key, IP, or permissions for action."),
    (R.KEY_LACKS_PERMISSION, 401, -2015, "Invalid API-key, IP, or permissions for action."),
    (R.ACCOUNT_UNKNOWN, 401, -2015, "Invalid API-key, IP, or permissions for action."),
    (R.ACCOUNT_FROZEN, 400, -2010, "This action is disabled on this account."),
    (R.VENUE_KILLED, 400, -2010, "Market is closed."),
    (R.INSTRUMENT_UNKNOWN, 400, -1121, "Invalid symbol."),
    (R.MALFORMED, 400, -1014, "Unsupported order combination."),
    (R.PRICE_FILTER, 400, -1013, "Filter failure: PRICE_FILTER"),
    (R.LOT_SIZE, 400, -1013, "Filter failure: LOT_SIZE"),
    (R.MARKET_LOT_SIZE, 400, -1013, "Filter failure: MARKET_LOT_SIZE"),
    (R.NOTIONAL, 400, -1013, "Filter failure: NOTIONAL"),
    (R.PERCENT_PRICE_BY_SIDE, 400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    (R.MAX_NUM_ORDERS, 400, -1013, "Filter failure: MAX_NUM_ORDERS"),
    (R.MAX_POSITION, 400, -1013, "Filter failure: MAX_POSITION"),
    (R.INSUFFICIENT_BALANCE, 400, -2010, "Account has insufficient balance for requested action."),
    (R.WOULD_TAKE, 400, -2010, "Order would immediately match and take."),
    (R.ORDERS_FULL, 503, -1008, BUSY),
    (R.PAGES_FULL, 503, -1008, BUSY),
    (R.BALANCES_FULL, 503, -1008, BUSY),
    (R.CLIENT_IDS_FULL, 503, -1008, BUSY),
]
CANCELS = [
    (R.ORDER_UNKNOWN, 400, -2011, "Unknown order sent."),
    (R.CANCEL_RESTRICTED, 400, -2011, "Order was not canceled due to cancel restrictions."),
    (R.MODE_FORBIDS, 400, -2011, "Market is closed."),
    (R.DEADLINE_PASSED, 400, -1021, "Timestamp for this request is outside of the recvWindow."),
    (R.KEY_INVALID, 401, -2015, "Invalid API-key, IP, or permissions for action."),
]


@pytest.mark.parametrize(("reason", "status", "code", "text"), NEW_ORDERS)
def test_refused_order(world: World, reason: RejectReason, status: int, code: int, text: str) -> None:
    world.replica.refuse_next = reason
    answer = world.order()
    assert (answer.status, answer.json) == (status, {"code": code, "msg": text})


@pytest.mark.parametrize(("reason", "status", "code", "text"), CANCELS)
def test_refused_cancel(world: World, reason: RejectReason, status: int, code: int, text: str) -> None:
    world.replica.refuse_cancel_next = reason
    answer = world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1)
    assert (answer.status, answer.json) == (status, {"code": code, "msg": text})


def test_every_reason_that_a_trader_can_meet_has_its_words() -> None:
    by_request = {reason for reason in RejectReason if 0 < reason < R.ORDERS_FULL}
    not_for_traders = {R.IDEMPOTENCY_CONFLICT, R.REPLACE_CANCEL_FAILED}
    assert by_request - not_for_traders <= REJECTIONS.keys()


@pytest.mark.parametrize(
    ("mode", "order_type", "code", "text"),
    [
        (TradingMode.HALT, "LIMIT", -2010, "Market is closed."),
        (TradingMode.CANCEL_ONLY, "MARKET", -2010, "Market is closed."),
        (TradingMode.LIMIT_ONLY, "MARKET", -2010, "Market orders are not supported for this symbol."),
        (TradingMode.POST_ONLY, "MARKET", -2010, "Market orders are not supported for this symbol."),
        (TradingMode.POST_ONLY, "LIMIT", -1014, "Unsupported order combination."),
    ],
)
def test_mode_that_forbids_says_what_is_forbidden(
    world: World, mode: TradingMode, order_type: str, code: int, text: str
) -> None:
    world.replica.reference = Reference([BTC, USDT], [instrument(mode=mode)])
    world.replica.refuse_next = R.MODE_FORBIDS
    changes = {"price": None, "timeInForce": None} if order_type == "MARKET" else {}
    answer = world.order(type=order_type, **changes)
    assert (answer.code, answer.text) == (code, text)


def test_duplicate_names_the_first_order_with_its_status(world: World) -> None:
    world.order(newClientOrderId="same")
    world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1)
    answer = world.order(newClientOrderId="same")
    assert answer.status == 400
    assert answer.json == {
        "code": -2010,
        "msg": "Duplicate order sent.",
        "data": {"orderId": 1, "clientOrderId": "same", "status": "CANCELED"},
    }


def test_duplicate_of_a_refused_order_says_rejected(world: World) -> None:
    world.replica.refuse_next = R.DUPLICATE_CLIENT_ID
    answer = world.order(newClientOrderId="same")
    assert answer.json["data"] == {
        "orderId": 0,
        "clientOrderId": "same",
        "status": OrderStatus.REJECTED.name,
    }


def test_poison_command_is_a_closed_market(world: World) -> None:
    """The engine skipped it and halted its instrument; it was surely not executed."""
    world.replica.skip_next = True
    assert world.order().text == "Market is closed."
    world.replica.skip_next = True
    answer = world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1)
    assert (answer.code, answer.text) == (-2011, "Market is closed.")


@pytest.mark.parametrize(
    ("changes", "parameters", "name"),
    [
        ({"price": "0.01"}, {"PRICE_TICKS_MIN": 100}, "PRICE_FILTER"),
        ({"price": "1000000.01"}, {}, "PRICE_FILTER"),
        ({"quantity": "0.001"}, {"QTY_LOTS_MIN": 101}, "LOT_SIZE"),
        ({"quantity": "9000.00001"}, {}, "LOT_SIZE"),
        ({"price": "100"}, {}, "NOTIONAL"),
        ({}, {"NOTIONAL_MAX": 10**8}, "NOTIONAL"),
        ({"type": "MARKET", "price": None, "timeInForce": None, "quantity": "101"}, {}, "MARKET_LOT_SIZE"),
    ],
)
def test_order_test_checks_the_filters_that_need_no_market(
    world: World, changes: dict[str, object], parameters: dict[str, int], name: str
) -> None:
    world.replica.reference = Reference([BTC, USDT], [instrument(**parameters)])  # type: ignore[arg-type]
    answer = world.signed("POST", "/api/v3/order/test", **limit_order(**changes))
    assert (answer.code, answer.text) == (-1013, f"Filter failure: {name}")
