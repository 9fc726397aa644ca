"""Client order ids: an id names one order of its account, and a retry never makes a second one.

An entry is a cache line with all 36 bytes, found through a hash. While its order is open it points to the order. An
order that was given another id has several: `client_id_row` is the present one's, and each holds the row of the one
before it, so that all of them count until the order has ended and as long afterwards as its last one. Then it waits in
the queue of closed ids, which is in the order of closing, until it is older than the horizon or the limit of remembered
ids crowds it out. A refused id waits in a queue of its own until its command's deadline: a delayed first copy cannot
execute after its retry was refused.

Whether an id counts is decided when it is looked up, from its times alone; when its memory is freed decides nothing.
So freeing may lag: each command frees at most EVICTED_PER_COMMAND entries of either queue, and closing an order in a
full queue frees up to two. An entry that no longer counts when it is looked up is forgotten (status NONE) and stays in
its queue until it is the first.

Invariant: an entry is in the hash unless it is free or forgotten; entries that count are unique.
"""

import numpy as np

from holdfast.codes import OrderStatus
from holdfast.engine.jit import cold, hot, prefetch
from holdfast.engine.slots import FREE, home, insert, next_place, remove, row_of, tag_of, tag_of_text
from holdfast.engine.state import NIL, views

EVICTED_PER_COMMAND = 2
PLACE_FETCHED_AHEAD = 5  # How many ids before it goes an id's place in the hash is fetched,
ROW_FETCHED_AHEAD = 10  # and its row.


@hot
def client_id_tag(state, account_id, text):
    """The tag of an entry's or an order's client id: a row with `client_id_0` to `client_id_4`."""
    return tag_of_text(
        state.venue[0]["hash_seed"],
        account_id,
        text["client_id_0"],
        text["client_id_1"],
        text["client_id_2"],
        text["client_id_3"],
        text["client_id_4"],
    )


@hot
def is_same_text(a, b):
    """Whether two rows hold the same 36 bytes."""
    return (
        a["client_id_0"] == b["client_id_0"]
        and a["client_id_1"] == b["client_id_1"]
        and a["client_id_2"] == b["client_id_2"]
        and a["client_id_3"] == b["client_id_3"]
        and a["client_id_4"] == b["client_id_4"]
    )


@hot
def is_target_text(text, words):
    """Whether a row holds the 36 bytes that these words are."""
    return (
        text["client_id_0"] == words[0]
        and text["client_id_1"] == words[1]
        and text["client_id_2"] == words[2]
        and text["client_id_3"] == words[3]
        and text["client_id_4"] == words[4]
    )


@hot
def copy_text(to, source):
    to["client_id_0"] = source["client_id_0"]
    to["client_id_1"] = source["client_id_1"]
    to["client_id_2"] = source["client_id_2"]
    to["client_id_3"] = source["client_id_3"]
    to["client_id_4"] = source["client_id_4"]


@hot
def is_empty_text(text):
    return text["client_id_0"] == 0


@cold
def find_client_id(handle, tag, account_id, text):
    """The row of the entry that counts for an account's client id, or NIL."""
    state = views(handle)
    slots = state.client_id_slots
    place = home(slots, tag)
    while slots[place] != FREE:
        if tag_of(slots[place]) == tag:
            row = row_of(slots[place])
            entry = state.client_ids[row]
            if entry["account_id"] == account_id and is_same_text(entry, text):
                if counts(state, entry):
                    return row
                remove(slots, tag, row)
                entry["status"] = OrderStatus.NONE
                return NIL
        place = next_place(slots, place)
    return NIL


@hot
def counts(state, entry):
    """Whether an entry refuses a second order now."""
    venue = state.venue[0]
    status = entry["status"]
    if status == OrderStatus.NEW:
        return True
    if status == OrderStatus.NONE:
        return False
    if status == OrderStatus.REJECTED:
        return venue["clock_ts_ns"] <= entry["ts_ns"]
    return venue["ts_ns"] - entry["ts_ns"] < venue["client_id_horizon_ns"]


@hot
def remember_open(handle, tag, order):
    """An order was accepted: its id counts from now on. Returns the entry's row."""
    state = views(handle)
    row = take_row(state)
    fill_entry(state, row, tag, order, OrderStatus.NEW.value)
    return row


@cold
def remember_refused(handle, order, deadline_ts_ns):
    """An order was refused: its id counts until the deadline, if there is room to remember it.

    Not if it counts already: a replacement that HALT refused may have had the id of an open order.
    """
    state = views(handle)
    venue = state.venue[0]
    if is_empty_text(order):
        return
    account_id = np.int64(order["account_id"])
    tag = client_id_tag(state, account_id, order)
    if find_client_id(handle, tag, account_id, order) != NIL:
        return
    evict(handle)
    if venue["refused_count"] >= venue["client_ids_max"]:
        return
    row = take_row(state)
    fill_entry(state, row, tag, order, OrderStatus.REJECTED.value)
    state.client_ids[row]["ts_ns"] = deadline_ts_ns
    last = venue["refused_last"]
    if last == NIL:
        venue["refused_first"] = row
    else:
        state.client_ids[last]["link"] = row
    venue["refused_last"] = row
    venue["refused_count"] += 1


@hot
def close_client_id(state, row, status):
    """The order ended: this id of it joins the queue of closed ones."""
    venue = state.venue[0]
    entry = state.client_ids[row]
    entry["status"] = status
    entry["ts_ns"] = venue["ts_ns"]
    entry["link"] = NIL
    last = venue["closed_last"]
    if last == NIL:
        venue["closed_first"] = row
    else:
        state.client_ids[last]["link"] = row
    venue["closed_last"] = row
    venue["closed_count"] += 1
    # Two, so that a limit that was lowered is reached even if every command closes an order.
    if venue["closed_count"] > venue["client_ids_max"]:
        crowd_out_oldest(state)
    if venue["closed_count"] > venue["client_ids_max"]:
        crowd_out_oldest(state)


@cold
def rename_order(handle, tag, order, text):
    """Give an open order the client id of `text`; its former one remains one of its own."""
    state = views(handle)
    former = np.int64(order["client_id_row"])
    copy_text(order, text)
    row = remember_open(handle, tag, order)
    state.client_ids[row]["link"] = state.client_ids[former]["link"]
    state.client_ids[row]["ts_ns"] = former
    order["client_id_row"] = row


@hot
def former_id_count(state):
    """How many ids open orders had before the one they have. Not while an order is in hand."""
    venue = state.venue[0]
    open_count = venue["open_order_count"] + state.list_head[0]["open_list_count"]
    return venue["client_id_count"] - open_count - venue["closed_count"] - venue["refused_count"]


@hot
def link_client_ids(state, row, order_row):
    """The order lies in this row from now on."""
    while row != NIL:
        state.client_ids[row]["link"] = order_row
        row = state.client_ids[row]["ts_ns"]


@hot
def close_client_ids(state, row, status):
    """An order ended: its ids join the queue of closed ones, the newest first."""
    former = state.client_ids[row]["ts_ns"]
    close_client_id(state, row, status)
    if former != NIL:
        close_former_ids(state, former, status)


@cold
def close_former_ids(state, row, status):
    while row != NIL:
        former = state.client_ids[row]["ts_ns"]
        close_client_id(state, row, status)
        row = former


@hot
def evict(handle):
    """Free the memory of ids at the front of both queues that no longer count; a bounded number."""
    state = views(handle)
    venue = state.venue[0]
    for _ in range(EVICTED_PER_COMMAND):
        row = venue["closed_first"]
        if row == NIL or counts(state, state.client_ids[row]):
            break
        drop_oldest_closed(state)
    for _ in range(EVICTED_PER_COMMAND):
        row = venue["refused_first"]
        if row == NIL or counts(state, state.client_ids[row]):
            break
        venue["refused_first"] = np.int64(state.client_ids[row]["link"])
        if venue["refused_first"] == NIL:
            venue["refused_last"] = NIL
        venue["refused_count"] -= 1
        free_row(state, row)


@hot
def fetch_next_closed(state):
    """Begin to bring into the cache what the next ids to go will touch: the queue is as long as memory is large.

    Each time that one goes. Where it is in the queue is remembered, since walking there takes as long as a miss.
    """
    step = state.step[0]
    if step["far_closed_row"] == NIL:
        find_next_closed(state)
    else:
        step["near_closed_row"] = state.client_ids[step["near_closed_row"]]["link"]
        step["far_closed_row"] = state.client_ids[step["far_closed_row"]]["link"]
    entry = state.client_ids[step["near_closed_row"]]
    prefetch(state.client_id_slots, home(state.client_id_slots, client_id_tag(state, entry["account_id"], entry)))
    prefetch(state.client_ids, np.int64(state.client_ids[step["far_closed_row"]]["link"]))


@cold
def find_next_closed(state):
    """Walk to where the next ones are; NIL behind the end of the queue."""
    row = np.int64(state.venue[0]["closed_first"])
    for _ in range(PLACE_FETCHED_AHEAD):
        row = np.int64(state.client_ids[row]["link"])
    state.step[0]["near_closed_row"] = row
    for _ in range(ROW_FETCHED_AHEAD - PLACE_FETCHED_AHEAD):
        row = np.int64(state.client_ids[row]["link"])
    state.step[0]["far_closed_row"] = row


@hot
def crowd_out_oldest(state):
    venue = state.venue[0]
    oldest = state.client_ids[venue["closed_first"]]
    if counts(state, oldest):
        venue["crowded_out_ts_ns"] = oldest["ts_ns"]
    drop_oldest_closed(state)


@hot
def drop_oldest_closed(state):
    venue = state.venue[0]
    row = venue["closed_first"]
    venue["closed_first"] = np.int64(state.client_ids[row]["link"])
    if venue["closed_first"] == NIL:
        venue["closed_last"] = NIL
    venue["closed_count"] -= 1
    free_row(state, row)
    fetch_next_closed(state)


@hot
def take_row(state):
    venue = state.venue[0]
    row = venue["client_id_free"]
    if row != NIL:
        venue["client_id_free"] = np.int64(state.client_ids[row]["link"])
    else:
        row = venue["client_id_rows"] + 1
        venue["client_id_rows"] = row
    venue["client_id_count"] += 1
    return row


@hot
def fill_entry(state, row, tag, order, status):
    entry = state.client_ids[row]
    copy_text(entry, order)
    entry["account_id"] = order["account_id"]
    entry["order_id"] = order["order_id"]
    entry["ts_ns"] = 0
    entry["link"] = NIL
    entry["status"] = status
    insert(state.client_id_slots, tag, row)


@hot
def enter_client_id(state, row):
    """Make the entry findable."""
    entry = state.client_ids[row]
    insert(state.client_id_slots, client_id_tag(state, entry["account_id"], entry), row)


@hot
def free_row(state, row):
    venue = state.venue[0]
    entry = state.client_ids[row]
    if entry["status"] != OrderStatus.NONE:
        remove(state.client_id_slots, client_id_tag(state, entry["account_id"], entry), row)
        entry["status"] = OrderStatus.NONE
    entry["account_id"] = 0
    entry["link"] = venue["client_id_free"]
    venue["client_id_free"] = row
    venue["client_id_count"] -= 1
