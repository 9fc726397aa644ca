"""Each stream says what Binance's documentation says it does, and each control message gets its answer first."""

import json

import pytest

from holdfast.codes import Side, TradingMode
from holdfast.gateway.binance.market_messages import change_percent, weighted_average
from holdfast.gateway.server.messages import Response
from holdfast.instruments import Reference, Stage
from holdfast.market_data.tickers import Ticker
from holdfast.views import Auction
from tests.gateway.market_venue import Market
from tests.market_data.session import BTC, BTCUSDT, ETH, ETHUSDT, USDT, instrument

START_MS = 1_700_000_000_000


def control(session, socket, **message):
    """The answer to a control message."""
    before = len(socket.sent)
    session.on_text(json.dumps(message).encode())
    return socket.sent[before]


# Connections and control messages.


@pytest.mark.parametrize(
    ("target", "listed", "is_combined"),
    [
        ("/ws", [], False),
        ("/ws/", [], False),
        ("/ws/0", [], False),
        ("/ws/123", [], False),
        ("/stream/ws/7", [], False),
        ("/ws/btcusdt@trade", ["btcusdt@trade"], False),
        ("/ws/btcusdt@trade/ethusdt@trade", ["btcusdt@trade", "ethusdt@trade"], False),
        ("/ws/!miniTicker@arr@1000ms", ["!miniTicker@arr@1000ms"], False),
        ("/ws/btcusdt@kline_1d@+08:00", ["btcusdt@kline_1d@+08:00"], False),
        ("/stream", [], True),
        ("/stream?streams=btcusdt@trade/ethusdt@depth", ["btcusdt@trade", "ethusdt@depth"], True),
        ("/stream?streams=btcusdt%40trade", ["btcusdt@trade"], True),
        ("/stream?streams=btcusdt@kline_1d@+08:00&timeUnit=microsecond", ["btcusdt@kline_1d@+08:00"], True),
        ("/stream?streams=btcusdt@trade/btcusdt@trade", ["btcusdt@trade"], True),
    ],
)
def test_every_form_of_url_opens_a_session(target, listed, is_combined):
    session, socket = Market().connect(target)
    assert control(session, socket, method="LIST_SUBSCRIPTIONS", id=3) == {"result": listed, "id": 3}
    assert control(session, socket, method="GET_PROPERTY", params=["combined"], id=2) == {
        "result": is_combined,
        "id": 2,
    }


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/ws?timeUnit=SECOND", -1194),
        ("/stream?streams=" + "/".join(f"s{i}@trade" for i in range(1025)), -1191),
        ("/ws/" + "x" * 101, -1130),
    ],
)
def test_malformed_url_is_refused(target, code):
    refusal = Market().open(target)
    assert isinstance(refusal, Response)
    assert refusal.status == 400
    assert json.loads(refusal.body)["code"] == code


@pytest.mark.parametrize("request_id", [1, 0, -5, 2**63 - 1, "3f2a-uuid", "", None])
def test_answer_comes_before_data_and_carries_the_id_as_it_was_sent(request_id):
    session, socket = Market().connect("/ws/1")
    session.on_text(json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@depth@100ms"], "id": request_id}).encode())
    assert socket.sent[0] == {"result": None, "id": request_id}
    assert type(socket.sent[0]["id"]) is type(request_id)
    assert socket.sent[1]["e"] == "depthUpdate"


def test_unsubscribed_stream_is_silent_and_others_go_on():
    market = Market()
    session, socket = market.connect("/ws/btcusdt@trade/btcusdt@aggTrade")
    answer = control(session, socket, method="UNSUBSCRIBE", params=["btcusdt@trade", "never@subscribed"], id=312)
    assert answer == {"result": None, "id": 312}
    market.apply(market.session.trade(Side.BUY, 100, 5))
    assert [event["e"] for event in socket.sent[1:]] == ["aggTrade"]
    control(session, socket, method="UNSUBSCRIBE", params=["btcusdt@aggTrade"], id=313)
    assert market.streams.counts()["streams"] == 0


def test_subscribing_twice_is_subscribing_once():
    market = Market()
    session, socket = market.connect("/ws/btcusdt@trade")
    control(session, socket, method="SUBSCRIBE", params=["btcusdt@trade", "btcusdt@trade"], id=1)
    market.apply(market.session.trade(Side.BUY, 100, 5))
    assert len(socket.sent) == 2


def test_combined_property_switches_between_frames_and_raw_messages():
    market = Market()
    session, socket = market.connect("/ws/btcusdt@trade")
    for combined in (True, False):
        answer = control(session, socket, method="SET_PROPERTY", params=["combined", combined], id=5)
        assert answer == {"result": None, "id": 5}
        market.apply(market.session.trade(Side.BUY, 100, 5))
        assert ("stream" in socket.sent[-1]) is combined
    assert socket.sent[-3]["stream"] == "btcusdt@trade"
    assert socket.sent[-3]["data"]["t"] == 1


METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"method":"SET_PROPERTY","params":["x",true],"id":1}', {"code": 0, "msg": "Unknown property", "id": 1}),
        ('{"method":"GET_PROPERTY","params":["x"],"id":"a"}', {"code": 0, "msg": "Unknown property", "id": "a"}),
        (
            '{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}',
            {"code": 1, "msg": "Invalid value type: expected Boolean"},
        ),
        (
            '{"method":"SET_PROPERTY","params":["combined"],"id":1}',
            {"code": 1, "msg": "Invalid value type: expected Boolean"},
        ),
        (
            '{"method":"SET_PROPERTY","params":[true,true],"id":1}',
            {"code": 2, "msg": "Invalid request: property name must be a string"},
        ),
        (
            '{"method":"GET_PROPERTY","id":1}',
            {"code": 2, "msg": "Invalid request: property name must be a string"},
        ),
        (
            '{"method":"GET_PROPERTY","params":["combined",1],"id":1}',
            {"code": 2, "msg": "Invalid request: too many parameters"},
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","params":[1],"id":1}',
            {"code": 2, "msg": "Invalid request: too many parameters"},
        ),
        (
            '{"method":"SUBSCRIBE","params":["a@trade"]}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method":"SUBSCRIBE","params":["a@trade"],"id":1.5}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method":"SUBSCRIBE","params":["a@trade"],"id":9223372036854775808}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method":"SUBSCRIBE","params":["a@trade"],"id":true}',
            {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"},
        ),
        (
            '{"method": "SUBSCRIB", "id": 1}',
            {
                "code": 2,
                "msg": f"Invalid request: unknown variant `SUBSCRIB`, expected one of {METHODS} at line 1 column 21",
            },
        ),
        (
            '{"params":["a@trade"],"id":1}',
            {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 29"},
        ),
        (
            '{"method":"SUBSCRIBE","id":1}',
            {"code": 2, "msg": "Invalid request: missing field `params` at line 1 column 29"},
        ),
        (
            '{"method":"SUBSCRIBE","params":"a@trade","id":1}',
            {"code": 2, "msg": "Invalid request: params must be an array"},
        ),
        (
            '{"method":"SUBSCRIBE","params":[1],"id":1}',
            {"code": 2, "msg": "Invalid request: stream name must be a string"},
        ),
        ('{"method":}', {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 11"}),
        ("", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ("[" * 60_000, {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ('{"id":' + "1" * 5_000 + "}", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ('{"id":NaN}', {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
        ("7", {"code": 2, "msg": "Invalid request: expected an object at line 1 column 1"}),
    ],
)
def test_malformed_control_message_is_answered_with_binances_error(text, error):
    market = Market()
    session, socket = market.connect("/ws")
    session.on_text(text.encode())
    assert socket.sent == [error]
    assert market.streams.counts()["streams"] == 0


def test_connection_listens_to_1024_streams_and_no_more():
    market = Market()
    session, socket = market.connect("/ws")
    names = [f"s{i}@trade" for i in range(1024)]
    assert control(session, socket, method="SUBSCRIBE", params=names, id=1) == {"result": None, "id": 1}
    assert control(session, socket, method="SUBSCRIBE", params=["s0@trade"], id=1)["result"] is None
    assert control(session, socket, method="SUBSCRIBE", params=["one@more"], id=1)["code"] == 2
    assert market.streams.counts()["streams"] == 1024
    session.on_close("client")
    assert market.streams.counts() == {"sessions": 0, "streams": 0, "waiting_sends": 0}


def test_name_without_meaning_is_silent_until_its_instrument_is_added():
    market = Market()
    _, socket = market.connect("/ws/ethbtc@trade/newusdt@trade/BTCUSDT@trade/btcusdt@nonsense/btcusdt@kline_7m/!x@arr")
    market.apply(market.session.trade(Side.BUY, 100, 5))
    assert socket.sent == []
    new = instrument(9, "NEWUSDT", ETH, USDT, TradingMode.TRADING)
    market.reference = Reference([BTC, ETH, USDT], [BTCUSDT, new])
    market.tick()
    market.session.instrument, market.session.trade_id = new, 0
    market.apply(market.session.trade(Side.BUY, 100, 5))
    assert [event["s"] for event in socket.sent] == ["NEWUSDT"]


def test_name_gets_its_meaning_also_when_somebody_else_subscribes_first():
    market = Market()
    _, waiting = market.connect("/ws/newusdt@trade")
    new = instrument(9, "NEWUSDT", ETH, USDT, TradingMode.TRADING)
    market.reference = Reference([BTC, ETH, USDT], [BTCUSDT, new])
    market.connect("/ws/btcusdt@trade")
    market.tick()
    market.session.instrument, market.session.trade_id = new, 0
    market.apply(market.session.trade(Side.BUY, 100, 5))
    assert [event["s"] for event in waiting.sent] == ["NEWUSDT"]


def test_shutdown_is_announced_in_each_sessions_form():
    market = Market()
    _, raw = market.connect("/ws")
    _, combined = market.connect("/stream")
    market.streams.announce_shutdown()
    assert raw.sent == [{"e": "serverShutdown", "E": START_MS}]
    assert combined.sent == [{"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": START_MS}}]


# What the streams say.


def test_trades_and_aggregates_are_told_with_their_batch():
    market = Market()
    _, socket = market.connect("/ws/btcusdt@trade/btcusdt@aggTrade")
    _, micro = market.connect("/ws/btcusdt@trade?timeUnit=MICROSECOND")
    orders = market.session.trade(Side.SELL, 100, 5)
    orders += market.session.trade(Side.SELL, 100, 7, same_aggregate=True)
    orders += market.session.trade(Side.BUY, 101, 1)
    market.apply(orders)
    trade = {
        "e": "trade",
        "E": START_MS,
        "s": "BTCUSDT",
        "t": 1,
        "p": "1.00000000",
        "q": "0.00005000",
        "T": START_MS,
        "m": True,
        "M": True,
    }
    assert socket.sent[0] == trade
    assert micro.sent[0] == trade | {"E": START_MS * 1000, "T": START_MS * 1000}
    assert [(event["t"], event["m"]) for event in socket.sent[:3]] == [(1, True), (2, True), (3, False)]
    aggregate = {name: value for name, value in trade.items() if name != "t"}
    aggregate |= {"e": "aggTrade", "a": 1, "q": "0.00012000", "f": 1, "l": 2}
    assert socket.sent[3] == aggregate
    assert len(socket.sent) == 5


def test_book_ticker_tells_changes_of_the_best_levels_only():
    market = Market()
    session = market.session
    _, socket = market.connect("/ws/btcusdt@bookTicker")
    market.apply(book=[session.level(Side.BUY, 99, 5), session.level(Side.SELL, 101, 6)])
    market.apply(book=[session.level(Side.BUY, 98, 5)])
    market.apply(book=[session.level(Side.BUY, 99, 4)])
    shown = {"s": "BTCUSDT", "b": "0.99000000", "a": "1.01000000", "A": "0.00006000"}
    assert socket.sent == [shown | {"u": 2, "B": "0.00005000"}, shown | {"u": 4, "B": "0.00004000"}]
    _, late = market.connect("/ws/btcusdt@bookTicker")
    assert late.sent == socket.sent[-1:]


def test_kline_tells_the_open_candle_and_each_closed_one_once():
    market = Market()
    _, socket = market.connect("/ws/btcusdt@kline_1m")
    assert socket.sent == []
    market.apply(market.session.trade(Side.BUY, 100, 5))
    market.seconds(2)
    market.apply(market.session.trade(Side.SELL, 90, 5))
    for _ in range(600):
        market.tick()
    opened = START_MS // 60_000 * 60_000
    first = {
        "t": opened,
        "T": opened + 59_999,
        "s": "BTCUSDT",
        "i": "1m",
        "f": 1,
        "L": 1,
        "o": "1.00000000",
        "c": "1.00000000",
        "h": "1.00000000",
        "l": "1.00000000",
        "v": "0.00005000",
        "n": 1,
        "x": False,
        "q": "0.00005000",
        "V": "0.00005000",
        "Q": "0.00005000",
        "B": "0",
    }
    assert socket.sent[0] == {"e": "kline", "E": START_MS + 2000, "s": "BTCUSDT", "k": first}
    candles = [event["k"] for event in socket.sent]
    assert [(k["t"] - opened, k["n"], k["x"]) for k in candles] == [
        (0, 1, False),
        (0, 2, False),
        (0, 2, True),
        (60_000, 0, False),
    ]
    flat = candles[-1]
    assert (flat["o"], flat["c"], flat["v"], flat["f"], flat["L"]) == ("0.90000000", "0.90000000", "0.00000000", -1, -1)


def test_first_candle_of_a_market_is_told_as_closed_though_it_was_never_seen_open():
    market = Market()
    _, socket = market.connect("/ws/btcusdt@kline_1s")
    market.tick(900)
    market.apply(market.session.trade(Side.BUY, 100, 5))
    for _ in range(6):
        market.tick()
    assert [(event["k"]["t"], event["k"]["x"]) for event in socket.sent] == [(START_MS, True)]


def test_new_listener_takes_no_update_from_the_others():
    market = Market()
    market.apply(market.session.trade(Side.BUY, 100, 5))
    _, early = market.connect("/ws/btcusdt@kline_1d")
    market.seconds(2)
    market.apply(market.session.trade(Side.BUY, 101, 5))
    market.connect("/ws/btcusdt@kline_1d")
    market.seconds(2)
    assert early.sent[-1]["k"]["n"] == 2


def test_closed_candle_waits_for_trades_that_are_on_their_way():
    market = Market()
    market.apply(market.session.trade(Side.BUY, 100, 5))
    _, socket = market.connect("/ws/btcusdt@kline_1s")
    market.tick(1_100)
    assert [event["k"]["x"] for event in socket.sent if event["k"]["t"] == START_MS] == [False]
    market.tick(100)
    assert [event["k"]["x"] for event in socket.sent if event["k"]["t"] == START_MS] == [False, True]


def test_candles_of_another_zone_open_at_its_midnight():
    market = Market()
    market.apply(market.session.trade(Side.BUY, 100, 5))
    _, socket = market.connect("/ws/btcusdt@kline_1d@+08:00")
    [event] = socket.sent
    assert event["k"]["t"] % 86_400_000 == 16 * 3_600_000
    assert event["k"]["T"] == event["k"]["t"] + 86_399_999


def test_day_ticker_agrees_with_itself():
    market = Market()
    session = market.session
    market.apply(session.trade(Side.BUY, 100, 50), [session.level(Side.BUY, 99, 5), session.level(Side.SELL, 101, 6)])
    market.seconds(24 * 3600 + 120)
    session.step()
    market.apply([*session.trade(Side.BUY, 120, 10), *session.trade(Side.SELL, 90, 30)])
    _, socket = market.connect("/ws/btcusdt@ticker")
    [event] = socket.sent
    assert {name: event[name] for name in "pPwxcQbBaAohlvqFLn"} == {
        "p": "-0.30000000",
        "P": "-25.000",
        "w": "0.97500000",
        "x": "1.00000000",
        "c": "0.90000000",
        "Q": "0.00030000",
        "b": "0.99000000",
        "B": "0.00005000",
        "a": "1.01000000",
        "A": "0.00006000",
        "o": "1.20000000",
        "h": "1.20000000",
        "l": "0.90000000",
        "v": "0.00040000",
        "q": "0.00039000",
        "F": 2,
        "L": 3,
        "n": 2,
    }
    assert event["C"] == market.clock_ns // 1_000_000
    assert 24 * 3_600_000 <= event["C"] - event["O"] < 24 * 3_600_000 + 60_000


def test_tickers_are_told_once_a_second_and_only_when_something_changed():
    market = Market()
    market.apply(market.session.trade(Side.BUY, 100, 50))
    _, mini = market.connect("/ws/btcusdt@miniTicker")
    _, arrays = market.connect("/stream?streams=!miniTicker@arr@3000ms/!ticker_1h@arr")
    assert [frame["stream"] for frame in arrays.sent] == ["!miniTicker@arr@3000ms", "!ticker_1h@arr"]
    assert arrays.sent[0]["data"] == mini.sent
    market.seconds(1)
    for socket in (mini, arrays):
        socket.sent.clear()
    for _ in range(25):
        market.tick()
    assert mini.sent == arrays.sent == []
    market.apply(market.session.trade(Side.BUY, 101, 50))
    market.seconds(1)
    assert mini.sent[0]["c"] == "1.01000000"
    assert mini.sent[0]["e"] == "24hrMiniTicker"
    assert [frame["data"][0]["e"] for frame in arrays.sent] == ["24hrMiniTicker", "1hTicker"]


@pytest.mark.parametrize("window", ["1h", "4h", "1d"])
def test_window_ticker_begins_on_a_whole_minute(window):
    market = Market()
    market.apply(market.session.trade(Side.BUY, 100, 50))
    _, socket = market.connect(f"/ws/btcusdt@ticker_{window}")
    [event] = socket.sent
    assert event["e"] == f"{window}Ticker"
    assert event["O"] % 60_000 == 0
    assert set(event) == set("eEspPohlcwvqOCFLn")


def test_average_price_is_told_with_the_time_of_the_last_trade():
    market = Market()
    market.apply([*market.session.trade(Side.BUY, 100, 10), *market.session.trade(Side.BUY, 103, 20)])
    _, socket = market.connect("/ws/btcusdt@avgPrice")
    assert socket.sent == [
        {"e": "avgPrice", "E": START_MS, "s": "BTCUSDT", "i": "5m", "w": "1.02000000", "T": START_MS}
    ]


def test_percent_rounds_half_away_from_zero_and_the_average_stays_between_low_and_high():
    def of(open_, last, lots=0, quote=0):
        return Ticker(0, open_, last, open_, last, 0, 0, lots, quote, 1, 1, 1)

    assert change_percent(of(0, 0)) == "0.000"
    assert change_percent(of(3, 4)) == "33.333"
    assert change_percent(of(200_000, 200_001)) == "0.001"
    assert change_percent(of(200_000, 199_999)) == "-0.001"
    assert change_percent(of(1_000_000, 999_999)) == "0.000"
    assert weighted_average(ETHUSDT, of(1, 2, 3, ETHUSDT.quote_of(1, 1) + ETHUSDT.quote_of(2, 2))) == "0.01666666"


def test_instruments_do_not_hear_each_other():
    market = Market()
    _, socket = market.connect("/ws/ethusdt@trade/ethusdt@depth@100ms/ethusdt@bookTicker")
    socket.sent.clear()
    market.apply(market.session.trade(Side.BUY, 100, 1), [market.session.level(Side.BUY, 99, 5)])
    market.tick()
    assert socket.sent == []


def test_trading_status_tells_the_mode_the_modes_to_come_and_the_auction_when_one_of_them_changes():
    market = Market()
    _, socket = market.connect("/ws/btcusdt@tradingStatus")
    (first,) = socket.sent
    assert {**first, "E": 0} == {
        "e": "tradingStatus",
        "E": 0,
        "s": "BTCUSDT",
        "m": "TRADING",
        "n": [],
        "p": "0.00000000",
        "q": "0.00000000",
        "S": "0.00000000",
    }
    market.tick()
    market.tick()
    assert len(socket.sent) <= 2  # The first of them again at most: nothing has changed.
    stages = (Stage(TradingMode.TRADING, (START_MS + 5_000) * 1_000_000),)
    collecting = BTCUSDT._replace(mode=TradingMode.AUCTION, stages=stages)
    market.reference = Reference([BTC, USDT, ETH], [collecting, ETHUSDT])
    market.auction = Auction(2_500_000, 300_000, -100_000)
    market.tick()
    market.tick()
    told = socket.sent[-1]
    assert (told["m"], told["n"]) == ("AUCTION", [{"m": "TRADING", "T": START_MS + 5_000}])
    assert (told["p"], told["q"], told["S"]) == ("25000.00000000", "3.00000000", "-1.00000000")
    count = len(socket.sent)
    market.auction = Auction(2_500_000, 400_000, 0)
    market.tick()
    assert len(socket.sent) == count + 1
    assert socket.sent[-1]["q"] == "4.00000000"
