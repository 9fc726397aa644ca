"""Which of many records a reader asked for: one rule for the file, the tail in memory and the engine's open orders.

Records are chosen oldest first when the reader named a beginning (an id or a time), else the newest are; the answer
ascends either way. So the answer over a union is the choice from the union of the answers over its parts.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np

from holdfast.views import Order

LIMIT_MAX = 1000

T = TypeVar("T")


class Window(NamedTuple):
    """What to choose. Ids begin at 1 and times are event times in ns, both ends included; 0 means not given."""

    from_id: int = 0
    start_ts_ns: int = 0
    end_ts_ns: int = 0
    limit: int = 500

    @property
    def is_oldest_first(self) -> bool:
        return self.from_id > 0 or self.start_ts_ns > 0

    def holds(self, record_id: int, ts_ns: int) -> bool:
        if record_id < self.from_id or ts_ns < self.start_ts_ns:
            return False
        return self.end_ts_ns == 0 or ts_ns <= self.end_ts_ns

    def holds_each(self, ids: np.ndarray, ts_ns: np.ndarray) -> np.ndarray:
        """`holds` for whole columns."""
        held: np.ndarray = (ids >= self.from_id) & (ts_ns >= self.start_ts_ns)
        return held & (ts_ns <= self.end_ts_ns) if self.end_ts_ns else held

    def choose(self, records: Iterable[T], key: Callable[[T], object]) -> list[T]:
        """At most `limit` of records that the window holds, each key once, ascending by key."""
        by_key = {key(record): record for record in records}
        keys = sorted(by_key)  # type: ignore[type-var]
        kept = keys[: self.limit] if self.is_oldest_first else keys[-self.limit :]
        return [by_key[k] for k in kept]


def merge_orders(
    closed: Iterable[Order],
    open_orders: Iterable[Order],
    from_order_id: int = 0,
    start_ts_ns: int = 0,
    end_ts_ns: int = 0,
    limit: int = 500,
) -> list[Order]:
    """Closed orders as `History.orders` gave them for these arguments, and the open ones of the same account and
    instrument: what a client who asks for all orders gets."""
    window = Window(from_order_id, start_ts_ns, end_ts_ns, limit)
    still_open = [order for order in open_orders if window.holds(order.order_id, order.created_ts_ns)]
    return window.choose([*still_open, *closed], order_id_of)


def order_id_of(order: Order) -> int:
    return order.order_id
