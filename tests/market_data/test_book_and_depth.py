"""The book follows its events, and an image with its diffs is the book: clients rebuild theirs from exactly these."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import Side, TradingMode
from holdfast.market_data import MarketData
from holdfast.market_data.book import Levels
from holdfast.market_data.depth import Depth
from tests.market_data.session import BTCUSDT, REFERENCE, Batch, Session, mode_change

# A change: side, distance from the middle, quantity (0 takes the level away), and whether images follow it.
changes = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 6), st.integers(0, 3), st.booleans()).filter(lambda c: c[0] != 0)
)
MIDDLE = 100


def batches(steps, session):
    """Book events that are possible: a level is taken away only when it is there."""
    there = set()
    for side, distance, lots, publish in steps:
        level = (side, MIDDLE - distance if side == Side.BUY else MIDDLE + distance)
        if lots == 0 and level not in there:
            continue
        there.add(level) if lots else there.discard(level)
        session.step()
        yield Batch([], [session.level(side, level[1], lots)]), publish


@settings(deadline=None)
@given(changes)
def test_book_holds_the_last_quantity_of_every_level_best_first(steps):
    market_data, session, naive = MarketData(), Session(), {}
    for batch, _ in batches(steps, session):
        market_data.on_applied(batch)
        event = batch.book[0]
        naive[event.side, event.price_ticks] = event.lots
    book = market_data.market(1).book
    open_levels = sorted((price, lots) for (side, price), lots in naive.items() if side == Side.BUY and lots)
    assert book.bids.top(100) == open_levels[::-1]
    open_levels = sorted((price, lots) for (side, price), lots in naive.items() if side == Side.SELL and lots)
    assert book.asks.top(100) == open_levels
    assert book.asks.top(2) == open_levels[:2]
    assert book.asks.best() == (open_levels[0] if open_levels else None)
    assert book.update_id == session.update_id


def shown(depth: Depth):
    return json.loads(f"[{depth.bids(5000)}]"), json.loads(f"[{depth.asks(5000)}]")


@settings(deadline=None)
@given(changes)
def test_image_is_the_book_at_its_update_id_and_diffs_lead_from_one_to_the_next(steps):
    market_data, session = MarketData(), Session()
    depth = market_data.image(BTCUSDT)
    bids, asks, update_id = {}, {}, 0
    for batch, publish in [*batches(steps, session), (Batch([], []), True)]:
        market_data.on_applied(batch)
        if not publish:
            continue
        for _, _, diff in market_data.publish_images(REFERENCE.instruments):
            assert diff.first_update_id == update_id + 1
            update_id = diff.last_update_id
            for levels, texts in ((bids, diff.bids), (asks, diff.asks)):
                for price, qty in map(json.loads, texts):
                    levels[price] = qty
                    if qty == "0.00000000":
                        del levels[price]
        assert depth.last_update_id == update_id == market_data.market(1).book.update_id
        fresh = Depth(BTCUSDT, MarketData.load(market_data.dump()).market(1).book)
        assert shown(depth) == shown(fresh)
        assert dict(shown(depth)[0]) == bids
        assert dict(shown(depth)[1]) == asks


def test_image_stays_as_published_until_the_next_one():
    market_data, session = MarketData(), Session()
    depth = market_data.image(BTCUSDT)
    market_data.on_applied(Batch([], [session.level(Side.BUY, 99, 5)]))
    assert depth.bids(10) == ""
    assert depth.last_update_id == 0
    market_data.publish_images(REFERENCE.instruments)
    assert depth.bids(10) == '["0.99000000","0.00005000"]'
    assert depth.last_update_id == 1


@settings(deadline=None)
@given(changes, st.randoms(use_true_random=False))
def test_listener_who_comes_and_goes_has_every_change_from_its_first_image_on(steps, chance):
    market_data, session = MarketData(), Session()
    heard_id = None  # The update id up to which the listener is; None: there is no listener.
    ids_shown = set()  # Since the last tick.
    for batch, _ in batches(steps, session):
        market_data.on_applied(batch)
        what = chance.choice(["ask", "come", "go", "tick", "nothing"])
        if what == "tick":
            published = market_data.publish_images({} if heard_id is None else {1: BTCUSDT})
            ids_shown = set()
            if heard_id is not None and published:
                assert published[0].diff.first_update_id == heard_id + 1
                heard_id = published[0].diff.last_update_id
            if heard_id is not None:
                assert heard_id == session.update_id
        elif what in ("ask", "come"):
            depth = market_data.image(BTCUSDT)
            ids_shown.add(depth.last_update_id)
            assert len(ids_shown) == 1, "an image stays until the next tick"
            if what == "come" and heard_id is None:
                heard_id = depth.last_update_id
            if heard_id is not None:
                assert depth.last_update_id == heard_id
        elif what == "go":
            heard_id = None


def test_image_that_nobody_asks_for_is_made_anew_once_that_is_cheaper():
    market_data, session = MarketData(), Session()
    first = market_data.image(BTCUSDT)
    for price in range(90, 94):
        market_data.on_applied(Batch([], [session.level(Side.BUY, price, 5), session.level(Side.BUY, price, 0)]))
    market_data.market(1)
    market_data.publish_images({})
    market_data.on_applied(Batch([], [session.level(Side.BUY, 99, 7)]))
    again = market_data.image(BTCUSDT)
    assert again is not first
    assert (again.last_update_id, again.bids(10)) == (9, '["0.99000000","0.00007000"]')


def test_quiet_book_publishes_nothing():
    market_data, session = MarketData(), Session()
    market_data.image(BTCUSDT)
    market_data.on_applied(Batch([], [session.level(Side.BUY, 99, 5)]))
    assert len(market_data.publish_images(REFERENCE.instruments)) == 1
    assert market_data.publish_images(REFERENCE.instruments) == []


def test_first_image_after_a_start_knows_the_last_change_and_no_other():
    market_data, session = MarketData(), Session()
    market_data.on_applied(Batch([], [session.level(Side.BUY, 99, 5), session.level(Side.SELL, 101, 7)]))
    diff = MarketData.load(market_data.dump()).image(BTCUSDT).diff
    assert (diff.first_update_id, diff.last_update_id) == (2, 2)
    assert (diff.bids, diff.asks) == ([], ['["1.01000000","0.00007000"]'])


def test_gap_in_update_ids_is_a_bug():
    market_data, session = MarketData(), Session()
    session.update_id = 1
    market_data.on_applied(Batch([], [session.level(Side.BUY, 99, 5)]))
    with pytest.raises(AssertionError, match="no gaps"):
        market_data.market(1)


def test_crossed_book_is_a_bug():
    market_data, session = MarketData(), Session()
    market_data.on_applied(Batch([], [session.level(Side.BUY, 99, 5), session.level(Side.SELL, 99, 5)]))
    with pytest.raises(AssertionError):
        market_data.market(1)


def test_book_may_be_crossed_from_an_auction_on_until_orders_match_again():
    market_data, session = MarketData(), Session()
    market_data.on_applied(Batch([], [], [mode_change(TradingMode.AUCTION)]))
    market_data.on_applied(Batch([], [session.level(Side.BUY, 100, 5), session.level(Side.SELL, 99, 5)]))
    market_data.on_applied(Batch([], [], [mode_change(TradingMode.HALT)]))
    assert market_data.market(1).book.is_crossed()
    loaded = MarketData.load(market_data.dump())
    loaded.on_applied(Batch([], [session.level(Side.SELL, 98, 1)]))
    assert loaded.market(1).book.asks.best() == (98, 1)
    loaded.on_applied(Batch([], [session.level(Side.BUY, 100, 4)], [mode_change(TradingMode.TRADING)]))
    with pytest.raises(AssertionError):
        loaded.market(1)


def test_levels_that_replay_set_are_in_order_for_the_next_change():
    levels = Levels(1)
    levels.set_many([103, 101, 102, 99], [1, 2, 3, 0])
    levels.set(102, 0)
    levels.set(100, 5)
    assert levels.keys == [100, 101, 103]
    assert levels.top(2) == [(103, 1), (101, 2)]


def test_few_changes_at_once_among_many_levels_keep_them_in_order():
    levels = Levels(1)
    levels.set_many(list(range(0, 200, 2)), [1] * 100)
    assert levels.best() == (198, 1)
    levels.changed = {}
    levels.set_many([50, 51, 53, 199], [0, 7, 0, 8])  # One goes, two come, and one has come and gone meanwhile.
    assert levels.keys == sorted([*range(0, 50, 2), *range(51, 52), *range(52, 200, 2), 199])
    assert levels.top(2) == [(199, 8), (198, 1)]
    assert levels.changed == {50: 0, 51: 7, 53: 0, 199: 8}
