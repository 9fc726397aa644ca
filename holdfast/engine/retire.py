"""Retire: take an order that has ended off the book and out of its account's list, and close its ids."""

from holdfast.engine.book import remove_order
from holdfast.engine.emit import is_waiting
from holdfast.engine.iceberg import count_iceberg
from holdfast.engine.ids import close_client_ids
from holdfast.engine.jit import cold, hot
from holdfast.engine.positions import unlist_order
from holdfast.engine.state import views
from holdfast.engine.trails import leave_run


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
