"""A market that stops and opens again on a real venue, which is killed in the middle of it.

What is scheduled goes on after the restart; traders are told where it is going by the endpoint, the stream and the
header, and what crossed meanwhile trades at one price. Their clients follow a book that is crossed for a while.
"""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client

from tests.gateway.market_readers import DocumentedReader, LocalBook
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until
from tests.venue.traded import CONFIG, place

pytestmark = pytest.mark.slow
SYMBOL = "BTCUSDT"
SECONDS_MAX = 20


def status(rest: Rest) -> dict[str, Any]:
    code, reply = rest.call("GET", "/api/holdfast/v1/markets", symbol=SYMBOL)
    assert code == 200, reply
    (market,) = reply["markets"]
    return market  # type: ignore[no-any-return]


def wait_for_mode(rest: Rest, mode: str) -> dict[str, Any]:
    wait_until(lambda: status(rest)["mode"] == mode, what=f"the mode {mode}")
    return status(rest)


def test_a_reopening_goes_on_over_a_kill_and_ends_in_an_auction(tmp_path: Path) -> None:
    venue = VenueProcess(tmp_path, "--config", str(CONFIG))
    with venue:
        keys = {name: venue.trader(name, BTC="10", USDT="1000000") for name in ("alice", "bob")}
        with Rest(venue.port, keys["alice"]) as alice:
            resting = place(alice, "BUY", "39000")
            words = ("--halt", "1", "--cancel-only", "600", "--auction", "3", "--idempotency-key", "monday")
            told = venue.json("instrument", "reopen", SYMBOL, *words)
            assert (told["mode"], told["repeated"]) == ("HALT", False)
            assert wait_for_mode(alice, "CANCEL_ONLY")["stages"][0]["mode"] == "AUCTION"
        venue.kill()
    with venue, Rest(venue.port, keys["alice"]) as alice, Rest(venue.port, keys["bob"]) as bob:
        assert [stage["mode"] for stage in status(alice)["stages"]] == ["AUCTION", "TRADING"]
        assert venue.json("instrument", "reopen", SYMBOL, *words)["repeated"]
        assert alice.signed("DELETE", "/api/v3/order", symbol=SYMBOL, orderId=resting["orderId"])[0] == 200
        venue.json("instrument", "reopen", SYMBOL, "--auction", "3")  # Ten minutes are too long for a test.
        assert status(alice)["mode"] == "AUCTION"
        with urllib.request.urlopen(f"{venue.url}/api/v3/ping") as answer:
            assert answer.headers["X-HOLDFAST-MARKETS"].startswith(f"{SYMBOL} AUCTION TRADING@")
        with websockets.sync.client.connect(f"ws://127.0.0.1:{venue.port}/ws") as socket:
            follow(socket, alice, bob)
        assert status(alice)["stages"] == []
        (fill,) = alice.signed("GET", "/api/v3/myTrades", symbol=SYMBOL)[1]
        assert (fill["price"], fill["qty"], fill["isMaker"]) == ("40500.00000000", "0.01000000", True)
        account = alice.signed("GET", "/api/v3/account")[1]
        held = {one["asset"]: one["locked"] for one in account["balances"]}
        assert float(held["USDT"]) == 0  # What the better price saved is free.


def follow(socket: Any, alice: Rest, bob: Rest) -> None:
    """Two orders that cross, a client that keeps a local book, and what the stream says until it is over."""
    subscribe = {"method": "SUBSCRIBE", "params": ["btcusdt@tradingStatus", "btcusdt@depth@100ms"], "id": 1}
    socket.send(json.dumps(subscribe))
    local = DocumentedReader(lambda: alice.call("GET", "/api/v3/depth", symbol=SYMBOL, limit=100)[1])
    place(alice, "BUY", "41000")
    place(bob, "SELL", "40000")
    shown: list[dict[str, Any]] = []
    crossed = False
    while not (shown and shown[-1]["m"] == "TRADING"):
        event = json.loads(socket.recv(SECONDS_MAX))
        if event.get("e") == "tradingStatus":
            shown.append(event)
        elif event.get("e") == "depthUpdate":
            local.feed(event)
            if local.book.update_id is None:
                local.synchronise()
            crossed |= is_crossed(local.book)
    assert crossed
    assert not is_crossed(local.book)
    collecting = [each for each in shown if each["m"] == "AUCTION"]
    assert collecting[-1]["n"][0]["m"] == "TRADING"
    assert (collecting[-1]["p"], collecting[-1]["q"]) == ("40500.00000000", "0.01000000")


def is_crossed(book: LocalBook) -> bool:
    bids, asks = book.shown()
    return bool(bids and asks) and float(bids[0][0]) >= float(asks[0][0])
