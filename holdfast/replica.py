"""The whole flow on one page: append → committed → apply → publish → reply.

    gateway ──submit──▶ journal ──committed──▶ engine ──events──▶ readers ──▶ replies

Every process that needs events runs this: it reads the journal, applies it to its own engine and shows what came out
with its own faces. A command is durable before it is applied, applied before it is answered, and seen by every reader
(market data, history, user streams) before the reply leaves, so a client always reads its own writes.

Everything here runs on the event loop's thread; only the journal has a thread of its own.

A poison command (one on which the engine's assertions fail) stops one instrument and not the venue: the engine is
built again from the newest snapshot, the command is tried alone, and if it fails again it is skipped and its
instrument halted. If it passes the second time the machine is suspect, and this replica stops. Whoever replays the
same journal meets the same failure and decides the same.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import structlog

from holdfast import views
from holdfast.accounts.history import History
from holdfast.clock import Clock
from holdfast.codes import CommandFlag, CommandKind, ControlEventKind, Limit
from holdfast.commands import COMMAND_BYTES, Command, payload_piece
from holdfast.config import CLIENT_ID_BYTES
from holdfast.directory.directory import Directory
from holdfast.engine.engine import Engine
from holdfast.events import ControlEvent, Events, OrderEvent, OrderListEvent
from holdfast.instruments import Reference
from holdfast.journal.interface import Committed, Journal

log = structlog.get_logger()

_KIND_OFFSET = 48  # Of a command's record.
_ACCOUNT_ID_OFFSET = 60
_CLIENT_ID_OFFSET = 104


class SuspectMachineError(Exception):
    """A command failed and then passed from the same state: this replica must not go on."""


class Outcome(NamedTuple):
    """What one command led to, with the events of its seq in order."""

    seq: int
    orders: list[OrderEvent]
    controls: list[ControlEvent]
    lists: list[OrderListEvent]


class Applied:
    """One applied run of commands, as readers get it.

    The arrays of events lie in large buffers that are used again: who keeps rows for later copies them.
    """

    def __init__(self, commands: np.ndarray, events: Events) -> None:
        """The batch that `commands` (command_dtype), applied, led to."""
        self.first_seq = int(commands[0]["seq"])
        self.last_seq = self.first_seq + len(commands) - 1
        self.commands = commands
        self.events = events

    def outcome(self, seq: int) -> Outcome:
        """What the command `seq` of this run led to."""
        orders = [OrderEvent._make(row) for row in _of_seq(self.events.orders, seq)]
        controls = [ControlEvent._make(row) for row in _of_seq(self.events.controls, seq)]
        lists = [OrderListEvent._make(row) for row in _of_seq(self.events.lists, seq)]
        return Outcome(seq, orders, controls, lists)


def _of_seq(rows: np.ndarray, seq: int) -> list[tuple]:  # type: ignore[type-arg]
    """The rows of one command, of some that are ordered by seq."""
    if not len(rows):
        return []
    seqs = rows["seq"]
    begin, end = seqs.searchsorted(seq), seqs.searchsorted(seq, "right")
    return rows[begin:end].tolist()  # type: ignore[no-any-return]


class _Waiting(NamedTuple):
    """A group, or a run of commands, that was submitted and is not yet applied."""

    seq: int  # Of the first record.
    records: bytes
    done: Callable[["Applied", int], None] | None


_OF_REFERENCE = (
    CommandKind.ADD_ASSET,
    CommandKind.ADD_INSTRUMENT,
    CommandKind.SET_INSTRUMENT_PARAMETER,
    CommandKind.SET_TRADING_MODE,
    CommandKind.SCHEDULE_REOPENING,
    CommandKind.CANCEL_REOPENING,
)
_HALTING = (ControlEventKind.COMMAND_SKIPPED, ControlEventKind.TRADING_MODE_CHANGED)


def _changes_reference(controls: np.ndarray) -> bool:
    """Whether assets or instruments may be others afterwards; to look at all of them for each deposit would be dear."""
    return bool(np.isin(controls["command_kind"], _OF_REFERENCE).any() or np.isin(controls["kind"], _HALTING).any())


class ControlGroups:
    """Collects control commands with their payload records, and hands each whole group to the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._open: list[np.void] = []

    def feed(self, commands: np.ndarray, controls: np.ndarray) -> None:
        """Take the control commands of an applied run; `controls` are the control events of the same run."""
        is_of_directory = commands["kind"] >= CommandKind.CREATE_ACCOUNT
        if not is_of_directory.any():
            return
        rows = controls[controls["kind"] == ControlEventKind.COMMAND_DONE].tolist()
        done = {event.seq: event for event in map(ControlEvent._make, rows)}
        for row in commands[is_of_directory]:
            self._open.append(row)
            if not int(row["flags"]) & CommandFlag.GROUP_CONTINUES:
                self._close(done)

    def _close(self, done: dict[int, ControlEvent]) -> None:
        head, *rest = self._open
        self._open = []
        event = done.get(int(head["seq"]))
        if event is not None:
            payload = b"".join(payload_piece(row.tobytes()) for row in rest)
            self._directory.apply(Command._make(head.tolist()), payload, event)


class Replica:
    """A journal, the engine that follows it, and those who read what comes out."""

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        directory: Directory,
        history: History,
        clock: Clock,
        rebuild: Callable[[int, frozenset[int]], Engine],
    ) -> None:
        """`rebuild(seq, skip_seqs)` makes the engine as it was right after `seq`, from snapshot and journal."""
        self.journal = journal
        self.engine = engine
        self.clock = clock
        self.directory = directory
        self.history = history
        self.reference: Reference = engine.reference()
        self.stopping = ""  # Why no new orders are taken any more, once the venue is going down.
        self.halted = ""  # Why no new orders are taken, when a check of the venue's own found something wrong.
        self.batches_applied = 0
        self._rebuild = rebuild
        self._readers: list[Callable[[Applied], None]] = []
        self._groups = ControlGroups(directory)
        self._waiting: deque[_Waiting] = deque()  # In the order of seqs.

    # Write side.

    def submit(
        self,
        records: bytes,
        done: Callable[[Outcome], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> int:
        """Append one atomic group (192 x n bytes) and return the seq of its first record.

        `done` is called when the group is durable, applied, and seen by every reader. It gets the outcome of that
        record, or of an order list's last one. Raises JournalUnavailableError at once, with the reason for people, when
        the journal cannot take it; then nothing was or will be done. Where that shows only later, in a joined gateway,
        `refused` is called with the reason instead, and the seq returned is 0.
        """
        if done is None:
            return self.submit_run(records, None, refused)
        decides = len(records) // COMMAND_BYTES - 1 if records[_KIND_OFFSET] == CommandKind.ORDER_LIST_LEG else 0
        return self.submit_run(records, lambda applied, seq: done(applied.outcome(seq + decides)), refused)

    def submit_run(
        self,
        records: bytes,
        done: Callable[[Applied, int], None] | None,
        refused: Callable[[str], None] | None = None,  # noqa: ARG002 - for those whose journal is elsewhere
    ) -> int:
        """The same for commands that have nothing to do with each other: `done(applied, first_seq)` finds them all in
        one applied run."""
        assert len(records) % COMMAND_BYTES == 0
        seq = self.journal.append(records)
        self._waiting.append(_Waiting(seq, records, done))
        return seq

    @property
    def refusal(self) -> str:
        """Why new orders are not taken now, as a sentence for people; empty when they are."""
        if self.stopping or self.halted:
            return self.stopping or self.halted
        if self.history.is_behind:
            return "The account history is catching up; new orders are taken again when it has."
        return self.journal.refusal

    @property
    def accepting(self) -> bool:
        return not self.refusal

    def is_pending(self, account_id: int, client_id: str) -> bool:
        """Whether a command with this client id was submitted and is not yet decided."""
        key = client_id.encode("ascii").ljust(CLIENT_ID_BYTES, b"\0")
        account = account_id.to_bytes(4, "little")
        return any(
            record[_ACCOUNT_ID_OFFSET : _ACCOUNT_ID_OFFSET + 4] == account
            and record[_CLIENT_ID_OFFSET : _CLIENT_ID_OFFSET + CLIENT_ID_BYTES] == key
            for records in self._on_their_way()
            if key in records
            for record in _split(records)
        )

    @property
    def applied_seq(self) -> int:
        """The newest command that is applied and shown to every reader, or is just being shown."""
        return self.engine.last_seq

    @property
    def pending_count(self) -> int:
        """Commands submitted and not yet answered."""
        return sum(map(len, self._on_their_way())) // COMMAND_BYTES

    def _on_their_way(self) -> Iterable[bytes]:
        """The groups that were submitted and are not yet decided."""
        return (waiting.records for waiting in self._waiting)

    # What the journal hands back.

    def add_reader(self, reader: Callable[[Applied], None], *, is_first: bool = False) -> None:
        """`reader` sees each applied batch once, in order, before the replies to its commands leave. `is_first`: before
        the readers that were added so far, since clients wait for what it tells them."""
        self._readers.insert(0 if is_first else len(self._readers), reader)

    def on_committed(self) -> None:
        """Apply and publish whatever the journal has made durable; called on the loop's thread."""
        for batch in self.journal.take_committed():
            self._publish(batch, self._apply(batch.records))

    def _apply(self, commands: np.ndarray) -> Events:
        try:
            return self.engine.apply(commands)
        except AssertionError as failure:
            log.error(
                "the engine failed; trying again from a snapshot", first_seq=int(commands[0]["seq"]), why=str(failure)
            )
            self.engine, events = apply_with_poison(self.engine, commands, self._rebuild)
            return events

    def _publish(self, batch: Committed, events: Events) -> None:
        applied = Applied(batch.records, events)
        self.batches_applied += 1
        if len(events.controls):
            self._groups.feed(applied.commands, events.controls)
            if _changes_reference(events.controls):
                self.reference = self.engine.reference()
        for reader in self._readers:
            reader(applied)
        self._reply(applied)

    def _reply(self, applied: Applied) -> None:
        waiting = self._waiting
        while waiting and waiting[0].seq <= applied.last_seq:
            seq, _, done = waiting.popleft()
            if done is not None:
                self._tell(done, applied, seq)

    @staticmethod
    def _tell(done: Callable[["Applied", int], None], applied: "Applied", seq: int) -> None:
        try:
            done(applied, seq)
        except Exception:
            # The command is durable and applied; a fault in telling one client must not stop the others.
            log.exception("a reply failed", seq=seq)

    # Reads: from the engine's own state, which holds everything that was answered.

    def balances(self, account_id: int) -> list[views.Balance]:
        return self.engine.balances(account_id)

    def balance(self, account_id: int, asset_id: int) -> views.Balance:
        return self.engine.balance(account_id, asset_id)

    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[views.Order]:
        """Oldest first; instrument 0 means all."""
        return self.engine.open_orders(account_id, instrument_id)

    def order(self, account_id: int, instrument_id: int, order_id: int = 0, client_id: str = "") -> views.Order | None:
        """One order by either id: open ones first, then the history with what is not yet written."""
        if order_id:
            found = self.engine.open_order(order_id)
            if found is None or found.account_id != account_id:
                found = self.history.order(account_id, order_id)
        else:
            found = self.engine.open_order_by_client_id(account_id, client_id)
            if found is None or found.instrument_id != instrument_id:
                found = self.history.order_by_client_id(account_id, instrument_id, client_id)
        if found is None or found.instrument_id != instrument_id:
            return None
        return found

    def order_lists(self, account_id: int, instrument_id: int = 0) -> list[views.OrderList]:
        """The open ones, oldest first; instrument 0 means all."""
        return self.engine.order_lists(account_id, instrument_id)

    def order_list(self, account_id: int, order_list_id: int = 0, client_id: str = "") -> views.OrderList | None:
        """One order list by either id: open ones first, then the history with what is not yet written."""
        if not order_list_id:
            found = self.engine.order_list_by_client_id(account_id, client_id)
            return found or self.history.order_list_by_client_id(account_id, client_id)
        found = self.engine.order_list(order_list_id)
        if found is None or found.account_id != account_id:
            found = self.history.order_list(account_id, order_list_id)
        return found

    def account(self, account_id: int) -> views.Account | None:
        return self.engine.account(account_id)

    def withdrawals(self, account_id: int = 0) -> list[views.Withdrawal]:
        return self.engine.withdrawals(account_id)

    def totals(self) -> list[views.AssetTotals]:
        return self.engine.totals()

    def book(self, instrument_id: int, depth: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]], int]:
        """Bids and asks as (price_ticks, lots), best first, and the book's update id."""
        return self.engine.book(instrument_id, depth)

    def auction(self, instrument_id: int) -> views.Auction:
        """What an auction would come to if it ended now."""
        return self.engine.auction(instrument_id)

    def limits(self) -> dict[Limit, int]:
        return self.engine.limits()

    def average_price_ticks(self, instrument_id: int) -> int:
        return self.engine.average_price_ticks(instrument_id, self.clock.now_ns())

    def reference_price_ticks(self, instrument_id: int) -> int:
        """Of the price range of execution; 0: none."""
        return self.engine.reference_price_ticks(instrument_id, self.clock.now_ns())

    def last_price_ticks(self, instrument_id: int) -> int:
        return self.engine.last_price_ticks(instrument_id)


def apply_with_poison(
    failed: Engine, commands: np.ndarray, rebuild: Callable[[int, frozenset[int]], Engine]
) -> tuple[Engine, Events]:
    """Apply a run on which an assertion failed in the engine `failed`, skipping each command that fails again.

    Returns the engine after the run and the run's events. Raises SuspectMachineError when everything passes now.
    """
    first_seq = int(commands[0]["seq"])
    known_seqs = frozenset(seq for seq, _instrument_id in failed.skipped)  # They would fail again while rebuilding.
    skip_seqs = known_seqs
    engine = rebuild(first_seq - 1, known_seqs)
    before = engine.arrays()  # To try again from: rebuilding takes seconds, this a fraction of one.
    while True:
        parts: list[Events] = []
        for i in range(len(commands)):
            try:
                parts.append(engine.apply(commands[i : i + 1], skip_seqs))
            except AssertionError as failure:
                seq = first_seq + i
                assert seq not in skip_seqs, f"skipping command {seq} failed: {failure}"
                log.error("command skipped, its instrument halts", seq=seq, why=str(failure))
                skip_seqs |= {seq}
                engine = Engine.from_arrays(before)
                break
        else:
            if skip_seqs == known_seqs:
                raise SuspectMachineError(
                    f"A command between {first_seq} and {first_seq + len(commands) - 1} failed and then passed from "
                    "the same state. Memory or processor are suspect: run `holdfast verify` on another machine."
                )
            return engine, joined(parts)


def joined(parts: Sequence[Events]) -> Events:
    """Several runs' events as one."""
    return Events._make(np.concatenate(family) for family in zip(*parts, strict=True))


def _split(records: bytes) -> Iterator[bytes]:
    return (records[at : at + COMMAND_BYTES] for at in range(0, len(records), COMMAND_BYTES))
