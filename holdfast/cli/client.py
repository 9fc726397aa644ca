"""Client: asks the venue that runs on a data directory.

The directory tells its address (lock) and holds the operator's token; whoever may read them is an operator.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from holdfast.cli.console import fail
from holdfast.journal.data_directory import running_venue

PREFIX = "/api/holdfast/v1"
TOKEN_FILE = "operator.token"
SECONDS_MAX = 60.0


class Client:
    """Every method ends the program with a sentence when the venue does not do what it is asked."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def get(self, path: str, **query: object) -> Any:
        return self._ask("GET", path, None, "", {name: value for name, value in query.items() if value is not None})

    def post(self, path: str, body: object = None, key: str = "") -> Any:
        return self._ask("POST", path, body, key)

    def put(self, path: str, body: object) -> Any:
        return self._ask("PUT", path, body, "")

    def patch(self, path: str, body: object) -> Any:
        return self._ask("PATCH", path, body, "")

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path, None, "")

    def download(self, path: str, target: Path, **query: str) -> int:
        """Put a CSV answer into a file, whole or not at all; returns its bytes."""
        part = target.with_name(f"{target.name}.part")
        size = 0
        try:
            with self._connection() as http, http.stream("GET", PREFIX + path, params=query) as response:
                if response.is_error:
                    response.read()
                    _refuse(response)
                with part.open("wb") as file:
                    for piece in response.iter_bytes():
                        size += file.write(piece)
            part.replace(target)
        except OSError as error:
            fail(f"{target} cannot be written: {error.strerror}.")
        finally:
            part.unlink(missing_ok=True)
        return size

    def _ask(self, method: str, path: str, body: object, key: str, query: dict[str, Any] | None = None) -> Any:
        headers = {} if method == "GET" else {"Idempotency-Key": key or f"cli-{uuid.uuid4().hex}"}
        with self._connection() as http:
            response = http.request(method, PREFIX + path, json=body, headers=headers, params=query)
        if response.is_error:
            _refuse(response)
        return response.json()

    @contextmanager
    def _connection(self) -> Iterator[httpx.Client]:
        url, token = self._address()
        try:
            with httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=SECONDS_MAX,
                verify=not _is_this_machine(url),
                trust_env=False,  # The venue is on this machine; a proxy would be told the token.
            ) as http:
                yield http
        except httpx.TransportError as error:
            fail(f"The venue at {url} does not answer: {error}.")

    def _address(self) -> tuple[str, str]:
        try:
            running = running_venue(self._data)
            if running is None:
                fail(
                    f"No venue is running on {self._data}; start one with: holdfast run --data {self._data} --port 8000"
                )
            if not running.url:
                fail(f"The venue on {self._data} (process {running.pid}) is still starting; try again in a moment.")
            return running.url, (self._data / TOKEN_FILE).read_text("ascii").strip()
        except OSError as error:
            fail(f"{error.filename} cannot be read: {error.strerror}. Operators need to read the data directory.")


def _is_this_machine(url: str) -> bool:
    """Then the certificate, which is made out for others, is not looked at: nobody is in between."""
    try:
        address = ip_address(httpx.URL(url).host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(response: httpx.Response) -> None:
    """Say what the venue said."""
    try:
        problem = response.json()
        sentence = f"{problem['detail']} {problem.get('action', '')}".strip()
    except (ValueError, KeyError, TypeError):
        sentence = f"The venue answered {response.status_code} {response.reason_phrase}."
    fail(sentence)


def quoted(reference: str) -> str:
    """A name as a part of a path."""
    return quote(reference, safe="")
