"""Services: what the operators' interface needs from the venue. The venue's composition provides it.

Everything is called on the loop's thread and returns at once, unless it is a coroutine or says otherwise.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from holdfast import views
from holdfast.codes import Limit
from holdfast.events import ControlEvent
from holdfast.gateway.operator.schemas import SnapshotState, VenueState
from holdfast.instruments import Reference

if TYPE_CHECKING:
    from holdfast.directory.directory import Directory


class Outcome(Protocol):
    @property
    def seq(self) -> int: ...
    @property
    def controls(self) -> list[ControlEvent]: ...


class Clock(Protocol):
    def now_ns(self) -> int: ...


class Replica(Protocol):
    """`holdfast.replica.Replica`."""

    @property
    def clock(self) -> Clock: ...
    @property
    def reference(self) -> Reference: ...
    @property
    def refusal(self) -> str: ...
    def submit(self, records: bytes, done: Callable[[Any], None] | None = None) -> int: ...
    def account(self, account_id: int) -> views.Account | None: ...
    def balances(self, account_id: int) -> list[views.Balance]: ...
    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[views.Order]: ...
    def withdrawals(self, account_id: int = 0) -> list[views.Withdrawal]: ...
    def totals(self) -> list[views.AssetTotals]: ...
    def auction(self, instrument_id: int) -> views.Auction: ...


class Services(Protocol):
    """The venue, as an operator sees it."""

    @property
    def replica(self) -> Replica: ...
    @property
    def directory(self) -> "Directory":
        """Unlocked."""

    @property
    def operator_token(self) -> str: ...
    @property
    def allow_remote_operator(self) -> bool:
        """Whether this interface answers addresses other than loopback ones."""

    def withdrawal(self, withdrawal_id: int) -> views.Withdrawal | None: ...
    def limits(self) -> Mapping[Limit, int]:
        """The present limits."""

    def venue_state(self) -> VenueState: ...
    async def take_snapshot(self) -> SnapshotState:
        """Have a snapshot written and return it. Raises ValueError with a sentence when one cannot be."""

    def export_history(self, account_id: int, what: str, start_ts_ns: int, end_ts_ns: int) -> Iterator[str]:
        """CSV in pieces of a few hundred lines, the header first. 0: no bound."""

    def metrics(self) -> bytes:
        """The text that Prometheus reads; see `holdfast.gateway.operator.metrics`."""
