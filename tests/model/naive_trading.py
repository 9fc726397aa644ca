"""The naive exchange's trading: place, match, settle, cancel, replace."""

from holdfast.codes import (
    CommandFlag,
    ControlEventKind,
    ExpiryReason,
    InstrumentParameter,
    OrderEventKind,
    OrderStatus,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command
from holdfast.config import PPM
from tests.model.naive_admission import Admission
from tests.model.naive_state import MINUTE_NS, Instrument, Order

NOT_REMEMBERED = (
    RejectReason.DEADLINE_PASSED,
    RejectReason.ACCOUNT_UNKNOWN,
    RejectReason.KEY_INVALID,
    RejectReason.KEY_LACKS_PERMISSION,
    RejectReason.INSTRUMENT_UNKNOWN,
    RejectReason.MALFORMED,
    RejectReason.DUPLICATE_CLIENT_ID,
    RejectReason.LIST_LEGS,
    RejectReason.DUPLICATE_LIST_CLIENT_ID,
    RejectReason.OTHER_LEG_REFUSED,
)
BUCKETS_SUM_MAX = 2**61


class Trading(Admission):
    touched: Order | None = None  # One of the level that the taker in hand changed, and that was not told yet.

    # Commands.

    def place(self, command: Command) -> None:
        order = self.order_of(command)
        reason = self.judge_trader(command) or self.judge_instrument(command)
        if reason:
            self.refuse(order, reason)
            return
        with self.acting(order.account_id, order.instrument_id):
            self.place_order(order)

    def cancel(self, command: Command) -> None:
        reason = self.judge_cancel(command) or self.judge_target(command)
        if reason:
            self.refuse_cancel(command, reason)
            return
        with self.acting(command.account_id, command.instrument_id):
            self.cancel_order(self.target(command))

    def replace(self, command: Command) -> None:
        order = self.order_of(command)
        reason = self.judge_cancel(command) or self.judge_client_id(order)
        if reason:
            self.refuse_cancel(command, reason)
            self.refuse(order, reason)
            return
        with self.acting(command.account_id, command.instrument_id):
            reason = self.judge_target(command)
            if not reason:
                self.cancel_order(self.target(command))
            else:
                self.refuse_cancel(command, reason)
                if not command.flags & CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS:
                    self.refuse(order, RejectReason.REPLACE_CANCEL_FAILED)
                    return
            self.place_order(order)

    def amend(self, command: Command) -> None:
        reason = self.judge_cancel(command) or self.judge_amendment(command)
        if reason:
            self.refuse_cancel(command, reason)
            return
        order = self.named = self.target(command)
        with self.acting(command.account_id, command.instrument_id):
            has_new_id = command.client_id != order.client_id
            partner = self.partner(order)
            order_list = self.list_of(order)
            if order_list and order_list.paired_amount is not None:
                self.release_pair(order_list)
                self.make_smaller(order, command, held=False)
                self.make_smaller(partner, command, held=False)
                self.hold_pair(order_list)
            else:
                self.make_smaller(order, command, held=not order.is_pending)
                if partner:
                    self.make_smaller(partner, command, held=False)
            if has_new_id:
                self.rename_leg(order)

    def make_smaller(self, order: Order, command: Command, held: bool) -> None:
        lots = order.qty_lots - command.qty_lots
        if held:
            self.hold(order, -lots)
        order.qty_lots = command.qty_lots
        order.amendments += 1
        self.set_status(order, order.status)
        self.tell_order(order, OrderEventKind.ORDER_AMENDED, last_lots=lots)  # Still under its former id.
        if order is self.named and command.client_id != order.client_id:
            order.former_ids.append(order.client_id)
            order.client_id = command.client_id
        if not order.is_hidden:
            self.tell_level(order.instrument_id, order.side, order.price_ticks)

    def cancel_all(self, command: Command) -> None:
        judge = self.judge_cancel if command.instrument_id else self.judge_trader
        if reason := judge(command):
            self.refuse_cancel(command, reason)
            return
        self.mass_cancel([command.account_id], command.instrument_id)

    def mass_cancel(self, accounts: list[int], instrument_id: int = 0) -> None:
        count = 0
        for account_id in accounts:
            for one in self.accounts[account_id].instruments:
                if instrument_id in (0, one) and self.instruments[one].mode != TradingMode.HALT:
                    with self.acting(account_id, one):
                        while orders := self.open_orders(account_id, one):
                            count += self.cancel_order(orders[0])
        self.tell_control(ControlEventKind.ORDERS_CANCELED, value=count)

    # The order's life.

    def order_of(self, command: Command) -> Order:
        return Order(
            account_id=command.account_id,
            instrument_id=command.instrument_id,
            key_id=command.key_id,
            client_id=command.client_id,
            side=command.side,
            order_type=command.order_type,
            time_in_force=command.time_in_force,
            self_trade_prevention=command.self_trade_prevention,
            price_ticks=command.price_ticks,
            qty_lots=command.qty_lots,
            quote_units=command.quote_units,
            remaining_units=command.quote_units,
            created_ts_ns=command.ts_ns,
            stop_price_ticks=command.stop_price_ticks,
        )

    def place_order(self, order: Order) -> None:
        reason = self.judge_order(order)
        if reason:
            self.refuse(order, reason)
            return
        self.accept(order)
        if order.is_waiting:
            self.open.append(order)
        else:
            self.work(order)

    def trigger_reached(self) -> None:
        """After the command: let the orders work whose stop prices its trades have reached, and so on."""
        while order := self.next_reached():
            with self.acting(order.account_id, order.instrument_id):
                self.end_other(order)
                self.open.remove(order)
                if order.is_market:
                    self.hold(order, -order.leaves_lots)
                order.working_ts_ns = self.command.ts_ns
                self.set_status(order, order.status)
                self.tell_order(order, OrderEventKind.ORDER_TRIGGERED)
                self.work(order)

    def next_reached(self) -> Order | None:
        instrument_id = self.command.instrument_id
        if not self.traded_prices or self.instruments[instrument_id].mode != TradingMode.TRADING:
            return None
        waiting = [one for one in self.open if one.instrument_id == instrument_id and one.is_waiting]
        waiting = [one for one in waiting if not one.is_pending]
        reached = [one for one in waiting if self.is_reached(one, self.traded_prices)]
        rises = [one for one in reached if one.waits_for_rise]
        if rises:
            return min(rises, key=lambda one: one.stop_price_ticks)
        return max(reached, key=lambda one: one.stop_price_ticks, default=None)

    def work(self, order: Order) -> None:
        self.carry_out(order)
        self.leg_changed(order)

    def carry_out(self, order: Order) -> None:
        if order.time_in_force == TimeInForce.FOK and not self.is_fillable(order):
            self.expire(order, ExpiryReason.FILL_OR_KILL)
            return
        why = self.match(order)
        if not order.is_live:
            self.close_id(order)
        elif order.is_market:
            self.expire(order, why)
        elif order.time_in_force == TimeInForce.IOC:
            self.expire(order, ExpiryReason.IMMEDIATE_OR_CANCEL)
        else:
            assert order.time_in_force != TimeInForce.FOK
            if order.is_stop and not self.have_room(self.pages_of(order)):
                self.expire(order, ExpiryReason.PAGES_FULL)
                return
            self.open.append(order)
            self.tell_level(order.instrument_id, order.side, order.price_ticks)

    def refuse(self, order: Order, reason: int) -> None:
        if reason != RejectReason.DUPLICATE_CLIENT_ID:
            order.status = OrderStatus.REJECTED
        self.tell_order(order, OrderEventKind.ORDER_REJECTED, reason)
        if self.command.deadline_ts_ns and reason not in NOT_REMEMBERED:
            self.remember_refused(order)

    def refuse_cancel(self, command: Command, reason: int) -> None:
        named = Order(command.account_id, command.instrument_id, command.key_id, command.target_client_id)
        named.order_id = command.order_id
        self.tell_order(named, OrderEventKind.CANCEL_REJECTED, reason)

    def accept(self, order: Order) -> None:
        self.enter(order, OrderStatus.NEW)
        self.hold(order, order.qty_lots)
        self.tell_order(order, OrderEventKind.ORDER_ACCEPTED)

    def enter(self, order: Order, status: int) -> None:
        instrument = self.instruments[order.instrument_id]
        used = self.accounts[order.account_id].instruments
        if order.instrument_id not in used:
            used.append(order.instrument_id)
        self.make_holding(order.account_id, instrument.base)
        self.make_holding(order.account_id, instrument.quote)
        self.orders += 1
        order.order_id = self.orders
        self.set_status(order, status)

    def set_status(self, order: Order, status: int) -> None:
        order.status = status
        order.updated_ts_ns = self.command.ts_ns
        order.updated_seq = self.command.seq

    def hold(self, order: Order, lots: int) -> None:
        """Lock what so many lots of an order with a limit may need, or of a waiting order to sell; a negative number
        of lots is released."""
        self.lock(order.account_id, *self.needed(order, lots))

    def needed(self, order: Order, lots: int) -> tuple[int, int]:
        """The asset that the order pays with, and how much of it is held for so many lots."""
        instrument = self.instruments[order.instrument_id]
        is_held = not order.is_market or (order.is_waiting and order.side == Side.SELL)
        if order.side == Side.BUY:
            return instrument.quote, order.price_ticks * lots * instrument.unit * is_held
        return instrument.base, lots * instrument.lot_units * is_held

    def lock(self, account_id: int, asset: int, amount: int) -> None:
        holding = self.holding(account_id, asset)
        holding.free -= amount
        holding.locked += amount

    def expire(self, order: Order, reason: int) -> None:
        self.hold(order, -order.leaves_lots)
        self.set_status(order, OrderStatus.EXPIRED)
        self.tell_order(order, OrderEventKind.ORDER_EXPIRED, reason)
        self.close_id(order)

    def cancel_order(self, order: Order) -> int:
        """And with it those of its list; returns how many."""
        if order_list := self.list_of(order):
            return self.cancel_list(order_list)
        self.hold(order, -order.leaves_lots)
        self.set_status(order, OrderStatus.CANCELED)
        self.tell_order(order, OrderEventKind.ORDER_CANCELED)
        self.open.remove(order)
        self.close_id(order)
        if not order.is_waiting:
            self.tell_level(order.instrument_id, order.side, order.price_ticks)
        return 1

    # Matching.

    def is_fillable(self, order: Order) -> bool:
        lots = 0
        for maker in self.opposite(order):
            if lots >= order.qty_lots or not self.crosses(order, maker):
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
        while taker.is_live and (queue := self.opposite(taker)):
            maker = queue[0]
            price = maker.price_ticks
            lots = min(self.wanted_lots(taker, price), maker.leaves_lots)
            if lots == 0 or not self.crosses(taker, maker):
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
        self.add_to_average(instrument, price, lots)
        self.stand_alone(maker)
        maker_fee, taker_fee = self.settle(maker, lots, price, True), self.settle(taker, lots, price, False)
        self.lock_bought(maker, lots, maker_fee)
        self.lock_bought(taker, lots, taker_fee)
        self.set_status(maker, OrderStatus.PARTIALLY_FILLED if maker.leaves_lots else OrderStatus.FILLED)
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
            return
        self.set_status(order, OrderStatus.EXPIRED_IN_MATCH)
        if order in self.open:
            self.open.remove(order)
        self.tell_order(order, OrderEventKind.ORDER_EXPIRED, ExpiryReason.SELF_TRADE, **now)
