"""Reports: order events as the line tells them.

applied commands and their events → REPORTS (192 bytes each) → feeds → sessions

A report is the head of an order event, with the command that it came of: its number and key when it came over the line
and from the same account, zeros otherwise. What is equal in both layouts is copied in whole pieces, which is several
times faster than field by field.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from holdfast.codes import CommandKind, ControlEventKind
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


class _Piece(NamedTuple):
    """Bytes that lie together in events and in reports."""

    event_offset: int
    report_offset: int
    size: int


def _pieces() -> list[_Piece]:
    assert order_event_dtype.fields is not None
    assert report_dtype.fields is not None
    pieces: list[_Piece] = []
    for name, (form, offset, *_) in report_dtype.fields.items():
        if name not in order_event_dtype.fields:
            continue
        found = order_event_dtype.fields[name]
        assert found[0] == form, f"{name} is the same in both"
        last = pieces[-1] if pieces else _Piece(-1, -1, 0)
        if (last.event_offset + last.size, last.report_offset + last.size) == (found[1], offset):
            pieces[-1] = last._replace(size=last.size + form.itemsize)
        else:
            pieces.append(_Piece(found[1], offset, form.itemsize))
    return pieces


def _dtype_of(offsets: Iterable[tuple[int, int]], itemsize: int) -> np.dtype[Any]:
    names, formats, places = [], [], []
    for i, (offset, size) in enumerate(offsets):
        names.append(f"piece_{i}")
        formats.append(f"V{size}")
        places.append(offset)
    return np.dtype({"names": names, "formats": formats, "offsets": places, "itemsize": itemsize})


_PIECES = _pieces()
_event_pieces = _dtype_of([(piece.event_offset, piece.size) for piece in _PIECES], order_event_dtype.itemsize)
_report_pieces = _dtype_of([(piece.report_offset, piece.size) for piece in _PIECES], RECORD_BYTES)


def reports_of(commands: np.ndarray, events: Events, is_wanted: np.ndarray) -> np.ndarray:
    """The reports that these commands led to, in their order, of accounts that are wanted (bool by account id; the
    first and the last entry are False, and stand for all ids that are not there)."""
    orders = events.orders
    index = np.flatnonzero(is_wanted.take(orders["account_id"], mode="clip"))
    reports = np.zeros(len(index), report_dtype)
    source, target = orders.view(_event_pieces), reports.view(_report_pieces)
    for name in _report_pieces.names or ():
        target[name] = source[name][index]
    if len(events.controls):
        reports = _with_controls(commands, events.controls, reports, is_wanted)
    if len(reports):
        _name_senders(commands, reports)
    return reports


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


def _name_senders(commands: np.ndarray, reports: np.ndarray) -> None:
    asked = reports["seq"] - commands["seq"][0]
    is_own = (commands["gateway_id"] == GATEWAY_ID)[asked] & (commands["account_id"][asked] == reports["account_id"])
    reports["request_number"] = np.where(is_own, commands["request_number"][asked], 0)
    reports["sender_key_id"] = np.where(is_own, commands["key_id"][asked], 0)


def mark_last(reports: np.ndarray) -> None:
    """Mark the last report of each command, of those that one feed tells."""
    seqs = reports["seq"]
    flags = np.full(len(reports), ReportFlag.LAST, np.int16)
    flags[:-1][seqs[1:] == seqs[:-1]] = 0
    reports["flags"] = flags


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
