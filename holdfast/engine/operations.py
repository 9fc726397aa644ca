"""Operators' commands about money and control: deposits, withdrawals, transfers, fees, freezes, modes, limits.

commands → engine (OPERATIONS) → events

Each is refused with COMMAND_REJECTED, or takes effect at once with COMMAND_DONE and the balances that it changed. The
checks run in this order, and the first that fails is the answer:

    deadline, account, key (`judge_asker`)      REQUEST_WITHDRAWAL needs WITHDRAW of a key
    what the command is about exists            ASSET_, WITHDRAWAL_, ACCOUNT_UNKNOWN (a transfer's receiver)
    the amount is positive                      AMOUNT_INVALID
    there is an idempotency key                 MALFORMED
    the idempotency key                         COMMAND_REPEATED or IDEMPOTENCY_CONFLICT
    what the state of things forbids            ACCOUNT_FROZEN, SUPPLY_EXCEEDED, INSUFFICIENT_BALANCE
    room                                        OPERATOR_KEYS_FULL, BALANCES_FULL
"""

import numpy as np

from holdfast.codes import (
    CommandKind,
    ControlEventKind,
    KeyPermission,
    RejectReason,
    WithdrawalStatus,
)
from holdfast.config import SUPPLY_MAX
from holdfast.engine.emit import emit_balance, emit_control
from holdfast.engine.ids import copy_text, is_empty_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.ledger import (
    balances_left,
    deposit,
    find_balance,
    free_of,
    is_supply_exceeded,
    make_balance,
    move,
    put_in_transit,
    send_out,
)
from holdfast.engine.operator_keys import find_operator_key, is_same_content, remember_operator_key
from holdfast.engine.risk import is_account, judge_asker
from holdfast.engine.state import NIL, views

_NONE = RejectReason.NONE.value


@cold
def reject(handle, reason):
    emit_control(handle, ControlEventKind.COMMAND_REJECTED.value, reason, 0, 0, 0)


@cold
def done(handle, made_id, value):
    emit_control(handle, ControlEventKind.COMMAND_DONE.value, _NONE, made_id, value, 0)


@cold
def answer_known_key(handle, command_row, scope, conflict_reason):
    """Whether the command's idempotency key is known; if so the command is answered here."""
    row = find_operator_key(handle, command_row, scope)
    if row == NIL:
        return False
    if not is_same_content(handle, row, command_row):
        reject(handle, conflict_reason)
        return True
    entry = views(handle).operator_keys[row]
    kind = ControlEventKind.COMMAND_REPEATED.value
    emit_control(handle, kind, _NONE, entry["id"], entry["qty_lots"], entry["first_seq"])
    return True


@hot
def is_key_room(state):
    return state.venue[0]["operator_key_count"] < state.venue[0]["operator_keys_max"]


@hot
def is_asset(state, asset_id):
    return 0 < asset_id <= state.venue[0]["asset_count"]


@cold
def move_money(handle, command_row):
    """DEPOSIT, REQUEST_WITHDRAWAL, TRANSFER, WITHDRAW_FEES."""
    state = views(handle)
    command = state.commands[command_row]
    step = state.step[0]
    step["about_asset_id"] = command["instrument_id"]
    step["about_instrument_id"] = 0
    reason = judge_money(handle, command_row)
    if reason != _NONE:
        reject(handle, reason)
        return
    scope = np.int64(command["account_id"])
    if answer_known_key(handle, command_row, scope, RejectReason.IDEMPOTENCY_CONFLICT.value):
        return
    reason = judge_money_now(handle, command_row)
    if reason != _NONE:
        reject(handle, reason)
        return
    kind = command["kind"]
    if kind == CommandKind.DEPOSIT:
        do_deposit(handle, command_row)
    elif kind == CommandKind.REQUEST_WITHDRAWAL:
        do_request(handle, command_row)
    elif kind == CommandKind.TRANSFER:
        do_transfer(handle, command_row)
    else:
        do_withdraw_fees(handle, command_row)


@cold
def judge_money(handle, command_row):
    """What no later moment would change."""
    state = views(handle)
    command = state.commands[command_row]
    kind = command["kind"]
    if kind == CommandKind.WITHDRAW_FEES:
        if command["deadline_ts_ns"] != 0 and command["clock_ts_ns"] > command["deadline_ts_ns"]:
            return RejectReason.DEADLINE_PASSED.value
    else:
        reason = judge_asker(handle, command_row, KeyPermission.WITHDRAW.value)
        if reason != _NONE:
            return reason
    if kind == CommandKind.TRANSFER and not is_account(state, command["order_id"]):
        return RejectReason.ACCOUNT_UNKNOWN.value
    if not is_asset(state, np.int64(command["instrument_id"])):
        return RejectReason.ASSET_UNKNOWN.value
    if command["qty_lots"] <= 0:
        return RejectReason.AMOUNT_INVALID.value
    if is_empty_text(command):
        return RejectReason.MALFORMED.value
    return _NONE


@cold
def judge_money_now(handle, command_row):
    """What the state of things forbids, and room."""
    state = views(handle)
    command = state.commands[command_row]
    kind = command["kind"]
    asset_id = np.int64(command["instrument_id"])
    account_id = np.int64(command["account_id"])
    amount = command["qty_lots"]
    receiver_id = account_id
    if kind == CommandKind.DEPOSIT and is_supply_exceeded(state, asset_id, amount, SUPPLY_MAX):
        return RejectReason.SUPPLY_EXCEEDED.value
    if kind == CommandKind.WITHDRAW_FEES and state.assets[asset_id]["fees"] < amount:
        return RejectReason.INSUFFICIENT_BALANCE.value
    if kind == CommandKind.REQUEST_WITHDRAWAL and state.accounts[account_id]["is_frozen"] != 0:
        return RejectReason.ACCOUNT_FROZEN.value
    if kind == CommandKind.REQUEST_WITHDRAWAL or kind == CommandKind.TRANSFER:
        if free_of(state, find_balance(state, account_id, asset_id)) < amount:
            return RejectReason.INSUFFICIENT_BALANCE.value
        receiver_id = command["order_id"] if kind == CommandKind.TRANSFER else account_id
    if not is_key_room(state):
        return RejectReason.OPERATOR_KEYS_FULL.value
    is_received = kind == CommandKind.DEPOSIT or kind == CommandKind.TRANSFER
    if is_received and find_balance(state, receiver_id, asset_id) == NIL and balances_left(state) <= 0:
        return RejectReason.BALANCES_FULL.value
    return _NONE


@hot
def do_deposit(handle, command_row):
    command = views(handle).commands[command_row]
    account_id = np.int64(command["account_id"])
    row = make_balance(handle, account_id, np.int64(command["instrument_id"]))
    remember_operator_key(handle, command_row, account_id, 0)
    deposit(handle, row, command["qty_lots"])
    done(handle, 0, command["qty_lots"])
    emit_balance(handle, row, command["qty_lots"])


@hot
def do_request(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    account_id = np.int64(command["account_id"])
    venue = state.venue[0]
    withdrawal_id = venue["withdrawal_count"] + 1
    venue["withdrawal_count"] = withdrawal_id
    withdrawal = state.withdrawals[withdrawal_id]
    copy_text(withdrawal, command)
    withdrawal["status"] = WithdrawalStatus.REQUESTED
    withdrawal["account_id"] = account_id
    withdrawal["asset_id"] = command["instrument_id"]
    withdrawal["amount"] = command["qty_lots"]
    withdrawal["requested_ts_ns"] = command["ts_ns"]
    withdrawal["updated_ts_ns"] = command["ts_ns"]
    account = state.accounts[account_id]
    if account["last_withdrawal"] == NIL:
        account["first_withdrawal"] = withdrawal_id
    else:
        state.withdrawals[account["last_withdrawal"]]["next"] = withdrawal_id
    account["last_withdrawal"] = withdrawal_id
    remember_operator_key(handle, command_row, account_id, withdrawal_id)
    row = find_balance(state, account_id, withdrawal["asset_id"])
    put_in_transit(handle, row, command["qty_lots"])
    done(handle, withdrawal_id, command["qty_lots"])
    emit_balance(handle, row, 0)


@hot
def do_transfer(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    account_id = np.int64(command["account_id"])
    asset_id = np.int64(command["instrument_id"])
    amount = command["qty_lots"]
    payer = find_balance(state, account_id, asset_id)
    receiver = make_balance(handle, command["order_id"], asset_id)
    remember_operator_key(handle, command_row, account_id, 0)
    move(state, payer, -amount, np.int64(0))
    move(state, receiver, amount, np.int64(0))
    done(handle, 0, amount)
    if payer != receiver:
        emit_balance(handle, payer, -amount)
        emit_balance(handle, receiver, amount)


@hot
def do_withdraw_fees(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    asset = state.assets[command["instrument_id"]]
    remember_operator_key(handle, command_row, np.int64(command["account_id"]), 0)
    asset["fees"] -= command["qty_lots"]
    asset["withdrawn"] += command["qty_lots"]
    done(handle, 0, command["qty_lots"])


@cold
def step_withdrawal(handle, command_row):
    """APPROVE_, SEND_, REFUSE_WITHDRAWAL: the next step of a withdrawal, the same step again, or none of its steps."""
    state = views(handle)
    command = state.commands[command_row]
    withdrawal_id = command["order_id"]
    if withdrawal_id <= 0 or withdrawal_id > state.venue[0]["withdrawal_count"]:
        reject(handle, RejectReason.WITHDRAWAL_UNKNOWN.value)
        return
    withdrawal = state.withdrawals[withdrawal_id]
    state.step[0]["about_account_id"] = withdrawal["account_id"]
    state.step[0]["about_asset_id"] = withdrawal["asset_id"]
    amount = withdrawal["amount"]
    status = withdrawal["status"]
    target = status_after(command["kind"])
    if status == target:
        emit_control(handle, ControlEventKind.COMMAND_REPEATED.value, _NONE, withdrawal_id, amount, 0)
        return
    if not is_step_allowed(status, target):
        reject(handle, RejectReason.WITHDRAWAL_NOT_OPEN.value)
        return
    withdrawal["status"] = target
    withdrawal["updated_ts_ns"] = command["ts_ns"]
    row = find_balance(state, withdrawal["account_id"], withdrawal["asset_id"])
    done(handle, withdrawal_id, amount)
    if target == WithdrawalStatus.SENT:
        send_out(handle, row, amount)
        emit_balance(handle, row, -amount)
    elif target == WithdrawalStatus.REFUSED:
        put_in_transit(handle, row, -amount)
        emit_balance(handle, row, 0)


@hot
def status_after(kind):
    if kind == CommandKind.APPROVE_WITHDRAWAL:
        return WithdrawalStatus.APPROVED.value
    if kind == CommandKind.SEND_WITHDRAWAL:
        return WithdrawalStatus.SENT.value
    return WithdrawalStatus.REFUSED.value


@hot
def is_step_allowed(status, target):
    if status == WithdrawalStatus.REQUESTED:
        return target == WithdrawalStatus.APPROVED or target == WithdrawalStatus.REFUSED
    return status == WithdrawalStatus.APPROVED
