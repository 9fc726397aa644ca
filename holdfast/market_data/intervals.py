"""The 16 kline intervals: where a slot begins, in UTC or at a fixed offset from it.

All times are whole seconds since the epoch. Weeks begin on Monday, three-day slots count from the epoch, months are the
calendar's. With an offset a slot begins when the clock of that zone says so.
"""

from datetime import UTC, datetime
from typing import NamedTuple

DAY_S = 86_400
_MONDAY_S = 4 * DAY_S  # 1970-01-05, the first Monday.


class Interval(NamedTuple):
    """`seconds` is 0 for the month, which has no fixed length."""

    name: str
    seconds: int
    anchor_s: int = 0

    def start_of(self, time_s: int, offset_s: int = 0) -> int:
        """The beginning of the slot that holds `time_s`."""
        if self.seconds:
            local_s = time_s + offset_s - self.anchor_s
            return local_s - local_s % self.seconds + self.anchor_s - offset_s
        month = datetime.fromtimestamp(time_s + offset_s, UTC).replace(day=1, hour=0, minute=0, second=0)
        return int(month.timestamp()) - offset_s

    def step(self, start_s: int, slots: int, offset_s: int = 0) -> int:
        """The beginning of the slot that is `slots` later (earlier when negative) than the one at `start_s`."""
        if self.seconds:
            return start_s + slots * self.seconds
        month = datetime.fromtimestamp(start_s + offset_s, UTC)
        years, month_index = divmod(month.month - 1 + slots, 12)
        if month.year + years < 1:
            return int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) - offset_s
        stepped = datetime(month.year + years, month_index + 1, 1, tzinfo=UTC)
        return int(stepped.timestamp()) - offset_s

    def first_from(self, time_s: int, offset_s: int = 0) -> int:
        """The beginning of the first slot that begins at `time_s` or later."""
        start_s = self.start_of(time_s, offset_s)
        return start_s if start_s == time_s else self.step(start_s, 1, offset_s)


SECOND = Interval("1s", 1)
MINUTE = Interval("1m", 60)
HOUR = Interval("1h", 3_600)
DAY = Interval("1d", DAY_S)
MONTH = Interval("1M", 0)

INTERVALS = {
    interval.name: interval
    for interval in (
        SECOND,
        MINUTE,
        Interval("3m", 180),
        Interval("5m", 300),
        Interval("15m", 900),
        Interval("30m", 1_800),
        HOUR,
        Interval("2h", 7_200),
        Interval("4h", 14_400),
        Interval("6h", 21_600),
        Interval("8h", 28_800),
        Interval("12h", 43_200),
        DAY,
        Interval("3d", 3 * DAY_S),
        Interval("1w", 7 * DAY_S, _MONDAY_S),
        MONTH,
    )
}
assert len(INTERVALS) == 16


def source_of(interval: Interval, offset_s: int) -> Interval:
    """The coarsest interval whose UTC slots make up `interval`'s slots at an offset; itself where they agree."""
    if interval.seconds == 0 or interval.anchor_s:
        if offset_s == 0:
            return interval
        length_s = DAY_S
    else:
        if offset_s % interval.seconds == 0:
            return interval
        length_s = interval.seconds
    fits = [i for i in INTERVALS.values() if 0 < i.seconds <= DAY_S]
    return max((i for i in fits if length_s % i.seconds == 0 and offset_s % i.seconds == 0), key=lambda i: i.seconds)
