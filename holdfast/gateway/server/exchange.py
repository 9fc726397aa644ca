"""Exchange: one request and its one answer; what a handler gets as `respond`.

reader → connection → EXCHANGE → handler; answers flow back through it in the order of the requests.

Called with a `Response` it answers in one write. `start`, `write`, `drain`, `finish` send a long answer piece by piece,
at the client's pace. An answer to a client that has gone is dropped; a second answer is a bug and asserts.
"""

import asyncio
import uuid
from typing import TYPE_CHECKING

import structlog

from holdfast.gateway.server.messages import (
    BODILESS,
    Request,
    Response,
    encode_headers,
    error_response,
    response_head,
    status_line,
)

if TYPE_CHECKING:
    from holdfast.gateway.server.http import HttpConnection

log = structlog.get_logger(__name__)

# The server's own; an application's values for them are not sent.
_OWN_HEADERS = frozenset({"connection", "date", "keep-alive", "transfer-encoding", "upgrade"})


class Exchange:
    __slots__ = (
        "_changed",
        "_connection",
        "_is_chunked",
        "_remaining_bytes",
        "_saw_eof",
        "_status",
        "is_finished",
        "is_http10",
        "keep_alive",
        "refusal",
        "request",
    )

    def __init__(
        self,
        connection: "HttpConnection",
        request: Request,
        keep_alive: bool,
        is_http10: bool = False,
        refusal: Response | None = None,
    ) -> None:
        self._connection: HttpConnection | None = connection
        self.request = request
        self.keep_alive = keep_alive
        self.is_http10 = is_http10
        self.refusal = refusal  # Set by the connection itself when there is no request to handle.
        self.is_finished = False
        self._status = 0  # Of a response sent piece by piece, once it has begun.
        self._is_chunked = False
        self._remaining_bytes: int | None = None
        self._changed: asyncio.Event | None = None
        self._saw_eof = False

    def __call__(self, response: Response) -> None:
        assert not self.is_finished, "a request was answered twice"
        connection = self._connection
        if connection is None:
            self.is_finished = True
            return
        try:
            head = response_head(response, connection.date_line(), self._connection_line(connection))
        except ValueError as error:
            self.fail(error)
            return
        self.is_finished = True
        is_bodiless = self.request.method == "HEAD" or response.status in BODILESS
        connection.send(head if is_bodiless else head + response.body)
        connection.finish(self, response.status)

    def start(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        """Begin an answer that is sent piece by piece. Without a content-length among the headers it is chunked."""
        assert self._status == 0, "a response was begun twice"
        self._status = status
        sent = tuple((name, value) for name, value in headers if name.lower() not in _OWN_HEADERS)
        length = next((value for name, value in sent if name.lower() == "content-length"), None)
        connection = self._connection
        if connection is None:
            return
        if self.request.method == "HEAD" or status in BODILESS:
            self._remaining_bytes = None
        elif length is not None:
            self._remaining_bytes = int(length)
        elif self.is_http10:
            self.keep_alive = False  # The end of the connection is the end of the body.
        else:
            self._is_chunked = True
            sent = (*sent, ("transfer-encoding", "chunked"))
        head = status_line(status).encode("latin-1") + connection.date_line() + self._connection_line(connection)
        connection.send(head + encode_headers(sent) + b"\r\n")

    def write(self, data: bytes) -> None:
        connection = self._connection
        if not data or connection is None or self.request.method == "HEAD" or self._status in BODILESS:
            return
        if self._remaining_bytes is not None:
            self._remaining_bytes -= len(data)
            if self._remaining_bytes < 0:
                raise RuntimeError("a response is longer than its content-length")
        connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def finish(self) -> None:
        assert not self.is_finished, "a request was answered twice"
        if self._remaining_bytes and self._connection is not None:
            raise RuntimeError("a response is shorter than its content-length")
        self.is_finished = True
        if self._connection is not None:
            if self._is_chunked:
                self._connection.send(b"0\r\n\r\n")
            self._connection.finish(self, self._status)

    async def drain(self) -> None:
        """Let others have a turn, and wait until the client has read most of what was written, or has gone."""
        await asyncio.sleep(0)
        while self._connection is not None and self._connection.is_writing_paused:
            await self._wait_changed()

    async def wait_closed(self) -> None:
        """Wait until the client has gone, or has closed its half (most mean the same by it)."""
        while self._connection is not None and not self._saw_eof:
            await self._wait_changed()

    def fail(self, error: BaseException) -> None:
        """The handler failed: log it, and tell the client a number to ask about, nothing else."""
        error_id = uuid.uuid4().hex[:12]
        request = self.request
        log.error("handler failed", error_id=error_id, method=request.method, path=request.path, exc_info=error)
        if self._connection is not None:
            self._connection.count_handler_error()
        if self.is_finished:
            return
        if self._status == 0:
            self(error_response(500, f"An unknown error occurred while processing the request. Error id: {error_id}."))
        else:
            self.abandon()

    def abandon(self) -> None:
        """End the connection without an answer: what was begun cannot be finished."""
        if not self.is_finished:
            self.is_finished = True
            if self._connection is not None:
                self._connection.drop("unfinished_response")

    def has_client(self) -> bool:
        return self._connection is not None

    def on_writing_resumed(self) -> None:
        if self._changed is not None:
            self._changed.set()

    def on_eof(self) -> None:
        self._saw_eof = True
        if self._changed is not None:
            self._changed.set()

    def on_connection_lost(self) -> None:
        self._connection = None
        if self._changed is not None:
            self._changed.set()

    async def _wait_changed(self) -> None:
        if self._changed is None:
            self._changed = asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    def _connection_line(self, connection: "HttpConnection") -> bytes:
        if connection.is_stopping():
            self.keep_alive = False
        if not self.keep_alive:
            return b"connection: close\r\n"
        return b"connection: keep-alive\r\n" if self.is_http10 else b""
