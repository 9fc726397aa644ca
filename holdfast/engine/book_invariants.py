"""The book's invariants, checked in full from the arrays alone: for tests and `verify`, never on the path of an order.

Nothing here uses the kernels. The ladder is read slot by slot, so a bit too many or too few is found as well as a wrong
link. Every violation is an AssertionError.
"""

from typing import Any

import numpy as np

from holdfast.config import PAGE_TICKS
from holdfast.engine.book import Book
from holdfast.engine.ladder import NIL, SLOT_BITS, TOP_BITS, TOPS_PER_SIDE, WORD_BITS, WORDS_PER_PAGE
from holdfast.engine.order_index import ENTRIES_PER_ORDER


def check_book(book: Book) -> None:
    """Assert every invariant of the book, its ladders, its index and its free lists."""
    head = book.book_head[0]
    pages: set[int] = set()
    levels: set[int] = set()
    rows: dict[int, int] = {}  # Order rows and their ids.
    in_use = np.flatnonzero(book.sides["level_count"])
    assert (np.flatnonzero(book.side_tops.reshape(len(book.sides), TOPS_PER_SIDE).any(axis=1)) == in_use).all()
    for side_row in in_use.tolist():
        for key, level in _check_ladder(book, side_row, pages):
            assert level not in levels
            levels.add(level)
            assert book.levels[level]["key"] == key
            assert book.levels[level]["side_row"] == side_row
            _check_queue(book, level, rows)
    _check_index(book, rows)
    _check_pool(book.orders, "next", set(rows), head["order_rows"], head["order_free"], head["order_count"])
    _check_pool(book.levels, "first", levels, head["level_rows"], head["level_free"], head["level_count"])
    _check_pool(book.pages, "next_free", pages, head["page_rows"], head["page_free"], head["page_count"])
    _check_free_pages(book, pages)


def _check_ladder(book: Book, side_row: int, pages: set[int]) -> list[tuple[int, int]]:
    """The side's keys and levels, lowest key first; adds the pages it met."""
    side = book.sides[side_row]
    tops = book.side_tops[side_row * TOPS_PER_SIDE : (side_row + 1) * TOPS_PER_SIDE]
    assert np.array_equal(_bits(side["tops_used"]), tops != NIL)
    found = [
        ((top << TOP_BITS) + (page_slot << SLOT_BITS) + slot, level)
        for top in np.flatnonzero(tops).tolist()
        for page_slot, page in _check_page(book, int(tops[top]), pages)
        for slot, level in _check_page(book, page, pages)
    ]
    assert side["level_count"] == len(found)
    assert side["best_level"] == (found[0][1] if found else NIL)
    return found


def _check_page(book: Book, page: int, pages: set[int]) -> list[tuple[int, int]]:
    """The slots in use of a page and what they hold."""
    assert page not in pages
    pages.add(page)
    slots = book.page_slots[page * PAGE_TICKS : (page + 1) * PAGE_TICKS]
    words = book.page_words[page * WORDS_PER_PAGE : (page + 1) * WORDS_PER_PAGE]
    used = np.flatnonzero(slots)
    assert len(used) > 0
    assert np.array_equal(np.concatenate([_bits(word) for word in words]), slots != NIL)
    assert np.array_equal(_bits(book.pages[page]["words_used"]), words != 0)
    return list(zip(used.tolist(), slots[used].tolist(), strict=True))


def _check_queue(book: Book, level: int, rows: dict[int, int]) -> None:
    before, lots, count = NIL, 0, 0
    row = int(book.levels[level]["first"])
    assert row != NIL
    while row != NIL:
        order = book.orders[row]
        assert row not in rows
        rows[row] = int(order["order_id"])
        assert order["level"] == level
        assert order["prev"] == before
        assert order["leaves_lots"] > 0
        lots += int(order["leaves_lots"])
        count += 1
        before, row = row, int(order["next"])
    assert book.levels[level]["last"] == before
    assert book.levels[level]["lots"] == lots
    assert book.levels[level]["order_count"] == count


def _check_index(book: Book, rows: dict[int, int]) -> None:
    index = book.order_index
    assert len(index) & (len(index) - 1) == 0
    assert len(rows) * ENTRIES_PER_ORDER <= len(index)
    used = index[index["row"] != NIL]
    assert sorted(used["row"].tolist()) == sorted(rows)
    assert len(set(rows.values())) == len(rows), "an order id is there once"
    for entry in used:
        assert entry["tag"] == rows[int(entry["row"])] & (2**31 - 1)


def _check_pool(pool: np.ndarray, link: str, used: set[int], highest: int, free: int, count: int) -> None:
    """Each row up to the highest is either in use or in the free list, and zero but for its link if it is free."""
    assert count == len(used)
    row, free_rows = int(free), set()
    while row != NIL:
        assert row not in free_rows
        free_rows.add(row)
        row = int(pool[row][link])
    assert not used & free_rows
    assert used | free_rows == set(range(1, int(highest) + 1))
    others = [name for name in pool.dtype.names or () if name != link]
    assert not np.any([pool[list(free_rows)][name] for name in others])
    assert not pool[0].tobytes().strip(b"\0")
    assert not pool[int(highest) + 1 :].tobytes().strip(b"\0")


def _check_free_pages(book: Book, pages: set[int]) -> None:
    free = [page for page in range(len(book.pages)) if page not in pages]
    assert not book.page_slots.reshape(-1, PAGE_TICKS)[free].any()
    assert not book.page_words.reshape(-1, WORDS_PER_PAGE)[free].any()


def _bits(word: Any) -> np.ndarray:
    """The 64 bits of a word, lowest first."""
    return (np.int64(word) >> np.arange(WORD_BITS)) & 1 == 1
