"""Trigger: let the orders work whose price the trades of a command have reached.

commands → engine (risk → match → settle → TRIGGER → match → …) → events

An order with a stop price rests on one of two ladders of its instrument that nobody sees: for a rise or for a fall of
the last price. When a command is done, all orders count whose price lies within the prices of its trades, those that
wait for a rise before the others, the nearest price first, at the same price the oldest first. Each becomes the order
in hand and works as if it were placed now, with its own id. Its trades may trigger others; that goes on, an order a
step, before the next command, so a cascade is as long as it must be and each step is bounded.

Trailing stops (`trails.py`) hear of each taker's trades when it is done, before anything else happens, as of two
prices, its first and its last, which passed all prices between them. First those that follow the price hear of both.
Then those start whose stop price was reached, an order a step: by the first price, at that price; on the way to the
last one, at their stop price. What a start comes to meet on the way counts for it at once. Who was called works after
all whose stop price was reached.

Nothing is triggered unless the instrument is TRADING: what was reached in another mode waits for the next trade.
Trailing stops follow the price and start in any mode.
"""

import numpy as np

from holdfast.codes import ExpiryReason, OrderEventKind, PegPriceType, Side, TradingMode
from holdfast.engine.acting import begin_acting
from holdfast.engine.book import best_level, can_rest, level_price, move_order, trigger_side
from holdfast.engine.emit import emit_order, is_market
from holdfast.engine.jit import cold, hot
from holdfast.engine.lists import end_other
from holdfast.engine.pegged_stop import work_pegged
from holdfast.engine.place import expire, finish_step, work
from holdfast.engine.retire import unlist_row
from holdfast.engine.settle import leaves_of, release
from holdfast.engine.state import IDLE, NIL, views
from holdfast.engine.stops import waits_for_rise
from holdfast.engine.trails import (
    CALLED,
    begin_run,
    called_row,
    delta_price,
    has_trailing,
    hear_price,
    is_beyond,
    is_called,
    start_side,
    trail_side,
)


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
    """The row of the next order to start or to trigger, or NIL."""
    state = views(handle)
    step = state.step[0]
    instrument_id = np.int64(step["about_instrument_id"])
    is_trading = state.instruments[instrument_id]["mode"] == TradingMode.TRADING
    is_anyone_trailing = has_trailing(state, instrument_id)
    if is_anyone_trailing:
        tell_trades(state, instrument_id, is_trading)
        row = starting_row(state, instrument_id)
        if row != NIL:
            return row
    if not is_trading:
        return np.int64(NIL)
    level = best_level(state.book, trigger_side(instrument_id, True))
    if level == NIL or level_price(state.book, level) > step["highest_ticks"]:
        level = best_level(state.book, trigger_side(instrument_id, False))
        if level == NIL or level_price(state.book, level) < step["lowest_ticks"]:
            return called_row(state, instrument_id) if is_anyone_trailing else np.int64(NIL)
    return np.int64(state.book.levels[level]["first"])


@cold
def trigger_next(handle):
    """One step: take the order that `has_triggered` found off its ladder, and begin to match it; or let it start."""
    state = views(handle)
    row = state.step[0]["target_row"]
    if state.details[row]["trailing_delta_bips"] != 0 and state.details[row]["trailing_ts_ns"] == 0:
        start_trailing(handle, row)
        return
    take_off(handle, row)
    order = state.taker[0]
    if is_market(order):
        release(handle, order, leaves_of(order))
    order["working_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    if order["peg_price_type"] != PegPriceType.NONE:
        work_pegged(handle)
        return
    emit_order(handle, order, OrderEventKind.ORDER_TRIGGERED.value, 0)
    work(handle)


@cold
def take_off(handle, row):
    """Make a waiting order the one in hand, whose account's step begins."""
    state = views(handle)
    begin_acting(handle, np.int64(state.details[row]["position"]))
    if state.details[row]["list_row"] != NIL:
        end_other(handle, row)
    state.taker[0] = state.details[row]
    unlist_row(state, row, leaves_of(state.taker[0]))


@cold
def tell_trades(state, instrument_id, is_trading):
    """The last taker's trades, if nobody heard of them yet."""
    step = state.step[0]
    if step["run_price_ticks"] == 0:
        return
    first_ticks, last_ticks = step["first_ticks"], step["run_price_ticks"]
    step["run_price_ticks"] = 0
    hear_price(state, instrument_id, first_ticks, is_trading)
    if last_ticks != first_ticks:
        hear_price(state, instrument_id, last_ticks, is_trading)


@cold
def starting_row(state, instrument_id):
    """The next order whose stop price the last taker's trades have reached and that does not follow the price yet, in
    the order in which they met it; NIL if there is none.

    All that waited against the taker's way were met by its first trade: they come first.
    """
    first_ticks = state.step[0]["first_ticks"]
    last_ticks = state.instruments[instrument_id]["last_price_ticks"]
    goes_up = first_ticks <= last_ticks
    for is_rise in (not goes_up, goes_up):
        level = best_level(state.book, start_side(instrument_id, is_rise))
        if level != NIL:
            price = level_price(state.book, level)
            is_met = price <= max(first_ticks, last_ticks) if is_rise else price >= min(first_ticks, last_ticks)
            if is_met:
                return np.int64(state.book.levels[level]["first"])
    return np.int64(NIL)


@cold
def start_trailing(handle, row):
    """One step: the order's stop price was reached by the last taker's trades, and it follows the price from there."""
    state = views(handle)
    order = state.details[row]
    instrument_id = np.int64(order["instrument_id"])
    state.step[0]["phase"] = IDLE
    is_buy = order["side"] == Side.BUY
    side = trail_side(instrument_id, is_buy)
    price = delta_price(side, order["trailing_delta_bips"])
    if not can_rest(state.book, side, price):
        take_off(handle, row)
        expire(handle, ExpiryReason.PAGES_FULL.value)
        finish_step(handle)
        return
    move_order(state.book, row, side, price)
    order["trailing_ts_ns"] = state.venue[0]["ts_ns"]
    first_ticks = state.step[0]["first_ticks"]
    last_ticks = state.instruments[instrument_id]["last_price_ticks"]
    extreme_ticks = start_price(order, first_ticks)
    if is_beyond(last_ticks, extreme_ticks, is_buy):
        extreme_ticks = last_ticks
    is_trading = state.instruments[instrument_id]["mode"] == TradingMode.TRADING
    if is_trading and is_called(last_ticks, extreme_ticks, order["trailing_delta_bips"], is_buy):
        extreme_ticks = np.int64(CALLED)
    begin_run(state, row, extreme_ticks)


@hot
def start_price(order, first_ticks):
    """Where a taker that began to trade at `first_ticks` and reached the order's stop price met it."""
    stop_ticks = order["stop_price_ticks"]
    if waits_for_rise(order) or stop_ticks == 0:
        return max(first_ticks, stop_ticks)
    return min(first_ticks, stop_ticks)
