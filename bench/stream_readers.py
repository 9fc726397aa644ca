"""The readers of the streams benchmark, in a process of their own:

    python -m bench.stream_readers PORT PATH READERS QUIET SECONDS

Opens READERS WebSockets and reads them all, and QUIET more that never read. Prints, as JSON, how many messages came
and how late: each carries, as its event time in microseconds of the monotonic clock, the moment at which it was due.
"""

import json
import re
import selectors
import socket
import sys
import time

_event_time = re.compile(rb'"E":(\d+)')
WARM_UP_S = 1.0
QUIET_BUFFER_BYTES = 4096


def connect(port: int, path: str, is_quiet: bool) -> socket.socket:
    """A WebSocket, upgraded; nothing that is sent after the upgrade is read."""
    client = socket.socket()
    if is_quiet:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUIET_BUFFER_BYTES)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += client.recv(1)
    if not is_quiet:
        client.setblocking(False)
    return client


def read_all(clients: list[socket.socket], seconds: float) -> dict[str, float]:
    selector = selectors.EpollSelector()
    for client in clients:
        selector.register(client, selectors.EVENT_READ, client)
    begin_us = time.monotonic_ns() // 1000 + int(WARM_UP_S * 1e6)
    end_us = begin_us + int(seconds * 1e6)
    late_us: list[int] = []
    closed = 0
    while (now_us := time.monotonic_ns() // 1000) < end_us:
        for key, _ in selector.select(0.05):
            data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
            if not data:
                selector.unregister(key.fileobj)
                closed += 1
                continue
            now_us = time.monotonic_ns() // 1000
            if now_us >= begin_us:
                late_us += [now_us - int(due) for due in _event_time.findall(data)]
    late_us.sort()
    return {
        "messages": len(late_us),
        "closed": closed,
        "p99_ms": late_us[len(late_us) * 99 // 100] / 1000,
        "worst_ms": late_us[-1] / 1000,
    }


def main() -> None:
    port, path, readers, quiet, seconds = sys.argv[1:]
    sleepers = [connect(int(port), path, is_quiet=True) for _ in range(int(quiet))]
    clients = [connect(int(port), path, is_quiet=False) for _ in range(int(readers))]
    print("ready", flush=True)  # noqa: T201  # The protocol with the process that measures.
    result = read_all(clients, float(seconds))
    print(json.dumps(result), flush=True)  # noqa: T201
    for client in (*sleepers, *clients):
        client.close()


if __name__ == "__main__":
    main()
