"""Whether an order list may be placed. Everything that can be refused is refused here, before anything changes.

commands → engine (LIST JUDGE → list place) → events

The checks run in this order, and the first that fails is the answer:

    who asks, instrument
    the form of the list and of each order                 MALFORMED, LIST_LEGS
    the list's client id, then those of the orders         DUPLICATE_LIST_CLIENT_ID, DUPLICATE_CLIENT_ID
    kill switch, freeze, mode, for each order
    the prices of pegged orders that are placed now        NO_PEG_PRICE
    the list as a whole                                    MAX_NUM_ORDER_LISTS, EXCHANGE_MAX_NUM_ORDER_LISTS,
                                                           ORDER_LISTS_FULL, what all its orders need together,
                                                           OCO_PRICES
    filters and room, order by order; of what is placed now also the book and the funds

The list and its orders are in hand: `list_in_hand`, and `taker` from LEG_ROWS on. Pending orders are counted from the
beginning. What a pending order of OPO will sell is not known yet, so what is judged of its quantity is judged when it
is placed (Binance, "One Pays the Other"); nor is the price of a pending pegged order, which it takes when it is placed,
or triggered (Binance, "Pegged orders").
"""

import numpy as np

from holdfast.codes import (
    InstrumentParameter,
    KeyPermission,
    OrderListKind,
    OrderStatus,
    OrderType,
    PegPriceType,
    RejectReason,
    Side,
)
from holdfast.engine.book import PENDING_TICKS, pages_needed, pending_side, side_row
from holdfast.engine.exchange_filters import judge_exchange_filters, judge_exchange_icebergs, judge_exchange_lists
from holdfast.engine.iceberg import is_part_allowed
from holdfast.engine.ids import client_id_tag, find_client_id, is_empty_text, is_same_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.list_rows import name_in_hand
from holdfast.engine.parameter import parameter
from holdfast.engine.pegged import take_price
from holdfast.engine.positions import find_position
from holdfast.engine.risk import (
    is_covered,
    is_delta_allowed,
    is_instrument,
    is_price_allowed,
    is_price_near,
    is_stop_price_allowed,
    is_well_formed,
    judge_asker,
    judge_duplicate,
    judge_filters,
    judge_permission,
    judge_room,
    may_rest,
    would_take,
)
from holdfast.engine.state import LEG_ROWS, NIL, views
from holdfast.engine.stops import is_stop, waiting_price, waiting_side, would_trigger

_NONE = RejectReason.NONE.value


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
    placed = count if kind == OrderListKind.OCO else np.int64(1)
    reason = take_prices(handle, placed)
    if reason != _NONE:
        return reason
    reason = judge_whole(handle, count, placed)
    if reason != _NONE:
        return reason
    if kind == OrderListKind.OCO and not are_prices_apart(state, state.taker[LEG_ROWS], state.taker[LEG_ROWS + 1]):
        return RejectReason.OCO_PRICES.value
    return judge_legs(handle, kind, count, placed)


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
        if not is_leg_well_formed(state, is_unsized(kind, i)):
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
def is_leg_well_formed(state, is_unsized):
    """The order in hand, as any order; one that is unsized says no quantity, and the working one's stands for it."""
    order = state.taker[0]
    if is_unsized:
        if order["qty_lots"] != 0 or order["quote_units"] != 0:
            return False
        order["qty_lots"] = state.taker[LEG_ROWS]["qty_lots"]
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
def take_prices(handle, count):
    """Give the first `count` orders in hand their prices, as far as they are pegged and do not wait for a stop price.
    NO_PEG_PRICE where the book has none; `step` says for which order."""
    state = views(handle)
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        order = state.taker[0]
        if order["peg_price_type"] != PegPriceType.NONE and not is_stop(order):
            if not take_price(handle):
                state.step[0]["refused_leg"] = i + 1
                return RejectReason.NO_PEG_PRICE.value
            state.taker[LEG_ROWS + i]["price_ticks"] = order["price_ticks"]
    return _NONE


@cold
def judge_whole(handle, count, placed):
    """The limits that a list meets as one: of lists, and of what all its orders need together."""
    state = views(handle)
    head = state.list_head[0]
    account_id = np.int64(state.list_in_hand[0]["account_id"])
    instrument_id = np.int64(state.list_in_hand[0]["instrument_id"])
    position_row = find_position(state, account_id, instrument_id)
    lists_max = parameter(state, instrument_id, InstrumentParameter.ORDER_LISTS_MAX)
    if lists_max != 0 and state.position_lists[position_row]["open_count"] >= lists_max:
        return RejectReason.MAX_NUM_ORDER_LISTS.value
    reason = judge_exchange_lists(state, account_id)
    if reason != _NONE:
        return reason
    if head["open_list_count"] >= head["order_lists_max"]:
        return RejectReason.ORDER_LISTS_FULL.value
    return judge_together(handle, position_row, count, placed)


@cold
def judge_together(handle, position_row, count, placed):
    """Whether so many orders in hand have room beside those of the account and of the venue. The first `placed` of
    them are placed now."""
    state = views(handle)
    venue = state.venue[0]
    stop_count = np.int64(0)
    iceberg_count = np.int64(0)
    pages = np.int64(0)
    for i in range(count):
        order = state.taker[LEG_ROWS + i]
        stop_count += 1 if is_stop(order) else 0
        iceberg_count += 1 if order["iceberg_lots"] != 0 else 0
        pages += pages_of_leg(state, order, i >= placed)
    reason = judge_counts(handle, position_row, np.int64(count), stop_count, iceberg_count)
    if reason != _NONE:
        return reason
    if venue["open_order_count"] + count > venue["orders_max"]:
        return RejectReason.ORDERS_FULL.value
    head = state.book.book_head[0]
    if pages != 0 and head["page_count"] + pages > head["pages_max"]:
        return RejectReason.PAGES_FULL.value
    return _NONE


@cold
def judge_counts(handle, position_row, count, stop_count, iceberg_count):
    """The filters of how many orders the account has open: of those in hand all are new, so many have a stop price, and
    so many are icebergs."""
    state = views(handle)
    account_id = np.int64(state.taker[LEG_ROWS]["account_id"])
    instrument_id = np.int64(state.taker[LEG_ROWS]["instrument_id"])
    position = state.positions[position_row]
    orders_max = parameter(state, instrument_id, InstrumentParameter.ORDERS_MAX)
    if orders_max != 0 and position["open_count"] + count > orders_max:
        return RejectReason.MAX_NUM_ORDERS.value
    waiting_max = parameter(state, instrument_id, InstrumentParameter.ALGO_ORDERS_MAX)
    if waiting_max != 0 and stop_count != 0 and position["waiting_count"] + stop_count > waiting_max:
        return RejectReason.MAX_NUM_ALGO_ORDERS.value
    reason = judge_exchange_filters(handle, account_id, count, stop_count)
    if reason != _NONE or iceberg_count == 0:
        return reason
    icebergs_max = parameter(state, instrument_id, InstrumentParameter.ICEBERG_ORDERS_MAX)
    if icebergs_max != 0 and position["iceberg_count"] + iceberg_count > icebergs_max:
        return RejectReason.MAX_NUM_ICEBERG_ORDERS.value
    return judge_exchange_icebergs(handle, account_id, iceberg_count)


@cold
def pages_of_leg(state, order, is_pending):
    """How many pages the order would add where it comes to rest first, if it does."""
    instrument_id = np.int64(order["instrument_id"])
    if is_pending:
        return pages_needed(state.book, pending_side(instrument_id), PENDING_TICKS)
    if is_stop(order):
        return pages_needed(state.book, waiting_side(state, order), waiting_price(state, order))
    if not may_rest(order):
        return np.int64(0)
    return pages_needed(state.book, side_row(instrument_id, order["side"]), order["price_ticks"])


@cold
def are_prices_apart(state, above, below):
    """Of a pair: whether one price lies above the last price and the other below. Before the first trade: apart. A
    trailing stop that begins with the last price has none, and follows on its own side of the market."""
    last = state.instruments[above["instrument_id"]]["last_price_ticks"]
    above_ticks = pair_price(above)
    below_ticks = pair_price(below)
    if last == 0:
        return above_ticks > below_ticks or above_ticks == 0
    return (above_ticks > last or above_ticks == 0) and last > below_ticks


@hot
def pair_price(order):
    """What is compared with the last price: the stop price, but of a LIMIT_MAKER or TAKE_PROFIT_LIMIT the limit, unless
    that is pegged and not known yet. 0: there is neither."""
    order_type = order["order_type"]
    is_limit = order_type == OrderType.TAKE_PROFIT_LIMIT or order_type == OrderType.LIMIT_MAKER
    if is_limit and order["price_ticks"] != 0:
        return order["price_ticks"]
    return order["stop_price_ticks"]


@cold
def judge_legs(handle, kind, count, placed):
    """Order by order. A pending one is not judged by the book and the funds, which will be others when it is placed."""
    state = views(handle)
    for i in range(count):
        state.taker[0] = state.taker[LEG_ROWS + i]
        reason = judge_leg(handle, is_unsized(kind, i), i < placed)
        if reason != _NONE:
            state.step[0]["refused_leg"] = i + 1
            return reason
    return _NONE


@cold
def judge_leg(handle, is_unsized, is_placed):
    """The order in hand by itself: filters, room, and what is asked of one that is placed now."""
    state = views(handle)
    reason = judge_unsized(handle) if is_unsized else judge_filters(handle)
    if reason == _NONE:
        reason = judge_room(state, state.taker[0])
    if reason == _NONE and is_placed:
        reason = judge_now(handle)
    return reason


@cold
def judge_unsized(handle):
    """The filters of an order in hand whose quantity is not known yet."""
    state = views(handle)
    order = state.taker[0]
    instrument_id = np.int64(order["instrument_id"])
    order["position"] = find_position(state, np.int64(order["account_id"]), instrument_id)
    price = order["price_ticks"]
    if price != 0 and not is_price_allowed(state, instrument_id, price):
        return RejectReason.PRICE_FILTER.value
    if is_stop(order) and not is_stop_price_allowed(state, order):
        return RejectReason.PRICE_FILTER.value
    if price != 0 and not is_price_near(handle, instrument_id, order["side"], price):
        return RejectReason.PERCENT_PRICE_BY_SIDE.value
    if order["trailing_delta_bips"] != 0 and not is_delta_allowed(state, order):
        return RejectReason.TRAILING_DELTA.value
    if order["iceberg_lots"] != 0 and not is_part_allowed(state, order):
        return RejectReason.LOT_SIZE.value
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
