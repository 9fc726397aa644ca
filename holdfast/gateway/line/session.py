"""Session: one connection of the line, from the challenge to the goodbye.

socket ──records──▶ SESSION ──commands──▶ intake;  feed ──reports──▶ SESSION ──▶ socket

    CHALLENGED ──sign-on──▶ TELLING (what was missed) ──▶ LIVE;  from each of them ──▶ ENDING ──▶ CLOSED

Commands are taken from the sign-on on, also while what was missed is told. Invariants: reports are written in the order
of the feed, each once, and only as fast as the client reads; what is held for a client is at most its write buffer, one
half of a record, and what it missed, within the front door's budget. While it does not read it is not read either.
"""

import asyncio
import secrets
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import structlog

from holdfast.gateway.line import notices, sign_on
from holdfast.gateway.line.feeds import Feed
from holdfast.gateway.line.numbers import SessionName
from holdfast.gateway.server.front_door import plain_ip
from holdfast.line import KIND_OFFSET_CLIENT, NONCE_BYTES, RECORD_BYTES, ClientKind, Reason, ServerKind

if TYPE_CHECKING:
    from holdfast.gateway.line.server import LineServer

log = structlog.get_logger()

LOCAL_IP = "127.0.0.1"  # Of a client on the Unix socket, for lists of addresses and limits.


class Phase(Enum):
    CHALLENGED = 1
    TELLING = 2
    LIVE = 3
    ENDING = 4  # The goodbye is written; what still comes is thrown away.
    CLOSED = 5


class Session(asyncio.Protocol):
    """See the module. `holdfast.gateway.line.run.Sender` and `feeds.Listener`."""

    def __init__(self, server: "LineServer", is_local: bool = False, admitted_ip: str | None = None) -> None:
        """With `admitted_ip` the door has counted the connection already; it is left here in any case."""
        self.phase = Phase.CHALLENGED
        self.name = SessionName(0, 0)
        self.account_id = 0
        self.peer_ip = admitted_ip or LOCAL_IP
        self._server = server
        self._limits = server.limits
        self._wheel = server.door.wheel
        self._is_local = is_local
        self._is_admitted = admitted_ip is not None
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._granted: sign_on.SignOn | None = None
        self._held = b""  # Part of a record.
        self._held_since_s = 0.0
        self._is_held_back = False  # By the intake.
        self._is_writing_paused = False
        self._write_deadline_s = 0.0
        self._deadline_s = self._wheel.now_s + self._limits.sign_on_s  # Of the sign-on; later, of any sign of life.
        self._next_heartbeat_s = 0.0
        self._missed: deque[bytes] = deque()  # To be told before the feed.
        self._missed_bytes = 0
        self._feed: Feed | None = None
        self._place = 0  # In the feed: the block to tell next.

    @property
    def is_open(self) -> bool:
        return self.phase in (Phase.TELLING, Phase.LIVE)

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, which does not say that it is one.
        self._wheel.add(self)
        if not self._is_admitted:
            if not self._is_local:
                self.peer_ip = plain_ip(transport.get_extra_info("peername"))
            if self._server.door.admit(self.peer_ip):
                self.end(Reason.TOO_MANY_CONNECTIONS, "There is no room for another connection.")
                return
            self._is_admitted = True
        self._server.sessions[self] = None
        self._transport.set_write_buffer_limits(high=self._limits.write_buffer_bytes)
        self._write(notices.challenge(self._nonce, self._limits.heartbeat_s, self._limits.idle_s))

    def data_received(self, data: bytes) -> None:
        self._server.door.counters.bytes_in += len(data)
        if self.phase in (Phase.ENDING, Phase.CLOSED):
            return
        data = self._held + data if self._held else data
        whole = len(data) - len(data) % RECORD_BYTES
        if not self._held or whole:
            self._held_since_s = self._wheel.now_s
        self._held = data[whole:]
        if whole:
            try:
                self._on_records(data[:whole])
            except Exception:
                log.exception("a session of the line failed", key_id=self.name.key_id)
                self.end(Reason.FAILED, "The venue failed at this; see its log.")

    def eof_received(self) -> bool:
        return False  # A client that has closed its half has gone.

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.phase = Phase.CLOSED
        self._wheel.remove(self)
        self._forget_missed()
        if self._feed is not None:
            self._feed.listeners.pop(self, None)
        self._server.forget(self)
        if self._is_admitted:
            self._is_admitted = False
            self._server.door.leave(self.peer_ip)

    def pause_writing(self) -> None:
        self._is_writing_paused = True
        self._write_deadline_s = self._wheel.now_s + self._limits.write_s
        self._pace()

    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._pace()
        self._tell()

    # What comes in.

    def _on_records(self, records: bytes) -> None:
        if self.phase is Phase.CHALLENGED:
            self._sign_on(records[:RECORD_BYTES])
            records = records[RECORD_BYTES:]
        if not records or not self.is_open:
            return
        self._deadline_s = self._wheel.now_s + self._limits.idle_s
        if self._granted is not None and self._granted.is_drop_copy:
            self._only_listen(records)
        elif len(records) > RECORD_BYTES or records[KIND_OFFSET_CLIENT] != ClientKind.HEARTBEAT & 0xFF:
            self._server.intake.add(self, records)

    def _only_listen(self, records: bytes) -> None:
        for kind in np.frombuffer(records[KIND_OFFSET_CLIENT::RECORD_BYTES], np.int8).tolist():
            if kind == ClientKind.SIGN_OFF:
                self.end(Reason.SIGNED_OFF, "Goodbye.")
                return
            if kind != ClientKind.HEARTBEAT:
                self.end(Reason.NOT_ALLOWED, "A drop copy only listens.")
                return

    def _sign_on(self, record: bytes) -> None:
        try:
            self._server.charge_sign_on(self.peer_ip)
            granted = sign_on.judge(record, self._nonce, self._server.keys, self.peer_ip)
        except sign_on.RefusedError as refusal:
            self.end(Reason.SIGN_ON_REFUSED, str(refusal))
            return
        self._granted, self.name, self.account_id = granted, granted.name, granted.key.account_id
        self.phase = Phase.TELLING
        self._deadline_s = self._wheel.now_s + self._limits.idle_s
        self._next_heartbeat_s = self._wheel.now_s + self._limits.heartbeat_s
        self._server.begin(self, granted)

    # What goes out.

    def welcome(self, next_number: int, applied_seq: int, records: bytes) -> None:
        """The sign-on holds; `records` tell of the instruments."""
        welcome = notices.notice(
            ServerKind.WELCOME,
            next_number=next_number,
            account_id=self.account_id,
            key_id=self.name.key_id,
            seq=applied_seq,
        )
        self._write(welcome + records)

    def tell_instruments(self, records: bytes) -> None:
        """Some are in other modes now. That is no report and has no place in the feed: it is told at once, so whoever
        reads slowly learns it before the reports of what led to it."""
        if self.is_open:
            self._write(records)

    def follow(self, feed: Feed) -> None:
        """What is in the feed from here on is this session's to tell, after what it missed."""
        self._feed = feed
        self._place = feed.end
        feed.listeners[self] = None

    def tell_missed(self, missed: list[bytes], is_shared: bool) -> None:
        """What happened before; `is_shared`: others hold these bytes too. The session is live when they are told."""
        if not self.is_open:
            return
        size = 0 if is_shared else sum(map(len, missed))
        if not self._server.door.recharge(0, size):
            self._server.door.recharge(size, 0)
            self.end(Reason.SLOW_READER, "There is too much to tell all at once; sign on again.")
            return
        self._missed_bytes = size
        self._missed.extend(missed)
        self._missed.append(notices.notice(ServerKind.READY))
        self._tell()

    def on_block(self) -> None:
        self._tell()

    def _tell(self) -> None:
        """Write what is next, while the client reads."""
        if not self.is_open or self._feed is None:
            return
        while self._missed and not self._is_writing_paused:
            self._write(self._missed.popleft())
            if not self._missed:
                self._forget_missed()
                self.phase = Phase.LIVE
        if self.phase is not Phase.LIVE:
            return
        while self._place < self._feed.end and not self._is_writing_paused:
            block = self._feed.block(self._place)
            if block is None:
                self.end(Reason.SLOW_READER, "You read too slowly, and what comes next is kept no longer.")
                return
            self._place += 1
            self._write(block)

    def refuse(self, numbers: np.ndarray, reason: Reason, text: str) -> None:
        self._notify(ServerKind.REFUSED, numbers, reason, text)

    def repeat(self, numbers: list[int]) -> None:
        self._notify(ServerKind.REPEATED, numbers, Reason.NONE, "This number was taken before; this copy does nothing.")

    def _notify(self, kind: ServerKind, numbers: Any, reason: Reason, text: str) -> None:
        if self.is_open:
            self._write(notices.notices(kind, numbers, self._server.intake.next_number(self.name), reason, text))

    def hold(self, is_held: bool) -> None:
        self._is_held_back = is_held
        self._pace()

    def end(self, reason: Reason, text: str) -> None:
        """Say why, and close. What was written before is still sent; what comes is thrown away meanwhile, since a
        connection that is closed with something unread is reset, and the client would not learn why."""
        if self.phase in (Phase.ENDING, Phase.CLOSED):
            return
        next_number = self._server.intake.next_number(self.name) if self.name.key_id else 0
        self._write(notices.notice(ServerKind.END, text, reason=reason, next_number=next_number))
        self._server.door.counters.drops[f"line_{reason.name.lower()}"] += 1
        self.phase = Phase.ENDING
        self._server.forget(self)
        self._deadline_s = self._wheel.now_s + self._limits.linger_s
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()  # Encrypted: the goodbye of TLS follows what was written.

    def abort(self) -> None:
        self._transport.abort()

    def _write(self, data: bytes) -> None:
        self._server.door.counters.bytes_out += len(data)
        self._transport.write(data)

    def _forget_missed(self) -> None:
        self._server.door.recharge(self._missed_bytes, 0)
        self._missed_bytes = 0
        self._missed.clear()

    def _pace(self) -> None:
        if not self.is_open:
            return
        if self._is_held_back or self._is_writing_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Time.

    def visit(self, now_s: float) -> None:
        """Called by the wheel."""
        if self.phase is Phase.ENDING:
            if now_s >= self._deadline_s:
                self._transport.abort()
        elif self.phase is Phase.CHALLENGED:
            if now_s >= self._deadline_s:
                self.end(Reason.SIGN_ON_LATE, "The sign-on did not come in time.")
        elif self._is_writing_paused:
            if now_s >= self._write_deadline_s:
                self._server.door.counters.drops["line_slow_reader"] += 1
                self._transport.abort()  # It would not read a goodbye either.
        elif self._held and now_s >= self._held_since_s + self._limits.half_record_s:
            self.end(Reason.HALF_A_RECORD, f"A record of {RECORD_BYTES} bytes was begun and not finished.")
        elif now_s >= self._deadline_s and not self._is_held_back:
            self.end(Reason.IDLE, "Nothing came for too long, not even a heartbeat.")
        else:
            self._live_on(now_s)

    def _live_on(self, now_s: float) -> None:
        self.check_key()
        if self.is_open and now_s >= self._next_heartbeat_s:
            self._next_heartbeat_s = now_s + self._limits.heartbeat_s
            next_number = self._server.intake.next_number(self.name)
            has_told_all = self.phase is Phase.LIVE and self._feed is not None and self._place == self._feed.end
            seq = self._server.applied_seq if has_told_all else 0
            ts_ns = self._server.door.now_ns()
            self._write(notices.notice(ServerKind.HEARTBEAT, next_number=next_number, seq=seq, ts_ns=ts_ns))

    def check_key(self) -> None:
        """End when the key has been revoked."""
        if self._granted is not None and self.is_open and self._granted.key.revoked:
            self.end(Reason.KEY_REVOKED, "The API key has been revoked.")
