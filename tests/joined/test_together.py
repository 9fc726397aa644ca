"""Gateways in processes of their own are faces of one venue: what is done at one is seen at all, and done once."""

import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets.sync.client

from tests.joined.conftest import Joined
from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import GatewayProcess, VenueProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
SYMBOL = "BTCUSDT"


def sell(rest: Rest, price: str = "40000", **more: Any) -> tuple[int, Any]:
    terms = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": price}
    return rest.signed("POST", "/api/v3/order", symbol=SYMBOL, **{**terms, **more})


def at(process: VenueProcess, key: dict[str, str] | None = None) -> Rest:
    return Rest(process.port, key)


def soon(read: Callable[[], Any], expected: Any) -> None:
    """Other processes apply a command a moment after the one that answered it."""
    wait_until(lambda: read() == expected, what=f"{expected}")


def test_order_through_one_gateway_is_seen_at_the_other_and_at_the_venue(together: Joined) -> None:
    key = together.venue.trader("seen", BTC="1")
    with at(together.first, key) as first, at(together.second, key) as second, at(together.venue, key) as venue:
        status, placed = sell(first)
        assert status == 200
        assert first.signed("GET", "/api/v3/openOrders")[1][0]["orderId"] == placed["orderId"], "it reads its own write"
        for rest in (second, venue):
            soon(
                lambda rest=rest: [row["orderId"] for row in rest.signed("GET", "/api/v3/openOrders")[1]],
                [placed["orderId"]],
            )
        status, canceled = second.signed("DELETE", "/api/v3/order", symbol=SYMBOL, orderId=placed["orderId"])
        assert (status, canceled["status"]) == (200, "CANCELED")
        read = {"symbol": SYMBOL, "orderId": placed["orderId"]}
        assert second.signed("GET", "/api/v3/order", **read)[1]["status"] == "CANCELED"
        soon(lambda: first.signed("GET", "/api/v3/order", **read)[1]["status"], "CANCELED")


def test_orders_of_two_gateways_trade_and_both_histories_tell_it(together: Joined) -> None:
    seller, buyer = together.venue.trader("sells", BTC="1"), together.venue.trader("buys", USDT="100000")
    with at(together.first, seller) as first, at(together.second, buyer) as second:
        assert sell(first, "39000")[0] == 200
        soon(lambda: len(second.call("GET", "/api/v3/depth", symbol=SYMBOL)[1]["asks"]) > 0, True)
        status, bought = sell(second, "39000", side="BUY")
        assert (status, bought["status"]) == (200, "FILLED")
        (fill,) = second.signed("GET", "/api/v3/myTrades", symbol=SYMBOL)[1]
        assert fill["id"] == bought["fills"][0]["tradeId"]
        soon(lambda: [row["id"] for row in first.signed("GET", "/api/v3/myTrades", symbol=SYMBOL)[1]], [fill["id"]])
        with at(together.venue, buyer) as venue:
            soon(lambda: venue.signed("GET", "/api/v3/myTrades", symbol=SYMBOL)[1], [fill])


def test_same_client_id_sent_to_two_gateways_at_once_is_placed_once(together: Joined) -> None:
    key = together.venue.trader("twice", BTC="10")
    rounds = 20
    barrier = threading.Barrier(2)
    answers: list[list[tuple[int, Any]]] = [[], []]

    def send(own: list[tuple[int, Any]], process: VenueProcess) -> None:
        with at(process, key) as rest:
            for number in range(rounds):
                barrier.wait(60)
                own.append(sell(rest, "45000", newClientOrderId=f"twice-{number}"))

    threads = [
        threading.Thread(target=send, args=pair)
        for pair in zip(answers, (together.first, together.second), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pair in zip(*answers, strict=True):
        (placed_status, placed), (refused_status, refused) = sorted(pair, key=lambda answer: answer[0])
        assert (placed_status, refused_status, refused["code"]) == (200, 400, -2010)
        assert refused["data"]["orderId"] == placed["orderId"]
    with at(together.venue, key) as venue:
        soon(lambda: len(venue.signed("GET", "/api/v3/allOrders", symbol=SYMBOL)[1]), rounds)


def test_user_stream_at_one_gateway_tells_of_orders_at_the_other(together: Joined) -> None:
    key = together.venue.trader("listens", BTC="1")
    with websockets.sync.client.connect(f"ws://127.0.0.1:{together.second.port}/ws-api/v3") as stream:
        parameters: dict[str, Any] = {"apiKey": key["apiKey"], "timestamp": int(time.time() * 1000)}
        payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        parameters["signature"] = hmac.new(key["secretKey"].encode(), payload.encode(), hashlib.sha256).hexdigest()
        stream.send(json.dumps({"id": 1, "method": "userDataStream.subscribe.signature", "params": parameters}))
        assert json.loads(stream.recv(timeout=10))["status"] == 200
        with at(together.first, key) as first:
            _, old = sell(first)
            assert json.loads(stream.recv(timeout=10))["event"]["i"] == old["orderId"]
            assert json.loads(stream.recv(timeout=10))["event"]["e"] == "outboundAccountPosition"
            replace = {
                "cancelReplaceMode": "STOP_ON_FAILURE",
                "cancelOrderId": old["orderId"],
                "cancelNewClientOrderId": "c",
            }
            terms = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.02", "price": "40001"}
            assert first.signed("POST", "/api/v3/order/cancelReplace", symbol=SYMBOL, **terms, **replace)[0] == 200
            assert json.loads(stream.recv(timeout=10))["event"]["X"] == "CANCELED"
            assert json.loads(stream.recv(timeout=10))["event"]["X"] == "NEW"


def test_key_made_and_revoked_at_the_venue_counts_at_the_gateways(together: Joined) -> None:
    together.venue.trader("rotates", BTC="1")
    together.venue.json("master-key", "rotate")  # What is sealed from now on, gateways open with the new one.
    key = together.venue.json("key", "create", "rotates", "--type", "hmac", "--permissions", "read,trade")
    with at(together.first, key) as first:
        soon(lambda: sell(first)[0], 200)
        (key_id,) = [
            row["keyId"] for row in together.venue.json("key", "list", "rotates") if row["apiKey"] == key["apiKey"]
        ]
        together.venue.command("key", "revoke", str(key_id), "--data", str(together.venue.data))
        soon(lambda: sell(first)[0], 401)


def test_gateway_says_how_it_is_and_where_operators_are_served(together: Joined) -> None:
    with at(together.first) as first:
        assert first.call("GET", "/healthz") == (200, {"status": "ok"})
        status, health = first.call("GET", "/readyz")
        assert (status, health["ready"], health["venue"]) == (200, True, together.venue.url)
        assert {"appliedSeq", "behindSeq", "behindMs"} <= health.keys()
        status, problem = first.call("POST", "/api/holdfast/v1/accounts")
        assert status == 421
        assert problem["action"] == f"Ask {together.venue.url}/api/holdfast/v1."
    with Operator(together.venue.port, together.venue.data) as operator:

        def shown() -> dict[str, int]:
            return {row["url"]: row["pid"] for row in operator.call("GET", "/venue")[1]["gateways"]}

        soon(shown, {process.url: process.pid for process in (together.first, together.second)})


def test_orders_count_against_the_accounts_limit_wherever_they_were_placed(together: Joined) -> None:
    key = together.venue.trader("counted", BTC="1")
    everywhere = (together.venue, together.first, together.second)
    for process in everywhere:
        with at(process, key) as rest:
            assert sell(rest)[0] == 200
    for process in everywhere:
        with at(process, key) as rest:
            soon(lambda rest=rest: rest.signed("GET", "/api/v3/rateLimit/order")[1][1]["count"], 3)


def test_gateway_has_the_limits_of_the_venue(together: Joined) -> None:
    with at(together.first) as first, at(together.venue) as venue:
        limits = [rest.call("GET", "/api/v3/exchangeInfo")[1]["rateLimits"] for rest in (first, venue)]
    assert limits[0] == limits[1]
    assert limits[0][0]["limit"] == 10**9


def test_gateway_speaks_tls_and_has_metrics_of_its_own(together: Joined) -> None:
    venue = together.venue
    with GatewayProcess(venue.directory, "--tls", environment=venue.environment) as gateway:
        trust = ssl.create_default_context(cafile=venue.directory / "tls" / "authority.pem")
        with httpx.Client(verify=trust, base_url=f"https://127.0.0.1:{gateway.port}", trust_env=False) as client:
            assert client.get("/api/v3/ping").json() == {}
            text = client.get("/metrics").text
        metrics = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        assert (metrics["holdfast_accepting"], metrics["holdfast_behind_commands"]) == ("1.0", "0.0")
        assert int(float(metrics["holdfast_applied_seq"])) > 0
        assert gateway.terminate() == 0


def test_gateway_writes_no_file_of_the_data_directory(together: Joined) -> None:
    data = str(together.venue.data)
    for process in (together.first, together.second):
        maps = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        mapped = {line.split()[-1] for line in maps if data in line and "w" in line.split()[1]}
        # SQLite's index of what its writer has not put into the file yet: readers leave marks there.
        assert mapped <= {f"{data}/history.sqlite-shm"}
