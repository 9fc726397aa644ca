"""New order lists over REST: Binance's replies, what they count as, and the engine's refusals."""

from typing import Any

import pytest

from holdfast.codes import InstrumentParameter, TradingMode
from tests.gateway.fakes import START_NS, Answer
from tests.gateway.order_lists.test_forms import OCO, OLD, OPO, OPOCO, OTO, OTOCO
from tests.gateway.order_lists.venue import EngineWorld

MS = START_NS // 10**6
PATH = "/api/v3/orderList"
OCO_NAMES = {"listClientOrderId": "both", "aboveClientOrderId": "up", "belowClientOrderId": "down"}
OTO_NAMES = {"listClientOrderId": "two", "workingClientOrderId": "in", "pendingClientOrderId": "out"}
OTOCO_NAMES = {
    "listClientOrderId": "three",
    "workingClientOrderId": "in",
    "pendingAboveClientOrderId": "up",
    "pendingBelowClientOrderId": "down",
}


def place(world: EngineWorld, kind: str, terms: dict[str, Any], **changes: Any) -> Answer:
    of = {name: value for name, value in (terms | changes).items() if value is not None}
    return world.signed("POST", f"{PATH}/{kind}", **of)


def report(answer: Answer, client_id: str) -> dict[str, Any]:
    (found,) = (each for each in answer.json["orderReports"] if each["clientOrderId"] == client_id)
    return found  # type: ignore[no-any-return]


def test_an_oco_is_answered_with_the_list_and_a_report_of_each_order(world: EngineWorld) -> None:
    answer = place(world, "oco", OCO | OCO_NAMES, newOrderRespType="RESULT")
    assert answer.status == 200, answer.json
    first = answer.json["orders"][0]["orderId"]
    shared = {
        "symbol": "BTCUSDT",
        "orderListId": 1,
        "transactTime": MS,
        "origQty": "0.00100000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "side": "SELL",
        "selfTradePreventionMode": "NONE",
    }
    assert answer.json == {
        "orderListId": 1,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "both",
        "transactionTime": MS,
        "symbol": "BTCUSDT",
        "orders": [
            {"symbol": "BTCUSDT", "orderId": first, "clientOrderId": "up"},
            {"symbol": "BTCUSDT", "orderId": first + 1, "clientOrderId": "down"},
        ],
        "orderReports": [
            {
                **shared,
                "orderId": first,
                "clientOrderId": "up",
                "price": "41000.00000000",
                "type": "LIMIT_MAKER",
                "workingTime": MS,
            },
            {
                **shared,
                "orderId": first + 1,
                "clientOrderId": "down",
                "price": "38900.00000000",
                "type": "STOP_LOSS_LIMIT",
                "workingTime": -1,
                "stopPrice": "39000.00000000",
            },
        ],
    }


def test_how_much_is_shown_of_each_order_is_the_senders_choice_and_everything_by_default(world: EngineWorld) -> None:
    ack = place(world, "oco", OCO, newOrderRespType="ACK").json["orderReports"]
    assert {tuple(each) for each in ack} == {("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    full = place(world, "oco", OCO).json["orderReports"]
    assert [each["fills"] for each in full] == [[], []]
    result = place(world, "oco", OCO, newOrderRespType="RESULT").json["orderReports"]
    assert not any("fills" in each for each in result)


def test_ids_that_were_not_sent_are_made(world: EngineWorld) -> None:
    answer = place(world, "oco", OCO)
    names = [answer.json["listClientOrderId"], *(each["clientOrderId"] for each in answer.json["orders"])]
    assert [len(name) for name in names] == [22, 22, 22]
    assert len(set(names)) == 3


def test_the_pair_holds_once_what_it_sells(world: EngineWorld) -> None:
    before = world.held()["BTC"][0]
    place(world, "oco", OCO)
    assert world.held()["BTC"] == (before.replace("10000000.00000000", "9999999.99900000"), "0.00100000")


def test_the_old_oco_is_the_same_list(world: EngineWorld) -> None:
    names = {"listClientOrderId": "old", "limitClientOrderId": "up", "stopClientOrderId": "down"}
    answer = world.signed("POST", "/api/v3/order/oco", **OLD, **names)
    assert answer.status == 200, answer.json
    assert (answer.json["contingencyType"], answer.json["listClientOrderId"]) == ("OCO", "old")
    assert report(answer, "up")["type"] == "LIMIT_MAKER"
    assert report(answer, "down")["type"] == "STOP_LOSS"


def test_a_pending_order_is_shown_as_such(world: EngineWorld) -> None:
    answer = place(world, "oto", OTO | OTO_NAMES)
    assert (answer.status, answer.json["contingencyType"]) == (200, "OTO")
    working, pending = report(answer, "in"), report(answer, "out")
    assert (working["status"], working["workingTime"], working["origQty"]) == ("NEW", MS, "0.00200000")
    assert (pending["status"], pending["workingTime"], pending["origQty"]) == ("PENDING_NEW", -1, "0.00100000")
    assert (pending["type"], pending["side"], pending["price"]) == ("MARKET", "SELL", "0.00000000")


def test_a_working_order_that_is_filled_at_once_is_shown_with_its_fills_beside_orders_still_pending(
    world: EngineWorld,
) -> None:
    world.bob_rests("SELL", "0.002", "38500")
    world.bob_rests("BUY", "0.002", "38000")
    answer = place(world, "oto", OTO | OTO_NAMES)
    working, pending = report(answer, "in"), report(answer, "out")
    assert (working["status"], working["executedQty"], len(working["fills"])) == ("FILLED", "0.00200000", 1)
    assert (pending["status"], pending["fills"]) == ("PENDING_NEW", [])
    assert (answer.json["listStatusType"], answer.json["listOrderStatus"]) == ("EXEC_STARTED", "EXECUTING")
    done = world.asked("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="out")
    assert (done["status"], done["executedQty"], done["orderListId"]) == ("FILLED", "0.00100000", 1)


def test_otoco_opo_and_opoco_are_answered_likewise(world: EngineWorld) -> None:
    answer = place(world, "otoco", OTOCO | OTOCO_NAMES)
    assert [each["status"] for each in answer.json["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    assert (answer.json["contingencyType"], len(answer.json["orders"])) == ("OTO", 3)
    for kind, terms in (("opo", OPO), ("opoco", OPOCO)):
        answer = place(world, kind, terms)
        working, *pending = answer.json["orderReports"]
        assert working["origQty"] == "0.00200000"
        assert {each["status"] for each in pending} == {"PENDING_NEW"}
        assert not any("origQty" in each for each in pending), "how much is known once it is bought"


def test_each_order_of_a_list_counts_and_the_list_weighs_nothing(world: EngineWorld) -> None:
    assert place(world, "oco", OCO).headers["X-MBX-ORDER-COUNT-10S"] == "2"
    assert place(world, "otoco", OTOCO).headers["X-MBX-ORDER-COUNT-10S"] == "5"
    answer = place(world, "oto", OTO)
    assert (answer.headers["X-MBX-ORDER-COUNT-10S"], answer.headers["X-MBX-USED-WEIGHT-1M"]) == ("7", "0")


def test_a_list_that_does_not_fit_into_the_limit_counts_nothing(world: EngineWorld) -> None:
    world.gateway.rate_limits.orders_10s.limit = 4
    assert place(world, "oco", OCO).status == 200
    refused = place(world, "otoco", OTOCO)
    assert (refused.status, refused.code) == (429, -1015)
    assert place(world, "oco", OCO).headers["X-MBX-ORDER-COUNT-10S"] == "4"


@pytest.mark.parametrize(
    ("kind", "terms", "changes", "code", "text"),
    [
        (
            *("oco", OCO, {"abovePrice": "39500"}, -2010),
            "The relationship of the prices for the orders is not correct.",
        ),
        (
            *("oco", OCO, {"belowStopPrice": "40500"}, -2010),
            "The relationship of the prices for the orders is not correct.",
        ),
        ("oco", OCO, {"quantity": "9"}, -2010, "Account has insufficient balance for requested action."),
        ("oco", OCO, {"belowClientOrderId": "up", "aboveClientOrderId": "up"}, -2010, "Duplicate order sent."),
        ("oto", OTO, {"workingType": "LIMIT_MAKER", "workingTimeInForce": None, "workingPrice": "42000"}, -2010, None),
        ("oto", OTO, {"workingPrice": "99999999"}, -1013, "Filter failure: PRICE_FILTER"),
        ("oto", OTO, {"pendingQuantity": "99999"}, -1013, "Filter failure: LOT_SIZE"),
        ("opo", OPO, {"workingQuantity": "9999"}, -1013, None),
    ],
)
def test_what_the_engine_refuses_is_told_in_binances_words(
    world: EngineWorld, kind: str, terms: dict[str, Any], changes: dict[str, Any], code: int, text: str | None
) -> None:
    world.bob_rests("SELL", "1", "41999")
    world.spend("BTC", "9999995")
    answer = place(world, kind, terms, **changes)
    assert (answer.status, answer.code, text in (None, answer.text)) == (400, code, True), answer.json
    assert world.asked("GET", "/api/v3/openOrders") == []
    assert world.asked("GET", "/api/v3/openOrderList") == []


def test_a_refused_post_only_working_order_is_refused_as_one(world: EngineWorld) -> None:
    world.bob_rests("SELL", "1", "38999")
    answer = place(world, "oto", OTO, workingType="LIMIT_MAKER", workingTimeInForce=None)
    assert (answer.code, answer.text) == (-2010, "Order would immediately match and take.")


def test_a_list_in_use_names_the_one_that_is(world: EngineWorld) -> None:
    place(world, "oco", OCO | OCO_NAMES)
    again = place(world, "oco", OCO, listClientOrderId="both")
    assert (again.code, again.text) == (-2010, "Duplicate order sent.")
    assert again.json["data"] == {"orderListId": 1, "listClientOrderId": "both"}


def test_an_order_id_in_use_names_the_order_that_has_it(world: EngineWorld) -> None:
    first = place(world, "oco", OCO | OCO_NAMES)
    again = place(world, "oco", OCO, belowClientOrderId="down")
    assert (again.code, again.text) == (-2010, "Duplicate order sent.")
    order_id = first.json["orders"][1]["orderId"]
    assert again.json["data"] == {"orderId": order_id, "clientOrderId": "down", "status": "NEW"}


def test_lists_have_a_filter_of_their_own(world: EngineWorld) -> None:
    world.venue.set_parameter(InstrumentParameter.ORDER_LISTS_MAX, 1)
    assert place(world, "oco", OCO).status == 200
    answer = place(world, "oco", OCO)
    assert (answer.code, answer.text) == (-1013, "Filter failure: MAX_NUM_ORDER_LISTS")
    (shown,) = world.get("/api/v3/exchangeInfo").json["symbols"]
    assert {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 1} in shown["filters"]


def test_modes_let_in_lists_of_what_they_let_in(world: EngineWorld) -> None:
    world.venue.set_mode(TradingMode.LIMIT_ONLY)
    answer = place(world, "oto", OTO)
    assert (answer.code, answer.text) == (-2010, "Market orders are not supported for this symbol.")
    world.venue.set_mode(TradingMode.CANCEL_ONLY)
    answer = place(world, "oto", OTO)
    assert (answer.code, answer.text) == (-2010, "Market is closed.")


def test_lists_are_refused_while_the_venue_takes_no_new_orders(world: EngineWorld) -> None:
    world.venue.stopping = "The venue is stopping."
    answer = place(world, "oco", OCO)
    assert (answer.status, answer.code, answer.text) == (503, -1008, "The venue is stopping.")


def test_a_list_that_is_late_is_told_as_pending_and_found_by_its_id(world: EngineWorld) -> None:
    query, headers = world.sign(OCO | OCO_NAMES)
    answers = world.send("POST", f"{PATH}/oco", query, headers=headers, commit=False)
    world.clock.advance(1)
    world.timers.run()
    (late,) = answers
    assert (late.status, late.code) == (504, -1007)
    assert late.json["data"]["clientOrderId"] == "both"
    query, headers = world.sign({"origClientOrderId": "both"})
    (pending,) = world.send("GET", PATH, query, headers=headers, commit=False)
    assert (pending.status, pending.code) == (504, -1007)
    world.venue.commit()
    assert world.asked("GET", PATH, origClientOrderId="both")["orderListId"] == 1


def test_only_keys_that_may_trade_place_lists(world: EngineWorld) -> None:
    (answer,) = world.send("POST", f"{PATH}/oco", "symbol=BTCUSDT")
    assert answer.status == 401
