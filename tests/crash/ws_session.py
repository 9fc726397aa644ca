"""A WebSocket API session as an outside client has it: it logs on and asks, one request at a time."""

import contextlib
import hashlib
import hmac
import json
import socket
import time
from typing import Any

import websockets.sync.client
from websockets.exceptions import WebSocketException

from tests.support.rest import UnansweredError


class WebSocketSession:
    """One connection, logged on. Everything raises UnansweredError when it breaks."""

    def __init__(self, port: int, key: dict[str, str]) -> None:
        self._opened = contextlib.ExitStack()
        try:
            connected = websockets.sync.client.connect(f"ws://127.0.0.1:{port}/ws-api/v3")
            self._connection = self._opened.enter_context(connected)
        except (OSError, WebSocketException) as failure:
            raise UnansweredError(str(failure)) from failure
        self._id = 0
        try:
            self._log_on(key)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "WebSocketSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    def abort(self) -> None:
        """End it without a goodbye."""
        with contextlib.suppress(OSError):  # The other end was killed before.
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        self.close()

    def ask(self, method: str, **parameters: Any) -> tuple[int, Any]:
        """(status, result or error)."""
        return self._send(method, {**parameters, "timestamp": int(time.time() * 1000)})

    def _send(self, method: str, parameters: dict[str, Any]) -> tuple[int, Any]:
        self._id += 1
        try:
            self._connection.send(json.dumps({"id": self._id, "method": method, "params": parameters}))
            reply = json.loads(self._connection.recv(timeout=30))
        except (OSError, EOFError, WebSocketException) as failure:
            raise UnansweredError(str(failure)) from failure
        assert reply["id"] == self._id, reply
        return reply["status"], reply.get("result", reply.get("error"))

    def _log_on(self, key: dict[str, str]) -> None:
        parameters = {"apiKey": key["apiKey"], "recvWindow": 60_000, "timestamp": int(time.time() * 1000)}
        payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        signature = hmac.new(key["secretKey"].encode(), payload.encode(), hashlib.sha256).hexdigest()
        status, reply = self._send("session.logon", {**parameters, "signature": signature})
        assert status == 200, reply
