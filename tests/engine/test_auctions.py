"""The price of an auction is the best of all prices, tried one by one; and what cannot go on stops."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import CommandKind, ControlEventKind, OrderType, Side, TimeInForce, TradingMode
from holdfast.engine.engine import Engine
from tests.engine.scenario import MARKET, SECOND_NS, Session

PRICES = range(90, 111)
orders = st.lists(
    st.tuples(st.sampled_from([Side.BUY, Side.SELL]), st.integers(95, 105), st.integers(1, 6)), max_size=24
)


def collect(session: Session, drawn: list[tuple[Side, int, int]]) -> None:
    """Orders of one account after the other, in AUCTION."""
    session.send(CommandKind.SET_TRADING_MODE, instrument_id=MARKET, qty_lots=TradingMode.AUCTION)
    for i, (side, price_ticks, qty_lots) in enumerate(drawn):
        fields: dict[str, Any] = {"side": side, "price_ticks": price_ticks, "qty_lots": qty_lots}
        fields |= {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "instrument_id": MARKET}
        session.send(
            CommandKind.PLACE_ORDER, account_id=session.account(f"t{i % 3}"), client_id=b"o%d" % session.seq, **fields
        )


@settings(max_examples=60, deadline=None)
@given(orders, st.sampled_from([0, 92, 97, 100, 103, 109]))
def test_auction_price_is_the_best_of_all_prices(drawn: list[tuple[Side, int, int]], last_price: int) -> None:
    engine = Engine()
    session = Session(engine)
    if last_price:
        collect(session, [(Side.BUY, last_price, 1), (Side.SELL, last_price, 1)])
        session.send(CommandKind.SET_TRADING_MODE, instrument_id=MARKET, qty_lots=TradingMode.TRADING)
    collect(session, drawn)
    wanted = {p: sum(lots for side, price, lots in drawn if side == Side.BUY and price >= p) for p in PRICES}
    offered = {p: sum(lots for side, price, lots in drawn if side == Side.SELL and price <= p) for p in PRICES}
    found = engine.auction(MARKET)
    lots = max(min(wanted[p], offered[p]) for p in PRICES)
    assert found.lots == lots
    if not lots:
        assert found == (0, 0, 0)
        return
    surplus = {p: abs(wanted[p] - offered[p]) for p in PRICES if min(wanted[p], offered[p]) == lots}
    good = [p for p, left in surplus.items() if left == min(surplus.values())]
    assert good == list(range(good[0], good[-1] + 1)), "prices that are as good lie next to each other"
    nearest = min(good, key=lambda p: abs(p - last_price)) if last_price else (good[0] + good[-1]) // 2
    assert found.price_ticks == nearest
    assert found.surplus_lots == wanted[nearest] - offered[nearest]
    session.send(CommandKind.SET_TRADING_MODE, instrument_id=MARKET, qty_lots=TradingMode.TRADING)
    assert session.events is not None
    trades = session.events.orders[session.events.orders["is_maker"] == 1]
    assert trades["last_lots"].sum() == lots
    assert set(trades["last_price_ticks"].tolist()) == {nearest}


def test_tick_that_fails_stops_what_was_due_and_nothing_else() -> None:
    engine = Engine()
    session = Session(engine)
    reopening = {"instrument_id": MARKET, "qty_lots": SECOND_NS, "order_id": SECOND_NS, "client_id": b"r"}
    session.send(CommandKind.SCHEDULE_REOPENING, **reopening)
    session.now_ns += SECOND_NS
    session.exchange = _Skipping(engine)
    assert session.send(CommandKind.TICK) == ["mode HALT"]
    kinds = session.events.controls["kind"].tolist() if session.events else []
    assert kinds == [ControlEventKind.COMMAND_SKIPPED, ControlEventKind.TRADING_MODE_CHANGED]
    assert engine.reference().instruments[MARKET].stages == ()
    assert engine.next_due_ts_ns() == 0


class _Skipping(Engine):
    """The same engine, to which every command is poison."""

    def __init__(self, engine: Engine) -> None:
        self.__dict__ = engine.__dict__

    def apply(self, commands: Any, skip_seqs: frozenset[int] = frozenset()) -> Any:  # noqa: ARG002
        return super().apply(commands, frozenset(commands["seq"].tolist()))
