"""Auctions, reopenings and price bands, the naive way: every price is tried."""

from holdfast.codes import ControlEventKind, InstrumentParameter, OrderStatus, Side, TradingMode
from tests.model.naive_state import Instrument, Order
from tests.model.naive_trading import Trading

MATCHING = (TradingMode.TRADING, TradingMode.LIMIT_ONLY, TradingMode.POST_ONLY)


class Auctions(Trading):
    # The mode.

    def go_to(self, instrument_id: int, mode: int) -> None:
        instrument = self.instruments[instrument_id]
        if instrument.mode != mode:
            instrument.mode = mode
            about = {"instrument_id": instrument_id}
            self.tell_control(ControlEventKind.TRADING_MODE_CHANGED, 0, instrument.next_mode_ts_ns, mode, **about)
        if mode in MATCHING:
            self.uncross(instrument_id)

    def next_stage(self, instrument_id: int) -> None:
        instrument = self.instruments[instrument_id]
        mode, lasts_ns = instrument.stages.pop(0)
        instrument.next_mode_ts_ns = self.command.ts_ns + lasts_ns if instrument.stages else 0
        self.go_to(instrument_id, mode)

    # The auction.

    def auction(self, instrument_id: int) -> tuple[int, int, int]:
        """Price, lots and surplus (bought less sold) of the book as it is; zeros when nothing would trade."""
        buys, sells = self.queue(instrument_id, Side.BUY), self.queue(instrument_id, Side.SELL)
        if not buys or not sells or buys[0].price_ticks < sells[0].price_ticks:
            return 0, 0, 0

        def at(price: int) -> tuple[int, int]:
            bought = sum(order.leaves_lots for order in buys if order.price_ticks >= price)
            sold = sum(order.leaves_lots for order in sells if order.price_ticks <= price)
            return min(bought, sold), bought - sold

        limits = {order.price_ticks for order in buys + sells}
        prices = {limit + step for limit in limits for step in (-1, 0, 1)}
        best = max((lots, -abs(surplus)) for lots, surplus in map(at, prices))
        good = [price for price in prices if (at(price)[0], -abs(at(price)[1])) == best]
        first, last = min(good), max(good)  # All between them are as good.
        reference = self.instruments[instrument_id].last_price or (first + last) // 2
        price = min(max(reference, first), last)
        return price, *at(price)

    def uncross(self, instrument_id: int) -> None:
        price, lots, _ = self.auction(instrument_id)
        if not lots:
            return
        instrument = self.instruments[instrument_id]
        instrument.traded, instrument.referred = {}, {}
        last_taker: Order | None = None
        left: dict[int, int] = {}  # Side -> price of the level that the last trade left smaller.
        for _ in range(10**6):
            buys, sells = self.queue(instrument_id, Side.BUY), self.queue(instrument_id, Side.SELL)
            if not buys or not sells or buys[0].price_ticks < price or sells[0].price_ticks > price:
                break
            maker, taker = sorted((buys[0], sells[0]), key=lambda one: (one.on_book_since_ts_ns, one.order_id))
            self.trade_at(instrument, maker, taker, price, taker is not last_taker)
            last_taker = taker
            left = {}
            for order in (buys[0], sells[0]):
                if self.level_lots(instrument_id, order.side, order.price_ticks):
                    left[order.side] = order.price_ticks
                else:
                    self.tell_level(instrument_id, order.side, order.price_ticks)
            for order in (buys[0], sells[0]):
                self.leg_changed(order)
        for side, level in left.items():
            self.tell_level(instrument_id, side, level)
        about = {"instrument_id": instrument_id}
        self.tell_control(ControlEventKind.AUCTION_UNCROSSED, 0, price, lots, **about)

    def trade_at(self, instrument: Instrument, maker: Order, taker: Order, price: int, is_new_run: bool) -> None:
        lots = min(maker.shown_lots, taker.shown_lots)
        instrument.trades += 1
        instrument.aggregates += is_new_run
        instrument.last_price = price
        self.traded_prices.append(price)
        self.taker_prices = [price]
        self.add_to_average(instrument, price, lots)
        self.add_to_reference(instrument, price)
        accounts = dict.fromkeys((maker.account_id, taker.account_id))
        keys = [(account, asset) for account in accounts for asset in (instrument.base, instrument.quote)]
        before = [self.holdings[key].free + self.holdings[key].locked for key in keys]
        for order in (maker, taker):
            self.stand_alone(order)
        fees = [self.settle(maker, lots, price, True), self.settle(taker, lots, price, False)]
        for order, fee in zip((maker, taker), fees, strict=True):
            self.lock_bought(order, lots, fee)
        for order in (maker, taker):
            self.set_status(order, OrderStatus.PARTIALLY_FILLED if order.leaves_lots else OrderStatus.FILLED)
        self.tell_trade(maker, taker, lots, price, fees[0], is_maker=1)
        self.tell_trade(taker, maker, lots, price, fees[1], is_maker=0)
        for key, was in zip(keys, before, strict=True):
            self.tell_balance(*key, self.holdings[key].free + self.holdings[key].locked - was)
        for order in sorted((maker, taker), key=lambda one: one.side):
            self.use_up_part(order, lots)
            if not order.leaves_lots:
                self.open.remove(order)
                self.close_id(order)

    # The price band.

    def interrupt(self, instrument_id: int) -> None:
        instrument = self.instruments[instrument_id]
        seconds = instrument.parameter(InstrumentParameter.BAND_AUCTION_SECONDS)
        if seconds:
            instrument.stages = [(instrument.mode, 0)]
            instrument.next_mode_ts_ns = self.command.ts_ns + seconds * 10**9
        self.go_to(instrument_id, TradingMode.AUCTION)
