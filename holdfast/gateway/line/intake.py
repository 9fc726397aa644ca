"""Intake: what all sessions sent within one turn of the loop becomes one run of commands.

sessions → INTAKE (numbers → form → limits → stamps) → replica.submit_run → journal

Everything is done column by column, over all sessions at once; Python looks at a single record only where a session
sent something else than the next commands. Invariants: a session's commands reach the journal in the order of their
numbers, each number once; a number is taken when its record is looked at, whatever becomes of it; and no more than
`IN_FLIGHT_MAX` commands and one turn's input are on their way, since sessions are not read meanwhile.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import structlog

from holdfast.clock import Clock
from holdfast.commands import COMMAND_BYTES, command_dtype
from holdfast.errors import JournalUnavailableError
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.gateway.line.form import CHECKS, IS_COMMAND, IS_NEW_ORDER, Form, of_kind
from holdfast.gateway.line.numbers import SessionName
from holdfast.instruments import Reference
from holdfast.line import GATEWAY_ID, NUMBER_BITS, ClientKind, Reason

log = structlog.get_logger()

RUN_MAX = 256  # Commands that are submitted as one group, which must fit into the smallest segment there can be.
IN_FLIGHT_MAX = 32_768  # Commands submitted and not applied, of all sessions; an eighth of what the journal holds.
RESOLVE_WITHIN_NS = 10_000_000_000  # A command never stays undecided for longer.

_TOO_MANY_ORDERS = "The account has too many unfilled orders; try again in the next interval."
_TOO_MANY_CANCELS = "Too many cancels from this address; try again in the next minute."


class Sender(Protocol):
    """One signed-on session that sends commands."""

    name: SessionName
    account_id: int
    peer_ip: str

    @property
    def is_open(self) -> bool: ...

    def hold(self, is_held: bool) -> None:
        """Do not read, or read on."""

    def refuse(self, numbers: np.ndarray, reason: Reason, text: str) -> None:
        """Tell that commands were taken and not journaled."""

    def repeat(self, numbers: list[int]) -> None:
        """Tell that numbers were taken before."""

    def end(self, reason: Reason, text: str) -> None:
        """Say goodbye."""


class Venue(Protocol):
    """What the intake needs of a replica."""

    @property
    def clock(self) -> Clock: ...
    @property
    def reference(self) -> Reference: ...
    @property
    def accepting(self) -> bool: ...
    @property
    def refusal(self) -> str: ...
    def submit_run(self, records: bytes, done: Callable[[Any, int], None] | None) -> int: ...


class Intake:
    """Takes whole records by `add`; `soon(do)` runs `do` when the loop has read what there is, like its `call_soon`."""

    def __init__(
        self,
        venue: Venue,
        rate_limits: RateLimits,
        last_numbers: dict[SessionName, int],
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        """`last_numbers` are those that the journal knows; they are carried on here."""
        self._venue = venue
        self._rate_limits = rate_limits
        self._last_numbers = last_numbers
        self._soon = soon
        self._waiting: dict[Sender, list[bytes]] = {}
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
        is_first = not self._waiting
        self._waiting.setdefault(sender, []).append(records)
        if is_first:
            self._soon(self.flush)

    def on_applied(self, commands: np.ndarray) -> None:
        """Some commands have been applied; those of the line are on their way no longer."""
        if not self._in_flight:
            return
        self._in_flight -= int(np.count_nonzero(commands["gateway_id"] == GATEWAY_ID))
        if self._held and self._in_flight <= IN_FLIGHT_MAX // 2:
            held, self._held = self._held, {}
            for sender in held:
                sender.hold(False)

    def flush(self) -> None:
        """Submit what has come so far."""
        waiting, self._waiting = self._waiting, {}
        senders = [sender for sender in waiting if sender.is_open]
        if not senders:
            return
        try:
            self._flush(senders, [b"".join(waiting[sender]) for sender in senders])
        except Exception:
            # What became of these commands the journal knows; the sessions find out when they sign on again.
            log.exception("commands of the line failed")
            self._ends = [(sender, Reason.FAILED, "The venue failed at this; see its log.") for sender in senders]
        ends, self._ends = self._ends, []
        for sender, reason, text in ends:
            sender.end(reason, text)

    def _flush(self, senders: list[Sender], pieces: list[bytes]) -> None:
        if self._venue.reference is not self._form.reference:
            self._form = Form(self._venue.reference)
        counts = np.array([len(piece) // COMMAND_BYTES for piece in pieces])
        owners = np.repeat(np.arange(len(senders)), counts)
        records = np.frombuffer(bytearray(b"".join(pieces)), command_dtype)
        is_next = self._are_next(senders, counts, records)
        if not is_next.all():
            is_next = self._sort_out(senders, owners, records, is_next)
            records, owners = records[is_next], owners[is_next]
        if len(records):
            self._take(senders, owners, records)

    def _are_next(self, senders: list[Sender], counts: np.ndarray, records: np.ndarray) -> np.ndarray:
        """Which records are commands, numbered as if all before them of the same session were."""
        begins = counts.cumsum() - counts
        first = np.array([self.next_number(sender.name) for sender in senders])
        expected = np.repeat(first - begins, counts) + np.arange(len(records))
        return (records["request_number"] == expected) & of_kind(records, IS_COMMAND)  # type: ignore[no-any-return]

    def _sort_out(
        self, senders: list[Sender], owners: np.ndarray, records: np.ndarray, is_next: np.ndarray
    ) -> np.ndarray:
        """The same, where that is not so of all: one by one for those sessions."""
        is_next = is_next.copy()
        for owner in np.unique(owners[~is_next]).tolist():
            index = np.flatnonzero(owners == owner)
            is_next[index] = self._judge(senders[owner], records[index])
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

    def _take(self, senders: list[Sender], owners: np.ndarray, records: np.ndarray) -> None:
        """All are the next commands of their sessions."""
        for owner, count in enumerate(np.bincount(owners).tolist()):
            if count:
                name = senders[owner].name
                self._last_numbers[name] = self._last_numbers.get(name, 0) + count
        faults = self._form.faults(records)
        is_good = faults == 0
        for fault in sorted(set(faults[~is_good].tolist())):
            check = CHECKS[fault - 1]
            self._refuse(senders, owners, records, faults == fault, check.reason, check.text)
        is_good &= self._are_within_limits(senders, owners, records, is_good)
        if not is_good.all():
            records, owners = records[is_good], owners[is_good]
        self._stamp(senders, owners, records)
        self._submit(senders, owners, records)

    def _are_within_limits(
        self, senders: list[Sender], owners: np.ndarray, records: np.ndarray, is_good: np.ndarray
    ) -> np.ndarray:
        """Count the good ones against the limits; which of all may go on."""
        is_order = of_kind(records, IS_NEW_ORDER) & is_good
        may = np.ones(len(records), np.bool_)
        if not self._venue.accepting and is_order.any():
            self._refuse(senders, owners, records, is_order, Reason.UNAVAILABLE, self._venue.refusal)
            may &= ~is_order
            is_order[:] = False
        is_cancel = is_good & may & ~is_order
        now_ns, limits = self._venue.clock.now_ns(), self._rate_limits
        begins = owners.searchsorted(range(len(senders) + 1)).tolist()  # Each session's records lie together.
        for sender, (begin, end) in zip(senders, pairwise(begins), strict=True):
            span = slice(begin, end)
            if wanted := int(np.count_nonzero(is_order[span])):
                room = limits.charge_some_orders(sender.account_id, wanted, now_ns)
                if room < wanted:
                    over = begin + np.flatnonzero(is_order[span])[room:]
                    may[over] = False
                    sender.refuse(records["request_number"][over], Reason.TOO_MANY_ORDERS, _TOO_MANY_ORDERS)
            if wanted := int(np.count_nonzero(is_cancel[span])):
                room = limits.charge_some_cancels(sender.peer_ip, wanted, now_ns)
                if room < wanted:
                    over = begin + np.flatnonzero(is_cancel[span])[room:]
                    may[over] = False
                    sender.refuse(records["request_number"][over], Reason.TOO_MANY_CANCELS, _TOO_MANY_CANCELS)
        return may

    @staticmethod
    def _refuse(
        senders: list[Sender], owners: np.ndarray, records: np.ndarray, which: np.ndarray, reason: Reason, text: str
    ) -> None:
        for owner in np.unique(owners[which]).tolist():
            senders[owner].refuse(records["request_number"][which & (owners == owner)], reason, text)

    def _stamp(self, senders: list[Sender], owners: np.ndarray, records: np.ndarray) -> None:
        """Fill in what is not the client's to say."""
        now_ns = self._venue.clock.now_ns()
        latest_ns, wished_ns = now_ns + RESOLVE_WITHIN_NS, records["deadline_ts_ns"]
        records["received_ts_ns"] = now_ns
        records["deadline_ts_ns"] = np.where(wished_ns == 0, latest_ns, np.minimum(wished_ns, latest_ns))
        records["gateway_id"] = GATEWAY_ID
        records["account_id"] = np.array([sender.account_id for sender in senders], np.int32)[owners]
        records["key_id"] = np.array([sender.name.key_id for sender in senders], np.int32)[owners]
        records["request_number"] |= np.array([sender.name.session << NUMBER_BITS for sender in senders])[owners]

    def _submit(self, senders: list[Sender], owners: np.ndarray, records: np.ndarray) -> None:
        for begin in range(0, len(records), RUN_MAX):
            run = records[begin : begin + RUN_MAX]
            try:
                self._venue.submit_run(run.tobytes(), None)
            except JournalUnavailableError as error:
                rest, owners = records[begin:].copy(), owners[begin:]
                rest["request_number"] &= (1 << NUMBER_BITS) - 1
                self._refuse(senders, owners, rest, np.ones(len(rest), np.bool_), Reason.UNAVAILABLE, error.reason)
                return
            self._in_flight += len(run)
