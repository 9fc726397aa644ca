"""Countdowns: dead man's timers, which cancel an account's orders unless somebody goes on renewing them.

commands → engine (COUNTDOWN: set; TICK: run out → mass cancel) → events

An account has one timer for each instrument and one for all of them; setting it again renews it. Timers lie in a pool,
are found through a hash, and a heap has the one that runs out first on top. At one instant the order is that of
accounts, then of instruments, so it does not depend on how the heap came about.

A timer that runs out cancels as CANCEL_ALL does and is gone. Nothing may touch an instrument in HALT: as long as there
are orders of the timer's in one, it is put off instead, so that they go soon after the instrument is open again.
"""

import numpy as np

from holdfast.codes import ControlEventKind, KeyPermission, RejectReason, TradingMode
from holdfast.config import COUNTDOWN_MS_MAX
from holdfast.engine.emit import emit_control
from holdfast.engine.jit import cold, hot
from holdfast.engine.mass_cancel import begin_mass_cancel
from holdfast.engine.operations import reject
from holdfast.engine.risk import is_instrument, judge_asker
from holdfast.engine.slots import FREE, home, insert, next_place, remove, row_of, tag_of, tag_of_pair
from holdfast.engine.state import NIL, views

NS_PER_MS = 1_000_000
PUT_OFF_NS = 60 * 10**9

_NONE = RejectReason.NONE.value


@cold
def set_countdown(handle, command_row):
    """SET_COUNTDOWN."""
    state = views(handle)
    command = state.commands[command_row]
    account_id = np.int64(command["account_id"])
    instrument_id = np.int64(command["instrument_id"])
    countdown_ms = command["qty_lots"]
    reason = judge_countdown(handle, command_row)
    if reason != _NONE:
        reject(handle, reason)
        return
    row = find_countdown(handle, account_id, instrument_id)
    due_ts_ns = np.int64(0)
    if countdown_ms != 0:
        due_ts_ns = state.venue[0]["ts_ns"] + countdown_ms * NS_PER_MS
        if row == NIL:
            row = start_countdown(handle, account_id, instrument_id)
        state.countdowns[row]["countdown_ms"] = countdown_ms
        move_countdown(handle, row, due_ts_ns)
    elif row != NIL:
        end_countdown(handle, row)
    emit_control(handle, ControlEventKind.COUNTDOWN_SET.value, _NONE, due_ts_ns, countdown_ms, 0)


@cold
def judge_countdown(handle, command_row):
    """Who asks, and whether there is room for a timer that does not run yet."""
    reason = judge_asker(handle, command_row, KeyPermission.TRADE.value)
    if reason != _NONE:
        return reason
    state = views(handle)
    venue = state.venue[0]
    command = state.commands[command_row]
    instrument_id = np.int64(command["instrument_id"])
    if instrument_id != 0 and not is_instrument(state, instrument_id):
        return RejectReason.INSTRUMENT_UNKNOWN.value
    if command["qty_lots"] < 0 or command["qty_lots"] > COUNTDOWN_MS_MAX:
        return RejectReason.COUNTDOWN_INVALID.value
    is_full = venue["countdown_count"] >= venue["countdowns_max"]
    account_id = np.int64(command["account_id"])
    if command["qty_lots"] != 0 and is_full and find_countdown(handle, account_id, instrument_id) == NIL:
        return RejectReason.COUNTDOWNS_FULL.value
    return _NONE


@hot
def first_countdown_ts_ns(state):
    """When the first timer runs out; 0: none runs."""
    return state.countdowns[state.countdown_heap[1]]["due_ts_ns"]


@cold
def run_out(handle):
    """The timer that is first has run out: say so, and begin to cancel."""
    state = views(handle)
    step = state.step[0]
    row = state.countdown_heap[1]
    countdown = state.countdowns[row]
    account_id = np.int64(countdown["account_id"])
    instrument_id = np.int64(countdown["instrument_id"])
    due_ts_ns = countdown["due_ts_ns"]
    step["about_account_id"] = account_id
    step["about_instrument_id"] = instrument_id
    emit_control(handle, ControlEventKind.COUNTDOWN_RAN_OUT.value, _NONE, due_ts_ns, countdown["countdown_ms"], 0)
    if has_halted_orders(handle, account_id, instrument_id):
        move_countdown(handle, row, state.venue[0]["ts_ns"] + PUT_OFF_NS)
    else:
        end_countdown(handle, row)
    begin_mass_cancel(handle, account_id, account_id, instrument_id)


@cold
def drop_first(handle):
    """Forget the timer that is first."""
    end_countdown(handle, views(handle).countdown_heap[1])


@cold
def has_halted_orders(handle, account_id, instrument_id):
    """Whether the account has orders in HALT, in the instrument or (0) anywhere."""
    state = views(handle)
    row = state.accounts[account_id]["first_position"]
    while row != NIL:
        position = state.positions[row]
        is_meant = instrument_id == 0 or instrument_id == position["instrument_id"]
        mode = state.instruments[position["instrument_id"]]["mode"]
        if is_meant and position["first_order"] != NIL and mode == TradingMode.HALT:
            return True
        row = position["next"]
    return False


@cold
def find_countdown(handle, account_id, instrument_id):
    """The row of a timer that runs, or NIL."""
    state = views(handle)
    slots = state.countdown_slots
    tag = tag_of_pair(state.venue[0]["hash_seed"], account_id, instrument_id)
    place = home(slots, tag)
    while slots[place] != FREE:
        if tag_of(slots[place]) == tag:
            row = row_of(slots[place])
            countdown = state.countdowns[row]
            if countdown["account_id"] == account_id and countdown["instrument_id"] == instrument_id:
                return row
        place = next_place(slots, place)
    return NIL


@hot
def enter_countdown(state, row):
    """Make the timer findable."""
    countdown = state.countdowns[row]
    tag = tag_of_pair(state.venue[0]["hash_seed"], countdown["account_id"], countdown["instrument_id"])
    insert(state.countdown_slots, tag, row)


@cold
def start_countdown(handle, account_id, instrument_id):
    """A new timer, last in the heap; the caller says when it is due. Returns its row."""
    state = views(handle)
    venue = state.venue[0]
    row = venue["countdown_free"]
    if row != NIL:
        venue["countdown_free"] = state.countdowns[row]["link"]
    else:
        row = venue["countdown_rows"] + 1
        venue["countdown_rows"] = row
    venue["countdown_count"] += 1
    countdown = state.countdowns[row]
    countdown["account_id"] = account_id
    countdown["instrument_id"] = instrument_id
    put(state, venue["countdown_count"], row)
    enter_countdown(state, row)
    return row


@cold
def end_countdown(handle, row):
    """The timer is gone; the last of the heap takes its place there."""
    state = views(handle)
    venue = state.venue[0]
    countdown = state.countdowns[row]
    tag = tag_of_pair(venue["hash_seed"], countdown["account_id"], countdown["instrument_id"])
    remove(state.countdown_slots, tag, row)
    place = countdown["link"]
    count = venue["countdown_count"]
    last = state.countdown_heap[count]
    state.countdown_heap[count] = NIL
    venue["countdown_count"] = count - 1
    if last != row:
        put(state, place, last)
        restore_order(handle, place)
    countdown["due_ts_ns"] = 0
    countdown["countdown_ms"] = 0
    countdown["account_id"] = 0
    countdown["instrument_id"] = 0
    countdown["link"] = venue["countdown_free"]
    venue["countdown_free"] = row


@cold
def move_countdown(handle, row, due_ts_ns):
    """The timer runs out at another time."""
    countdown = views(handle).countdowns[row]
    countdown["due_ts_ns"] = due_ts_ns
    restore_order(handle, countdown["link"])


@cold
def restore_order(handle, place):
    """Move the timer at this place of the heap up or down until none is above one that runs out before it."""
    state = views(handle)
    heap = state.countdown_heap
    count = state.venue[0]["countdown_count"]
    row = heap[place]
    while place > 1 and is_before(state, row, heap[place // 2]):
        put(state, place, heap[place // 2])
        place //= 2
    while 2 * place <= count:
        child = 2 * place
        if child < count and is_before(state, heap[child + 1], heap[child]):
            child += 1
        if not is_before(state, heap[child], row):
            break
        put(state, place, heap[child])
        place = child
    put(state, place, row)


@hot
def put(state, place, row):
    state.countdown_heap[place] = row
    state.countdowns[row]["link"] = place


@hot
def is_before(state, row, other_row):
    """Whether a timer runs out before another one."""
    one = state.countdowns[row]
    other = state.countdowns[other_row]
    if one["due_ts_ns"] != other["due_ts_ns"]:
        return one["due_ts_ns"] < other["due_ts_ns"]
    if one["account_id"] != other["account_id"]:
        return one["account_id"] < other["account_id"]
    return one["instrument_id"] < other["instrument_id"]
