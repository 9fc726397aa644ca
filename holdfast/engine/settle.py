"""Settle: turn each trade into ledger entries, and each end of an order into a release.

commands → engine (risk → match → SETTLE) → events

A LIMIT order holds what it may need, exactly and at every moment: a buy limit price x leaves in the quote asset, a sell
leaves in the base asset. A MARKET order holds nothing and pays from what is free; so does a STOP_LOSS or TAKE_PROFIT,
but a sell of those holds the base asset until its stop price is reached. Of two orders of which only one can trade
(OCO) one holds for both; a pending order holds nothing. The receiver pays the fee in what he
receives. What a better price than the limit saves is free at once.

Invariant: the entries of one trade sum to zero in each asset; fees are entries like any other.
"""

import numpy as np

from holdfast.codes import InstrumentParameter, Side
from holdfast.engine.emit import is_market, is_pending, is_waiting
from holdfast.engine.jit import cold, hot
from holdfast.engine.ledger import fee_of, move, take_fee
from holdfast.engine.risk import parameter
from holdfast.engine.state import NIL, views


@hot
def leaves_of(order):
    """The open lots of an order by quantity."""
    return order["qty_lots"] - order["executed_lots"] - order["prevented_lots"]


@hot
def is_held(order):
    """Whether funds are held for the order: always with a limit; without one, for a sell while it waits."""
    return not is_market(order) or (is_waiting(order) and order["side"] == Side.SELL)


@hot
def is_held_here(state, order):
    """Whether it is this order that holds them, and not the other one of its pair; nor is it yet to be placed."""
    return is_held(order) and (order["list_row"] == NIL or is_holder(state, order))


@cold
def is_holder(state, order):
    """Of an order in a list: a pair's funds are held once, by the one that needs more."""
    holder_id = state.order_lists[order["list_row"]]["holder_id"]
    return not is_pending(order) and (holder_id == 0 or holder_id == order["order_id"])


@cold
def settle_side(handle, order, is_maker, lots, price_ticks):
    """Book one side of a trade: pay, receive, and count it in the order.

    Returns the fee in units of what was received.
    """
    state = views(handle)
    instrument = state.instruments[order["instrument_id"]]
    position = state.positions[order["position"]]
    unit = instrument["units_per_tick_lot"]
    base_units = lots * instrument["lot_units"]
    quote_units = price_ticks * lots * unit
    fee_ppm = fee_rate(state, order, is_maker)
    order["executed_lots"] += lots
    order["executed_quote_units"] += quote_units
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    if order["side"] == Side.BUY:
        fee_units = fee_of(base_units, fee_ppm)
        if is_held(order):
            held_units = order["price_ticks"] * lots * unit
            move(state, position["quote_row"], held_units - quote_units, -held_units)
        else:
            move(state, position["quote_row"], -quote_units, np.int64(0))
        move(state, position["base_row"], base_units - fee_units, np.int64(0))
        take_fee(state, instrument["base_asset"], fee_units)
    else:
        fee_units = fee_of(quote_units, fee_ppm)
        if is_held(order):
            move(state, position["base_row"], np.int64(0), -base_units)
        else:
            move(state, position["base_row"], -base_units, np.int64(0))
        move(state, position["quote_row"], quote_units - fee_units, np.int64(0))
        take_fee(state, instrument["quote_asset"], fee_units)
    return fee_units


@hot
def fee_rate(state, order, is_maker):
    """The account's own rate, or the instrument's."""
    account = state.accounts[order["account_id"]]
    instrument_id = np.int64(order["instrument_id"])
    if is_maker:
        if account["maker_fee_ppm"] >= 0:
            return account["maker_fee_ppm"]
        return parameter(state, instrument_id, InstrumentParameter.MAKER_FEE_PPM)
    if account["taker_fee_ppm"] >= 0:
        return account["taker_fee_ppm"]
    return parameter(state, instrument_id, InstrumentParameter.TAKER_FEE_PPM)


@hot
def hold(state, order, lots):
    """Lock what so many lots of a LIMIT order may need; a negative number releases it."""
    instrument = state.instruments[order["instrument_id"]]
    position = state.positions[order["position"]]
    if order["side"] == Side.BUY:
        units = order["price_ticks"] * lots * instrument["units_per_tick_lot"]
        move(state, position["quote_row"], -units, units)
    else:
        units = lots * instrument["lot_units"]
        move(state, position["base_row"], -units, units)


@cold
def release(handle, order, lots):
    """Free what was held for so many lots that will not trade. A MARKET order held nothing."""
    if lots != 0 and is_held_here(views(handle), order):
        hold(views(handle), order, -lots)
