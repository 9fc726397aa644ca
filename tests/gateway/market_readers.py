"""How clients keep a local order book, as small reference readers: Binance's documented procedure, and what ccxt and
python-binance do. A reader is fed each stream event and may ask for a snapshot; it refuses what its rules refuse.
"""

from collections.abc import Callable
from typing import Any

Snapshot = Callable[[], dict[str, Any]]


class OutOfSequenceError(Exception):
    """The reader's rules say that events were missed."""


class LocalBook:
    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.update_id: int | None = None

    def set(self, snapshot: dict[str, Any]) -> None:
        self.bids, self.asks = dict(snapshot["bids"]), dict(snapshot["asks"])
        self.update_id = snapshot["lastUpdateId"]

    def apply(self, event: dict[str, Any]) -> None:
        for levels, changes in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, quantity in changes:
                if quantity == "0.00000000":  # The very text: python-binance compares it so.
                    levels.pop(price, None)
                else:
                    levels[price] = quantity
        self.update_id = event["u"]

    def shown(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        return (
            sorted(self.bids.items(), key=lambda level: -float(level[0])),
            sorted(self.asks.items(), key=lambda level: float(level[0])),
        )


class DocumentedReader:
    """web-socket-streams.md, "How to manage a local order book correctly"."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.book = LocalBook()
        self._snapshot = snapshot
        self._buffer: list[dict[str, Any]] = []

    def synchronise(self) -> None:
        """Steps 2 to 7, once an event has come."""
        first_id = self._buffer[0]["U"]
        snapshot = self._snapshot()
        assert snapshot["lastUpdateId"] >= first_id, "step 4 would ask again and again"
        self.book.set(snapshot)
        left = [event for event in self._buffer if event["u"] > snapshot["lastUpdateId"]]
        if left:
            assert left[0]["U"] <= snapshot["lastUpdateId"] + 1 <= left[0]["u"]
        for event in left:
            self._apply(event)

    def feed(self, event: dict[str, Any]) -> None:
        if self.book.update_id is None:
            self._buffer.append(event)
        else:
            self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        assert self.book.update_id is not None
        if event["u"] < self.book.update_id:
            return
        if event["U"] > self.book.update_id + 1:
            raise OutOfSequenceError(event)
        self.book.apply(event)


class CcxtReader:
    """A snapshot on the acknowledgement; then the first event must hold the next id, and each continues the last."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.book = LocalBook()
        self._snapshot = snapshot
        self._cache: list[dict[str, Any]] = []
        self._has_applied = False

    def synchronise(self) -> None:
        self.book.set(self._snapshot())
        for event in self._cache:
            self.feed(event)

    def feed(self, event: dict[str, Any]) -> None:
        nonce = self.book.update_id
        if nonce is None:
            self._cache.append(event)
            return
        assert "pu" not in event
        if event["u"] <= nonce:
            return
        fits = event["U"] - 1 == nonce if self._has_applied else event["U"] - 1 <= nonce <= event["u"] - 1
        if not fits:
            raise OutOfSequenceError(event)
        self.book.apply(event)
        self._has_applied = True


class PythonBinanceReader:
    """DepthCacheManager: takes a snapshot anew whenever an event is not exactly the next one, and counts that."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.book = LocalBook()
        self.snapshots_taken = 0
        self._snapshot = snapshot
        self._buffer: list[dict[str, Any]] = []

    def synchronise(self) -> None:
        self.snapshots_taken += 1
        self.book.set(self._snapshot())
        for event in self._buffer:
            self.feed(event)
        self._buffer.clear()

    def feed(self, event: dict[str, Any]) -> None:
        if self.book.update_id is None:
            self._buffer.append(event)
        elif event["u"] > self.book.update_id:
            if event["U"] != self.book.update_id + 1:
                self.snapshots_taken += 1
                self.book.set(self._snapshot())
            self.book.apply(event)
