"""PLACE_ORDER_LIST: take the orders of a list together, and place all of them or none.

commands → engine (LIST PLACE: risk → lists → match → settle) → events

The orders come as records before that of the list (ORDER_LIST_LEG) and are kept in `legs`; records that do not come
right before it are forgotten. In hand they lie in `taker` from LEG_ROWS on. `list_judge.py` says whether they may be
placed. If it was one order that may not, that one is refused with the reason and the others with OTHER_LEG_REFUSED,
else all with the reason. A list that is refused for the moment is remembered like an order, under its own id and those
of its orders.
"""

import numpy as np

from holdfast.codes import (
    ListOrderStatus,
    ListStatusType,
    OrderEventKind,
    OrderListKind,
    OrderStatus,
    RejectReason,
    Side,
)
from holdfast.engine.acting import end_acting
from holdfast.engine.book import PENDING_TICKS, pending_side
from holdfast.engine.emit import emit_list, emit_order, is_waiting
from holdfast.engine.ids import client_id_tag, copy_text, remember_refused
from holdfast.engine.jit import cold, hot
from holdfast.engine.list_judge import judge_list
from holdfast.engine.list_rows import name_in_hand, name_leg, open_order_list
from holdfast.engine.place import (
    begin_to_trail,
    count_waiting,
    enter,
    fill_order,
    is_refusal_of_the_moment,
    list_in_hand,
    refuse,
    rest,
    wait,
    work,
)
from holdfast.engine.positions import find_position
from holdfast.engine.settle import hold, is_held
from holdfast.engine.state import LEG_ROWS, LEGS_MAX, NIL, PAIRED, PENDING, views
from holdfast.engine.stops import is_stop

_NONE = RejectReason.NONE.value


@cold
def keep_leg(handle, command_row):
    """ORDER_LIST_LEG: one more order of the list to come, or the first of another one."""
    state = views(handle)
    head = state.list_head[0]
    seq = state.commands[command_row]["seq"]
    if head["leg_seq"] != seq - 1:
        head["leg_count"] = 0
    if head["leg_count"] < LEGS_MAX:
        state.legs[head["leg_count"]] = state.commands[command_row]
    head["leg_count"] += 1
    head["leg_seq"] = seq


@cold
def place_list(handle, command_row):
    """PLACE_ORDER_LIST."""
    count = take_list_in_hand(handle, command_row)
    reason = judge_list(handle, command_row, count)
    if reason != _NONE:
        refuse_list(handle, command_row, min(count, LEGS_MAX), reason)
    else:
        accept_list(handle, count)


@cold
def take_list_in_hand(handle, command_row):
    """Make the command's list and its orders those in hand; returns how many orders came."""
    state = views(handle)
    command = state.commands[command_row]
    head = state.list_head[0]
    count = head["leg_count"] if head["leg_seq"] == command["seq"] - 1 else np.int64(0)
    head["leg_count"] = 0
    head["leg_seq"] = 0
    state.list_in_hand[0] = state.order_lists[NIL]
    order_list = state.list_in_hand[0]
    copy_text(order_list, command)
    order_list["kind"] = command["qty_lots"]
    order_list["leg_count"] = min(count, LEGS_MAX)
    order_list["account_id"] = command["account_id"]
    order_list["instrument_id"] = command["instrument_id"]
    order_list["key_id"] = command["key_id"]
    order_list["created_ts_ns"] = command["ts_ns"]
    order_list["updated_ts_ns"] = command["ts_ns"]
    order_list["updated_seq"] = command["seq"]
    for i in range(order_list["leg_count"]):
        order = state.taker[LEG_ROWS + i]
        fill_order(order, state.legs[i])
        order["created_ts_ns"] = command["ts_ns"]
        order["updated_ts_ns"] = command["ts_ns"]
        order["updated_seq"] = command["seq"]
        name_leg(order_list, i + 1, order)
    return count


@cold
def refuse_list(handle, command_row, count, reason):
    """Refuse every order that came, then the list."""
    state = views(handle)
    deadline_ts_ns = state.commands[command_row]["deadline_ts_ns"]
    refused_leg = state.step[0]["refused_leg"]
    order_list = state.list_in_hand[0]
    if reason == RejectReason.DUPLICATE_LIST_CLIENT_ID:
        order_list["order_list_id"] = state.step[0]["duplicate_list_id"]
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        is_other = refused_leg != 0 and refused_leg != i + 1
        refuse(handle, RejectReason.OTHER_LEG_REFUSED.value if is_other else reason, deadline_ts_ns)
    emit_list(handle, order_list, ListStatusType.RESPONSE.value, ListOrderStatus.REJECT.value, reason)
    if deadline_ts_ns != 0 and is_refusal_of_the_moment(reason):
        remember_refused_list(handle, deadline_ts_ns)


@cold
def remember_refused_list(handle, deadline_ts_ns):
    state = views(handle)
    remember_refused(handle, name_in_hand(state, state.list_in_hand[0], 0), deadline_ts_ns)


@cold
def accept_list(handle, count):
    """Number the list and its orders, hold their funds, remember their ids; then place what is to be placed now.

    Nothing can fail any more.
    """
    state = views(handle)
    order_list = state.list_in_hand[0]
    kind = np.int64(order_list["kind"])
    head = state.list_head[0]
    head["list_count"] += 1
    order_list["order_list_id"] = head["list_count"]
    order_list["phase"] = PAIRED if kind == OrderListKind.OCO else PENDING
    list_row = number_legs(handle, count)
    if kind == OrderListKind.OCO:
        hold_for_pair(handle, list_row, LEG_ROWS)
    for i in range(count):
        emit_order(handle, state.taker[LEG_ROWS + i], OrderEventKind.ORDER_ACCEPTED.value, 0)
    tell_executing(handle, list_row)
    if kind == OrderListKind.OCO:
        place_pair(handle, LEG_ROWS)
        end_acting(handle)
        return
    for i in range(1, count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        pend(handle)
    state.taker[0] = state.taker[LEG_ROWS]
    work(handle)


@cold
def number_legs(handle, count):
    """Enter each order under its number and its client id, and then the list, whose row is returned."""
    state = views(handle)
    order_list = state.list_in_hand[0]
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        order = state.taker[0]
        position_row = find_position(state, np.int64(order["account_id"]), np.int64(order["instrument_id"]))
        order["position"] = position_row
        is_placed = i == 0 or order_list["phase"] == PAIRED
        state.step[0]["client_id_tag"] = client_id_tag(state, np.int64(order["account_id"]), order)
        enter(handle, OrderStatus.NEW.value if is_placed else OrderStatus.PENDING_NEW.value)
        if is_placed:
            begin_to_trail(handle, 0)
            if not is_stop(order):
                order["working_ts_ns"] = order["created_ts_ns"]  # One that never was placed can be told from it.
        state.taker[LEG_ROWS + i] = order
    order_list["position"] = state.taker[0]["position"]
    order_list["order_id_1"] = state.taker[LEG_ROWS]["order_id"]
    order_list["order_id_2"] = state.taker[LEG_ROWS + 1]["order_id"]
    if count == LEGS_MAX:
        order_list["order_id_3"] = state.taker[LEG_ROWS + 2]["order_id"]
    list_row = open_order_list(handle)
    for i in range(count):
        state.taker[LEG_ROWS + i]["list_row"] = list_row
    if order_list["phase"] == PENDING and is_held(state.taker[LEG_ROWS]):
        hold(state, state.taker[LEG_ROWS], state.taker[LEG_ROWS]["qty_lots"])
    return list_row


@cold
def hold_for_pair(handle, list_row, first):
    """Hold what the one of two orders in hand needs that needs more."""
    state = views(handle)
    holder = first if needs(state.taker[first]) >= needs(state.taker[first + 1]) else first + 1
    order = state.taker[holder]
    state.order_lists[list_row]["holder_id"] = order["order_id"]
    if is_held(order):
        hold(state, order, order["qty_lots"])


@hot
def needs(order):
    """What an order of a pair holds for each lot, to be compared with the other's: to sell both hold the lots."""
    return order["price_ticks"] if order["side"] == Side.BUY else np.int64(0)


@cold
def tell_executing(handle, list_row):
    state = views(handle)
    started = ListStatusType.EXEC_STARTED.value
    emit_list(handle, state.order_lists[list_row], started, ListOrderStatus.EXECUTING.value, 0)


@cold
def place_pair(handle, first):
    """Let two orders in hand rest, of which neither trades now: on the book, or where it waits for its stop price."""
    state = views(handle)
    for i in range(first, first + 2):
        state.taker[0] = state.taker[i]
        if is_waiting(state.taker[0]):
            wait(handle)
        else:
            rest(handle)


@cold
def pend(handle):
    """Let the order in hand wait for another one to be filled, where nobody sees it."""
    order = views(handle).taker[0]
    list_in_hand(handle, pending_side(np.int64(order["instrument_id"])), PENDING_TICKS)
    if is_waiting(order):
        count_waiting(handle)
