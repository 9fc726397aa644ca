"""Trigger: let the orders work whose stop price the trades of a command have reached.

commands → engine (risk → match → settle → TRIGGER → match → …) → events

An order with a stop price rests on one of two ladders of its instrument that nobody sees: for a rise or for a fall of
the last price. When a command is done, all orders count whose price lies within the prices of its trades, those that
wait for a rise before the others, the nearest price first, at the same price the oldest first. Each becomes the order
in hand and works as if it were placed now, with its own id. Its trades may trigger others; that goes on, an order a
step, before the next command, so a cascade is as long as it must be and each step is bounded.

Nothing is triggered unless the instrument is TRADING: what was reached in another mode waits for the next trade.
"""

import numpy as np

from holdfast.codes import OrderEventKind, TradingMode
from holdfast.engine.acting import begin_acting
from holdfast.engine.book import best_level, level_price, trigger_side
from holdfast.engine.emit import emit_order, is_market
from holdfast.engine.jit import cold, hot
from holdfast.engine.lists import end_other
from holdfast.engine.place import work
from holdfast.engine.retire import unlist_row
from holdfast.engine.settle import leaves_of, release
from holdfast.engine.state import NIL, views


@hot
def has_triggered(handle):
    """Whether there is an order to trigger, after trades in the command's instrument; leaves its row in `step`."""
    state = views(handle)
    if state.venue[0]["waiting_count"] == 0:
        return False
    row = triggered_row(handle)
    state.step[0]["target_row"] = row
    return row != NIL


@cold
def triggered_row(handle):
    """The row of the next order whose stop price was reached, or NIL."""
    state = views(handle)
    step = state.step[0]
    instrument_id = np.int64(step["about_instrument_id"])
    if state.instruments[instrument_id]["mode"] != TradingMode.TRADING:
        return np.int64(NIL)
    level = best_level(state.book, trigger_side(instrument_id, True))
    if level == NIL or level_price(state.book, level) > step["highest_ticks"]:
        level = best_level(state.book, trigger_side(instrument_id, False))
        if level == NIL or level_price(state.book, level) < step["lowest_ticks"]:
            return np.int64(NIL)
    return np.int64(state.book.levels[level]["first"])


@cold
def trigger_next(handle):
    """One step: take the order that `has_triggered` found off its ladder, and begin to match it."""
    state = views(handle)
    row = state.step[0]["target_row"]
    begin_acting(handle, np.int64(state.details[row]["position"]))
    if state.details[row]["list_row"] != NIL:
        end_other(handle, row)
    state.taker[0] = state.details[row]
    order = state.taker[0]
    unlist_row(state, row)
    if is_market(order):
        release(handle, order, leaves_of(order))
    order["working_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    emit_order(handle, order, OrderEventKind.ORDER_TRIGGERED.value, 0)
    work(handle)
