"""The venue: its state, the kill switch, limits, snapshots."""

from holdfast.codes import CommandKind, Limit
from holdfast.commands import Command
from holdfast.gateway.operator import schemas
from holdfast.gateway.operator.call import Call
from holdfast.gateway.operator.commands import carry_out, carry_out_canceling, done
from holdfast.gateway.operator.problems import ProblemError

LIMITS = {limit.name.lower(): limit for limit in Limit if limit}


async def show(call: Call) -> schemas.VenueState:
    return call.services.venue_state()


async def set_killed(call: Call) -> schemas.Canceled:
    command = Command(kind=CommandKind.SET_VENUE_KILLED, qty_lots=int(call.body.killed))
    return await carry_out_canceling(call.services.replica, command)


async def set_limit(call: Call) -> schemas.Done:
    limit = LIMITS.get(call.path["limit"])
    if limit is None:
        raise ProblemError(404, "There is no such limit.", f"There are {', '.join(LIMITS)}.")
    command = Command(kind=CommandKind.SET_LIMIT, order_id=limit, qty_lots=call.body.value)
    return done(await carry_out(call.services.replica, command))


async def take_snapshot(call: Call) -> schemas.SnapshotState:
    try:
        return await call.services.take_snapshot()
    except ValueError as error:
        raise ProblemError(503, str(error), "The state says what is wrong; the venue goes on without it.") from None
