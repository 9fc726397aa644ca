"""Stops: what orders that wait for their price have in common, and on which ladder each of them waits first.

commands → engine (risk → match → settle, all of them asking what STOPS says) → events
"""

import numpy as np

from holdfast.codes import OrderType, Side
from holdfast.config import PRICE_TICKS_MAX, TRAILING_DELTA_BIPS_MAX
from holdfast.engine.book import trigger_side
from holdfast.engine.jit import cold, hot
from holdfast.engine.trails import delta_price, start_side, trail_side


@hot
def is_stop(order):
    """Whether the type waits for its price: has a stop price, a trailing delta or both."""
    return order["order_type"] >= OrderType.STOP_LOSS


@hot
def waits_for_rise(order):
    """Whether the stop price is reached from below. A stop loss follows the market, a take profit turns against it."""
    is_loss = order["order_type"] <= OrderType.STOP_LOSS_LIMIT
    return is_loss == (order["side"] == Side.BUY)


@cold
def has_trigger(order):
    """Whether the stop price, the trailing delta or both say what the order waits for."""
    stop, delta = order["stop_price_ticks"], order["trailing_delta_bips"]
    if stop < 0 or stop > PRICE_TICKS_MAX or delta < 0 or delta > TRAILING_DELTA_BIPS_MAX:
        return False
    return stop != 0 or delta != 0


@hot
def would_trigger(state, order):
    """Whether the last price is the stop price, or beyond it. Without one, or before the first trade, it is not."""
    last = state.instruments[order["instrument_id"]]["last_price_ticks"]
    if last == 0 or order["stop_price_ticks"] == 0:
        return False
    if waits_for_rise(order):
        return last >= order["stop_price_ticks"]
    return last <= order["stop_price_ticks"]


@hot
def trails_at_once(state, order):
    """Whether the order follows the price from the last one on: a trailing stop without a stop price."""
    if order["trailing_delta_bips"] == 0 or order["stop_price_ticks"] != 0:
        return False
    return state.instruments[order["instrument_id"]]["last_price_ticks"] != 0


@cold
def waiting_side(state, order):
    """The ladder on which an order of such a type waits first."""
    instrument_id = np.int64(order["instrument_id"])
    if order["trailing_delta_bips"] == 0:
        return trigger_side(instrument_id, waits_for_rise(order))
    if trails_at_once(state, order):
        return trail_side(instrument_id, order["side"] == Side.BUY)
    return start_side(instrument_id, waits_for_rise(order) or order["stop_price_ticks"] == 0)


@cold
def waiting_price(state, order):
    """Its price there."""
    if trails_at_once(state, order):
        return delta_price(waiting_side(state, order), order["trailing_delta_bips"])
    return order["stop_price_ticks"]
