"""Cancel: take an open order off the book, alone or in exchange for a new one.

commands → engine (CANCEL) → events

Canceling needs no funds and no room, so nothing can refuse it but who asks, which order, and HALT.
"""

import numpy as np

from holdfast.codes import (
    CancelRestriction,
    CommandFlag,
    KeyPermission,
    OrderEventKind,
    OrderStatus,
    RejectReason,
    TradingMode,
)
from holdfast.engine.acting import begin_acting, end_acting
from holdfast.engine.book import find_order
from holdfast.engine.emit import emit_order
from holdfast.engine.ids import is_target_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.lists import cancel_list
from holdfast.engine.place import place_in_hand, refuse, take_in_hand
from holdfast.engine.retire import end_order
from holdfast.engine.risk import is_instrument, judge_asker, judge_duplicate
from holdfast.engine.slots import FREE, home, next_place, row_of, tag_of, tag_of_text
from holdfast.engine.state import IDLE, NIL, views

_LOW_32_BITS = 0xFFFFFFFF
_NONE = RejectReason.NONE.value


@cold
def cancel(handle, command_row):
    """CANCEL_ORDER."""
    reason = judge_cancel_asker(handle, command_row)
    if reason == _NONE:
        reason = judge_target(handle, command_row)
    if reason != _NONE:
        refuse_cancel(handle, command_row, reason)
        return
    cancel_target(handle)
    end_acting(handle)


@cold
def replace(handle, command_row):
    """REPLACE_ORDER: the cancel, then the new order; what refuses both changes nothing."""
    take_in_hand(handle, command_row)
    state = views(handle)
    command = state.commands[command_row]
    reason = judge_cancel_asker(handle, command_row)
    if reason == _NONE:
        reason = judge_duplicate(handle)
    if reason != _NONE:
        refuse_cancel(handle, command_row, reason)
        refuse(handle, reason, command["deadline_ts_ns"])
        return
    reason = judge_target(handle, command_row)
    if reason == _NONE:
        cancel_target(handle)
    else:
        refuse_cancel(handle, command_row, reason)
        if command["flags"] & CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS == 0:
            refuse(handle, RejectReason.REPLACE_CANCEL_FAILED.value, command["deadline_ts_ns"])
            return
    place_in_hand(handle, command_row, True)
    if state.step[0]["phase"] == IDLE:
        end_acting(handle)


@hot
def judge_cancel_asker(handle, command_row):
    """Who asks, and whether anything may touch the instrument."""
    reason = judge_asker(handle, command_row, KeyPermission.TRADE.value)
    if reason != _NONE:
        return reason
    state = views(handle)
    instrument_id = np.int64(state.commands[command_row]["instrument_id"])
    if not is_instrument(state, instrument_id):
        return RejectReason.INSTRUMENT_UNKNOWN.value
    if state.instruments[instrument_id]["mode"] == TradingMode.HALT:
        return RejectReason.MODE_FORBIDS.value
    return _NONE


@hot
def judge_target(handle, command_row):
    """Whether the order to cancel is there, and in a state in which it was asked to be canceled."""
    state = views(handle)
    row = target_row(handle, command_row)
    if row == NIL:
        return RejectReason.ORDER_UNKNOWN.value
    state.step[0]["target_row"] = row
    restriction = state.commands[command_row]["cancel_restriction"]
    status = state.details[row]["status"]
    if restriction == CancelRestriction.ONLY_NEW and status != OrderStatus.NEW:
        return RejectReason.CANCEL_RESTRICTED.value
    if restriction == CancelRestriction.ONLY_PARTIALLY_FILLED and status != OrderStatus.PARTIALLY_FILLED:
        return RejectReason.CANCEL_RESTRICTED.value
    return _NONE


@hot
def target_row(handle, command_row):
    """The open order that the command names by its id, its client id, or both; NIL unless all of it fits."""
    state = views(handle)
    command = state.commands[command_row]
    account_id = np.int64(command["account_id"])
    order_id = command["order_id"]
    has_client_id = command["target_client_id_0"] != 0
    row = np.int64(NIL)
    if order_id > 0:
        row = np.int64(find_order(state.book, order_id))
    elif order_id == 0 and has_client_id:
        row = find_open_client_id(state, account_id, target_words(command))
    if row == NIL:
        return NIL
    order = state.details[row]
    if order["account_id"] != account_id or order["instrument_id"] != command["instrument_id"]:
        return NIL
    if has_client_id and not is_target_text(order, target_words(command)):
        return NIL
    return row


@hot
def target_words(command):
    """The target's client id, which lies four bytes off, as the words of a `client_id`."""
    first = np.int64(command["target_client_id_0"])
    word_1 = command["target_client_id_1"]
    word_2 = command["target_client_id_2"]
    word_3 = command["target_client_id_3"]
    word_4 = command["target_client_id_4"]
    return (
        first & _LOW_32_BITS | word_1 << 32,
        word_1 >> 32 & _LOW_32_BITS | word_2 << 32,
        word_2 >> 32 & _LOW_32_BITS | word_3 << 32,
        word_3 >> 32 & _LOW_32_BITS | word_4 << 32,
        word_4 >> 32,
    )


@hot
def find_open_client_id(state, account_id, words):
    """The row of the account's open order with this client id, or NIL."""
    slots = state.client_id_slots
    tag = tag_of_text(state.venue[0]["hash_seed"], account_id, words[0], words[1], words[2], words[3], words[4])
    place = home(slots, tag)
    while slots[place] != FREE:
        if tag_of(slots[place]) == tag:
            entry = state.client_ids[row_of(slots[place])]
            if entry["account_id"] == account_id and is_target_text(entry, words):
                if entry["status"] != OrderStatus.NEW:
                    return NIL
                # An amended order has former ids, too; they name it no more.
                is_present = state.details[entry["link"]]["client_id_row"] == row_of(slots[place])
                return np.int64(entry["link"]) if is_present else NIL
        place = next_place(slots, place)
    return NIL


@hot
def cancel_target(handle):
    """Cancel the order that the command names, which `judge_target` found."""
    state = views(handle)
    row = state.step[0]["target_row"]
    begin_acting(handle, np.int64(state.details[row]["position"]))
    cancel_row(handle, row)


@hot
def cancel_row(handle, row):
    """Cancel an open order, and with it those of its list. Returns how many that were."""
    list_row = np.int64(views(handle).details[row]["list_row"])
    if list_row != NIL:
        return cancel_list(handle, list_row)
    end_order(handle, row, OrderStatus.CANCELED.value, OrderEventKind.ORDER_CANCELED.value, 0)
    return 1


@cold
def refuse_cancel(handle, command_row, reason):
    """Emit CANCEL_REJECTED with the order as the command named it."""
    state = views(handle)
    command = state.commands[command_row]
    words = target_words(command)
    order = state.taker[1]
    order["order_id"] = command["order_id"]
    order["account_id"] = command["account_id"]
    order["instrument_id"] = command["instrument_id"]
    order["key_id"] = command["key_id"]
    order["client_id_0"] = words[0]
    order["client_id_1"] = words[1]
    order["client_id_2"] = words[2]
    order["client_id_3"] = words[3]
    order["client_id_4"] = words[4]
    emit_order(handle, order, OrderEventKind.CANCEL_REJECTED.value, reason)
