"""The naive exchange's order lists: OCO, OTO, OTOCO, OPO, OPOCO."""

from dataclasses import dataclass, field, replace

from holdfast.codes import (
    ContingencyType,
    ExpiryReason,
    InstrumentParameter,
    Limit,
    ListOrderStatus,
    ListStatusType,
    OrderEventKind,
    OrderListKind,
    OrderStatus,
    OrderType,
    RejectReason,
    Side,
)
from holdfast.commands import Command
from holdfast.events import OrderListEvent
from holdfast.views import OrderList as OrderListView
from tests.model.naive_state import Order
from tests.model.naive_trading import NOT_REMEMBERED, Trading

KINDS = OrderListKind
OPO = (KINDS.OPO, KINDS.OPOCO)
LEG_COUNTS = {KINDS.OCO: 2, KINDS.OTO: 2, KINDS.OTOCO: 3, KINDS.OPO: 2, KINDS.OPOCO: 3}
PROFIT = (OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
LOSS = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)


@dataclass(eq=False)
class OrderList:
    account_id: int
    instrument_id: int
    key_id: int = 0
    client_id: bytes = b""
    kind: int = 0
    order_list_id: int = 0
    legs: list[Order] = field(default_factory=list)
    created_ts_ns: int = 0
    updated_ts_ns: int = 0
    updated_seq: int = 0
    paired_amount: int | None = None  # What is locked for two orders of which only one can trade.
    bought: int = 0  # OPO: locked base units.

    @property
    def pair(self) -> list[Order]:
        """The two orders of which only one can trade, whether they are placed or pending."""
        first = 0 if self.kind == KINDS.OCO else 1
        return self.legs[first:] if len(self.legs) == first + 2 else []

    @property
    def open_legs(self) -> list[Order]:
        return [leg for leg in self.legs if leg.is_live or leg.is_pending]

    @property
    def pending(self) -> list[Order]:
        return [leg for leg in self.legs if leg.is_pending]


class Lists(Trading):
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

    # Whether a list may be placed.

    def judge_each(self, legs: list[Order], judge: object) -> int:
        for leg in legs:
            reason = judge(leg)  # type: ignore[operator]
            if reason:
                self.refused_leg = leg
                return int(reason)
        return 0

    def judge_list_form(self, order_list: OrderList, commands: list[Command]) -> int:
        command = self.command
        kind = order_list.kind
        if kind not in LEG_COUNTS or not command.client_id or len(commands) != LEG_COUNTS[OrderListKind(kind)]:
            return RejectReason.MALFORMED
        for leg, order in zip(commands, order_list.legs, strict=True):
            same = "account_id", "key_id", "instrument_id", "deadline_ts_ns"
            if any(getattr(leg, one) != getattr(command, one) for one in same):
                return RejectReason.MALFORMED
            is_unsized = kind in OPO and order is not order_list.legs[0]
            is_odd = is_unsized and (order.qty_lots or order.quote_units)
            is_odd = is_odd or order.trailing_delta_bips or order.iceberg_lots or order.peg_price_type
            if is_odd or self.judge_form(replace(order, qty_lots=1) if is_unsized else order):
                self.refused_leg = order
                return RejectReason.MALFORMED
        return 0 if self.do_legs_fit(order_list) else RejectReason.LIST_LEGS

    def do_legs_fit(self, order_list: OrderList) -> bool:
        if order_list.kind == KINDS.OCO:
            return self.is_pair(*order_list.legs)
        working, *pending = order_list.legs
        if working.order_type not in (OrderType.LIMIT, OrderType.LIMIT_MAKER) or pending[0].quote_units:
            return False
        if order_list.kind in OPO and (working.side, pending[0].side) != (Side.BUY, Side.SELL):
            return False
        return len(pending) == 1 or self.is_pair(*pending)

    def is_pair(self, above: Order, below: Order) -> bool:
        types = (PROFIT, LOSS) if above.side == Side.SELL else (LOSS, PROFIT)
        are_alike = (above.side, above.qty_lots) == (below.side, below.qty_lots)
        return are_alike and above.order_type in types[0] and below.order_type in types[1]

    def judge_list_ids(self, order_list: OrderList) -> int:
        first = self.first_list_of(order_list)
        if first is not None:
            order_list.order_list_id = first
            return RejectReason.DUPLICATE_LIST_CLIENT_ID
        for number, leg in enumerate(order_list.legs):
            self.refused_leg = leg
            if self.judge_client_id(leg):
                return RejectReason.DUPLICATE_CLIENT_ID
            if leg.client_id in [one.client_id for one in order_list.legs[:number]]:
                leg.status = OrderStatus.REJECTED
                return RejectReason.DUPLICATE_CLIENT_ID
        self.refused_leg = None
        return 0

    def first_list_of(self, order_list: OrderList) -> int | None:
        """The id of the list that a list's client id stands for now; 0: of a refused one."""
        for one in self.lists:
            if (one.account_id, one.client_id) == (order_list.account_id, order_list.client_id):
                return one.order_list_id
        remembered = self.remembered(-order_list.account_id, order_list.client_id)
        return remembered and remembered[0]

    def judge_whole(self, order_list: OrderList) -> int:
        here = [one for one in self.lists if one.account_id == order_list.account_id]
        here = [one for one in here if one.instrument_id == order_list.instrument_id]
        maximum = self.instruments[order_list.instrument_id].parameter(InstrumentParameter.ORDER_LISTS_MAX)
        if maximum and len(here) >= maximum:
            return RejectReason.MAX_NUM_ORDER_LISTS
        if len(self.lists) >= self.limits[Limit.ORDER_LISTS_MAX]:
            return RejectReason.ORDER_LISTS_FULL
        is_oco = order_list.kind == KINDS.OCO
        reason = self.judge_together(order_list.legs, [] if is_oco else order_list.legs[1:])
        if not reason and is_oco and not self.are_prices_apart(*order_list.legs):
            return RejectReason.OCO_PRICES
        return reason

    def judge_together(self, legs: list[Order], pending: list[Order]) -> int:
        value = self.instruments[legs[0].instrument_id].parameter
        which = InstrumentParameter
        orders = self.open_orders(legs[0].account_id, legs[0].instrument_id)
        stops = sum(leg.is_stop for leg in legs)
        waiting = sum(one.is_waiting for one in orders)
        if value(which.ORDERS_MAX) and len(orders) + len(legs) > value(which.ORDERS_MAX):
            return RejectReason.MAX_NUM_ORDERS
        if value(which.ALGO_ORDERS_MAX) and stops and waiting + stops > value(which.ALGO_ORDERS_MAX):
            return RejectReason.MAX_NUM_ALGO_ORDERS
        if len(self.open) + len(legs) > self.limits[Limit.ORDERS_MAX]:
            return RejectReason.ORDERS_FULL
        in_use = self.pages_in_use()
        more = 0
        for leg in legs:
            if leg in pending:
                pages = self.pages_while_pending(leg)
            elif leg.is_stop:
                pages = self.pages_while_waiting(leg)
            else:
                pages = self.pages_of(leg) if self.may_rest(leg) else []
            more += len(set(pages) - in_use)
        return RejectReason.PAGES_FULL if more and len(in_use) + more > self.limits[Limit.PAGES_MAX] else 0

    def are_prices_apart(self, above: Order, below: Order) -> bool:
        last = self.instruments[above.instrument_id].last_price
        high, low = (self.pair_price(leg) for leg in (above, below))
        return high > last > low if last else high > low

    def pair_price(self, leg: Order) -> int:
        if leg.order_type in (OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT_LIMIT):
            return leg.price_ticks
        return leg.stop_price_ticks

    def judge_leg(self, order_list: OrderList, leg: Order) -> int:
        is_placed = order_list.kind == KINDS.OCO or leg is order_list.legs[0]
        is_unsized = order_list.kind in OPO and not is_placed
        reason = self.judge_unsized(leg) if is_unsized else self.judge_filters(leg)
        return reason or self.judge_room(leg) or (self.judge_funds(leg) if is_placed else 0)

    def judge_unsized(self, leg: Order) -> int:
        value = self.instruments[leg.instrument_id].parameter
        which = InstrumentParameter
        for each in [leg.price_ticks] * (not leg.is_market) + [leg.stop_price_ticks] * leg.is_stop:
            if not value(which.PRICE_TICKS_MIN) <= each <= value(which.PRICE_TICKS_MAX):
                return RejectReason.PRICE_FILTER
        return 0 if leg.is_market or self.is_price_near(leg) else RejectReason.PERCENT_PRICE_BY_SIDE

    def refuse_list(self, order_list: OrderList, reason: int) -> None:
        for leg in order_list.legs:
            is_other = self.refused_leg not in (None, leg)
            self.refuse(leg, RejectReason.OTHER_LEG_REFUSED if is_other else reason)
        self.tell_list(order_list, ListStatusType.RESPONSE, ListOrderStatus.REJECT, reason)
        if self.command.deadline_ts_ns and reason not in NOT_REMEMBERED:
            name = Order(-order_list.account_id, 0, client_id=order_list.client_id, status=OrderStatus.REJECTED)
            self.remember_refused(name)

    # A list's life.

    def accept_list(self, order_list: OrderList) -> None:
        is_oco = order_list.kind == KINDS.OCO
        for leg in order_list.legs:
            is_placed = is_oco or leg is order_list.legs[0]
            self.enter(leg, OrderStatus.NEW if is_placed else OrderStatus.PENDING_NEW)
            leg.working_ts_ns = self.command.ts_ns if is_placed and not leg.is_stop else 0
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
            for leg in legs:
                leg.qty_lots = lots if order_list.kind in OPO else leg.qty_lots
            self.refused_leg = None
            reason = self.judge_together(legs, [])
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
        return (
            self.judge_form(leg)
            or self.judge_permission(leg)
            or self.judge_filters(leg)
            or self.judge_room(leg)
            or self.judge_funds(leg)
        )

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
