"""A venue for the command line: the real operators' interface over HTTP, on a venue without an engine."""

import asyncio
import fcntl
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from typer.testing import CliRunner, Result

from holdfast.cli import app
from holdfast.gateway.operator.app import create_app
from tests.operator.fake import FakeServices


class CommandLine:
    """Types commands against one data directory."""

    def __init__(self, data: Path, services: FakeServices) -> None:
        self.data = data
        self.services = services

    def type(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--data", str(self.data)])

    def json(self, *words: str) -> Any:
        result = self.type(*words)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def refusal(self, *words: str) -> str:
        """The one line on stderr of a command that must fail."""
        result = self.type(*words)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        return result.stderr.strip()


@pytest.fixture
def holdfast(tmp_path: Path) -> Iterator[CommandLine]:
    services = FakeServices(tmp_path)
    data = tmp_path / "data"
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(services))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    (data / "operator.token").write_text(services.operator_token + "\n")
    # The venue's log goes to the stdout of this process, where the command's own answer is looked for.
    with (data / "lock").open("w") as lock, structlog.testing.capture_logs():
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"4711\nhttp://127.0.0.1:{server.server_port}\n")
        lock.flush()
        yield CommandLine(data, services)
    server.shutdown()
    thread.join()
    server.server_close()
    services.directory.people.close()


def handler_of(services: FakeServices) -> type[BaseHTTPRequestHandler]:
    """Relays HTTP to the application, one request at a time."""
    application, one_at_a_time = create_app(services), threading.Lock()

    async def ask(method: str, path: str, headers: dict[str, str], content: bytes) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application)) as client:
            return await client.request(method, f"http://venue{path}", headers=headers, content=content)

    class Handler(BaseHTTPRequestHandler):
        def _relay(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            with one_at_a_time:
                response = asyncio.run(ask(self.command, self.path, dict(self.headers), content))
            self.send_response(response.status_code)
            self.send_header("content-type", response.headers["content-type"])
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _relay  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
