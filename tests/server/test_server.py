"""Starting, stopping, TLS: the server as a whole."""

import asyncio
import ssl
import stat
import time
from pathlib import Path

import httpx
import pytest
import websockets

from holdfast.gateway.server import Limits, Request, Respond, Response, Routes, Server, ServerStartError
from holdfast.gateway.server.certificates import DevelopmentCertificate, development_certificate, expires_ts_s
from holdfast.gateway.server.server import check_address
from holdfast.gateway.server.tls import server_context
from tests.server.live import UPGRADE, live

NOW_S = 1_800_000_000
WAIT = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"


def waiting_routes(waiting: list[Respond]) -> Routes:
    def wait(_request: Request, respond: Respond) -> None:
        waiting.append(respond)

    routes = Routes()
    routes.add("GET", "/wait", wait)
    routes.add("GET", "/ping", lambda request, respond: respond(Response(200, str(request.is_tls).encode())))
    return routes


async def test_a_stop_finishes_what_is_in_hand_and_tells_everyone() -> None:
    waiting: list[Respond] = []
    async with live(waiting_routes(waiting)) as venue:
        idle_reader, idle_writer = await venue.raw(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"False" in await idle_reader.readuntil(b"False")
        busy_reader, busy_writer = await venue.raw(WAIT)
        await venue.until(lambda: bool(waiting))
        async with websockets.connect(venue.ws_url) as client:
            socket = venue.sessions[0].socket
            assert socket is not None
            stopping = asyncio.ensure_future(venue.server.stop(grace_s=5, announce=lambda: socket.send(b"goodbye")))
            assert await client.recv() == "goodbye"
            with pytest.raises(websockets.ConnectionClosedOK) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
            assert await idle_reader.read() == b""
            with pytest.raises(OSError, match="111"):
                await venue.raw()
            assert not stopping.done()
            waiting[0](Response(200, b"done"))
            answer = await busy_reader.read()
            assert b"connection: close" in answer
            assert answer.endswith(b"done")
            await stopping
        assert venue.server.counters.connections_open == 0
        idle_writer.close()
        busy_writer.close()


async def test_a_stop_does_not_wait_for_ever() -> None:
    waiting: list[Respond] = []
    async with live(waiting_routes(waiting)) as venue:
        reader, writer = await venue.raw(WAIT)
        _, deaf_writer = await venue.raw_websocket()
        await venue.until(lambda: bool(waiting))
        async with asyncio.timeout(5):
            await venue.server.stop(grace_s=0.05)
        assert await reader.read() == b""
        assert venue.server.counters.drops["stopping"] == 1
        writer.close()
        deaf_writer.close()


async def test_a_port_in_use_is_one_clear_sentence() -> None:
    async with live() as venue:
        other = Server(Routes(), port=venue.port)
        with pytest.raises(ServerStartError) as problem:
            await other.start()
        with pytest.raises(ServerStartError) as beforehand:
            check_address("127.0.0.1", venue.port)
    assert str(beforehand.value) == str(problem.value)
    sentence = f"Port {venue.port} on 127.0.0.1 is in use by another program; stop it, or choose another port."
    assert str(problem.value) == sentence


async def test_a_host_that_is_not_ours_is_one_clear_sentence() -> None:
    with pytest.raises(ServerStartError, match=r"Cannot listen on 192\.0\.2\.1, port 0: "):
        await Server(Routes(), host="192.0.2.1").start()


async def test_no_more_connections_are_admitted_than_files_may_be_open() -> None:
    server = Server(Routes(), limits=Limits(connections=10**9))
    assert 0 < server.limits.connections < 10**9


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentCertificate:
    return development_certificate(tmp_path_factory.mktemp("tls"), ["venue.test"], time.time())


async def test_http_and_websocket_work_over_tls_with_the_development_certificate(
    certificate: DevelopmentCertificate,
) -> None:
    trust = ssl.create_default_context(cafile=certificate.authority)
    async with live(waiting_routes([]), tls=server_context(certificate.certificate, certificate.key)) as venue:
        assert venue.server.url.startswith("https://")
        async with httpx.AsyncClient(verify=trust, base_url=venue.server.url) as client:
            assert (await client.get("/ping")).text == "True"
            assert (await client.get("/nowhere")).status_code == 404
        async with websockets.connect(venue.ws_url, ssl=trust) as socket:
            for message in ("hello", "x" * 60_000):
                await socket.send(message)
                assert await socket.recv() == message
        with pytest.raises(httpx.ConnectError, match="verify"):
            async with httpx.AsyncClient(base_url=venue.server.url) as stranger:
                await stranger.get("/ping")
        await venue.until(lambda: venue.server.counters.connections_open == 0)


async def test_connections_that_fail_or_never_begin_their_handshake_are_counted_and_ended(
    certificate: DevelopmentCertificate,
) -> None:
    context = server_context(certificate.certificate, certificate.key)
    async with live(limits=Limits(connections_per_ip=3, handshake_s=0.3), tls=context) as venue:
        reader, writer = await venue.raw(UPGRADE % b"/ws")
        await reader.read()
        writer.close()
        await venue.until(lambda: venue.server.counters.drops["tls_handshake"] == 1)
        silent = [await venue.raw() for _ in range(3)]
        await venue.until(lambda: venue.server.counters.connections_open == 3)
        reader, writer = await venue.raw()
        assert await reader.read() == b"", "silent handshakes count against the limit"
        writer.close()
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()
        await venue.until(lambda: venue.server.counters.connections_open == 0)
        assert venue.server.counters.drops == {"tls_handshake": 4, "connections_per_ip": 1}


def test_the_development_certificate_is_kept_until_it_is_nearly_over(tmp_path: Path) -> None:
    files = development_certificate(tmp_path / "tls", ["192.168.0.7"], NOW_S)
    assert expires_ts_s(files.certificate) == NOW_S + 397 * 86_400
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    first = files.certificate.read_bytes()
    development_certificate(tmp_path / "tls", ["192.168.0.7"], NOW_S + 366 * 86_400)
    assert files.certificate.read_bytes() == first
    development_certificate(tmp_path / "tls", ["192.168.0.7"], NOW_S + 368 * 86_400)
    second = files.certificate.read_bytes()
    assert second != first
    development_certificate(tmp_path / "tls", ["192.168.0.8"], NOW_S + 368 * 86_400)
    assert files.certificate.read_bytes() != second


def test_a_damaged_certificate_is_made_anew(tmp_path: Path) -> None:
    files = development_certificate(tmp_path, [], NOW_S)
    files.certificate.write_text("garbage")
    with pytest.raises(ValueError, match="PEM"):
        expires_ts_s(files.certificate)
    development_certificate(tmp_path, [], NOW_S)
    assert expires_ts_s(files.certificate) > NOW_S
