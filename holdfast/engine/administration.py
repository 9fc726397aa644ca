"""Operators' and directory commands about what there is: assets, instruments, accounts, keys, and their settings.

commands → engine (ADMINISTRATION) → events

Assets, instruments, accounts and keys are numbered from 1 and never go. What must be unique by its text is kept with
the operators' keys. An instrument starts in HALT, with the widest price and quantity bounds whose product fits.

Invariant: price max x qty max x units per tick and lot <= NOTIONAL_MAX, and qty max x lot <= SUPPLY_MAX.
"""

import numpy as np

from holdfast.codes import (
    CommandKind,
    ControlEventKind,
    InstrumentParameter,
    Limit,
    RejectReason,
    TradingMode,
)
from holdfast.config import (
    ASSET_DECIMALS_MAX,
    ASSETS_MAX,
    FEE_PPM_MAX,
    ICEBERG_PARTS_MAX,
    INSTRUMENTS_MAX,
    NOTIONAL_MAX,
    ORDER_AMENDS_MAX,
    PPM,
    PRICE_TICKS_MAX,
    REFERENCE_BUCKET_MS_MAX,
    REFERENCE_BUCKETS_MAX,
    STAGE_SECONDS_MAX,
    SUPPLY_MAX,
    TRAILING_DELTA_BIPS_MAX,
)
from holdfast.engine.emit import emit_control
from holdfast.engine.ids import copy_text, is_empty_text
from holdfast.engine.jit import cold, hot
from holdfast.engine.mass_cancel import begin_mass_cancel
from holdfast.engine.operations import answer_known_key, done, is_asset, is_key_room, reject
from holdfast.engine.operator_keys import remember_operator_key
from holdfast.engine.parameter import parameter
from holdfast.engine.price_range import rules_of
from holdfast.engine.reference_price import forget_reference
from holdfast.engine.reopening import change_mode, drop_schedule
from holdfast.engine.risk import is_account, is_instrument
from holdfast.engine.state import PARAMETERS_PER_INSTRUMENT, RULES_VERSION, views

UNIT_MAX = NOTIONAL_MAX // PRICE_TICKS_MAX  # So that at least one lot fits at the highest price.
MULTIPLIER_PPM_MAX = 1_000 * PPM
ROWS_MAX = 2**30  # Rows are numbered in 31 bits.
PERMISSIONS_ALL = 7

_NONE = RejectReason.NONE.value
_NO_SCOPE = 0


@cold
def add_asset(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    if command["qty_lots"] < 0 or command["qty_lots"] > ASSET_DECIMALS_MAX:
        reject(handle, RejectReason.DECIMALS_INVALID.value)
        return
    if not is_new_name(handle, command_row, venue["asset_count"], ASSETS_MAX, RejectReason.ASSETS_FULL.value):
        return
    asset_id = venue["asset_count"] + 1
    venue["asset_count"] = asset_id
    asset = state.assets[asset_id]
    copy_text(asset, command)
    asset["decimals"] = command["qty_lots"]
    state.step[0]["about_asset_id"] = asset_id
    remember_operator_key(handle, command_row, _NO_SCOPE, asset_id)
    done(handle, asset_id, command["qty_lots"])


@cold
def is_new_name(handle, command_row, count, maximum, full_reason):
    """Whether a new row may be made under the command's text; if not the command is answered here."""
    state = views(handle)
    if is_empty_text(state.commands[command_row]):
        reject(handle, RejectReason.MALFORMED.value)
        return False
    if answer_known_key(handle, command_row, _NO_SCOPE, RejectReason.NAME_TAKEN.value):
        return False
    if count >= maximum:
        reject(handle, full_reason)
        return False
    if not is_key_room(state):
        reject(handle, RejectReason.OPERATOR_KEYS_FULL.value)
        return False
    return True


@cold
def add_instrument(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    base_asset = np.int64(command["account_id"])
    quote_asset = np.int64(command["instrument_id"])
    tick_e8 = command["price_ticks"]
    lot_units = command["qty_lots"]
    state.step[0]["about_account_id"] = 0
    state.step[0]["about_instrument_id"] = 0
    if not is_asset(state, base_asset) or not is_asset(state, quote_asset):
        reject(handle, RejectReason.ASSET_UNKNOWN.value)
        return
    decimals = 8 + np.int64(state.assets[base_asset]["decimals"]) - np.int64(state.assets[quote_asset]["decimals"])
    unit = units_per_tick_lot(tick_e8, lot_units, decimals)
    if base_asset == quote_asset or unit == 0 or lot_units > SUPPLY_MAX:
        reject(handle, RejectReason.INSTRUMENT_INVALID.value)
        return
    full = RejectReason.INSTRUMENTS_FULL.value
    if not is_new_name(handle, command_row, venue["instrument_count"], INSTRUMENTS_MAX, full):
        return
    instrument_id = venue["instrument_count"] + 1
    venue["instrument_count"] = instrument_id
    instrument = state.instruments[instrument_id]
    copy_text(instrument, command)
    instrument["mode"] = TradingMode.HALT
    instrument["base_asset"] = base_asset
    instrument["quote_asset"] = quote_asset
    instrument["tick_e8"] = tick_e8
    instrument["lot_units"] = lot_units
    instrument["units_per_tick_lot"] = unit
    qty_max = min(NOTIONAL_MAX // (PRICE_TICKS_MAX * unit), SUPPLY_MAX // lot_units)
    set_parameter(state, instrument_id, InstrumentParameter.PRICE_TICKS_MIN.value, 1)
    set_parameter(state, instrument_id, InstrumentParameter.PRICE_TICKS_MAX.value, PRICE_TICKS_MAX)
    set_parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MIN.value, 1)
    set_parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MAX.value, qty_max)
    state.step[0]["about_instrument_id"] = instrument_id
    remember_operator_key(handle, command_row, _NO_SCOPE, instrument_id)
    done(handle, instrument_id, 0)


@hot
def units_per_tick_lot(tick_e8, lot_units, decimals):
    """tick x lot / 10^decimals, or 0 when that is not a whole number of 1 to UNIT_MAX.

    The product may pass 2^63, so the divisor is taken out of the factors first.
    """
    if tick_e8 <= 0 or lot_units <= 0:
        return np.int64(0)
    divisor = np.int64(1)
    for _ in range(decimals):
        divisor *= 10
    common = tick_e8
    rest = divisor
    while rest != 0:
        common, rest = rest, common % rest
    tick_e8 //= common
    divisor //= common
    if lot_units % divisor != 0:
        return np.int64(0)
    lot_units //= divisor
    if tick_e8 > UNIT_MAX // lot_units:
        return np.int64(0)
    return tick_e8 * lot_units


@hot
def set_parameter(state, instrument_id, which, value):
    state.parameters[instrument_id * PARAMETERS_PER_INSTRUMENT + which] = value


@cold
def set_instrument_parameter(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    instrument_id = np.int64(command["instrument_id"])
    which = command["order_id"]
    value = command["qty_lots"]
    if not is_instrument(state, instrument_id):
        reject(handle, RejectReason.INSTRUMENT_UNKNOWN.value)
        return
    reason = judge_parameter(handle, instrument_id, which, value)
    if reason != _NONE:
        reject(handle, reason)
        return
    set_parameter(state, instrument_id, which, value)
    if which == InstrumentParameter.REFERENCE_BUCKETS or which == InstrumentParameter.REFERENCE_BUCKET_MS:
        forget_reference(handle, instrument_id)
    state.instruments[instrument_id]["rules"] = rules_of(state, instrument_id)
    done(handle, which, value)


@cold
def judge_parameter(handle, instrument_id, which, value):
    """Whether the value is in its range, and agrees with the other parameters."""
    state = views(handle)
    price_max = parameter(state, instrument_id, InstrumentParameter.PRICE_TICKS_MAX)
    qty_max = parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MAX)
    lowest = 0
    highest = NOTIONAL_MAX
    if which == InstrumentParameter.PRICE_TICKS_MIN:
        lowest = 1
        highest = price_max
    elif which == InstrumentParameter.PRICE_TICKS_MAX:
        lowest = parameter(state, instrument_id, InstrumentParameter.PRICE_TICKS_MIN)
        highest = PRICE_TICKS_MAX
        price_max = value
    elif which == InstrumentParameter.QTY_LOTS_MIN:
        lowest = 1
        highest = qty_max
    elif which == InstrumentParameter.QTY_LOTS_MAX:
        lowest = parameter(state, instrument_id, InstrumentParameter.QTY_LOTS_MIN)
        highest = SUPPLY_MAX // state.instruments[instrument_id]["lot_units"]
        qty_max = value
    elif is_between(
        which, InstrumentParameter.NOTIONAL_MIN_APPLIES_TO_MARKET, InstrumentParameter.NOTIONAL_MAX_APPLIES_TO_MARKET
    ):
        highest = 1
    elif which == InstrumentParameter.MAKER_FEE_PPM or which == InstrumentParameter.TAKER_FEE_PPM:
        highest = FEE_PPM_MAX
    elif is_multiplier(which):
        highest = MULTIPLIER_PPM_MAX
    elif which == InstrumentParameter.REFERENCE_BUCKETS:
        highest = REFERENCE_BUCKETS_MAX
    elif which == InstrumentParameter.REFERENCE_BUCKET_MS:
        highest = REFERENCE_BUCKET_MS_MAX
    elif which == InstrumentParameter.REFERENCE_PRICE_TICKS:
        highest = PRICE_TICKS_MAX
    elif which == InstrumentParameter.ORDER_AMENDS_MAX:
        highest = ORDER_AMENDS_MAX
    elif which == InstrumentParameter.BAND_PPM:
        highest = MULTIPLIER_PPM_MAX
    elif which == InstrumentParameter.BAND_AUCTION_SECONDS:
        highest = STAGE_SECONDS_MAX
    elif is_between(which, InstrumentParameter.TRAILING_ABOVE_BIPS_MIN, InstrumentParameter.TRAILING_BELOW_BIPS_MAX):
        highest = TRAILING_DELTA_BIPS_MAX
    elif which == InstrumentParameter.ICEBERG_PARTS_MAX:
        highest = ICEBERG_PARTS_MAX
    elif not is_count(which):
        return RejectReason.PARAMETER_INVALID.value
    if value < lowest or value > highest:
        return RejectReason.PARAMETER_INVALID.value
    unit = state.instruments[instrument_id]["units_per_tick_lot"]
    if qty_max > NOTIONAL_MAX // (price_max * unit):
        return RejectReason.INSTRUMENT_INVALID.value
    return _NONE


@hot
def is_count(which):
    """Any number will do that is not negative, but for what was named before."""
    return (
        is_between(which, InstrumentParameter.PRICE_TICKS_MIN, InstrumentParameter.ALGO_ORDERS_MAX)
        or which == InstrumentParameter.ICEBERG_ORDERS_MAX
        or which == InstrumentParameter.ORDER_LISTS_MAX
    )


@hot
def is_multiplier(which):
    """Of PERCENT_PRICE_BY_SIDE or of PRICE_RANGE."""
    return is_between(
        which, InstrumentParameter.BID_MULTIPLIER_UP_PPM, InstrumentParameter.ASK_MULTIPLIER_DOWN_PPM
    ) or is_between(which, InstrumentParameter.BID_LIMIT_UP_PPM, InstrumentParameter.ASK_LIMIT_DOWN_PPM)


@hot
def is_between(value, lowest, highest):
    return value >= lowest and value <= highest


@cold
def set_trading_mode(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    instrument_id = np.int64(command["instrument_id"])
    mode = command["qty_lots"]
    if not is_instrument(state, instrument_id):
        reject(handle, RejectReason.INSTRUMENT_UNKNOWN.value)
        return
    if mode < TradingMode.HALT or mode > TradingMode.AUCTION:
        reject(handle, RejectReason.PARAMETER_INVALID.value)
        return
    drop_schedule(state, instrument_id)
    done(handle, 0, mode)
    change_mode(handle, instrument_id, mode)


@cold
def set_account(handle, command_row):
    """SET_ACCOUNT_FEES, SET_ACCOUNT_FROZEN, KILL_ACCOUNT."""
    state = views(handle)
    command = state.commands[command_row]
    account_id = np.int64(command["account_id"])
    kind = command["kind"]
    maker_fee_ppm = command["price_ticks"]
    value = command["qty_lots"]
    if not is_account(state, account_id):
        reject(handle, RejectReason.ACCOUNT_UNKNOWN.value)
        return
    account = state.accounts[account_id]
    if kind == CommandKind.SET_ACCOUNT_FEES:
        if maker_fee_ppm < -1 or maker_fee_ppm > FEE_PPM_MAX or value < -1 or value > FEE_PPM_MAX:
            reject(handle, RejectReason.PARAMETER_INVALID.value)
            return
        account["maker_fee_ppm"] = maker_fee_ppm
        account["taker_fee_ppm"] = value
    elif kind == CommandKind.SET_ACCOUNT_FROZEN:
        if value < 0 or value > 1:
            reject(handle, RejectReason.PARAMETER_INVALID.value)
            return
        account["is_frozen"] = value
    else:
        value = np.int64(1)
        account["is_frozen"] = value
    done(handle, account_id, value)
    if kind == CommandKind.KILL_ACCOUNT:
        begin_mass_cancel(handle, account_id, account_id, np.int64(0))


@cold
def set_venue_killed(handle, command_row):
    state = views(handle)
    value = state.commands[command_row]["qty_lots"]
    if value < 0 or value > 1:
        reject(handle, RejectReason.PARAMETER_INVALID.value)
        return
    state.venue[0]["is_killed"] = value
    done(handle, 0, value)
    if value == 1:
        begin_mass_cancel(handle, np.int64(1), state.venue[0]["account_count"], np.int64(0))


@cold
def set_limit(handle, command_row):
    """A limit below what is in use lets nothing new in."""
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    which = command["order_id"]
    value = command["qty_lots"]
    if value < 0 or (which != Limit.CLIENT_ID_HORIZON_NS and value > ROWS_MAX):
        reject(handle, RejectReason.PARAMETER_INVALID.value)
        return
    if which == Limit.ORDERS_MAX:
        venue["orders_max"] = value
    elif which == Limit.CLIENT_IDS_MAX:
        venue["client_ids_max"] = value
    elif which == Limit.CLIENT_ID_HORIZON_NS:
        venue["client_id_horizon_ns"] = value
    elif which == Limit.PAGES_MAX:
        state.book.book_head[0]["pages_max"] = value
    elif which == Limit.OPERATOR_KEYS_MAX:
        venue["operator_keys_max"] = value
    elif which == Limit.BALANCES_MAX:
        venue["balances_max"] = value
    elif which == Limit.ACCOUNTS_MAX:
        venue["accounts_max"] = value
    elif which == Limit.EXCHANGE_ORDERS_MAX:
        venue["exchange_orders_max"] = value
    elif which == Limit.EXCHANGE_ALGO_ORDERS_MAX:
        venue["exchange_algo_orders_max"] = value
    elif which == Limit.EXCHANGE_ICEBERG_ORDERS_MAX:
        venue["exchange_iceberg_orders_max"] = value
    elif which == Limit.COUNTDOWNS_MAX:
        venue["countdowns_max"] = value
    elif which == Limit.ORDER_LISTS_MAX:
        state.list_head[0]["order_lists_max"] = value
    elif which == Limit.EXCHANGE_ORDER_LISTS_MAX:
        state.list_head[0]["exchange_order_lists_max"] = value
    else:
        reject(handle, RejectReason.PARAMETER_INVALID.value)
        return
    done(handle, which, value)


@cold
def activate_rules(handle, command_row):
    """The rules that this code has are the only ones that it can activate."""
    state = views(handle)
    version = state.commands[command_row]["qty_lots"]
    if version != RULES_VERSION:
        reject(handle, RejectReason.RULES_UNKNOWN.value)
        return
    state.venue[0]["rules_version"] = version
    done(handle, 0, version)


@cold
def create_account(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    parent_id = command["order_id"]
    if parent_id != 0 and not is_account(state, parent_id):
        reject(handle, RejectReason.ACCOUNT_UNKNOWN.value)
        return
    full = RejectReason.ACCOUNTS_FULL.value
    if not is_new_name(handle, command_row, venue["account_count"], venue["accounts_max"], full):
        return
    account_id = venue["account_count"] + 1
    venue["account_count"] = account_id
    account = state.accounts[account_id]
    account["parent_id"] = parent_id
    account["maker_fee_ppm"] = -1
    account["taker_fee_ppm"] = -1
    account["created_ts_ns"] = command["ts_ns"]
    state.step[0]["about_account_id"] = account_id
    remember_operator_key(handle, command_row, _NO_SCOPE, account_id)
    done(handle, account_id, 0)


@cold
def create_key(handle, command_row):
    state = views(handle)
    command = state.commands[command_row]
    venue = state.venue[0]
    account_id = np.int64(command["account_id"])
    permissions = command["qty_lots"]
    if not is_account(state, account_id):
        reject(handle, RejectReason.ACCOUNT_UNKNOWN.value)
        return
    if permissions < 0 or permissions > PERMISSIONS_ALL:
        reject(handle, RejectReason.PARAMETER_INVALID.value)
        return
    full = RejectReason.OPERATOR_KEYS_FULL.value
    if not is_new_name(handle, command_row, venue["key_count"], venue["operator_keys_max"], full):
        return
    key_id = venue["key_count"] + 1
    venue["key_count"] = key_id
    key = state.keys[key_id]
    key["account_id"] = account_id
    key["permissions"] = permissions
    key["key_type"] = command["order_id"]
    state.step[0]["about_key_id"] = key_id
    remember_operator_key(handle, command_row, _NO_SCOPE, key_id)
    done(handle, key_id, permissions)


@cold
def revoke_key(handle, command_row):
    state = views(handle)
    key_id = state.commands[command_row]["order_id"]
    if key_id <= 0 or key_id > state.venue[0]["key_count"]:
        reject(handle, RejectReason.KEY_UNKNOWN.value)
        return
    key = state.keys[key_id]
    state.step[0]["about_key_id"] = key_id
    state.step[0]["about_account_id"] = key["account_id"]
    if key["is_revoked"] != 0:
        emit_control(handle, ControlEventKind.COMMAND_REPEATED.value, _NONE, key_id, 0, 0)
        return
    key["is_revoked"] = 1
    done(handle, key_id, 0)
