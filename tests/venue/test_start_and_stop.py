"""Starting says where the venue listens; stopping tells clients, loses nothing, and does not wait for the silent."""

import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

from tests.support.rest import Rest
from tests.support.waiting import wait_until
from tests.venue.traded import Traded, place, seen

pytestmark = pytest.mark.slow

HANG_SECONDS = 60.0  # When a stop counts as hanging. The five seconds that are promised are no test's business.


def messages_to_the_end(socket_: websockets.sync.client.ClientConnection) -> list[Any]:
    found = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            found.append(json.loads(socket_.recv(timeout=HANG_SECONDS)))
    return found


def subscribe(connection: websockets.sync.client.ClientConnection, key: dict[str, str]) -> None:
    """Let a connection of the WebSocket API hear of its account's events."""
    parameters = {"apiKey": key["apiKey"], "timestamp": int(time.time() * 1000)}
    payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    signature = hmac.new(key["secretKey"].encode(), payload.encode(), hashlib.sha256).hexdigest()
    parameters["signature"] = signature
    connection.send(json.dumps({"id": 1, "method": "userDataStream.subscribe.signature", "params": parameters}))
    reply = json.loads(connection.recv(timeout=10))
    assert reply["status"] == 200, reply


def test_it_says_where_it_listens_and_listens_there(traded: Traded, tmp_path: Path) -> None:
    with traded.copy(tmp_path / "copy") as venue:
        assert f"listening on {venue.url}" in venue.log
        with Rest(venue.port) as rest:
            assert rest.call("GET", "/healthz")[0] == 200
            assert rest.call("GET", "/readyz")[0] == 200
        assert (venue.data / "lock").read_text() == f"{venue.pid}\n{venue.url}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_with_0_whatever_clients_do(traded: Traded, tmp_path: Path, number: int) -> None:
    with traded.copy(tmp_path / "copy") as venue, contextlib.ExitStack() as clients:
        user = clients.enter_context(websockets.sync.client.connect(f"ws://127.0.0.1:{venue.port}/ws-api/v3"))
        subscribe(user, traded.keys["alice"])
        market = clients.enter_context(
            websockets.sync.client.connect(f"ws://127.0.0.1:{venue.port}/stream?streams=btcusdt@depth@100ms")
        )
        rest = clients.enter_context(Rest(venue.port, traded.keys["alice"]))  # Stays open and idle.
        place(rest, "SELL", "42000", newClientOrderId="last")
        silent = clients.enter_context(socket.create_connection(("127.0.0.1", venue.port)))
        halfway = clients.enter_context(socket.create_connection(("127.0.0.1", venue.port)))
        halfway.sendall(b"POST /api/v3/order HTTP/1.1\r\ncontent-length: 100\r\n\r\nhalf of it")
        deaf = clients.enter_context(socket.create_connection(("127.0.0.1", venue.port)))  # Never answers a close.
        deaf.sendall(
            b"GET /ws/btcusdt@trade HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        os.kill(venue.pid, number)
        events = messages_to_the_end(user)
        told = messages_to_the_end(market)
        assert venue.wait() == 0
        assert {"e": "serverShutdown"}.items() <= events[-1]["event"].items()
        assert told[-1]["data"]["e"] == "serverShutdown"
        assert user.close_code == market.close_code == 1001
        silent.close()
    assert not any("Traceback" in line for line in venue.log)
    before = len(traded.seen["alice", "open orders"])
    with venue:
        assert len(seen(venue, traded.keys)["alice", "open orders"]) == before + 1


def test_it_stops_while_orders_stream_in_and_keeps_each_that_was_acknowledged(traded: Traded, tmp_path: Path) -> None:
    acknowledged = []
    with traded.copy(tmp_path / "copy") as venue:
        with Rest(venue.port, traded.keys["alice"]) as rest:
            for number in range(100):
                if number == 50:
                    os.kill(venue.pid, signal.SIGTERM)
                try:
                    acknowledged.append(place(rest, "SELL", "43000", newClientOrderId=f"s{number}")["orderId"])
                except Exception:  # Refused, or the connection has ended; both are no acknowledgement.
                    break
        assert venue.wait() == 0
    assert len(acknowledged) >= 50
    with venue:
        kept = {order["orderId"] for order in seen(venue, traded.keys)["alice", "open orders"]}
        assert set(acknowledged) <= kept


def test_stopped_while_it_starts_it_leaves_at_once(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    with venue:
        pass
    process = venue.spawn()
    wait_until(lambda: any("Reading the journal" in line for line in list(venue.log)), what="the start")
    process.send_signal(signal.SIGTERM)
    assert process.wait(HANG_SECONDS) == 0
    with venue:
        assert seen(venue, traded.keys) == traded.seen
