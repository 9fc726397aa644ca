"""What befell orders while they lived, and is told of them for good: their amendments.

history: EVENTS → tail (memory) → writer → schema → queries

Few orders are amended, so these are rows of their own from the beginning, like movements of money.
"""

from collections.abc import Iterable

import numpy as np

from holdfast.codes import OrderEventKind
from holdfast.events import OrderEvent
from holdfast.views import Amendment

_AMENDED = int(OrderEventKind.ORDER_AMENDED)


def amendments(orders: np.ndarray, commands: np.ndarray, first_seq: int) -> Iterable[Amendment]:
    """Those among a batch's order events; `commands` is the batch, `first_seq` its first number."""
    if _AMENDED not in orders["kind"].tobytes():
        return
    for row in orders.take(np.flatnonzero(orders["kind"] == _AMENDED)).tolist():
        event = OrderEvent._make(row)
        command = commands[event.seq - first_seq]
        yield Amendment(
            event.account_event,
            event.order_id,
            event.account_id,
            event.instrument_id,
            event.client_id.decode("ascii"),
            command["client_id"].decode("ascii"),
            event.qty_lots + event.last_lots,
            event.qty_lots,
            event.ts_ns,
            event.seq,
        )
