"""A list's parameters become its orders, or a refusal in Binance's words and the sender's own names.

Here nothing is placed: the tables of the six endpoints, and what they let through.
"""

from typing import Any

import pytest

from holdfast.codes import OrderListKind, OrderType, Side, TimeInForce
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import ResponseType
from holdfast.gateway.binance.order_lists import forms
from holdfast.gateway.binance.order_lists.forms import NewOrderList
from holdfast.instruments import Reference
from tests.gateway.fakes import BTC, USDT, instrument

REFERENCE = Reference([BTC, USDT], [instrument()])
FORMS = {"oco": forms.OCO, "oto": forms.OTO, "otoco": forms.OTOCO, "opo": forms.OPO, "opoco": forms.OPOCO}

WORKING = {
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "39000",
    "workingQuantity": "0.002",
    "workingTimeInForce": "GTC",
}
OCO = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.001",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "41000",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "39000",
    "belowPrice": "38900",
    "belowTimeInForce": "GTC",
}
PAIR = {
    f"pending{name[0].upper()}{name[1:]}": value for name, value in OCO.items() if name not in ("symbol", "quantity")
}
OTO = {"symbol": "BTCUSDT", **WORKING, "pendingType": "MARKET", "pendingSide": "SELL", "pendingQuantity": "0.001"}
OTOCO = {"symbol": "BTCUSDT", **WORKING, **PAIR, "pendingQuantity": "0.001"}
OPO = {"symbol": "BTCUSDT", **WORKING, "pendingType": "MARKET", "pendingSide": "SELL"}
OPOCO = {"symbol": "BTCUSDT", **WORKING, **PAIR}
OLD = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001", "price": "41000", "stopPrice": "39000"}
GOOD = {"oco": OCO, "oto": OTO, "otoco": OTOCO, "opo": OPO, "opoco": OPOCO, "old": OLD}


def read(kind: str, changes: dict[str, Any], reference: Reference = REFERENCE) -> NewOrderList:
    pairs = {name: str(value) for name, value in (GOOD[kind] | changes).items() if value is not None}
    if kind == "old":
        return forms.old_oco(reference, forms.OLD_OCO.convert(pairs))
    form = FORMS[kind]
    return forms.new_order_list(reference, form.parameters.convert(pairs), form)


def refusal(kind: str, changes: dict[str, Any], reference: Reference = REFERENCE) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        read(kind, changes, reference)
    return caught.value.error.code, caught.value.text


def test_an_oco_is_its_two_orders_of_one_side_and_quantity() -> None:
    made = read(
        "oco", {"aboveClientOrderId": "up", "listClientOrderId": "both", "selfTradePreventionMode": "DECREMENT"}
    )
    above, below = made.legs
    assert (made.kind, made.client_id) == (OrderListKind.OCO, "both")
    assert (above.order_type, above.side, above.price_ticks, above.qty_lots) == (
        *(OrderType.LIMIT_MAKER, Side.SELL, 4_100_000, 100),
    )
    assert (below.order_type, below.side, below.price_ticks, below.qty_lots) == (
        *(OrderType.STOP_LOSS_LIMIT, Side.SELL, 3_890_000, 100),
    )
    assert (below.stop_price_ticks, below.time_in_force) == (3_900_000, TimeInForce.GTC)
    assert above.client_id == "up"
    assert len(below.client_id) == 22  # Made here, since none was sent.
    assert above.self_trade_prevention == below.self_trade_prevention == 4
    assert above.response == below.response == ResponseType.FULL


def test_an_oto_has_a_working_and_a_pending_order_each_with_its_own_terms() -> None:
    working, pending = read("oto", {"pendingSide": "BUY", "pendingQuantity": "7", "newOrderRespType": "ACK"}).legs
    assert (working.order_type, working.side, working.price_ticks, working.qty_lots) == (
        *(OrderType.LIMIT, Side.BUY, 3_900_000, 200),
    )
    assert (pending.order_type, pending.side, pending.price_ticks, pending.qty_lots) == (
        *(OrderType.MARKET, Side.BUY, 0, 700_000),
    )
    assert working.response == pending.response == ResponseType.ACK


def test_an_otoco_has_a_pair_that_shares_side_and_quantity() -> None:
    made = read("otoco", {})
    assert made.kind == OrderListKind.OTOCO
    assert [leg.side for leg in made.legs] == [Side.BUY, Side.SELL, Side.SELL]
    assert [leg.qty_lots for leg in made.legs] == [200, 100, 100]
    assert [leg.order_type for leg in made.legs] == [
        *(OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT),
    ]


@pytest.mark.parametrize("kind", ["opo", "opoco"])
def test_what_is_paid_for_by_the_working_order_has_no_quantity_yet(kind: str) -> None:
    made = read(kind, {})
    assert made.kind.name == kind.upper()
    working, *pending = made.legs
    assert working.qty_lots == 200
    assert {leg.qty_lots for leg in pending} == {0}
    assert {leg.side for leg in pending} == {Side.SELL}


def test_the_old_oco_is_that_of_today_with_the_limit_order_where_its_side_has_it() -> None:
    above, below = read("old", {"stopClientOrderId": "down", "limitClientOrderId": "up"}).legs
    assert (above.client_id, above.order_type, above.price_ticks) == ("up", OrderType.LIMIT_MAKER, 4_100_000)
    assert (below.client_id, below.order_type, below.stop_price_ticks) == ("down", OrderType.STOP_LOSS, 3_900_000)
    limited = {"stopLimitPrice": "41100", "stopLimitTimeInForce": "IOC"}
    above, below = read("old", {"side": "BUY", "price": "39000", "stopPrice": "41000", **limited}).legs
    assert (above.order_type, above.price_ticks, above.time_in_force) == (
        *(OrderType.STOP_LOSS_LIMIT, 4_110_000, TimeInForce.IOC),
    )
    assert (below.order_type, below.price_ticks) == (OrderType.LIMIT_MAKER, 3_900_000)


MANDATORY = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
EITHER = "Param '{}' or '{}' must be sent, but both were empty/null!"
TAKE_PROFIT = {"aboveType": "TAKE_PROFIT", "abovePrice": None, "aboveStopPrice": "41000"}
BUY = {
    "side": "BUY",
    "aboveType": "STOP_LOSS",
    "abovePrice": None,
    "aboveStopPrice": "41000",
    "belowType": "LIMIT_MAKER",
    "belowPrice": "39000",
    "belowStopPrice": None,
    "belowTimeInForce": None,
}


def test_a_pair_may_take_profit_instead_of_a_limit_and_may_buy() -> None:
    above, below = read("oco", TAKE_PROFIT).legs
    assert (above.order_type, above.stop_price_ticks, above.price_ticks) == (OrderType.TAKE_PROFIT, 4_100_000, 0)
    above, below = read("oco", BUY).legs
    assert (above.order_type, below.order_type) == (OrderType.STOP_LOSS, OrderType.LIMIT_MAKER)


@pytest.mark.parametrize(
    ("kind", "changes", "code", "text"),
    [
        ("oco", {"symbol": None}, -1102, MANDATORY.format("symbol")),
        ("oco", {"symbol": "NOTHING"}, -1121, "Invalid symbol."),
        ("oco", {"side": None}, -1102, MANDATORY.format("side")),
        ("oco", {"side": "UP"}, -1117, "Invalid side."),
        ("oco", {"quantity": None}, -1102, MANDATORY.format("quantity")),
        ("oco", {"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
        ("oco", {"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ("oco", {"aboveType": None}, -1102, MANDATORY.format("aboveType")),
        ("oco", {"belowType": "MAYBE"}, -1116, "Invalid orderType."),
        ("oco", {"aboveType": "LIMIT"}, -1158, "Order type not supported in OCO."),
        ("oco", {"belowType": "MARKET"}, -1158, "Order type not supported in OCO."),
        ("oco", {"abovePrice": None}, -1102, MANDATORY.format("abovePrice")),
        ("oco", {"abovePrice": "41000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ("oco", {"aboveStopPrice": "41000"}, -1106, "Parameter 'aboveStopPrice' sent when not required."),
        ("oco", {"belowStopPrice": None}, -1102, EITHER.format("belowStopPrice", "belowTrailingDelta")),
        ("oco", {"belowTimeInForce": None}, -1102, MANDATORY.format("belowTimeInForce")),
        ("oco", {"belowTimeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        ("oco", {"belowPrice": None}, -1102, MANDATORY.format("belowPrice")),
        ("oco", {"belowType": "STOP_LOSS"}, -1106, "Parameter 'belowPrice' sent when not required."),
        ("oco", {"belowType": "STOP_LOSS", "belowPrice": None}, -1114, "TimeInForce parameter sent when not required."),
        ("oco", {"aboveStrategyType": 999_999}, -1134, "`strategyType` was less than 1000000."),
        ("oco", {"aboveClientOrderId": "no blanks"}, -1100, None),
        ("oco", {"listClientOrderId": ""}, -1105, "Parameter 'listClientOrderId' was empty."),
        ("oco", {"newOrderRespType": "ALL"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        ("oco", {"selfTradePreventionMode": "TRANSFER"}, -1013, None),
        ("oco", {"newClientOrderId": "a"}, -1104, None),
        ("oco", {"price": "41000"}, -1104, None),
        (
            "oco",
            {"belowIcebergQty": "0.0005", "belowTimeInForce": "IOC"},
            *(-1160, "Parameter 'belowIcebergQty' is not supported if `belowTimeInForce` is not GTC."),
        ),
        # Where the orders of a pair may be.
        ("oco", {"side": "BUY"}, -1165, "A limit order in a buy OCO must be below."),
        ("oco", {"side": "BUY", **TAKE_PROFIT}, -1198, "A take profit order in a buy OCO must be below."),
        ("oco", {**BUY, "side": "SELL"}, -1197, "A stop loss order in a sell OCO must be below."),
        ("oco", {"belowType": "LIMIT_MAKER"}, -1168, "At least one OCO order must be contingent."),
        (
            "oco",
            {"aboveType": "TAKE_PROFIT", "belowType": "LIMIT_MAKER"},
            *(-1166, "A limit order in a sell OCO must be above."),
        ),
        ("oco", {"belowType": "TAKE_PROFIT"}, -1199, "A take profit order in a sell OCO must be above."),
        ("oco", {**BUY, "belowType": "STOP_LOSS"}, -1196, "A stop loss order in a buy OCO must be above."),
        # Working and pending.
        ("oto", {"workingType": "MARKET"}, -1116, "Invalid orderType."),
        ("oto", {"workingType": "STOP_LOSS"}, -1116, "Invalid orderType."),
        ("oto", {"workingPrice": None}, -1102, MANDATORY.format("workingPrice")),
        ("oto", {"workingTimeInForce": None}, -1102, MANDATORY.format("workingTimeInForce")),
        ("oto", {"workingTimeInForce": "IOC", "workingType": "LIMIT_MAKER"}, -1114, None),
        ("oto", {"pendingType": None}, -1102, MANDATORY.format("pendingType")),
        ("oto", {"pendingQuantity": None}, -1102, MANDATORY.format("pendingQuantity")),
        ("oto", {"pendingQuoteOrderQty": "5"}, -1104, None),
        ("oto", {"pendingPrice": "5"}, -1106, "Parameter 'pendingPrice' sent when not required."),
        ("oto", {"pendingType": "LIMIT", "pendingPrice": "5"}, -1102, MANDATORY.format("pendingTimeInForce")),
        ("oto", {"pendingType": "STOP_LOSS"}, -1102, EITHER.format("pendingStopPrice", "pendingTrailingDelta")),
        ("otoco", {"pendingAboveType": "LIMIT"}, -1158, "Order type not supported in OCO."),
        ("otoco", {"pendingBelowType": None}, -1102, MANDATORY.format("pendingBelowType")),
        ("otoco", {"pendingSide": "BUY"}, -1165, "A limit order in a buy OCO must be below."),
        ("otoco", {"workingType": "TAKE_PROFIT"}, -1116, "Invalid orderType."),
        ("opo", {"workingSide": "SELL"}, -1222, "Working order in an OPO list must be a bid."),
        ("opo", {"pendingSide": "BUY"}, -1223, "Pending orders in an OPO list must be asks."),
        ("opo", {"pendingQuantity": "1"}, -1104, None),
        ("opoco", {"workingSide": "SELL"}, -1222, "Working order in an OPO list must be a bid."),
        ("opoco", {"pendingSide": "BUY"}, -1223, "Pending orders in an OPO list must be asks."),
        ("opoco", {"pendingBelowType": "TAKE_PROFIT"}, -1199, "A take profit order in a sell OCO must be above."),
        ("opoco", {"pendingQuantity": "1"}, -1104, None),
        # The old form, in its own names.
        ("old", {"stopPrice": None}, -1102, EITHER.format("stopPrice", "trailingDelta")),
        ("old", {"price": None}, -1102, MANDATORY.format("price")),
        (
            "old",
            {"stopLimitPrice": "38900"},
            -1128,
            "Combination of optional parameters invalid. Recommendation: 'stopLimitTimeInForce' should also be sent.",
        ),
        ("old", {"stopLimitTimeInForce": "GTC"}, -1114, "TimeInForce parameter sent when not required."),
        ("old", {"aboveType": "LIMIT_MAKER"}, -1104, None),
    ],
)
def test_what_does_not_go_together_is_refused(kind: str, changes: dict[str, Any], code: int, text: str | None) -> None:
    found_code, found_text = refusal(kind, changes)
    assert (found_code, text in (None, found_text)) == (code, True), found_text


def test_every_parameter_of_binance_is_known() -> None:
    """Its tables, by their own rows."""
    own = [
        *("Type", "ClientOrderId", "IcebergQty", "Price", "StopPrice", "TrailingDelta", "TimeInForce"),
        *("StrategyId", "StrategyType", "PegPriceType", "PegOffsetType", "PegOffsetValue"),
    ]
    shared = {"symbol", "listClientOrderId", "newOrderRespType", "selfTradePreventionMode", "recvWindow", "timestamp"}

    def legs(*prefixes: str) -> set[str]:
        return {prefix + name for prefix in prefixes for name in own}

    working = legs("working") - {"workingStopPrice", "workingTrailingDelta"} | {"workingSide", "workingQuantity"}
    expected = {
        "oco": {"side", "quantity"} | legs("above", "below"),
        "oto": working | {"pendingSide", "pendingQuantity"} | legs("pending"),
        "otoco": working | {"pendingSide", "pendingQuantity"} | legs("pendingAbove", "pendingBelow"),
        "opo": working | {"pendingSide"} | legs("pending"),
        "opoco": working | {"pendingSide"} | legs("pendingAbove", "pendingBelow"),
    }
    for kind, form in FORMS.items():
        assert set(form.parameters.names()) == shared | {"signature"} | expected[kind], kind
