"""Orders: from a new order's parameters to a command, and from its outcome to the reply.

values → checks of form (what belongs to which type; precision; tick, lot) → PLACE_ORDER → outcome → ACK, RESULT, FULL

Only form is judged here. Filters, funds and everything else that depends on the market are the engine's, except for
`order/test`, which never reaches it and looks at the filters that need no market.
"""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from holdfast.clock import Clock
from holdfast.codes import (
    CommandFlag,
    CommandKind,
    InstrumentParameter,
    KeyPermission,
    OrderEventKind,
    OrderType,
    PegPriceType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command, encode
from holdfast.config import TRAILING_DELTA_BIPS_MAX
from holdfast.events import OrderEvent, OrderListEvent
from holdfast.gateway.binance import errors, formats
from holdfast.gateway.binance.endpoints import Budget, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import ResponseType
from holdfast.gateway.binance.parameters import (
    Parameter,
    Values,
    boolean,
    choice,
    client_id,
    decimal,
    long,
    signed,
    symbol,
)
from holdfast.gateway.binance.pending import Pending
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.gateway.binance.shapes import SHAPE, check_parts, iceberg_lots, peg
from holdfast.instruments import Instrument, Reference
from holdfast.views import Account

GATEWAY_ID = 1
RESOLVE_WITHIN_NS = 10_000_000_000  # A command never stays undecided for longer, however great its recvWindow.

# The tables of parameters.

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_TYPES = {member.name: member for member in OrderType if member is not OrderType.NONE}
_TIMES_IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_PREVENTIONS = {member.name: member for member in SelfTradePrevention}
_PREVENTIONS_MISSING = {"TRANSFER": "This symbol does not allow the specified self-trade prevention mode."}
_RESPONSES = {member.name: member for member in ResponseType}

NEW_ORDER = (
    Parameter("symbol", symbol, is_required=True),
    Parameter("side", choice(_SIDES, errors.INVALID_SIDE), is_required=True),
    Parameter("type", choice(_TYPES, errors.INVALID_ORDER_TYPE), is_required=True),
    Parameter("timeInForce", choice(_TIMES_IN_FORCE, errors.INVALID_TIF)),
    Parameter("quantity", decimal),
    Parameter("quoteOrderQty", decimal),
    Parameter("price", decimal),
    Parameter("stopPrice", decimal),
    Parameter("newClientOrderId", client_id),
    Parameter("newOrderRespType", choice(_RESPONSES)),
    Parameter("selfTradePreventionMode", choice(_PREVENTIONS, None, _PREVENTIONS_MISSING)),
    Parameter("trailingDelta", long),
    *SHAPE,
    # Known to Binance and not to this venue: read, and then refused by name.
    Parameter("strategyId", long),
    Parameter("strategyType", long),
)

_NOT_REQUIRED = ("strategyId", "strategyType")
STRATEGY_TYPE_MIN = 1_000_000
_NO_TRAILING = "Trailing stop orders are not supported for this symbol."

# Which parameters each type must have, and which it must not.
_REQUIRED = {
    OrderType.LIMIT: ("timeInForce", "quantity", "price"),
    OrderType.LIMIT_MAKER: ("quantity", "price"),
    OrderType.MARKET: (),
    OrderType.STOP_LOSS: ("quantity",),
    OrderType.STOP_LOSS_LIMIT: ("timeInForce", "quantity", "price"),
    OrderType.TAKE_PROFIT: ("quantity",),
    OrderType.TAKE_PROFIT_LIMIT: ("timeInForce", "quantity", "price"),
}
_FORBIDDEN = {
    OrderType.LIMIT: frozenset({"quoteOrderQty", "stopPrice", "trailingDelta"}),
    OrderType.LIMIT_MAKER: frozenset({"quoteOrderQty", "stopPrice", "trailingDelta"}),
    OrderType.MARKET: frozenset({"price", "stopPrice", "trailingDelta"}),
    OrderType.STOP_LOSS: frozenset({"price", "quoteOrderQty"}),
    OrderType.STOP_LOSS_LIMIT: frozenset({"quoteOrderQty"}),
    OrderType.TAKE_PROFIT: frozenset({"price", "quoteOrderQty"}),
    OrderType.TAKE_PROFIT_LIMIT: frozenset({"quoteOrderQty"}),
}
_ANY_TIME = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
_TIMES_IN_FORCE_OF = {
    OrderType.LIMIT: _ANY_TIME,
    OrderType.LIMIT_MAKER: (TimeInForce.NONE, TimeInForce.GTC),
    OrderType.MARKET: (TimeInForce.NONE,),
    OrderType.STOP_LOSS: (TimeInForce.NONE,),
    OrderType.STOP_LOSS_LIMIT: _ANY_TIME,
    OrderType.TAKE_PROFIT: (TimeInForce.NONE,),
    OrderType.TAKE_PROFIT_LIMIT: _ANY_TIME,
}
_WITH_STOP = frozenset(member for member in OrderType if member >= OrderType.STOP_LOSS)
_FULL_BY_DEFAULT = (OrderType.LIMIT, OrderType.MARKET)


class NewOrder(NamedTuple):
    """A new order's fields in the engine's units. A price beside a peg was judged, and means nothing."""

    instrument: Instrument
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    price_ticks: int
    qty_lots: int
    quote_units: int
    client_id: str
    response: ResponseType
    stop_price_ticks: int = 0
    iceberg_lots: int = 0
    peg_price_type: int = PegPriceType.NONE
    peg_offset_levels: int = 0
    trailing_delta_bips: int = 0

    def terms(self, flags: int = 0) -> dict[str, Any]:
        """The fields of a command that say the order; `flags`: what else its flags say."""
        return {
            "side": self.side,
            "order_type": self.order_type,
            "time_in_force": self.time_in_force,
            "self_trade_prevention": self.self_trade_prevention,
            "flags": flags | _PEG_FLAGS[PegPriceType(self.peg_price_type)],
            "instrument_id": self.instrument.instrument_id,
            "price_ticks": self.peg_offset_levels if self.peg_price_type else self.price_ticks,
            "qty_lots": self.qty_lots,
            "quote_units": self.quote_units,
            "stop_price_ticks": self.stop_price_ticks,
            "iceberg_lots": self.iceberg_lots,
            "trailing_delta_bips": self.trailing_delta_bips,
            "client_id": self.client_id.encode(),
        }


_PEG_FLAGS = {
    PegPriceType.NONE: 0,
    PegPriceType.PRIMARY: CommandFlag.PEG_PRIMARY,
    PegPriceType.MARKET: CommandFlag.PEG_MARKET,
}


def new_order(reference: Reference, values: Values) -> NewOrder:
    """The order that `values` of the NEW_ORDER table describe; raises ApiError where they do not go together."""
    instrument = find_instrument(reference, values)
    order_type = values["type"]
    if not values.keys().isdisjoint(_NOT_REQUIRED):
        raise _unsupported(values)
    if "trailingDelta" in values and not instrument.allows_trailing:
        raise ApiError(errors.INVALID_MESSAGE, _NO_TRAILING)
    for name in _REQUIRED[order_type]:
        if name not in values and not (name == "price" and "pegPriceType" in values):
            raise ApiError(errors.MANDATORY_PARAMETER, name)
    if not _FORBIDDEN[order_type].isdisjoint(values):
        raise ApiError(errors.PARAMETER_NOT_REQUIRED, *(_FORBIDDEN[order_type] & values.keys()))
    time_in_force = values.get("timeInForce", TimeInForce.NONE)
    if time_in_force not in _TIMES_IN_FORCE_OF[order_type]:
        raise ApiError(errors.TIF_NOT_REQUIRED)
    peg_price_type, peg_offset_levels = peg(values, time_in_force)
    price_ticks = qty_lots = quote_units = stop_price_ticks = 0
    if order_type == OrderType.MARKET:
        _check_market_quantities(values)
    if "price" in values:
        price_ticks = _price_ticks(instrument, values["price"])
    if order_type in _WITH_STOP:
        if "stopPrice" not in values and "trailingDelta" not in values:
            raise ApiError(errors.EITHER_PARAMETER, "stopPrice", "trailingDelta")
        if "stopPrice" in values:
            stop_price_ticks = _price_ticks(instrument, values["stopPrice"])
    if "quantity" in values:
        qty_lots = _qty_lots(instrument, values["quantity"])
    else:
        quote_units = _quote_units(instrument, values["quoteOrderQty"])
    order = NewOrder(
        instrument,
        values["side"],
        order_type,
        time_in_force,
        values.get("selfTradePreventionMode", SelfTradePrevention.NONE),
        price_ticks,
        qty_lots,
        quote_units,
        values.get("newClientOrderId") or new_client_id(),
        values.get("newOrderRespType") or (ResponseType.FULL if order_type in _FULL_BY_DEFAULT else ResponseType.ACK),
        stop_price_ticks,
        iceberg_lots(instrument, values, time_in_force, qty_lots),
        peg_price_type,
        peg_offset_levels,
        _trailing_delta_bips(values),
    )
    if peg_price_type and price_ticks:
        check_static_filters(order)
    return order


def find_instrument(reference: Reference, values: Values) -> Instrument:
    instrument = reference.by_symbol.get(values["symbol"])
    if instrument is None:
        raise ApiError(errors.BAD_SYMBOL)
    return instrument


def new_client_id() -> str:
    """A unique id of 22 characters, for an order or a cancel whose client named none."""
    return secrets.token_urlsafe(16)


def _unsupported(values: Values) -> ApiError:
    if values.get("strategyType", STRATEGY_TYPE_MIN) < STRATEGY_TYPE_MIN:
        return ApiError(errors.BAD_STRATEGY_TYPE)
    return ApiError(errors.PARAMETER_NOT_REQUIRED, next(name for name in _NOT_REQUIRED if name in values))


def _check_market_quantities(values: Values) -> None:
    if "quantity" in values and "quoteOrderQty" in values:
        raise ApiError(errors.BAD_COMBINATION)
    if "quantity" not in values and "quoteOrderQty" not in values:
        raise ApiError(errors.EITHER_PARAMETER, "quantity", "quoteOrderQty")


def _price_ticks(instrument: Instrument, price_e8: int) -> int:
    ticks = instrument.price_ticks(price_e8)
    if not ticks:
        raise ApiError(errors.FILTER_FAILURE, "PRICE_FILTER")
    return ticks


def _trailing_delta_bips(values: Values) -> int:
    """0: the order does not trail. One that no market allows is outside of the filter."""
    if "trailingDelta" not in values:
        return 0
    if not 1 <= values["trailingDelta"] <= TRAILING_DELTA_BIPS_MAX:
        raise ApiError(errors.FILTER_FAILURE, "TRAILING_DELTA")
    delta_bips: int = values["trailingDelta"]
    return delta_bips


def _qty_lots(instrument: Instrument, qty_e8: int) -> int:
    lots = instrument.qty_lots(qty_e8)
    if not lots:
        raise ApiError(errors.FILTER_FAILURE, "LOT_SIZE")
    return lots


def _quote_units(instrument: Instrument, quote_e8: int) -> int:
    units_e8: int = 10 ** (8 - instrument.quote.decimals)
    units, rest = divmod(quote_e8, units_e8)
    if rest:
        raise ApiError(errors.BAD_PRECISION, "quoteOrderQty")
    if not units:
        raise ApiError(errors.INVALID_MESSAGE, errors.PRICE_TIMES_QTY_ZERO)
    return units


# Commands.


class RequestNumbers:
    """Numbers this gateway's requests, rising also over restarts since it begins at the clock; makes their commands."""

    def __init__(self, clock: Clock) -> None:
        self._last = clock.now_ns()

    def reserve(self, count: int) -> int:
        """The first of `count` numbers in a row."""
        first = self._last + 1
        self._last += count
        return first

    def command(self, call: Call, kind: CommandKind, **fields: Any) -> Command:
        """The next request's command, with what it takes over from the call."""
        return Command(
            received_ts_ns=call.received_ts_ns,
            deadline_ts_ns=deadline_ts_ns(call),
            request_number=self.reserve(1),
            kind=kind,
            gateway_id=GATEWAY_ID,
            account_id=call.account_id,
            key_id=call.key_id,
            **fields,
        )


def deadline_ts_ns(call: Call) -> int:
    """Until when a command of this request may be executed."""
    return min(call.authorization.deadline_ts_ns, call.received_ts_ns + RESOLVE_WITHIN_NS)


class Outcome(Protocol):
    """What a command led to; `holdfast.replica.Outcome`."""

    @property
    def orders(self) -> list[OrderEvent]: ...
    @property
    def lists(self) -> list[OrderListEvent]: ...


class OrderVenue(Protocol):
    """What placing orders needs of a replica."""

    @property
    def reference(self) -> Reference: ...
    @property
    def accepting(self) -> bool: ...
    @property
    def refusal(self) -> str: ...
    def account(self, account_id: int) -> Account | None: ...


class Orders:
    """New orders."""

    def __init__(
        self, venue: OrderVenue, pending: Pending, rate_limits: RateLimits, request_numbers: RequestNumbers
    ) -> None:
        self._venue = venue
        self._pending = pending
        self._rate_limits = rate_limits
        self._request_numbers = request_numbers

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        trade = KeyPermission.TRADE
        test = signed(*NEW_ORDER, Parameter("computeCommissionRates", boolean))
        return {
            "order.place": Endpoint(signed(*NEW_ORDER), self.place, 1, trade, Budget.ORDER),
            "order.test": Endpoint(test, self.test, _weight_of_test, trade),
        }

    def place(self, call: Call) -> None:
        order = new_order(self._venue.reference, call.values)
        if not self._venue.accepting:
            raise ApiError(errors.UNAVAILABLE, self._venue.refusal)
        self._rate_limits.charge_order(call.account_id, call.received_ts_ns)
        command = self._request_numbers.command(call, CommandKind.PLACE_ORDER, **order.terms())

        def reply(outcome: Outcome) -> bytes:
            return msgspec.json.encode(placed(order, outcome, call.time_unit_ns))

        self._pending.submit(call, encode(command), order.client_id, command.deadline_ts_ns, reply)

    def test(self, call: Call) -> bytes:
        """Everything that `place` would check before the engine, and the filters that need no market."""
        order = new_order(self._venue.reference, call.values)
        check_static_filters(order)
        if not call.values.get("computeCommissionRates"):
            return b"{}"
        maker_ppm, taker_ppm = fee_rates(order.instrument, self._venue.account(call.account_id))
        return msgspec.json.encode(
            {
                "standardCommissionForOrder": {"maker": formats.rate(maker_ppm), "taker": formats.rate(taker_ppm)},
                "specialCommissionForOrder": {"maker": formats.ZERO, "taker": formats.ZERO},
                "taxCommissionForOrder": {"maker": formats.ZERO, "taker": formats.ZERO},
                "discount": NO_DISCOUNT,
            }
        )


NO_DISCOUNT = {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "", "discount": formats.ZERO}


def _weight_of_test(values: Values) -> int:
    return 20 if values.get("computeCommissionRates") else 1


def fee_rates(instrument: Instrument, account: Account | None) -> tuple[int, int]:
    """Maker's and taker's fee in millionths: the account's own, or the instrument's."""
    maker_ppm = instrument.parameters.get(InstrumentParameter.MAKER_FEE_PPM, 0)
    taker_ppm = instrument.parameters.get(InstrumentParameter.TAKER_FEE_PPM, 0)
    if account is not None:
        maker_ppm = account.maker_fee_ppm if account.maker_fee_ppm >= 0 else maker_ppm
        taker_ppm = account.taker_fee_ppm if account.taker_fee_ppm >= 0 else taker_ppm
    return maker_ppm, taker_ppm


def check_static_filters(order: NewOrder) -> None:
    """The filters that look at nothing but the order: bounds of price, quantity and, with a price, notional."""
    bounds = order.instrument.parameters
    for price_ticks in filter(None, (order.price_ticks, order.stop_price_ticks)):
        _check_bounds(bounds, price_ticks, "PRICE_FILTER", "PRICE_TICKS_MIN", "PRICE_TICKS_MAX")
    if order.qty_lots:
        _check_bounds(bounds, order.qty_lots, "LOT_SIZE", "QTY_LOTS_MIN", "QTY_LOTS_MAX")
        if not order.price_ticks and not order.peg_price_type:
            _check_bounds(bounds, order.qty_lots, "MARKET_LOT_SIZE", "MARKET_QTY_LOTS_MIN", "MARKET_QTY_LOTS_MAX")
    if order.price_ticks:
        notional = order.instrument.quote_of(order.price_ticks, order.qty_lots)
        _check_bounds(bounds, notional, "NOTIONAL", "NOTIONAL_MIN", "NOTIONAL_MAX")
    if order.iceberg_lots:
        check_parts(order.instrument, order.iceberg_lots, order.qty_lots)
    if order.trailing_delta_bips:
        is_loss = order.order_type in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
        way = "ABOVE" if is_loss == (order.side == Side.BUY) else "BELOW"
        low, high = (bounds.get(InstrumentParameter[f"TRAILING_{way}_BIPS_{end}"], 0) for end in ("MIN", "MAX"))
        if not low <= order.trailing_delta_bips <= high:
            raise ApiError(errors.FILTER_FAILURE, "TRAILING_DELTA")


def _check_bounds(bounds: Mapping[InstrumentParameter, int], value: int, filter_name: str, low: str, high: str) -> None:
    low_value = bounds.get(InstrumentParameter[low], 0)
    high_value = bounds.get(InstrumentParameter[high], 0)  # 0: none
    if value < low_value or (high_value and value > high_value):
        raise ApiError(errors.FILTER_FAILURE, filter_name)


# Replies.


def placed(order: NewOrder, outcome: Outcome, unit_ns: int) -> formats.Shown:
    """The reply to a new order; raises ApiError when the engine refused it."""
    for event in outcome.orders:
        if event.kind == OrderEventKind.ORDER_ACCEPTED:
            own = [each for each in outcome.orders if each.order_id == event.order_id]
            prevented = [each for each in outcome.orders if formats.is_prevention(each)]
            return formats.order_placed(order.instrument, own, order.response, unit_ns, prevented)
        if event.kind == OrderEventKind.ORDER_REJECTED:
            raise order_rejection(event, order)
    # A poison command: the engine skipped it and halted the instrument.
    raise ApiError(errors.NEW_ORDER_REJECTED, errors.MARKET_CLOSED)


def order_rejection(event: OrderEvent, order: NewOrder) -> ApiError:
    """Why the engine refused a new order, in Binance's words."""
    if event.reason == RejectReason.DUPLICATE_CLIENT_ID:
        first = {
            "orderId": event.order_id,
            "clientOrderId": event.client_id.decode(),
            "status": formats.STATUSES[event.status],
        }
        return errors.rejection(event.reason, data=first)
    if event.reason == RejectReason.MODE_FORBIDS and order.instrument.mode not in _CLOSED:
        # The market is open to other types: LIMIT_ONLY refuses MARKET, POST_ONLY refuses LIMIT too.
        if order.order_type == OrderType.MARKET:
            return ApiError(errors.NEW_ORDER_REJECTED, errors.NO_MARKET_ORDERS)
        return ApiError(errors.UNKNOWN_ORDER_COMPOSITION)
    return errors.rejection(event.reason)


_CLOSED = (TradingMode.HALT, TradingMode.CANCEL_ONLY)
