"""Market data endpoints: one row each, for REST and the WebSocket API alike.

request → parameters → ENDPOINT → market data, history → JSON

What is recent is in memory; older trades come from the account history's file. Lists without a start end with the
newest, with one they begin at it, and are always oldest first.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

import msgspec

from holdfast.codes import TradingMode
from holdfast.gateway.binance import errors, parameters
from holdfast.gateway.binance import market_messages as messages
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.market_trades import MarketHistory, OlderTrades
from holdfast.gateway.binance.parameters import Parameter, Parameters, Values
from holdfast.instruments import Instrument, Reference
from holdfast.market_data.bars import Bar
from holdfast.market_data.intervals import DAY, INTERVALS, Interval
from holdfast.market_data.market_data import Market, MarketData
from holdfast.market_data.tickers import AVERAGE_PRICE_MINUTES, average_price_ticks, ticker, window_start_s

DEPTH_LIMIT_MAX = 5_000
LIMIT_MAX = 1_000
LIMIT_DEFAULT = 500
WINDOW_SYMBOLS_MAX = 100
KLINE_TEXTS_MAX = 50_000  # About 20 MB.
_DAY_MINUTES = 1440


class TickerType(IntEnum):
    FULL = 1
    MINI = 2


class SymbolStatus(IntEnum):
    TRADING = 1
    HALT = 2
    BREAK = 3


class MarketReplica(Protocol):
    """The part of the replica that public endpoints and streams read."""

    @property
    def reference(self) -> Reference: ...


# The status that can be asked for, by mode. CANCEL_ONLY is a status of its own and answers to none of them.
STATUS_OF = {
    TradingMode.HALT: SymbolStatus.HALT,
    TradingMode.POST_ONLY: SymbolStatus.TRADING,
    TradingMode.LIMIT_ONLY: SymbolStatus.TRADING,
    TradingMode.TRADING: SymbolStatus.TRADING,
    TradingMode.AUCTION: SymbolStatus.BREAK,
}


# Converters of parameters that only market data has.

_zone = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?", re.ASCII)
_window = re.compile(r"([0-9]{1,2})([mhd])", re.ASCII)
_WINDOW_UNITS = {"m": (1, 59), "h": (60, 23), "d": (_DAY_MINUTES, 7)}  # Minutes in one, and how many at most.


def up_to(limit_max: int) -> parameters.Convert:
    """How many are wanted; more than the greatest number gives that number."""

    def convert(name: str, text: str) -> int:
        value = parameters.long(name, text)
        if value == 0:
            raise ApiError(errors.INVALID_PARAMETER, name)
        return min(value, limit_max)

    return convert


def interval(_name: str, text: str) -> Interval:
    if text not in INTERVALS:
        raise ApiError(errors.BAD_INTERVAL)
    return INTERVALS[text]


def zone_offset_s(name: str, text: str) -> int:
    """`-1:00`, `05:45`, `8`: how far the zone is ahead of UTC."""
    match = _zone.fullmatch(text.strip())  # A plus sign in a query may have become a space.
    if match is None or int(match[3] or 0) > 59:
        raise ApiError(errors.INVALID_PARAMETER, name)
    offset_s = (int(match[2]) * 3600 + int(match[3] or 0) * 60) * (-1 if match[1] == "-" else 1)
    if not -12 * 3600 <= offset_s <= 14 * 3600:
        raise ApiError(errors.INVALID_PARAMETER, name)
    return offset_s


def window_minutes(name: str, text: str) -> int:
    """`1m` … `59m`, `1h` … `23h`, `1d` … `7d`."""
    match = _window.fullmatch(text)
    if match is None:
        raise ApiError(errors.INVALID_PARAMETER, name)
    minutes, count_max = _WINDOW_UNITS[match[2]]
    if not 1 <= int(match[1]) <= count_max:
        raise ApiError(errors.INVALID_PARAMETER, name)
    return int(match[1]) * minutes


_SYMBOL = Parameter("symbol", parameters.symbol, is_required=True)
STATUS = Parameter("symbolStatus", parameters.choice({s.name: s for s in SymbolStatus}, errors.INVALID_SYMBOL_STATUS))
_LIMIT = Parameter("limit", up_to(LIMIT_MAX))
_START = Parameter("startTime", parameters.timestamp_ns)
_END = Parameter("endTime", parameters.end_ts_ns)
_FROM_ID = Parameter("fromId", parameters.long)
_TYPE = Parameter("type", parameters.choice({t.name: t for t in TickerType}, errors.INVALID_TICKER_TYPE))
_ZONE = Parameter("timeZone", zone_offset_s)
_EITHER_SYMBOL = (Parameter("symbol", parameters.symbol), Parameter("symbols", parameters.symbols), STATUS)
_KLINES = Parameters(_SYMBOL, Parameter("interval", interval, is_required=True), _START, _END, _ZONE, _LIMIT)


# Weights that depend on what is asked.


def _depth_weight(values: Values) -> int:
    limit = values.get("limit", 100)
    return next(weight for most, weight in ((100, 5), (500, 25), (1000, 50), (DEPTH_LIMIT_MAX, 250)) if limit <= most)


def _day_ticker_weight(values: Values) -> int:
    count = 1 if "symbol" in values else len(values.get("symbols", ())) or LIMIT_MAX
    return next((weight for most, weight in ((20, 2), (100, 40)) if count <= most), 80)


def _price_weight(values: Values) -> int:
    return 2 if "symbol" in values else 4


def _window_weight(values: Values) -> int:
    return min(4 * (1 if "symbol" in values else len(values.get("symbols", "1"))), 200)


class _KlineRows:
    """Texts of candles that no trade can change any more: clients ask for the same thousand again and again.

    Writing one takes some 10 µs, and a thousand of them would hold up the loop's other work each time.
    """

    def __init__(self) -> None:
        self._texts: dict[tuple[int, str, int, int, int], str] = {}

    def row(self, instrument: Instrument, of: Interval, offset_s: int, bar: Bar, unit_ns: int, is_final: bool) -> str:
        key = (instrument.instrument_id, of.name, offset_s, unit_ns, bar.start_s)
        text = self._texts.get(key) if is_final else None
        if text is None:
            text = messages.kline_row(instrument, of, offset_s, bar, unit_ns)
            if is_final:
                if len(self._texts) >= KLINE_TEXTS_MAX:
                    self._texts.clear()
                self._texts[key] = text
        return text


class MarketEndpoints:
    """The functions behind the rows; `rest` and `methods` are the rows by path and by WebSocket API method."""

    def __init__(
        self, market_data: MarketData, replica: MarketReplica, history: MarketHistory, now_ns: Callable[[], int]
    ) -> None:
        self._market_data = market_data
        self._replica = replica
        self._older = OlderTrades(history)
        self._now_ns = now_ns
        self._rows = _KlineRows()
        depth = Endpoint(
            Parameters(_SYMBOL, Parameter("limit", up_to(DEPTH_LIMIT_MAX)), STATUS), self.depth, _depth_weight
        )
        trades = Endpoint(Parameters(_SYMBOL, _LIMIT), self.trades, 25)
        historical = Endpoint(Parameters(_SYMBOL, _LIMIT, _FROM_ID), self.historical_trades, 25)
        aggregates = Endpoint(Parameters(_SYMBOL, _FROM_ID, _START, _END, _LIMIT), self.aggregate_trades, 4)
        klines = Endpoint(_KLINES, self.klines, 2)
        average = Endpoint(Parameters(_SYMBOL), self.average_price, 2)
        day = Endpoint(Parameters(*_EITHER_SYMBOL, _TYPE), self.day_ticker, _day_ticker_weight)
        price = Endpoint(Parameters(*_EITHER_SYMBOL), self.price, _price_weight)
        book = Endpoint(Parameters(*_EITHER_SYMBOL), self.book_ticker, _price_weight)
        window = Endpoint(
            Parameters(*_EITHER_SYMBOL, Parameter("windowSize", window_minutes), _TYPE),
            self.window_ticker,
            _window_weight,
        )
        trading_day = Endpoint(Parameters(*_EITHER_SYMBOL, _ZONE, _TYPE), self.trading_day, _window_weight)
        self.rest: dict[str, Endpoint] = {
            "/api/v3/depth": depth,
            "/api/v3/trades": trades,
            "/api/v3/historicalTrades": historical,
            "/api/v3/aggTrades": aggregates,
            "/api/v3/klines": klines,
            "/api/v3/uiKlines": klines,
            "/api/v3/avgPrice": average,
            "/api/v3/ticker/24hr": day,
            "/api/v3/ticker/price": price,
            "/api/v3/ticker/bookTicker": book,
            "/api/v3/ticker": window,
            "/api/v3/ticker/tradingDay": trading_day,
        }
        self.methods: dict[str, Endpoint] = {
            "depth": depth,
            "trades.recent": trades,
            "trades.historical": historical,
            "trades.aggregate": aggregates,
            "klines": klines,
            "uiKlines": klines,
            "avgPrice": average,
            "ticker.24hr": day,
            "ticker.price": price,
            "ticker.book": book,
            "ticker": window,
            "ticker.tradingDay": trading_day,
        }

    # One instrument.

    def depth(self, call: Call) -> bytes:
        """The book as the stream published it last, so that `lastUpdateId` is the last id of its last event."""
        instrument = self._instrument(call.values)
        image = self._market_data.image(instrument)
        return messages.depth_snapshot(image, call.values.get("limit", 100)).encode()

    def trades(self, call: Call) -> bytes:
        instrument = self._instrument(call.values)
        found = self._market(instrument).trades.newest(call.values.get("limit", LIMIT_DEFAULT))
        return _json([messages.trade_object(instrument, trade, call.time_unit_ns) for trade in found])

    def historical_trades(self, call: Call) -> bytes:
        instrument = self._instrument(call.values)
        limit = call.values.get("limit", LIMIT_DEFAULT)
        rings = self._market(instrument).trades
        if "fromId" not in call.values:
            found = rings.newest(limit)
        else:
            found = self._older.trades_from(instrument, rings, call.values["fromId"], limit)
        return _json([messages.trade_object(instrument, trade, call.time_unit_ns) for trade in found])

    def aggregate_trades(self, call: Call) -> bytes:
        values = call.values
        instrument = self._instrument(values)
        limit = values.get("limit", LIMIT_DEFAULT)
        rings = self._market(instrument).trades
        start_ns, end_ns = values.get("startTime"), values.get("endTime")
        if "fromId" in values:
            if start_ns is not None or end_ns is not None:
                raise ApiError(errors.BAD_COMBINATION)
            found = self._older.aggregates_from(instrument, rings, values["fromId"], limit)
        elif start_ns is not None or end_ns is not None:
            found = self._older.aggregates_between(instrument, rings, start_ns, end_ns, limit)
        else:
            found = rings.newest_aggregates(limit)
        return _json([messages.aggregate_object(instrument, trade, call.time_unit_ns) for trade in found])

    def klines(self, call: Call) -> bytes:
        values = call.values
        instrument = self._instrument(values)
        of, offset_s = values["interval"], values.get("timeZone", 0)
        start_ns, end_ns = values.get("startTime"), values.get("endTime")
        market = self._market(instrument)
        bars = market.klines.candles(
            of,
            self._now_ns() // messages.SECOND_NS,
            values.get("limit", LIMIT_DEFAULT),
            start_s=None if start_ns is None else -(-start_ns // messages.SECOND_NS),
            end_s=None if end_ns is None else end_ns // messages.SECOND_NS,
            offset_s=offset_s,
        )
        last = market.trades.last
        final_s = of.start_of(last.ts_ns // messages.SECOND_NS, offset_s) if last is not None else 0
        row = self._rows.row
        rows = [row(instrument, of, offset_s, bar, call.time_unit_ns, bar.start_s < final_s) for bar in bars]
        return f"[{','.join(rows)}]".encode()

    def average_price(self, call: Call) -> bytes:
        instrument = self._instrument(call.values)
        market = self._market(instrument)
        now_s = self._now_ns() // messages.SECOND_NS
        price_ticks = average_price_ticks(market.klines, market.trades, instrument.units_per_tick_lot, now_s)
        last = market.trades.last
        return _json(
            {
                "mins": AVERAGE_PRICE_MINUTES,
                "price": instrument.format_price(price_ticks),
                "closeTime": call.time(last.ts_ns) if last is not None else 0,
            }
        )

    # One, some or all instruments.

    def day_ticker(self, call: Call) -> bytes:
        start_s = window_start_s(self._now_ns() // messages.SECOND_NS, _DAY_MINUTES)
        close_time = call.time(self._now_ns())
        is_mini = call.values.get("type") == TickerType.MINI

        def shown(instrument: Instrument) -> messages.Shown:
            market = self._market(instrument)
            of = ticker(market.klines, market.trades, start_s)
            return messages.ticker_object(instrument, of, close_time, call.time_unit_ns, is_mini, market.book)

        return self._each(call.values, shown)

    def price(self, call: Call) -> bytes:
        def shown(instrument: Instrument) -> messages.Shown:
            last = self._market(instrument).trades.last
            price_ticks = last.price_ticks if last is not None else 0
            return {"symbol": instrument.symbol, "price": instrument.format_price(price_ticks)}

        return self._each(call.values, shown)

    def book_ticker(self, call: Call) -> bytes:
        def shown(instrument: Instrument) -> messages.Shown:
            bid, bid_qty, ask, ask_qty = messages.best_levels(instrument, self._market(instrument).book)
            return {
                "symbol": instrument.symbol,
                "bidPrice": bid,
                "bidQty": bid_qty,
                "askPrice": ask,
                "askQty": ask_qty,
            }

        return self._each(call.values, shown)

    def window_ticker(self, call: Call) -> bytes:
        minutes = call.values.get("windowSize", _DAY_MINUTES)
        now_ns = self._now_ns()
        start_s = window_start_s(now_ns // messages.SECOND_NS, minutes)
        return self._statistics(call, start_s, call.time(now_ns))

    def trading_day(self, call: Call) -> bytes:
        """The statistics of the zone's day that it is now; it closes at the day's end."""
        offset_s = call.values.get("timeZone", 0)
        start_s = DAY.start_of(self._now_ns() // messages.SECOND_NS, offset_s)
        end_ns = (start_s + DAY.seconds) * messages.SECOND_NS
        return self._statistics(call, start_s, call.time(end_ns) - 1)

    def _statistics(self, call: Call, start_s: int, close_time: int) -> bytes:
        values = call.values
        if "symbol" not in values and "symbols" not in values:
            raise ApiError(errors.EITHER_PARAMETER, "symbol", "symbols")
        if len(values.get("symbols", ())) > WINDOW_SYMBOLS_MAX:
            raise ApiError(errors.INVALID_PARAMETER, "symbols")
        is_mini = values.get("type") == TickerType.MINI

        def shown(instrument: Instrument) -> messages.Shown:
            market = self._market(instrument)
            of = ticker(market.klines, market.trades, start_s)
            return messages.ticker_object(instrument, of, close_time, call.time_unit_ns, is_mini)

        return self._each(values, shown)

    def _each(self, values: Values, shown: Callable[[Instrument], messages.Shown]) -> bytes:
        """An object for `symbol`, an array for `symbols` or for all instruments."""
        if "symbol" in values:
            if "symbols" in values:
                raise ApiError(errors.BAD_COMBINATION)
            return _json(shown(self._instrument(values)))
        instruments = list(self._replica.reference.instruments.values())
        if "symbols" in values:
            instruments = [self._known(symbol) for symbol in values["symbols"]]
        status = values.get("symbolStatus")
        return _json([shown(each) for each in instruments if status is None or STATUS_OF.get(each.mode) == status])

    def _instrument(self, values: Values) -> Instrument:
        instrument = self._known(values["symbol"])
        status = values.get("symbolStatus")
        if status is not None and STATUS_OF.get(instrument.mode) != status:
            raise ApiError(errors.STATUS_MISMATCH)
        return instrument

    def _known(self, symbol: str) -> Instrument:
        instrument = self._replica.reference.by_symbol.get(symbol)
        if instrument is None:
            raise ApiError(errors.BAD_SYMBOL)
        return instrument

    def _market(self, instrument: Instrument) -> Market:
        return self._market_data.market(instrument.instrument_id)


def _json(shown: object) -> bytes:
    return msgspec.json.encode(shown)
