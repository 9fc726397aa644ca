"""What the WebSocket adapter costs: an echo through it beside picows' own server:  python -m bench.ws_echo

Messages of 300 bytes over 16 connections, eight of them in flight on each, then one. Both servers are processes of
their own; the load generator has the other core. Rounds take turns; the figures are medians.
"""

import asyncio
import sys
from functools import partial

import uvloop

from bench.load import PEERS, LoadResult, client_frame, run_load, serving, take_turns, websocket_handshake
from bench.machine import show
from holdfast.gateway.server import OutgoingSocket, Request, Routes, Server

CONNECTIONS = 16
DEPTHS = (8, 1)
MESSAGES = 100_000
MESSAGE = b'{"id":"1","method":"order.place","params":{"text":"' + b"x" * 247 + b'"}}'
ROUNDS = 3
PATH = "/ws"


def main(rounds: int = ROUNDS) -> None:
    rows = []
    with (
        serving(sys.executable, "-m", "bench.ws_echo", "serve") as ours,
        serving(sys.executable, str(PEERS / "picows_echo.py")) as peer,
    ):
        for depth in DEPTHS:
            load = partial(load_echo, depth=depth)
            mine, other = take_turns([(ours, load), (peer, load)], rounds)
            rows.append(mine.row(f"Holdfast, {depth} in flight", f"{mine.per_second / other.per_second:.2f}x"))
            rows.append(other.row(f"picows alone, {depth} in flight"))
    columns = ["server", "messages/s", "p50 µs", "p99 µs", "CPU µs", "ratio"]
    show(f"A WebSocket echo, {CONNECTIONS} connections", columns, rows)


def load_echo(port: int, depth: int) -> LoadResult:
    opening = websocket_handshake(PATH)
    frames = [client_frame(MESSAGE)]
    return run_load(port, frames, CONNECTIONS, MESSAGES, depth, websocket=True, openings=[opening])


class _Echo:
    def on_open(self, socket: OutgoingSocket) -> None:
        self._socket = socket

    def on_text(self, data: bytes) -> None:
        self._socket.send(data)

    def on_close(self, reason: str) -> None:
        """Nothing is kept."""


async def _serve() -> None:
    def open_session(_request: Request) -> _Echo:
        return _Echo()

    routes = Routes()
    routes.websocket(PATH, open_session)
    server = Server(routes)
    await server.start()
    print(server.port, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        uvloop.run(_serve())
    else:
        main()
