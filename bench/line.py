"""Orders over the line, beside what a socket and a disk take alone:  python -m bench.line [--quick] [--directory DIR]

A whole venue (`holdfast run`: durable journal, engine, history, limits that nobody reaches) is sent LIMIT orders over
its binary line, on TCP, and each is answered when it is durable and applied. Sessions that keep many orders in flight
show how many go through; one session that waits for each reply shows how long one takes. The load is made before and
sent by this process, which reads the replies as columns and so needs little of the other core.

Beside it an echo of records of the same size over as many connections, by an event loop alone, and one sync of the
disk: no venue of this shape could be faster than either. DIR must lie on the disk in question.
"""

import argparse
import asyncio
import select
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.disk import sync_us
from bench.load import Served, serving
from bench.machine import show, verdict
from bench.venue import MIDDLE_TICKS, RESTING_LEVELS, Venue, running
from holdfast.client.core import Core
from holdfast.codes import CommandKind, OrderEventKind, OrderType, Side, TimeInForce
from holdfast.commands import command_dtype
from holdfast.line import NUMBER_MAX, RECORD_BYTES, ServerKind, report_dtype

PER_SECOND_MIN = 1_000_000
P99_US_MAX = 5_000  # At half of that.
ABOVE_SYNC_US_MAX = 300
SESSIONS = 8
IN_FLIGHT = 4_096
CHUNK = 512  # Records that a session sends at once.
READ_BYTES = 1024 * 1024
TURN_SECONDS = 0.001  # At a given rate each session sends what is due so often.
SILENCE_SECONDS_MAX = 10.0
QTY_LOTS = 100
_ANSWERS = (OrderEventKind.ORDER_ACCEPTED, OrderEventKind.ORDER_REJECTED)


class Size(NamedTuple):
    orders: int  # Of one round, over all sessions.
    single: int  # Of one session alone.
    rounds: int


FULL = Size(320_000, 4_000, 3)
QUICK = Size(80_000, 500, 2)
CAUGHT_UP_SECONDS_MAX = 60


class Result(NamedTuple):
    per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float

    def row(self, name: str) -> list[str]:
        return [name, f"{self.per_second:,.0f}", f"{self.p50_us:,.0f}", f"{self.p99_us:,.0f}", f"{self.cpu_us:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("serve", nargs="?", help="be the echo")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where the venue keeps its data")
    options = parser.parse_args()
    if options.serve:
        uvloop.run(echo())
        return
    size = QUICK if options.quick else FULL
    with (
        tempfile.TemporaryDirectory(prefix="bench-line-", dir=options.directory) as made,
        running(Path(made), "--line-port", "0") as venue,
        serving(sys.executable, "-m", "bench.line", "serve") as peer,
    ):
        measure(venue, peer, size, Path(made))


def measure(venue: Venue, peer: Served, size: Size, directory: Path) -> None:
    sessions = [Session(venue, f"line-{number}") for number in range(SESSIONS)]
    alone_us, sync = single(sessions[0], size.single), sync_us(directory)
    rounds: dict[str, list[Result]] = {}
    lags: list[tuple[int, float]] = []
    for _ in range(size.rounds):
        for name, flow in FLOWS.items():
            works = [session.work(flow(size.orders // SESSIONS)) for session in sessions]
            rounds.setdefault(name, []).append(load(works, venue.served))
            lags.append(lag(venue))
            half = [session.work(flow(size.orders // SESSIONS)) for session in sessions]
            rounds.setdefault(f"{name}, at half that", []).append(
                load(half, venue.served, rounds[name][-1].per_second / 2)
            )
            lags.append(lag(venue))
        rounds.setdefault("records echoed", []).append(echoed(peer, size.orders))
    found = {name: middle(results) for name, results in rounds.items()}
    worst = min(found[name].per_second for name in FLOWS)
    late_us = max(found[f"{name}, at half that"].p99_us for name in FLOWS)
    above_us = alone_us - sync
    show(
        f"LIMIT orders over the line, durable; {SESSIONS} sessions, up to {IN_FLIGHT:,} in flight on each",
        ["", "per second", "p50 µs", "p99 µs", "CPU µs"],
        [result.row(name) for name, result in found.items()],
        [
            f"history: at most {max(lags)[0]:,} events behind after a round, and up to date {max(lags)[1]:.1f} s later",
            f"one session, order after order: median {alone_us:,.0f} µs; one sync of the disk: {sync:,.0f} µs",
            verdict(f"{worst:,.0f} orders a second (at least {PER_SECOND_MIN:,})", worst >= PER_SECOND_MIN),
            verdict(f"p99 {late_us:,.0f} µs at half the most (at most {P99_US_MAX:,})", late_us <= P99_US_MAX),
            verdict(f"{above_us:,.0f} µs above a sync (at most {ABOVE_SYNC_US_MAX})", above_us <= ABOVE_SYNC_US_MAX),
        ],
    )


def lag(venue: Venue) -> tuple[int, float]:
    """How many events the history's file is behind, and how many seconds it takes to be up to date."""
    begun_s = time.monotonic()
    (history,) = (reader for reader in venue.operator.get("/venue")["readers"] if reader["name"] == "history")
    behind = history["lagEvents"]
    while history["lagEvents"]:
        if time.monotonic() - begun_s > CAUGHT_UP_SECONDS_MAX:
            raise RuntimeError("the history does not catch up")
        time.sleep(0.05)
        (history,) = (reader for reader in venue.operator.get("/venue")["readers"] if reader["name"] == "history")
    return behind, time.monotonic() - begun_s


def middle(results: list[Result]) -> Result:
    return Result(*(statistics.median(column) for column in zip(*results, strict=True)))


# Orders, as the records that a session sends.


def resting(count: int) -> np.ndarray:
    """Orders of both sides on many levels, none of which trades."""
    records = _limit_orders(count)
    number = np.arange(count)
    is_buy = number % 2 == 1
    distance = 1_000 + number // 2 * 7 % RESTING_LEVELS
    records["side"] = np.where(is_buy, Side.BUY, Side.SELL)
    records["price_ticks"] = MIDDLE_TICKS + np.where(is_buy, -distance, distance)
    return records


def mixed(count: int) -> np.ndarray:
    """Of four orders two rest, and of the other two one fills the other."""
    records = resting(count)
    touches = np.arange(count) % 4 >= 2
    records["price_ticks"][touches] = MIDDLE_TICKS
    return records


FLOWS = {"orders that rest": resting, "orders, half of which trade": mixed}


def _limit_orders(count: int) -> np.ndarray:
    records = np.zeros(count, command_dtype)
    records["kind"], records["order_type"] = CommandKind.PLACE_ORDER, OrderType.LIMIT
    records["time_in_force"], records["instrument_id"] = TimeInForce.GTC, 1
    records["qty_lots"] = QTY_LOTS
    return records


class Session:
    """One signed-on session of an account of its own."""

    def __init__(self, venue: Venue, name: str) -> None:
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        venue.account(name)
        key = venue.operator.post(f"/accounts/{name}/keys", {"type": "ed25519", "publicKey": public})
        core = Core(key["apiKey"], private, open_orders=False)
        self.socket = socket.create_connection(("127.0.0.1", venue.line_port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        core.connected()
        while not core.is_live:
            core.receive(self.socket.recv(READ_BYTES))
            self.socket.sendall(core.outgoing())
        self._name = name
        self._next = 1

    def work(self, records: np.ndarray) -> "Work":
        """Number the records; they are to be sent in this order."""
        numbers = np.arange(self._next, self._next + len(records))
        records["request_number"] = numbers
        records["client_id"] = np.char.add(f"{self._name}-".encode(), numbers.astype("S12"))
        self._next += len(records)
        return Work(self.socket, records)


class Work:
    """What one connection has to send, and when each was sent and answered."""

    def __init__(self, connected: socket.socket, records: np.ndarray) -> None:
        self.socket = connected
        self.sent = self.answered = 0
        self.count = len(records)
        self.sent_ns = np.zeros(self.count, np.int64)
        self.answered_ns = np.zeros(self.count, np.int64)
        self._data = memoryview(records.tobytes())
        self._first = int(records["request_number"][0])
        self._unsent = self._data[:0]
        self._partial = b""

    @property
    def is_done(self) -> bool:
        return self.answered == self.count

    def may_send(self, allowed: int) -> bool:
        """`allowed`: how many may have been sent by now."""
        return bool(self._unsent) or (self.sent < min(allowed, self.count) and self.sent - self.answered < IN_FLIGHT)

    def send(self, allowed: int) -> None:
        if not self._unsent:
            room = min(CHUNK, IN_FLIGHT - (self.sent - self.answered), min(allowed, self.count) - self.sent)
            begin, self.sent = self.sent, self.sent + room
            self._unsent = self._data[begin * RECORD_BYTES : self.sent * RECORD_BYTES]
            self.sent_ns[begin : self.sent] = time.perf_counter_ns()
        self._unsent = self._unsent[self.socket.send(self._unsent, socket.MSG_DONTWAIT) :]

    def receive(self) -> None:
        data = self._partial + self.socket.recv(READ_BYTES)
        now_ns, whole = time.perf_counter_ns(), len(data) // RECORD_BYTES
        self._partial = data[whole * RECORD_BYTES :]
        rows = np.frombuffer(data, report_dtype, whole)
        self.take(rows, now_ns)

    def take(self, rows: np.ndarray, now_ns: int) -> None:
        kinds = rows["kind"]
        if ServerKind.END in kinds or ServerKind.REFUSED in kinds or OrderEventKind.ORDER_REJECTED in kinds:
            bad = rows[(kinds == ServerKind.END) | (kinds == ServerKind.REFUSED) | (kinds == _ANSWERS[1])][0]
            raise RuntimeError(f"the venue refused an order: {bad.tobytes()!r}")
        is_own = (kinds == OrderEventKind.ORDER_ACCEPTED) & (rows["request_number"] > 0)
        self.answer((rows["request_number"][is_own] & NUMBER_MAX) - self._first, now_ns)

    def answer(self, places: np.ndarray, now_ns: int) -> None:
        self.answered_ns[places] = now_ns
        self.answered += len(places)


class EchoWork(Work):
    """The same where each record comes back."""

    def take(self, rows: np.ndarray, now_ns: int) -> None:
        self.answer(np.arange(self.answered, self.answered + len(rows)), now_ns)


def load(works: list[Work], served: Served, per_second: float = 0) -> Result:
    """Send all, as fast as it goes or `per_second` over all connections, and wait for all answers."""
    cpu_s, begun_ns = served.cpu_s(), time.perf_counter_ns()
    by_socket = {work.socket: work for work in works}
    for connected in by_socket:
        connected.setblocking(True)
    while not all(work.is_done for work in works):
        elapsed_s = (time.perf_counter_ns() - begun_ns) / 1e9
        turn = int(elapsed_s / TURN_SECONDS) + 1
        allowed = works[0].count if not per_second else int(turn * TURN_SECONDS * per_second / len(works)) + 1
        ready = [work.socket for work in works if work.may_send(allowed)]
        wait_s = turn * TURN_SECONDS - elapsed_s if per_second and not ready else SILENCE_SECONDS_MAX
        readable, writable, _ = select.select(list(by_socket), ready, [], wait_s)
        if not readable and not writable and wait_s == SILENCE_SECONDS_MAX:
            raise RuntimeError("the server does not answer")
        for connected in readable:
            by_socket[connected].receive()
        for connected in writable:
            by_socket[connected].send(allowed)
    seconds = (time.perf_counter_ns() - begun_ns) / 1e9
    count = sum(work.count for work in works)
    times_us = np.concatenate([work.answered_ns - work.sent_ns for work in works]) / 1_000
    p50_us, p99_us = np.percentile(times_us, [50, 99]).tolist()
    return Result(count / seconds, p50_us, p99_us, 1e6 * (served.cpu_s() - cpu_s) / count)


def single(session: Session, orders: int) -> float:
    """Median of one session that waits for each reply, in microseconds."""
    times_us = []
    for record in resting(orders).reshape(-1, 1):
        work = session.work(record)
        work.send(1)
        while not work.is_done:
            work.receive()
        times_us.append((work.answered_ns[0] - work.sent_ns[0]) / 1_000)
    return statistics.median(times_us)


# The echo.


def echoed(peer: Served, records: int) -> Result:
    sockets = [socket.create_connection(("127.0.0.1", peer.port)) for _ in range(SESSIONS)]
    try:
        works: list[Work] = [EchoWork(each, _numbered(records // SESSIONS)) for each in sockets]
        return load(works, peer)
    finally:
        for each in sockets:
            each.close()


def _numbered(count: int) -> np.ndarray:
    records = resting(count)
    records["request_number"] = np.arange(1, count + 1)
    return records


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined]


async def echo() -> None:
    """Print the port, and serve until the end."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    main()
