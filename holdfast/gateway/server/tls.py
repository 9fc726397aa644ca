"""TLS: certificates, and the gate that a connection passes before it speaks HTTP.

socket → TLS GATE (admission, handshake within its time) → HTTP connection. A connection is counted and limited from its
first moment, so that silent or failing handshakes are bounded like everything else.
"""

import asyncio
import ssl
from pathlib import Path
from typing import cast

from holdfast.gateway.server.front_door import FrontDoor
from holdfast.gateway.server.http import HttpConnection, peer_ip


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context for a certificate chain and its key (PEM). OSError or ssl.SSLError when they do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


class TlsGate(asyncio.Protocol):
    def __init__(self, door: FrontDoor, context: ssl.SSLContext) -> None:
        self._door = door
        self._context = context
        self._peer_ip = ""
        self._is_admitted = False
        self._handshake: asyncio.Task[None] | None = None
        self._early = b""  # Decrypted before the handshake's task went on.
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's own class, which does not say that it is one.
        if self._handshake is not None:
            return
        self._transport = transport
        self._peer_ip = peer_ip(transport)
        if self._door.admit(self._peer_ip):
            transport.abort()
            return
        self._is_admitted = True
        self._door.wheel.add(self)
        transport.pause_reading()
        self._handshake = asyncio.get_running_loop().create_task(self._shake_hands(transport))

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            encrypted = await loop.start_tls(
                transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._door.limits.handshake_s,
                ssl_shutdown_timeout=self._door.limits.close_s,
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            encrypted = None  # Anything a client can do wrong in a handshake; it is counted.
        if encrypted is None or self._is_lost:
            self.drop("tls_handshake")
            return
        self._door.wheel.remove(self)
        self._is_admitted = False  # The connection leaves in our place.
        connection = HttpConnection(self._door, is_admitted=True)
        encrypted.set_protocol(connection)
        connection.connection_made(encrypted)
        if self._early:
            connection.data_received(self._early)

    def data_received(self, data: bytes) -> None:
        self._early += data

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._is_lost = True
        self._leave()

    def visit(self, now_s: float) -> None:
        """Nothing to compare: the handshake has its own time-out."""

    def drop(self, reason: str) -> None:
        if self._is_admitted:
            self._door.counters.drops[reason] += 1
        self._transport.abort()
        self._leave()

    def _leave(self) -> None:
        if self._is_admitted:
            self._is_admitted = False
            self._door.wheel.remove(self)
            self._door.leave(self._peer_ip)
