"""Intake: what all sessions sent within one turn of the loop becomes one run of commands.

sessions → INTAKE (numbers → form → limits → stamps) → replica.submit_run → journal

A run goes through a few kernels, whole; Python looks at a single record only where a session sent something else than
the next commands. While commands are on their way to the disk, what comes is gathered until they are back or much has
come: a run costs what it costs, and what is gathered would have to wait for the same sync. Invariants: a session's
commands reach the journal in the order of their numbers, each number once; a number is taken when its record is looked
at, whatever becomes of it; and no more than `IN_FLIGHT_MAX` commands and one turn's input are on their way, since
sessions are not read meanwhile.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import structlog

from holdfast.clock import Clock
from holdfast.commands import COMMAND_BYTES
from holdfast.errors import JournalUnavailableError
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.gateway.line.form import CHECKS, Form
from holdfast.gateway.line.numbers import SessionName
from holdfast.gateway.line.run import IS_COMMAND, Run, Sender
from holdfast.instruments import Reference
from holdfast.line import GATEWAY_ID, ClientKind, Reason

log = structlog.get_logger()

RUN_MAX = 256  # Commands that are submitted as one group, which must fit into the smallest segment there can be.
IN_FLIGHT_MAX = 32_768  # Commands submitted and not applied, of all sessions; an eighth of what the journal holds.
GATHERED_BYTES_MAX = 1_024 * COMMAND_BYTES
GATHERED_SECONDS_MAX = 0.005  # Behind a disk that does not answer; it mostly does within a tenth of that.
RESOLVE_WITHIN_NS = 10_000_000_000  # A command never stays undecided for longer.

_TOO_MANY_ORDERS = "The account has too many unfilled orders; try again in the next interval."
_TOO_MANY_CANCELS = "Too many cancels from this address; try again in the next minute."

Soon = Callable[[Callable[[], None]], object]
CallLater = Callable[[float, Callable[[], None]], object]


class Venue(Protocol):
    """What the intake needs of a replica."""

    @property
    def clock(self) -> Clock: ...
    @property
    def reference(self) -> Reference: ...
    @property
    def refusal(self) -> str: ...
    def submit_run(self, records: bytes, done: Callable[[Any, int], None] | None) -> int: ...


class Intake:
    """Takes whole records by `add`. `soon(do)` runs `do` when the loop has read what there is, like its `call_soon`;
    `call_later` is the loop's own."""

    def __init__(
        self,
        venue: Venue,
        rate_limits: RateLimits,
        last_numbers: dict[SessionName, int],
        soon: Soon,
        call_later: CallLater,
    ) -> None:
        """`last_numbers` are those that the journal knows; they are carried on here."""
        self._venue = venue
        self._rate_limits = rate_limits
        self._last_numbers = last_numbers
        self._soon = soon
        self._call_later = call_later
        self._gathered: dict[Sender, list[bytes]] = {}
        self._gathered_bytes = 0
        self._is_timed = False  # A timer runs, which submits what is gathered then.
        self._is_due = False  # It is submitted as soon as the loop has read what there is.
        self._in_flight = 0
        self._held: dict[Sender, None] = {}
        self._ends: list[tuple[Sender, Reason, str]] = []  # Of this turn: told after what came before.
        self._form = Form(venue.reference)

    def next_number(self, name: SessionName) -> int:
        return self._last_numbers.get(name, 0) + 1

    def add(self, sender: Sender, records: bytes) -> None:
        if self._in_flight > IN_FLIGHT_MAX:
            self._held[sender] = None
            sender.hold(True)
        self._gathered.setdefault(sender, []).append(records)
        self._gathered_bytes += len(records)
        if not self._in_flight or self._gathered_bytes >= GATHERED_BYTES_MAX:
            self._flush_soon()
        elif not self._is_timed:
            self._is_timed = True
            self._call_later(GATHERED_SECONDS_MAX, self._on_time)

    def on_applied(self, commands: np.ndarray) -> None:
        """Some commands have been applied; those of the line are on their way no longer."""
        if not self._in_flight:
            return
        self._in_flight -= int(np.count_nonzero(commands["gateway_id"] == GATEWAY_ID))
        if self._gathered:
            self._flush_soon()
        if self._held and self._in_flight <= IN_FLIGHT_MAX // 2:
            held, self._held = self._held, {}
            for sender in held:
                sender.hold(False)

    def _flush_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._soon(self.flush)

    def _on_time(self) -> None:
        self._is_timed = False
        if self._gathered:
            self._flush_soon()

    def flush(self) -> None:
        """Submit what has come so far."""
        gathered, self._gathered, self._gathered_bytes = self._gathered, {}, 0
        self._is_due = False
        pieces = {sender: records for sender, records in gathered.items() if sender.is_open}
        if not pieces:
            return
        try:
            self._flush(Run.of(pieces))
        except Exception:
            # What became of these commands the journal knows; the sessions find out when they sign on again.
            log.exception("commands of the line failed")
            self._ends = [(sender, Reason.FAILED, "The venue failed at this; see its log.") for sender in pieces]
        ends, self._ends = self._ends, []
        for sender, reason, text in ends:
            sender.end(reason, text)

    def _flush(self, run: Run) -> None:
        is_next = run.are_next([self.next_number(sender.name) for sender in run.senders])
        if not is_next.all():
            run = run.only(self._sort_out(run, is_next))
        if len(run):
            self._take(run)

    def _sort_out(self, run: Run, is_next: np.ndarray) -> np.ndarray:
        """Which are next, where some seem not to be: one by one for those sessions."""
        for place, sender in enumerate(run.senders):
            span = run.span(place)
            if not is_next[span].all():
                is_next[span] = self._judge(sender, run.records[span])
        return is_next

    def _judge(self, sender: Sender, records: np.ndarray) -> list[bool]:
        """Which of one session's records are its next commands. The others are answered here."""
        expected, is_next, repeated = self.next_number(sender.name), [False] * len(records), []
        kinds, numbers = records["kind"].tolist(), records["request_number"].tolist()
        for i, (kind, number) in enumerate(zip(kinds, numbers, strict=True)):
            if kind == ClientKind.HEARTBEAT:
                continue
            if kind == ClientKind.SIGN_OFF:
                self._ends.append((sender, Reason.SIGNED_OFF, "Goodbye."))
                break
            if kind < 0 or not IS_COMMAND[kind]:
                self._ends.append((sender, Reason.NOT_A_RECORD, f"Kind {kind} is no command of the line."))
                break
            if number > expected or number < 1:
                text = f"Number {number} came where {expected} is the next."
                self._ends.append((sender, Reason.NUMBER_SKIPPED, text))
                break
            if number < expected:
                repeated.append(number)
                continue
            is_next[i] = True
            expected += 1
        if repeated:
            sender.repeat(repeated)
        return is_next

    def _take(self, run: Run) -> None:
        """All are the next commands of their sessions."""
        for sender, count in zip(run.senders, run.counts, strict=True):
            self._last_numbers[sender.name] = self._last_numbers.get(sender.name, 0) + count
        if self._venue.reference is not self._form.reference:
            self._form = Form(self._venue.reference)
        faults = self._form.faults(run.records)
        if faults.any():
            for fault in np.unique(faults[faults > 0]).tolist():
                check = CHECKS[fault - 1]
                run.refuse(faults == fault, check.reason, check.text)
            run = run.only(faults == 0)
        run = self._within_limits(run)
        now_ns = self._venue.clock.now_ns()
        run.stamp(now_ns, now_ns + RESOLVE_WITHIN_NS)
        self._submit(run)

    def _within_limits(self, run: Run) -> Run:
        """Count the commands against the limits; those that may go on."""
        now_ns, limits, refusal = self._venue.clock.now_ns(), self._rate_limits, self._venue.refusal
        may = None
        senders = zip(run.senders, run.counts, run.count_new_orders(), strict=True)
        for place, (sender, count, orders) in enumerate(senders):
            cancels = count - orders
            may_orders = limits.charge_some_orders(sender.account_id, orders, now_ns) if orders and not refusal else 0
            may_cancels = limits.charge_some_cancels(sender.peer_ip, cancels, now_ns) if cancels else 0
            if may_orders == orders and may_cancels == cancels:
                continue
            if may is None:
                may = np.ones(len(run), np.bool_)
            span = run.span(place)
            are_orders = run.are_new_orders()[span]
            over_orders = span.start + np.flatnonzero(are_orders)[may_orders:]
            over_cancels = span.start + np.flatnonzero(~are_orders)[may_cancels:]
            may[over_orders] = may[over_cancels] = False
            numbers = run.records["request_number"]
            if refusal and len(over_orders):
                sender.refuse(numbers[over_orders], Reason.UNAVAILABLE, refusal)
            elif len(over_orders):
                sender.refuse(numbers[over_orders], Reason.TOO_MANY_ORDERS, _TOO_MANY_ORDERS)
            if len(over_cancels):
                sender.refuse(numbers[over_cancels], Reason.TOO_MANY_CANCELS, _TOO_MANY_CANCELS)
        return run if may is None else run.only(may)

    def _submit(self, run: Run) -> None:
        for begin in range(0, len(run), RUN_MAX):
            group = run.records[begin : begin + RUN_MAX]
            try:
                self._venue.submit_run(group.tobytes(), None)
            except JournalUnavailableError as error:
                run.refuse(np.arange(len(run)) >= begin, Reason.UNAVAILABLE, error.reason)
                return
            self._in_flight += len(group)
