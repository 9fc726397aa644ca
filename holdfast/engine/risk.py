"""Risk: whether an order may be placed. Everything that can be refused is refused here, before anything changes.

commands → engine (RISK → match → settle) → events

The checks run in a fixed order and the first that fails is the answer: who asks (deadline, account, key, instrument),
what is asked (form, client id), whether it may be now (kill switch, freeze, mode), the filters, room in the tables,
and last the book and the funds. After them nothing can fail. `place.py` fills `taker`, the order in hand, from the
command.

Products are bounded by dividing, so that none is formed before it is known to fit.
"""

import numpy as np

from holdfast.codes import (
    InstrumentParameter,
    OrderStatus,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.config import NOTIONAL_MAX, PPM
from holdfast.engine.book import (
    best_level,
    can_rest,
    level_price,
    next_level,
    price_key,
    side_row,
)
from holdfast.engine.emit import is_market
from holdfast.engine.exchange_filters import judge_exchange_filters
from holdfast.engine.iceberg import is_iceberg_well_formed, judge_iceberg, open_lots
from holdfast.engine.ids import client_id_tag, find_client_id, is_empty_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.ledger import balances_left, find_balance, free_of
from holdfast.engine.parameter import parameter
from holdfast.engine.pegged import is_peg_well_formed, take_price
from holdfast.engine.positions import find_position
from holdfast.engine.reference_price import filter_price
from holdfast.engine.state import NIL, views
from holdfast.engine.stops import has_trigger, is_stop, waiting_price, waiting_side, waits_for_rise, would_trigger

_NONE = RejectReason.NONE.value
_FACTOR_BITS = 31


@hot
def judge_asker(handle, command_row, permission):
    """Whether the deadline holds, the account exists, and the key is the account's and may do this."""
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    if command["deadline_ts_ns"] != 0 and command["clock_ts_ns"] > command["deadline_ts_ns"]:
        return RejectReason.DEADLINE_PASSED.value
    account_id = np.int64(command["account_id"])
    if not is_account(state, account_id):
        return RejectReason.ACCOUNT_UNKNOWN.value
    key_id = np.int64(command["key_id"])
    if key_id != 0:
        if key_id < 0 or key_id > venue["key_count"]:
            return RejectReason.KEY_INVALID.value
        key = state.keys[key_id]
        if key["is_revoked"] != 0 or key["account_id"] != account_id:
            return RejectReason.KEY_INVALID.value
        if key["permissions"] & permission == 0:
            return RejectReason.KEY_LACKS_PERMISSION.value
    return _NONE


@hot
def is_account(state, account_id):
    return 0 < account_id <= state.venue[0]["account_count"]


@hot
def is_instrument(state, instrument_id):
    return 0 < instrument_id <= state.venue[0]["instrument_count"]


@cold
def judge_duplicate(handle):
    """Whether the order's client id is taken; leaves in `step` what the refusal names."""
    state = views(handle)
    order = state.taker[0]
    account_id = np.int64(order["account_id"])
    tag = client_id_tag(state, account_id, order)
    state.step[0]["client_id_tag"] = tag
    row = find_client_id(handle, tag, account_id, order)
    if row == NIL:
        return _NONE
    first = state.client_ids[row]
    state.step[0]["duplicate_order_id"] = first["order_id"]
    status = np.int64(first["status"])
    if status == OrderStatus.NEW:
        status = np.int64(state.details[first["link"]]["status"])
    state.step[0]["duplicate_status"] = status
    return RejectReason.DUPLICATE_CLIENT_ID.value


@hot
def judge_order(handle, is_id_judged):
    """The first reason why the order in hand may not be placed, or NONE. The asker was judged, its instrument too, and
    of a replacement its client id: what was canceled meanwhile takes none."""
    state = views(handle)
    order = state.taker[0]
    if not is_well_formed(order):
        return RejectReason.MALFORMED.value
    if not is_id_judged:
        reason = judge_duplicate(handle)
        if reason != _NONE:
            return reason
    reason = judge_permission(state, order)
    if reason != _NONE:
        return reason
    if order["peg_price_type"] != 0 and not is_stop(order) and not take_price(handle):
        return RejectReason.NO_PEG_PRICE.value
    reason = judge_filters(handle)
    if reason != _NONE:
        return reason
    reason = judge_room(state, order)
    if reason != _NONE:
        return reason
    if order["order_type"] == OrderType.LIMIT_MAKER and would_take(state, order):
        return RejectReason.WOULD_TAKE.value
    if is_stop(order) and would_trigger(state, order):
        return RejectReason.WOULD_TRIGGER.value
    if not is_covered(handle):
        return RejectReason.INSUFFICIENT_BALANCE.value
    return _NONE


@hot
def is_well_formed(order):
    """A combination of fields that means something. Gateways send no other."""
    if order["side"] != Side.BUY and order["side"] != Side.SELL:
        return False
    if order["price_ticks"] < 0 or order["qty_lots"] < 0 or order["quote_units"] < 0:
        return False
    if order["self_trade_prevention"] < 0 or order["self_trade_prevention"] > SelfTradePrevention.DECREMENT:
        return False
    if is_empty_text(order):
        return False
    kind = order["order_type"]
    time_in_force = order["time_in_force"]
    if kind < OrderType.LIMIT or kind > OrderType.TAKE_PROFIT_LIMIT:
        return False
    if order["iceberg_lots"] != 0 and not is_iceberg_well_formed(order):
        return False
    if order["peg_price_type"] != 0 and not is_peg_well_formed(order):
        return False
    if is_stop(order):
        if not has_trigger(order):
            return False
        if is_market(order) and order["quote_units"] != 0:
            return False
    elif order["stop_price_ticks"] | order["trailing_delta_bips"] != 0:
        return False
    if is_market(order):
        by_qty = order["qty_lots"] > 0
        by_quote = order["quote_units"] > 0
        return order["price_ticks"] == 0 and time_in_force == TimeInForce.NONE and by_qty != by_quote
    is_priced = order["price_ticks"] != 0
    if is_priced == (order["peg_price_type"] != 0) or order["qty_lots"] == 0 or order["quote_units"] != 0:
        return False
    if kind == OrderType.LIMIT_MAKER:
        return time_in_force == TimeInForce.NONE or time_in_force == TimeInForce.GTC
    return time_in_force >= TimeInForce.GTC and time_in_force <= TimeInForce.FOK


@hot
def judge_permission(state, order):
    """Kill switch, freeze, trading mode."""
    if state.venue[0]["is_killed"] != 0:
        return RejectReason.VENUE_KILLED.value
    if state.accounts[order["account_id"]]["is_frozen"] != 0:
        return RejectReason.ACCOUNT_FROZEN.value
    mode = state.instruments[order["instrument_id"]]["mode"]
    kind = order["order_type"]
    if mode == TradingMode.TRADING:
        return _NONE
    if mode == TradingMode.LIMIT_ONLY and (kind == OrderType.LIMIT or kind == OrderType.LIMIT_MAKER):
        return _NONE
    if mode == TradingMode.POST_ONLY and kind == OrderType.LIMIT_MAKER:
        return _NONE
    if mode == TradingMode.AUCTION and (may_rest(order) or is_stop(order)):
        return _NONE
    return RejectReason.MODE_FORBIDS.value


@hot
def judge_filters(handle):
    """The instrument's filters in their order. A maximum or a multiplier of 0 is none. A pegged order that waits for
    its stop price has no price yet; `pegged_stop` judges the one that it will take."""
    state = views(handle)
    order = state.taker[0]
    instrument_id = np.int64(order["instrument_id"])
    price = order["price_ticks"]
    qty = order["qty_lots"]
    has_limit = not is_market(order)
    has_price = price != 0
    if has_price and not is_price_allowed(state, instrument_id, price):
        return RejectReason.PRICE_FILTER.value
    if is_stop(order) and not is_stop_price_allowed(state, order):
        return RejectReason.PRICE_FILTER.value
    if qty != 0:
        if qty < parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MIN):
            return RejectReason.LOT_SIZE.value
        if qty > parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MAX):
            return RejectReason.LOT_SIZE.value
    if not has_limit and qty != 0:
        if qty < parameter(state, instrument_id, InstrumentParameter.MARKET_QTY_LOTS_MIN):
            return RejectReason.MARKET_LOT_SIZE.value
        if is_above(qty, parameter(state, instrument_id, InstrumentParameter.MARKET_QTY_LOTS_MAX)):
            return RejectReason.MARKET_LOT_SIZE.value
    if has_price and not is_price_near(handle, instrument_id, order["side"], price):
        return RejectReason.PERCENT_PRICE_BY_SIDE.value
    if has_price == has_limit and not is_notional_right(handle, instrument_id, has_limit):
        return RejectReason.NOTIONAL.value
    row = find_position(state, np.int64(order["account_id"]), instrument_id)
    order["position"] = row
    if has_limit or is_stop(order):
        orders_max = parameter(state, instrument_id, InstrumentParameter.ORDERS_MAX)
        if orders_max != 0 and state.positions[row]["open_count"] >= orders_max:
            return RejectReason.MAX_NUM_ORDERS.value
    if is_stop(order):
        waiting_max = parameter(state, instrument_id, InstrumentParameter.ALGO_ORDERS_MAX)
        if waiting_max != 0 and state.positions[row]["waiting_count"] >= waiting_max:
            return RejectReason.MAX_NUM_ALGO_ORDERS.value
        if order["trailing_delta_bips"] != 0 and not is_delta_allowed(state, order):
            return RejectReason.TRAILING_DELTA.value
    if order["iceberg_lots"] != 0:
        reason = judge_iceberg(handle, instrument_id)
        if reason != _NONE:
            return reason
    if order["side"] == Side.BUY and qty != 0 and not is_position_small(state, instrument_id, qty):
        return RejectReason.MAX_POSITION.value
    venue = state.venue[0]
    if (venue["exchange_orders_max"] | venue["exchange_algo_orders_max"]) != 0 and (has_limit or is_stop(order)):
        return judge_exchange_filters(handle, np.int64(order["account_id"]), 1, 1 if is_stop(order) else 0)
    return _NONE


@cold
def is_stop_price_allowed(state, order):
    """PRICE_FILTER, where there is a stop price."""
    stop = order["stop_price_ticks"]
    return stop == 0 or is_price_allowed(state, np.int64(order["instrument_id"]), stop)


@cold
def is_delta_allowed(state, order):
    """TRAILING_DELTA: an order that starts on a rise is one above the market."""
    instrument_id = np.int64(order["instrument_id"])
    minimum = parameter(state, instrument_id, InstrumentParameter.TRAILING_BELOW_BIPS_MIN)
    maximum = parameter(state, instrument_id, InstrumentParameter.TRAILING_BELOW_BIPS_MAX)
    if waits_for_rise(order):
        minimum = parameter(state, instrument_id, InstrumentParameter.TRAILING_ABOVE_BIPS_MIN)
        maximum = parameter(state, instrument_id, InstrumentParameter.TRAILING_ABOVE_BIPS_MAX)
    return minimum <= order["trailing_delta_bips"] <= maximum


@hot
def is_price_allowed(state, instrument_id, price_ticks):
    """PRICE_FILTER."""
    if price_ticks < parameter(state, instrument_id, InstrumentParameter.PRICE_TICKS_MIN):
        return False
    return price_ticks <= parameter(state, instrument_id, InstrumentParameter.PRICE_TICKS_MAX)


@hot
def is_above(value, maximum):
    """Above a maximum that is one."""
    return maximum != 0 and value > maximum


@hot
def is_within(lots, lot_units, units):
    """Whether lots x lot_units <= units, none negative. The product is formed where it surely fits: quicker."""
    if (lots | lot_units) >> _FACTOR_BITS == 0:
        return lots * lot_units <= units
    return lots <= units // lot_units


@hot
def is_price_near(handle, instrument_id, side, price_ticks):
    """PERCENT_PRICE_BY_SIDE: within the multipliers of the reference or average price, bounds included."""
    state = views(handle)
    if side == Side.BUY:
        up_ppm = parameter(state, instrument_id, InstrumentParameter.BID_MULTIPLIER_UP_PPM)
        down_ppm = parameter(state, instrument_id, InstrumentParameter.BID_MULTIPLIER_DOWN_PPM)
    else:
        up_ppm = parameter(state, instrument_id, InstrumentParameter.ASK_MULTIPLIER_UP_PPM)
        down_ppm = parameter(state, instrument_id, InstrumentParameter.ASK_MULTIPLIER_DOWN_PPM)
    if up_ppm == 0 and down_ppm == 0:
        return True
    middle = filter_price(handle, instrument_id, state.venue[0]["ts_ns"])
    if middle == 0:
        return True
    if up_ppm != 0 and price_ticks * PPM > middle * up_ppm:
        return False
    return price_ticks * PPM >= middle * down_ppm


@hot
def is_notional_right(handle, instrument_id, has_limit):
    """NOTIONAL, and the bound that keeps every later product within 63 bits."""
    state = views(handle)
    order = state.taker[0]
    unit = state.instruments[instrument_id]["units_per_tick_lot"]
    minimum = parameter(state, instrument_id, InstrumentParameter.NOTIONAL_MIN)
    maximum = parameter(state, instrument_id, InstrumentParameter.NOTIONAL_MAX)
    price = order["price_ticks"]
    qty = order["qty_lots"]
    if not has_limit:
        if parameter(state, instrument_id, InstrumentParameter.NOTIONAL_MIN_APPLIES_TO_MARKET) == 0:
            minimum = 0
        if parameter(state, instrument_id, InstrumentParameter.NOTIONAL_MAX_APPLIES_TO_MARKET) == 0:
            maximum = 0
        if minimum == 0 and maximum == 0:
            return True
        if qty == 0:
            return order["quote_units"] >= minimum and not is_above(order["quote_units"], maximum)
        price = filter_price(handle, instrument_id, state.venue[0]["ts_ns"])
        if price == 0:
            return True
        if qty > NOTIONAL_MAX // (price * unit):
            return maximum == 0
    elif not is_within(qty, price * unit, NOTIONAL_MAX):
        return False
    notional = price * qty * unit
    return notional >= minimum and not is_above(notional, maximum)


@hot
def is_position_small(state, instrument_id, qty_lots):
    """MAX_POSITION: what the account holds, has on order and orders now."""
    maximum = parameter(state, instrument_id, InstrumentParameter.POSITION_MAX)
    if maximum == 0:
        return True
    order = state.taker[0]
    instrument = state.instruments[instrument_id]
    base = state.balances[balance_row(state, order, instrument["base_asset"])]
    spare_units = maximum - base["free"] - base["locked"]
    if spare_units < 0:
        return False
    on_order_lots = state.positions[order["position"]]["open_buy_lots"]
    return is_within(qty_lots + on_order_lots, instrument["lot_units"], spare_units)


@hot
def judge_room(state, order):
    """Whether the tables' limits have room for whatever the order may need."""
    venue = state.venue[0]
    if venue["open_order_count"] >= venue["orders_max"]:
        return RejectReason.ORDERS_FULL.value
    instrument_id = np.int64(order["instrument_id"])
    if order["position"] == NIL and balances_missing(state, order["account_id"], instrument_id) > balances_left(state):
        return RejectReason.BALANCES_FULL.value
    if may_rest(order) and order["price_ticks"] != 0 and not has_place(state, order):
        return RejectReason.PAGES_FULL.value
    if is_stop(order) and not can_rest(state.book, waiting_side(state, order), waiting_price(state, order)):
        return RejectReason.PAGES_FULL.value
    if venue["refused_count"] >= venue["client_ids_max"]:
        return RejectReason.CLIENT_IDS_FULL.value
    return _NONE


@hot
def balances_missing(state, account_id, instrument_id):
    instrument = state.instruments[instrument_id]
    missing = 0
    if find_balance(state, np.int64(account_id), instrument["base_asset"]) == NIL:
        missing += 1
    if find_balance(state, np.int64(account_id), instrument["quote_asset"]) == NIL:
        missing += 1
    return missing


@hot
def has_place(state, order):
    """Whether the limit of pages lets the order rest at its price."""
    side = side_row(np.int64(order["instrument_id"]), order["side"])
    return can_rest(state.book, side, order["price_ticks"])


@hot
def may_rest(order):
    """Whether what does not trade at once goes to the book."""
    if order["order_type"] == OrderType.LIMIT_MAKER:
        return True
    return not is_market(order) and order["time_in_force"] == TimeInForce.GTC


@hot
def would_take(state, order):
    """Whether the best opposite order, whoever's, would trade at the order's price."""
    opposite = side_row(np.int64(order["instrument_id"]), order["side"]) ^ 1
    level = best_level(state.book, opposite)
    return level != NIL and state.book.levels[level]["key"] <= price_key(opposite, order["price_ticks"])


@hot
def is_covered(handle):
    """Whether the account's free funds pay for the order in hand."""
    state = views(handle)
    order = state.taker[0]
    instrument = state.instruments[order["instrument_id"]]
    unit = instrument["units_per_tick_lot"]
    if order["side"] == Side.BUY:
        free = free_in_asset(state, order, instrument["quote_asset"])
        if not is_market(order):
            return order["price_ticks"] * order["qty_lots"] * unit <= free
        if is_stop(order):
            return True  # What it will cost is not known yet.
        if order["quote_units"] != 0:
            return order["quote_units"] <= free
        return is_walk_affordable(state, order, free, unit)
    free = free_in_asset(state, order, instrument["base_asset"])
    if order["qty_lots"] != 0:
        return is_within(order["qty_lots"], instrument["lot_units"], free)
    return are_lots_enough(state, order, free // instrument["lot_units"], unit)


@hot
def free_in_asset(state, order, asset_id):
    return free_of(state, balance_row(state, order, asset_id))


@hot
def balance_row(state, order, asset_id):
    """The balance of the order's account in one of its instrument's assets, which a position knows; or NIL."""
    position = np.int64(order["position"])
    if position == NIL:
        return find_balance(state, np.int64(order["account_id"]), asset_id)
    if asset_id == state.instruments[order["instrument_id"]]["base_asset"]:
        return state.positions[position]["base_row"]
    return state.positions[position]["quote_row"]


@hot
def is_walk_affordable(state, order, free_units, unit):
    """MARKET BUY by quantity: the cost of the sells there are, up to the quantity."""
    level = best_level(state.book, side_row(np.int64(order["instrument_id"]), Side.SELL))
    lots_left = order["qty_lots"]
    while level != NIL and lots_left > 0:
        lots = open_lots(state, order, level, lots_left)
        lot_price_units = level_price(state.book, level) * unit
        if lots > free_units // lot_price_units:
            return False
        free_units -= lots * lot_price_units
        lots_left -= lots
        level = next_level(state.book, level)
    return True


@hot
def are_lots_enough(state, order, free_lots, unit):
    """MARKET SELL by quote quantity: the lots it takes to get that much from the buys there are."""
    level = best_level(state.book, side_row(np.int64(order["instrument_id"]), Side.BUY))
    units_left = order["quote_units"]
    while level != NIL:
        lot_price_units = level_price(state.book, level) * unit
        lots = open_lots(state, order, level, units_left // lot_price_units)
        if lots == 0:
            break
        if lots > free_lots:
            return False
        free_lots -= lots
        units_left -= lots * lot_price_units
        level = next_level(state.book, level)
    return True
