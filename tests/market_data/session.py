"""Events as the engine would send them, made by hand: one instrument's trades and book changes in small batches."""

from typing import NamedTuple

import numpy as np

from holdfast.codes import OrderEventKind, Side, TradingMode
from holdfast.events import (
    BookEvent,
    Events,
    OrderEvent,
    balance_event_dtype,
    book_event_dtype,
    control_event_dtype,
    list_event_dtype,
    order_event_dtype,
)
from holdfast.instruments import Asset, Instrument, Reference, units_per_tick_lot

SECOND_NS = 1_000_000_000
BTC = Asset(1, "BTC", 8)
USDT = Asset(2, "USDT", 8)
ETH = Asset(3, "ETH", 8)


def instrument(instrument_id: int, symbol: str, base: Asset, quote: Asset, mode: TradingMode) -> Instrument:
    tick_e8, lot_units = 1_000_000, 1_000
    per_tick_lot = units_per_tick_lot(tick_e8, lot_units, base.decimals, quote.decimals)
    assert per_tick_lot is not None
    return Instrument(instrument_id, symbol, base, quote, tick_e8, lot_units, per_tick_lot, mode, {})


BTCUSDT = instrument(1, "BTCUSDT", BTC, USDT, TradingMode.TRADING)
ETHUSDT = instrument(2, "ETHUSDT", ETH, USDT, TradingMode.TRADING)
HALTED = instrument(3, "ETHBTC", ETH, BTC, TradingMode.HALT)
REFERENCE = Reference([BTC, USDT, ETH], [BTCUSDT, ETHUSDT, HALTED])


class Batch(NamedTuple):
    orders: list[OrderEvent]
    book: list[BookEvent]

    @property
    def events(self) -> Events:
        """As the engine's arrays."""
        return Events(
            np.array([tuple(event) for event in self.orders], order_event_dtype),
            np.zeros(0, balance_event_dtype),
            np.array([tuple(event) for event in self.book], book_event_dtype),
            np.zeros(0, control_event_dtype),
            np.zeros(0, list_event_dtype),
        )


class Session:
    """Numbers events like the engine: trade, aggregate and update ids without gaps, time that only goes forward."""

    def __init__(self, market: Instrument = BTCUSDT, ts_ns: int = 1_700_000_000 * SECOND_NS) -> None:
        self.instrument = market
        self.ts_ns = ts_ns
        self.seq = 0
        self.trade_id = 0
        self.aggregate_id = 0
        self.update_id = 0

    def step(self, ts_ns: int | None = None) -> None:
        """The next command, a nanosecond later or at `ts_ns`."""
        self.seq += 1
        self.ts_ns = self.ts_ns + 1 if ts_ns is None else ts_ns

    def level(self, side: Side, price_ticks: int, lots: int) -> BookEvent:
        self.update_id += 1
        return BookEvent(
            self.seq, self.ts_ns, 0, self.instrument.instrument_id, self.update_id, price_ticks, lots, int(side)
        )

    def trade(self, side: Side, price_ticks: int, lots: int, same_aggregate: bool = False) -> list[OrderEvent]:
        """The maker's and the taker's event; `side` is the taker's."""
        self.trade_id += 1
        if not same_aggregate or self.aggregate_id == 0:
            self.aggregate_id += 1
        taker = OrderEvent._make([0] * len(OrderEvent._fields))._replace(
            seq=self.seq,
            ts_ns=self.ts_ns,
            instrument_id=self.instrument.instrument_id,
            kind=int(OrderEventKind.TRADE),
            side=int(side),
            last_price_ticks=price_ticks,
            last_lots=lots,
            last_quote_units=self.instrument.quote_of(price_ticks, lots),
            trade_id=self.trade_id,
            aggregate_trade_id=self.aggregate_id,
        )
        return [taker._replace(is_maker=1, side=3 - int(side)), taker]
