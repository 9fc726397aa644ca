"""Broadcasts: in order, to everyone who is still there, and never more than a small piece of them at a time."""

import asyncio
from typing import cast

import pytest
import websockets

from holdfast.gateway.server import Broadcaster, Limits, Socket, broadcast
from tests.server.live import live


class FakeTime:
    """Sending to one socket takes 50 µs."""

    now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


TIME = FakeTime()


class FakeSocket:
    def __init__(self, time: FakeTime, log: list[tuple[int, bytes]], number: int) -> None:
        self._time, self._log, self._number = time, log, number

    def send_prepared(self, frame: bytearray) -> None:
        self._time.now_ns += 50_000
        self._log.append((self._number, bytes(frame[14:])))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    monkeypatch.setattr("holdfast.gateway.server.broadcast.time", TIME)
    return []


def sockets(log: list[tuple[int, bytes]], count: int) -> list[Socket]:
    return [cast(Socket, FakeSocket(TIME, log, number)) for number in range(count)]


async def test_thousands_are_served_in_pieces_and_in_order(log: list[tuple[int, bytes]]) -> None:
    broadcaster, receivers = Broadcaster(), sockets(log, 1000)
    assert broadcaster.send(receivers, b"first")
    assert broadcaster.send(receivers[:3], b"second")
    pieces = [len(log)]
    while broadcaster.backlog:
        assert len(log) + broadcaster.backlog == 1003
        await asyncio.sleep(0)
        pieces.append(len(log) - sum(pieces))
    assert max(pieces) <= 40, "2 ms at 50 µs each"
    assert log == [(n, b"first") for n in range(1000)] + [(n, b"second") for n in range(3)]


async def all_sent(broadcaster: Broadcaster) -> None:
    while broadcaster.backlog:
        await asyncio.sleep(0)


async def test_a_full_backlog_is_told_to_the_caller(
    log: list[tuple[int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "BACKLOG_MAX", 100)
    broadcaster, receivers = Broadcaster(), sockets(log, 80)
    assert broadcaster.send(receivers, b"first")
    assert broadcaster.backlog > 20
    assert not broadcaster.send(receivers, b"second")
    await all_sent(broadcaster)
    assert broadcaster.send(receivers, b"third")
    await all_sent(broadcaster)
    assert {data for _, data in log} == {b"first", b"third"}


@pytest.mark.parametrize("size", [0, 100, 126, 60_000, 70_000])
async def test_real_clients_get_whole_messages(size: int) -> None:
    async with live() as venue:
        clients = [await websockets.connect(venue.ws_url) for _ in range(5)]
        receivers = [cast(Socket, session.socket) for session in venue.sessions]
        broadcaster = Broadcaster()
        for number in range(3):
            broadcaster.send(receivers, b"%d" % number + b"x" * size)
        for client in clients:
            for number in range(3):
                assert await client.recv() == f"{number}" + "x" * size
            await client.close()


async def test_those_who_do_not_read_are_dropped_without_delaying_the_others() -> None:
    async with live(limits=Limits(websocket_buffer_bytes=100_000)) as venue:
        _, lazy_writer = await venue.raw_websocket()
        lazy_writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with websockets.connect(venue.ws_url) as client:
            receivers = [cast(Socket, session.socket) for session in venue.sessions]
            broadcaster, message = Broadcaster(), "x" * 50_000
            rounds = 0
            while receivers[0].is_open:
                assert broadcaster.send(receivers, message.encode())
                assert await client.recv() == message
                rounds += 1
                assert rounds < 1000
            assert await venue.sessions[0].closed == "slow_reader"
            broadcaster.send(receivers, b"after")
            assert await client.recv() == "after"
        lazy_writer.close()
