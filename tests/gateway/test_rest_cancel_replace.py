"""Cancel-replace: two outcomes in one answer, as the table of Binance's document has them."""

import gc
from typing import Any

import pytest

from holdfast.codes import CommandFlag, CommandKind, RejectReason
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.rate_limits import Limits
from tests.gateway.fakes import Answer, World, limit_order

UNKNOWN_ORDER = {"code": -2011, "msg": "Unknown order sent."}
WOULD_TAKE = {"code": -2010, "msg": "Order would immediately match and take."}


def replace(world: World, mode: str = "STOP_ON_FAILURE", **changes: object) -> Answer:
    of: dict[str, Any] = {"cancelReplaceMode": mode, "cancelOrderId": 1} | changes
    return world.signed("POST", "/api/v3/order/cancelReplace", **limit_order(**of))


def test_both_succeed(world: World) -> None:
    world.order(newClientOrderId="old")
    answer = replace(world, newClientOrderId="new", cancelNewClientOrderId="cancel", quantity="0.002")
    assert answer.status == 200
    assert list(answer.json) == ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"]
    assert answer.json["cancelResult"] == answer.json["newOrderResult"] == "SUCCESS"
    assert answer.json["cancelResponse"]["origClientOrderId"] == "old"
    assert answer.json["cancelResponse"]["clientOrderId"] == "cancel"
    assert answer.json["cancelResponse"]["status"] == "CANCELED"
    assert answer.json["newOrderResponse"]["clientOrderId"] == "new"
    assert answer.json["newOrderResponse"]["origQty"] == "0.00200000"


@pytest.mark.parametrize(("mode", "flags"), [("STOP_ON_FAILURE", 0), ("ALLOW_FAILURE", 1)])
def test_replacement_is_one_command(world: World, mode: str, flags: int) -> None:
    replace(
        world,
        mode,
        cancelOrigClientOrderId="old",
        newClientOrderId="new",
        cancelRestrictions="ONLY_NEW",
    )
    (command,) = world.replica.submitted
    assert command.kind == CommandKind.REPLACE_ORDER
    assert command.flags == flags * CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS
    assert (command.order_id, command.target_client_id, command.client_id) == (1, b"old", b"new")
    assert command.cancel_restriction == 1


@pytest.mark.parametrize("mode", ["STOP_ON_FAILURE", "ALLOW_FAILURE"])
def test_failures_leave_no_errors_behind_that_only_a_collection_would_find(world: World, mode: str) -> None:
    gc.collect()
    gc.disable()
    try:
        replace(world, mode)
        world.replica.refuse_next = RejectReason.WOULD_TAKE
        replace(world, mode, newClientOrderId="other")
        assert not [each for each in gc.get_objects() if isinstance(each, ApiError)]
    finally:
        gc.enable()


def test_failed_cancel_stops_the_new_order(world: World) -> None:
    answer = replace(world)
    assert answer.status == 400
    assert answer.json == {
        "code": -2022,
        "msg": "Order cancel-replace failed.",
        "data": {
            "cancelResult": "FAILURE",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": UNKNOWN_ORDER,
            "newOrderResponse": None,
        },
    }


def test_refused_new_order_does_not_undo_the_cancel(world: World) -> None:
    world.order(newClientOrderId="old")
    world.replica.refuse_next = RejectReason.WOULD_TAKE
    answer = replace(world)
    assert (answer.status, answer.code, answer.text) == (409, -2021, "Order cancel-replace partially failed.")
    assert answer.json["data"]["cancelResult"] == "SUCCESS"
    assert answer.json["data"]["newOrderResult"] == "FAILURE"
    assert answer.json["data"]["cancelResponse"]["origClientOrderId"] == "old"
    assert answer.json["data"]["newOrderResponse"] == WOULD_TAKE


def test_failed_cancel_is_allowed_where_asked_for(world: World) -> None:
    answer = replace(world, "ALLOW_FAILURE")
    assert (answer.status, answer.code) == (409, -2021)
    assert answer.json["data"]["cancelResponse"] == UNKNOWN_ORDER
    assert answer.json["data"]["newOrderResult"] == "SUCCESS"
    assert answer.json["data"]["newOrderResponse"]["status"] == "NEW"


def test_both_fail(world: World) -> None:
    world.replica.refuse_next = RejectReason.WOULD_TAKE
    answer = replace(world, "ALLOW_FAILURE")
    assert (answer.status, answer.code) == (400, -2022)
    assert answer.json["data"]["cancelResponse"] == UNKNOWN_ORDER
    assert answer.json["data"]["newOrderResult"] == "FAILURE"
    assert answer.json["data"]["newOrderResponse"] == WOULD_TAKE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cancelOrderId": None}, -1102),
        ({"mode": "SOMETIMES"}, -1130),
        ({"orderRateLimitExceededMode": "SHRUG"}, -1130),
        ({"cancelRestrictions": "ONLY_OLD"}, -1145),
        ({"price": "0.001"}, -1013),
        ({"cancelOrderId": "-1"}, -1100),
    ],
)
def test_malformed_replacement_touches_neither_order(world: World, changes: dict[str, Any], code: int) -> None:
    answer = replace(world, **changes)
    assert (answer.status, answer.code) == (400, code)
    assert world.replica.submitted == []


def one_order_in_10_seconds() -> World:
    world = World(Limits(orders_per_10_seconds=1))
    world.order(newClientOrderId="old")
    return world


def test_too_many_unfilled_orders_leave_the_old_one_alone() -> None:
    world = one_order_in_10_seconds()
    answer = replace(world)
    assert (answer.status, answer.code) == (429, -1015)
    assert answer.text == "Too many new orders; current limit is 1 orders per 10 SECOND."
    assert len(world.replica.submitted) == 1


def test_too_many_unfilled_orders_cancel_the_old_one_where_asked_for() -> None:
    world = one_order_in_10_seconds()
    answer = replace(world, orderRateLimitExceededMode="CANCEL_ONLY")
    assert (answer.status, answer.code) == (429, -2021)
    assert answer.json["data"]["cancelResult"] == "SUCCESS"
    assert answer.json["data"]["newOrderResponse"]["code"] == -1015
    assert world.replica.submitted[-1].kind == CommandKind.CANCEL_ORDER
    answer = replace(world, orderRateLimitExceededMode="CANCEL_ONLY")
    assert (answer.status, answer.code) == (429, -2022)


@pytest.mark.parametrize(
    ("reason", "cancel", "new"),
    [
        (RejectReason.MODE_FORBIDS, {"code": -2011, "msg": "Market is closed."}, None),
        (
            RejectReason.DUPLICATE_CLIENT_ID,
            {"code": -2011, "msg": "Duplicate order sent."},
            {
                "code": -2010,
                "msg": "Duplicate order sent.",
                "data": {"orderId": 0, "clientOrderId": "new", "status": "REJECTED"},
            },
        ),
    ],
)
def test_replacement_refused_as_a_whole_says_so_for_both(
    world: World, reason: RejectReason, cancel: dict[str, Any], new: dict[str, Any] | None
) -> None:
    world.replica.refuse_cancel_next = reason
    answer = replace(world, newClientOrderId="new")
    assert (answer.status, answer.code) == (400, -2022)
    assert answer.json["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED" if new is None else "FAILURE",
        "cancelResponse": cancel,
        "newOrderResponse": new,
    }


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [(RejectReason.DEADLINE_PASSED, 400, -1021), (RejectReason.KEY_INVALID, 401, -2015)],
)
def test_replacement_whose_request_is_refused_is_told_only_that(
    world: World, reason: RejectReason, status: int, code: int
) -> None:
    world.replica.refuse_cancel_next = reason
    answer = replace(world)
    assert (answer.status, answer.code) == (status, code)
    assert "data" not in answer.json
