"""Orders elsewhere: an account's orders count against its limits wherever they were placed.

replica → applied commands → ORDERS ELSEWHERE → rate limits

Every process counts its own orders when it takes them. Those of others it sees in the journal a moment later and counts
then, so an account has one limit over the venue and all its gateways, and not one for each.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from holdfast.codes import CommandKind
from holdfast.gateway.binance.rate_limits import RateLimits

_NEW_ORDERS = (CommandKind.PLACE_ORDER, CommandKind.REPLACE_ORDER, CommandKind.ORDER_LIST_LEG)
LATE_NS_MAX = 1_000_000_000  # What is older is of an interval that is over, or nearly: a gateway is catching up.


class AppliedBatch(Protocol):
    """`holdfast.replica.Applied`."""

    @property
    def commands(self) -> np.ndarray: ...


class OrdersElsewhere:
    """A reader of the replica. `is_elsewhere(gateway_ids)` says which were not counted here."""

    def __init__(
        self,
        rate_limits: RateLimits,
        is_elsewhere: Callable[[np.ndarray], np.ndarray],
        now_ns: Callable[[], int],
    ) -> None:
        self._rate_limits = rate_limits
        self._is_elsewhere = is_elsewhere
        self._now_ns = now_ns

    def on_applied(self, applied: AppliedBatch) -> None:
        commands = applied.commands
        others = self._is_elsewhere(commands["gateway_id"])
        if not others.any():
            return
        now_ns = self._now_ns()
        if now_ns - int(commands["ts_ns"][-1]) > LATE_NS_MAX:
            return
        others &= np.isin(commands["kind"], _NEW_ORDERS)
        account_ids, counts = np.unique(commands["account_id"][others], return_counts=True)
        for account_id, count in zip(account_ids.tolist(), counts.tolist(), strict=True):
            self._rate_limits.count_orders(account_id, count, now_ns)
