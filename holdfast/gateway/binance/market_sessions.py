"""Stream sessions: one client's WebSocket on /ws or /stream, and the control messages it sends.

socket → SESSION → streams

    /ws, /ws/<name>[/<name>…]          raw messages; a name of digits only is a client's own numbering and no stream
    /stream, /stream?streams=a/b/c     combined frames {"stream": …, "data": …}
    ?timeUnit=MICROSECOND              16-digit times, on either

The answer to a control message is sent before any data that it leads to. Errors are the objects of Binance's table.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from holdfast.gateway.binance import errors
from holdfast.gateway.binance.market_messages import MICROSECOND_NS, MILLISECOND_NS
from holdfast.gateway.binance.market_streams import MarketStreams
from holdfast.gateway.server.messages import Request, Response
from holdfast.gateway.server.routes import OutgoingSocket

STREAMS_MAX = 1024  # Of one connection.
NAME_CHARACTERS_MAX = 100
UNKNOWN_PROPERTY = 0
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_text_id = re.compile(r"[\x20-\x7e]{0,36}")
_UNITS = {"MILLISECOND": MILLISECOND_NS, "MICROSECOND": MICROSECOND_NS}


class ControlError(Exception):
    """A control message that cannot be done."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def open_session(streams: MarketStreams, request: Request) -> "StreamSession | Response":
    """The session that a request for a WebSocket asks for, or the refusal of a malformed one."""
    path = request.path.strip("/").split("/")
    is_combined = path == ["stream"]
    query = _query(request.query)
    in_path = path[1:] if path[0] == "ws" else path[2:]  # Some clients put "/ws" behind the base "/stream".
    names = query.get("streams", "").split("/") if is_combined else in_path
    names = list(dict.fromkeys(name for name in names if name and not name.isdigit()))
    unit_ns = _UNITS.get(query.get("timeUnit", "MILLISECOND").upper())
    if unit_ns is None:
        return _refusal(errors.INVALID_TIME_UNIT)
    if len(names) > STREAMS_MAX:
        return _refusal(errors.TOO_MANY_SUBSCRIPTIONS, STREAMS_MAX)
    if any(len(name) > NAME_CHARACTERS_MAX for name in names):
        return _refusal(errors.INVALID_PARAMETER, "streams")
    return StreamSession(streams, names, is_combined, unit_ns)


def _query(raw: str) -> dict[str, str]:
    """Parameters of the query; a plus is a plus here, as in `@kline_1d@+08:00`."""
    pairs = (pair.partition("=") for pair in raw.split("&") if pair)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _refusal(error: errors.Error, *arguments: object) -> Response:
    refused = errors.ApiError(error, *arguments)
    return Response(refused.status, refused.body())


class StreamSession:
    """A listener on any number of streams."""

    def __init__(self, streams: MarketStreams, names: list[str], is_combined: bool, unit_ns: int) -> None:
        self.is_combined = is_combined
        self.socket: OutgoingSocket
        self._streams = streams
        self._unit_ns = unit_ns
        self._first_names = names
        self._names: dict[str, None] = {}  # What it listens to, in the order of subscribing.
        self._methods: dict[str, Callable[[list[Any]], object]] = {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "LIST_SUBSCRIPTIONS": self._list,
            "SET_PROPERTY": self._set_property,
            "GET_PROPERTY": self._get_property,
        }

    def on_open(self, socket: OutgoingSocket) -> None:
        self.socket = socket
        self._streams.listeners.add(self)
        self._listen(self._first_names)

    def on_close(self, _reason: str) -> None:
        self._streams.listeners.discard(self)
        for name in self._names:
            self._streams.unsubscribe(self, name, self._unit_ns)
        self._names.clear()

    def announce_shutdown(self) -> None:
        """Tell the client that its connection ends soon; in milliseconds, whatever the connection's unit is."""
        event = f'{{"e":"serverShutdown","E":{self._streams.now_ns() // 1_000_000}}}'
        self.socket.send((f'{{"stream":"!serverShutdown","data":{event}}}' if self.is_combined else event).encode())

    def on_text(self, data: bytes) -> None:
        """Do one control message. What it subscribes to is sent after its answer."""
        listen_to: list[str] = []
        try:
            message = _parse(data)
            result = self._methods[message["method"]](message["params"])
            if message["method"] == "SUBSCRIBE":
                listen_to = message["params"]
            answer: dict[str, object] = {"result": result, "id": message["id"]}
        except ControlError as error:
            answer = {"code": error.code, "msg": error.text}
            if error.code == UNKNOWN_PROPERTY:
                answer["id"] = message["id"]  # Of all errors only this one names the request.
        self.socket.send(json.dumps(answer, separators=(",", ":")).encode())
        self._listen(listen_to)

    def _listen(self, names: list[str]) -> None:
        for name in names:
            if name not in self._names:
                self._names[name] = None
                self._streams.subscribe(self, name, self._unit_ns)

    def _subscribe(self, params: list[Any]) -> None:
        names = _stream_names(params)
        if len(self._names.keys() | names) > STREAMS_MAX:
            raise ControlError(2, f"Invalid request: a connection can listen to a maximum of {STREAMS_MAX} streams")

    def _unsubscribe(self, params: list[Any]) -> None:
        for name in _stream_names(params) & self._names.keys():
            del self._names[name]
            self._streams.unsubscribe(self, name, self._unit_ns)

    def _list(self, params: list[Any]) -> list[str]:
        if params:
            raise ControlError(2, "Invalid request: too many parameters")
        return list(self._names)

    def _set_property(self, params: list[Any]) -> None:
        self._check_property(params, 2)
        if len(params) < 2 or not isinstance(params[1], bool):
            raise ControlError(1, "Invalid value type: expected Boolean")
        self.is_combined = params[1]
        for name in self._names:
            self._streams.regroup(name, self._unit_ns)

    def _get_property(self, params: list[Any]) -> bool:
        self._check_property(params, 1)
        return self.is_combined

    def _check_property(self, params: list[Any], params_max: int) -> None:
        if not params or not isinstance(params[0], str):
            raise ControlError(2, "Invalid request: property name must be a string")
        if len(params) > params_max:
            raise ControlError(2, "Invalid request: too many parameters")
        if params[0] != "combined":
            raise ControlError(UNKNOWN_PROPERTY, "Unknown property")


def _stream_names(params: list[Any]) -> set[str]:
    if not all(isinstance(name, str) for name in params):
        raise ControlError(2, "Invalid request: stream name must be a string")
    if any(len(name) > NAME_CHARACTERS_MAX for name in params):
        raise ControlError(2, "Invalid request: stream name is too long")
    return set(params)


def _parse(data: bytes) -> dict[str, Any]:
    """A well-formed control message: method, params (a list) and id. Raises ControlError."""
    text = data.decode()
    try:
        message = json.loads(text, parse_constant=_not_json)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ControlError(3, f"Invalid JSON: expected value at {where}") from None
    except (ValueError, RecursionError):  # A number of thousands of digits, or thousands of brackets.
        raise ControlError(3, "Invalid JSON: expected value at line 1 column 1") from None
    if not isinstance(message, dict):
        raise ControlError(2, "Invalid request: expected an object at line 1 column 1")
    if "method" not in message:
        raise ControlError(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
    method, params = message["method"], message.get("params")
    if not isinstance(method, str) or method not in _METHODS:
        shown = method if isinstance(method, str) else json.dumps(method)
        variants = ", ".join(f"`{known}`" for known in _METHODS)
        column = text.find(shown) + len(shown) + 1
        raise ControlError(
            2, f"Invalid request: unknown variant `{shown[:100]}`, expected one of {variants} at line 1 column {column}"
        )
    if not _is_id(message.get("id", ...)):
        raise ControlError(2, "Invalid request: request ID must be an unsigned integer")
    if params is None and method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        raise ControlError(2, f"Invalid request: missing field `params` at line 1 column {len(text)}")
    if params is not None and not isinstance(params, list):
        raise ControlError(2, "Invalid request: params must be an array")
    return {"method": method, "params": params or [], "id": message["id"]}


def _not_json(constant: str) -> object:
    raise ValueError(constant)


def _is_id(value: object) -> bool:
    """A 64-bit signed integer, a string of at most 36 characters, or null."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, str) and _text_id.fullmatch(value) is not None)
