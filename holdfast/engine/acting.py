"""The acting account's balance events: one for each balance that a step has changed, at its end, base before quote.

A step is a whole PLACE, CANCEL or REPLACE, and in a mass cancel all that happens to one position, however often the
engine paused in between. What the balances were when the step began is in `step`.
"""

from holdfast.engine.emit import emit_balance
from holdfast.engine.jit import cold, hot
from holdfast.engine.state import NIL, views


@cold
def begin_acting(handle, position_row):
    """Remember both balances of the position, unless the step has begun already (REPLACE)."""
    state = views(handle)
    step = state.step[0]
    if step["base_row"] != NIL:
        return
    position = state.positions[position_row]
    base = state.balances[position["base_row"]]
    quote = state.balances[position["quote_row"]]
    step["base_row"] = position["base_row"]
    step["quote_row"] = position["quote_row"]
    step["base_free"] = base["free"]
    step["base_locked"] = base["locked"]
    step["quote_free"] = quote["free"]
    step["quote_locked"] = quote["locked"]


@cold
def end_acting(handle):
    """Emit what changed, if a step has begun at all."""
    step = views(handle).step[0]
    if step["base_row"] == NIL:
        return
    tell_change(handle, step["base_row"], step["base_free"], step["base_locked"])
    tell_change(handle, step["quote_row"], step["quote_free"], step["quote_locked"])
    step["base_row"] = NIL
    step["quote_row"] = NIL


@hot
def tell_change(handle, balance_row, free_before, locked_before):
    balance = views(handle).balances[balance_row]
    if balance["free"] != free_before or balance["locked"] != locked_before:
        change = balance["free"] + balance["locked"] - free_before - locked_before
        emit_balance(handle, balance_row, change)
