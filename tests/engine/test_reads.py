"""Reads are whole however much there is: more than fits into what is prepared at first, and exactly as much."""

from typing import Any

import pytest

from holdfast.codes import CommandKind, OrderListKind, TradingMode
from holdfast.engine import reads
from holdfast.engine.engine import Engine
from tests.engine.scenario import BTC, MARKET, USDT, Session

COUNT = 7


@pytest.fixture(scope="module")
def session() -> Session:
    session = Session(Engine())
    for i in range(COUNT):
        session.send(CommandKind.PLACE_ORDER, **session.order_fields("a", f"buys 1 at {10 + i} as A{i}"))
        asked: dict[str, Any] = {"account_id": session.account("a"), "instrument_id": BTC, "qty_lots": 1 + i}
        session.send(CommandKind.REQUEST_WITHDRAWAL, client_id=b"W%d" % i, **asked)
        session.send(CommandKind.ADD_ASSET, client_id=b"COIN%d" % i)
        coin = {"account_id": session.account("a"), "instrument_id": 3 + i, "qty_lots": 1}
        session.send(CommandKind.DEPOSIT, client_id=b"D%d" % i, **coin)
        words = (f"sells 1 at {110 + i} as above{i} maker", f"sells 1 at market as below{i} stop {90 - i}")
        session.send_list(OrderListKind.OCO, f"L{i}", [session.order_fields("b", leg) for leg in words])
    return session


@pytest.mark.parametrize("rows_at_first", [1, COUNT - 1, COUNT, COUNT + 2, 64])
def test_what_an_account_has_is_read_whole(
    session: Session, rows_at_first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "_ROWS_AT_FIRST", rows_at_first)
    engine, account_id = session.exchange, session.account("a")
    assert isinstance(engine, Engine)
    for instrument_id in (0, MARKET):
        orders = engine.open_orders(account_id, instrument_id)
        assert [order.client_id for order in orders] == [f"A{i}" for i in range(COUNT)]
        lists = engine.order_lists(session.account("b"), instrument_id)
        assert [one.client_id for one in lists] == [f"L{i}" for i in range(COUNT)]
    assert [one.amount for one in engine.withdrawals(account_id)] == list(range(1, COUNT + 1))
    assert [holding.asset_id for holding in engine.balances(account_id)] == list(range(1, COUNT + 3))


def test_orders_are_read_of_one_market_or_of_all() -> None:
    session = Session(Engine())
    other = {"account_id": USDT, "instrument_id": BTC, "price_ticks": 10**8, "qty_lots": 1}
    session.send(CommandKind.ADD_INSTRUMENT, client_id=b"USDTBTC", **other)
    session.send(CommandKind.SET_TRADING_MODE, instrument_id=MARKET + 1, qty_lots=TradingMode.TRADING)
    for name, instrument_id in (("A", MARKET), ("B", MARKET + 1), ("C", MARKET)):
        words = f"buys 1 at 5 as {name} instrument {instrument_id}"
        session.send(CommandKind.PLACE_ORDER, **session.order_fields("a", words))
    found = [session.exchange.open_orders(session.account("a"), instrument_id) for instrument_id in (0, 1, 2, 3)]
    assert [{order.client_id for order in orders} for orders in found] == [{"A", "B", "C"}, {"A", "C"}, {"B"}, set()]
