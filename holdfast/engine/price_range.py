"""The price range: an order trades only at prices within its side's multiples of the reference price, or expires.

commands → engine (place: PRICE RANGE → match) → events

Source: Binance's page on the price range execution rule. The range is set once, when the order begins to work, and
holds until it is done with the book, however many makers it meets meanwhile. Prices only become worse for a taker, so
the near end is compared with the best price alone; the far end is what `match` stops at. A taker that could have
traded on outside expires with what it has left, whatever its time in force.
"""

import numpy as np

from holdfast.codes import InstrumentParameter, InstrumentRule, Side
from holdfast.config import PPM, PRICE_TICKS_MAX
from holdfast.engine.book import best_level, price_key
from holdfast.engine.jit import cold
from holdfast.engine.match import opposite_row, worst_acceptable_key
from holdfast.engine.parameter import parameter
from holdfast.engine.reference_price import reference_price
from holdfast.engine.state import NIL, views

_NO_KEY = -1  # Before every price.


@cold
def rules_of(state, instrument_id):
    """Which of its rules an instrument's parameters switch on, as InstrumentRule bits."""
    rules = 0
    if parameter(state, instrument_id, InstrumentParameter.BAND_PPM) != 0:
        rules |= InstrumentRule.PRICE_BAND.value
    by_hand = parameter(state, instrument_id, InstrumentParameter.REFERENCE_PRICE_TICKS)
    buckets = parameter(state, instrument_id, InstrumentParameter.REFERENCE_BUCKETS)
    width_ms = parameter(state, instrument_id, InstrumentParameter.REFERENCE_BUCKET_MS)
    if buckets != 0 and width_ms != 0:
        rules |= InstrumentRule.REFERENCE_MEAN.value
    if by_hand == 0 and rules & InstrumentRule.REFERENCE_MEAN == 0:
        return rules
    rules |= InstrumentRule.REFERENCE_PRICE.value
    for which in range(InstrumentParameter.BID_LIMIT_UP_PPM, InstrumentParameter.ASK_LIMIT_DOWN_PPM + 1):
        if parameter(state, instrument_id, which) != 0:
            rules |= InstrumentRule.PRICE_RANGE.value
    return rules


@cold
def set_range(handle):
    """The order in hand begins to work in an instrument with a price range: leave its far end in `step`."""
    state = views(handle)
    order = state.taker[0]
    step = state.step[0]
    instrument_id = np.int64(order["instrument_id"])
    reference = reference_price(handle, instrument_id, state.venue[0]["ts_ns"])
    if reference == 0:
        return
    opposite = opposite_row(order)
    up_ppm = parameter(state, instrument_id, InstrumentParameter.ASK_LIMIT_UP_PPM)
    down_ppm = parameter(state, instrument_id, InstrumentParameter.ASK_LIMIT_DOWN_PPM)
    if order["side"] == Side.BUY:
        up_ppm = parameter(state, instrument_id, InstrumentParameter.BID_LIMIT_UP_PPM)
        down_ppm = parameter(state, instrument_id, InstrumentParameter.BID_LIMIT_DOWN_PPM)
    highest = PRICE_TICKS_MAX if up_ppm == 0 else min(reference * up_ppm // PPM, PRICE_TICKS_MAX)
    lowest = min((reference * down_ppm + PPM - 1) // PPM, PRICE_TICKS_MAX + 1)
    nearest = highest
    farthest = lowest
    if order["side"] == Side.BUY:
        nearest = lowest
        farthest = highest
    step["range_key"] = price_key(opposite, farthest)
    level = best_level(state.book, opposite)
    if level != NIL and state.book.levels[level]["key"] < price_key(opposite, nearest):
        step["range_key"] = _NO_KEY


@cold
def would_leave_range(handle):
    """Whether the order in hand, which found nothing more within its range, would trade on outside."""
    state = views(handle)
    order = state.taker[0]
    level = best_level(state.book, opposite_row(order))
    if level == NIL or state.book.levels[level]["key"] <= state.step[0]["range_key"]:
        return False
    return state.book.levels[level]["key"] <= worst_acceptable_key(order)
