"""Reopening: an instrument's trading mode, and how it changes by itself: on a schedule, or at a price band.

commands → engine (REOPENING → auction) → events

SCHEDULE_REOPENING takes an instrument through HALT, CANCEL_ONLY and AUCTION to TRADING. Each mode lasts as long as the
command says, counted from when it really began, so that a venue that was down does not cut short the time that people
have to cancel and to place orders; what is to last 0 is left out. The modes change at TICK commands (`tick.py`). The
command has an idempotency key, kept for good. A mode that an operator sets by hand ends the schedule.

A price band (BAND_PPM) keeps trades near the average price of the moment at which a taker begins. The first trade that
would be outside does not happen: the instrument goes into AUCTION instead, for BAND_AUCTION_SECONDS, and then to the
mode that it was in. What the taker has left takes part in the auction if it may rest, otherwise it expires. An
instrument that never traded has no band, and an auction's own price is not held to it. A fill-or-kill order that the
band leaves unfilled expires as any that cannot be filled, and begins nothing. Where there is a price range of execution
too, an order that would leave that expires by it, and begins nothing either.
"""

import numpy as np

from holdfast.codes import ControlEventKind, InstrumentParameter, RejectReason, Side, TradingMode
from holdfast.config import PPM, PRICE_TICKS_MAX, STAGE_SECONDS_MAX
from holdfast.engine.auction import begin_uncrossing, is_crossed, lets_match
from holdfast.engine.average import average_price
from holdfast.engine.book import best_level, level_price, price_key
from holdfast.engine.emit import emit_control, is_live
from holdfast.engine.ids import is_empty_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.match import opposite_row, wanted_lots, worst_acceptable_key
from holdfast.engine.operations import answer_known_key, done, is_key_room, reject
from holdfast.engine.operator_keys import remember_operator_key
from holdfast.engine.parameter import parameter
from holdfast.engine.risk import is_instrument
from holdfast.engine.state import NIL, views

_NONE = RejectReason.NONE.value
_NO_SCOPE = 0
SECOND_NS = 10**9
_NO_KEY = -1  # Before every price.


@cold
def change_mode(handle, instrument_id, mode):
    """Go to a mode now, whatever led to it. Where orders match again, what crosses trades first."""
    state = views(handle)
    instrument = state.instruments[instrument_id]
    if instrument["mode"] != mode:
        instrument["mode"] = mode
        next_ts_ns = state.schedules[instrument_id]["next_ts_ns"]
        emit_control(handle, ControlEventKind.TRADING_MODE_CHANGED.value, _NONE, next_ts_ns, mode, 0)
    if lets_match(mode) and is_crossed(state, instrument_id):
        begin_uncrossing(handle, instrument_id)


@hot
def drop_schedule(state, instrument_id):
    schedule = state.schedules[instrument_id]
    schedule["next_ts_ns"] = 0
    schedule["cancel_only_ns"] = 0
    schedule["auction_ns"] = 0
    schedule["last_mode"] = 0


# The schedule.


@cold
def schedule_reopening(handle, command_row):
    """SCHEDULE_REOPENING; it takes the place of a schedule that there is."""
    state = views(handle)
    command = state.commands[command_row]
    instrument_id = np.int64(command["instrument_id"])
    halt_ns = command["price_ticks"]
    if not is_instrument(state, instrument_id):
        reject(handle, RejectReason.INSTRUMENT_UNKNOWN.value)
        return
    if not (is_duration(halt_ns) and is_duration(command["qty_lots"]) and is_duration(command["order_id"])):
        reject(handle, RejectReason.PARAMETER_INVALID.value)
        return
    if is_empty_text(command):
        reject(handle, RejectReason.MALFORMED.value)
        return
    if answer_known_key(handle, command_row, _NO_SCOPE, RejectReason.IDEMPOTENCY_CONFLICT.value):
        return
    if not is_key_room(state):
        reject(handle, RejectReason.OPERATOR_KEYS_FULL.value)
        return
    remember_operator_key(handle, command_row, _NO_SCOPE, 0)
    done(handle, 0, command["qty_lots"])
    schedule = state.schedules[instrument_id]
    schedule["cancel_only_ns"] = command["qty_lots"]
    schedule["auction_ns"] = command["order_id"]
    schedule["last_mode"] = TradingMode.TRADING
    if halt_ns != 0:
        schedule["next_ts_ns"] = command["ts_ns"] + halt_ns
        change_mode(handle, instrument_id, TradingMode.HALT.value)
    else:
        move_on(handle, instrument_id)


@hot
def is_duration(value):
    return value >= 0 and value <= STAGE_SECONDS_MAX * SECOND_NS


@cold
def cancel_reopening(handle, command_row):
    """CANCEL_REOPENING: the mode stays what it is; where nothing is scheduled there is nothing to do."""
    state = views(handle)
    instrument_id = np.int64(state.commands[command_row]["instrument_id"])
    if not is_instrument(state, instrument_id):
        reject(handle, RejectReason.INSTRUMENT_UNKNOWN.value)
        return
    drop_schedule(state, instrument_id)
    done(handle, 0, 0)


@cold
def move_on(handle, instrument_id):
    """Go to the next mode of the schedule."""
    state = views(handle)
    schedule = state.schedules[instrument_id]
    if schedule["cancel_only_ns"] != 0:
        mode = np.int64(TradingMode.CANCEL_ONLY.value)
        schedule["next_ts_ns"] = state.venue[0]["ts_ns"] + schedule["cancel_only_ns"]
        schedule["cancel_only_ns"] = 0
    elif schedule["auction_ns"] != 0:
        mode = np.int64(TradingMode.AUCTION.value)
        schedule["next_ts_ns"] = state.venue[0]["ts_ns"] + schedule["auction_ns"]
        schedule["auction_ns"] = 0
    else:
        mode = np.int64(schedule["last_mode"])
        drop_schedule(state, instrument_id)
    change_mode(handle, instrument_id, mode)


@cold
def next_instrument(state):
    """The instrument whose next mode is due first, at one instant the one with the lowest number; 0: none."""
    first = np.int64(0)
    for instrument_id in range(1, state.venue[0]["instrument_count"] + 1):
        next_ts_ns = state.schedules[instrument_id]["next_ts_ns"]
        if next_ts_ns != 0 and (first == 0 or next_ts_ns < state.schedules[first]["next_ts_ns"]):
            first = np.int64(instrument_id)
    return first


@cold
def halt_next(handle, instrument_id):
    """Stop an instrument instead of going on with its schedule."""
    state = views(handle)
    state.step[0]["about_account_id"] = 0
    state.step[0]["about_instrument_id"] = instrument_id
    drop_schedule(state, instrument_id)
    change_mode(handle, instrument_id, TradingMode.HALT.value)


# The price band.


@cold
def keep_in_band(handle):
    """Let the order in hand, which meets an order that it would trade with, trade only within the band."""
    state = views(handle)
    step = state.step[0]
    taker = state.taker[0]
    instrument_id = np.int64(taker["instrument_id"])
    average = average_price(handle, instrument_id, state.venue[0]["ts_ns"])
    if average == 0:
        return
    band_ppm = parameter(state, instrument_id, InstrumentParameter.BAND_PPM)
    highest = min(average * (PPM + band_ppm) // PPM, np.int64(PRICE_TICKS_MAX))
    lowest = max(-(-average * (PPM - band_ppm) // PPM), np.int64(1))
    opposite = opposite_row(taker)
    best = level_price(state.book, best_level(state.book, opposite))
    if best < lowest or best > highest:
        worst_key = np.int64(_NO_KEY)
    else:
        worst_key = price_key(opposite, highest if taker["side"] == Side.BUY else lowest)
    if worst_key < step["worst_key"]:
        step["worst_key"] = worst_key
        step["is_banded"] = 1


@cold
def would_leave_band(handle):
    """Whether the order in hand, which found no more orders within the band, would trade with one outside."""
    state = views(handle)
    taker = state.taker[0]
    level = best_level(state.book, opposite_row(taker))
    if level == NIL or not is_live(taker["status"]):
        return False
    if state.book.levels[level]["key"] > min(worst_acceptable_key(taker), state.step[0]["range_key"]):
        return False
    unit = state.instruments[taker["instrument_id"]]["units_per_tick_lot"]
    return wanted_lots(state, taker, level_price(state.book, level) * unit) != 0


@cold
def interrupt(handle):
    """The order in hand has come to the edge of the band: its instrument goes into an auction."""
    state = views(handle)
    instrument_id = np.int64(state.taker[0]["instrument_id"])
    auction_seconds = parameter(state, instrument_id, InstrumentParameter.BAND_AUCTION_SECONDS)
    if auction_seconds != 0:
        schedule = state.schedules[instrument_id]
        schedule["next_ts_ns"] = state.venue[0]["ts_ns"] + auction_seconds * SECOND_NS
        schedule["last_mode"] = state.instruments[instrument_id]["mode"]
    change_mode(handle, instrument_id, TradingMode.AUCTION.value)
