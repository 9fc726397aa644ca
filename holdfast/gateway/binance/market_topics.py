"""Topics: what each stream name stands for, and what is to be sent on it when.

stream name → TOPIC → messages

A topic belongs to one stream name and one unit of time. It says what a new subscriber is sent at once (the current
state, so that a client need not wait for a quiet market), and answers the hub's calls with text to broadcast, or
None.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from holdfast.gateway.binance import market_messages as messages
from holdfast.gateway.binance.market_rules import has_reference_price, reference_price_event
from holdfast.gateway.binance.trading_status import status_event
from holdfast.instruments import Instrument, Reference
from holdfast.market_data.bars import Bar
from holdfast.market_data.book import Book
from holdfast.market_data.depth import Depth, DepthDiff
from holdfast.market_data.intervals import INTERVALS, Interval
from holdfast.market_data.market_data import Market, MarketData
from holdfast.market_data.tickers import Ticker, average_price_ticks, ticker, window_start_s
from holdfast.market_data.trades import PublicTrade, aggregate
from holdfast.views import Auction

KLINE_CLOSE_GRACE_NS = 200_000_000  # A trade stamped in a candle may be durable and applied this much after its end.
_MISSED_CANDLES_MAX = 10
_DAY_MINUTES = 1440


class Topic:
    """The calls that most topics do not answer. `period_s` is how often `poll` is asked; 0: never.

    What `hears_images` is told of each new image of its book, `hears_trades` and `hears_book` of each applied batch.
    """

    instrument: Instrument | None = None
    period_s = 0
    hears_images = False
    hears_trades = False
    hears_book = False

    def initial(self, _now_ns: int) -> str | None:
        """What a new subscriber is sent first, the state as of the last broadcast."""
        return None

    def on_diff(self, _depth: Depth, _diff: DepthDiff, _now_ns: int) -> str | None:
        """A new image of the instrument's book was published."""
        return None

    def on_trades(self, _trades: list[PublicTrade], _now_ns: int) -> list[str]:
        return []

    def on_book(self) -> str | None:
        """The instrument's book changed."""
        return None

    def on_tick(self, _now_ns: int) -> list[str]:
        """Every 100 ms."""
        return []

    def poll(self, _now_ns: int) -> str | None:
        return None


class Source(NamedTuple):
    """Where topics look: all of market data, the instruments as they are now, and the unit of time."""

    market_data: MarketData
    reference: Callable[[], Reference]
    unit_ns: int
    reference_price_ticks: Callable[[int], int]  # By instrument; 0: none now.
    auction: Callable[[Instrument], Auction]  # What it would come to if it ended now.

    def market(self, instrument: Instrument) -> Market:
        return self.market_data.market(instrument.instrument_id)


class DiffDepth(Topic):
    """Every image's diff. A new subscriber gets the last one again: it is true, and the next one continues it."""

    hears_images = True

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._source = source

    def initial(self, now_ns: int) -> str | None:
        diff = self._source.market_data.image(self.instrument).diff
        return _depth_update(self.instrument, diff, now_ns, self._source.unit_ns)

    def on_diff(self, _depth: Depth, diff: DepthDiff, now_ns: int) -> str | None:
        return _depth_update(self.instrument, diff, now_ns, self._source.unit_ns)


class SlowDiffDepth(Topic):
    """The diffs of a second in one."""

    hears_images = True
    period_s = 1

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._source = source
        self._last = source.market_data.image(instrument).diff
        self._bids: dict[str, str] = {}
        self._asks: dict[str, str] = {}
        self._last_update_id = self._last.last_update_id

    def initial(self, now_ns: int) -> str | None:
        return _depth_update(self.instrument, self._last, now_ns, self._source.unit_ns)

    def on_diff(self, _depth: Depth, diff: DepthDiff, _now_ns: int) -> str | None:
        assert diff.first_update_id == self._last_update_id + 1
        self._last_update_id = diff.last_update_id
        for levels, texts in ((self._bids, diff.bids), (self._asks, diff.asks)):
            levels.update([(text[: text.index(",")], text) for text in texts])
        return None

    def poll(self, now_ns: int) -> str | None:
        if self._last_update_id == self._last.last_update_id:
            return None
        self._last = DepthDiff(
            self._last.last_update_id + 1,
            self._last_update_id,
            now_ns,
            list(self._bids.values()),
            list(self._asks.values()),
        )
        self._bids.clear()
        self._asks.clear()
        return _depth_update(self.instrument, self._last, now_ns, self._source.unit_ns)


def _depth_update(instrument: Instrument, diff: DepthDiff, now_ns: int, unit_ns: int) -> str:
    first_id, last_id, _, bids, asks = diff
    return messages.depth_update(instrument.symbol, first_id, last_id, bids, asks, now_ns, unit_ns)


class PartialDepth(Topic):
    """The best levels of every image; or, with `period_s` 1, of the image at each second that has a new one."""

    hears_images = True

    def __init__(self, source: Source, instrument: Instrument, levels: int, period_s: int) -> None:
        self.instrument: Instrument = instrument
        self.period_s = period_s
        self._source = source
        self._levels = levels
        self._sent_update_id = -1

    def initial(self, _now_ns: int) -> str | None:
        return messages.depth_snapshot(self._source.market_data.image(self.instrument), self._levels)

    def on_diff(self, depth: Depth, _diff: DepthDiff, _now_ns: int) -> str | None:
        return None if self.period_s else messages.depth_snapshot(depth, self._levels)

    def poll(self, _now_ns: int) -> str | None:
        depth = self._source.market_data.image(self.instrument)
        if depth.last_update_id == self._sent_update_id:
            return None
        self._sent_update_id = depth.last_update_id
        return messages.depth_snapshot(depth, self._levels)


class TradeTopic(Topic):
    hears_trades = True

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._unit_ns = source.unit_ns

    def on_trades(self, trades: list[PublicTrade], now_ns: int) -> list[str]:
        return [messages.trade_event(self.instrument, trade, now_ns, self._unit_ns) for trade in trades]


class AggregateTopic(Topic):
    """One message per aggregate: all its trades come from one command, so they are in one batch."""

    hears_trades = True

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._unit_ns = source.unit_ns

    def on_trades(self, trades: list[PublicTrade], now_ns: int) -> list[str]:
        return [messages.aggregate_event(self.instrument, a, now_ns, self._unit_ns) for a in aggregate(trades)]


class BookTicker(Topic):
    """The best bid and ask after every batch that changed them."""

    hears_book = True

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._source = source
        self._sent = _best(self._book)

    @property
    def _book(self) -> Book:
        return self._source.market(self.instrument).book

    def initial(self, _now_ns: int) -> str | None:
        book = self._book
        return messages.book_ticker_event(self.instrument, book) if book.update_id else None

    def on_book(self) -> str | None:
        book = self._book
        best = _best(book)
        if best == self._sent:
            return None
        self._sent = best
        return messages.book_ticker_event(self.instrument, book)


def _best(book: Book) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    return book.bids.best(), book.asks.best()


class Kline(Topic):
    """The open candle when it changed, and each candle once when it has closed."""

    def __init__(self, source: Source, instrument: Instrument, interval: Interval, offset_s: int) -> None:
        self.instrument: Instrument = instrument
        self.period_s = 1 if interval.name == "1s" else 2
        self._source = source
        self._interval = interval
        self._offset_s = offset_s
        self._open_s: int | None = None  # The candle that has not been told as closed; None before the first trade.
        self._sent = (0, 0)

    def initial(self, now_ns: int) -> str | None:
        bar = self._current(now_ns)
        return None if bar is None else self._message(bar, False, now_ns)

    def on_tick(self, now_ns: int) -> list[str]:
        """The candles that have closed since, with their end a moment ago so that no trade is missing in them."""
        if self._open_s is None:
            self._open_s = self._first(now_ns)
        current_s = self._interval.start_of((now_ns - KLINE_CLOSE_GRACE_NS) // messages.SECOND_NS, self._offset_s)
        if self._open_s is None or self._open_s >= current_s:
            return []
        closed = self._source.market(self.instrument).klines.candles(
            self._interval,
            now_ns // messages.SECOND_NS,
            _MISSED_CANDLES_MAX,
            start_s=self._open_s,
            end_s=current_s - 1,
            offset_s=self._offset_s,
        )
        self._open_s = current_s
        return [self._message(bar, True, now_ns) for bar in closed]

    def poll(self, now_ns: int) -> str | None:
        bar = self._current(now_ns)
        if bar is None or (bar.start_s, bar.count) == self._sent or bar.start_s != self._open_s:
            return None  # A new candle is shown once the one before was told as closed.
        self._sent = (bar.start_s, bar.count)
        return self._message(bar, False, now_ns)

    def _first(self, now_ns: int) -> int | None:
        """Where the first candle begins, for a market that had no trade when the first listener came."""
        now_s = now_ns // messages.SECOND_NS
        klines = self._source.market(self.instrument).klines
        candles = klines.candles(self._interval, now_s, 1, start_s=0, offset_s=self._offset_s)
        return candles[0].start_s if candles else None

    def _current(self, now_ns: int) -> Bar | None:
        klines = self._source.market(self.instrument).klines
        bar = klines.candle(self._interval, now_ns // messages.SECOND_NS, self._offset_s)
        if bar is not None and self._open_s is None:
            self._open_s = bar.start_s
        return bar

    def _message(self, bar: Bar, is_closed: bool, now_ns: int) -> str:
        return messages.kline_event(
            self.instrument, self._interval, self._offset_s, bar, is_closed, now_ns, self._source.unit_ns
        )


TickerMessage = Callable[[Instrument, Ticker, Market, int, int], str]


def _mini_ticker(instrument: Instrument, of: Ticker, _market: Market, now_ns: int, unit_ns: int) -> str:
    return messages.mini_ticker_event(instrument, of, now_ns, unit_ns)


def _ticker(instrument: Instrument, of: Ticker, market: Market, now_ns: int, unit_ns: int) -> str:
    return messages.ticker_event(instrument, of, market.book, now_ns, unit_ns)


def _window_ticker(window: str) -> TickerMessage:
    def message(instrument: Instrument, of: Ticker, _market: Market, now_ns: int, unit_ns: int) -> str:
        return messages.window_ticker_event(instrument, of, window, now_ns, unit_ns)

    return message


class TickerKind(NamedTuple):
    minutes: int
    message: TickerMessage
    shows_book: bool = False


TICKERS = {
    "miniTicker": TickerKind(_DAY_MINUTES, _mini_ticker),
    "ticker": TickerKind(_DAY_MINUTES, _ticker, shows_book=True),
    "ticker_1h": TickerKind(60, _window_ticker("1h")),
    "ticker_4h": TickerKind(240, _window_ticker("4h")),
    "ticker_1d": TickerKind(_DAY_MINUTES, _window_ticker("1d")),
}


class TickerTopic(Topic):
    """A ticker once a second, when something in it changed."""

    period_s = 1

    def __init__(self, source: Source, instrument: Instrument, kind: TickerKind) -> None:
        self.instrument: Instrument = instrument
        self._source = source
        self._kind = kind
        self._sent: object = None

    def initial(self, now_ns: int) -> str | None:
        market = self._source.market(self.instrument)
        return self._message(self._ticker(market, now_ns), market, now_ns)

    def poll(self, now_ns: int) -> str | None:
        market = self._source.market(self.instrument)
        shown = self._ticker(market, now_ns)
        state = (shown, _best(market.book)) if self._kind.shows_book else shown
        if state == self._sent:
            return None
        self._sent = state
        return self._message(shown, market, now_ns)

    def _ticker(self, market: Market, now_ns: int) -> Ticker:
        start_s = window_start_s(now_ns // messages.SECOND_NS, self._kind.minutes)
        return ticker(market.klines, market.trades, start_s)

    def _message(self, shown: Ticker, market: Market, now_ns: int) -> str:
        return self._kind.message(self.instrument, shown, market, now_ns, self._source.unit_ns)


class TickerArray(Topic):
    """The tickers of all instruments that ever traded; after the first message only those that changed."""

    period_s = 1

    def __init__(self, source: Source, kind: TickerKind) -> None:
        self._source = source
        self._kind = kind
        self._tickers: dict[int, TickerTopic] = {}

    def initial(self, now_ns: int) -> str | None:
        return self._array([each.initial(now_ns) for each in self._each()])

    def poll(self, now_ns: int) -> str | None:
        return self._array([each.poll(now_ns) for each in self._each()])

    def _each(self) -> list[TickerTopic]:
        for instrument in self._source.reference().instruments.values():
            if self._source.market(instrument).trades.last is not None:
                self._tickers.setdefault(instrument.instrument_id, TickerTopic(self._source, instrument, self._kind))
        return list(self._tickers.values())

    @staticmethod
    def _array(shown: list[str | None]) -> str | None:
        present = [text for text in shown if text is not None]
        return f"[{','.join(present)}]" if present else None


class AveragePrice(Topic):
    period_s = 1

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._source = source
        self._sent = (0, 0)

    def initial(self, now_ns: int) -> str | None:
        return self._message(self._state(now_ns), now_ns)

    def poll(self, now_ns: int) -> str | None:
        state = self._state(now_ns)
        if state == self._sent:
            return None
        self._sent = state
        return self._message(state, now_ns)

    def _state(self, now_ns: int) -> tuple[int, int]:
        """(average price, time of the last trade)"""
        market = self._source.market(self.instrument)
        last = market.trades.last
        per_tick_lot = self.instrument.units_per_tick_lot
        price_ticks = average_price_ticks(market.klines, market.trades, per_tick_lot, now_ns // messages.SECOND_NS)
        return price_ticks, last.ts_ns if last is not None else 0

    def _message(self, state: tuple[int, int], now_ns: int) -> str:
        return messages.average_price_event(self.instrument, *state, now_ns, self._source.unit_ns)


class ReferencePrice(Topic):
    """Each second. A market that has no reference price stays silent."""

    period_s = 1

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._source = source

    def initial(self, now_ns: int) -> str | None:
        return self.poll(now_ns)

    def poll(self, now_ns: int) -> str | None:
        if not has_reference_price(self.instrument):
            return None
        price_ticks = self._source.reference_price_ticks(self.instrument.instrument_id)
        return reference_price_event(self.instrument, price_ticks, now_ns, self._source.unit_ns)


class TradingStatus(Topic):
    """The mode, the modes to come and what an auction would come to, whenever one of them has changed."""

    def __init__(self, source: Source, instrument: Instrument) -> None:
        self.instrument: Instrument = instrument
        self._source = source
        self._sent: object = None

    def initial(self, now_ns: int) -> str | None:
        return status_event(*self._state(), now_ns, self._source.unit_ns)

    def on_tick(self, now_ns: int) -> list[str]:
        state = self._state()
        if state == self._sent:
            return []
        self._sent = state
        return [status_event(*state, now_ns, self._source.unit_ns)]

    def _state(self) -> tuple[Instrument, Auction]:
        instrument = self._source.reference().instruments[self.instrument.instrument_id]
        return instrument, self._source.auction(instrument)


# Names.

_array_name = re.compile(r"!(miniTicker|ticker_1h|ticker_4h|ticker_1d)@arr(?:@(?:1000|3000)ms)?")
_depth_name = re.compile(r"depth(5|10|20)?(?:@(100|1000)ms)?")
_kline_name = re.compile(r"kline_([0-9]{1,2}[smhdwM])(?:@([+-])([0-9]{1,2}):([0-9]{2}))?")
_PLAIN: dict[str, Callable[[Source, Instrument], Topic]] = {
    "trade": TradeTopic,
    "aggTrade": AggregateTopic,
    "bookTicker": BookTicker,
    "avgPrice": AveragePrice,
    "referencePrice": ReferencePrice,
    "tradingStatus": TradingStatus,
}


def topic_of(name: str, source: Source, by_lower_symbol: dict[str, Instrument]) -> Topic | None:
    """The topic that a stream name stands for, or None when it stands for nothing that is known."""
    array = _array_name.fullmatch(name)
    if array is not None:
        return TickerArray(source, TICKERS[array[1]])
    symbol, _, kind = name.partition("@")
    instrument = by_lower_symbol.get(symbol)
    if instrument is None:
        return None
    if kind in _PLAIN:
        return _PLAIN[kind](source, instrument)
    if kind in TICKERS:
        return TickerTopic(source, instrument, TICKERS[kind])
    return _depth_topic(kind, source, instrument) or _kline_topic(kind, source, instrument)


def _depth_topic(kind: str, source: Source, instrument: Instrument) -> Topic | None:
    match = _depth_name.fullmatch(kind)
    if match is None:
        return None
    levels, is_fast = match[1], match[2] == "100"
    if levels is not None:
        return PartialDepth(source, instrument, int(levels), 0 if is_fast else 1)
    return DiffDepth(source, instrument) if is_fast else SlowDiffDepth(source, instrument)


def _kline_topic(kind: str, source: Source, instrument: Instrument) -> Topic | None:
    match = _kline_name.fullmatch(kind)
    if match is None or match[1] not in INTERVALS:
        return None
    offset_s = 0
    if match[2] is not None:
        offset_s = (int(match[3]) * 3600 + int(match[4]) * 60) * (1 if match[2] == "+" else -1)
        if int(match[4]) > 59 or not -12 * 3600 <= offset_s <= 14 * 3600:
            return None
    return Kline(source, instrument, INTERVALS[match[1]], offset_s)
