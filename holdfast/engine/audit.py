"""Audit: add everything up again, always, a slice at a time, and compare it with what the books of account say.

A pass first sums the balance rows per asset. Commands go on between slices; a change of a row that is already in the
sum is told to it (`ledger.tell_audit`), so at the end the sums are those of that moment. They must be the assets'
holdings, and deposited - withdrawn must be holdings + fees. Then it goes through the accounts and computes from their
open orders what must be locked. An account with many orders takes several slices; when something happened to it between
two of them, it is begun again, and after ATTEMPTS_MAX such times it is checked in one piece.

The audit reads; what it finds decides nothing in the engine, and where it stands is not part of the state.
"""

from typing import NamedTuple

import numpy as np

from holdfast.codes import Side
from holdfast.engine.emit import is_pending
from holdfast.engine.handle import Memory
from holdfast.engine.jit import entry, hot
from holdfast.engine.settle import is_held_here, leaves_of
from holdfast.engine.state import NIL, views

ATTEMPTS_MAX = 3  # At one account, for whose orders do not fit into a slice and do not stand still.
_FOUND_MAX = 64

_cursor_dtype = np.dtype(  # Where a pass is in the accounts.
    [
        ("account_id", np.int64),
        ("attempts", np.int64),
        ("account_event", np.int64),  # The account's last event when this attempt was begun.
        ("position_row", np.int64),  # NIL: it is not begun.
        ("order_row", np.int64),
        ("rows_over", np.int64),  # That the last slices looked at beyond what they were given.
    ]
)


class Mismatch(NamedTuple):
    """Two numbers that should be equal. `account_id` is 0 where an asset as a whole is meant."""

    what: str
    asset_id: int
    account_id: int
    expected: int
    found: int

    def __str__(self) -> str:
        whose = f" of account {self.account_id}" if self.account_id else ""
        return f"{self.what} of asset {self.asset_id}{whose} is {self.found} and should be {self.expected}, in units"


class AuditResult(NamedTuple):
    """A finished pass: how much it looked at, the sum of all balances per asset, and what did not agree."""

    balances: int
    accounts: int
    holdings: dict[int, int]
    mismatches: list[Mismatch]


class Audit:
    """The running audit of one memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._cursor = np.zeros(1, _cursor_dtype)
        self._sums_done = False
        self._balances = 0
        self._holdings: dict[int, int] = {}
        self._mismatches: list[Mismatch] = []

    def slice(self, rows: int) -> AuditResult | None:
        """Go on for about so many rows; at the end of a pass its result, otherwise None.

        Who was checked in one piece is paid for by slices that do nothing.
        """
        if self._cursor[0]["rows_over"] > 0:
            self._cursor[0]["rows_over"] -= rows
            return None
        memory = self._memory
        step = memory["step"][0]
        if not self._sums_done:
            if step["audited_balances"] == 0:
                memory["audit_sums"][:] = 0
                step["audited_balances"] = 1
            if not _sum_balances(memory.handle, rows):
                return None
            self._compare_sums()
            self._sums_done = True
            step["audited_balances"] = 0
            self._cursor["account_id"] = 1
            return None
        found = np.zeros((_FOUND_MAX, 2), np.int64)  # Balance rows, and what should be locked there.
        count = _check_locked(memory.handle, rows, self._cursor, found)
        self._mismatches += [self._wrong_lock(int(row), int(needed)) for row, needed in found[:count]]
        accounts = int(memory["venue"][0]["account_count"])
        if self._cursor[0]["account_id"] <= accounts:
            return None
        result = AuditResult(self._balances, accounts, self._holdings, self._mismatches)
        self._sums_done = False
        self._mismatches = []
        return result

    def _compare_sums(self) -> None:
        venue = self._memory["venue"][0]
        self._balances = int(venue["balance_count"])
        self._holdings = {}
        for asset_id in range(1, int(venue["asset_count"]) + 1):
            asset = self._memory["assets"][asset_id]
            total = int(self._memory["audit_sums"][asset_id])
            holdings, fees = int(asset["holdings"]), int(asset["fees"])
            self._holdings[asset_id] = total
            self._expect("sum of balances", asset_id, holdings, total)
            self._expect(
                "deposited - withdrawn", asset_id, holdings + fees, int(asset["deposited"] - asset["withdrawn"])
            )

    def _expect(self, what: str, asset_id: int, expected: int, found: int) -> None:
        if expected != found:
            self._mismatches.append(Mismatch(what, asset_id, 0, expected, found))

    def _wrong_lock(self, row: int, needed: int) -> Mismatch:
        balance = self._memory["balances"][row]
        asset_id, account_id = int(balance["asset_id"]), int(balance["account_id"])
        return Mismatch("locked", asset_id, account_id, needed, int(balance["locked"]))


@entry
def _sum_balances(handle, rows):
    """Add so many more rows to the sums; whether these were the last."""
    state = views(handle)
    step = state.step[0]
    first = step["audited_balances"]
    end = min(first + rows, state.venue[0]["balance_count"] + 1)
    for row in range(first, end):
        balance = state.balances[row]
        state.audit_sums[balance["asset_id"]] += balance["free"] + balance["locked"] + balance["in_transit"]
    step["audited_balances"] = end
    return end > state.venue[0]["balance_count"]


@entry
def _check_locked(handle, rows, cursor, found):
    """Go on with the accounts for about so many rows; how many wrong balances `found` has then, or its length."""
    state = views(handle)
    at = cursor[0]
    count = 0
    while rows > 0 and at["account_id"] <= state.venue[0]["account_count"]:
        account = state.accounts[at["account_id"]]
        if at["position_row"] == NIL:
            begin_account(state, at, account)
        elif at["account_event"] != account["event_count"]:
            forget_needed(state, account)
            at["attempts"] += 1
            begin_account(state, at, account)
        rows = add_orders(state, at, rows - 1)
        if at["position_row"] != NIL:
            break
        balance_row = account["first_balance"]
        while balance_row != NIL:
            balance = state.balances[balance_row]
            needed = state.audit_needed[balance_row]
            rows -= 1
            if needed != balance["locked"] and count < len(found):
                found[count, 0] = balance_row
                found[count, 1] = needed
                count += 1
            state.audit_needed[balance_row] = 0
            balance_row = balance["next"]
        at["account_id"] += 1
        at["attempts"] = 0
    at["rows_over"] = -rows
    return count


@hot
def begin_account(state, at, account):
    at["account_event"] = account["event_count"]
    at["position_row"] = account["first_position"]
    at["order_row"] = state.positions[at["position_row"]]["first_order"]


@hot
def forget_needed(state, account):
    balance_row = account["first_balance"]
    while balance_row != NIL:
        state.audit_needed[balance_row] = 0
        balance_row = state.balances[balance_row]["next"]


@hot
def add_orders(state, at, rows):
    """Add up what the account's open orders need, from where the cursor is on; how many rows are left of those."""
    while at["position_row"] != NIL:
        position = state.positions[at["position_row"]]
        while at["order_row"] != NIL:
            if rows <= 0 and at["attempts"] < ATTEMPTS_MAX:
                return rows
            order = state.details[at["order_row"]]
            add_needed(state, position, order)
            at["order_row"] = order["younger"]
            rows -= 1
        at["position_row"] = position["next"]
        at["order_row"] = state.positions[at["position_row"]]["first_order"]
        rows -= 1
    return rows


@hot
def add_needed(state, position, order):
    """What an open order must have locked, added to what its balance needs."""
    if is_pending(order):
        state.audit_needed[position["base_row"]] += bought_for(state, order)
    if not is_held_here(state, order):
        return
    instrument = state.instruments[order["instrument_id"]]
    lots = leaves_of(order)
    if order["side"] == Side.BUY:
        needed = order["price_ticks"] * lots * instrument["units_per_tick_lot"]
        state.audit_needed[position["quote_row"]] += needed
    else:
        state.audit_needed[position["base_row"]] += lots * instrument["lot_units"]


@hot
def bought_for(state, order):
    """OPO: the base units that are locked for the pending orders; told once, with the first of them."""
    order_list = state.order_lists[order["list_row"]]
    return order_list["held_units"] if order_list["order_id_2"] == order["order_id"] else np.int64(0)
