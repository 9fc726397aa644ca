"""Older trades: what the rings in memory no longer hold, from the history, joined with what they do.

Trade ids, aggregate ids and times rise together, so whatever a request names leads to a first trade id, from which the
history reads on. Work is bounded by the limit: aggregates are read a page of trades at a time.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

from holdfast.codes import Side
from holdfast.instruments import Instrument
from holdfast.market_data.trades import AggregateTrade, PublicTrade, Trades, aggregate
from holdfast.views import Fill

PAGE_TRADES = 1_000


class MarketHistory(Protocol):
    """The account history's public side: the takers' fills by trade id."""

    def market_trades(self, instrument_id: int, from_trade_id: int = 0, limit: int = 500) -> Sequence[Fill]: ...

    def first_trade_id(self, instrument_id: int, aggregate_trade_id: int = 0, ts_ns: int = 0) -> int: ...


class OlderTrades:
    def __init__(self, history: MarketHistory) -> None:
        self._history = history

    def trades_from(self, instrument: Instrument, rings: Trades, trade_id: int, limit: int) -> list[PublicTrade]:
        """Up to `limit` trades from `trade_id` on, oldest first."""
        kept = rings.from_id(trade_id, limit)
        if kept is not None:
            return kept
        trade_id = max(1, trade_id)
        first_kept = rings.trades[0].trade_id
        older = self._read(instrument, trade_id, min(limit, first_kept - trade_id))
        return older + rings.newest(len(rings.trades))[: limit - len(older)]

    def aggregates_from(
        self, instrument: Instrument, rings: Trades, aggregate_id: int, limit: int
    ) -> list[AggregateTrade]:
        """Up to `limit` aggregates from `aggregate_id` on, oldest first."""
        kept = rings.newest_aggregates(len(rings.aggregates))
        if not kept or aggregate_id >= kept[0].aggregate_trade_id or kept[0].aggregate_trade_id == 1:
            return kept[bisect_left(kept, aggregate_id, key=_id) :][:limit]
        first = self._history.first_trade_id(instrument.instrument_id, aggregate_trade_id=aggregate_id)
        return self._aggregates(instrument, kept, first, limit)

    def aggregates_between(
        self, instrument: Instrument, rings: Trades, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[AggregateTrade]:
        """Aggregates with times in [start_ns, end_ns]: the oldest ones with a start, else the newest."""
        kept = rings.newest_aggregates(len(rings.aggregates))
        has_all = not kept or kept[0].aggregate_trade_id == 1
        if start_ns is None:
            assert end_ns is not None
            end = bisect_left(kept, end_ns + 1, key=_time)
            if has_all or end >= limit:
                return kept[max(0, end - limit) : end]
            return self._newest_until(instrument, kept, end, end_ns, limit)
        if has_all or start_ns > kept[0].ts_ns:
            found = kept[bisect_left(kept, start_ns, key=_time) :][:limit]
        else:
            first = self._history.first_trade_id(instrument.instrument_id, ts_ns=start_ns)
            found = self._aggregates(instrument, kept, first, limit)
        return [each for each in found if end_ns is None or each.ts_ns <= end_ns]

    def _aggregates(
        self, instrument: Instrument, kept: list[AggregateTrade], trade_id: int, limit: int
    ) -> list[AggregateTrade]:
        """Up to `limit` aggregates from the one that begins with `trade_id`; 0: not in the history."""
        found: list[AggregateTrade] = []
        first_kept = kept[0].first_trade_id
        while 0 < trade_id < first_kept and len(found) <= limit:
            page = self._read(instrument, trade_id, min(PAGE_TRADES, first_kept - trade_id))
            if not page:
                break
            found = joined(found, aggregate(page))
            trade_id = page[-1].trade_id + 1
        return (found + kept)[:limit]

    def _newest_until(
        self, instrument: Instrument, kept: list[AggregateTrade], end: int, end_ns: int, limit: int
    ) -> list[AggregateTrade]:
        """The newest `limit` aggregates up to `end_ns`, of which the first `end` of those kept are the last ones."""
        after = self._history.first_trade_id(instrument.instrument_id, ts_ns=end_ns + 1) if end == 0 else 0
        after = min(after or kept[0].first_trade_id, kept[0].first_trade_id)
        older: list[AggregateTrade] = []
        while after > 1 and len(older) + end <= limit:
            start = max(1, after - PAGE_TRADES)
            page = self._read(instrument, start, after - start)
            if not page:
                break
            older = joined(aggregate(page), older)
            after = page[0].trade_id
        return (older + kept[:end])[-limit:]

    def _read(self, instrument: Instrument, trade_id: int, limit: int) -> list[PublicTrade]:
        fills = self._history.market_trades(instrument.instrument_id, trade_id, limit)
        return [
            PublicTrade(
                fill.trade_id,
                fill.aggregate_trade_id,
                fill.price_ticks,
                fill.lots,
                fill.quote_units,
                fill.ts_ns,
                fill.side != Side.BUY,  # The taker's side.
            )
            for fill in fills
        ]


def joined(earlier: list[AggregateTrade], later: list[AggregateTrade]) -> list[AggregateTrade]:
    """Two runs, one right after the other, of which the cut may go through an aggregate."""
    if not earlier or not later or earlier[-1].aggregate_trade_id != later[0].aggregate_trade_id:
        return earlier + later
    last, first = earlier[-1], later[0]
    whole = last._replace(lots=last.lots + first.lots, last_trade_id=first.last_trade_id)
    return [*earlier[:-1], whole, *later[1:]]


def _id(trade: AggregateTrade) -> int:
    return trade.aggregate_trade_id


def _time(trade: AggregateTrade) -> int:
    return trade.ts_ns
