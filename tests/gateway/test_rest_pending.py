"""Commands on their way: a client is never left without an answer, and never told what may turn out false."""

import pytest

from holdfast.codes import CommandKind
from tests.gateway.fakes import Answer, World, limit_order

TIMEOUT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."


def send_order(world: World, **changes: object) -> list[Answer]:
    query, headers = world.sign(limit_order(**changes))
    return world.send("POST", "/api/v3/order", query, headers=headers, commit=False)


def test_reply_waits_for_the_journal(world: World) -> None:
    answers = send_order(world)
    assert answers == []
    world.replica.commit()
    assert len(answers) == 1


def test_undecided_order_is_answered_as_pending_within_800_ms(world: World) -> None:
    answers = send_order(world, newClientOrderId="mine", recvWindow=3000)
    world.clock.advance(0.7)
    world.timers.run()
    assert answers == []
    world.clock.advance(0.1)
    world.timers.run()
    assert answers[0].status == 504
    assert answers[0].json == {
        "code": -1007,
        "msg": TIMEOUT,
        "data": {"clientOrderId": "mine", "resolvesBy": world.clock.ms - 800 + 3000},
    }


def test_outcome_after_the_pending_answer_is_not_answered_again(world: World) -> None:
    answers = send_order(world)
    world.clock.advance(0.8)
    world.timers.run()
    world.replica.commit()
    assert len(answers) == 1
    assert len(world.gateway.pending) == 0


def test_query_says_pending_until_it_is_decided(world: World) -> None:
    send_order(world, newClientOrderId="mine")
    query, headers = world.sign({"symbol": "BTCUSDT", "origClientOrderId": "mine"})
    (pending,) = world.send("GET", "/api/v3/order", query, headers=headers, commit=False)
    assert (pending.status, pending.code) == (504, -1007)
    assert "pending" in pending.text
    assert pending.json["data"] == {"clientOrderId": "mine"}
    world.replica.commit()
    assert world.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine").json["status"] == "NEW"


def test_one_timer_serves_orders_of_different_times(world: World) -> None:
    first = send_order(world)
    world.clock.advance(0.4)
    second = send_order(world)
    world.clock.advance(0.4)
    world.timers.run()
    assert (len(first), len(second)) == (1, 0)
    world.clock.advance(0.4)
    world.timers.run()
    assert (len(first), len(second)) == (1, 1)
    third = send_order(world)
    world.clock.advance(0.8)
    world.timers.run()
    assert len(third) == 1


def test_unavailable_journal_is_503_with_its_reason(world: World) -> None:
    world.replica.unavailable = "The disk is full."
    for answer in (
        world.order(),
        world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1),
        world.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT"),
    ):
        assert (answer.status, answer.json) == (503, {"code": -1008, "msg": "The disk is full."})
    assert world.signed("GET", "/api/v3/account").status == 200


def test_malformed_orders_are_told_so_even_when_nothing_is_accepted(world: World) -> None:
    world.replica.refusal = "The venue is stopping."
    assert world.order(price="-1").status == 400
    assert world.order(side="UP").status == 400
    assert world.order(timestamp=1).code == -1021


def test_new_orders_are_refused_and_cancels_are_not_when_the_venue_does_not_accept(world: World) -> None:
    world.order(newClientOrderId="mine")
    world.replica.refusal = "The account history is catching up."
    answer = world.order()
    assert (answer.status, answer.json) == (503, {"code": -1008, "msg": "The account history is catching up."})
    replace = limit_order(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1)
    assert world.signed("POST", "/api/v3/order/cancelReplace", **replace).status == 503
    assert len(world.replica.submitted) == 1
    assert world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1).json["status"] == "CANCELED"
    assert world.replica.submitted[-1].kind == CommandKind.CANCEL_ORDER


def test_fault_of_ours_is_answered_and_not_raised(world: World) -> None:
    def broken(_account_id: int) -> list[object]:
        raise RuntimeError("a bug")

    world.replica.balances = broken  # type: ignore[assignment,method-assign]
    answer = world.signed("GET", "/api/v3/account")
    assert (answer.status, answer.code) == (500, -1000)


@pytest.mark.parametrize("way", ["lane", "general"])
def test_order_that_the_venue_refuses_later_is_answered_with_its_reason(world: World, way: str) -> None:
    answers = send_order(world, **({} if way == "lane" else {"recvWindow": "05000"}))
    assert world.replica.refused is not None
    world.replica.refused("The journal's disk is full.")
    (answer,) = answers
    assert (answer.status, answer.code, answer.json["msg"]) == (503, -1008, "The journal's disk is full.")
    assert len(world.gateway.pending) == 0
    world.clock.advance(1)
    world.timers.run()
    assert len(answers) == 1


@pytest.mark.parametrize("way", ["lane", "general"])
def test_refusal_after_the_pending_answer_is_not_answered_again(world: World, way: str) -> None:
    answers = send_order(world, **({} if way == "lane" else {"recvWindow": "05000"}))
    world.clock.advance(1)
    world.timers.run()
    assert [answer.code for answer in answers] == [-1007]
    assert world.replica.refused is not None
    world.replica.refused("The venue went away before it took this.")
    assert len(answers) == 1
