"""Mass cancel: all open orders of an account, or of all accounts.

commands → engine (MASS CANCEL: cancel after cancel) → events

Accounts go by id, an account's positions in the order in which it first used the instruments, a position's orders
oldest first. Instruments in HALT are passed over: nothing may touch their books. One step ends after
STEP_ORDER_EVENTS_MAX cancels or VISITS_PER_STEP positions and accounts without one; the next goes on from `step`,
before the next command.
"""

import numpy as np

from holdfast.codes import ControlEventKind, KeyPermission, RejectReason, TradingMode
from holdfast.config import STEP_ORDER_EVENTS_MAX
from holdfast.engine.acting import begin_acting, end_acting
from holdfast.engine.cancel import cancel_row, judge_cancel_asker, refuse_cancel
from holdfast.engine.emit import emit_control
from holdfast.engine.jit import cold
from holdfast.engine.risk import judge_asker
from holdfast.engine.state import CANCELING, IDLE, NIL, views

VISITS_PER_STEP = 4096  # A visit without an order to cancel costs a few nanoseconds.

_NONE = RejectReason.NONE.value


@cold
def cancel_all(handle, command_row):
    """CANCEL_ALL."""
    command = views(handle).commands[command_row]
    instrument_id = np.int64(command["instrument_id"])
    if instrument_id == 0:
        reason = judge_asker(handle, command_row, KeyPermission.TRADE.value)
    else:
        reason = judge_cancel_asker(handle, command_row)
    if reason != _NONE:
        refuse_cancel(handle, command_row, reason)
        return
    account_id = np.int64(command["account_id"])
    begin_mass_cancel(handle, account_id, account_id, instrument_id)


@cold
def begin_mass_cancel(handle, first_account_id, last_account_id, instrument_id):
    """Cancel all orders of a range of accounts, in one instrument or (0) in all."""
    state = views(handle)
    step = state.step[0]
    step["phase"] = CANCELING
    step["account_id"] = first_account_id
    step["last_account_id"] = last_account_id
    step["instrument_id"] = instrument_id
    step["position"] = NIL
    if first_account_id <= last_account_id:
        step["position"] = state.accounts[first_account_id]["first_position"]
    step["canceled_count"] = 0
    go_on_canceling(handle)


@cold
def go_on_canceling(handle):
    """One step; the last one ends with ORDERS_CANCELED."""
    state = views(handle)
    step = state.step[0]
    events_end = state.out.out_head[0]["orders"] + STEP_ORDER_EVENTS_MAX
    for _ in range(VISITS_PER_STEP):
        position_row = step["position"]
        if position_row == NIL:
            if step["account_id"] >= step["last_account_id"]:
                step["phase"] = IDLE
                emit_control(handle, ControlEventKind.ORDERS_CANCELED.value, _NONE, 0, step["canceled_count"], 0)
                return
            step["account_id"] += 1
            step["position"] = state.accounts[step["account_id"]]["first_position"]
            continue
        position = state.positions[position_row]
        if is_in_scope(handle, position):
            begin_acting(handle, position_row)
            while position["first_order"] != NIL:
                if state.out.out_head[0]["orders"] >= events_end:
                    return
                step["canceled_count"] += cancel_row(handle, position["first_order"])
            end_acting(handle)
        step["position"] = position["next"]


@cold
def is_in_scope(handle, position):
    """Whether the position has orders to cancel now."""
    state = views(handle)
    instrument_id = position["instrument_id"]
    if position["first_order"] == NIL and state.step[0]["base_row"] == NIL:
        return False
    if state.step[0]["instrument_id"] != 0 and state.step[0]["instrument_id"] != instrument_id:
        return False
    return state.instruments[instrument_id]["mode"] != TradingMode.HALT
