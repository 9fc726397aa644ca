"""Trailing stops on a real venue: what replies, lists, reports and the history say of one that follows and works.

In between the venue is killed: what the order has seen of the price counts afterwards.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.venue.test_stop_orders import LIMIT, SYMBOL, placed, reports
from tests.venue.traded import CONFIG

pytestmark = pytest.mark.slow
KEPT = ("stopPrice", "trailingDelta", "trailingTime")


def trade(seller: Rest, price: str) -> None:
    """One trade at a price, of somebody with himself."""
    for side in ("SELL", "BUY"):
        placed(seller, side=side, quantity="0.001", price=price, **LIMIT)


def the_one(rest: Rest, path: str, client_id: str) -> Any:
    status, orders = rest.signed("GET", path, symbol=SYMBOL)
    assert status == 200, orders
    (order,) = (each for each in orders if each["clientOrderId"] == client_id)
    return order


def test_a_trailing_stop_keeps_what_it_has_seen_over_a_kill(tmp_path: Path) -> None:
    venue = VenueProcess(tmp_path, "--config", str(CONFIG))
    stop = {"type": "STOP_LOSS_LIMIT", "timeInForce": "GTC", "price": "36000", "quantity": "0.002", "side": "SELL"}
    with venue:
        keys = {name: venue.trader(name, BTC="10", USDT="1000000") for name in ("alice", "bob")}
        with (
            Rest(venue.port, keys["alice"]) as alice,
            Rest(venue.port, keys["bob"]) as bob,
            reports(venue, keys["alice"]) as told,
        ):
            trade(bob, "40000")
            waiting = placed(alice, newClientOrderId="below", stopPrice="39000", trailingDelta="1000", **stop)
            assert (waiting["trailingDelta"], waiting["trailingTime"], waiting["workingTime"]) == (1000, -1, -1)
            report = next(told)
            assert (report["d"], report["P"], "D" in report) == (1000, "39000.00000000", False)
            following = placed(alice, newClientOrderId="now", trailingDelta="1500", **stop)
            assert following["trailingTime"] == following["transactTime"]
            report = next(told)
            assert (report["d"], report["D"]) == (1500, following["trailingTime"])
            trade(bob, "39000")
            trade(bob, "41000")
            order = the_one(alice, "/api/v3/openOrders", "below")
            assert order["trailingTime"] > order["time"]
            terms = {"symbol": SYMBOL, "side": "SELL", "type": "STOP_LOSS", "quantity": "1", "trailingDelta": "2001"}
            status, refusal = alice.signed("POST", "/api/v3/order", **terms)
            assert (status, refusal["code"], refusal["msg"]) == (400, -1013, "Filter failure: TRAILING_DELTA")
            before = [the_one(alice, "/api/v3/openOrders", name) for name in ("below", "now")]
        venue.kill()
    with (
        venue,
        Rest(venue.port, keys["alice"]) as alice,
        Rest(venue.port, keys["bob"]) as bob,
        reports(venue, keys["alice"]) as told,
    ):
        assert [the_one(alice, "/api/v3/openOrders", name) for name in ("below", "now")] == before
        trade(bob, "36900.01")  # A cent more than a tenth below 41,000.
        assert the_one(alice, "/api/v3/openOrders", "below")["isWorking"] is False
        trade(bob, "36900")
        triggered = next(told)
        assert (triggered["c"], triggered["x"], triggered["w"], triggered["d"]) == ("below", "NEW", True, 1000)
        assert (triggered["D"], triggered["W"]) == (before[0]["trailingTime"], triggered["T"])
        placed(bob, side="BUY", quantity="0.002", price="36000", **LIMIT)
        assert [next(told)["x"], the_one(alice, "/api/v3/allOrders", "below")["status"]] == ["TRADE", "FILLED"]
        status, canceled = alice.signed("DELETE", "/api/v3/order", symbol=SYMBOL, origClientOrderId="now")
        assert (status, canceled["trailingDelta"]) == (200, 1500)
        done = [the_one(alice, "/api/v3/allOrders", name) for name in ("below", "now")]
        assert [order["status"] for order in done] == ["FILLED", "CANCELED"]
        assert done[0]["workingTime"] == triggered["W"]
        kept = [{name: order[name] for name in KEPT} for order in done]
        assert kept == [{name: order[name] for name in KEPT} for order in before]
