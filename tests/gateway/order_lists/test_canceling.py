"""Canceling a list, or one of its orders by any of the ways in: the list ends, and each reply shows it."""

from typing import Any

import pytest

from holdfast.codes import TradingMode
from tests.gateway.fakes import START_NS, limit_order
from tests.gateway.order_lists.test_forms import OCO, OTO
from tests.gateway.order_lists.test_placing import OCO_NAMES, OTO_NAMES, place
from tests.gateway.order_lists.venue import EngineWorld

MS = START_NS // 10**6
PATH = "/api/v3/orderList"


@pytest.fixture
def oco(world: EngineWorld) -> list[int]:
    """The ids of its orders."""
    return [each["orderId"] for each in place(world, "oco", OCO | OCO_NAMES).json["orders"]]


def canceled_oco(ids: list[int], cancel_id: str) -> dict[str, Any]:
    shared = {
        "symbol": "BTCUSDT",
        "orderListId": 1,
        "clientOrderId": cancel_id,
        "transactTime": MS,
        "origQty": "0.00100000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "CANCELED",
        "timeInForce": "GTC",
        "side": "SELL",
        "selfTradePreventionMode": "NONE",
    }
    up = {"origClientOrderId": "up", "orderId": ids[0], "price": "41000.00000000", "type": "LIMIT_MAKER"}
    down = {"origClientOrderId": "down", "orderId": ids[1], "price": "38900.00000000", "type": "STOP_LOSS_LIMIT"}
    return {
        "orderListId": 1,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE",
        "listOrderStatus": "ALL_DONE",
        "listClientOrderId": "both",
        "transactionTime": MS,
        "symbol": "BTCUSDT",
        "orders": [
            {"symbol": "BTCUSDT", "orderId": ids[0], "clientOrderId": "up"},
            {"symbol": "BTCUSDT", "orderId": ids[1], "clientOrderId": "down"},
        ],
        "orderReports": [shared | up, shared | down | {"stopPrice": "39000.00000000"}],
    }


@pytest.mark.parametrize(
    "named", [{"orderListId": 1}, {"listClientOrderId": "both"}, {"orderListId": 1, "listClientOrderId": "both"}]
)
def test_a_list_is_canceled_by_either_id(world: EngineWorld, oco: list[int], named: dict[str, Any]) -> None:
    shown = world.asked("DELETE", PATH, symbol="BTCUSDT", **named, newClientOrderId="stop")
    assert shown == canceled_oco(oco, "stop")
    assert world.held()["BTC"][1] == "0.00000000"
    assert world.asked("GET", "/api/v3/openOrderList") == []


@pytest.mark.parametrize("which", [0, 1])
def test_to_cancel_one_order_is_to_cancel_its_list(world: EngineWorld, oco: list[int], which: int) -> None:
    shown = world.asked("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=oco[which], newClientOrderId="stop")
    assert shown == canceled_oco(oco, "stop")


def test_all_open_orders_are_told_one_by_one_and_a_list_once(world: EngineWorld, oco: list[int]) -> None:
    plain = world.order(newClientOrderId="plain").json
    place(world, "oto", OTO | OTO_NAMES)
    shown = world.asked("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert len(shown) == 3
    by_list = {each["orderListId"]: each for each in shown}
    assert (by_list[-1]["orderId"], by_list[-1]["status"]) == (plain["orderId"], "CANCELED")
    cancel_id = by_list[-1]["clientOrderId"]
    assert by_list[1] == canceled_oco(oco, cancel_id)
    assert [each["origClientOrderId"] for each in by_list[2]["orderReports"]] == ["in", "out"]
    assert {each["status"] for each in by_list[2]["orderReports"]} == {"CANCELED"}


def test_an_order_of_a_list_can_be_replaced_by_a_plain_one(world: EngineWorld, oco: list[int]) -> None:
    of = limit_order(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=oco[0], cancelNewClientOrderId="stop")
    shown = world.asked("POST", "/api/v3/order/cancelReplace", **of)
    assert (shown["cancelResult"], shown["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert shown["cancelResponse"] == canceled_oco(oco, "stop")
    assert shown["newOrderResponse"]["orderListId"] == -1


@pytest.mark.parametrize(
    ("named", "code", "text"),
    [
        ({}, -1102, "Param 'orderListId' or 'listClientOrderId' must be sent, but both were empty/null!"),
        ({"orderListId": 0}, -2011, "Unknown order list sent."),
        ({"orderListId": 2}, -2011, "Unknown order list sent."),
        ({"listClientOrderId": "none"}, -2011, "Unknown order list sent."),
        ({"orderListId": 1, "listClientOrderId": "none"}, -2011, "Unknown order list sent."),
        ({"orderListId": 1, "symbol": "NOTHING"}, -1121, "Invalid symbol."),
        ({"orderListId": "one"}, -1100, None),
        ({"orderListId": 1, "orderId": 1}, -1104, None),
    ],
)
@pytest.mark.usefixtures("oco")
def test_what_names_no_open_list_is_refused(
    world: EngineWorld, named: dict[str, Any], code: int, text: str | None
) -> None:
    answer = world.signed("DELETE", PATH, **{"symbol": "BTCUSDT", **named})
    assert (answer.code, text in (None, answer.text)) == (code, True), answer.json
    assert len(world.asked("GET", "/api/v3/openOrderList")) == 1


@pytest.mark.usefixtures("oco")
def test_a_list_is_canceled_once(world: EngineWorld) -> None:
    world.asked("DELETE", PATH, symbol="BTCUSDT", orderListId=1)
    again = world.signed("DELETE", PATH, symbol="BTCUSDT", orderListId=1)
    assert (again.code, again.text) == (-2011, "Unknown order list sent.")


@pytest.mark.usefixtures("oco")
def test_nothing_is_canceled_in_a_halted_market(world: EngineWorld) -> None:
    world.venue.set_mode(TradingMode.HALT)
    answer = world.signed("DELETE", PATH, symbol="BTCUSDT", orderListId=1)
    assert (answer.code, answer.text) == (-2011, "Market is closed.")


@pytest.mark.usefixtures("oco")
def test_a_cancel_draws_on_the_budget_of_cancels(world: EngineWorld) -> None:
    answer = world.signed("DELETE", PATH, symbol="BTCUSDT", orderListId=1)
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "0"
    assert world.gateway.rate_limits.cancels.count("203.0.113.7", world.clock.ns) == 1


def test_an_amended_order_is_shown_with_its_list(world: EngineWorld) -> None:
    ids = [each["orderId"] for each in place(world, "oto", OTO | OTO_NAMES).json["orders"]]
    shown = world.asked(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        symbol="BTCUSDT",
        orderId=ids[1],
        newQty="0.0005",
        newClientOrderId="less",
    )
    amended = shown["amendedOrder"]
    assert (amended["orderListId"], amended["status"], amended["qty"]) == (1, "PENDING_NEW", "0.00050000")
    assert (amended["origClientOrderId"], amended["clientOrderId"]) == ("out", "less")
    assert "workingTime" not in amended
    assert shown["listStatus"] == {
        "orderListId": 1,
        "contingencyType": "OTO",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "two",
        "symbol": "BTCUSDT",
        "orders": [
            {"symbol": "BTCUSDT", "orderId": ids[0], "clientOrderId": "in"},
            {"symbol": "BTCUSDT", "orderId": ids[1], "clientOrderId": "less"},
        ],
    }
