"""Lists: what happens to the other orders of a list when something happens to one.

commands → engine (place, match, trigger, cancel → LISTS) → events

A list is open while an order of it is. It is in one of four phases, and goes through them only forwards:

    PENDING   the working order is open; the pending orders lie on a ladder that nobody sees, and hold nothing
    DUE       the working order was filled; the pending ones are placed in a step of their own, before the next command
    PAIRED    two orders are open of which only one can trade (OCO); one holds the funds of both
    SINGLE    one order is open, on which nothing depends

    an order …        PENDING                          PAIRED                              SINGLE
    trades            filled: DUE                      the other expires: SINGLE           filled: done
    loses lots (STP)  ended: the others expire, done   the other expires: SINGLE           ended: done
    is triggered      –                                the other expires first: SINGLE     –
    ends itself       the others expire, done          –                                   done
    is canceled       all are canceled, done           all are canceled, done              done

A trailing stop is triggered when it is called; that it begins to follow the price ends nothing.

The holder of a pair is the order that needs more, so when the other one is to stand alone, what it needs is there: the
holder's funds are released and its own are held, at once and before it trades. So a trade of another account's order
never changes the funds of a list but by the trade itself.

OPO: what the working order has bought is locked as it comes in, for the pending orders. Its fee comes out of what is
free, if there is as much, so that all that was bought can be sold (Binance, "One Pays the Other").
"""

import numpy as np

from holdfast.codes import (
    ExpiryReason,
    ListOrderStatus,
    ListStatusType,
    OrderEventKind,
    OrderListKind,
    OrderStatus,
)
from holdfast.engine.book import find_order
from holdfast.engine.emit import emit_list, is_live
from holdfast.engine.jit import cold, hot
from holdfast.engine.ledger import move
from holdfast.engine.list_rows import close_order_list
from holdfast.engine.retire import end_order
from holdfast.engine.settle import hold, is_held, leaves_of, release
from holdfast.engine.state import DUE, LEGS_MAX, NIL, PAIRED, PENDING, SINGLE, views


@cold
def leg_changed(handle, list_row, order_id, status):
    """An order of a list traded, lost lots, came to rest or ended; `status` is the one that it has now."""
    state = views(handle)
    order_list = state.order_lists[list_row]
    is_ended = not is_live(status)
    if order_list["phase"] == PENDING:
        if not is_ended:
            return
        if status == OrderStatus.FILLED:
            make_due(state, list_row)
            return
        give_back_bought(state, order_list)
        end_legs(
            handle,
            list_row,
            order_id,
            OrderStatus.EXPIRED.value,
            OrderEventKind.ORDER_EXPIRED.value,
            ExpiryReason.WORKING_ORDER_ENDED.value,
        )
    elif order_list["phase"] == PAIRED:
        end_pair(handle, list_row, order_id)
    if is_ended:
        finish_list(handle, list_row, 0)


@hot
def make_due(state, list_row):
    """Its pending orders are placed after those of the lists that are due already."""
    step = state.step[0]
    state.order_lists[list_row]["phase"] = DUE
    if step["due_first"] == NIL:
        step["due_first"] = list_row
    else:
        state.order_lists[step["due_last"]]["next_due"] = list_row
    step["due_last"] = list_row


@cold
def end_pair(handle, list_row, order_id):
    """Let the other one of two orders expire."""
    end_legs(
        handle,
        list_row,
        order_id,
        OrderStatus.EXPIRED.value,
        OrderEventKind.ORDER_EXPIRED.value,
        ExpiryReason.OTHER_LEG.value,
    )
    order_list = views(handle).order_lists[list_row]
    order_list["phase"] = SINGLE
    order_list["holder_id"] = 0


@cold
def end_other(handle, row):
    """The order of a list in this row is about to be triggered: of a pair the other one ends before."""
    state = views(handle)
    list_row = np.int64(state.details[row]["list_row"])
    if state.order_lists[list_row]["phase"] == PAIRED:
        stand_alone(handle, row)
        end_pair(handle, list_row, state.details[row]["order_id"])


@cold
def cancel_list(handle, list_row):
    """Cancel all open orders of a list; returns how many those were."""
    state = views(handle)
    give_back_bought(state, state.order_lists[list_row])
    count = end_legs(handle, list_row, 0, OrderStatus.CANCELED.value, OrderEventKind.ORDER_CANCELED.value, 0)
    finish_list(handle, list_row, 0)
    return count


@cold
def end_legs(handle, list_row, but_order_id, status, kind, reason):
    """End the open orders of a list, but for one; in their order. Returns how many."""
    state = views(handle)
    count = 0
    for number in range(1, LEGS_MAX + 1):
        order_id = leg_id(state.order_lists[list_row], number)
        row = np.int64(find_order(state.book, order_id)) if order_id != but_order_id else np.int64(NIL)
        if row != NIL:
            end_order(handle, row, status, kind, reason)
            count += 1
    return count


@hot
def leg_id(order_list, number):
    if number == 1:
        return order_list["order_id_1"]
    return order_list["order_id_2"] if number == 2 else order_list["order_id_3"]


@cold
def finish_list(handle, list_row, reason):
    """All its orders have ended; the reason is why pending ones could not be placed, or 0."""
    state = views(handle)
    done = ListOrderStatus.ALL_DONE.value
    emit_list(handle, state.order_lists[list_row], ListStatusType.ALL_DONE.value, done, reason)
    close_order_list(handle, list_row)


@cold
def stand_alone(handle, row):
    """The order in this row, of a list or of none, is about to trade or to lose lots: it holds what it needs itself."""
    state = views(handle)
    order = state.details[row]
    order_list = state.order_lists[order["list_row"]]
    holder_id = order_list["holder_id"]
    if holder_id == 0 or holder_id == order["order_id"]:
        return
    holder = state.details[find_order(state.book, holder_id)]
    release(handle, holder, leaves_of(holder))
    order_list["holder_id"] = order["order_id"]
    if is_held(order):
        hold(state, order, leaves_of(order))


@cold
def lock_bought(handle, order, lots, fee_units):
    """OPO: lock what the working order bought just now."""
    state = views(handle)
    order_list = state.order_lists[order["list_row"]]
    if order_list["phase"] != PENDING or order_list["kind"] < OrderListKind.OPO:
        return
    base_row = state.positions[order["position"]]["base_row"]
    units = lots * state.instruments[order["instrument_id"]]["lot_units"]
    if state.balances[base_row]["free"] < units:
        units -= fee_units
    move(state, base_row, -units, units)
    order_list["held_units"] += units


@cold
def give_back_bought(state, order_list):
    """OPO: what was locked for the pending orders is free again."""
    units = order_list["held_units"]
    if units != 0:
        move(state, state.positions[order_list["position"]]["base_row"], units, -units)
        order_list["held_units"] = 0
