"""Malformed requests: Binance's code and text, 4xx, and nothing reaches the journal."""

from typing import Any

import pytest

from holdfast.codes import OrderType, TradingMode
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.parameters import CLIENT_ID_RANGE, DECIMAL_RANGE, LONG_RANGE, SYMBOL_RANGE
from holdfast.instruments import Reference
from tests.gateway.fakes import API_KEY, BTC, USDT, World, instrument, limit_order

STOP = {"type": "STOP_LOSS_LIMIT", "stopPrice": "20000"}
PEGGED = {"pegPriceType": "PRIMARY_PEG", "price": None}
OFFSET = PEGGED | {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "1"}
MARKET = {"type": "MARKET", "price": None, "timeInForce": None}
DECIMAL = f"legal range is '{DECIMAL_RANGE}'."


def illegal(name: str, legal: str) -> str:
    return f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."


def mandatory(name: str) -> str:
    return f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


ORDERS: list[tuple[dict[str, Any], int, str]] = [
    # Missing and empty.
    ({"symbol": None}, -1102, mandatory("symbol")),
    ({"side": None}, -1102, mandatory("side")),
    ({"type": None}, -1102, mandatory("type")),
    ({"timeInForce": None}, -1102, mandatory("timeInForce")),
    ({"quantity": None}, -1102, mandatory("quantity")),
    ({"price": None}, -1102, mandatory("price")),
    ({"quantity": ""}, -1105, "Parameter 'quantity' was empty."),
    ({"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
    # Unknown.
    ({"colour": "red"}, -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."),
    # Enumerations.
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"side": "buy"}, -1117, "Invalid side."),
    ({"type": "LIMITED"}, -1116, "Invalid orderType."),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({"newOrderRespType": "SOME"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
    ({"selfTradePreventionMode": "MAYBE"}, -1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
    # Texts and numbers.
    ({"symbol": "btcusdt"}, -1100, illegal("symbol", SYMBOL_RANGE)),
    ({"symbol": "BTC USDT"}, -1100, illegal("symbol", SYMBOL_RANGE)),
    ({"symbol": "XXXUSDT"}, -1121, "Invalid symbol."),
    ({"quantity": "-1"}, -1100, illegal("quantity", DECIMAL_RANGE)),
    ({"quantity": "1e-3"}, -1100, illegal("quantity", DECIMAL_RANGE)),
    ({"quantity": ".5"}, -1100, illegal("quantity", DECIMAL_RANGE)),
    ({"quantity": "1,5"}, -1100, illegal("quantity", DECIMAL_RANGE)),
    ({"quantity": "\u0661"}, -1100, illegal("quantity", DECIMAL_RANGE)),
    ({"quantity": "NaN"}, -1100, illegal("quantity", DECIMAL_RANGE)),
    ({"price": "1" * 21}, -1100, illegal("price", DECIMAL_RANGE)),
    ({"price": "99999999999999999999"}, -1108, "Parameter 'price' overflowed."),
    ({"price": "25000.123456789"}, -1111, "Parameter 'price' has too much precision."),
    ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
    ({"newClientOrderId": "a" * 37}, -1100, illegal("newClientOrderId", CLIENT_ID_RANGE)),
    ({"newClientOrderId": "a b"}, -1100, illegal("newClientOrderId", CLIENT_ID_RANGE)),
    ({"newClientOrderId": "\u00e9" * 36}, -1100, illegal("newClientOrderId", CLIENT_ID_RANGE)),
    ({"newClientOrderId": 'a"'}, -1100, illegal("newClientOrderId", CLIENT_ID_RANGE)),
    # Ticks and lots.
    ({"price": "25000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0.00000000"}, -1013, "Filter failure: LOT_SIZE"),
    # What belongs to which type.
    ({"quoteOrderQty": "5"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
    (MARKET | {"price": "1"}, -1106, "Parameter 'price' sent when not required."),
    (MARKET | {"timeInForce": "GTC"}, -1114, "TimeInForce parameter sent when not required."),
    ({"type": "LIMIT_MAKER", "timeInForce": "IOC"}, -1114, "TimeInForce parameter sent when not required."),
    (MARKET | {"quoteOrderQty": "5"}, -1128, "Combination of optional parameters invalid."),
    (
        MARKET | {"quantity": None},
        -1102,
        "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
    ),
    (MARKET | {"quantity": None, "quoteOrderQty": "0"}, -1013, "Price * QTY is zero or less."),
    # Stop prices.
    ({"stopPrice": "20000"}, -1106, "Parameter 'stopPrice' sent when not required."),
    (MARKET | {"stopPrice": "20000"}, -1106, "Parameter 'stopPrice' sent when not required."),
    ({"type": "LIMIT_MAKER", "stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
    (STOP | {"type": "STOP_LOSS"}, -1106, "Parameter 'price' sent when not required."),
    (STOP | {"type": "TAKE_PROFIT", "price": None}, -1114, "TimeInForce parameter sent when not required."),
    (STOP | {"timeInForce": None}, -1102, mandatory("timeInForce")),
    (STOP | {"price": None}, -1102, mandatory("price")),
    (STOP | {"type": "TAKE_PROFIT_LIMIT", "quantity": None}, -1102, mandatory("quantity")),
    (STOP | {"quoteOrderQty": "5"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
    (STOP | {"stopPrice": None}, -1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"),
    (STOP | {"stopPrice": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    (STOP | {"stopPrice": "20000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    (STOP | {"stopPrice": "-1"}, -1100, illegal("stopPrice", DECIMAL_RANGE)),
    (STOP | {"trailingDelta": "10"}, -1013, "Trailing stop orders are not supported for this symbol."),
    # Icebergs.
    (MARKET | {"icebergQty": "0.0005"}, -1106, "Parameter 'icebergQty' sent when not required."),
    ({"timeInForce": "IOC", "icebergQty": "0.0005"}, -1014, "Unsupported order combination."),
    (STOP | {"timeInForce": "FOK", "icebergQty": "0.0005"}, -1014, "Unsupported order combination."),
    ({"icebergQty": "0.0011"}, -1013, "IcebergQty exceeds QTY."),
    ({"icebergQty": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"icebergQty": "-1"}, -1100, illegal("icebergQty", DECIMAL_RANGE)),
    # Pegged orders.
    (PEGGED | {"pegPriceType": "BEST"}, -1210, "Invalid pegPriceType."),
    (PEGGED | {"pegPriceType": "MARKET"}, -1210, "Invalid pegPriceType."),
    (OFFSET | {"pegOffsetType": "TICKS"}, -1211, "Invalid pegOffsetType."),
    (OFFSET | {"pegOffsetValue": "-1"}, -1100, illegal("pegOffsetValue", LONG_RANGE)),
    (
        OFFSET | {"pegOffsetValue": "101"},
        -1102,
        "'pegOffsetValue' contains unexpected value. Cannot be greater than 100.",
    ),
    (OFFSET | {"pegOffsetValue": None}, -1128, "Combination of optional parameters invalid."),
    (OFFSET | {"pegOffsetType": None}, -1128, "Combination of optional parameters invalid."),
    (OFFSET | {"pegPriceType": None, "price": "1"}, -1106, "Parameter 'pegOffsetType' sent when not required."),
    (PEGGED | {"pegPriceType": None}, -1102, mandatory("price")),
    (PEGGED | {"price": "25000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    (PEGGED | {"timeInForce": "IOC"}, -1014, "Unsupported order combination."),
    (PEGGED | {"timeInForce": None}, -1102, mandatory("timeInForce")),
    (
        PEGGED | {"type": "LIMIT_MAKER", "timeInForce": None, "pegPriceType": "MARKET_PEG"},
        -1013,
        "This price peg cannot be used with this order type.",
    ),
    (MARKET | {"pegPriceType": "MARKET_PEG"}, -1013, "This order type may not use pegged price."),
    (
        MARKET | {"type": "STOP_LOSS", "stopPrice": "20000", "pegPriceType": "MARKET_PEG"},
        -1013,
        "This order type may not use pegged price.",
    ),
    # Known to Binance, not to this venue.
    ({"trailingDelta": "10"}, -1013, "Trailing stop orders are not supported for this symbol."),
    ({"strategyId": "1"}, -1106, "Parameter 'strategyId' sent when not required."),
    ({"strategyType": "999999"}, -1134, "`strategyType` was less than 1000000."),
    ({"strategyType": "1000000"}, -1106, "Parameter 'strategyType' sent when not required."),
    (
        {"selfTradePreventionMode": "TRANSFER"},
        -1013,
        "This symbol does not allow the specified self-trade prevention mode.",
    ),
]


@pytest.mark.parametrize(("changes", "code", "text"), ORDERS)
@pytest.mark.parametrize("path", ["/api/v3/order", "/api/v3/order/test"])
def test_malformed_order_is_refused_and_goes_nowhere(
    world: World, changes: dict[str, Any], code: int, text: str, path: str
) -> None:
    answer = world.signed("POST", path, **limit_order(**changes))
    assert (answer.status, answer.code, answer.text) == (400, code, text)
    assert world.replica.submitted == []


@pytest.mark.parametrize(
    "client_id", ["x-MG43PCSN0f", "O-20261123-041319-001", "web:abc/1", "a.b_c", "Z" * 36, "x-TKT5PX2F" + "0" * 22]
)
def test_client_ids_of_every_client_are_taken(world: World, client_id: str) -> None:
    assert world.order(newClientOrderId=client_id).json["clientOrderId"] == client_id
    assert world.replica.submitted[0].client_id == client_id.encode()


def test_every_quantity_and_price_at_a_bound_is_right_or_refused(world: World) -> None:
    largest = "92233720368.54775807"  # 2^63 - 1 in 1e-8.
    assert world.order(price=largest[:-1]).code in (-1013, -1111)
    assert world.order(price="92233720368.54").status == 200
    assert world.replica.submitted[0].price_ticks == 9_223_372_036_854
    assert world.order(quantity="92233720368.54775").status == 200
    assert world.order(quantity="92233720368.54775808").code == -1108


NOT_VALID = "Data sent for parameter '{}' is not valid."
QUERIES: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("DELETE", "order", {}, -1102, "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!"),
    ("GET", "order", {}, -1102, "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!"),
    ("DELETE", "order", {"orderId": "x"}, -1100, illegal("orderId", LONG_RANGE)),
    ("DELETE", "order", {"orderId": "9223372036854775808"}, -1108, "Parameter 'orderId' overflowed."),
    ("DELETE", "order", {"orderId": "0"}, -2011, "Unknown order sent."),
    ("DELETE", "order", {"orderId": "1", "cancelRestrictions": "ALL"}, -1145, "Invalid cancelRestrictions"),
    ("GET", "order", {"orderId": "77"}, -2013, "Order does not exist."),
    ("GET", "order", {"symbol": "NOPE", "orderId": "77"}, -1121, "Invalid symbol."),
    ("GET", "allOrders", {"limit": "0"}, -1130, "Data sent for parameter 'limit' is not valid."),
    ("GET", "allOrders", {"limit": "1001"}, -1130, "Data sent for parameter 'limit' is not valid."),
    (
        "GET",
        "allOrders",
        {"startTime": "1600000000000", "endTime": "1600086400001"},
        -1127,
        "More than 24 hours between startTime and endTime.",
    ),
    ("GET", "myTrades", {"orderId": "1", "startTime": "1"}, -1128, "Combination of optional parameters invalid."),
    ("GET", "myTrades", {"startTime": "99999999999999999999"}, -1108, "Parameter 'startTime' overflowed."),
    ("GET", "account", {"symbol": None, "omitZeroBalances": "y"}, -1130, NOT_VALID.format("omitZeroBalances")),
    ("GET", "openOrders", {"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ("POST", "order/cancelReplace", {}, -1102, mandatory("side")),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "parameters", "code", "text"), QUERIES)
def test_malformed_query_is_refused(
    world: World, method: str, path: str, parameters: dict[str, Any], code: int, text: str
) -> None:
    sent = {name: value for name, value in ({"symbol": "BTCUSDT"} | parameters).items() if value is not None}
    answer = world.signed(method, f"/api/v3/{path}", **sent)
    assert (answer.status, answer.code, answer.text) == (400, code, text)
    assert world.replica.submitted == []


def test_day_between_start_and_end_is_not_too_long(world: World) -> None:
    answer = world.signed(
        "GET", "/api/v3/allOrders", symbol="BTCUSDT", startTime=1_600_000_000_000, endTime=1_600_086_400_000
    )
    assert answer.status == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("a=1&a=2", -1101),
        ("&".join(f"p{number}=1" for number in range(65)), -1101),
        ("symbol=%ff", -1100),
        ("symbol=%", -1100),
        ("=", -1104),
        ("symbol", -1105),
        ("symbol=BTCUSDT&symbols=[]", -1130),
        ('symbol=BTCUSDT&symbols=["BTCUSDT"]', -1128),
        ("symbols=BTCUSDT", -1135),
        ('symbols=["BTCUSDT","BTCUSDT"]', -1151),
        ('symbols=["NOPE"]', -1121),
        ("symbolStatus=OPEN", -1122),
        ("symbolStatus=TRADING&symbol=BTCUSDT", -1128),
        ("permissions=EVERYTHING", -1130),
        ("permissions=SPOT&symbol=BTCUSDT", -1128),
        ("timeUnit=NANOSECOND", -1194),
    ],
)
def test_malformed_public_query_is_refused(world: World, query: str, code: int) -> None:
    answer = world.get("/api/v3/exchangeInfo", query)
    assert (answer.status, answer.code) == (400, code)


def test_endpoint_without_parameters_takes_none(world: World) -> None:
    answer = world.get("/api/v3/ping", "symbol=BTCUSDT")
    assert (answer.code, answer.text) == (-1101, "Too many parameters; expected '0' and received '1'.")


def test_body_that_is_no_form_is_refused(world: World) -> None:
    for body in (b'{"symbol":"BTCUSDT"}', b"\xff\xfe\x00", b"%ff=1"):
        (answer,) = world.send("POST", "/api/v3/order", body=body, headers={"x-mbx-apikey": API_KEY})
        assert answer.status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v3/myAllocations"), ("GET", "/api/v3/myFilters"), ("POST", "/api/v3/sor/order")],
)
def test_what_binance_has_and_we_have_not_is_said_so(world: World, method: str, path: str) -> None:
    answer = world.signed(method, path, symbol="BTCUSDT")
    assert (answer.status, answer.json) == (400, {"code": -1020, "msg": "This operation is not supported."})


def test_every_error_says_something_with_a_status_of_its_kind() -> None:
    table = {name: each for name, each in vars(errors).items() if isinstance(each, errors.Error)}
    assert len(table) > 60
    for name, error in table.items():
        assert -3000 < error.code <= -1000, name
        assert error.text, name
        server_side = error.code in (-1000, -1007, -1008)
        assert (error.status >= 500) == server_side, name


@pytest.mark.parametrize("mode", list(TradingMode))
def test_exchange_info_offers_only_what_the_mode_lets_in(world: World, mode: TradingMode) -> None:
    world.replica.reference = Reference([BTC, USDT], [instrument(mode=mode)])
    (shown,) = world.get("/api/v3/exchangeInfo").json["symbols"]
    assert shown["status"] in ("TRADING", "HALT", "CANCEL_ONLY", "BREAK")
    assert set(shown["orderTypes"]) <= {each.name for each in OrderType if each}
    assert (mode == TradingMode.POST_ONLY) == (shown["orderTypes"] == ["LIMIT_MAKER"])
