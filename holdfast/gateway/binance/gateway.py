"""The Binance gateway, put together: which path and which method leads to which endpoint.

A new endpoint is one row in its module's table and one row here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from holdfast.clock import Clock
from holdfast.codes import Limit, OrderEventKind
from holdfast.gateway.binance import errors, ws_api
from holdfast.gateway.binance.amendments import Amendments
from holdfast.gateway.binance.authentication import KeyTable
from holdfast.gateway.binance.cancels import Cancels
from holdfast.gateway.binance.countdowns import Countdowns
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.general import General
from holdfast.gateway.binance.lane.lane import Lane, Soon
from holdfast.gateway.binance.order_lists.placing import OrderLists
from holdfast.gateway.binance.order_lists.queries import ListHistory, ListQueries
from holdfast.gateway.binance.orders import Orders, RequestNumbers
from holdfast.gateway.binance.parameters import AnyParameters
from holdfast.gateway.binance.pending import CallLater, Pending
from holdfast.gateway.binance.queries import History, Queries
from holdfast.gateway.binance.rate_limits import Limits, RateLimits
from holdfast.gateway.binance.rest import RestAdapter
from holdfast.gateway.binance.trading_status import TradingStatus
from holdfast.gateway.binance.user_stream import AppliedBatch, UserStreams
from holdfast.gateway.server.messages import Request, Response
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.watches import Watches
from holdfast.instruments import Reference
from holdfast.views import Account, Auction, Balance, Order, OrderList

# (method, path) → WebSocket API method.
REST_ROUTES = {
    ("GET", "/api/v3/ping"): "ping",
    ("GET", "/api/v3/time"): "time",
    ("GET", "/api/v3/exchangeInfo"): "exchangeInfo",
    ("POST", "/api/v3/order"): "order.place",
    ("GET", "/api/v3/order"): "order.status",
    ("DELETE", "/api/v3/order"): "order.cancel",
    ("POST", "/api/v3/order/test"): "order.test",
    ("POST", "/api/v3/order/cancelReplace"): "order.cancelReplace",
    ("PUT", "/api/v3/order/amend/keepPriority"): "order.amend.keepPriority",
    ("GET", "/api/v3/order/amendments"): "order.amendments",
    ("GET", "/api/v3/openOrders"): "openOrders.status",
    ("DELETE", "/api/v3/openOrders"): "openOrders.cancelAll",
    ("POST", "/api/holdfast/v1/countdownCancelAll"): "countdownCancelAll",
    ("GET", "/api/v3/allOrders"): "allOrders",
    ("POST", "/api/v3/order/oco"): "orderList.place",
    ("POST", "/api/v3/orderList/oco"): "orderList.place.oco",
    ("POST", "/api/v3/orderList/oto"): "orderList.place.oto",
    ("POST", "/api/v3/orderList/otoco"): "orderList.place.otoco",
    ("POST", "/api/v3/orderList/opo"): "orderList.place.opo",
    ("POST", "/api/v3/orderList/opoco"): "orderList.place.opoco",
    ("DELETE", "/api/v3/orderList"): "orderList.cancel",
    ("GET", "/api/v3/orderList"): "orderList.status",
    ("GET", "/api/v3/openOrderList"): "openOrderLists.status",
    ("GET", "/api/v3/allOrderList"): "allOrderLists",
    ("GET", "/api/v3/myPreventedMatches"): "myPreventedMatches",
    ("GET", "/api/v3/myTrades"): "myTrades",
    ("GET", "/api/v3/account"): "account.status",
    ("GET", "/api/v3/account/commission"): "account.commission",
    ("GET", "/api/v3/rateLimit/order"): "account.rateLimits.orders",
}

# What Binance has and this venue has not: answered as such, rather than as a path that nobody knows.
REST_UNSUPPORTED = (
    ("POST", "/api/v3/sor/order"),
    ("POST", "/api/v3/sor/order/test"),
    ("GET", "/api/v3/myAllocations"),
    ("GET", "/api/v3/myFilters"),
)


_TRADE = int(OrderEventKind.TRADE)


class KeptHistory(History, ListHistory, Protocol):
    """Everything that is kept of orders."""


class Venue(Protocol):
    """What the gateway needs of a replica."""

    @property
    def clock(self) -> Clock: ...
    @property
    def reference(self) -> Reference: ...
    @property
    def directory(self) -> KeyTable: ...
    @property
    def history(self) -> KeptHistory: ...
    @property
    def accepting(self) -> bool: ...
    @property
    def refusal(self) -> str: ...
    def submit(
        self,
        records: bytes,
        done: Callable[[Any], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> int: ...
    def submit_run(
        self,
        records: bytes,
        done: Callable[[Any, int], None] | None,
        refused: Callable[[str], None] | None = None,
    ) -> int: ...
    def add_reader(self, reader: Callable[[Any], None]) -> None: ...
    def auction(self, instrument_id: int) -> Auction: ...
    def account(self, account_id: int) -> Account | None: ...
    def balances(self, account_id: int) -> list[Balance]: ...
    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[Order]: ...
    def order(self, account_id: int, instrument_id: int, order_id: int = 0, client_id: str = "") -> Order | None: ...
    def order_lists(self, account_id: int) -> list[OrderList]: ...
    def order_list(self, account_id: int, order_list_id: int = 0, client_id: str = "") -> OrderList | None: ...
    def is_pending(self, account_id: int, client_id: str) -> bool: ...
    def limits(self) -> dict[Limit, int]: ...


class BinanceGateway:
    """One gateway over one replica, whose paths it registers on `routes`.

    `call_later` and `soon` are those of the event loop (`call_later`, `call_soon`).
    """

    def __init__(self, routes: Routes, venue: Venue, limits: Limits, call_later: CallLater, soon: Soon) -> None:
        self._routes = routes
        self.rate_limits = RateLimits(limits)
        self.pending = Pending(venue, venue.clock, call_later)
        numbers = RequestNumbers(venue.clock)
        self._lane = Lane(venue, self.pending, self.rate_limits, numbers, soon)
        self.watches = Watches(venue)
        countdowns = Countdowns(venue, self.pending, numbers, self.watches)
        general = General(venue, self.rate_limits)
        self._shims = general.shims()
        self.methods: dict[str, Endpoint] = {
            **general.endpoints(),
            **Orders(venue, self.pending, self.rate_limits, numbers).endpoints(),
            **Cancels(venue, self.pending, self.rate_limits, numbers).endpoints(),
            **countdowns.endpoints(),
            **Amendments(venue, self.pending, numbers).endpoints(),
            **OrderLists(venue, self.pending, self.rate_limits, numbers).endpoints(),
            **Queries(venue, self.rate_limits).endpoints(),
            **ListQueries(venue).endpoints(),
        }
        self.status = TradingStatus(venue)
        self.rest = RestAdapter(venue.directory, self.rate_limits, self.status.headers)
        self.user_streams = UserStreams(lambda: venue.reference, self.pending.cancel_id)
        self._sessions: dict[ws_api.Session, None] = {}
        self._shared = ws_api.Shared(
            self.methods,
            venue.directory,
            self.rate_limits,
            venue.clock,
            self.user_streams,
            self._lane,
            self._sessions,
            countdowns,
        )
        venue.add_reader(self._credit_first_fills)
        venue.add_reader(self.user_streams.on_applied)
        self._add_rest()
        self.add_public(self.status.endpoints(), {})
        routes.websocket("/ws-api/v3", self._open_session)

    def _add_rest(self) -> None:
        for (http_method, path), method in REST_ROUTES.items():
            endpoint = self.methods[method]
            is_order = method == "order.place"
            handler = self.rest.order_handler(endpoint, self._lane) if is_order else self.rest.handler(endpoint)
            self._routes.add(http_method, path, handler)
        for path, endpoint in self._shims.items():
            self._routes.add("GET", path, self.rest.handler(endpoint))
        unsupported = self.rest.handler(Endpoint(AnyParameters(), _unsupported))
        for http_method, path in REST_UNSUPPORTED:
            self._routes.add(http_method, path, unsupported)

    def add_public(self, paths: Mapping[str, Endpoint], methods: Mapping[str, Endpoint]) -> None:
        """Let these endpoints be asked too: by GET path and by WebSocket API method."""
        for path, endpoint in paths.items():
            self._routes.add("GET", path, self.rest.handler(endpoint))
        self.methods.update(methods)

    def announce_shutdown(self) -> None:
        """Tell every WebSocket API connection that the venue is about to stop."""
        for session in list(self._sessions):
            session.announce_shutdown()

    def _open_session(self, request: Request) -> ws_api.Session | Response:
        return ws_api.open_session(self._shared, request)

    def _credit_first_fills(self, applied: AppliedBatch) -> None:
        """An order that trades for the first time is taken off its account's unfilled ones."""
        orders = applied.events.orders
        if _TRADE not in orders["kind"].tobytes():
            return
        is_first = (orders["kind"] == _TRADE) & (orders["executed_lots"] == orders["last_lots"])
        fills = zip(orders["account_id"][is_first].tolist(), orders["is_maker"][is_first].tolist(), strict=True)
        self.rate_limits.credit_first_fills(fills, int(orders["ts_ns"][-1]))


def _unsupported(_call: Call) -> bytes:
    raise ApiError(errors.UNSUPPORTED_OPERATION)
