"""What 2,000 depth subscribers cost, beside a bare loop of `send`s of the same bytes:

    python -m bench.streams [SECONDS]

Both send one diff event of about 1 KiB to every subscriber each 100 ms; 50 more subscribe and never read. The
subscribers are another process; the processor time is this one's. Lateness is from the moment at which a message was
due to the one at which its reader had it, so it holds the readers' own work too. Rounds take turns; the figures are
medians, and the worst lateness is the worst of all rounds.

The kernel itself takes in some megabytes for each of those who do not read, so that memory here begins to hold anything
for them, and drops them at the limit, only in rounds of many minutes.
"""

import asyncio
import contextlib
import json
import resource
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import uvloop

from bench.machine import show
from holdfast.codes import Side, TradingMode
from holdfast.events import (
    Events,
    balance_event_dtype,
    book_event_dtype,
    control_event_dtype,
    list_event_dtype,
    order_event_dtype,
)
from holdfast.gateway.binance.market_install import install_market
from holdfast.gateway.binance.market_messages import MICROSECOND_NS, depth_update
from holdfast.gateway.server.broadcast import Broadcaster
from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.server import Server
from holdfast.instruments import Asset, Instrument, Reference
from holdfast.market_data import MarketData

READERS = 2_000
QUIET = 50
SECONDS = 10.0
ROUNDS = 3
TICK_NS = 100_000_000
CHANGES_PER_TICK = 28  # About 1 KiB as JSON.
LATE_MS_MAX = 60.0
RATIO_MAX = 1.3
PATH = "/ws/btcusdt@depth@100ms?timeUnit=MICROSECOND"

_BASE, _QUOTE = Asset(1, "BTC", 8), Asset(2, "USDT", 8)
MARKET = Instrument(1, "BTCUSDT", _BASE, _QUOTE, 1_000_000, 1_000, 10, TradingMode.TRADING, {})
_DTYPES = (order_event_dtype, balance_event_dtype, book_event_dtype, control_event_dtype, list_event_dtype)
_NOTHING = Events(*(np.zeros(0, dtype) for dtype in _DTYPES))


class Batch(NamedTuple):
    events: Events


class Round(NamedTuple):
    cpu_s_per_s: float
    memory_mib: tuple[float, float]  # At the beginning and at the end.
    readers: dict[str, float]
    dropped: int


class Venue:
    """Market data and streams over a book that changes in the same way at every tick; its own replica."""

    def __init__(self) -> None:
        self.reference = Reference([_BASE, _QUOTE], [MARKET])
        self.data = MarketData()
        self._readers: list[Any] = []
        self._update_id = 0

    def add_reader(self, reader: Any) -> None:
        self._readers.append(reader)

    def change(self) -> None:
        events = []
        for i in range(CHANGES_PER_TICK):
            self._update_id += 1
            side, price = (Side.BUY, 4_000_000 - i) if i % 2 else (Side.SELL, 4_000_100 + i)
            events.append((0, 0, 0, 1, self._update_id, price, 1 + self._update_id % 9_000, side))
        batch = Batch(_NOTHING._replace(book=np.array(events, book_event_dtype)))
        self.data.on_applied(batch)
        for reader in self._readers:
            reader(batch)


async def ticks(seconds: float) -> AsyncIterator[int]:
    """The moments, on the monotonic clock, at which messages are due."""
    due_ns = time.monotonic_ns() // TICK_NS * TICK_NS
    end_ns = due_ns + int(seconds * 1e9)
    while due_ns < end_ns:
        due_ns += TICK_NS
        await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        yield due_ns


async def holdfast(readers: "Readers") -> Round:
    venue, routes, broadcaster = Venue(), Routes(), Broadcaster()
    streams = install_market(routes, venue, venue.data, broadcaster, time.monotonic_ns)
    server = Server(routes, limits=Limits(connections_per_ip=READERS + QUIET + 10))
    await server.start()

    async def send() -> None:
        async for due_ns in ticks(readers.seconds + 2):
            venue.change()
            streams.tick(due_ns)

    result = await measure(readers, server.port, send)
    dropped = server.counters.drops["slow_reader"]
    await server.stop(grace_s=1.0)
    return result._replace(dropped=dropped)


async def bare(readers: "Readers") -> Round:
    """Sockets that were upgraded by hand, and `send` of a ready frame to each."""
    venue, loop = Venue(), asyncio.get_running_loop()
    venue.change()
    venue.data.publish_images({MARKET.instrument_id: MARKET})  # The first has nothing to differ from.
    sockets: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setblocking(False)

    async def accept() -> None:
        while True:
            client, _ = await loop.sock_accept(listener)
            await loop.sock_recv(client, 4096)
            await loop.sock_sendall(client, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            sockets.append(client)

    accepting = asyncio.ensure_future(accept())

    async def send() -> None:
        async for due_ns in ticks(readers.seconds + 2):
            venue.change()
            [(_, _, diff)] = venue.data.publish_images({MARKET.instrument_id: MARKET})
            text = depth_update("BTCUSDT", *diff[:2], diff.bids, diff.asks, due_ns, MICROSECOND_NS).encode()
            frame = b"\x81\x7e" + len(text).to_bytes(2, "big") + text
            for client in sockets:
                with contextlib.suppress(OSError):  # Full, or gone.
                    client.send(frame)

    result = await measure(readers, listener.getsockname()[1], send)
    accepting.cancel()
    for client in (listener, *sockets):
        client.close()
    return result


class Readers(NamedTuple):
    reading: int
    quiet: int
    seconds: float


async def measure(readers: Readers, port: int, send: Any) -> Round:
    """Let the readers connect, then send to them, and say what that cost."""
    arguments = (str(port), PATH, str(readers.reading), str(readers.quiet), str(readers.seconds))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.stream_readers", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    begin_s, cpu_s, memory = time.monotonic(), time.process_time(), _memory_mib()
    await send()
    cpu_per_s = (time.process_time() - cpu_s) / (time.monotonic() - begin_s)
    after = _memory_mib()
    result = json.loads(await process.stdout.readline())
    await process.wait()
    return Round(cpu_per_s, (memory, after), result, 0)


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(seconds: float = SECONDS, rounds: int = ROUNDS) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    readers = Readers(READERS, QUIET, seconds)
    results: dict[str, list[Round]] = {"bare send": [], "holdfast": []}
    for _ in range(rounds):
        results["bare send"].append(uvloop.run(bare(readers)))
        results["holdfast"].append(uvloop.run(holdfast(readers)))
    cpu = {name: statistics.median(r.cpu_s_per_s for r in found) for name, found in results.items()}
    ratio = cpu["holdfast"] / cpu["bare send"]
    worst_ms = max(r.readers["worst_ms"] for r in results["holdfast"])
    rows = [
        [
            name,
            f"{cpu[name]:.3f}",
            f"{cpu[name] / cpu['bare send']:.2f}",
            f"{statistics.median(r.readers['p99_ms'] for r in found):.1f}",
            f"{max(r.readers['worst_ms'] for r in found):.1f}",
            f"{min(r.readers['messages'] for r in found) / seconds:,.0f}",
            f"{found[-1].memory_mib[0]:.0f} → {found[-1].memory_mib[1]:.0f}",
            str(found[-1].dropped),
        ]
        for name, found in results.items()
    ]
    columns = ["", "CPU s/s", "ratio", "p99 ms", "worst ms", "msg/s", "MiB", "dropped"]
    verdict = "reached" if ratio <= RATIO_MAX and worst_ms <= LATE_MS_MAX else "MISSED"
    show(
        f"{READERS:,} depth subscribers at 100 ms, {QUIET} more that do not read, {rounds} rounds of {seconds:.0f} s",
        columns,
        rows,
        [f"Reach: ratio ≤ {RATIO_MAX} and nothing later than {LATE_MS_MAX:.0f} ms: {verdict}."],
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
