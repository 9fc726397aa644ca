"""Append server: the venue's end of the socket by which gateways in other processes append.

joined gateways → APPEND SERVER → replica.submit_run → journal … durable → "durable up to" → joined gateways

Only the venue's process writes the journal. Commands of gateways go the way of its own, so they are numbered, stamped,
limited and refused alike, and a query at the venue knows of those on their way. Who they came from is stamped here, so
no gateway can speak for another, or for the line or an operator.

Invariant: memory per gateway is bounded. Somebody who does not read is not read either, and is told only the newest
state once it does.
"""

import asyncio
import os
import socket
from pathlib import Path
from typing import Protocol, cast

import msgspec
import numpy as np
import numpy.typing as npt
import structlog

from holdfast.clock import steady_ns
from holdfast.codes import CommandFlag, CommandKind
from holdfast.commands import COMMAND_BYTES
from holdfast.errors import JournalUnavailableError
from holdfast.journal import joining
from holdfast.journal.joining import Clocks, GarbageError, Hello, Here, Messages, Said, Welcome

log = structlog.get_logger()

GATEWAY_ID_FIRST = 16  # Those below are faces of the venue's own process.
GATEWAY_ID_LAST = 2**15 - 1
GATEWAYS_MAX = 64


class Venue(Protocol):
    """What is needed of the venue."""

    @property
    def refusal(self) -> str:
        """Why new orders are not taken now; empty when they are."""

    @property
    def appended_seq(self) -> int:
        """The last number that was given to a command."""

    def now_ns(self) -> int: ...

    def append(self, group: bytes) -> None:
        """Raises JournalUnavailableError when nothing of it can be taken."""


class Identity(msgspec.Struct, frozen=True):
    """What a gateway must have in common with the venue, and what it is told."""

    venue_id: str
    program_version: str
    rules_version: int
    rate_limits: dict[str, int]


class Gateway(msgspec.Struct, rename="camel"):
    """One joined gateway, for operators."""

    gateway_id: int
    pid: int
    url: str
    applied_seq: int


class AppendServer:
    """Serves the socket of one data directory. Everything runs on the loop's thread."""

    def __init__(self, venue: Venue, identity: Identity) -> None:
        self.venue = venue
        self.url = ""  # Where the venue itself listens; set before `start`.
        self.last_given_id = GATEWAY_ID_FIRST - 1
        self._identity = identity
        self._durable_seq = 0
        self._refusal = ""
        self._connections: dict[str, _Connection] = {}  # By process.
        self._strangers: set[_Connection] = set()  # Nothing was heard of them yet.
        self._listener: asyncio.Server | None = None
        self._path: Path | None = None

    async def start(self, directory: Path) -> None:
        """Listen in `directory`, for its owner alone. A socket that is there is of a venue that was killed."""
        self._path = directory / joining.SOCKET
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)
        try:
            with joining.socket_path(directory) as path:
                listening.bind(path)
        except OSError:
            listening.close()
            raise
        finally:
            os.umask(mask)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_unix_server(lambda: _Connection(self), sock=listening)

    def on_durable(self, seq: int) -> None:
        """Everything up to `seq` can be read from the files."""
        if seq <= self._durable_seq:
            return
        self._durable_seq = seq
        if not self._connections:
            return
        said = self.durable()
        for connection in self._connections.values():
            connection.tell(said)

    def tell_state(self, is_due: bool) -> None:
        """Tell everybody how the venue is, when that has changed or is due."""
        refusal = self.venue.refusal
        if refusal == self._refusal and not is_due:
            return
        self._refusal = refusal
        said = self.state()
        for connection in self._connections.values():
            connection.tell(said)

    def state(self) -> bytes:
        return joining.state(self.clocks(), self._refusal)

    def clocks(self) -> Clocks:
        return Clocks(self.venue.now_ns(), steady_ns())

    def durable(self) -> bytes:
        return joining.durable(self._durable_seq, self.venue.now_ns())

    def gateways(self) -> list[Gateway]:
        """Those that are joined now, by id."""
        found = [connection.gateway() for connection in self._connections.values()]
        return sorted(found, key=lambda gateway: gateway.gateway_id)

    async def stop(self) -> None:
        """Take nothing more, and say so."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        assert self._path is not None
        self._path.unlink(missing_ok=True)
        end = joining.number(Said.END, self.venue.appended_seq)
        for connection in [*self._connections.values(), *self._strangers]:
            connection.end(end)

    # Connections.

    def arrived(self, connection: "_Connection") -> None:
        self._strangers.add(connection)

    def left(self, connection: "_Connection") -> None:
        self._strangers.discard(connection)
        hello = connection.hello
        if hello is not None and self._connections.get(hello.process) is connection:
            del self._connections[hello.process]
            log.info("a gateway has left", gateway_id=connection.gateway_id, pid=hello.pid)

    def why_not(self, hello: Hello) -> str:
        """Why this process cannot join, as a sentence for people."""
        own = self._identity
        if hello.venue_id != own.venue_id:
            return "The data directory is another venue's."
        if hello.protocol_version != joining.PROTOCOL_VERSION or hello.program_version != own.program_version:
            return (
                f"The venue runs Holdfast {own.program_version}, and this gateway {hello.program_version}: "
                "start it with the same version."
            )
        if hello.rules_version != own.rules_version:
            return (
                f"The venue has the trading rules {own.rules_version}, and this gateway {hello.rules_version}: "
                "start it with the same version."
            )
        if len(self._connections) >= GATEWAYS_MAX and hello.process not in self._connections:
            return f"The venue has {GATEWAYS_MAX} gateways already, which is the most."
        return ""

    def welcome(self, connection: "_Connection", hello: Hello) -> Welcome:
        """Take it in. An older connection of the same process ends first, so what it still brings is never read."""
        older = self._connections.pop(hello.process, None)
        if older is not None:
            older.abort()
        self._strangers.discard(connection)
        self._connections[hello.process] = connection
        gateway_id = self._free_id()
        log.info("a gateway has joined", gateway_id=gateway_id, pid=hello.pid)
        clocks = self.clocks()
        last_seq, limits = self.venue.appended_seq, self._identity.rate_limits
        return Welcome(gateway_id, last_seq, clocks.clock_ns, clocks.steady_ns, self.url, limits)

    def _free_id(self) -> int:
        """The next one that nobody has; an id is used again as late as possible."""
        used = {connection.gateway_id for connection in self._connections.values()}
        while True:
            is_last = self.last_given_id == GATEWAY_ID_LAST
            self.last_given_id = GATEWAY_ID_FIRST if is_last else self.last_given_id + 1
            if self.last_given_id not in used:
                return self.last_given_id


class _Connection(asyncio.Protocol):
    """One gateway's."""

    def __init__(self, server: AppendServer) -> None:
        self.hello: Hello | None = None
        self.gateway_id = 0
        self._server = server
        self._messages = Messages()
        self._here = Here("", 0)
        self._is_writing = True  # False while the other side does not read.
        self._transport: asyncio.Transport

    def gateway(self) -> Gateway:
        assert self.hello is not None
        return Gateway(self.gateway_id, self.hello.pid, self._here.url, self._here.applied_seq)

    def tell(self, said: bytes) -> None:
        """Say what matters only as long as it is the newest."""
        if self._is_writing:
            self._transport.write(said)

    def end(self, said: bytes) -> None:
        """Say the last thing."""
        self._transport.write(said)
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # From the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        self._server.arrived(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.left(self)

    def pause_writing(self) -> None:
        self._is_writing = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_writing = True
        self._transport.resume_reading()
        self._transport.write(self._server.state() + self._server.durable())

    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._messages.feed(data):
                if self._transport.is_closing():  # What follows would not be told of.
                    return
                self._take(kind, body)
        except (GarbageError, msgspec.DecodeError, ValueError) as error:
            log.error("a gateway says what makes no sense", gateway_id=self.gateway_id, why=str(error))
            self.abort()

    def _take(self, kind: int, body: bytes) -> None:
        if self.hello is None:
            if kind != Said.HELLO:
                raise GarbageError("it does not begin with a hello")
            self._greet(msgspec.json.decode(body, type=Hello))
        elif kind == Said.APPEND:
            self._append(bytearray(body))
        elif kind == Said.HERE:
            self._here = msgspec.json.decode(body, type=Here)
        else:
            raise GarbageError(f"a message of kind {kind}")

    def _greet(self, hello: Hello) -> None:
        problem = self._server.why_not(hello)
        if problem:
            self.end(joining.text(Said.NO, problem))
            return
        welcome = self._server.welcome(self, hello)
        self.hello, self.gateway_id = hello, welcome.gateway_id
        self._transport.write(joining.document(Said.WELCOME, welcome) + self._server.state() + self._server.durable())

    def _append(self, group: bytearray) -> None:
        check_group(group)
        stamp(group, self.gateway_id)
        try:
            self._server.venue.append(bytes(group))
        except JournalUnavailableError as error:
            self._transport.write(joining.refused(joining.request_number(group), error.reason))


def is_of_a_joined_gateway(gateway_ids: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Of the commands with these gateway ids, which came by the socket."""
    return gateway_ids >= GATEWAY_ID_FIRST


def check_group(group: bytes | bytearray) -> None:
    """Raises GarbageError when this is not one whole group of clients' commands."""
    count, rest = divmod(len(group), COMMAND_BYTES)
    if rest or not 0 < count <= joining.GROUP_RECORDS_MAX:
        raise GarbageError(f"a group of {len(group)} bytes")
    kinds = group[joining.KIND_OFFSET :: COMMAND_BYTES]
    if not 0 < min(kinds) <= max(kinds) < CommandKind.DEPOSIT:
        raise GarbageError("a command that is no client's")
    if group[len(group) - COMMAND_BYTES + joining.FLAGS_OFFSET] & CommandFlag.GROUP_CONTINUES:
        raise GarbageError("a group without its end")


def stamp(group: bytearray, gateway_id: int) -> None:
    """Write into each command of a group who sent it."""
    count = len(group) // COMMAND_BYTES
    group[joining.GATEWAY_ID_OFFSET :: COMMAND_BYTES] = bytes([gateway_id & 255]) * count
    group[joining.GATEWAY_ID_OFFSET + 1 :: COMMAND_BYTES] = bytes([gateway_id >> 8]) * count
