"""Market data: events → the public views of every instrument.

journal → engine → events → MARKET DATA → REST, streams

A function of the events alone: no clock, `now` is an argument where a view depends on it, and equal events give equal
dumps. What is published (the 100 ms images) is not part of that state; it starts with the first `publish_images` or
`image`.

Following costs about a microsecond a batch: the events wait as bytes until somebody asks, an image is due, or there are
many. They are then taken in one by one, or by `Replay` at once when that is cheaper, with the same outcome.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from holdfast.codes import ControlEventKind, OrderEventKind, TradingMode
from holdfast.events import BookEvent, Events, book_event_dtype, order_event_dtype
from holdfast.instruments import Instrument
from holdfast.market_data.book import Book
from holdfast.market_data.depth import Depth, DepthDiff
from holdfast.market_data.klines import Klines
from holdfast.market_data.replay import Replay
from holdfast.market_data.trades import Trades, public_trades, taker_rows

DUMP_FORMAT = 2  # 2: with the markets that may be crossed.
WAITING_ROWS_MAX = 4_096
REPLAY_FROM_ROWS = 100  # Of each instrument.
_TRADE = int(OrderEventKind.TRADE)
_MATCHING = (TradingMode.TRADING, TradingMode.LIMIT_ONLY, TradingMode.POST_ONLY)


class AppliedEvents(Protocol):
    """The part of an applied batch that market data reads."""

    @property
    def events(self) -> Events: ...


class PublishedDiff(NamedTuple):
    instrument: Instrument
    depth: Depth
    diff: DepthDiff


class Market:
    """The views of one instrument."""

    __slots__ = ("book", "depth", "image_number", "klines", "trades")

    def __init__(self) -> None:
        self.book = Book()
        self.trades = Trades()
        self.klines = Klines()
        self.depth: Depth | None = None
        self.image_number = 0  # When the image was moved last without a listener.


class MarketData:
    def __init__(self) -> None:
        self._markets: dict[int, Market] = {}
        self._collecting: set[int] = set()  # Instruments that were in an auction and do not match again yet.
        self._touched: set[int] = set()  # Instruments whose book changed since the last images.
        self._heard: Collection[int] = ()  # Instruments whose images are published each time.
        self._image_number = 0
        self._waiting_orders: list[bytes] = []  # Of batches with trades.
        self._waiting_book: list[bytes] = []
        self._waiting_rows = 0
        self._replay: Replay | None = None  # Where trades wait.

    def on_applied(self, applied: AppliedEvents) -> None:
        """Follow one applied batch. Runs on the event loop."""
        orders, book = applied.events.orders, applied.events.book
        self.follow_modes(applied.events.controls)
        if _TRADE in orders["kind"].tobytes():
            self._waiting_orders.append(orders.tobytes())
            self._waiting_rows += len(orders)
        if len(book):
            self._waiting_book.append(book.tobytes())
            self._waiting_rows += len(book)
        if self._waiting_rows > WAITING_ROWS_MAX:
            self._take_in()

    def follow_modes(self, controls: np.ndarray) -> None:
        """Learn from control events which books may be crossed from now on, and which may not."""
        if not len(controls):
            return
        changes = controls[controls["kind"] == ControlEventKind.TRADING_MODE_CHANGED]
        for instrument_id, mode in zip(changes["instrument_id"].tolist(), changes["value"].tolist(), strict=True):
            if mode == TradingMode.AUCTION:
                self._collecting.add(instrument_id)
            elif mode in _MATCHING:
                self._collecting.discard(instrument_id)

    def touch(self, instrument_id: int) -> None:
        """The instrument's book has changed, and its next image will differ."""
        self._touched.add(instrument_id)

    def _settle(self) -> None:
        """Take in all that waits."""
        self._take_in()
        self._finish_replay()

    def _finish_replay(self) -> None:
        replaying, self._replay = self._replay, None
        if replaying is not None:
            replaying.finish()

    def _take_in(self) -> None:
        """Take in what waits as bytes. Trades may then wait in a replay, which makes their objects for who asks."""
        if not self._waiting_rows:
            return
        takers = taker_rows(np.frombuffer(b"".join(self._waiting_orders), order_event_dtype))
        book = np.frombuffer(b"".join(self._waiting_book), book_event_dtype)
        self._waiting_orders, self._waiting_book, self._waiting_rows = [], [], 0
        instrument_ids = set(takers["instrument_id"].tolist()) | set(book["instrument_id"].tolist())
        if len(takers) + len(book) >= REPLAY_FROM_ROWS * len(instrument_ids):
            replaying, self._replay = self._replay or Replay(self), None  # It asks for markets as they are so far.
            replaying.take_in(takers, book)
            self._replay = replaying
        else:
            self._finish_replay()
            self._take_trades(takers)
            self._take_book(book)
        for instrument_id in instrument_ids - self._collecting:
            assert not self._markets[instrument_id].book.is_crossed(), instrument_id

    def _take_trades(self, takers: np.ndarray) -> None:
        """Trade by trade."""
        for instrument_id, trade in zip(takers["instrument_id"].tolist(), public_trades(takers), strict=True):
            market = self._market(instrument_id)
            market.trades.add(trade)
            market.klines.on_trade(
                trade.ts_ns, trade.price_ticks, trade.lots, trade.quote_units, not trade.buyer_is_maker, trade.trade_id
            )

    def _take_book(self, rows: np.ndarray) -> None:
        """Change by change."""
        for event in map(BookEvent._make, rows.tolist()):
            self._market(event.instrument_id).book.apply(event)
            self.touch(event.instrument_id)

    def market(self, instrument_id: int) -> Market:
        """The views of an instrument as they are now, empty ones when nothing happened in it yet.

        After the next applied batch they may lag behind, until it is asked for again.
        """
        self._settle()
        return self._market(instrument_id)

    def _market(self, instrument_id: int) -> Market:
        market = self._markets.get(instrument_id)
        if market is None:
            market = self._markets[instrument_id] = Market()
        return market

    def image(self, instrument: Instrument) -> Depth:
        """The book as it was published last; when nobody hears its images, as it is now, and so until the next ones."""
        self._take_in()
        market = self._market(instrument.instrument_id)
        if market.depth is None:
            market.depth = Depth(instrument, market.book)
        elif instrument.instrument_id not in self._heard and market.image_number != self._image_number:
            market.depth.publish()
        market.image_number = self._image_number
        return market.depth

    def publish_images(self, heard: Mapping[int, Instrument]) -> list[PublishedDiff]:
        """Move the images of the instruments that are heard up to now; returns the diffs of those that changed, by id.

        Once every 100 ms. The images of the others are made when somebody asks.
        """
        self._heard = heard.keys()
        self._image_number += 1
        published = []
        if heard:
            self._take_in()
        for instrument_id in sorted(self._touched):
            if instrument_id in heard:
                instrument = heard[instrument_id]
                depth = self.image(instrument)
                diff = depth.publish()
                if diff is not None:
                    published.append(PublishedDiff(instrument, depth, diff))
            else:
                self._forget_costly_image(self._markets[instrument_id])
        self._touched.clear()
        return published

    @staticmethod
    def _forget_costly_image(market: Market) -> None:
        """Nobody has asked for a while, and making the image anew has become cheaper than bringing it up to date."""
        if market.depth is not None and market.depth.changes_waiting > market.book.level_count:
            market.depth.stop()
            market.depth = None

    def dump(self) -> bytes:
        """The state as bytes; equal state, equal bytes."""
        self._settle()
        markets = [
            [instrument_id, market.book.dump(), market.trades.dump(), market.klines.dump()]
            for instrument_id, market in sorted(self._markets.items())
            if market.book.update_id or market.trades.last is not None
        ]
        return msgspec.msgpack.encode([DUMP_FORMAT, markets, sorted(self._collecting)])

    @classmethod
    def load(cls, dumped: bytes) -> "MarketData":
        """What `dump` wrote. Raises ValueError when it is of another format."""
        dump_format, markets, *collecting = msgspec.msgpack.decode(dumped)
        if dump_format != DUMP_FORMAT:
            raise ValueError(f"market data of format {dump_format}, not {DUMP_FORMAT}")
        market_data = cls()
        market_data._collecting = set(*collecting)
        for instrument_id, book, trades, klines in markets:
            market = market_data.market(instrument_id)
            market.book = Book.load(*book)
            market.trades = Trades.load(*trades)
            market.klines = Klines.load(klines)
        return market_data
