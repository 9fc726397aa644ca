"""The smallest operator's client: the token lies in the data directory."""

import http.client
import json
from pathlib import Path
from typing import Any

from tests.support.rest import UnansweredError

PREFIX = "/api/holdfast/v1"


class Operator:
    """One keep-alive connection to a running venue's own interface."""

    def __init__(self, port: int, data: Path, timeout_seconds: float = 30) -> None:
        self._token = (data / "operator.token").read_text().strip()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)

    def __enter__(self) -> "Operator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, key: str = "") -> tuple[int, Any]:
        """(HTTP status, decoded body). `key` is the idempotency key."""
        headers = {"Authorization": f"Bearer {self._token}"}
        if key:
            headers["Idempotency-Key"] = key
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, PREFIX + path, content, headers)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as failure:
            self._connection.close()
            raise UnansweredError(str(failure)) from failure
        return response.status, json.loads(text)
