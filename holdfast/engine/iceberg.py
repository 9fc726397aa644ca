"""Iceberg: an order of which the book shows only a part at a time.

commands → engine (risk → match → settle, ICEBERG beside them) → events

What an iceberg shows, at most its `iceberg_lots`, is what `book.orders` has as its leaves, and so what levels, depths
and book events count; its details know the whole, for which funds are held. What is shown trades like any order. When
it has gone, traded or prevented, the next part is shown, as the youngest at its price: whoever waits there goes first,
as if the part had come just now. So a taker meets the parts one by one, as they come round.

Whoever asks what a level would give a taker to the end counts what is hidden too (`open_lots`).

Invariant: 0 < shown <= iceberg_lots, and shown + hidden = leaves; a plain order shows all of its leaves.
"""

import numpy as np

from holdfast.codes import InstrumentParameter, OrderType, RejectReason, TimeInForce
from holdfast.config import ICEBERG_PARTS_MAX
from holdfast.engine.book import requeue_order
from holdfast.engine.exchange_filters import judge_exchange_icebergs
from holdfast.engine.jit import cold, hot
from holdfast.engine.parameter import parameter
from holdfast.engine.settle import leaves_of
from holdfast.engine.state import NIL, views


@cold
def is_iceberg_well_formed(order):
    """Whether an order with an iceberg quantity may have this one: of a limit order that stays until it is canceled."""
    if order["iceberg_lots"] < 0 or order["iceberg_lots"] > order["qty_lots"]:
        return False
    return order["time_in_force"] == TimeInForce.GTC or order["order_type"] == OrderType.LIMIT_MAKER


@cold
def judge_iceberg(handle, instrument_id):
    """The filters of the order in hand that are for icebergs: LOT_SIZE of a part, ICEBERG_PARTS,
    MAX_NUM_ICEBERG_ORDERS, EXCHANGE_MAX_NUM_ICEBERG_ORDERS."""
    state = views(handle)
    order = state.taker[0]
    part_lots = order["iceberg_lots"]
    if not is_part_allowed(state, order):
        return RejectReason.LOT_SIZE.value
    parts_max = parameter(state, instrument_id, InstrumentParameter.ICEBERG_PARTS_MAX)
    if parts_max == 0:
        parts_max = np.int64(ICEBERG_PARTS_MAX)
    if (order["qty_lots"] - 1) // part_lots >= parts_max:  # That is one less than the parts.
        return RejectReason.ICEBERG_PARTS.value
    orders_max = parameter(state, instrument_id, InstrumentParameter.ICEBERG_ORDERS_MAX)
    if orders_max != 0 and state.positions[order["position"]]["iceberg_count"] >= orders_max:
        return RejectReason.MAX_NUM_ICEBERG_ORDERS.value
    return judge_exchange_icebergs(handle, np.int64(order["account_id"]), 1)


@cold
def is_part_allowed(state, order):
    """LOT_SIZE of a part."""
    return order["iceberg_lots"] >= parameter(state, np.int64(order["instrument_id"]), InstrumentParameter.QTY_LOTS_MIN)


@hot
def count_iceberg(state, order, change):
    """An iceberg was opened (1) or closed (-1)."""
    state.positions[order["position"]]["iceberg_count"] += change
    state.instruments[order["instrument_id"]]["iceberg_count"] += change


@hot
def part_of(order):
    """What an iceberg shows when it shows a new part."""
    return min(order["iceberg_lots"], leaves_of(order))


@cold
def show_next_part(handle, row):
    """What the iceberg showed is gone; the next part stands behind everybody at its price."""
    state = views(handle)
    requeue_order(state.book, row, part_of(state.details[row]))


@hot
def open_lots(state, order, level, at_most):
    """The lots that a level of the other side has for the order, hidden ones too, but no more than `at_most`."""
    shown_lots = state.book.levels[level]["lots"]
    if shown_lots >= at_most or state.instruments[order["instrument_id"]]["iceberg_count"] == 0:
        return min(shown_lots, at_most)
    return count_open_lots_at(state, level, at_most)


@cold
def count_open_lots_at(state, level, at_most):
    lots = 0
    row = np.int64(state.book.levels[level]["first"])
    while row != NIL and lots < at_most:
        lots += leaves_of(state.details[row])
        row = np.int64(state.book.orders[row]["next"])
    return min(lots, at_most)
