"""REST: HTTP requests to endpoints, and their answers to HTTP responses.

Request → weight → pairs → signature → values → endpoint → Response with the rate limits' headers

New orders that look ordinary go into the lane first, which takes them in runs or hands them back to this way.

A form body counts whatever the content type says, and where query and body name the same parameter the query's counts.
"""

from collections.abc import Callable
from functools import lru_cache

from holdfast.codes import KeyPermission
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.authentication import Key, KeyTable, authorize, find_key, is_rest_signed
from holdfast.gateway.binance.endpoints import Answer, Budget, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.lane import requests
from holdfast.gateway.binance.lane.lane import Lane
from holdfast.gateway.binance.parameters import Pairs, parse_query_and_body
from holdfast.gateway.binance.rate_limits import RateLimits, Used
from holdfast.gateway.server.messages import Handler, Request, Response

Headers = tuple[tuple[str, str], ...]

MILLISECOND_NS = 1_000_000
MICROSECOND_NS = 1_000
_TIME_UNITS = {"MILLISECOND": MILLISECOND_NS, "MICROSECOND": MICROSECOND_NS}


def time_unit_ns(name: str) -> int:
    """What `X-MBX-TIME-UNIT` or `timeUnit` asks for, in any case; milliseconds when it is empty."""
    if not name:
        return MILLISECOND_NS
    unit_ns = _TIME_UNITS.get(name.upper())
    if unit_ns is None:
        raise ApiError(errors.INVALID_TIME_UNIT)
    return unit_ns


class RestAdapter:
    """Makes an HTTP handler of each endpoint."""

    def __init__(self, keys: KeyTable, rate_limits: RateLimits, notices: Callable[[], Headers]) -> None:
        """`notices` are the headers that every answer carries now, beside those of the limits."""
        self.notices = notices
        self._keys = keys
        self._rate_limits = rate_limits

    def order_handler(self, endpoint: Endpoint, lane: Lane) -> Handler:
        """The handler of new orders: those that look ordinary go into the lane, which may hand them back."""
        general = self.handler(endpoint)

        def handle(request: Request, respond: Callable[[Response], None]) -> None:
            text = request.query.encode("latin-1", "replace") if request.query else request.body
            key = self._covering_key(request, text)
            if key is None:
                general(request, respond)
            else:
                lane.add(_AskedOrder(self, endpoint, general, request, respond, key), text)

        return handle

    def _covering_key(self, request: Request, text: bytes) -> Key | None:
        """The key that signed `text`, the whole of an order's request, and may trade; None when anything is unusual."""
        headers = request.headers
        key = self._keys.key(headers.get("x-mbx-apikey", ""))
        if key is None or (request.query and request.body) or "x-mbx-time-unit" in headers:
            return None
        signed, separator, signature = text.rpartition(b"&signature=")
        if not separator or not key.may(KeyPermission.TRADE) or not key.allows_ip(request.peer_ip):
            return None
        if self._rate_limits.is_banned(request.peer_ip, request.received_ts_ns):
            return None  # Whoever is banned shall not cost a signature.
        return key if key.verify(signed, signature.decode("latin-1")) else None

    def handler(self, endpoint: Endpoint) -> Handler:
        def handle(request: Request, respond: Callable[[Response], None]) -> None:
            call = self.call(endpoint, request, respond)
            call.attempt(lambda call: self._run(endpoint, request, call))

        return handle

    def call(self, endpoint: Endpoint, request: Request, respond: Callable[[Response], None]) -> Call:
        def answer(call: Call, answer: Answer) -> None:
            respond(Response(answer.status, answer.body, self._headers(endpoint, call, answer)))

        return Call(answer, request.peer_ip, request.received_ts_ns, MILLISECOND_NS)

    def _run(self, endpoint: Endpoint, request: Request, call: Call) -> bytes | None:
        now_ns = request.received_ts_ns
        endpoint.charge(self._rate_limits, request.peer_ip, now_ns)
        body = "" if request.method == "GET" else request.body.decode("latin-1")
        pairs = parse_query_and_body(request.query, body)
        unit = pairs.pop("timeUnit", "") or request.headers.get("x-mbx-time-unit", "")
        if unit:
            call.time_unit_ns = time_unit_ns(unit)
        if endpoint.permission is not None:
            self._authorize(endpoint, request, body, pairs, call)
        call.values = endpoint.parameters.convert(pairs)
        endpoint.charge_by_values(self._rate_limits, request.peer_ip, call.values, now_ns)
        return endpoint.run(call)

    def _authorize(self, endpoint: Endpoint, request: Request, body: str, pairs: Pairs, call: Call) -> None:
        assert endpoint.permission is not None
        key = find_key(self._keys, request.headers.get("x-mbx-apikey", ""), request.peer_ip)
        is_signed = is_rest_signed(request.query, body)
        call.authorize(authorize(key, endpoint.permission, pairs, request.received_ts_ns, is_signed))

    def _headers(self, endpoint: Endpoint, call: Call, answer: Answer) -> tuple[tuple[str, str], ...]:
        """What has been used, in the intervals in which the request was read."""
        now_ns = call.received_ts_ns
        limits = self._rate_limits
        error = answer.error
        if error is not None and endpoint.budget is Budget.ORDER and not error.retry_at_ns:
            limits.charge_failed(call.peer_ip, 1, now_ns)
        used = limits.used(call.peer_ip, call.account_id, now_ns)
        headers = _order_headers(used) if endpoint.budget is Budget.ORDER and call.account_id else _weight_headers(used)
        headers += self.notices()
        if error is not None and error.retry_at_ns:
            headers += (("Retry-After", str(max(-(-(error.retry_at_ns - now_ns) // 10**9), 1))),)
        return headers


def _weight_headers(used: Used) -> Headers:
    return ("X-MBX-USED-WEIGHT", str(used.weight)), ("X-MBX-USED-WEIGHT-1M", str(used.weight))


@lru_cache(64)
def _order_headers(used: Used) -> Headers:
    """Kept for the other orders of a run, of which each tells the same."""
    orders = ("X-MBX-ORDER-COUNT-10S", str(used.orders_10s)), ("X-MBX-ORDER-COUNT-1D", str(used.orders_1d))
    return _weight_headers(used) + orders


class _AskedOrder:
    """A request for a new order on its way through the lane."""

    __slots__ = ("_adapter", "_endpoint", "_general", "_request", "_respond", "peer_ip", "trading_key")

    form = requests.FORM_REST
    time_unit_ns = MILLISECOND_NS
    shows_limits = False

    def __init__(
        self,
        adapter: RestAdapter,
        endpoint: Endpoint,
        general: Handler,
        request: Request,
        respond: Callable[[Response], None],
        key: Key,
    ) -> None:
        self._adapter = adapter
        self._endpoint = endpoint
        self._general = general
        self._request = request
        self._respond = respond
        self.peer_ip = request.peer_ip
        self.trading_key = key

    def go_on(self, text: bytes, received_ts_ns: int) -> None:  # noqa: ARG002 - the request has both
        self._general(self._request, self._respond)

    def answer(self, written: list[bytes], used: Used) -> None:
        self._respond(Response(200, written[0], _order_headers(used) + self._adapter.notices()))

    def call(self, request_id: bytes, received_ts_ns: int) -> Call:  # noqa: ARG002 - as above
        return self._adapter.call(self._endpoint, self._request, self._respond)
