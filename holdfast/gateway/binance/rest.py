"""REST: HTTP requests to endpoints, and their answers to HTTP responses.

Request → weight → pairs → signature → values → endpoint → Response with the rate limits' headers

A form body counts whatever the content type says, and where query and body name the same parameter the query's counts.
"""

from collections.abc import Callable

from holdfast.gateway.binance import errors
from holdfast.gateway.binance.authentication import KeyTable, authorize, find_key, is_rest_signed
from holdfast.gateway.binance.endpoints import Answer, Budget, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.parameters import Pairs, parse_query_and_body
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.gateway.server.messages import Handler, Request, Response

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

    def __init__(self, keys: KeyTable, rate_limits: RateLimits) -> None:
        self._keys = keys
        self._rate_limits = rate_limits

    def handler(self, endpoint: Endpoint) -> Handler:
        def handle(request: Request, respond: Callable[[Response], None]) -> None:
            def answer(call: Call, answer: Answer) -> None:
                respond(Response(answer.status, answer.body, self._headers(endpoint, call, answer)))

            call = Call(answer, request.peer_ip, request.received_ts_ns, MILLISECOND_NS)
            call.attempt(lambda call: self._run(endpoint, request, call))

        return handle

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
        used = str(limits.weight.count(call.peer_ip, now_ns))
        headers: tuple[tuple[str, str], ...] = (("X-MBX-USED-WEIGHT", used), ("X-MBX-USED-WEIGHT-1M", used))
        if endpoint.budget is Budget.ORDER and call.account_id:
            headers += (
                ("X-MBX-ORDER-COUNT-10S", str(limits.orders_10s.count(call.account_id, now_ns))),
                ("X-MBX-ORDER-COUNT-1D", str(limits.orders_1d.count(call.account_id, now_ns))),
            )
        if error is not None and error.retry_at_ns:
            headers += (("Retry-After", str(max(-(-(error.retry_at_ns - now_ns) // 10**9), 1))),)
        return headers
