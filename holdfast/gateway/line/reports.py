"""Reports: order events as the line tells them.

applied commands and their events → REPORTS (192 bytes each) → feeds → sessions

A report is the head of an order event, with the command that it came of: its number and key when it came over the line
and from the same account, zeros otherwise. Kernels make them of words of eight bytes, as both layouts lie in memory.
"""

import numpy as np
from numba import njit

from holdfast.codes import CommandKind, ControlEventKind
from holdfast.commands import COMMAND_BYTES, command_dtype
from holdfast.events import Events, order_event_dtype
from holdfast.line import GATEWAY_ID, RECORD_BYTES, ReportFlag, ServerKind, report_dtype
from holdfast.views import Order

_OPERATORS_FROM = CommandKind.DEPOSIT
_OF_CONTROLS = {
    ControlEventKind.ORDERS_CANCELED: ServerKind.ORDERS_CANCELED,
    ControlEventKind.COMMAND_SKIPPED: ServerKind.COMMAND_SKIPPED,
    ControlEventKind.COMMAND_REJECTED: ServerKind.COMMAND_REJECTED,
    ControlEventKind.COUNTDOWN_SET: ServerKind.COUNTDOWN_SET,
}
_OF_ORDER = (
    "order_id", "account_id", "instrument_id", "side", "order_type", "time_in_force", "status", "self_trade_prevention",
    "is_working", "price_ticks", "qty_lots", "executed_lots", "executed_quote_units", "quote_units", "prevented_lots",
)  # fmt: skip


# Both layouts in words: they begin alike, and so do their client ids, of four words and a half.
_WORDS = RECORD_BYTES // 8
_HALF_BITS = 32
_LOW_HALF = 2**_HALF_BITS - 1


def _offset(dtype: "np.dtype[np.void]", name: str) -> int:
    assert dtype.fields is not None
    return dtype.fields[name][1]


def _word(dtype: "np.dtype[np.void]", name: str) -> int:
    return _offset(dtype, name) // 8


_ALIKE_END = _word(report_dtype, "request_number")
_REQUEST_NUMBER = _ALIKE_END
_ACCOUNT = _word(report_dtype, "account_id")  # Its high half.
_FLAGS = _word(report_dtype, "flags")
_FLAGS_SHIFT = _offset(report_dtype, "flags") % 8 * 8  # The last of their word.
_NO_FLAGS = 2**_FLAGS_SHIFT - 1
_LAST = int(ReportFlag.LAST) << _FLAGS_SHIFT
_ID = _word(report_dtype, "client_id")
_ID_OF_EVENT = _word(order_event_dtype, "client_id")
_ID_WORDS = 4
_SENDER = _ID + _ID_WORDS  # Behind the last of the client id: the key that sent the command.
_COMMAND_NUMBER = _word(command_dtype, "request_number")
_COMMAND_GATEWAY = _word(command_dtype, "gateway_id")  # The last 16 bits.
_COMMAND_ACCOUNT = _word(command_dtype, "account_id")  # The high half.
_COMMAND_KEY = _word(command_dtype, "key_id")  # The low half.

_fields, _fields_of_event = dict(report_dtype.fields or {}), dict(order_event_dtype.fields or {})
_shared = _fields.keys() & _fields_of_event.keys()
assert all(_fields[name][0] == _fields_of_event[name][0] for name in _shared), "a field is the same in both"
assert all(_fields[name][1] == _fields_of_event[name][1] for name in _shared - {"client_id"})
assert all(_word(report_dtype, name) < _ALIKE_END for name in _shared - {"client_id"})
assert _FLAGS_SHIFT == 48, "the flags end their word"


def reports_of(commands: np.ndarray, events: Events, is_wanted: np.ndarray) -> np.ndarray:
    """The reports that these commands led to, in their order, of accounts that are wanted (bool by account id; the
    first and the last entry are False, and stand for all ids that are not there)."""
    words = np.empty((len(events.orders), _WORDS), np.int64)
    count = tell_orders(_words(events.orders), is_wanted, words)
    reports = words[:count].reshape(-1).view(report_dtype)
    if len(events.controls):
        reports = _with_controls(commands, events.controls, reports, is_wanted)
    if len(reports):
        name_senders(_words(commands), _words(reports))
    return reports


def _words(rows: np.ndarray) -> np.ndarray:
    return rows.view(np.int64).reshape(-1, rows.itemsize // 8)


def _with_controls(
    commands: np.ndarray, controls: np.ndarray, reports: np.ndarray, is_wanted: np.ndarray
) -> np.ndarray:
    """The same with the ends of commands that have no event of an order, or not only such, and timers that ran out."""
    asked = commands[controls["seq"] - commands["seq"][0]]
    is_told = np.isin(controls["kind"], [*_OF_CONTROLS]) & (asked["kind"] < _OPERATORS_FROM)
    is_told &= (controls["kind"] != ControlEventKind.COUNTDOWN_SET) | (asked["key_id"] != 0)  # Not those of watches.
    is_told &= is_wanted.take(asked["account_id"], mode="clip")
    ran_out = (controls["kind"] == ControlEventKind.COUNTDOWN_RAN_OUT) & is_wanted.take(
        controls["account_id"], mode="clip"
    )
    if not is_told.any() and not ran_out.any():
        return reports
    both = np.concatenate([reports, _ends(asked[is_told], controls[is_told]), _run_out(controls[ran_out])])
    return both[np.lexsort((both["index"], both["seq"]))]


def _ends(asked: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """The ends of these commands."""
    ends = _of_controls(controls)
    ends["kind"] = [_OF_CONTROLS[ControlEventKind(kind)] for kind in controls["kind"].tolist()]
    for name in ("account_id", "instrument_id", "client_id"):
        ends[name] = asked[name]
    return ends


def _run_out(controls: np.ndarray) -> np.ndarray:
    """Timers that ran out, which nobody's command did."""
    run_out = _of_controls(controls)
    run_out["kind"] = ServerKind.COUNTDOWN_RAN_OUT
    for name in ("account_id", "instrument_id"):
        run_out[name] = controls[name]
    return run_out


def _of_controls(controls: np.ndarray) -> np.ndarray:
    reports = np.zeros(len(controls), report_dtype)
    for name in ("seq", "ts_ns", "index", "reason"):
        reports[name] = controls[name]
    reports["qty_lots"] = controls["value"]
    return reports


def mark_last(reports: np.ndarray) -> None:
    """Mark the last report of each command, of those that one feed tells."""
    mark_ends(_words(reports))


def open_orders(orders: list[Order]) -> bytes:
    """Orders as they stand."""
    reports = np.zeros(len(orders), report_dtype)
    reports["kind"] = ServerKind.OPEN_ORDER
    for name in _OF_ORDER:
        reports[name] = [getattr(order, name) for order in orders]
    reports["seq"] = [order.updated_seq for order in orders]
    reports["ts_ns"] = [order.updated_ts_ns for order in orders]
    reports["client_id"] = [order.client_id.encode("ascii") for order in orders]
    return reports.tobytes()


def warm_up() -> None:
    """Compile the kernels, or load what was compiled before, so that no client waits for it."""
    orders, words = np.zeros(1, order_event_dtype), np.zeros((1, _WORDS), np.int64)
    tell_orders(_words(orders), np.zeros(1, np.bool_), words)
    mark_ends(words)
    for commands in (bytearray(COMMAND_BYTES), bytes(COMMAND_BYTES)):  # As they are written, and as they are read.
        name_senders(_words(np.frombuffer(commands, command_dtype)), words)


# The kernels. Rows of words, little-endian.


@njit(cache=True)
def tell_orders(events, is_wanted, reports):
    """Fill the first rows of `reports` with the order events of accounts that are wanted; returns how many."""
    count = 0
    last = len(is_wanted) - 1
    for i in range(len(events)):
        account_id = events[i, _ACCOUNT] >> _HALF_BITS
        if not is_wanted[min(max(account_id, 0), last)]:
            continue
        for word in range(_ALIKE_END):
            reports[count, word] = events[i, word]
        reports[count, _FLAGS] &= _NO_FLAGS
        reports[count, _REQUEST_NUMBER] = 0
        for word in range(_ID_WORDS):
            reports[count, _ID + word] = events[i, _ID_OF_EVENT + word]
        reports[count, _SENDER] = events[i, _ID_OF_EVENT + _ID_WORDS] & _LOW_HALF
        count += 1
    return count


@njit(cache=True)
def mark_ends(reports):
    """Mark the last report of each command, and no other."""
    for i in range(len(reports)):
        is_last = i + 1 == len(reports) or reports[i + 1, 0] != reports[i, 0]
        reports[i, _FLAGS] = reports[i, _FLAGS] & _NO_FLAGS | (_LAST if is_last else 0)


@njit(cache=True)
def name_senders(commands, reports):
    """Say in each report which request its command was, and of which key, where it came over the line and is of the
    same account. `commands`: those of the batch, whose numbers follow each other."""
    first_seq = commands[0, 0]
    for i in range(len(reports)):
        command = commands[reports[i, 0] - first_seq]
        is_of_line = command[_COMMAND_GATEWAY] >> 48 == GATEWAY_ID
        if is_of_line and command[_COMMAND_ACCOUNT] >> _HALF_BITS == reports[i, _ACCOUNT] >> _HALF_BITS:
            reports[i, _REQUEST_NUMBER] = command[_COMMAND_NUMBER]
            reports[i, _SENDER] |= (command[_COMMAND_KEY] & _LOW_HALF) << _HALF_BITS
