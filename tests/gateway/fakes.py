"""A venue small enough to see through: orders rest, MARKET orders trade at once at one price, and nothing is durable.

Time stands still unless a test moves it, and a command is decided when the test says so (`FakeReplica.commit`).
"""

import hmac
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import numpy as np

from holdfast.clock import Clock
from holdfast.codes import (
    CommandFlag,
    CommandKind,
    ControlEventKind,
    ExpiryReason,
    InstrumentParameter,
    KeyPermission,
    KeyType,
    Limit,
    OrderEventKind,
    OrderStatus,
    OrderType,
    PegPriceType,
    RejectReason,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command, command_dtype
from holdfast.directory.keys import Key
from holdfast.errors import JournalUnavailableError
from holdfast.events import (
    BalanceEvent,
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
from holdfast.gateway.binance.gateway import BinanceGateway
from holdfast.gateway.binance.rate_limits import Limits
from holdfast.gateway.server.messages import Request, Response
from holdfast.gateway.server.routes import Routes
from holdfast.instruments import Asset, Instrument, Reference, units_per_tick_lot
from holdfast.views import Account, Amendment, Auction, Balance, Fill, Order, PreventedMatch

START_NS = 1_700_000_000_000_000_000
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ADDRESS = "203.0.113.7"
ACCOUNT_ID = 7
READ, TRADE = KeyPermission.READ, KeyPermission.TRADE

BTC, USDT = Asset(1, "BTC", 8), Asset(2, "USDT", 8)


class FakeClock(Clock):
    def __init__(self) -> None:
        self.ns = START_NS
        super().__init__(lambda: self.ns, lambda: self.ns)

    def now_ns(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)

    @property
    def ms(self) -> int:
        return self.ns // 1_000_000


class Timers:
    """`call_later` that waits for the test: `run` calls what is due once the clock has been moved."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._due: list[tuple[int, Callable[[], None]]] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self._due.append((self._clock.ns + round(delay_s * 1e9), callback))

    def run(self) -> None:
        while due := [entry for entry in self._due if entry[0] <= self._clock.ns]:
            for entry in due:
                self._due.remove(entry)
                entry[1]()


class Turns:
    """Stands for the event loop's `call_soon`: at once, or at the end of a turn that is held."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] | None = None

    def soon(self, do: Callable[[], None]) -> None:
        if self._waiting is None:
            do()
        else:
            self._waiting.append(do)

    @contextmanager
    def held(self) -> Iterator[None]:
        self._waiting = []
        yield
        waiting, self._waiting = self._waiting, None
        for do in waiting:
            do()


def instrument(
    symbol: str = "BTCUSDT", instrument_id: int = 1, mode: TradingMode = TradingMode.TRADING, **parameters: int
) -> Instrument:
    """Tick 0.01, lot 0.00001."""
    of = {
        InstrumentParameter.PRICE_TICKS_MIN: 1,
        InstrumentParameter.PRICE_TICKS_MAX: 100_000_000,
        InstrumentParameter.QTY_LOTS_MIN: 1,
        InstrumentParameter.QTY_LOTS_MAX: 900_000_000,
        InstrumentParameter.MARKET_QTY_LOTS_MIN: 1,
        InstrumentParameter.MARKET_QTY_LOTS_MAX: 10_000_000,
        InstrumentParameter.NOTIONAL_MIN: 500_000_000,
        InstrumentParameter.ORDERS_MAX: 200,
        InstrumentParameter.MAKER_FEE_PPM: 1_000,
        InstrumentParameter.TAKER_FEE_PPM: 2_000,
    } | {InstrumentParameter[name]: value for name, value in parameters.items()}
    unit = units_per_tick_lot(1_000_000, 1_000, 8, 8)
    assert unit is not None
    return Instrument(instrument_id, symbol, BTC, USDT, 1_000_000, 1_000, unit, mode, of)


class Outcome(NamedTuple):
    command: Command
    orders: list[OrderEvent]
    balances: list[BalanceEvent]
    controls: list[ControlEvent]
    lists: Sequence[OrderListEvent] = ()

    @property
    def seq(self) -> int:
        return self.command.seq


class Applied(NamedTuple):
    first_seq: int
    last_seq: int
    commands: np.ndarray
    orders: list[OrderEvent]
    balances: list[BalanceEvent]
    controls: list[ControlEvent]

    @property
    def events(self) -> Events:
        return Events(
            np.array([tuple(event) for event in self.orders], order_event_dtype),
            np.array([tuple(event) for event in self.balances], balance_event_dtype),
            np.array([], book_event_dtype),
            np.array([tuple(event) for event in self.controls], control_event_dtype),
            np.array([], list_event_dtype),
        )

    def outcome(self, seq: int) -> Outcome:
        """What `done` of a single command gets."""
        command = Command._make(self.commands[seq - self.first_seq].tolist())
        orders = [event for event in self.orders if event.seq == seq]
        balances = [event for event in self.balances if event.seq == seq]
        return Outcome(command, orders, balances, [event for event in self.controls if event.seq == seq])


class FakeDirectory:
    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}

    def key(self, api_key: str) -> Key | None:
        return self.keys.get(api_key)

    def add(self, api_key: str, material: str, key_type: KeyType = KeyType.HMAC, **fields: Any) -> Key:
        of: dict[str, Any] = {"permissions": READ | TRADE, "allow_ips": (), "account_id": ACCOUNT_ID} | fields
        key = Key(
            len(self.keys) + 1,
            of["account_id"],
            api_key,
            key_type,
            of["permissions"],
            of["allow_ips"],
            "",
            material,
        )
        self.keys[api_key] = key
        return key


class FakeHistory:
    """Closed orders and fills, ascending."""

    def __init__(self) -> None:
        self.closed: list[Order] = []
        self.traded: list[Fill] = []
        self.amended: list[Amendment] = []
        self.prevented: list[PreventedMatch] = []

    def prevented_match(self, account_id: int, instrument_id: int, prevented_match_id: int) -> PreventedMatch | None:
        wanted = (account_id, instrument_id, prevented_match_id)
        found = [m for m in self.prevented if (m.account_id, m.instrument_id, m.prevented_match_id) == wanted]
        return found[0] if found else None

    def prevented_matches(
        self, account_id: int, instrument_id: int, order_id: int, from_prevented_match_id: int = 0, limit: int = 500
    ) -> list[PreventedMatch]:
        mine = [m for m in self.prevented if (m.account_id, m.instrument_id) == (account_id, instrument_id)]
        found = [m for m in mine if order_id in (m.taker_order_id, m.maker_order_id)]
        return [m for m in found if m.prevented_match_id >= from_prevented_match_id][:limit]

    def last_prevented_ids(self, order_ids: Sequence[int]) -> dict[int, int]:
        sides = [(one, m.prevented_match_id) for m in self.prevented for one in (m.taker_order_id, m.maker_order_id)]
        return {order_id: match_id for order_id, match_id in sides if order_id in order_ids}

    def amendments(
        self, account_id: int, instrument_id: int, order_id: int, from_execution_id: int = 0, limit: int = 500
    ) -> list[Amendment]:
        wanted = (account_id, instrument_id, order_id)
        found = [one for one in self.amended if (one.account_id, one.instrument_id, one.order_id) == wanted]
        return [one for one in found if one.execution_id >= from_execution_id][:limit]

    def orders(
        self,
        account_id: int,
        instrument_id: int,
        from_order_id: int = 0,
        start_ts_ns: int = 0,
        end_ts_ns: int = 0,
        limit: int = 500,
    ) -> list[Order]:
        found = [
            order
            for order in self.closed
            if order.account_id == account_id
            and order.instrument_id == instrument_id
            and order.order_id >= from_order_id
            and start_ts_ns <= order.created_ts_ns <= (end_ts_ns or order.created_ts_ns)
        ]
        return found[:limit] if from_order_id or start_ts_ns else found[-limit:]

    def fills(
        self,
        account_id: int,
        instrument_id: int,
        from_trade_id: int = 0,
        order_id: int = 0,
        start_ts_ns: int = 0,
        end_ts_ns: int = 0,
        limit: int = 500,
    ) -> list[Fill]:
        found = [
            fill
            for fill in self.traded
            if fill.account_id == account_id
            and fill.instrument_id == instrument_id
            and fill.trade_id >= from_trade_id
            and order_id in (0, fill.order_id)
            and start_ts_ns <= fill.ts_ns <= (end_ts_ns or fill.ts_ns)
        ]
        return found[:limit] if from_trade_id or start_ts_ns else found[-limit:]


class FakeReplica:
    """Decides one command at a time. `refuse_next` and `refuse_cancel_next` script refusals."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.reference = Reference([BTC, USDT], [instrument(), instrument("ETHUSDT", 2)])
        self.directory = FakeDirectory()
        self.history = FakeHistory()
        self.refusal = ""
        self.unavailable = ""
        self.refused: Callable[[str], None] | None = None  # Of the newest submission, to be called by a test.
        self.refuse_next: RejectReason | None = None
        self.refuse_cancel_next: RejectReason | None = None
        self.set_limits: dict[Limit, int] = {}
        self.refuse_countdown_next: RejectReason | None = None
        self.skip_next = False
        self.market_price_ticks = 2_500_000
        self.free = {(ACCOUNT_ID, BTC.asset_id): 10 * 10**8, (ACCOUNT_ID, USDT.asset_id): 10**6 * 10**8}
        self.accounts = {ACCOUNT_ID: Account(ACCOUNT_ID, 0, False, -1, -1, START_NS, 0)}
        self.submitted: list[Command] = []
        self.runs: list[int] = []  # How many commands each time.
        self.auctions: dict[int, Auction] = {}  # By instrument: what they would come to.
        self._queue: list[tuple[list[Command], Callable[[Applied, int], None] | None]] = []
        self._open: dict[int, OrderEvent] = {}
        self._readers: list[Callable[[Applied], None]] = []
        self._seq = 0
        self._order_ids = itertools.count(1)
        self._trade_ids = itertools.count(1)
        self._event_numbers = itertools.count(1)

    @property
    def accepting(self) -> bool:
        return not self.refusal

    def submit(
        self,
        records: bytes,
        done: Callable[[Outcome], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> int:
        run_done = None if done is None else lambda applied, seq: done(applied.outcome(seq))
        return self.submit_run(records, run_done, refused)

    def submit_run(
        self,
        records: bytes,
        done: Callable[[Applied, int], None] | None,
        refused: Callable[[str], None] | None = None,
    ) -> int:
        self.refused = refused
        if self.unavailable:
            raise JournalUnavailableError(self.unavailable)
        first_seq = self._seq + 1
        run = []
        for row in np.frombuffer(records, command_dtype).tolist():
            self._seq += 1
            run.append(Command._make(row)._replace(seq=self._seq))
        self.submitted += run
        self.runs.append(len(run))
        self._queue.append((run, done))
        return first_seq

    def auction(self, instrument_id: int) -> Auction:
        return self.auctions.get(instrument_id, Auction(0, 0, 0))

    def add_reader(self, reader: Callable[[Applied], None]) -> None:
        self._readers.append(reader)

    def commit(self, at_once: bool = False) -> None:
        """Make durable, apply, show and answer everything submitted: run by run, or in one batch."""
        batch = []
        while self._queue:
            run, done = self._queue.pop(0)
            for command in run:
                decided = command._replace(ts_ns=self.clock.ns, clock_ts_ns=self.clock.ns)
                is_first = command is run[0]
                orders = [event._replace(seq=decided.seq) for event in self._orders_of(decided)]
                batch.append((Outcome(decided, orders, [], self._controls_of(decided)), done if is_first else None))
            if not at_once or not self._queue:
                self._publish(batch)
                batch = []

    def publish(self, balances: list[BalanceEvent], orders: list[OrderEvent] = [], kind: int = 0) -> None:  # noqa: B006
        """Events that no client's command led to."""
        self._seq += 1
        command = Command(seq=self._seq, ts_ns=self.clock.ns, kind=kind)
        self._publish([(Outcome(command, orders, balances, []), None)])

    def fill(self, order_id: int, lots: int) -> None:
        """Somebody trades with a resting order."""
        event = self._trade(self._open[order_id], lots, is_maker=1)._replace(seq=self._seq + 1)
        self.publish([self.balance_event(USDT, 5)], [event])

    def balance_event(self, asset: Asset, change: int, cause: int = CommandKind.PLACE_ORDER) -> BalanceEvent:
        key = (ACCOUNT_ID, asset.asset_id)
        self.free[key] = self.free.get(key, 0) + change
        number = next(self._event_numbers)
        seq = self._seq + 1
        return BalanceEvent(
            seq, self.clock.ns, 9, ACCOUNT_ID, asset.asset_id, cause, number, self.free[key], 0, 0, change
        )

    # Reads.

    def limits(self) -> dict[Limit, int]:
        return self.set_limits

    def account(self, account_id: int) -> Account | None:
        return self.accounts.get(account_id)

    def balances(self, account_id: int) -> list[Balance]:
        return [Balance(asset, units, 0, 0) for (account, asset), units in self.free.items() if account == account_id]

    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[Order]:
        return [
            Order.from_event(event)
            for event in self._open.values()
            if event.account_id == account_id and instrument_id in (0, event.instrument_id)
        ]

    def order(self, account_id: int, instrument_id: int, order_id: int = 0, client_id: str = "") -> Order | None:
        for order in [*self.open_orders(account_id, instrument_id), *reversed(self.history.closed)]:
            same = order.order_id == order_id if order_id else order.client_id == client_id
            if same and order.account_id == account_id and order.instrument_id == instrument_id:
                return order
        return None

    def is_pending(self, account_id: int, client_id: str) -> bool:
        return any(
            command.account_id == account_id and command.client_id == client_id.encode()
            for run, _ in self._queue
            for command in run
        )

    # The engine, in miniature.

    def _orders_of(self, command: Command) -> list[OrderEvent]:
        if self.skip_next:
            self.skip_next = False
            return []
        if command.kind == CommandKind.PLACE_ORDER:
            return self._place(command)
        if command.kind == CommandKind.CANCEL_ORDER:
            return self._cancel(command)
        if command.kind == CommandKind.CANCEL_ALL:
            mine = self.open_orders(command.account_id, command.instrument_id)
            return [self._end(self._open[order.order_id], OrderEventKind.ORDER_CANCELED) for order in mine]
        if command.kind == CommandKind.AMEND_ORDER:
            return self._amend(command)
        if command.kind == CommandKind.SET_COUNTDOWN:
            return []
        assert command.kind == CommandKind.REPLACE_ORDER
        whole = self.refuse_cancel_next
        canceled = self._cancel(command)
        if whole is not None:  # A reason that refuses cancel and order alike.
            return [*canceled, self._rejected(command, whole)]
        if (
            canceled[0].kind == OrderEventKind.CANCEL_REJECTED
            and not command.flags & CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS
        ):
            return [*canceled, self._rejected(command, RejectReason.REPLACE_CANCEL_FAILED)]
        return [*canceled, *self._place(command)]

    def _place(self, command: Command) -> list[OrderEvent]:
        reason, self.refuse_next = self.refuse_next, None
        first = self.order(command.account_id, command.instrument_id, client_id=command.client_id.decode())
        if reason is None and command.clock_ts_ns > command.deadline_ts_ns:
            reason = RejectReason.DEADLINE_PASSED
        if reason is None and first is not None:
            refused = self._rejected(command, RejectReason.DUPLICATE_CLIENT_ID)
            return [refused._replace(order_id=first.order_id, status=first.status)]
        if reason is not None:
            return [self._rejected(command, reason)]
        accepted = self._event(
            command, OrderEventKind.ORDER_ACCEPTED, OrderStatus.NEW, next(self._order_ids), command.client_id
        )
        self._open[accepted.order_id] = accepted
        if command.order_type == OrderType.MARKET:
            notional_lot = self.market_price_ticks * 10
            return [accepted, self._trade(accepted, command.qty_lots or command.quote_units // notional_lot)]
        if command.time_in_force != TimeInForce.GTC and command.order_type == OrderType.LIMIT:
            return [accepted, self._end(accepted, OrderEventKind.ORDER_EXPIRED)]
        return [accepted]

    def _cancel(self, command: Command) -> list[OrderEvent]:
        reason, self.refuse_cancel_next = self.refuse_cancel_next, None
        for event in self._open.values():
            by_id = command.order_id in (0, event.order_id)
            by_name = command.target_client_id in (b"", event.client_id)
            if reason is None and by_id and by_name and event.account_id == command.account_id:
                return [self._end(event, OrderEventKind.ORDER_CANCELED)]
        refused = self._rejected(command, reason or RejectReason.ORDER_UNKNOWN)
        return [refused._replace(kind=OrderEventKind.CANCEL_REJECTED)]

    def _amend(self, command: Command) -> list[OrderEvent]:
        reason, self.refuse_cancel_next = self.refuse_cancel_next, None
        for event in self._open.values():
            by_id = command.order_id in (0, event.order_id)
            by_name = command.target_client_id in (b"", event.client_id)
            if reason is None and by_id and by_name and event.account_id == command.account_id:
                lots = event.qty_lots - command.qty_lots
                kind = OrderEventKind.ORDER_AMENDED
                amended = self._next(event, kind=kind, qty_lots=command.qty_lots, last_lots=lots)
                self._open[event.order_id] = amended._replace(client_id=command.client_id)
                self.history.amended.append(
                    Amendment(
                        amended.account_event,
                        event.order_id,
                        event.account_id,
                        event.instrument_id,
                        event.client_id.decode(),
                        command.client_id.decode(),
                        event.qty_lots,
                        command.qty_lots,
                        command.ts_ns,
                        command.seq,
                    )
                )
                return [amended]
        refused = self._rejected(command, reason or RejectReason.ORDER_UNKNOWN)
        return [refused._replace(kind=OrderEventKind.CANCEL_REJECTED)]

    def _end(self, event: OrderEvent, kind: OrderEventKind) -> OrderEvent:
        status = OrderStatus.CANCELED if kind == OrderEventKind.ORDER_CANCELED else OrderStatus.EXPIRED
        reason = ExpiryReason.IMMEDIATE_OR_CANCEL if kind == OrderEventKind.ORDER_EXPIRED else 0
        ended = self._next(event, kind=kind, status=status, reason=reason, is_working=0)
        del self._open[event.order_id]
        self.history.closed.append(Order.from_event(ended))
        return ended

    def _trade(self, event: OrderEvent, lots: int, is_maker: int = 0) -> OrderEvent:
        executed = event.executed_lots + lots
        price = event.price_ticks or self.market_price_ticks
        units = price * lots * 10
        is_filled = executed >= (event.qty_lots or executed)
        traded = self._next(
            event,
            kind=OrderEventKind.TRADE,
            status=OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED,
            is_maker=is_maker,
            fee_is_base=1,
            executed_lots=executed,
            executed_quote_units=event.executed_quote_units + units,
            last_lots=lots,
            last_price_ticks=price,
            last_quote_units=units,
            fee_units=lots * 2,
            trade_id=next(self._trade_ids),
        )
        self.history.traded.append(Fill.from_event(traded))
        self._open[event.order_id] = traded
        if is_filled:
            del self._open[event.order_id]
            self.history.closed.append(Order.from_event(traded))
        return traded

    def _next(self, event: OrderEvent, **changes: Any) -> OrderEvent:
        return working(
            event._replace(
                seq=self._seq,
                ts_ns=self.clock.ns,
                index=event.index + 1,
                account_event=next(self._event_numbers),
                **changes,
            )
        )

    def _rejected(self, command: Command, reason: RejectReason) -> OrderEvent:
        event = self._event(command, OrderEventKind.ORDER_REJECTED, OrderStatus.REJECTED, 0, command.client_id)
        return event._replace(reason=reason)

    def _event(
        self, command: Command, kind: OrderEventKind, status: OrderStatus, order_id: int, client_id: bytes
    ) -> OrderEvent:
        fields = dict.fromkeys(OrderEvent._fields, 0) | {
            "seq": command.seq,
            "ts_ns": command.ts_ns,
            "account_id": command.account_id,
            "instrument_id": command.instrument_id,
            "kind": kind,
            "status": status,
            "side": command.side,
            "order_type": command.order_type,
            "time_in_force": command.time_in_force,
            "self_trade_prevention": command.self_trade_prevention,
            "account_event": next(self._event_numbers),
            "order_id": order_id,
            "price_ticks": command.price_ticks,
            "iceberg_lots": command.iceberg_lots,
            "qty_lots": command.qty_lots,
            "quote_units": command.quote_units,
            "stop_price_ticks": command.stop_price_ticks,
            "trailing_delta_bips": command.trailing_delta_bips,
            "created_ts_ns": command.ts_ns,
            "client_id": client_id,
            "key_id": command.key_id,
        }
        if command.flags & (CommandFlag.PEG_PRIMARY | CommandFlag.PEG_MARKET):
            is_primary = command.flags & CommandFlag.PEG_PRIMARY
            fields["peg_price_type"] = PegPriceType.PRIMARY if is_primary else PegPriceType.MARKET
            fields["peg_offset_levels"] = command.price_ticks
            fields["price_ticks"] = 0 if command.stop_price_ticks else self.market_price_ticks
        return working(OrderEvent(**fields))  # type: ignore[arg-type]

    def _controls_of(self, command: Command) -> list[ControlEvent]:
        if command.kind != CommandKind.SET_COUNTDOWN:
            return []
        if self.refuse_countdown_next is not None:
            reason, self.refuse_countdown_next = self.refuse_countdown_next, None
            return [self.control_event(command, ControlEventKind.COMMAND_REJECTED)._replace(reason=reason)]
        due_ts_ns = command.ts_ns + command.qty_lots * 10**6 if command.qty_lots else 0
        set_to = {"id": due_ts_ns, "value": command.qty_lots}
        return [self.control_event(command, ControlEventKind.COUNTDOWN_SET)._replace(**set_to)]

    def run_out(self, instrument_id: int = 0, countdown_ms: int = 1_000) -> None:
        """A TICK at which a countdown runs out, with all that is open in its scope."""
        self._seq += 1
        command = Command(seq=self._seq, ts_ns=self.clock.ns, kind=CommandKind.TICK)
        about = command._replace(account_id=ACCOUNT_ID, instrument_id=instrument_id)
        told = self.control_event(about, ControlEventKind.COUNTDOWN_RAN_OUT)
        mine = self.open_orders(ACCOUNT_ID, instrument_id)
        orders = [self._end(self._open[order.order_id], OrderEventKind.ORDER_CANCELED) for order in mine]
        orders = [event._replace(seq=self._seq) for event in orders]
        told = told._replace(id=self.clock.ns, value=countdown_ms)
        self._publish([(Outcome(command, orders, [], [told]), None)])

    @staticmethod
    def control_event(command: Command, kind: ControlEventKind) -> ControlEvent:
        fields = dict.fromkeys(ControlEvent._fields, 0) | {
            "seq": command.seq,
            "ts_ns": command.ts_ns,
            "kind": kind,
            "command_kind": command.kind,
            "account_id": command.account_id,
            "instrument_id": command.instrument_id,
            "key_id": command.key_id,
        }
        return ControlEvent(**fields)

    def _publish(self, batch: list[tuple[Outcome, Callable[[Applied, int], None] | None]]) -> None:
        outcomes = [outcome for outcome, _ in batch]
        seqs = [outcome.command.seq for outcome in outcomes]
        applied = Applied(
            seqs[0],
            seqs[-1],
            np.array([tuple(outcome.command) for outcome in outcomes], command_dtype),
            [event for outcome in outcomes for event in outcome.orders],
            [event for outcome in outcomes for event in outcome.balances],
            [event for outcome in outcomes for event in outcome.controls],
        )
        for reader in self._readers:
            reader(applied)
        for outcome, done in batch:
            if done is not None:
                done(applied, outcome.seq)


class Answer(NamedTuple):
    status: int
    json: Any
    headers: dict[str, str]

    @property
    def code(self) -> int:
        assert isinstance(self.json["code"], int)
        return self.json["code"]

    @property
    def text(self) -> str:
        assert isinstance(self.json["msg"], str)
        return self.json["msg"]


class World:
    """One venue with one account, and a client of it."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.clock = FakeClock()
        self.timers = Timers(self.clock)
        self.turns = Turns()
        self.replica = FakeReplica(self.clock)
        self.key = self.replica.directory.add(API_KEY, SECRET)
        self.routes = Routes()
        self.gateway = BinanceGateway(
            self.routes,
            self.replica,
            limits or Limits(),
            self.timers.call_later,
            self.turns.soon,
        )

    # REST.

    def send(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        peer_ip: str = ADDRESS,
        commit: bool = True,
    ) -> list[Answer]:
        """Send a request as it stands; the answers so far, which a command has none of before it is committed."""
        answers: list[Answer] = []

        def respond(response: Response) -> None:
            answers.append(Answer(response.status, msgspec.json.decode(response.body), dict(response.headers)))

        request = Request(method, path, query, headers or {}, body, peer_ip, self.clock.ns, False)
        self.routes.find(request)(request, respond)
        if commit:
            self.replica.commit()
        return answers

    def get(self, path: str, query: str = "", **options: Any) -> Answer:
        (answer,) = self.send("GET", path, query, **options)
        return answer

    def signed(self, method: str, path: str, **parameters: object) -> Answer:
        """A request signed as most clients do: everything in the query, the signature last."""
        query, headers = self.sign(parameters)
        (answer,) = self.send(method, path, query, headers=headers)
        return answer

    def sign(
        self, parameters: dict[str, Any], api_key: str = API_KEY, secret: str = SECRET
    ) -> tuple[str, dict[str, str]]:
        return self.sign_text(urlencode({"timestamp": self.clock.ms} | parameters), api_key, secret)

    def sign_text(self, query: str, api_key: str = API_KEY, secret: str = SECRET) -> tuple[str, dict[str, str]]:
        return f"{query}&signature={signature(query, secret)}", {"x-mbx-apikey": api_key}

    def order(self, **parameters: object) -> Answer:
        """A LIMIT order of a thousandth BTC, with these parameters changed (None: left out)."""
        return self.signed("POST", "/api/v3/order", **limit_order(**parameters))


def limit_order(**changes: object) -> dict[str, Any]:
    of: dict[str, object] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.001",
        "price": "25000",
    } | changes
    return {name: value for name, value in of.items() if value is not None}


def signature(payload: str, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), payload.encode(), "sha256").hex()


def working(event: OrderEvent) -> OrderEvent:
    """The event as the engine tells whether its order is on the book."""
    is_live = event.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
    is_waiting = event.order_type >= OrderType.STOP_LOSS and not event.working_ts_ns
    return event._replace(is_working=int(is_live and event.order_type & OrderType.LIMIT != 0 and not is_waiting))
