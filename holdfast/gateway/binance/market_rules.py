"""Execution rules: the price range that orders trade within, and the reference price that it is measured by.

request → parameters → ENDPOINT → reference data, engine → JSON
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from holdfast.codes import InstrumentParameter as P
from holdfast.gateway.binance import errors, parameters
from holdfast.gateway.binance import market_messages as messages
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.market_endpoints import STATUS, STATUS_OF
from holdfast.gateway.binance.parameters import Parameter, Parameters, Values
from holdfast.instruments import Instrument, Reference, format_decimal

RULES_WEIGHT_MAX = 40
BY_HAND = 0  # Binance's external calculation of this number: "set manually by a human operator".
_MULTIPLIERS = {
    "bidLimitMultUp": P.BID_LIMIT_UP_PPM,
    "bidLimitMultDown": P.BID_LIMIT_DOWN_PPM,
    "askLimitMultUp": P.ASK_LIMIT_UP_PPM,
    "askLimitMultDown": P.ASK_LIMIT_DOWN_PPM,
}


class RulesReplica(Protocol):
    """The part of the replica that is read here."""

    @property
    def reference(self) -> Reference: ...
    def reference_price_ticks(self, instrument_id: int) -> int: ...


def _rules_weight(values: Values) -> int:
    if "symbol" in values:
        return 2
    return min(2 * len(values["symbols"]), RULES_WEIGHT_MAX) if "symbols" in values else RULES_WEIGHT_MAX


class RuleEndpoints:
    """`rest` and `methods` are the rows by path and by WebSocket API method."""

    def __init__(self, replica: RulesReplica, now_ns: Callable[[], int]) -> None:
        self._replica = replica
        self._now_ns = now_ns
        one = Parameter("symbol", parameters.symbol, is_required=True)
        choice = (Parameter("symbol", parameters.symbol), Parameter("symbols", parameters.symbols), STATUS)
        rules = Endpoint(Parameters(*choice), self.execution_rules, _rules_weight)
        price = Endpoint(Parameters(one), self.reference_price, 2)
        calculation = Endpoint(Parameters(one, STATUS), self.calculation, 2)
        self.rest: dict[str, Endpoint] = {
            "/api/v3/executionRules": rules,
            "/api/v3/referencePrice": price,
            "/api/v3/referencePrice/calculation": calculation,
        }
        self.methods: dict[str, Endpoint] = {
            "executionRules": rules,
            "referencePrice": price,
            "referencePrice.calculation": calculation,
        }

    def execution_rules(self, call: Call) -> bytes:
        values = call.values
        if len(values) > 1:
            raise ApiError(errors.BAD_COMBINATION)
        instruments = list(self._replica.reference.instruments.values())
        if "symbol" in values or "symbols" in values:
            instruments = [self._known(name) for name in values.get("symbols") or [values["symbol"]]]
        elif "symbolStatus" in values:
            instruments = [each for each in instruments if STATUS_OF.get(each.mode) == values["symbolStatus"]]
        shown = [{"symbol": each.symbol, "rules": rules_shown(each)} for each in instruments]
        return msgspec.json.encode({"symbolRules": shown})

    def reference_price(self, call: Call) -> bytes:
        instrument = self._known(call.values["symbol"])
        if not has_reference_price(instrument):
            raise ApiError(errors.NO_REFERENCE_PRICE)
        price_ticks = self._replica.reference_price_ticks(instrument.instrument_id)
        shown = {
            "symbol": instrument.symbol,
            "referencePrice": instrument.format_price(price_ticks) if price_ticks else None,
            "timestamp": call.time(self._now_ns()),
        }
        return msgspec.json.encode(shown)

    def calculation(self, call: Call) -> bytes:
        instrument = self._known(call.values["symbol"])
        if STATUS_OF.get(instrument.mode) != call.values.get("symbolStatus", STATUS_OF.get(instrument.mode)):
            raise ApiError(errors.STATUS_MISMATCH)
        return msgspec.json.encode({"symbol": instrument.symbol} | calculation_shown(instrument))

    def _known(self, symbol: str) -> Instrument:
        instrument = self._replica.reference.by_symbol.get(symbol)
        if instrument is None:
            raise ApiError(errors.BAD_SYMBOL)
        return instrument


def rules_shown(instrument: Instrument) -> list[dict[str, str]]:
    """The rules that are set, whether or not there is a reference price to measure by."""
    get = instrument.parameters.get
    limits = {name: format_decimal(get(which, 0), 6) for name, which in _MULTIPLIERS.items() if get(which, 0)}
    return [{"ruleType": "PRICE_RANGE"} | limits] if limits else []


def calculation_shown(instrument: Instrument) -> dict[str, Any]:
    """How the reference price comes about; raises when the market has none."""
    get = instrument.parameters.get
    if not has_reference_price(instrument):
        raise ApiError(errors.NO_REFERENCE_PRICE)
    if get(P.REFERENCE_PRICE_TICKS, 0):
        return {"calculationType": "EXTERNAL", "externalCalculationId": BY_HAND}
    count, width_ms = get(P.REFERENCE_BUCKETS, 0), get(P.REFERENCE_BUCKET_MS, 0)
    return {"calculationType": "ARITHMETIC_MEAN", "bucketCount": count, "bucketWidthMs": width_ms}


def has_reference_price(instrument: Instrument) -> bool:
    """Whether the market has one at all; it may be null now."""
    get = instrument.parameters.get
    is_mean = get(P.REFERENCE_BUCKETS, 0) and get(P.REFERENCE_BUCKET_MS, 0)
    return bool(is_mean or get(P.REFERENCE_PRICE_TICKS, 0))


def reference_price_event(instrument: Instrument, price_ticks: int, now_ns: int, unit_ns: int) -> str:
    price = f'"{instrument.format_price(price_ticks)}"' if price_ticks else "null"
    symbol = messages.json_text(instrument.symbol)
    return f'{{"e":"referencePrice","s":{symbol},"r":{price},"t":{now_ns // unit_ns}}}'
