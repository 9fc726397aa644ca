"""Market streams: who listens to what, and every message written once and sent to all who listen.

applied batches ─▶ trades, best prices ─┐
100 ms tick ─▶ images, candles, tickers ─┴▶ topics ─▶ STREAMS ─▶ broadcast to sockets, in pieces

Everything comes from applied batches, so nothing is shown before it is durable. A message is serialised once per
stream and unit of time (and once more as a combined frame when somebody wants it so); sending to thousands of sockets
is cut into pieces between which the loop does other things. A reader that does not read is dropped by its socket's
limit.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from holdfast.events import Events
from holdfast.gateway.binance.market_messages import SECOND_NS
from holdfast.gateway.binance.market_topics import Source, Topic, topic_of
from holdfast.gateway.server.routes import OutgoingSocket
from holdfast.instruments import Instrument, Reference
from holdfast.market_data.market_data import MarketData
from holdfast.market_data.trades import public_trades, taker_rows
from holdfast.views import Auction

# Sends that wait when a tick makes nothing new, about as many as are made in 100 ms: a slow machine gets fewer images
# with more in each, not a growing queue.
CONFLATE_FROM_SENDS = 10_000
TRY_AGAIN_LATER = 1013


class Broadcast(Protocol):
    """`holdfast.gateway.server.broadcast.Broadcaster`: in order, in pieces, False when too much is waiting."""

    @property
    def backlog(self) -> int: ...
    def send(self, sockets: list[Any], data: bytes) -> bool: ...


class Listener(Protocol):
    """A session: whether it wants combined frames, and its socket. It can be told that its connection ends soon."""

    is_combined: bool

    @property
    def socket(self) -> OutgoingSocket: ...
    def announce_shutdown(self) -> None: ...


class Stream:
    """One stream name in one unit of time, with its listeners. `topic` is None while the name means nothing."""

    def __init__(self, name: str, topic: Topic | None, broadcast: Broadcast) -> None:
        self.name = name
        self.topic = topic
        self._broadcast = broadcast
        self._frame_head = f'{{"stream":{json.dumps(name)},"data":'.encode()
        self._listeners: dict[Listener, None] = {}
        self._sockets: tuple[list[OutgoingSocket], list[OutgoingSocket]] | None = None  # Raw and combined.

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: Listener, now_ns: int) -> None:
        """Let the listener have everything from now on, and first of all the current state."""
        self._listeners[listener] = None
        self._sockets = None
        if self.topic is not None:
            text = self.topic.initial(now_ns)
            if text is not None:
                # Behind what is being broadcast, or the next message could come before this one.
                self._send([listener.socket], text.encode(), listener.is_combined)

    def remove(self, listener: Listener) -> None:
        del self._listeners[listener]
        self._sockets = None

    def regroup(self) -> None:
        """A listener has changed its mind about combined frames."""
        self._sockets = None

    def broadcast(self, text: str) -> None:
        if self._sockets is None:
            self._sockets = ([], [])
            for listener in self._listeners:
                self._sockets[listener.is_combined].append(listener.socket)
        data = text.encode()
        for is_combined, sockets in enumerate(self._sockets):
            if sockets:
                self._send(sockets, data, bool(is_combined))

    def _send(self, sockets: list[OutgoingSocket], data: bytes, is_combined: bool) -> None:
        if is_combined:
            data = b"%b%b}" % (self._frame_head, data)
        if not self._broadcast.send(sockets, data):
            for socket in sockets:  # A stream with a hole is worse than none: its clients begin anew.
                socket.close(TRY_AGAIN_LATER, "the venue cannot keep up")


Index = dict[int, tuple[Stream, ...]]  # By instrument. Tuples: sending may end with somebody leaving.


class AppliedEvents(Protocol):
    @property
    def events(self) -> Events: ...


class MarketStreams:
    """All public streams. `on_applied` is a reader that comes after market data; `tick` is called every 100 ms."""

    def __init__(
        self,
        market_data: MarketData,
        reference: Callable[[], Reference],
        now_ns: Callable[[], int],
        broadcast: Broadcast,
        reference_price_ticks: Callable[[int], int],
        auction: Callable[[Instrument], Auction],
    ) -> None:
        self.now_ns = now_ns
        self._reference_price_ticks = reference_price_ticks
        self.listeners: set[Listener] = set()
        self._market_data = market_data
        self._reference = reference
        self._broadcast = broadcast
        self._auction = auction
        self._streams: dict[tuple[str, int], Stream] = {}
        self._hearing_images: Index = {}
        self._hearing_trades: Index = {}
        self._hearing_book: Index = {}
        self._names_of: Reference | None = None  # The reference data that `_by_lower_symbol` is of.
        self._by_lower_symbol: dict[str, Instrument] = {}
        self._resolved_of: Reference | None = None  # The reference data in which every name was looked up.
        self._polled_s = now_ns() // SECOND_NS

    # Listeners.

    def subscribe(self, listener: Listener, name: str, unit_ns: int) -> None:
        """Add the listener to a stream; names that mean nothing are kept and stay silent, as on Binance."""
        stream = self._streams.get((name, unit_ns))
        if stream is None:
            stream = self._streams[name, unit_ns] = Stream(name, self._topic_of(name, unit_ns), self._broadcast)
            self._index(stream)
        stream.add(listener, self.now_ns())

    def unsubscribe(self, listener: Listener, name: str, unit_ns: int) -> None:
        stream = self._streams[name, unit_ns]
        stream.remove(listener)
        if not len(stream):
            del self._streams[name, unit_ns]
            for instrument_id, index in self._indexes_of(stream):
                index[instrument_id] = tuple(each for each in index[instrument_id] if each is not stream)
                if not index[instrument_id]:
                    del index[instrument_id]

    def regroup(self, name: str, unit_ns: int) -> None:
        """A listener of this stream has changed its mind about combined frames."""
        self._streams[name, unit_ns].regroup()

    def announce_shutdown(self) -> None:
        """Tell every session that the venue is going down, so that its client connects anew elsewhere or later.

        Directly and at once: the sockets are closed right after, before a broadcast would be through.
        """
        for listener in list(self.listeners):
            listener.announce_shutdown()

    def counts(self) -> dict[str, int]:
        """For metrics: sessions, streams with listeners, and messages waiting to be sent."""
        return {
            "sessions": len(self.listeners),
            "streams": len(self._streams),
            "waiting_sends": self._broadcast.backlog,
        }

    def _topic_of(self, name: str, unit_ns: int) -> Topic | None:
        reference = self._reference()
        if reference is not self._names_of:
            self._names_of = reference
            self._by_lower_symbol = {symbol.lower(): each for symbol, each in reference.by_symbol.items()}
        source = Source(self._market_data, self._reference, unit_ns, self._reference_price_ticks, self._auction)
        return topic_of(name, source, self._by_lower_symbol)

    def _index(self, stream: Stream) -> None:
        for instrument_id, index in self._indexes_of(stream):
            index[instrument_id] = (*index.get(instrument_id, ()), stream)

    def _indexes_of(self, stream: Stream) -> Iterator[tuple[int, Index]]:
        """The indexes that the stream is in, each with its key there."""
        topic = stream.topic
        if topic is not None and topic.instrument is not None:
            instrument_id = topic.instrument.instrument_id
            if topic.hears_images:
                yield instrument_id, self._hearing_images
            if topic.hears_trades:
                yield instrument_id, self._hearing_trades
            if topic.hears_book:
                yield instrument_id, self._hearing_book

    # What there is to tell.

    def on_applied(self, applied: AppliedEvents) -> None:
        """Tell the trades and best prices of one applied batch to those who listen to them."""
        orders, book = applied.events.orders, applied.events.book
        if self._hearing_trades:
            takers = taker_rows(orders)
            instrument_ids = takers["instrument_id"]
            for instrument_id in sorted(self._hearing_trades.keys() & instrument_ids.tolist()):
                trades = public_trades(takers.take(np.flatnonzero(instrument_ids == instrument_id)))
                for stream in self._hearing_trades.get(instrument_id, ()):
                    self._tell(stream, _topic(stream).on_trades(trades, self.now_ns()))
        if self._hearing_book:
            for instrument_id in sorted(self._hearing_book.keys() & book["instrument_id"].tolist()):
                for stream in self._hearing_book.get(instrument_id, ()):
                    self._tell(stream, [_topic(stream).on_book()])

    def tick(self, now_ns: int) -> None:
        """Publish the images; every second also what is told once a second. Called every 100 ms."""
        if self._broadcast.backlog >= CONFLATE_FROM_SENDS:
            return
        self._resolve_new_names()
        instruments = self._reference().instruments
        heard = {instrument_id: instruments[instrument_id] for instrument_id in self._hearing_images}
        for instrument, depth, diff in self._market_data.publish_images(heard):
            for stream in self._hearing_images.get(instrument.instrument_id, ()):
                self._tell(stream, [_topic(stream).on_diff(depth, diff, now_ns)])
        second = now_ns // SECOND_NS
        is_new_second, self._polled_s = second != self._polled_s, second
        for stream in list(self._streams.values()):
            topic = stream.topic
            if topic is not None:
                self._tell(stream, topic.on_tick(now_ns))
                if is_new_second and topic.period_s and second % topic.period_s == 0:
                    self._tell(stream, [topic.poll(now_ns)])

    def _resolve_new_names(self) -> None:
        """A name may come to mean something when an instrument is added."""
        reference = self._reference()
        if reference is self._resolved_of:
            return
        self._resolved_of = reference
        for (name, unit_ns), stream in self._streams.items():
            if stream.topic is None:
                stream.topic = self._topic_of(name, unit_ns)
                self._index(stream)

    @staticmethod
    def _tell(stream: Stream, texts: Iterable[str | None]) -> None:
        for text in texts:
            if text is not None:
                stream.broadcast(text)


def _topic(stream: Stream) -> Topic:
    assert stream.topic is not None, "only streams with a topic are kept by instrument"
    return stream.topic
