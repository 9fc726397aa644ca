"""The tail: what has been applied and is not in the history's file yet.

history: events → TAIL (memory) → writer → schema → queries

Two threads meet in `Backlog`, under its lock: the loop thread adds rows to the collecting tail and reads; the writer
takes that tail as a whole, writes it, and lets it go when the transaction is committed. Until then it is readable, so
together file and backlog hold everything up to the newest event at every moment. A reader takes the tails first and
reads the file after; what was committed in between it sees twice, and drops once.

Adding is a copy of a batch's bytes, some 2 µs whatever is in it. Which rows matter is looked up when somebody reads,
when the tail is written, or when many wait; the rows of a tail are searched as whole columns then.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from holdfast.accounts.movements import Movement
from holdfast.accounts.selection import Window
from holdfast.codes import OrderEventKind, OrderStatus
from holdfast.events import OrderEvent, order_event_dtype

_TRADE = int(OrderEventKind.TRADE)
_KEPT_KINDS = (_TRADE, int(OrderEventKind.ORDER_CANCELED), int(OrderEventKind.ORDER_EXPIRED))
_CLOSED = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH)
ARRIVED_ROWS_MAX = 4_096  # About 1 MB: the loop waits for it, and memory that is touched first takes a while.
BLOCK_ROWS_MAX = 4_096


class Wanted(NamedTuple):
    """Rows of which a field has one of some values."""

    field: str
    is_wanted: np.ndarray  # By value.

    def among(self, rows: np.ndarray) -> np.ndarray:
        """A copy of the rows."""
        return rows.take(np.flatnonzero(self.is_wanted[rows[self.field]]))


def _wanted(field: str, values: Collection[int]) -> Wanted:
    return Wanted(field, np.isin(np.arange(128), list(values)))


_KEPT = _wanted("kind", _KEPT_KINDS)
FILLS = _wanted("kind", (_TRADE,))
CLOSINGS = _wanted("status", _CLOSED)  # Among what is kept. A TRADE that fills its order is a fill, too.


class Block:
    """Rows, and copies of the columns that were looked at, which are searched ten times as fast as within the rows."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self._columns: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, field: str) -> np.ndarray:
        column = self._columns.get(field)
        if column is None:
            column = self._columns[field] = self.rows[field].copy()
        return column


class Tail:
    """What happened up to `last_seq`: order events of the kinds that the history keeps, in order, and movements."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.movements: list[Movement] = []
        self.blocks: list[Block] = []
        self._arrived: list[bytes] = []  # Not in the blocks yet, and not only what is kept.
        self._arrived_rows = 0
        self._kept = 0

    def __len__(self) -> int:
        return self._kept + len(self.movements)

    def add(self, orders: np.ndarray) -> None:
        kinds = orders["kind"].tobytes()
        kept = sum(map(kinds.count, _KEPT_KINDS))
        if kept:
            self._kept += kept
            self._arrived.append(orders.tobytes())
            self._arrived_rows += len(orders)
            if self._arrived_rows > ARRIVED_ROWS_MAX:
                self.settle()

    def settle(self) -> None:
        """Move what has arrived into the blocks. Small blocks are joined, so that there are few of them."""
        if not self._arrived:
            return
        rows = _joined(self._arrived)
        self._arrived, self._arrived_rows = [], 0
        block, blocks = _KEPT.among(rows), self.blocks
        while blocks and len(blocks[-1]) <= min(2 * len(block), BLOCK_ROWS_MAX):
            block = _joined([blocks.pop().rows, block])
        blocks.append(Block(block))

    # Reads, of a tail that is settled.

    def order(self, account_id: int, order_id: int) -> OrderEvent | None:
        """What closed the order."""
        found = self._closing(Window(limit=1), order_id=order_id, account_id=account_id)
        return found[-1] if found else None

    def order_by_client_id(self, account_id: int, instrument_id: int, client_id: bytes) -> OrderEvent | None:
        """What closed the newest order of that id."""
        market = {"account_id": account_id, "instrument_id": instrument_id}
        found = self._closing(Window(limit=1), **market, client_id=client_id)
        return found[-1] if found else None

    def orders(self, account_id: int, instrument_id: int, window: Window) -> list[OrderEvent]:
        """What closed the orders in the window, ascending by id."""
        return self._closing(window, account_id=account_id, instrument_id=instrument_id)

    def fills(self, window: Window, **equal: int) -> list[OrderEvent]:
        """The fills in the window whose fields have these values, ascending by trade id."""
        return self._find(FILLS, window, "trade_id", "ts_ns", equal)

    def _closing(self, window: Window, **equal: int | bytes) -> list[OrderEvent]:
        return self._find(CLOSINGS, window, "order_id", "created_ts_ns", equal)

    def _find(
        self, wanted: Wanted, window: Window, id_field: str, ts_field: str, equal: Mapping[str, int | bytes]
    ) -> list[OrderEvent]:
        (first, first_value), *others = equal.items()
        pieces = []
        for block in self.blocks:
            index = np.flatnonzero(block[first] == first_value)
            for field, value in others:
                index = index[block[field][index] == value]
            index = index[wanted.is_wanted[block[wanted.field][index]]]
            index = index[window.holds_each(block[id_field][index], block[ts_field][index])]
            pieces.append(block.rows.take(index[_chosen(block[id_field][index], window)]))
        found = _joined(pieces)
        return [OrderEvent._make(row) for row in found.take(_chosen(found[id_field], window)).tolist()]


def _chosen(ids: np.ndarray, window: Window) -> np.ndarray:
    """Which to choose, ascending. One more than the limit: the sides of an account's trade with itself have one id."""
    by_id = ids.argsort(kind="stable")
    return by_id[: window.limit + 1] if window.is_oldest_first else by_id[-window.limit - 1 :]


def _joined(pieces: Iterable[bytes | np.ndarray]) -> np.ndarray:
    """As bytes, since NumPy copies records of so many fields one field after the other."""
    return np.frombuffer(b"".join(pieces), order_event_dtype)  # type: ignore[arg-type]


class Backlog:
    """The tail that collects and the one that is being written; shared by the loop thread and the writer."""

    def __init__(self, cursor_seq: int, lag_events_max: int) -> None:
        self.cursor_seq = cursor_seq  # All up to it is in the file.
        self.seen_seq = cursor_seq  # All up to it is in the file or here.
        self.is_behind = False  # From more than `lag_events_max` until half of it is reached.
        self.lock = threading.Lock()
        self._lag_events_max = lag_events_max
        self._collecting = Tail()
        self._writing: Tail | None = None

    def __len__(self) -> int:
        """Events that are not in the file yet."""
        writing = self._writing
        return len(self._collecting) + (len(writing) if writing is not None else 0)

    def begin_after(self, seq: int) -> None:
        with self.lock:
            assert self._writing is None
            self.cursor_seq = self.seen_seq = seq

    def add(self, last_seq: int, orders: np.ndarray, movements: Iterable[Movement]) -> None:
        """Take what the commands up to `last_seq` made happen. Loop thread."""
        with self.lock:
            tail = self._collecting
            tail.add(orders)
            tail.movements.extend(movements)
            tail.last_seq = self.seen_seq = last_seq
            self._judge()

    def tails(self) -> list[Tail]:
        """What is not in the file, or was not a moment ago, oldest first. Loop thread."""
        with self.lock:
            self._collecting.settle()
            return [self._collecting] if self._writing is None else [self._writing, self._collecting]

    def take(self) -> Tail | None:
        """The tail to write next; after a failed attempt the same again. None: all is written. Writer."""
        with self.lock:
            if self._writing is None and self._collecting.last_seq > self.cursor_seq:
                self._writing, self._collecting = self._collecting, Tail()
                self._writing.settle()
            return self._writing

    def written(self, tail: Tail) -> None:
        """`tail` is committed, and with it the cursor. Writer."""
        with self.lock:
            assert tail is self._writing
            self._writing = None
            self.cursor_seq = tail.last_seq
            self._judge()

    def _judge(self) -> None:
        self.is_behind = len(self) > (self._lag_events_max // 2 if self.is_behind else self._lag_events_max)
