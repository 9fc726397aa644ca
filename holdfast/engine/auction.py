"""Auction: trade what has crossed while orders were collected, all of it at one price.

commands → engine (AUCTION: find the price, then pair after pair) → events

While an instrument is in AUCTION its orders come to rest without being matched, so its book may cross. When it goes to
a mode in which orders match, `begin_uncrossing` finds the price, and `go_on_uncrossing` trades the best buy with the
best sell at that price until no two are left that accept it: price first, then time. A step ends after
STEP_ORDER_EVENTS_MAX order events; the next one goes on from `step`, before anything else. Orders that wait for a stop
price come after all of it.

The price is the one at which most lots trade; among those with the smallest surplus; among those the nearest to the
last price. Such prices lie next to each other (lots wanted fall with the price and lots offered rise), so the last
price decides alone. Before the first trade of all it is the middle of them, rounded down.

Of two orders that trade the one that came to the book first is the maker. Self-trade prevention does not act: it would
take lots away after the price was found, which then would be the wrong one.

What an auction says about the price is worth more than what was before it: the average price begins anew, and so does
a reference price that is a mean.
"""

import numpy as np

from holdfast.codes import ControlEventKind, InstrumentRule, OrderStatus, RejectReason, Side, TradingMode
from holdfast.config import PRICE_TICKS_MAX, STEP_ORDER_EVENTS_MAX
from holdfast.engine.average import add_to_average, forget_average
from holdfast.engine.book import best_level, level_price, next_level, reduce_order, side_row
from holdfast.engine.emit import emit_balance, emit_book, emit_control, emit_trade
from holdfast.engine.iceberg import count_open_lots_at, show_next_part
from holdfast.engine.jit import cold, hot
from holdfast.engine.lists import leg_changed, lock_bought, stand_alone
from holdfast.engine.match import holding
from holdfast.engine.positions import count_open_lots
from holdfast.engine.reference_price import add_to_reference, forget_reference
from holdfast.engine.retire import retire_order
from holdfast.engine.settle import leaves_of, settle_side
from holdfast.engine.state import IDLE, NIL, UNCROSSING, views

_ANY_LOTS = np.int64(2**62)  # More than there are.


@hot
def lets_match(mode):
    """Whether orders trade with each other in this mode as they come."""
    return mode == TradingMode.TRADING or mode == TradingMode.LIMIT_ONLY or mode == TradingMode.POST_ONLY


@cold
def is_crossed(state, instrument_id):
    """Whether the best buy would trade with the best sell."""
    buys = side_row(instrument_id, Side.BUY)
    buy = best_level(state.book, buys)
    sell = best_level(state.book, buys ^ 1)
    return buy != NIL and sell != NIL and level_price(state.book, buy) >= level_price(state.book, sell)


@cold
def find_auction_price(state, instrument_id):
    """(price, lots that would trade, surplus at that price: bought less sold) of the book as it is.

    Zeros when nothing would trade.
    """
    book = state.book
    buys = side_row(instrument_id, Side.BUY)
    buy = best_level(book, buys)
    sell = best_level(book, buys ^ 1)
    buy_lots = lots_at(state, instrument_id, buy)
    sell_lots = lots_at(state, instrument_id, sell)
    lots = np.int64(0)
    lowest = np.int64(0)
    highest = np.int64(0)
    # Serving the best with the best gives the largest volume; the last pair's limits bound the prices that have it.
    while buy != NIL and sell != NIL and level_price(book, buy) >= level_price(book, sell):
        highest = level_price(book, buy)
        lowest = level_price(book, sell)
        served = min(buy_lots, sell_lots)
        lots += served
        buy_lots -= served
        sell_lots -= served
        if buy_lots == 0:
            buy = next_level(book, buy)
            buy_lots = lots_at(state, instrument_id, buy)
        if sell_lots == 0:
            sell = next_level(book, sell)
            sell_lots = lots_at(state, instrument_id, sell)
    if lots == 0:
        return np.int64(0), np.int64(0), np.int64(0)
    first, last = least_surplus(state, lowest, highest, buy, buy_lots, sell, sell_lots)
    price = nearest(state.instruments[instrument_id]["last_price_ticks"], first, last)
    if buy != NIL and price <= level_price(book, buy):
        return price, lots, buy_lots
    if sell != NIL and price >= level_price(book, sell):
        return price, lots, -sell_lots
    return price, lots, np.int64(0)


@cold
def lots_at(state, instrument_id, level):
    """All that is open at a level, what icebergs hide too; 0 where there is none."""
    if state.instruments[instrument_id]["iceberg_count"] == 0:
        return np.int64(state.book.levels[level]["lots"])
    return count_open_lots_at(state, level, _ANY_LOTS)


@cold
def least_surplus(state, lowest, highest, buy, buy_lots, sell, sell_lots):
    """Of the prices from lowest to highest the first and the last at which the fewest lots are left over.

    `buy` and `sell` are the best levels that were not served, or not wholly, with what is left there; the buy's price
    is below the sell's. Between them nothing is left; at the buy's price its lots are, at the sell's those of the sell,
    and farther away more.
    """
    book = state.book
    buy_price = level_price(book, buy) if buy != NIL else np.int64(0)
    sell_price = level_price(book, sell) if sell != NIL else np.int64(PRICE_TICKS_MAX + 1)
    first = max(buy_price + 1, lowest)
    last = min(sell_price - 1, highest)
    if first <= last:
        return first, last
    has_buy = buy_price >= lowest
    has_sell = sell_price <= highest
    if has_buy and (not has_sell or buy_lots <= sell_lots):
        worse = next_level(book, buy)
        first = max(level_price(book, worse) + 1 if worse != NIL else np.int64(0), lowest)
    else:
        first = sell_price
    if has_sell and (not has_buy or sell_lots <= buy_lots):
        worse = next_level(book, sell)
        last = min(level_price(book, worse) - 1 if worse != NIL else highest, highest)
    else:
        last = buy_price
    return first, last


@hot
def nearest(reference, first, last):
    """The price from first to last that is the nearest to the reference; without one (0) the middle, rounded down."""
    if reference == 0:
        return (first + last) // 2
    return min(max(reference, first), last)


@cold
def begin_uncrossing(handle, instrument_id):
    """The book is crossed, and orders match from now on: what crosses trades before anything else."""
    state = views(handle)
    step = state.step[0]
    price_ticks, _, _ = find_auction_price(state, instrument_id)
    assert price_ticks > 0
    forget_average(state, instrument_id)
    forget_reference(handle, instrument_id)
    step["phase"] = UNCROSSING
    step["about_instrument_id"] = instrument_id
    step["auction_ticks"] = price_ticks
    step["auction_lots"] = 0
    step["auction_taker_id"] = 0
    step["touched_buy_ticks"] = 0
    step["touched_sell_ticks"] = 0
    step["first_ticks"] = price_ticks
    step["run_price_ticks"] = price_ticks
    step["highest_ticks"] = price_ticks
    step["lowest_ticks"] = price_ticks


@cold
def go_on_uncrossing(handle):
    """One step; the last one ends with AUCTION_UNCROSSED."""
    state = views(handle)
    step = state.step[0]
    buys = side_row(step["about_instrument_id"], Side.BUY)
    price_ticks = step["auction_ticks"]
    events_end = state.out.out_head[0]["orders"] + STEP_ORDER_EVENTS_MAX
    while True:
        buy = best_level(state.book, buys)
        sell = best_level(state.book, buys ^ 1)
        if buy == NIL or sell == NIL:
            break
        if (
            level_price(state.book, buy) < step["auction_ticks"]
            or level_price(state.book, sell) > step["auction_ticks"]
        ):
            break
        if state.out.out_head[0]["orders"] >= events_end:
            return
        trade_pair(handle, np.int64(state.book.levels[buy]["first"]), np.int64(state.book.levels[sell]["first"]))
    tell_touched(handle, Side.BUY.value, step["touched_buy_ticks"])
    tell_touched(handle, Side.SELL.value, step["touched_sell_ticks"])
    step["phase"] = IDLE
    kind = ControlEventKind.AUCTION_UNCROSSED.value
    emit_control(handle, kind, RejectReason.NONE.value, price_ticks, step["auction_lots"], 0)


@cold
def trade_pair(handle, buy_row, sell_row):
    """One fill of two orders on the book: both orders, both accounts, the market's numbers."""
    state = views(handle)
    step = state.step[0]
    price_ticks = step["auction_ticks"]
    maker_row, taker_row = buy_row, sell_row
    if not is_earlier(state.details[buy_row], state.details[sell_row]):
        maker_row, taker_row = sell_row, buy_row
    maker = state.details[maker_row]
    taker = state.details[taker_row]
    lots = min(state.book.orders[buy_row]["leaves_lots"], state.book.orders[sell_row]["leaves_lots"])
    instrument_id = step["about_instrument_id"]
    instrument = state.instruments[instrument_id]
    instrument["trade_count"] += 1
    if step["auction_taker_id"] != taker["order_id"]:
        instrument["aggregate_count"] += 1
        step["auction_taker_id"] = taker["order_id"]
    instrument["last_price_ticks"] = price_ticks
    step["auction_lots"] += lots
    add_to_average(handle, instrument_id, price_ticks, lots)
    if instrument["rules"] & InstrumentRule.REFERENCE_MEAN != 0:
        add_to_reference(handle, instrument_id, price_ticks)

    makers = state.positions[maker["position"]]
    takers = state.positions[taker["position"]]
    maker_base = holding(state, makers["base_row"])
    maker_quote = holding(state, makers["quote_row"])
    taker_base = holding(state, takers["base_row"])
    taker_quote = holding(state, takers["quote_row"])
    is_of_list = (maker["list_row"] | taker["list_row"]) != NIL
    if is_of_list:
        stand_alone(handle, maker_row)
        stand_alone(handle, taker_row)
    maker_fee = settle_side(handle, maker, True, lots, price_ticks)
    taker_fee = settle_side(handle, taker, False, lots, price_ticks)
    if is_of_list:
        lock_bought(handle, maker, lots, maker_fee)
        lock_bought(handle, taker, lots, taker_fee)
    mark_traded(maker)
    mark_traded(taker)
    quote_units = price_ticks * lots * instrument["units_per_tick_lot"]
    emit_trade(handle, maker, 1, lots, price_ticks, quote_units, maker_fee, taker["order_id"])
    emit_trade(handle, taker, 0, lots, price_ticks, quote_units, taker_fee, maker["order_id"])
    tell_holdings(handle, makers, maker_base, maker_quote)
    if maker["position"] != taker["position"]:
        tell_holdings(handle, takers, taker_base, taker_quote)
    buy_list, buy_id, buy_status = leg_of(state, buy_row)
    sell_list, sell_id, sell_status = leg_of(state, sell_row)
    step["touched_buy_ticks"] = take_off(handle, buy_row, lots)
    step["touched_sell_ticks"] = take_off(handle, sell_row, lots)
    if buy_list != NIL:
        leg_changed(handle, buy_list, buy_id, buy_status)
    if sell_list != NIL:
        leg_changed(handle, sell_list, sell_id, sell_status)


@hot
def leg_of(state, row):
    """The list that the order in this row is in, or NIL; its id and its status."""
    order = state.details[row]
    return np.int64(order["list_row"]), np.int64(order["order_id"]), np.int64(order["status"])


@hot
def is_earlier(order, other):
    """Whether the order came to the book before the other. An order with a stop price came when that was reached."""
    since = order["working_ts_ns"] if order["working_ts_ns"] != 0 else order["created_ts_ns"]
    other_since = other["working_ts_ns"] if other["working_ts_ns"] != 0 else other["created_ts_ns"]
    if since != other_since:
        return since < other_since
    return order["order_id"] < other["order_id"]


@hot
def mark_traded(order):
    order["status"] = OrderStatus.FILLED if leaves_of(order) == 0 else OrderStatus.PARTIALLY_FILLED


@cold
def tell_holdings(handle, position, base_before, quote_before):
    """Both balances of a position that traded, base before quote."""
    state = views(handle)
    emit_balance(handle, position["base_row"], holding(state, position["base_row"]) - base_before)
    emit_balance(handle, position["quote_row"], holding(state, position["quote_row"]) - quote_before)


@cold
def take_off(handle, row, lots):
    """Take lots off an order on the book, of which its details tell already. One with nothing left is closed, its level
    told when it is gone; one that has only hidden lots left shows the next of them.

    Returns the price of the level when it was not told, otherwise 0.
    """
    state = views(handle)
    order = state.details[row]
    price_ticks = order["price_ticks"]
    if lots < state.book.orders[row]["leaves_lots"]:
        reduce_order(state.book, row, lots)
        count_open_lots(state, order, -lots)
        return price_ticks
    if leaves_of(order) != 0:
        show_next_part(handle, row)
        count_open_lots(state, order, -lots)
        return price_ticks
    is_last = state.book.levels[state.book.orders[row]["level"]]["order_count"] == 1
    instrument_id = np.int64(order["instrument_id"])
    side = np.int64(order["side"])
    retire_order(handle, row, lots)
    if not is_last:
        return price_ticks
    emit_book(handle, instrument_id, side, price_ticks, np.int64(0))
    return np.int64(0)


@cold
def tell_touched(handle, side, price_ticks):
    """The level that the last trade left smaller: it is the best one of its side."""
    if price_ticks != 0:
        state = views(handle)
        instrument_id = state.step[0]["about_instrument_id"]
        level = best_level(state.book, side_row(instrument_id, side))
        emit_book(handle, instrument_id, side, price_ticks, state.book.levels[level]["lots"])
