"""What a participant needs of the venue: a session to trade with, and a view of the market.

The gateway's side is an adapter (made where the venue is composed) that calls the order functions clients call, as a
session that is logged on already. Parameters and replies are Binance's, names and texts alike.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol


class Reply(NamedTuple):
    """A reply: HTTP status and decoded JSON body; an error's body is `{"code": …, "msg": …}`."""

    status: int
    body: Any

    @property
    def is_ok(self) -> bool:
        return self.status == 200

    @property
    def is_would_take(self) -> bool:
        """A LIMIT_MAKER that would have traded at once: no trouble, the market moved."""
        return not self.is_ok and "would immediately match" in str(self.body)

    @property
    def is_trouble(self) -> bool:
        """The venue as a whole asks to wait: rate limits, overload, a journal that takes nothing."""
        return self.status in (418, 429) or self.status >= 500


Done = Callable[[Reply], None]
Parameters = Mapping[str, str]


class TraderSession(Protocol):
    """One account's session. Each request is answered exactly once through `done`, at once or later, on the thread that
    calls `step`; none raises."""

    def place(self, parameters: Parameters, done: Done) -> None:
        """POST order."""

    def cancel(self, parameters: Parameters, done: Done) -> None:
        """DELETE order."""

    def cancel_replace(self, parameters: Parameters, done: Done) -> None:
        """POST order/cancelReplace."""

    def open_orders(self, parameters: Parameters, done: Done) -> None:
        """GET openOrders."""

    def account(self, done: Done) -> None:
        """GET account."""


class MarketView(Protocol):
    """Public market data, as numbers for behaviour; None where there is none."""

    def best(self, symbol: str) -> tuple[float | None, float | None]:
        """The best bid and the best ask."""

    def last_price(self, symbol: str) -> float | None:
        """Of the newest trade."""
