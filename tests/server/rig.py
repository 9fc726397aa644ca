"""A connection without a socket: bytes go in, bytes come out, and time is what the test says."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

import h11

from holdfast.gateway.server.front_door import FrontDoor
from holdfast.gateway.server.http import HttpConnection
from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.messages import Request, Respond, Response
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.wheel import SLOTS

GET = b"GET /echo?a=1 HTTP/1.1\r\nHost: x\r\n\r\n"


class Clock:
    now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_ns(self) -> int:
        return int(self.now_s * 1e9)


class FakeTransport(asyncio.Transport):
    def __init__(self, peer_ip: str = "10.0.0.1") -> None:
        super().__init__()
        self.peer_ip = peer_ip
        self.written = b""
        self.is_reading_paused = False
        self.was_closed = self.was_aborted = self.wrote_eof = False
        self.unsent_bytes = 0

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self.peer_ip, 1) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.wrote_eof, "bytes after the end"
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.wrote_eof = True

    def is_closing(self) -> bool:
        return self.was_closed or self.was_aborted

    def close(self) -> None:
        self.was_closed = True

    def abort(self) -> None:
        self.was_aborted = True


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Rig:
    """One front door; `connect` opens connections to it."""

    def __init__(self, routes: Routes | None = None, limits: Limits | None = None) -> None:
        self.clock = Clock()
        self.waiting: list[tuple[Request, Respond]] = []
        self.seen: list[Request] = []
        self.door = FrontDoor(routes or self._routes(), limits or Limits(), self.clock.now_ns, self.clock.monotonic_s)
        self.connection, self.transport = self.connect()

    def _routes(self) -> Routes:
        routes = Routes()

        def echo(request: Request, respond: Respond) -> None:
            self.seen.append(request)
            respond(Response(200, request.query.encode("latin-1") + b"|" + request.body))

        def wait(request: Request, respond: Respond) -> None:
            self.waiting.append((request, respond))

        def fail(_request: Request, _respond: Respond) -> None:
            raise RuntimeError("secret detail")

        routes.add("GET", "/echo", echo)
        routes.add("POST", "/echo", echo)
        routes.add("GET", "/wait", wait)
        routes.add("GET", "/fail", fail)
        return routes

    def connect(self, peer_ip: str = "10.0.0.1") -> tuple[HttpConnection, FakeTransport]:
        connection, transport = HttpConnection(self.door), FakeTransport(peer_ip)
        connection.connection_made(cast(asyncio.BaseTransport, transport))
        return connection, transport

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.connection.data_received(piece)

    def pass_time(self, seconds: float) -> None:
        """Whole turns of the wheel, the last of them at the new time."""
        self.clock.now_s += seconds
        for _ in range(SLOTS):
            self.door.wheel.tick()

    def is_reading(self) -> bool:
        return not self.transport.is_reading_paused

    def was_closed(self) -> bool:
        return self.transport.was_closed

    def was_aborted(self) -> bool:
        return self.transport.was_aborted

    def drops(self) -> dict[str, int]:
        return dict(self.door.counters.drops)

    def answers(self, methods: str = "") -> list[Answer]:
        """What was written so far, as an independent parser reads it."""
        return parse_answers(self.transport.written, methods.split(), self.transport.wrote_eof)

    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers()]


def parse_answers(written: bytes, methods: list[str] | None = None, is_over: bool = False) -> list[Answer]:
    answers: list[Answer] = []
    methods = list(methods or [])
    rest = written
    while rest:
        client = h11.Connection(h11.CLIENT)
        method = methods.pop(0) if methods else "GET"
        client.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(rest)
        if is_over:
            client.receive_data(b"")
        answer, body = None, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA, f"an unfinished answer: {rest!r}"
            if isinstance(event, h11.InformationalResponse):
                answers.append(Answer(event.status_code, {}, b""))
            elif isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                raise AssertionError(f"unexpected {event}")
        assert answer is not None
        headers = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
        answers.append(Answer(answer.status_code, headers, body))
        rest = client.trailing_data[0]
    return answers


def cut_everywhere(data: bytes, check: Callable[[list[bytes]], None]) -> None:
    """Give `check` the bytes whole, in two parts at every point, and one by one."""
    check([data])
    for cut in range(1, len(data)):
        check([data[:cut], data[cut:]])
    check([data[i : i + 1] for i in range(len(data))])
