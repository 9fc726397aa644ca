"""Amend: make an open order smaller where it stands, so that it keeps its place in the queue.

commands → engine (AMEND) → events

Only the quantity may be changed, and only downwards; something must be left to trade. What the order held for the lots
that go is free at once. The command names the order's client id from now on, which may be the one it has. A former id
stays the order's and counts as long as the present one does (`ids.rename_order`). A refusal changes nothing.

Of an iceberg the hidden lots go first, as Binance has it: it shows less only where less than that is left.
"""

import numpy as np

from holdfast.codes import InstrumentParameter, OrderEventKind, RejectReason, TradingMode
from holdfast.config import ORDER_AMENDS_MAX
from holdfast.engine.acting import begin_acting, end_acting
from holdfast.engine.book import reduce_order
from holdfast.engine.cancel import judge_cancel_asker, refuse_cancel, target_row
from holdfast.engine.emit import emit_book, emit_smaller, is_market, is_waiting
from holdfast.engine.ids import (
    client_id_tag,
    find_client_id,
    former_id_count,
    is_empty_text,
    is_same_text,
    rename_order,
)
from holdfast.engine.jit import cold, hot
from holdfast.engine.parameter import parameter
from holdfast.engine.positions import count_open_lots
from holdfast.engine.risk import is_notional_right
from holdfast.engine.settle import leaves_of, release
from holdfast.engine.state import NIL, views

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
    return judge_new_qty(handle, command_row)


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
def judge_new_qty(handle, command_row):
    """Whether the quantity is smaller, leaves something to trade, and passes the filters."""
    state = views(handle)
    command = state.commands[command_row]
    order = state.details[state.step[0]["target_row"]]
    qty = command["qty_lots"]
    if qty == order["qty_lots"]:
        return RejectReason.AMEND_CHANGES_NOTHING.value
    if qty > order["qty_lots"]:
        return RejectReason.AMEND_INCREASES.value
    if qty <= order["executed_lots"] + order["prevented_lots"]:
        return RejectReason.AMEND_LEAVES_NOTHING.value
    instrument_id = np.int64(command["instrument_id"])
    if qty < parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MIN):
        return RejectReason.LOT_SIZE.value
    if qty > parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MAX):
        return RejectReason.LOT_SIZE.value
    state.taker[0]["price_ticks"] = order["price_ticks"]
    state.taker[0]["qty_lots"] = qty
    is_unpriced = order["price_ticks"] == 0 and not is_market(order)  # Pegged, and waiting for its stop price.
    if not is_unpriced and not is_notional_right(handle, instrument_id, not is_market(order)):
        return RejectReason.NOTIONAL.value
    amends_max = parameter(state, instrument_id, InstrumentParameter.ORDER_AMENDS_MAX)
    if amends_max == 0:
        amends_max = np.int64(ORDER_AMENDS_MAX)
    if order["amend_count"] >= amends_max:
        return RejectReason.MAX_NUM_ORDER_AMENDS.value
    return _NONE


@hot
def amend_target(handle, command_row):
    """Take the lots off the order that `judge_amendment` found, and tell its account and the market."""
    state = views(handle)
    command = state.commands[command_row]
    row = state.step[0]["target_row"]
    order = state.details[row]
    lots = order["qty_lots"] - command["qty_lots"]
    begin_acting(handle, np.int64(order["position"]))
    release(handle, order, lots)
    count_open_lots(state, order, -lots)
    hidden_lots = leaves_of(order) - state.book.orders[row]["leaves_lots"]
    shown_less = max(lots - hidden_lots, 0)
    if shown_less != 0:
        reduce_order(state.book, row, shown_less)
    order["qty_lots"] = command["qty_lots"]
    order["amend_count"] += 1
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    emit_smaller(handle, order, OrderEventKind.ORDER_AMENDED.value, lots)
    if not is_same_text(order, command):
        rename_order(handle, state.step[0]["client_id_tag"], order, command)
    if shown_less != 0 and not is_waiting(order):
        level_lots = state.book.levels[state.book.orders[row]["level"]]["lots"]
        emit_book(handle, np.int64(order["instrument_id"]), np.int64(order["side"]), order["price_ticks"], level_lots)
