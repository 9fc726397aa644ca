"""Rows of open order lists: taking, finding and freeing them.

commands → engine (lists → LIST ROWS) → events

A list has a row while one of its orders is open. It is found by its id through a hash, and a position has its open
lists in the order in which they were placed. The list's own client id is kept as those of orders are (`ids.py`), under
the account's negative number, so that lists and orders may have the same one and the same rule holds for both: it
counts while the list is open, and as long afterwards as the horizon says.

Invariants: `open_count` of a position is the number of its listed rows; `older` and `younger` of two neighbours agree.
"""

import numpy as np

from holdfast.codes import OrderStatus
from holdfast.engine.ids import is_target_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.slots import FREE, home, insert, next_place, row_of, tag_of, tag_of_pair, tag_of_text
from holdfast.engine.state import NIL, views


@hot
def list_tag(state, order_list_id):
    return tag_of_pair(state.venue[0]["hash_seed"], order_list_id >> 31, order_list_id & 0x7FFFFFFF)


@cold
def find_order_list(handle, order_list_id):
    """The row of an open list, or NIL."""
    state = views(handle)
    slots = state.order_list_slots
    tag = list_tag(state, order_list_id)
    place = home(slots, tag)
    while slots[place] != FREE:
        row = row_of(slots[place])
        if tag_of(slots[place]) == tag and state.order_lists[row]["order_list_id"] == order_list_id:
            return row
        place = next_place(slots, place)
    return np.int64(NIL)


@hot
def enter_order_list(state, row):
    """Make the row findable."""
    insert(state.order_list_slots, list_tag(state, state.order_lists[row]["order_list_id"]), row)


@cold
def find_open_list_client_id(handle, account_id, words):
    """The row of the account's open list with this client id of its own, or NIL."""
    state = views(handle)
    slots = state.client_id_slots
    tag = tag_of_text(state.venue[0]["hash_seed"], -account_id, words[0], words[1], words[2], words[3], words[4])
    place = home(slots, tag)
    while slots[place] != FREE:
        entry = state.client_ids[row_of(slots[place])]
        if tag_of(slots[place]) == tag and entry["account_id"] == -account_id and is_target_text(entry, words):
            return np.int64(entry["link"]) if entry["status"] == OrderStatus.NEW else np.int64(NIL)
        place = next_place(slots, place)
    return np.int64(NIL)
