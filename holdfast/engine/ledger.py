"""The ledger: what every account holds of every asset, and the totals that must agree with it.

commands → engine (risk → match → settle → LEDGER) → events

A balance is a row found by (account, asset); it never moves and never goes, so whoever has its number keeps it. An
account's rows form a chain in the order of creation. Every change of a row goes through `move`, which asserts that
nothing becomes negative, and tells the running audit of changes behind its cursor.

Invariants, per asset: the sum of free + locked + in_transit over its rows = holdings; deposited - withdrawn =
holdings + fees; so a trade's entries sum to zero when fees are counted.
"""

import numpy as np

from holdfast.config import PPM
from holdfast.engine.jit import cold, hot
from holdfast.engine.slots import (
    FREE,
    home,
    insert,
    next_place,
    row_of,
    tag_of,
    tag_of_pair,
)
from holdfast.engine.state import NIL, views


@hot
def find_balance(state, account_id, asset_id):
    """The row of an account's balance of an asset, or NIL."""
    slots = state.balance_slots
    tag = tag_of_pair(state.venue[0]["hash_seed"], account_id, asset_id)
    place = home(slots, tag)
    while slots[place] != FREE:
        if tag_of(slots[place]) == tag:
            row = row_of(slots[place])
            balance = state.balances[row]
            if balance["account_id"] == account_id and balance["asset_id"] == asset_id:
                return row
        place = next_place(slots, place)
    return NIL


@cold
def make_balance(handle, account_id, asset_id):
    """The row of an account's balance of an asset, made when there is none. `balances_missing` was checked before."""
    state = views(handle)
    row = find_balance(state, account_id, asset_id)
    if row != NIL:
        return row
    venue = state.venue[0]
    row = venue["balance_count"] + 1
    venue["balance_count"] = row
    balance = state.balances[row]
    balance["account_id"] = account_id
    balance["asset_id"] = asset_id
    enter_balance(state, row)
    account = state.accounts[account_id]
    if account["last_balance"] == NIL:
        account["first_balance"] = row
    else:
        state.balances[account["last_balance"]]["next"] = row
    account["last_balance"] = row
    return row


@hot
def enter_balance(state, row):
    """Make the row findable."""
    balance = state.balances[row]
    tag = tag_of_pair(state.venue[0]["hash_seed"], balance["account_id"], balance["asset_id"])
    insert(state.balance_slots, tag, row)


@hot
def balances_left(state):
    """How many more balance rows the limit allows; none when it was lowered below what is in use."""
    return max(state.venue[0]["balances_max"] - state.venue[0]["balance_count"], 0)


@hot
def free_of(state, balance_row):
    """What can be spent. NIL, the row that is not there, has nothing."""
    return state.balances[balance_row]["free"]


@hot
def move(state, balance_row, free_change, locked_change):
    """Change a balance. The counter-entry is the caller's business."""
    assert balance_row != NIL
    balance = state.balances[balance_row]
    free = balance["free"] + free_change
    locked = balance["locked"] + locked_change
    assert free >= 0
    assert locked >= 0
    balance["free"] = free
    balance["locked"] = locked
    tell_audit(state, balance_row, free_change + locked_change)


@hot
def tell_audit(state, balance_row, change):
    """Keep the running audit's sum right when a row changes that it has already added."""
    if balance_row < state.step[0]["audited_balances"]:
        state.audit_sums[state.balances[balance_row]["asset_id"]] += change


@hot
def take_fee(state, asset_id, fee_units):
    """Book a fee that was withheld from what an account received."""
    asset = state.assets[asset_id]
    asset["fees"] += fee_units
    asset["holdings"] -= fee_units
    assert asset["holdings"] >= 0


@hot
def fee_of(units, fee_ppm):
    """The fee on an amount, rounded down. Split, since amount x rate would pass 2^63."""
    return units // PPM * fee_ppm + units % PPM * fee_ppm // PPM


@hot
def is_supply_exceeded(state, asset_id, amount, supply_max):
    asset = state.assets[asset_id]
    return amount > supply_max - asset["holdings"] - asset["fees"]


@cold
def deposit(handle, balance_row, amount):
    """Money comes in from outside."""
    state = views(handle)
    asset = state.assets[state.balances[balance_row]["asset_id"]]
    asset["deposited"] += amount
    asset["holdings"] += amount
    move(state, balance_row, amount, np.int64(0))


@cold
def put_in_transit(handle, balance_row, amount):
    """Hold money for a withdrawal; a negative amount gives it back."""
    state = views(handle)
    balance = state.balances[balance_row]
    balance["in_transit"] += amount
    assert balance["in_transit"] >= 0
    state.assets[balance["asset_id"]]["in_transit"] += amount
    tell_audit(state, balance_row, amount)
    move(state, balance_row, -amount, np.int64(0))


@cold
def send_out(handle, balance_row, amount):
    """Money in transit leaves the venue."""
    state = views(handle)
    balance = state.balances[balance_row]
    balance["in_transit"] -= amount
    assert balance["in_transit"] >= 0
    tell_audit(state, balance_row, -amount)
    asset = state.assets[balance["asset_id"]]
    asset["in_transit"] -= amount
    asset["holdings"] -= amount
    asset["withdrawn"] += amount
