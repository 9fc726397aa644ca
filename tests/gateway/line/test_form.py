"""What a client may write into a command, beside the same said record by record in plain Python."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import CancelRestriction, CommandKind, OrderType, SelfTradePrevention, Side, TimeInForce
from holdfast.commands import Command, command_dtype
from holdfast.gateway.line.form import CHECKS, Form
from holdfast.gateway.line.run import KINDS
from holdfast.instruments import Reference
from holdfast.line import Reason
from tests.gateway.fakes import BTC, USDT, instrument
from tests.gateway.line.rig import command

REFERENCE = Reference([BTC, USDT], [instrument()])
FORM = Form(REFERENCE)
TEXT = re.compile(rb"[A-Za-z0-9_.:/-]*\0*")
CLIENT_ID = slice(104, 140)
TARGET_CLIENT_ID = slice(140, 176)
FIELDS = [name for name in command_dtype.names or () if name not in ("kind", "client_id", "target_client_id")]
LAST = {
    "side": max(Side),
    "order_type": max(OrderType),
    "time_in_force": max(TimeInForce),
    "self_trade_prevention": max(SelfTradePrevention),
    "cancel_restriction": max(CancelRestriction),
}


def reason_of(record: bytearray) -> Reason:
    """Why the line takes no such record; NONE: it does."""
    command = Command._make(np.frombuffer(record, command_dtype)[0].tolist())
    if any((command.seq, command.ts_ns, command.clock_ts_ns, command.received_ts_ns)):
        return Reason.FIELD_NOT_YOURS
    if any((command.gateway_id, command.account_id, command.key_id)):
        return Reason.FIELD_NOT_YOURS
    if not all(0 <= getattr(command, name) <= last for name, last in LAST.items()):
        return Reason.FIELD_INVALID
    numbers = (command.deadline_ts_ns, command.trailing_delta_bips, command.price_ticks, command.qty_lots)
    more = (command.quote_units, command.order_id, command.stop_price_ticks, command.iceberg_lots)
    if min(numbers + more) < 0 or command.flags not in (0, 1, 4, 5, 8, 9, 12, 13):
        return Reason.FIELD_INVALID
    is_of_all = command.kind in (3, 9) and command.instrument_id == 0
    if command.instrument_id not in REFERENCE.instruments and not is_of_all:
        return Reason.INSTRUMENT_UNKNOWN
    if not command.client_id or not TEXT.fullmatch(record[CLIENT_ID]):
        return Reason.CLIENT_ID_INVALID
    return Reason.NONE if TEXT.fullmatch(record[TARGET_CLIENT_ID]) else Reason.CLIENT_ID_INVALID


@settings(max_examples=500)
@given(
    st.sampled_from(KINDS),
    st.text("aZ9-_.:/", max_size=36),
    st.dictionaries(st.sampled_from(FIELDS), st.integers(-2, 9), max_size=3),
    st.dictionaries(st.integers(CLIENT_ID.start, TARGET_CLIENT_ID.stop - 1), st.integers(0, 255), max_size=1),
)
def test_a_record_is_refused_for_the_first_thing_that_is_wrong(
    kind: CommandKind, client_id: str, fields: dict[str, int], in_texts: dict[int, int]
) -> None:
    record = bytearray(command(1, kind, client_id=client_id.encode(), target_client_id=b"x", **fields))
    for place, octet in in_texts.items():
        record[place] = octet
    beside = command(2)  # A good one, which no other may change the judgment of.
    faults = FORM.faults(np.frombuffer(record + beside, command_dtype)).tolist()
    assert [CHECKS[fault - 1].reason if fault else Reason.NONE for fault in faults] == [reason_of(record), Reason.NONE]


@pytest.mark.parametrize("field", FIELDS)
def test_no_field_may_be_negative(field: str) -> None:
    record = bytearray(command(1, **{field: -1}))
    (fault,) = FORM.faults(np.frombuffer(record, command_dtype)).tolist()
    assert bool(fault) == (field != "request_number")  # That one the session judges.


def test_instruments_beyond_all_are_none() -> None:
    records = [command(1, instrument_id=instrument_id) for instrument_id in (1, 0, -1, 2, 2**31 - 1, -(2**31))]
    faults = FORM.faults(np.frombuffer(bytearray(b"".join(records)), command_dtype)).tolist()
    assert [bool(fault) for fault in faults] == [False, True, True, True, True, True]
