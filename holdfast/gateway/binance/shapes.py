"""Shapes: what a limit order may be besides: an iceberg, which shows a part at a time; pegged to a price of the book.

values → SHAPES → fields of the command … order or event → SHAPES → fields of replies and reports

Only form is judged here; what a level's price is, and the filters, are the engine's.
"""

from typing import Any

from holdfast.codes import InstrumentParameter, OrderType, PegPriceType, TimeInForce
from holdfast.config import ICEBERG_PARTS_MAX, PEG_OFFSET_LEVELS_MAX
from holdfast.events import OrderEvent
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.parameters import Parameter, Values, choice, decimal, long
from holdfast.instruments import Instrument
from holdfast.views import Order

_PEGS = {"PRIMARY_PEG": PegPriceType.PRIMARY, "MARKET_PEG": PegPriceType.MARKET}
_NAMES = {member.value: name for name, member in _PEGS.items()}
_OFFSET_TYPE = "PRICE_LEVEL"


def _offset_type(name: str, text: str) -> str:  # noqa: ARG001
    if text != _OFFSET_TYPE:
        raise ApiError(errors.INVALID_PEG_OFFSET_TYPE)
    return text


def _offset_levels(name: str, text: str) -> int:
    levels = long(name, text)
    if levels > PEG_OFFSET_LEVELS_MAX:
        raise ApiError(errors.PARAMETER_TOO_GREAT, name, PEG_OFFSET_LEVELS_MAX)
    return levels


SHAPE = (
    Parameter("icebergQty", decimal),
    Parameter("pegPriceType", choice(_PEGS, errors.INVALID_PEG_PRICE_TYPE)),
    Parameter("pegOffsetType", _offset_type),
    Parameter("pegOffsetValue", _offset_levels),
)


def iceberg_lots(instrument: Instrument, values: Values, time_in_force: int, qty_lots: int) -> int:
    """How much of the order is to be shown at a time; 0: all of it."""
    if not values.get("icebergQty"):
        return 0
    order_type = values["type"]
    if not order_type & OrderType.LIMIT:
        raise ApiError(errors.PARAMETER_NOT_REQUIRED, "icebergQty")
    if order_type != OrderType.LIMIT_MAKER and time_in_force != TimeInForce.GTC:
        raise ApiError(errors.UNKNOWN_ORDER_COMPOSITION)
    lots = instrument.qty_lots(values["icebergQty"])
    if not lots:
        raise ApiError(errors.FILTER_FAILURE, "LOT_SIZE")
    if lots > qty_lots:
        raise ApiError(errors.INVALID_MESSAGE, errors.ICEBERG_EXCEEDS_QTY)
    return lots


def peg(values: Values, time_in_force: int) -> tuple[int, int]:
    """What the price is pegged to (PegPriceType), and how many levels from it; NONE where it is not."""
    peg_price_type = values.get("pegPriceType", PegPriceType.NONE)
    for name in ("pegOffsetType", "pegOffsetValue"):
        if name in values and not peg_price_type:
            raise ApiError(errors.PARAMETER_NOT_REQUIRED, name)
    if not peg_price_type:
        return PegPriceType.NONE, 0
    if ("pegOffsetType" in values) != ("pegOffsetValue" in values):
        raise ApiError(errors.BAD_COMBINATION)
    order_type = values["type"]
    if not order_type & OrderType.LIMIT:
        raise ApiError(errors.INVALID_MESSAGE, errors.TYPE_NOT_PEGGED)
    if order_type == OrderType.LIMIT_MAKER and peg_price_type == PegPriceType.MARKET:
        raise ApiError(errors.INVALID_MESSAGE, errors.PEG_NOT_OF_TYPE)
    is_primary_limit = order_type == OrderType.LIMIT and peg_price_type == PegPriceType.PRIMARY
    if is_primary_limit and time_in_force != TimeInForce.GTC:
        raise ApiError(errors.UNKNOWN_ORDER_COMPOSITION)
    return peg_price_type, values.get("pegOffsetValue", 0)


def check_parts(instrument: Instrument, iceberg_lots: int, qty_lots: int) -> None:
    """The filters that look at nothing but an iceberg: the least quantity of a part, and how many parts."""
    bounds = instrument.parameters
    if iceberg_lots < bounds.get(InstrumentParameter.QTY_LOTS_MIN, 0):
        raise ApiError(errors.FILTER_FAILURE, "LOT_SIZE")
    if -(-qty_lots // iceberg_lots) > iceberg_parts_max(instrument):
        raise ApiError(errors.FILTER_FAILURE, "ICEBERG_PARTS")


def iceberg_parts_max(instrument: Instrument) -> int:
    return instrument.parameters.get(InstrumentParameter.ICEBERG_PARTS_MAX, 0) or ICEBERG_PARTS_MAX


# Replies and reports.


def own_price(instrument: Instrument, order: Order | OrderEvent) -> str:
    """The price that its sender named: of a pegged order none."""
    return instrument.format_price(0 if order.peg_price_type else order.price_ticks)


def shape_of_reply(instrument: Instrument, order: Order | OrderEvent) -> dict[str, Any]:
    """Fields that only an iceberg or a pegged order has."""
    shown: dict[str, Any] = {}
    if order.iceberg_lots:
        shown["icebergQty"] = instrument.format_qty(order.iceberg_lots)
    if order.peg_price_type:
        shown["pegPriceType"] = _NAMES[order.peg_price_type]
        if order.peg_offset_levels:
            shown["pegOffsetType"] = _OFFSET_TYPE
            shown["pegOffsetValue"] = order.peg_offset_levels
        if order.price_ticks:
            shown["peggedPrice"] = instrument.format_price(order.price_ticks)
    return shown


_REPORTED_AS = {"pegPriceType": "gP", "pegOffsetType": "gOT", "pegOffsetValue": "gOV", "peggedPrice": "gp"}


def peg_of_report(instrument: Instrument, event: OrderEvent) -> dict[str, Any]:
    """Fields that only a pegged order's report has."""
    shown = shape_of_reply(instrument, event)
    return {short: shown[name] for name, short in _REPORTED_AS.items() if name in shown}
