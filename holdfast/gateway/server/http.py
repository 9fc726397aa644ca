"""HTTP connection: the life of one client's connection.

socket → HTTP CONNECTION (reader → exchanges → handlers) → socket; a request for a WebSocket leaves it for `websocket`.

Invariants: requests of one connection are handled one at a time, in order, and so answered in order. While one is being
handled, or while the client does not read, nothing more is parsed, and at most one piece of input is held. Each state
that waits for the client has a deadline, compared by the timer wheel.
"""

import asyncio
from collections import deque
from typing import cast

from holdfast.gateway.server.exchange import Exchange
from holdfast.gateway.server.front_door import FrontDoor, plain_ip
from holdfast.gateway.server.limits import PARSE_SLICE_BYTES
from holdfast.gateway.server.messages import Request, Response, error_response, response_head
from holdfast.gateway.server.reader import HEAD, IDLE, UPGRADED, RequestReader
from holdfast.gateway.server.websocket import hand_over, handshake_refusal, socket_protocol

QUEUED_REQUEST_BYTES = 1024  # About what a parsed request costs that waits for its turn.
_NO_REQUEST = Request("", "", "", {}, b"", "", 0, False)  # What was refused before it was a request.


class HttpConnection(asyncio.Protocol):
    def __init__(self, door: FrontDoor, admitted_ip: str | None = None) -> None:
        """With `admitted_ip` the door has counted the connection already; it is left here in any case."""
        self._door = door
        self._limits = door.limits
        self._counters = door.counters
        self._wheel = door.wheel
        self._is_admitted = admitted_ip is not None
        self._is_open = False  # Requests are read and handled; False again once the last answer is written.
        self._is_reading = True
        self.is_writing_paused = False
        self._is_pumping = False
        self._saw_eof = False
        self._held = b""  # Read, not parsed yet.
        self._queue: deque[Exchange] = deque()  # Parsed, not handled yet.
        self._current: Exchange | None = None
        self._charge_bytes = 0
        self._linger_bytes = 0
        self._request_count = 0
        self._deadline_s = self._wheel.now_s + self._limits.first_byte_s
        self._write_deadline_s = 0.0
        self._peer_ip = admitted_ip or ""

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's own class, which does not say that it is one.
        self._transport = transport
        self._is_tls = transport.get_extra_info("ssl_object") is not None
        if not self._is_admitted:
            self._peer_ip = plain_ip(transport.get_extra_info("peername"))
            reason = self._door.admit(self._peer_ip)
            if reason:
                self._turn_away(reason)
                return
            self._is_admitted = True
        transport.set_write_buffer_limits(high=self._limits.write_buffer_bytes)
        self._reader = RequestReader(
            self._limits, self._on_request, self._on_refusal, self._door.now_ns, self._peer_ip, self._is_tls
        )
        self._is_open = True
        self._wheel.add(self)

    def data_received(self, data: bytes) -> None:
        self._counters.bytes_in += len(data)
        if self._is_open:
            self._held = self._held + data if self._held else data
            self._pump()
        elif self._linger_bytes:
            self._linger_bytes -= len(data)
            if self._linger_bytes <= 0:
                self._transport.abort()

    def eof_received(self) -> bool:
        """A client may close its half after a request and still read the answer (not under TLS)."""
        self._saw_eof = True
        if self._current is not None:
            self._current.on_eof()
        return self._is_open and not self._is_tls and (self._current is not None or bool(self._queue))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._is_open = False
        self._wheel.remove(self)
        self._door.recharge(self._charge_bytes, 0)
        self._charge_bytes = 0
        if self._is_admitted:
            self._is_admitted = False
            self._door.leave(self._peer_ip)
        self._held = b""
        self._queue.clear()
        current, self._current = self._current, None
        if current is not None:
            current.on_connection_lost()

    def pause_writing(self) -> None:
        self.is_writing_paused = True
        self._write_deadline_s = self._wheel.now_s + self._limits.write_s

    def resume_writing(self) -> None:
        self.is_writing_paused = False
        if self._current is not None:
            self._current.on_writing_resumed()
        if self._is_open:
            self._pump()

    # Called by the reader, while bytes are parsed.

    def _on_request(self, request: Request, keep_alive: bool, is_http10: bool) -> None:
        self._request_count += 1
        self._queue.append(Exchange(self, request, keep_alive, is_http10))

    def _on_refusal(self, response: Response) -> None:
        self._queue.append(Exchange(self, _NO_REQUEST, keep_alive=False, refusal=response))

    # The one loop: handle what is parsed, then parse what is held.

    def _pump(self) -> None:
        if self._is_pumping:
            return  # A handler answered at once; the loop below goes on by itself.
        self._is_pumping = True
        try:
            while self._is_open and self._current is None and not self.is_writing_paused:
                if self._queue:
                    self._begin(self._queue.popleft())
                elif self._held and self._reader.phase < UPGRADED:
                    piece, self._held = self._held[:PARSE_SLICE_BYTES], self._held[PARSE_SLICE_BYTES:]
                    rest = self._reader.feed(piece, self._wheel.now_s)
                    if rest:
                        self._held = rest + self._held
                else:
                    break
        finally:
            self._is_pumping = False
        if self._is_open:
            self._pace()

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        if exchange.refusal is not None:
            exchange(exchange.refusal)
            return
        self._counters.requests += 1
        try:
            if self._reader.phase is UPGRADED and not self._queue:
                self._upgrade(exchange)
            else:
                self._door.routes.find(exchange.request)(exchange.request, exchange)
        except Exception as error:
            exchange.fail(error)

    def _pace(self) -> None:
        """Read on only when nothing waits for its turn, and keep the common budget of memory."""
        if self._reader.is_continue_due and self._current is None:
            self._reader.is_continue_due = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        should_read = not self._held and not self._queue and not self.is_writing_paused
        if should_read is not self._is_reading:
            self._is_reading = should_read
            if should_read:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()
        charge = len(self._held) + QUEUED_REQUEST_BYTES * len(self._queue) + self._reader.pending_bytes()
        if self.is_writing_paused:
            charge += self._transport.get_write_buffer_size()
        if charge != self._charge_bytes:
            fits = self._door.recharge(self._charge_bytes, charge)
            self._charge_bytes = charge
            if not fits:
                self.drop("memory")

    # Called by exchanges.

    def send(self, data: bytes) -> None:
        self._counters.bytes_out += len(data)
        self._transport.write(data)

    def finish(self, exchange: Exchange, status: int) -> None:
        """The answer to `exchange` is written; go on to the next request, or end."""
        assert self._current is exchange
        self._current = None
        self._counters.responses[status] += 1
        if exchange.keep_alive and not (self._saw_eof and not self._queue):
            self._deadline_s = self._wheel.now_s + self._limits.idle_s
            if not self._is_at_rest():
                self._reader.extend_deadline(self._wheel.now_s)
                self._pump()
        elif exchange.refusal is not None:
            self._linger()
        else:
            self.close()

    def _is_at_rest(self) -> bool:
        """Between two requests, with nothing to read on, hold back or account for: how most requests end."""
        return (
            self._reader.phase is IDLE
            and self._is_reading
            and not (self._queue or self._held or self._charge_bytes or self.is_writing_paused)
        )

    def date_line(self) -> bytes:
        return self._door.date_line

    def is_stopping(self) -> bool:
        return self._door.is_stopping

    def count_handler_error(self) -> None:
        self._counters.handler_errors += 1

    # Ends.

    def visit(self, now_s: float) -> None:
        """Called by the wheel: compare the deadline of the present state."""
        if self.is_writing_paused:
            if now_s >= self._write_deadline_s:
                self.drop("slow_reader")
        elif not self._is_open:
            if now_s >= self._deadline_s:
                self._transport.abort()
        elif self._current is not None:
            return
        elif self._reader.phase is IDLE:
            if now_s >= self._deadline_s:
                self._end_idle()
        elif now_s >= self._reader.deadline_s:
            part = "head" if self._reader.phase is HEAD else "body"
            self._time_out(f"{part}_timeout", f"The request's {part} took too long.")

    def _end_idle(self) -> None:
        if self._request_count:
            self._counters.drops["idle_timeout"] += 1
            self.close()
        else:
            self._time_out("first_byte_timeout", "No request came.")

    def _time_out(self, reason: str, message: str) -> None:
        self._counters.drops[reason] += 1
        self._reader.refuse(error_response(408, message))
        self._pump()

    def stop(self) -> None:
        """The server stops: end now when idle, otherwise with the answer to the request in hand."""
        if self._is_open and self._current is None and not self._queue:
            self.close()

    def close(self) -> None:
        """End once everything written has been sent, within a bound."""
        self._is_open = False
        self._held = b""
        self._queue.clear()
        self._deadline_s = self._wheel.now_s + self._limits.write_s
        self._transport.close()

    def drop(self, reason: str) -> None:
        """End at once; what was not sent yet is lost."""
        self._counters.drops[reason] += 1
        self._is_open = False
        self._transport.abort()

    def _linger(self) -> None:
        """Let the client read why it was refused: closing with unread input would reset the connection under it."""
        if not self._transport.can_write_eof():
            self.close()
            return
        self._is_open = False
        self._held = b""
        self._linger_bytes = self._limits.linger_bytes
        self._deadline_s = self._wheel.now_s + self._limits.linger_s
        self._transport.write_eof()
        self._transport.resume_reading()

    def _turn_away(self, reason: str) -> None:
        refusal = error_response(503, _TURNED_AWAY[reason], code=-1008)
        head = response_head(refusal, self._door.date_line, b"connection: close\r\n")
        self._transport.write(head + refusal.body)
        self._transport.close()
        self._counters.responses[503] += 1

    def _upgrade(self, exchange: Exchange) -> None:
        """Answer a request for a WebSocket: with a refusal, or by handing the transport over."""
        request = exchange.request
        exchange.keep_alive = False  # What follows such a request may not be HTTP.
        factory = self._door.routes.find_websocket(request.path)
        if factory is None:
            self._door.routes.find(request)(request, exchange)
            return
        refusal = handshake_refusal(request)
        session = refusal if refusal is not None else factory(request)
        if isinstance(session, Response):
            exchange(session)
            return
        protocol = socket_protocol(self._door, request, session)
        tail, self._held = self._held, b""
        self._is_open = False
        self._current = None
        self._is_admitted = False  # The socket leaves in our place.
        self._wheel.remove(self)
        self._door.recharge(self._charge_bytes, 0)
        self._charge_bytes = 0
        self._counters.responses[101] += 1
        hand_over(self._transport, protocol, request, tail)


_TURNED_AWAY = {
    "connections": "Too many connections; try again later.",
    "connections_per_ip": "Too many connections from this address.",
    "stopping": "The venue is stopping.",
}
