"""WebSocket: one client's socket, between picows (frames) and a session (what the messages mean).

http → `hand_over` → picows → SOCKET → session; the session and the broadcaster send through it.

Invariants: a session hears `on_open` first and `on_close` last, once each; nothing a client does or leaves undone makes
the socket hold more than the limits; a client that does not read is dropped, never waited for. Permessage-deflate is
not offered, so a client that asks for it goes on without.
"""

import asyncio
import binascii
import math
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import structlog
from picows import WSAutoPingStrategy, WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from holdfast.gateway.server.front_door import FrontDoor
from holdfast.gateway.server.messages import Request, Response, error_response
from holdfast.gateway.server.routes import WebSocketSession

log = structlog.get_logger(__name__)

TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
READ_BUFFER_BYTES = 2048  # At first; picows lets it grow up to about twice the largest frame.

# Why picows itself ended a connection, by the close code it sent.
_PICOWS_REASONS = {1002: "protocol_error", 1007: "invalid_utf8", 1009: "message_too_big"}


def handshake_refusal(request: Request) -> Response | None:
    """What is wrong with a request for a WebSocket, or None."""
    headers = request.headers
    if request.method != "GET":
        return error_response(400, "A WebSocket is opened with GET.")
    if headers.get("sec-websocket-version") != "13":
        return error_response(426, "The WebSocket version is 13.", headers=(("sec-websocket-version", "13"),))
    try:
        is_key = len(b64decode(headers.get("sec-websocket-key", ""), validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    return None if is_key else error_response(400, "Sec-WebSocket-Key is not 16 bytes in Base64.")


def socket_protocol(door: FrontDoor, request: Request, session: WebSocketSession) -> WSProtocol:
    """picows' protocol for a new socket of `session`. The connection is admitted; the socket gives its place back."""
    socket = Socket(door, request, session)
    return WSProtocol(
        None,  # host and port: a client's
        None,  # path: a client's
        False,  # is_client_side
        lambda _request: socket,
        _PICOWS_LOG,
        True,  # disconnect_on_exception
        None,  # websocket_handshake_timeout: the request is here already
        False,  # enable_auto_ping: the wheel does that, for all sockets with one timer
        20,
        20,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # enable_auto_pong: picows answers without looking at the write buffer
        door.limits.message_bytes,
        None,  # extra_headers
        READ_BUFFER_BYTES,
    )


def hand_over(transport: asyncio.Transport, protocol: WSProtocol, request: Request, tail: bytes) -> None:
    """Let `protocol` answer the upgrade and go on; `tail` is what the client sent behind its request."""
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    # A head of our own: picows wants one exact spelling, and the request was checked before.
    key = request.headers["sec-websocket-key"].encode("latin-1")
    head = (
        b"GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: %b\r\n\r\n" % key
    )
    unread = memoryview(head + tail)
    while unread and not transport.is_closing():
        buffer = protocol.get_buffer(len(unread))
        size = min(len(buffer), len(unread))
        buffer[:size] = unread[:size]
        unread = unread[size:]
        protocol.buffer_updated(size)
    if not transport.is_closing():
        transport.resume_reading()


class Socket(WSListener):
    """A client's WebSocket as sessions use it."""

    __slots__ = (
        "_announce_s",
        "_buffered_bytes",
        "_charge_bytes",
        "_close_deadline_s",
        "_close_reason",
        "_counters",
        "_door",
        "_end_s",
        "_fragments",
        "_limit_bytes",
        "_next_ping_s",
        "_ping_sent_s",
        "_session",
        "_transport",
        "is_open",
        "peer_ip",
    )

    def __init__(self, door: FrontDoor, request: Request, session: WebSocketSession) -> None:
        self._door = door
        self._counters = door.counters
        self._session = session
        self._transport: WSTransport
        self._fragments: bytearray | None = None  # Of a message whose end has not come yet.
        self._limit_bytes = door.limits.websocket_buffer_bytes
        self._charge_bytes = 0
        self._next_ping_s = door.wheel.now_s + door.limits.ping_s
        self._ping_sent_s = math.inf  # The oldest ping that was not answered.
        self._end_s = door.wheel.now_s + door.limits.websocket_age_s
        self._announce_s = self._end_s - door.limits.websocket_notice_s
        self._close_deadline_s = math.inf
        self._close_reason = ""
        self.is_open = False
        self.peer_ip = request.peer_ip

    # For sessions.

    def send(self, data: bytes) -> None:
        """Send a text message (valid UTF-8). A client that has more than its buffer unread is dropped."""
        if self.is_open:
            self._transport.send(TEXT, data)
            self._count_sent(len(data))

    def send_many(self, messages: Sequence[bytes]) -> None:
        """Send some text messages, one after the other, by one write."""
        if self.is_open and not self._transport.is_close_frame_sent:  # By picows, for a frame it could not read.
            frames = [piece for message in messages for piece in (_text_head(len(message)), message)]
            data = b"".join(frames)
            self._transport.underlying_transport.write(data)  # Behind what picows still has there.
            self._counters.messages_out += len(messages) - 1
            self._count_sent(len(data))

    def send_prepared(self, frame: bytearray) -> None:
        """Send a text message that lies behind 14 free bytes: many sockets can share one, and nothing is copied."""
        if self.is_open:
            self._transport.send_reuse_external_bytearray(TEXT, frame, PREPARED_OFFSET)
            self._count_sent(len(frame) - PREPARED_OFFSET)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; the connection ends when the client has answered, or a little later."""
        self._close(code, reason, "server")

    def drop(self, reason: str) -> None:
        """End at once; what was not sent yet is lost."""
        if not self._close_reason:
            self._close_reason = reason
            self._counters.drops[reason] += 1
        self.is_open = False
        self._transport.disconnect(False)

    def _count_sent(self, size_bytes: int) -> None:
        self._counters.messages_out += 1
        self._counters.bytes_out += size_bytes
        if self._buffered_bytes() > self._limit_bytes:
            self.drop("slow_reader")

    # Called by picows.

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._buffered_bytes = transport.underlying_transport.get_write_buffer_size
        self._counters.websockets_open += 1
        self._counters.websockets_total += 1
        self._door.wheel.add(self)
        self.is_open = True
        try:
            self._session.on_open(self)
        except Exception:
            self._fail()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self.is_open or transport.is_close_frame_sent:
            if frame.msg_type == CLOSE:
                transport.disconnect()
            return
        self._counters.bytes_in += frame.payload_size
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._close(1002, "no extension was agreed on", "protocol_error")
        elif frame.msg_type == TEXT and frame.fin and self._fragments is None:
            self._on_text(frame.get_payload_as_bytes())
        elif frame.msg_type == PING:
            transport.send_pong(frame.get_payload_as_bytes())
            self._count_sent(0)
        elif frame.msg_type == PONG:
            self._ping_sent_s = math.inf
        elif frame.msg_type == CLOSE:
            self._on_close_frame(transport, frame)
        else:
            self._on_fragment(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_open = False
        self._door.wheel.remove(self)
        self._door.recharge(self._charge_bytes, 0)
        self._charge_bytes = 0
        self._counters.websockets_open -= 1
        self._door.leave(self.peer_ip)
        self._note_picows_reason(transport)
        try:
            self._session.on_close(self._close_reason or "client")
        except Exception:
            self._counters.handler_errors += 1
            log.exception("a WebSocket session failed at its end")

    def pause_writing(self) -> None:
        """Nothing to do: the buffer is looked at after each send."""

    def resume_writing(self) -> None:
        """Nothing to do, as above."""

    # Messages.

    def _on_text(self, data: bytes) -> None:
        if not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError:
                self._close(1007, "a text message is not UTF-8", "invalid_utf8")
                return
        self._counters.messages_in += 1
        try:
            self._session.on_text(data)
        except Exception:
            self._fail()

    def _on_fragment(self, frame: WSFrame) -> None:
        """A frame that is not a whole text message: part of one, or binary (which nothing here speaks)."""
        if frame.msg_type == BINARY:
            self._close(1003, "only text messages are understood", "binary_message")
            return
        if (frame.msg_type == CONTINUATION) is (self._fragments is None):
            self._close(1002, "a fragment is out of place", "protocol_error")
            return
        fragments = self._fragments if self._fragments is not None else bytearray()
        if len(fragments) + frame.payload_size > self._door.limits.message_bytes:
            self._close(1009, "the message is too big", "message_too_big")
            return
        fragments += frame.get_payload_as_memoryview()
        self._fragments = fragments
        if frame.fin:
            self._fragments = None
            self._on_text(bytes(fragments))

    def _on_close_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        code: Any = frame.get_close_code()  # An integer that picows' stubs call an enum; 0 when none was sent.
        self._close_reason = self._close_reason or "client"
        self._close_frame(code if code >= 1000 else 1000, "")
        transport.disconnect()

    # Ends.

    def visit(self, now_s: float) -> None:
        """Called by the wheel: pings, time-outs, the end for age, and the common budget of memory."""
        if not self.is_open:
            if now_s >= self._close_deadline_s:
                self._transport.disconnect(False)
            return
        if self._transport.is_close_frame_sent:  # By picows, for a frame it could not read.
            self._begin_closing(now_s)
        elif now_s - self._ping_sent_s >= self._door.limits.pong_s:
            self._close(1008, "no pong came in time", "pong_timeout")
        elif now_s >= self._end_s:
            self._close(1001, "the connection is too old; open another one", "expired")
        else:
            self._ping(now_s)
            self._recharge()
            self._announce_end(now_s)

    def _ping(self, now_s: float) -> None:
        if now_s >= self._next_ping_s:
            self._next_ping_s = now_s + self._door.limits.ping_s
            self._ping_sent_s = min(self._ping_sent_s, now_s)
            self._transport.send_ping(b"%d" % (self._door.now_ns() // 1_000_000))

    def _announce_end(self, now_s: float) -> None:
        if now_s >= self._announce_s:
            self._announce_s = math.inf
            try:
                self._session.announce_shutdown()
            except Exception:
                self._fail()

    def _recharge(self) -> None:
        charge = self._buffered_bytes() + (len(self._fragments) if self._fragments is not None else 0)
        if charge != self._charge_bytes:
            fits = self._door.recharge(self._charge_bytes, charge)
            self._charge_bytes = charge
            if not fits:
                self.drop("memory")

    def _close(self, code: int, text: str, reason: str) -> None:
        if not self.is_open:
            return
        self._close_reason = reason
        if reason != "server":
            self._counters.drops[reason] += 1
        self._close_frame(code, text)
        self._begin_closing(self._door.wheel.now_s)

    def _close_frame(self, code: int, text: str) -> None:
        try:
            close_code: Any = WSCloseCode(code)
        except ValueError:
            close_code = code  # An application's own, 3000 to 4999.
        self._transport.send_close(close_code, text.encode()[:120])

    def _begin_closing(self, now_s: float) -> None:
        self.is_open = False
        self._close_deadline_s = now_s + self._door.limits.close_s

    def _fail(self) -> None:
        """A session failed: log it, tell the client no more than that, and let the others live."""
        self._counters.handler_errors += 1
        log.exception("a WebSocket session failed")
        self._close(1011, "internal error", "session_failed")

    def _note_picows_reason(self, transport: WSTransport) -> None:
        handshake = transport.close_handshake
        if self._close_reason or handshake is None or handshake.sent is None:
            return
        code: Any = handshake.sent.code
        self._close_reason = _PICOWS_REASONS.get(code, "protocol_error")
        self._counters.drops[self._close_reason] += 1


def _text_head(size_bytes: int) -> bytes:
    """The header of a whole text frame from a server, RFC 6455 section 5.2."""
    if size_bytes < 126:
        return bytes((0x81, size_bytes))
    if size_bytes < 1 << 16:
        return b"\x81\x7e" + size_bytes.to_bytes(2, "big")
    return b"\x81\x7f" + size_bytes.to_bytes(8, "big")


PREPARED_OFFSET = 14  # The most that a frame's header takes; picows writes it in front of the message.


def prepare(data: bytes) -> bytearray:
    """A text message for `Socket.send_prepared`."""
    return bytearray(PREPARED_OFFSET) + data


class _PicowsLog:
    """picows logs each connection and what clients do wrong, which is counted instead; only its own failures stay."""

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802  # logging's name
        return False

    def _ignore(self, *_args: object) -> None:
        return

    debug = info = warning = error = log = _ignore

    def exception(self, message: str, *args: object) -> None:
        log.exception(message % args if args else message)


_PICOWS_LOG = _PicowsLog()
