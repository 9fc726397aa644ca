"""General: what the venue tells everybody, and the answers that some clients ask for at start-up elsewhere.

exchangeInfo advertises only what works here, in Binance's closed lists of names: clients decode those into
enumerations, and one unknown name loses them all instruments.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from holdfast.clock import Clock
from holdfast.codes import InstrumentParameter as P
from holdfast.codes import KeyPermission, Limit, OrderType, SelfTradePrevention, TradingMode
from holdfast.config import NOTIONAL_MAX, ORDER_AMENDS_MAX
from holdfast.gateway.binance import errors, formats
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.orders import fee_rates
from holdfast.gateway.binance.parameters import (
    SIGNED,
    Parameter,
    Parameters,
    Values,
    boolean,
    name_or_names,
    signed,
    symbol,
    symbols,
)
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.gateway.binance.shapes import iceberg_parts_max
from holdfast.instruments import Instrument, Reference, format_decimal
from holdfast.views import Account, Balance

AVERAGE_PRICE_MINUTES = 5
_PERMISSIONS = frozenset({"SPOT", "MARGIN", "LEVERAGED"} | {f"TRD_GRP_{number:03}" for number in range(2, 26)})
_STATUSES_ASKED = ("TRADING", "HALT", "BREAK")

# A symbol's status, and the order types that its mode lets in.
_ALL_TYPES = (
    *("LIMIT", "LIMIT_MAKER", "MARKET"),
    *("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"),
)
_MODES: dict[TradingMode, tuple[str, tuple[str, ...]]] = {
    TradingMode.HALT: ("HALT", _ALL_TYPES),
    TradingMode.CANCEL_ONLY: ("CANCEL_ONLY", _ALL_TYPES),
    TradingMode.POST_ONLY: ("TRADING", (OrderType.LIMIT_MAKER.name,)),
    TradingMode.LIMIT_ONLY: ("TRADING", (OrderType.LIMIT.name, OrderType.LIMIT_MAKER.name)),
    TradingMode.TRADING: ("TRADING", _ALL_TYPES),
    TradingMode.AUCTION: ("BREAK", tuple(name for name in _ALL_TYPES if name != "MARKET")),
}


class GeneralVenue(Protocol):
    """What is needed of a replica."""

    @property
    def clock(self) -> Clock: ...
    @property
    def reference(self) -> Reference: ...
    def account(self, account_id: int) -> Account | None: ...
    def balances(self, account_id: int) -> list[Balance]: ...
    def limits(self) -> dict[Limit, int]: ...


class General:
    """Ping, time, exchangeInfo and the shims."""

    def __init__(self, venue: GeneralVenue, rate_limits: RateLimits) -> None:
        self._venue = venue
        self._rate_limits = rate_limits
        self._shown_of: Reference | None = None
        self._shown: dict[str, dict[str, Any]] = {}

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        exchange_info = Parameters(
            Parameter("symbol", symbol),
            Parameter("symbols", symbols),
            Parameter("permissions", name_or_names),
            Parameter("showPermissionSets", boolean),
            Parameter("symbolStatus", symbol),
        )
        return {
            "ping": Endpoint(Parameters(), _constant({})),
            "time": Endpoint(Parameters(), self.time),
            "exchangeInfo": Endpoint(exchange_info, self.exchange_info, 20),
        }

    def shims(self) -> Mapping[str, Endpoint]:
        """GET paths outside of /api/v3 that some clients ask for at start-up, signed or not."""
        optional = Parameters(Parameter("symbol", symbol), *SIGNED)
        read = KeyPermission.READ
        return {
            "/sapi/v1/system/status": Endpoint(optional, _constant({"status": 0, "msg": "normal"})),
            "/sapi/v1/margin/allPairs": Endpoint(optional, _constant([])),
            "/sapi/v1/margin/isolated/allPairs": Endpoint(optional, _constant([])),
            "/sapi/v1/spot/delist-schedule": Endpoint(signed(), _constant([]), 1, read),
            "/sapi/v1/asset/tradeFee": Endpoint(signed(Parameter("symbol", symbol)), self.trade_fee, 1, read),
            "/sapi/v1/capital/config/getall": Endpoint(signed(), self.coins, 10, read),
            "/fapi/v1/exchangeInfo": Endpoint(optional, _constant({"symbols": []})),
            "/dapi/v1/exchangeInfo": Endpoint(optional, _constant({"symbols": []})),
        }

    def time(self, call: Call) -> bytes:
        return b'{"serverTime":%d}' % call.time(self._venue.clock.now_ns())

    def exchange_info(self, call: Call) -> bytes:
        shown = self._chosen(call.values)
        if not call.values.get("showPermissionSets", True):
            shown = [{**each, "permissionSets": []} for each in shown]
        return msgspec.json.encode(
            {
                "timezone": "UTC",
                "serverTime": call.time(self._venue.clock.now_ns()),
                "rateLimits": self._rate_limits.shown_limits(),
                "exchangeFilters": exchange_filters(self._venue.limits()),
                "symbols": shown,
            }
        )

    def trade_fee(self, call: Call) -> bytes:
        account = self._venue.account(call.account_id)
        named = call.values.get("symbol")
        instruments = self._venue.reference.instruments.values() if named is None else [self._instrument(named)]
        fees = [(instrument.symbol, *fee_rates(instrument, account)) for instrument in instruments]
        return msgspec.json.encode(
            [
                {"symbol": name, "makerCommission": formats.rate(maker), "takerCommission": formats.rate(taker)}
                for name, maker, taker in fees
            ]
        )

    def coins(self, call: Call) -> bytes:
        """Every asset with the account's holding. There are no networks: deposits and withdrawals are operators'."""
        held = {balance.asset_id: balance for balance in self._venue.balances(call.account_id)}
        shown = []
        for asset in self._venue.reference.assets.values():
            balance = held.get(asset.asset_id, Balance(asset.asset_id, 0, 0, 0))
            shown.append(
                {
                    "coin": asset.code,
                    "name": asset.code,
                    "depositAllEnable": False,
                    "withdrawAllEnable": False,
                    "free": asset.format(balance.free),
                    "locked": asset.format(balance.locked),
                    "freeze": formats.ZERO,
                    "withdrawing": asset.format(balance.in_transit),
                    "ipoing": formats.ZERO,
                    "ipoable": formats.ZERO,
                    "storage": formats.ZERO,
                    "isLegalMoney": False,
                    "trading": True,
                    "networkList": [],
                }
            )
        return msgspec.json.encode(shown)

    def _chosen(self, values: Values) -> list[dict[str, Any]]:
        if len(values.keys() & {"symbol", "symbols", "permissions"}) > 1:
            raise ApiError(errors.BAD_COMBINATION)
        by_symbol = self._by_symbol()
        status = values.get("symbolStatus")
        if status is not None:
            if status not in _STATUSES_ASKED:
                raise ApiError(errors.INVALID_SYMBOL_STATUS)
            if "symbol" in values or "symbols" in values:
                raise ApiError(errors.BAD_COMBINATION)
            return [shown for shown in by_symbol.values() if shown["status"] == status]
        if "symbol" in values or "symbols" in values:
            named = values.get("symbols") or [values["symbol"]]
            return [by_symbol[self._instrument(name).symbol] for name in named]
        return list(by_symbol.values()) if _includes_spot(values) else []

    def _instrument(self, name: str) -> Instrument:
        instrument = self._venue.reference.by_symbol.get(name)
        if instrument is None:
            raise ApiError(errors.BAD_SYMBOL)
        return instrument

    def _by_symbol(self) -> dict[str, dict[str, Any]]:
        """Every instrument as shown, made anew only when the reference data has changed."""
        reference = self._venue.reference
        if self._shown_of is not reference:
            self._shown = {each.symbol: instrument_shown(each) for each in reference.instruments.values()}
            self._shown_of = reference
        return self._shown


def _constant(result: Any) -> Callable[[Call], bytes]:
    body = msgspec.json.encode(result)
    return lambda _call: body


def _includes_spot(values: Values) -> bool:
    asked: Iterable[str] = values.get("permissions", ("SPOT",))
    if not _PERMISSIONS.issuperset(asked):
        raise ApiError(errors.INVALID_PARAMETER, "permissions")
    return "SPOT" in asked


# Limit → the filter's name, and its field.
_EXCHANGE_FILTERS = {
    Limit.EXCHANGE_ORDERS_MAX: ("EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders"),
    Limit.EXCHANGE_ALGO_ORDERS_MAX: ("EXCHANGE_MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders"),
    Limit.EXCHANGE_ICEBERG_ORDERS_MAX: ("EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders"),
    Limit.EXCHANGE_ORDER_LISTS_MAX: ("EXCHANGE_MAX_NUM_ORDER_LISTS", "maxNumOrderLists"),
}


def exchange_filters(limits: Mapping[Limit, int]) -> list[dict[str, Any]]:
    """The filters over all markets; a limit of 0 is none."""
    return [
        {"filterType": name, field: limits[limit]}
        for limit, (name, field) in _EXCHANGE_FILTERS.items()
        if limits.get(limit)
    ]


def instrument_shown(instrument: Instrument) -> dict[str, Any]:
    """A market as exchangeInfo shows it."""
    status, order_types = _MODES[instrument.mode]
    precision = {
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
    }
    return {
        "symbol": instrument.symbol,
        "status": status,
        "baseAsset": instrument.base.code,
        "quoteAsset": instrument.quote.code,
        **precision,
        "orderTypes": order_types,
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": instrument.allows_trailing,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(instrument),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": SelfTradePrevention.NONE.name,
        "allowedSelfTradePreventionModes": [member.name for member in SelfTradePrevention],
    }


def filters(instrument: Instrument) -> list[dict[str, Any]]:
    """The filters that the engine applies; PRICE_FILTER first, since a client reads the first one's tick."""
    return [*_filters_of_all(instrument), *_filters_that_are_set(instrument)]


def _filters_of_all(instrument: Instrument) -> list[dict[str, Any]]:
    get = instrument.parameters.get
    price, qty = instrument.format_price, instrument.format_qty
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": price(get(P.PRICE_TICKS_MIN, 0)),
            "maxPrice": price(get(P.PRICE_TICKS_MAX, 0)),
            "tickSize": price(1),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": qty(get(P.QTY_LOTS_MIN, 0)),
            "maxQty": qty(get(P.QTY_LOTS_MAX, 0)),
            "stepSize": qty(1),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": qty(get(P.MARKET_QTY_LOTS_MIN, 0)),
            "maxQty": qty(get(P.MARKET_QTY_LOTS_MAX, 0) or get(P.QTY_LOTS_MAX, 0)),
            "stepSize": qty(1),
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": instrument.quote.format(get(P.NOTIONAL_MIN, 0)),
            "applyMinToMarket": bool(get(P.NOTIONAL_MIN_APPLIES_TO_MARKET, 0)),
            "maxNotional": instrument.quote.format(get(P.NOTIONAL_MAX, 0) or NOTIONAL_MAX),
            "applyMaxToMarket": bool(get(P.NOTIONAL_MAX_APPLIES_TO_MARKET, 0)),
            "avgPriceMins": AVERAGE_PRICE_MINUTES,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": get(P.ORDERS_MAX, 0)},
        {
            "filterType": "MAX_NUM_ORDER_AMENDS",
            "maxNumOrderAmends": get(P.ORDER_AMENDS_MAX, 0) or ORDER_AMENDS_MAX,
        },
        {"filterType": "ICEBERG_PARTS", "limit": iceberg_parts_max(instrument)},
    ]


def _filters_that_are_set(instrument: Instrument) -> list[dict[str, Any]]:
    get = instrument.parameters.get
    shown: list[dict[str, Any]] = []
    if get(P.BID_MULTIPLIER_UP_PPM, 0):
        shown.append(
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": format_decimal(get(P.BID_MULTIPLIER_UP_PPM, 0), 6),
                "bidMultiplierDown": format_decimal(get(P.BID_MULTIPLIER_DOWN_PPM, 0), 6),
                "askMultiplierUp": format_decimal(get(P.ASK_MULTIPLIER_UP_PPM, 0), 6),
                "askMultiplierDown": format_decimal(get(P.ASK_MULTIPLIER_DOWN_PPM, 0), 6),
                "avgPriceMins": AVERAGE_PRICE_MINUTES,
            }
        )
    if get(P.ALGO_ORDERS_MAX, 0):
        shown.append({"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": get(P.ALGO_ORDERS_MAX, 0)})
    if get(P.ICEBERG_ORDERS_MAX, 0):
        shown.append({"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": get(P.ICEBERG_ORDERS_MAX, 0)})
    if instrument.allows_trailing:
        shown.append(
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": get(P.TRAILING_ABOVE_BIPS_MIN, 0),
                "maxTrailingAboveDelta": get(P.TRAILING_ABOVE_BIPS_MAX, 0),
                "minTrailingBelowDelta": get(P.TRAILING_BELOW_BIPS_MIN, 0),
                "maxTrailingBelowDelta": get(P.TRAILING_BELOW_BIPS_MAX, 0),
            }
        )
    if get(P.ORDER_LISTS_MAX, 0):
        shown.append({"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": get(P.ORDER_LISTS_MAX, 0)})
    if get(P.POSITION_MAX, 0):
        shown.append({"filterType": "MAX_POSITION", "maxPosition": instrument.base.format(get(P.POSITION_MAX, 0))})
    return shown
