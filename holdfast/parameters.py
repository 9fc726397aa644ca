"""An instrument's parameters as people write them, and as the engine keeps them.

settings file, operators' interface ↔ PARAMETERS ↔ SET_INSTRUMENT_PARAMETER

One table says for every parameter its name and its unit; prices, quantities and amounts are decimal text, counts and
rates are whole numbers, switches are true or false.
"""

from enum import Enum
from typing import NamedTuple

from holdfast.codes import InstrumentParameter
from holdfast.config import FEE_PPM_MAX, PPM
from holdfast.instruments import Asset, NotDecimalError, TooPreciseError, format_decimal, parse_decimal

Written = str | int | bool  # How a value stands in a file or a request.
_MULTIPLIER_DECIMALS = 6
_INT64_MAX = 2**63 - 1


class Unit(Enum):
    PRICE = "decimal text, a whole number of ticks"
    QTY = "decimal text, a whole number of lots"
    QUOTE = "decimal text, in the quote asset"
    BASE = "decimal text, in the base asset"
    MULTIPLIER = "decimal text, of the average price"
    COUNT = "a whole number"
    FEE_PPM = f"a whole number of millionths, at most {FEE_PPM_MAX}"
    SWITCH = "true or false"


class Parameter(NamedTuple):
    name: str
    code: InstrumentParameter
    unit: Unit


_TABLE = [
    Parameter("price_min", InstrumentParameter.PRICE_TICKS_MIN, Unit.PRICE),
    Parameter("price_max", InstrumentParameter.PRICE_TICKS_MAX, Unit.PRICE),
    Parameter("qty_min", InstrumentParameter.QTY_LOTS_MIN, Unit.QTY),
    Parameter("qty_max", InstrumentParameter.QTY_LOTS_MAX, Unit.QTY),
    Parameter("market_qty_min", InstrumentParameter.MARKET_QTY_LOTS_MIN, Unit.QTY),
    Parameter("market_qty_max", InstrumentParameter.MARKET_QTY_LOTS_MAX, Unit.QTY),
    Parameter("notional_min", InstrumentParameter.NOTIONAL_MIN, Unit.QUOTE),
    Parameter("notional_max", InstrumentParameter.NOTIONAL_MAX, Unit.QUOTE),
    Parameter("notional_min_applies_to_market", InstrumentParameter.NOTIONAL_MIN_APPLIES_TO_MARKET, Unit.SWITCH),
    Parameter("notional_max_applies_to_market", InstrumentParameter.NOTIONAL_MAX_APPLIES_TO_MARKET, Unit.SWITCH),
    Parameter("bid_multiplier_up", InstrumentParameter.BID_MULTIPLIER_UP_PPM, Unit.MULTIPLIER),
    Parameter("bid_multiplier_down", InstrumentParameter.BID_MULTIPLIER_DOWN_PPM, Unit.MULTIPLIER),
    Parameter("ask_multiplier_up", InstrumentParameter.ASK_MULTIPLIER_UP_PPM, Unit.MULTIPLIER),
    Parameter("ask_multiplier_down", InstrumentParameter.ASK_MULTIPLIER_DOWN_PPM, Unit.MULTIPLIER),
    Parameter("orders_max", InstrumentParameter.ORDERS_MAX, Unit.COUNT),
    Parameter("algo_orders_max", InstrumentParameter.ALGO_ORDERS_MAX, Unit.COUNT),
    Parameter("order_lists_max", InstrumentParameter.ORDER_LISTS_MAX, Unit.COUNT),
    Parameter("position_max", InstrumentParameter.POSITION_MAX, Unit.BASE),
    Parameter("maker_fee_ppm", InstrumentParameter.MAKER_FEE_PPM, Unit.FEE_PPM),
    Parameter("taker_fee_ppm", InstrumentParameter.TAKER_FEE_PPM, Unit.FEE_PPM),
    Parameter("order_amends_max", InstrumentParameter.ORDER_AMENDS_MAX, Unit.COUNT),
]

PARAMETERS = {parameter.name: parameter for parameter in _TABLE}
BY_CODE = {parameter.code: parameter for parameter in _TABLE}

assert len(BY_CODE) == len(InstrumentParameter) - 1  # All but NONE.

MINIMA = {
    InstrumentParameter.PRICE_TICKS_MIN,
    InstrumentParameter.QTY_LOTS_MIN,
    InstrumentParameter.MARKET_QTY_LOTS_MIN,
    InstrumentParameter.NOTIONAL_MIN,
}


def safe_order(change: tuple[InstrumentParameter, int, int]) -> int:
    """Where a change (parameter, old, new) stands among several of one instrument; a key for sorting.

    Bounds widen downwards first, then narrow from above, then widen upwards, then narrow from below: so no minimum ever
    passes its maximum, and no product of maxima passes both the old and the new one.
    """
    code, old, new = change
    if code in MINIMA:
        return 0 if new < old else 3
    return 1 if new < old else 2


class Grid(NamedTuple):
    """What turns decimal text into an instrument's numbers, also before the instrument is there."""

    base: Asset
    quote: Asset
    tick_e8: int
    lot_units: int


def parse(parameter: Parameter, written: Written, grid: Grid) -> int:
    """The engine's number. Raises ValueError with the end of a sentence ("tick_size …") for people."""
    value = _parse(parameter.unit, written, grid)
    if not 0 <= value <= _INT64_MAX:
        raise ValueError("is out of range")
    if parameter.unit == Unit.FEE_PPM and value > FEE_PPM_MAX:
        raise ValueError(f"is more than {FEE_PPM_MAX} millionths")
    return value


def show(parameter: Parameter, value: int, grid: Grid) -> Written:
    """The engine's number as people write it."""
    match parameter.unit:
        case Unit.PRICE:
            return format_decimal(value * grid.tick_e8)
        case Unit.QTY:
            return grid.base.format(value * grid.lot_units)
        case Unit.QUOTE:
            return grid.quote.format(value)
        case Unit.BASE:
            return grid.base.format(value)
        case Unit.MULTIPLIER:
            return f"{value // PPM}.{value % PPM:06d}"
        case Unit.SWITCH:
            return bool(value)
    return value


def decimal_text(written: Written, decimals: int) -> int:
    """Decimal text in units of 10^-decimals. Raises ValueError with the end of a sentence."""
    if not isinstance(written, str):
        raise ValueError('is not decimal text in quotes, as "0.01"; numbers without quotes are not exact')
    try:
        return parse_decimal(written, decimals)
    except NotDecimalError:
        raise ValueError(f'"{written}" is not a decimal number') from None
    except TooPreciseError:
        raise ValueError(f'"{written}" has more than {decimals} decimals') from None


def _parse(unit: Unit, written: Written, grid: Grid) -> int:
    match unit:
        case Unit.PRICE:
            return _multiple(decimal_text(written, 8), grid.tick_e8, "ticks")
        case Unit.QTY:
            return _multiple(decimal_text(written, grid.base.decimals), grid.lot_units, "lots")
        case Unit.QUOTE:
            return decimal_text(written, grid.quote.decimals)
        case Unit.BASE:
            return decimal_text(written, grid.base.decimals)
        case Unit.MULTIPLIER:
            return decimal_text(written, _MULTIPLIER_DECIMALS)
        case Unit.SWITCH:
            if not isinstance(written, bool):
                raise ValueError("is neither true nor false")
            return int(written)
    return whole_number(written)


def whole_number(written: Written) -> int:
    """Raises ValueError with the end of a sentence."""
    if isinstance(written, bool) or not isinstance(written, int):
        raise ValueError("is not a whole number")
    return written


def _multiple(units: int, step: int, steps: str) -> int:
    count, rest = divmod(units, step)
    if rest:
        raise ValueError(f"is not a whole number of {steps}")
    return count
