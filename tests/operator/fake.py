"""A venue without an engine: it takes operators' commands, numbers what they make, and remembers balances.

Enough to see that the interface asks for the right things and tells what came of them; the rules are the engine's.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from holdfast import views
from holdfast.codes import (
    CommandKind,
    ControlEventKind,
    InstrumentParameter,
    Limit,
    RejectReason,
    TradingMode,
    WithdrawalStatus,
)
from holdfast.commands import COMMAND_BYTES, Command, _record, payload_piece
from holdfast.directory.directory import Directory
from holdfast.directory.master_key import MasterKeys
from holdfast.directory.people import People
from holdfast.errors import JournalUnavailableError
from holdfast.events import ControlEvent
from holdfast.gateway.operator.schemas import JournalState, SnapshotState, VenueState
from holdfast.instruments import Asset, Instrument, Reference, Stage, units_per_tick_lot


class Outcome(NamedTuple):
    command: Command
    orders: list[Any]
    balances: list[Any]
    controls: list[ControlEvent]

    @property
    def seq(self) -> int:
        return self.command.seq


class FakeClock:
    def now_ns(self) -> int:
        return 1_700_000_000_123_456_789


class FakeReplica:
    def __init__(self, directory: Directory) -> None:
        self.clock = FakeClock()
        self.directory = directory
        self.reference = Reference([], [])
        self.refusal = ""
        self.unavailable = ""  # The reason for which the journal takes nothing.
        self.is_stuck = False  # It takes commands and decides none.
        self.commands: list[Command] = []
        self.accounts: dict[int, views.Account] = {}
        self.free: dict[tuple[int, int], int] = defaultdict(int)
        self.fees: dict[int, int] = defaultdict(int)
        self.all_withdrawals: dict[int, views.Withdrawal] = {}
        self.limits = {limit: 1000 for limit in Limit if limit}
        self._first: dict[tuple[int, int, bytes], tuple[Command, ControlEvent]] = {}
        self._keys = 0

    def submit(self, records: bytes, done: Callable[[Any], None] | None = None) -> int:
        if self.unavailable:
            raise JournalUnavailableError(self.unavailable)
        command = Command._make(_record.unpack(records[:COMMAND_BYTES]))
        command = command._replace(
            seq=len(self.commands) + 1, ts_ns=self.clock.now_ns(), client_id=command.client_id.rstrip(b"\0")
        )
        self.commands.append(command)
        if self.is_stuck:
            return command.seq
        control = self._apply(command)
        if command.kind >= CommandKind.CREATE_ACCOUNT and control.kind == ControlEventKind.COMMAND_DONE:
            pieces = [records[i : i + COMMAND_BYTES] for i in range(COMMAND_BYTES, len(records), COMMAND_BYTES)]
            self.directory.apply(command, b"".join(map(payload_piece, pieces)), control)
        if done is not None:
            asyncio.get_running_loop().call_soon(done, Outcome(command, [], [], self._with_mass_cancel(control)))
        return command.seq

    def _with_mass_cancel(self, control: ControlEvent) -> list[ControlEvent]:
        if control.command_kind in (CommandKind.KILL_ACCOUNT, CommandKind.SET_VENUE_KILLED):
            return [control, control._replace(kind=ControlEventKind.ORDERS_CANCELED, value=3)]
        return [control]

    def _apply(self, command: Command) -> ControlEvent:
        is_of_venue = command.kind == CommandKind.CREATE_KEY  # Its keys are the venue's, not the account's.
        name = (command.kind, 0 if is_of_venue else command.account_id, command.client_id)
        content = command._replace(seq=0, ts_ns=0, received_ts_ns=0)
        if command.client_id and name in self._first:
            first, control = self._first[name]
            if first != content:
                conflict = command.kind in (CommandKind.DEPOSIT, CommandKind.TRANSFER)
                reason = RejectReason.IDEMPOTENCY_CONFLICT if conflict else RejectReason.NAME_TAKEN
                return self._control(command, ControlEventKind.COMMAND_REJECTED, reason=reason)
            return control._replace(kind=ControlEventKind.COMMAND_REPEATED, seq=command.seq, first_seq=control.seq)
        made = getattr(self, f"_{CommandKind(command.kind).name.lower()}", lambda _command: 0)(command)
        if isinstance(made, RejectReason):
            return self._control(command, ControlEventKind.COMMAND_REJECTED, reason=made)
        control = self._control(command, ControlEventKind.COMMAND_DONE, made=made)
        if command.client_id:
            self._first[name] = (content, control)
        return control

    def _control(self, command: Command, kind: int, made: int = 0, reason: int = 0) -> ControlEvent:
        return ControlEvent(
            command.seq, command.ts_ns, 0, kind, command.kind, reason, command.account_id, 0, 0, 0, made, 0, 0
        )

    def _create_account(self, command: Command) -> int:
        account_id = len(self.accounts) + 1
        self.accounts[account_id] = views.Account(account_id, command.order_id, False, -1, -1, command.ts_ns, 0)
        return account_id

    def _create_key(self, _command: Command) -> int:
        self._keys += 1
        return self._keys

    def _revoke_key(self, command: Command) -> int | RejectReason:
        return command.order_id if 1 <= command.order_id <= self._keys else RejectReason.KEY_UNKNOWN

    def _deposit(self, command: Command) -> int:
        self.free[command.account_id, command.instrument_id] += command.qty_lots
        return 0

    def _transfer(self, command: Command) -> int | RejectReason:
        if self.free[command.account_id, command.instrument_id] < command.qty_lots:
            return RejectReason.INSUFFICIENT_BALANCE
        self.free[command.account_id, command.instrument_id] -= command.qty_lots
        self.free[command.order_id, command.instrument_id] += command.qty_lots
        return 0

    def _withdraw_fees(self, command: Command) -> int | RejectReason:
        return 0 if self.fees[command.instrument_id] >= command.qty_lots else RejectReason.INSUFFICIENT_BALANCE

    def _request_withdrawal(self, command: Command) -> int | RejectReason:
        if self.free[command.account_id, command.instrument_id] < command.qty_lots:
            return RejectReason.INSUFFICIENT_BALANCE
        withdrawal_id = len(self.all_withdrawals) + 1
        self.all_withdrawals[withdrawal_id] = views.Withdrawal(
            withdrawal_id, command.account_id, command.instrument_id, command.qty_lots, WithdrawalStatus.REQUESTED,
            command.client_id.decode(), command.ts_ns, command.ts_ns,
        )  # fmt: skip
        return withdrawal_id

    def _step(self, command: Command, of: tuple[int, ...], to: WithdrawalStatus) -> int | RejectReason:
        withdrawal = self.all_withdrawals.get(command.order_id)
        if withdrawal is None:
            return RejectReason.WITHDRAWAL_UNKNOWN
        if withdrawal.status not in of:
            return RejectReason.WITHDRAWAL_NOT_OPEN
        self.all_withdrawals[command.order_id] = withdrawal._replace(status=to)
        return command.order_id

    def _approve_withdrawal(self, command: Command) -> int | RejectReason:
        return self._step(command, (WithdrawalStatus.REQUESTED,), WithdrawalStatus.APPROVED)

    def _send_withdrawal(self, command: Command) -> int | RejectReason:
        return self._step(command, (WithdrawalStatus.APPROVED,), WithdrawalStatus.SENT)

    def _refuse_withdrawal(self, command: Command) -> int | RejectReason:
        return self._step(command, (WithdrawalStatus.REQUESTED, WithdrawalStatus.APPROVED), WithdrawalStatus.REFUSED)

    def _add_asset(self, command: Command) -> int:
        assets = [*self.reference.assets.values()]
        assets.append(Asset(len(assets) + 1, command.client_id.decode(), command.qty_lots))
        self.reference = Reference(assets, self.reference.instruments.values())
        return len(assets)

    def _add_instrument(self, command: Command) -> int | RejectReason:
        base, quote = self.reference.assets[command.account_id], self.reference.assets[command.instrument_id]
        unit = units_per_tick_lot(command.price_ticks, command.qty_lots, base.decimals, quote.decimals)
        if unit is None:
            return RejectReason.INSTRUMENT_INVALID
        number = len(self.reference.instruments) + 1
        parameters = {parameter: 0 for parameter in InstrumentParameter if parameter}
        parameters |= {InstrumentParameter.PRICE_TICKS_MIN: 1, InstrumentParameter.PRICE_TICKS_MAX: 10**6}
        parameters |= {InstrumentParameter.QTY_LOTS_MIN: 1, InstrumentParameter.QTY_LOTS_MAX: 10**6}
        instrument = Instrument(
            number, command.client_id.decode(), base, quote, command.price_ticks, command.qty_lots, unit,
            TradingMode.HALT, parameters,
        )  # fmt: skip
        self._put(instrument)
        return number

    def _set_instrument_parameter(self, command: Command) -> int:
        instrument = self.reference.instruments[command.instrument_id]
        code = InstrumentParameter(command.order_id)
        self._put(instrument._replace(parameters={**instrument.parameters, code: command.qty_lots}))
        return 0

    def _set_trading_mode(self, command: Command) -> int:
        instrument = self.reference.instruments[command.instrument_id]
        self._put(instrument._replace(mode=TradingMode(command.qty_lots)))
        return 0

    def _schedule_reopening(self, command: Command) -> int:
        instrument = self.reference.instruments[command.instrument_id]
        lasting = (command.price_ticks, command.qty_lots, command.order_id)
        modes = (TradingMode.CANCEL_ONLY, TradingMode.AUCTION, TradingMode.TRADING)
        ends = itertools.accumulate(lasting, initial=command.ts_ns)
        stages = tuple(itertools.starmap(Stage, zip(modes, list(ends)[1:], strict=True)))
        self._put(instrument._replace(mode=TradingMode.HALT, stages=stages))
        return 0

    def _cancel_reopening(self, command: Command) -> int:
        self._put(self.reference.instruments[command.instrument_id]._replace(stages=()))
        return 0

    def _put(self, instrument: Instrument) -> None:
        instruments = {**self.reference.instruments, instrument.instrument_id: instrument}
        self.reference = Reference(self.reference.assets.values(), instruments.values())

    def _set_account_frozen(self, command: Command) -> int:
        account = self.accounts[command.account_id]
        self.accounts[command.account_id] = account._replace(is_frozen=bool(command.qty_lots))
        return 0

    def _set_account_fees(self, command: Command) -> int:
        account = self.accounts[command.account_id]
        self.accounts[command.account_id] = account._replace(
            maker_fee_ppm=command.price_ticks, taker_fee_ppm=command.qty_lots
        )
        return 0

    def _set_limit(self, command: Command) -> int:
        self.limits[Limit(command.order_id)] = command.qty_lots
        return 0

    # Reads.

    def auction(self, _instrument_id: int) -> views.Auction:
        return views.Auction(2_000_000, 3, -1)

    def account(self, account_id: int) -> views.Account | None:
        return self.accounts.get(account_id)

    def balances(self, account_id: int) -> list[views.Balance]:
        return [views.Balance(asset, free, 0, 0) for (owner, asset), free in self.free.items() if owner == account_id]

    def open_orders(self, _account_id: int, _instrument_id: int = 0) -> list[views.Order]:
        return []

    def withdrawals(self, account_id: int = 0) -> list[views.Withdrawal]:
        return [w for w in self.all_withdrawals.values() if account_id in (0, w.account_id)]

    def totals(self) -> list[views.AssetTotals]:
        return [views.AssetTotals(asset, 0, 0, 0, 0, self.fees[asset]) for asset in self.reference.assets]


class FakeServices:
    """The `Services` of a venue that lives in `root`, with a real directory."""

    operator_token = "a-token-of-an-operator"

    def __init__(self, root: Path) -> None:
        data = root / "data"
        data.mkdir(exist_ok=True)
        self.directory = Directory()
        self.directory.unlock(MasterKeys.open_or_create(root / "master.key", data), People(data / "people.sqlite"))
        self.replica = FakeReplica(self.directory)
        self.allow_remote_operator = False
        self.snapshot_problem = ""

    def withdrawal(self, withdrawal_id: int) -> views.Withdrawal | None:
        return self.replica.all_withdrawals.get(withdrawal_id)

    def limits(self) -> dict[Limit, int]:
        return self.replica.limits

    def venue_state(self) -> VenueState:
        return VenueState(
            "0" * 32, "0", 1, "", "", not self.replica.refusal, self.replica.refusal, False, len(self.replica.commands),
            JournalState(True, "", 0, 0, 0, 0, 0), [], [], [], {}, {}, [],
        )  # fmt: skip

    async def take_snapshot(self) -> SnapshotState:
        if self.snapshot_problem:
            raise ValueError(self.snapshot_problem)
        return SnapshotState(len(self.replica.commands), 1000, "2026-01-31T12:00:00.000000000Z")

    def export_history(self, account_id: int, what: str, start_ts_ns: int, end_ts_ns: int) -> Iterator[str]:
        yield "account,what,start,end\r\n"
        yield f"{account_id},{what},{start_ts_ns},{end_ts_ns}\r\n"

    def metrics(self) -> bytes:
        return b"holdfast_accepting 1.0\n"
