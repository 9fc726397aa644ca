"""Pegged: an order whose price is that of a level of the book at the moment when it comes there.

commands → engine (PEGGED → risk → match → settle) → events

PRIMARY is the best price of the order's own side, MARKET that of the other; an offset goes so many levels further from
the best. The price is taken once, after what is asked of the asker and the id, and from then on the order is an
ordinary one at that price, which every filter judges. One with a stop price takes it when it is triggered
(`pegged_stop`): until then its price is 0. Levels count as everybody sees them, own orders included.
"""

import numpy as np

from holdfast.codes import CommandFlag, OrderType, PegPriceType, TimeInForce
from holdfast.config import PEG_OFFSET_LEVELS_MAX
from holdfast.engine.book import best_level, level_price, next_level, side_row
from holdfast.engine.emit import is_market
from holdfast.engine.jit import cold
from holdfast.engine.state import NIL, views

PEG_SHIFT = 2  # A command's flags, shifted by so much and masked, are the PegPriceType.
PEG_MASK = 3
assert CommandFlag.PEG_PRIMARY >> PEG_SHIFT == PegPriceType.PRIMARY
assert CommandFlag.PEG_MARKET >> PEG_SHIFT == PegPriceType.MARKET

_NO_OFFSET = -1


@cold
def take_offset(order):
    """What the command has as the price is the offset of a pegged order, which has no price yet."""
    offset = order["price_ticks"]
    order["price_ticks"] = 0
    order["peg_offset_levels"] = offset if 0 <= offset <= PEG_OFFSET_LEVELS_MAX else _NO_OFFSET


@cold
def is_peg_well_formed(order):
    """Whether the order's type may be pegged, and so: what Binance's page on pegged orders says."""
    if order["peg_price_type"] > PegPriceType.MARKET or order["peg_offset_levels"] < 0 or is_market(order):
        return False
    if order["order_type"] == OrderType.LIMIT_MAKER:
        return order["peg_price_type"] == PegPriceType.PRIMARY
    if order["order_type"] == OrderType.LIMIT and order["peg_price_type"] == PegPriceType.PRIMARY:
        return order["time_in_force"] == TimeInForce.GTC
    return True


@cold
def take_price(handle):
    """Give the order in hand its price; whether the book has one."""
    state = views(handle)
    order = state.taker[0]
    side = side_row(np.int64(order["instrument_id"]), order["side"])
    if order["peg_price_type"] == PegPriceType.MARKET:
        side ^= 1
    level = best_level(state.book, side)
    for _ in range(order["peg_offset_levels"]):
        if level == NIL:
            break
        level = next_level(state.book, level)
    if level == NIL:
        return False
    order["price_ticks"] = level_price(state.book, level)
    return True
