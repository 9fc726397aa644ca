"""The books of all instruments: who waits at which price, in which order.

commands → engine (risk → BOOK ← match → settle) → events

One set of pools serves every instrument; rows are small numbers and row 0 of each pool is NIL. A side of an instrument
(`side_row`) has a ladder of price levels (`ladder.py`), a level has its orders oldest first, an order row is an open
order, and `order_index` finds it by its id. The engine keeps what else it knows of an order under the same row number.

Prices are kept as keys: the price itself for sells, its mirror image for buys, so that on both sides the lowest key is
the best price and nothing is written twice. `price_key(side_row, price_ticks)` and `key_price` undo each other.

Every function takes the book (`BOOK.views(handle)` in a kernel, `memory.views` in Python) first:

    side_row(instrument_id, side) -> side_row                  (no book) nothing to set up
    trigger_side(instrument_id, is_rise) -> side_row           (no book) where orders wait for a price
    pending_side(instrument_id) -> side_row                    (no book) where orders wait for another to be filled
    best_level(book, side_row) -> level or NIL
    next_level(book, level) -> the level one step worse, or NIL
    find_level(book, side_row, key) -> level or NIL
    level_price(book, level) -> price_ticks
    find_order(book, order_id) -> row or NIL
    append_order(book, side_row, price_ticks, order_id, account_id, leaves_lots) -> row, at the tail of its level
    reduce_order(book, row, lots)                              less than its leaves; it keeps its place
    requeue_order(book, row, leaves_lots)                      with other lots, at the tail of its level
    remove_order(book, row)                                    unlinks it, forgets its id, frees row, level and pages
    move_order(book, row, side_row, price_ticks)               to the tail of another level; it keeps its row and id
    pages_needed(book, side_row, price_ticks) -> 0, 1 or 2
    can_rest(book, side_row, price_ticks) -> whether pages_max allows it
    has_room(book) -> whether what one step may append fits without growing
    read_depth(book, side_row, prices, lots, levels_max) -> count; fills two int64 arrays, best first

Fields are read directly: book.levels[level]["lots"], ["order_count"], ["first"], ["last"];
book.orders[row]["leaves_lots"], ["order_id"], ["account_id"], ["level"], ["prev"], ["next"] (younger; NIL at the end).

In Python, between kernel calls:

    Memory(BOOK, **first_rows()), or the same as a part of a larger layout
    grow(memory)                       doubles whatever stands in the way of `has_room`
    set_pages_max(memory, pages)
    rebuild_index(memory)              after loading: `order_index` is derived from the orders and need not be saved
    used_rows(memory, instruments)     how many rows of each array matter, for snapshots; the rest is zero
    trigger_rows(memory, instruments)  and those of the ladders where orders wait for a price
    pending_rows(memory, instruments)  or for another order

Invariants: an order's level is of its side; a level has an order; a level's lots and count are its orders';
`best_level` is the one with the lowest key; the ids in `order_index` are exactly those of the orders. A free row is
zero but for its link.
"""

from typing import NamedTuple

import numpy as np

from holdfast.codes import Side
from holdfast.config import INSTRUMENTS_MAX, PAGE_TICKS
from holdfast.engine.handle import Layout, Memory
from holdfast.engine.jit import cold, entry, hot, row_type
from holdfast.engine.ladder import (
    KEY_MAX,
    NIL,
    PAGES_PER_LEVEL,
    TOPS_PER_SIDE,
    WORDS_PER_PAGE,
    drop_level,
    find_level,
    level_after,
    missing_pages,
    page_dtype,
    put_level,
)
from holdfast.engine.order_index import (
    ENTRIES_PER_ORDER,
    entry_dtype,
    find_order,
    forget_order,
    index_order,
    spread_index,
)

__all__ = [
    "BOOK",
    "NIL",
    "Book",
    "append_order",
    "best_level",
    "can_rest",
    "find_level",
    "find_order",
    "first_rows",
    "grow",
    "has_room",
    "key_price",
    "level_price",
    "move_order",
    "next_level",
    "pages_needed",
    "pending_rows",
    "pending_side",
    "price_key",
    "read_depth",
    "rebuild_index",
    "reduce_order",
    "remove_order",
    "requeue_order",
    "set_pages_max",
    "side_row",
    "trigger_rows",
    "trigger_side",
    "used_rows",
    "widen_index",
]

order_dtype = np.dtype(  # 32 bytes: what matching and canceling touch, two orders to a cache line.
    [
        # Open, of an iceberg what it shows of that; 0 of a free row, and of what will sell what is to be bought.
        ("leaves_lots", np.int64),
        ("order_id", np.int64),
        ("next", row_type),  # The next younger order of the level, or NIL; of a free row: the next free one.
        ("prev", row_type),
        ("level", row_type),
        ("account_id", np.int32),
    ]
)

level_dtype = np.dtype(
    [
        ("key", np.int64),
        ("lots", np.int64),  # The sum of its orders' leaves.
        ("first", row_type),  # The oldest order; of a free row: the next free one.
        ("last", row_type),
        ("order_count", np.int32),
        ("side_row", row_type),
    ]
)

side_dtype = np.dtype(
    [
        ("tops_used", np.int64),  # A bit for each of the side's `side_tops` that is not NIL.
        ("best_level", row_type),
        ("level_count", np.int32),
    ]
)

# Free rows form a list, last in, first out; `rows` is the highest row that was ever in use. Capacities decide nothing.
book_head_dtype = np.dtype(
    [
        ("order_free", row_type),
        ("order_rows", row_type),
        ("order_count", np.int64),
        ("level_free", row_type),
        ("level_rows", row_type),
        ("level_count", np.int64),
        ("page_free", row_type),
        ("page_rows", row_type),
        ("page_count", np.int64),
        ("pages_max", np.int64),  # The limit that commands set; the engine refuses what `can_rest` denies.
    ]
)

SIDES_PER_INSTRUMENT = 2
TRIGGER_SIDES_BEGIN = (INSTRUMENTS_MAX + 1) * SIDES_PER_INSTRUMENT  # Behind the sides of all instruments.
TRAILING_SIDES_BEGIN = 2 * TRIGGER_SIDES_BEGIN  # And behind these those of `trails.py`.
PENDING_SIDES_BEGIN = 4 * TRIGGER_SIDES_BEGIN  # And behind those, one for each.
SIDES = PENDING_SIDES_BEGIN + INSTRUMENTS_MAX + 1
PENDING_TICKS = 1
ORDERS_PER_STEP = 3  # That may come to rest: those of an order list.


class Book(NamedTuple):
    """The arrays of all books, as kernels see them."""

    orders: np.ndarray  # order_dtype
    levels: np.ndarray  # level_dtype
    sides: np.ndarray  # side_dtype, two for each instrument; behind those of all two more for each, thrice, and one
    side_tops: np.ndarray  # row_type[sides * TOPS_PER_SIDE], directory pages
    pages: np.ndarray  # page_dtype
    page_slots: np.ndarray  # row_type[pages * PAGE_TICKS], leaf pages or levels
    page_words: np.ndarray  # int64[pages * WORDS_PER_PAGE]
    order_index: np.ndarray  # entry_dtype, a power of two of them
    book_head: np.ndarray  # book_head_dtype[1]


BOOK = Layout(
    Book,
    orders=order_dtype,
    levels=level_dtype,
    sides=side_dtype,
    side_tops=np.dtype(row_type),
    pages=page_dtype,
    page_slots=np.dtype(row_type),
    page_words=np.dtype(np.int64),
    order_index=entry_dtype,
    book_head=book_head_dtype,
)

_views = BOOK.views


@hot
def side_row(instrument_id, side):
    """Buys are even rows, sells odd ones; the opposite side is `side_row ^ 1`."""
    return instrument_id * SIDES_PER_INSTRUMENT + (1 if side == Side.SELL else 0)


@hot
def trigger_side(instrument_id, is_rise):
    """The ladder of what waits for a rise (lowest price first), or for a fall of the price (highest first)."""
    return TRIGGER_SIDES_BEGIN + instrument_id * SIDES_PER_INSTRUMENT + (1 if is_rise else 0)


@hot
def pending_side(instrument_id):
    """The ladder of what waits for another order to be filled, all at one price: PENDING_TICKS."""
    return PENDING_SIDES_BEGIN + instrument_id


@hot
def price_key(side_row, price_ticks):
    """The better the price, the lower the key. A taker's limit crosses a level of the opposite side when the level's
    key is not above the limit's key on that side."""
    mirror = (np.int64(side_row) & 1) - 1 & KEY_MAX  # KEY_MAX for buys. It is all ones, so ^ is KEY_MAX - price.
    return price_ticks ^ mirror


@hot
def key_price(side_row, key):
    return price_key(side_row, key)


@hot
def best_level(book, side_row):
    """The level with the best price, or NIL."""
    return np.int64(book.sides[side_row]["best_level"])


@hot
def next_level(book, level):
    """The level one step worse, or NIL."""
    return level_after(book, book.levels[level]["side_row"], book.levels[level]["key"])


@hot
def level_price(book, level):
    return key_price(book.levels[level]["side_row"], book.levels[level]["key"])


@hot
def append_order(book, side_row, price_ticks, order_id, account_id, leaves_lots):
    """Rest an order as the youngest at its price; returns its row. Needs `has_room` and `can_rest`."""
    assert leaves_lots >= 0
    level = _level_at(book, side_row, price_ticks)
    row = _take_order_row(book)
    _link_last(book, level, row)
    order = book.orders[row]
    order["leaves_lots"] = leaves_lots
    order["order_id"] = order_id
    order["account_id"] = account_id
    book.levels[level]["lots"] += leaves_lots
    index_order(book, order_id, row)
    return row


@hot
def reduce_order(book, row, lots):
    """Take lots off an order that keeps some; it keeps its place."""
    assert lots < book.orders[row]["leaves_lots"]
    book.orders[row]["leaves_lots"] -= lots
    book.levels[book.orders[row]["level"]]["lots"] -= lots


@hot
def requeue_order(book, row, leaves_lots):
    """Give an order other lots, and the youngest's place at its price."""
    assert leaves_lots > 0
    level = np.int64(book.orders[row]["level"])
    _unlink(book, level, row)
    _link_last(book, level, row)
    book.levels[level]["lots"] += leaves_lots - book.orders[row]["leaves_lots"]
    book.orders[row]["leaves_lots"] = leaves_lots


@hot
def remove_order(book, row):
    """Take an order out with whatever it has left. Its row is free afterwards: read what is needed before."""
    order = book.orders[row]
    level = np.int64(order["level"])
    assert level != NIL
    forget_order(book, order["order_id"], row)
    _leave_level(book, level, row)
    _free_order_row(book, row)


@cold
def move_order(book, row, side_row, price_ticks):
    """Let an order be the youngest at another price, perhaps of another side. Needs what `append_order` needs."""
    _leave_level(book, np.int64(book.orders[row]["level"]), row)
    level = _level_at(book, side_row, price_ticks)
    _link_last(book, level, row)
    book.levels[level]["lots"] += book.orders[row]["leaves_lots"]


@hot
def pages_needed(book, side_row, price_ticks):
    """How many pages of the ladder an order at this price would add: 0, 1 or 2."""
    return missing_pages(book, side_row, price_key(side_row, price_ticks))


@hot
def can_rest(book, side_row, price_ticks):
    """Whether the limit of pages lets an order rest at this price."""
    needed = pages_needed(book, side_row, price_ticks)
    return needed == 0 or book.book_head[0]["page_count"] + needed <= book.book_head[0]["pages_max"]


@hot
def has_room(book):
    """Whether a step's orders fit into the arrays as they are. Decides when to grow, and nothing else."""
    head = book.book_head[0]
    pages_spare = len(book.pages) - 1 - head["page_count"]
    return (
        head["order_count"] + ORDERS_PER_STEP < len(book.orders)
        and head["level_count"] + ORDERS_PER_STEP < len(book.levels)
        and (head["order_count"] + ORDERS_PER_STEP) * ENTRIES_PER_ORDER <= len(book.order_index)
        and pages_spare >= min(ORDERS_PER_STEP * PAGES_PER_LEVEL, head["pages_max"] - head["page_count"])
    )


@hot
def read_depth(book, side_row, prices, lots, levels_max):
    """Fill two int64 arrays with the prices and lots of the best levels; returns how many."""
    level = best_level(book, side_row)
    count = 0
    while level != NIL and count < levels_max:
        prices[count] = level_price(book, level)
        lots[count] = book.levels[level]["lots"]
        level = next_level(book, level)
        count += 1
    return count


@hot
def _level_at(book, side_row, price_ticks):
    """The level at a price, a new one if there is none."""
    key = price_key(side_row, price_ticks)
    level = find_level(book, side_row, key)
    return level if level != NIL else _open_level(book, side_row, key)


@hot
def _open_level(book, side_row, key):
    head = book.book_head[0]
    level = np.int64(head["level_free"])
    if level != NIL:
        head["level_free"] = book.levels[level]["first"]
        book.levels[level]["first"] = NIL
    else:
        head["level_rows"] += 1
        level = np.int64(head["level_rows"])
    assert level < len(book.levels)
    head["level_count"] += 1
    book.levels[level]["key"] = key
    book.levels[level]["side_row"] = side_row
    put_level(book, side_row, key, level)
    side = book.sides[side_row]
    best = side["best_level"]
    side["level_count"] += 1
    is_best = (best == NIL) | (key < book.levels[best]["key"])
    side["best_level"] = level if is_best else best
    return level


@hot
def _close_level(book, level):
    key = book.levels[level]["key"]
    row = np.int64(book.levels[level]["side_row"])
    side = book.sides[row]
    if side["best_level"] == level:
        side["best_level"] = level_after(book, row, key)
    side["level_count"] -= 1
    drop_level(book, row, key)
    head = book.book_head[0]
    book.levels[level]["key"] = 0
    book.levels[level]["side_row"] = 0
    book.levels[level]["first"] = head["level_free"]
    head["level_free"] = level
    head["level_count"] -= 1


@hot
def _take_order_row(book):
    head = book.book_head[0]
    row = np.int64(head["order_free"])
    if row != NIL:
        head["order_free"] = book.orders[row]["next"]
    else:
        head["order_rows"] += 1
        row = np.int64(head["order_rows"])
    assert row < len(book.orders)
    head["order_count"] += 1
    return row


@hot
def _free_order_row(book, row):
    head = book.book_head[0]
    order = book.orders[row]
    order["leaves_lots"] = 0
    order["order_id"] = 0
    order["next"] = head["order_free"]
    order["prev"] = NIL
    order["level"] = NIL
    order["account_id"] = 0
    head["order_free"] = row
    head["order_count"] -= 1


@hot
def _link_last(book, level, row):
    last = np.int64(book.levels[level]["last"])
    book.orders[row]["level"] = level
    book.orders[row]["prev"] = last
    book.orders[row]["next"] = NIL
    if last == NIL:
        book.levels[level]["first"] = row
    else:
        book.orders[last]["next"] = row
    book.levels[level]["last"] = row
    book.levels[level]["order_count"] += 1


@hot
def _leave_level(book, level, row):
    """Take an order off its level, which goes with its last one."""
    _unlink(book, level, row)
    book.levels[level]["lots"] -= book.orders[row]["leaves_lots"]
    if book.levels[level]["order_count"] == 0:
        _close_level(book, level)


@hot
def _unlink(book, level, row):
    before = np.int64(book.orders[row]["prev"])
    after = np.int64(book.orders[row]["next"])
    if before == NIL:
        book.levels[level]["first"] = after
    else:
        book.orders[before]["next"] = after
    if after == NIL:
        book.levels[level]["last"] = before
    else:
        book.orders[after]["prev"] = before
    book.levels[level]["order_count"] -= 1


def first_rows(orders: int = 1024, levels: int = 1024, pages: int = 64) -> dict[str, int]:
    """How many rows each array of the book starts with; all but the sides grow, so the numbers only save growing."""
    return {
        "orders": orders,
        "levels": levels,
        "sides": SIDES,
        "side_tops": SIDES * TOPS_PER_SIDE,
        "pages": pages,
        "page_slots": pages * PAGE_TICKS,
        "page_words": pages * WORDS_PER_PAGE,
        "order_index": _index_rows(orders),
        "book_head": 1,
    }


def grow(memory: Memory) -> None:
    """Double what has no room for the orders of one more step. Between kernel calls only."""
    head = memory["book_head"][0]
    if head["order_count"] + 1 + ORDERS_PER_STEP > len(memory["orders"]):
        memory.grow("orders", 2 * len(memory["orders"]))
    if head["level_count"] + 1 + ORDERS_PER_STEP > len(memory["levels"]):
        memory.grow("levels", 2 * len(memory["levels"]))
    if (head["order_count"] + ORDERS_PER_STEP) * ENTRIES_PER_ORDER > len(memory["order_index"]):
        widen_index(memory)
    if head["page_count"] + 1 + ORDERS_PER_STEP * PAGES_PER_LEVEL > len(memory["pages"]):
        _grow_pages(memory, 2 * len(memory["pages"]))


def set_pages_max(memory: Memory, pages: int) -> None:
    """Limit the pages of all ladders together. A limit below what is in use lets no new page in."""
    memory["book_head"][0]["pages_max"] = pages


def widen_index(memory: Memory) -> None:
    """Make the index twice as long. No order is read, and no fresh memory touched but what it becomes longer by."""
    entries = len(memory["order_index"])
    memory.grow("order_index", 2 * entries)
    _spread_index(memory.handle_of(BOOK), entries)


def rebuild_index(memory: Memory) -> None:
    """Enter every open order anew, into an index with room for the orders of one step more."""
    rows = _index_rows(int(memory["book_head"][0]["order_count"]) + ORDERS_PER_STEP)
    if rows > len(memory["order_index"]):
        memory.grow("order_index", rows)
    memory["order_index"][:] = 0
    _index_all(memory.handle_of(BOOK))


def used_rows(memory: Memory, instruments: int) -> dict[str, int]:
    """How many rows of each array matter while there are so many instruments, number 0 included; but for
    `trigger_rows` and `pending_rows`. Rows behind are zero, and `order_index` is derived: 0 of it."""
    head = memory["book_head"][0]
    pages = int(head["page_rows"]) + 1
    sides = instruments * SIDES_PER_INSTRUMENT
    return {
        "orders": int(head["order_rows"]) + 1,
        "levels": int(head["level_rows"]) + 1,
        "sides": sides,
        "side_tops": sides * TOPS_PER_SIDE,
        "pages": pages,
        "page_slots": pages * PAGE_TICKS,
        "page_words": pages * WORDS_PER_PAGE,
        "order_index": 0,
        "book_head": 1,
    }


def trigger_rows(memory: Memory, instruments: int) -> dict[str, np.ndarray]:
    """The sides on which orders of so many instruments wait for a price: views, under names of their own."""
    begin, end = TRIGGER_SIDES_BEGIN, TRIGGER_SIDES_BEGIN + instruments * SIDES_PER_INSTRUMENT
    return {
        "trigger_sides": memory["sides"][begin:end],
        "trigger_side_tops": memory["side_tops"][begin * TOPS_PER_SIDE : end * TOPS_PER_SIDE],
    }


def pending_rows(memory: Memory, instruments: int) -> dict[str, np.ndarray]:
    """The sides on which orders of so many instruments wait for another: views, under names of their own."""
    begin, end = PENDING_SIDES_BEGIN, PENDING_SIDES_BEGIN + instruments
    return {
        "pending_sides": memory["sides"][begin:end],
        "pending_side_tops": memory["side_tops"][begin * TOPS_PER_SIDE : end * TOPS_PER_SIDE],
    }


def _grow_pages(memory: Memory, pages: int) -> None:
    memory.grow("pages", pages)
    memory.grow("page_slots", pages * PAGE_TICKS)
    memory.grow("page_words", pages * WORDS_PER_PAGE)


def _index_rows(orders: int) -> int:
    return 1 << (orders * ENTRIES_PER_ORDER - 1).bit_length()


@entry
def _spread_index(handle, entries_before):
    spread_index(_views(handle), entries_before)


@entry
def _index_all(handle):
    book = _views(handle)
    for row in range(1, book.book_head[0]["order_rows"] + 1):
        if book.orders[row]["level"] != NIL:
            index_order(book, book.orders[row]["order_id"], row)
