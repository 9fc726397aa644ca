"""Routes: which handler answers a request.

Exact paths are a dictionary lookup; what they do not know goes to the mounted applications and WebSocket endpoints, by
prefix, the longest first. Every answer that the table itself gives (404, 405, 426, OPTIONS) is made here.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from holdfast.gateway.server.asgi import AsgiApp, AsgiMount
from holdfast.gateway.server.messages import Handler, Request, Respond, Response, error_response


class OutgoingSocket(Protocol):
    """What a session sees of its WebSocket; see `holdfast.gateway.server.websocket.Socket`."""

    peer_ip: str
    is_open: bool

    def send(self, data: bytes) -> None: ...
    def send_many(self, messages: Sequence[bytes]) -> None: ...
    def close(self, code: int = 1000, reason: str = "") -> None: ...


class WebSocketSession(Protocol):
    """One client's conversation over a WebSocket. All calls are on the loop's thread and return at once."""

    def on_open(self, socket: OutgoingSocket) -> None: ...
    def on_text(self, data: bytes) -> None:
        """A whole text message: valid UTF-8, within the limit."""

    def announce_shutdown(self) -> None:
        """Tell the client that the connection ends soon, for its age or because the server stops."""

    def on_close(self, reason: str) -> None:
        """The last call; `reason` is one of the drop reasons, "client" or "server"."""


WebSocketFactory = Callable[[Request], WebSocketSession | Response]


class Routes:
    """`not_found` answers what no route knows; assign another handler to change that."""

    def __init__(self) -> None:
        self.not_found: Handler = _not_found
        self._handlers: dict[str, dict[str, Handler]] = {}
        self._mounts: list[tuple[str, AsgiMount]] = []
        self._websockets: list[tuple[str, WebSocketFactory]] = []

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Let `handler` answer `method path`. GET answers HEAD too, unless HEAD has a handler of its own."""
        methods = self._handlers.setdefault(path, {})
        assert method not in methods, f"{method} {path} is there twice"
        methods[method] = handler

    def mount(self, prefix: str, app: AsgiApp) -> None:
        """Let an ASGI application answer everything at and below `prefix` ("" for everything left over)."""
        self._mounts.append((prefix, AsgiMount(prefix, app)))
        self._mounts.sort(key=_longest_first)

    def websocket(self, prefix: str, factory: WebSocketFactory) -> None:
        """Let `factory` answer requests for a WebSocket at and below `prefix`: with a session, or a refusal."""
        self._websockets.append((prefix, factory))
        self._websockets.sort(key=_longest_first)

    def mounts(self) -> list[AsgiMount]:
        return [mount for _, mount in self._mounts]

    def find(self, request: Request) -> Handler:
        methods = self._handlers.get(request.path)
        if methods is None:
            return self._find_by_prefix(request.path)
        return methods.get(request.method) or _other_method(methods, request.method)

    def find_websocket(self, path: str) -> WebSocketFactory | None:
        for prefix, factory in self._websockets:
            if _is_below(path, prefix):
                return factory
        return None

    def _find_by_prefix(self, path: str) -> Handler:
        if self.find_websocket(path) is not None:
            return _upgrade_required
        for prefix, mount in self._mounts:
            if _is_below(path, prefix):
                return mount.handle
        return self.not_found


def _longest_first(entry: tuple[str, object]) -> int:
    return -len(entry[0])


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and (len(path) == len(prefix) or not prefix or path[len(prefix)] == "/")


def _other_method(methods: dict[str, Handler], method: str) -> Handler:
    if method == "HEAD" and "GET" in methods:
        return methods["GET"]
    allowed = set(methods) | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    allow = (("allow", ", ".join(sorted(allowed))),)
    if method == "OPTIONS":
        answer = Response(204, b"", allow)
    else:
        answer = error_response(405, f"Method {method} is not supported here.", headers=allow)

    def answer_for_the_table(_request: Request, respond: Respond) -> None:
        respond(answer)

    return answer_for_the_table


def _not_found(request: Request, respond: Respond) -> None:
    if request.path == "*" and request.method == "OPTIONS":
        respond(Response(204, b"", (("allow", "DELETE, GET, HEAD, OPTIONS, POST, PUT"),)))
    else:
        respond(error_response(404, "Path not found."))


def _upgrade_required(_request: Request, respond: Respond) -> None:
    upgrade = (("upgrade", "websocket"),)
    respond(error_response(426, "This path speaks WebSocket only.", headers=upgrade))
