"""Market data in Binance's words: every stream message and REST object, from the views of `holdfast.market_data`.

market data → MESSAGES → streams, REST, WebSocket API

Stream messages are written as text once for all their readers; what REST answers is objects that its encoder takes. A
time is divided by `unit_ns`: 1,000,000 for milliseconds, 1,000 for microseconds.
"""

import msgspec

from holdfast.instruments import Instrument
from holdfast.market_data.bars import Bar
from holdfast.market_data.book import Book
from holdfast.market_data.depth import Depth
from holdfast.market_data.intervals import Interval
from holdfast.market_data.tickers import Ticker
from holdfast.market_data.trades import AggregateTrade, PublicTrade

MILLISECOND_NS = 1_000_000
MICROSECOND_NS = 1_000
SECOND_NS = 1_000_000_000
NO_PRICE = "0.00000000"

Shown = dict[str, object]


def json_text(text: str) -> str:
    """`text` as a JSON string."""
    return msgspec.json.encode(text).decode()


# Depth.


def depth_update(
    symbol: str, first_id: int, last_id: int, bids: list[str], asks: list[str], now_ns: int, unit_ns: int
) -> str:
    return (
        f'{{"e":"depthUpdate","E":{now_ns // unit_ns},"s":{json_text(symbol)},"U":{first_id},"u":{last_id},'
        f'"b":[{",".join(bids)}],"a":[{",".join(asks)}]}}'
    )


def depth_snapshot(depth: Depth, limit: int) -> str:
    return f'{{"lastUpdateId":{depth.last_update_id},"bids":[{depth.bids(limit)}],"asks":[{depth.asks(limit)}]}}'


# Trades.


def trade_event(instrument: Instrument, trade: PublicTrade, now_ns: int, unit_ns: int) -> str:
    return (
        f'{{"e":"trade","E":{now_ns // unit_ns},"s":{json_text(instrument.symbol)},"t":{trade.trade_id},'
        f'"p":"{instrument.format_price(trade.price_ticks)}","q":"{instrument.format_qty(trade.lots)}",'
        f'"T":{trade.ts_ns // unit_ns},"m":{_json_bool(trade.buyer_is_maker)},"M":true}}'
    )


def aggregate_event(instrument: Instrument, trade: AggregateTrade, now_ns: int, unit_ns: int) -> str:
    return (
        f'{{"e":"aggTrade","E":{now_ns // unit_ns},"s":{json_text(instrument.symbol)},"a":{trade.aggregate_trade_id},'
        f'"p":"{instrument.format_price(trade.price_ticks)}","q":"{instrument.format_qty(trade.lots)}",'
        f'"f":{trade.first_trade_id},"l":{trade.last_trade_id},'
        f'"T":{trade.ts_ns // unit_ns},"m":{_json_bool(trade.buyer_is_maker)},"M":true}}'
    )


def _json_bool(value: bool) -> str:
    return "true" if value else "false"


def trade_object(instrument: Instrument, trade: PublicTrade, unit_ns: int) -> Shown:
    return {
        "id": trade.trade_id,
        "price": instrument.format_price(trade.price_ticks),
        "qty": instrument.format_qty(trade.lots),
        "quoteQty": instrument.quote.format(trade.quote_units),
        "time": trade.ts_ns // unit_ns,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_object(instrument: Instrument, trade: AggregateTrade, unit_ns: int) -> Shown:
    return {
        "a": trade.aggregate_trade_id,
        "p": instrument.format_price(trade.price_ticks),
        "q": instrument.format_qty(trade.lots),
        "f": trade.first_trade_id,
        "l": trade.last_trade_id,
        "T": trade.ts_ns // unit_ns,
        "m": trade.buyer_is_maker,
        "M": True,
    }


# Candles.


def kline_event(
    instrument: Instrument, interval: Interval, offset_s: int, bar: Bar, is_closed: bool, now_ns: int, unit_ns: int
) -> str:
    price, qty = instrument.format_price, instrument.format_qty
    first_id, last_id = (bar.first_id, bar.last_id) if bar.count else (-1, -1)
    return (
        f'{{"e":"kline","E":{now_ns // unit_ns},"s":{json_text(instrument.symbol)},"k":{{'
        f'"t":{bar.start_s * SECOND_NS // unit_ns},"T":{_close_time(interval, offset_s, bar, unit_ns)},'
        f'"s":{json_text(instrument.symbol)},"i":"{interval.name}","f":{first_id},"L":{last_id},'
        f'"o":"{price(bar.open)}","c":"{price(bar.close)}","h":"{price(bar.high)}","l":"{price(bar.low)}",'
        f'"v":"{qty(bar.lots)}","n":{bar.count},"x":{_json_bool(is_closed)},'
        f'"q":"{instrument.quote.format(bar.quote)}","V":"{qty(bar.taker_lots)}",'
        f'"Q":"{instrument.quote.format(bar.taker_quote)}","B":"0"}}}}'
    )


def kline_row(instrument: Instrument, interval: Interval, offset_s: int, bar: Bar, unit_ns: int) -> str:
    """A candle as REST shows it: an array of twelve, as JSON."""
    price, qty, amount = instrument.format_price, instrument.format_qty, instrument.quote.format
    return (
        f'[{bar.start_s * SECOND_NS // unit_ns},"{price(bar.open)}","{price(bar.high)}","{price(bar.low)}",'
        f'"{price(bar.close)}","{qty(bar.lots)}",{_close_time(interval, offset_s, bar, unit_ns)},'
        f'"{amount(bar.quote)}",{bar.count},"{qty(bar.taker_lots)}","{amount(bar.taker_quote)}","0"]'
    )


def _close_time(interval: Interval, offset_s: int, bar: Bar, unit_ns: int) -> int:
    """The last millisecond (or microsecond) of the candle."""
    return interval.step(bar.start_s, 1, offset_s) * SECOND_NS // unit_ns - 1


# Tickers.


def change_percent(ticker: Ticker) -> str:
    """The change over the window in percent of the open price, with three decimals, half rounded away from zero."""
    if ticker.open_ticks == 0:
        return "0.000"
    change = ticker.last_ticks - ticker.open_ticks
    thousandths = (2 * 100_000 * abs(change) + ticker.open_ticks) // (2 * ticker.open_ticks)
    sign = "-" if change < 0 and thousandths else ""
    return f"{sign}{thousandths // 1000}.{thousandths % 1000:03d}"


def weighted_average(instrument: Instrument, ticker: Ticker) -> str:
    """Quote volume by base volume with 8 decimals, rounded down; so never outside of low and high."""
    if ticker.lots == 0:
        return NO_PRICE
    average_e8 = ticker.quote_units * instrument.tick_e8 // (ticker.lots * instrument.units_per_tick_lot)
    return f"{average_e8 // 10**8}.{average_e8 % 10**8:08d}"


def best_levels(instrument: Instrument, book: Book) -> tuple[str, str, str, str]:
    """Best bid price and quantity, best ask price and quantity; zeros where a side is empty."""
    bid = book.bids.best() or (0, 0)
    ask = book.asks.best() or (0, 0)
    price, qty = instrument.format_price, instrument.format_qty
    return price(bid[0]), qty(bid[1]), price(ask[0]), qty(ask[1])


def _prices(instrument: Instrument, ticker: Ticker) -> tuple[str, str, str, str]:
    price = instrument.format_price
    return price(ticker.open_ticks), price(ticker.high_ticks), price(ticker.low_ticks), price(ticker.last_ticks)


def _volumes(instrument: Instrument, ticker: Ticker) -> tuple[str, str]:
    return instrument.format_qty(ticker.lots), instrument.quote.format(ticker.quote_units)


def _change(instrument: Instrument, ticker: Ticker) -> str:
    return instrument.format_price(ticker.last_ticks - ticker.open_ticks)


def mini_ticker_event(instrument: Instrument, ticker: Ticker, now_ns: int, unit_ns: int) -> str:
    open_, high, low, last = _prices(instrument, ticker)
    volume, quote_volume = _volumes(instrument, ticker)
    return (
        f'{{"e":"24hrMiniTicker","E":{now_ns // unit_ns},"s":{json_text(instrument.symbol)},"c":"{last}","o":"{open_}",'
        f'"h":"{high}","l":"{low}","v":"{volume}","q":"{quote_volume}"}}'
    )


def ticker_event(instrument: Instrument, ticker: Ticker, book: Book, now_ns: int, unit_ns: int) -> str:
    bid, bid_qty, ask, ask_qty = best_levels(instrument, book)
    return (
        f'{{"e":"24hrTicker","E":{now_ns // unit_ns},"s":{json_text(instrument.symbol)},'
        f'"p":"{_change(instrument, ticker)}","P":"{change_percent(ticker)}",'
        f'"w":"{weighted_average(instrument, ticker)}",'
        f'"x":"{instrument.format_price(ticker.previous_ticks)}","c":"{instrument.format_price(ticker.last_ticks)}",'
        f'"Q":"{instrument.format_qty(ticker.last_lots)}","b":"{bid}","B":"{bid_qty}","a":"{ask}","A":"{ask_qty}",'
        f"{_window_fields(instrument, ticker, now_ns, unit_ns)}}}"
    )


def window_ticker_event(instrument: Instrument, ticker: Ticker, window: str, now_ns: int, unit_ns: int) -> str:
    return (
        f'{{"e":"{window}Ticker","E":{now_ns // unit_ns},"s":{json_text(instrument.symbol)},'
        f'"p":"{_change(instrument, ticker)}","P":"{change_percent(ticker)}",'
        f'"c":"{instrument.format_price(ticker.last_ticks)}","w":"{weighted_average(instrument, ticker)}",'
        f"{_window_fields(instrument, ticker, now_ns, unit_ns)}}}"
    )


def _window_fields(instrument: Instrument, ticker: Ticker, now_ns: int, unit_ns: int) -> str:
    open_, high, low, _ = _prices(instrument, ticker)
    volume, quote_volume = _volumes(instrument, ticker)
    return (
        f'"o":"{open_}","h":"{high}","l":"{low}","v":"{volume}","q":"{quote_volume}",'
        f'"O":{ticker.start_s * SECOND_NS // unit_ns},"C":{now_ns // unit_ns},'
        f'"F":{ticker.first_id},"L":{ticker.last_id},"n":{ticker.trade_count}'
    )


def book_ticker_event(instrument: Instrument, book: Book) -> str:
    bid, bid_qty, ask, ask_qty = best_levels(instrument, book)
    return (
        f'{{"u":{book.update_id},"s":{json_text(instrument.symbol)},'
        f'"b":"{bid}","B":"{bid_qty}","a":"{ask}","A":"{ask_qty}"}}'
    )


def average_price_event(instrument: Instrument, price_ticks: int, last_ts_ns: int, now_ns: int, unit_ns: int) -> str:
    return (
        f'{{"e":"avgPrice","E":{now_ns // unit_ns},"s":{json_text(instrument.symbol)},"i":"5m",'
        f'"w":"{instrument.format_price(price_ticks)}","T":{last_ts_ns // unit_ns}}}'
    )


def ticker_object(
    instrument: Instrument, ticker: Ticker, close_time: int, unit_ns: int, is_mini: bool, book: Book | None = None
) -> Shown:
    """A ticker as REST shows it; with `book` the 24 h one, which has the best levels in it."""
    open_, high, low, last = _prices(instrument, ticker)
    volume, quote_volume = _volumes(instrument, ticker)
    shown: Shown = {"symbol": instrument.symbol}
    if not is_mini:
        shown["priceChange"] = _change(instrument, ticker)
        shown["priceChangePercent"] = change_percent(ticker)
        shown["weightedAvgPrice"] = weighted_average(instrument, ticker)
    if book is not None and not is_mini:
        shown["prevClosePrice"] = instrument.format_price(ticker.previous_ticks)
        shown["lastPrice"] = last
        shown["lastQty"] = instrument.format_qty(ticker.last_lots)
        levels = zip(("bidPrice", "bidQty", "askPrice", "askQty"), best_levels(instrument, book), strict=True)
        shown.update(levels)
    shown |= {"openPrice": open_, "highPrice": high, "lowPrice": low, "lastPrice": last}
    shown |= {
        "volume": volume,
        "quoteVolume": quote_volume,
        "openTime": ticker.start_s * SECOND_NS // unit_ns,
        "closeTime": close_time,
        "firstId": ticker.first_id,
        "lastId": ticker.last_id,
        "count": ticker.trade_count,
    }
    return shown
