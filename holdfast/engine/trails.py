"""Trails: where trailing stops wait, and how the price that each of them follows is known without being told to each.

commands → engine (risk → match → settle → trigger ← TRAILS → match → …) → events

Such an order waits on one of four ladders of its instrument that nobody sees, two of each kind:

    `start_side`  until a rise or a fall reaches its stop price; one without a stop price, in a market that never
                  traded, at price 0 of those for a rise: the first trade starts it
    `trail_side`  while it follows the price: a buy the lowest one, until there is a rise by its delta from there; a
                  sell the highest one, until there is a fall. A level is a delta, the smallest first

All orders of a level want the same, and each came last when it came. So whoever has followed the price for longer has
seen no worse a price, and is called no later: a level's queue, oldest first, is in the order of being called. A run is
a stretch of it whose orders have seen the same extreme price; the first order of a run keeps it (`trails`, a row for
each row of an order), the others have 0. The runs of a level are linked in a ring from its first order.

A new extreme passes the youngest runs, which become one: each order begins at most one run, so however many follow,
a trade costs a look at each level, and a step for each run that ever was. Nothing is done for each order.

    begin_run(state, row, extreme_ticks)     an order that has just come to its level follows the price from there
    leave_run(state, row)                    before it goes, for whatever reason
    hear_price(state, instrument_id, price_ticks, is_trading)   all of them hear of a trade
    called_row(state, instrument_id)         the next order that was called, or NIL

A called run stays where it is, under the mark CALLED instead of a price, until its orders have begun to work.

An order is called when price x 10,000 <= highest x (10,000 - delta), or >= lowest x (10,000 + delta): products are
compared and nothing is rounded, so 44,100 calls who saw 42,000 and waits for a rise by 500 bips, and 44,099.99 does
not.

Invariants: of a level's queue the first order begins a run; along it the extremes of buys rise, those of sells fall,
and only the first run may be CALLED; the rows of all orders that follow no price are zero.
"""

import numpy as np

from holdfast.config import BIPS
from holdfast.engine.book import (
    SIDES_PER_INSTRUMENT,
    TRAILING_SIDES_BEGIN,
    TRIGGER_SIDES_BEGIN,
    best_level,
    key_price,
    next_level,
)
from holdfast.engine.handle import Memory
from holdfast.engine.jit import cold, hot
from holdfast.engine.ladder import TOPS_PER_SIDE
from holdfast.engine.state import NIL

START_SIDES_BEGIN = TRAILING_SIDES_BEGIN
TRAIL_SIDES_BEGIN = TRAILING_SIDES_BEGIN + TRIGGER_SIDES_BEGIN

CALLED = -1  # In the place of an extreme price.


@hot
def start_side(instrument_id, is_rise):
    """The ladder of what begins to follow the price when it has risen, or fallen, to the stop price."""
    return START_SIDES_BEGIN + instrument_id * SIDES_PER_INSTRUMENT + (1 if is_rise else 0)


@hot
def trail_side(instrument_id, is_rise):
    """The ladder of what follows the price until it rises, or falls."""
    return TRAIL_SIDES_BEGIN + instrument_id * SIDES_PER_INSTRUMENT + (1 if is_rise else 0)


@hot
def delta_price(trail_side, delta_bips):
    """What stands for a delta where a ladder has prices: the smaller the delta, the better."""
    return key_price(trail_side, np.int64(delta_bips))


@hot
def has_trailing(state, instrument_id):
    """Whether trailing stops wait in the instrument."""
    waiting = best_level(state.book, start_side(instrument_id, True))
    waiting |= best_level(state.book, start_side(instrument_id, False))
    waiting |= best_level(state.book, trail_side(instrument_id, True))
    waiting |= best_level(state.book, trail_side(instrument_id, False))
    return waiting != NIL


@hot
def is_called(price_ticks, extreme_ticks, delta_bips, is_rise):
    """Whether the price is as far back from the extreme as the delta says."""
    if is_rise:
        return price_ticks * BIPS >= extreme_ticks * (BIPS + delta_bips)
    return price_ticks * BIPS <= extreme_ticks * (BIPS - delta_bips)


@hot
def is_beyond(price_ticks, extreme_ticks, is_rise):
    """Whether the price is a new extreme. Who was called hears of no price any more."""
    if extreme_ticks == CALLED:
        return False
    return price_ticks < extreme_ticks if is_rise else price_ticks > extreme_ticks


@cold
def begin_run(state, row, extreme_ticks):
    """The youngest order of its level follows the price from here on, or is CALLED; nobody there has seen less."""
    trails = state.trails
    first = np.int64(state.book.levels[state.book.orders[row]["level"]]["first"])
    if first == row:
        trails[row]["extreme_ticks"] = extreme_ticks
        trails[row]["older"] = row
        trails[row]["younger"] = row
        return
    youngest = np.int64(trails[first]["older"])
    if trails[youngest]["extreme_ticks"] == extreme_ticks:
        return
    trails[row]["extreme_ticks"] = extreme_ticks
    trails[row]["older"] = youngest
    trails[row]["younger"] = first
    trails[youngest]["younger"] = row
    trails[first]["older"] = row


@cold
def leave_run(state, row):
    """The order is about to leave its level. Where it began a run, its next one does, if that is of the run."""
    trails = state.trails
    if trails[row]["extreme_ticks"] == 0:
        return
    after = np.int64(state.book.orders[row]["next"])
    if after == NIL or trails[after]["extreme_ticks"] != 0:
        forget_run(trails, row)
        return
    older, younger = np.int64(trails[row]["older"]), np.int64(trails[row]["younger"])
    trails[after]["extreme_ticks"] = trails[row]["extreme_ticks"]
    trails[after]["older"] = after if older == row else older
    trails[after]["younger"] = after if younger == row else younger
    if older != row:
        trails[older]["younger"] = after
        trails[younger]["older"] = after
    clear_row(trails, row)


@hot
def forget_run(trails, row):
    """Its orders, if any are left, are of the run before it."""
    older, younger = np.int64(trails[row]["older"]), np.int64(trails[row]["younger"])
    trails[older]["younger"] = younger
    trails[younger]["older"] = older
    clear_row(trails, row)


@hot
def clear_row(trails, row):
    trails[row]["extreme_ticks"] = 0
    trails[row]["older"] = NIL
    trails[row]["younger"] = NIL


@cold
def hear_price(state, instrument_id, price_ticks, is_trading):
    """All that follow the instrument's price hear of a trade; only while it is TRADING does that call anybody."""
    for is_rise in (True, False):
        level = best_level(state.book, trail_side(instrument_id, is_rise))
        while level != NIL:
            first = np.int64(state.book.levels[level]["first"])
            follow(state.trails, first, price_ticks, is_rise)
            if is_trading:
                call(state.trails, first, price_ticks, state.book.levels[level]["key"], is_rise)
            level = next_level(state.book, level)


@hot
def follow(trails, first, price_ticks, is_rise):
    """Make the runs that a new extreme passes, or reaches, one that has seen it."""
    run = np.int64(trails[first]["older"])
    if not is_beyond(price_ticks, trails[run]["extreme_ticks"], is_rise):
        return
    while run != first:
        older = np.int64(trails[run]["older"])
        extreme_ticks = trails[older]["extreme_ticks"]
        if extreme_ticks != price_ticks and not is_beyond(price_ticks, extreme_ticks, is_rise):
            break
        forget_run(trails, run)
        run = older
    trails[run]["extreme_ticks"] = price_ticks


@hot
def call(trails, first, price_ticks, delta_bips, is_rise):
    """Make the runs that the price calls one, the first."""
    if trails[first]["extreme_ticks"] != CALLED:
        if not is_called(price_ticks, trails[first]["extreme_ticks"], delta_bips, is_rise):
            return
        trails[first]["extreme_ticks"] = CALLED
    run = np.int64(trails[first]["younger"])
    while run != first and is_called(price_ticks, trails[run]["extreme_ticks"], delta_bips, is_rise):
        younger = np.int64(trails[run]["younger"])
        forget_run(trails, run)
        run = younger


@cold
def called_row(state, instrument_id):
    """The oldest order that was called, buys before sells, the smallest delta first; NIL if there is none."""
    for is_rise in (True, False):
        level = best_level(state.book, trail_side(instrument_id, is_rise))
        while level != NIL:
            first = np.int64(state.book.levels[level]["first"])
            if state.trails[first]["extreme_ticks"] == CALLED:
                return first
            level = next_level(state.book, level)
    return np.int64(NIL)


def saved_rows(memory: Memory, instruments: int) -> dict[str, np.ndarray]:
    """What a snapshot keeps of so many instruments: views, under names of their own; `trails` are the orders'."""
    rows = {}
    for name, begin in (("start", START_SIDES_BEGIN), ("trail", TRAIL_SIDES_BEGIN)):
        end = begin + instruments * SIDES_PER_INSTRUMENT
        rows[f"{name}_sides"] = memory["sides"][begin:end]
        rows[f"{name}_side_tops"] = memory["side_tops"][begin * TOPS_PER_SIDE : end * TOPS_PER_SIDE]
    return rows
