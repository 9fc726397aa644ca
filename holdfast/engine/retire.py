"""Retire: take an order that has ended off the book and out of its account's list, and close its ids."""

import numpy as np

from holdfast.engine.book import remove_order
from holdfast.engine.emit import emit_book, emit_order, is_hidden, is_waiting
from holdfast.engine.ids import close_client_ids
from holdfast.engine.jit import cold, hot
from holdfast.engine.positions import unlist_order
from holdfast.engine.settle import release
from holdfast.engine.state import views


@hot
def end_order(handle, row, status, kind, reason):
    """End an open order with what it has left: release its funds, tell its account and the market, forget it."""
    state = views(handle)
    order = state.details[row]
    instrument_id = np.int64(order["instrument_id"])
    side = np.int64(order["side"])
    price_ticks = order["price_ticks"]
    leaves_lots = state.book.orders[row]["leaves_lots"]
    level_lots = state.book.levels[state.book.orders[row]["level"]]["lots"]
    was_hidden = is_hidden(order)
    release(handle, order, leaves_lots)
    order["status"] = status
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    emit_order(handle, order, kind, reason)
    retire_order(handle, row)
    if not was_hidden:
        emit_book(handle, instrument_id, side, price_ticks, level_lots - leaves_lots)


@cold
def retire_order(handle, order_row):
    """The order's status is final and its event emitted; the row is free afterwards."""
    state = views(handle)
    order = state.details[order_row]
    close_client_ids(state, order["client_id_row"], order["status"])
    unlist_row(state, order_row)


@hot
def unlist_row(state, order_row):
    """Take an open order out of its ladder and its account's list; the row is free afterwards."""
    order = state.details[order_row]
    if is_waiting(order):
        state.venue[0]["waiting_count"] -= 1
        state.positions[order["position"]]["waiting_count"] -= 1
    unlist_order(state, order_row, state.book.orders[order_row]["leaves_lots"])
    remove_order(state.book, order_row)
    state.venue[0]["open_order_count"] -= 1
