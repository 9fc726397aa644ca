"""Form: what a client may have written into a command.

records as they came → FORM (one reason each) → intake

Only what must hold before the engine may see a record is judged here: who asks and when are the venue's to say, numbers
must mean something, names must be what every other way into the venue would take. Combinations are the engine's.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from holdfast.codes import (
    CancelRestriction,
    CommandFlag,
    CommandKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from holdfast.commands import COMMAND_BYTES, command_dtype, command_words_dtype
from holdfast.config import CLIENT_ID_BYTES
from holdfast.instruments import Reference
from holdfast.line import Reason

_SIDE_LAST = int(max(Side))
_ORDER_TYPE_LAST = int(max(OrderType))
_TIME_IN_FORCE_LAST = int(max(TimeInForce))
_SELF_TRADE_PREVENTION_LAST = int(max(SelfTradePrevention))
_CANCEL_RESTRICTION_LAST = int(max(CancelRestriction))
_FLAGS = int(CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS | CommandFlag.PEG_PRIMARY | CommandFlag.PEG_MARKET)


# Where a record has its texts.
assert command_dtype.fields is not None
_CLIENT_ID = command_dtype.fields["client_id"][1]
_TARGET_CLIENT_ID = command_dtype.fields["target_client_id"][1]

# By a character's byte, as Binance allows them in client order ids, whose other ends could not show another.
_MAY_STAND = np.zeros(256, np.bool_)
_MAY_STAND[0] = True
_MAY_STAND[[ord(c) for c in "-_.:/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"]] = True


class Check(NamedTuple):
    reason: Reason
    text: str


CHECKS = (
    Check(Reason.FIELD_NOT_YOURS, "A field that the venue fills, or that has no meaning yet, is not zero."),
    Check(Reason.FIELD_INVALID, "A field has a value that means nothing."),
    Check(Reason.INSTRUMENT_UNKNOWN, "There is no such instrument."),
    Check(Reason.CLIENT_ID_INVALID, "A client id is needed: 1 to 36 of A-Z a-z 0-9 - _ . : /, then zeros."),
    Check(Reason.CLIENT_ID_INVALID, "The target's client id has other characters than A-Z a-z 0-9 - _ . : /."),
)


class Form:
    """The checks, for one state of the reference data."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._is_instrument = np.zeros(max(reference.instruments, default=0) + 1, np.bool_)
        self._is_instrument[list(reference.instruments)] = True

    def faults(self, records: np.ndarray) -> np.ndarray:
        """For each record of a known kind 0, or 1 + the place in `CHECKS` of the first that it fails."""
        faults = np.zeros(len(records), np.uint8)
        octets = records.view(np.uint8).reshape(-1, COMMAND_BYTES)
        find_faults(records.view(command_words_dtype), octets, self._is_instrument, faults)
        return faults


def warm_up() -> None:
    """Compile the kernel, or load what was compiled before, so that no client waits for it."""
    Form(Reference((), ())).faults(np.zeros(1, command_dtype))


# The kernel. It looks at each record once, which for one record or thousands takes a tenth of looking by columns.

_helper = njit(forceinline=True)


@njit(cache=True)
def find_faults(records, octets, is_instrument, faults):
    """Fill `faults`. `records`: command_words_dtype, `octets`: the same as uint8, rows of 192 bytes."""
    for i in range(len(records)):
        record = records[i]
        if not leaves_the_venues_fields(record):
            faults[i] = 1
        elif not is_in_range(record):
            faults[i] = 2
        elif not knows_instrument(record, is_instrument):
            faults[i] = 3
        elif octets[i, _CLIENT_ID] == 0 or not is_text(octets[i], _CLIENT_ID):
            faults[i] = 4
        elif not is_text(octets[i], _TARGET_CLIENT_ID):
            faults[i] = 5


@_helper
def leaves_the_venues_fields(record):
    times = record["seq"] | record["ts_ns"] | record["clock_ts_ns"] | record["received_ts_ns"]
    return times == 0 and (record["gateway_id"] | record["account_id"] | record["key_id"]) == 0


@_helper
def is_in_range(record):
    """What the engine would not even read. A kind's bytes are signed, and none of them may be below 0."""
    return (
        0 <= record["side"] <= _SIDE_LAST
        and 0 <= record["order_type"] <= _ORDER_TYPE_LAST
        and 0 <= record["time_in_force"] <= _TIME_IN_FORCE_LAST
        and 0 <= record["self_trade_prevention"] <= _SELF_TRADE_PREVENTION_LAST
        and 0 <= record["cancel_restriction"] <= _CANCEL_RESTRICTION_LAST
        and record["flags"] & ~_FLAGS == 0
        and (record["deadline_ts_ns"] | record["price_ticks"] | record["qty_lots"] | record["quote_units"]) >= 0
        and (record["order_id"] | record["stop_price_ticks"] | record["iceberg_lots"]) >= 0
        and record["trailing_delta_bips"] >= 0
    )


@_helper
def knows_instrument(record, is_instrument):
    instrument_id = np.int64(record["instrument_id"])
    if instrument_id == 0:
        return record["kind"] == CommandKind.CANCEL_ALL or record["kind"] == CommandKind.SET_COUNTDOWN
    return 0 < instrument_id < len(is_instrument) and is_instrument[instrument_id]


@_helper
def is_text(octets, begin):
    """Characters that may be, and zeros behind them."""
    has_ended = False
    for octet in octets[begin : begin + CLIENT_ID_BYTES]:
        if octet == 0:
            has_ended = True
        elif has_ended or not _MAY_STAND[octet]:
            return False
    return True
