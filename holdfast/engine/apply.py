"""Apply: the loop over the commands of a call, and the only door from Python into the rules.

journal → replica → engine.APPLY → events → readers

`apply` takes commands one by one until it has done all, or until the caller has to do something first: give more room
for events, or more rows to a pool. What a command still has to do then is in the state and goes on with the next call,
before anything else. So where a call ends decides nothing: events, their indexes and the state come out the same.
"""

import numpy as np

from holdfast.codes import CommandKind, ControlEventKind, RejectReason, TradingMode
from holdfast.config import STEP_ORDER_EVENTS_MAX
from holdfast.engine.administration import (
    activate_rules,
    add_asset,
    add_instrument,
    create_account,
    create_key,
    revoke_key,
    set_account,
    set_instrument_parameter,
    set_limit,
    set_trading_mode,
    set_venue_killed,
)
from holdfast.engine.amend import amend
from holdfast.engine.auction import go_on_uncrossing
from holdfast.engine.book import has_room
from holdfast.engine.cancel import cancel, replace
from holdfast.engine.countdown import set_countdown
from holdfast.engine.emit import emit_control
from holdfast.engine.ids import evict
from holdfast.engine.jit import cold, hot, long
from holdfast.engine.ladder import KEY_MAX
from holdfast.engine.list_cancel import cancel_order_list
from holdfast.engine.list_pending import place_pending
from holdfast.engine.list_place import keep_leg, place_list
from holdfast.engine.look_ahead import look_ahead
from holdfast.engine.mass_cancel import cancel_all, go_on_canceling
from holdfast.engine.operations import done, move_money, reject, step_withdrawal
from holdfast.engine.place import go_on_placing, place
from holdfast.engine.reopening import cancel_reopening, change_mode, drop_schedule, schedule_reopening
from holdfast.engine.risk import is_instrument
from holdfast.engine.slots import mix
from holdfast.engine.state import (
    CANCELING,
    IDLE,
    MATCHING,
    NIL,
    PLACING,
    SKIPPED_MAX,
    TICKING,
    TRIGGERING,
    UNCROSSING,
    views,
)
from holdfast.engine.tick import do_next_due, drop_due, is_due
from holdfast.engine.trigger import has_triggered, trigger_next

# Why a call ended.
DONE = 0
EVENTS_FULL = 1
POOLS_FULL = 2
STOP_REASONS = 4  # The result is `commands done x STOP_REASONS + why`.

# What one step may emit at most: the order events of a full step, one fill and the end of the order; two balances of a
# maker for every two order events and the acting account's; a level for every order event, and the one where the order
# rests. Before that three orders of a list, and at the end those that depended on it.
ORDER_EVENTS_SPARE = STEP_ORDER_EVENTS_MAX + 16
BALANCE_EVENTS_SPARE = 2 * STEP_ORDER_EVENTS_MAX + 16
BOOK_EVENTS_SPARE = STEP_ORDER_EVENTS_MAX + 8
CONTROL_EVENTS_SPARE = 8
LIST_EVENTS_SPARE = STEP_ORDER_EVENTS_MAX + 8

# What one command may need of a pool at most: rows, except of the hashes.
ROWS_SPARE = 4


@long
def apply(handle, count, begun):
    """Apply the caller's commands from number `begun` on, of `count`.

    Returns commands done x STOP_REASONS + why it ended.
    """
    state = views(handle)
    step = state.step[0]
    i = begun
    commands_spare = np.int64(0)
    while i < count:
        if not is_room_for_events(state):
            return i * STOP_REASONS + EVENTS_FULL
        if step["phase"] == MATCHING:
            go_on_placing(handle)
        elif step["phase"] == CANCELING:
            go_on_canceling(handle)
        elif step["phase"] == TRIGGERING:
            if not has_room(state.book):
                return i * STOP_REASONS + POOLS_FULL
            trigger_next(handle)
        elif step["phase"] == UNCROSSING:
            go_on_uncrossing(handle)
        elif step["phase"] == TICKING:
            do_next_due(handle)
        elif step["phase"] == PLACING:
            if not has_room(state.book):
                return i * STOP_REASONS + POOLS_FULL
            place_pending(handle)
        else:
            if commands_spare == 0:
                commands_spare = spare_commands(handle)
            if commands_spare == 0 or not has_room(state.book):
                return i * STOP_REASONS + POOLS_FULL
            commands_spare -= 1
            look_ahead(handle, i, count)
            begin(handle, i)
            kind = state.commands[i]["kind"]
            if kind == CommandKind.PLACE_ORDER:
                place(handle, i)
            elif kind == CommandKind.CANCEL_ORDER:
                cancel(handle, i)
            elif kind == CommandKind.REPLACE_ORDER:
                replace(handle, i)
            elif kind == CommandKind.AMEND_ORDER:
                amend(handle, i)
            elif kind == CommandKind.CANCEL_ALL:
                cancel_all(handle, i)
            elif kind == CommandKind.SET_COUNTDOWN:
                set_countdown(handle, i)
            elif kind == CommandKind.ORDER_LIST_LEG:
                keep_leg(handle, i)
            elif kind == CommandKind.PLACE_ORDER_LIST:
                place_list(handle, i)
            elif kind == CommandKind.CANCEL_ORDER_LIST:
                cancel_order_list(handle, i)
            elif kind != CommandKind.PAYLOAD and kind != CommandKind.TICK:
                operate(handle, i)
        if step["phase"] == IDLE:
            if step["highest_ticks"] != 0 and has_triggered(handle):
                step["phase"] = TRIGGERING
            elif step["due_first"] != NIL:
                step["phase"] = PLACING
            elif step["command_kind"] == CommandKind.TICK and is_due(handle):
                step["phase"] = TICKING
            else:
                i += 1
    return i * STOP_REASONS + DONE


@long
def skip(handle, command_row):
    """Pass over a poison command: its instrument is halted, and that it was skipped is remembered and told."""
    state = views(handle)
    command = state.commands[command_row]
    begin(handle, command_row)
    instrument_id = np.int64(command["instrument_id"])
    if not is_about_instrument(command["kind"]):
        instrument_id = np.int64(0)
    venue = state.venue[0]
    venue["skipped_count"] += 1
    if venue["skipped_count"] <= SKIPPED_MAX:
        skipped = state.skipped[venue["skipped_count"]]
        skipped["seq"] = command["seq"]
        skipped["instrument_id"] = instrument_id
    emit_control(handle, ControlEventKind.COMMAND_SKIPPED.value, RejectReason.NONE.value, 0, 0, 0)
    if is_instrument(state, instrument_id):
        drop_schedule(state, instrument_id)
        change_mode(handle, instrument_id, TradingMode.HALT.value)
    if command["kind"] == CommandKind.TICK:
        drop_due(handle)


@hot
def is_about_instrument(kind):
    """Whether a command's `instrument_id` is one, and not an asset or nothing."""
    return (
        kind < CommandKind.DEPOSIT
        or kind == CommandKind.SET_INSTRUMENT_PARAMETER
        or kind == CommandKind.SET_TRADING_MODE
        or kind == CommandKind.SCHEDULE_REOPENING
        or kind == CommandKind.CANCEL_REOPENING
    )


@hot
def is_room_for_events(state):
    head = state.out.out_head[0]
    return (
        head["orders"] + ORDER_EVENTS_SPARE <= len(state.out.order_events)
        and head["balances"] + BALANCE_EVENTS_SPARE <= len(state.out.balance_events)
        and head["book"] + BOOK_EVENTS_SPARE <= len(state.out.book_events)
        and head["controls"] + CONTROL_EVENTS_SPARE <= len(state.out.control_events)
        and head["lists"] + LIST_EVENTS_SPARE <= len(state.out.list_events)
    )


@cold
def spare_commands(handle):
    """How many commands the pools have room for, whatever the commands are. The book says so itself, order by order."""
    state = views(handle)
    venue = state.venue[0]
    rows = len(state.client_ids) - 1 - venue["client_id_count"]
    rows = min(rows, len(state.client_id_slots) // 2 - venue["client_id_count"])
    rows = min(rows, len(state.assets) - 1 - venue["asset_count"])
    rows = min(rows, len(state.instruments) - 1 - venue["instrument_count"])
    rows = min(rows, len(state.accounts) - 1 - venue["account_count"])
    rows = min(rows, len(state.keys) - 1 - venue["key_count"])
    rows = min(rows, len(state.balances) - 1 - venue["balance_count"])
    rows = min(rows, len(state.balance_slots) // 2 - venue["balance_count"])
    rows = min(rows, len(state.positions) - 1 - venue["position_count"])
    rows = min(rows, len(state.position_slots) // 2 - venue["position_count"])
    rows = min(rows, len(state.operator_keys) - 1 - venue["operator_key_count"])
    rows = min(rows, len(state.operator_key_slots) // 2 - venue["operator_key_count"])
    rows = min(rows, len(state.withdrawals) - 1 - venue["withdrawal_count"])
    rows = min(rows, len(state.countdowns) - 1 - venue["countdown_count"])
    rows = min(rows, len(state.countdown_slots) // 2 - venue["countdown_count"])
    list_count = state.list_head[0]["open_list_count"]
    rows = min(rows, len(state.order_lists) - 1 - list_count)
    rows = min(rows, len(state.order_list_slots) // 2 - list_count)
    return max(rows, 0) // ROWS_SPARE


@hot
def begin(handle, command_row):
    """What every command does first."""
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    step = state.step[0]
    assert step["phase"] == IDLE
    assert step["base_row"] == NIL
    assert command["seq"] == venue["seq"] + 1
    assert command["ts_ns"] >= venue["ts_ns"]
    if venue["seq"] == 0:
        venue["hash_seed"] = mix(0, command["ts_ns"])
    venue["seq"] = command["seq"]
    venue["ts_ns"] = command["ts_ns"]
    venue["clock_ts_ns"] = command["clock_ts_ns"]
    venue["index"] = 0
    step["command_kind"] = command["kind"]
    step["about_account_id"] = command["account_id"]
    step["about_asset_id"] = 0
    step["about_instrument_id"] = command["instrument_id"]
    step["about_key_id"] = command["key_id"]
    step["highest_ticks"] = 0
    step["lowest_ticks"] = KEY_MAX
    evict(handle)


@cold
def operate(handle, command_row):
    """Operators' and directory commands. A deadline is theirs to set; none is usual."""
    command = views(handle).commands[command_row]
    kind = command["kind"]
    if (
        (kind >= CommandKind.DEPOSIT and kind <= CommandKind.REQUEST_WITHDRAWAL)
        or kind == CommandKind.TRANSFER
        or kind == CommandKind.WITHDRAW_FEES
    ):
        move_money(handle, command_row)
    elif command["deadline_ts_ns"] != 0 and command["clock_ts_ns"] > command["deadline_ts_ns"]:
        reject(handle, RejectReason.DEADLINE_PASSED.value)
    elif kind >= CommandKind.APPROVE_WITHDRAWAL and kind <= CommandKind.REFUSE_WITHDRAWAL:
        step_withdrawal(handle, command_row)
    elif kind == CommandKind.ADD_ASSET:
        add_asset(handle, command_row)
    elif kind == CommandKind.ADD_INSTRUMENT:
        add_instrument(handle, command_row)
    elif kind == CommandKind.SET_INSTRUMENT_PARAMETER:
        set_instrument_parameter(handle, command_row)
    elif kind == CommandKind.SET_TRADING_MODE:
        set_trading_mode(handle, command_row)
    elif kind >= CommandKind.SET_ACCOUNT_FEES and kind <= CommandKind.KILL_ACCOUNT:
        set_account(handle, command_row)
    elif kind == CommandKind.SET_VENUE_KILLED:
        set_venue_killed(handle, command_row)
    elif kind == CommandKind.SET_LIMIT:
        set_limit(handle, command_row)
    elif kind == CommandKind.ACTIVATE_RULES:
        activate_rules(handle, command_row)
    elif kind == CommandKind.SCHEDULE_REOPENING:
        schedule_reopening(handle, command_row)
    elif kind == CommandKind.CANCEL_REOPENING:
        cancel_reopening(handle, command_row)
    elif kind == CommandKind.CREATE_ACCOUNT:
        create_account(handle, command_row)
    elif kind == CommandKind.CREATE_KEY:
        create_key(handle, command_row)
    elif kind == CommandKind.REVOKE_KEY:
        revoke_key(handle, command_row)
    elif kind == CommandKind.REWRAP_SECRETS:
        done(handle, 0, 0)
    else:
        reject(handle, RejectReason.MALFORMED.value)
