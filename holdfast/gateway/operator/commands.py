"""Commands: an operator's wish becomes a journaled command, and its outcome an answer or a problem."""

import asyncio

from holdfast.codes import ControlEventKind
from holdfast.commands import Command, encode
from holdfast.errors import JournalUnavailableError
from holdfast.events import ControlEvent
from holdfast.gateway.operator.problems import ProblemError, pending, refused, unavailable
from holdfast.gateway.operator.schemas import Canceled, Done
from holdfast.gateway.operator.services import Outcome, Replica

DECISION_SECONDS_MAX = 5.0  # A disk that takes longer is in trouble; the operator learns that it is not decided.

_DECIDED = (ControlEventKind.COMMAND_DONE, ControlEventKind.COMMAND_REPEATED, ControlEventKind.COMMAND_REJECTED)


async def carry_out(replica: Replica, command: Command) -> ControlEvent:
    """Journal one command and wait until it is durable and applied. Raises ProblemError when it is refused."""
    return await carry_out_group(replica, encode(command._replace(received_ts_ns=replica.clock.now_ns())))


async def carry_out_group(replica: Replica, records: bytes) -> ControlEvent:
    """The same for a group; the event is that of its first command."""
    control = _decision(await _outcome(replica, records))
    if control.kind == ControlEventKind.COMMAND_REJECTED:
        raise refused(control.reason)
    return control


async def carry_out_canceling(replica: Replica, command: Command) -> Canceled:
    """The same for a command that cancels orders; tells how many."""
    outcome = await _outcome(replica, encode(command._replace(received_ts_ns=replica.clock.now_ns())))
    control = _decision(outcome)
    if control.kind == ControlEventKind.COMMAND_REJECTED:
        raise refused(control.reason)
    canceled = sum(event.value for event in outcome.controls if event.kind == ControlEventKind.ORDERS_CANCELED)
    return Canceled(control.seq, is_repeated(control), canceled)


def is_repeated(control: ControlEvent) -> bool:
    return control.kind == ControlEventKind.COMMAND_REPEATED


def done(control: ControlEvent) -> Done:
    return Done(control.first_seq or control.seq, is_repeated(control))


async def _outcome(replica: Replica, records: bytes) -> Outcome:
    decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def decide(outcome: Outcome) -> None:
        if not decided.done():  # The client may have gone away meanwhile.
            decided.set_result(outcome)

    try:
        replica.submit(records, decide)
        return await asyncio.wait_for(decided, DECISION_SECONDS_MAX)
    except JournalUnavailableError as error:
        raise unavailable(error.reason) from None
    except TimeoutError:
        raise pending() from None


def _decision(outcome: Outcome) -> ControlEvent:
    for control in outcome.controls:
        if control.kind in _DECIDED:
            return control
    raise ProblemError(500, f"Command {outcome.seq} was skipped: it broke an invariant of the engine.")
