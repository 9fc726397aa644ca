"""Pegged stop: a pegged order whose stop price was reached takes its price from the book, and begins to work.

commands → engine (… → TRIGGER → PEGGED STOP → match → settle) → events

The filters of the price are judged now, as Binance has it. A sell has held the base asset since it was placed; what a
buy will pay was not known, so it held nothing and holds its price from now on. Where there is no price, a filter
refuses it, or the account cannot pay it, the order expires.
"""

import numpy as np

from holdfast.codes import ExpiryReason, OrderEventKind, Side
from holdfast.engine.emit import emit_order
from holdfast.engine.jit import cold
from holdfast.engine.ledger import free_of
from holdfast.engine.pegged import take_price
from holdfast.engine.place import expire, finish_step, work
from holdfast.engine.risk import is_notional_right, is_price_allowed, is_price_near
from holdfast.engine.settle import hold, leaves_of
from holdfast.engine.state import IDLE, views

_NONE = ExpiryReason.NONE.value


@cold
def work_pegged(handle):
    """Begin to match the pegged order in hand, which was triggered; or let it expire."""
    state = views(handle)
    reason = take_price_late(handle)
    emit_order(handle, state.taker[0], OrderEventKind.ORDER_TRIGGERED.value, 0)
    if reason == _NONE:
        work(handle)
        return
    state.step[0]["phase"] = IDLE
    expire(handle, reason)
    finish_step(handle)


@cold
def take_price_late(handle):
    """Give the order in hand, which was accepted without one, its price; or say why it gets none."""
    if not take_price(handle):
        return ExpiryReason.PEG_PRICE.value
    state = views(handle)
    order = state.taker[0]
    reason = judge_price(handle)
    if reason != _NONE:
        order["price_ticks"] = 0  # Nothing is held at it.
    elif order["side"] == Side.BUY:
        hold(state, order, leaves_of(order))
    return reason


@cold
def judge_price(handle):
    """Why the order in hand may not work at the price it took, or NONE."""
    state = views(handle)
    order = state.taker[0]
    instrument_id = np.int64(order["instrument_id"])
    price_ticks = order["price_ticks"]
    if (
        not is_price_allowed(state, instrument_id, price_ticks)
        or not is_price_near(handle, instrument_id, order["side"], price_ticks)
        or not is_notional_right(handle, instrument_id, True)
    ):
        return ExpiryReason.PEG_PRICE.value
    if order["side"] == Side.BUY:
        units = price_ticks * leaves_of(order) * state.instruments[instrument_id]["units_per_tick_lot"]
        if units > free_of(state, state.positions[order["position"]]["quote_row"]):
            return ExpiryReason.FUNDS_EXHAUSTED.value
    return _NONE
