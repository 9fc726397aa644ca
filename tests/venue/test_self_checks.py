"""The venue watches itself: money that does not add up, or a second engine that disagrees, ends the taking of orders.

The corruption is planted in the memory of a venue inside this process.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.waiting import wait_until
from tests.venue.inside import VenueInside
from tests.venue.traded import place

pytestmark = pytest.mark.slow

Inside = Callable[[], VenueInside]


def assert_halted(rest: Rest, operator: Operator, why: str) -> None:
    """New orders are refused with the reason everywhere; what protects people, reads and cancels, goes on."""
    wait_until(lambda: operator.call("GET", "/venue")[1]["refusal"], what="a refusal")
    assert why in operator.call("GET", "/venue")[1]["refusal"]
    status, reply = rest.signed(
        "POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="100"
    )
    assert (status, reply["code"]) == (503, -1008)
    assert why in reply["msg"]
    assert rest.call("GET", "/readyz")[0] == 503
    assert rest.call("GET", "/healthz")[0] == 200
    assert rest.signed("GET", "/api/v3/account")[0] == 200
    assert rest.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="resting")[0] == 200


def add_a_coin(balances: Any, alice: int) -> None:
    balances[alice]["free"] += 1


def lock_more_than_orders_need(balances: Any, alice: int) -> None:
    balances[alice]["free"] -= 1
    balances[alice]["locked"] += 1


@pytest.mark.parametrize(
    ("corrupt", "differs"),
    [
        (add_a_coin, "sum of balances of asset {asset} is {sum} and should be {holdings}"),
        (lock_more_than_orders_need, "locked of asset {asset} of account {account} is {locked} and should be {needed}"),
    ],
)
def test_audit_that_finds_a_mismatch_refuses_new_orders_and_says_what_differs(
    inside: Inside, corrupt: Callable[[Any, int], None], differs: str
) -> None:
    with inside() as venue:
        key = venue.trader("alice", USDT="100000")
        with venue.rest(key) as rest, venue.operator() as operator:
            place(rest, "BUY", "39000", newClientOrderId="resting")
            wait_until(lambda: venue.venue._auditor.passes > 2)
            assert operator.call("GET", "/venue")[1]["refusal"] == ""
            asset_id = venue.venue._replica.reference.asset_by_code["USDT"].asset_id
            balances, asset = memory(venue)["balances"], memory(venue)["assets"][asset_id]
            (alice,) = ((balances["asset_id"] == asset_id) & (balances["locked"] > 0)).nonzero()[0]
            needed = int(balances[alice]["locked"])
            venue.do(lambda: corrupt(balances, alice))
            wrong = {"sum": int(asset["holdings"]) + 1, "holdings": int(asset["holdings"]), "asset": asset_id}
            wrong |= {"locked": needed + 1, "needed": needed, "account": int(balances[alice]["account_id"])}
            assert_halted(rest, operator, f"found a mismatch; new orders are refused: {differs.format(**wrong)}")
            assert venue.venue._auditor.mismatches > 0
    with inside() as venue, venue.rest(key) as rest:  # The journal is right: what was planted is gone.
        place(rest, "BUY", "39000")


def test_snapshot_that_disagrees_refuses_new_orders_and_says_why(inside: Inside) -> None:
    with inside() as venue:
        key = venue.trader("alice", USDT="100000")
        with venue.rest(key) as rest, venue.operator() as operator:
            place(rest, "BUY", "39000", newClientOrderId="resting")
            venue.do(lambda: disturb_events_hash(venue))
            place(rest, "BUY", "38000")
            assert operator.call("POST", "/venue/snapshots", key="now")[0] in (200, 201)
            assert_halted(rest, operator, "A second engine does not agree with this one")


def memory(venue: VenueInside) -> Any:
    return venue.venue._replica.engine._memory


def disturb_events_hash(venue: VenueInside) -> None:
    memory(venue)["venue"][0]["events_hash"] ^= 1
