"""WebSocket API frames: requests read so that what a signature covers keeps its exact text, and replies written.

    {"id": …, "method": "order.place", "params": {…}}
    {"id": …, "status": 200, "result": …, "rateLimits": […]}
    {"id": …, "status": 400, "error": {"code": …, "msg": …}, "rateLimits": […]}

Numbers, booleans and texts may stand for each other in `params`, as clients send them.
"""

from decimal import Decimal

import msgspec

from holdfast.gateway.binance import errors
from holdfast.gateway.binance.endpoints import Answer
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.parameters import PARAMETERS_MAX, Pairs

ID_BYTES_MAX = 128
ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"
NO_ID = b"null"
EXPONENT_MAX = 20  # Beyond that a number has too many digits anyway.


class Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw(NO_ID)
    params: dict[str, msgspec.Raw] | None = None


class _OnlyId(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(NO_ID)


_decode = msgspec.json.Decoder(Request).decode
_decode_id = msgspec.json.Decoder(_OnlyId).decode


def read_request(data: bytes) -> Request:
    """The request in a text frame; raises ApiError when it is none."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, RecursionError):
        raise ApiError(errors.INVALID_JSON) from None


def id_of_malformed(data: bytes) -> bytes:
    """The id of what is no request otherwise, so that its sender can tell which one was refused."""
    try:
        return read_id(_decode_id(data))
    except (msgspec.MsgspecError, RecursionError, ApiError):
        return NO_ID


def read_id(request: "Request | _OnlyId") -> bytes:
    """The id as it was written: a number, a text, or null."""
    raw = bytes(request.id)
    if len(raw) > ID_BYTES_MAX or raw[:1] not in b'"-0123456789n' or not raw:
        raise ApiError(errors.ILLEGAL_CHARS_IN, "id", ID_RANGE)
    return raw


def read_pairs(request: Request) -> Pairs:
    """The parameters with each value's text: of a JSON text its content, of everything else the JSON itself."""
    params = request.params
    if not params:
        return {}
    if len(params) > PARAMETERS_MAX:
        raise ApiError(errors.TOO_MANY_PARAMETERS, PARAMETERS_MAX, len(params))
    return {name: _text(name, bytes(raw)) for name, raw in params.items()}


def _text(name: str, raw: bytes) -> str:
    if raw.startswith(b'"'):
        if b"\\" not in raw:
            return raw[1:-1].decode()
        return msgspec.json.decode(raw, type=str)
    if raw == b"null":
        return ""  # Refused as empty where it is read.
    if raw.startswith(b"{"):
        raise ApiError(errors.INVALID_PARAMETER, name)
    return raw.decode()


def without_exponents(request: Request, pairs: Pairs) -> Pairs:
    """`pairs` with JSON numbers such as 1e-05 written out; how Python writes small floats."""
    params = request.params or {}
    for name, text in pairs.items():
        if ("e" in text or "E" in text) and bytes(params[name])[:1].isdigit():
            pairs = pairs | {name: _written_out(text)}
    return pairs


def _written_out(number: str) -> str:
    exact = Decimal(number)
    if abs(exact.adjusted()) > EXPONENT_MAX:
        return number
    return format(exact, "f")


def write_reply(request_id: bytes, answer: Answer, rate_limits: bytes, server_time: int, unit_ns: int) -> bytes:
    """The reply to one request; `rate_limits` is their JSON, or empty to leave them out."""
    if answer.error is None:
        shown = b'"result":' + answer.body
    else:
        shown = b'"error":' + _error(answer, answer.error, server_time, unit_ns)
    if rate_limits:
        shown += b',"rateLimits":' + rate_limits
    return b'{"id":%b,"status":%d,%b}' % (request_id, answer.status, shown)


def _error(answer: Answer, error: ApiError, server_time: int, unit_ns: int) -> bytes:
    """With 429 and 418 the client is told when to come again."""
    if not error.retry_at_ns or error.data is not None:
        return answer.body
    when = {"serverTime": server_time, "retryAfter": error.retry_at_ns // unit_ns}
    return msgspec.json.encode(error.as_dict() | {"data": when})
