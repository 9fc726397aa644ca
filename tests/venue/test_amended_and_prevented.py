"""Amendments and prevented matches through the whole venue: over REST, on the book, in the history, after a restart.

The self-trade examples are those of Binance's FAQ, each with the quantities and prices of that page.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.rest import Rest
from tests.venue.inside import VenueInside

pytestmark = pytest.mark.slow

SYMBOL = "BTCUSDT"
SCALE = 100  # The FAQ's prices are too small for the market's filters: 1.2 is 120 here.


def made(reply: tuple[int, Any]) -> Any:
    assert reply[0] == 200, reply
    return reply[1]


def place(rest: Rest, side: str, quantity: str, price: float, mode: str = "NONE", **more: Any) -> Any:
    order = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity}
    order |= {"price": f"{price * SCALE:.2f}", "selfTradePreventionMode": mode, "newOrderRespType": "FULL"}
    return made(rest.signed("POST", "/api/v3/order", **order, **more))


def shown(rest: Rest, order: Any) -> Any:
    return made(rest.signed("GET", "/api/v3/order", symbol=SYMBOL, orderId=order["orderId"]))


def matches(rest: Rest, order: Any) -> list[Any]:
    found = made(rest.signed("GET", "/api/v3/myPreventedMatches", symbol=SYMBOL, orderId=order["orderId"]))
    assert isinstance(found, list)
    return found


def test_an_amended_order_keeps_its_place_and_what_was_amended_is_kept(inside: Callable[[], VenueInside]) -> None:
    with inside() as venue:
        mine, others = venue.trader("mine", BTC="10", USDT="100000"), venue.trader("others", BTC="10", USDT="100000")
        with venue.rest(mine) as me, venue.rest(others) as other:
            first = place(other, "BUY", "1", 50)
            order = place(me, "BUY", "5.5", 50, newClientOrderId="mine")
            place(other, "BUY", "4", 50)
            asked = {"symbol": SYMBOL, "orderId": order["orderId"]}
            amended = made(me.signed("PUT", "/api/v3/order/amend/keepPriority", **asked, newQty="5"))
            assert amended["amendedOrder"]["origClientOrderId"] == "mine"
            balances = {row["asset"]: row for row in made(me.signed("GET", "/api/v3/account"))["balances"]}
            assert balances["USDT"]["locked"] == "25000.00000000"
            place(other, "SELL", "3", 50)
            assert shown(other, first)["status"] == "FILLED"
            assert shown(me, order)["executedQty"] == "2.00000000"
            again = me.signed("PUT", "/api/v3/order/amend/keepPriority", **asked, newQty="5")
            assert again == (400, {"code": -2038, "msg": "The requested action would change no state; rejecting"})
            used = me.signed("PUT", "/api/v3/order/amend/keepPriority", **asked, newQty="3", newClientOrderId="mine")
            assert used == (400, {"code": -2038, "msg": "Duplicate order sent."})
            before = made(me.signed("GET", "/api/v3/order/amendments", **asked)), shown(me, order)
    with inside() as venue, venue.rest(mine) as me:
        assert (made(me.signed("GET", "/api/v3/order/amendments", **asked)), shown(me, order)) == before
        assert before[0] == [
            {
                "symbol": SYMBOL,
                "orderId": order["orderId"],
                "executionId": amended["executionId"],
                "origClientOrderId": "mine",
                "newClientOrderId": amended["amendedOrder"]["clientOrderId"],
                "origQty": "5.50000000",
                "newQty": "5.00000000",
                "time": amended["transactTime"],
            }
        ]
        made(me.signed("DELETE", "/api/v3/order", **asked))
        assert shown(me, order)["clientOrderId"] == amended["amendedOrder"]["clientOrderId"]


def test_the_examples_of_the_self_trade_faq(inside: Callable[[], VenueInside]) -> None:
    with inside() as venue:
        key = venue.trader("mine", BTC="100", USDT="100000")
        with venue.rest(key) as me:
            one_order_after_the_other(me)
            found = made(me.signed("GET", "/api/v3/allOrders", symbol=SYMBOL))
            every = [matches(me, order) for order in found]
    for path in venue.data.glob("history.sqlite*"):
        path.unlink()
    with inside() as venue, venue.rest(key) as me:
        assert made(me.signed("GET", "/api/v3/allOrders", symbol=SYMBOL)) == found
        assert [matches(me, order) for order in found] == every


def one_order_after_the_other(me: Rest) -> None:
    # B: EXPIRE_MAKER.
    makers = [place(me, "BUY", quantity, price) for quantity, price in (("1.2", 1.2), ("1.3", 1.1), ("8.1", 1))]
    taker = place(me, "SELL", "3", 1, "EXPIRE_MAKER")
    assert (taker["status"], taker["fills"]) == ("NEW", [])
    assert taker["preventedMatches"] == [
        {
            "preventedMatchId": number,
            "makerSymbol": SYMBOL,
            "makerOrderId": maker["orderId"],
            "price": maker["price"],
            "makerPreventedQuantity": maker["origQty"],
        }
        for number, maker in enumerate(makers, start=1)
    ]
    assert "preventedQuantity" not in taker
    for number, maker in enumerate(makers, start=1):
        expired = shown(me, maker)
        assert (expired["status"], expired["preventedMatchId"]) == ("EXPIRED_IN_MATCH", number)
        assert expired["preventedQuantity"] == maker["origQty"]
        (match,) = matches(me, maker)
        assert (match["preventedMatchId"], match["takerOrderId"]) == (number, taker["orderId"])
        assert (match["selfTradePreventionMode"], "takerPreventedQuantity" in match) == ("EXPIRE_MAKER", False)
    assert [match["preventedMatchId"] for match in matches(me, taker)] == [1, 2, 3]
    made(me.signed("DELETE", "/api/v3/order", symbol=SYMBOL, orderId=taker["orderId"]))

    # C and E: EXPIRE_TAKER, whatever the maker's mode.
    maker = place(me, "BUY", "1.2", 1.2, "EXPIRE_MAKER")
    taker = place(me, "SELL", "3", 1, "EXPIRE_TAKER")
    assert (taker["status"], taker["preventedQuantity"], taker["preventedMatchId"]) == (
        "EXPIRED_IN_MATCH",
        "3.00000000",
        4,
    )
    assert taker["preventedMatches"][0]["takerPreventedQuantity"] == "3.00000000"
    assert shown(me, maker)["status"] == "NEW"
    assert "preventedMatchId" not in shown(me, maker)
    assert matches(me, maker)[0]["takerPreventedQuantity"] == "3.00000000"
    made(me.signed("DELETE", "/api/v3/order", symbol=SYMBOL, orderId=maker["orderId"]))

    # D: EXPIRE_BOTH.
    maker = place(me, "BUY", "1", 1)
    taker = place(me, "SELL", "3", 1, "EXPIRE_BOTH")
    assert taker["preventedMatches"] == [
        {
            "preventedMatchId": 5,
            "makerSymbol": SYMBOL,
            "makerOrderId": maker["orderId"],
            "price": "100.00000000",
            "takerPreventedQuantity": "3.00000000",
            "makerPreventedQuantity": "1.00000000",
        }
    ]
    assert [shown(me, order)["preventedMatchId"] for order in (maker, taker)] == [5, 5]

    # F: a market order whose maker expires finds nothing to trade with.
    maker = place(me, "BUY", "1", 1)
    market = {"symbol": SYMBOL, "side": "SELL", "type": "MARKET", "quantity": "1"}
    taker = made(me.signed("POST", "/api/v3/order", **market, selfTradePreventionMode="EXPIRE_MAKER"))
    assert (taker["status"], taker["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert taker["preventedMatches"][0]["makerPreventedQuantity"] == "1.00000000"

    # G: DECREMENT leaves the larger order.
    maker = place(me, "BUY", "6", 2)
    taker = place(me, "SELL", "2", 2, "DECREMENT")
    assert (taker["status"], taker["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "2.00000000")
    left = shown(me, maker)
    assert (left["status"], left["preventedMatchId"], left["preventedQuantity"]) == ("NEW", 7, "2.00000000")
    (match,) = matches(me, maker)
    assert (match["takerPreventedQuantity"], match["makerPreventedQuantity"]) == ("2.00000000", "2.00000000")
    (by_id,) = made(me.signed("GET", "/api/v3/myPreventedMatches", symbol=SYMBOL, preventedMatchId=7))
    assert by_id == match
