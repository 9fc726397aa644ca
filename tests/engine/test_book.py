"""Price and time priority are what an exchange promises, and the book is where they live.

The same tests hold with NUMBA_DISABLE_JIT=1, with NUMBA_BOUNDSCHECK=1 and as shipped.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import Side
from holdfast.config import PAGE_TICKS, PRICE_TICKS_MAX
from holdfast.engine import book as books
from holdfast.engine.handle import Memory
from tests.engine.book_session import NaiveBook, Session, Waiting

BUY, SELL = Side.BUY.value, Side.SELL.value
SIDES = [(1, BUY), (1, SELL), (5, BUY)]

# Neighbours, both ends, and both sides of each boundary that the ladder has: words, pages, directory pages.
PRICES = [1, 2, 3, 63, 64, 65, 4095, 4096, 4097, 8191, 2**24 - 1, 2**24, 2**29, PRICE_TICKS_MAX - 1, PRICE_TICKS_MAX]

appends = st.tuples(st.just("append"), st.sampled_from(SIDES), st.sampled_from(PRICES), st.integers(1, 100))
reduces = st.tuples(st.just("reduce"), st.integers(0), st.integers(1, 100))
removes = st.tuples(st.just("remove"), st.integers(0))
moves = st.tuples(st.just("move"), st.integers(0), st.sampled_from(SIDES), st.sampled_from(PRICES))
operations = st.lists(st.one_of(appends, appends, reduces, removes, moves), max_size=60)


@given(operations, st.integers(3, 20))
@settings(max_examples=80, deadline=None)
def test_book_and_naive_book_agree_after_every_operation(operations: list[tuple[Any, ...]], pages_max: int) -> None:
    session, naive = Session(pages_max=pages_max), NaiveBook()
    for order_id, operation in enumerate(operations, start=1):
        _apply(session, naive, order_id, operation)
        for instrument_id, side in SIDES:
            if naive.waiting[instrument_id, side]:
                assert session.depth(instrument_id, side) == naive.depth(instrument_id, side)
                assert session.queue(instrument_id, side) == naive.queue(instrument_id, side)
    for order_id in range(len(operations) + 2):
        is_open = any(order.order_id == order_id for order in naive.orders())
        assert (session.find(order_id) != 0) == is_open
    session.check()


def _apply(session: Session, naive: NaiveBook, order_id: int, operation: tuple[Any, ...]) -> None:
    waiting = sorted(naive.orders(), key=lambda order: order.order_id)
    match operation:
        case "append", (instrument_id, side), price_ticks, lots:
            if session.can_rest(instrument_id, side, price_ticks):
                session.append(instrument_id, side, price_ticks, order_id, lots)
                naive.append(instrument_id, side, price_ticks, order_id, lots)
            assert session.page_count() <= session.memory["book_head"][0]["pages_max"]
        case "reduce", pick, lots if waiting:
            order = waiting[pick % len(waiting)]
            if lots < order.lots:
                session.reduce(order.order_id, lots)
                naive.reduce(order.order_id, lots)
        case "move", pick, (instrument_id, side), price_ticks if waiting:
            order_id = waiting[pick % len(waiting)].order_id
            if session.can_rest(instrument_id, side, price_ticks):
                row = session.find(order_id)
                session.move(order_id, instrument_id, side, price_ticks)
                naive.move(order_id, instrument_id, side, price_ticks)
                assert session.find(order_id) == row
        case "remove", pick if waiting:
            order = waiting[pick % len(waiting)]
            session.remove(order.order_id)
            naive.remove(order.order_id)


def test_older_order_at_a_price_comes_first() -> None:
    session = Session()
    for order_id in (1, 2, 3):
        session.append(1, BUY, 100, order_id, 10 * order_id)
    session.remove(2)
    session.append(1, BUY, 100, 4, 40)
    assert session.queue(1, BUY) == [Waiting(100, 1, 10), Waiting(100, 3, 30), Waiting(100, 4, 40)]


def test_reduced_order_keeps_its_place() -> None:
    session = Session()
    session.append(1, SELL, 100, 1, 10)
    session.append(1, SELL, 100, 2, 10)
    session.reduce(1, 9)
    assert session.queue(1, SELL) == [Waiting(100, 1, 1), Waiting(100, 2, 10)]
    session.check()


@pytest.mark.parametrize("side", [BUY, SELL])
def test_next_level_is_found_from_one_end_of_the_prices_to_the_other(side: int) -> None:
    session = Session()
    prices = [PRICE_TICKS_MAX, 1]
    for order_id, price_ticks in enumerate(prices, start=1):
        session.append(1, side, price_ticks, order_id, 5)
    best_first = sorted(prices, reverse=side == BUY)
    assert session.depth(1, side) == [(price_ticks, 5) for price_ticks in best_first]
    session.check()
    session.remove(1 if best_first[0] == PRICE_TICKS_MAX else 2)
    assert session.depth(1, side) == [(best_first[1], 5)]
    session.check()


def test_ladder_holds_together_while_a_market_empties_price_by_price() -> None:
    session, naive = Session(), NaiveBook()
    for order_id, price_ticks in enumerate(PRICES, start=1):
        session.append(1, SELL, price_ticks, order_id, 1)
        naive.append(1, SELL, price_ticks, order_id, 1)
    for order_id in [(7 * i) % len(PRICES) + 1 for i in range(len(PRICES))]:
        session.remove(order_id)
        naive.remove(order_id)
        session.check()
        assert session.depth(1, SELL) == naive.depth(1, SELL)


def test_instruments_do_not_see_each_others_orders() -> None:
    session = Session()
    session.append(1, BUY, 100, 1, 5)
    session.append(40, BUY, 200, 2, 6)
    assert session.depth(1, BUY) == [(100, 5)]
    assert session.depth(40, BUY) == [(200, 6)]
    assert session.depth(40, SELL) == []
    session.check()


def test_empty_pages_go_back_and_are_used_again() -> None:
    session = Session()
    for order_id in range(1, 50):
        session.append(1, SELL, order_id * PAGE_TICKS, order_id, 1)
        assert session.page_count() == 2
        session.remove(order_id)
        assert session.page_count() == 0
    assert session.memory["book_head"][0]["page_rows"] == 2
    session.check()


def test_limit_of_pages_lets_nothing_in_that_needs_another_page() -> None:
    session = Session(pages_max=3)
    assert session.pages_needed(1, SELL, 10) == 2
    session.append(1, SELL, 10, 1, 1)
    session.append(1, SELL, 10 + PAGE_TICKS, 2, 1)
    assert session.pages_needed(1, SELL, 10 + 2 * PAGE_TICKS) == 1
    assert not session.can_rest(1, SELL, 10 + 2 * PAGE_TICKS)
    assert not session.can_rest(1, BUY, 10)
    assert session.can_rest(1, SELL, 11)
    session.remove(2)
    assert session.can_rest(1, SELL, 10 + 2 * PAGE_TICKS)


def test_lowered_limit_of_pages_leaves_what_rests() -> None:
    session = Session()
    session.append(1, SELL, 10, 1, 1)
    books.set_pages_max(session.memory, 1)
    assert session.can_rest(1, SELL, 11)
    assert not session.can_rest(1, SELL, 10 + PAGE_TICKS)
    session.append(1, SELL, 11, 2, 1)
    assert session.depth(1, SELL) == [(10, 1), (11, 1)]


@pytest.mark.parametrize(
    ("grown", "price_step"), [("orders", 0), ("order_index", 0), ("levels", 1), ("pages", PAGE_TICKS)]
)
def test_pool_grows_in_mid_stream_without_losing_anything(grown: str, price_step: int) -> None:
    session = Session(**{"orders": 2, "levels": 100, "pages": 200} | {grown: 2} if grown in ("levels", "pages") else {})
    before = len(session.memory[grown])
    for order_id in range(1, 60):
        session.append(1, BUY, 1_000 + order_id * price_step, order_id, order_id)
    assert session.growths > 0
    assert len(session.memory[grown]) > before
    expected = [Waiting(1_000 + order_id * price_step, order_id, order_id) for order_id in range(1, 60)]
    assert session.queue(1, BUY) == sorted(expected, key=lambda order: -order.price_ticks)
    session.check()


def test_capacities_decide_nothing() -> None:
    small, large = Session(), Session(orders=500, levels=300, pages=90)
    for session in (small, large):
        for order_id in range(1, 200):
            session.append(1 + order_id % 3, 1 + order_id % 2, 1 + (order_id * 7919) % 40_000, order_id, order_id)
            if order_id % 3 == 0:
                session.remove(order_id - order_id % 7) if session.find(order_id - order_id % 7) else None
    rows = books.used_rows(small.memory, instruments=4)
    assert small.growths > large.growths
    for name in ("orders", "levels", "pages", "page_slots", "page_words", "book_head"):
        assert np.array_equal(small.memory[name][: rows[name]], large.memory[name][: rows[name]]), name
        assert not large.memory[name][rows[name] :].tobytes().strip(b"\0"), name


def test_book_loaded_from_its_used_rows_goes_on_as_before() -> None:
    session = Session()
    for order_id in range(1, 100):
        session.append(1, SELL, order_id * 1_000, order_id, order_id)
    session.remove(50)
    rows = books.used_rows(session.memory, instruments=2)
    loaded = Session()
    first_rows = books.first_rows(2, 2, 3)
    loaded.memory = Memory(books.BOOK, **{name: max(count, rows[name]) for name, count in first_rows.items()})
    for name, count in rows.items():
        loaded.memory[name][:count] = session.memory[name][:count]
    books.rebuild_index(loaded.memory)
    loaded.check()
    assert loaded.queue(1, SELL) == session.queue(1, SELL)
    assert loaded.append(1, SELL, 7, 100, 1) == session.append(1, SELL, 7, 100, 1)
    loaded.check()


def test_ids_that_share_a_tag_and_a_place_are_told_apart() -> None:
    session = Session(orders=8)
    same_tag = [5 + i * 2**31 for i in range(6)]
    for order_id in same_tag:
        session.append(1, BUY, 100, order_id, 1)
    session.check()
    for gone, order_id in enumerate(same_tag, start=1):
        session.remove(order_id)
        assert [session.find(other) != 0 for other in same_tag] == [i >= gone for i in range(6)]
        session.check()


@given(st.permutations(range(24)), st.integers(1, 10**12))
@settings(max_examples=30, deadline=None)
def test_index_finds_exactly_the_open_orders_in_whatever_order_they_go(gone: list[int], first_id: int) -> None:
    session = Session(orders=24)
    ids = [first_id + i * 37 for i in range(24)]
    for order_id in ids:
        session.append(1, SELL, 100, order_id, 1)
    for count, position in enumerate(gone, start=1):
        session.remove(ids[position])
        still_open = set(gone[count:])
        assert [session.find(order_id) != 0 for order_id in ids] == [i in still_open for i in range(24)]
    session.check()


def test_canceling_what_is_not_there_is_a_bug_that_stops_the_kernel() -> None:
    session = Session()
    session.append(1, BUY, 100, 1, 1)
    with pytest.raises(AssertionError):
        session.remove(2)
