"""Replies: the accepted orders of a batch as Binance's JSON, all of them in one call of a kernel.

batch → engine → order events → REPLIES → one buffer of bytes → sockets

The bytes are those of `formats.order_placed`, for WebSocket within the frame of `ws_frames.write_reply`. Those are the
norm, and whatever is unusual is left to them: an order that was not accepted, a number that does not fit 64 bits once
it is shown with 8 decimals, an id that JSON would have to escape.

The layout of a reply stands in `_put_reply` and `_put_order`, in the order of its fields. Before anything is written
the kernel knows the most that the reply can take, so nothing is ever written beyond the buffer, and `_put_` helpers may
write more than they count: a text of a table is copied with the zeros behind it.

What comes from other files comes as an argument (`Markets`, `_WORDS`): Numba looks only at this file to decide whether
what it compiled yesterday still holds. Numbers of `codes` and the layout of events are part of the cache's name.
"""

from typing import Any

import msgspec
import numpy as np
from numba import njit

from holdfast.codes import ExpiryReason, OrderEventKind, OrderStatus
from holdfast.config import CLIENT_ID_BYTES, PRICE_SCALE
from holdfast.events import order_event_dtype
from holdfast.gateway.binance import formats
from holdfast.gateway.binance.formats import ResponseType
from holdfast.instruments import SHOWN_DECIMALS, Asset, Instrument, Reference

# The columns of `wanted`.
SEQ = 0
FORM = 1
RESPONSE = 2  # ResponseType
UNIT_NS = 3  # Of times.
ID_START = 4  # The request's id as it was written, in `text`.
ID_END = 5
LIMITS_START = 6  # The JSON of `rateLimits`, in `limits_text`; empty to leave them out.
LIMITS_END = 7
COLUMNS = 8

WEBSOCKET = 0  # A form.
REST = 1

_INT64_MAX = 2**63 - 1


def write_replies(
    orders: np.ndarray,
    wanted: np.ndarray,
    text: bytes,
    limits_text: bytes,
    markets: "Markets",
    out: np.ndarray,
    ends: np.ndarray,
    start: int = 0,
) -> int:
    """Write the replies that `wanted` asks for from row `start` on; returns the first row that is still to do.

    `orders` (order_event_dtype) are ordered by seq and index, `wanted` (int64, a row of COLUMNS each) by seq. The reply
    of row i ends at `ends[i]` of `out` and begins where the one before ended, the first of the call at 0. An empty one
    was left to the general way. When `out` is full the rest is for another call; a reply that would not fit an `out`
    of its own is left, so each call with something to do does something.
    """
    order_bytes = orders.view(np.uint8)
    rows, names = markets.rows, markets.names
    done: int = _write(orders, order_bytes, wanted, text, limits_text, rows, names, _WORDS, start, out, ends)
    return done


def warm_up() -> None:
    """Compile the kernel, or load it, before somebody waits for it."""
    nothing = np.zeros(0, np.uint8)
    wanted = np.zeros((0, COLUMNS), np.int64)
    markets = Markets(Reference([], []))
    write_replies(np.zeros(0, order_event_dtype), wanted, b"", b"", markets, nothing, np.zeros(0, np.int64))


class Markets:
    """What replies need of each instrument, by its number. Never changed; made again with each `Reference`."""

    __slots__ = ("names", "rows")

    def __init__(self, reference: Reference) -> None:
        instruments = reference.instruments
        names = _Names()
        shown = [names.market(instruments.get(number)) for number in range(1, max(instruments, default=0) + 1)]
        self.rows = np.array([names.market(None), *shown], _market_dtype)
        self.names = np.frombuffer(bytes(names.text), np.uint8)


# What one tick, lot and unit is in 1e-8, and how many of them can be shown in 64 bits; spans of JSON texts in `names`.
_SCALES = "tick_e8 ticks_max lot_e8 lots_max base_unit_e8 base_units_max quote_unit_e8 quote_units_max"
_SPANS = "symbol_start symbol_end base_start base_end quote_start quote_end"
_market_dtype = np.dtype([(name, np.int64) for name in f"is_known {_SCALES} {_SPANS}".split()])


class _Names:
    """Collects the JSON texts of symbols and codes."""

    def __init__(self) -> None:
        self.text = bytearray()
        self._spans: dict[str, tuple[int, int]] = {}

    def market(self, instrument: Instrument | None) -> tuple[int, ...]:
        """A row of `_market_dtype`; for a number that is no instrument's, one that is not known."""
        if instrument is None:
            return (0,) * len(_market_dtype.names or ())
        base, quote = instrument.base, instrument.quote
        return (
            1,
            *_scale(instrument.tick_e8),
            *_scale(instrument.lot_units * _unit_e8(base)),
            *_scale(_unit_e8(base)),
            *_scale(_unit_e8(quote)),
            *self._span(instrument.symbol),
            *self._span(base.code),
            *self._span(quote.code),
        )

    def _span(self, name: str) -> tuple[int, int]:
        span = self._spans.get(name)
        if span is None:
            start = len(self.text)
            self.text += msgspec.json.encode(name)
            span = self._spans[name] = (start, len(self.text))
        return span


def _unit_e8(asset: Asset) -> int:
    unit_e8: int = 10 ** (SHOWN_DECIMALS - asset.decimals)
    return unit_e8


def _scale(unit_e8: int) -> tuple[int, int]:
    """A unit in 1e-8, and how many of it fit 64 bits; of one that does not fit itself, none do."""
    return (unit_e8, _INT64_MAX // unit_e8) if unit_e8 <= _INT64_MAX else (0, 0)


# The enumerations' names as JSON texts: one row each for the numbers 0..15 of each table, its length in the last place.

_NUMBERS = 16
_WORD_BYTES = 40
_STATUS, _TIME_IN_FORCE, _TYPE, _SIDE, _PREVENTION, _EXPIRY = range(0, 6 * _NUMBERS, _NUMBERS)


def _words(tables: dict[int, dict[int, str]]) -> np.ndarray:
    words = np.zeros((len(tables) * _NUMBERS, _WORD_BYTES + 1), np.uint8)
    for first_row, names in tables.items():
        for number, name in names.items():
            assert number < _NUMBERS
            shown = msgspec.json.encode(name)
            words[first_row + number, : len(shown)] = np.frombuffer(shown, np.uint8)
            words[first_row + number, _WORD_BYTES] = len(shown)
    return words


_WORDS = _words(
    {
        _STATUS: formats.STATUSES,
        _TIME_IN_FORCE: formats.TIMES_IN_FORCE,
        _TYPE: formats.TYPES,
        _SIDE: formats.SIDES,
        _PREVENTION: formats.PREVENTIONS,
        _EXPIRY: formats.EXPIRY_REASONS,
    }
)

# The kernel.

_REPLY_BYTES_MAX = 1_024  # Without what `_bytes_max` adds.
_FILL_BYTES_MAX = 160
_EVENT_BYTES = order_event_dtype.itemsize
_CLIENT_ID_OFFSET = order_event_dtype.fields["client_id"][1]  # type: ignore[index]
_ACK = 1
_FULL = 3
assert _ACK == ResponseType.ACK
assert _FULL == ResponseType.FULL
_DECIMALS = 8
assert 10**_DECIMALS == PRICE_SCALE
_TEN = np.uint64(10)
_ZERO = np.uint64(ord("0"))
_POINT = np.uint8(ord("."))

# Without `_nrt` references to arrays are not counted. Nothing here makes an array, and counting took half of the time.
_options: dict[str, Any] = {"_nrt": False}
_inlined: dict[str, Any] = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_entry = njit(cache=True, **_options)
_helper = njit(**_inlined, **_options)


@_entry
def _write(orders, order_bytes, wanted, text, limits_text, markets, names, words, start, out, ends):
    """See `write_replies`. `order_bytes` are those of `orders`."""
    at = 0
    row = 0
    for i in range(start, len(wanted)):
        seq = wanted[i, SEQ]
        while row < len(orders) and orders[row]["seq"] < seq:
            row += 1
        accepted = _find_acceptance(orders, row, seq)
        if accepted >= 0:
            last, fills = _find_last(orders, row, seq, orders[accepted]["order_id"])
            number = orders[last]["instrument_id"]
            market = markets[number if 0 < number < len(markets) else 0]  # Row 0 is nobody's.
            id_bytes = _client_id_bytes(order_bytes, last)
            is_plain = fills >= 0 and id_bytes >= 0 and _is_plain(orders[last], market, words)
            if is_plain and _are_plain(orders, row, last, market):
                bytes_max = _bytes_max(wanted, i, market, fills)
                if bytes_max <= len(out) - at:
                    own = (row, last, id_bytes)
                    at = _put_reply(
                        out, at, wanted, i, text, limits_text, orders, order_bytes, own, market, names, words
                    )
                elif at > 0:
                    return i
        ends[i] = at
    return len(wanted)


@_helper
def _find_acceptance(orders, row, seq):
    """The row of the first acceptance of the command whose events begin at `row`; -1: it was refused or skipped."""
    while row < len(orders) and orders[row]["seq"] == seq:
        kind = orders[row]["kind"]
        if kind == OrderEventKind.ORDER_ACCEPTED:
            return row
        if kind == OrderEventKind.ORDER_REJECTED:
            return -1
        row += 1
    return -1


@_helper
def _find_last(orders, row, seq, order_id):
    """The row of the order's last event of this command, and how often it traded; -1: it met its own account."""
    last = row
    fills = 0
    while row < len(orders) and orders[row]["seq"] == seq:
        if orders[row]["order_id"] == order_id:
            last = row
            if orders[row]["kind"] == OrderEventKind.TRADE:
                fills += 1
        if _is_prevention(orders[row]):
            return last, -1
        row += 1
    return last, fills


# What is left to the general way.


@_helper
def _is_prevention(event):
    """As `formats.is_prevention`."""
    return event["kind"] == OrderEventKind.TRADE_PREVENTED or (
        event["kind"] == OrderEventKind.ORDER_EXPIRED and event["reason"] == ExpiryReason.SELF_TRADE
    )


@_helper
def _is_plain(event, market, words):
    """Whether the state of an order can be shown here."""
    return (
        market["is_known"] != 0
        and event["order_id"] >= 0
        and event["ts_ns"] >= 0
        and event["created_ts_ns"] >= 0
        and 0 <= event["price_ticks"] <= market["ticks_max"]
        and 0 <= event["qty_lots"] <= market["lots_max"]
        and 0 <= event["executed_lots"] <= market["lots_max"]
        and event["prevented_lots"] == 0
        and 0 <= event["quote_units"] <= market["quote_units_max"]
        and 0 <= event["executed_quote_units"] <= market["quote_units_max"]
        and _has_word(words, _STATUS, event["status"])
        and _has_word(words, _TIME_IN_FORCE, event["time_in_force"])
        and _has_word(words, _TYPE, event["order_type"])
        and _has_word(words, _SIDE, event["side"])
        and _has_word(words, _PREVENTION, event["self_trade_prevention"])
    )


@_helper
def _are_plain(orders, row, last, market):
    """Whether all fills of the order of row `last`, of events from `row` on, can be shown here."""
    order_id = orders[last]["order_id"]
    while row <= last:
        event = orders[row]
        if event["order_id"] == order_id and event["kind"] == OrderEventKind.TRADE:
            units_max = market["base_units_max"] if event["fee_is_base"] else market["quote_units_max"]
            if not (
                event["trade_id"] >= 0
                and 0 <= event["last_price_ticks"] <= market["ticks_max"]
                and 0 <= event["last_lots"] <= market["lots_max"]
                and 0 <= event["fee_units"] <= units_max
            ):
                return False
        row += 1
    return True


@_helper
def _has_word(words, table, number):
    return 0 <= number < _NUMBERS and words[table + number, _WORD_BYTES] != 0


@_helper
def _client_id_bytes(order_bytes, row):
    """The length of the client's id; -1 when JSON does not show each of its bytes as it is."""
    begin = row * _EVENT_BYTES + _CLIENT_ID_OFFSET
    length = 0
    for k in range(CLIENT_ID_BYTES):
        byte = order_bytes[begin + k]
        if byte != 0:
            if k != length or byte < 32 or byte > 126 or byte == 34 or byte == 92:
                return -1
            length += 1
    return length


# The layout.


@_helper
def _bytes_max(wanted, i, market, fills):
    """The most that a reply can take."""
    spans = wanted[i, ID_END] - wanted[i, ID_START] + wanted[i, LIMITS_END] - wanted[i, LIMITS_START]
    spans += market["symbol_end"] - market["symbol_start"]
    code_bytes = max(market["base_end"] - market["base_start"], market["quote_end"] - market["quote_start"])
    return _REPLY_BYTES_MAX + spans + fills * (_FILL_BYTES_MAX + code_bytes)


@_helper
def _put_reply(out, at, wanted, i, text, limits_text, orders, order_bytes, own, market, names, words):
    is_framed = wanted[i, FORM] == WEBSOCKET
    if is_framed:
        at = _put(out, at, b'{"id":')
        at = _put_span(out, at, text, wanted[i, ID_START], wanted[i, ID_END])
        at = _put(out, at, b',"status":200,"result":')
    at = _put_order(out, at, wanted, i, orders, order_bytes, own, market, names, words)
    if is_framed:
        if wanted[i, LIMITS_END] > wanted[i, LIMITS_START]:
            at = _put(out, at, b',"rateLimits":')
            at = _put_span(out, at, limits_text, wanted[i, LIMITS_START], wanted[i, LIMITS_END])
        at = _put(out, at, b"}")
    return at


@_helper
def _put_order(out, at, wanted, i, orders, order_bytes, own, market, names, words):
    """As `formats.order_placed`. `own`: the rows of the command's first and the order's last event, its id's length."""
    row, last, id_bytes = own
    event = orders[last]
    unit_ns = wanted[i, UNIT_NS]
    at = _put(out, at, b'{"symbol":')
    at = _put_span(out, at, names, market["symbol_start"], market["symbol_end"])
    at = _put(out, at, b',"orderId":')
    at = _put_number(out, at, event["order_id"])
    at = _put(out, at, b',"orderListId":-1,"clientOrderId":"')
    at = _put_client_id(out, at, order_bytes, last, id_bytes)
    at = _put(out, at, b'","transactTime":')
    at = _put_number(out, at, event["ts_ns"] // unit_ns)
    if wanted[i, RESPONSE] == _ACK:
        return _put(out, at, b"}")
    lot_e8 = market["lot_e8"]
    quote_unit_e8 = market["quote_unit_e8"]
    ordered_lots = event["qty_lots"] if event["qty_lots"] != 0 else event["executed_lots"]
    at = _put(out, at, b',"price":"')
    at = _put_decimal(out, at, event["price_ticks"] * market["tick_e8"])
    at = _put(out, at, b'","origQty":"')
    at = _put_decimal(out, at, ordered_lots * lot_e8)
    at = _put(out, at, b'","executedQty":"')
    at = _put_decimal(out, at, event["executed_lots"] * lot_e8)
    at = _put(out, at, b'","origQuoteOrderQty":"')
    at = _put_decimal(out, at, event["quote_units"] * quote_unit_e8)
    at = _put(out, at, b'","cummulativeQuoteQty":"')
    at = _put_decimal(out, at, event["executed_quote_units"] * quote_unit_e8)
    at = _put(out, at, b'","status":')
    at = _put_word(out, at, words, _STATUS + event["status"])
    at = _put(out, at, b',"timeInForce":')
    at = _put_word(out, at, words, _TIME_IN_FORCE + event["time_in_force"])
    at = _put(out, at, b',"type":')
    at = _put_word(out, at, words, _TYPE + event["order_type"])
    at = _put(out, at, b',"side":')
    at = _put_word(out, at, words, _SIDE + event["side"])
    at = _put(out, at, b',"workingTime":')
    at = _put_number(out, at, event["created_ts_ns"] // unit_ns)
    if wanted[i, RESPONSE] == _FULL:
        at = _put_fills(out, at, orders, row, last, market, names)
    at = _put(out, at, b',"selfTradePreventionMode":')
    at = _put_word(out, at, words, _PREVENTION + event["self_trade_prevention"])
    if event["status"] == OrderStatus.EXPIRED:
        at = _put(out, at, b',"expiryReason":')
        at = _put_word(out, at, words, _EXPIRY + event["reason"])
    return _put(out, at, b"}")


@_helper
def _put_fills(out, at, orders, row, last, market, names):
    """The trades of the order of row `last` among the events from `row` on."""
    order_id = orders[last]["order_id"]
    at = _put(out, at, b',"fills":[')
    is_first = True
    while row <= last:
        event = orders[row]
        if event["order_id"] == order_id and event["kind"] == OrderEventKind.TRADE:
            if not is_first:
                at = _put(out, at, b",")
            is_first = False
            at = _put_fill(out, at, event, market, names)
        row += 1
    return _put(out, at, b"]")


@_helper
def _put_fill(out, at, event, market, names):
    """As `formats.fill_of_reply`."""
    at = _put(out, at, b'{"price":"')
    at = _put_decimal(out, at, event["last_price_ticks"] * market["tick_e8"])
    at = _put(out, at, b'","qty":"')
    at = _put_decimal(out, at, event["last_lots"] * market["lot_e8"])
    at = _put(out, at, b'","commission":"')
    if event["fee_is_base"]:
        at = _put_decimal(out, at, event["fee_units"] * market["base_unit_e8"])
        at = _put(out, at, b'","commissionAsset":')
        at = _put_span(out, at, names, market["base_start"], market["base_end"])
    else:
        at = _put_decimal(out, at, event["fee_units"] * market["quote_unit_e8"])
        at = _put(out, at, b'","commissionAsset":')
        at = _put_span(out, at, names, market["quote_start"], market["quote_end"])
    at = _put(out, at, b',"tradeId":')
    at = _put_number(out, at, event["trade_id"])
    return _put(out, at, b"}")


# Its parts; each returns where it ended. Of a widened unsigned number the compiler knows that it is not negative, which
# makes all of it three times as fast; buffers are under 4 GiB.


@_helper
def _put(out, at, text):
    begin = np.int64(np.uint32(at))
    for k in range(len(text)):
        out[begin + k] = text[k]
    return begin + len(text)


@_helper
def _put_span(out, at, text, start, end):
    begin = np.int64(np.uint32(at))
    first = np.int64(np.uint32(start))
    size = end - start
    for k in range(size):
        out[begin + k] = text[first + k]
    return begin + size


@_helper
def _put_word(out, at, words, row):
    begin = np.int64(np.uint32(at))
    for k in range(_WORD_BYTES):
        out[begin + k] = words[row, k]
    return begin + np.int64(words[row, _WORD_BYTES])


@_helper
def _put_client_id(out, at, order_bytes, row, size):
    begin = np.int64(np.uint32(at))
    first = np.int64(np.uint32(row)) * _EVENT_BYTES + _CLIENT_ID_OFFSET
    for k in range(CLIENT_ID_BYTES):
        out[begin + k] = order_bytes[first + k]
    return begin + size


@_helper
def _put_decimal(out, at, units_e8):
    """With 8 decimals, as `format_decimal`."""
    at = _put_number(out, at, units_e8 // PRICE_SCALE)
    out[at] = _POINT
    return _put_digits(out, at + 1, units_e8 % PRICE_SCALE, _DECIMALS)


@_helper
def _put_number(out, at, number):
    digits = 1
    rest = np.uint64(number)
    while rest >= _TEN:
        rest //= _TEN
        digits += 1
    return _put_digits(out, at, number, digits)


@_helper
def _put_digits(out, at, number, digits):
    begin = np.int64(np.uint32(at))
    rest = np.uint64(number)
    for k in range(digits - 1, -1, -1):
        out[begin + k] = _ZERO + rest % _TEN
        rest //= _TEN
    return begin + digits
