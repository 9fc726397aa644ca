"""What the general way makes of a new order: the norm that the fast lane is held to.

The steps are those of `ws_api.Session._run` and `rest.RestAdapter._run`, and then `orders.Orders.place` itself, with
nothing around them: no limits, no signature (whoever fills the lane has verified it), no journal.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

from holdfast.gateway.binance import ws_frames
from holdfast.gateway.binance.authentication import Authorization, fresh_time
from holdfast.gateway.binance.endpoints import Call
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.orders import NEW_ORDER, Orders, RequestNumbers, new_order
from holdfast.gateway.binance.parameters import Pairs, parse_form, signed
from holdfast.instruments import Reference

_parameters = signed(*NEW_ORDER)
# With one of these a request is another key's, or its reply looks different.
_NEVER_PLAIN = {"apiKey", "returnRateLimits", "timeUnit"}


class Request(NamedTuple):
    """One request as the lane gets it."""

    text: bytes
    is_rest: bool
    received_ts_ns: int
    account_id: int = 7
    key_id: int = 3


class Made(NamedTuple):
    """What became of a request that was taken."""

    record: bytes
    response: int
    request_id: bytes  # As it was written; empty with REST.


def make(request: Request, reference: Reference, now_ns: int, request_number: int) -> Made | None:
    """The command, and what its reply needs; None when it is refused or is not for the lane."""
    call = Call(lambda *_: None, "", request.received_ts_ns, 1_000_000)
    key: Any = SimpleNamespace(account_id=request.account_id, key_id=request.key_id)
    try:
        request_id, signed_pairs, pairs = _read_rest(request.text) if request.is_rest else _read_frame(request.text)
        if not _NEVER_PLAIN.isdisjoint(pairs) or bool(pairs.get("signature")) != request.is_rest:
            return None
        call.authorize(Authorization(key, *fresh_time(signed_pairs, request.received_ts_ns)))
        call.values = _parameters.convert(pairs)
        order = new_order(reference, call.values)
        record = _place(call, reference, now_ns, request_number)
    except (ApiError, UnicodeDecodeError):  # The latter is answered as unknown; a frame should have been UTF-8.
        return None
    return Made(record, order.response, request_id)


def _read_rest(text: bytes) -> tuple[bytes, Pairs, Pairs]:
    pairs = parse_form(text.decode("latin-1"))
    return b"", pairs, pairs


def _read_frame(text: bytes) -> tuple[bytes, Pairs, Pairs]:
    request = ws_frames.read_request(text)
    request_id = ws_frames.read_id(request)
    pairs = ws_frames.read_pairs(request)
    if request.method.removeprefix("v3/") != "order.place":
        return request_id, {}, {}
    return request_id, pairs, ws_frames.without_exponents(request, pairs)


def _place(call: Call, reference: Reference, now_ns: int, request_number: int) -> bytes:
    submitted = []

    def submit(call: Call, record: bytes, *_: object) -> None:
        call.authorization.check_time(now_ns)
        submitted.append(record)

    venue: Any = SimpleNamespace(reference=reference, accepting=True)
    pending: Any = SimpleNamespace(submit=submit)
    unlimited: Any = SimpleNamespace(charge_order=lambda *_: None)
    clock: Any = SimpleNamespace(now_ns=lambda: request_number - 1)  # Numbers begin behind it.
    Orders(venue, pending, unlimited, RequestNumbers(clock)).place(call)
    [placed] = submitted
    return placed
