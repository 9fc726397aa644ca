"""Watches: cancel on disconnect. A connection's orders go when it ends, however it ends.

sessions (WebSocket API, line) → WATCHES → SET_COUNTDOWN → journal → engine (TICK: cancel)

A watch is a dead man's timer of the engine's that the gateway renews for as long as the connection lives. When the
connection ends the timer is set to run out at once; when the gateway or the whole venue dies nobody renews it, and it
runs out by itself: it stands in the journal. So there is one mechanism, and only the gateway's death takes longer.

A scope is an account, in one instrument or (0) in all. Several connections may watch one scope; each that ends cancels
its orders, and the timer goes on for the others. So it does when one of them leaves, and when the account's owner or
another gateway stops the timer or puts it off: if this gateway died before the next renewal, nothing would cancel. What
the journal cannot take now is tried again at each look, and so is an end that a dying venue lost, or that somebody
undid who set the timer anew before it ran out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from holdfast.clock import Clock
from holdfast.codes import CommandKind, ControlEventKind
from holdfast.commands import Command, encode
from holdfast.errors import JournalUnavailableError
from holdfast.events import ControlEvent, Events

WATCH_MS = 30_000  # What the timer is set to,
RENEW_NS = 10_000_000_000  # and how often. Twice may fail.
LOOK_SECONDS = 0.1
_AT_ONCE_MS = 1  # What it is set to when a connection has ended.


class Scope(NamedTuple):
    account_id: int
    instrument_id: int = 0


class AppliedBatch(Protocol):
    """What a reader of the replica gets; `holdfast.replica.Applied`."""

    @property
    def events(self) -> Events: ...


class Venue(Protocol):
    """What is needed of a replica."""

    @property
    def clock(self) -> Clock: ...
    def submit_run(
        self,
        records: bytes,
        done: Callable[[Any, int], None] | None,
        refused: Callable[[str], None] | None = None,
    ) -> int: ...
    def add_reader(self, reader: Callable[[Any], None]) -> None: ...


@dataclass(slots=True)
class _Watched:
    connections: int = 0
    renew_at_ns: int = 0
    is_lost: bool = False  # A connection has ended, and the cancel is not submitted yet.
    is_ending: bool = False  # It is submitted; the timer has not run out yet. Renewing it now would undo that.
    is_set_to_end: bool = False  # That is applied: whoever sets the timer from now on undoes it.

    def end_again(self) -> None:
        """The end that was submitted has come to nothing."""
        if self.is_ending:
            self.is_lost, self.is_ending, self.is_set_to_end = True, False, False


class Watches:
    """All watches of this gateway. `look` is called every `LOOK_SECONDS`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._watched: dict[Scope, _Watched] = {}
        venue.add_reader(self.on_applied)

    def begin(self, scope: Scope) -> None:
        """Another connection watches: the timer is set now, and from now on."""
        self._watched.setdefault(scope, _Watched()).connections += 1
        self._watched[scope].renew_at_ns = 0
        self.look()

    def has_others(self, scope: Scope, is_watching: bool) -> bool:
        """Whether connections watch it beside one that asks, and that does so itself or does not."""
        return scope in self._watched and self._watched[scope].connections > is_watching

    def leave(self, scope: Scope) -> None:
        """A connection watches no longer and lives on: nothing is canceled."""
        self._watched[scope].connections -= 1
        self.look()

    def lose(self, scope: Scope) -> None:
        """A connection that watched has ended."""
        self._watched[scope].connections -= 1
        self._watched[scope].is_lost = True
        self.look()

    def look(self) -> None:
        """Submit what is due. The rest is tried again at the next look."""
        now_ns = self._venue.clock.now_ns()
        for scope, watched in list(self._watched.items()):
            try:
                self._look_at(scope, watched, now_ns)
            except JournalUnavailableError:
                return  # It says why itself.

    def _look_at(self, scope: Scope, watched: _Watched, now_ns: int) -> None:
        if watched.is_lost:
            self._set(scope, _AT_ONCE_MS, lambda _: watched.end_again())
            watched.is_lost, watched.is_ending, watched.is_set_to_end = False, True, False
        elif watched.is_ending:
            return
        elif not watched.connections:
            self._set(scope, 0)
            del self._watched[scope]
        elif now_ns >= watched.renew_at_ns:
            self._set(scope, WATCH_MS)
            watched.renew_at_ns = now_ns + RENEW_NS

    def on_applied(self, applied: AppliedBatch) -> None:
        """A reader of the replica: timers that were set, that ran out, and that could not be set."""
        controls = applied.events.controls
        if not self._watched or not len(controls):
            return
        for event in map(ControlEvent._make, controls.tolist()):
            watched = self._watched.get(Scope(event.account_id, event.instrument_id))
            if watched is None:
                continue
            if event.kind == ControlEventKind.COUNTDOWN_SET:
                self._was_set(watched, event.value)
            elif event.kind == ControlEventKind.COUNTDOWN_RAN_OUT:
                self._ran_out(Scope(event.account_id, event.instrument_id), watched)
            elif event.kind == ControlEventKind.COMMAND_REJECTED and event.command_kind == CommandKind.SET_COUNTDOWN:
                self._could_not_be_set(Scope(event.account_id, event.instrument_id), watched)

    def _was_set(self, watched: _Watched, countdown_ms: int) -> None:
        """By anybody. What was submitted before the end does not undo it, since the end comes behind it."""
        if countdown_ms == _AT_ONCE_MS:
            watched.is_set_to_end = watched.is_ending
        elif watched.is_set_to_end:
            watched.end_again()
        elif countdown_ms == 0 or countdown_ms > WATCH_MS:
            watched.renew_at_ns = 0  # At the next look: until then nobody would cancel.

    def _ran_out(self, scope: Scope, watched: _Watched) -> None:
        watched.is_ending = watched.is_set_to_end = False
        watched.renew_at_ns = 0  # For the others; at the next look.
        if not watched.connections and not watched.is_lost:
            del self._watched[scope]

    def _could_not_be_set(self, scope: Scope, watched: _Watched) -> None:
        """There was no room for a timer that somebody had stopped: what is lost is canceled without one."""
        if watched.is_ending:
            watched.is_ending = False
            self._submit(CommandKind.CANCEL_ALL, scope, 0)

    def _set(self, scope: Scope, countdown_ms: int, refused: Callable[[str], None] | None = None) -> None:
        self._submit(CommandKind.SET_COUNTDOWN, scope, countdown_ms, refused)

    def _submit(
        self, kind: CommandKind, scope: Scope, value: int, refused: Callable[[str], None] | None = None
    ) -> None:
        """As the venue itself: the key that asked for the watch may be revoked by now."""
        command = Command(kind=kind, account_id=scope.account_id, instrument_id=scope.instrument_id, qty_lots=value)
        self._venue.submit_run(encode(command), None, refused)
