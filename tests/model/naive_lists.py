"""The naive exchange's order lists: OCO, OTO, OTOCO, OPO, OPOCO."""

from dataclasses import replace

from holdfast.codes import (
    ContingencyType,
    ExpiryReason,
    InstrumentParameter,
    ListOrderStatus,
    ListStatusType,
    OrderEventKind,
    OrderStatus,
    RejectReason,
)
from holdfast.commands import Command
from holdfast.events import OrderListEvent
from holdfast.views import OrderList as OrderListView
from tests.model.naive_list_admission import KINDS, OPO, ListAdmission, OrderList
from tests.model.naive_state import Order
from tests.model.naive_trading import NOT_REMEMBERED


class Lists(ListAdmission):
    # Commands.

    def keep_leg(self, command: Command) -> None:
        if not self.leg_commands or self.leg_commands[-1].seq != command.seq - 1:
            self.leg_commands = []
        self.leg_commands.append(command)

    def place_list(self, command: Command) -> None:
        commands, self.leg_commands = self.leg_commands, []
        if commands and commands[-1].seq != command.seq - 1:
            commands = []
        order_list = OrderList(command.account_id, command.instrument_id, command.key_id, command.client_id)
        order_list.kind = command.qty_lots
        order_list.created_ts_ns = command.ts_ns
        order_list.legs = [replace(self.order_of(leg), created_ts_ns=command.ts_ns) for leg in commands[:3]]
        self.refused_leg: Order | None = None
        reason = (
            self.judge_trader(command)
            or self.judge_instrument(command)
            or self.judge_list_form(order_list, commands)
            or self.judge_list_ids(order_list)
            or self.judge_each(order_list.legs, self.judge_permission)
            or self.judge_each(order_list.placed_first, self.judge_peg)
            or self.judge_whole(order_list)
            or self.judge_each(order_list.legs, lambda leg: self.judge_leg(order_list, leg))
        )
        if reason:
            self.refuse_list(order_list, reason)
            return
        with self.acting(command.account_id, command.instrument_id):
            self.accept_list(order_list)

    def cancel_order_list(self, command: Command) -> None:
        reason = self.judge_cancel(command)
        named = [one for one in self.lists if one.account_id == command.account_id]
        named = [one for one in named if one.instrument_id == command.instrument_id]
        if command.order_id:
            named = [one for one in named if one.order_list_id == command.order_id]
        if command.target_client_id:
            named = [one for one in named if one.client_id == command.target_client_id]
        if not command.order_id and not command.target_client_id:
            named = []
        if not reason and not named:
            reason = RejectReason.ORDER_LIST_UNKNOWN
        if reason:
            unknown = OrderList(command.account_id, command.instrument_id, command.key_id, command.target_client_id)
            unknown.order_list_id = command.order_id
            self.tell_list(unknown, ListStatusType.RESPONSE, ListOrderStatus.REJECT, reason)
            return
        with self.acting(command.account_id, command.instrument_id):
            self.cancel_list(named[0])

    # A list's life.

    def refuse_list(self, order_list: OrderList, reason: int) -> None:
        for leg in order_list.legs:
            is_other = self.refused_leg not in (None, leg)
            self.refuse(leg, RejectReason.OTHER_LEG_REFUSED if is_other else reason)
        self.tell_list(order_list, ListStatusType.RESPONSE, ListOrderStatus.REJECT, reason)
        if self.command.deadline_ts_ns and reason not in NOT_REMEMBERED:
            name = Order(-order_list.account_id, 0, client_id=order_list.client_id, status=OrderStatus.REJECTED)
            self.remember_refused(name)

    def accept_list(self, order_list: OrderList) -> None:
        is_oco = order_list.kind == KINDS.OCO
        for leg in order_list.legs:
            is_placed = leg in order_list.placed_first
            self.enter(leg, OrderStatus.NEW if is_placed else OrderStatus.PENDING_NEW)
            leg.working_ts_ns = self.command.ts_ns if is_placed and not leg.is_stop else 0
            if is_placed:
                self.trail_at_once(leg)
        self.list_count += 1
        order_list.order_list_id = self.list_count
        order_list.updated_ts_ns, order_list.updated_seq = self.command.ts_ns, self.command.seq
        self.lists.append(order_list)
        for leg in order_list.legs:
            leg.order_list_id = order_list.order_list_id
        if is_oco:
            self.hold_pair(order_list)
        else:
            self.hold(order_list.legs[0], order_list.legs[0].qty_lots)
        for leg in order_list.legs:
            self.tell_order(leg, OrderEventKind.ORDER_ACCEPTED)
        self.tell_list(order_list, ListStatusType.EXEC_STARTED, ListOrderStatus.EXECUTING)
        if is_oco:
            self.place_pair(order_list.legs)
        else:
            self.open += order_list.legs[1:]
            self.work(order_list.legs[0])

    def place_pair(self, legs: list[Order]) -> None:
        for leg in legs:
            self.stand(leg)
            if not leg.is_waiting:
                self.tell_level(leg.instrument_id, leg.side, leg.price_ticks)

    def list_of(self, order: Order) -> OrderList | None:
        return next((one for one in self.lists if order in one.legs), None)

    def hold_pair(self, order_list: OrderList) -> None:
        """Lock the larger of what the two need."""
        asset, amounts = 0, []
        for leg in order_list.pair:
            asset, amount = self.needed(leg, leg.leaves_lots)
            amounts.append(amount)
        order_list.paired_amount = max(amounts)
        self.lock(order_list.account_id, asset, order_list.paired_amount)

    def release_pair(self, order_list: OrderList) -> None:
        asset, _ = self.needed(order_list.pair[0], 1)
        self.lock(order_list.account_id, asset, -(order_list.paired_amount or 0))
        order_list.paired_amount = None

    def stand_alone(self, order: Order) -> None:
        order_list = self.list_of(order)
        if order_list and order_list.paired_amount is not None:
            self.release_pair(order_list)
            self.hold(order, order.leaves_lots)

    def end_other(self, order: Order) -> None:
        """Of a pair the other one ends before this one is triggered."""
        order_list = self.list_of(order)
        if order_list and order_list.paired_amount is not None:
            self.stand_alone(order)
            self.expire_legs(order_list, ExpiryReason.OTHER_LEG, order)

    def expire_legs(self, order_list: OrderList, reason: int, but: Order) -> None:
        for leg in order_list.open_legs:
            if leg is not but:
                self.end_leg(leg, OrderStatus.EXPIRED, OrderEventKind.ORDER_EXPIRED, reason)

    def end_leg(self, leg: Order, status: int, kind: int, reason: int = 0) -> None:
        """It holds nothing any more."""
        was_hidden = leg.is_hidden
        self.open.remove(leg)
        self.set_status(leg, status)
        self.tell_order(leg, kind, reason)
        self.close_id(leg)
        if not was_hidden:
            self.tell_level(leg.instrument_id, leg.side, leg.price_ticks)

    def cancel_list(self, order_list: OrderList) -> int:
        count = len(order_list.open_legs)
        self.release_bought(order_list)
        if order_list.paired_amount is not None:
            self.release_pair(order_list)
        elif not order_list.open_legs[0].is_pending:
            self.hold(order_list.open_legs[0], -order_list.open_legs[0].leaves_lots)
        for leg in order_list.open_legs:
            self.end_leg(leg, OrderStatus.CANCELED, OrderEventKind.ORDER_CANCELED)
        self.finish_list(order_list)
        return count

    def leg_changed(self, order: Order) -> None:
        order_list = self.list_of(order)
        if order_list is None:
            return
        if order_list.pending:
            if order.is_live:
                return
            if order.status == OrderStatus.FILLED:
                self.due.append(order_list)
                return
            self.release_bought(order_list)
            self.expire_legs(order_list, ExpiryReason.WORKING_ORDER_ENDED, order)
        elif order in order_list.pair:
            self.expire_legs(order_list, ExpiryReason.OTHER_LEG, order)
        if not order.is_live:
            self.finish_list(order_list)

    def finish_list(self, order_list: OrderList, reason: int = 0) -> None:
        self.tell_list(order_list, ListStatusType.ALL_DONE, ListOrderStatus.ALL_DONE, reason)
        self.lists.remove(order_list)
        name = Order(-order_list.account_id, 0, client_id=order_list.client_id, order_id=order_list.order_list_id)
        name.status = OrderStatus.FILLED
        self.close_id(name)

    # OPO: what is bought is locked.

    def lock_bought(self, order: Order, lots: int, fee: int) -> None:
        order_list = self.list_of(order)
        if order_list and order_list.kind in OPO and order is order_list.legs[0]:
            instrument = self.instruments[order.instrument_id]
            units = lots * instrument.lot_units
            if self.holding(order.account_id, instrument.base).free < units:
                units -= fee
            self.lock(order.account_id, instrument.base, units)
            order_list.bought += units

    def release_bought(self, order_list: OrderList) -> int:
        bought, order_list.bought = order_list.bought, 0
        self.lock(order_list.account_id, self.instruments[order_list.instrument_id].base, -bought)
        return bought

    # The pending orders are placed.

    def follow_up(self, instrument_id: int) -> None:
        self.trigger_reached(instrument_id)
        while self.due:
            self.place_due()
            self.trigger_reached(instrument_id)

    def place_due(self) -> None:
        """Those of the list whose working order was filled first, after all that was triggered."""
        order_list = self.due.pop(0)
        instrument = self.instruments[order_list.instrument_id]
        self.traded_prices = [instrument.last_price]
        with self.acting(order_list.account_id, order_list.instrument_id):
            legs = order_list.pending
            lots = self.release_bought(order_list) // instrument.lot_units
            order_list.updated_ts_ns, order_list.updated_seq = self.command.ts_ns, self.command.seq
            for leg in legs:
                self.open.remove(leg)
                self.set_status(leg, OrderStatus.NEW)
                leg.working_ts_ns = 0 if leg.is_stop else self.command.ts_ns
                lots = min(lots, self.largest_lots(leg))
            if order_list.kind in OPO:
                for leg in legs:
                    leg.qty_lots = lots
            self.refused_leg = None
            reason = self.judge_each(legs, self.judge_peg) or self.judge_together(legs, legs)
            if not reason and len(legs) == 2 and not self.are_prices_apart(*legs):
                reason = RejectReason.OCO_PRICES
            reason = reason or self.judge_each(legs, self.judge_pending)
            if reason:
                self.expire_pending(order_list, legs, reason)
                return
            if len(legs) == 2:
                self.hold_pair(order_list)
            else:
                self.hold(legs[0], legs[0].qty_lots)
            for leg in legs:
                self.trail_at_once(leg)
                self.tell_order(leg, OrderEventKind.ORDER_TRIGGERED)
            self.tell_list(order_list, ListStatusType.EXEC_STARTED, ListOrderStatus.EXECUTING)
            if len(legs) == 2:
                self.place_pair(legs)
            elif legs[0].is_waiting:
                self.stand(legs[0])
            else:
                self.work(legs[0])

    def largest_lots(self, leg: Order) -> int:
        value = self.instruments[leg.instrument_id].parameter
        lots = value(InstrumentParameter.QTY_LOTS_MAX)
        of_market = value(InstrumentParameter.MARKET_QTY_LOTS_MAX)
        return min(lots, of_market) if leg.is_market and of_market else lots

    def judge_pending(self, leg: Order) -> int:
        if not leg.qty_lots:
            return RejectReason.LOT_SIZE
        return self.judge_permission(leg) or self.judge_filters(leg) or self.judge_room(leg) or self.judge_funds(leg)

    def expire_pending(self, order_list: OrderList, legs: list[Order], reason: int) -> None:
        for leg in legs:
            is_other = self.refused_leg not in (None, leg)
            self.set_status(leg, OrderStatus.EXPIRED)
            why = ExpiryReason.OTHER_LEG if is_other else ExpiryReason.PLACING_REFUSED
            self.tell_order(leg, OrderEventKind.ORDER_EXPIRED, why)
            self.close_id(leg)
        self.finish_list(order_list, reason)

    # Amendments.

    def partner(self, order: Order) -> Order | None:
        """The one of which only it or the order can trade."""
        order_list = self.list_of(order)
        if order_list and order in order_list.pair:
            others = [leg for leg in order_list.open_legs if leg in order_list.pair and leg is not order]
            return others[0] if others else None
        return None

    def is_unsized(self, order: Order) -> bool:
        order_list = self.list_of(order)
        return bool(order_list) and order_list.kind in OPO and order.is_pending

    def rename_leg(self, order: Order) -> None:
        if order_list := self.list_of(order):
            order_list.updated_ts_ns, order_list.updated_seq = self.command.ts_ns, self.command.seq
            self.tell_list(order_list, ListStatusType.UPDATED, ListOrderStatus.EXECUTING)

    # What happened, and what is compared with the engine's reads.

    def tell_list(self, order_list: OrderList, kind: int, status: int, reason: int = 0) -> None:
        view = self.list_view(order_list)
        event = OrderListEvent(
            **self._stamp(),
            contingency=view.contingency,
            list_status_type=int(kind),
            list_order_status=int(status),
            reason=int(reason),
            account_event=self._next_account_event(order_list.account_id),
            order_list_id=view.order_list_id,
            order_id_1=view.order_id_1,
            order_id_2=view.order_id_2,
            order_id_3=view.order_id_3,
            created_ts_ns=view.created_ts_ns,
            client_id=order_list.client_id,
            account_id=view.account_id,
            client_id_1=view.client_id_1.encode(),
            instrument_id=view.instrument_id,
            client_id_2=view.client_id_2.encode(),
            leg_count=view.leg_count,
            client_id_3=view.client_id_3.encode(),
            key_id=order_list.key_id,
        )
        if status == ListOrderStatus.REJECT:
            event = event._replace(order_id_1=0, order_id_2=0, order_id_3=0)
        self.events.append(event)

    def list_view(self, order_list: OrderList) -> OrderListView:
        ids = [leg.order_id for leg in order_list.legs] + [0] * 3
        names = [leg.client_id.decode() for leg in order_list.legs] + [""] * 3
        is_oco = order_list.kind == KINDS.OCO
        return OrderListView(
            order_list.order_list_id,
            order_list.client_id.decode(),
            order_list.account_id,
            order_list.instrument_id,
            int(ContingencyType.OCO if is_oco else ContingencyType.OTO),
            int(ListStatusType.EXEC_STARTED),
            int(ListOrderStatus.EXECUTING),
            len(order_list.legs),
            *ids[:3],
            *names[:3],
            order_list.created_ts_ns,
            order_list.updated_ts_ns,
            order_list.updated_seq,
        )

    def list_views(self, account_id: int) -> list[OrderListView]:
        return [self.list_view(one) for one in self.lists if one.account_id == account_id]
