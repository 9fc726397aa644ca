"""Timers: which dead man's timer had to run out at which command, worked out from the journal's commands alone.

journal ──commands──▶ TIMERS ──▶ timer_oracle

The rules are a few lines when nothing has to be quick: SET_COUNTDOWN sets, renews or stops the timer of an account in
one market or in all; a TICK ends those that are due by its event time; nothing else does. No clock is asked.
"""

from pathlib import Path
from typing import NamedTuple

from holdfast.codes import CommandKind
from holdfast.commands import Command
from holdfast.journal.reader import read_committed
from tests.crash.records import NS_PER_MS
from tests.support.waiting import wait_until

SETTLED_NS = 3600 * 10**9  # What runs for longer than that does not run out in a round.
SETTLE_SECONDS_MAX = 120.0  # A watch that is not renewed runs out after 30.


class Scope(NamedTuple):
    account_id: int
    instrument_id: int  # 0: all.


class Running(NamedTuple):
    due_ts_ns: int
    countdown_ms: int


class RanOut(NamedTuple):
    seq: int
    scope: Scope
    countdown_ms: int
    late_ns: int


class Timers:
    """All timers of the venue."""

    def __init__(self, journal: Path) -> None:
        self.running: dict[Scope, Running] = {}
        self.commands: dict[int, Command] = {}  # Of this round, by seq.
        self.settings: list[Command] = []  # Of this round, those that the engine had to take.
        self.ran_out: list[RanOut] = []  # In this round.
        self._journal = journal
        self._next_seq = 1
        self._ts_ns = 0

    def begin_round(self) -> None:
        """Forget what was asked for already."""
        self.commands.clear()
        self.settings.clear()
        self.ran_out.clear()

    def settle(self) -> None:
        """Read on until no timer is to run out soon; the journal has to have the TICKs for that."""
        wait_until(self._is_settled, SETTLE_SECONDS_MAX, "that all timers run out which are due")

    def _is_settled(self) -> bool:
        self._read()
        return all(running.due_ts_ns > self._ts_ns + SETTLED_NS for running in self.running.values())

    def _read(self) -> None:
        for piece in read_committed(self._journal, self._next_seq):
            for command in map(Command._make, piece.records.tolist()):
                self._take(command)

    def _take(self, command: Command) -> None:
        assert command.seq == self._next_seq, f"seq {command.seq} is in the journal where {self._next_seq} was next"
        self._next_seq, self._ts_ns = command.seq + 1, command.ts_ns
        self.commands[command.seq] = command
        if command.kind == CommandKind.SET_COUNTDOWN:
            self._set(command)
        elif command.kind == CommandKind.TICK:
            due = [scope for scope, running in self.running.items() if running.due_ts_ns <= command.ts_ns]
            for scope in due:
                running = self.running.pop(scope)
                late_ns = command.ts_ns - running.due_ts_ns
                self.ran_out.append(RanOut(command.seq, scope, running.countdown_ms, late_ns))

    def _set(self, command: Command) -> None:
        if 0 < command.deadline_ts_ns < command.clock_ts_ns:
            return  # It came too late.
        self.settings.append(command)
        scope = Scope(command.account_id, command.instrument_id)
        if command.qty_lots:
            self.running[scope] = Running(command.ts_ns + command.qty_lots * NS_PER_MS, command.qty_lots)
        else:
            self.running.pop(scope, None)
