"""New orders that hypothesis draws: ordinary ones, and ones with something wrong in any of their parts."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st

from holdfast.codes import TradingMode
from holdfast.instruments import Asset, Instrument, Reference, units_per_tick_lot
from tests.gateway.lane.general_way import Request

NOW_NS = 1_700_000_000_123_456_789
Draw = Callable[[st.SearchStrategy[Any]], Any]

# Markets. (symbol, tick in 1e-8, lot in base units, the base's decimals)

_MARKETS = [
    ("BTCUSDT", 1_000_000, 1_000, 8),
    ("ETHBTC", 1_000, 10, 4),
    ("SHIBUSDT", 1, 1, 0),
    ("PEPEUSDTX", 3, 7, 2),
    ("A", 10**8, 1, 8),
    ("1-2.3_4", 25, 5, 8),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 10**9, 10**6, 6),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ01234567-9", 1, 1, 8),
    ("lower", 1, 1, 8),
    ("TWO WORDS", 1, 1, 8),
    ("TOOCOARSE", 2**63, 1, 8),
    ("TOOLARGE", 1, 2**62, 0),
]
SYMBOLS = [symbol for symbol, *_ in _MARKETS]


def _instrument(instrument_id: int, symbol: str, tick_e8: int, lot_units: int, decimals: int) -> Instrument:
    base, quote = Asset(2 * instrument_id, f"B{instrument_id}", decimals), Asset(1, "USDT", 8)
    unit = units_per_tick_lot(tick_e8, lot_units, decimals, 8) or 1
    return Instrument(instrument_id, symbol, base, quote, tick_e8, lot_units, unit, TradingMode.TRADING, {})


REFERENCE = Reference([], [_instrument(i + 1, *market) for i, market in enumerate(_MARKETS)])

# Texts of each parameter that lie at an edge: the tests go through all of them, and hypothesis mixes them.

NUMBERS = [
    "",
    "0",
    "0.0",
    "-0",
    "-1",
    "+1",
    "00",
    "01",
    "00.01",
    "1.",
    ".5",
    ".",
    "1..2",
    "1.2.3",
    "1e3",
    "1E-2",
    "1_0",
]
NUMBERS += [" 1", "1 ", "1x", "x1", "true", "null", "[1]", "{}", "0.01", "0.010000001", "0.015", "0.00001", "0.000001"]
NUMBERS += ["92233720366.99999999", "92233720367", "92233720367.99999999", "92233720368", "92233720368.54775807"]
NUMBERS += ["92233720368.54775808", "99999999999", "100000000000", "9" * 18, "9" * 19, "9" * 20, "9" * 21]
NUMBERS += ["0.01" + "0" * 18, "0.01" + "0" * 19, "0.000000001", "0.0100000001", "0" * 18 + "1", "0" * 20 + "1", "٣"]
TIMES = [str(NOW_NS // 10**6 + ms) for ms in (-60_000, -5_001, -5_000, -4_999, -1, 0, 1, 876, 999, 1_000, 1_001)]
TIMES += [str(NOW_NS // 1_000 + us) for us in (-5_000_001, -5_000_000, -4_999_999, 0, 1, 999_999, 1_000_000, 1_000_001)]
TIMES += [str(10**15 - 1), str(10**15), str(2**63 // 10**3), str(2**63 // 10**6), "000" + str(NOW_NS // 10**6)]
TIMES += [str(NOW_NS // 10**6) + ".0", str(NOW_NS)]
# In 64 bits these would be fresh.
TIMES += [str(NOW_NS // 10**6 + 2**58), str((NOW_NS + 2**64) // 1_000), str((NOW_NS + 2**65) // 1_000)]
WINDOWS = ["0", "1", "5000", "05000", "60000", "60001", "5000.0", "5000.5", "59999.999", "5e3"]
WORDS = ["BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "GTC", "IOC", "FOK", "ACK", "RESULT", "FULL", "NONE", "GTX"]
WORDS += ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER", "STOP_LOSS", "buy", "BUYS", "BU", ""]
WORDS += ["EXPIRE_TAKEX", "EXPIRE_XAKER", "LIMIT_MAKEX", "LIMIT_MAKERS", "TWO WORDS", "1", "é", "GTC,", "NONE\\"]
IDS = ["", " ", "a", "a b", "a,b", "é", "a" * 35, "a" * 36, "a" * 37, "a" * 72, "null", "a\x00", "a\\n", "12", "-._:/"]
OTHER_SYMBOLS = ["", "BTCUSD", "BTCUSDTT", "BTCUSDTX", "btcusdt", "ETHBTC ", "B", "PEPEUSDTY", "PEPEUSDT", "1", "é"]
OTHER_SYMBOLS += [SYMBOLS[6] + "0", SYMBOLS[6][:-1], SYMBOLS[6][:-1] + "8", SYMBOLS[6][:8], "Z" * 50]
EDGES = {
    "symbol": [*SYMBOLS, *OTHER_SYMBOLS],
    "side": WORDS,
    "type": WORDS,
    "timeInForce": WORDS,
    "newOrderRespType": WORDS,
    "selfTradePreventionMode": WORDS,
    "quantity": NUMBERS,
    "price": NUMBERS,
    "newClientOrderId": IDS,
    "recvWindow": [*WINDOWS, *NUMBERS],
    "timestamp": [*TIMES, *NUMBERS],
}
REQUEST_IDS = [
    '""',
    '"a"',
    "1",
    "0",
    "null",
    "true",
    "1.5",
    "1e3",
    "01",
    "-",
    "-0",
    "-01",
    "-1",
    "[]",
    "{}",
    "",
    '"',
    "1x",
]
REQUEST_IDS += [
    '"a\\"b"',
    '"a\\\\"',
    '"\\u0041"',
    '"é"',
    '"\x1f"',
    '"\x7f"',
    '"\n"',
    '"a"b"',
    "a",
    "'a'",
    '"\\q"',
    '"\\u00zz"',
]
REQUEST_IDS += ['"' + "a" * 126 + '"', '"' + "a" * 127 + '"', "9" * 128, "9" * 129, "-" + "9" * 127, "-" + "9" * 128]
METHODS = ['"order.place"', '"v3/order.place"', '"order.test"', '"order.placed"', '"order.plac"', '"v3/v3/order.place"']
METHODS += ["1", "null", '"order\\u002eplace"', '"id"', '"params"', '""', '"order.place', "order.place"]
SIGNATURES = ["", "&signature", "&signature=", "&signature=a%2Bb", "&signature=a+b", "&signature=a&x=1", "&signature=é"]
SIGNATURES += [
    "&signature=a",
    "&signature=a=",
    "&signature=a&",
    "&signature=a&side=BUY",
    "&signature= ",
    "&&signature=a",
]

ORDINARY_IDS = st.text("abcxyzABCXYZ0189-_.:/", min_size=1, max_size=36)
_odd_numbers = st.one_of(
    st.sampled_from(NUMBERS),
    st.from_regex(r"\A[0-9]{1,13}(\.[0-9]{1,10}0{0,13})?\Z"),
    st.from_regex(r"\A[0-9.eE+\-]{0,8}\Z"),
)
_odd_words = st.one_of(st.sampled_from(WORDS), st.text(max_size=3))
_ODD_TEXTS: dict[str, st.SearchStrategy[str]] = {
    name: st.one_of(st.sampled_from(edges), st.text(max_size=3)) for name, edges in EDGES.items()
} | {
    "quantity": _odd_numbers,
    "price": _odd_numbers,
    "newClientOrderId": st.one_of(st.sampled_from(IDS), st.text("abXY09-_.:/ ,", min_size=34, max_size=38)),
    "timestamp": st.one_of(
        st.sampled_from(TIMES), st.integers(-5_001_000, 1_001_000).map(lambda us: str(NOW_NS // 1_000 + us))
    ),
}
NAMES = ["symbol", "side", "type", "timeInForce", "quantity", "price", "newClientOrderId", "newOrderRespType"]
NAMES += ["selfTradePreventionMode", "recvWindow", "timestamp"]
OTHER_NAMES = ["quoteOrderQty", "stopPrice", "apiKey", "signature", "returnRateLimits", "timeUnit", "strategyId"]
OTHER_NAMES += ["Symbol", "sid", "sidee", "", "newClientOrderIdX", "selfTradePreventionModf", "é", "symbol ", "id"]
_NUMBERS = ("quantity", "price", "recvWindow", "timestamp")


def ordinary(draw: Draw) -> dict[str, str]:
    """Parameters with which nothing is wrong."""
    order_type = draw(st.sampled_from(["LIMIT", "LIMIT", "MARKET", "LIMIT_MAKER"]))
    pairs = {
        "symbol": draw(st.sampled_from(["BTCUSDT", "BTCUSDT", "ETHBTC", "A", SYMBOLS[6]])),
        "side": draw(st.sampled_from(["BUY", "SELL"])),
        "type": order_type,
        "newClientOrderId": draw(ORDINARY_IDS),
        "timestamp": str(NOW_NS // 10**6 - draw(st.sampled_from([0, 1, 900]))),
        "quantity": draw(st.sampled_from(["10", "1", "7.00", "2.0000000000", "12345678"])),
    }
    if order_type != "MARKET":
        pairs["price"] = draw(st.sampled_from(["10", "30.0", "12340.00000000", "92233720360"]))
    if order_type == "LIMIT":
        pairs["timeInForce"] = draw(st.sampled_from(["GTC", "IOC", "FOK"]))
    if order_type == "LIMIT_MAKER" and draw(st.booleans()):
        pairs["timeInForce"] = "GTC"
    if draw(st.booleans()):
        pairs["newOrderRespType"] = draw(st.sampled_from(["ACK", "RESULT", "FULL"]))
    if draw(st.booleans()):
        prevention = st.sampled_from(["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"])
        pairs["selfTradePreventionMode"] = draw(prevention)
    if draw(st.booleans()):
        pairs["recvWindow"] = draw(st.sampled_from(["5000", "60000", "10000"]))
    names = draw(st.permutations(list(pairs)))
    return {name: pairs[name] for name in names}


def spoil(draw: Draw, pairs: list[tuple[str, str]]) -> None:
    """Change one thing about the parameters, which may then still be right."""
    change = draw(st.sampled_from(["value", "value", "value", "value", "drop", "twice", "other name", "more"]))
    i = draw(st.integers(0, len(pairs) - 1))
    name, text = pairs[i]
    if change == "value":
        pairs[i] = (name, draw(_ODD_TEXTS.get(name, _odd_words)))
    elif change == "drop":
        del pairs[i]
    elif change == "twice":
        pairs.insert(draw(st.integers(0, len(pairs))), (name, draw(st.sampled_from([text, "x", "1"]))))
    elif change == "other name":
        pairs[i] = (draw(st.sampled_from(OTHER_NAMES)), text)
    else:
        more = draw(st.sampled_from([*NAMES, *OTHER_NAMES]))
        pairs.insert(draw(st.integers(0, len(pairs))), (more, draw(_ODD_TEXTS.get(more, _odd_words))))


# The two forms.


def form(pairs: list[tuple[str, str]], signature: str = "&signature=" + "a5" * 32) -> bytes:
    return ("&".join(f"{name}={text}" for name, text in pairs) + signature).encode("latin-1", "replace")


def frame(draw: Draw, pairs: list[tuple[str, str]], request_id: str, method: str = '"order.place"') -> bytes:
    """A frame with its members in any order, space anywhere, and numbers as numbers or as texts."""
    space = st.sampled_from(["", "", "", " ", "\n", "\r\t "]) if draw(st.booleans()) else st.just("")

    def joined(members: list[tuple[str, str]]) -> str:
        shown = [f"{draw(space)}{name}{draw(space)}:{draw(space)}{value}{draw(space)}" for name, value in members]
        return "{" + (",".join(shown) or draw(space)) + "}"

    params = joined([(f'"{name}"', _token(draw, name, text)) for name, text in pairs])
    members = [('"id"', request_id), ('"method"', method), ('"params"', params)]
    shown: str = draw(space) + joined(draw(st.permutations(members))) + draw(space)
    return shown.encode("utf-8", "replace")


def _token(draw: Draw, name: str, text: str) -> str:
    is_number = name in _NUMBERS and draw(st.booleans())
    return text if is_number else f'"{text}"'


ORDINARY_REQUEST_IDS = st.one_of(
    st.text("abcxyz 0189-_{}[]:,", max_size=126).map(lambda text: f'"{text}"'),
    st.integers(-(2**70), 2**70).map(str),
)


@st.composite
def ordinary_requests(draw: Draw) -> Request:
    pairs = list(ordinary(draw).items())
    if draw(st.booleans()):
        return Request(form(pairs), True, NOW_NS)
    return Request(frame(draw, pairs, draw(ORDINARY_REQUEST_IDS)), False, NOW_NS)


@st.composite
def odd_requests(draw: Draw) -> Request:
    """With one or two changes, in the parameters or around them."""
    pairs = list(ordinary(draw).items())
    for _ in range(draw(st.integers(0, 2))):
        spoil(draw, pairs)
    received_ts_ns = NOW_NS + draw(st.sampled_from([0, 0, -1, -(10**9), 10**9, 4 * 10**9, 5 * 10**9 + 1]))
    if draw(st.booleans()):
        signature = draw(st.one_of(st.just("&signature=a5"), st.sampled_from(SIGNATURES)))
        return Request(form(pairs, signature), True, received_ts_ns)
    request_id = draw(st.one_of(ORDINARY_REQUEST_IDS, st.sampled_from(REQUEST_IDS)))
    method = draw(st.one_of(st.just('"order.place"'), st.sampled_from(METHODS)))
    return Request(frame(draw, pairs, request_id, method), False, received_ts_ns)


@st.composite
def broken_requests(draw: Draw) -> Request:
    """An ordinary request some of whose bytes were changed."""
    request: Request = draw(ordinary_requests())
    text = bytearray(request.text)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        byte = draw(st.one_of(st.sampled_from(b'"{}:,&=\\0 .e-\0\xff'), st.integers(0, 255)))
        change = draw(st.sampled_from(["replace", "insert", "delete", "cut"]))
        if change == "cut":
            del text[at:]
        else:
            text[at : at + (change != "insert")] = b"" if change == "delete" else bytes([byte])
    return request._replace(text=bytes(text))
