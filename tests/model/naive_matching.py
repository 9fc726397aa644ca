"""The naive exchange's matching: who trades with whom, what a trade moves, and what keeps one from trading."""

from holdfast.codes import (
    ExpiryReason,
    InstrumentParameter,
    OrderEventKind,
    OrderStatus,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from holdfast.config import PPM
from tests.model.naive_state import MINUTE_NS, Instrument, Order
from tests.model.naive_trailing import Trailing

BUCKETS_SUM_MAX = 2**61
REFERENCE_SUM_MAX = 2**57


class Matching(Trailing):
    band_reference = 0  # The average price when the taker in hand began; 0: none.
    lowest = highest = 0  # The price range of the order in hand, in millionths of a tick.
    touched: Order | None = None  # One of the level that the taker in hand changed, and that was not told yet.

    # Matching.

    def is_fillable(self, order: Order) -> bool:
        lots = 0
        for maker in self.opposite(order):
            if lots >= order.qty_lots or not self.crosses(order, maker) or not self.may_trade_at(maker):
                break
            if self.is_prevented(order, maker):
                if order.self_trade_prevention == SelfTradePrevention.EXPIRE_MAKER:
                    continue
                return False
            lots += maker.leaves_lots
        return lots >= order.qty_lots

    def is_prevented(self, taker: Order, maker: Order) -> bool:
        return maker.account_id == taker.account_id and taker.self_trade_prevention != SelfTradePrevention.NONE

    def wanted_lots(self, taker: Order, price_ticks: int) -> int:
        if taker.quote_units:
            return taker.remaining_units // (price_ticks * self.instruments[taker.instrument_id].unit)
        return taker.leaves_lots

    def affordable_lots(self, taker: Order, price_ticks: int) -> int:
        instrument = self.instruments[taker.instrument_id]
        if taker.side == Side.BUY:
            return self.holding(taker.account_id, instrument.quote).free // (price_ticks * instrument.unit)
        return self.holding(taker.account_id, instrument.base).free // instrument.lot_units

    def match(self, taker: Order) -> int:
        """Trade on until the taker ends, or nothing is left for it; returns why a MARKET order's rest expires."""
        why = ExpiryReason.NO_LIQUIDITY
        run_price = 0
        self.touched = None
        self.taker_prices = []
        while taker.is_live and (queue := self.opposite(taker)):
            maker = queue[0]
            price = maker.price_ticks
            lots = min(self.wanted_lots(taker, price), maker.shown_lots)
            if self.crosses(taker, maker) and not self.is_in_range(maker):
                why = ExpiryReason.PRICE_RANGE
                break
            if lots == 0 or not self.crosses(taker, maker) or not self.is_in_band(maker):
                break
            if self.is_prevented(taker, maker):
                self.prevent(taker, maker, lots)
                continue
            if taker.is_market:
                lots = min(lots, self.affordable_lots(taker, price))
            if lots == 0:
                why = ExpiryReason.FUNDS_EXHAUSTED
                break
            self.trade(taker, maker, lots, run_price != price)
            self.touch_level(maker)
            self.leg_changed(maker)
            run_price = price
        self.tell_touched()
        return why

    # The price band.

    def may_trade_at(self, maker: Order) -> bool:
        return self.is_in_range(maker) and self.is_in_band(maker)

    def is_in_band(self, maker: Order) -> bool:
        """Whether the taker in hand may trade at the maker's price."""
        band_ppm = self.instruments[maker.instrument_id].parameter(InstrumentParameter.BAND_PPM)
        far = abs(maker.price_ticks - self.band_reference) * PPM
        return not band_ppm or not self.band_reference or far <= self.band_reference * band_ppm

    def would_leave_band(self, taker: Order) -> bool:
        """Whether the taker would trade on, were it not for the band."""
        queue = self.opposite(taker)
        if not taker.is_live or taker.time_in_force == TimeInForce.FOK or not queue:
            return False
        wants = self.crosses(taker, queue[0]) and self.wanted_lots(taker, queue[0].price_ticks) > 0
        return wants and self.is_in_range(queue[0]) and not self.is_in_band(queue[0])

    def interrupt(self, instrument_id: int) -> None:
        raise NotImplementedError

    def touch_level(self, maker: Order) -> None:
        """A level changed. It is told at once when it is gone, else when the taker is done with it."""
        self.touched = maker
        if not self.level_lots(maker.instrument_id, maker.side, maker.price_ticks):
            self.tell_touched()

    def tell_touched(self) -> None:
        if self.touched:
            self.tell_level(self.touched.instrument_id, self.touched.side, self.touched.price_ticks)
            self.touched = None

    def trade(self, taker: Order, maker: Order, lots: int, is_new_run: bool) -> None:
        instrument = self.instruments[taker.instrument_id]
        price = maker.price_ticks
        instrument.trades += 1
        instrument.aggregates += is_new_run
        instrument.last_price = price
        self.traded_prices.append(price)
        self.taker_prices.append(price)
        self.add_to_average(instrument, price, lots)
        self.add_to_reference(instrument, price)
        self.stand_alone(maker)
        maker_fee, taker_fee = self.settle(maker, lots, price, True), self.settle(taker, lots, price, False)
        self.lock_bought(maker, lots, maker_fee)
        self.lock_bought(taker, lots, taker_fee)
        self.set_status(maker, OrderStatus.PARTIALLY_FILLED if maker.leaves_lots else OrderStatus.FILLED)
        self.use_up_part(maker, lots)
        if not maker.leaves_lots:
            self.open.remove(maker)
        self.set_status(taker, OrderStatus.FILLED if self.is_filled(taker, price) else OrderStatus.PARTIALLY_FILLED)
        self.tell_trade(maker, taker, lots, price, maker_fee, is_maker=1)
        self.tell_trade(taker, maker, lots, price, taker_fee, is_maker=0)
        if not maker.leaves_lots:
            self.close_id(maker)
        if maker.account_id != taker.account_id:
            got, paid = lots * instrument.lot_units, price * lots * instrument.unit
            if maker.side == Side.SELL:
                got, paid = -got, -paid + maker_fee
            else:
                got -= maker_fee
            self.tell_balance(maker.account_id, instrument.base, got)
            self.tell_balance(maker.account_id, instrument.quote, -paid)

    def use_up_part(self, order: Order, lots: int) -> None:
        """So many of the lots that an iceberg shows are gone; with the last of them the next part comes."""
        if order.iceberg_lots and order.leaves_lots:
            order.part_lots -= lots
            if order.part_lots == 0:
                self.show_part(order)

    def is_filled(self, taker: Order, price: int) -> bool:
        """By quote quantity: when the rest does not buy a lot at the best price there is now."""
        if taker.quote_units:
            queue = self.opposite(taker)
            return self.wanted_lots(taker, queue[0].price_ticks if queue else price) == 0
        return taker.leaves_lots == 0

    def tell_trade(self, order: Order, counter: Order, lots: int, price: int, fee: int, is_maker: int) -> None:
        instrument = self.instruments[order.instrument_id]
        self.tell_order(
            order,
            OrderEventKind.TRADE,
            is_maker=is_maker,
            fee_is_base=int(order.side == Side.BUY),
            last_lots=lots,
            last_price_ticks=price,
            last_quote_units=price * lots * instrument.unit,
            fee_units=fee,
            trade_id=instrument.trades,
            aggregate_trade_id=instrument.aggregates,
            counter_order_id=counter.order_id,
        )

    def settle(self, order: Order, lots: int, price: int, is_maker: bool) -> int:
        """Pay and receive, less the fee, which is returned."""
        instrument = self.instruments[order.instrument_id]
        account = self.accounts[order.account_id]
        base_units, quote_units = lots * instrument.lot_units, price * lots * instrument.unit
        own, which = account.taker_fee_ppm, InstrumentParameter.TAKER_FEE_PPM
        if is_maker:
            own, which = account.maker_fee_ppm, InstrumentParameter.MAKER_FEE_PPM
        rate = own if own >= 0 else instrument.parameter(which)
        paid_asset, paid, got_asset, got = instrument.base, base_units, instrument.quote, quote_units
        if order.side == Side.BUY:
            paid_asset, paid, got_asset, got = instrument.quote, quote_units, instrument.base, base_units
        fee = got * rate // PPM
        self.hold(order, -lots)  # Held at the order's own price; what a better one saves stays free.
        self.holding(order.account_id, paid_asset).free -= paid
        self.holding(order.account_id, got_asset).free += got - fee
        self.assets[got_asset].fees += fee
        order.executed_lots += lots
        order.executed_quote_units += quote_units
        order.remaining_units -= quote_units if order.quote_units else 0
        return fee

    def add_to_average(self, instrument: Instrument, price: int, lots: int) -> None:
        now = self.command.ts_ns // MINUTE_NS
        instrument.traded = {minute: sums for minute, sums in instrument.traded.items() if minute > now - 5}
        new = [lots, price * lots]
        while sum(sums[1] for sums in instrument.traded.values()) + new[1] > BUCKETS_SUM_MAX:
            instrument.traded = {minute: [a // 2, b // 2] for minute, (a, b) in instrument.traded.items()}
            new = [new[0] // 2, new[1] // 2]
        sums = instrument.traded.setdefault(now, [0, 0])
        sums[0] += new[0]
        sums[1] += new[1]

    # The price range.

    def price_range(self, order: Order) -> tuple[int, int]:
        """The lowest and the highest price in millionths of a tick that the order may trade at."""
        instrument = self.instruments[order.instrument_id]
        reference = self.reference_price(instrument)
        which = InstrumentParameter
        down, up = which.BID_LIMIT_DOWN_PPM, which.BID_LIMIT_UP_PPM
        if order.side == Side.SELL:
            down, up = which.ASK_LIMIT_DOWN_PPM, which.ASK_LIMIT_UP_PPM
        return reference * instrument.parameter(down), reference * instrument.parameter(up) or 2**63

    def is_in_range(self, maker: Order) -> bool:
        return self.lowest <= maker.price_ticks * PPM <= self.highest

    def add_to_reference(self, instrument: Instrument, price: int) -> None:
        width_ns = instrument.parameter(InstrumentParameter.REFERENCE_BUCKET_MS) * 10**6
        buckets = instrument.parameter(InstrumentParameter.REFERENCE_BUCKETS)
        if not width_ns or not buckets:
            return
        now = self.command.ts_ns // width_ns
        instrument.referred = {number: sums for number, sums in instrument.referred.items() if number > now - 64}
        sums, count, total = instrument.referred.setdefault(now, [0, 0]), 10_000, price * 10_000
        while sums[1] > REFERENCE_SUM_MAX - total:
            for each in instrument.referred.values():
                each[:] = [each[0] // 2, each[1] // 2]
            count, total = count // 2, total // 2
        sums[0] += count
        sums[1] += total

    # Self-trade prevention.

    def prevent(self, taker: Order, maker: Order, lots: int) -> None:
        mode = taker.self_trade_prevention
        modes = SelfTradePrevention
        wanted_lots = self.wanted_lots(taker, maker.price_ticks)
        instrument = self.instruments[taker.instrument_id]
        instrument.prevented += 1
        match = {
            "trade_id": instrument.prevented,
            "last_price_ticks": maker.price_ticks,
            "last_quote_units": maker.price_ticks * lots * instrument.unit,
        }
        if mode != modes.EXPIRE_TAKER:
            taken = lots if mode == modes.DECREMENT else maker.leaves_lots
            self.stand_alone(maker)
            self.take_away(maker, taken, maker.leaves_lots, taker, **match, is_maker=1)
            if maker not in self.open:
                self.close_id(maker)
            self.touch_level(maker)
            self.leg_changed(maker)
        if mode != modes.EXPIRE_MAKER:
            taken = lots if mode == modes.DECREMENT else wanted_lots
            if taken == wanted_lots:
                self.tell_touched()  # The book's event comes before the taker's end.
            self.take_away(taker, taken, wanted_lots, maker, **match)

    def take_away(self, order: Order, lots: int, open_lots: int, counter: Order, **match: int) -> None:
        self.hold(order, -lots)
        order.prevented_lots += lots
        if order.quote_units:
            order.remaining_units -= lots * counter.price_ticks * self.instruments[order.instrument_id].unit
        now = {**match, "last_lots": lots, "counter_order_id": counter.order_id}
        if lots < open_lots:
            self.set_status(order, order.status)
            self.tell_order(order, OrderEventKind.TRADE_PREVENTED, 0, **now)
            if order in self.open:
                self.use_up_part(order, lots)
            return
        self.set_status(order, OrderStatus.EXPIRED_IN_MATCH)
        if order in self.open:
            self.open.remove(order)
        self.tell_order(order, OrderEventKind.ORDER_EXPIRED, ExpiryReason.SELF_TRADE, **now)
