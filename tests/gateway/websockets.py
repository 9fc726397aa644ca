"""A client of the WebSocket API, over a socket that keeps what it is sent."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from holdfast.gateway.server.messages import Request, Response
from tests.gateway.fakes import ADDRESS, API_KEY, SECRET, World, signature


class FakeSocket:
    def __init__(self, peer_ip: str) -> None:
        self.peer_ip = peer_ip
        self.is_open = True
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        if self.is_open:
            self.sent.append(data)

    def send_many(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            self.send(message)

    def close(self, code: int = 1000, reason: str = "") -> None:  # noqa: ARG002
        self.is_open = False


class Client:
    """One connection. `frames` are all that arrived, decoded."""

    def __init__(self, world: World, query: str = "", peer_ip: str = ADDRESS) -> None:
        self.world = world
        self.socket = FakeSocket(peer_ip)
        request = Request("GET", "/ws-api/v3", query, {}, b"", peer_ip, world.clock.ns, False)
        factory = world.routes.find_websocket("/ws-api/v3")
        assert factory is not None
        session = factory(request)
        self.refusal = session if isinstance(session, Response) else None
        if not isinstance(session, Response):
            self.session = session
            session.on_open(self.socket)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(frame) for frame in self.socket.sent]

    def send_raw(self, data: bytes, commit: bool = True) -> None:
        self.session.on_text(data)
        if commit:
            self.world.replica.commit()

    def ask(self, method: str, params: dict[str, Any] | None = None, request_id: Any = 1) -> dict[str, Any]:
        """Send one request and return its reply."""
        before = len(self.socket.sent)
        frame = {"id": request_id, "method": method} | ({} if params is None else {"params": params})
        self.send_raw(msgspec.json.encode(frame))
        replies = [reply for reply in self.frames[before:] if "id" in reply]
        assert len(replies) == 1, replies
        return replies[0]

    def ask_signed(self, method: str, api_key: str = API_KEY, secret: str = SECRET, **params: Any) -> dict[str, Any]:
        return self.ask(method, self.signed(params, api_key, secret))

    def signed(self, params: dict[str, Any], api_key: str = API_KEY, secret: str = SECRET) -> dict[str, Any]:
        """`params` signed as documented: the plain texts, sorted by name."""
        params = {"timestamp": self.world.clock.ms, "apiKey": api_key} | params
        payload = "&".join(f"{name}={text_of(params[name])}" for name in sorted(params))
        return params | {"signature": signature(payload, secret)}

    def signed_encoded(self, params: dict[str, Any]) -> dict[str, Any]:
        """`params` signed as several clients do: percent-encoded."""
        params = {"timestamp": self.world.clock.ms, "apiKey": API_KEY} | params
        return params | {"signature": signature(urlencode(sorted(params.items())))}

    def log_on(self, api_key: str = API_KEY, secret: str = SECRET) -> dict[str, Any]:
        return self.ask_signed("session.logon", api_key, secret)


def text_of(value: Any) -> str:
    """A JSON value as it stands in a signature."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).encode("utf-8", "replace").decode()
