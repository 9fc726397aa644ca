"""Recovery takes in whole pieces of the journal at once; it must end in the very state that following it live has."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import Side
from holdfast.config import NOTIONAL_MAX
from holdfast.events import (
    Events,
    balance_event_dtype,
    book_event_dtype,
    control_event_dtype,
    order_event_dtype,
)
from holdfast.market_data import MarketData, replay, trades
from tests.market_data.session import BTCUSDT, ETHUSDT, SECOND_NS, Batch, Session

# A step: instrument, milliseconds later, trade or level, side, price's distance, lots, same aggregate, piece ends.
steps = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.one_of(st.integers(0, 1_500), st.integers(0, 100_000)),
        st.booleans(),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(1, 4),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


def batches(chosen):
    sessions = [Session(BTCUSDT), Session(ETHUSDT)]
    there, traded_last = set(), None
    for which, later_ms, is_trade, side, distance, lots, same_aggregate, ends in chosen:
        session = sessions[which]
        now_ns = max(each.ts_ns for each in sessions) + later_ms * 1_000_000 + 1
        for each in sessions:
            each.step(now_ns)
        price = 100 - distance if side == Side.BUY else 100 + distance
        if is_trade:
            same_aggregate = same_aggregate and traded_last == which  # An aggregate is of one command.
            traded_last = which
            yield Batch(session.trade(side, price, lots + 1, same_aggregate=same_aggregate), []), ends
        elif lots or (which, side, price) in there:
            traded_last = None
            there.add((which, side, price)) if lots else there.discard((which, side, price))
            yield Batch([], [session.level(side, price, lots)]), ends


def as_events(orders, book):
    return Events(
        np.array([tuple(event) for event in orders], order_event_dtype),
        np.zeros(0, balance_event_dtype),
        np.array([tuple(event) for event in book], book_event_dtype),
        np.zeros(0, control_event_dtype),
    )


@settings(max_examples=200, deadline=None)
@given(steps)
def test_replayed_pieces_lead_to_the_same_state_as_following_live(chosen):
    live, replayed = MarketData(), MarketData()
    orders, book = [], []
    for batch, ends in batches(chosen):
        live.on_applied(batch)
        # A piece holds whole commands, so none ends within an aggregate; here they end after changes of a level.
        orders += batch.orders
        book += batch.book
        if ends and not batch.orders:
            replayed.on_replayed(as_events(orders, book))
            orders, book = [], []
    replayed.on_replayed(as_events(orders, book))
    assert replayed.dump() == live.dump()


def test_rings_and_sums_hold_beyond_their_bounds(monkeypatch):
    for module in (replay, trades):
        monkeypatch.setattr(module, "TRADES_KEPT", 5)
        monkeypatch.setattr(module, "AGGREGATES_KEPT", 3)
    live, replayed, session, orders = MarketData(), MarketData(), Session(), []
    for i in range(20):
        session.step()
        events = [
            event._replace(last_quote_units=NOTIONAL_MAX) for event in session.trade(Side.BUY, 100 + i // 2, 7, i % 2)
        ]
        live.on_applied(Batch(events, []))
        orders += events
    replayed.on_replayed(as_events(orders, []))
    assert replayed.dump() == live.dump()
    assert live.market(1).klines.since(session.ts_ns // SECOND_NS // 60 * 60).quote == 20 * NOTIONAL_MAX
    assert len(live.market(1).trades.trades) == 5


def test_gap_in_a_replayed_book_is_a_bug():
    session = Session()
    book = [session.level(Side.BUY, 99, 5), session.level(Side.BUY, 98, 5)._replace(update_id=3)]
    with pytest.raises(AssertionError, match="no gaps"):
        MarketData().on_replayed(as_events([], book))
