"""A random stream of applied batches as the engine would give them, and the naive record of what it means.

The stream keeps just enough of an exchange to be true to form: order ids rise with time over all instruments, trade ids
are contiguous per instrument, an order closes once. The record is plain lists of everything, read by plain loops.
"""

import random
from typing import NamedTuple

import numpy as np

from holdfast.accounts.movements import Deposit, Transfer
from holdfast.codes import (
    CommandKind,
    ControlEventKind,
    ExpiryReason,
    ListOrderStatus,
    OrderEventKind,
    OrderStatus,
    RejectReason,
    WithdrawalStatus,
)
from holdfast.commands import Command, command_dtype
from holdfast.events import (
    ControlEvent,
    Events,
    OrderEvent,
    OrderListEvent,
    balance_event_dtype,
    book_event_dtype,
    control_event_dtype,
    list_event_dtype,
    order_event_dtype,
)
from holdfast.views import Amendment, Fill, Order, OrderList, PreventedMatch, Withdrawal

ACCOUNTS = (1, 2, 3)
INSTRUMENTS = (1, 2)
START_TS_NS = 1_700_000_000 * 10**9

_blank_order = OrderEvent._make([0] * (len(OrderEvent._fields) - 2) + [b"", 0])
_blank_list = OrderListEvent(*[0] * 13, b"", 0, b"", 0, b"", 0, b"", 0)
_blank_control = ControlEvent._make([0] * 13)


class Batch(NamedTuple):
    first_seq: int
    last_seq: int
    commands: np.ndarray
    orders: list[OrderEvent]
    controls: list[ControlEvent]
    lists: list[OrderListEvent]

    @property
    def events(self) -> Events:
        """As the engine's arrays."""
        return Events(
            np.array(self.orders, order_event_dtype),
            np.zeros(0, balance_event_dtype),
            np.zeros(0, book_event_dtype),
            np.array(self.controls, control_event_dtype),
            np.array(self.lists, list_event_dtype),
        )


class Stream:
    """`batch()` makes the next commands happen; the lists hold what happened so far."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.seq = 0
        self.ts_ns = START_TS_NS
        self.open: dict[int, OrderEvent] = {}
        self.closed: list[Order] = []
        self.fills: list[Fill] = []
        self.amendments: list[Amendment] = []
        self.prevented: list[PreventedMatch] = []
        self.open_lists: dict[int, OrderListEvent] = {}
        self.lists_done: list[OrderList] = []
        self.deposits: list[Deposit] = []
        self.transfers: list[Transfer] = []
        self.withdrawals: dict[int, Withdrawal] = {}
        self._order_count = self._list_count = 0
        self._trade_counts = dict.fromkeys(INSTRUMENTS, 0)
        self._aggregate_counts = dict.fromkeys(INSTRUMENTS, 0)
        self._commands: list[Command] = []
        self._orders: list[OrderEvent] = []
        self._controls: list[ControlEvent] = []
        self._lists: list[OrderListEvent] = []

    def batch(self, commands: int) -> Batch:
        first_seq = self.seq + 1
        self._commands, self._orders, self._controls, self._lists = [], [], [], []
        for _ in range(commands):
            self.seq += 1
            self.ts_ns += self._random.randint(1, 10**9)
            happens = self._random.choices(
                [
                    self._place,
                    self._cancel,
                    self._amend,
                    self._prevent,
                    self._list,
                    self._refuse,
                    self._deposit,
                    self._transfer,
                    self._withdraw,
                    self._mass,
                ],
                [10, 4, 4, 3, 4, 1, 1, 1, 2, 1],
            )[0]
            happens()
        happened = self._orders, self._controls, self._lists
        return Batch(first_seq, self.seq, np.array(self._commands, command_dtype), *happened)

    def _command(self, **fields: object) -> None:
        self._commands.append(Command(seq=self.seq, ts_ns=self.ts_ns, **fields))  # type: ignore[arg-type]

    def _emit(self, event: OrderEvent, **changes: object) -> OrderEvent:
        event = event._replace(seq=self.seq, ts_ns=self.ts_ns, index=len(self._orders), **changes)  # type: ignore[arg-type]
        self._orders.append(event)
        if event.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
            self.open[event.order_id] = event
        else:
            self.open.pop(event.order_id, None)
            self.closed.append(Order.from_event(event))
        return event

    def _place(self) -> None:
        self._command(kind=CommandKind.PLACE_ORDER)
        self._order_count += 1
        instrument_id = self._random.choice(INSTRUMENTS)
        client_id = self._random.choice([f"c{self._order_count}", "again", "x" * 36]).encode()
        account_id = self._random.choice(ACCOUNTS)
        if client_id in [event.client_id for event in self.open.values() if event.account_id == account_id]:
            client_id = f"u{self._order_count}".encode()
        taker = self._emit(
            _blank_order,
            kind=OrderEventKind.ORDER_ACCEPTED,
            status=OrderStatus.NEW,
            account_id=account_id,
            instrument_id=instrument_id,
            side=self._random.choice((1, 2)),
            order_type=1,
            time_in_force=1,
            order_id=self._order_count,
            price_ticks=self._random.randint(1, 10**9),
            qty_lots=self._random.randint(1, 5),
            created_ts_ns=self.ts_ns,
            client_id=client_id,
        )
        makers = [e for e in self.open.values() if e.instrument_id == instrument_id and e.side != taker.side]
        for maker in self._random.sample(makers, min(len(makers), self._random.randint(0, 3))):
            if taker.executed_lots < taker.qty_lots:
                taker = self._trade(maker, taker)
        if taker.order_id in self.open and self._random.random() < 0.2:
            self._emit(taker, kind=OrderEventKind.ORDER_EXPIRED, status=OrderStatus.EXPIRED, trade_id=0)

    def _trade(self, maker: OrderEvent, taker: OrderEvent) -> OrderEvent:
        lots = min(maker.qty_lots - maker.executed_lots, taker.qty_lots - taker.executed_lots)
        self._trade_counts[taker.instrument_id] += 1
        self._aggregate_counts[taker.instrument_id] += self._random.randint(0, 1)
        sides = []
        for event, other, is_maker in ((maker, taker, 1), (taker, maker, 0)):
            executed_lots = event.executed_lots + lots
            event = self._emit(
                event,
                kind=OrderEventKind.TRADE,
                status=OrderStatus.FILLED if executed_lots == event.qty_lots else OrderStatus.PARTIALLY_FILLED,
                is_maker=is_maker,
                fee_is_base=event.side == 1,
                executed_lots=executed_lots,
                last_lots=lots,
                last_price_ticks=maker.price_ticks,
                last_quote_units=lots * maker.price_ticks,
                fee_units=self._random.randint(0, 99),
                trade_id=self._trade_counts[event.instrument_id],
                aggregate_trade_id=max(self._aggregate_counts[event.instrument_id], 1),
                counter_order_id=other.order_id,
            )
            self.fills.append(Fill.from_event(event))
            sides.append(event)
        return sides[1]

    def _cancel(self) -> None:
        self._command(kind=CommandKind.CANCEL_ORDER)
        if self.open:
            event = self._random.choice(list(self.open.values()))
            self._emit(event, kind=OrderEventKind.ORDER_CANCELED, status=OrderStatus.CANCELED)

    def _amend(self) -> None:
        new_id = f"a{self.seq}".encode()
        self._command(kind=CommandKind.AMEND_ORDER, client_id=new_id)
        if not self.open:
            return
        event = self._random.choice([*self.open.values()])
        if event.qty_lots - event.executed_lots > 1:
            qty_lots = event.qty_lots - 1
            number = len(self.amendments) + 1
            change = {"kind": OrderEventKind.ORDER_AMENDED, "qty_lots": qty_lots, "last_lots": 1}
            amended = self._emit(event, **change, account_event=number)
            self.open[event.order_id] = amended._replace(client_id=new_id)
            ids = (event.order_id, event.account_id, event.instrument_id, event.client_id.decode(), new_id.decode())
            self.amendments.append(Amendment(number, *ids, event.qty_lots, qty_lots, self.ts_ns, self.seq))

    def _prevent(self) -> None:
        """Two open orders of an account meet, and one or both lose something."""
        self._command(kind=CommandKind.PLACE_ORDER)
        mine = self._random.choice(ACCOUNTS), self._random.choice(INSTRUMENTS)
        orders = [event for event in self.open.values() if (event.account_id, event.instrument_id) == mine]
        if len(orders) < 2:
            return
        maker, taker = self._random.sample(orders, 2)
        mode = self._random.choice([1, 2, 3, 4])
        lots = {1: (0, 3), 2: (2, 0), 3: (2, 3), 4: (1, 1)}[mode]
        match_id = 1 + sum(match.instrument_id == mine[1] for match in self.prevented)
        of_match = {"trade_id": match_id, "last_price_ticks": maker.price_ticks, "self_trade_prevention": mode}
        for order, counter, lost, is_maker in ((maker, taker, lots[0], 1), (taker, maker, lots[1], 0)):
            change = {**of_match, "last_lots": lost, "counter_order_id": counter.order_id, "is_maker": is_maker}
            change["prevented_lots"] = order.prevented_lots + lost
            if is_maker:
                change["self_trade_prevention"] = 0  # The maker's own mode says nothing.
            if lost and mode == 4:
                self._emit(order, **change, kind=OrderEventKind.TRADE_PREVENTED)
            elif lost:
                change["reason"] = ExpiryReason.SELF_TRADE
                self._emit(order, **change, kind=OrderEventKind.ORDER_EXPIRED, status=OrderStatus.EXPIRED_IN_MATCH)
        ids = (match_id, mine[1], mine[0], taker.order_id, maker.order_id)
        match = PreventedMatch(*ids, mode, maker.price_ticks, lots[1], lots[0], self.ts_ns, self.seq)
        self.prevented.append(match)

    def _list(self) -> None:
        """An order list is placed, refused, given another client id, or done; those that are open may be done in any
        order."""
        self._command(kind=CommandKind.PLACE_ORDER_LIST)
        status = self._random.choice([*ListOrderStatus][1:])
        event = self._random.choice([*self.open_lists.values()]) if self.open_lists else None
        if event is None or self._random.random() < 0.5:
            self._list_count += status != ListOrderStatus.REJECT
            number = self._list_count
            legs = {"order_id_1": 2 * number, "client_id_1": b"above", "order_id_2": 2 * number + 1, "leg_count": 2}
            names = [event.client_id for event in self.open_lists.values()]
            name = b"again" if b"again" not in names else b"l%d" % number
            event = _blank_list._replace(
                order_list_id=number,
                account_id=self._random.choice(ACCOUNTS),
                instrument_id=self._random.choice(INSTRUMENTS),
                client_id=name,
                created_ts_ns=self.ts_ns,
                **legs,
            )
        event = event._replace(seq=self.seq, ts_ns=self.ts_ns, list_order_status=status)
        self._lists.append(event)
        if status == ListOrderStatus.EXECUTING:
            self.open_lists[event.order_list_id] = event
        elif status == ListOrderStatus.ALL_DONE:
            self.open_lists.pop(event.order_list_id, None)
            self.lists_done.append(OrderList.from_event(event))

    def _refuse(self) -> None:
        """Refusals say a status too: of the order that was first, or REJECTED."""
        self._command(kind=CommandKind.PLACE_ORDER)
        for kind, status in (
            (OrderEventKind.ORDER_REJECTED, OrderStatus.FILLED),
            (OrderEventKind.ORDER_REJECTED, OrderStatus.REJECTED),
            (OrderEventKind.CANCEL_REJECTED, OrderStatus.CANCELED),
        ):
            self._orders.append(
                _blank_order._replace(
                    seq=self.seq, ts_ns=self.ts_ns, account_id=1, instrument_id=1, kind=kind, status=status, order_id=1
                )
            )

    def _control(self, kind: ControlEventKind, command_kind: CommandKind, **fields: int) -> None:
        event = _blank_control._replace(seq=self.seq, ts_ns=self.ts_ns, kind=kind, command_kind=command_kind, **fields)
        self._controls.append(event)

    def _deposit(self) -> None:
        account_id, amount = self._random.choice(ACCOUNTS), self._random.randint(1, 10**12)
        reference = f"deposit {self.seq}"
        self._command(
            kind=CommandKind.DEPOSIT,
            account_id=account_id,
            instrument_id=2,
            qty_lots=amount,
            client_id=reference.encode(),
        )
        if self._random.random() < 0.3:
            self._control(ControlEventKind.COMMAND_REJECTED, CommandKind.DEPOSIT, reason=RejectReason.SUPPLY_EXCEEDED)
            return
        self._control(ControlEventKind.COMMAND_DONE, CommandKind.DEPOSIT)
        self.deposits.append(Deposit(self.seq, account_id, 2, amount, reference, self.ts_ns))

    def _transfer(self) -> None:
        source, target = self._random.sample(ACCOUNTS, 2)
        self._command(
            kind=CommandKind.TRANSFER,
            account_id=source,
            order_id=target,
            instrument_id=1,
            qty_lots=self.seq,
            client_id=b"t",
        )
        self._control(ControlEventKind.COMMAND_DONE, CommandKind.TRANSFER)
        self.transfers.append(Transfer(self.seq, source, target, 1, self.seq, "t", self.ts_ns))

    def _withdraw(self) -> None:
        """A new request, or the next step of one."""
        steps = {
            WithdrawalStatus.REQUESTED: (CommandKind.APPROVE_WITHDRAWAL, WithdrawalStatus.APPROVED),
            WithdrawalStatus.APPROVED: (CommandKind.SEND_WITHDRAWAL, WithdrawalStatus.SENT),
        }
        pending = [w for w in self.withdrawals.values() if w.status in steps]
        if pending and self._random.random() < 0.7:
            withdrawal = self._random.choice(pending)
            kind, status = steps[WithdrawalStatus(withdrawal.status)]
            if self._random.random() < 0.2:
                kind, status = CommandKind.REFUSE_WITHDRAWAL, WithdrawalStatus.REFUSED
            self._command(kind=kind, order_id=withdrawal.withdrawal_id)
            withdrawal = withdrawal._replace(status=status, updated_ts_ns=self.ts_ns)
        else:
            account_id, amount = self._random.choice(ACCOUNTS), self._random.randint(1, 10**9)
            withdrawal = Withdrawal(
                len(self.withdrawals) + 1, account_id, 1, amount, 1, f"w{self.seq}", self.ts_ns, self.ts_ns
            )
            kind = CommandKind.REQUEST_WITHDRAWAL
            self._command(
                kind=kind,
                account_id=account_id,
                instrument_id=1,
                qty_lots=amount,
                client_id=withdrawal.reference.encode(),
            )
        self._control(ControlEventKind.COMMAND_DONE, kind, id=withdrawal.withdrawal_id)
        self.withdrawals[withdrawal.withdrawal_id] = withdrawal

    def _mass(self) -> None:
        self._command(kind=CommandKind.CANCEL_ALL)
        account_id = self._random.choice(ACCOUNTS)
        for event in [e for e in self.open.values() if e.account_id == account_id][:3]:
            self._emit(event, kind=OrderEventKind.ORDER_CANCELED, status=OrderStatus.CANCELED)
        self._control(ControlEventKind.ORDERS_CANCELED, CommandKind.CANCEL_ALL)
