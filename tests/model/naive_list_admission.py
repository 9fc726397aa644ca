"""Whether the naive exchange lets an order list in; 0 is no objection. The checks stand in the rules' order."""

from dataclasses import dataclass, field, replace

from holdfast.codes import InstrumentParameter, Limit, OrderListKind, OrderStatus, OrderType, RejectReason, Side
from holdfast.commands import Command
from tests.model.naive_state import Order
from tests.model.naive_trading import Trading

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
    def placed_first(self) -> list[Order]:
        """Those that wait for no other one."""
        return self.legs if self.kind == KINDS.OCO else self.legs[:1]

    @property
    def open_legs(self) -> list[Order]:
        return [leg for leg in self.legs if leg.is_live or leg.is_pending]

    @property
    def pending(self) -> list[Order]:
        return [leg for leg in self.legs if leg.is_pending]


class ListAdmission(Trading):
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
            sized = replace(order, qty_lots=order_list.legs[0].qty_lots) if is_unsized else order
            if is_odd or self.judge_form(sized):
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
        everywhere = [one for one in self.lists if one.account_id == order_list.account_id]
        here = [one for one in everywhere if one.instrument_id == order_list.instrument_id]
        maximum = self.instruments[order_list.instrument_id].parameter(InstrumentParameter.ORDER_LISTS_MAX)
        if maximum and len(here) >= maximum:
            return RejectReason.MAX_NUM_ORDER_LISTS
        maximum = self.limits[Limit.EXCHANGE_ORDER_LISTS_MAX]
        if maximum and len(everywhere) >= maximum:
            return RejectReason.EXCHANGE_MAX_NUM_ORDER_LISTS
        if len(self.lists) >= self.limits[Limit.ORDER_LISTS_MAX]:
            return RejectReason.ORDER_LISTS_FULL
        is_oco = order_list.kind == KINDS.OCO
        reason = self.judge_together(order_list.legs, order_list.placed_first)
        if not reason and is_oco and not self.are_prices_apart(*order_list.legs):
            return RejectReason.OCO_PRICES
        return reason

    def judge_together(self, legs: list[Order], placed: list[Order]) -> int:
        if reason := self.judge_counts(legs):
            return reason
        if len(self.open) + len(legs) > self.limits[Limit.ORDERS_MAX]:
            return RejectReason.ORDERS_FULL
        in_use = self.pages_in_use()
        more = 0
        for leg in legs:
            if leg not in placed:
                pages = self.pages_while_pending(leg)
            elif leg.is_stop:
                pages = self.pages_while_waiting(leg)
            else:
                pages = self.pages_of(leg) if self.may_rest(leg) else []
            more += len(set(pages) - in_use)
        return RejectReason.PAGES_FULL if more and len(in_use) + more > self.limits[Limit.PAGES_MAX] else 0

    def judge_counts(self, legs: list[Order]) -> int:
        """Of how many orders the account has open, here and everywhere: all, those that wait for a price, icebergs."""
        value, limits = self.instruments[legs[0].instrument_id].parameter, self.limits
        which, reasons = InstrumentParameter, RejectReason
        here = self.open_orders(legs[0].account_id, legs[0].instrument_id)
        everywhere = [one for one in self.open if one.account_id == legs[0].account_id]
        stops, icebergs = [leg for leg in legs if leg.is_stop], [leg for leg in legs if leg.iceberg_lots]

        def waiting(orders: list[Order]) -> list[Order]:
            return [one for one in orders if one.is_waiting]

        def partly_shown(orders: list[Order]) -> list[Order]:
            return [one for one in orders if one.iceberg_lots]

        for maximum, new, old, reason in (
            (value(which.ORDERS_MAX), legs, here, reasons.MAX_NUM_ORDERS),
            (value(which.ALGO_ORDERS_MAX), stops, waiting(here), reasons.MAX_NUM_ALGO_ORDERS),
            (limits[Limit.EXCHANGE_ORDERS_MAX], legs, everywhere, reasons.EXCHANGE_MAX_NUM_ORDERS),
            (limits[Limit.EXCHANGE_ALGO_ORDERS_MAX], stops, waiting(everywhere), reasons.EXCHANGE_MAX_NUM_ALGO_ORDERS),
            (value(which.ICEBERG_ORDERS_MAX), icebergs, partly_shown(here), reasons.MAX_NUM_ICEBERG_ORDERS),
            (
                limits[Limit.EXCHANGE_ICEBERG_ORDERS_MAX],
                icebergs,
                partly_shown(everywhere),
                reasons.EXCHANGE_MAX_NUM_ICEBERG_ORDERS,
            ),
        ):
            if maximum and new and len(old) + len(new) > maximum:
                return reason
        return 0

    def are_prices_apart(self, above: Order, below: Order) -> bool:
        """A leg that has no price yet is nowhere."""
        last = self.instruments[above.instrument_id].last_price
        high, low = (self.pair_price(leg) for leg in (above, below))
        if not last:
            return high is None or low is None or high > low
        return (high is None or high > last) and (low is None or low < last)

    def pair_price(self, leg: Order) -> int | None:
        if leg.order_type in (OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT_LIMIT) and leg.price_ticks:
            return leg.price_ticks
        return leg.stop_price_ticks or None

    def judge_leg(self, order_list: OrderList, leg: Order) -> int:
        is_placed = leg in order_list.placed_first
        is_unsized = order_list.kind in OPO and not is_placed
        reason = self.judge_unsized(leg) if is_unsized else self.judge_filters(leg)
        return reason or self.judge_room(leg) or (self.judge_funds(leg) if is_placed else 0)

    def judge_unsized(self, leg: Order) -> int:
        value = self.instruments[leg.instrument_id].parameter
        which = InstrumentParameter
        if reason := self.judge_price(leg):
            return reason
        if leg.price_ticks and not self.is_price_near(leg):
            return RejectReason.PERCENT_PRICE_BY_SIDE
        if leg.trailing_delta_bips and not self.is_delta_allowed(leg):
            return RejectReason.TRAILING_DELTA
        is_part_small = leg.iceberg_lots and leg.iceberg_lots < value(which.QTY_LOTS_MIN)
        return RejectReason.LOT_SIZE if is_part_small else 0
