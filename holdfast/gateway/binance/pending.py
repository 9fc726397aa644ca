"""Pending: commands that were handed to the journal and are not answered yet.

endpoint → PENDING → replica.submit … outcome → endpoint's reply

A command that has not resolved within `ANSWER_WITHIN_NS` is answered as pending (-1007), with the id to ask for and the
time by which it resolves; its outcome, when it comes, is no longer told here but by queries and the user data stream.

Waiting times are all the same, so the oldest is always first in line and one timer serves all.
"""

from collections.abc import Callable
from typing import Any, Protocol

from holdfast.clock import Clock
from holdfast.errors import JournalUnavailableError
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.endpoints import Call
from holdfast.gateway.binance.errors import ApiError

ANSWER_WITHIN_NS = 780_000_000  # Of the 800 ms promised, the rest is for the timer and the way to the client.
TIMER_SLACK_NS = 1_000_000

CallLater = Callable[[float, Callable[[], None]], Any]
RequestName = tuple[int, int]  # Of one command of this gateway: its account and its request number.
_REQUEST_NUMBER = slice(40, 48)  # Of a command's record.


class CommandSink(Protocol):
    """Where commands go."""

    def submit(
        self,
        records: bytes,
        done: Callable[[Any], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> int: ...


class Waiter(Protocol):
    """What waits for an outcome, until `due_ts_ns` at most."""

    @property
    def due_ts_ns(self) -> int: ...

    def time_out(self) -> None: ...


class Waiting:
    """One command on its way."""

    __slots__ = ("_pending", "_reply", "call", "client_id", "deadline_ts_ns", "due_ts_ns", "name")

    def __init__(
        self,
        pending: "Pending",
        call: Call,
        name: RequestName,
        client_id: str,
        deadline_ts_ns: int,
        reply: Callable[[Any], bytes],
    ) -> None:
        self._pending = pending
        self.name = name
        self._reply = reply
        self.call = call
        self.client_id = client_id
        self.deadline_ts_ns = deadline_ts_ns
        self.due_ts_ns = call.received_ts_ns + ANSWER_WITHIN_NS

    def done(self, outcome: Any) -> None:
        """The command is durable and applied."""
        self._pending.end(self)
        self._pending.forget_cancel_id(self.name)
        if not self.call.is_answered:  # As pending, a while ago.
            self.call.attempt(lambda _: self._reply(outcome))

    def refused(self, reason: str) -> None:
        """Nothing of the command was or will be done."""
        self._pending.end(self)
        self._pending.forget_cancel_id(self.name)
        if not self.call.is_answered:
            self.call.fail(ApiError(errors.UNAVAILABLE, reason))

    def time_out(self) -> None:
        tell_pending(self.call, self.client_id, self.deadline_ts_ns)


def tell_pending(call: Call, client_id: str, deadline_ts_ns: int) -> None:
    """Answer a request whose command is not decided yet."""
    shown = {"clientOrderId": client_id, "resolvesBy": call.time(deadline_ts_ns)}
    call.fail(ApiError(errors.TIMEOUT, data=shown))


class Pending:
    """All commands of this gateway that wait for their outcome."""

    def __init__(self, sink: CommandSink, clock: Clock, call_later: CallLater) -> None:
        self._sink = sink
        self._clock = clock
        self._call_later = call_later
        self._waiting: dict[Waiter, None] = {}  # Oldest first.
        self._cancel_ids: dict[RequestName, str] = {}
        self._timer_runs = False

    def __len__(self) -> int:
        return len(self._waiting)

    def cancel_id(self, account_id: int, request_number: int) -> str:
        """The client id of the cancel within a replacement, for which the journal has no place; "" if not known."""
        return self._cancel_ids.get((account_id, request_number), "")

    def submit(
        self,
        call: Call,
        record: bytes,
        client_id: str,
        deadline_ts_ns: int,
        reply: Callable[[Any], bytes],
        cancel_id: str = "",
    ) -> None:
        """Hand the command over; `reply` makes the result of its outcome, or raises ApiError.

        Raises ApiError at once when the journal cannot take it.
        """
        call.authorization.check_time(self._clock.now_ns())
        name = (call.account_id, int.from_bytes(record[_REQUEST_NUMBER], "little"))
        waiting = Waiting(self, call, name, client_id, deadline_ts_ns, reply)
        try:
            self._sink.submit(record, waiting.done, waiting.refused)
        except JournalUnavailableError as error:
            raise ApiError(errors.UNAVAILABLE, error.reason) from error
        if cancel_id:
            self._cancel_ids[name] = cancel_id
        self.begin(waiting)

    def forget_cancel_id(self, name: RequestName) -> None:
        self._cancel_ids.pop(name, None)

    def begin(self, waiter: Waiter) -> None:
        """Let it be timed out when it is due, unless `end` comes first."""
        self._waiting[waiter] = None
        if not self._timer_runs:
            self._start_timer(waiter)

    def end(self, waiter: Waiter) -> None:
        """It is decided, whether or not somebody still waits to be told."""
        self._waiting.pop(waiter, None)

    def _start_timer(self, oldest: Waiter) -> None:
        self._timer_runs = True
        delay_ns = max(oldest.due_ts_ns - self._clock.now_ns(), 0) + TIMER_SLACK_NS
        self._call_later(delay_ns / 1e9, self._on_timer)

    def _on_timer(self) -> None:
        self._timer_runs = False
        now_ns = self._clock.now_ns()
        while self._waiting:
            oldest = next(iter(self._waiting))
            if oldest.due_ts_ns > now_ns:
                self._start_timer(oldest)
                return
            del self._waiting[oldest]
            oldest.time_out()
