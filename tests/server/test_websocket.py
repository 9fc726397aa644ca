"""WebSockets over real sockets: an unmodified client, every kind of bad frame, and clients that do not read."""

import asyncio
import json
import random

import pytest
import structlog
import websockets

from holdfast.gateway.server import Limits, Request, Response, Routes, WebSocketSession
from tests.server.live import UPGRADE, Session, frame, live, read_frame

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


async def test_an_unmodified_client_talks_and_says_goodbye() -> None:
    async with live() as venue:
        async with websockets.connect(venue.ws_url + "/btcusdt@trade?x=1") as client:
            assert not client.protocol.extensions, "permessage-deflate is declined"
            for message in ("hello", "Grüße", "x" * 60_000, ""):
                await client.send(message)
                assert await client.recv() == message
            await (await client.ping())
            session = venue.sessions[0]
            assert (session.request.path, session.request.query) == ("/ws/btcusdt@trade", "x=1")
            assert session.socket is not None
            assert session.socket.peer_ip == "127.0.0.1"
        assert await session.closed == "client"
        assert venue.server.counters.responses == {101: 1}
        assert (venue.server.counters.messages_in, venue.server.counters.messages_out) == (4, 5)


async def test_http_and_websocket_share_a_port_and_a_connection_may_change_over() -> None:
    routes = Routes()
    routes.add("GET", "/ping", lambda _q, respond: respond(Response(200, b"{}")))
    async with live(routes) as venue:
        ping = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
        reader, writer = await venue.raw(ping + UPGRADE % b"/ws" + frame(TEXT, b"early") + frame(TEXT, b"bird"))
        assert (await reader.readuntil(b"\r\n\r\n{}")).startswith(b"HTTP/1.1 200 ")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert [await read_frame(reader), await read_frame(reader)] == [(TEXT, b"early"), (TEXT, b"bird")]
        writer.close()


async def test_an_upgrade_works_wherever_its_bytes_are_cut() -> None:
    async with live() as venue:
        data = UPGRADE % b"/ws" + frame(TEXT, b"hello") + frame(TEXT, b"wor", fin=False) + frame(0, b"ld")
        for cut in range(0, len(data), 3):
            reader, writer = await venue.raw(data[:cut])
            await asyncio.sleep(0)
            writer.write(data[cut:])
            await reader.readuntil(b"\r\n\r\n")
            assert [await read_frame(reader), await read_frame(reader)] == [(TEXT, b"hello"), (TEXT, b"world")]
            writer.close()


REFUSED = {
    "no key": (UPGRADE.replace(b"Sec-WebSocket-Key", b"X") % b"/ws", 400),
    "bad key": (UPGRADE.replace(b"dGhl", b"????") % b"/ws", 400),
    "short key": (UPGRADE.replace(b"dGhlIHNh", b"") % b"/ws", 400),
    "old version": (UPGRADE.replace(b"Version: 13", b"Version: 8") % b"/ws", 426),
    "not GET": (UPGRADE.replace(b"GET", b"POST") % b"/ws", 400),
    "no such path": (UPGRADE % b"/wsx", 404),
    "refused by the factory": (UPGRADE % b"/ws/refused", 403),
    "no upgrade": (b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", 426),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_handshake_that_cannot_be_is_refused_in_http(name: str) -> None:
    data, status = REFUSED[name]
    routes = Routes()
    routes.websocket("/ws/refused", lambda _request: Response(403, b"{}"))
    async with live(routes) as venue:
        reader, writer = await venue.raw(data)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)
        json.loads(await reader.readuntil(b"}"))
        writer.close()
        assert venue.sessions == []


BAD = {
    "unmasked": (frame(TEXT, b"a", masked=False), 1002, "protocol_error"),
    "reserved bit": (frame(TEXT, b"a", rsv=4), 1002, "protocol_error"),
    "reserved opcode": (frame(3, b"a"), 1002, "protocol_error"),
    "continuation of nothing": (frame(0, b"a"), 1002, "protocol_error"),
    "text inside a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002, "protocol_error"),
    "fragmented ping": (frame(PING, b"a", fin=False), 1002, "protocol_error"),
    "large ping": (frame(PING, b"a" * 126), 1002, "protocol_error"),
    "invalid UTF-8": (frame(TEXT, b"\xff"), 1007, "invalid_utf8"),
    "invalid UTF-8 over fragments": (frame(TEXT, b"\xc3", fin=False) + frame(0, b"a"), 1007, "invalid_utf8"),
    "large frame": (frame(TEXT, b"a" * 1001), 1009, "message_too_big"),
    "large message": (frame(TEXT, b"a" * 600, fin=False) + frame(0, b"a" * 600), 1009, "message_too_big"),
    "binary": (frame(BINARY, b"a"), 1003, "binary_message"),
    "bad close code": (frame(CLOSE, b"\x03\xed"), 1002, "protocol_error"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_frame_is_answered_with_its_close_code_and_counted(name: str) -> None:
    data, code, reason = BAD[name]
    async with live(limits=Limits(message_bytes=1000)) as venue:
        reader, writer = await venue.raw_websocket(frame(TEXT, b"before"))
        assert await read_frame(reader) == (TEXT, b"before")
        writer.write(data)
        opcode, payload = await read_frame(reader)
        assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, code)
        writer.write(frame(TEXT, b"after") + frame(CLOSE))
        venue.pass_time(1)
        venue.pass_time(2)
        assert await venue.sessions[0].closed == reason
        assert venue.sessions[0].heard == [b"before"], "nothing after it is heard"
        assert venue.server.counters.drops == {reason: 1}
        writer.close()


async def test_fragments_may_have_pings_between_them() -> None:
    async with live() as venue:
        split = frame(TEXT, b"Gr\xc3", fin=False) + frame(PING, b"p") + frame(0, b"", fin=False) + frame(0, b"\xbc")
        reader, writer = await venue.raw_websocket(split)
        assert await read_frame(reader) == (PONG, b"p")
        assert await read_frame(reader) == (TEXT, b"Gr\xc3\xbc")
        writer.close()


async def test_a_close_is_echoed_with_its_code() -> None:
    async with live() as venue:
        reader, writer = await venue.raw_websocket(frame(CLOSE, b"\x0f\xa1bye"))
        assert await read_frame(reader) == (CLOSE, b"\x0f\xa1")
        assert await reader.read() == b""
        assert await venue.sessions[0].closed == "client"
        writer.close()


async def test_pings_come_every_20_seconds_and_a_client_that_never_answers_is_closed_after_60_more() -> None:
    async with live(limits=Limits(ping_s=20, pong_s=60)) as venue:
        reader, writer = await venue.raw_websocket()
        venue.pass_time(19)
        venue.pass_time(1)
        assert await read_frame(reader) == (PING, b"%d" % (venue.clock.now_ns() // 1_000_000))
        writer.write(frame(PONG))
        await venue.until(lambda: venue.door.counters.bytes_in > 0)
        writer.write(frame(TEXT, b"x"))  # Behind the pong: once it is echoed, the pong was read.
        assert await read_frame(reader) == (TEXT, b"x")
        for _ in range(3):
            venue.pass_time(20)
            assert (await read_frame(reader))[0] == PING
        venue.pass_time(19)
        assert venue.server.counters.drops == {}
        venue.pass_time(1)
        opcode, payload = await read_frame(reader)
        assert (opcode, payload[:2]) == (CLOSE, (1008).to_bytes(2, "big"))
        venue.pass_time(2)
        assert await venue.sessions[0].closed == "pong_timeout"
        writer.close()


async def test_a_connection_ends_after_24_hours_and_its_client_is_told_10_minutes_before() -> None:
    hours = {"ping_s": 10.0**9, "websocket_age_s": Limits().websocket_age_s}
    assert hours["websocket_age_s"] == 24 * 3600
    async with live(limits=Limits(**hours)) as venue:
        reader, writer = await venue.raw_websocket()
        venue.pass_time(24 * 3600 - 601)
        assert venue.sessions[0].announced == 0
        venue.pass_time(1)
        venue.pass_time(1)
        assert venue.sessions[0].announced == 1
        venue.pass_time(598)
        writer.write(frame(TEXT, b"still here"))
        assert await read_frame(reader) == (TEXT, b"still here")
        venue.pass_time(1)
        opcode, payload = await read_frame(reader)
        assert (opcode, payload[:2]) == (CLOSE, (1001).to_bytes(2, "big"))
        venue.pass_time(2)
        assert await venue.sessions[0].closed == "expired"
        assert venue.server.counters.drops == {"expired": 1}
        writer.close()


async def test_a_client_that_does_not_read_is_dropped_and_others_do_not_notice() -> None:
    async with live(limits=Limits(websocket_buffer_bytes=100_000)) as venue:
        _, lazy_writer = await venue.raw_websocket()
        lazy_writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with websockets.connect(venue.ws_url) as client:
            lazy, busy = venue.sessions
            assert lazy.socket is not None
            sent = 0
            while lazy.socket.is_open:
                lazy.socket.send(b"x" * 50_000)
                sent += 50_000
                assert sent < 50_000_000
                await asyncio.sleep(0)
            assert await lazy.closed == "slow_reader"
            await client.send("still here")
            assert await client.recv() == "still here"
            assert not busy.closed.done()
        assert venue.server.counters.drops == {"slow_reader": 1}
        lazy_writer.close()


async def test_messages_sent_as_one_arrive_each_on_its_own_and_in_order() -> None:
    async with live() as venue, websockets.connect(venue.ws_url, max_size=None) as client:
        socket = venue.sessions[0].socket
        assert socket is not None
        many = [b"a" * size for size in (0, 1, 125, 126, 127, 65_535, 65_536, 100_000)]
        for _ in range(3):
            socket.send(b"before")
            socket.send_many(many)
            socket.send(b"between")
            socket.send_many(many[:2])
        expected = [b"before", *many, b"between", *many[:2]] * 3
        assert [await client.recv(decode=False) for _ in expected] == expected
        assert venue.server.counters.messages_out == len(expected)


async def test_nothing_follows_a_close_frame() -> None:
    async with live() as venue:
        reader, writer = await venue.raw_websocket(frame(TEXT, b"unmasked", masked=False))
        assert (await read_frame(reader))[0] == CLOSE
        socket = venue.sessions[0].socket
        assert socket is not None
        socket.send(b"late")
        socket.send_many([b"later", b"still"])
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_does_not_read_many_messages_is_dropped() -> None:
    async with live(limits=Limits(websocket_buffer_bytes=100_000)) as venue:
        _, lazy_writer = await venue.raw_websocket()
        lazy_writer.transport.pause_reading()  # type: ignore[attr-defined]
        lazy = venue.sessions[0]
        assert lazy.socket is not None
        rounds = 0
        while lazy.socket.is_open:
            lazy.socket.send_many([b"x" * 20_000] * 3)
            rounds += 1
            assert rounds < 1_000
            await asyncio.sleep(0)
        assert await lazy.closed == "slow_reader"
        lazy_writer.close()


async def test_a_client_that_sends_pings_and_reads_no_pongs_is_dropped() -> None:
    async with live(limits=Limits(websocket_buffer_bytes=1000)) as venue:
        _, writer = await venue.raw_websocket()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        pings = frame(PING, b"p" * 125) * 1000
        async with asyncio.timeout(10):
            while not venue.sessions[0].closed.done():
                writer.write(pings)
                await asyncio.sleep(0)
        assert await venue.sessions[0].closed == "slow_reader"
        writer.close()


async def test_a_client_that_does_not_answer_a_close_is_ended() -> None:
    async with live(limits=Limits(close_s=2)) as venue:
        reader, writer = await venue.raw_websocket()
        await venue.until(lambda: bool(venue.sessions))
        socket = venue.sessions[0].socket
        assert socket is not None
        socket.close(4001, "enough")
        assert await read_frame(reader) == (CLOSE, b"\x0f\xa1enough")
        socket.send(b"too late")
        venue.pass_time(1)
        assert not venue.sessions[0].closed.done()
        venue.pass_time(1)
        assert await venue.sessions[0].closed == "server"
        assert await reader.read() == b""
        assert venue.server.counters.drops == {}
        writer.close()


async def test_a_vanished_client_is_noticed() -> None:
    async with live() as venue:
        _, writer = await venue.raw_websocket()
        writer.transport.abort()
        await venue.until(lambda: bool(venue.sessions) and venue.sessions[0].closed.done())


class _Failing(Session):
    def on_text(self, data: bytes) -> None:
        raise RuntimeError(f"secret detail {data!r}")


async def test_a_failing_session_is_closed_with_1011_and_others_live() -> None:
    routes = Routes()

    def fail(request: Request) -> WebSocketSession:
        return _Failing(request)

    routes.websocket("/ws/failing", fail)
    async with live(routes) as venue, websockets.connect(venue.ws_url) as other:
        with structlog.testing.capture_logs() as logs:
            async with websockets.connect(venue.ws_url + "/failing") as client:
                await client.send("x")
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "internal error")
        assert logs[0]["event"] == "a WebSocket session failed"
        await other.send("x")
        assert await other.recv() == "x"


@pytest.mark.parametrize("seed", range(30))
async def test_garbage_behind_the_handshake_is_a_close_or_nothing(seed: int) -> None:
    random_ = random.Random(seed)
    async with live() as venue:
        reader, writer = await venue.raw_websocket()
        for _ in range(5):
            opcode, payload = random_.randrange(16), random_.randbytes(random_.choice([0, 1, 2, 125, 126, 300]))
            good = frame(opcode, payload, random_.random() < 0.7, random_.choice([0, 0, 0, 1]), random_.random() < 0.9)
            writer.write(random_.choice([good, good, random_.randbytes(20)]))
        writer.write_eof()
        await reader.read()
        await venue.until(lambda: venue.sessions[0].closed.done())
        assert venue.server.counters.handler_errors == 0
        writer.close()


async def test_a_flood_of_connections_meets_the_limit_and_leaves_room_again() -> None:
    async with live(limits=Limits(connections_per_ip=20)) as venue:
        clients = [await venue.raw() for _ in range(40)]
        await venue.until(lambda: venue.server.counters.connections_total == 20)
        await venue.until(lambda: venue.server.counters.drops["connections_per_ip"] == 20)
        refused = 0
        for reader, writer in clients[20:]:
            refused += b"503" in await reader.read()
            writer.close()
        assert refused == 20
        for _, writer in clients[:20]:
            writer.close()
        await venue.until(lambda: venue.server.counters.connections_open == 0)
        _, writer = await venue.raw_websocket()
        writer.close()
