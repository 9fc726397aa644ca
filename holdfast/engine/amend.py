"""Amend: make an open order smaller where it stands, so that it keeps its place in the queue.

commands → engine (AMEND) → events

Only the quantity may be changed, and only downwards; something must be left to trade. What the order held for the lots
that go is free at once. Of two orders of which only one can trade (OCO) both are made smaller, with an event each,
the named one first. The command names the order's client id from now on, which may be the one it has. A former id stays
the order's and counts as long as the present one does (`ids.rename_order`). A refusal changes nothing.
"""

import numpy as np

from holdfast.codes import (
    InstrumentParameter,
    ListOrderStatus,
    ListStatusType,
    OrderEventKind,
    OrderListKind,
    RejectReason,
    TradingMode,
)
from holdfast.config import ORDER_AMENDS_MAX
from holdfast.engine.acting import begin_acting, end_acting
from holdfast.engine.book import find_order, reduce_order
from holdfast.engine.cancel import judge_cancel_asker, refuse_cancel, target_row
from holdfast.engine.emit import emit_book, emit_list, emit_smaller, is_hidden, is_market, is_pending
from holdfast.engine.ids import (
    client_id_tag,
    find_client_id,
    former_id_count,
    is_empty_text,
    is_same_text,
    rename_order,
)
from holdfast.engine.jit import cold, hot
from holdfast.engine.list_rows import name_leg
from holdfast.engine.lists import leg_id
from holdfast.engine.positions import count_open_lots
from holdfast.engine.risk import is_notional_right, parameter
from holdfast.engine.settle import release
from holdfast.engine.state import LEGS_MAX, NIL, PAIRED, views

_NONE = RejectReason.NONE.value


@cold
def amend(handle, command_row):
    """AMEND_ORDER."""
    reason = judge_amendment(handle, command_row)
    if reason != _NONE:
        refuse_cancel(handle, command_row, reason)
        return
    amend_target(handle, command_row)
    end_acting(handle)


@hot
def judge_amendment(handle, command_row):
    """The first reason why the order may not be amended, or NONE; leaves the order's row in `step`."""
    reason = judge_cancel_asker(handle, command_row)
    if reason != _NONE:
        return reason
    state = views(handle)
    command = state.commands[command_row]
    if command["qty_lots"] <= 0 or is_empty_text(command):
        return RejectReason.MALFORMED.value
    row = target_row(handle, command_row)
    if row == NIL:
        return RejectReason.ORDER_UNKNOWN.value
    state.step[0]["target_row"] = row
    reason = judge_moment(state, command)
    if reason != _NONE:
        return reason
    reason = judge_new_id(handle, command_row)
    if reason != _NONE:
        return reason
    if is_unsized_pending(state, state.details[row]):
        return RejectReason.AMEND_PENDING_OPO.value
    reason = judge_new_qty(handle, row, command["qty_lots"])
    if reason != _NONE:
        return reason
    other = paired_row(handle, row)
    return judge_new_qty(handle, other, command["qty_lots"]) if other != NIL else _NONE


@hot
def judge_moment(state, command):
    """Kill switch, freeze, trading mode: where only cancels are let in, an amendment is not."""
    if state.venue[0]["is_killed"] != 0:
        return RejectReason.VENUE_KILLED.value
    if state.accounts[command["account_id"]]["is_frozen"] != 0:
        return RejectReason.ACCOUNT_FROZEN.value
    if state.instruments[command["instrument_id"]]["mode"] == TradingMode.CANCEL_ONLY:
        return RejectReason.MODE_FORBIDS.value
    return _NONE


@cold
def judge_new_id(handle, command_row):
    """Whether the client id is the order's own, or one that nobody has."""
    state = views(handle)
    command = state.commands[command_row]
    if is_same_text(state.details[state.step[0]["target_row"]], command):
        return _NONE
    account_id = np.int64(command["account_id"])
    tag = client_id_tag(state, account_id, command)
    state.step[0]["client_id_tag"] = tag
    if find_client_id(handle, tag, account_id, command) != NIL:
        return RejectReason.DUPLICATE_CLIENT_ID.value
    if former_id_count(state) >= state.venue[0]["client_ids_max"]:
        return RejectReason.CLIENT_IDS_FULL.value
    return _NONE


@cold
def judge_new_qty(handle, row, qty):
    """Whether the quantity is smaller, leaves something to trade, and passes the filters."""
    state = views(handle)
    order = state.details[row]
    if qty == order["qty_lots"]:
        return RejectReason.AMEND_CHANGES_NOTHING.value
    if qty > order["qty_lots"]:
        return RejectReason.AMEND_INCREASES.value
    if qty <= order["executed_lots"] + order["prevented_lots"]:
        return RejectReason.AMEND_LEAVES_NOTHING.value
    instrument_id = np.int64(order["instrument_id"])
    if qty < parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MIN):
        return RejectReason.LOT_SIZE.value
    if qty > parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MAX):
        return RejectReason.LOT_SIZE.value
    state.taker[0]["price_ticks"] = order["price_ticks"]
    state.taker[0]["qty_lots"] = qty
    if not is_notional_right(handle, instrument_id, not is_market(order)):
        return RejectReason.NOTIONAL.value
    amends_max = parameter(state, instrument_id, InstrumentParameter.ORDER_AMENDS_MAX)
    if amends_max == 0:
        amends_max = np.int64(ORDER_AMENDS_MAX)
    if order["amend_count"] >= amends_max:
        return RejectReason.MAX_NUM_ORDER_AMENDS.value
    return _NONE


@hot
def amend_target(handle, command_row):
    """Take the lots off the order that `judge_amendment` found, and off the other one of its pair."""
    state = views(handle)
    command = state.commands[command_row]
    row = state.step[0]["target_row"]
    order = state.details[row]
    qty_lots = command["qty_lots"]
    begin_acting(handle, np.int64(order["position"]))
    make_smaller(handle, row, qty_lots)
    has_new_id = not is_same_text(order, command)
    if has_new_id:
        rename_order(handle, state.step[0]["client_id_tag"], order, command)
    tell_smaller(handle, row)
    if order["list_row"] != NIL:
        other = paired_row(handle, row)
        if other != NIL:
            make_smaller(handle, other, qty_lots)
            tell_smaller(handle, other)
        if has_new_id:
            rename_leg(handle, row)


@cold
def make_smaller(handle, row, qty_lots):
    """Take lots off an open order, and tell its account."""
    state = views(handle)
    order = state.details[row]
    lots = order["qty_lots"] - qty_lots
    release(handle, order, lots)
    count_open_lots(state, order, -lots)
    reduce_order(state.book, row, lots)
    order["qty_lots"] = qty_lots
    order["amend_count"] += 1
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    emit_smaller(handle, order, OrderEventKind.ORDER_AMENDED.value, lots)


@cold
def tell_smaller(handle, row):
    """Tell the market, if the order is on the book."""
    state = views(handle)
    order = state.details[row]
    if not is_hidden(order):
        level_lots = state.book.levels[state.book.orders[row]["level"]]["lots"]
        emit_book(handle, np.int64(order["instrument_id"]), np.int64(order["side"]), order["price_ticks"], level_lots)


@cold
def is_unsized_pending(state, order):
    """OPO: whether it will sell what another order is still buying."""
    return is_pending(order) and state.order_lists[order["list_row"]]["kind"] >= OrderListKind.OPO


@cold
def paired_row(handle, row):
    """The row of the order of which only it or the one in this row can trade, or NIL."""
    state = views(handle)
    order = state.details[row]
    order_list = state.order_lists[order["list_row"]]
    if order_list["phase"] == PAIRED or (is_pending(order) and order_list["leg_count"] == LEGS_MAX):
        last = order_list["leg_count"]
        first_id = leg_id(order_list, last - 1)
        other_id = leg_id(order_list, last) if order["order_id"] == first_id else first_id
        return np.int64(find_order(state.book, other_id))
    return np.int64(NIL)


@cold
def rename_leg(handle, row):
    """Its list tells the client id that the order has from now on."""
    state = views(handle)
    order = state.details[row]
    order_list = state.order_lists[order["list_row"]]
    number = 1
    while leg_id(order_list, number) != order["order_id"]:
        number += 1
    name_leg(order_list, number, order)
    order_list["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order_list["updated_seq"] = state.venue[0]["seq"]
    emit_list(handle, order_list, ListStatusType.UPDATED.value, ListOrderStatus.EXECUTING.value, 0)
