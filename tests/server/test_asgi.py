"""Mounted applications: an unmodified Starlette behind our own server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from holdfast.gateway.server import Routes
from tests.server.live import Live, live


class Application:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.sent_bytes = 0
        self.app = Starlette(
            routes=[
                Route("/echo", self.echo, methods=["GET", "POST"]),
                Route("/stream", self.stream),
                Route("/endless", self.endless),
                Route("/empty", self.empty),
                Route("/fail", self.fail),
                Route("/fail-late", self.fail_late),
                Route("/short", self.short),
                Route("/wait", self.wait),
            ],
            lifespan=self.lifespan,
        )

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[dict[str, str]]:
        self.events.append("started")
        yield {"greeting": "hello"}
        self.events.append("stopped")

    async def echo(self, request: StarletteRequest) -> Response:
        return JSONResponse(
            {
                "url": str(request.url),
                "body": (await request.body()).decode(),
                "state": request.state.greeting,
                "agent": request.headers["user-agent"],
                "client": request.client.host if request.client else "",
            },
            headers={"connection": "nonsense"},
        )

    async def stream(self, _request: StarletteRequest) -> Response:
        return StreamingResponse((f"{number}\n" for number in range(1000)), media_type="text/csv")

    async def endless(self, _request: StarletteRequest) -> Response:
        async def rows() -> AsyncIterator[bytes]:
            try:
                while True:
                    self.sent_bytes += 10_000
                    yield b"x" * 10_000
            finally:
                self.events.append("ended")

        return StreamingResponse(rows())

    async def empty(self, _request: StarletteRequest) -> Response:
        return Response(status_code=204)

    async def fail(self, _request: StarletteRequest) -> Response:
        raise RuntimeError("secret detail")

    async def fail_late(self, _request: StarletteRequest) -> Response:
        async def rows() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("secret detail")

        return StreamingResponse(rows())

    async def short(self, _request: StarletteRequest) -> Response:
        return PlainTextResponse("abc", headers={"content-length": "5"})

    async def wait(self, request: StarletteRequest) -> Response:
        self.events.append("waiting")
        while not await request.is_disconnected():
            await asyncio.sleep(0)
        self.events.append("disconnected")
        return Response()


@asynccontextmanager
async def mounted(application: Application) -> AsyncIterator[tuple[Live, httpx.AsyncClient]]:
    routes = Routes()
    routes.mount("/api/own", application.app)
    async with live(routes) as venue, httpx.AsyncClient(base_url=venue.server.url + "/api/own") as client:
        yield venue, client


async def test_requests_reach_the_application_whole_and_keep_the_connection() -> None:
    application = Application()
    async with mounted(application) as (venue, client):
        for body in ("", "Grüße"):
            answer = await client.post("/echo?a=%20b", content=body)
            assert answer.json() == {
                "url": f"http://127.0.0.1:{venue.port}/api/own/echo?a=%20b",
                "body": body,
                "state": "hello",
                "agent": client.headers["user-agent"],
                "client": "127.0.0.1",
            }
            assert "connection" not in answer.headers
        assert (await client.get("/nowhere")).status_code == 404
        assert (await client.put("/echo")).status_code == 405
        assert (await client.get("/empty")).status_code == 204
        head = await client.head("/echo")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 0
        assert venue.server.counters.connections_total == 1
    assert application.events == ["started", "stopped"]


async def test_a_streamed_response_arrives_whole() -> None:
    async with mounted(Application()) as (_, client):
        answer = await client.get("/stream")
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.text.split() == [str(number) for number in range(1000)]
        assert (await client.head("/stream")).content == b""
        assert (await client.get("/stream")).status_code == 200


async def test_an_http_1_0_client_reads_a_stream_to_the_end_of_the_connection() -> None:
    async with mounted(Application()) as (venue, _):
        reader, writer = await venue.raw(b"GET /api/own/stream HTTP/1.0\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert body.split()[-1] == b"999"
        writer.close()


async def test_a_stream_goes_at_the_pace_of_its_reader_and_ends_with_him() -> None:
    application = Application()
    async with mounted(application) as (venue, _):
        _, writer = await venue.raw(b"GET /api/own/endless HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        sent_bytes = -1
        while sent_bytes != application.sent_bytes:  # Until the kernel's buffers are full, too.
            sent_bytes = application.sent_bytes
            for _ in range(200):
                await asyncio.sleep(0)
        assert 0 < sent_bytes < 50_000_000
        writer.transport.abort()
        await venue.until(lambda: "ended" in application.events)


async def test_a_failing_application_is_a_500_and_one_that_fails_late_ends_the_connection() -> None:
    async with mounted(Application()) as (venue, client):
        with structlog.testing.capture_logs() as logs:
            failed = await client.get("/fail")
            assert failed.status_code == 500
            for path in ("/fail-late", "/short"):
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(path)
        assert "secret" not in failed.text
        assert venue.server.counters.handler_errors == 3 == len(logs)
        assert (await client.get("/empty")).status_code == 204


async def test_an_application_learns_that_its_client_has_gone() -> None:
    application = Application()
    async with mounted(application) as (venue, _):
        _, writer = await venue.raw(b"GET /api/own/wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await venue.until(lambda: "waiting" in application.events)
        writer.transport.abort()
        await venue.until(lambda: "disconnected" in application.events)


async def test_an_application_at_work_is_cancelled_when_the_server_stops() -> None:
    application = Application()
    async with mounted(application) as (venue, _):
        reader, writer = await venue.raw(b"GET /api/own/wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await venue.until(lambda: "waiting" in application.events)
        await venue.server.stop(grace_s=0.05)
        assert await reader.read() == b""
        writer.close()
    assert application.events[-1] == "stopped"


async def test_an_application_that_does_not_start_stops_the_server_from_starting() -> None:
    @asynccontextmanager
    async def broken(_app: Starlette) -> AsyncIterator[None]:
        for _ in ():
            yield
        raise ValueError("no database")

    routes = Routes()
    routes.mount("", Starlette(lifespan=broken))
    with pytest.raises(RuntimeError, match="no database"):
        async with live(routes):
            pass
