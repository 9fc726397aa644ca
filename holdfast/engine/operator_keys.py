"""Operators' idempotency keys: a command that is sent twice takes effect once, for good.

The key is (kind, scope, text). Money's commands have the account as scope; what must be unique by its text alone (a
code, a symbol, an account's name, a key's request) has scope 0. An entry keeps what the first command said and
made: the same again is answered COMMAND_REPEATED with the first one's id and seq, anything else is refused.
"""

import numpy as np

from holdfast.engine.ids import copy_text, is_same_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.slots import FREE, home, insert, mix, next_place, row_of, tag_of, tag_of_text
from holdfast.engine.state import NIL, views


@cold
def find_operator_key(handle, command_row, scope):
    """The entry of the command's key, or NIL."""
    state = views(handle)
    command = state.commands[command_row]
    slots = state.operator_key_slots
    tag = operator_key_tag(state, np.int64(command["kind"]), scope, command)
    place = home(slots, tag)
    while slots[place] != FREE:
        if tag_of(slots[place]) == tag:
            row = row_of(slots[place])
            entry = state.operator_keys[row]
            if entry["kind"] == command["kind"] and entry["scope"] == scope and is_same_text(entry, command):
                return row
        place = next_place(slots, place)
    return NIL


@cold
def is_same_content(handle, row, command_row):
    """Whether the command says what the entry's first command said."""
    state = views(handle)
    entry = state.operator_keys[row]
    command = state.commands[command_row]
    return (
        entry["account_id"] == command["account_id"]
        and entry["instrument_id"] == command["instrument_id"]
        and entry["price_ticks"] == command["price_ticks"]
        and entry["qty_lots"] == command["qty_lots"]
        and entry["order_id"] == command["order_id"]
    )


@cold
def remember_operator_key(handle, command_row, scope, made_id):
    """The command took effect, and made something with this id."""
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    row = venue["operator_key_count"] + 1
    venue["operator_key_count"] = row
    entry = state.operator_keys[row]
    copy_text(entry, command)
    entry["kind"] = command["kind"]
    entry["scope"] = scope
    entry["account_id"] = command["account_id"]
    entry["instrument_id"] = command["instrument_id"]
    entry["price_ticks"] = command["price_ticks"]
    entry["qty_lots"] = command["qty_lots"]
    entry["order_id"] = command["order_id"]
    entry["id"] = made_id
    entry["first_seq"] = command["seq"]
    enter_operator_key(state, row)


@hot
def enter_operator_key(state, row):
    """Make the entry findable."""
    entry = state.operator_keys[row]
    insert(state.operator_key_slots, operator_key_tag(state, np.int64(entry["kind"]), entry["scope"], entry), row)


@hot
def operator_key_tag(state, kind, scope, text):
    seed = mix(mix(state.venue[0]["hash_seed"], kind), np.int64(scope))
    return tag_of_text(
        seed,
        0,
        text["client_id_0"],
        text["client_id_1"],
        text["client_id_2"],
        text["client_id_3"],
        text["client_id_4"],
    )
