"""Requests and responses as handlers see them, and a response's bytes.

Texts of requests are decoded as Latin-1 where they are not plain ASCII, so that `.encode("latin-1")` gives the bytes as
they were sent (what a signature covers).
"""

from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

JSON_TYPE = "application/json;charset=UTF-8"


class Request:
    """One request, read completely.

    `path` has its percent escapes decoded; `query` is raw, without the question mark; `headers` have lower-case names,
    repeated ones joined by ", "; `received_ts_ns` is the venue's clock when the last byte had arrived.
    """

    __slots__ = ("body", "headers", "is_tls", "method", "path", "peer_ip", "query", "received_ts_ns")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        body: bytes,
        peer_ip: str,
        received_ts_ns: int,
        is_tls: bool,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer_ip = peer_ip
        self.received_ts_ns = received_ts_ns
        self.is_tls = is_tls


class Response(NamedTuple):
    """`headers` are sent as they stand; content type, length, date and connection are the server's."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON_TYPE


Respond = Callable[[Response], None]
Handler = Callable[[Request, Respond], None]  # Answers at once or later, exactly once, on the loop's thread.


def error_response(status: int, message: str, code: int = -1000, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """A refusal in the form in which every refusal leaves this venue."""
    return Response(status, msgspec.json.encode({"code": code, "msg": message}), headers)


def split_target(target: bytes) -> tuple[str, str]:
    """The path (decoded) and the raw query of a request target in any of its forms."""
    text = target.decode("latin-1")
    if not text.startswith("/"):
        text = _origin_form(text)
    text, _, _ = text.partition("#")
    path, _, query = text.partition("?")
    return (unquote(path) if "%" in path else path), query


def _origin_form(target: str) -> str:
    """What a proxy would send ("http://host/path") as a server expects it ("/path"); "*" and others as they are."""
    _, separator, rest = target.partition("://")
    if not separator:
        return target
    start = min((rest.index(mark) for mark in "/?" if mark in rest), default=len(rest))
    return rest[start:] if rest[start : start + 1] == "/" else "/" + rest[start:]


def response_head(response: Response, date_line: bytes, connection_line: bytes) -> bytes:
    """The head of a response with a body of known length. ValueError when a header would split the response."""
    extra = encode_headers(response.headers) if response.headers else b""
    prefix = _head_prefix(response.status, response.content_type)
    if response.status in BODILESS:
        return b"%b%b%b%b\r\n" % (prefix, date_line, connection_line, extra)
    return b"%bcontent-length: %d\r\n%b%b%b\r\n" % (prefix, len(response.body), date_line, connection_line, extra)


@lru_cache(maxsize=256)
def encode_headers(headers: tuple[tuple[str, str], ...]) -> bytes:
    """Kept, since all orders of one turn have the same."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if text.count("\r") != len(headers) or text.count("\n") != len(headers) or "\0" in text:
        raise ValueError("a response header holds a control character")
    return text.encode("latin-1", "replace")


BODILESS = frozenset({204, 304})


@lru_cache(maxsize=256)
def _head_prefix(status: int, content_type: str) -> bytes:
    line = status_line(status)
    if status not in BODILESS:
        line += f"content-type: {content_type}\r\n"
    if "\r" in content_type or "\n" in content_type:
        raise ValueError("a content type holds a line break")
    return line.encode("latin-1")


def status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"  # Any three digits are a status; 418 "I'm a Teapot" is Binance's ban.
    return f"HTTP/1.1 {status} {phrase}\r\n"
