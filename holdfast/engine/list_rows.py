"""Rows of open order lists: taking, finding and freeing them.

commands → engine (lists → LIST ROWS) → events

A list has a row while one of its orders is open. It is found by its id through a hash, and a position has its open
lists in the order in which they were placed. The list's own client id is kept as those of orders are (`ids.py`), under
the account's negative number, so that lists and orders may have the same one and the same rule holds for both: it
counts while the list is open, and as long afterwards as the horizon says.

An id that was used by a list counts as FILLED once the list is done, however its orders ended.

Invariants: `open_count` of a position is the number of its listed rows; `older` and `younger` of two neighbours agree.
"""

import numpy as np

from holdfast.codes import OrderStatus
from holdfast.engine.ids import client_id_tag, close_client_id, copy_text, is_target_text, remember_open
from holdfast.engine.jit import cold, hot
from holdfast.engine.slots import FREE, home, insert, next_place, remove, row_of, tag_of, tag_of_pair, tag_of_text
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


@cold
def open_order_list(handle):
    """Give the list in hand a row, and enter it under its id, its client id, and as the position's youngest."""
    state = views(handle)
    row = take_list_row(state)
    state.order_lists[row] = state.list_in_hand[0]
    order_list = state.order_lists[row]
    enter_order_list(state, row)
    name = name_in_hand(state, order_list, order_list["order_list_id"])
    entry_row = remember_open(handle, client_id_tag(state, name["account_id"], name), name)
    order_list["client_id_row"] = entry_row
    state.client_ids[entry_row]["link"] = row
    lists = state.position_lists[order_list["position"]]
    order_list["older"] = lists["last_list"]
    if lists["last_list"] == NIL:
        lists["first_list"] = row
    else:
        state.order_lists[lists["last_list"]]["younger"] = row
    lists["last_list"] = row
    lists["open_count"] += 1
    return row


@cold
def close_order_list(handle, row):
    """All its orders have ended: its row is free afterwards, and its client id waits with those of closed orders."""
    state = views(handle)
    order_list = state.order_lists[row]
    close_client_id(state, np.int64(order_list["client_id_row"]), OrderStatus.FILLED.value)
    lists = state.position_lists[order_list["position"]]
    older = np.int64(order_list["older"])
    younger = np.int64(order_list["younger"])
    if older == NIL:
        lists["first_list"] = younger
    else:
        state.order_lists[older]["younger"] = younger
    if younger == NIL:
        lists["last_list"] = older
    else:
        state.order_lists[younger]["older"] = older
    lists["open_count"] -= 1
    remove(state.order_list_slots, list_tag(state, order_list["order_list_id"]), row)
    head = state.list_head[0]
    state.order_lists[row] = state.order_lists[NIL]
    state.order_lists[row]["younger"] = head["list_free"]
    head["list_free"] = row
    head["open_list_count"] -= 1


@hot
def take_list_row(state):
    head = state.list_head[0]
    row = head["list_free"]
    if row != NIL:
        head["list_free"] = np.int64(state.order_lists[row]["younger"])
    else:
        row = head["list_rows"] + 1
        head["list_rows"] = row
    head["open_list_count"] += 1
    return row


@hot
def name_in_hand(state, named, order_list_id):
    """A list's client id as the ids know it: an order's of the account's negative number."""
    name = state.taker[1]
    copy_text(name, named)
    name["account_id"] = -named["account_id"]
    name["order_id"] = order_list_id
    return name


@cold
def name_leg(order_list, number, text):
    """Write down the client id of an order of the list."""
    if number == 1:
        order_list["leg_1_client_id_0"] = text["client_id_0"]
        order_list["leg_1_client_id_1"] = text["client_id_1"]
        order_list["leg_1_client_id_2"] = text["client_id_2"]
        order_list["leg_1_client_id_3"] = text["client_id_3"]
        order_list["leg_1_client_id_4"] = text["client_id_4"]
    elif number == 2:
        order_list["leg_2_client_id_0"] = text["client_id_0"]
        order_list["leg_2_client_id_1"] = text["client_id_1"]
        order_list["leg_2_client_id_2"] = text["client_id_2"]
        order_list["leg_2_client_id_3"] = text["client_id_3"]
        order_list["leg_2_client_id_4"] = text["client_id_4"]
    else:
        order_list["leg_3_client_id_0"] = text["client_id_0"]
        order_list["leg_3_client_id_1"] = text["client_id_1"]
        order_list["leg_3_client_id_2"] = text["client_id_2"]
        order_list["leg_3_client_id_3"] = text["client_id_3"]
        order_list["leg_3_client_id_4"] = text["client_id_4"]
