"""Request reader: bytes in, requests out, without sockets.

connection → READER (httptools) → `emit(request)` in the order of arrival, or `refuse(response)` once, and then nothing.

A client's requests mostly have the same head, byte by byte, so a connection's last ones are kept with what they said: a
request that arrives whole and begins with one of them is that head and a body (`_KnownHead`). All others are parsed.

Invariants: what a client sends is never an exception here; nothing that a client sends makes the reader hold more than
target + head + body limits, however the bytes are cut; every message has a deadline from its first byte on.
"""

import math
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.messages import Request, Response, error_response, split_target


class Phase(IntEnum):
    IDLE = 0  # Between requests.
    HEAD = 1
    BODY = 2
    UPGRADED = 3  # Behind a request for a WebSocket: what follows is not HTTP, unless that is refused.
    STOPPED = 4  # After a refusal, or a request that said "close": nothing more is read.


IDLE, HEAD, BODY, UPGRADED, STOPPED = Phase  # Looking one up in its class takes longer than comparing it.

KNOWN_HEADS_MAX = 4  # Of a connection: lengths of orders differ by a few bytes, and the head tells them.
KNOWN_HEAD_BYTES_MAX = 1024


class _KnownHead(NamedTuple):
    """A head of a request that kept its connection, and what was read from it."""

    raw: bytes
    method: str
    path: str
    query: str
    headers: dict[str, str]  # Of all its requests; nobody changes them.


class _RefusedError(Exception):
    """Carries a refusal out of a parser's callback."""


Emit = Callable[[Request, bool, bool], None]  # request, may the connection be kept, is it HTTP/1.0


class RequestReader:
    def __init__(
        self,
        limits: Limits,
        emit: Emit,
        refuse: Callable[[Response], None],
        now_ns: Callable[[], int],
        peer_ip: str = "",
        is_tls: bool = False,
    ) -> None:
        self.phase = IDLE
        self.deadline_s = math.inf  # When the message that has begun must have gone on to its next phase.
        self.is_continue_due = False  # The client waits for "100 Continue" before it sends the body.
        self._limits = limits
        self._emit = emit
        self._refuse = refuse
        self._now_ns = now_ns
        self._peer_ip = peer_ip
        self._is_tls = is_tls
        self._now_s = 0.0
        self._refusal: Response | None = None
        self._known: dict[int, _KnownHead] = {}  # By the bytes of head and body together.
        self._whole: Request | None = None  # The last one that this feed brought, when its head can be known.
        self._unseen_bytes = 0  # Read since a callback bounded what the parser may have kept.
        self._start_message()
        self._parser = HttpRequestParser(self)

    def feed(self, data: bytes, now_s: float) -> bytes:
        """Parse `data`. Returns what follows a request for a WebSocket (phase UPGRADED), otherwise nothing."""
        was_idle = self.phase is IDLE
        known = self._known.get(len(data))
        if known is not None and was_idle and data.startswith(known.raw):
            self._emit_known(known, data[len(known.raw) :])
            return b""
        self._whole = None
        self._now_s = now_s
        self._unseen_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self.phase is UPGRADED:
                return rest
            self._parser = HttpRequestParser(self)  # Another protocol was offered; we go on with HTTP.
            return self.feed(rest, now_s) if rest else b""
        except HttpParserError as error:
            if self.phase is not STOPPED:
                self.refuse(self._refusal or error_response(400, f"Malformed request: {error}."))
            return b""
        if self._unseen_bytes > self._limits.head_bytes and self.phase in (HEAD, BODY):
            self.refuse(error_response(431, "The request's headers are too large."))
        if was_idle:
            self._get_to_know(data)
        return b""

    def _emit_known(self, known: _KnownHead, body: bytes) -> None:
        request = Request(
            known.method, known.path, known.query, known.headers, body, self._peer_ip, self._now_ns(), self._is_tls
        )
        self._emit(request, True, False)

    def _get_to_know(self, data: bytes) -> None:
        """`data` began a message: keep the head of the last request that it brought, if there was no other."""
        request, self._whole = self._whole, None
        if request is None:
            return
        head_bytes = data.find(b"\r\n\r\n", 0, KNOWN_HEAD_BYTES_MAX) + 4
        if head_bytes < 4 or len(data) != head_bytes + len(request.body):
            return
        if len(self._known) == KNOWN_HEADS_MAX and len(data) not in self._known:
            del self._known[next(iter(self._known))]
        self._known[len(data)] = _KnownHead(
            data[:head_bytes], request.method, request.path, request.query, request.headers
        )

    def refuse(self, response: Response) -> None:
        """Refuse whatever comes next; also used for time-outs."""
        self._stop()
        self._start_message()
        self._refuse(response)

    def pending_bytes(self) -> int:
        """About how much memory the unfinished message takes."""
        return 0 if self.phase is IDLE else self._head_bytes + self._body_bytes + self._unseen_bytes

    def extend_deadline(self, now_s: float) -> None:
        """Count from now on: the message could not be read while an earlier one was being answered."""
        if self.phase is HEAD or self.phase is BODY:
            self.deadline_s = now_s + (self._limits.head_s if self.phase is HEAD else self._limits.body_s)

    def _stop(self) -> None:
        self.phase = STOPPED
        self.deadline_s = math.inf
        self.is_continue_due = False

    def _start_message(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._head_bytes = 0
        self._body: bytes | bytearray = b""
        self._body_bytes = 0
        self._unseen_bytes = 0

    # Callbacks of the parser, in the order of a message.

    def on_message_begin(self) -> None:
        self._start_message()
        self.phase = HEAD
        self.deadline_s = self._now_s + self._limits.head_s

    def on_url(self, target: bytes) -> None:
        self._unseen_bytes = 0
        self._target = self._target + target if self._target else target
        if len(self._target) > self._limits.target_bytes:
            self._refuse_now(414, "The request's target is too long.")

    def on_header(self, raw_name: bytes, raw_value: bytes | None) -> None:
        if self.phase is BODY:
            return  # A trailer: bounded like a head by `_unseen_bytes`, and of no use to anyone here.
        value = (raw_value or b"").decode("latin-1")
        name = _KNOWN_NAMES.get(raw_name) or raw_name.lower().decode("latin-1")
        self._header_count += 1
        self._head_bytes += len(raw_name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes or self._header_count > self._limits.header_count:
            self._refuse_now(431, "The request's headers are too large.")
        headers = self._headers
        headers[name] = f"{headers[name]}, {value}" if name in headers else value

    def on_headers_complete(self) -> None:
        self._unseen_bytes = 0
        self.phase = BODY
        self.deadline_s = self._now_s + self._limits.body_s
        self._version = self._parser.get_http_version()
        self._method = self._parser.get_method().decode("ascii")
        headers = self._headers
        if self._version != "1.1" and self._version != "1.0":
            self._refuse_now(400, "This server speaks HTTP/1.1.")
        if "," in headers.get("host", "" if self._version == "1.0" else ","):
            self._refuse_now(400, "A request has exactly one Host header.")
        if self._method == "CONNECT":
            self._refuse_now(405, "This server is not a proxy.")
        if "content-length" in headers or "transfer-encoding" in headers or "expect" in headers:
            self._check_body_headers(headers)

    def _check_body_headers(self, headers: dict[str, str]) -> None:
        length = headers.get("content-length", "0")
        if len(length) > 18 or int(length) > self._limits.body_bytes:
            self._refuse_now(413, f"A request's body has at most {self._limits.body_bytes} bytes.")
        if headers.get("transfer-encoding", "chunked").lower() != "chunked":
            self._refuse_now(400, "The only transfer coding that is understood is chunked.")
        if "expect" in headers and self._version == "1.1":
            if headers["expect"].lower() != "100-continue":
                self._refuse_now(417, "The only expectation that is understood is 100-continue.")
            self.is_continue_due = True

    def on_chunk_header(self) -> None:
        self._unseen_bytes = 0

    def on_body(self, data: bytes) -> None:
        self._unseen_bytes = 0
        self._body_bytes += len(data)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse_now(413, f"A request's body has at most {self._limits.body_bytes} bytes.")
        if not self._body:
            self._body = data
        elif isinstance(self._body, bytearray):
            self._body += data
        else:
            self._body = bytearray(self._body) + data

    def on_message_complete(self) -> None:
        headers = self._headers
        keep_alive = self._parser.should_keep_alive()
        wants_upgrade = "upgrade" in headers and self._parser.should_upgrade()
        if wants_upgrade and (headers.get("content-length", "0") != "0" or "transfer-encoding" in headers):
            self._refuse_now(400, "A request for another protocol has no body.")
        path, query = split_target(self._target)
        request = Request(
            self._method,
            path,
            query,
            headers,
            bytes(self._body),
            self._peer_ip,
            self._now_ns(),
            self._is_tls,
        )
        self._start_message()
        self.is_continue_due = False
        self.deadline_s = math.inf
        if wants_upgrade and "websocket" in headers["upgrade"].lower():
            self.phase = UPGRADED
        elif keep_alive:
            self.phase = IDLE
            self._whole = request if self._version == "1.1" else None
        else:
            self._stop()
        self._emit(request, keep_alive, self._version == "1.0")

    def _refuse_now(self, status: int, message: str) -> None:
        self._refusal = error_response(status, message)
        raise _RefusedError


_KNOWN_NAMES = {
    spelling.encode(): name
    for name in (
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-mbx-apikey",
    )
    for spelling in (name, name.title(), name.upper(), "X-MBX-APIKEY" if name == "x-mbx-apikey" else name)
}
