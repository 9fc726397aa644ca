"""Money that comes, goes or changes hands: what operators' commands and their control events mean for accounts.

history: EVENTS → tail (memory) → writer → schema → queries

A control event says that a command took effect and what it made; the command says whose money it was, and how much.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from holdfast.codes import CommandKind, ControlEventKind, WithdrawalStatus
from holdfast.commands import Command
from holdfast.events import ControlEvent
from holdfast.views import Amendment, OrderList, PreventedMatch, Withdrawal


class Deposit(NamedTuple):
    """`seq` is the number of its command, and serves as the deposit's id."""

    seq: int
    account_id: int
    asset_id: int
    amount: int
    reference: str
    ts_ns: int


class Transfer(NamedTuple):
    seq: int
    account_id: int
    to_account_id: int
    asset_id: int
    amount: int
    reference: str
    ts_ns: int


class WithdrawalStep(NamedTuple):
    """A withdrawal's change of status; the request is the first."""

    seq: int
    withdrawal_id: int
    status: int
    ts_ns: int


class ControlAction(NamedTuple):
    """One control event with its command's reference, for the audit trail."""

    seq: int
    event_index: int
    kind: int
    command_kind: int
    reason: int
    account_id: int
    asset_id: int
    instrument_id: int
    key_id: int
    subject_id: int
    value: int
    reference: str
    ts_ns: int


Movement = Deposit | Transfer | Withdrawal | WithdrawalStep | ControlAction | Amendment | PreventedMatch | OrderList

_STATUS_AFTER = {
    CommandKind.APPROVE_WITHDRAWAL: WithdrawalStatus.APPROVED,
    CommandKind.SEND_WITHDRAWAL: WithdrawalStatus.SENT,
    CommandKind.REFUSE_WITHDRAWAL: WithdrawalStatus.REFUSED,
}


def movements(control: ControlEvent, commands: np.ndarray, first_seq: int) -> Iterable[Movement]:
    """What the history keeps of one control event. `commands` is the applied batch, `first_seq` its first number."""
    if control.kind == ControlEventKind.ORDERS_CANCELED and control.command_kind == CommandKind.CANCEL_ALL:
        return  # A client's own; its orders tell.
    command = Command._make(commands[control.seq - first_seq].tolist())
    reference = command.client_id.decode("ascii", "backslashreplace")
    yield _action(control, reference)
    if control.kind != ControlEventKind.COMMAND_DONE:
        return
    seq, ts_ns, amount = control.seq, control.ts_ns, command.qty_lots
    account_id, asset_id = command.account_id, command.instrument_id
    if control.command_kind == CommandKind.DEPOSIT:
        yield Deposit(seq, account_id, asset_id, amount, reference, ts_ns)
    elif control.command_kind == CommandKind.TRANSFER:
        yield Transfer(seq, account_id, command.order_id, asset_id, amount, reference, ts_ns)
    elif control.command_kind == CommandKind.REQUEST_WITHDRAWAL:
        status = int(WithdrawalStatus.REQUESTED)
        yield Withdrawal(control.id, account_id, asset_id, amount, status, reference, ts_ns, ts_ns)
        yield WithdrawalStep(seq, control.id, status, ts_ns)
    elif control.command_kind in _STATUS_AFTER:
        status = int(_STATUS_AFTER[CommandKind(control.command_kind)])
        yield WithdrawalStep(seq, command.order_id, status, ts_ns)


def _action(control: ControlEvent, reference: str) -> ControlAction:
    return ControlAction(
        control.seq,
        control.index,
        control.kind,
        control.command_kind,
        control.reason,
        control.account_id,
        control.asset_id,
        control.instrument_id,
        control.key_id,
        control.id,
        control.value,
        reference,
        control.ts_ns,
    )
