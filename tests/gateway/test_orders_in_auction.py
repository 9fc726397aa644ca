"""In an auction orders that can wait are taken, and the others are refused in Binance's words."""

import pytest

from holdfast.codes import RejectReason, TradingMode
from holdfast.instruments import Reference
from tests.gateway.fakes import BTC, USDT, World, instrument


@pytest.fixture
def world() -> World:
    world = World()
    world.replica.reference = Reference([BTC, USDT], [instrument(mode=TradingMode.AUCTION)])
    return world


def test_order_that_can_wait_is_taken(world: World) -> None:
    answer = world.order(type="LIMIT", timeInForce="GTC", price="20000", quantity="0.1")
    assert (answer.status, answer.json["status"]) == (200, "NEW")


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"type": "MARKET", "quantity": "0.1", "timeInForce": None, "price": None}, -2010),
        ({"type": "LIMIT", "timeInForce": "IOC", "price": "20000", "quantity": "0.1"}, -1014),
        ({"type": "LIMIT", "timeInForce": "FOK", "price": "20000", "quantity": "0.1"}, -1014),
    ],
)
def test_order_that_cannot_wait_is_refused(world: World, terms: dict[str, str | None], code: int) -> None:
    world.replica.refuse_next = RejectReason.MODE_FORBIDS  # As the engine does.
    answer = world.order(**terms)
    assert (answer.status, answer.json["code"]) == (400, code)
