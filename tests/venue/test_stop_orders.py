"""Stop orders on a real venue: what each reply, list and report says of one that waits, works, and is done.

In between the venue is killed: who waited still waits, and is triggered by the first trade afterwards.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import websockets.sync.client

from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.venue.traded import CONFIG

pytestmark = pytest.mark.slow
SYMBOL = "BTCUSDT"
SECONDS_MAX = 20
LIMIT = {"type": "LIMIT", "timeInForce": "GTC"}


@contextmanager
def reports(venue: VenueProcess, key: dict[str, str]) -> Iterator[Any]:
    """The user stream's execution reports, one by one."""
    parameters = {"apiKey": key["apiKey"], "timestamp": int(time.time() * 1000)}
    signature = hmac.new(key["secretKey"].encode(), urlencode(parameters).encode(), hashlib.sha256).hexdigest()
    with websockets.sync.client.connect(f"ws://127.0.0.1:{venue.port}/ws-api/v3") as socket:
        ask = {"id": 1, "method": "userDataStream.subscribe.signature", "params": parameters | {"signature": signature}}
        socket.send(json.dumps(ask))
        assert json.loads(socket.recv(SECONDS_MAX))["status"] == 200

        def told() -> Iterator[dict[str, Any]]:
            while True:
                event = json.loads(socket.recv(SECONDS_MAX))["event"]
                if event["e"] == "executionReport":
                    yield event

        yield told()


def placed(rest: Rest, **terms: str) -> Any:
    status, reply = rest.signed("POST", "/api/v3/order", symbol=SYMBOL, newOrderRespType="RESULT", **terms)
    assert status == 200, reply
    return reply


def test_a_stop_order_waits_over_a_kill_and_works_when_its_price_is_reached(tmp_path: Path) -> None:
    venue = VenueProcess(tmp_path, "--config", str(CONFIG))
    stop = {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "stopPrice": "39500", "price": "39400"}
    with venue:
        keys = {name: venue.trader(name, BTC="10", USDT="1000000") for name in ("alice", "bob")}
        with (
            Rest(venue.port, keys["alice"]) as alice,
            Rest(venue.port, keys["bob"]) as bob,
            reports(venue, keys["alice"]) as told,
        ):
            placed(bob, side="BUY", quantity="0.003", price="40000", **LIMIT)
            placed(alice, side="SELL", quantity="0.001", price="40000", **LIMIT)
            waiting = placed(alice, side="SELL", quantity="0.002", newClientOrderId="stop", **stop)
            assert (waiting["status"], waiting["stopPrice"], waiting["workingTime"]) == ("NEW", "39500.00000000", -1)
            assert [(next(told)["x"]) for _ in range(2)] == ["NEW", "TRADE"]
            report = next(told)
            shown = {name: report[name] for name in ("c", "o", "x", "X", "p", "P", "w")}
            assert shown == {
                "c": "stop",
                "o": "STOP_LOSS_LIMIT",
                "x": "NEW",
                "X": "NEW",
                "w": False,
                "p": "39400.00000000",
                "P": "39500.00000000",
            }
            assert "W" not in report
            status, refusal = alice.signed(
                "POST", "/api/v3/order", symbol=SYMBOL, side="BUY", type="STOP_LOSS", quantity="1", stopPrice="40000"
            )
            assert (status, refusal["code"], refusal["msg"]) == (400, -2010, "Order would trigger immediately.")
            profit = placed(alice, side="SELL", type="TAKE_PROFIT", quantity="0.5", stopPrice="41000")
            assert next(told)["P"] == "41000.00000000"
            status, canceled = alice.signed("DELETE", "/api/v3/order", symbol=SYMBOL, orderId=profit["orderId"])
            assert (status, canceled["status"], canceled["stopPrice"]) == (200, "CANCELED", "41000.00000000")
        venue.kill()
    with (
        venue,
        Rest(venue.port, keys["alice"]) as alice,
        Rest(venue.port, keys["bob"]) as bob,
        reports(venue, keys["alice"]) as told,
    ):
        (order,) = alice.signed("GET", "/api/v3/openOrders", symbol=SYMBOL)[1]
        assert (order["isWorking"], order["workingTime"], order["stopPrice"]) == (False, -1, "39500.00000000")
        held = {row["asset"]: row["locked"] for row in alice.signed("GET", "/api/v3/account")[1]["balances"]}
        assert held["BTC"] == "0.00200000"
        depth = alice.call("GET", "/api/v3/depth", symbol=SYMBOL)[1]
        assert (depth["bids"], depth["asks"]) == ([["40000.00000000", "0.00200000"]], [])
        placed(bob, side="BUY", quantity="0.003", price="39450", **LIMIT)
        placed(bob, side="SELL", quantity="0.003", price="39450", **LIMIT)
        triggered, *fills = (next(told) for _ in range(2))
        assert (triggered["x"], triggered["X"], triggered["w"], triggered["c"]) == ("NEW", "NEW", True, "stop")
        assert triggered["W"] == triggered["T"]
        assert [(fill["x"], fill["l"], fill["L"]) for fill in fills] == [("TRADE", "0.00200000", "39450.00000000")]
        (done,) = (
            each
            for each in alice.signed("GET", "/api/v3/allOrders", symbol=SYMBOL)[1]
            if each["clientOrderId"] == "stop"
        )
        assert (done["status"], done["isWorking"], done["workingTime"]) == ("FILLED", True, triggered["W"])
        assert done["workingTime"] > done["time"]
