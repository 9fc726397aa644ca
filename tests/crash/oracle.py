"""What an account was told, held against what the venue says after a crash.

records of the traders ──decided round by round──▶ ORACLE ◀──── orders, trades and balances read from outside

Each round only what can have changed is read: orders and trades with higher ids than the last ones seen, and the orders
that were still open. Whatever is decided stays decided: an order that is closed is archived with its last row, and
`everything` reads it all once more at the end. A client id of an earlier round can therefore never come (back) unseen.
"""

import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from tests.crash.list_oracle import OPEN, ListOracle
from tests.crash.paging import pages
from tests.crash.records import SYMBOL, Record, Row, Sent, Withdrawal
from tests.support.operator import Operator
from tests.support.rest import Rest

DEPOSIT = Decimal("1.5")
WITHDRAWAL = Decimal("0.5")
ASSETS = ("BTC", "USDT")
_TOLD_APART = {  # Of the orders that are done, by a field that others do not have.
    "trailing stops": "trailingDelta",
    "trailing stops that began to follow": "trailingTime",
    "icebergs": "icebergQty",
    "pegged orders": "peggedPrice",
}
SAMPLED = 10  # Archived orders looked at again each round.
_STEPS = {"REQUESTED": 0, "APPROVED": 1, "SENT": 2, "REFUSED": 2}


class Trades:
    """All trades of the venue, put together from both sides: each has one buyer and one seller who agree on it."""

    def __init__(self) -> None:
        self._half: dict[int, Row] = {}
        self.count = 0

    def add(self, fill: Row) -> None:
        other = self._half.pop(fill["id"], None)
        if other is None:
            self._half[fill["id"]] = fill
            return
        self.count += 1
        assert other["isBuyer"] != fill["isBuyer"], f"a trade has one side twice: {other} {fill}"
        assert other["isMaker"] != fill["isMaker"], f"a trade has no taker: {other} {fill}"
        for name in ("price", "qty", "quoteQty", "time"):
            assert other[name] == fill[name], f"the sides of a trade differ in {name}: {other} {fill}"

    def check(self) -> None:
        """After all accounts were read."""
        assert not self._half, f"trades with one side only: {list(self._half)}"


class AccountOracle:
    """One account: what it sent, and what of that is decided."""

    def __init__(self, record: Record, start: dict[str, Decimal], trades: Trades, seed: int) -> None:
        self.record = record
        self.counts: Counter[str] = Counter()
        self.expected = dict(start)  # What free and locked of each asset must add up to.
        self.sent_out = Decimal(0)  # USDT withdrawn less deposited by the banker.
        self.held_for_withdrawals = Decimal(0)
        self._trades = trades
        self._order_id = self._trade_id = 0  # The last ones read.
        self._open: dict[int, Row] = {}
        self._archive: dict[int, Row] = {}
        self._executed: dict[int, Decimal] = {}  # Order id → the sum of its trades.
        self._fills: dict[int, list[Row]] = {}  # Of this round, by order id.
        self._amended: dict[int, list[Decimal]] = {}  # Order id → to what, by amendments of its own.
        self._pairs: dict[int, list[Decimal]] = {}  # Order id → to what either of its pair was amended.
        self._selling_bought: set[int] = set()  # Order ids.
        self.lists = ListOracle()
        self._random = random.Random(seed)

    def settle_money(self, operator: Operator) -> None:
        """What deposits and withdrawals moved; repeating a request tells what became of it and moves nothing twice, but
        does what was undecided and never done."""
        for reference, is_acknowledged in self.record.deposits.items():
            status, reply = operator.call("POST", self._path("deposits"), _amount(DEPOSIT), reference)
            assert status == 201, reply
            assert reply["repeated"] or not is_acknowledged, f"an acknowledged deposit is lost: {reference}"
            self.expected["USDT"] += DEPOSIT
            self.sent_out -= DEPOSIT
        for withdrawal in self.record.withdrawals.values():
            self._check_withdrawal(withdrawal, operator)
        self.record.deposits.clear()
        self.record.withdrawals.clear()

    def check(self, rest: Rest) -> None:
        """Decide what was sent in this round, and demand that everything decided before is unchanged. The money must be
        settled, and the process at the other end must have applied that."""
        self._read_fills(rest)
        rows = self._read_orders(rest)
        for sent in self.record.orders.values():
            sent.row = self._found(sent, rows)
        for sent in self.record.orders.values():  # Now it is known what became of both orders of each pair.
            self._check_sent(sent, sent.row)
        assert not rows, f"orders that nobody sent in this round: {rows}"
        self._check_totals()
        self._check_amendments(rest)
        self.lists.check(self.record.lists, rest, self._row, self._amended)
        self._begin_round()
        self._check_archive(rest)
        self._check_balances(rest)

    def everything(self, rest: Rest) -> None:
        """Read the whole history once more: it is what was read piece by piece."""
        orders = pages(rest, "/api/v3/allOrders", "orderId", "orderId", 1, symbol=SYMBOL)
        found = {row["orderId"]: row for row in orders}
        assert found == self._archive | self._open, f"the order history of {self.record.account} has changed"
        sums: dict[int, Decimal] = {}
        for fill in pages(rest, "/api/v3/myTrades", "fromId", "id", 1, symbol=SYMBOL):
            sums[fill["orderId"]] = sums.get(fill["orderId"], Decimal(0)) + Decimal(fill["qty"])
        assert sums == self._executed, f"the trade history of {self.record.account} has changed"
        self.lists.everything(rest)
        self.counts.update(self.lists.counts)

    @property
    def fills(self) -> list[Row]:
        """The account's trades of the last round."""
        return [fill for fills in self._fills.values() for fill in fills]

    @property
    def open_ids(self) -> set[int]:
        """The orders that are open."""
        return {*self._open}

    def _read_fills(self, rest: Rest) -> None:
        self._fills = {}
        for fill in pages(rest, "/api/v3/myTrades", "fromId", "id", self._trade_id + 1, symbol=SYMBOL):
            self._trade_id = fill["id"]
            self._trades.add(fill)
            self._fills.setdefault(fill["orderId"], []).append(fill)
            quantity = Decimal(fill["qty"])
            self._executed[fill["orderId"]] = self._executed.get(fill["orderId"], Decimal(0)) + quantity
            sign = 1 if fill["isBuyer"] else -1
            self.expected["BTC"] += sign * quantity
            self.expected["USDT"] -= sign * Decimal(fill["quoteQty"])
            self.expected[fill["commissionAsset"]] -= Decimal(fill["commission"])

    def _read_orders(self, rest: Rest) -> dict[str, Row]:
        """This round's orders and those that were open, by client id."""
        status, now_open = rest.signed("GET", "/api/v3/openOrders", symbol=SYMBOL)
        assert status == 200, now_open
        rows = {row["orderId"]: row for row in now_open}
        for order_id in self._open.keys() - rows.keys():
            rows[order_id] = _order(rest, order_id)
        for row in pages(rest, "/api/v3/allOrders", "orderId", "orderId", self._order_id + 1, symbol=SYMBOL):
            assert rows.setdefault(row["orderId"], row) == row, f"two reads of one order differ: {row}"
        self._order_id = max([self._order_id, *rows])
        assert not rows.keys() & self._archive.keys(), "a closed order is open again"
        self._open = {order_id: row for order_id, row in rows.items() if row["status"] in OPEN}
        assert self._open.keys() == {row["orderId"] for row in now_open}
        closed = {order_id: row for order_id, row in rows.items() if order_id not in self._open}
        self._archive |= closed
        for what, field in _TOLD_APART.items():
            self.counts[what] += sum(Decimal(row.get(field, 0)) > 0 for row in closed.values())
        by_client_id = {row["clientOrderId"]: row for row in rows.values()}
        assert len(by_client_id) == len(rows), "an order exists twice"
        return by_client_id

    def _begin_round(self) -> None:
        """What is open is all that the next round begins with."""
        self.record.orders = {
            row["clientOrderId"]: Sent(
                row["clientOrderId"],
                {"side": row["side"], "quantity": row["origQty"], "price": row["price"]},
                reply=row,
                pair=self._pairs.get(order_id),
                is_selling_bought=order_id in self._selling_bought,
            )
            for order_id, row in self._open.items()
        }
        self.record.lists.clear()

    def _row(self, order_id: int) -> Row:
        return self._open.get(order_id) or self._archive[order_id]

    def _found(self, sent: Sent, rows: dict[str, Row]) -> Row | None:
        """What there is of it, taken out of `rows`. An amendment that nobody was told of is decided now."""
        asked = sent.amending
        if asked is None:
            return rows.pop(sent.client_id, None)
        found = rows.pop(asked.client_id, None) or rows.pop(sent.client_id, None)
        is_amended = found is not None and Decimal(found["origQty"]) == Decimal(asked.quantity)
        if is_amended:
            assert found is not None
            assert found["clientOrderId"] == asked.client_id, f"an order was amended by half: {sent} {found}"
            sent.amend(asked)
        self.counts["undecided amendments, " + ("done" if is_amended else "not done")] += 1
        return found

    def _check_sent(self, sent: Sent, found: Row | None) -> None:
        """One order: what was told of it is so; what nobody was told is decided now."""
        if sent.refused:
            assert found is None, f"a refused order exists: {sent} {found}"
        elif sent.reply is None:
            self.counts["undecided, executed" if found else "undecided, not executed"] += 1
        else:
            assert found is not None, f"an acknowledged order is lost: {sent}"
            assert found["orderId"] == sent.reply["orderId"]
            assert Decimal(found["executedQty"]) >= Decimal(sent.reply["executedQty"])
            told = {(fill["tradeId"], fill["qty"], fill["price"]) for fill in sent.reply.get("fills", [])}
            own = {(fill["id"], fill["qty"], fill["price"]) for fill in self._fills.get(found["orderId"], [])}
            assert told <= own, f"acknowledged trades are lost: {told - own}"
        if sent.canceled is not None:
            assert found is not None, f"a canceled order is lost: {sent}"
            assert found["status"] == "CANCELED", f"an acknowledged cancel is lost: {found}"
            assert found["executedQty"] == sent.canceled["executedQty"], f"an order traded after its cancel: {found}"
        if found is not None:
            asked = (sent.terms["side"], Decimal(sent.terms.get("price", 0)))
            assert (found["side"], Decimal(found["price"])) == asked, f"{found} is not {sent}"
            if sent.is_selling_bought:  # The oracle of lists knows what was bought.
                self._selling_bought.add(found["orderId"])
            else:
                assert sent.may_have(Decimal(found["origQty"])), f"{found} has not the quantity of {sent}"

    def _check_totals(self) -> None:
        """Each order that may have changed executed what its trades say."""
        for order_id in {*self._open, *self._fills}:
            row = self._row(order_id)
            assert Decimal(row["executedQty"]) == self._executed.get(order_id, 0), f"trades do not make up {row}"
            assert Decimal(row["executedQty"]) <= Decimal(row["origQty"])

    def _check_amendments(self, rest: Rest) -> None:
        """What is known to have been amended was amended once, and nothing else was."""
        for sent in self.record.orders.values():
            if sent.row is None:
                continue
            order_id, quantity = sent.row["orderId"], Decimal(sent.row["origQty"])
            own = self._amended.setdefault(order_id, [])
            own += sent.amended
            if sent.pair is not None:
                self._pairs[order_id] = sent.pair
            if sent.amended or sent.pair:
                status, rows = rest.signed("GET", "/api/v3/order/amendments", symbol=SYMBOL, orderId=order_id)
                assert status == 200, rows
                kept = [Decimal(row["newQty"]) for row in rows]
                assert kept == sorted({*kept}, reverse=True), f"an amendment was done twice: {rows}"
                assert {*own} <= {*kept} <= {*own, *(sent.pair or ())}, f"{sent} was amended to {kept}, not {own}"
                assert not kept or quantity == kept[-1], f"{sent.row} is not {kept[-1]}"
                self.counts["amendments"] += len(sent.amended)

    def _check_archive(self, rest: Rest) -> None:
        for order_id in self._random.sample(sorted(self._archive), min(SAMPLED, len(self._archive))):
            assert _order(rest, order_id) == self._archive[order_id], f"closed order {order_id} has changed"

    def _check_withdrawal(self, told: Withdrawal, operator: Operator) -> None:
        status, found = operator.call("POST", self._path("withdrawals"), _amount(WITHDRAWAL), told.reference)
        assert status == 201, found
        assert told.withdrawal_id in (0, found["withdrawalId"]), f"a withdrawal was doubled: {told} {found}"
        assert not told.status or _STEPS[found["status"]] >= _STEPS[told.status], f"a step is lost: {told} {found}"
        assert told.status not in ("SENT", "REFUSED") or found["status"] == told.status, f"{told} became {found}"
        if found["status"] == "SENT":
            self.expected["USDT"] -= WITHDRAWAL
            self.sent_out += WITHDRAWAL
        elif found["status"] != "REFUSED":
            self.held_for_withdrawals += WITHDRAWAL  # For good: steps are taken in the round of the request only.

    def _check_balances(self, rest: Rest) -> None:
        status, account = rest.signed("GET", "/api/v3/account")
        assert status == 200, account
        rows = {row["asset"]: row for row in account["balances"]}
        locked = {"BTC": Decimal(0), "USDT": self.held_for_withdrawals}
        for orders in self._held_together():
            locked["BTC" if orders[0]["side"] == "SELL" else "USDT"] += max(map(_needs, orders))
        locked["BTC"] += sum(Decimal(row["executedQty"]) for row in self._open.values() if self.lists.is_paying(row))
        for asset in ASSETS:
            free, held = Decimal(rows[asset]["free"]), Decimal(rows[asset]["locked"])
            name = self.record.account
            assert held == locked[asset], f"{name} has {held} {asset} locked and its orders need {locked[asset]}"
            assert free + held == self.expected[asset], f"{name} has {free + held} {asset}, not {self.expected[asset]}"

    def _held_together(self) -> Iterable[list[Row]]:
        """Open orders that hold funds, those of one pair together: it holds once what the one needs that needs more."""
        held: dict[tuple[int, int], list[Row]] = {}
        for order_id, row in self._open.items():
            if row["status"] != "PENDING_NEW":  # It waits for another order, and holds nothing.
                is_plain = row["orderListId"] == -1
                held.setdefault((row["orderListId"], order_id if is_plain else 0), []).append(row)
        return held.values()

    def _path(self, what: str) -> str:
        return f"/accounts/{self.record.account}/{what}"


def _amount(amount: Decimal) -> dict[str, str]:
    return {"asset": "USDT", "amount": str(amount)}


def _order(rest: Rest, order_id: int) -> Row:
    status, row = rest.signed("GET", "/api/v3/order", symbol=SYMBOL, orderId=order_id)
    assert status == 200, f"order {order_id} is lost: {row}"
    found: Row = row
    return found


def _needs(order: Row) -> Decimal:
    """What an open order holds on its own, in what it pays with."""
    leaves = Decimal(order["origQty"]) - Decimal(order["executedQty"])
    return leaves if order["side"] == "SELL" else leaves * Decimal(order.get("peggedPrice") or order["price"])
