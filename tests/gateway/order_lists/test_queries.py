"""Asking for order lists: open ones, those that are done, and the orders and trades of either."""

from typing import Any

import pytest

from tests.gateway.fakes import START_NS, Answer
from tests.gateway.order_lists.test_forms import OCO, OTO
from tests.gateway.order_lists.test_placing import OCO_NAMES, place
from tests.gateway.order_lists.venue import EngineWorld

MS = START_NS // 10**6
ONE, OPEN, ALL = "/api/v3/orderList", "/api/v3/openOrderList", "/api/v3/allOrderList"


def ids(lists: list[dict[str, Any]]) -> list[int]:
    return [each["orderListId"] for each in lists]


@pytest.fixture
def five(world: EngineWorld) -> EngineWorld:
    """Five lists, a second apart; the second, then the first, were canceled a second after each other."""
    for number in range(1, 6):
        world.clock.advance(1)
        assert place(world, "oco", OCO, listClientOrderId=f"l{number}").status == 200
    for number in (2, 1):
        world.clock.advance(1)
        world.asked("DELETE", ONE, symbol="BTCUSDT", orderListId=number)
    return world


def test_an_open_list_is_shown_by_either_id(world: EngineWorld) -> None:
    placed = place(world, "oco", OCO | OCO_NAMES).json
    del placed["orderReports"]
    assert world.asked("GET", ONE, orderListId=1) == placed
    assert world.asked("GET", ONE, origClientOrderId="both") == placed
    assert world.asked("GET", ONE, origClientOrderId="both", orderListId=77) == placed, "the client's id counts"
    assert world.asked("GET", OPEN) == [placed]
    assert world.asked("GET", ALL) == [placed]


@pytest.mark.parametrize("is_written", [False, True])
def test_a_list_that_is_done_is_shown_from_the_history(five: EngineWorld, is_written: bool) -> None:
    if is_written:
        assert five.history.write_waiting()
    shown = five.asked("GET", ONE, orderListId=2)
    assert (shown["listStatusType"], shown["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert (shown["transactionTime"], shown["listClientOrderId"]) == (MS + 6_000, "l2")
    assert five.asked("GET", ONE, origClientOrderId="l2") == shown
    assert ids(five.asked("GET", OPEN)) == [3, 4, 5]


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"limit": 2}, [5, 4]),
        ({"fromId": 0}, [1, 2, 3, 4, 5]),
        ({"fromId": 2}, [2, 3, 4, 5]),
        ({"fromId": 2, "limit": 2}, [2, 3]),
        ({"fromId": 6}, []),
        # By the newest change of their status: 3, 4 and 5 were placed before 2 and 1 were canceled.
        ({"startTime": MS}, [3, 4, 5, 2, 1]),
        ({"startTime": MS + 5_000}, [5, 2, 1]),
        ({"startTime": MS + 4_000, "limit": 2}, [4, 5]),
        ({"endTime": MS + 6_000}, [2, 5, 4, 3]),
        ({"endTime": MS + 6_000, "limit": 2}, [2, 5]),
        ({"startTime": MS + 6_000, "endTime": MS + 6_000}, [2]),
        ({"startTime": MS + 8_000}, []),
    ],
)
def test_all_lists_are_chosen_by_id_or_by_the_time_of_their_newest_change(
    five: EngineWorld, asked: dict[str, int], expected: list[int], is_written: bool
) -> None:
    if is_written:
        assert five.history.write_waiting()
    assert ids(five.asked("GET", ALL, **asked)) == expected


@pytest.mark.parametrize(
    ("path", "asked", "code", "text"),
    [
        (
            *(ONE, {}, -1128),
            "Combination of optional parameters invalid. Recommendation: 'orderListId' should also be sent.",
        ),
        (ONE, {"orderListId": 0}, -2018, "Order list does not exist."),
        (ONE, {"orderListId": 9}, -2018, "Order list does not exist."),
        (ONE, {"orderListId": 2**63 - 1}, -2018, "Order list does not exist."),
        (ONE, {"orderListId": 2**63}, -1108, "Parameter 'orderListId' overflowed."),
        (ONE, {"origClientOrderId": "nobody"}, -2018, "Order list does not exist."),
        (ONE, {"symbol": "BTCUSDT", "orderListId": 1}, -1104, None),
        (OPEN, {"symbol": "BTCUSDT"}, -1104, None),
        (ALL, {"fromId": 1, "startTime": MS}, -1128, "Combination of optional parameters invalid."),
        (ALL, {"fromId": 1, "endTime": MS}, -1128, "Combination of optional parameters invalid."),
        (ALL, {"limit": 1001}, -1130, None),
        (ALL, {"limit": 0}, -1130, None),
        (ALL, {"startTime": MS, "endTime": MS + 86_400_001}, -1127, None),
    ],
)
def test_what_asks_for_no_list_is_refused(
    world: EngineWorld, path: str, asked: dict[str, Any], code: int, text: str | None
) -> None:
    place(world, "oco", OCO)
    answer = world.signed("GET", path, **asked)
    assert (answer.status, answer.code, text in (None, answer.text)) == (400, code, True), answer.json


def test_an_account_sees_its_own_lists_alone(world: EngineWorld) -> None:
    place(world, "oco", OCO | OCO_NAMES)

    def bob_asks(path: str, **asked: object) -> Answer:
        query, headers = world.sign(dict(asked), *world.bobs)
        (answer,) = world.send("GET", path, query, headers=headers)
        return answer

    assert bob_asks(OPEN).json == []
    assert bob_asks(ALL).json == []
    assert bob_asks(ONE, orderListId=1).code == -2018
    assert bob_asks(ONE, origClientOrderId="both").code == -2018


def test_weights_are_binances(world: EngineWorld) -> None:
    used = 0
    for path, asked, weight in ((OPEN, {}, 6), (ALL, {}, 20), (ONE, {"orderListId": 1}, 4)):
        answer = world.signed("GET", path, **asked)
        used += weight
        assert answer.headers["X-MBX-USED-WEIGHT-1M"] == str(used)


@pytest.mark.parametrize("is_written", [False, True])
def test_orders_and_trades_name_their_list(world: EngineWorld, is_written: bool) -> None:
    """The stop is reached: the limit order of the pair expires, and the stop trades."""
    first = place(world, "oco", OCO | OCO_NAMES).json["orders"][0]["orderId"]
    up, down = world.asked("GET", "/api/v3/openOrders", symbol="BTCUSDT")
    assert [(each["clientOrderId"], each["orderListId"]) for each in (up, down)] == [("up", 1), ("down", 1)]
    assert (up["isWorking"], up["workingTime"]) == (True, MS)
    assert (down["isWorking"], down["workingTime"], down["stopPrice"]) == (False, -1, "39000.00000000")
    world.bob_rests("BUY", "0.001", "38950")
    world.bob_trades_at("39000")
    if is_written:
        assert world.history.write_waiting()
    up, down = world.asked("GET", "/api/v3/allOrders", symbol="BTCUSDT")
    assert [(each["orderId"], each["orderListId"]) for each in (up, down)] == [(first, 1), (first + 1, 1)]
    assert (up["status"], up["expiryReason"]) == ("EXPIRED", "OCO_TRIGGER")
    assert (down["status"], down["isWorking"]) == ("FILLED", True)
    (fill,) = world.asked("GET", "/api/v3/myTrades", symbol="BTCUSDT")
    assert (fill["orderId"], fill["orderListId"]) == (first + 1, 1)
    shown = world.asked("GET", ONE, orderListId=1)
    assert (shown["listStatusType"], shown["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")


def test_pending_orders_expire_with_the_order_that_they_waited_for(world: EngineWorld) -> None:
    answer = place(world, "oto", OTO, workingTimeInForce="IOC", pendingClientOrderId="out")
    working, pending = answer.json["orderReports"]
    assert (working["status"], working["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")
    assert (pending["status"], answer.json["listOrderStatus"]) == ("PENDING_NEW", "EXECUTING")
    order = world.asked("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="out")
    assert (order["status"], order["expiryReason"]) == ("EXPIRED", "OTO_PHASE_ONE_EXPIRED")
    assert (order["isWorking"], order["workingTime"]) == (False, -1)
    assert ids(world.asked("GET", OPEN)) == []


def test_a_pending_order_that_cannot_be_placed_expires_as_rejected(world: EngineWorld) -> None:
    place(world, "oto", OTO, pendingClientOrderId="out", pendingQuantity="0.5")
    world.spend("BTC", "9999999.9")
    world.bob_rests("SELL", "0.002", "39000")
    order = world.asked("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="out")
    assert (order["status"], order["expiryReason"]) == ("EXPIRED", "REJECTED")


def test_lists_survive_the_snapshot_that_a_restart_begins_with(world: EngineWorld) -> None:
    place(world, "oco", OCO | OCO_NAMES)
    before = world.asked("GET", OPEN)
    world.venue.engine = type(world.venue.engine).from_arrays(world.venue.engine.arrays())
    assert world.asked("GET", OPEN) == before
    assert world.asked("DELETE", ONE, symbol="BTCUSDT", orderListId=1)["listOrderStatus"] == "ALL_DONE"
