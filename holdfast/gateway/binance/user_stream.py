"""User data streams: what happens to an account, told to those who subscribed to it.

replica → applied batch → USER STREAMS → WebSocket API sessions

For each command, an account is told about its orders and their lists in the order of events, then once of the balances
that changed. Everybody is told when a market's trading mode changes.
Nothing is made for accounts that nobody listens to. A subscription ends with its connection, when it is given up, and
when the key that opened it is revoked.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from holdfast.codes import CommandKind, ControlEventKind, ListOrderStatus, OrderEventKind
from holdfast.events import BalanceEvent, ControlEvent, Events, OrderEvent, OrderListEvent
from holdfast.gateway.binance import formats
from holdfast.gateway.binance.authentication import Key
from holdfast.gateway.binance.formats import Shown
from holdfast.gateway.binance.order_lists.formats import list_status
from holdfast.gateway.binance.trading_status import mode_event
from holdfast.instruments import Instrument, Reference

_WITH_NEW_ID = (
    CommandKind.CANCEL_ORDER,
    CommandKind.CANCEL_ALL,
    CommandKind.CANCEL_ORDER_LIST,
    CommandKind.AMEND_ORDER,
)
_OPERATORS_FROM = CommandKind.DEPOSIT  # Kinds from here on are no trading: deposits, withdrawals, transfers.


class AppliedBatch(Protocol):
    """What a reader of the replica gets; `holdfast.replica.Applied`."""

    @property
    def first_seq(self) -> int: ...
    @property
    def commands(self) -> np.ndarray: ...
    @property
    def events(self) -> Events: ...


class Subscription(NamedTuple):
    """One listener. `end(subscription, ts_ns)` is called when its key has been revoked."""

    subscription_id: int
    key: Key
    time_unit_ns: int
    send: Callable[[bytes], None]
    end: Callable[["Subscription", int], None]


class _Step(NamedTuple):
    """What one command did to one account."""

    orders: list[OrderEvent]
    lists: list[OrderListEvent]
    balances: list[BalanceEvent]
    countdowns: list[ControlEvent]  # That ran out.


class UserStreams:
    """All subscriptions of this gateway."""

    def __init__(self, reference: Callable[[], Reference], replace_cancel_id: Callable[[int, int], str]) -> None:
        """`replace_cancel_id(account_id, request_number)`: the id that the cancel within a replacement was given, "" if
        it is not known."""
        self._reference = reference
        self._replace_cancel_id = replace_cancel_id
        self._subscriptions: dict[int, list[Subscription]] = {}  # By account.
        self._told_of = reference()

    def add(self, subscription: Subscription) -> None:
        self._subscriptions.setdefault(subscription.key.account_id, []).append(subscription)

    def remove(self, subscription: Subscription) -> None:
        account_id = subscription.key.account_id
        left = [each for each in self._subscriptions.get(account_id, ()) if each is not subscription]
        if left:
            self._subscriptions[account_id] = left
        else:
            self._subscriptions.pop(account_id, None)

    def on_applied(self, applied: AppliedBatch) -> None:
        """A reader of the replica."""
        before, self._told_of = self._told_of, self._reference()
        if not self._subscriptions:
            return
        steps: dict[tuple[int, int], _Step] = {}  # (seq, account)
        for order in map(OrderEvent._make, self._listened(applied.events.orders)):
            steps.setdefault((order.seq, order.account_id), _Step([], [], [], [])).orders.append(order)
        for each in map(OrderListEvent._make, self._listened(applied.events.lists)):
            steps.setdefault((each.seq, each.account_id), _Step([], [], [], [])).lists.append(each)
        for balance in map(BalanceEvent._make, self._listened(applied.events.balances)):
            steps.setdefault((balance.seq, balance.account_id), _Step([], [], [], [])).balances.append(balance)
        for control in map(ControlEvent._make, self._ran_out(applied.events.controls)):
            steps.setdefault((control.seq, control.account_id), _Step([], [], [], [])).countdowns.append(control)
        for seq, account_id in sorted(steps):
            self._tell(account_id, steps[seq, account_id], applied.commands[seq - applied.first_seq])
        if before is not self._told_of:
            self._tell_modes(self._told_of.changed_modes(before), int(applied.commands["ts_ns"][-1]))

    def _tell_modes(self, changed: list[Instrument], ts_ns: int) -> None:
        """Tell everybody which markets are in other modes since the last batch."""
        for instrument in changed:
            for subscriptions in list(self._subscriptions.values()):
                for each in subscriptions:
                    event = msgspec.json.encode(mode_event(instrument, ts_ns, each.time_unit_ns))
                    each.send(frame(each.subscription_id, event))

    def _ran_out(self, controls: np.ndarray) -> list[Any]:
        """Countdowns that ran out, of accounts that somebody listens to."""
        if not len(controls):
            return []
        return self._listened(controls[controls["kind"] == ControlEventKind.COUNTDOWN_RAN_OUT])

    def _listened(self, rows: np.ndarray) -> list[Any]:
        """Those of accounts that somebody listens to. The others' never become Python's objects."""
        listened, account_ids = self._subscriptions, rows["account_id"].tolist()
        if listened.keys().isdisjoint(account_ids):
            return []
        index = [i for i, account_id in enumerate(account_ids) if account_id in listened]
        found: list[Any] = rows.take(index).tolist()
        return found

    def _tell(self, account_id: int, step: _Step, command: np.void) -> None:
        shown: dict[int, list[bytes]] = {}  # By time unit.
        ts_ns = (step.orders or step.lists or step.balances or step.countdowns)[0].ts_ns
        for subscription in list(self._subscriptions.get(account_id, ())):  # Sending may end a subscription.
            if subscription.key.revoked:
                subscription.end(subscription, ts_ns)
                continue
            unit_ns = subscription.time_unit_ns
            if unit_ns not in shown:
                shown[unit_ns] = [msgspec.json.encode(each) for each in self._events(step, command, unit_ns)]
            for event in shown[unit_ns]:
                subscription.send(frame(subscription.subscription_id, event))

    def _events(self, step: _Step, command: np.void, unit_ns: int) -> Iterable[Shown]:
        reference = self._reference()
        canceled = any(event.kind == OrderEventKind.ORDER_CANCELED for event in step.orders)
        for countdown in step.countdowns:
            yield formats.countdown_ran_out(reference, countdown, unit_ns)
        amended = next((event for event in step.orders if event.kind == OrderEventKind.ORDER_AMENDED), None)
        for event in _in_order(step):
            instrument = reference.instruments[event.instrument_id]
            if isinstance(event, OrderListEvent):
                if event.list_order_status != ListOrderStatus.REJECT:  # Only its sender is told.
                    yield list_status(instrument, event, unit_ns)
                continue
            if event.kind == OrderEventKind.CANCEL_REJECTED:
                continue
            if event.kind == OrderEventKind.ORDER_REJECTED and not canceled:
                continue  # Likewise; but where it was to replace an order, that order is gone.
            # The other order of a pair is made smaller with the one that the command names, and keeps its id.
            keeps_id = event.kind == OrderEventKind.ORDER_AMENDED and event is not amended
            new_id = event.client_id.decode() if keeps_id else self._new_id(command)
            yield formats.execution_report(instrument, event, new_id, unit_ns)
        if step.balances:
            latest = {event.asset_id: event for event in step.balances}
            yield formats.account_position(reference, latest.values(), step.balances[-1].ts_ns, unit_ns)
        for balance in step.balances:
            if balance.cause >= _OPERATORS_FROM and balance.change:
                yield formats.balance_update(reference, balance, unit_ns)

    def _new_id(self, command: np.void) -> str:
        """The client id that an amendment brings, or that of the cancel that the command is or holds; or one made of
        its number."""
        kind, seq = int(command["kind"]), int(command["seq"])
        if kind in _WITH_NEW_ID:
            return str(command["client_id"].decode())
        if kind != CommandKind.REPLACE_ORDER:
            return f"cancel-{seq}"
        return self._replace_cancel_id(int(command["account_id"]), int(command["request_number"])) or f"cancel-{seq}"


def _in_order(step: _Step) -> Iterable[OrderEvent | OrderListEvent]:
    return heapq.merge(step.orders, step.lists, key=lambda event: event.index)


def frame(subscription_id: int, event: bytes) -> bytes:
    """An event as it goes over the wire."""
    return b'{"subscriptionId":%d,"event":%b}' % (subscription_id, event)


def terminated(subscription: Subscription, ts_ns: int) -> bytes:
    """The last frame of a subscription."""
    event = b'{"e":"eventStreamTerminated","E":%d}' % (ts_ns // subscription.time_unit_ns)
    return frame(subscription.subscription_id, event)
