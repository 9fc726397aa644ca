"""Server: one port, from the first connection to the last.

Start: applications' start-up, then the port. Stop: no new connections, the announcement, requests in hand finish within
a bound, WebSockets are told 1001, what is left is ended, applications' shutdown.
"""

import asyncio
import errno
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from ssl import SSLContext

from holdfast.gateway.server.counters import Counters
from holdfast.gateway.server.front_door import FrontDoor
from holdfast.gateway.server.http import HttpConnection
from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.tls import TlsListener
from holdfast.gateway.server.websocket import Socket

FILES_KEPT = 256  # Open files that are not connections: the journal, databases, snapshots.
BACKLOG = 2048  # Connections that the kernel holds for us.


class ServerStartError(Exception):
    """The server cannot start; its text is a sentence for people."""


class Server:
    """A server that is started once and stopped once.

    `port` 0 takes a free one; after `start` it is the real one. `now_ns` is the venue's clock, `monotonic_s` measures
    time-outs. With `tls` (a server's context, see `tls.server_context`) every connection is encrypted.
    """

    def __init__(
        self,
        routes: Routes,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: SSLContext | None = None,
        limits: Limits | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self.port = port
        self._routes = routes
        self._tls = tls
        self._door = FrontDoor(routes, _fit_to_open_files(limits or Limits()), now_ns, monotonic_s)
        self._listener: asyncio.Server | TlsListener | None = None

    @property
    def counters(self) -> Counters:
        return self._door.counters

    @property
    def limits(self) -> Limits:
        return self._door.limits

    @property
    def held_bytes(self) -> int:
        """What is held in memory for clients now: bodies, requests read ahead, unsent data."""
        return self._door.held_bytes

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. ServerStartError when the port cannot be had; RuntimeError when an application refuses to start."""
        loop = asyncio.get_running_loop()
        for mount in self._routes.mounts():
            await mount.start()
        try:
            listening = listen(self.host, self.port)
        except ServerStartError:
            await self._stop_mounts()
            raise
        self.port = listening.getsockname()[1]
        self._door.wheel.start(loop)
        if self._tls is not None:
            self._listener = TlsListener(
                self._door, self._tls, listening, loop, lambda ip: HttpConnection(self._door, admitted_ip=ip)
            )
        else:
            self._listener = await loop.create_server(
                lambda: HttpConnection(self._door), sock=listening, backlog=BACKLOG
            )

    async def stop(self, grace_s: float = 3.0, announce: Callable[[], None] | None = None) -> None:
        """Stop within about `grace_s`; `announce` may still send to WebSockets before they are closed."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        self._door.is_stopping = True
        if announce is not None:
            announce()
        for member in self._door.wheel.members():
            if isinstance(member, HttpConnection):
                member.stop()
            elif isinstance(member, Socket):
                member.close(1001, "the venue is stopping")
        if not await self._everyone_leaves(grace_s):
            for member in self._door.wheel.members():
                if isinstance(member, HttpConnection | Socket):
                    member.drop("stopping")
            await self._everyone_leaves(grace_s)
        self._door.wheel.stop()
        await self._stop_mounts()

    async def _everyone_leaves(self, within_s: float) -> bool:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + within_s
        while self.counters.connections_open and loop.time() < end_s:
            await asyncio.sleep(0.01)
        return self.counters.connections_open == 0

    async def _stop_mounts(self) -> None:
        for mount in self._routes.mounts():
            await mount.stop()


def check_address(host: str, port: int) -> None:
    """Raise ServerStartError when nobody could listen there now, so that it is said before work that takes long."""
    listen(host, port).close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ServerStartError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ServerStartError(_problem(host, port, error)) from error


def _problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use by another program; stop it, or choose another port."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} needs rights that this user does not have; choose one above 1023."
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}."


def _fit_to_open_files(limits: Limits) -> Limits:
    """Raise the process's limit of open files as far as it goes, and admit no more connections than fit under it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + FILES_KEPT
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return replace(limits, connections=max(1, min(limits.connections, soft - FILES_KEPT)))
