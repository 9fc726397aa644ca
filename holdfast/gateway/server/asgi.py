"""ASGI bridge: lets a mounted application (Starlette) answer requests of this server.

connection → routes → ASGI BRIDGE → application. The request's body is there in whole; the response is streamed, with
the client's pace as the application's pace. The application runs as a task; its failure is a 500 while nothing was sent
yet, and an aborted connection after that.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from holdfast.gateway.server.messages import Request, Respond

if TYPE_CHECKING:
    from holdfast.gateway.server.exchange import Exchange

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


class AsgiMount:
    def __init__(self, prefix: str, app: AsgiApp) -> None:
        self.prefix = prefix
        self._app = app
        self._state: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lifespan = _Lifespan(app, self._state)

    async def start(self) -> None:
        """Run the application's start-up. RuntimeError with its own words when it refuses."""
        await self._lifespan.start()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lifespan.stop()

    def handle(self, request: Request, respond: Respond) -> None:
        exchange: Exchange = respond  # type: ignore[assignment]  # The server's own `respond`: it can stream.
        task = asyncio.get_running_loop().create_task(self._run(request, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, request: Request, exchange: "Exchange") -> None:
        try:
            cycle = _Cycle(request, exchange)
            await self._app(self._scope(request), cycle.receive, cycle.send)
            if not exchange.is_finished:
                raise RuntimeError("the application returned without finishing its response")
        except asyncio.CancelledError:
            exchange.abandon()
            raise
        except Exception as error:
            if exchange.has_client():  # Otherwise it is how an application says that its client has gone.
                exchange.fail(error)

    def _scope(self, request: Request) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "https" if request.is_tls else "http",
            "path": request.path,
            "raw_path": quote(request.path).encode(),
            "query_string": request.query.encode("latin-1"),
            "root_path": self.prefix,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in request.headers.items()],
            "client": (request.peer_ip, 0),
            "server": None,
            "state": self._state.copy(),
        }


class _Cycle:
    """The two channels of a request: `receive` gives the body, then the client's leaving; `send` takes the response."""

    def __init__(self, request: Request, exchange: "Exchange") -> None:
        self._body: bytes | None = request.body
        self._exchange = exchange
        self._head: Message | None = None

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._exchange.wait_closed()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self._exchange.has_client():
            raise OSError("the client has gone")
        if message["type"] == "http.response.start":
            self._head = message
            return
        if message["type"] != "http.response.body":
            raise RuntimeError(f"an application may not send {message['type']} here")
        if self._head is not None:
            headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in self._head["headers"])
            self._exchange.start(self._head["status"], headers)
            self._head = None
        self._exchange.write(message.get("body", b""))
        if message.get("more_body", False):
            await self._exchange.drain()
        else:
            self._exchange.finish()


class _Lifespan:
    """Start-up and shutdown of an application; one that does not know the lifespan protocol simply has none."""

    def __init__(self, app: AsgiApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._incoming.put_nowait({"type": "lifespan.startup"})
        answer = await self._outgoing.get()
        if answer["type"] == "lifespan.startup.failed":
            raise RuntimeError(f"a mounted application did not start: {answer.get('message', '')}")

    async def stop(self) -> None:
        if self._task is None:
            return
        self._incoming.put_nowait({"type": "lifespan.shutdown"})
        await self._task

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        # An exception is the protocol's way of saying "no lifespan here"; a failed start-up was told before.
        with suppress(Exception):
            await self._app(scope, self._incoming.get, self._outgoing.put)
        self._outgoing.put_nowait({"type": "lifespan.over"})
