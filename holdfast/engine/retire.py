"""Retire: take an order that has ended off the book and out of its account's list, and close its ids."""

import numpy as np

from holdfast.engine.book import remove_order
from holdfast.engine.emit import emit_book, emit_order, is_hidden, is_waiting
from holdfast.engine.iceberg import count_iceberg
from holdfast.engine.ids import close_client_ids
from holdfast.engine.jit import cold, hot
from holdfast.engine.positions import unlist_order
from holdfast.engine.settle import leaves_of, release
from holdfast.engine.state import views
from holdfast.engine.trails import leave_run


@hot
def end_order(handle, row, status, kind, reason):
    """End an open order with what it has left: release its funds, tell its account and the market, forget it."""
    state = views(handle)
    order = state.details[row]
    instrument_id = np.int64(order["instrument_id"])
    side = np.int64(order["side"])
    price_ticks = order["price_ticks"]
    leaves_lots = leaves_of(order)
    shown_lots = state.book.orders[row]["leaves_lots"]
    level_lots = state.book.levels[state.book.orders[row]["level"]]["lots"]
    was_hidden = is_hidden(order)
    release(handle, order, leaves_lots)
    order["status"] = status
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    emit_order(handle, order, kind, reason)
    retire_order(handle, row, leaves_lots)
    if not was_hidden:
        emit_book(handle, instrument_id, side, price_ticks, level_lots - shown_lots)


@cold
def retire_order(handle, order_row, open_lots):
    """The order's status is final and its event emitted; so many lots go with it. The row is free afterwards."""
    state = views(handle)
    order = state.details[order_row]
    close_client_ids(state, order["client_id_row"], order["status"])
    unlist_row(state, order_row, open_lots)


@hot
def unlist_row(state, order_row, open_lots):
    """Take an order with so many lots, shown or not, out of its ladder and its account's list; the row is free
    afterwards."""
    order = state.details[order_row]
    if is_waiting(order):
        state.venue[0]["waiting_count"] -= 1
        state.positions[order["position"]]["waiting_count"] -= 1
        if order["trailing_ts_ns"] != 0:
            leave_run(state, order_row)
    if order["iceberg_lots"] != 0:
        count_iceberg(state, order, -1)
    unlist_order(state, order_row, open_lots)
    remove_order(state.book, order_row)
    state.venue[0]["open_order_count"] -= 1
