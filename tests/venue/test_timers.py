"""Timers on a real venue: what counts is that they run out when nobody is there, and over a kill."""

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import websockets.sync.client

from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until
from tests.venue.traded import CONFIG, place

pytestmark = pytest.mark.slow
SECONDS_MAX = 20
COUNTDOWN = "/api/holdfast/v1/countdownCancelAll"


def open_ids(rest: Rest) -> list[str]:
    status, reply = rest.signed("GET", "/api/v3/openOrders")
    assert status == 200, reply
    return [each["clientOrderId"] for each in reply]


def set_countdown(rest: Rest, milliseconds: int) -> None:
    status, reply = rest.signed("POST", COUNTDOWN, countdownTime=milliseconds)
    assert (status, reply["countdownTime"]) == (200, str(milliseconds))


def status_of(rest: Rest, client_id: str) -> str:
    return str(rest.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=client_id)[1]["status"])


@contextmanager
def watched(venue: VenueProcess, key: dict[str, str]) -> Iterator[websockets.sync.client.ClientConnection]:
    """A connection that is logged on, and cancels when it ends."""
    with websockets.sync.client.connect(f"ws://127.0.0.1:{venue.port}/ws-api/v3") as connection:
        parameters: dict[str, Any] = {"apiKey": key["apiKey"], "timestamp": int(time.time() * 1000)}
        signature = hmac.new(key["secretKey"].encode(), urlencode(parameters).encode(), hashlib.sha256).hexdigest()
        ask(connection, "session.logon", parameters | {"signature": signature})
        reply = ask(connection, "session.cancelOnDisconnect", {"enabled": True, "timestamp": int(time.time() * 1000)})
        assert reply["result"] == {"symbol": "", "enabled": True, "countdownTime": "30000"}
        yield connection


def ask(connection: websockets.sync.client.ClientConnection, method: str, parameters: dict[str, Any]) -> Any:
    connection.send(json.dumps({"id": 1, "method": method, "params": parameters}))
    reply = json.loads(connection.recv(SECONDS_MAX))
    assert reply["status"] == 200, reply
    return reply


def test_a_timer_runs_out_while_the_venue_runs_and_while_it_is_dead(tmp_path: Path) -> None:
    venue = VenueProcess(tmp_path, "--config", str(CONFIG))
    with venue:
        key = venue.trader("alice", BTC="10", USDT="1000000")
        with Rest(venue.port, key) as alice:
            place(alice, "BUY", "30000", newClientOrderId="first")
            set_countdown(alice, 200)
            wait_until(lambda: open_ids(alice) == [])
            place(alice, "BUY", "30000", newClientOrderId="second")
            set_countdown(alice, 1_000)
            assert open_ids(alice) == ["second"]
        venue.kill()
    with venue, Rest(venue.port, key) as alice:
        wait_until(lambda: open_ids(alice) == [])
        assert [status_of(alice, name) for name in ("first", "second")] == ["CANCELED", "CANCELED"]
        place(alice, "BUY", "30000", newClientOrderId="third")
        assert open_ids(alice) == ["third"]


def test_a_lost_connection_cancels_and_one_that_never_asked_does_not(tmp_path: Path) -> None:
    with VenueProcess(tmp_path, "--config", str(CONFIG)) as venue:
        keys = {name: venue.trader(name, BTC="10", USDT="1000000") for name in ("alice", "bob")}
        with Rest(venue.port, keys["alice"]) as alice, Rest(venue.port, keys["bob"]) as bob:
            place(alice, "BUY", "30000", newClientOrderId="a")
            place(bob, "BUY", "30000", newClientOrderId="b")
            with watched(venue, keys["alice"]) as connection:
                connection.socket.shutdown(socket.SHUT_RDWR)  # Without a goodbye.
            wait_until(lambda: open_ids(alice) == [])
            assert open_ids(bob) == ["b"]


def test_an_order_that_would_trade_out_of_range_expires_and_says_so_for_good(tmp_path: Path) -> None:
    with VenueProcess(tmp_path, "--config", str(CONFIG)) as venue:
        keys = {name: venue.trader(name, BTC="10", USDT="1000000") for name in ("alice", "bob")}
        with (
            Rest(venue.port, keys["alice"]) as alice,
            Rest(venue.port, keys["bob"]) as bob,
            Operator(venue.port, venue.data) as operator,
        ):
            rules = {"bidLimitUp": "1.01", "referencePrice": "40000"}
            status, reply = operator.call("PATCH", "/instruments/BTCUSDT", rules, "rules")
            assert status == 200, reply
            assert (
                alice.call("GET", "/api/v3/referencePrice", symbol="BTCUSDT")[1]["referencePrice"] == "40000.00000000"
            )
            (shown,) = alice.call("GET", "/api/v3/executionRules", symbol="BTCUSDT")[1]["symbolRules"]
            assert shown["rules"] == [{"ruleType": "PRICE_RANGE", "bidLimitMultUp": "1.01000000"}]
            place(bob, "SELL", "40400")
            place(bob, "SELL", "40401")
            terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02"}
            terms |= {"price": "41000", "newClientOrderId": "far"}
            status, order = alice.signed("POST", "/api/v3/order", **terms)
            assert (order["status"], order["executedQty"]) == ("EXPIRED", "0.01000000")
            assert order["expiryReason"] == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
            asked = alice.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="far")[1]
            assert asked["expiryReason"] == order["expiryReason"]
