"""The smallest signed REST client, as an outside observer uses it: nothing of the venue's own code."""

import hashlib
import hmac
import http.client
import json
import time
from typing import Any
from urllib.parse import urlencode


class UnansweredError(Exception):
    """The connection ended before a whole reply came: the sender does not know what became of the request."""


class Rest:
    """One keep-alive connection of one API key."""

    def __init__(self, port: int, key: dict[str, str] | None = None, timeout_seconds: float = 30) -> None:
        self._key = key
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)

    def __enter__(self) -> "Rest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def call(self, method: str, path: str, **parameters: Any) -> tuple[int, Any]:
        """An unsigned request; (HTTP status, decoded body)."""
        return self._send(method, path, urlencode(parameters), {})

    def signed(self, method: str, path: str, **parameters: Any) -> tuple[int, Any]:
        """A signed request; (HTTP status, decoded body)."""
        assert self._key is not None
        query = urlencode({**parameters, "timestamp": int(time.time() * 1000), "recvWindow": 60_000})
        signature = hmac.new(self._key["secretKey"].encode(), query.encode(), hashlib.sha256).hexdigest()
        return self._send(method, path, f"{query}&signature={signature}", {"X-MBX-APIKEY": self._key["apiKey"]})

    def _send(self, method: str, path: str, query: str, headers: dict[str, str]) -> tuple[int, Any]:
        try:
            self._connection.request(method, f"{path}?{query}" if query else path, headers=headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as failure:
            self._connection.close()
            raise UnansweredError(str(failure)) from failure
        return response.status, json.loads(body)
