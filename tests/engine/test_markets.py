"""What is set for one market is that market's, and money in a market is reckoned with its own unit."""

import pytest

from holdfast.codes import CommandKind, InstrumentParameter, TradingMode
from holdfast.config import NOTIONAL_MAX
from holdfast.engine.engine import Engine
from tests.engine.scenario import BTC, MARKET, SECOND_NS, USDT, Session, set_parameter

OTHER = MARKET + 1
UNIT = 10  # Quote units of a lot at a tick, in the other market.


@pytest.fixture
def session() -> Session:
    session = Session(Engine())
    other = {"account_id": BTC, "instrument_id": USDT, "price_ticks": 10**8, "qty_lots": UNIT}
    session.send(CommandKind.ADD_INSTRUMENT, client_id=b"OTHER", **other)
    session.send(CommandKind.SET_TRADING_MODE, instrument_id=OTHER, qty_lots=TradingMode.TRADING)
    return session


def set_other(session: Session, which: InstrumentParameter, value: int) -> list[str]:
    fields = {"instrument_id": OTHER, "order_id": which, "qty_lots": value}
    return session.send(CommandKind.SET_INSTRUMENT_PARAMETER, **fields)


def test_no_order_within_a_markets_bounds_can_be_worth_more_than_money_can_count(session: Session) -> None:
    assert set_other(session, InstrumentParameter.PRICE_TICKS_MAX, 1_000) == []
    most_lots = NOTIONAL_MAX // (1_000 * UNIT)
    assert set_other(session, InstrumentParameter.QTY_LOTS_MAX, most_lots + 1) == ["refused INSTRUMENT_INVALID"]
    assert set_other(session, InstrumentParameter.QTY_LOTS_MAX, most_lots) == []
    assert set_other(session, InstrumentParameter.PRICE_TICKS_MAX, 1_001) == ["refused INSTRUMENT_INVALID"]


def test_a_market_whose_reference_price_is_measured_otherwise_leaves_the_others_theirs(session: Session) -> None:
    engine = session.exchange
    assert isinstance(engine, Engine)
    for which, value in ((InstrumentParameter.REFERENCE_BUCKETS, 2), (InstrumentParameter.REFERENCE_BUCKET_MS, 1_000)):
        set_parameter(session, which.name, str(value))
        set_other(session, which, value)
    for instrument_id, price_ticks in ((MARKET, 100), (OTHER, 70)):
        for name, words in (("s", f"sells 10 at {price_ticks}"), ("b", f"buys 10 at {price_ticks}")):
            words = f"{words} as {name}{instrument_id} instrument {instrument_id}"
            session.send(CommandKind.PLACE_ORDER, **session.order_fields(name, words))
    set_parameter(session, InstrumentParameter.REFERENCE_BUCKET_MS.name, "2000")
    assert engine.reference_price_ticks(MARKET, session.now_ns) == 0
    assert engine.reference_price_ticks(OTHER, session.now_ns) == 70
    assert engine.reference_price_ticks(OTHER, session.now_ns + 3 * SECOND_NS) == 0


def test_what_is_free_pays_for_as_many_lots_as_it_can_at_the_markets_unit(session: Session) -> None:
    def place(who: str, words: str) -> list[str]:
        return session.send(CommandKind.PLACE_ORDER, **session.order_fields(who, f"{words} instrument {OTHER}"))

    place("s", "sells 90 at 1000 as S")
    place("b", "buys 50 at market as B stop 1000")
    assert place("c", "buys 1 at 1000 as C") == [
        "trade C S 1 at 1000 filled",
        "triggered B",
        "trade B S 10 at 1000",
        "expired B FUNDS_EXHAUSTED",
    ]
    assert session.exchange.balance(session.account("b"), USDT).free == 0
    assert session.exchange.balance(session.account("b"), BTC).free == 1_000 + 10 * UNIT
