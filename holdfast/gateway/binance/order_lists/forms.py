"""Forms: from the parameters of a new order list to its orders.

values → FORMS (which orders, of which types, on which sides) → placing

A leg's parameters are those of a new order behind a prefix (`aboveStopPrice`), so each leg is read as a new order is,
and refused in the names that its sender wrote. Whether prices stand in the right order is the engine's to say, which
knows the last one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from holdfast.codes import OrderListKind, OrderType, Side, TimeInForce
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.errors import ApiError, Error
from holdfast.gateway.binance.formats import ResponseType
from holdfast.gateway.binance.orders import NEW_ORDER, NewOrder, find_instrument, new_client_id, new_order
from holdfast.gateway.binance.parameters import Parameter, Parameters, Values, client_id, signed
from holdfast.instruments import Instrument, Reference

Names = Mapping[str, str]  # What a list's parameter is called, by what a new order's is.

_OF_A_LEG = (
    "type",
    "timeInForce",
    "price",
    "stopPrice",
    "icebergQty",
    "trailingDelta",
    "strategyId",
    "strategyType",
    "pegPriceType",
    "pegOffsetType",
    "pegOffsetValue",
)
_OF_THE_LIST = ("symbol", "newOrderRespType", "selfTradePreventionMode")


class NewOrderList(NamedTuple):
    """A new order list; `legs` in the order in which they are journaled."""

    instrument: Instrument
    kind: OrderListKind
    client_id: str
    legs: tuple[NewOrder, ...]


class Form(NamedTuple):
    """One endpoint's: which parameters it takes, and which of them are whose. `check` refuses what does not go
    together, before any leg is read."""

    kind: OrderListKind
    parameters: Parameters
    legs: tuple[Names, ...]
    check: Callable[[Values], None]


def new_order_list(reference: Reference, values: Values, form: Form) -> NewOrderList:
    """The list that `values` of the form's table describe; raises ApiError where they do not go together."""
    instrument = find_instrument(reference, values)
    form.check(values)
    working, *others = (_leg(reference, values, names) for names in form.legs)
    if form.kind in (OrderListKind.OPO, OrderListKind.OPOCO):
        others = [leg._replace(qty_lots=0) for leg in others]  # What the working order gets, once it has it.
    return NewOrderList(instrument, form.kind, _client_id(values), (working, *others))


def _client_id(values: Values) -> str:
    return values.get("listClientOrderId") or new_client_id()


def _leg(reference: Reference, values: Values, names: Names, **fixed: OrderType) -> NewOrder:
    own = {name: values[sent] for name, sent in names.items() if sent in values}
    shared = {name: values[name] for name in _OF_THE_LIST if name in values}
    try:
        return new_order(reference, {"newOrderRespType": ResponseType.FULL, **shared, **own, **fixed})
    except ApiError as refusal:
        _, *arguments = refusal.args
        raise ApiError(refusal.error, *(names.get(each, each) for each in arguments)) from None


# What goes together.

_STOPS = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
_PROFITS = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
_OF_A_PAIR = (OrderType.LIMIT_MAKER, *_STOPS, *_PROFITS)
_WORKING = (OrderType.LIMIT, OrderType.LIMIT_MAKER)

# By the pair's side: what may not be above, what may not be below.
_MISPLACED: dict[Side, tuple[dict[OrderType, Error], dict[OrderType, Error]]] = {
    Side.SELL: (
        dict.fromkeys(_STOPS, errors.SELL_OCO_STOP_LOSS_MUST_BE_BELOW),
        {
            OrderType.LIMIT_MAKER: errors.SELL_OCO_LIMIT_MUST_BE_ABOVE,
            **dict.fromkeys(_PROFITS, errors.SELL_OCO_TAKE_PROFIT_MUST_BE_ABOVE),
        },
    ),
    Side.BUY: (
        {
            OrderType.LIMIT_MAKER: errors.BUY_OCO_LIMIT_MUST_BE_BELOW,
            **dict.fromkeys(_PROFITS, errors.BUY_OCO_TAKE_PROFIT_MUST_BE_BELOW),
        },
        dict.fromkeys(_STOPS, errors.BUY_OCO_STOP_LOSS_MUST_BE_ABOVE),
    ),
}


def _check_pair(values: Values, side: str, above: str, below: str) -> None:
    """One of the two must be a stop loss, and be where the price comes from the other side."""
    types = values[above + "Type"], values[below + "Type"]
    for order_type in types:
        if order_type not in _OF_A_PAIR:
            raise ApiError(errors.OCO_ORDER_TYPE_REJECTED)
    if types == (OrderType.LIMIT_MAKER, OrderType.LIMIT_MAKER):
        raise ApiError(errors.BOTH_OCO_ORDERS_CANNOT_BE_LIMIT)
    for order_type, misplaced in zip(types, _MISPLACED[values[side]], strict=True):
        if order_type in misplaced:
            raise ApiError(misplaced[order_type])
    for prefix in (above, below):
        name, time_in_force = prefix + "IcebergQty", prefix + "TimeInForce"
        if name in values and values.get(time_in_force, TimeInForce.GTC) != TimeInForce.GTC:
            raise ApiError(errors.OCO_ICEBERG_TIME_IN_FORCE, name, time_in_force)


def _check_working(values: Values) -> None:
    if values["workingType"] not in _WORKING:
        raise ApiError(errors.INVALID_ORDER_TYPE)


def _check_sides_of_opo(values: Values) -> None:
    if values["workingSide"] != Side.BUY:
        raise ApiError(errors.OPO_WORKING_MUST_BE_BUY)
    if values["pendingSide"] != Side.SELL:
        raise ApiError(errors.OPO_PENDING_MUST_BE_SELL)


def _check_oco(values: Values) -> None:
    _check_pair(values, "side", "above", "below")


def _check_otoco(values: Values) -> None:
    _check_working(values)
    _check_pair(values, "pendingSide", "pendingAbove", "pendingBelow")


def _check_opo(values: Values) -> None:
    _check_working(values)
    _check_sides_of_opo(values)


def _check_opoco(values: Values) -> None:
    _check_opo(values)
    _check_otoco(values)


# The tables.


def _names(prefix: str, side: str, quantity: str) -> Names:
    own = {name: prefix + name[0].upper() + name[1:] for name in _OF_A_LEG}
    return {"side": side, "quantity": quantity, "newClientOrderId": prefix + "ClientOrderId", **own}


_convert = {parameter.name: parameter.convert for parameter in NEW_ORDER}


def _table(required: Iterable[str], *legs: Names) -> Parameters:
    table = {name: _convert[name] for name in _OF_THE_LIST} | {"listClientOrderId": client_id}
    table |= {sent: _convert[name] for names in legs for name, sent in names.items()}
    needed = {"symbol", *required}
    return signed(*(Parameter(name, convert, name in needed) for name, convert in table.items()))


def _form(kind: OrderListKind, check: Callable[[Values], None], required: Iterable[str], *legs: Names) -> Form:
    return Form(kind, _table(required, *legs), legs, check)


_of_working = ("workingType", "workingSide", "workingQuantity")  # And a price, unless that is pegged.
_working = {
    name: sent
    for name, sent in _names("working", "workingSide", "workingQuantity").items()
    if name not in ("stopPrice", "trailingDelta")
}
_types_of_pair = ("pendingSide", "pendingAboveType", "pendingBelowType")

OCO = _form(
    OrderListKind.OCO,
    _check_oco,
    ("side", "quantity", "aboveType", "belowType"),
    _names("above", "side", "quantity"),
    _names("below", "side", "quantity"),
)
OTO = _form(
    OrderListKind.OTO,
    _check_working,
    (*_of_working, "pendingType", "pendingSide", "pendingQuantity"),
    _working,
    _names("pending", "pendingSide", "pendingQuantity"),
)
OTOCO = _form(
    OrderListKind.OTOCO,
    _check_otoco,
    (*_of_working, *_types_of_pair, "pendingQuantity"),
    _working,
    _names("pendingAbove", "pendingSide", "pendingQuantity"),
    _names("pendingBelow", "pendingSide", "pendingQuantity"),
)
# Here a pending order has no quantity of its own; while its form is judged the working one's stands for it.
OPO = _form(
    OrderListKind.OPO,
    _check_opo,
    (*_of_working, "pendingType", "pendingSide"),
    _working,
    _names("pending", "pendingSide", "workingQuantity"),
)
OPOCO = _form(
    OrderListKind.OPOCO,
    _check_opoco,
    (*_of_working, *_types_of_pair),
    _working,
    _names("pendingAbove", "pendingSide", "workingQuantity"),
    _names("pendingBelow", "pendingSide", "workingQuantity"),
)


# The old form of an OCO: it says "limit" and "stop", and the side says which of the two is above.

_of_limit = {
    "side": "side",
    "quantity": "quantity",
    "price": "price",
    "newClientOrderId": "limitClientOrderId",
    "icebergQty": "limitIcebergQty",
    "strategyId": "limitStrategyId",
    "strategyType": "limitStrategyType",
}
_of_stop = {
    "side": "side",
    "quantity": "quantity",
    "stopPrice": "stopPrice",
    "trailingDelta": "trailingDelta",
    "price": "stopLimitPrice",
    "timeInForce": "stopLimitTimeInForce",
    "newClientOrderId": "stopClientOrderId",
    "icebergQty": "stopIcebergQty",
    "strategyId": "stopStrategyId",
    "strategyType": "stopStrategyType",
}
OLD_OCO = _table(("side", "quantity", "price"), _of_limit, _of_stop)


def old_oco(reference: Reference, values: Values) -> NewOrderList:
    """The list that `values` of the OLD_OCO table describe; raises ApiError where they do not go together."""
    is_limited = "stopLimitPrice" in values
    if is_limited and "stopLimitTimeInForce" not in values:
        raise ApiError(errors.RECOMMENDED_PARAMETER, "stopLimitTimeInForce")
    limit = _leg(reference, values, _of_limit, type=OrderType.LIMIT_MAKER)
    stop = _leg(reference, values, _of_stop, type=OrderType.STOP_LOSS_LIMIT if is_limited else OrderType.STOP_LOSS)
    legs = (limit, stop) if limit.side == Side.SELL else (stop, limit)
    return NewOrderList(limit.instrument, OrderListKind.OCO, _client_id(values), legs)
