"""PLACE_ORDER_LIST: judge all orders of a list, then accept all of them or none.

commands → engine (LIST PLACE: risk → lists → match → settle) → events

The orders come as records before that of the list (ORDER_LIST_LEG) and are kept in `legs`; records that do not come
right before it are forgotten. In hand they lie in `taker` from LEG_ROWS on. The checks, the first that fails is the
answer:

    who asks, instrument
    the form of the list and of each order                 MALFORMED, LIST_LEGS
    the list's client id, then those of the orders         DUPLICATE_LIST_CLIENT_ID, DUPLICATE_CLIENT_ID
    kill switch, freeze, mode, for each order
    the list as a whole                                    MAX_NUM_ORDER_LISTS, MAX_NUM_ORDERS, …, OCO_PRICES
    filters, room, and of what is placed now also book and funds, order by order

If it was one order, that one is refused with the reason and the others with OTHER_LEG_REFUSED; else all with the
reason. A list that is refused for the moment is remembered like an order, under its own id and those of its orders.

What a pending order of OPO will sell is not known yet, so what is judged of its quantity is judged when it is placed.
"""

import numpy as np

from holdfast.codes import (
    InstrumentParameter,
    KeyPermission,
    ListOrderStatus,
    ListStatusType,
    OrderEventKind,
    OrderListKind,
    OrderStatus,
    OrderType,
    RejectReason,
    Side,
)
from holdfast.engine.acting import end_acting
from holdfast.engine.book import PENDING_TICKS, pages_needed, pending_side, side_row
from holdfast.engine.emit import emit_list, emit_order, is_market, is_waiting
from holdfast.engine.ids import client_id_tag, copy_text, find_client_id, is_empty_text, is_same_text, remember_refused
from holdfast.engine.jit import cold, hot
from holdfast.engine.list_rows import name_in_hand, open_order_list
from holdfast.engine.place import (
    count_waiting,
    enter,
    fill_order,
    is_refusal_of_the_moment,
    list_in_hand,
    refuse,
    rest,
    wait,
    work,
)
from holdfast.engine.positions import find_position
from holdfast.engine.risk import (
    is_covered,
    is_instrument,
    is_price_allowed,
    is_price_near,
    is_stop,
    is_well_formed,
    judge_asker,
    judge_duplicate,
    judge_filters,
    judge_permission,
    judge_room,
    may_rest,
    parameter,
    trigger_side_of,
    would_take,
    would_trigger,
)
from holdfast.engine.settle import hold, is_held
from holdfast.engine.state import LEG_ROWS, LEGS_MAX, NIL, PAIRED, PENDING, views

_NONE = RejectReason.NONE.value


@cold
def keep_leg(handle, command_row):
    """ORDER_LIST_LEG: one more order of the list to come, or the first of another one."""
    state = views(handle)
    head = state.list_head[0]
    seq = state.commands[command_row]["seq"]
    if head["leg_seq"] != seq - 1:
        head["leg_count"] = 0
    if head["leg_count"] < LEGS_MAX:
        state.legs[head["leg_count"]] = state.commands[command_row]
    head["leg_count"] += 1
    head["leg_seq"] = seq


@cold
def place_list(handle, command_row):
    """PLACE_ORDER_LIST."""
    count = take_list_in_hand(handle, command_row)
    reason = judge_list(handle, command_row, count)
    if reason != _NONE:
        refuse_list(handle, command_row, min(count, LEGS_MAX), reason)
    else:
        accept_list(handle, count)


@cold
def take_list_in_hand(handle, command_row):
    """Make the command's list and its orders those in hand; returns how many orders came."""
    state = views(handle)
    command = state.commands[command_row]
    head = state.list_head[0]
    count = head["leg_count"] if head["leg_seq"] == command["seq"] - 1 else np.int64(0)
    head["leg_count"] = 0
    head["leg_seq"] = 0
    state.list_in_hand[0] = state.order_lists[NIL]
    order_list = state.list_in_hand[0]
    copy_text(order_list, command)
    order_list["kind"] = command["qty_lots"]
    order_list["leg_count"] = min(count, LEGS_MAX)
    order_list["account_id"] = command["account_id"]
    order_list["instrument_id"] = command["instrument_id"]
    order_list["key_id"] = command["key_id"]
    order_list["created_ts_ns"] = command["ts_ns"]
    order_list["updated_ts_ns"] = command["ts_ns"]
    order_list["updated_seq"] = command["seq"]
    for i in range(order_list["leg_count"]):
        order = state.taker[LEG_ROWS + i]
        fill_order(order, state.legs[i])
        order["created_ts_ns"] = command["ts_ns"]
        order["updated_ts_ns"] = command["ts_ns"]
        order["updated_seq"] = command["seq"]
        name_leg(order_list, i + 1, order)
    return count


@cold
def name_leg(order_list, number, text):
    """Write down the client id of an order of the list."""
    if number == 1:
        order_list["leg_1_client_id_0"] = text["client_id_0"]
        order_list["leg_1_client_id_1"] = text["client_id_1"]
        order_list["leg_1_client_id_2"] = text["client_id_2"]
        order_list["leg_1_client_id_3"] = text["client_id_3"]
        order_list["leg_1_client_id_4"] = text["client_id_4"]
    elif number == 2:
        order_list["leg_2_client_id_0"] = text["client_id_0"]
        order_list["leg_2_client_id_1"] = text["client_id_1"]
        order_list["leg_2_client_id_2"] = text["client_id_2"]
        order_list["leg_2_client_id_3"] = text["client_id_3"]
        order_list["leg_2_client_id_4"] = text["client_id_4"]
    else:
        order_list["leg_3_client_id_0"] = text["client_id_0"]
        order_list["leg_3_client_id_1"] = text["client_id_1"]
        order_list["leg_3_client_id_2"] = text["client_id_2"]
        order_list["leg_3_client_id_3"] = text["client_id_3"]
        order_list["leg_3_client_id_4"] = text["client_id_4"]


# Whether the list may be placed.


@cold
def judge_list(handle, command_row, count):
    """The first reason why not, or NONE; `step` says which order it is about, or 0."""
    state = views(handle)
    kind = state.commands[command_row]["qty_lots"]
    state.step[0]["refused_leg"] = 0
    reason = judge_asker(handle, command_row, KeyPermission.TRADE.value)
    if reason != _NONE:
        return reason
    if not is_instrument(state, np.int64(state.commands[command_row]["instrument_id"])):
        return RejectReason.INSTRUMENT_UNKNOWN.value
    reason = judge_form(handle, command_row, count)
    if reason != _NONE:
        return reason
    reason = judge_ids(handle, count)
    if reason != _NONE:
        return reason
    reason = judge_permissions(handle, count)
    if reason != _NONE:
        return reason
    reason = judge_whole(handle, kind, count)
    if reason != _NONE:
        return reason
    if kind == OrderListKind.OCO and not are_prices_apart(state, state.taker[LEG_ROWS], state.taker[LEG_ROWS + 1]):
        return RejectReason.OCO_PRICES.value
    return judge_legs(handle, kind, count)


@cold
def judge_form(handle, command_row, count):
    """Whether all records are of one request, each is an order, and together they are such a list."""
    state = views(handle)
    command = state.commands[command_row]
    kind = command["qty_lots"]
    if kind < OrderListKind.OCO or kind > OrderListKind.OPOCO or is_empty_text(command):
        return RejectReason.MALFORMED.value
    if count != leg_count_of(kind):
        return RejectReason.MALFORMED.value
    for i in range(count):
        leg = state.legs[i]
        if leg["account_id"] != command["account_id"] or leg["key_id"] != command["key_id"]:
            return RejectReason.MALFORMED.value
        if leg["instrument_id"] != command["instrument_id"] or leg["deadline_ts_ns"] != command["deadline_ts_ns"]:
            return RejectReason.MALFORMED.value
        state.taker[0] = state.taker[LEG_ROWS + i]
        if not is_leg_well_formed(state.taker[0], is_unsized(kind, i)):
            state.step[0]["refused_leg"] = i + 1
            return RejectReason.MALFORMED.value
    if not do_legs_fit(state, kind):
        return RejectReason.LIST_LEGS.value
    return _NONE


@hot
def leg_count_of(kind):
    return 3 if kind == OrderListKind.OTOCO or kind == OrderListKind.OPOCO else 2


@hot
def is_unsized(kind, i):
    """Whether it is a pending order whose quantity is what the working one buys."""
    return i != 0 and kind >= OrderListKind.OPO


@cold
def is_leg_well_formed(order, is_unsized):
    """As any order; one that is unsized says no quantity."""
    if not is_unsized:
        return is_well_formed(order)
    if order["qty_lots"] != 0 or order["quote_units"] != 0:
        return False
    order["qty_lots"] = 1
    return is_well_formed(order)


@cold
def do_legs_fit(state, kind):
    """Types, sides and quantities."""
    first = state.taker[LEG_ROWS]
    second = state.taker[LEG_ROWS + 1]
    third = state.taker[LEG_ROWS + 2]
    if kind == OrderListKind.OCO:
        return is_pair(first, second)
    if first["order_type"] != OrderType.LIMIT and first["order_type"] != OrderType.LIMIT_MAKER:
        return False
    if second["quote_units"] != 0:
        return False
    if kind >= OrderListKind.OPO and (first["side"] != Side.BUY or second["side"] != Side.SELL):
        return False
    return leg_count_of(kind) == 2 or is_pair(second, third)


@cold
def is_pair(above, below):
    """One of two orders of a side and a quantity takes what is better, the other one limits the loss."""
    if above["side"] != below["side"] or above["qty_lots"] != below["qty_lots"]:
        return False
    if above["side"] == Side.SELL:
        return takes_profit(above["order_type"]) and limits_loss(below["order_type"])
    return limits_loss(above["order_type"]) and takes_profit(below["order_type"])


@hot
def takes_profit(order_type):
    return (
        order_type == OrderType.LIMIT_MAKER
        or order_type == OrderType.TAKE_PROFIT
        or order_type == OrderType.TAKE_PROFIT_LIMIT
    )


@hot
def limits_loss(order_type):
    return order_type == OrderType.STOP_LOSS or order_type == OrderType.STOP_LOSS_LIMIT


@cold
def judge_ids(handle, count):
    """Whether the list's client id is free, and those of its orders, which are different ones."""
    state = views(handle)
    step = state.step[0]
    name = name_in_hand(state, state.list_in_hand[0], 0)
    account_id = np.int64(name["account_id"])
    row = find_client_id(handle, client_id_tag(state, account_id, name), account_id, name)
    if row != NIL:
        step["duplicate_list_id"] = state.client_ids[row]["order_id"]
        return RejectReason.DUPLICATE_LIST_CLIENT_ID.value
    for i in range(count):
        step["refused_leg"] = i + 1
        state.taker[0] = state.taker[LEG_ROWS + i]
        if judge_duplicate(handle) != _NONE:
            return RejectReason.DUPLICATE_CLIENT_ID.value
        for j in range(i):
            if is_same_text(state.taker[LEG_ROWS + j], state.taker[0]):
                step["duplicate_order_id"] = 0
                step["duplicate_status"] = OrderStatus.REJECTED.value
                return RejectReason.DUPLICATE_CLIENT_ID.value
    step["refused_leg"] = 0
    return _NONE


@cold
def judge_permissions(handle, count):
    state = views(handle)
    for i in range(count):
        reason = judge_permission(state, state.taker[LEG_ROWS + i])
        if reason != _NONE:
            state.step[0]["refused_leg"] = i + 1
            return reason
    return _NONE


@cold
def judge_whole(handle, kind, count):
    """The limits that a list meets as one: of lists, and of what all its orders need together."""
    state = views(handle)
    head = state.list_head[0]
    account_id = np.int64(state.list_in_hand[0]["account_id"])
    instrument_id = np.int64(state.list_in_hand[0]["instrument_id"])
    position_row = find_position(state, account_id, instrument_id)
    lists_max = parameter(state, instrument_id, InstrumentParameter.ORDER_LISTS_MAX)
    if lists_max != 0 and state.position_lists[position_row]["open_count"] >= lists_max:
        return RejectReason.MAX_NUM_ORDER_LISTS.value
    if head["open_list_count"] >= head["order_lists_max"]:
        return RejectReason.ORDER_LISTS_FULL.value
    first_pending = 1 if kind != OrderListKind.OCO else count
    return judge_together(handle, position_row, count, first_pending)


@cold
def judge_together(handle, position_row, count, first_pending):
    """Whether so many orders in hand have room beside those of the account and of the venue. Those from number
    `first_pending` on are not placed yet."""
    state = views(handle)
    venue = state.venue[0]
    instrument_id = np.int64(state.taker[LEG_ROWS]["instrument_id"])
    stop_count = 0
    pages = 0
    for i in range(count):
        order = state.taker[LEG_ROWS + i]
        stop_count += 1 if is_stop(order) else 0
        pages += pages_of_leg(state, order, i >= first_pending)
    position = state.positions[position_row]
    orders_max = parameter(state, instrument_id, InstrumentParameter.ORDERS_MAX)
    if orders_max != 0 and position["open_count"] + count > orders_max:
        return RejectReason.MAX_NUM_ORDERS.value
    waiting_max = parameter(state, instrument_id, InstrumentParameter.ALGO_ORDERS_MAX)
    if waiting_max != 0 and stop_count != 0 and position["waiting_count"] + stop_count > waiting_max:
        return RejectReason.MAX_NUM_ALGO_ORDERS.value
    if venue["open_order_count"] + count > venue["orders_max"]:
        return RejectReason.ORDERS_FULL.value
    head = state.book.book_head[0]
    if pages != 0 and head["page_count"] + pages > head["pages_max"]:
        return RejectReason.PAGES_FULL.value
    return _NONE


@cold
def pages_of_leg(state, order, is_pending):
    """How many pages the order would add where it comes to rest first, if it does."""
    instrument_id = np.int64(order["instrument_id"])
    if is_pending:
        return pages_needed(state.book, pending_side(instrument_id), PENDING_TICKS)
    if is_stop(order):
        return pages_needed(state.book, trigger_side_of(order), order["stop_price_ticks"])
    if not may_rest(order):
        return np.int64(0)
    return pages_needed(state.book, side_row(instrument_id, order["side"]), order["price_ticks"])


@cold
def are_prices_apart(state, above, below):
    """Of a pair: whether one price lies above the last price and the other below. Before the first trade: apart."""
    last = state.instruments[above["instrument_id"]]["last_price_ticks"]
    above_ticks = pair_price(above)
    below_ticks = pair_price(below)
    if last == 0:
        return above_ticks > below_ticks
    return above_ticks > last and last > below_ticks


@hot
def pair_price(order):
    """What is compared with the last price: the stop price, but of a TAKE_PROFIT_LIMIT its limit."""
    if order["order_type"] == OrderType.TAKE_PROFIT_LIMIT or order["order_type"] == OrderType.LIMIT_MAKER:
        return order["price_ticks"]
    return order["stop_price_ticks"]


@cold
def judge_legs(handle, kind, count):
    """Order by order. A pending one is not judged by the book and the funds, which will be others when it is placed."""
    state = views(handle)
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        reason = judge_unsized(handle) if is_unsized(kind, i) else judge_filters(handle)
        if reason == _NONE:
            reason = judge_room(state, state.taker[0])
        if reason == _NONE and (i == 0 or kind == OrderListKind.OCO):
            reason = judge_now(handle)
        if reason != _NONE:
            state.step[0]["refused_leg"] = i + 1
            return reason
    return _NONE


@cold
def judge_unsized(handle):
    """The filters of an order in hand whose quantity is not known yet."""
    state = views(handle)
    order = state.taker[0]
    instrument_id = np.int64(order["instrument_id"])
    order["position"] = find_position(state, np.int64(order["account_id"]), instrument_id)
    if not is_market(order) and not is_price_allowed(state, instrument_id, order["price_ticks"]):
        return RejectReason.PRICE_FILTER.value
    if is_stop(order) and not is_price_allowed(state, instrument_id, order["stop_price_ticks"]):
        return RejectReason.PRICE_FILTER.value
    if not is_market(order) and not is_price_near(handle, instrument_id, order["side"], order["price_ticks"]):
        return RejectReason.PERCENT_PRICE_BY_SIDE.value
    return _NONE


@cold
def judge_now(handle):
    """Whether the book and the funds allow the order in hand to be placed now."""
    state = views(handle)
    order = state.taker[0]
    if order["order_type"] == OrderType.LIMIT_MAKER and would_take(state, order):
        return RejectReason.WOULD_TAKE.value
    if is_stop(order) and would_trigger(state, order):
        return RejectReason.WOULD_TRIGGER.value
    if not is_covered(handle):
        return RejectReason.INSUFFICIENT_BALANCE.value
    return _NONE


@cold
def refuse_list(handle, command_row, count, reason):
    """Refuse every order that came, then the list."""
    state = views(handle)
    deadline_ts_ns = state.commands[command_row]["deadline_ts_ns"]
    refused_leg = state.step[0]["refused_leg"]
    order_list = state.list_in_hand[0]
    if reason == RejectReason.DUPLICATE_LIST_CLIENT_ID:
        order_list["order_list_id"] = state.step[0]["duplicate_list_id"]
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        is_other = refused_leg != 0 and refused_leg != i + 1
        refuse(handle, RejectReason.OTHER_LEG_REFUSED.value if is_other else reason, deadline_ts_ns)
    emit_list(handle, order_list, ListStatusType.RESPONSE.value, ListOrderStatus.REJECT.value, reason)
    if deadline_ts_ns != 0 and is_refusal_of_the_moment(reason):
        remember_refused_list(handle, deadline_ts_ns)


@cold
def remember_refused_list(handle, deadline_ts_ns):
    state = views(handle)
    remember_refused(handle, name_in_hand(state, state.list_in_hand[0], 0), deadline_ts_ns)


# Accepting it. Nothing can fail any more.


@cold
def accept_list(handle, count):
    """Number the list and its orders, hold their funds, remember their ids; then place what is to be placed now."""
    state = views(handle)
    order_list = state.list_in_hand[0]
    kind = np.int64(order_list["kind"])
    head = state.list_head[0]
    head["list_count"] += 1
    order_list["order_list_id"] = head["list_count"]
    order_list["phase"] = PAIRED if kind == OrderListKind.OCO else PENDING
    list_row = number_legs(handle, count)
    if kind == OrderListKind.OCO:
        hold_for_pair(handle, list_row, LEG_ROWS)
    for i in range(count):
        emit_order(handle, state.taker[LEG_ROWS + i], OrderEventKind.ORDER_ACCEPTED.value, 0)
    tell_executing(handle, list_row)
    if kind == OrderListKind.OCO:
        place_pair(handle, LEG_ROWS)
        end_acting(handle)
        return
    for i in range(1, count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        pend(handle)
    state.taker[0] = state.taker[LEG_ROWS]
    work(handle)


@cold
def number_legs(handle, count):
    """Enter each order under its number and its client id, and then the list, whose row is returned."""
    state = views(handle)
    order_list = state.list_in_hand[0]
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        order = state.taker[0]
        position_row = find_position(state, np.int64(order["account_id"]), np.int64(order["instrument_id"]))
        order["position"] = position_row
        is_placed = i == 0 or order_list["phase"] == PAIRED
        state.step[0]["client_id_tag"] = client_id_tag(state, np.int64(order["account_id"]), order)
        enter(handle, OrderStatus.NEW.value if is_placed else OrderStatus.PENDING_NEW.value)
        state.taker[LEG_ROWS + i] = order
    order_list["position"] = state.taker[0]["position"]
    order_list["order_id_1"] = state.taker[LEG_ROWS]["order_id"]
    order_list["order_id_2"] = state.taker[LEG_ROWS + 1]["order_id"]
    if count == LEGS_MAX:
        order_list["order_id_3"] = state.taker[LEG_ROWS + 2]["order_id"]
    list_row = open_order_list(handle)
    for i in range(count):
        state.taker[LEG_ROWS + i]["list_row"] = list_row
    if order_list["phase"] == PENDING and is_held(state.taker[LEG_ROWS]):
        hold(state, state.taker[LEG_ROWS], state.taker[LEG_ROWS]["qty_lots"])
    return list_row


@cold
def hold_for_pair(handle, list_row, first):
    """Hold what the one of two orders in hand needs that needs more."""
    state = views(handle)
    holder = first if needs(state.taker[first]) >= needs(state.taker[first + 1]) else first + 1
    order = state.taker[holder]
    state.order_lists[list_row]["holder_id"] = order["order_id"]
    if is_held(order):
        hold(state, order, order["qty_lots"])


@hot
def needs(order):
    """What an order of a pair holds for each lot, to be compared with the other's: to sell both hold the lots."""
    return order["price_ticks"] if order["side"] == Side.BUY else np.int64(0)


@cold
def tell_executing(handle, list_row):
    state = views(handle)
    started = ListStatusType.EXEC_STARTED.value
    emit_list(handle, state.order_lists[list_row], started, ListOrderStatus.EXECUTING.value, 0)


@cold
def place_pair(handle, first):
    """Let two orders in hand rest, of which neither trades now: on the book, or where it waits for its stop price."""
    state = views(handle)
    for i in range(first, first + 2):
        state.taker[0] = state.taker[i]
        if is_waiting(state.taker[0]):
            wait(handle)
        else:
            rest(handle)


@cold
def pend(handle):
    """Let the order in hand wait for another one to be filled, where nobody sees it."""
    order = views(handle).taker[0]
    list_in_hand(handle, pending_side(np.int64(order["instrument_id"])), PENDING_TICKS)
    if is_waiting(order):
        count_waiting(handle)
