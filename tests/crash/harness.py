"""Kill the venue at random moments under load, start it again, and hold it to what it had told its clients.

    python -m tests.crash.harness --kills 300 [--seed N]

Load: orders, cancels and replacements over REST and WebSocket, deposits and withdrawals, with snapshots and rotations of
the journal every few hundred commands. After each kill, from outside, through the interfaces that clients have:

* every acknowledged order, cancel, deposit and withdrawal is there, with what was told of it;
* nothing that was refused exists; nothing exists twice; whatever was in the air is decided, one way or the other;
* per account, balances are what deposits, withdrawals and its own trades make them; over all accounts, each asset balances;
and at the end `holdfast verify` reads and applies everything again.
"""

import argparse
import random
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.crash.traders import SYMBOL, Banker, Record, RestTrader, Trader, WebSocketTrader
from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess

ACCOUNTS = 4
START = {"BTC": Decimal(50), "USDT": Decimal(2_000_000)}
CONFIG = Path(__file__).with_name("venue.toml")


class Harness:
    def __init__(self, directory: Path, seed: int) -> None:
        self.venue = VenueProcess(directory, "--config", str(CONFIG))
        self.records: list[Record] = []
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)

    def prepare(self) -> None:
        """Accounts, keys and money."""
        self.venue.start()
        for number in range(ACCOUNTS):
            name = f"trader-{number}"
            key = self.venue.trader(name, **{asset: str(amount) for asset, amount in START.items()})
            self.records.append(Record(name, key))

    def round(self) -> None:
        """Load, a kill at a random moment, a start, and the checks."""
        stop = threading.Event()
        clients = self._clients(stop)
        for client in clients:
            client.start()
        time.sleep(self._random.uniform(0.05, 1.0))  # The moment of the kill is what is drawn here.
        self.venue.kill()
        stop.set()
        for client in clients:
            client.join(60)
            assert not client.is_alive(), "a client hangs"
            if client.failure is not None:
                raise client.failure
            self.counts["acknowledged"] += client.acknowledged
        self.venue.start()
        self.check()
        self.counts["kills"] += 1

    def _clients(self, stop: threading.Event) -> list[Trader | Banker]:
        clients: list[Trader | Banker] = []
        for number, record in enumerate(self.records):
            kind = WebSocketTrader if number % 2 else RestTrader
            clients.append(kind(record, self.venue.port, self._random.getrandbits(48), stop))
        operator = Operator(self.venue.port, self.venue.data)
        clients.append(Banker(self.records[0], operator, self._random.getrandbits(48), stop))
        return clients

    def check(self) -> None:
        """Everything that can be said from outside, for every account."""
        operator = Operator(self.venue.port, self.venue.data)
        status, state = operator.call("GET", "/venue")
        assert status == 200
        assert state["is_accepting"], state["refusal"]
        totals: Counter[str] = Counter()
        for record in self.records:
            totals.update(self._check_account(record, operator))
        fees = {row["asset"]: Decimal(row["collected"]) for row in operator.call("GET", "/fees")[1]["fees"]}
        for asset, amount in START.items():
            expected = ACCOUNTS * amount + (self._moved() if asset == "USDT" else 0)
            assert totals[asset] + fees.get(asset, 0) == expected, f"{asset} does not balance: {totals[asset]}, {fees}"
        operator.close()

    def _moved(self) -> Decimal:
        return self._money_of_the_banker

    def _check_account(self, record: Record, operator: Operator) -> dict[str, Decimal]:
        rest = Rest(self.venue.port, record.key)
        found = _all(rest, "/api/v3/allOrders", "orderId")
        fills = _all(rest, "/api/v3/myTrades", "id")
        by_client_id = {order["clientOrderId"]: order for order in found}
        assert len(by_client_id) == len(found), "an order exists twice"
        for sent in record.orders.values():
            self._check_order(sent, by_client_id.get(sent.client_id), fills)
        strangers = set(by_client_id) - set(record.orders)
        assert not strangers, f"orders that nobody sent: {strangers}"
        expected = {asset: amount for asset, amount in START.items()}
        for fill in fills:
            sign = 1 if fill["isBuyer"] else -1
            expected["BTC"] += sign * Decimal(fill["qty"])
            expected["USDT"] -= sign * Decimal(fill["quoteQty"])
            expected[fill["commissionAsset"]] -= Decimal(fill["commission"])
        moved = self._check_money(record, operator)
        if record is self.records[0]:
            self._money_of_the_banker = moved
        expected["USDT"] += moved
        account = rest.signed("GET", "/api/v3/account")[1]
        held = {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in account["balances"]}
        for asset, amount in expected.items():
            assert held[asset] == amount, f"{record.account} has {held[asset]} {asset} and should have {amount}"
        rest.close()
        return expected

    def _check_order(self, sent: Any, found: dict[str, Any] | None, fills: list[dict[str, Any]]) -> None:
        if sent.refused:
            assert found is None, f"a refused order exists: {sent} {found}"
        if sent.reply is not None:
            assert found is not None, f"an acknowledged order is lost: {sent}"
            assert found["orderId"] == sent.reply["orderId"]
            assert Decimal(found["executedQty"]) >= Decimal(sent.reply["executedQty"])
            own = {fill["id"] for fill in fills if fill["orderId"] == found["orderId"]}
            told = {fill["tradeId"] for fill in sent.reply.get("fills", [])}
            assert told <= own, f"acknowledged trades are lost: {told - own}"
        if sent.cancel_acknowledged:
            assert found is not None
            assert found["status"] == "CANCELED", f"an acknowledged cancel is lost: {found}"
        if found is not None and sent.reply is None and not sent.refused:
            self.counts["executed though unanswered"] += 1
            sent.reply = {"orderId": found["orderId"], "executedQty": found["executedQty"], "status": found["status"]}
        elif found is None and sent.reply is None and not sent.refused:
            self.counts["unanswered and not executed"] += 1
            sent.refused = True  # Decided now: it must never appear later.

    def _check_money(self, record: Record, operator: Operator) -> Decimal:
        """What deposits and withdrawals moved; repeating a request tells what became of it and moves nothing twice."""
        moved = Decimal(0)
        for reference, acknowledged in record.deposits.items():
            status, reply = operator.call(
                "POST", f"/accounts/{record.account}/deposits", {"asset": "USDT", "amount": "1.5"}, reference
            )
            assert status == 201, reply
            assert reply["repeated"] or not acknowledged, f"an acknowledged deposit is lost: {reference}"
            record.deposits[reference] = True
            moved += Decimal("1.5")
        for reference, withdrawal_id in record.withdrawals.items():
            status, reply = operator.call(
                "POST", f"/accounts/{record.account}/withdrawals", {"asset": "USDT", "amount": "0.5"}, reference
            )
            assert status == 201, reply
            assert withdrawal_id in (None, reply["withdrawal_id"]), f"a withdrawal was doubled: {reference}"
            record.withdrawals[reference] = reply["withdrawal_id"]
            moved -= Decimal("0.5") if reply["status"] == "SENT" else 0
        return moved


def _all(rest: Rest, path: str, name: str) -> list[dict[str, Any]]:
    """Every row of a list that is read by id, page by page."""
    rows: list[dict[str, Any]] = []
    first = 0
    while True:
        parameter = {"orderId": "orderId", "id": "fromId"}[name]
        status, page = rest.signed("GET", path, symbol=SYMBOL, limit=1000, **{parameter: first})
        assert status == 200, page
        rows += page
        if len(page) < 1000:
            return rows
        first = page[-1][name] + 1


def run(kills: int, seed: int, directory: Path) -> Counter[str]:
    """So many rounds, then the verification. Raises AssertionError with what was wrong."""
    harness = Harness(directory, seed)
    try:
        harness.prepare()
        for number in range(1, kills + 1):
            harness.round()
            if number % 10 == 0 or number == kills:
                print(f"kill {number}: {dict(harness.counts)}", flush=True)  # noqa: T201
        assert harness.venue.terminate() == 0
        harness.venue.command("verify", str(harness.venue.data))
    finally:
        harness.venue.kill()
    return harness.counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args()
    print(f"make crash KILLS={options.kills} SEED={options.seed}", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="holdfast-crash-") as directory:
        begun = time.monotonic()
        counts = run(options.kills, options.seed, Path(directory))
    seconds = time.monotonic() - begun
    print(f"{counts['kills']} kills in {seconds:.0f} s: 0 lost, 0 doubled, 0 imbalance; {dict(counts)}")  # noqa: T201
    sys.exit(0)


if __name__ == "__main__":
    main()
