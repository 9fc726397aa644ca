"""Replay: events into market data, many at once, for recovery and where many have waited.

The outcome is that of `MarketData.on_applied` over the same events, at a fraction of its cost: of a level only the last
quantity among the gathered events counts, of a second's trades only the bar, and of trades only those that the rings
keep. Those wait as arrays until `finish`, since making Python's objects of them is what costs most.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.codes import Side
from holdfast.events import Events, book_event_dtype, order_event_dtype
from holdfast.market_data.bars import Bar
from holdfast.market_data.book import Book
from holdfast.market_data.klines import Klines
from holdfast.market_data.trades import (
    AGGREGATES_KEPT,
    TRADES_KEPT,
    AggregateTrade,
    Trades,
    public_trades,
    taker_rows,
)

if TYPE_CHECKING:
    from holdfast.market_data.market_data import MarketData

SECOND_NS = 1_000_000_000
GATHERED_ROWS = 1 << 17  # Book events, or trades: the more at once, the fewer changes of levels are left.


class Replay:
    """A journal's events on their way into market data, where they are after `finish` and partly before."""

    def __init__(self, market_data: "MarketData") -> None:
        self._market_data = market_data
        self._book = _Gathered(book_event_dtype)
        self._takers = _Gathered(order_event_dtype)
        self._tails: dict[int, _Tail] = {}

    def feed(self, events: Events) -> None:
        """Take in the events of the next commands; none of their memory is held."""
        self._market_data.follow_modes(events.controls)
        takers = taker_rows(events.orders)
        if not (self._book.has_room(len(events.book)) and self._takers.has_room(len(takers))):
            self._take_in_gathered()
        self._book.add(events.book)
        self._takers.add(takers)

    def finish(self) -> None:
        """Bring the market data up to what was fed."""
        self._take_in_gathered()
        for instrument_id, tail in self._tails.items():
            tail.give(self._market_data.market(instrument_id).trades)
        self._tails = {}

    def _take_in_gathered(self) -> None:
        self.take_in(self._takers.take(), self._book.take())

    def take_in(self, takers: np.ndarray, book: np.ndarray) -> None:
        """Take in trades, told by their takers' events, and changes of levels; the trades' objects wait."""
        for instrument_id, rows in _by_instrument(book):
            self._market_data.touch(instrument_id)
            _replay_book(self._market_data.market(instrument_id).book, rows)
        for instrument_id, rows in _by_instrument(takers):
            market = self._market_data.market(instrument_id)
            _replay_klines(market.klines, rows)
            if instrument_id not in self._tails:
                self._tails[instrument_id] = _Tail(market.trades)
            self._tails[instrument_id].add(rows)


class _Gathered:
    """Copies of rows, in memory that is used again and again."""

    def __init__(self, dtype: "np.dtype[Any]") -> None:
        self._rows = np.empty(0, dtype)
        self._count = 0

    def has_room(self, count: int) -> bool:
        return self._count == 0 or self._count + count <= GATHERED_ROWS

    def add(self, rows: np.ndarray) -> None:
        end = self._count + len(rows)
        if end > len(self._rows):
            larger = np.empty(max(end, GATHERED_ROWS), self._rows.dtype)
            _copy(larger[: self._count], self._rows[: self._count])
            self._rows = larger
        _copy(self._rows[self._count : end], rows)
        self._count = end

    def take(self) -> np.ndarray:
        """Everything since the last call; valid until the next `add`."""
        rows, self._count = self._rows[: self._count], 0
        return rows


def _copy(to: np.ndarray, rows: np.ndarray) -> None:
    """As bytes: NumPy copies rows of many fields one by one."""
    to.view(np.uint8)[:] = rows.view(np.uint8)


def _by_instrument(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """`take` copies rows of such a dtype thirty times as fast as an index does."""
    instrument_ids = rows["instrument_id"].copy()
    for instrument_id in np.unique(instrument_ids).tolist():
        yield instrument_id, rows.take(np.flatnonzero(instrument_ids == instrument_id))


def _replay_book(book: Book, rows: np.ndarray) -> None:
    count = len(rows)
    assert int(rows["update_id"][0]) == book.update_id + 1, "book events have no gaps"
    assert int(rows["update_id"][-1]) == book.update_id + count, "book events have no gaps"
    keys = np.where(rows["side"] == Side.BUY, rows["price_ticks"], -rows["price_ticks"])
    # Sorting plain numbers is several times as fast as sorting with an index, so the row is the number's end.
    places = np.sort(keys << _ROW_BITS | np.arange(count))
    sorted_keys = places >> _ROW_BITS
    places = places[_ends(sorted_keys)]
    unique, lots = places >> _ROW_BITS, rows["lots"][places & _ROW_MASK]
    asks = int(np.searchsorted(unique, 0))
    book.bids.set_many(unique[asks:].tolist(), lots[asks:].tolist())
    book.asks.set_many(unique[:asks].tolist(), lots[:asks].tolist())
    book.update_id += count
    book.ts_ns = int(rows["ts_ns"][-1])
    book.last_change = (int(rows["side"][-1]), int(keys[-1]), int(rows["lots"][-1]))


_ROW_BITS = 30  # Prices, and their negatives, take 33.
_ROW_MASK = (1 << _ROW_BITS) - 1


def _replay_klines(klines: Klines, rows: np.ndarray) -> None:
    seconds = rows["ts_ns"] // SECOND_NS
    starts = _starts(seconds)
    ends = np.append(starts[1:], len(rows))
    prices = rows["last_price_ticks"]
    is_taker_buy = rows["side"] == Side.BUY
    lots, quote = rows["last_lots"], rows["last_quote_units"]
    bars = zip(
        seconds[starts].tolist(),
        prices[starts].tolist(),
        np.maximum.reduceat(prices, starts).tolist(),
        np.minimum.reduceat(prices, starts).tolist(),
        prices[ends - 1].tolist(),
        (ends - starts).tolist(),
        rows["trade_id"][starts].tolist(),
        _sums(lots, starts),
        _sums(quote, starts),
        _sums(lots * is_taker_buy, starts),
        _sums(quote * is_taker_buy, starts),
        strict=True,
    )
    for start_s, open_, high, low, close, count, first_id, *sums in bars:
        bar = Bar(start_s, open_)
        bar.high, bar.low, bar.close, bar.count, bar.first_id = high, low, close, count, first_id
        bar.lots, bar.quote, bar.taker_lots, bar.taker_quote = sums
        klines.add_second(bar)


class _Tail:
    """The newest trades of an instrument, until its rings get them: the takers' rows, and a column for each field of
    the aggregates."""

    def __init__(self, trades: Trades) -> None:
        self._last_id = trades.last.trade_id if trades.last else None
        self._takers = np.empty(0, order_event_dtype)
        self._aggregates = np.empty((len(AggregateTrade._fields), 0), np.int64)

    def add(self, rows: np.ndarray) -> None:
        """Whole aggregates, each of which begins after those that were there."""
        if self._last_id is not None:
            assert int(rows["trade_id"][0]) == self._last_id + 1, "trade ids have no gaps"
        self._last_id = int(rows["trade_id"][-1])
        takers = np.empty(len(self._takers) + len(rows[-TRADES_KEPT:]), order_event_dtype)
        _copy(takers[: len(self._takers)], self._takers)
        _copy(takers[len(self._takers) :], rows[-TRADES_KEPT:])
        self._takers = takers[-TRADES_KEPT:]
        self._aggregates = np.concatenate([self._aggregates, _aggregates(rows)], axis=1)[:, -AGGREGATES_KEPT:]

    def give(self, trades: Trades) -> None:
        """Make the rings' objects of them."""
        trades.trades.extend(public_trades(self._takers))
        *columns, buyer_is_maker = self._aggregates
        numbers = (column.tolist() for column in columns)
        trades.add_aggregates(map(AggregateTrade, *numbers, (buyer_is_maker != 0).tolist()))


def _aggregates(rows: np.ndarray) -> np.ndarray:
    """The fields of an AggregateTrade, one after the other, for the newest ones."""
    starts = _starts(rows["aggregate_trade_id"])
    lots = np.add.reduceat(rows["last_lots"], starts)[-AGGREGATES_KEPT:]  # Of one order, so no more than it had.
    ends = np.append(starts[1:], len(rows))[-AGGREGATES_KEPT:]
    first, last = rows.take(starts[-AGGREGATES_KEPT:]), rows.take(ends - 1)
    columns = [
        first["aggregate_trade_id"],
        first["last_price_ticks"],
        lots,
        first["trade_id"],
        last["trade_id"],
        first["ts_ns"],
        first["side"] != Side.BUY,
    ]
    return np.stack(columns)


def _starts(values: np.ndarray) -> np.ndarray:
    """Where runs of equal values begin."""
    return np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))


def _ends(values: np.ndarray) -> np.ndarray:
    """Where runs of equal values have their last one."""
    return np.flatnonzero(np.concatenate((values[1:] != values[:-1], [True])))


def _sums(values: np.ndarray, starts: np.ndarray) -> list[int]:
    """The exact sum of each run, which may pass 64 bits: the halves of the numbers are summed apart."""
    high = np.add.reduceat(values >> 32, starts).tolist()
    low = np.add.reduceat(values & 0xFFFFFFFF, starts).tolist()
    return [(upper << 32) + lower for upper, lower in zip(high, low, strict=True)]
