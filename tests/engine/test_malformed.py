"""An order whose fields mean nothing together is refused by the engine, whoever sent it. Gateways send no such one."""

from typing import Any

import pytest

from holdfast.codes import CommandKind, OrderType, RejectReason, SelfTradePrevention, Side, TimeInForce
from holdfast.engine.engine import Engine
from tests.engine.scenario import MARKET, Session

LIMIT = {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "price_ticks": 100, "qty_lots": 5}
MARKET_ORDER = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.NONE, "qty_lots": 5}
STOP = {**MARKET_ORDER, "order_type": OrderType.STOP_LOSS, "stop_price_ticks": 150}


def told_of(order: dict[str, Any], **changed: Any) -> list[str]:
    session = Session(Engine())
    fields = {"account_id": session.account("a"), "instrument_id": MARKET, "side": Side.BUY, "client_id": b"A"}
    return session.send(CommandKind.PLACE_ORDER, **{**fields, **order, **changed})


@pytest.mark.parametrize("order", [LIMIT, MARKET_ORDER, STOP])
@pytest.mark.parametrize(
    "changed",
    [
        {"order_type": OrderType.NONE},
        {"order_type": -1},
        {"order_type": OrderType.TAKE_PROFIT_LIMIT + 1},
        {"side": Side.NONE},
        {"side": Side.SELL + 1},
        {"price_ticks": -1},
        {"qty_lots": -1},
        {"qty_lots": 0},
        {"quote_units": -1},
        {"quote_units": 5},
        {"self_trade_prevention": -1},
        {"self_trade_prevention": SelfTradePrevention.DECREMENT + 1},
        {"time_in_force": -1},
        {"time_in_force": TimeInForce.FOK + 1},
        {"stop_price_ticks": -1},
        {"trailing_delta_bips": -1},
        {"iceberg_lots": -1},
    ],
    ids=lambda changed: " ".join(f"{name}={int(value)}" for name, value in changed.items()),
)
def test_an_order_that_means_nothing_is_malformed(order: dict[str, Any], changed: dict[str, Any]) -> None:
    (told,) = told_of(order, **changed)
    assert told == f"rejected A {RejectReason.MALFORMED.name}"


@pytest.mark.parametrize("order", [LIMIT, MARKET_ORDER, STOP])
def test_the_same_orders_unchanged_are_taken(order: dict[str, Any]) -> None:
    assert not any("rejected" in line for line in told_of(order))


@pytest.mark.parametrize("order", [LIMIT, MARKET_ORDER, STOP])
def test_an_order_without_a_client_id_is_malformed(order: dict[str, Any]) -> None:
    assert told_of(order, client_id=b"") == [f"rejected  {RejectReason.MALFORMED.name}"]
