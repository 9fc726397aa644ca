"""Tick: what is due by the clock happens at a command that carries nothing but time.

commands → engine (TICK: one due thing after the other) → events

The engine has no clock. The venue looks at `next_due_ts_ns` and journals a TICK when that time has come; what is due by
the TICK's `ts_ns` happens there and at no other command, however late it comes, so whoever replays the journal does the
same. One step begins one due thing; what that leads to (a mass cancel, trades, triggered orders) is done before the
next one is looked for. A TICK that finds nothing due changes nothing and says nothing.
"""

from holdfast.engine.countdown import drop_first, first_countdown_ts_ns, run_out
from holdfast.engine.handle import Memory
from holdfast.engine.jit import cold
from holdfast.engine.ladder import KEY_MAX
from holdfast.engine.state import IDLE, views


def next_due_ts_ns(memory: Memory) -> int:
    """The earliest time at which something is due; 0: nothing will be."""
    return int(memory["countdowns"][memory["countdown_heap"][1]]["due_ts_ns"])


@cold
def is_due(handle):
    """Whether something is due by the time of the command in hand."""
    state = views(handle)
    due_ts_ns = first_countdown_ts_ns(state)
    return due_ts_ns != 0 and due_ts_ns <= state.venue[0]["ts_ns"]


@cold
def do_next_due(handle):
    """Begin one thing that is due; there is one."""
    step = views(handle).step[0]
    step["phase"] = IDLE
    step["highest_ticks"] = 0  # Only its own trades trigger orders after it.
    step["lowest_ticks"] = KEY_MAX
    run_out(handle)


@cold
def drop_due(handle):
    """Forget what is due: a TICK that failed is skipped, and the next one would fail on the same."""
    while is_due(handle):
        drop_first(handle)
