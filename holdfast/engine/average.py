"""The average price: what PERCENT_PRICE_BY_SIDE and a market order's notional are measured by.

The volume-weighted mean of an instrument's trades in the last five one-minute buckets of event time, the current one
included, in whole ticks, rounded down. After an auction only what traded in it and since counts. When nothing traded in
them: the last price. When nothing ever traded: 0.

A bucket is found by its minute modulo five and says which minute it is of. All sums of an instrument are halved
together when their total would pass 2^61, so that adding them up cannot overflow, whatever was traded.
"""

from holdfast.engine.jit import cold, hot
from holdfast.engine.state import BUCKETS_PER_INSTRUMENT, views

MINUTE_NS = 60 * 10**9
_SUM_MAX = 2**61


@cold
def add_to_average(handle, instrument_id, price_ticks, lots):
    """A trade happened now."""
    state = views(handle)
    minute = state.venue[0]["ts_ns"] // MINUTE_NS
    first = instrument_id * BUCKETS_PER_INSTRUMENT
    bucket = state.buckets[first + minute % BUCKETS_PER_INSTRUMENT]
    if bucket["minute"] != minute:
        forget_old(state, first, minute)
        bucket["minute"] = minute
    total = 0
    for i in range(first, first + BUCKETS_PER_INSTRUMENT):
        total += state.buckets[i]["tick_lots"]
    tick_lots = price_ticks * lots
    while total > _SUM_MAX - tick_lots:
        total = 0
        for i in range(first, first + BUCKETS_PER_INSTRUMENT):
            state.buckets[i]["lots"] //= 2
            state.buckets[i]["tick_lots"] //= 2
            total += state.buckets[i]["tick_lots"]
        lots //= 2
        tick_lots //= 2
    bucket["lots"] += lots
    bucket["tick_lots"] += tick_lots


@cold
def forget_average(state, instrument_id):
    """Begin anew: what was traded until now counts no more."""
    first = instrument_id * BUCKETS_PER_INSTRUMENT
    for i in range(first, first + BUCKETS_PER_INSTRUMENT):
        state.buckets[i]["minute"] = 0
        state.buckets[i]["lots"] = 0
        state.buckets[i]["tick_lots"] = 0


@hot
def forget_old(state, first, minute):
    """Empty the buckets that are too old, at the first trade of a minute."""
    for i in range(first, first + BUCKETS_PER_INSTRUMENT):
        bucket = state.buckets[i]
        if bucket["minute"] <= minute - BUCKETS_PER_INSTRUMENT:
            bucket["lots"] = 0
            bucket["tick_lots"] = 0


@cold
def average_price(handle, instrument_id, ts_ns):
    """In ticks, as of an instant that is not before the last trade; 0: nothing ever traded."""
    state = views(handle)
    minute = ts_ns // MINUTE_NS
    first = instrument_id * BUCKETS_PER_INSTRUMENT
    lots = 0
    tick_lots = 0
    for i in range(first, first + BUCKETS_PER_INSTRUMENT):
        bucket = state.buckets[i]
        if bucket["minute"] > minute - BUCKETS_PER_INSTRUMENT:
            lots += bucket["lots"]
            tick_lots += bucket["tick_lots"]
    if lots == 0:
        return state.instruments[instrument_id]["last_price_ticks"]
    return tick_lots // lots
