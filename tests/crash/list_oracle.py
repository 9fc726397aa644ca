"""The order lists of an account, held against what was told of them: each is there once and whole, or not at all.

records of the traders ──decided round by round──▶ LIST ORACLE ◀──── lists and their orders, read from outside

What a list has come to is not believed but worked out: from the orders that were sent as its legs, and what these have
traded. The rules are Binance's: of a pair at most one order trades, and the other one expires then; what is pending
waits until the working order is filled, and ends with it when it ends otherwise. What sells what was bought has just
that quantity, and until then that is locked for it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tests.crash.draws import LIST_KINDS
from tests.crash.paging import pages
from tests.crash.records import Row, SentList
from tests.support.rest import Rest

OPEN = ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")
_UNFILLED_ENDS = ("CANCELED", "EXPIRED")


class _Known(NamedTuple):
    """A list that exists, and the orders that are its legs for good, in the order in which they were sent."""

    client_id: str
    kind: str
    order_ids: list[int]


class ListOracle:
    """The lists of one account."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._list_id = 0  # The last one read.
        self._open: dict[int, _Known] = {}
        self._archive: dict[int, Row] = {}

    def check(
        self,
        sent: list[SentList],
        rest: Rest,
        order: Callable[[int], Row],
        amended: Mapping[int, list[Decimal]],
    ) -> None:
        """Decide what was sent in this round; `order` is an order's newest row, and `amended` to what it was made
        smaller, by its id."""
        found = {row["listClientOrderId"]: row for row in self._new_lists(rest)}
        for each in sent:
            self._decide(each, found.pop(each.client_id, None))
        assert not found, f"order lists that nobody sent: {found}"
        for list_id, known in list(self._open.items()):
            rows = [order(order_id) for order_id in known.order_ids]
            if known.kind in _SELL_BOUGHT:
                _check_bought(rows, amended)
            self._check_list(list_id, known, rest, rows)
        now_open: set[int] = {row["orderListId"] for row in _asked(rest, "/api/v3/openOrderList")}
        assert now_open == self._open.keys(), f"open lists are {now_open}, not {self._open.keys()}"

    def is_paying(self, order: Row) -> bool:
        """Whether it is open and what it buys is locked for what waits for it."""
        known = self._open.get(order["orderListId"])
        return known is not None and known.kind in _SELL_BOUGHT and order["orderId"] == known.order_ids[0]

    def everything(self, rest: Rest) -> None:
        """All lists once more: what was done is as it was."""
        rows = {row["orderListId"]: row for row in pages(rest, "/api/v3/allOrderList", "fromId", "orderListId", 1)}
        assert rows.keys() == self._archive.keys() | self._open.keys(), "lists have come or gone"
        changed = {list_id for list_id, row in self._archive.items() if rows[list_id] != row}
        assert not changed, f"lists that were done have changed: {changed}"

    def _new_lists(self, rest: Rest) -> list[Row]:
        rows = [*pages(rest, "/api/v3/allOrderList", "fromId", "orderListId", self._list_id + 1)]
        self._list_id = max([self._list_id, *(row["orderListId"] for row in rows)])
        return rows

    def _decide(self, sent: SentList, found: Row | None) -> None:
        rows = [leg.row for leg in sent.legs if leg.row is not None]
        assert len(rows) in (0, len(sent.legs)), f"half a list: {sent} {found}"
        assert (found is not None) == bool(rows), f"a list without its orders, or orders without their list: {sent}"
        if sent.refused:
            assert found is None, f"a refused list exists: {sent}"
        elif sent.reply is None:
            self.counts["lists undecided, executed" if found else "lists undecided, not executed"] += 1
        else:
            assert found is not None, f"an acknowledged list is lost: {sent}"
            assert found["orderListId"] == sent.reply["orderListId"]
        if found is not None:
            self.counts[f"lists {sent.kind}"] += 1
            ids = [row["orderId"] for row in rows]
            self._open[found["orderListId"]] = _Known(sent.client_id, sent.kind, ids)

    def _check_list(self, list_id: int, known: _Known, rest: Rest, rows: list[Row]) -> None:
        assert {row["orderListId"] for row in rows} == {list_id}, f"orders are not in list {list_id}: {rows}"
        _CHECKS[known.kind](rows)
        is_open = any(row["status"] in OPEN for row in rows)
        shown = _asked(rest, "/api/v3/orderList", orderListId=list_id)
        assert shown["listClientOrderId"] == known.client_id, f"list {list_id} has another name: {shown}"
        assert shown["listOrderStatus"] == ("EXECUTING" if is_open else "ALL_DONE"), f"{shown} with {rows}"
        legs = {(leg["orderId"], leg["clientOrderId"]) for leg in shown["orders"]}
        assert legs == {(row["orderId"], row["clientOrderId"]) for row in rows}, f"{shown} has other orders than {rows}"
        if not is_open:
            self._archive[list_id] = shown
            del self._open[list_id]


def _check_pair(rows: list[Row]) -> None:
    """At most one trades; when one has traded or was triggered, the other one has expired."""
    open_rows = [row for row in rows if row["status"] in OPEN]
    traded = [row for row in rows if Decimal(row["executedQty"])]
    assert len(traded) <= 1, f"both orders of a pair traded: {rows}"
    if len(open_rows) == 2:
        assert not traded, f"an order of a pair traded and the other one is still open: {rows}"
        assert rows[0]["origQty"] == rows[1]["origQty"], f"the orders of a pair are not alike: {rows}"
    for row in rows:
        other = rows[1] if row is rows[0] else rows[0]
        if row in traded:
            assert other["status"] == "EXPIRED", f"an order of a pair traded and the other one did not expire: {rows}"
        elif row["status"] not in OPEN:
            assert row["status"] in _UNFILLED_ENDS, f"{row} has ended like this without a trade"
            stands_alone = other in traded or ("stopPrice" in other and other["isWorking"])
            assert other not in open_rows or stands_alone, f"an order of a pair was lost: {rows}"


def _check_pending(rows: list[Row]) -> None:
    """The first row is the working order."""
    working, *pending = rows
    states = {row["status"] for row in pending}
    if working["status"] in OPEN:
        assert states == {"PENDING_NEW"}, f"pending orders did not wait: {rows}"
    elif working["status"] == "FILLED":
        assert "PENDING_NEW" not in states, f"pending orders were not placed: {rows}"
        if len(pending) == 2:
            _check_pair(pending)
    else:
        assert states <= {*_UNFILLED_ENDS}, f"pending orders outlived their working order: {rows}"
        assert not any(Decimal(row["executedQty"]) for row in pending), f"pending orders traded: {rows}"


def _check_bought(rows: list[Row], amended: Mapping[int, list[Decimal]]) -> None:
    """The first row is the working order, which buys what the others sell."""
    working, *pending = rows
    bought = Decimal(working["executedQty"]) if working["status"] == "FILLED" else Decimal(0)
    is_amended = any(amended.get(row["orderId"]) for row in pending)  # The one of a pair with the other.
    for row in pending:
        quantity = Decimal(row["origQty"])
        assert quantity == bought or (is_amended and quantity < bought), f"not what was bought is sold: {rows}"


_CHECKS = dict.fromkeys(LIST_KINDS, _check_pending) | {"oco": _check_pair}
_SELL_BOUGHT = ("opo", "opoco")


def _asked(rest: Rest, path: str, **parameters: int) -> Any:
    status, reply = rest.signed("GET", path, **parameters)
    assert status == 200, reply
    return reply
