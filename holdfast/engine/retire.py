"""Retire: take an order that has ended off the book and out of its account's list, and close its ids."""

from holdfast.engine.book import remove_order
from holdfast.engine.emit import is_waiting
from holdfast.engine.ids import close_client_ids
from holdfast.engine.jit import cold, hot
from holdfast.engine.positions import unlist_order
from holdfast.engine.state import views
from holdfast.engine.trails import leave_run


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
        if order["trailing_ts_ns"] != 0:
            leave_run(state, order_row)
    unlist_order(state, order_row, state.book.orders[order_row]["leaves_lots"])
    remove_order(state.book, order_row)
    state.venue[0]["open_order_count"] -= 1
