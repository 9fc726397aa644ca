"""Queries: an account reads everything that was answered, and nothing of anybody else's."""

import pytest

from holdfast.codes import InstrumentParameter, Limit, OrderStatus
from holdfast.instruments import Reference
from holdfast.views import Account, Balance
from tests.gateway.fakes import ACCOUNT_ID, BTC, START_NS, USDT, World, instrument

MS = START_NS // 10**6


def ids(answer_json: list[dict[str, int]]) -> list[int]:
    return [order["orderId"] for order in answer_json]


@pytest.fixture
def busy(world: World) -> World:
    """Orders 1 to 6, one a second: 1, 3 and 5 closed, the others open."""
    for number in range(1, 7):
        world.order(timeInForce="IOC" if number % 2 else "GTC", newClientOrderId=f"o{number}")
        world.clock.advance(1)
    return world


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"limit": 2}, [5, 6]),
        ({"orderId": 3}, [3, 4, 5, 6]),
        ({"orderId": 3, "limit": 2}, [3, 4]),
        ({"startTime": MS + 2000}, [3, 4, 5, 6]),
        ({"startTime": MS + 2000, "limit": 1}, [3]),
        ({"endTime": MS + 2000}, [1, 2, 3]),
        ({"endTime": MS + 2000, "limit": 2}, [2, 3]),
        ({"startTime": MS + 1000, "endTime": MS + 3000}, [2, 3, 4]),
        ({"startTime": (MS + 1000) * 1000, "endTime": (MS + 3000) * 1000}, [2, 3, 4]),
    ],
)
def test_all_orders_merge_open_and_closed_ones_by_id(
    busy: World, parameters: dict[str, int], expected: list[int]
) -> None:
    assert ids(busy.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", **parameters).json) == expected


def test_open_orders_are_the_open_ones_of_one_symbol_or_all(busy: World) -> None:
    busy.order(symbol="ETHUSDT", newClientOrderId="other")
    assert ids(busy.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT").json) == [2, 4, 6]
    everywhere = busy.signed("GET", "/api/v3/openOrders").json
    assert [order["symbol"] for order in everywhere] == ["BTCUSDT"] * 3 + ["ETHUSDT"]


def test_order_of_another_symbol_is_not_found(busy: World) -> None:
    assert busy.signed("GET", "/api/v3/order", symbol="ETHUSDT", orderId=2).code == -2013


def test_order_id_and_client_id_must_agree(busy: World) -> None:
    answer = busy.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=2, origClientOrderId="o4")
    assert (answer.code, answer.text) == (-2039, "Client order ID is not correct for this order ID.")


def test_my_trades_have_every_documented_field(world: World) -> None:
    world.order(type="MARKET", price=None, timeInForce=None)
    assert world.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT").json == [
        {
            "symbol": "BTCUSDT",
            "id": 1,
            "orderId": 1,
            "orderListId": -1,
            "price": "25000.00000000",
            "qty": "0.00100000",
            "quoteQty": "25.00000000",
            "commission": "0.00000200",
            "commissionAsset": "BTC",
            "time": MS,
            "isBuyer": True,
            "isMaker": False,
            "isBestMatch": True,
        }
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"limit": 1}, [3]),
        ({"fromId": 2}, [2, 3]),
        ({"fromId": 2, "limit": 1}, [2]),
        ({"fromId": 0, "limit": 1}, [1]),
        ({"orderId": 2}, [2]),
        ({"orderId": 2, "fromId": 1}, [2]),
        ({"startTime": MS + 1000}, [2, 3]),
        ({"endTime": MS + 1000}, [1, 2]),
        ({"startTime": MS + 1000, "endTime": MS + 1000}, [2]),
    ],
)
def test_my_trades_are_chosen_by_every_documented_combination(
    world: World, parameters: dict[str, int], expected: list[int]
) -> None:
    for _ in range(3):
        world.order(type="MARKET", price=None, timeInForce=None)
        world.clock.advance(1)
    found = world.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT", **parameters).json
    assert [trade["id"] for trade in found] == expected


def test_account_shows_all_assets_or_the_held_ones(world: World) -> None:
    world.replica.free[ACCOUNT_ID, BTC.asset_id] = 0
    world.replica.balances = lambda account_id: [Balance(USDT.asset_id, 5, 3, 2)]  # type: ignore[method-assign]  # noqa: ARG005
    held = {"asset": "USDT", "free": "0.00000005", "locked": "0.00000005"}
    nothing = {"asset": "BTC", "free": "0.00000000", "locked": "0.00000000"}
    assert world.signed("GET", "/api/v3/account").json["balances"] == [nothing, held]
    assert world.signed("GET", "/api/v3/account", omitZeroBalances="true").json["balances"] == [held]


def test_account_has_every_field_that_strict_clients_need(world: World) -> None:
    shown = world.signed("GET", "/api/v3/account").json
    assert (shown["makerCommission"], shown["takerCommission"]) == (10, 20)
    assert (shown["buyerCommission"], shown["sellerCommission"]) == (0, 0)
    assert shown["commissionRates"]["taker"] == "0.00200000"
    assert shown["canTrade"] is shown["canWithdraw"] is shown["canDeposit"] is True
    assert shown["updateTime"] == MS
    assert shown["accountType"] == "SPOT"
    assert shown["permissions"] == ["SPOT"]
    assert shown["uid"] == ACCOUNT_ID


def test_frozen_account_cannot_trade(world: World) -> None:
    world.replica.accounts[ACCOUNT_ID] = Account(ACCOUNT_ID, 0, True, -1, -1, START_NS, 0)
    shown = world.signed("GET", "/api/v3/account").json
    assert shown["canTrade"] is shown["canWithdraw"] is False


@pytest.mark.parametrize(("own", "maker", "taker"), [(-1, "0.00100000", "0.00200000"), (0, "0.00000000", "0.00000000")])
def test_commission_is_the_accounts_own_or_the_instruments(world: World, own: int, maker: str, taker: str) -> None:
    world.replica.accounts[ACCOUNT_ID] = Account(ACCOUNT_ID, 0, False, own, own, START_NS, 0)
    shown = world.signed("GET", "/api/v3/account/commission", symbol="BTCUSDT").json
    assert shown["standardCommission"]["maker"] == maker
    assert shown["standardCommission"]["taker"] == taker
    fees = world.signed("GET", "/sapi/v1/asset/tradeFee", symbol="BTCUSDT").json
    assert fees == [{"symbol": "BTCUSDT", "makerCommission": maker, "takerCommission": taker}]
    tested = world.signed(
        "POST",
        "/api/v3/order/test",
        symbol="BTCUSDT",
        side="BUY",
        type="MARKET",
        quantity=1,
        computeCommissionRates="true",
    )
    assert tested.json["standardCommissionForOrder"] == {"maker": maker, "taker": taker}


def test_order_test_answers_with_nothing_and_places_nothing(world: World) -> None:
    answer = world.signed("POST", "/api/v3/order/test", symbol="BTCUSDT", side="BUY", type="MARKET", quantity=1)
    assert (answer.status, answer.json) == (200, {})
    assert world.replica.submitted == []


# General.


def test_ping_and_time(world: World) -> None:
    assert world.get("/api/v3/ping").json == {}
    assert world.get("/api/v3/time").json == {"serverTime": MS}


@pytest.mark.parametrize("unit", ["MICROSECOND", "microsecond"])
def test_times_are_in_microseconds_where_asked_for(world: World, unit: str) -> None:
    headers = {"x-mbx-time-unit": unit}
    assert world.get("/api/v3/time", headers=headers).json == {"serverTime": START_NS // 1000}
    assert world.get("/api/v3/time", f"timeUnit={unit}").json == {"serverTime": START_NS // 1000}
    world.order()
    query, signed = world.sign({"symbol": "BTCUSDT", "orderId": 1})
    assert world.get("/api/v3/order", query, headers=headers | signed).json["time"] == START_NS // 1000


def test_exchange_info_is_what_strict_clients_decode(world: World) -> None:
    shown = world.get("/api/v3/exchangeInfo").json
    assert list(shown) == ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"]
    assert {limit["interval"] for limit in shown["rateLimits"]} <= {"SECOND", "MINUTE", "DAY"}
    first = shown["symbols"][0]
    assert first["filters"][0] == {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.01000000",
        "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    }
    assert [each["filterType"] for each in first["filters"]] == [
        "PRICE_FILTER",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "NOTIONAL",
        "MAX_NUM_ORDERS",
        "MAX_NUM_ORDER_AMENDS",
        "ICEBERG_PARTS",
    ]
    assert first["filters"][1] == {
        "filterType": "LOT_SIZE",
        "minQty": "0.00001000",
        "maxQty": "9000.00000000",
        "stepSize": "0.00001000",
    }
    assert first["filters"][3]["minNotional"] == "5.00000000"
    assert first["status"] == "TRADING"
    assert first["permissionSets"] == [["SPOT"]]
    assert first["permissions"] == []
    assert first["orderTypes"] == [
        *("LIMIT", "LIMIT_MAKER", "MARKET"),
        *("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"),
    ]
    assert first["allowedSelfTradePreventionModes"] == [
        "NONE",
        "EXPIRE_TAKER",
        "EXPIRE_MAKER",
        "EXPIRE_BOTH",
        "DECREMENT",
    ]
    assert first["icebergAllowed"] is first["pegInstructionsAllowed"] is True
    for name in ("allowTrailingStop", "isMarginTradingAllowed"):
        assert first[name] is False
    for name in ("ocoAllowed", "otoAllowed", "opoAllowed"):
        assert first[name] is True
    for name in ("quotePrecision", "quoteAssetPrecision", "baseAssetPrecision"):
        assert first[name] == 8


def test_exchange_filters_are_shown_where_they_are_set(world: World) -> None:
    assert world.get("/api/v3/exchangeInfo").json["exchangeFilters"] == []
    world.replica.set_limits = {
        Limit.EXCHANGE_ORDERS_MAX: 1000,
        Limit.EXCHANGE_ALGO_ORDERS_MAX: 200,
        Limit.EXCHANGE_ICEBERG_ORDERS_MAX: 300,
        Limit.EXCHANGE_ORDER_LISTS_MAX: 20,
        Limit.PAGES_MAX: 9,
    }
    assert world.get("/api/v3/exchangeInfo").json["exchangeFilters"] == [
        {"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 1000},
        {"filterType": "EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 200},
        {"filterType": "EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 300},
        {"filterType": "EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists": 20},
    ]


def test_exchange_info_shows_optional_filters_only_when_they_apply(world: World) -> None:
    on = instrument(
        BID_MULTIPLIER_UP_PPM=5_000_000,
        BID_MULTIPLIER_DOWN_PPM=200_000,
        ASK_MULTIPLIER_UP_PPM=5_000_000,
        ASK_MULTIPLIER_DOWN_PPM=200_000,
        POSITION_MAX=10**8,
    )
    assert on.parameters[InstrumentParameter.POSITION_MAX] == 10**8
    world.replica.reference = Reference([BTC, USDT], [on])
    (shown,) = world.get("/api/v3/exchangeInfo").json["symbols"]
    assert shown["filters"][-2:] == [
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5.00000000",
            "bidMultiplierDown": "0.20000000",
            "askMultiplierUp": "5.00000000",
            "askMultiplierDown": "0.20000000",
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_POSITION", "maxPosition": "1.00000000"},
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("symbol=ETHUSDT", ["ETHUSDT"]),
        ("symbols=%5B%22ETHUSDT%22%2C%22BTCUSDT%22%5D", ["ETHUSDT", "BTCUSDT"]),
        ("permissions=SPOT", ["BTCUSDT", "ETHUSDT"]),
        ("permissions=MARGIN", []),
        ('permissions=["MARGIN","SPOT"]', ["BTCUSDT", "ETHUSDT"]),
        ("symbolStatus=TRADING", ["BTCUSDT", "ETHUSDT"]),
        ("symbolStatus=HALT", []),
    ],
)
def test_exchange_info_shows_what_is_asked_for(world: World, query: str, expected: list[str]) -> None:
    shown = world.get("/api/v3/exchangeInfo", query).json["symbols"]
    assert [each["symbol"] for each in shown] == expected


def test_exchange_info_leaves_permission_sets_out_where_asked(world: World) -> None:
    shown = world.get("/api/v3/exchangeInfo", "showPermissionSets=false").json["symbols"]
    assert [each["permissionSets"] for each in shown] == [[], []]


def test_exchange_info_follows_the_reference_data(world: World) -> None:
    assert len(world.get("/api/v3/exchangeInfo").json["symbols"]) == 2
    world.replica.reference = Reference([BTC, USDT], [instrument()])
    assert len(world.get("/api/v3/exchangeInfo").json["symbols"]) == 1


# What some clients ask for at start-up.


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/sapi/v1/system/status", {"status": 0, "msg": "normal"}),
        ("/sapi/v1/margin/allPairs", []),
        ("/sapi/v1/margin/isolated/allPairs", []),
        ("/fapi/v1/exchangeInfo", {"symbols": []}),
        ("/dapi/v1/exchangeInfo", {"symbols": []}),
    ],
)
def test_shims_answer_signed_or_not(world: World, path: str, expected: object) -> None:
    assert world.get(path).json == expected
    assert world.signed("GET", path).json == expected


def test_signed_shims(world: World) -> None:
    assert world.signed("GET", "/sapi/v1/spot/delist-schedule").json == []
    fees = world.signed("GET", "/sapi/v1/asset/tradeFee").json
    assert [fee["symbol"] for fee in fees] == ["BTCUSDT", "ETHUSDT"]
    coins = world.signed("GET", "/sapi/v1/capital/config/getall").json
    assert [coin["coin"] for coin in coins] == ["BTC", "USDT"]
    assert coins[0]["free"] == "10.00000000"
    assert coins[0]["networkList"] == []
    assert world.get("/sapi/v1/spot/delist-schedule").status == 401


def test_order_that_is_closed_in_the_file_and_still_open_here_is_shown_once(busy: World) -> None:
    """A joined gateway may apply a command a moment after the venue has written what it led to."""
    closed = busy.replica.history.closed
    ahead = busy.replica.open_orders(ACCOUNT_ID)[0]._replace(status=OrderStatus.CANCELED)
    closed.append(ahead)
    closed.sort(key=lambda order: order.order_id)
    shown = busy.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT").json
    assert len(set(ids(shown))) == len(ids(shown))
    assert [order["status"] for order in shown if order["orderId"] == ahead.order_id] == ["CANCELED"]
