"""The reference price: what the price range of execution and, where there is one, the filters are measured by.

commands → engine (risk, match ← REFERENCE PRICE ← trades) → events

Either an operator's number, or the mean of the prices of the trades of a window, each trade counting once whatever its
size: Binance's page on the price range execution rule has the method. Time is cut into buckets of a width; the window
is so many of them, reaching back from now, and the bucket that it cuts counts by the part that lies within. Counts and
sums have four more decimals. The mean is in whole ticks, rounded down; 0 means that there is none.

A bucket is found by its number modulo REFERENCE_ROWS and says which number it is. The buckets of an instrument are
halved together when a sum would pass 2^57, so that adding up all of them cannot overflow.
"""

from holdfast.codes import InstrumentParameter, InstrumentRule
from holdfast.config import REFERENCE_BUCKETS_MAX
from holdfast.engine.average import average_price
from holdfast.engine.jit import cold, hot
from holdfast.engine.parameter import parameter
from holdfast.engine.state import REFERENCE_ROWS, views

NS_PER_MS = 1_000_000
ONE = 10_000  # A trade's count, and the factor of its price.
_SUM_MAX = 2**57

assert REFERENCE_ROWS > REFERENCE_BUCKETS_MAX  # One more than the window has may count in part.


@cold
def add_to_reference(handle, instrument_id, price_ticks):
    """A trade happened now, in an instrument whose reference price is a mean."""
    state = views(handle)
    width_ns = parameter(state, instrument_id, InstrumentParameter.REFERENCE_BUCKET_MS) * NS_PER_MS
    number = state.venue[0]["ts_ns"] // width_ns
    first = instrument_id * REFERENCE_ROWS
    bucket = state.reference_buckets[first + number % REFERENCE_ROWS]
    if bucket["number"] != number:
        bucket["number"] = number
        bucket["count"] = 0
        bucket["sum"] = 0
    count = ONE
    price_sum = price_ticks * ONE
    while bucket["sum"] > _SUM_MAX - price_sum:
        for i in range(first, first + REFERENCE_ROWS):
            state.reference_buckets[i]["count"] //= 2
            state.reference_buckets[i]["sum"] //= 2
        count //= 2
        price_sum //= 2
    bucket["count"] += count
    bucket["sum"] += price_sum


@cold
def reference_price(handle, instrument_id, ts_ns):
    """In ticks, as of an instant that is not before the last trade; 0: there is none."""
    state = views(handle)
    by_hand = parameter(state, instrument_id, InstrumentParameter.REFERENCE_PRICE_TICKS)
    buckets = parameter(state, instrument_id, InstrumentParameter.REFERENCE_BUCKETS)
    width_ns = parameter(state, instrument_id, InstrumentParameter.REFERENCE_BUCKET_MS) * NS_PER_MS
    if by_hand != 0 or buckets == 0 or width_ns == 0:
        return by_hand
    cutoff_ns = ts_ns - buckets * width_ns
    count = 0
    price_sum = 0
    first = instrument_id * REFERENCE_ROWS
    for i in range(first, first + REFERENCE_ROWS):
        bucket = state.reference_buckets[i]
        open_ns = bucket["number"] * width_ns
        if bucket["count"] == 0 or open_ns + width_ns <= cutoff_ns:
            continue
        expired = max(cutoff_ns - open_ns, 0) * ONE // width_ns
        count += bucket["count"] - part_of(bucket["count"], expired)
        price_sum += bucket["sum"] - part_of(bucket["sum"], expired)
    if count == 0:
        return 0
    return price_sum // count


@hot
def part_of(value, fraction):
    """value x fraction / ONE, rounded down; the whole product may pass 2^63."""
    return value // ONE * fraction + value % ONE * fraction // ONE


@cold
def forget_reference(handle, instrument_id):
    """The buckets are measured otherwise from now on."""
    state = views(handle)
    for i in range(instrument_id * REFERENCE_ROWS, (instrument_id + 1) * REFERENCE_ROWS):
        bucket = state.reference_buckets[i]
        bucket["number"] = 0
        bucket["count"] = 0
        bucket["sum"] = 0


@hot
def filter_price(handle, instrument_id, ts_ns):
    """What filters compare with: the reference price, or the average price where there is none."""
    if views(handle).instruments[instrument_id]["rules"] & InstrumentRule.REFERENCE_PRICE != 0:
        price_ticks = reference_price(handle, instrument_id, ts_ns)
        if price_ticks != 0:
            return price_ticks
    return average_price(handle, instrument_id, ts_ns)
