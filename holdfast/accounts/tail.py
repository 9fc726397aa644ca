"""The tail: what has been applied and is not in the history's file yet.

history: events → TAIL (memory) → writer → schema → queries

Two threads meet in `Backlog`, under its lock: the loop thread adds events to the collecting tail and reads; the writer
takes that tail as a whole, writes it, and lets it go when the transaction is committed. Until then it is readable, so
together file and backlog hold everything up to the newest event at every moment. A reader takes the tails first and
reads the file after; what was committed in between it sees twice, and drops once.

Adding costs about a microsecond an event: no rows are made here, events are only put where reads find them.
"""

import threading
from collections.abc import Iterable
from typing import TypeVar

from holdfast.accounts.movements import Movement
from holdfast.codes import OrderEventKind, OrderStatus
from holdfast.events import OrderEvent

_TRADE = int(OrderEventKind.TRADE)
_CLOSING_KINDS = frozenset(
    map(int, (OrderEventKind.TRADE, OrderEventKind.ORDER_CANCELED, OrderEventKind.ORDER_EXPIRED))
)
_CLOSED = frozenset(
    map(int, (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH))
)
_RELEASED_AT_ONCE = 256

Market = tuple[int, int]  # (account_id, instrument_id)
K = TypeVar("K")


class Tail:
    """Events up to `last_seq`, in order and indexed for reads."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.fills: list[OrderEvent] = []
        self.closed: list[OrderEvent] = []
        self.movements: list[Movement] = []
        self.fills_by_market: dict[Market, list[OrderEvent]] = {}
        self.fills_by_order: dict[int, list[OrderEvent]] = {}
        self.trades_by_instrument: dict[int, list[OrderEvent]] = {}  # The takers' sides.
        self.closed_by_market: dict[Market, list[OrderEvent]] = {}
        self.closed_by_id: dict[int, OrderEvent] = {}
        self.closed_by_client_id: dict[tuple[int, int, bytes], OrderEvent] = {}  # The newest of each.

    def __len__(self) -> int:
        return len(self.fills) + len(self.closed) + len(self.movements)

    def add_orders(self, events: Iterable[OrderEvent]) -> None:
        """Keep the fills and the orders that closed; a TRADE that fills its order is both."""
        for event in events:
            kind = event.kind
            if kind == _TRADE:
                self._add_fill(event)
            if event.status in _CLOSED and kind in _CLOSING_KINDS:
                self._add_closed(event)

    def _add_fill(self, event: OrderEvent) -> None:
        self.fills.append(event)
        _append(self.fills_by_market, (event.account_id, event.instrument_id), event)
        _append(self.fills_by_order, event.order_id, event)
        if not event.is_maker:
            _append(self.trades_by_instrument, event.instrument_id, event)

    def _add_closed(self, event: OrderEvent) -> None:
        self.closed.append(event)
        self.closed_by_id[event.order_id] = event
        market = (event.account_id, event.instrument_id)
        _append(self.closed_by_market, market, event)
        self.closed_by_client_id[(*market, event.client_id)] = event

    def release(self) -> None:
        """Let the memory of a written tail go in small pieces: freeing is one long hold of Python's lock otherwise."""
        for index in (self.fills_by_market, self.fills_by_order, self.trades_by_instrument, self.closed_by_market):
            while index:
                index.popitem()
        self.closed_by_id.clear()
        self.closed_by_client_id.clear()
        for events in (self.fills, self.closed):
            while events:
                del events[-_RELEASED_AT_ONCE:]


def _append(index: dict[K, list[OrderEvent]], key: K, event: OrderEvent) -> None:
    found = index.get(key)
    if found is None:
        index[key] = [event]
    else:
        found.append(event)


class Backlog:
    """The tail that collects and the one that is being written; shared by the loop thread and the writer."""

    def __init__(self, cursor_seq: int) -> None:
        self.cursor_seq = cursor_seq  # All up to it is in the file.
        self.seen_seq = cursor_seq  # All up to it is in the file or here.
        self.lock = threading.Lock()
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

    def add(self, last_seq: int, orders: Iterable[OrderEvent], movements: Iterable[Movement]) -> None:
        """Take what the commands up to `last_seq` made happen. Loop thread."""
        with self.lock:
            tail = self._collecting
            tail.add_orders(orders)
            tail.movements.extend(movements)
            tail.last_seq = self.seen_seq = last_seq

    def tails(self) -> list[Tail]:
        """What is not in the file, or was not a moment ago, oldest first. Loop thread."""
        with self.lock:
            return [self._collecting] if self._writing is None else [self._writing, self._collecting]

    def take(self) -> Tail | None:
        """The tail to write next; after a failed attempt the same again. None: all is written. Writer."""
        with self.lock:
            if self._writing is None and self._collecting.last_seq > self.cursor_seq:
                self._writing, self._collecting = self._collecting, Tail()
            return self._writing

    def written(self, tail: Tail) -> None:
        """`tail` is committed, and with it the cursor. Writer."""
        with self.lock:
            assert tail is self._writing
            self._writing = None
            self.cursor_seq = tail.last_seq
