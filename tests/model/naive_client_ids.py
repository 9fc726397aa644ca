"""The naive exchange's client order ids: which of them count, and for which order."""

from holdfast.codes import Limit, OrderStatus
from tests.model.naive_state import Order, RememberedId, State


class ClientIds(State):
    def first_of(self, account_id: int, client_id: bytes) -> tuple[int, int] | None:
        """The id and status of the order that a client id stands for now."""
        for order in self.open:
            if order.account_id == account_id and client_id in (order.client_id, *order.former_ids):
                return order.order_id, order.status
        return self.remembered(account_id, client_id)

    def remembered(self, account_id: int, client_id: bytes) -> tuple[int, int] | None:
        """The same, of one that is not open any more."""
        for entry in self.closed_ids + self.refused_ids:
            if (entry.account_id, entry.client_id) == (account_id, client_id) and not entry.is_forgotten:
                if self.counts(entry):
                    return entry.order_id, entry.status
                entry.is_forgotten = True
        return None

    def counts(self, entry: RememberedId) -> bool:
        if entry.is_forgotten:
            return False
        if entry.status == OrderStatus.REJECTED:
            return self.command.clock_ts_ns <= entry.ts_ns
        return self.command.ts_ns - entry.ts_ns < self.limits[Limit.CLIENT_ID_HORIZON_NS]

    def close_id(self, order: Order) -> None:
        """All that it had, the newest first. At the limit the oldest go first, two for each one, so that a lowered
        limit is reached."""
        ts_ns = self.command.ts_ns
        for client_id in (order.client_id, *reversed(order.former_ids)):
            self.closed_ids.append(RememberedId(order.account_id, client_id, order.order_id, order.status, ts_ns))
            for _ in range(2):
                if len(self.closed_ids) > self.limits[Limit.CLIENT_IDS_MAX]:
                    self.closed_ids.pop(0)

    def remember_refused(self, order: Order) -> None:
        """Not an id that counts already: a replacement that HALT refused may have had that of an open order."""
        if not order.client_id or self.first_of(order.account_id, order.client_id):
            return
        self.forget_old_ids()
        if len(self.refused_ids) < self.limits[Limit.CLIENT_IDS_MAX]:
            deadline = self.command.deadline_ts_ns
            self.refused_ids.append(RememberedId(order.account_id, order.client_id, 0, order.status, deadline))

    def forget_old_ids(self) -> None:
        """Each command frees at most two entries of each list."""
        for entries in (self.closed_ids, self.refused_ids):
            for _ in range(2):
                if entries and not self.counts(entries[0]):
                    entries.pop(0)
