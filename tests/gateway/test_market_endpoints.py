"""Public endpoints answer what Binance's do, refuse what they refuse, and agree with the list of trades."""

import pytest

from holdfast.codes import Side
from holdfast.gateway.binance.parameters import parse_form
from holdfast.market_data import trades as rings
from tests.gateway.market_venue import Market
from tests.market_data.session import SECOND_NS

START_MS = 1_700_000_000_000
BTC = "symbol=BTCUSDT"


def error(market, target):
    answer = market.get(target)
    return answer["code"], answer["msg"]


def trade_many(market, count, per_aggregate=1):
    """`count` trades, a second apart, `per_aggregate` of them by one taker at one price."""
    for i in range(count // per_aggregate):
        market.session.step(market.session.ts_ns + SECOND_NS)
        orders = []
        for j in range(per_aggregate):
            orders += market.session.trade(Side.BUY, 100 + i % 7, 1 + j, same_aggregate=j > 0)
        market.apply(orders)
    market.clock_ns = market.session.ts_ns


@pytest.mark.parametrize(
    ("target", "code", "text"),
    [
        ("/api/v3/depth", -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        ("/api/v3/depth?symbol=NOSUCH", -1121, "Invalid symbol."),
        ("/api/v3/depth?symbol=btcusdt", -1100, "Illegal characters found in parameter 'symbol'"),
        ("/api/v3/depth?symbol=BTCUSDT&limit=0", -1130, "Data sent for parameter 'limit' is not valid."),
        ("/api/v3/depth?symbol=BTCUSDT&limit=-1", -1100, "Illegal characters found in parameter 'limit'"),
        ("/api/v3/depth?symbol=BTCUSDT&what=1", -1104, "Not all sent parameters were read"),
        ("/api/v3/depth?symbol=BTCUSDT&symbolStatus=OPEN", -1122, "Invalid symbolStatus."),
        ("/api/v3/depth?symbol=BTCUSDT&symbolStatus=HALT", -1220, "The symbol's status does not match"),
        ("/api/v3/trades?symbol=BTCUSDT&limit=x", -1100, "Illegal characters found in parameter 'limit'"),
        ("/api/v3/klines?symbol=BTCUSDT", -1102, "Mandatory parameter 'interval'"),
        ("/api/v3/klines?symbol=BTCUSDT&interval=7m", -1120, "Invalid interval."),
        ("/api/v3/klines?symbol=BTCUSDT&interval=1m&timeZone=15:00", -1130, "Data sent for parameter 'timeZone'"),
        ("/api/v3/klines?symbol=BTCUSDT&interval=1m&timeZone=-12:01", -1130, "Data sent for parameter 'timeZone'"),
        ("/api/v3/klines?symbol=BTCUSDT&interval=1m&timeZone=1:60", -1130, "Data sent for parameter 'timeZone'"),
        ("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=99999999999999999999", -1108, "Parameter 'startTime'"),
        ("/api/v3/aggTrades?symbol=BTCUSDT&fromId=1&startTime=5", -1128, "Combination of optional parameters invalid."),
        ("/api/v3/ticker/24hr?symbol=BTCUSDT&symbols=%5B%22BTCUSDT%22%5D", -1128, "Combination of optional parameters"),
        ("/api/v3/ticker/24hr?symbols=%5B%22BTCUSDT%22,%22BTCUSDT%22%5D", -1151, "Symbol is present multiple times"),
        ("/api/v3/ticker/24hr?symbols=BTCUSDT", -1135, "JSON sent for parameter 'symbols' is not valid"),
        ("/api/v3/ticker/24hr?type=HUGE", -1139, "Invalid ticker type."),
        ("/api/v3/ticker", -1102, "Param 'symbol' or 'symbols' must be sent, but both were empty/null!"),
        ("/api/v3/ticker?symbol=BTCUSDT&windowSize=60m", -1130, "Data sent for parameter 'windowSize' is not valid."),
        ("/api/v3/ticker?symbol=BTCUSDT&windowSize=0h", -1130, "Data sent for parameter 'windowSize' is not valid."),
        ("/api/v3/ticker?symbol=BTCUSDT&windowSize=8d", -1130, "Data sent for parameter 'windowSize' is not valid."),
        ("/api/v3/ticker/tradingDay?timeZone=0", -1102, "Param 'symbol' or 'symbols' must be sent"),
    ],
)
def test_what_is_wrong_is_refused_with_binances_error(target, code, text):
    found_code, found_text = error(Market(), target)
    assert found_code == code
    assert found_text.startswith(text)


@pytest.mark.parametrize(
    ("target", "weight"),
    [
        ("/api/v3/depth?symbol=BTCUSDT", 5),
        ("/api/v3/depth?symbol=BTCUSDT&limit=101", 25),
        ("/api/v3/depth?symbol=BTCUSDT&limit=1000", 50),
        ("/api/v3/depth?symbol=BTCUSDT&limit=99999", 250),
        ("/api/v3/trades?symbol=BTCUSDT", 25),
        ("/api/v3/aggTrades?symbol=BTCUSDT", 4),
        ("/api/v3/klines?symbol=BTCUSDT&interval=1m", 2),
        ("/api/v3/ticker/24hr?symbol=BTCUSDT", 2),
        ("/api/v3/ticker/24hr", 80),
        ("/api/v3/ticker/24hr?symbols=[" + ",".join(f'"S{i}"' for i in range(21)) + "]", 40),
        ("/api/v3/ticker/price?symbol=BTCUSDT", 2),
        ("/api/v3/ticker/bookTicker", 4),
        ("/api/v3/ticker?symbol=BTCUSDT", 4),
        ('/api/v3/ticker?symbols=["A","B","C"]', 12),
        ("/api/v3/ticker/tradingDay?symbols=[" + ",".join(f'"S{i}"' for i in range(60)) + "]", 200),
    ],
)
def test_requests_weigh_what_binance_says(target, weight):
    path, _, query = target.partition("?")
    endpoint = Market().endpoints.rest[path]
    values = endpoint.parameters.convert(parse_form(query))
    assert (endpoint.weight if isinstance(endpoint.weight, int) else endpoint.weight(values)) == weight


def test_depth_is_cut_to_the_limit_best_levels_first():
    market = Market()
    session = market.session
    market.apply(book=[session.level(Side.BUY, 100 - i, 1) for i in range(1, 8)])
    market.apply(book=[session.level(Side.SELL, 100 + i, 1) for i in range(1, 8)])
    market.tick()
    depth = market.get("/api/v3/depth?symbol=BTCUSDT&limit=3")
    assert [price for price, _ in depth["bids"]] == ["0.99000000", "0.98000000", "0.97000000"]
    assert [price for price, _ in depth["asks"]] == ["1.01000000", "1.02000000", "1.03000000"]
    assert depth["lastUpdateId"] == 14
    assert len(market.get("/api/v3/depth?symbol=BTCUSDT&limit=999999")["bids"]) == 7


def test_trades_are_the_newest_oldest_first():
    market = Market()
    trade_many(market, 5)
    found = market.get("/api/v3/trades?symbol=BTCUSDT&limit=2")
    assert [trade["id"] for trade in found] == [4, 5]
    assert found[0] == {
        "id": 4,
        "price": "1.03000000",
        "qty": "0.00001000",
        "quoteQty": "0.00001030",
        "time": START_MS + 4_000,
        "isBuyerMaker": False,
        "isBestMatch": True,
    }
    micro = market.get("/api/v3/trades?symbol=BTCUSDT&limit=1", unit_ns=1_000)
    assert micro[0]["time"] == (START_MS + 5_000) * 1_000


@pytest.fixture
def forgetful(monkeypatch):
    """A venue that keeps 20 trades and 5 aggregates in memory and has 120 trades, three by three, behind it."""
    monkeypatch.setattr(rings, "TRADES_KEPT", 20)
    monkeypatch.setattr(rings, "AGGREGATES_KEPT", 5)
    market = Market()
    trade_many(market, 120, per_aggregate=3)
    return market


@pytest.mark.parametrize("from_id", [0, 1, 50, 95, 101, 102, 119, 120, 121])
@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_historical_trades_join_the_history_and_memory(forgetful, from_id, limit):
    found = forgetful.get(f"/api/v3/historicalTrades?{BTC}&fromId={from_id}&limit={limit}")
    assert [trade["id"] for trade in found] == list(range(max(1, from_id), 121))[:limit]


def expected_aggregates():
    return [{"a": i, "f": 3 * i - 2, "l": 3 * i, "q": "0.00006000", "T": START_MS + 1_000 * i} for i in range(1, 41)]


def found_aggregates(market, query):
    found = market.get(f"/api/v3/aggTrades?{BTC}{query}")
    return [{name: each[name] for name in ("a", "f", "l", "q", "T")} for each in found]


@pytest.mark.parametrize("from_id", [0, 1, 20, 34, 35, 36, 40, 41])
@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_aggregates_by_id_join_the_history_and_memory(forgetful, from_id, limit):
    expected = [each for each in expected_aggregates() if each["a"] >= from_id][:limit]
    assert found_aggregates(forgetful, f"&fromId={from_id}&limit={limit}") == expected


@pytest.mark.parametrize("start", [None, 0, 1, 20, 35, 36, 40, 41])
@pytest.mark.parametrize("end", [None, 0, 1, 3, 20, 35, 36, 39, 50])
@pytest.mark.parametrize("limit", [1, 4, 10, 1000])
def test_aggregates_by_time_join_the_history_and_memory(forgetful, start, end, limit):
    query, expected = f"&limit={limit}", expected_aggregates()
    if start is not None:
        query += f"&startTime={START_MS + 1_000 * start}"
        expected = [each for each in expected if each["a"] >= start]
    if end is not None:
        query += f"&endTime={START_MS + 1_000 * end}"
        expected = [each for each in expected if each["a"] <= end]
    if start is None and end is None:
        expected = expected[-5:]  # Without any the newest that are in memory.
    expected = expected[:limit] if start is not None else expected[-limit:]
    assert found_aggregates(forgetful, query) == expected


def test_klines_have_twelve_elements_and_fill_gaps():
    market = Market()
    trade_many(market, 2)
    market.seconds(3600)
    rows = market.get(f"/api/v3/klines?{BTC}&interval=1m&limit=3")
    assert rows[-1] == [
        market.clock_ns // 60_000_000_000 * 60_000,
        *["1.01000000"] * 4,
        "0.00000000",
        market.clock_ns // 60_000_000_000 * 60_000 + 59_999,
        "0.00000000",
        0,
        "0.00000000",
        "0.00000000",
        "0",
    ]
    [first] = market.get(f"/api/v3/klines?{BTC}&interval=1m&startTime=0&limit=1")
    assert first[0] == START_MS // 60_000 * 60_000
    assert first[1:6] == ["1.00000000", "1.01000000", "1.00000000", "1.01000000", "0.00002000"]
    assert first[7:] == ["0.00002010", 2, "0.00002000", "0.00002010", "0"]
    assert market.get(f"/api/v3/uiKlines?{BTC}&interval=1m&startTime=0&limit=1") == [first]


def test_klines_asked_again_are_those_of_the_trades_until_then():
    market = Market()
    answers = []
    for _ in range(5):
        trade_many(market, 42)
        answers.append(market.get(f"/api/v3/klines?{BTC}&interval=1m"))
    fresh = Market()
    trade_many(fresh, 5 * 42)
    assert answers[-1] == fresh.get(f"/api/v3/klines?{BTC}&interval=1m")
    assert sum(row[8] for row in answers[2]) == 3 * 42


def test_klines_of_an_instrument_without_trades_are_none():
    assert Market().get(f"/api/v3/klines?{BTC}&interval=1M&startTime=0") == []


def test_klines_before_the_first_trade_and_in_the_future_are_none():
    market = Market()
    trade_many(market, 2)
    for query in ("&endTime=1000", f"&startTime={START_MS * 2}", "&startTime=9223372036854775&endTime=0"):
        assert market.get(f"/api/v3/klines?{BTC}&interval=1M{query}") == []


def test_average_price_names_the_time_of_the_last_trade():
    market = Market()
    assert market.get(f"/api/v3/avgPrice?{BTC}") == {"mins": 5, "price": "0.00000000", "closeTime": 0}
    trade_many(market, 2)
    assert market.get(f"/api/v3/avgPrice?{BTC}") == {
        "mins": 5,
        "price": "1.00000000",
        "closeTime": START_MS + 2_000,
    }


FULL = [
    "symbol",
    "priceChange",
    "priceChangePercent",
    "weightedAvgPrice",
    "prevClosePrice",
    "lastPrice",
    "lastQty",
    "bidPrice",
    "bidQty",
    "askPrice",
    "askQty",
    "openPrice",
    "highPrice",
    "lowPrice",
    "volume",
    "quoteVolume",
    "openTime",
    "closeTime",
    "firstId",
    "lastId",
    "count",
]
MINI = ["symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", *FULL[14:]]
WINDOW = [*FULL[:4], *MINI[1:]]


def test_tickers_have_binances_fields_in_each_form():
    market = Market()
    trade_many(market, 9)
    assert list(market.get(f"/api/v3/ticker/24hr?{BTC}")) == FULL
    assert list(market.get(f"/api/v3/ticker/24hr?{BTC}&type=MINI")) == MINI
    assert list(market.get(f"/api/v3/ticker?{BTC}")) == WINDOW
    assert list(market.get(f"/api/v3/ticker?{BTC}&type=MINI&windowSize=7d")) == MINI
    assert list(market.get(f"/api/v3/ticker/tradingDay?{BTC}")) == WINDOW
    assert list(market.get(f"/api/v3/ticker/price?{BTC}")) == ["symbol", "price"]
    assert list(market.get(f"/api/v3/ticker/bookTicker?{BTC}")) == ["symbol", *FULL[7:11]]


def test_tickers_of_one_of_some_and_of_all_instruments():
    market = Market()
    for path in ("24hr", "price", "bookTicker"):
        everything = market.get(f"/api/v3/ticker/{path}")
        assert [each["symbol"] for each in everything] == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
        some = market.get(f"/api/v3/ticker/{path}?symbols=%5B%22ETHUSDT%22,%22BTCUSDT%22%5D")
        assert [each["symbol"] for each in some] == ["ETHUSDT", "BTCUSDT"]
        halted = market.get(f"/api/v3/ticker/{path}?symbolStatus=HALT")
        assert [each["symbol"] for each in halted] == ["ETHBTC"]
        assert market.get(f"/api/v3/ticker/{path}?symbolStatus=BREAK") == []


def test_day_ticker_of_a_market_that_never_traded_is_all_zero():
    ticker = Market().get(f"/api/v3/ticker/24hr?{BTC}")
    assert (ticker["lastPrice"], ticker["priceChangePercent"], ticker["count"]) == ("0.00000000", "0.000", 0)
    assert (ticker["firstId"], ticker["lastId"]) == (-1, -1)


def test_trading_day_is_the_zones_day():
    market = Market()
    trade_many(market, 3)
    day = market.get(f"/api/v3/ticker/tradingDay?{BTC}")
    assert (day["openTime"], day["closeTime"]) == (1_699_920_000_000, 1_700_006_399_999)
    assert (day["count"], day["openPrice"], day["lastPrice"]) == (3, "1.00000000", "1.02000000")
    other = market.get(f"/api/v3/ticker/tradingDay?{BTC}&timeZone=-01:30")
    assert other["openTime"] == 1_699_920_000_000 + 5_400_000


def test_window_ticker_counts_its_minutes():
    market = Market()
    trade_many(market, 180)
    ticker = market.get(f"/api/v3/ticker?{BTC}&windowSize=1m")
    assert ticker["openTime"] % 60_000 == 0
    assert 60_000 <= ticker["closeTime"] - ticker["openTime"] < 120_000
    expected = (START_MS + 180_000 - ticker["openTime"]) // 1_000 + 1
    assert ticker["count"] == expected
    assert ticker["lastId"] == 180


def test_web_socket_api_has_the_same_endpoints():
    endpoints = Market().endpoints
    assert set(endpoints.methods) == {
        "depth",
        "trades.recent",
        "trades.historical",
        "trades.aggregate",
        "klines",
        "uiKlines",
        "avgPrice",
        "ticker.24hr",
        "ticker.price",
        "ticker.book",
        "ticker",
        "ticker.tradingDay",
    }
    assert {id(endpoint) for endpoint in endpoints.methods.values()} == {id(e) for e in endpoints.rest.values()}


def test_gateway_serves_every_row_and_counts_its_weight(world):
    market = Market()
    trade_many(market, 3)
    world.gateway.add_public(market.endpoints.rest, market.endpoints.methods)
    answers = {}
    for path in market.endpoints.rest:
        answers[path] = world.get(path, BTC + ("&interval=1m" if "lines" in path else ""))
    assert {answer.status for answer in answers.values()} == {200}
    used = [int(answer.headers["X-MBX-USED-WEIGHT-1M"]) for answer in answers.values()]
    assert [after - before for before, after in zip([0, *used], used, strict=False)] == [
        *[5, 25, 25, 4, 2, 2, 2, 2, 2, 2, 4, 4]
    ]
    assert answers["/api/v3/trades"].json[0]["time"] == START_MS + 1_000
    assert world.get("/api/v3/trades", BTC + "&timeUnit=microsecond").json[0]["time"] == (START_MS + 1_000) * 1_000
