"""A book to try things on: one kernel for all its operations, and a naive book that says what should happen."""

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from holdfast.codes import Side
from holdfast.engine import book as books
from holdfast.engine.book_invariants import check_book
from holdfast.engine.handle import Memory
from holdfast.engine.jit import entry

APPEND, REDUCE, REMOVE, MOVE, FIND, CAN_REST, PAGES_NEEDED, HAS_ROOM = range(8)

DEPTH_MAX = 200

_views = books.BOOK.views


@entry
def _operate(
    handle: int, operation: int, instrument_id: int, side: int, price_ticks: int, order_id: int, lots: int
) -> Any:
    book = _views(handle)
    side_row = books.side_row(instrument_id, side)
    if operation == APPEND:
        return books.append_order(book, side_row, price_ticks, order_id, 7, lots)
    if operation == REDUCE:
        books.reduce_order(book, books.find_order(book, order_id), lots)
    elif operation == REMOVE:
        books.remove_order(book, books.find_order(book, order_id))
    elif operation == MOVE:
        books.move_order(book, books.find_order(book, order_id), side_row, price_ticks)
    elif operation == FIND:
        return books.find_order(book, order_id)
    elif operation == CAN_REST:
        return np.int64(books.can_rest(book, side_row, price_ticks))
    elif operation == PAGES_NEEDED:
        return np.int64(books.pages_needed(book, side_row, price_ticks))
    elif operation == HAS_ROOM:
        return np.int64(books.has_room(book))
    return np.int64(0)


@entry
def _depth(handle: int, instrument_id: int, side: int, prices: np.ndarray, lots: np.ndarray) -> Any:
    return books.read_depth(_views(handle), books.side_row(instrument_id, side), prices, lots, len(prices))


class Waiting(NamedTuple):
    price_ticks: int
    order_id: int
    lots: int


class Session:
    """A book that starts as small as it can, and grows whenever it has to."""

    def __init__(self, orders: int = 2, levels: int = 2, pages: int = 3, pages_max: int = 1_000) -> None:
        self.memory = Memory(books.BOOK, **books.first_rows(orders, levels, pages))
        books.set_pages_max(self.memory, pages_max)
        self.growths = 0

    def append(self, instrument_id: int, side: int, price_ticks: int, order_id: int, lots: int) -> int:
        self._make_room()
        return self._operate(APPEND, instrument_id, side, price_ticks, order_id, lots)

    def _make_room(self) -> None:
        while not self._operate(HAS_ROOM):
            books.grow(self.memory)
            self.growths += 1

    def reduce(self, order_id: int, lots: int) -> None:
        self._operate(REDUCE, order_id=order_id, lots=lots)

    def remove(self, order_id: int) -> None:
        self._operate(REMOVE, order_id=order_id)

    def move(self, order_id: int, instrument_id: int, side: int, price_ticks: int) -> None:
        self._make_room()
        self._operate(MOVE, instrument_id, side, price_ticks, order_id)

    def find(self, order_id: int) -> int:
        return self._operate(FIND, order_id=order_id)

    def can_rest(self, instrument_id: int, side: int, price_ticks: int) -> bool:
        return bool(self._operate(CAN_REST, instrument_id, side, price_ticks))

    def pages_needed(self, instrument_id: int, side: int, price_ticks: int) -> int:
        return self._operate(PAGES_NEEDED, instrument_id, side, price_ticks)

    def page_count(self) -> int:
        return int(self.memory["book_head"][0]["page_count"])

    def depth(self, instrument_id: int, side: int) -> list[tuple[int, int]]:
        """Prices and lots, best first, as the kernel reads them."""
        prices, lots = np.zeros((2, DEPTH_MAX), np.int64)
        count = _depth(self.memory.handle, instrument_id, side, prices, lots)
        return list(zip(prices[:count].tolist(), lots[:count].tolist(), strict=True))

    def queue(self, instrument_id: int, side: int) -> list[Waiting]:
        """Every order of a side in priority, following the links of each level of the depth."""
        book = self.memory.views
        level_rows = {
            (int(level["side_row"]), int(level["key"])): level for level in book.levels if level["order_count"]
        }
        side_row = instrument_id * 2 + (side == Side.SELL)
        queue = []
        for price_ticks, _ in self.depth(instrument_id, side):
            key = price_ticks if side == Side.SELL else 2**30 - 1 - price_ticks
            row = int(level_rows[side_row, key]["first"])
            while row:
                order = book.orders[row]
                queue.append(Waiting(price_ticks, int(order["order_id"]), int(order["leaves_lots"])))
                row = int(order["next"])
        return queue

    def check(self) -> None:
        check_book(self.memory.views)

    def _operate(
        self,
        operation: int,
        instrument_id: int = 0,
        side: int = 0,
        price_ticks: int = 0,
        order_id: int = 0,
        lots: int = 0,
    ) -> int:
        return int(_operate(self.memory.handle, operation, instrument_id, int(side), price_ticks, order_id, lots))


class NaiveBook:
    """Lists in order of arrival, sorted by price when somebody looks."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[int, int], list[Waiting]] = defaultdict(list)

    def append(self, instrument_id: int, side: int, price_ticks: int, order_id: int, lots: int) -> None:
        self.waiting[instrument_id, side].append(Waiting(price_ticks, order_id, lots))

    def reduce(self, order_id: int, lots: int) -> None:
        for side in self.waiting.values():
            side[:] = [order._replace(lots=order.lots - lots * (order.order_id == order_id)) for order in side]

    def remove(self, order_id: int) -> None:
        for side in self.waiting.values():
            side[:] = [order for order in side if order.order_id != order_id]

    def move(self, order_id: int, instrument_id: int, side: int, price_ticks: int) -> None:
        (order,) = (order for order in self.orders() if order.order_id == order_id)
        self.remove(order_id)
        self.append(instrument_id, side, price_ticks, order_id, order.lots)

    def orders(self) -> list[Waiting]:
        return [order for side in self.waiting.values() for order in side]

    def queue(self, instrument_id: int, side: int) -> list[Waiting]:
        sign = -1 if side == Side.BUY else 1
        return sorted(self.waiting[instrument_id, side], key=lambda order: sign * order.price_ticks)

    def depth(self, instrument_id: int, side: int) -> list[tuple[int, int]]:
        lots: dict[int, int] = {}
        for order in self.queue(instrument_id, side):
            lots[order.price_ticks] = lots.get(order.price_ticks, 0) + order.lots
        return list(lots.items())
