"""What Python may ask of the open order lists; `reads.py` is for the rest of the state."""

from typing import Any

from holdfast.codes import ContingencyType, ListOrderStatus, ListStatusType, OrderListKind
from holdfast.engine.handle import Memory
from holdfast.engine.jit import entry
from holdfast.engine.list_rows import find_open_list_client_id, find_order_list
from holdfast.engine.positions import find_position
from holdfast.engine.reads import client_id_words, collect, is_account, text_of
from holdfast.engine.state import NIL, views
from holdfast.views import OrderList


def order_list(memory: Memory, order_list_id: int) -> OrderList | None:
    row = _find_row(memory.handle, order_list_id) if order_list_id > 0 else NIL
    return None if row == NIL else _order_list(memory["order_lists"][row])


def order_list_by_client_id(memory: Memory, account_id: int, client_id: str) -> OrderList | None:
    words = client_id_words(client_id)
    row = NIL if words is None else _find_client_id_row(memory.handle, account_id, *words)
    return None if row == NIL else _order_list(memory["order_lists"][row])


def order_lists(memory: Memory, account_id: int, instrument_id: int) -> list[OrderList]:
    """Of one instrument or (0) of all, oldest first."""
    if not is_account(memory, account_id):
        return []
    rows = collect(lambda into: _list_rows(memory.handle, account_id, instrument_id, into))
    return sorted(_order_list(memory["order_lists"][row]) for row in rows)


def _order_list(row: Any) -> OrderList:
    contingency = ContingencyType.OCO if row["kind"] == OrderListKind.OCO else ContingencyType.OTO
    return OrderList(
        order_list_id=int(row["order_list_id"]),
        client_id=text_of(row),
        account_id=int(row["account_id"]),
        instrument_id=int(row["instrument_id"]),
        contingency=int(contingency),
        list_status_type=int(ListStatusType.EXEC_STARTED),
        list_order_status=int(ListOrderStatus.EXECUTING),
        leg_count=int(row["leg_count"]),
        order_id_1=int(row["order_id_1"]),
        order_id_2=int(row["order_id_2"]),
        order_id_3=int(row["order_id_3"]),
        client_id_1=text_of(row, "leg_1_"),
        client_id_2=text_of(row, "leg_2_"),
        client_id_3=text_of(row, "leg_3_"),
        created_ts_ns=int(row["created_ts_ns"]),
        updated_ts_ns=int(row["updated_ts_ns"]),
        updated_seq=int(row["updated_seq"]),
    )


@entry
def _find_row(handle, order_list_id):
    return find_order_list(handle, order_list_id)


@entry
def _find_client_id_row(handle, account_id, word_0, word_1, word_2, word_3, word_4):
    return find_open_list_client_id(handle, account_id, (word_0, word_1, word_2, word_3, word_4))


@entry
def _list_rows(handle, account_id, instrument_id, into):
    state = views(handle)
    count = 0
    position_row = state.accounts[account_id]["first_position"]
    if instrument_id != 0:
        position_row = find_position(state, account_id, instrument_id)
    while position_row != NIL:
        row = state.position_lists[position_row]["first_list"]
        while row != NIL:
            if count < len(into):
                into[count] = row
            count += 1
            row = state.order_lists[row]["younger"]
        position_row = state.positions[position_row]["next"] if instrument_id == 0 else NIL
    return count
