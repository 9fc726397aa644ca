"""The naive exchange's trading: what becomes of an order from its command to its end; cancel, replace, amend."""

from dataclasses import replace

from holdfast.codes import (
    CommandFlag,
    ControlEventKind,
    ExpiryReason,
    OrderEventKind,
    OrderStatus,
    PegPriceType,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command
from holdfast.config import PEG_OFFSET_LEVELS_MAX
from tests.model.naive_matching import Matching
from tests.model.naive_state import Order

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


class Trading(Matching):
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
        shown_lots = order.shown_lots
        order.qty_lots = command.qty_lots
        order.amendments += 1
        self.set_status(order, order.status)
        self.tell_order(order, OrderEventKind.ORDER_AMENDED, last_lots=lots)  # Still under its former id.
        if order is self.named and command.client_id != order.client_id:
            order.former_ids.append(order.client_id)
            order.client_id = command.client_id
        if not order.is_hidden and order.shown_lots < shown_lots:
            self.tell_level(order.instrument_id, order.side, order.price_ticks)

    def cancel_all(self, command: Command) -> None:
        judge = self.judge_cancel if command.instrument_id else self.judge_trader
        if reason := judge(command):
            self.refuse_cancel(command, reason)
            return
        self.mass_cancel([command.account_id], command.instrument_id, {})

    def mass_cancel(self, accounts: list[int], instrument_id: int, about: dict[str, int]) -> None:
        """In one instrument, or (0) in all; `about` is what the control event is about, where not the command."""
        count = 0
        for account_id in accounts:
            for one in self.accounts[account_id].instruments:
                if instrument_id in (0, one) and self.instruments[one].mode != TradingMode.HALT:
                    with self.acting(account_id, one):
                        while orders := self.open_orders(account_id, one):
                            count += self.cancel_order(orders[0])
        self.tell_control(ControlEventKind.ORDERS_CANCELED, value=count, **about)

    # The order's life.

    def order_of(self, command: Command) -> Order:
        order = Order(
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
            trailing_delta_bips=command.trailing_delta_bips,
            iceberg_lots=command.iceberg_lots,
        )
        if command.flags & (CommandFlag.PEG_PRIMARY | CommandFlag.PEG_MARKET):
            order.price_ticks = 0  # The command has an offset there.
            is_in_range = 0 <= command.price_ticks <= PEG_OFFSET_LEVELS_MAX
            order.peg_offset_levels = command.price_ticks if is_in_range else -1
            order.peg_price_type += PegPriceType.PRIMARY if command.flags & CommandFlag.PEG_PRIMARY else 0
            order.peg_price_type += PegPriceType.MARKET if command.flags & CommandFlag.PEG_MARKET else 0
        return order

    def place_order(self, order: Order) -> None:
        reason = self.judge_order(order)
        if reason:
            self.refuse(order, reason)
            return
        self.trail_at_once(order)
        self.accept(order)
        if order.is_waiting:
            self.stand(order)
        else:
            self.work(order)

    def stand(self, order: Order) -> None:
        """The order comes to a ladder, as the youngest at its price."""
        self.open.append(order)
        self.show_part(order)

    def show_part(self, order: Order) -> None:
        """The order takes the last place in the queue at its price; an iceberg with a new part."""
        self.places += 1
        order.place = self.places
        order.part_lots = min(order.iceberg_lots, order.leaves_lots)

    def trigger_reached(self, instrument_id: int) -> None:
        """After the command: let the orders work whose stop prices its trades have reached, and so on."""
        while order := self.next_triggered(instrument_id):
            with self.acting(order.account_id, order.instrument_id):
                self.end_other(order)
                self.open.remove(order)
                if order.is_market:
                    self.hold(order, -order.leaves_lots)
                order.working_ts_ns = self.command.ts_ns
                self.set_status(order, order.status)
                reason = self.take_price_late(order) if order.peg_price_type else 0
                self.tell_order(order, OrderEventKind.ORDER_TRIGGERED)
                if reason:
                    self.expire(order, reason)
                    self.leg_changed(order)
                else:
                    self.work(order)

    def take_price_late(self, order: Order) -> int:
        """Why a pegged order cannot work at the price of this moment; 0: it can, and has it."""
        price = self.peg_price(order)
        priced = replace(order, price_ticks=price, stop_price_ticks=0)
        refusals = self.judge_price(priced), self.is_price_near(priced), self.is_notional_right(priced)
        if not price or refusals != (0, True, True):
            return ExpiryReason.PEG_PRICE
        if order.side == Side.BUY:
            instrument = self.instruments[order.instrument_id]
            cost = price * order.leaves_lots * instrument.unit
            if self.holding(order.account_id, instrument.quote).free < cost:
                return ExpiryReason.FUNDS_EXHAUSTED
            order.price_ticks = price
            self.hold(order, order.leaves_lots)
        order.price_ticks = price
        return 0

    def next_triggered(self, instrument_id: int) -> Order | None:
        if not self.traded_prices:
            return None
        self.follow_trades(instrument_id)
        if self.instruments[instrument_id].mode != TradingMode.TRADING:
            return None
        return self.next_reached(instrument_id) or self.next_called(instrument_id)

    def next_reached(self, instrument_id: int) -> Order | None:
        waiting = [one for one in self.open if one.instrument_id == instrument_id and one.is_waiting]
        waiting = [one for one in waiting if not one.trailing_delta_bips and not one.is_pending]
        reached = [one for one in waiting if self.is_reached(one, self.traded_prices)]
        rises = [one for one in reached if one.waits_for_rise]
        if rises:
            return min(rises, key=lambda one: one.stop_price_ticks)
        return max(reached, key=lambda one: one.stop_price_ticks, default=None)

    def work(self, order: Order) -> None:
        self.carry_out(order)
        self.leg_changed(order)

    def carry_out(self, order: Order) -> None:
        if self.instruments[order.instrument_id].mode == TradingMode.AUCTION:
            self.stand(order)
            self.tell_level(order.instrument_id, order.side, order.price_ticks)
            return
        self.band_reference = self.average_price(self.instruments[order.instrument_id])
        self.lowest, self.highest = self.price_range(order)
        if order.time_in_force == TimeInForce.FOK and not self.is_fillable(order):
            self.expire(order, ExpiryReason.FILL_OR_KILL)
            return
        why = self.match(order)
        is_outside = why != ExpiryReason.PRICE_RANGE and self.would_leave_band(order)
        if is_outside:
            self.interrupt(order.instrument_id)
        if not order.is_live:
            self.close_id(order)
        elif why == ExpiryReason.PRICE_RANGE:
            self.expire(order, why)
        elif order.is_market:
            self.expire(order, ExpiryReason.PRICE_BAND if is_outside else why)
        elif order.time_in_force == TimeInForce.IOC:
            self.expire(order, ExpiryReason.PRICE_BAND if is_outside else ExpiryReason.IMMEDIATE_OR_CANCEL)
        else:
            assert order.time_in_force != TimeInForce.FOK
            if order.is_stop and not self.have_room(self.pages_of(order)):
                self.expire(order, ExpiryReason.PAGES_FULL)
                return
            self.stand(order)
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
