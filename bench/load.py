"""Load on a server: prepared messages over many connections, sent by a C program beside it.

    with serving(sys.executable, "-m", "bench.rest", "serve") as server:  # a process of its own
        run_load(server.port, [get_request("/")], connections=32, total=100_000)

The generator (`peers/load.c`) is compiled in the run. It costs a fraction of what any Python server costs, but it takes
a core: with two cores it has one and the server the other.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median
from struct import pack
from typing import NamedTuple

import msgspec

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).parent / "peers"


class LoadResult(NamedTuple):
    """`good` replies had a status of 2xx (HTTP) and contained the text that was asked for."""

    replies: int
    good: int
    seconds: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float

    @property
    def per_second(self) -> float:
        return self.replies / self.seconds


def run_load(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    total: int = 0,
    depth: int = 1,
    websocket: bool = False,
    openings: Sequence[bytes] = (),
    ok_text: str = "",
) -> LoadResult:
    """Send `total` requests (by default each once; more start the list again) to 127.0.0.1:`port`.

    Each connection keeps `depth` requests in flight; before, it sends each of `openings` and waits for its reply. With
    `websocket` the first opening is the handshake, and `requests` and further openings are masked frames (see
    `client_frame`); every message from the server counts as a reply. RuntimeError when the server does not keep up its
    part: it closes a connection, or sends nothing for ten seconds.
    """
    numbers = [port, connections, depth, total or len(requests)]
    command = [str(_generator()), *map(str, numbers), "ws" if websocket else "http", ok_text]
    done = subprocess.run(command, input=_packed(openings) + _packed(requests), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode().strip())
    return LoadResult(**msgspec.json.decode(done.stdout))


def get_request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: load\r\n\r\n".encode()


def websocket_handshake(target: str) -> bytes:
    return (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def client_frame(text: bytes) -> bytes:
    """A text message as a client sends it: masked (with zeros, which costs the server the same work)."""
    size = len(text)
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + pack(">H", size)
    return b"\x81" + length + b"\0\0\0\0" + text


class Served(NamedTuple):
    port: int
    pid: int

    def cpu_s(self) -> float:
        """Processor time so far: it says what a request costs even while others use the machine."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(*command: str) -> Iterator[Served]:
    """Run a server as a process of its own, from the project's root; it prints its port first."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start")
        yield Served(int(line), process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Measured(NamedTuple):
    """Rounds of one contestant."""

    per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float  # Of the server, for each request.

    def row(self, name: str, ratio: str = "") -> list[str]:
        return [
            name,
            f"{self.per_second:,.0f}",
            f"{self.p50_us:.0f}",
            f"{self.p99_us:.0f}",
            f"{self.cpu_us:.1f}",
            ratio,
        ]


def take_turns(contestants: Sequence[tuple[Served, Callable[[int], LoadResult]]], rounds: int) -> list[Measured]:
    """Run each contestant's load (which is given its port) once a round; medians over the rounds."""
    results: list[list[tuple[LoadResult, float]]] = [[] for _ in contestants]
    for _ in range(rounds):
        for i, (server, load) in enumerate(contestants):
            cpu_s = server.cpu_s()
            result = load(server.port)
            results[i].append((result, 1e6 * (server.cpu_s() - cpu_s) / result.replies))
    return [
        Measured(
            median(result.per_second for result, _ in runs),
            median(result.p50_us for result, _ in runs),
            median(result.p99_us for result, _ in runs),
            median(cpu_us for _, cpu_us in runs),
        )
        for runs in results
    ]


@cache
def peers_python() -> str:
    """The interpreter of the peers' own environment (.venvs/bench, from peers/requirements.lock)."""
    lock = PEERS / "requirements.lock"
    environment = ROOT / ".venvs" / "bench"
    stamp, python = environment / "installed.lock", environment / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(lock)]
        subprocess.run(pip, check=True)
        stamp.write_text(lock.read_text())
    return str(python)


@cache
def _generator() -> Path:
    program = Path(tempfile.mkdtemp(prefix="holdfast-load-")) / "load"
    subprocess.run(["cc", "-O2", "-o", str(program), str(PEERS / "load.c")], check=True)
    return program


def _packed(entries: Sequence[bytes]) -> bytes:
    return pack("=I", len(entries)) + b"".join(pack("=I", len(entry)) + entry for entry in entries)
