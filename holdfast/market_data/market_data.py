"""Market data: events → the public views of every instrument.

journal → engine → events → MARKET DATA → REST, streams

A function of the events alone: no clock, `now` is an argument where a view depends on it, and equal events give equal
dumps. What is published (the 100 ms images) is not part of that state; it starts with the first `publish_images` or
`image`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from holdfast.codes import OrderEventKind, Side
from holdfast.events import BookEvent, Events, OrderEvent
from holdfast.instruments import Instrument
from holdfast.market_data.book import Book
from holdfast.market_data.depth import Depth, DepthDiff
from holdfast.market_data.klines import Klines
from holdfast.market_data.replay import replay
from holdfast.market_data.trades import PublicTrade, Trades

DUMP_FORMAT = 1
_TRADE = int(OrderEventKind.TRADE)
_BUY = int(Side.BUY)


class AppliedEvents(Protocol):
    """The part of an applied batch that market data reads."""

    @property
    def orders(self) -> list[OrderEvent]: ...
    @property
    def book(self) -> list[BookEvent]: ...


class PublishedDiff(NamedTuple):
    instrument: Instrument
    depth: Depth
    diff: DepthDiff


class Market:
    """The views of one instrument."""

    __slots__ = ("book", "depth", "klines", "trades")

    def __init__(self) -> None:
        self.book = Book()
        self.trades = Trades()
        self.klines = Klines()
        self.depth: Depth | None = None


class MarketData:
    def __init__(self) -> None:
        self._markets: dict[int, Market] = {}
        self._touched: set[int] = set()  # Instruments whose book changed since the last images.

    def on_applied(self, applied: AppliedEvents) -> None:
        """Take in one applied batch. Runs on the event loop: a few microseconds per event."""
        for event in applied.orders:
            if event.kind == _TRADE and not event.is_maker:
                self._on_trade(event)
        if applied.book:
            self._on_book(applied.book)

    def on_replayed(self, events: Events) -> None:
        """Take in a piece of the journal at once; the outcome is that of `on_applied` with the same events."""
        replay(self, events)

    def touch(self, instrument_id: int) -> None:
        """The instrument's book has changed, and its next image will differ."""
        self._touched.add(instrument_id)

    def _on_trade(self, event: OrderEvent) -> None:
        """One trade, told by its taker's event."""
        market = self._markets.get(event.instrument_id) or self.market(event.instrument_id)
        market.trades.add(trade_of(event))
        market.klines.on_trade(
            event.ts_ns,
            event.last_price_ticks,
            event.last_lots,
            event.last_quote_units,
            event.side == _BUY,
            event.trade_id,
        )

    def _on_book(self, events: list[BookEvent]) -> None:
        instrument_id = 0
        touched = set()
        for event in events:
            if event.instrument_id != instrument_id:
                instrument_id = event.instrument_id
                book = self.market(instrument_id).book
                touched.add(instrument_id)
            book.apply(event)
        for instrument_id in touched:
            assert not self._markets[instrument_id].book.is_crossed(), instrument_id
        self._touched |= touched

    def market(self, instrument_id: int) -> Market:
        """The views of an instrument, empty ones when nothing happened in it yet."""
        market = self._markets.get(instrument_id)
        if market is None:
            market = self._markets[instrument_id] = Market()
        return market

    def image(self, instrument: Instrument) -> Depth:
        """The book as it was published last."""
        market = self.market(instrument.instrument_id)
        if market.depth is None:
            market.depth = Depth(instrument, market.book)
        return market.depth

    def publish_images(self, instruments: Mapping[int, Instrument]) -> list[PublishedDiff]:
        """Move the images of all changed books up to now; returns their diffs, by instrument id. Once every 100 ms."""
        published = []
        for instrument_id in sorted(self._touched):
            instrument = instruments[instrument_id]
            depth = self.image(instrument)
            diff = depth.publish()
            if diff is not None:
                published.append(PublishedDiff(instrument, depth, diff))
        self._touched.clear()
        return published

    def dump(self) -> bytes:
        """The state as bytes; equal state, equal bytes."""
        markets = [
            [instrument_id, market.book.dump(), market.trades.dump(), market.klines.dump()]
            for instrument_id, market in sorted(self._markets.items())
            if market.book.update_id or market.trades.last is not None
        ]
        return msgspec.msgpack.encode([DUMP_FORMAT, markets])

    @classmethod
    def load(cls, dumped: bytes) -> "MarketData":
        """What `dump` wrote. Raises ValueError when it is of another format."""
        dump_format, markets = msgspec.msgpack.decode(dumped)
        if dump_format != DUMP_FORMAT:
            raise ValueError(f"market data of format {dump_format}, not {DUMP_FORMAT}")
        market_data = cls()
        for instrument_id, book, trades, klines in markets:
            market = market_data.market(instrument_id)
            market.book = Book.load(*book)
            market.trades = Trades.load(*trades)
            market.klines = Klines.load(klines)
        return market_data


def trade_of(event: OrderEvent) -> PublicTrade:
    """The public side of a taker's TRADE event."""
    return PublicTrade(
        event.trade_id,
        event.aggregate_trade_id,
        event.last_price_ticks,
        event.last_lots,
        event.last_quote_units,
        event.ts_ns,
        event.side != _BUY,
    )


def trades_of(orders: Iterable[OrderEvent]) -> list[tuple[int, PublicTrade]]:
    """(instrument_id, trade) of every trade among the events of a batch, in order."""
    return [(e.instrument_id, trade_of(e)) for e in orders if e.kind == _TRADE and not e.is_maker]
