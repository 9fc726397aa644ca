"""Klines: every trade into candles of all 16 intervals, and sums over rolling windows.

trade → second bar → minute bar → the bars of the 14 longer intervals

A trade touches one bar only; a bar is folded into the next when a trade opens a later one. So a candle that is still
open is the sum of what is on the three storeys, and reading adds them up. Slots without trades have no bar; readers
get them as flat candles at the last price, from the first trade on.

Memory is bounded by `ROWS_MAX`: what is older than the newest so many bars *with trades* of an interval is no longer
there.
"""

from collections.abc import Iterator

from holdfast.market_data.bars import ROW_BYTES, Bar, Rows
from holdfast.market_data.intervals import HOUR, INTERVALS, MINUTE, SECOND, Interval, source_of

# Minutes reach over the longest window of a ticker, 7 days, and quarters of an hour serve the zones that need them.
ROWS_MAX = dict.fromkeys(INTERVALS, 2_000) | {"1s": 3_600, "1m": 11_520, "15m": 5_760, "1h": 4_320}
WINDOW_MINUTES_MAX = 7 * 24 * 60
assert ROWS_MAX["1m"] > WINDOW_MINUTES_MAX
_WINDOWS_CACHED_MAX = 16

_LONGER = tuple(interval for interval in INTERVALS.values() if interval not in (SECOND, MINUTE))


class Klines:
    """The candles of one instrument."""

    def __init__(self) -> None:
        self.rows = {name: Rows(rows_max) for name, rows_max in ROWS_MAX.items()}
        self.open: dict[str, Bar] = {}  # By interval: the bar that is not in its rows yet, without the storeys below.
        self.minutes_closed = 0  # Since this object was made; tells cached sums that they are old.
        self._second: Bar | None = None
        self._windows: dict[int, tuple[int, Bar]] = {}  # By start: minutes_closed and the sum then.

    def on_trade(
        self, ts_ns: int, price_ticks: int, lots: int, quote: int, buyer_is_taker: bool, trade_id: int
    ) -> None:
        second = ts_ns // 1_000_000_000
        bar = self._second
        if bar is None or bar.start_s != second:
            bar = Bar(second, price_ticks)
            bar.first_id = trade_id
            self._begin_second(bar)
        elif price_ticks > bar.high:
            bar.high = price_ticks
        elif price_ticks < bar.low:
            bar.low = price_ticks
        bar.close = price_ticks
        bar.lots += lots
        bar.quote += quote
        bar.count += 1
        if buyer_is_taker:
            bar.taker_lots += lots
            bar.taker_quote += quote

    def add_second(self, bar: Bar) -> None:
        """Take in trades of one second at once."""
        if self._second is not None and self._second.start_s == bar.start_s:
            self._second.merge(bar)
        else:
            self._begin_second(bar)

    def _begin_second(self, bar: Bar) -> None:
        done = self._second
        if done is not None:
            assert bar.start_s > done.start_s, "event time never goes back"
            self.rows["1s"].append(done)
            closed = self._fold(MINUTE, done)
            if closed is not None:
                self.minutes_closed += 1
                for interval in _LONGER:
                    self._fold(interval, closed)
        self._second = self.open["1s"] = bar

    def _fold(self, interval: Interval, bar: Bar) -> Bar | None:
        """Add `bar` to the interval's open bar; a bar that this closes goes to the rows and is returned."""
        start_s = interval.start_of(bar.start_s)
        current = self.open.get(interval.name)
        if current is not None and current.start_s == start_s:
            current.merge(bar)
            return None
        self.open[interval.name] = bar.copy_at(start_s)
        if current is not None:
            self.rows[interval.name].append(current)
        return current

    # Reading.

    def candles(
        self,
        interval: Interval,
        now_s: int,
        limit: int,
        start_s: int | None = None,
        end_s: int | None = None,
        offset_s: int = 0,
    ) -> list[Bar]:
        """Up to `limit` candles that begin in [start_s, end_s], oldest first; flat ones where nothing was traded.

        With `start_s` the oldest ones of that range, else the newest. The candle of `now_s` is the last there is.
        """
        source = source_of(interval, offset_s)
        earliest_s = self._earliest(interval, source, offset_s)
        if earliest_s is None:
            return []
        last_s = interval.start_of(now_s, offset_s)
        if end_s is not None and end_s < now_s:
            last_s = min(last_s, interval.start_of(max(end_s, earliest_s - 1), offset_s))
        if start_s is None:
            first_s = max(earliest_s, interval.step(last_s, 1 - limit, offset_s))
        else:
            first_s = max(earliest_s, interval.first_from(min(start_s, now_s + 1), offset_s))
            last_s = min(last_s, interval.step(first_s, limit - 1, offset_s))
        return self._filled(interval, source, first_s, last_s, offset_s)

    def _earliest(self, interval: Interval, source: Interval, offset_s: int) -> int | None:
        """Where the first candle begins of which all trades are still known, or None before the first trade."""
        rows = self.rows[source.name]
        bar = rows.bar(0) if len(rows) else next(self._open_bars(source), None)
        if bar is None:
            return None
        start_s = interval.start_of(bar.start_s, offset_s)
        if bar.first_id > 1 and start_s != bar.start_s:
            return interval.step(start_s, 1, offset_s)  # Its beginning was dropped with older rows.
        return start_s

    def _filled(self, interval: Interval, source: Interval, first_s: int, last_s: int, offset_s: int) -> list[Bar]:
        """The candles that begin in [first_s, last_s], without holes."""
        if first_s > last_s:
            return []
        found: dict[int, Bar] = {}
        price_ticks = 0
        for bar in self._from(source, first_s, interval.step(last_s, 1, offset_s)):
            if bar.start_s < first_s:
                price_ticks = bar.close
                continue
            start_s = interval.start_of(bar.start_s, offset_s)
            if start_s in found:
                found[start_s].merge(bar)
            else:
                bar.start_s = start_s
                found[start_s] = bar
        candles = []
        while first_s <= last_s:
            candle = found.get(first_s) or Bar(first_s, price_ticks)
            price_ticks = candle.close
            candles.append(candle)
            first_s = interval.step(first_s, 1, offset_s)
        return candles

    def _from(self, source: Interval, from_s: int, to_s: int) -> Iterator[Bar]:
        """Copies of the bars of `source` from the last one before `from_s` up to `to_s`, then what is still open."""
        rows = self.rows[source.name]
        end = rows.index_from(to_s)
        for index in range(max(0, rows.index_from(from_s) - 1), end):
            yield rows.bar(index)
        for bar in self._open_bars(source):
            if bar.start_s < to_s:
                yield bar.copy_at(bar.start_s)

    def _open_bars(self, source: Interval) -> Iterator[Bar]:
        """What is not in the rows of `source` yet, oldest first."""
        names = {"1s": ("1s",), "1m": ("1m", "1s")}.get(source.name, (source.name, "1m", "1s"))
        return (self.open[name] for name in names if name in self.open)

    def candle(self, interval: Interval, time_s: int, offset_s: int = 0) -> Bar | None:
        """The candle that holds `time_s`, or None before the first trade."""
        candles = self.candles(interval, time_s, 1, offset_s=offset_s)
        return candles[0] if candles else None

    def since(self, start_s: int) -> Bar | None:
        """All trades from `start_s` (a whole minute, at most 7 days back) on as one bar; None when there is none."""
        assert start_s % 60 == 0
        minutes_closed, closed = self._windows.get(start_s, (-1, None))
        if closed is None or minutes_closed != self.minutes_closed:
            if len(self._windows) >= _WINDOWS_CACHED_MAX:
                self._windows.clear()
            closed = self._closed_since(start_s)
            self._windows[start_s] = (self.minutes_closed, closed)
        total = closed.copy_at(start_s)
        for name in ("1m", "1s"):
            bar = self.open.get(name)
            if bar is not None and bar.start_s >= start_s:
                total.merge(bar)
        return total if total.count else None

    def _closed_since(self, start_s: int) -> Bar:
        """The closed minutes from `start_s`, as minutes up to the next full hour and as hours from there."""
        hour_s = HOUR.start_of(start_s + HOUR.seconds - 1)
        total = Bar(start_s, 0)
        for bar in self.rows["1m"].between(start_s, hour_s):
            total.merge(bar)
        rows = self.rows["1h"]
        for index in range(rows.index_from(hour_s), len(rows)):
            total.merge(rows.bar(index))
        hour = self.open.get("1h")
        if hour is not None and hour.start_s >= hour_s:
            total.merge(hour)
        return total

    def close_before(self, start_s: int) -> int:
        """The price, in ticks, of the last trade before `start_s` (a whole minute); 0 when none is known."""
        for name in ("1s", "1m"):
            bar = self.open.get(name)
            if bar is not None and bar.start_s < start_s:
                return bar.close
        rows = self.rows["1m"]
        index = rows.index_from(start_s)
        return rows.bar(index - 1).close if index else 0

    # Snapshots.

    def dump(self) -> list[list[bytes]]:
        """For each interval its rows and its open bar, packed; equal candles give equal bytes."""
        return [
            [bytes(self.rows[name].rows), self.open[name].pack() if name in self.open else b""] for name in INTERVALS
        ]

    @classmethod
    def load(cls, dumped: list[list[bytes]]) -> "Klines":
        klines = cls()
        for name, (rows, open_row) in zip(INTERVALS, dumped, strict=True):
            klines.rows[name] = Rows(ROWS_MAX[name], rows[-ROWS_MAX[name] * ROW_BYTES :])
            if open_row:
                klines.open[name] = Bar.unpack(open_row)
        klines._second = klines.open.get("1s")
        return klines
