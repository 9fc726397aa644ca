"""Countdowns: dead man's timers, asked for as on Binance's futures, and cancel on disconnect, which rests on them.

values → SET_COUNTDOWN → outcome → reply

Binance Spot has neither; `countdownCancelAll` has the name, the parameters and the reply of its futures' endpoint, with
`symbol` left out for all symbols. Like cancels they draw on the cancels' budget and are taken while new orders are not.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from holdfast.codes import CommandKind, ControlEventKind, KeyPermission
from holdfast.commands import encode
from holdfast.config import COUNTDOWN_MS_MAX
from holdfast.events import ControlEvent, OrderEvent
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.endpoints import Budget, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.orders import RequestNumbers, find_instrument
from holdfast.gateway.binance.parameters import Parameter, integer, signed, symbol
from holdfast.gateway.binance.pending import Pending
from holdfast.gateway.watches import Watches
from holdfast.instruments import Reference

COUNTDOWN = signed(
    Parameter("symbol", symbol),
    Parameter("countdownTime", integer(0, COUNTDOWN_MS_MAX), is_required=True),
)


class CountdownVenue(Protocol):
    """What is needed of a replica."""

    @property
    def reference(self) -> Reference: ...


class Outcome(Protocol):
    """What a command led to; `holdfast.replica.Outcome`."""

    @property
    def orders(self) -> list[OrderEvent]: ...
    @property
    def controls(self) -> list[ControlEvent]: ...


class Countdowns:
    """Sets timers for clients; `watches` are those that are set for connections."""

    def __init__(
        self, venue: CountdownVenue, pending: Pending, request_numbers: RequestNumbers, watches: Watches
    ) -> None:
        self.watches = watches
        self._venue = venue
        self._pending = pending
        self._request_numbers = request_numbers

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        return {"countdownCancelAll": Endpoint(COUNTDOWN, self.countdown, 1, KeyPermission.TRADE, Budget.CANCEL)}

    def countdown(self, call: Call) -> None:
        instrument_id = self.instrument_id(call)
        countdown_ms = call.values["countdownTime"]

        def reply(event: ControlEvent) -> bytes:
            shown: dict[str, object] = {"symbol": call.values.get("symbol", ""), "countdownTime": str(event.value)}
            if event.id:
                shown["triggerTime"] = call.time(event.id)
            return msgspec.json.encode(shown)

        self.set(call, instrument_id, countdown_ms, reply)

    def instrument_id(self, call: Call) -> int:
        """Of the symbol that a call names; 0 when it names none."""
        if "symbol" not in call.values:
            return 0
        return find_instrument(self._venue.reference, call.values).instrument_id

    def set(self, call: Call, instrument_id: int, countdown_ms: int, reply: Callable[[ControlEvent], bytes]) -> None:
        """Set the timer of the call's account; `reply` is given the event that it was set."""
        command = self._request_numbers.command(
            call,
            CommandKind.SET_COUNTDOWN,
            instrument_id=instrument_id,
            qty_lots=countdown_ms,
        )
        self._pending.submit(call, encode(command), "", command.deadline_ts_ns, lambda outcome: reply(_set(outcome)))


def _set(outcome: Outcome) -> ControlEvent:
    """The event that a timer was set; raises what refused it."""
    for event in outcome.controls:
        if event.kind == ControlEventKind.COUNTDOWN_SET:
            return event
        if event.kind == ControlEventKind.COMMAND_REJECTED:
            raise errors.rejection(event.reason)
    raise ApiError(errors.UNKNOWN)  # A poison command: the engine skipped it.
