"""The mix of exchange-core's own throughput test, as a stream that any engine can be given: seeded, always the same.

    NEW      12.6 %  a limit order good till canceled, at or behind the last trade's price
    IOC       1.8 %  at any price; what does not trade at once is gone
    CANCEL    7.2 %
    MOVE     71.4 %  to a price one part in a hundred nearer to the last trade's, all that is left; may trade
    REDUCE      7 %  by some lots, never by all of them

Cancels, moves and reduces pick from the 512 oldest open orders. The shares and all that is written here were learned
from that test's generator; the code is our own. Three things differ, so that engines with other rules than
exchange-core's can be given the same stream, and must end with the same trades and the same book:

    - A reduce picks an order that is the last at its price and leaves a lot of it, since there an order keeps its place
      and its life, where an exchange of the order for a smaller one loses its place.
    - An IOC is the larger the fuller its opposite side is, which holds the book at its size. (There, shares vary.)
    - No budget orders, which are one in 32 IOCs there.

The stream is made by a book of its own, which knows what trades; so no command is about an order that is gone.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

NEW = 1
IOC = 2
CANCEL = 3
MOVE = 4
REDUCE = 5

SHARES = {NEW: 126, IOC: 18, CANCEL: 72, MOVE: 714, REDUCE: 70}  # In thousandths.

BID = 0
ASK = 1

MIDDLE_TICKS = 100_000
FARTHEST_TICKS = 5_000  # From the last trade, where a new order rests.
LOWEST_TICKS = MIDDLE_TICKS - 5 * FARTHEST_TICKS
HIGHEST_TICKS = MIDDLE_TICKS + 5 * FARTHEST_TICKS
OLDEST = 512
_TRIES = 32  # To find an order that a reduce can be about.

step_dtype = np.dtype(
    [
        ("kind", np.int32),
        ("side", np.int32),  # BID or ASK, of the order.
        ("order", np.int64),  # Numbered from 1; an order that moves keeps its number.
        ("price_ticks", np.int64),  # Of a new order, an IOC and a move; a reduced order's own.
        ("lots", np.int64),  # Of a new order and an IOC; by how many a reduce makes the order smaller.
        ("leaves_lots", np.int64),  # What is open after a move, before it trades, and after a reduce.
        ("made_by", np.int64),  # The step that placed, moved or reduced the order last; -1: none.
    ]
)


class Totals(NamedTuple):
    """Of the measured steps."""

    trades: int
    lots: int
    turnover: int  # Ticks times lots.


Levels = list[tuple[int, int]]  # Price and lots, best first.


class Mix(NamedTuple):
    steps: np.ndarray  # step_dtype
    building: int  # So many steps come before the measured ones.
    totals: Totals
    bids: Levels
    asks: Levels


class _Book(NamedTuple):
    """By order: where it stands. By side and price: a level's first and last order. All 0: none."""

    side: np.ndarray
    price: np.ndarray
    leaves: np.ndarray
    made_by: np.ndarray
    older: np.ndarray
    younger: np.ndarray
    first: np.ndarray
    last: np.ndarray
    best: np.ndarray  # By side: no order is at a better price.
    open_orders: np.ndarray  # By side.
    last_price: np.ndarray  # Of one.
    totals: np.ndarray
    oldest: np.ndarray  # The orders to pick from.
    oldest_place: np.ndarray  # By order: its place there, or -1.
    waiting: np.ndarray  # Younger ones, in their order.
    ends: np.ndarray  # How many are in `oldest`; begin and end of `waiting`.


def make_mix(resting: int, commands: int, seed: int) -> Mix:
    """So many orders that build the book, and then so many measured commands, which keep it about that large."""
    count = resting + commands
    steps = np.zeros(count, step_dtype)
    by_order = (np.zeros(count + 1, np.int64) for _ in range(7))
    by_price = (np.zeros((2, HIGHEST_TICKS + FARTHEST_TICKS), np.int64) for _ in range(2))
    book = _Book(
        side=next(by_order),
        price=next(by_order),
        leaves=next(by_order),
        made_by=next(by_order),
        older=next(by_order),
        younger=next(by_order),
        first=next(by_price),
        last=next(by_price),
        best=np.array([LOWEST_TICKS - FARTHEST_TICKS, HIGHEST_TICKS + FARTHEST_TICKS - 1]),
        open_orders=np.zeros(2, np.int64),
        last_price=np.full(1, MIDDLE_TICKS),
        totals=np.zeros(3, np.int64),
        oldest=np.zeros(OLDEST, np.int64),
        oldest_place=np.full(count + 1, -1),
        waiting=next(by_order),
        ends=np.zeros(3, np.int64),
    )
    thresholds = np.cumsum([SHARES[kind] for kind in (NEW, IOC, CANCEL, REDUCE)])
    _fill(steps, book, resting, thresholds, seed)
    totals = Totals(*(int(total) for total in book.totals))
    return Mix(steps, resting, totals, _levels(book, BID)[::-1], _levels(book, ASK))


def _levels(book: _Book, side: int) -> Levels:
    levels = []
    for price in np.flatnonzero(book.first[side]).tolist():
        lots, order = 0, book.first[side, price]
        while order:
            lots, order = lots + int(book.leaves[order]), book.younger[order]
        levels.append((price, lots))
    return levels


@njit
def _fill(steps: np.ndarray, book: _Book, resting: int, thresholds: np.ndarray, seed: int) -> None:
    np.random.seed(seed)
    order_count = 0
    for i in range(len(steps)):
        if i == resting:
            book.totals[:] = 0
        kind = NEW if i < resting else _kind(thresholds)
        step = steps[i]
        if kind in (NEW, IOC):
            order_count += 1
            order = order_count
            side = np.random.randint(2)
            book.side[order] = side
            step["lots"] = 1 + np.random.randint(6) * np.random.randint(6) * np.random.randint(6)
            if kind == IOC:
                step["lots"] *= 1 + max(0, book.open_orders[1 - side] - resting // 2) // 4
                step["price_ticks"] = HIGHEST_TICKS if side == BID else LOWEST_TICKS
            else:
                step["price_ticks"] = _place_behind(book, side)
            book.leaves[order] = step["lots"]
            step["made_by"] = -1
        else:
            order = book.oldest[np.random.randint(book.ends[0])]
            if kind == REDUCE:
                order = _reducible(book, order)
                kind = REDUCE if order else MOVE
                order = order if order else book.oldest[np.random.randint(book.ends[0])]
            step["price_ticks"] = book.price[order]
            step["made_by"] = book.made_by[order]
        step["kind"] = kind
        step["order"] = order
        step["side"] = book.side[order]
        if kind == REDUCE:
            step["lots"] = 1 + np.random.randint(book.leaves[order] - 1)
            book.leaves[order] -= step["lots"]
        elif kind == CANCEL:
            _unlink(book, order)
            book.leaves[order] = 0
        elif kind == MOVE:
            step["price_ticks"] = _moved(book, order)
            _unlink(book, order)
        step["leaves_lots"] = book.leaves[order]
        if kind in (NEW, IOC, MOVE):
            _match(book, order, step["price_ticks"])
            if kind == IOC:
                book.leaves[order] = 0
            elif book.leaves[order] > 0:
                _rest(book, order, step["price_ticks"])
        book.made_by[order] = i
        _keep_oldest(book, order, kind == NEW)


@njit
def _kind(thresholds: np.ndarray) -> int:
    drawn = np.random.randint(1_000)
    if drawn < thresholds[0]:
        return NEW
    if drawn < thresholds[1]:
        return IOC
    if drawn < thresholds[2]:
        return CANCEL
    return REDUCE if drawn < thresholds[3] else MOVE


@njit
def _place_behind(book: _Book, side: int) -> int:
    """Near the last trade more often than far from it."""
    spread = 0.0
    for _ in range(4):
        spread += np.random.random()
    distance = int(abs(spread / 2 - 1) * np.random.random() ** 2 * FARTHEST_TICKS)
    price = book.last_price[0] - distance if side == BID else book.last_price[0] + distance
    return int(min(max(price, LOWEST_TICKS), HIGHEST_TICKS))


@njit
def _moved(book: _Book, order: int) -> int:
    """Where a move takes the order: at least a tick, and from the last trade's own price either way."""
    away = book.price[order] - book.last_price[0]
    if away == 0:
        price = book.price[order] + np.random.randint(2) * 2 - 1
    else:
        nearer = (abs(away) + 99) // 100
        price = book.price[order] - nearer if away > 0 else book.price[order] + nearer
    return int(min(max(price, LOWEST_TICKS), HIGHEST_TICKS))


@njit
def _reducible(book: _Book, order: int) -> int:
    for _ in range(_TRIES):
        if book.leaves[order] > 1 and book.younger[order] == 0:
            return order
        order = book.oldest[np.random.randint(book.ends[0])]
    return 0


@njit
def _match(book: _Book, order: int, limit: int) -> None:
    side = book.side[order]
    other = 1 - side
    while book.leaves[order] > 0 and book.open_orders[other] > 0:
        while book.first[other, book.best[other]] == 0:
            book.best[other] += 1 if other == ASK else -1
        price = book.best[other]
        if (side == BID and price > limit) or (side == ASK and price < limit):
            return
        maker = book.first[other, price]
        lots = min(book.leaves[order], book.leaves[maker])
        book.leaves[order] -= lots
        book.leaves[maker] -= lots
        book.last_price[0] = price
        book.totals[0] += 1
        book.totals[1] += lots
        book.totals[2] += lots * price
        if book.leaves[maker] == 0:
            _unlink(book, maker)
            _keep_oldest(book, maker, False)


@njit
def _rest(book: _Book, order: int, price: int) -> None:
    side = book.side[order]
    before = book.last[side, price]
    book.price[order] = price
    book.older[order] = before
    book.younger[order] = 0
    book.last[side, price] = order
    if before:
        book.younger[before] = order
    else:
        book.first[side, price] = order
    if (side == BID and price > book.best[side]) or (side == ASK and price < book.best[side]):
        book.best[side] = price
    book.open_orders[side] += 1


@njit
def _unlink(book: _Book, order: int) -> None:
    side, price = book.side[order], book.price[order]
    before, after = book.older[order], book.younger[order]
    if before:
        book.younger[before] = after
    else:
        book.first[side, price] = after
    if after:
        book.older[after] = before
    else:
        book.last[side, price] = before
    book.open_orders[side] -= 1


@njit
def _keep_oldest(book: _Book, order: int, is_new: bool) -> None:
    """Take the order off those to pick from when it is gone, and in when it is new and its turn comes."""
    place = book.oldest_place[order]
    if book.leaves[order] == 0 and place >= 0:
        book.ends[0] -= 1
        moved = book.oldest[book.ends[0]]
        book.oldest[place] = moved
        book.oldest_place[moved] = place
        book.oldest_place[order] = -1
    if is_new:
        book.waiting[book.ends[2]] = order
        book.ends[2] += 1
    while book.ends[0] < OLDEST and book.ends[1] < book.ends[2]:
        next_one = book.waiting[book.ends[1]]
        book.ends[1] += 1
        if book.leaves[next_one] > 0:
            book.oldest[book.ends[0]] = next_one
            book.oldest_place[next_one] = book.ends[0]
            book.ends[0] += 1
