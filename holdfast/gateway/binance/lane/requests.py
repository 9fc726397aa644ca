"""Requests: all new orders that one turn of the event loop brought, read into commands by one call of a kernel.

frames and forms, joined → READ_ORDERS → records of 192 bytes for the journal, and what the replies need

Invariant: what is taken as plain, the general way (`ws_frames`, `parameters`, `authentication`, `orders`) would have
read too, and into the same bytes. In doubt a request is not plain, and the general way says what is wrong with it.

Each byte is looked at once where that is possible: names and words are compared eight bytes at a time, and a value is
read by what its parameter allows, so that whatever does not belong there ends it and is no terminator.

Numba looks only at this file to decide whether what it compiled yesterday still holds. Numbers of `codes` and `config`
and the layout of commands are part of the cache's name; what the gateway defines elsewhere stands here once more, and
the assertions say so.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import config
from numba.extending import intrinsic

from holdfast.codes import CommandKind, OrderType, SelfTradePrevention, Side, TimeInForce
from holdfast.commands import COMMAND_BYTES, command_dtype, command_words_dtype
from holdfast.config import CLIENT_ID_BYTES, PRICE_SCALE, RECV_WINDOW_MS_DEFAULT, RECV_WINDOW_MS_MAX, SYMBOL_BYTES_MAX
from holdfast.gateway.binance import authentication, orders, parameters, ws_frames
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import ResponseType
from holdfast.instruments import SHOWN_DECIMALS, Instrument, Reference

# One row a request. Rows of these types are passed as rows of whole numbers: `facts[i]`, `read[i]`.

FORM_WEBSOCKET = 0  # A text frame.
FORM_REST = 1  # A query or a form body, whichever the request has; not for requests that have both.

request_dtype = np.dtype(
    [
        ("form", np.int64),
        ("end", np.int64),  # Of its bytes in `text`; they start where the request's before ended.
        ("account_id", np.int64),  # Whose key signed, which the caller has verified.
        ("key_id", np.int64),
        ("received_ts_ns", np.int64),
        ("unit_ns", np.int64),  # Of times in its reply.
        ("limits", np.int64),  # Which limits its reply shows, for whoever counts them.
    ]
)
read_dtype = np.dtype(
    [
        # The columns of `replies`, once the record's row has become its seq, and the number of the limits their span.
        ("record", np.int64),  # The row of `records`; -1: not plain, and then the rest is 0.
        ("form", np.int64),
        ("response", np.int64),  # ResponseType
        ("unit_ns", np.int64),
        ("id_start", np.int64),  # The request's id as it was written, in `text`; 0 and 0 with REST.
        ("id_end", np.int64),
        ("limits", np.int64),
        ("limits_end", np.int64),  # 0
    ]
)
FACTS = request_dtype.itemsize // 8  # Columns.
READ = read_dtype.itemsize // 8

# What stands elsewhere too.

ACK, RESULT, FULL = 1, 2, 3
AHEAD_NS_MAX = 1_000_000_000
RESOLVE_WITHIN_NS = 10_000_000_000
MICROSECONDS_FROM = 10**15
ID_BYTES_MAX = 128
DECIMALS = 8
CLIENT_ID_ALPHABET = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/"

assert [ResponseType.ACK, ResponseType.RESULT, ResponseType.FULL] == [ACK, RESULT, FULL]
assert authentication.AHEAD_NS_MAX == AHEAD_NS_MAX
assert orders.RESOLVE_WITHIN_NS == RESOLVE_WITHIN_NS
assert parameters.MICROSECONDS_FROM == MICROSECONDS_FROM
assert ws_frames.ID_BYTES_MAX == ID_BYTES_MAX
assert SHOWN_DECIMALS == DECIMALS

# Fields of an order: the indices of `values`, and the groups of words that may stand there.

SIDE = 0
TYPE = 1
TIME_IN_FORCE = 2
RESPONSE = 3
PREVENTION = 4
LAST_OF_WORDS = PREVENTION
SYMBOL = 5
QUANTITY = 6
PRICE = 7
CLIENT_ID = 8  # The value is where it starts.
RECV_WINDOW = 9
TIMESTAMP = 10
SIGNATURE = 11

CLIENT_ID_END = 12  # Further values.
ID_START = 13
ID_END = 14
PRICE_TICKS = 15
QTY_LOTS = 16
DEADLINE_TS_NS = 17
VALUES = 18

MEMBER = 12  # Further groups of words.
METHOD = 13
PARAMETER = 14
GROUPS = 15

ID, METHOD_NAME, PARAMS = 0, 1, 2  # Members of a frame.

# Every word that is known: its group, its bytes, what it means. Frequent ones stand first in their group.
_WORDS: list[tuple[int, str, int]] = [
    *[(SIDE, member.name, member) for member in (Side.BUY, Side.SELL)],
    *[(TYPE, member.name, member) for member in (OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER)],
    *[(TIME_IN_FORCE, member.name, member) for member in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)],
    (RESPONSE, "ACK", ACK),
    (RESPONSE, "RESULT", RESULT),
    (RESPONSE, "FULL", FULL),
    *[(PREVENTION, member.name, member) for member in SelfTradePrevention],
    (MEMBER, "id", ID),
    (MEMBER, "method", METHOD_NAME),
    (MEMBER, "params", PARAMS),
    (METHOD, "order.place", 0),
    (METHOD, "v3/order.place", 0),
    (PARAMETER, "symbol", SYMBOL),
    (PARAMETER, "side", SIDE),
    (PARAMETER, "type", TYPE),
    (PARAMETER, "timeInForce", TIME_IN_FORCE),
    (PARAMETER, "quantity", QUANTITY),
    (PARAMETER, "price", PRICE),
    (PARAMETER, "timestamp", TIMESTAMP),
    (PARAMETER, "newClientOrderId", CLIENT_ID),
    (PARAMETER, "newOrderRespType", RESPONSE),
    (PARAMETER, "recvWindow", RECV_WINDOW),
    (PARAMETER, "signature", SIGNATURE),
    (PARAMETER, "selfTradePreventionMode", PREVENTION),
]
_WORD_BYTES = 8
_PARTS = 3  # Of a word, eight bytes each.


def _table(texts: list[bytes], parts: int) -> np.ndarray:
    """A row of `parts` whole numbers for each text, filled up with zeros."""
    padded = b"".join(text.ljust(parts * _WORD_BYTES, b"\0") for text in texts)
    return np.frombuffer(padded, np.int64).reshape(-1, parts)


_texts = [text.encode() for _, text, _ in _WORDS]
_groups = [group for group, _, _ in _WORDS]
assert max(map(len, _texts)) <= _PARTS * _WORD_BYTES
assert SYMBOL not in _groups

WORDS = _table(_texts, _PARTS)
MASKS = _table([b"\xff" * len(text) for text in _texts], _PARTS)
LENGTHS = np.array([len(text) for text in _texts])
MEANINGS = np.array([int(meaning) for _, _, meaning in _WORDS])
GROUP_START = np.array([_groups.index(group) if group in _groups else 0 for group in range(GROUPS)])
GROUP_END = GROUP_START + np.array([_groups.count(group) for group in range(GROUPS)])
HEAD_MASKS = _table([b"\xff" * length for length in range(_WORD_BYTES)], 1)[:, 0]
IS_OF_CLIENT_ID = np.array([byte in CLIENT_ID_ALPHABET for byte in range(256)])

# Which fields an order must have and which it must not, as bits; by type, of the types that are ordinary.
_ALWAYS = (SYMBOL, SIDE, TYPE, QUANTITY, CLIENT_ID, TIMESTAMP)
_REQUIRED = {
    OrderType.NONE: (),
    OrderType.LIMIT: (*_ALWAYS, PRICE, TIME_IN_FORCE),
    OrderType.MARKET: _ALWAYS,
    OrderType.LIMIT_MAKER: (*_ALWAYS, PRICE),
}
_FORBIDDEN = {OrderType.MARKET: (PRICE, TIME_IN_FORCE)}
REQUIRED = np.array([sum(1 << field for field in _REQUIRED[each]) for each in _REQUIRED])
FORBIDDEN = np.array([sum(1 << field for field in _FORBIDDEN.get(each, ())) for each in _REQUIRED])
ALWAYS = sum(1 << field for field in _ALWAYS)
MEMBERS = 1 << ID | 1 << METHOD_NAME | 1 << PARAMS

NONE = -1
CLIENT_ID_OFFSET = command_dtype.fields["client_id"][1]  # type: ignore[index]
INT64_MAX = 2**63 - 1
MILLISECOND_NS = 1_000_000
MICROSECOND_NS = 1_000
WHOLE_MAX = INT64_MAX // PRICE_SCALE - 1  # What is at most this, with any decimals, fits 64 bits.
WHOLE_DIGITS_MAX = len(str(WHOLE_MAX))
FRACTION_DIGITS_MAX = 20
TIME_DIGITS_MAX = 18
TENS = 10 ** np.arange(DECIMALS + 1)

_QUOTE, _COMMA, _COLON, _POINT, _ZERO = (ord(each) for each in '",:.0')
_OPEN, _CLOSE, _MINUS, _BACKSLASH = (ord(each) for each in "{}-\\")
_AMPERSAND, _EQUALS, _PERCENT, _PLUS = (ord(each) for each in "&=%+")
_SPACE, _TAB, _LINE_FEED, _RETURN, _DELETE = (ord(each) for each in " \t\n\r\x7f")

# The markets: rows of a hash table, whose size is a power of two. A row without a symbol is free.

_SYMBOL_PARTS = -(-SYMBOL_BYTES_MAX // _WORD_BYTES)
market_dtype = np.dtype(
    [
        *[(f"symbol_{part}", np.int64) for part in range(_SYMBOL_PARTS)],
        ("symbol_bytes", np.int64),
        ("instrument_id", np.int64),
        ("tick_e8", np.int64),
        ("lot_e8", np.int64),
    ]
)
_SLOTS_MIN = 16


def mix(value: Any, byte: Any) -> Any:
    """The hash of a symbol, of 32 bits, with one byte more."""
    return ((value ^ byte) * 0x01000193) & 0xFFFFFFFF


class MarketTable:
    """What the kernel knows of a Reference, never changed and made again with it: 5 us an instrument.

    An instrument that no client can name, or whose numbers do not fit, is left out, and so to the general way.
    """

    __slots__ = ("slots",)

    def __init__(self, reference: Reference) -> None:
        known = [each for each in reference.instruments.values() if _is_readable(each)]
        size = _SLOTS_MIN
        while size < 2 * len(known):
            size *= 2
        self.slots = np.zeros((size, market_dtype.itemsize // _WORD_BYTES), np.int64)
        for instrument in known:
            self._add(instrument)
        self.slots.setflags(write=False)

    def _add(self, instrument: Instrument) -> None:
        text = instrument.symbol.encode()
        value = 0
        for byte in text:
            value = mix(value, byte)
        slot = value % len(self.slots)
        while self.slots[slot, _SYMBOL_PARTS]:  # Its `symbol_bytes`.
            slot = (slot + 1) % len(self.slots)
        words = _table([text], _SYMBOL_PARTS)[0].tolist()
        facts = [len(text), instrument.instrument_id, instrument.tick_e8, _lot_e8(instrument)]
        self.slots[slot] = words + facts


def _is_readable(instrument: Instrument) -> bool:
    try:
        parameters.symbol("symbol", instrument.symbol)
    except ApiError:
        return False
    return 0 < instrument.tick_e8 <= INT64_MAX and 0 < _lot_e8(instrument) <= INT64_MAX


def _lot_e8(instrument: Instrument) -> int:
    return int(instrument.lot_units * 10 ** (SHOWN_DECIMALS - instrument.base.decimals))


# The kernel. It keeps Python's lock: it is done sooner than another thread would give the lock back.

_helper: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_hot = njit(forceinline=True, **_helper)
_cold = njit(**_helper)

_mix = _hot(mix)

if config.DISABLE_JIT:  # type: ignore[attr-defined]  # Numba makes it when it is imported.

    def _load(text: Any, at: Any) -> int:
        """The eight bytes at `at`, all of which are in `text`."""
        return int.from_bytes(text[at : at + _WORD_BYTES].tobytes(), "little", signed=True)

    def _borrow(array: Any) -> Any:
        return array

else:

    @intrinsic
    def _load(typing_context: Any, text: Any, at: Any) -> Any:  # noqa: ARG001
        """The eight bytes at `at`, all of which are in `text`."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            place = builder.gep(array.data, [arguments[1]])
            word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
            word.align = 1
            return word

        return types.int64(text, types.int64), code

    @intrinsic
    def _borrow(typing_context: Any, array: Any) -> Any:  # noqa: ARG001
        """The same array, whose users are not counted: counting takes longer than everything else here."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            borrowed = context.make_array(signature.args[0])(context, builder, arguments[0])
            borrowed.meminfo = ir.Constant(borrowed.meminfo.type, None)
            return borrowed._getvalue()

        return array(array), code


@njit(cache=True)
def read_orders(text, facts, markets, gateway_id, first_request_number, now_ns, records, read):
    """Read new orders; returns how many are plain. Their commands are the first so many rows of `records`.

    `text`: uint8, the bytes of all requests, one after the other. `facts`: int64, a row of `request_dtype` each.
    `markets`: `MarketTable.slots`. `now_ns`: the clock, which has moved on since the requests were received.
    `records`: uint8, rows of 192 bytes. `read`: int64, rows of `read_dtype`. Both have at least as many as `facts`.
    """
    assert len(facts) <= len(records)
    assert len(facts) <= len(read)
    scratch = np.zeros(VALUES, np.int64)
    text, markets, records, read = _borrow(text), _borrow(markets), _borrow(records), _borrow(read)
    requests = _borrow(facts).view(request_dtype)
    results = read.view(read_dtype)
    commands = records.view(command_words_dtype)
    values = _borrow(scratch)
    count = 0
    start = np.int64(0)
    for i in range(len(facts)):
        request = requests[i, 0]
        end = request["end"]
        assert start <= end
        assert end <= len(text)
        values[:] = 0
        values[RECV_WINDOW] = RECV_WINDOW_MS_DEFAULT
        if request["form"] == FORM_REST:
            seen = _read_form(text, start, end, markets, values)
        else:
            seen = _read_frame(text, start, end, markets, values)
        start = end
        read[i, :] = 0
        results[i, 0]["record"] = NONE
        if not (_is_whole(seen, values) and _is_fresh(values, request["received_ts_ns"], now_ns)):
            continue
        market = markets.view(market_dtype)[values[SYMBOL], 0]
        if not _is_exact(values, market):
            continue
        records[count, :] = 0
        command = commands[count, 0]
        command["request_number"] = first_request_number + count
        command["gateway_id"] = gateway_id
        _write_command(command, request, market, values)
        _copy(text, values[CLIENT_ID], values[CLIENT_ID_END], records, count)
        result = results[i, 0]
        result["record"] = count
        _write_result(result, request, values)
        count += 1
    scratch[0] = 0  # So that it lives until here.
    return count


def warm_up() -> None:
    """Compile the kernel, or load what was compiled before, so that no client waits for it."""
    table = MarketTable(Reference((), ()))
    facts = np.zeros((1, FACTS), np.int64)
    records = np.zeros((1, COMMAND_BYTES), np.uint8)
    read_orders(np.frombuffer(b"", np.uint8), facts, table.slots, 0, 0, 0, records, np.zeros((1, READ), np.int64))


# An order as a whole.


@_hot
def _is_whole(seen, values):
    """Whether the fields seen are those that its type has. Says which response it gets when it names none."""
    if seen & ALWAYS != ALWAYS:
        return False
    order_type = values[TYPE]
    if seen & REQUIRED[order_type] != REQUIRED[order_type] or seen & FORBIDDEN[order_type]:
        return False
    if order_type == OrderType.LIMIT_MAKER and values[TIME_IN_FORCE] > TimeInForce.GTC:
        return False
    if values[RESPONSE] == 0:
        values[RESPONSE] = ACK if order_type == OrderType.LIMIT_MAKER else FULL
    return True


@_hot
def _is_fresh(values, received_ts_ns, now_ns):
    """Whether the request was made in time, by both clocks. Says until when the command may be executed."""
    time = values[TIMESTAMP]
    unit_ns = MICROSECOND_NS if time >= MICROSECONDS_FROM else MILLISECOND_NS
    window_ms = values[RECV_WINDOW]
    if time > INT64_MAX // unit_ns or window_ms > RECV_WINDOW_MS_MAX:
        return False
    made_ns = time * unit_ns
    window_ns = window_ms * MILLISECOND_NS
    if made_ns >= received_ts_ns + AHEAD_NS_MAX or received_ts_ns - made_ns > window_ns:
        return False
    values[DEADLINE_TS_NS] = min(made_ns + window_ns, received_ts_ns + RESOLVE_WITHIN_NS)
    return now_ns <= made_ns + window_ns


@_hot
def _is_exact(values, market):
    """Whether price and quantity are whole numbers of ticks and lots, and not 0. Says how many."""
    price_ticks = values[PRICE] // market["tick_e8"]
    qty_lots = values[QUANTITY] // market["lot_e8"]
    values[PRICE_TICKS] = price_ticks
    values[QTY_LOTS] = qty_lots
    if price_ticks * market["tick_e8"] != values[PRICE] or qty_lots * market["lot_e8"] != values[QUANTITY]:
        return False
    return qty_lots > 0 and (price_ticks > 0 or values[TYPE] == OrderType.MARKET)


@_hot
def _write_command(command, request, market, values):
    command["received_ts_ns"] = request["received_ts_ns"]
    command["deadline_ts_ns"] = values[DEADLINE_TS_NS]
    command["kind"] = CommandKind.PLACE_ORDER.value
    command["side"] = values[SIDE]
    command["order_type"] = values[TYPE]
    command["time_in_force"] = values[TIME_IN_FORCE]
    command["self_trade_prevention"] = values[PREVENTION]
    command["account_id"] = request["account_id"]
    command["key_id"] = request["key_id"]
    command["instrument_id"] = market["instrument_id"]
    command["price_ticks"] = values[PRICE_TICKS]
    command["qty_lots"] = values[QTY_LOTS]


@_hot
def _copy(text, start, end, records, row):
    """The client id's bytes into a record."""
    for i in range(end - start):
        records[row, CLIENT_ID_OFFSET + i] = text[start + i]


@_hot
def _write_result(result, request, values):
    result["form"] = request["form"]
    result["response"] = values[RESPONSE]
    result["unit_ns"] = request["unit_ns"]
    result["limits"] = request["limits"]
    result["id_start"] = values[ID_START]
    result["id_end"] = values[ID_END]


# The two forms. Each says which fields it saw, as bits; 0 when it is not plain.


@_hot
def _read_form(text, start, end, markets, values):
    """`name=value&…`, the signature last."""
    at = start
    seen = 0
    while True:
        name = _find_word(text, at, end, PARAMETER, _EQUALS)
        if name == NONE:
            return 0
        at += LENGTHS[name] + 1
        field = MEANINGS[name]
        if field == SIGNATURE:
            return seen if _is_signature(text, at, end) else 0
        bit = 1 << field
        at = _read_value(text, at, end, field, _AMPERSAND, markets, values)
        if seen & bit or _byte_at(text, at, end) != _AMPERSAND:
            return 0
        seen |= bit
        at += 1


@_hot
def _is_signature(text, at, end):
    """Whether the rest is one value without escapes."""
    if at == end:
        return False
    while at < end:
        byte = _byte_at(text, at, end)
        if byte in (_AMPERSAND, _PERCENT, _PLUS) or byte <= _SPACE or byte >= _DELETE:
            return False
        at += 1
    return True


@_hot
def _read_frame(text, start, end, markets, values):
    """`{"id": …, "method": "order.place", "params": {…}}`, in any order."""
    at = _skip(text, start, end, _OPEN)
    members = 0
    seen = 0
    while True:
        at, name = _read_name(text, at, end, MEMBER)
        if name == NONE or members & (1 << MEANINGS[name]):
            return 0
        members |= 1 << MEANINGS[name]
        if MEANINGS[name] == PARAMS:
            at, seen = _read_params(text, at, end, markets, values)
        elif MEANINGS[name] == ID:
            values[ID_START] = at
            at = _skip_id(text, at, end)
            values[ID_END] = at
        else:
            at = _skip_method(text, at, end)
        at = _skip_space(text, at, end)
        if _byte_at(text, at, end) != _COMMA:
            break
        at = _skip_space(text, at + 1, end)
    at = _skip(text, at, end, _CLOSE)
    return seen if members == MEMBERS and at == end else 0


@_hot
def _read_params(text, at, end, markets, values):
    """(the position behind the object, the fields seen)."""
    at = _skip(text, at, end, _OPEN)
    seen = 0
    while True:
        at, name = _read_name(text, at, end, PARAMETER)
        if name == NONE or seen & (1 << MEANINGS[name]):
            return NONE, 0
        seen |= 1 << MEANINGS[name]
        at = _read_json_value(text, at, end, MEANINGS[name], markets, values)
        at = _skip_space(text, at, end)
        if _byte_at(text, at, end) != _COMMA:
            break
        at = _skip_space(text, at + 1, end)
    if _byte_at(text, at, end) != _CLOSE:
        return NONE, 0
    return at + 1, seen


@_hot
def _read_name(text, at, end, group):
    """A member's name and the colon: (the position of its value, the name's word), or (NONE, NONE)."""
    if _byte_at(text, at, end) != _QUOTE:
        return NONE, NONE
    name = _find_word(text, at + 1, end, group, _QUOTE)
    if name == NONE:
        return NONE, NONE
    at = _skip_space(text, at + LENGTHS[name] + 2, end)
    at = _skip(text, at, end, _COLON)
    if at == NONE:
        return NONE, NONE
    return at, name


@_hot
def _read_json_value(text, at, end, field, markets, values):
    """As `_read_value`, of a JSON text; or of a JSON number where the field is one."""
    if _byte_at(text, at, end) == _QUOTE:
        at = _read_value(text, at + 1, end, field, _QUOTE, markets, values)
        return at + 1 if _byte_at(text, at, end) == _QUOTE else NONE
    if field not in (QUANTITY, PRICE, TIMESTAMP, RECV_WINDOW):
        return NONE
    # JSON has no numbers such as 01.
    if _byte_at(text, at, end) == _ZERO and _digit_at(text, at + 1, end) != NONE:
        return NONE
    return _read_value(text, at, end, field, NONE, markets, values)


@_hot
def _skip_id(text, at, end):
    """The position behind a request's id, which is a text without escapes or a whole number; or NONE."""
    start = at
    if _byte_at(text, at, end) == _QUOTE:
        at += 1
        while _is_of_text(_byte_at(text, at, end)):
            at += 1
        if _byte_at(text, at, end) != _QUOTE:
            return NONE
        at += 1
    else:
        if _byte_at(text, at, end) == _MINUS:
            at += 1
        if _byte_at(text, at, end) == _ZERO and _digit_at(text, at + 1, end) != NONE:
            return NONE
        first = at
        while _digit_at(text, at, end) != NONE:
            at += 1
        if at == first:
            return NONE
    return at if at - start <= ID_BYTES_MAX else NONE


@_hot
def _is_of_text(byte):
    """Whether it is printable ASCII that a JSON text has as it is."""
    return _SPACE <= byte < _DELETE and byte != _QUOTE and byte != _BACKSLASH


@_hot
def _skip_method(text, at, end):
    """The position behind a method that places orders, or NONE."""
    if _byte_at(text, at, end) != _QUOTE:
        return NONE
    word = _find_word(text, at + 1, end, METHOD, _QUOTE)
    return NONE if word == NONE else at + LENGTHS[word] + 2


@_hot
def _skip(text, at, end, byte):
    """The position behind a byte that must stand at `at`, and the space around it; or NONE."""
    at = _skip_space(text, at, end)
    if _byte_at(text, at, end) != byte:
        return NONE
    return _skip_space(text, at + 1, end)


@_hot
def _skip_space(text, at, end):
    while _byte_at(text, at, end) in (_SPACE, _TAB, _LINE_FEED, _RETURN):
        at += 1
    return at


# Values.


@_hot
def _read_value(text, at, end, field, terminator, markets, values):
    """Read the value of a field, as far as it goes; returns the position behind it, or NONE."""
    if field in (QUANTITY, PRICE):
        at, value = _read_decimal(text, at, end)
    elif field in (TIMESTAMP, RECV_WINDOW):
        at, value = _read_whole(text, at, end, TIME_DIGITS_MAX)
    elif field == CLIENT_ID:
        value = at
        at = _skip_client_id(text, at, end)
        values[CLIENT_ID_END] = at
    elif field == SYMBOL:
        at, value = _find_market(text, at, end, terminator, markets)
    elif field <= LAST_OF_WORDS:
        word = _find_word(text, at, end, field, terminator)
        at, value = (NONE, 0) if word == NONE else (at + LENGTHS[word], MEANINGS[word])
    else:
        at, value = NONE, 0
    values[field] = value
    return at


@_hot
def _read_decimal(text, at, end):
    """(the position behind a decimal, its units of 1e-8), or (NONE, 0) when it has none or may not fit."""
    at, units = _read_whole(text, at, end, WHOLE_DIGITS_MAX)
    if at == NONE or units > WHOLE_MAX:
        return NONE, np.int64(0)
    if _byte_at(text, at, end) != _POINT:
        return at, units * PRICE_SCALE
    at += 1
    start = at
    digit = _digit_at(text, at, end)
    while digit != NONE and at - start < DECIMALS:
        units = units * 10 + digit
        at += 1
        digit = _digit_at(text, at, end)
    units *= TENS[DECIMALS - (at - start)]
    while digit == 0 and at - start < FRACTION_DIGITS_MAX:  # More digits than are kept.
        at += 1
        digit = _digit_at(text, at, end)
    return (at, units) if at > start else (NONE, np.int64(0))


@_hot
def _read_whole(text, at, end, digits_max):
    """(the position behind at most so many digits, their number), or (NONE, 0) when there is none."""
    start = at
    value = np.int64(0)
    digit = _digit_at(text, at, end)
    while digit != NONE and at - start < digits_max:
        value = value * 10 + digit
        at += 1
        digit = _digit_at(text, at, end)
    return (at, value) if at > start else (NONE, np.int64(0))


@_hot
def _skip_client_id(text, at, end):
    start = at
    while at < end and at - start < CLIENT_ID_BYTES and IS_OF_CLIENT_ID[text[at]]:
        at += 1
    return at if at > start else NONE


@_hot
def _find_market(text, at, end, terminator, markets):
    """(the position behind a symbol, its row in `markets`), or (NONE, 0) when there is no such market."""
    start = at
    value = np.int64(0)
    byte = _byte_at(text, at, end)
    while byte != terminator and byte != NONE and at - start < SYMBOL_BYTES_MAX:
        value = _mix(value, byte)
        at += 1
        byte = _byte_at(text, at, end)
    length = at - start
    last = len(markets) - 1
    row = value & last
    rows = markets.view(market_dtype)
    while rows[row, 0]["symbol_bytes"]:
        if rows[row, 0]["symbol_bytes"] == length and _is_symbol(text, start, length, markets[row]):
            return at, row
        row = (row + 1) & last
    return NONE, np.int64(0)


@_hot
def _is_symbol(text, at, length, market):
    """Whether the first words of a market's row are these bytes."""
    part = 0
    while length > 0:
        word = _word_at(text, at)
        if length < _WORD_BYTES:
            word &= HEAD_MASKS[length]
        if word != market[part]:
            return False
        part += 1
        at += _WORD_BYTES
        length -= _WORD_BYTES
    return True


# Bytes and words.


@_hot
def _find_word(text, at, end, group, terminator):
    """The word of a group that stands at `at`, up to `terminator`: its row in WORDS; or NONE."""
    head = _word_at(text, at)
    for word in range(GROUP_START[group], GROUP_END[group]):
        if (
            head & MASKS[word, 0] == WORDS[word, 0]
            and _byte_at(text, at + LENGTHS[word], end) == terminator
            and (LENGTHS[word] <= _WORD_BYTES or _is_rest(text, at, word))
        ):
            return word
    return NONE


@_hot
def _is_rest(text, at, word):
    """Whether a word of more than eight bytes goes on as it should."""
    for part in range(1, _PARTS):
        if _word_at(text, at + part * _WORD_BYTES) & MASKS[word, part] != WORDS[word, part]:
            return False
    return True


@_hot
def _byte_at(text, at, end):
    """The byte at a position, or NONE at the end and at NONE."""
    return np.int64(text[at]) if 0 <= at < end else NONE


@_hot
def _digit_at(text, at, end):
    """The value of the digit at a position, or NONE when there is none."""
    digit = _byte_at(text, at, end) - _ZERO
    return digit if 0 <= digit <= 9 else NONE


@_hot
def _word_at(text, at):
    """Eight bytes, the first of them lowest; beyond the end of `text` zeros."""
    return _load(text, at) if at + _WORD_BYTES <= len(text) else _last_word(text, at)


@_cold
def _last_word(text, at):
    word = np.int64(0)
    for i in range(len(text) - at):
        word |= np.int64(text[at + i]) << (_WORD_BYTES * i)
    return word
