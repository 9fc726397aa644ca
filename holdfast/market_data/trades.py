"""Trades: the newest public trades of one instrument, and the same as aggregates (one taker, one price).

Both kinds of id are contiguous, so a ring knows what it holds by its first and last one. Older trades are in the
history.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np

from holdfast.codes import OrderEventKind, Side

TRADES_KEPT = 2_000
AGGREGATES_KEPT = 2_000


class PublicTrade(NamedTuple):
    trade_id: int
    aggregate_trade_id: int
    price_ticks: int
    lots: int
    quote_units: int
    ts_ns: int
    buyer_is_maker: bool


class AggregateTrade(NamedTuple):
    """Trades first_trade_id … last_trade_id: what one taker's order traded at one price in a row."""

    aggregate_trade_id: int
    price_ticks: int
    lots: int
    first_trade_id: int
    last_trade_id: int
    ts_ns: int
    buyer_is_maker: bool

    @classmethod
    def of(cls, trade: PublicTrade) -> "AggregateTrade":
        """The aggregate of one trade alone."""
        return cls(
            trade.aggregate_trade_id,
            trade.price_ticks,
            trade.lots,
            trade.trade_id,
            trade.trade_id,
            trade.ts_ns,
            trade.buyer_is_maker,
        )

    def with_trade(self, trade: PublicTrade) -> "AggregateTrade":
        """With one trade more. Made anew rather than by `_replace`, which takes three times as long."""
        assert trade.aggregate_trade_id == self.aggregate_trade_id
        return AggregateTrade(
            self.aggregate_trade_id,
            self.price_ticks,
            self.lots + trade.lots,
            self.first_trade_id,
            trade.trade_id,
            self.ts_ns,
            self.buyer_is_maker,
        )


def taker_rows(orders: np.ndarray) -> np.ndarray:
    """The order events that tell the public trades: a copy of the takers' side of each."""
    return orders.take(np.flatnonzero((orders["kind"] == OrderEventKind.TRADE) & (orders["is_maker"] == 0)))


def public_trades(takers: np.ndarray) -> list[PublicTrade]:
    """The trades that such rows tell."""
    fields = ("trade_id", "aggregate_trade_id", "last_price_ticks", "last_lots", "last_quote_units", "ts_ns")
    buyer_is_maker = (takers["side"] != Side.BUY).tolist()
    return list(map(PublicTrade, *(takers[field].tolist() for field in fields), buyer_is_maker))


def aggregate(trades: list[PublicTrade]) -> list[AggregateTrade]:
    """The aggregates of consecutive trades, oldest first."""
    aggregates: list[AggregateTrade] = []
    for trade in trades:
        if aggregates and aggregates[-1].aggregate_trade_id == trade.aggregate_trade_id:
            aggregates[-1] = aggregates[-1].with_trade(trade)
        else:
            aggregates.append(AggregateTrade.of(trade))
    return aggregates


class Trades:
    def __init__(self) -> None:
        self.trades: deque[PublicTrade] = deque(maxlen=TRADES_KEPT)
        self.aggregates: deque[AggregateTrade] = deque(maxlen=AGGREGATES_KEPT)

    def add(self, trade: PublicTrade) -> None:
        if self.trades:
            assert trade.trade_id == self.trades[-1].trade_id + 1, "trade ids have no gaps"
        self.trades.append(trade)
        aggregates = self.aggregates
        if aggregates and aggregates[-1].aggregate_trade_id == trade.aggregate_trade_id:
            aggregates[-1] = aggregates[-1].with_trade(trade)
        else:
            aggregates.append(AggregateTrade.of(trade))

    def add_aggregates(self, aggregates: Iterable[AggregateTrade]) -> None:
        """Take in whole aggregates, each of which begins after those that are here."""
        self.aggregates.extend(aggregates)

    @property
    def last(self) -> PublicTrade | None:
        return self.trades[-1] if self.trades else None

    def newest(self, limit: int) -> list[PublicTrade]:
        """Up to `limit` trades, oldest first."""
        return list(islice(self.trades, max(0, len(self.trades) - limit), None))

    def newest_aggregates(self, limit: int) -> list[AggregateTrade]:
        return list(islice(self.aggregates, max(0, len(self.aggregates) - limit), None))

    def from_id(self, trade_id: int, limit: int) -> list[PublicTrade] | None:
        """Up to `limit` trades from `trade_id` on; None when older ones than are kept would be needed."""
        first = self.trades[0].trade_id if self.trades else 1
        if trade_id < first and first > 1:
            return None
        skip = max(0, trade_id - first)
        return list(islice(self.trades, skip, skip + limit))

    def dump(self) -> list[object]:
        return [list(self.trades), list(self.aggregates)]

    @classmethod
    def load(cls, trades: list[list[int]], aggregates: list[list[int]]) -> "Trades":
        loaded = cls()
        loaded.trades.extend(map(PublicTrade._make, trades))
        loaded.aggregates.extend(map(AggregateTrade._make, aggregates))
        return loaded
