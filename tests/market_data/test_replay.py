"""Events may be taken in one by one or in whole pieces, at any time: it must end in the very same state."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import Side
from holdfast.config import NOTIONAL_MAX
from holdfast.market_data import MarketData, book, market_data, replay, trades
from tests.market_data.session import BTCUSDT, ETHUSDT, REFERENCE, SECOND_NS, Batch, Session

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


def events_of(orders, book):
    return Batch(orders, book).events


def one_by_one():
    return patch.object(market_data, "REPLAY_FROM_ROWS", 10**9)


def replay_at_once(market_data, events):
    replaying = replay.Replay(market_data)
    replaying.feed(events)
    replaying.finish()


@settings(max_examples=200, deadline=None)
@given(steps)
def test_replayed_pieces_lead_to_the_same_state_as_following_live(chosen):
    live, replayed = MarketData(), MarketData()
    orders, book = [], []
    for batch, ends in batches(chosen):
        with one_by_one():
            live.on_applied(batch)
            live.market(1)
        # A piece holds whole commands, so none ends within an aggregate; here they end after changes of a level.
        orders += batch.orders
        book += batch.book
        if ends and not batch.orders:
            replay_at_once(replayed, events_of(orders, book))
            orders, book = [], []
    replay_at_once(replayed, events_of(orders, book))
    assert replayed.dump() == live.dump()


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(0, 20), st.integers(0, 8), st.sampled_from([0, 2, 8]), st.randoms(use_true_random=False))
def test_what_waits_leads_to_the_same_state_and_images_whoever_asks_whenever(chosen, waiting, from_rows, share, chance):
    live, lazy = MarketData(), MarketData()
    for each in (live, lazy):
        each.image(BTCUSDT)
    orders, changes = [], []
    for batch, ends in batches(chosen):
        orders += batch.orders
        changes += batch.book
        if not ends or batch.orders:
            continue  # A batch holds whole commands.
        whole, orders, changes = Batch(orders, changes), [], []
        with one_by_one():
            live.on_applied(whole)
            live.market(1)
        with (
            patch.multiple(market_data, WAITING_ROWS_MAX=waiting, REPLAY_FROM_ROWS=from_rows),
            patch.object(book, "SORT_FROM_SHARE", share),
        ):
            lazy.on_applied(whole)
            asked = chance.randrange(8)
            if asked == 0:
                assert published(lazy) == published(live)
            elif asked == 1:
                assert lazy.dump() == live.dump()
            elif asked == 2:
                assert lazy.market(2).trades.last == live.market(2).trades.last
            elif asked == 3:
                assert lazy.market(1).book.bids.top(3) == live.market(1).book.bids.top(3)
    assert lazy.dump() == live.dump()
    assert published(lazy) == published(live)


def test_trades_that_wait_in_a_replay_come_before_those_taken_in_one_by_one():
    live, lazy, session = MarketData(), MarketData(), Session()
    with patch.multiple(market_data, WAITING_ROWS_MAX=0, REPLAY_FROM_ROWS=3):
        for trades_at_once in (3, 1, 4, 5, 2):
            session.step()
            batch = Batch([event for _ in range(trades_at_once) for event in session.trade(Side.BUY, 100, 7)], [])
            lazy.on_applied(batch)
            with one_by_one():
                live.on_applied(batch)
                live.market(1)
    assert [trade.trade_id for trade in lazy.market(1).trades.trades] == list(range(1, 16))
    assert lazy.dump() == live.dump()


def published(of):
    return [(each.instrument, each.diff) for each in of.publish_images(REFERENCE.instruments)]


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
        live.market(1)
        orders += events
    replay_at_once(replayed, events_of(orders, []))
    assert replayed.dump() == live.dump()
    assert live.market(1).klines.since(session.ts_ns // SECOND_NS // 60 * 60).quote == 20 * NOTIONAL_MAX
    assert len(live.market(1).trades.trades) == 5


def test_gap_in_a_replayed_book_is_a_bug():
    session = Session()
    book = [session.level(Side.BUY, 99, 5), session.level(Side.BUY, 98, 5)._replace(update_id=3)]
    with pytest.raises(AssertionError, match="no gaps"):
        replay_at_once(MarketData(), events_of([], book))
