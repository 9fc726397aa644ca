"""Bars: what was traded in one slot of time, and rows of them, packed.

A bar holds prices in ticks, quantities in lots and quote amounts in quote units, all exact: sums are Python's
integers, kept in rows as 96 bits (a day's volume of a cheap asset passes 64). Trade ids are contiguous per
instrument, so a bar needs only its first one and the count.

A row is 88 bytes, little-endian: start (8, seconds since the epoch), open, high, low, close (4 each), count (8),
first trade id (8), then lots, quote, taker-buy lots and taker-buy quote (12 each: low 64 bits, high 32). Only slots
with trades have a row.
"""

import struct
from collections.abc import Iterator

_row = struct.Struct("<q4i2qQIQIQIQI")
_start = struct.Struct("<q")
ROW_BYTES = _row.size
_LOW = 2**64 - 1
assert ROW_BYTES == 88


class Bar:
    """Trades of one slot. `taker_*` are the part in which the buyer was the taker."""

    __slots__ = (
        "close",
        "count",
        "first_id",
        "high",
        "lots",
        "low",
        "open",
        "quote",
        "start_s",
        "taker_lots",
        "taker_quote",
    )

    def __init__(self, start_s: int, price_ticks: int) -> None:
        """An empty bar at `price_ticks`: what a slot without trades looks like."""
        self.start_s = start_s
        self.open = self.high = self.low = self.close = price_ticks
        self.lots = self.quote = self.taker_lots = self.taker_quote = 0
        self.count = 0
        self.first_id = 0

    @property
    def last_id(self) -> int:
        return self.first_id + self.count - 1

    def merge(self, later: "Bar") -> None:
        """Add the trades of a bar that comes right after this one's."""
        if self.count == 0:
            self.open, self.high, self.low, self.first_id = later.open, later.high, later.low, later.first_id
        else:
            self.high = max(self.high, later.high)
            self.low = min(self.low, later.low)
        self.close = later.close
        self.lots += later.lots
        self.quote += later.quote
        self.taker_lots += later.taker_lots
        self.taker_quote += later.taker_quote
        self.count += later.count

    def copy_at(self, start_s: int) -> "Bar":
        """The same trades in a slot that begins at `start_s`."""
        bar = Bar(start_s, self.open)
        bar.merge(self)
        return bar

    def pack(self) -> bytes:
        return _row.pack(
            self.start_s,
            self.open,
            self.high,
            self.low,
            self.close,
            self.count,
            self.first_id,
            self.lots & _LOW,
            self.lots >> 64,
            self.quote & _LOW,
            self.quote >> 64,
            self.taker_lots & _LOW,
            self.taker_lots >> 64,
            self.taker_quote & _LOW,
            self.taker_quote >> 64,
        )

    @classmethod
    def unpack(cls, rows: bytes | bytearray, offset: int = 0) -> "Bar":
        start_s, open_, high, low, close, count, first_id, a, b, c, d, e, f, g, h = _row.unpack_from(rows, offset)
        bar = cls(start_s, open_)
        bar.high, bar.low, bar.close = high, low, close
        bar.count, bar.first_id = count, first_id
        bar.lots, bar.quote = a | b << 64, c | d << 64
        bar.taker_lots, bar.taker_quote = e | f << 64, g | h << 64
        return bar


class Rows:
    """The newest `rows_max` closed bars of one interval, oldest first."""

    def __init__(self, rows_max: int, rows: bytes = b"") -> None:
        self.rows_max = rows_max
        self.rows = bytearray(rows)
        assert len(self.rows) % ROW_BYTES == 0

    def __len__(self) -> int:
        return len(self.rows) // ROW_BYTES

    def append(self, bar: Bar) -> None:
        self.rows += bar.pack()
        if len(self.rows) > self.rows_max * ROW_BYTES:
            del self.rows[:ROW_BYTES]  # A bytearray gives up its front in O(1).

    def start_s(self, index: int) -> int:
        start: int = _start.unpack_from(self.rows, index * ROW_BYTES)[0]
        return start

    def bar(self, index: int) -> Bar:
        return Bar.unpack(self.rows, index * ROW_BYTES)

    def index_from(self, start_s: int) -> int:
        """The index of the first bar that starts at `start_s` or later; the length when there is none."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.start_s(middle) < start_s:
                low = middle + 1
            else:
                high = middle
        return low

    def between(self, from_s: int, to_s: int) -> Iterator[Bar]:
        """The bars that start in [from_s, to_s)."""
        for index in range(self.index_from(from_s), self.index_from(to_s)):
            yield self.bar(index)
