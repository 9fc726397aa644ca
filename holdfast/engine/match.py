"""Match: trade the order in hand with the opposite orders, best price first, at equal price the oldest first.

commands → engine (risk → MATCH → settle) → events

`match` is one step: it ends when the taker has nothing more to do here, or after STEP_ORDER_EVENTS_MAX order events;
then it is called again before the next command. All that it needs to go on is in `taker` and `step`, so where it
paused cannot be seen in the events.

A MARKET order by quote quantity counts down `remaining_units`. It is FILLED by the trade after which the rest does not
buy one lot at the best price then on the book (at the price of the trade when the book is empty).

Every change of a level shows as one book event when the level is gone, or when the taker is done:
`touched_price_ticks`.
"""

import numpy as np

from holdfast.codes import (
    InstrumentRule,
    OrderEventKind,
    OrderStatus,
    SelfTradePrevention,
    Side,
)
from holdfast.config import STEP_ORDER_EVENTS_MAX
from holdfast.engine.average import add_to_average
from holdfast.engine.book import best_level, find_level, level_price, next_level, price_key, reduce_order, side_row
from holdfast.engine.emit import emit_balance, emit_book, emit_prevented, emit_trade, is_market
from holdfast.engine.iceberg import open_lots, show_next_part
from holdfast.engine.jit import cold, hot, prefetch
from holdfast.engine.ledger import free_of
from holdfast.engine.lists import leg_changed, lock_bought, stand_alone
from holdfast.engine.positions import count_open_lots
from holdfast.engine.reference_price import add_to_reference
from holdfast.engine.retire import retire_order
from holdfast.engine.settle import leaves_of, release, settle_side
from holdfast.engine.state import NIL, views

ANY_KEY = 2**62  # Behind every price.

# Why a taker is done with the book.
GOES_ON = 0
NOTHING_LEFT = 1  # All of it traded or was prevented.
NO_MORE_ORDERS = 2  # None at an acceptable price.
TOO_SMALL = 3  # By quote: the rest does not buy a lot.
NO_FUNDS = 4
SELF_TRADE = 5  # The taker gives way.
OUT_OF_RANGE = 6  # The next trade would be outside of the price range.


@hot
def match(handle):
    """Trade on; returns why the taker is done, or GOES_ON when only the step is."""
    state = views(handle)
    taker = state.taker[0]
    opposite = opposite_row(taker)
    worst_key = state.step[0]["worst_key"]
    unit = state.instruments[taker["instrument_id"]]["units_per_tick_lot"]
    events_end = state.out.out_head[0]["orders"] + STEP_ORDER_EVENTS_MAX
    while True:
        level = best_level(state.book, opposite)
        if is_by_qty(taker) and leaves_of(taker) == 0:
            outcome = NOTHING_LEFT
            break
        if level == NIL or state.book.levels[level]["key"] > worst_key:
            outcome = NO_MORE_ORDERS
            break
        if state.out.out_head[0]["orders"] >= events_end:
            return GOES_ON
        price_ticks = level_price(state.book, level)
        lots = wanted_lots(state, taker, price_ticks * unit)
        if lots == 0:
            outcome = TOO_SMALL
            break
        maker_row = np.int64(state.book.levels[level]["first"])
        lots = min(lots, state.book.orders[maker_row]["leaves_lots"])
        if is_prevented(state, taker, maker_row):
            if prevent(handle, maker_row, lots, price_ticks):
                outcome = SELF_TRADE
                break
            continue
        if not is_paid_for(taker):
            lots = min(lots, affordable_lots(state, taker, price_ticks * unit))
            if lots == 0:
                outcome = NO_FUNDS
                break
        trade(handle, maker_row, lots, price_ticks)
    if state.step[0]["touched_price_ticks"] != 0:
        tell_level(handle)
    return outcome


@hot
def is_by_qty(order):
    return order["quote_units"] == 0


@hot
def is_paid_for(taker):
    """Whether the funds are certain: an order with a limit holds them, one without pays from what is free."""
    return not is_market(taker)


@hot
def opposite_row(order):
    return side_row(np.int64(order["instrument_id"]), order["side"]) ^ 1


@hot
def worst_acceptable_key(order):
    """The key of the taker's limit on the opposite side."""
    if is_market(order):
        return ANY_KEY
    return price_key(opposite_row(order), order["price_ticks"])


@hot
def meets_order(state, taker):
    """Whether there is an order that the taker accepts the price of."""
    level = best_level(state.book, opposite_row(taker))
    return level != NIL and state.book.levels[level]["key"] <= state.step[0]["worst_key"]


@hot
def wanted_lots(state, taker, lot_price_units):
    """How many lots the taker wants at a price."""
    if is_by_qty(taker):
        return leaves_of(taker)
    return state.step[0]["remaining_units"] // lot_price_units


@hot
def affordable_lots(state, taker, lot_price_units):
    """How many lots the free funds of a MARKET order's account pay for."""
    position = state.positions[taker["position"]]
    if taker["side"] == Side.BUY:
        return free_of(state, position["quote_row"]) // lot_price_units
    return free_of(state, position["base_row"]) // state.instruments[taker["instrument_id"]]["lot_units"]


@hot
def trade(handle, maker_row, lots, price_ticks):
    """One fill: both orders, both accounts, the market's numbers; a maker with nothing left is closed."""
    state = views(handle)
    step = state.step[0]
    taker = state.taker[0]
    maker = state.details[maker_row]
    prefetch(state.client_ids, np.int64(maker["client_id_row"]))  # For when it is filled.
    maker_account = np.int64(maker["account_id"])
    instrument_id = np.int64(taker["instrument_id"])
    instrument = state.instruments[instrument_id]
    quote_units = price_ticks * lots * instrument["units_per_tick_lot"]
    instrument["trade_count"] += 1
    if step["run_price_ticks"] != price_ticks:
        if step["run_price_ticks"] == 0:
            step["first_ticks"] = price_ticks
        instrument["aggregate_count"] += 1
        step["run_price_ticks"] = price_ticks
    instrument["last_price_ticks"] = price_ticks
    step["touched_price_ticks"] = price_ticks
    step["highest_ticks"] = max(step["highest_ticks"], price_ticks)
    step["lowest_ticks"] = min(step["lowest_ticks"], price_ticks)
    add_to_average(handle, instrument_id, price_ticks, lots)
    if instrument["rules"] & InstrumentRule.REFERENCE_MEAN != 0:
        add_to_reference(handle, instrument_id, price_ticks)

    maker_id = maker["order_id"]
    maker_list = np.int64(maker["list_row"])
    is_of_list = (maker_list | np.int64(taker["list_row"])) != NIL
    if is_of_list:
        stand_alone(handle, maker_row)
    position = state.positions[maker["position"]]
    base_row = position["base_row"]
    quote_row = position["quote_row"]
    base_before = holding(state, base_row)
    quote_before = holding(state, quote_row)
    maker_fee = settle_side(handle, maker, True, lots, price_ticks)
    base_change = holding(state, base_row) - base_before
    quote_change = holding(state, quote_row) - quote_before
    taker_fee = settle_side(handle, taker, False, lots, price_ticks)

    if is_of_list:
        lock_bought(handle, maker, lots, maker_fee)
        lock_bought(handle, taker, lots, taker_fee)
    is_done = leaves_of(maker) == 0
    maker["status"] = OrderStatus.FILLED if is_done else OrderStatus.PARTIALLY_FILLED
    if not is_by_qty(taker):
        step["remaining_units"] -= quote_units
    taker["status"] = OrderStatus.FILLED if is_taker_filled(state, maker_row, is_done) else OrderStatus.PARTIALLY_FILLED
    emit_trade(handle, maker, 1, lots, price_ticks, quote_units, maker_fee, taker["order_id"])
    emit_trade(handle, taker, 0, lots, price_ticks, quote_units, taker_fee, maker["order_id"])
    if maker_account != taker["account_id"]:
        emit_balance(handle, base_row, base_change)
        emit_balance(handle, quote_row, quote_change)
    take_from_maker(handle, maker_row, lots)
    if maker_list != NIL:
        status = OrderStatus.FILLED.value if is_done else OrderStatus.PARTIALLY_FILLED.value
        leg_changed(handle, maker_list, maker_id, status)


@hot
def holding(state, balance_row):
    balance = state.balances[balance_row]
    return balance["free"] + balance["locked"]


@hot
def is_taker_filled(state, maker_row, is_maker_done):
    """Whether the trade that was just booked, but not yet taken off the book, ends the taker."""
    taker = state.taker[0]
    if is_by_qty(taker):
        return leaves_of(taker) == 0
    level = np.int64(state.book.orders[maker_row]["level"])
    if is_maker_done and state.book.levels[level]["order_count"] == 1:
        after = next_level(state.book, level)
        if after != NIL:
            level = after
    unit = state.instruments[taker["instrument_id"]]["units_per_tick_lot"]
    return state.step[0]["remaining_units"] // (level_price(state.book, level) * unit) == 0


@cold
def take_from_maker(handle, maker_row, lots):
    """Take lots off a maker on the book, of which its details tell already. One with nothing left is closed, its level
    told when it is gone; one that has only hidden lots left shows the next of them."""
    state = views(handle)
    maker = state.details[maker_row]
    shown_lots = state.book.orders[maker_row]["leaves_lots"]
    if lots < shown_lots:
        reduce_order(state.book, maker_row, lots)
        count_open_lots(state, maker, -lots)
        return
    if leaves_of(maker) != 0:
        show_next_part(handle, maker_row)
        count_open_lots(state, maker, -lots)
        return
    is_last = state.book.levels[state.book.orders[maker_row]["level"]]["order_count"] == 1
    retire_order(handle, maker_row, lots)
    if is_last:
        tell_level(handle)


@cold
def tell_level(handle):
    """The book event of the level that the taker touched, as it is now."""
    state = views(handle)
    step = state.step[0]
    taker = state.taker[0]
    opposite = opposite_row(taker)
    price_ticks = step["touched_price_ticks"]
    step["touched_price_ticks"] = 0
    level = find_level(state.book, opposite, price_key(opposite, price_ticks))
    lots = state.book.levels[level]["lots"] if level != NIL else np.int64(0)
    side = Side.SELL.value if taker["side"] == Side.BUY else Side.BUY.value
    emit_book(handle, np.int64(taker["instrument_id"]), side, price_ticks, lots)


@hot
def is_prevented(state, taker, maker_row):
    return (
        taker["self_trade_prevention"] != SelfTradePrevention.NONE
        and state.book.orders[maker_row]["account_id"] == taker["account_id"]
    )


@cold
def prevent(handle, maker_row, lots, price_ticks):
    """Keep the taker from trading with its own account's order, where both want `lots`.

    Returns whether the taker has ended. All but DECREMENT take away everything that is open of the order that gives
    way.
    """
    state = views(handle)
    taker = state.taker[0]
    maker = state.details[maker_row]
    mode = taker["self_trade_prevention"]
    maker_lots = leaves_of(maker)
    unit = state.instruments[taker["instrument_id"]]["units_per_tick_lot"]
    taker_lots = wanted_lots(state, taker, price_ticks * unit)
    quote_units = lots * price_ticks * unit
    maker_id = maker["order_id"]
    state.instruments[taker["instrument_id"]]["prevented_count"] += 1
    if mode != SelfTradePrevention.EXPIRE_TAKER:
        state.step[0]["touched_price_ticks"] = price_ticks
    if mode == SelfTradePrevention.DECREMENT:
        prevent_maker(handle, maker_row, lots, price_ticks, quote_units)
        if not is_by_qty(taker):
            state.step[0]["remaining_units"] -= quote_units
        return prevent_taker(handle, lots, lots == taker_lots, price_ticks, quote_units, maker_id)
    if mode != SelfTradePrevention.EXPIRE_TAKER:
        prevent_maker(handle, maker_row, maker_lots, price_ticks, quote_units)
    if mode != SelfTradePrevention.EXPIRE_MAKER:
        return prevent_taker(handle, taker_lots, True, price_ticks, quote_units, maker_id)
    return False


@cold
def prevent_maker(handle, maker_row, lots, price_ticks, quote_units):
    """Take lots away from the maker; one with nothing left expires."""
    state = views(handle)
    maker = state.details[maker_row]
    taker_id = state.taker[0]["order_id"]
    maker_id = maker["order_id"]
    list_row = np.int64(maker["list_row"])
    if list_row != NIL:
        stand_alone(handle, maker_row)
    take_away(handle, maker, lots)
    if leaves_of(maker) == 0:
        maker["status"] = OrderStatus.EXPIRED_IN_MATCH
        kind = OrderEventKind.ORDER_EXPIRED.value
    else:
        kind = OrderEventKind.TRADE_PREVENTED.value
    emit_prevented(handle, maker, kind, 1, lots, price_ticks, quote_units, taker_id)
    status = np.int64(maker["status"])
    take_from_maker(handle, maker_row, lots)
    if list_row != NIL:
        leg_changed(handle, list_row, maker_id, status)


@hot
def prevent_taker(handle, lots, is_end, price_ticks, quote_units, maker_id):
    """Take lots away from the taker; with nothing left it expires. Returns whether it does."""
    state = views(handle)
    taker = state.taker[0]
    take_away(handle, taker, lots)
    if not is_end:
        kind = OrderEventKind.TRADE_PREVENTED.value
        emit_prevented(handle, taker, kind, 0, lots, price_ticks, quote_units, maker_id)
        return False
    if state.step[0]["touched_price_ticks"] != 0:
        tell_level(handle)
    taker["status"] = OrderStatus.EXPIRED_IN_MATCH
    emit_prevented(handle, taker, OrderEventKind.ORDER_EXPIRED.value, 0, lots, price_ticks, quote_units, maker_id)
    return True


@hot
def take_away(handle, order, lots):
    state = views(handle)
    order["prevented_lots"] += lots
    order["updated_ts_ns"] = state.venue[0]["ts_ns"]
    order["updated_seq"] = state.venue[0]["seq"]
    release(handle, order, lots)


@cold
def is_fillable(handle):
    """FOK: whether the opposite orders would fill the order in hand to the end, before anything trades.

    An own order in the way counts, is passed over or ends it, as the self-trade prevention says.
    """
    state = views(handle)
    book = state.book
    taker = state.taker[0]
    mode = taker["self_trade_prevention"]
    worst_key = state.step[0]["worst_key"]
    missing_lots = taker["qty_lots"]
    has_icebergs = state.instruments[taker["instrument_id"]]["iceberg_count"] != 0
    level = best_level(book, opposite_row(taker))
    while level != NIL and book.levels[level]["key"] <= worst_key:
        if mode == SelfTradePrevention.NONE:
            missing_lots -= open_lots(state, taker, level, missing_lots)
        else:
            row = np.int64(book.levels[level]["first"])
            while row != NIL and missing_lots > 0:
                if book.orders[row]["account_id"] != taker["account_id"]:
                    lots = leaves_of(state.details[row]) if has_icebergs else book.orders[row]["leaves_lots"]
                    missing_lots -= lots
                elif mode != SelfTradePrevention.EXPIRE_MAKER:
                    return False
                row = np.int64(book.orders[row]["next"])
        if missing_lots <= 0:
            return True
        level = next_level(book, level)
    return False
