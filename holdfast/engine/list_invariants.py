"""What must hold of order lists between two commands, checked the slow way from the arrays."""

import numpy as np

from holdfast.codes import OrderListKind, OrderStatus, Side
from holdfast.engine.handle import Memory
from holdfast.engine.state import NIL, PAIRED, PENDING, SINGLE


def check_lists(memory: Memory, rows: np.ndarray) -> None:
    """`rows` are those of the open orders. An order is in a list that names it; a list has the orders of its phase."""
    head = memory["list_head"][0]
    in_use = np.flatnonzero(memory["order_lists"]["order_list_id"])
    assert len(in_use) == head["open_list_count"]
    mine: dict[int, list[int]] = {int(row): [] for row in in_use}
    for row in rows.tolist():
        list_row = int(memory["details"][row]["list_row"])
        if list_row != NIL:
            mine[list_row].append(row)
        else:
            assert memory["details"][row]["status"] != OrderStatus.PENDING_NEW
    for list_row, order_rows in mine.items():
        check_list(memory, list_row, order_rows)
    check_positions_lists(memory, in_use)
    assert memory["step"][0]["due_first"] == NIL


def check_list(memory: Memory, list_row: int, order_rows: list[int]) -> None:
    """Its open orders, the holder of a pair, what OPO has locked, and its client id."""
    order_list = memory["order_lists"][list_row]
    orders = {int(memory["details"][row]["order_id"]): memory["details"][row] for row in order_rows}
    legs = [int(order_list[f"order_id_{number}"]) for number in range(1, int(order_list["leg_count"]) + 1)]
    assert set(orders) <= set(legs)
    pending = [order_id for order_id, order in orders.items() if order["status"] == OrderStatus.PENDING_NEW]
    phase = order_list["phase"]
    assert phase in (PENDING, PAIRED, SINGLE)
    if phase == PENDING:
        assert sorted(orders) == legs
        assert sorted(pending) == legs[1:]
    else:
        assert pending == []
        assert order_list["held_units"] == 0
        assert len(orders) == (2 if phase == PAIRED else 1)
    if phase == PAIRED:
        check_holder(orders, int(order_list["holder_id"]))
    else:
        assert order_list["holder_id"] == 0
    assert order_list["held_units"] == 0 or order_list["kind"] in (OrderListKind.OPO, OrderListKind.OPOCO)
    entry = memory["client_ids"][order_list["client_id_row"]]
    assert entry["link"] == list_row
    assert entry["order_id"] == order_list["order_list_id"]
    assert entry["account_id"] == -order_list["account_id"]


def check_holder(orders: dict[int, np.void], holder_id: int) -> None:
    """The two are of one side and quantity, and the holder is the one that needs more."""
    first, second = orders.values()
    assert first["side"] == second["side"]
    assert first["qty_lots"] == second["qty_lots"]
    assert first["executed_lots"] == second["executed_lots"] == 0
    if first["side"] == Side.BUY:
        assert orders[holder_id]["price_ticks"] == max(first["price_ticks"], second["price_ticks"])


def check_positions_lists(memory: Memory, in_use: np.ndarray) -> None:
    """Each position lists its open lists, in the order in which they were placed."""
    listed = []
    for position_row in range(1, int(memory["venue"][0]["position_count"]) + 1):
        lists = memory["position_lists"][position_row]
        older, row, count = NIL, int(lists["first_list"]), 0
        while row != NIL:
            assert memory["order_lists"][row]["position"] == position_row
            assert memory["order_lists"][row]["older"] == older
            listed.append(row)
            older, row, count = row, int(memory["order_lists"][row]["younger"]), count + 1
        assert lists["last_list"] == older
        assert lists["open_count"] == count
    assert sorted(listed) == in_use.tolist()
