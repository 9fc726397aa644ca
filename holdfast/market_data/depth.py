"""Depth: the book as it is shown, one image every 100 ms.

book events → Book → IMAGE → diff and partial depth streams, REST depth

An image is what the stream publishes and what REST serves until the next one, so a snapshot's `last_update_id` is
always the last one of a diff event, and every client's way of joining the two works at the first try.

An image's diff is true of its whole range of update ids: each level that changed in it, with the quantity at its end.
The first image after a start knows one change only, the book's last, and covers exactly that update id. That matters
since new subscribers are sent the last diff at once: a reader that was at the id before can apply it, and nobody else
will.

Levels are kept as the text that clients are shown, `["40000.00000000","0.01000000"]`, written once per change.
"""

from bisect import bisect_left
from typing import NamedTuple

from holdfast.codes import Side
from holdfast.instruments import Instrument
from holdfast.market_data.book import Book, Levels


class DepthDiff(NamedTuple):
    """What changed from the image before to this one. Bids best first, asks best first; each a level's JSON text."""

    first_update_id: int
    last_update_id: int
    ts_ns: int  # Of the last book event in it.
    bids: list[str]
    asks: list[str]


class _ShownSide:
    """The levels of one side in the image: keys as in `Levels`, texts by key."""

    __slots__ = ("keys", "sign", "texts")

    def __init__(self, levels: Levels, instrument: Instrument) -> None:
        self.sign = levels.sign
        self.keys = list(levels.keys)
        self.texts = {key: level_text(instrument, key * self.sign, lots) for key, lots in levels.lots.items()}

    def update(self, changed: dict[int, int], instrument: Instrument) -> list[str]:
        """Take over the changes; returns their texts, best first."""
        shown = []
        for key in sorted(changed, reverse=True):
            lots = changed[key]
            text = level_text(instrument, key * self.sign, lots)
            shown.append(text)
            if lots:
                if key not in self.texts:
                    self.keys.insert(bisect_left(self.keys, key), key)
                self.texts[key] = text
            elif self.texts.pop(key, None) is not None:  # It may have come and gone between two images.
                del self.keys[bisect_left(self.keys, key)]
        return shown

    def top(self, depth: int) -> str:
        texts = self.texts
        return ",".join([texts[key] for key in self.keys[: -depth - 1 : -1]])


class Depth:
    """The published image of one instrument's book. Making it starts the collection of changes in the book."""

    __slots__ = ("_asks", "_bids", "_book", "diff", "instrument")

    def __init__(self, instrument: Instrument, book: Book) -> None:
        self.instrument = instrument
        self._book = book
        self._bids = _ShownSide(book.bids, instrument)
        self._asks = _ShownSide(book.asks, instrument)
        book.bids.changed, book.asks.changed = {}, {}
        bids: list[str] = []
        asks: list[str] = []
        if book.last_change is not None:
            side, key, lots = book.last_change
            texts, sign = (bids, 1) if side == Side.BUY else (asks, -1)
            texts.append(level_text(instrument, key * sign, lots))
        self.diff = DepthDiff(book.update_id, book.update_id, book.ts_ns, bids, asks)

    @property
    def last_update_id(self) -> int:
        return self.diff.last_update_id

    def publish(self) -> DepthDiff | None:
        """Move the image up to the book's state now; None when nothing happened since."""
        book = self._book
        if book.update_id == self.diff.last_update_id:
            return None
        assert book.bids.changed is not None
        assert book.asks.changed is not None
        bids = self._bids.update(book.bids.changed, self.instrument)
        asks = self._asks.update(book.asks.changed, self.instrument)
        book.bids.changed, book.asks.changed = {}, {}
        self.diff = DepthDiff(self.diff.last_update_id + 1, book.update_id, book.ts_ns, bids, asks)
        return self.diff

    @property
    def changes_waiting(self) -> int:
        """Levels that have changed since the image."""
        return len(self._book.bids.changed or ()) + len(self._book.asks.changed or ())

    def stop(self) -> None:
        """Collect no more changes: this image is not used any more."""
        self._book.bids.changed = self._book.asks.changed = None

    def bids(self, depth: int) -> str:
        """The best `depth` bids as JSON pairs joined by commas, best first."""
        return self._bids.top(depth)

    def asks(self, depth: int) -> str:
        return self._asks.top(depth)


def level_text(instrument: Instrument, price_ticks: int, lots: int) -> str:
    return f'["{instrument.format_price(price_ticks)}","{instrument.format_qty(lots)}"]'
