"""Invariants: everything that must hold between two commands, checked the slow way from the arrays."""

from typing import Any

import numpy as np

from holdfast.codes import OrderStatus, OrderType, Side, TradingMode
from holdfast.engine.audit import Audit
from holdfast.engine.book import PENDING_SIDES_BEGIN, PENDING_TICKS, SIDES_PER_INSTRUMENT, TRIGGER_SIDES_BEGIN
from holdfast.engine.handle import Memory
from holdfast.engine.ladder import KEY_MAX
from holdfast.engine.list_invariants import check_lists
from holdfast.engine.pools import POOLS
from holdfast.engine.state import IDLE, NIL
from holdfast.engine.trails import CALLED, START_SIDES_BEGIN, TRAIL_SIDES_BEGIN

MATCHING = (TradingMode.TRADING, TradingMode.LIMIT_ONLY, TradingMode.POST_ONLY)


def check_invariants(memory: Memory) -> None:
    """Assert all of it."""
    assert memory["step"][0]["phase"] == IDLE
    check_row_zero(memory)
    check_money(memory)
    rows = open_rows(memory)
    check_orders(memory, rows)
    check_positions(memory, rows)
    check_client_ids(memory, rows)
    check_books(memory, rows)
    check_countdowns(memory)
    check_schedules(memory)
    check_trails(memory, rows)
    check_lists(memory, rows)


def check_row_zero(memory: Memory) -> None:
    """NIL is nobody."""
    for pool in (*(pool.name for pool in POOLS), "details", "orders", "levels"):
        assert not memory[pool][:1].view(np.uint8).any(), pool


def check_money(memory: Memory) -> None:
    """Sums, totals and locks agree, and nothing is negative."""
    venue = memory["venue"][0]
    step = memory["step"][0]
    running = step["audited_balances"].copy(), memory["audit_sums"].copy(), memory["audit_needed"].copy()
    step["audited_balances"] = 0
    memory["audit_needed"][:] = 0
    audit = Audit(memory)
    everything = 2**40
    audit.slice(everything)
    result = audit.slice(everything)
    step["audited_balances"], memory["audit_sums"][:], memory["audit_needed"][:] = running
    assert result is not None
    assert result.mismatches == []
    balances = memory["balances"][1 : int(venue["balance_count"]) + 1]
    for column in ("free", "locked", "in_transit"):
        assert (balances[column] >= 0).all()
    for asset_id in range(1, int(venue["asset_count"]) + 1):
        mine = balances["asset_id"] == asset_id
        assert memory["assets"][asset_id]["in_transit"] == balances["in_transit"][mine].sum()
        assert memory["assets"][asset_id]["fees"] >= 0


def open_rows(memory: Memory) -> np.ndarray:
    """The rows of all open orders."""
    return np.flatnonzero(memory["orders"]["order_id"])


def check_orders(memory: Memory, rows: np.ndarray) -> None:
    """The book and the details tell the same of each open order; the book has all of its leaves, or what an iceberg
    shows of them."""
    orders = memory["orders"][rows]
    details = memory["details"][rows]
    assert len(rows) == memory["venue"][0]["open_order_count"]
    assert (orders["order_id"] == details["order_id"]).all()
    assert (orders["account_id"] == details["account_id"]).all()
    pends = details["status"] == OrderStatus.PENDING_NEW
    leaves_lots = leaves_of(details)
    shown_lots = orders["leaves_lots"]
    is_iceberg = details["iceberg_lots"] != 0
    assert ((leaves_lots > 0) | pends).all()
    assert ((shown_lots > 0) | pends).all()
    assert (shown_lots[~is_iceberg] == leaves_lots[~is_iceberg]).all()
    assert (shown_lots <= leaves_lots).all()
    assert (shown_lots[is_iceberg] <= details["iceberg_lots"][is_iceberg]).all()
    counts = np.bincount(details["instrument_id"][is_iceberg], minlength=len(memory["instruments"]))
    assert (memory["instruments"]["iceberg_count"] == counts).all()
    assert (np.isin(details["status"], (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)) | pends).all()
    assert ((details["status"] == OrderStatus.PARTIALLY_FILLED) == (details["executed_lots"] != 0)).all()
    levels = memory["levels"][orders["level"]]
    waits = is_waiting(details)
    assert waits.sum() == memory["venue"][0]["waiting_count"]
    starts = waits & (details["trailing_delta_bips"] != 0) & (details["trailing_ts_ns"] == 0)
    trails = waits & (details["trailing_ts_ns"] != 0)
    for_rise = (details["order_type"] <= OrderType.STOP_LOSS_LIMIT) == (details["side"] == Side.BUY)
    which = np.where(waits, TRIGGER_SIDES_BEGIN + for_rise, details["side"] == Side.SELL)
    which = np.where(starts, START_SIDES_BEGIN + (for_rise | (details["stop_price_ticks"] == 0)), which)
    which = np.where(trails, TRAIL_SIDES_BEGIN + (details["side"] == Side.BUY), which)
    sides = details["instrument_id"] * SIDES_PER_INSTRUMENT + which
    sides = np.where(pends, PENDING_SIDES_BEGIN + details["instrument_id"], sides)
    assert (levels["side_row"] == sides).all()
    keys = zip(levels["side_row"].tolist(), levels["key"].tolist(), strict=True)
    prices = np.array([key if side & 1 else key ^ KEY_MAX for side, key in keys], np.int64)
    expected = np.where(waits, details["stop_price_ticks"], details["price_ticks"])
    expected = np.where(pends, PENDING_TICKS, np.where(trails, details["trailing_delta_bips"], expected))
    assert (expected == np.where(trails, levels["key"], prices)).all()


def is_waiting(details: np.ndarray) -> np.ndarray:
    waits: np.ndarray = (details["order_type"] >= OrderType.STOP_LOSS) & (details["working_ts_ns"] == 0)
    return waits


def leaves_of(details: Any) -> Any:
    """What is open of an order, or of each of some."""
    return details["qty_lots"] - details["executed_lots"] - details["prevented_lots"]


def check_positions(memory: Memory, rows: np.ndarray) -> None:
    """Each position lists its open orders, in the order in which they came to rest, and counts them right."""
    details = memory["details"]
    listed = []
    for position_row in range(1, int(memory["venue"][0]["position_count"]) + 1):
        position = memory["positions"][position_row]
        count = buy_lots = waiting = icebergs = 0
        older, row = NIL, int(position["first_order"])
        while row != NIL:
            order = details[row]
            assert order["position"] == position_row
            assert order["older"] == older
            waiting += int(is_waiting(order))
            icebergs += int(order["iceberg_lots"] != 0)
            listed.append(row)
            count += 1
            if order["side"] == Side.BUY:
                buy_lots += leaves_of(order)
            older, row = row, int(order["younger"])
        assert position["last_order"] == older
        assert position["open_count"] == count
        assert position["waiting_count"] == waiting
        assert position["iceberg_count"] == icebergs
        assert position["open_buy_lots"] == buy_lots
    assert sorted(listed) == rows.tolist()


def check_client_ids(memory: Memory, rows: np.ndarray) -> None:
    """Every open order has its entry, and those of its former ids; every other one is in a queue or free."""
    venue = memory["venue"][0]
    entries = memory["client_ids"]
    mine = entries[memory["details"]["client_id_row"][rows]]
    assert (mine["link"] == rows).all()
    assert (mine["order_id"] == memory["details"]["order_id"][rows]).all()
    former_count = 0
    for entry in mine:
        row = int(entry["ts_ns"])
        while row != NIL:
            assert entries[row]["status"] == OrderStatus.NEW
            assert entries[row]["link"] == entry["link"]
            former_count, row = former_count + 1, int(entries[row]["ts_ns"])
    for queue in ("closed", "refused"):
        row, last, count = int(venue[f"{queue}_first"]), NIL, 0
        while row != NIL:
            assert entries[row]["status"] != OrderStatus.NEW
            last, row, count = row, int(entries[row]["link"]), count + 1
        assert venue[f"{queue}_last"] == last
        assert venue[f"{queue}_count"] == count
    of_lists = memory["list_head"][0]["open_list_count"]
    in_queues = venue["closed_count"] + venue["refused_count"]
    assert venue["client_id_count"] == len(rows) + of_lists + former_count + in_queues


def check_books(memory: Memory, rows: np.ndarray) -> None:
    """Levels hold what their orders hold, and no book is crossed where orders match."""
    orders = memory["orders"][rows]
    lots = np.zeros(len(memory["levels"]), np.int64)
    np.add.at(lots, orders["level"], orders["leaves_lots"])
    assert (memory["levels"]["lots"] == lots).all()
    details = memory["details"][rows]
    details = details[~is_waiting(details) & (details["status"] != OrderStatus.PENDING_NEW)]
    for instrument_id in np.unique(details["instrument_id"]):
        here = details[details["instrument_id"] == instrument_id]
        bids = here["price_ticks"][here["side"] == Side.BUY]
        asks = here["price_ticks"][here["side"] == Side.SELL]
        if memory["instruments"][instrument_id]["mode"] in MATCHING:
            assert not len(bids) or not len(asks) or bids.max() < asks.min()


def check_schedules(memory: Memory) -> None:
    """Where no mode is due nothing is left of a schedule."""
    schedules = memory["schedules"]
    idle = schedules[schedules["next_ts_ns"] == 0]
    for name in ("cancel_only_ns", "auction_ns", "last_mode"):
        assert not idle[name].any(), name


def check_countdowns(memory: Memory) -> None:
    """The heap holds each timer once, and none above one that runs out before it."""
    count = int(memory["venue"][0]["countdown_count"])
    heap = memory["countdown_heap"][1 : count + 1]
    countdowns = memory["countdowns"]
    assert sorted(heap) == np.flatnonzero(countdowns["due_ts_ns"]).tolist()
    assert not memory["countdown_heap"][count + 1 :].any()
    assert countdowns["link"][heap].tolist() == list(range(1, count + 1))
    due = countdowns[heap]["due_ts_ns"]
    assert all(due[place // 2 - 1] <= due[place - 1] for place in range(2, count + 1))
    assert np.count_nonzero(memory["countdown_slots"]) == count


def check_trails(memory: Memory, rows: np.ndarray) -> None:
    """Orders that follow the price: runs in a ring, their extremes in order, none beyond the last price; no other has
    anything there."""
    trails, orders = memory["trails"], memory["orders"]
    details = memory["details"][rows]
    followers = set(rows[is_waiting(details) & (details["trailing_ts_ns"] != 0)].tolist())
    for level in {int(orders[row]["level"]) for row in followers}:
        row = int(memory["levels"][level]["first"])
        is_buy = memory["details"][row]["side"] == Side.BUY
        runs = []
        while row != NIL:
            assert row in followers
            if trails[row]["extreme_ticks"] != 0:
                runs.append(row)
            row = int(orders[row]["next"])
        assert runs[0] == memory["levels"][level]["first"]
        assert trails[runs]["younger"].tolist() == [*runs[1:], runs[0]]
        assert trails[runs]["older"].tolist() == [runs[-1], *runs[:-1]]
        extremes = trails[runs]["extreme_ticks"].tolist()
        assert CALLED not in extremes[1:]
        extremes = extremes[extremes[0] == CALLED :]
        assert extremes == sorted(set(extremes), reverse=not is_buy)
        last_ticks = memory["instruments"][memory["details"][runs[0]]["instrument_id"]]["last_price_ticks"]
        assert all(extreme <= last_ticks if is_buy else extreme >= last_ticks for extreme in extremes)
    others = np.ones(len(trails), np.bool_)
    others[list(followers)] = False
    assert not trails[others].view(np.uint8).any()
