"""Line server: its listeners, and what all sessions share.

listeners → sessions → intake → replica … applied batch → feeds → sessions

It is a reader of the replica, the last one: a report leaves when its command is durable, applied, and seen by everybody
else, so who reads a report and then asks elsewhere finds what it says.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Any, Protocol

import structlog

from holdfast.codes import CommandKind
from holdfast.gateway.binance.authentication import Key
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.gateway.line import intake, notices, reports
from holdfast.gateway.line.feeds import AppliedBatch, Feeds, Position
from holdfast.gateway.line.intake import CallLater, Intake, Soon
from holdfast.gateway.line.numbers import SessionName
from holdfast.gateway.line.session import Session
from holdfast.gateway.line.sign_on import RefusedError, SignOn
from holdfast.gateway.server.counters import Counters
from holdfast.gateway.server.front_door import FrontDoor
from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.server import BACKLOG, ServerStartError, listen
from holdfast.gateway.server.tls import TlsListener
from holdfast.gateway.watches import Scope, Watches
from holdfast.line import Reason, ServerKind, SignOnFlag
from holdfast.views import Order

log = structlog.get_logger()

OPEN_ORDERS_TOLD_MAX = 50_000  # The oldest; 10 MB.
SOCKET_PATH_BYTES_MAX = 107  # What the kernel takes.


@dataclass(frozen=True, slots=True)
class LineLimits:
    """Times in seconds, sizes in bytes. Times are kept by a wheel that turns once a second."""

    connections: int = 1_000
    connections_per_ip: int = 250
    held_bytes: int = 256 * 1024 * 1024  # Of what sessions missed and are told, all together.
    write_buffer_bytes: int = 256 * 1024  # No more is written while more than this is unsent.
    sign_on_s: int = 10
    heartbeat_s: int = 10
    idle_s: int = 30
    half_record_s: int = 10  # From the beginning of a record to its end.
    write_s: int = 20  # From a full write buffer to a drained one.
    linger_s: int = 2  # From our goodbye to the end.


class Directory(Protocol):
    """What of the directory is needed here."""

    def key(self, api_key: str) -> Key | None: ...
    def accounts(self, after_id: int, limit: int) -> list[Any]: ...


class Venue(intake.Venue, Protocol):
    """What the line needs of a replica."""

    @property
    def directory(self) -> Directory: ...
    @property
    def applied_seq(self) -> int: ...
    def add_reader(self, reader: Callable[[Any], None], *, is_first: bool = False) -> None: ...
    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[Order]: ...


# From the journal, what happened to some accounts after a position, up to a seq; None: it does not reach so far back.
ReadPast = Callable[[list[int], Position, int], Awaitable[list[bytes] | None]]


class LineServer:
    """The line of one replica. `last_numbers` are those that the journal knows."""

    def __init__(
        self,
        venue: Venue,
        rate_limits: RateLimits,
        last_numbers: dict[SessionName, int],
        read_past: ReadPast,
        soon: Soon,
        call_later: CallLater,
        watches: Watches,
        limits: LineLimits | None = None,
        **door: Any,
    ) -> None:
        """`door`: the clocks of the front door."""
        self.limits = limits or LineLimits()
        self.keys = venue.directory
        self.sessions: dict[Session, None] = {}
        self.intake = Intake(venue, rate_limits, last_numbers, soon, call_later)
        self.port = 0
        self._venue = venue
        self._rate_limits = rate_limits
        self._read_past = read_past
        self._told_of = venue.reference
        self._watches = watches
        self._feeds = Feeds(venue.directory)
        self._by_name: dict[SessionName, Session] = {}
        self._watched: dict[Session, Scope] = {}  # Whose orders go when the session ends.
        self._reading = asyncio.Lock()  # The past is read for one session at a time: it takes a second engine.
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Server | TlsListener] = []
        self._socket_path: Path | None = None
        bounds = Limits(
            connections=self.limits.connections,
            connections_per_ip=self.limits.connections_per_ip,
            held_bytes=self.limits.held_bytes,
        )
        self.door = FrontDoor(Routes(), bounds, **door)
        venue.add_reader(self.on_applied, is_first=True)  # Market data and history cost one order alone some 30 µs.

    @property
    def counters(self) -> Counters:
        return self.door.counters

    @property
    def applied_seq(self) -> int:
        return self._venue.applied_seq

    # Listening.

    async def listen_tcp(self, host: str, port: int, tls: SSLContext | None = None) -> None:
        """Raises ServerStartError. With port 0 `port` is the real one afterwards."""
        loop = asyncio.get_running_loop()
        listening = listen(host, port)
        self.port = listening.getsockname()[1]
        if tls is not None:
            self._listeners.append(
                TlsListener(self.door, tls, listening, loop, lambda ip: Session(self, admitted_ip=ip))
            )
        else:
            self._listeners.append(await loop.create_server(lambda: Session(self), sock=listening, backlog=BACKLOG))

    async def listen_unix(self, path: Path) -> None:
        """A socket for the owner of `path` alone. What is there is of a venue that was killed. ServerStartError."""
        check_socket_path(path)
        listening = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)
        try:
            path.unlink(missing_ok=True)
            listening.bind(str(path))
        except OSError as error:
            listening.close()
            raise ServerStartError(f"Cannot listen on {path}: {error.strerror}.") from error
        finally:
            os.umask(mask)
        server = await asyncio.get_running_loop().create_unix_server(
            lambda: Session(self, is_local=True), sock=listening, backlog=BACKLOG
        )
        self._listeners.append(server)
        self._socket_path = path

    def start(self) -> None:
        self.door.wheel.start(asyncio.get_running_loop())

    async def stop(self, grace_s: float = 1.0) -> None:
        """No new connections; tell everybody, and end within about `grace_s`."""
        for listener in self._listeners:
            listener.close()
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)
        self.door.is_stopping = True
        for task in self._tasks:
            task.cancel()
        for member in self.door.wheel.members():
            if isinstance(member, Session):
                member.end(Reason.STOPPING, "The venue is stopping.")
        loop = asyncio.get_running_loop()
        end_s = loop.time() + grace_s
        while self.counters.connections_open and loop.time() < end_s:
            await asyncio.sleep(0.01)
        for member in self.door.wheel.members():
            if isinstance(member, Session):
                member.abort()
        self.door.wheel.stop()

    # Sessions.

    def charge_sign_on(self, peer_ip: str) -> None:
        """Raises RefusedError when there were too many from this address."""
        try:
            self._rate_limits.charge_connection(peer_ip, self._venue.clock.now_ns())
        except ApiError as error:
            raise RefusedError(error.text) from error

    def begin(self, session: Session, granted: SignOn) -> None:
        """A session has signed on: tell it where it stands, and what it missed."""
        if not granted.is_drop_copy:
            older = self._by_name.get(granted.name)
            if older is not None:
                older.end(Reason.REPLACED, "This session has signed on from another connection.")
            self._by_name[granted.name] = session
        if granted.cancels_on_disconnect:
            self._watched[session] = Scope(granted.key.account_id)
            self._watches.begin(self._watched[session])
        self.intake.flush()  # What came before is numbered before the next number is told.
        applied_seq = self.applied_seq
        next_number = 0 if granted.is_drop_copy else self.intake.next_number(granted.name)
        instruments = notices.instruments(self._venue.reference.instruments.values(), applied_seq)
        session.welcome(next_number, applied_seq, instruments)
        feed = self._feeds.feed(granted.feed, applied_seq)
        session.follow(feed)
        if not granted.flags & SignOnFlag.RESUME:
            self._tell_gap(session, granted, Reason.NOT_ASKED)
        elif granted.position.seq > applied_seq:
            self._tell_gap(session, granted, Reason.AHEAD)
        elif granted.position >= feed.floor:
            session.tell_missed(feed.after(granted.position), is_shared=True)
        else:
            task = asyncio.ensure_future(self._tell_past(session, granted, applied_seq))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def forget(self, session: Session) -> None:
        self.sessions.pop(session, None)
        if self._by_name.get(session.name) is session:
            del self._by_name[session.name]
        if session in self._watched:
            self._watches.lose(self._watched.pop(session))

    async def _tell_past(self, session: Session, granted: SignOn, upto_seq: int) -> None:
        async with self._reading:
            if not session.is_open:
                return
            try:
                past = await self._read_past(self._feeds.members(granted.feed), granted.position, upto_seq)
            except Exception:
                log.exception("the past could not be read for a session of the line")
                past = None
        if past is None:
            self._tell_gap(session, granted, Reason.TOO_FAR_BACK)
        else:
            session.tell_missed(past, is_shared=False)

    def _tell_gap(self, session: Session, granted: SignOn, reason: Reason) -> None:
        """Begin now, with what is open."""
        if not session.is_open:
            return
        session.follow(self._feeds.feed(granted.feed, self.applied_seq))
        orders: list[Order] = []
        if not granted.flags & SignOnFlag.NO_OPEN_ORDERS:
            for account_id in self._feeds.members(granted.feed):
                orders += self._venue.open_orders(account_id)
        gap = notices.notice(ServerKind.GAP, reason=reason, seq=self.applied_seq, count=len(orders))
        session.tell_missed([gap, reports.open_orders(orders[:OPEN_ORDERS_TOLD_MAX])], is_shared=False)

    # From the replica.

    def on_applied(self, applied: AppliedBatch) -> None:
        """A reader of the replica. What fails here must not stop the venue: it ends the line's sessions."""
        try:
            self.intake.on_applied(applied.commands)
            self._feeds.on_applied(applied)
            self._tell_modes(applied.last_seq)
            if CommandKind.REVOKE_KEY in applied.commands["kind"]:
                for session in list(self.sessions):
                    session.check_key()
        except Exception:
            log.exception("the line failed at a batch", seq=applied.last_seq)
            for session in list(self.sessions):
                with suppress(Exception):
                    session.end(Reason.FAILED, "The venue failed at this; see its log.")

    def _tell_modes(self, seq: int) -> None:
        """Tell everybody which markets are in other modes since the last batch."""
        before, self._told_of = self._told_of, self._venue.reference
        if before is self._told_of:
            return
        changed = self._told_of.changed_modes(before)
        if changed:
            records = notices.instruments(changed, seq)
            for session in list(self.sessions):
                session.tell_instruments(records)


def check_socket_path(path: Path) -> None:
    """Raise ServerStartError when no socket can lie there."""
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise ServerStartError(f"A socket cannot be at {path}: the path is longer than {SOCKET_PATH_BYTES_MAX} bytes.")
