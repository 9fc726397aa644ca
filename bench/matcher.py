"""The book module alone as a matcher: messages in, reports out, no accounts and no rules.

This is what the C++ peers do too, so it is what they are compared with. The engine does its own matching.
"""

# mypy: disable-error-code="untyped-decorator"

import numpy as np

from bench.tape import ACK, CANCEL, CANCELED, NEW, REJECT, TAPE, TRADE, Tape
from holdfast.engine.book import (
    BOOK,
    NIL,
    Book,
    append_order,
    best_level,
    find_level,
    find_order,
    has_room,
    key_price,
    price_key,
    reduce_order,
    remove_order,
    side_row,
)
from holdfast.engine.jit import entry, hot, prefetch
from holdfast.engine.ladder import KEY_MAX, PAGE_TICKS, leaf_page
from holdfast.engine.order_index import index_place, likely_row

# How many messages ahead the places of ids and prices are fetched, then the orders there, then what they lead to.
_FAR = 16
_NEAR = 8
_NEXT = 4
_CACHED_ORDERS = 16_384  # A smaller book lies in the processor's own cache anyway.

_INSTRUMENT_ID = 1
_ACCOUNT_ID = 1

_book_views = BOOK.views
_tape_views = TAPE.views


@entry
def match(book_handle: int, tape_handle: int, first: int, end: int) -> int:
    """Apply the messages first..end-1; returns where it stopped: `end`, or the message that needs a larger book."""
    book = _book_views(book_handle)
    tape = _tape_views(tape_handle)
    for i in range(first, end):
        if not has_room(book):
            return i
        if book.book_head[0]["order_count"] > _CACHED_ORDERS and i + _FAR < end:
            _look_ahead(book, tape, i)
        message = tape.messages[i]
        if message["kind"] == NEW:
            _report(tape, ACK, message["order_id"], 0, message["price_ticks"], message["lots"])
            side = side_row(_INSTRUMENT_ID, message["side"])
            _place(book, tape, side, message["order_id"], message["price_ticks"], message["lots"])
        else:
            row = find_order(book, message["order_id"])
            if row == NIL:
                _report(tape, REJECT, message["order_id"], 0, 0, 0)
            elif message["kind"] == CANCEL:
                _report(tape, CANCELED, message["order_id"], 0, 0, book.orders[row]["leaves_lots"])
                remove_order(book, row)
            else:
                _modify(book, tape, row, message["price_ticks"], message["lots"])
    return end


@hot
def _look_ahead(book: Book, tape: Tape, i: int) -> None:
    """Begin to bring into the cache what the next messages will touch, as the engine does (`look_ahead.py`)."""
    far = tape.messages[i + _FAR]
    prefetch(book.order_index, index_place(book, far["order_id"]))
    key = price_key(side_row(_INSTRUMENT_ID, far["side"]), far["price_ticks"] & KEY_MAX)
    page = leaf_page(book, side_row(_INSTRUMENT_ID, far["side"]), key)
    prefetch(book.page_slots, page * PAGE_TICKS + (key & (PAGE_TICKS - 1)))
    near = likely_row(book, tape.messages[i + _NEAR]["order_id"])
    prefetch(book.orders, near)
    order = book.orders[likely_row(book, tape.messages[i + _NEXT]["order_id"])]
    prefetch(book.levels, np.int64(order["level"]))
    prefetch(book.orders, np.int64(order["prev"]))
    prefetch(book.orders, np.int64(order["next"]))
    next_one = tape.messages[i + _NEXT]
    side = side_row(_INSTRUMENT_ID, next_one["side"])
    prefetch(book.levels, find_level(book, side, price_key(side, next_one["price_ticks"] & KEY_MAX)))


@hot
def _modify(book: Book, tape: Tape, row: int, price_ticks: int, lots: int) -> None:
    order_id = book.orders[row]["order_id"]
    level = book.orders[row]["level"]
    side = book.levels[level]["side_row"]
    leaves_lots = book.orders[row]["leaves_lots"]
    _report(tape, ACK, order_id, 0, price_ticks, lots)
    if book.levels[level]["key"] == price_key(side, price_ticks) and lots < leaves_lots:
        reduce_order(book, row, leaves_lots - lots)
    else:
        remove_order(book, row)
        _place(book, tape, side, order_id, price_ticks, lots)


@hot
def _place(book: Book, tape: Tape, side: int, order_id: int, price_ticks: int, lots: int) -> None:
    """Trade with the opposite side as far as the price allows, and rest what is left."""
    opposite = side ^ 1
    limit_key = price_key(opposite, price_ticks)
    level = best_level(book, opposite)
    while lots > 0 and level != NIL and book.levels[level]["key"] <= limit_key:
        maker = book.levels[level]["first"]
        maker_lots = book.orders[maker]["leaves_lots"]
        traded_lots = min(lots, maker_lots)
        maker_price = key_price(opposite, book.levels[level]["key"])
        _report(tape, TRADE, order_id, book.orders[maker]["order_id"], maker_price, traded_lots)
        _count_trade(tape, maker_price, traded_lots)
        lots -= traded_lots
        if traded_lots == maker_lots:
            remove_order(book, maker)
            level = best_level(book, opposite)
        else:
            reduce_order(book, maker, traded_lots)
    if lots > 0:
        append_order(book, side, price_ticks, order_id, _ACCOUNT_ID, lots)


@hot
def _report(tape: Tape, kind: int, order_id: int, maker_order_id: int, price_ticks: int, lots: int) -> None:
    place = tape.totals[0]["reports"]
    report = tape.reports[place & (len(tape.reports) - 1)]
    report["kind"] = kind
    report["price_ticks"] = price_ticks
    report["order_id"] = order_id
    report["maker_order_id"] = maker_order_id
    report["lots"] = lots
    tape.totals[0]["reports"] = place + 1


@hot
def _count_trade(tape: Tape, price_ticks: int, lots: int) -> None:
    totals = tape.totals[0]
    totals["trades"] += 1
    totals["lots"] += lots
    totals["turnover"] += price_ticks * lots
