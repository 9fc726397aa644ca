"""TLS: a listener that admits connections before their handshake.

socket → admission → handshake within its time → connection (HTTP, the line). The event loop's own TLS server tells
nobody about a connection before its handshake is done; so connections are accepted here, and silent or failing
handshakes are counted and limited like everything else.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from holdfast.gateway.server.front_door import FrontDoor, plain_ip

ACCEPTS_AT_ONCE = 64
RETRY_S = 0.1  # After an error of the machine's, such as no more open files.


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context for a certificate chain and its key (PEM). OSError or ssl.SSLError when they do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


class TlsListener:
    """Accepts on `listening` until it is closed; `make(ip)` makes the protocol of a connection that was admitted."""

    def __init__(
        self,
        door: FrontDoor,
        context: ssl.SSLContext,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[str], asyncio.Protocol],
    ) -> None:
        self._door = door
        self._make = make
        self._context = context
        self._listening = listening
        self._loop = loop
        self._handshakes: set[asyncio.Task[None]] = set()
        self._is_closed = False
        listening.setblocking(False)
        loop.add_reader(listening, self._accept)

    def close(self) -> None:
        self._is_closed = True
        self._loop.remove_reader(self._listening)
        self._listening.close()
        for handshake in self._handshakes:
            handshake.cancel()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                client, address = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                self._door.counters.drops["accept_failed"] += 1
                self._loop.remove_reader(self._listening)
                self._loop.call_later(RETRY_S, self._accept_again)
                return
            ip = plain_ip(address)
            if self._door.admit(ip):
                client.close()
                continue
            task = self._loop.create_task(self._shake_hands(client, ip))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _accept_again(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listening, self._accept)

    async def _shake_hands(self, client: socket.socket, ip: str) -> None:
        connection = self._make(ip)
        limits = self._door.limits
        try:
            client.setblocking(False)
            await self._loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self._context,
                ssl_handshake_timeout=limits.handshake_s,
                ssl_shutdown_timeout=limits.close_s,
            )
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is an OSError: what a client can do wrong.
            client.close()
            self._door.counters.drops["tls_handshake"] += 1
            connection.connection_lost(None)  # It never began, and gives its place back.
