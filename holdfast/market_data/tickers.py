"""Tickers: statistics of a rolling window, and the average price.

A window begins on a whole minute: the one that holds `now - length`. So it is up to 59.999 s wider than its name
says, and within it every sum is exact. Open, high, low, last, volume and quote volume are of the same trades, and the
rest follows from them. A window without trades shows the last price before it as open, high, low and last, with no
volume.
"""

from typing import NamedTuple

from holdfast.market_data.klines import Klines
from holdfast.market_data.trades import Trades

AVERAGE_PRICE_MINUTES = 5


class Ticker(NamedTuple):
    """Prices in ticks (0: never traded), volume in lots and quote units. Ids are -1 when the window has no trade."""

    start_s: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    last_ticks: int
    previous_ticks: int  # Of the last trade before the window; 0 when there is none.
    last_lots: int
    lots: int
    quote_units: int
    first_id: int
    last_id: int
    trade_count: int


def ticker(klines: Klines, trades: Trades, start_s: int) -> Ticker:
    """The statistics from `start_s`, a whole minute, until now."""
    last = trades.last
    last_lots = last.lots if last is not None else 0
    previous = klines.close_before(start_s)
    bar = klines.since(start_s)
    if bar is None:
        return Ticker(start_s, previous, previous, previous, previous, previous, last_lots, 0, 0, -1, -1, 0)
    return Ticker(
        start_s,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        previous,
        last_lots,
        bar.lots,
        bar.quote,
        bar.first_id,
        bar.last_id,
        bar.count,
    )


def window_start_s(now_s: int, minutes: int) -> int:
    """The whole minute at which a window of so many minutes begins."""
    return max(0, (now_s // 60 - minutes) * 60)


def average_price_ticks(klines: Klines, trades: Trades, units_per_tick_lot: int, now_s: int) -> int:
    """The volume-weighted price of the last five minute buckets, the current one included, rounded down to ticks.

    Without trades in them the last price; 0 before the first trade.
    """
    bar = klines.since(window_start_s(now_s, AVERAGE_PRICE_MINUTES - 1))
    if bar is not None:
        return bar.quote // (bar.lots * units_per_tick_lot)
    last = trades.last
    return last.price_ticks if last is not None else 0
