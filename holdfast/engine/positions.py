"""Positions: what an account has going in one instrument.

A position's row is made with an account's first accepted order there and never goes. It holds the rows of both
balances, so that settling looks nothing up, and the list of the account's open orders, oldest first. An account's
positions form a chain in the order of creation, which is the order of a mass cancel.

Invariants: `open_count` and `open_buy_lots` are those of the listed orders; `older` and `younger` of two neighbours
agree.
"""

import numpy as np

from holdfast.codes import Side
from holdfast.engine.jit import cold, hot
from holdfast.engine.ledger import make_balance
from holdfast.engine.slots import FREE, home, insert, next_place, row_of, tag_of, tag_of_pair
from holdfast.engine.state import NIL, views


@hot
def find_position(state, account_id, instrument_id):
    """The row of an account's position in an instrument, or NIL."""
    slots = state.position_slots
    tag = tag_of_pair(state.venue[0]["hash_seed"], account_id, instrument_id)
    place = home(slots, tag)
    while slots[place] != FREE:
        if tag_of(slots[place]) == tag:
            row = row_of(slots[place])
            position = state.positions[row]
            if position["account_id"] == account_id and position["instrument_id"] == instrument_id:
                return row
        place = next_place(slots, place)
    return NIL


@hot
def position_place(state, account_id, instrument_id):
    """Where looking for a position begins."""
    return home(state.position_slots, tag_of_pair(state.venue[0]["hash_seed"], account_id, instrument_id))


@cold
def make_position(handle, account_id, instrument_id):
    """A new position and, where missing, its two balances; returns its row."""
    state = views(handle)
    venue = state.venue[0]
    row = venue["position_count"] + 1
    venue["position_count"] = row
    position = state.positions[row]
    instrument = state.instruments[instrument_id]
    position["account_id"] = account_id
    position["instrument_id"] = instrument_id
    position["base_row"] = make_balance(handle, account_id, instrument["base_asset"])
    position["quote_row"] = make_balance(handle, account_id, instrument["quote_asset"])
    enter_position(state, row)
    account = state.accounts[account_id]
    if account["last_position"] == NIL:
        account["first_position"] = row
    else:
        state.positions[account["last_position"]]["next"] = row
    account["last_position"] = row
    return row


@hot
def enter_position(state, row):
    """Make the row findable."""
    position = state.positions[row]
    tag = tag_of_pair(state.venue[0]["hash_seed"], position["account_id"], position["instrument_id"])
    insert(state.position_slots, tag, row)


@hot
def list_order(state, order_row, leaves_lots):
    """Add an order that came to rest as the position's youngest."""
    order = state.details[order_row]
    position = state.positions[order["position"]]
    last = position["last_order"]
    order["older"] = last
    order["younger"] = NIL
    if last == NIL:
        position["first_order"] = order_row
    else:
        state.details[last]["younger"] = order_row
    position["last_order"] = order_row
    position["open_count"] += 1
    count_open_lots(state, order, leaves_lots)


@hot
def unlist_order(state, order_row, leaves_lots):
    """Take an order with so many lots left out of its position."""
    order = state.details[order_row]
    position = state.positions[order["position"]]
    older = np.int64(order["older"])
    younger = np.int64(order["younger"])
    if older == NIL:
        position["first_order"] = younger
    else:
        state.details[older]["younger"] = younger
    if younger == NIL:
        position["last_order"] = older
    else:
        state.details[younger]["older"] = older
    position["open_count"] -= 1
    count_open_lots(state, order, -leaves_lots)


@hot
def count_open_lots(state, order, lots):
    """The open quantity of a listed order changed by so many lots."""
    if order["side"] == Side.BUY:
        state.positions[order["position"]]["open_buy_lots"] += lots
