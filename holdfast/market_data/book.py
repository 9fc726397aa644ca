"""Book: the open quantity of every price level of one instrument, from book events.

A side keeps its keys ascending with the best one last (a bid's key is its price, an ask's the negated price), so that
the changes, which happen near the best, move little, and one code path serves both.

Invariants: update ids have no gaps; after a batch the book is not crossed, but in and after
an auction until orders match again.
"""

from bisect import bisect_left

from holdfast.codes import Side
from holdfast.events import BookEvent

_BUY = int(Side.BUY)  # Comparing with an IntEnum's member costs as much as the rest of `apply`.
SORT_FROM_SHARE = 8  # Levels are sorted anew when more than an eighth of them changes at once.


class Levels:
    """One side. `changed` collects what changed since the last published image; None until the first one is made.

    When many levels change at once, their order is left to whoever asks for it first.
    """

    __slots__ = ("_sorted_keys", "changed", "lots", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self._sorted_keys: list[int] | None = []
        self.lots: dict[int, int] = {}
        self.changed: dict[int, int] | None = None

    @property
    def keys(self) -> list[int]:
        """Ascending, the best one last."""
        if self._sorted_keys is None:
            self._sorted_keys = sorted(self.lots)
        return self._sorted_keys

    def set_many(self, keys: list[int], lots: list[int]) -> None:
        """The open lots of some levels, 0 for those that are gone, which need not have been there."""
        if len(keys) * SORT_FROM_SHARE < len(self.lots) and self._sorted_keys is not None:
            for key, open_lots in zip(keys, lots, strict=True):
                if open_lots or key in self.lots:
                    self.set(key, open_lots)
        else:
            self.lots.update(zip(keys, lots, strict=True))
            for key, open_lots in zip(keys, lots, strict=True):
                if open_lots == 0:
                    del self.lots[key]
            self._sorted_keys = None
        if self.changed is not None:
            self.changed.update(zip(keys, lots, strict=True))

    def set(self, key: int, lots: int) -> None:
        if lots == 0:
            keys = self.keys
            del self.lots[key]
            if keys[-1] == key:
                keys.pop()
            else:
                del keys[bisect_left(keys, key)]
        else:
            if key not in self.lots:
                keys = self.keys
                if keys and key < keys[-1]:
                    keys.insert(bisect_left(keys, key), key)
                else:
                    keys.append(key)
            self.lots[key] = lots
        if self.changed is not None:
            self.changed[key] = lots

    def best(self) -> tuple[int, int] | None:
        """(price_ticks, lots) of the best level."""
        if not self.keys:
            return None
        key = self.keys[-1]
        return key * self.sign, self.lots[key]

    def top(self, depth: int) -> list[tuple[int, int]]:
        """Up to `depth` levels as (price_ticks, lots), best first."""
        return [(key * self.sign, self.lots[key]) for key in self.keys[: -depth - 1 : -1]]


class Book:
    __slots__ = ("asks", "bids", "last_change", "ts_ns", "update_id")

    def __init__(self) -> None:
        self.update_id = 0
        self.ts_ns = 0
        self.bids = Levels(1)
        self.asks = Levels(-1)
        self.last_change: tuple[int, int, int] | None = None  # (side, key, lots) of `update_id`.

    def apply(self, event: BookEvent) -> None:
        update_id = event.update_id
        assert update_id == self.update_id + 1, "book events have no gaps"
        self.update_id = update_id
        side, lots = event.side, event.lots
        if side == _BUY:
            key = event.price_ticks
            self.bids.set(key, lots)
        else:
            key = -event.price_ticks
            self.asks.set(key, lots)
        self.ts_ns = event.ts_ns
        self.last_change = (side, key, lots)

    @property
    def level_count(self) -> int:
        return len(self.bids.lots) + len(self.asks.lots)

    def is_crossed(self) -> bool:
        return bool(self.bids.keys) and bool(self.asks.keys) and self.bids.keys[-1] >= -self.asks.keys[-1]

    def dump(self) -> list[object]:
        return [
            self.update_id,
            self.ts_ns,
            self.last_change,
            [(key, self.bids.lots[key]) for key in self.bids.keys],
            [(key, self.asks.lots[key]) for key in self.asks.keys],
        ]

    @classmethod
    def load(
        cls,
        update_id: int,
        ts_ns: int,
        last_change: tuple[int, int, int] | None,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
    ) -> "Book":
        book = cls()
        book.update_id, book.ts_ns = update_id, ts_ns
        book.last_change = None if last_change is None else (last_change[0], last_change[1], last_change[2])
        for levels, dumped in ((book.bids, bids), (book.asks, asks)):
            levels.set_many([key for key, _ in dumped], [lots for _, lots in dumped])
        return book
