"""Queries: orders, trades and balances of one account, read from the replica that answered its commands.

values → engine state and history → result

What is open comes from the engine, what is closed from the history together with what it has not yet written, so an
order is found the moment its reply is out.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from holdfast.codes import KeyPermission
from holdfast.gateway.binance import errors, formats
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import Shown
from holdfast.gateway.binance.orders import NO_DISCOUNT, fee_rates, find_instrument
from holdfast.gateway.binance.parameters import (
    Parameter,
    Values,
    boolean,
    client_id,
    end_ts_ns,
    integer,
    long,
    signed,
    symbol,
    timestamp_ns,
)
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.instruments import Reference
from holdfast.views import Account, Amendment, Balance, Fill, Order, PreventedMatch

ROWS_DEFAULT = 500
ROWS_MAX = 1_000
LOOKUP_HOURS_MAX = 24
PPM_PER_BASIS_POINT = 100

_symbol = Parameter("symbol", symbol, is_required=True)
_window = (
    Parameter("startTime", timestamp_ns),
    Parameter("endTime", end_ts_ns),
    Parameter("limit", integer(1, ROWS_MAX)),
)
ORDER = signed(_symbol, Parameter("orderId", long), Parameter("origClientOrderId", client_id))
OPEN_ORDERS = signed(Parameter("symbol", symbol))
ALL_ORDERS = signed(_symbol, Parameter("orderId", long), *_window)
MY_TRADES = signed(_symbol, Parameter("orderId", long), Parameter("fromId", long), *_window)
PREVENTED = signed(
    _symbol,
    Parameter("preventedMatchId", long),
    Parameter("orderId", long),
    Parameter("fromPreventedMatchId", long),
    Parameter("limit", integer(1, ROWS_MAX)),
)
ACCOUNT = signed(Parameter("omitZeroBalances", boolean))
COMMISSION = signed(_symbol)
ORDER_COUNTS = signed()

# Which of these may be sent together to myTrades.
_TRADES_CHOSEN_BY = frozenset({"orderId", "startTime", "endTime", "fromId"})
_TRADES_COMBINATIONS = (
    frozenset[str](),
    frozenset({"orderId"}),
    frozenset({"startTime"}),
    frozenset({"endTime"}),
    frozenset({"fromId"}),
    frozenset({"startTime", "endTime"}),
    frozenset({"orderId", "fromId"}),
)


# Of myPreventedMatches; `limit` goes with an order.
_MATCHES_CHOSEN_BY = frozenset({"preventedMatchId", "orderId", "fromPreventedMatchId", "limit"})
_MATCHES_COMBINATIONS = (
    frozenset({"preventedMatchId"}),
    frozenset({"orderId"}),
    frozenset({"orderId", "limit"}),
    frozenset({"orderId", "fromPreventedMatchId"}),
    frozenset({"orderId", "fromPreventedMatchId", "limit"}),
)


class History(Protocol):
    """What is kept of orders; `holdfast.accounts.History`. Each answer ascends; an end of 0 is open."""

    def orders(
        self,
        account_id: int,
        instrument_id: int,
        from_order_id: int = 0,
        start_ts_ns: int = 0,
        end_ts_ns: int = 0,
        limit: int = 500,
    ) -> list[Order]: ...

    def fills(
        self,
        account_id: int,
        instrument_id: int,
        from_trade_id: int = 0,
        order_id: int = 0,
        start_ts_ns: int = 0,
        end_ts_ns: int = 0,
        limit: int = 500,
    ) -> list[Fill]: ...

    def amendments(
        self, account_id: int, instrument_id: int, order_id: int, from_execution_id: int = 0, limit: int = 500
    ) -> list[Amendment]: ...

    def prevented_match(
        self, account_id: int, instrument_id: int, prevented_match_id: int
    ) -> PreventedMatch | None: ...

    def prevented_matches(
        self, account_id: int, instrument_id: int, order_id: int, from_prevented_match_id: int = 0, limit: int = 500
    ) -> list[PreventedMatch]: ...

    def last_prevented_ids(self, order_ids: Sequence[int]) -> dict[int, int]: ...


class AccountVenue(Protocol):
    """What queries need of a replica."""

    @property
    def reference(self) -> Reference: ...
    @property
    def history(self) -> History: ...
    def account(self, account_id: int) -> Account | None: ...
    def balances(self, account_id: int) -> list[Balance]: ...
    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[Order]: ...
    def order(self, account_id: int, instrument_id: int, order_id: int = 0, client_id: str = "") -> Order | None: ...
    def is_pending(self, account_id: int, client_id: str) -> bool: ...


class Queries:
    """What an account may ask about itself."""

    def __init__(self, venue: AccountVenue, rate_limits: RateLimits) -> None:
        self._venue = venue
        self._rate_limits = rate_limits

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        read = KeyPermission.READ
        return {
            "order.status": Endpoint(ORDER, self.order, 4, read),
            "openOrders.status": Endpoint(OPEN_ORDERS, self.open_orders, _weight_of_open_orders, read),
            "allOrders": Endpoint(ALL_ORDERS, self.all_orders, 20, read),
            "myPreventedMatches": Endpoint(PREVENTED, self.my_prevented_matches, self._weight_of_prevented, read),
            "myTrades": Endpoint(MY_TRADES, self.my_trades, _weight_of_my_trades, read),
            "account.status": Endpoint(ACCOUNT, self.account, 20, read),
            "account.commission": Endpoint(COMMISSION, self.commission, 20, read),
            "account.rateLimits.orders": Endpoint(ORDER_COUNTS, self.order_counts, 40, read),
        }

    def order(self, call: Call) -> bytes:
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        order_id, named = values.get("orderId", 0), values.get("origClientOrderId", "")
        if not order_id and not named:
            raise ApiError(errors.EITHER_PARAMETER, "orderId", "origClientOrderId")
        found = self._venue.order(call.account_id, instrument.instrument_id, order_id, "" if order_id else named)
        if found is None:
            if named and self._venue.is_pending(call.account_id, named):
                raise ApiError(errors.PENDING, data={"clientOrderId": named})
            raise ApiError(errors.NO_SUCH_ORDER)
        if named and found.client_id != named:
            raise ApiError(errors.CLIENT_ORDER_ID_INVALID)
        (shown,) = self._shown([found], call.time_unit_ns)
        return msgspec.json.encode(shown)

    def open_orders(self, call: Call) -> bytes:
        instrument_id = 0
        if "symbol" in call.values:
            instrument_id = find_instrument(self._venue.reference, call.values).instrument_id
        orders = self._venue.open_orders(call.account_id, instrument_id)
        return msgspec.json.encode(self._shown(orders, call.time_unit_ns))

    def all_orders(self, call: Call) -> bytes:
        """Open and closed ones by id: from an id or a time on the oldest first, else the newest."""
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        start_ns, end_ns = interval(values)
        from_id, limit = first_id(values, "orderId"), values.get("limit", ROWS_DEFAULT)
        closed = self._venue.history.orders(call.account_id, instrument.instrument_id, from_id, start_ns, end_ns, limit)
        open_orders = [
            order
            for order in self._venue.open_orders(call.account_id, instrument.instrument_id)
            if order.order_id >= from_id and start_ns <= order.created_ts_ns <= (end_ns or order.created_ts_ns)
        ]
        # A joined gateway's engine may be a moment behind the venue's file: what is closed there is shown so, and once.
        by_id = {order.order_id: order for order in (*open_orders, *closed)}
        orders = sorted(by_id.values(), key=_order_id)
        chosen = orders[:limit] if from_id or start_ns else orders[-limit:]
        return msgspec.json.encode(self._shown(chosen, call.time_unit_ns))

    def _shown(self, orders: Sequence[Order], unit_ns: int) -> list[Shown]:
        instruments = self._venue.reference.instruments
        prevented = [order.order_id for order in orders if order.prevented_lots]
        match_ids = self._venue.history.last_prevented_ids(prevented) if prevented else {}
        return [
            formats.order_shown(instruments[order.instrument_id], order, unit_ns, match_ids.get(order.order_id, 0))
            for order in orders
        ]

    def my_trades(self, call: Call) -> bytes:
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        if _TRADES_CHOSEN_BY & values.keys() not in _TRADES_COMBINATIONS:
            raise ApiError(errors.BAD_COMBINATION)
        start_ns, end_ns = interval(values)
        fills = self._venue.history.fills(
            call.account_id,
            instrument.instrument_id,
            from_trade_id=first_id(values, "fromId"),
            order_id=values.get("orderId", 0),
            start_ts_ns=start_ns,
            end_ts_ns=end_ns,
            limit=values.get("limit", ROWS_DEFAULT),
        )
        return msgspec.json.encode([formats.fill_shown(instrument, fill, call.time_unit_ns) for fill in fills])

    def my_prevented_matches(self, call: Call) -> bytes:
        """One by its id, or those of an order from the oldest or from an id on."""
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        if _MATCHES_CHOSEN_BY & values.keys() not in _MATCHES_COMBINATIONS:
            raise ApiError(errors.BAD_COMBINATION)
        history, market = self._venue.history, (call.account_id, instrument.instrument_id)
        if "preventedMatchId" in values:
            match = history.prevented_match(*market, values["preventedMatchId"])
            found = [match] if match is not None else []
        else:
            from_id, limit = max(1, values.get("fromPreventedMatchId", 1)), values.get("limit", ROWS_DEFAULT)
            found = history.prevented_matches(*market, values["orderId"], from_id, limit)
        unit_ns = call.time_unit_ns
        return msgspec.json.encode([formats.prevented_match_shown(instrument, match, unit_ns) for match in found])

    def _weight_of_prevented(self, values: Values) -> int:
        is_by_order = values["symbol"] in self._venue.reference.by_symbol and "orderId" in values
        return 20 if is_by_order else 2

    def account(self, call: Call) -> bytes:
        """Balances and rates. `updateTime` is now: the balances are those of this moment."""
        reference = self._venue.reference
        account = self._venue.account(call.account_id)
        is_frozen = account is not None and account.is_frozen
        maker_ppm, taker_ppm = self._rates_of_account(account)
        balances = self._venue.balances(call.account_id)
        return msgspec.json.encode(
            {
                "makerCommission": maker_ppm // PPM_PER_BASIS_POINT,
                "takerCommission": taker_ppm // PPM_PER_BASIS_POINT,
                "buyerCommission": 0,
                "sellerCommission": 0,
                "commissionRates": {
                    "maker": formats.rate(maker_ppm),
                    "taker": formats.rate(taker_ppm),
                    "buyer": formats.ZERO,
                    "seller": formats.ZERO,
                },
                "canTrade": not is_frozen,
                "canWithdraw": not is_frozen,
                "canDeposit": True,
                "brokered": False,
                "requireSelfTradePrevention": False,
                "preventSor": False,
                "updateTime": call.time(call.received_ts_ns),
                "accountType": "SPOT",
                "balances": formats.balances_shown(reference, balances, call.values.get("omitZeroBalances", False)),
                "permissions": ["SPOT"],
                "uid": call.account_id,
            }
        )

    def commission(self, call: Call) -> bytes:
        instrument = find_instrument(self._venue.reference, call.values)
        maker_ppm, taker_ppm = fee_rates(instrument, self._venue.account(call.account_id))
        none = {"maker": formats.ZERO, "taker": formats.ZERO, "buyer": formats.ZERO, "seller": formats.ZERO}
        standard = none | {"maker": formats.rate(maker_ppm), "taker": formats.rate(taker_ppm)}
        return msgspec.json.encode(
            {
                "symbol": instrument.symbol,
                "standardCommission": standard,
                "specialCommission": none,
                "taxCommission": none,
                "discount": NO_DISCOUNT,
            }
        )

    def order_counts(self, call: Call) -> bytes:
        return msgspec.json.encode(self._rate_limits.shown_orders(call.account_id, call.received_ts_ns))

    def _rates_of_account(self, account: Account | None) -> tuple[int, int]:
        """The account's rates, or the highest of any instrument where it has none of its own."""
        rates = [fee_rates(instrument, account) for instrument in self._venue.reference.instruments.values()]
        return (max(maker for maker, _ in rates), max(taker for _, taker in rates)) if rates else (0, 0)


def first_id(values: Values, name: str) -> int:
    """The id to begin with, the first one for an id of 0, or 0 when none was given: the newest are meant then."""
    return max(1, values[name]) if name in values else 0


def interval(values: Values) -> tuple[int, int]:
    """Start and end in nanoseconds, both included, 0 where open."""
    start_ns, end_ns = values.get("startTime", 0), values.get("endTime", 0)
    if start_ns and end_ns and end_ns - start_ns > LOOKUP_HOURS_MAX * 3_600 * 10**9 + 999_999:
        raise ApiError(errors.INTERVAL_TOO_BIG, LOOKUP_HOURS_MAX)
    return start_ns, end_ns


def _order_id(order: Order) -> int:
    return order.order_id


def _weight_of_open_orders(values: Values) -> int:
    return 6 if "symbol" in values else 80


def _weight_of_my_trades(values: Values) -> int:
    return 5 if "orderId" in values else 20
