"""Tick: what is due by the clock happens at a command that carries nothing but time.

commands → engine (TICK: one due thing after the other) → events

The engine has no clock. The venue looks at `next_due_ts_ns` and journals a TICK when that time has come; what is due by
the TICK's `ts_ns` happens there and at no other command, however late it comes, so whoever replays the journal does the
same. One step begins one due thing; what that leads to (a mass cancel, trades, triggered orders) is done before the
next one is looked for. A TICK that finds nothing due changes nothing and says nothing.
"""

from holdfast.engine.countdown import drop_first, first_countdown_ts_ns, run_out
from holdfast.engine.handle import Memory
from holdfast.engine.jit import cold, hot
from holdfast.engine.ladder import KEY_MAX
from holdfast.engine.reopening import halt_next, move_on, next_instrument
from holdfast.engine.state import IDLE, views


def next_due_ts_ns(memory: Memory) -> int:
    """The earliest time at which something is due; 0: nothing will be."""
    countdown_ts_ns = int(memory["countdowns"][memory["countdown_heap"][1]]["due_ts_ns"])
    mode_times = memory["schedules"]["next_ts_ns"]
    return min(filter(None, [countdown_ts_ns, *mode_times[mode_times != 0].tolist()]), default=0)


@cold
def is_due(handle):
    """Whether something is due by the time of the command in hand."""
    state = views(handle)
    due_ts_ns = first_ts_ns(state, first_countdown_ts_ns(state), next_instrument(state))
    return due_ts_ns != 0 and due_ts_ns <= state.venue[0]["ts_ns"]


@hot
def first_ts_ns(state, countdown_ts_ns, instrument_id):
    """The earlier of when the first timer runs out and when the instrument's next mode is due; 0: neither is."""
    mode_ts_ns = state.schedules[instrument_id]["next_ts_ns"]
    if countdown_ts_ns == 0 or mode_ts_ns == 0:
        return countdown_ts_ns + mode_ts_ns
    return min(countdown_ts_ns, mode_ts_ns)


@cold
def do_next_due(handle):
    """Begin the thing that is due first; there is one. At one instant timers come before modes, so that who has gone
    is not in an auction."""
    state = views(handle)
    step = state.step[0]
    step["phase"] = IDLE
    step["highest_ticks"] = 0  # Only its own trades trigger orders after it.
    step["lowest_ticks"] = KEY_MAX
    instrument_id = next_instrument(state)
    if is_mode_first(state, instrument_id):
        step["about_account_id"] = 0
        step["about_instrument_id"] = instrument_id
        move_on(handle, instrument_id)
    else:
        run_out(handle)


@hot
def is_mode_first(state, instrument_id):
    """Whether the instrument's next mode is due before the first timer; one of them is due."""
    countdown_ts_ns = first_countdown_ts_ns(state)
    mode_ts_ns = state.schedules[instrument_id]["next_ts_ns"]
    return countdown_ts_ns == 0 or (mode_ts_ns != 0 and mode_ts_ns < countdown_ts_ns)


@cold
def drop_due(handle):
    """Forget what is due: a TICK that failed is skipped, and the next one would fail on the same. Nobody knows which
    mode it was, so all instruments whose modes were due stop."""
    state = views(handle)
    while is_due(handle):
        instrument_id = next_instrument(state)
        if is_mode_first(state, instrument_id):
            halt_next(handle, instrument_id)
        else:
            drop_first(handle)
