"""Streams of order messages for the matching benchmarks: five market regimes, seeded, the same every time.

A tape is what goes in and what comes out, as plain records that a kernel and a C++ program read alike:

    NEW      order_id, side, price_ticks, lots      a limit order; what does not trade rests
    CANCEL   order_id
    MODIFY   order_id, price_ticks, lots            fewer lots at the same price keep their place; else like a new order

The streams are made without a book: cancels and modifies pick from the orders that were sent and not canceled, and some
of those have traded meanwhile, as in life. Such a message is answered with a reject.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from holdfast.codes import Side
from holdfast.engine.handle import Layout

NEW = 1
CANCEL = 2
MODIFY = 3

ACK = 1
TRADE = 2
CANCELED = 3
REJECT = 4

RING_REPORTS = 2**16

message_dtype = np.dtype(
    [("kind", np.int32), ("side", np.int32), ("order_id", np.int64), ("price_ticks", np.int64), ("lots", np.int64)]
)
report_dtype = np.dtype(  # 32 bytes: two to a cache line, since lines are what goes from one processor to another.
    [
        ("kind", np.int32),
        ("price_ticks", np.int32),  # Of a trade: the maker's.
        ("order_id", np.int64),
        ("maker_order_id", np.int64),  # Of a trade, else 0.
        ("lots", np.int64),  # Traded; acknowledged; or taken back by a cancel.
    ]
)
totals_dtype = np.dtype([("reports", np.int64), ("trades", np.int64), ("lots", np.int64), ("turnover", np.int64)])


class Tape(NamedTuple):
    messages: np.ndarray  # message_dtype
    reports: np.ndarray  # report_dtype, a ring of a power of two
    totals: np.ndarray  # totals_dtype[1]


TAPE = Layout(Tape, messages=message_dtype, reports=report_dtype, totals=totals_dtype)


class Regime(NamedTuple):
    """How a market behaves. Shares are in thousandths."""

    name: str
    standing_orders: int  # In the book before the measured part begins, and about the number that it is kept at.
    modify_share: int
    taker_share: int  # Of the new orders: priced to trade at once.
    depth_ticks: int  # New orders rest at a mean distance of this from the middle.
    drift_ticks: int  # How far the middle moves at most from one message to the next.
    jump_share: int  # How often it jumps instead,
    jump_ticks: int  # and how far at most.
    recent_share: int  # Of the cancels and modifies: among the latest 64 orders; else any.


REGIMES = [
    Regime("quiet", 1_000, 50, 60, 15, 0, 1, 3, 500),
    Regime("normal", 5_000, 100, 150, 60, 1, 1, 20, 500),
    Regime("heavy cancel", 10_000, 40, 10, 100, 1, 1, 10, 900),
    Regime("price swings", 10_000, 100, 200, 400, 8, 5, 3_000, 400),
    Regime("deep book", 200_000, 100, 100, 20_000, 1, 1, 50, 100),
]


def make_stream(regime: Regime, messages: int, seed: int) -> np.ndarray:
    """The messages of one regime: first `standing_orders` new ones that build the book, then the measured ones."""
    stream = np.zeros(regime.standing_orders + messages, message_dtype)
    _fill(stream, seed, *regime[1:])
    return stream


@njit
def _fill(
    stream: np.ndarray,
    seed: int,
    standing_orders: int,
    modify_share: int,
    taker_share: int,
    depth_ticks: int,
    drift_ticks: int,
    jump_share: int,
    jump_ticks: int,
    recent_share: int,
) -> None:
    np.random.seed(seed)
    middle = 500_000
    sent = np.zeros(len(stream), np.int64)  # Ids not canceled yet.
    sides = np.zeros(len(stream) + 1, np.int64)  # By id.
    sent_count = 0
    order_id = 0
    for i in range(len(stream)):
        middle += np.random.randint(-drift_ticks, drift_ticks + 1)
        if np.random.randint(1_000) < jump_share:
            middle += np.random.randint(-jump_ticks, jump_ticks + 1)
        middle = min(max(middle, 300_000), 700_000)
        building = i < standing_orders
        message = stream[i]
        lots = 1 + int(np.random.exponential(20.0))
        distance = 1 + int(np.random.exponential(float(depth_ticks)))
        modifies = np.random.randint(1_000) < modify_share and not building
        # About as many orders come as go, so the book keeps its size.
        cancels = np.random.randint(2 * standing_orders) < sent_count and not building
        if (modifies or cancels) and sent_count > 0:
            reach = min(sent_count, 64) if np.random.randint(1_000) < recent_share else sent_count
            pick = sent_count - 1 - np.random.randint(reach)
            message["order_id"] = sent[pick]
            message["kind"] = MODIFY if modifies else CANCEL
            if modifies:
                side = sides[sent[pick]]
                message["price_ticks"] = middle - distance if side == Side.BUY else middle + distance
                message["lots"] = lots
            else:
                sent_count -= 1
                sent[pick] = sent[sent_count]
            continue
        order_id += 1
        side = 1 + np.random.randint(2)
        if np.random.randint(1_000) < taker_share and not building:
            distance = -distance
        message["kind"] = NEW
        message["side"] = side
        message["order_id"] = order_id
        message["price_ticks"] = middle - distance if side == Side.BUY else middle + distance
        message["lots"] = lots
        sides[order_id] = side
        sent[sent_count] = order_id
        sent_count += 1
