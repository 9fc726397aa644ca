"""Place: the life of an order from its command to its rest on the book, or to its end.

commands → engine (PLACE: risk → match → settle) → events

`place` decides and accepts, `go_on_placing` matches, step by step, and then disposes of what is left. The order in
hand is `taker`; it gets a row of the pools only when it comes to rest, so most orders that trade at once never touch
them. An order with a stop price rests on a ladder of its own first (`trigger.py`).
"""

import numpy as np

from holdfast.codes import (
    ExpiryReason,
    InstrumentRule,
    KeyPermission,
    OrderEventKind,
    OrderStatus,
    PegPriceType,
    RejectReason,
    TimeInForce,
    TradingMode,
)
from holdfast.engine.acting import begin_acting, end_acting
from holdfast.engine.book import append_order, side_row
from holdfast.engine.emit import emit_book, emit_order, is_market, is_waiting
from holdfast.engine.iceberg import count_iceberg, part_of
from holdfast.engine.ids import close_client_ids, copy_text, link_client_ids, remember_open, remember_refused
from holdfast.engine.jit import cold, hot
from holdfast.engine.lists import leg_changed
from holdfast.engine.match import (
    ANY_KEY,
    GOES_ON,
    NO_FUNDS,
    NO_MORE_ORDERS,
    NOTHING_LEFT,
    OUT_OF_RANGE,
    SELF_TRADE,
    TOO_SMALL,
    is_by_qty,
    is_fillable,
    match,
    meets_order,
    worst_acceptable_key,
)
from holdfast.engine.pegged import PEG_MASK, PEG_SHIFT, take_offset
from holdfast.engine.positions import list_order, make_position
from holdfast.engine.price_range import set_range, would_leave_range
from holdfast.engine.reopening import interrupt, keep_in_band, would_leave_band
from holdfast.engine.risk import has_place, is_instrument, judge_asker, judge_order, may_rest
from holdfast.engine.settle import hold, is_held, leaves_of, release
from holdfast.engine.state import IDLE, MATCHING, NIL, views
from holdfast.engine.stops import is_stop, trails_at_once, waiting_price, waiting_side
from holdfast.engine.trails import begin_run

_NONE = RejectReason.NONE.value


@cold
def place(handle, command_row):
    """PLACE_ORDER: refuse the order, or accept it and begin to match it."""
    take_in_hand(handle, command_row)
    state = views(handle)
    reason = judge_asker(handle, command_row, KeyPermission.TRADE.value)
    if reason == _NONE and not is_instrument(state, np.int64(state.taker[0]["instrument_id"])):
        reason = RejectReason.INSTRUMENT_UNKNOWN.value
    if reason == _NONE:
        place_in_hand(handle, command_row, False)
    else:
        refuse(handle, reason, state.commands[command_row]["deadline_ts_ns"])


@hot
def take_in_hand(handle, command_row):
    """Make the command's order the one in hand."""
    state = views(handle)
    fill_order(state.taker[0], state.commands[command_row])


@hot
def fill_order(order, command):
    """Make an order of a command that says one."""
    order["order_id"] = 0
    order["created_ts_ns"] = command["ts_ns"]
    order["updated_ts_ns"] = command["ts_ns"]
    order["updated_seq"] = command["seq"]
    order["price_ticks"] = command["price_ticks"]
    order["qty_lots"] = command["qty_lots"]
    order["executed_lots"] = 0
    order["executed_quote_units"] = 0
    order["quote_units"] = command["quote_units"]
    order["prevented_lots"] = 0
    order["account_id"] = command["account_id"]
    order["instrument_id"] = command["instrument_id"]
    order["key_id"] = command["key_id"]
    order["position"] = 0
    order["older"] = 0
    order["younger"] = 0
    order["client_id_row"] = 0
    order["amend_count"] = 0
    copy_text(order, command)
    order["side"] = command["side"]
    order["order_type"] = command["order_type"]
    order["time_in_force"] = command["time_in_force"]
    order["self_trade_prevention"] = command["self_trade_prevention"]
    order["status"] = 0
    order["stop_price_ticks"] = command["stop_price_ticks"]
    order["working_ts_ns"] = 0
    order["trailing_delta_bips"] = command["trailing_delta_bips"]
    order["trailing_ts_ns"] = 0
    order["iceberg_lots"] = command["iceberg_lots"]
    order["peg_price_type"] = command["flags"] >> PEG_SHIFT & PEG_MASK
    order["peg_offset_levels"] = 0
    if order["peg_price_type"] != PegPriceType.NONE:
        take_offset(order)
    order["list_row"] = 0


@cold
def place_in_hand(handle, command_row, is_id_judged):
    """Judge and accept the order in hand, whose asker and instrument are known, and perhaps its client id."""
    reason = judge_order(handle, is_id_judged)
    if reason != _NONE:
        refuse(handle, reason, views(handle).commands[command_row]["deadline_ts_ns"])
        return
    has_to_wait = is_waiting(views(handle).taker[0])
    if has_to_wait:
        begin_to_trail(handle, 0)
    accept(handle)
    if has_to_wait:
        wait(handle)
        end_acting(handle)
    else:
        work(handle)


@cold
def work(handle):
    """Let the order in hand, whose acting account's step has begun, match next.

    The loop of `apply` calls `go_on_placing` then. A call from here would end up in the same place, but all of matching
    would be compiled into each caller of this once more, which takes minutes.
    """
    state = views(handle)
    step = state.step[0]
    step["remaining_units"] = state.taker[0]["quote_units"]
    step["touched_price_ticks"] = 0
    step["run_price_ticks"] = 0
    step["range_key"] = ANY_KEY
    step["worst_key"] = worst_acceptable_key(state.taker[0])
    step["is_banded"] = 0
    if rests_at_once(state, state.taker[0]):
        step["phase"] = IDLE
        rest(handle)
        finish_step(handle)
        return
    if state.instruments[state.taker[0]["instrument_id"]]["rules"] != 0:
        keep_within_rules(handle)
    if state.taker[0]["time_in_force"] == TimeInForce.FOK and not is_fillable(handle):
        step["phase"] = IDLE
        expire(handle, ExpiryReason.FILL_OR_KILL.value)
        finish_step(handle)
        return
    step["phase"] = MATCHING


@hot
def rests_at_once(state, order):
    """Whether the order comes to rest without a look at what else may happen to one that works: in an auction, and,
    since most do, where nothing but its price is to be asked and no order meets it."""
    instrument = state.instruments[order["instrument_id"]]
    if instrument["mode"] == TradingMode.AUCTION:
        return True
    return instrument["rules"] == 0 and may_rest(order) and not is_stop(order) and not meets_order(state, order)


@cold
def keep_within_rules(handle):
    """Let the order in hand trade only with what its instrument's rules allow it at this moment."""
    state = views(handle)
    step = state.step[0]
    rules = state.instruments[state.taker[0]["instrument_id"]]["rules"]
    if rules & InstrumentRule.PRICE_RANGE != 0:
        set_range(handle)
        step["worst_key"] = min(step["worst_key"], step["range_key"])
    if rules & InstrumentRule.PRICE_BAND != 0 and meets_order(state, state.taker[0]):
        keep_in_band(handle)


@cold
def refuse(handle, reason, deadline_ts_ns):
    """Emit the refusal. One that another moment might not give is remembered until the deadline."""
    state = views(handle)
    order = state.taker[0]
    order["status"] = OrderStatus.REJECTED
    order["order_id"] = 0
    if reason == RejectReason.DUPLICATE_CLIENT_ID:
        order["order_id"] = state.step[0]["duplicate_order_id"]
        order["status"] = state.step[0]["duplicate_status"]
    emit_order(handle, order, OrderEventKind.ORDER_REJECTED.value, reason)
    if deadline_ts_ns != 0 and is_refusal_of_the_moment(reason):
        remember_refused(handle, order, deadline_ts_ns)


@hot
def is_refusal_of_the_moment(reason):
    """Not those about who asks, the form or the id: a copy of the same record would be refused again anyway."""
    return (
        reason == RejectReason.VENUE_KILLED
        or reason == RejectReason.ACCOUNT_FROZEN
        or reason == RejectReason.MODE_FORBIDS
        or reason == RejectReason.REPLACE_CANCEL_FAILED
        or reason == RejectReason.OCO_PRICES
        or reason >= RejectReason.PRICE_FILTER
    )


@hot
def accept(handle):
    """Number the order, hold its funds, remember its id. Nothing can fail any more."""
    state = views(handle)
    order = state.taker[0]
    enter(handle, OrderStatus.NEW.value)
    if is_held(order):
        hold(state, order, order["qty_lots"])
    emit_order(handle, order, OrderEventKind.ORDER_ACCEPTED.value, 0)


@hot
def enter(handle, status):
    """Give the order in hand its number and its place with its account, and remember its id."""
    state = views(handle)
    order = state.taker[0]
    venue = state.venue[0]
    venue["order_count"] += 1
    order["order_id"] = venue["order_count"]
    order["status"] = status
    if order["position"] == 0:
        order["position"] = make_position(handle, np.int64(order["account_id"]), np.int64(order["instrument_id"]))
    begin_acting(handle, np.int64(order["position"]))
    order["client_id_row"] = remember_open(handle, state.step[0]["client_id_tag"], order)


@cold
def go_on_placing(handle):
    """Match on; when that is done, dispose of what is left of the order in hand."""
    outcome = match(handle)
    if outcome == GOES_ON:
        return
    state = views(handle)
    order = state.taker[0]
    state.step[0]["phase"] = IDLE
    if outcome == NO_MORE_ORDERS and state.step[0]["range_key"] != ANY_KEY and would_leave_range(handle):
        outcome = OUT_OF_RANGE
    is_interrupted = outcome == NO_MORE_ORDERS and state.step[0]["is_banded"] != 0 and would_leave_band(handle)
    if is_interrupted:
        interrupt(handle)
    if outcome == NO_MORE_ORDERS and may_rest(order):
        if is_stop(order) and not has_place(state, order):
            expire(handle, ExpiryReason.PAGES_FULL.value)
        else:
            rest(handle)
    elif outcome == SELF_TRADE or order["status"] == OrderStatus.FILLED:
        close_client_ids(state, order["client_id_row"], order["status"])
    else:
        assert outcome != NOTHING_LEFT
        expire(handle, ExpiryReason.PRICE_BAND.value if is_interrupted else expiry_reason(order, outcome))
    finish_step(handle)


@hot
def finish_step(handle):
    """The order in hand has come to rest or ended: what depends on it follows, and its account is told its balances."""
    order = views(handle).taker[0]
    if order["list_row"] != NIL:
        leg_changed(handle, np.int64(order["list_row"]), order["order_id"], np.int64(order["status"]))
    end_acting(handle)


@hot
def expiry_reason(order, outcome):
    if outcome == OUT_OF_RANGE:
        return ExpiryReason.PRICE_RANGE.value
    if not is_market(order):
        assert order["time_in_force"] == TimeInForce.IOC
        return ExpiryReason.IMMEDIATE_OR_CANCEL.value
    if outcome == NO_FUNDS:
        return ExpiryReason.FUNDS_EXHAUSTED.value
    assert outcome in (NO_MORE_ORDERS, TOO_SMALL)
    return ExpiryReason.NO_LIQUIDITY.value


@cold
def expire(handle, reason):
    """End the order in hand with what it has left."""
    state = views(handle)
    order = state.taker[0]
    if is_by_qty(order):
        release(handle, order, leaves_of(order))
    order["status"] = OrderStatus.EXPIRED
    emit_order(handle, order, OrderEventKind.ORDER_EXPIRED.value, reason)
    close_client_ids(state, order["client_id_row"], order["status"])


@hot
def rest(handle):
    """Put what is left of the order in hand on the book."""
    state = views(handle)
    order = state.taker[0]
    side = side_row(np.int64(order["instrument_id"]), order["side"])
    row = list_in_hand(handle, side, order["price_ticks"])
    level_lots = state.book.levels[state.book.orders[row]["level"]]["lots"]
    emit_book(handle, np.int64(order["instrument_id"]), np.int64(order["side"]), order["price_ticks"], level_lots)


@hot
def list_in_hand(handle, side, price_ticks):
    """Give the order in hand a row at a price of a ladder, and a place among its account's open orders."""
    state = views(handle)
    order = state.taker[0]
    leaves_lots = leaves_of(order)
    shown_lots = leaves_lots
    if order["iceberg_lots"] != 0:
        shown_lots = part_of(order)
        count_iceberg(state, order, 1)
    row = append_order(state.book, side, price_ticks, order["order_id"], np.int64(order["account_id"]), shown_lots)
    state.details[row] = order
    list_order(state, row, leaves_lots)
    link_client_ids(state, order["client_id_row"], row)
    state.venue[0]["open_order_count"] += 1
    return row


@cold
def begin_to_trail(handle, row):
    """An order in this row of `taker` that follows the price from now on says so from the start."""
    state = views(handle)
    order = state.taker[row]
    if trails_at_once(state, order):
        order["trailing_ts_ns"] = state.venue[0]["ts_ns"]


@cold
def wait(handle):
    """Let the order in hand wait for its price, on a ladder of such orders, where nobody sees it."""
    state = views(handle)
    order = state.taker[0]
    row = list_in_hand(handle, waiting_side(state, order), waiting_price(state, order))
    if order["trailing_delta_bips"] != 0:
        last_ticks = state.instruments[order["instrument_id"]]["last_price_ticks"]
        state.step[0]["run_price_ticks"] = 0  # It hears of no trade before it came.
        state.step[0]["first_ticks"] = last_ticks
        if order["trailing_ts_ns"] != 0:
            begin_run(state, row, last_ticks)
    count_waiting(handle)


@hot
def count_waiting(handle):
    """The order in hand was listed and has a stop price that was not reached."""
    state = views(handle)
    order = state.taker[0]
    state.venue[0]["waiting_count"] += 1
    state.positions[order["position"]]["waiting_count"] += 1
