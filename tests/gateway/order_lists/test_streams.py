"""Order lists over the WebSocket API, and what the user data stream tells of them."""

from typing import Any

import pytest

from tests.gateway.fakes import START_NS
from tests.gateway.order_lists.test_forms import OCO, OLD, OPO, OPOCO, OTO, OTOCO
from tests.gateway.order_lists.test_placing import OCO_NAMES, OTO_NAMES, OTOCO_NAMES, place
from tests.gateway.order_lists.venue import EngineWorld
from tests.gateway.websockets import Client

MS = START_NS // 10**6


@pytest.fixture
def client(world: EngineWorld) -> Client:
    """One that listens."""
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    return client


def told(client: Client) -> list[str]:
    """Each event in few words, in the order in which they came; then the frames are forgotten."""
    events = [frame["event"] for frame in client.frames if "event" in frame]
    client.socket.sent.clear()
    return [_said(event) for event in events]


def _said(event: dict[str, Any]) -> str:
    if event["e"] == "executionReport":
        client_id = event["C"] or event["c"]
        return " ".join(["order", client_id, event["x"], event["X"], *([event["eR"]] if "eR" in event else [])])
    if event["e"] == "listStatus":
        return f"list {event['C']} {event['l']} {event['L']}"
    return "balances"


@pytest.mark.parametrize(
    ("method", "terms"),
    [
        ("orderList.place", OLD),
        ("orderList.place.oco", OCO),
        ("orderList.place.oto", OTO),
        ("orderList.place.otoco", OTOCO),
        ("orderList.place.opo", OPO),
        ("orderList.place.opoco", OPOCO),
    ],
)
def test_each_kind_of_list_can_be_placed_asked_for_and_canceled(
    world: EngineWorld, method: str, terms: dict[str, Any]
) -> None:
    client = Client(world)
    reply = client.ask_signed(method, **terms, listClientOrderId="mine")
    assert reply["status"] == 200, reply
    placed = reply["result"]
    assert reply["rateLimits"][0]["count"] == len(placed["orders"])
    reports = placed.pop("orderReports")
    assert [each["orderListId"] for each in reports] == [1] * len(placed["orders"])
    assert client.ask_signed("orderList.status", origClientOrderId="mine")["result"] == placed
    assert client.ask_signed("openOrderLists.status")["result"] == [placed]
    canceled = client.ask_signed("orderList.cancel", symbol="BTCUSDT", orderListId=1)["result"]
    assert (canceled["listOrderStatus"], len(canceled["orderReports"])) == ("ALL_DONE", len(reports))
    (done,) = client.ask_signed("allOrderLists")["result"]
    assert done["listStatusType"] == "ALL_DONE"


def test_a_refusal_comes_with_its_code(world: EngineWorld) -> None:
    reply = Client(world).ask_signed("orderList.place.oco", **OCO | {"abovePrice": "39500"})
    text = "The relationship of the prices for the orders is not correct."
    assert (reply["status"], reply["error"]) == (400, {"code": -2010, "msg": text})


def test_a_new_list_is_told_after_its_orders(world: EngineWorld, client: Client) -> None:
    placed = place(world, "oco", OCO | OCO_NAMES).json
    up, down, event, balances = (frame["event"] for frame in client.frames if "event" in frame)
    assert [(each["c"], each["x"], each["X"], each["g"]) for each in (up, down)] == [
        ("up", "NEW", "NEW", 1),
        ("down", "NEW", "NEW", 1),
    ]
    assert (up["w"], up["W"], down["w"], "W" in down) == (True, MS, False, False)
    assert event == {
        "e": "listStatus",
        "E": MS,
        "s": "BTCUSDT",
        "g": 1,
        "c": "OCO",
        "l": "EXEC_STARTED",
        "L": "EXECUTING",
        "r": "NONE",
        "C": "both",
        "T": MS,
        "O": [
            {"s": "BTCUSDT", "i": placed["orders"][0]["orderId"], "c": "up"},
            {"s": "BTCUSDT", "i": placed["orders"][1]["orderId"], "c": "down"},
        ],
    }
    assert balances["e"] == "outboundAccountPosition"


def test_a_refused_list_is_told_to_its_sender_alone(world: EngineWorld, client: Client) -> None:
    place(world, "oco", OCO, abovePrice="39500")
    world.signed("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=7)
    assert told(client) == []


def test_a_canceled_list_names_the_cancel_with_each_order(world: EngineWorld, client: Client) -> None:
    place(world, "oco", OCO | OCO_NAMES)
    told(client)
    world.asked("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=1, newClientOrderId="stop")
    reports = [frame["event"] for frame in client.frames if frame["event"]["e"] == "executionReport"]
    assert [(each["c"], each["C"]) for each in reports] == [("stop", "up"), ("stop", "down")]
    assert told(client) == [
        "order up CANCELED CANCELED",
        "order down CANCELED CANCELED",
        "list both ALL_DONE ALL_DONE",
        "balances",
    ]


def test_the_limit_order_of_a_pair_trades_and_the_stop_expires(world: EngineWorld, client: Client) -> None:
    place(world, "oco", OCO | OCO_NAMES)
    told(client)
    world.bob_rests("BUY", "0.0004", "41000")
    assert sorted(told(client)) == [
        "balances",
        "order down EXPIRED EXPIRED OCO_TRIGGER",
        "order up TRADE PARTIALLY_FILLED",
    ]
    world.bob_rests("BUY", "0.0006", "41000")
    assert told(client) == ["order up TRADE FILLED", "list both ALL_DONE ALL_DONE", "balances"]


def test_the_stop_of_a_pair_is_reached_and_the_limit_order_expires(world: EngineWorld, client: Client) -> None:
    place(world, "oco", OCO | OCO_NAMES)
    told(client)
    world.bob_trades_at("39000")
    assert told(client) == ["order up EXPIRED EXPIRED OCO_TRIGGER", "order down NEW NEW"], "the same is held as before"


def test_pending_orders_are_told_again_when_they_are_placed(world: EngineWorld, client: Client) -> None:
    place(world, "otoco", OTOCO | OTOCO_NAMES, workingPrice="39500")
    assert told(client) == [
        "order in NEW NEW",
        "order up NEW PENDING_NEW",
        "order down NEW PENDING_NEW",
        "list three EXEC_STARTED EXECUTING",
        "balances",
    ]
    world.clock.advance(1)
    world.bob_rests("SELL", "0.002", "39500")
    later = [frame["event"] for frame in client.frames]
    up = next(each for each in later if each.get("c") == "up")
    assert (up["w"], up["W"], up["O"]) == (True, MS + 1_000, MS)
    assert [each for each in told(client) if each != "balances"] == [
        "order in TRADE FILLED",
        "order up NEW NEW",
        "order down NEW NEW",
        "list three EXEC_STARTED EXECUTING",
    ]


def test_a_pending_market_order_trades_as_soon_as_it_is_placed(world: EngineWorld, client: Client) -> None:
    world.bob_rests("BUY", "0.005", "38000")
    place(world, "oto", OTO | OTO_NAMES)
    told(client)
    world.bob_rests("SELL", "0.002", "39000")
    said = [each for each in told(client) if each != "balances"]
    assert said == [
        "order in TRADE FILLED",
        "order out NEW NEW",
        "list two EXEC_STARTED EXECUTING",
        "order out TRADE FILLED",
        "list two ALL_DONE ALL_DONE",
    ]


def test_an_amended_order_is_followed_by_its_list(world: EngineWorld, client: Client) -> None:
    place(world, "oto", OTO | OTO_NAMES)
    told(client)
    path = "/api/v3/order/amend/keepPriority"
    world.asked("PUT", path, symbol="BTCUSDT", origClientOrderId="out", newQty="0.0005", newClientOrderId="less")
    event = client.frames[1]["event"]
    assert event["O"][1]["c"] == "less"
    assert told(client) == ["order out REPLACED PENDING_NEW", "list two UPDATED EXECUTING"]


def test_a_pair_is_amended_as_one_and_only_the_order_that_was_named_gets_another_id(
    world: EngineWorld, client: Client
) -> None:
    placed = place(world, "oco", OCO | OCO_NAMES).json
    told(client)
    path = "/api/v3/order/amend/keepPriority"
    shown = world.asked(
        "PUT", path, symbol="BTCUSDT", origClientOrderId="down", newQty="0.0005", newClientOrderId="less"
    )
    assert shown["amendedOrder"]["orderId"] == placed["orders"][1]["orderId"]
    assert [leg["clientOrderId"] for leg in shown["listStatus"]["orders"]] == ["up", "less"]
    reports = [frame["event"] for frame in client.frames if frame["event"]["e"] == "executionReport"]
    assert {(each["C"], each["c"], each["q"]) for each in reports} == {
        ("down", "less", "0.00050000"),
        ("up", "up", "0.00050000"),
    }


def test_plain_orders_are_in_no_list(world: EngineWorld, client: Client) -> None:
    world.order()
    assert client.frames[-2]["event"]["g"] == -1
