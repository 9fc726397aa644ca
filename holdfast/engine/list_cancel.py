"""CANCEL_ORDER_LIST: cancel all open orders of a list that is named by its id, its client id, or both.

commands → engine (cancel → LIST CANCEL → lists) → events
"""

import numpy as np

from holdfast.codes import ListOrderStatus, ListStatusType, RejectReason
from holdfast.engine.acting import begin_acting, end_acting
from holdfast.engine.cancel import judge_cancel_asker, target_words
from holdfast.engine.emit import emit_list
from holdfast.engine.ids import is_target_text
from holdfast.engine.jit import cold
from holdfast.engine.list_rows import find_open_list_client_id, find_order_list
from holdfast.engine.lists import cancel_list
from holdfast.engine.state import NIL, views

_NONE = RejectReason.NONE.value


@cold
def cancel_order_list(handle, command_row):
    """Like CANCEL_ORDER nothing refuses it but who asks, which list, and HALT."""
    state = views(handle)
    list_row = np.int64(NIL)
    reason = judge_cancel_asker(handle, command_row)
    if reason == _NONE:
        list_row = target_list(handle, command_row)
        if list_row == NIL:
            reason = RejectReason.ORDER_LIST_UNKNOWN.value
    if reason != _NONE:
        refuse_list_cancel(handle, command_row, reason)
        return
    begin_acting(handle, np.int64(state.order_lists[list_row]["position"]))
    cancel_list(handle, list_row)
    end_acting(handle)


@cold
def target_list(handle, command_row):
    """The row of the open list that the command names; NIL unless all that it says fits."""
    state = views(handle)
    command = state.commands[command_row]
    account_id = np.int64(command["account_id"])
    words = target_words(command)
    has_client_id = command["target_client_id_0"] != 0
    row = np.int64(NIL)
    if command["order_id"] > 0:
        row = np.int64(find_order_list(handle, command["order_id"]))
    elif command["order_id"] == 0 and has_client_id:
        row = np.int64(find_open_list_client_id(handle, account_id, words))
    if row == NIL:
        return row
    order_list = state.order_lists[row]
    if order_list["account_id"] != account_id or order_list["instrument_id"] != command["instrument_id"]:
        return np.int64(NIL)
    if has_client_id and not is_target_text(order_list, words):
        return np.int64(NIL)
    return row


@cold
def refuse_list_cancel(handle, command_row, reason):
    """Tell it with the list as the command named it."""
    state = views(handle)
    command = state.commands[command_row]
    words = target_words(command)
    state.list_in_hand[0] = state.order_lists[NIL]
    named = state.list_in_hand[0]
    named["order_list_id"] = command["order_id"]
    named["account_id"] = command["account_id"]
    named["instrument_id"] = command["instrument_id"]
    named["key_id"] = command["key_id"]
    named["client_id_0"] = words[0]
    named["client_id_1"] = words[1]
    named["client_id_2"] = words[2]
    named["client_id_3"] = words[3]
    named["client_id_4"] = words[4]
    emit_list(handle, named, ListStatusType.RESPONSE.value, ListOrderStatus.REJECT.value, reason)
