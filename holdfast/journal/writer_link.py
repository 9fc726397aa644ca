"""Writer link: a joined gateway's end of the socket; it connects again whenever the venue is back.

joined replica → joined journal → WRITER LINK ── socket ──▶ append server (the venue)

What it hears it keeps (whether new orders are taken, the venue's clock) or hands on. It decides nothing about commands
on their way: when the connection parts, only the journal knows what became of them.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import msgspec
import structlog

from holdfast.clock import steady_ns
from holdfast.errors import StartError
from holdfast.journal import joining
from holdfast.journal.joining import Clocks, GarbageError, Hello, Here, Messages, Said, Welcome

log = structlog.get_logger()

GREETING_SECONDS_MAX = 5.0  # A venue that is being held answers nobody.
RETRY_SECONDS = 0.1
SILENT_SECONDS_MAX = 3.0  # The venue says something every second.
AWAY = "The venue is not running; new orders are taken again when it is."
SILENT = "The venue does not answer; new orders are taken again when it does."


class DismissedError(StartError):
    """The venue does not let this process join; the text is its sentence."""


class Listener(Protocol):
    """Who follows what happens on the link."""

    def on_joined(self, welcome: Welcome) -> None: ...

    def on_parted(self, last_seq: int | None) -> None:
        """No command goes out any more. `last_seq`: none of those on their way is in the journal behind it, where the
        venue could still say so."""

    def on_durable(self, seq: int, clock_ns: int) -> None: ...

    def on_refused(self, request_number: int, reason: str) -> None:
        """Nothing of the group was or will be appended."""

    def on_dismissed(self, error: DismissedError) -> None:
        """The venue is back and does not take this process in again."""


class WriterLink:
    """`connect` once, then `keep` in a task of its own; `listener` is told from then on. All on the loop's thread."""

    def __init__(
        self,
        directory: Path,
        venue_id: str,
        program_version: str,
        rules_version: int,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.listener: Listener | None = None
        self.welcome: Welcome | None = None  # Of the present connection.
        self._directory = directory
        self._hello = Hello(
            joining.PROTOCOL_VERSION, rules_version, program_version, venue_id, secrets.token_hex(16), os.getpid()
        )
        self._monotonic_s = monotonic_s
        self._heard_s = 0.0
        self._told_refusal = ""
        self._clocks = Clocks(0, 0)
        self._here = Here("", 0)
        self._connection: _Connection | None = None
        self._is_parted = asyncio.Event()

    @property
    def refusal(self) -> str:
        """Why the venue takes no new orders now; empty when it does."""
        if self._connection is None:
            return AWAY
        if self._monotonic_s() - self._heard_s > SILENT_SECONDS_MAX:
            return SILENT
        return self._told_refusal

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def venue_now_ns(self) -> int:
        """The venue's clock, as it was told last and carried on by the clock that all processes of a machine share."""
        return self._clocks.clock_ns + steady_ns() - self._clocks.steady_ns

    def send(self, group: bytes) -> None:
        """Hand one group over. Only while it is open."""
        assert self._connection is not None
        self._connection.transport.write(joining.message(Said.APPEND, group))

    def tell(self, here: Here) -> None:
        """Tell the venue's operators where this gateway is."""
        if self._connection is not None and here != self._here:
            self._here = here
            self._connection.transport.write(joining.document(Said.HERE, here))

    async def connect(self) -> None:
        """Join. Raises OSError (TimeoutError: nobody answers), DismissedError when it may not."""
        loop = asyncio.get_running_loop()
        with joining.socket_path(self._directory) as path:
            connecting = socket.socket(socket.AF_UNIX)
            connecting.setblocking(
                False
            )  # With many waiting at a venue that is held, the kernel would let this one wait.
            try:
                connecting.connect(path)
            except OSError:
                connecting.close()
                raise
        _, connection = await loop.create_unix_connection(lambda: _Connection(self), sock=connecting)
        try:
            async with asyncio.timeout(GREETING_SECONDS_MAX):
                await connection.greeted
        except BaseException:
            connection.transport.abort()
            raise

    async def keep(self) -> None:
        """Join again whenever the venue has gone and is back, until cancelled or dismissed."""
        while True:
            await self._is_parted.wait()
            try:
                await self.connect()
            except OSError:  # Also when nobody answered in time.
                await asyncio.sleep(RETRY_SECONDS)
            except DismissedError as error:
                if self.listener is not None:
                    self.listener.on_dismissed(error)
                return

    def close(self) -> None:
        """Leave. What was handed over goes out first."""
        connection, self._connection, self.listener = self._connection, None, None
        if connection is not None:
            connection.transport.close()

    # From the connection.

    def greeting(self) -> bytes:
        return joining.document(Said.HELLO, self._hello)

    def joined(self, connection: "_Connection", welcome: Welcome) -> None:
        self._connection, self.welcome = connection, welcome
        self._is_parted.clear()
        self._here = Here("", 0)
        self.heard()
        self._clocks = Clocks(welcome.clock_ns, welcome.steady_ns)
        log.info("joined", gateway_id=welcome.gateway_id, seq=welcome.last_seq)
        if self.listener is not None:
            self.listener.on_joined(welcome)

    def parted(self, connection: "_Connection", last_seq: int | None = None) -> None:
        if self._connection is not connection:
            return
        self._connection = self.welcome = None
        self._is_parted.set()
        log.warning("the venue has gone", last_seq=last_seq)
        if self.listener is not None:
            self.listener.on_parted(last_seq)

    def heard(self) -> None:
        self._heard_s = self._monotonic_s()

    def take(self, connection: "_Connection", kind: int, body: bytes) -> None:
        listener = self.listener
        if kind == Said.STATE:
            self._clocks, self._told_refusal = joining.read_state(body)
        elif kind == Said.END:
            self.parted(connection, joining.read_number(body))
            connection.transport.close()
        elif listener is None:
            return  # Nothing was sent yet, and what is durable is still being read.
        elif kind == Said.DURABLE:
            listener.on_durable(*joining.read_durable(body))
        elif kind == Said.REFUSED:
            listener.on_refused(*joining.read_refused(body))


class _Connection(asyncio.Protocol):
    """One connection to the venue."""

    def __init__(self, link: WriterLink) -> None:
        self.transport: asyncio.Transport
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._link = link
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass.
        self.transport.write(self._link.greeting())

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.greeted.done():
            self.greeted.set_exception(ConnectionResetError("the venue ended the connection"))
        self._link.parted(self)

    def data_received(self, data: bytes) -> None:
        self._link.heard()
        try:
            for kind, body in self._messages.feed(data):
                if self.greeted.done():
                    self._link.take(self, kind, body)
                else:
                    self._greet(kind, body)
        except (GarbageError, msgspec.DecodeError, ValueError) as error:
            log.error("the venue says what makes no sense", why=str(error))
            self.transport.abort()

    def _greet(self, kind: int, body: bytes) -> None:
        if kind == Said.NO:
            self.greeted.set_exception(DismissedError(body.decode()))
        elif kind == Said.WELCOME:
            self._link.joined(self, msgspec.json.decode(body, type=Welcome))
            self.greeted.set_result(None)
        else:
            raise GarbageError("it does not begin with a welcome")
