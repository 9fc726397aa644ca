"""Amend keep priority over REST and the WebSocket API: Binance's reply, its refusals, and what is told of it."""

import pytest

from holdfast.codes import CommandKind, RejectReason
from tests.gateway.fakes import START_NS, Answer, World
from tests.gateway.websockets import Client

MS = START_NS // 10**6
PATH = "/api/v3/order/amend/keepPriority"


def amend(world: World, **parameters: object) -> Answer:
    of: dict[str, object] = {"symbol": "BTCUSDT", "orderId": 1, "newQty": "0.0006"} | parameters
    return world.signed("PUT", PATH, **{name: value for name, value in of.items() if value is not None})


def test_the_reply_shows_the_smaller_order_under_its_new_id(world: World) -> None:
    world.order(newClientOrderId="mine")
    answer = amend(world, newClientOrderId="smaller")
    assert answer.status == 200
    assert answer.json == {
        "transactTime": MS,
        "executionId": 2,
        "amendedOrder": {
            "symbol": "BTCUSDT",
            "orderId": 1,
            "orderListId": -1,
            "origClientOrderId": "mine",
            "clientOrderId": "smaller",
            "price": "25000.00000000",
            "qty": "0.00060000",
            "executedQty": "0.00000000",
            "preventedQty": "0.00000000",
            "quoteOrderQty": "0.00000000",
            "cumulativeQuoteQty": "0.00000000",
            "status": "NEW",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": "BUY",
            "workingTime": MS,
            "selfTradePreventionMode": "NONE",
        },
    }
    command = world.replica.submitted[-1]
    assert command.kind == CommandKind.AMEND_ORDER
    assert (command.order_id, command.qty_lots, command.client_id) == (1, 60, b"smaller")
    assert command.deadline_ts_ns > START_NS


def test_an_order_gets_a_new_id_where_none_is_named_and_may_keep_the_one_it_has(world: World) -> None:
    world.order(newClientOrderId="mine")
    kept = amend(world, orderId=None, origClientOrderId="mine", newClientOrderId="mine").json["amendedOrder"]
    assert (kept["origClientOrderId"], kept["clientOrderId"]) == ("mine", "mine")
    named = amend(world, newQty="0.0005").json["amendedOrder"]["clientOrderId"]
    assert named != "mine"
    assert len(named) == 22
    order = world.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=named)
    assert (order.json["orderId"], order.json["origQty"]) == (1, "0.00050000")


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        (RejectReason.ORDER_UNKNOWN, -2038, "Unknown order sent."),
        (RejectReason.DUPLICATE_CLIENT_ID, -2038, "Duplicate order sent."),
        (RejectReason.MODE_FORBIDS, -2038, "Market is closed."),
        (RejectReason.VENUE_KILLED, -2038, "Market is closed."),
        (RejectReason.ACCOUNT_FROZEN, -2038, "This action is disabled on this account."),
        (RejectReason.AMEND_INCREASES, -2038, "Order amend (quantity increase) is not supported."),
        (RejectReason.AMEND_CHANGES_NOTHING, -2038, "The requested action would change no state; rejecting"),
        (
            RejectReason.AMEND_LEAVES_NOTHING,
            -2038,
            "Order amend (to no more than the executed and prevented quantity) is not supported.",
        ),
        (RejectReason.MAX_NUM_ORDER_AMENDS, -2038, "Filter failure: MAX_NUM_ORDER_AMENDS"),
        (RejectReason.LOT_SIZE, -2038, "Filter failure: LOT_SIZE"),
        (RejectReason.NOTIONAL, -2038, "Filter failure: NOTIONAL"),
        (RejectReason.DEADLINE_PASSED, -1021, "Timestamp for this request is outside of the recvWindow."),
        (RejectReason.KEY_LACKS_PERMISSION, -2015, "Invalid API-key, IP, or permissions for action."),
    ],
)
def test_refusals_have_the_code_of_amendments(world: World, reason: RejectReason, code: int, text: str) -> None:
    world.order()
    world.replica.refuse_cancel_next = reason
    answer = amend(world)
    assert (answer.code, answer.text) == (code, text)
    assert amend(world).status == 200


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"newQty": None}, -1102, "Mandatory parameter 'newQty' was not sent, was empty/null, or malformed."),
        ({"newQty": "0"}, -2038, "Filter failure: LOT_SIZE"),
        ({"newQty": "0.00000001"}, -2038, "Filter failure: LOT_SIZE"),
        ({"newQty": "0.000000001"}, -1111, "Parameter 'newQty' has too much precision."),
        ({"newQty": "-1"}, -1100, None),
        ({"orderId": None}, -1102, "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!"),
        ({"orderId": 0}, -2038, "Unknown order sent."),
        ({"orderId": 2}, -2038, "Unknown order sent."),
        ({"newClientOrderId": "not so"}, -1100, None),
        ({"symbol": "NOTHING"}, -1121, "Invalid symbol."),
        ({"quantity": "1"}, -1104, None),
    ],
)
def test_what_is_malformed_is_refused(world: World, changes: dict[str, object], code: int, text: str | None) -> None:
    world.order()
    answer = amend(world, **changes)
    assert answer.code == code
    assert text in (None, answer.text)


def test_it_weighs_four_and_is_no_new_order(world: World) -> None:
    world.order()
    counts = world.signed("GET", "/api/v3/rateLimit/order").json
    before = int(amend(world).headers["X-MBX-USED-WEIGHT-1M"])
    answer = amend(world, newQty="0.0005")
    assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) == before + 4
    assert world.signed("GET", "/api/v3/rateLimit/order").json == counts


def test_it_is_refused_while_the_venue_takes_no_new_orders(world: World) -> None:
    world.order()
    world.replica.refusal = "The disk is full."
    assert (amend(world).status, amend(world).text) == (503, "The disk is full.")


def test_a_skipped_amendment_says_that_the_market_is_closed(world: World) -> None:
    world.order()
    world.replica.skip_next = True
    assert (amend(world).code, amend(world, newQty="2").status) == (-2038, 200)


def test_amendments_are_listed_oldest_first(world: World) -> None:
    world.order(newClientOrderId="a")
    amend(world, newClientOrderId="b")
    amend(world, newQty="0.0005", newClientOrderId="c")
    listed = world.signed("GET", "/api/v3/order/amendments", symbol="BTCUSDT", orderId=1)
    assert listed.json == [
        {
            "symbol": "BTCUSDT",
            "orderId": 1,
            "executionId": 2,
            "origClientOrderId": "a",
            "newClientOrderId": "b",
            "origQty": "0.00100000",
            "newQty": "0.00060000",
            "time": MS,
        },
        {
            "symbol": "BTCUSDT",
            "orderId": 1,
            "executionId": 3,
            "origClientOrderId": "b",
            "newClientOrderId": "c",
            "origQty": "0.00060000",
            "newQty": "0.00050000",
            "time": MS,
        },
    ]
    asked = {"symbol": "BTCUSDT", "orderId": 1}
    later = world.signed("GET", "/api/v3/order/amendments", **asked, fromExecutionId=3)
    assert later.json == listed.json[1:]
    first = world.signed("GET", "/api/v3/order/amendments", **asked, limit=1)
    assert first.json == listed.json[:1]
    assert world.signed("GET", "/api/v3/order/amendments", symbol="BTCUSDT", orderId=2).json == []
    assert world.signed("GET", "/api/v3/order/amendments", symbol="BTCUSDT").code == -1102
    assert world.signed("GET", "/api/v3/order/amendments", **asked, limit=1001).code == -1130


def test_the_web_socket_api_has_both(world: World) -> None:
    client = Client(world)
    world.order()
    asked = {"symbol": "BTCUSDT", "orderId": 1}
    amended = client.ask_signed("order.amend.keepPriority", **asked, newQty="0.0006")["result"]
    assert amended["amendedOrder"]["qty"] == "0.00060000"
    listed = client.ask_signed("order.amendments", **asked)["result"]
    assert [each["newClientOrderId"] for each in listed] == [amended["amendedOrder"]["clientOrderId"]]


def test_the_user_stream_reports_a_replaced_order_with_both_ids(world: World) -> None:
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    world.order(newClientOrderId="mine")
    answer = amend(world, newClientOrderId="smaller")
    report = client.frames[-1]["event"]
    shown = {name: report[name] for name in "exXcCqiwlzI"}
    assert shown == {
        "e": "executionReport",
        "x": "REPLACED",
        "X": "NEW",
        "c": "smaller",
        "C": "mine",
        "q": "0.00060000",
        "i": 1,
        "w": True,
        "l": "0.00000000",
        "z": "0.00000000",
        "I": answer.json["executionId"],
    }


def test_a_refused_amendment_is_told_to_its_sender_alone(world: World) -> None:
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    amend(world)
    assert [frame for frame in client.frames if "event" in frame] == []


def test_exchange_info_says_that_orders_may_be_amended_and_how_often(world: World) -> None:
    (shown,) = world.get("/api/v3/exchangeInfo", "symbol=BTCUSDT").json["symbols"]
    assert shown["amendAllowed"] is True
    assert {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": 100} in shown["filters"]
