"""A real server on a free port of this machine, with a clock that the test moves."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext

from holdfast.gateway.server import Limits, OutgoingSocket, Request, Routes, Server
from holdfast.gateway.server.front_door import FrontDoor
from holdfast.gateway.server.wheel import SLOTS
from tests.server.rig import Clock

UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Session:
    """Echoes; remembers what it heard."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.socket: OutgoingSocket | None = None
        self.heard: list[bytes] = []
        self.announced = 0  # How often its end was.
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_open(self, socket: OutgoingSocket) -> None:
        self.socket = socket

    def on_text(self, data: bytes) -> None:
        self.heard.append(data)
        assert self.socket is not None
        self.socket.send(data)

    def announce_shutdown(self) -> None:
        self.announced += 1

    def on_close(self, reason: str) -> None:
        self.closed.set_result(reason)


class Live:
    def __init__(self, server: Server, clock: Clock, sessions: list[Session]) -> None:
        self.server = server
        self.clock = clock
        self.sessions = sessions
        self.port = server.port
        self.ws_url = server.url.replace("http", "ws", 1) + "/ws"

    @property
    def door(self) -> FrontDoor:
        return self.server._door

    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds
        for _ in range(SLOTS):
            self.door.wheel.tick()

    async def raw(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer

    async def raw_websocket(self, tail: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.raw(UPGRADE % b"/ws" + tail)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return reader, writer

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until `condition`; a test that waits in vain is ended by its own bound."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)


@asynccontextmanager
async def live(
    routes: Routes | None = None, limits: Limits | None = None, tls: SSLContext | None = None
) -> AsyncIterator[Live]:
    sessions: list[Session] = []

    def open_session(request: Request) -> Session:
        sessions.append(Session(request))
        return sessions[-1]

    routes = routes or Routes()
    routes.websocket("/ws", open_session)
    clock = Clock()
    server = Server(routes, tls=tls, limits=limits, now_ns=clock.now_ns, monotonic_s=clock.monotonic_s)
    await server.start()
    try:
        yield Live(server, clock, sessions)
    finally:
        await server.stop(grace_s=0.5)
    assert server.counters.connections_open == 0
    assert server.counters.websockets_open == 0
    assert server.held_bytes == 0


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A client's frame."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """A server's frame: its opcode and payload."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return first & 0x0F, await reader.readexactly(size)
