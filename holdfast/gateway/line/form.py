"""Form: what a client may have written into a command, looked at column by column.

records as they came → FORM (one reason each) → intake

Only what must hold before the engine may see a record is judged here: who asks and when are the venue's to say, numbers
must mean something, names must be what every other way into the venue would take. Combinations are the engine's.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from holdfast.codes import (
    CancelRestriction,
    CommandFlag,
    CommandKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from holdfast.config import CLIENT_ID_BYTES
from holdfast.instruments import Reference
from holdfast.line import Reason

KINDS = (
    CommandKind.PLACE_ORDER,
    CommandKind.CANCEL_ORDER,
    CommandKind.CANCEL_ALL,
    CommandKind.REPLACE_ORDER,
    CommandKind.AMEND_ORDER,
    CommandKind.SET_COUNTDOWN,
)
NEW_ORDER_KINDS = (CommandKind.PLACE_ORDER, CommandKind.REPLACE_ORDER)

# Fields that the journal or this gateway fills.
_NOT_THE_CLIENTS = ("seq", "ts_ns", "clock_ts_ns", "received_ts_ns", "gateway_id", "account_id", "key_id")
_LAST_OF_ENUM = {
    "side": int(max(Side)),
    "order_type": int(max(OrderType)),
    "time_in_force": int(max(TimeInForce)),
    "self_trade_prevention": int(max(SelfTradePrevention)),
    "cancel_restriction": int(max(CancelRestriction)),
}
_FLAGS = int(CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS | CommandFlag.PEG_PRIMARY | CommandFlag.PEG_MARKET)
_NOT_NEGATIVE = (
    *("deadline_ts_ns", "trailing_delta_bips", "price_ticks", "qty_lots", "quote_units", "order_id"),
    *("stop_price_ticks", "iceberg_lots"),
)


def is_kind(*kinds: CommandKind) -> np.ndarray:
    """A table by a kind's byte."""
    table = np.zeros(256, np.bool_)
    table[list(kinds)] = True
    return table


IS_COMMAND = is_kind(*KINDS)
IS_NEW_ORDER = is_kind(*NEW_ORDER_KINDS)
_MAY_BE_OF_ALL = is_kind(CommandKind.CANCEL_ALL, CommandKind.SET_COUNTDOWN)  # Instrument 0.

# By a character's byte, as Binance allows them in client order ids, whose other ends could not show another.
_MAY_STAND = np.zeros(256, np.bool_)
_MAY_STAND[0] = True
_MAY_STAND[[ord(c) for c in "-_.:/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"]] = True


def of_kind(records: np.ndarray, table: np.ndarray) -> np.ndarray:
    """For each record whether the table has its kind."""
    return table[records["kind"].view(np.uint8)]


class _Check(NamedTuple):
    reason: Reason
    text: str
    is_good: Callable[["Form", np.ndarray], np.ndarray]


class Form:
    """The checks, for one state of the reference data."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._is_instrument = np.zeros(max(reference.instruments, default=0) + 2, np.bool_)
        self._is_instrument[list(reference.instruments)] = True  # The ends stand for what is not there.

    def faults(self, records: np.ndarray) -> np.ndarray:
        """For each record of a known kind 0, or 1 + the place in `CHECKS` of the first that it fails."""
        faults = np.zeros(len(records), np.uint8)
        for number, check in enumerate(CHECKS, 1):
            is_good = check.is_good(self, records)
            if not is_good.all():
                faults[~is_good & (faults == 0)] = number
        return faults

    def leaves_the_venues_fields(self, records: np.ndarray) -> np.ndarray:
        is_good = np.ones(len(records), np.bool_)
        for name in _NOT_THE_CLIENTS:
            is_good &= records[name] == 0
        return is_good

    def is_in_range(self, records: np.ndarray) -> np.ndarray:
        is_good = (records["flags"] & ~_FLAGS) == 0
        for name, last in _LAST_OF_ENUM.items():
            is_good &= records[name].view(np.uint8) <= last
        for name in _NOT_NEGATIVE:
            is_good &= records[name] >= 0
        return is_good  # type: ignore[no-any-return]

    def knows_instrument(self, records: np.ndarray) -> np.ndarray:
        is_known = self._is_instrument.take(records["instrument_id"], mode="clip")
        return is_known | (of_kind(records, _MAY_BE_OF_ALL) & (records["instrument_id"] == 0))  # type: ignore[no-any-return]

    def has_client_id(self, records: np.ndarray) -> np.ndarray:
        return _are_texts(records["client_id"]) & (records["client_id"] != b"")  # type: ignore[no-any-return]

    def has_target(self, records: np.ndarray) -> np.ndarray:
        return _are_texts(records["target_client_id"])


def _are_texts(column: np.ndarray) -> np.ndarray:
    """Characters that may be, and zeros behind them. All of them are looked at as one long text first: in rows of so
    few bytes the same takes several times as long, and next to always there is nothing wrong."""
    text = np.ascontiguousarray(column).view(np.uint8)
    is_zero = text == 0
    is_bad = ~_MAY_STAND.take(text)
    begins_again = is_zero[:-1] > is_zero[1:]
    begins_again[CLIENT_ID_BYTES - 1 :: CLIENT_ID_BYTES] = False  # That is the next text.
    is_bad[1:] |= begins_again
    if not is_bad.any():
        return np.ones(len(column), np.bool_)
    return np.logical_not(is_bad.reshape(-1, CLIENT_ID_BYTES).any(axis=1))


CHECKS = (
    _Check(
        Reason.FIELD_NOT_YOURS,
        "A field that the venue fills, or that has no meaning yet, is not zero.",
        Form.leaves_the_venues_fields,
    ),
    _Check(Reason.FIELD_INVALID, "A field has a value that means nothing.", Form.is_in_range),
    _Check(Reason.INSTRUMENT_UNKNOWN, "There is no such instrument.", Form.knows_instrument),
    _Check(
        Reason.CLIENT_ID_INVALID,
        "A client id is needed: 1 to 36 of A-Z a-z 0-9 - _ . : /, then zeros.",
        Form.has_client_id,
    ),
    _Check(
        Reason.CLIENT_ID_INVALID,
        "The target's client id has other characters than A-Z a-z 0-9 - _ . : /.",
        Form.has_target,
    ),
)
