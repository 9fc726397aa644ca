"""Order lists on a real venue that is killed in between: what was placed is there again, goes on as if nothing had
happened, and what was done is in the history, whether the venue starts from a snapshot or the journal."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.venue.traded import CONFIG

pytestmark = pytest.mark.slow
SYMBOL = "BTCUSDT"
PAIR = {
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "41000",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "39000",
    "belowPrice": "38900",
    "belowTimeInForce": "GTC",
}
WORKING = {"workingType": "LIMIT", "workingTimeInForce": "GTC", "workingSide": "BUY", "workingPrice": "39500"}
OTOCO = {f"pending{name[0].upper()}{name[1:]}": value for name, value in PAIR.items()} | WORKING


def made(reply: tuple[int, Any]) -> Any:
    assert reply[0] == 200, reply
    return reply[1]


def place_list(rest: Rest, kind: str, name: str, **terms: str) -> Any:
    path = f"/api/v3/orderList/{kind}"
    return made(rest.signed("POST", path, symbol=SYMBOL, listClientOrderId=name, **terms))


def trade(rest: Rest, side: str, quantity: str, price: str) -> Any:
    order = {"type": "LIMIT", "timeInForce": "GTC", "side": side, "quantity": quantity, "price": price}
    return made(rest.signed("POST", "/api/v3/order", symbol=SYMBOL, **order))


def seen(rest: Rest) -> dict[str, Any]:
    """Everything that tells of lists."""
    paths = ("openOrderList", "allOrderList", "openOrders", "account")
    found = {path: made(rest.signed("GET", f"/api/v3/{path}")) for path in paths}
    del found["account"]["updateTime"]  # Now.
    return found | {"allOrders": made(rest.signed("GET", "/api/v3/allOrders", symbol=SYMBOL))}


@pytest.mark.parametrize("is_snapshot", [False, True], ids=["from the journal", "from a snapshot"])
def test_lists_outlive_a_kill_and_end_as_they_would_have(tmp_path: Path, is_snapshot: bool) -> None:
    venue = VenueProcess(tmp_path, "--config", str(CONFIG))
    with venue:
        keys = {name: venue.trader(name, BTC="10", USDT="1000000") for name in ("alice", "bob")}
        with Rest(venue.port, keys["alice"]) as alice, Rest(venue.port, keys["bob"]) as bob:
            trade(bob, "SELL", "0.001", "40000")
            trade(bob, "BUY", "0.001", "40000")
            place_list(alice, "oco", "pair", side="SELL", quantity="0.001", **PAIR)
            place_list(
                alice, "otoco", "three", workingQuantity="0.001", pendingSide="SELL", pendingQuantity="0.001", **OTOCO
            )
            gone = place_list(alice, "oco", "gone", side="SELL", quantity="0.001", **PAIR)
            made(alice.signed("DELETE", "/api/v3/orderList", symbol=SYMBOL, orderListId=gone["orderListId"]))
            if is_snapshot:
                with Operator(venue.port, venue.data) as operator:
                    assert operator.call("POST", "/venue/snapshots", key="snapshot")[0] in (200, 201)
            before = seen(alice)
        venue.kill()
    assert [each["listClientOrderId"] for each in before["openOrderList"]] == ["pair", "three"]
    with venue, Rest(venue.port, keys["alice"]) as alice, Rest(venue.port, keys["bob"]) as bob:
        assert seen(alice) == before
        again = alice.signed(
            "POST", "/api/v3/orderList/oco", symbol=SYMBOL, listClientOrderId="pair", side="SELL", quantity="1", **PAIR
        )
        assert (again[0], again[1]["msg"]) == (400, "Duplicate order sent.")
        trade(bob, "SELL", "0.001", "39500")  # Fills the working order: its pair is placed.
        statuses = {each["status"] for each in seen(alice)["openOrders"]}
        assert statuses == {"NEW"}
        trade(bob, "BUY", "0.002", "41000")  # Both limit orders.
        after = seen(alice)
        assert (after["openOrders"], after["openOrderList"]) == ([], [])
        assert [each["listClientOrderId"] for each in after["allOrderList"]] == ["gone", "three", "pair"]
        assert {each["listOrderStatus"] for each in after["allOrderList"]} == {"ALL_DONE"}
        ends = {(each["type"], each["status"], each.get("expiryReason")) for each in after["allOrders"]}
        assert ends == {
            ("LIMIT", "FILLED", None),
            ("LIMIT_MAKER", "FILLED", None),
            ("STOP_LOSS_LIMIT", "EXPIRED", "OCO_TRIGGER"),
            ("LIMIT_MAKER", "CANCELED", None),
            ("STOP_LOSS_LIMIT", "CANCELED", None),
        }
        venue.kill()
    for path in (tmp_path / "data").glob("history.sqlite*"):
        path.unlink()
    with venue, Rest(venue.port, keys["alice"]) as alice:
        assert seen(alice) == after, "the history is written anew from the journal"
