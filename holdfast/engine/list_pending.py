"""Place the pending orders of a list whose working order was filled.

commands → engine (match → … → LIST PENDING: risk → match → settle) → events

It is a step of its own, after the command and all that it triggered, and before the next command; the lists that are
due take turns in the order in which their working orders were filled. An order is judged as if it came now, but for its
form, which was judged with the list; if one is refused, all pending ones of the list expire and the list's event has
the reason. A pegged order takes its price now, or, if it has a stop price, when that is reached; of OPO an iceberg that
was to show more than there is shows all. What is placed may trade, trigger others, and fill other lists' working
orders.

Only prices from now on reach the stop prices of what is placed: all that was reached before has been triggered before.
"""

import numpy as np

from holdfast.codes import (
    ExpiryReason,
    InstrumentParameter,
    OrderEventKind,
    OrderListKind,
    OrderStatus,
    RejectReason,
)
from holdfast.engine.acting import begin_acting, end_acting
from holdfast.engine.book import find_order
from holdfast.engine.emit import emit_order, is_market, is_waiting
from holdfast.engine.ids import close_client_ids
from holdfast.engine.jit import cold, hot
from holdfast.engine.list_judge import are_prices_apart, judge_leg, judge_together, take_prices
from holdfast.engine.list_place import hold_for_pair, place_pair, tell_executing
from holdfast.engine.lists import finish_list, give_back_bought, leg_id
from holdfast.engine.parameter import parameter
from holdfast.engine.place import begin_to_trail, wait, work
from holdfast.engine.retire import unlist_row
from holdfast.engine.risk import judge_permission
from holdfast.engine.settle import hold, is_held, leaves_of
from holdfast.engine.state import IDLE, LEG_ROWS, NIL, PAIRED, SINGLE, views
from holdfast.engine.stops import is_stop

_NONE = RejectReason.NONE.value


@cold
def place_pending(handle):
    """One step: the pending orders of the list that is due first."""
    state = views(handle)
    list_row = take_due(state)
    order_list = state.order_lists[list_row]
    state.step[0]["phase"] = IDLE
    begin_acting(handle, np.int64(order_list["position"]))
    count = order_list["leg_count"] - 1
    take_pending_in_hand(handle, list_row, count)
    order_list["phase"] = PAIRED if count == 2 else SINGLE
    order_list["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order_list["updated_seq"] = state.venue[0]["seq"]
    reason = judge_pending(handle, count)
    if reason != _NONE:
        expire_pending(handle, list_row, count, reason)
        return
    if count == 2:
        hold_for_pair(handle, list_row, LEG_ROWS)
    elif is_held(state.taker[LEG_ROWS]):
        hold(state, state.taker[LEG_ROWS], state.taker[LEG_ROWS]["qty_lots"])
    for i in range(count):
        begin_to_trail(handle, LEG_ROWS + i)
        emit_order(handle, state.taker[LEG_ROWS + i], OrderEventKind.ORDER_TRIGGERED.value, 0)
    tell_executing(handle, list_row)
    if count == 2:
        place_pair(handle, LEG_ROWS)
        end_acting(handle)
    else:
        state.taker[0] = state.taker[LEG_ROWS]
        place_single(handle)


@hot
def take_due(state):
    """The row of the list that is due first, which is so no more. Trades so far have had their effect."""
    step = state.step[0]
    list_row = step["due_first"]
    order_list = state.order_lists[list_row]
    step["due_first"] = order_list["next_due"]
    if step["due_first"] == NIL:
        step["due_last"] = NIL
    order_list["next_due"] = NIL
    last = state.instruments[order_list["instrument_id"]]["last_price_ticks"]
    step["highest_ticks"] = last
    step["lowest_ticks"] = last
    return list_row


@cold
def take_pending_in_hand(handle, list_row, count):
    """Take the pending orders off their ladder; of OPO they get what was bought, which is free now."""
    state = views(handle)
    order_list = state.order_lists[list_row]
    units = order_list["held_units"]
    give_back_bought(state, order_list)
    lots = units // state.instruments[order_list["instrument_id"]]["lot_units"]
    for i in range(count):
        row = np.int64(find_order(state.book, leg_id(order_list, i + 2)))
        state.taker[LEG_ROWS + i] = state.details[row]
        order = state.taker[LEG_ROWS + i]
        unlist_row(state, row, leaves_of(order))
        order["status"] = OrderStatus.NEW
        order["updated_ts_ns"] = state.venue[0]["ts_ns"]
        order["updated_seq"] = state.venue[0]["seq"]
        if not is_stop(order):
            order["working_ts_ns"] = state.venue[0]["ts_ns"]
        if order_list["kind"] >= OrderListKind.OPO:
            lots = min(lots, largest_lots(state, order))
    if order_list["kind"] >= OrderListKind.OPO:
        for i in range(count):
            state.taker[LEG_ROWS + i]["qty_lots"] = lots


@hot
def largest_lots(state, order):
    """The most that LOT_SIZE and MARKET_LOT_SIZE let an order have."""
    instrument_id = np.int64(order["instrument_id"])
    lots = parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MAX)
    market_lots = parameter(state, instrument_id, InstrumentParameter.MARKET_QTY_LOTS_MAX)
    if is_market(order) and market_lots != 0:
        lots = min(lots, market_lots)
    return lots


@cold
def judge_pending(handle, count):
    """The first reason why the orders in hand may not be placed, or NONE; `step` says which order it is about, or 0."""
    state = views(handle)
    step = state.step[0]
    step["refused_leg"] = 0
    reason = take_prices(handle, count)
    if reason == _NONE:
        reason = judge_together(handle, np.int64(state.taker[LEG_ROWS]["position"]), count, count)
    if reason != _NONE:
        return reason
    if count == 2 and not are_prices_apart(state, state.taker[LEG_ROWS], state.taker[LEG_ROWS + 1]):
        return RejectReason.OCO_PRICES.value
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        step["refused_leg"] = i + 1
        if state.taker[0]["qty_lots"] == 0:
            return RejectReason.LOT_SIZE.value
        reason = judge_permission(state, state.taker[0])
        if reason == _NONE:
            reason = judge_leg(handle, False, True)
        if reason != _NONE:
            return reason
    return _NONE


@cold
def expire_pending(handle, list_row, count, reason):
    """All of the orders in hand end; the one that was refused says so, and so do all where it was no single one."""
    state = views(handle)
    refused_leg = state.step[0]["refused_leg"]
    state.order_lists[list_row]["holder_id"] = 0
    for i in range(count):
        order = state.taker[LEG_ROWS + i]
        is_other = refused_leg != 0 and refused_leg != i + 1
        why = ExpiryReason.OTHER_LEG.value if is_other else ExpiryReason.PLACING_REFUSED.value
        order["status"] = OrderStatus.EXPIRED
        emit_order(handle, order, OrderEventKind.ORDER_EXPIRED.value, why)
        close_client_ids(state, np.int64(order["client_id_row"]), OrderStatus.EXPIRED.value)
    finish_list(handle, list_row, reason)
    end_acting(handle)


@cold
def place_single(handle):
    """Let the order in hand wait for its stop price, or work."""
    if is_waiting(views(handle).taker[0]):
        wait(handle)
        end_acting(handle)
    else:
        work(handle)
