"""Look ahead: begin to bring into the cache what the next commands of a call will touch.

commands → engine (LOOK AHEAD beside apply) → events

An order that is canceled lies where the cache has long forgotten it, and a client id's place in its hash lies anywhere.
Waiting for memory was half of the time of a command. In a batch the commands to come are known: those far ahead have
their hash entries fetched, those near, whose entries are there by now, the rows behind them. That nothing is found
here, or something that is gone when its command's turn comes, costs time and nothing else: nothing is decided here.
"""

import numpy as np

from holdfast.config import PAGE_TICKS
from holdfast.engine.book import best_level, price_key, side_row
from holdfast.engine.ids import client_id_tag
from holdfast.engine.jit import cold, hot, prefetch
from holdfast.engine.ladder import KEY_MAX, leaf_page
from holdfast.engine.order_index import index_place, likely_row
from holdfast.engine.positions import position_place
from holdfast.engine.risk import is_instrument
from holdfast.engine.slots import home, row_of
from holdfast.engine.state import views

FARTHEST = 24  # How many commands ahead the command itself is fetched, and then what it leads to.
FAR = 12
NEAR = 8
NEXT = 4


@hot
def look_ahead(handle, i, count):
    """Before command number `i` of `count`."""
    if i + FARTHEST < count:
        look(handle, i)


@cold
def look(handle, i):
    state = views(handle)
    prefetch(state.commands, i + FARTHEST)
    prefetch(state.book.order_index, index_place(state.book, state.venue[0]["order_count"] + NEAR))
    fetch_hash_entries(state, state.commands[i + FAR])
    fetch_rows(state, state.commands[i + NEAR])
    fetch_neighbours(state, state.commands[i + NEXT])


@hot
def fetch_hash_entries(state, command):
    account_id = np.int64(command["account_id"])
    prefetch(state.accounts, account_id)
    prefetch(state.keys, np.int64(command["key_id"]))
    prefetch(state.position_slots, position_place(state, account_id, np.int64(command["instrument_id"])))
    slots = state.client_id_slots
    prefetch(slots, home(slots, client_id_tag(state, account_id, command)))
    prefetch(state.book.order_index, index_place(state.book, command["order_id"]))


@hot
def fetch_rows(state, command):
    prefetch(state.positions, likely_position(state, command))
    row = likely_row(state.book, command["order_id"])
    prefetch(state.details, row)
    prefetch(state.book.orders, row)


@hot
def likely_position(state, command):
    """The row of the first position that may be the command's, without a look at it."""
    place = position_place(state, np.int64(command["account_id"]), np.int64(command["instrument_id"]))
    return row_of(state.position_slots[place])


@hot
def fetch_neighbours(state, command):
    """The rows that those of the command point to."""
    position = state.positions[likely_position(state, command)]
    prefetch(state.balances, position["base_row"])
    prefetch(state.balances, position["quote_row"])
    row = likely_row(state.book, command["order_id"])
    order = state.details[row]
    prefetch(state.client_ids, np.int64(order["client_id_row"]))
    prefetch(state.details, np.int64(order["older"]))
    prefetch(state.details, np.int64(order["younger"]))
    prefetch(state.book.levels, np.int64(state.book.orders[row]["level"]))
    prefetch(state.details, position["last_order"])
    fetch_book(state, command)


@hot
def fetch_book(state, command):
    """The order that a taker would meet, and the place of the level where one would rest."""
    instrument_id = np.int64(command["instrument_id"])
    if not is_instrument(state, instrument_id):
        return
    side = side_row(instrument_id, command["side"])
    maker = np.int64(state.book.levels[best_level(state.book, side ^ 1)]["first"])
    prefetch(state.details, maker)
    prefetch(state.book.orders, maker)
    key = price_key(side, command["price_ticks"] & KEY_MAX)
    prefetch(state.book.page_slots, leaf_page(state.book, side, key) * PAGE_TICKS + (key & (PAGE_TICKS - 1)))
