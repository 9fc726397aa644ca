"""Emit: write events, number them, and mix them into the hash of all events.

commands → engine (risk → match → settle → EMIT) → events

Every event gets the command's seq and the next index within the command; order and balance events also get the next
number of their account. The buffers have room: the loop over commands (`apply.py`) made sure before the step began.
"""

from holdfast.codes import (
    ContingencyType,
    ExpiryReason,
    OrderEventKind,
    OrderListKind,
    OrderStatus,
    OrderType,
    Side,
)
from holdfast.engine.jit import cold, hot
from holdfast.engine.state import NIL, views

_HASH_LOW_BITS = 31
_HASH_LOW_MASK = 2**31 - 1
_HASH_MASK = 2**62 - 1
_WORD_MASK = 2**61 - 1
_HASH_FACTOR = 0x3C6EF372  # Below 2^30: with a word added the product stays below 2^63.


@hot
def roll(hash_value, word):
    """A multiply-with-carry step: the hash (62 bits) after one more word."""
    low = hash_value & _HASH_LOW_MASK
    return (low * _HASH_FACTOR + (hash_value >> _HASH_LOW_BITS) + (word & _WORD_MASK)) & _HASH_MASK


@hot
def is_live(status):
    return status == OrderStatus.NEW or status == OrderStatus.PARTIALLY_FILLED


@hot
def is_market(order):
    """Whether the order trades at any price once it works: the even types."""
    return order["order_type"] & OrderType.LIMIT == 0


@hot
def is_waiting(order):
    """Whether the order has a stop price that was not reached yet."""
    return order["stop_price_ticks"] != 0 and order["working_ts_ns"] == 0


@hot
def is_pending(order):
    """Whether the order is of a list, and not placed before another one is filled."""
    return order["status"] == OrderStatus.PENDING_NEW


@hot
def is_hidden(order):
    """Whether an open order is not on the book."""
    return is_waiting(order) or is_pending(order)


@hot
def next_index(state):
    """The next event's index within the command."""
    index = state.venue[0]["index"]
    state.venue[0]["index"] = index + 1
    return index


@hot
def next_account_event(state, account_id):
    """The next event's number within its account; 0 when there is no such account."""
    if account_id <= 0 or account_id > state.venue[0]["account_count"]:
        return 0
    number = state.accounts[account_id]["event_count"] + 1
    state.accounts[account_id]["event_count"] = number
    return number


@hot
def write_order(
    state,
    order,
    kind,
    reason,
    is_maker,
    fee_is_base,
    last_lots,
    last_price_ticks,
    last_quote_units,
    fee_units,
    trade_id,
    aggregate_trade_id,
    counter_order_id,
):
    """An event with the order's whole state as it is now, and what its kind tells beside it."""
    venue = state.venue[0]
    row = state.out.out_head[0]["orders"]
    state.out.out_head[0]["orders"] = row + 1
    event = state.out.order_events[row]
    status = order["status"]
    account_id = order["account_id"]
    event["seq"] = venue["seq"]
    event["ts_ns"] = venue["ts_ns"]
    event["index"] = next_index(state)
    event["account_id"] = account_id
    event["instrument_id"] = order["instrument_id"]
    event["kind"] = kind
    event["reason"] = reason
    event["status"] = status
    event["side"] = order["side"]
    event["order_type"] = order["order_type"]
    event["time_in_force"] = order["time_in_force"]
    event["self_trade_prevention"] = order["self_trade_prevention"]
    event["is_maker"] = is_maker
    event["is_working"] = 1 if is_live(status) and not is_market(order) and not is_waiting(order) else 0
    event["fee_is_base"] = fee_is_base
    event["trailing_delta_bips"] = order["trailing_delta_bips"]
    event["account_event"] = next_account_event(state, account_id)
    event["order_id"] = order["order_id"]
    event["price_ticks"] = order["price_ticks"]
    event["qty_lots"] = order["qty_lots"]
    event["executed_lots"] = order["executed_lots"]
    event["executed_quote_units"] = order["executed_quote_units"]
    event["quote_units"] = order["quote_units"]
    event["prevented_lots"] = order["prevented_lots"]
    event["last_lots"] = last_lots
    event["last_price_ticks"] = last_price_ticks
    event["last_quote_units"] = last_quote_units
    event["fee_units"] = fee_units
    event["trade_id"] = trade_id
    event["aggregate_trade_id"] = aggregate_trade_id
    event["counter_order_id"] = counter_order_id
    event["created_ts_ns"] = order["created_ts_ns"]
    event["stop_price_ticks"] = order["stop_price_ticks"]
    event["working_ts_ns"] = order["working_ts_ns"]
    event["order_list_id"] = state.order_lists[order["list_row"]]["order_list_id"]
    event["iceberg_lots"] = order["iceberg_lots"]
    event["trailing_ts_ns"] = order["trailing_ts_ns"]
    event["peg_price_type"] = order["peg_price_type"]
    event["peg_offset_levels"] = order["peg_offset_levels"]
    event["client_id_0"] = order["client_id_0"]
    event["client_id_1"] = order["client_id_1"]
    event["client_id_2"] = order["client_id_2"]
    event["client_id_3"] = order["client_id_3"]
    event["client_id_4"] = order["client_id_4"]
    event["key_id"] = order["key_id"]
    hash_value = roll(venue["events_hash"], venue["seq"] * 64 + kind * 8 + status)
    hash_value = roll(hash_value, order["order_id"])
    hash_value = roll(hash_value, order["executed_lots"] + reason)
    venue["events_hash"] = roll(hash_value, order["executed_quote_units"])


@cold
def emit_order(handle, order, kind, reason):
    """What happened to an order alone."""
    write_order(views(handle), order, kind, reason, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@cold
def emit_trade(handle, order, is_maker, lots, price_ticks, quote_units, fee_units, counter_order_id):
    """One side of the instrument's last trade; the order's state is that after it."""
    state = views(handle)
    instrument = state.instruments[order["instrument_id"]]
    write_order(
        state,
        order,
        OrderEventKind.TRADE.value,
        0,
        is_maker,
        1 if order["side"] == Side.BUY else 0,  # The receiver pays in what he receives: a buyer base.
        lots,
        price_ticks,
        quote_units,
        fee_units,
        instrument["trade_count"],
        instrument["aggregate_count"],
        counter_order_id,
    )
    state.venue[0]["events_hash"] = roll(state.venue[0]["events_hash"], fee_units)


@cold
def emit_prevented(handle, order, kind, is_maker, lots, price_ticks, quote_units, counter_order_id):
    """The instrument's last prevented match took `lots` of the order away; the kind says whether it lives on.

    `quote_units` is what would have been paid, had the two traded what both wanted.
    """
    state = views(handle)
    reason = ExpiryReason.SELF_TRADE.value if kind == OrderEventKind.ORDER_EXPIRED else 0
    match_id = state.instruments[order["instrument_id"]]["prevented_count"]
    write_order(
        state, order, kind, reason, is_maker, 0, lots, price_ticks, quote_units, 0, match_id, 0, counter_order_id
    )


@cold
def emit_smaller(handle, order, kind, lots):
    """The order asked for `lots` more until now."""
    state = views(handle)
    write_order(state, order, kind, 0, 0, 0, lots, 0, 0, 0, 0, 0, 0)
    state.venue[0]["events_hash"] = roll(state.venue[0]["events_hash"], order["qty_lots"])


@cold
def emit_balance(handle, balance_row, change):
    """The balance as it is now; `change` is that of everything it holds."""
    state = views(handle)
    assert balance_row != NIL
    venue = state.venue[0]
    row = state.out.out_head[0]["balances"]
    state.out.out_head[0]["balances"] = row + 1
    event = state.out.balance_events[row]
    balance = state.balances[balance_row]
    event["seq"] = venue["seq"]
    event["ts_ns"] = venue["ts_ns"]
    event["index"] = next_index(state)
    event["account_id"] = balance["account_id"]
    event["asset_id"] = balance["asset_id"]
    event["cause"] = state.step[0]["command_kind"]
    event["account_event"] = next_account_event(state, balance["account_id"])
    event["free"] = balance["free"]
    event["locked"] = balance["locked"]
    event["in_transit"] = balance["in_transit"]
    event["change"] = change
    hash_value = roll(venue["events_hash"], balance["free"])
    venue["events_hash"] = roll(hash_value, balance["locked"])


@cold
def emit_book(handle, instrument_id, side, price_ticks, lots):
    """The open quantity at one price, as it is now."""
    state = views(handle)
    venue = state.venue[0]
    instrument = state.instruments[instrument_id]
    row = state.out.out_head[0]["book"]
    state.out.out_head[0]["book"] = row + 1
    event = state.out.book_events[row]
    update_id = instrument["update_count"] + 1
    instrument["update_count"] = update_id
    event["seq"] = venue["seq"]
    event["ts_ns"] = venue["ts_ns"]
    event["index"] = next_index(state)
    event["instrument_id"] = instrument_id
    event["update_id"] = update_id
    event["price_ticks"] = price_ticks
    event["lots"] = lots
    event["side"] = side
    hash_value = roll(venue["events_hash"], price_ticks * 4 + side)
    venue["events_hash"] = roll(hash_value, lots)


@cold
def emit_list(handle, order_list, list_status_type, list_order_status, reason):
    """What happened to an order list."""
    state = views(handle)
    venue = state.venue[0]
    row = state.out.out_head[0]["lists"]
    state.out.out_head[0]["lists"] = row + 1
    event = state.out.list_events[row]
    is_oco = order_list["kind"] == OrderListKind.OCO
    event["seq"] = venue["seq"]
    event["ts_ns"] = venue["ts_ns"]
    event["index"] = next_index(state)
    event["contingency"] = ContingencyType.OCO.value if is_oco else ContingencyType.OTO.value
    event["list_status_type"] = list_status_type
    event["list_order_status"] = list_order_status
    event["reason"] = reason
    event["account_event"] = next_account_event(state, order_list["account_id"])
    event["order_list_id"] = order_list["order_list_id"]
    event["order_id_1"] = order_list["order_id_1"]
    event["order_id_2"] = order_list["order_id_2"]
    event["order_id_3"] = order_list["order_id_3"]
    event["created_ts_ns"] = order_list["created_ts_ns"]
    event["account_id"] = order_list["account_id"]
    event["instrument_id"] = order_list["instrument_id"]
    event["leg_count"] = order_list["leg_count"]
    event["key_id"] = order_list["key_id"]
    event["client_id_0"] = order_list["client_id_0"]
    event["client_id_1"] = order_list["client_id_1"]
    event["client_id_2"] = order_list["client_id_2"]
    event["client_id_3"] = order_list["client_id_3"]
    event["client_id_4"] = order_list["client_id_4"]
    event["leg_1_client_id_0"] = order_list["leg_1_client_id_0"]
    event["leg_1_client_id_1"] = order_list["leg_1_client_id_1"]
    event["leg_1_client_id_2"] = order_list["leg_1_client_id_2"]
    event["leg_1_client_id_3"] = order_list["leg_1_client_id_3"]
    event["leg_1_client_id_4"] = order_list["leg_1_client_id_4"]
    event["leg_2_client_id_0"] = order_list["leg_2_client_id_0"]
    event["leg_2_client_id_1"] = order_list["leg_2_client_id_1"]
    event["leg_2_client_id_2"] = order_list["leg_2_client_id_2"]
    event["leg_2_client_id_3"] = order_list["leg_2_client_id_3"]
    event["leg_2_client_id_4"] = order_list["leg_2_client_id_4"]
    event["leg_3_client_id_0"] = order_list["leg_3_client_id_0"]
    event["leg_3_client_id_1"] = order_list["leg_3_client_id_1"]
    event["leg_3_client_id_2"] = order_list["leg_3_client_id_2"]
    event["leg_3_client_id_3"] = order_list["leg_3_client_id_3"]
    event["leg_3_client_id_4"] = order_list["leg_3_client_id_4"]
    hash_value = roll(venue["events_hash"], list_status_type * 256 + reason)
    venue["events_hash"] = roll(hash_value, order_list["order_list_id"])


@cold
def emit_control(handle, kind, reason, made_id, value, first_seq):
    """The outcome of the control command in hand; `step` says what the command is about."""
    state = views(handle)
    venue = state.venue[0]
    row = state.out.out_head[0]["controls"]
    state.out.out_head[0]["controls"] = row + 1
    event = state.out.control_events[row]
    event["seq"] = venue["seq"]
    event["ts_ns"] = venue["ts_ns"]
    event["index"] = next_index(state)
    event["kind"] = kind
    event["command_kind"] = state.step[0]["command_kind"]
    event["reason"] = reason
    event["account_id"] = state.step[0]["about_account_id"]
    event["asset_id"] = state.step[0]["about_asset_id"]
    event["instrument_id"] = state.step[0]["about_instrument_id"]
    event["key_id"] = state.step[0]["about_key_id"]
    event["id"] = made_id
    event["value"] = value
    event["first_seq"] = first_seq
    hash_value = roll(venue["events_hash"], kind * 256 + reason)
    hash_value = roll(hash_value, made_id)
    venue["events_hash"] = roll(hash_value, value)
