"""Kill the venue and its gateways at random moments under load, start them again, and hold them to what they had told.

    python -m tests.crash.harness --kills 300 [--gateways 2] [--seed N]

Load: orders of all kinds, order lists, amendments, cancels and replacements over REST and WebSocket, at the venue and
at joined gateways, and over the line; dead man's timers, and connections that cancel when they end; deposits and
withdrawals; with snapshots and rotations of the journal every few hundred commands. Of two kills one is of the venue,
the other of a gateway or of several at once, or of a gateway and the venue. After each kill, once all timers that are
due have run out, from outside, through clients' interfaces, each account at a process that is drawn:

* every acknowledged order, list, amendment, cancel, deposit and withdrawal is there, with what was told of it; a list
  is whole or not there, and has come to what the trades of its orders imply;
* nothing that was refused exists, nothing exists twice; whatever was in the air is decided, this way or that, for good;
* each trade has two sides that agree; orders executed what their trades say; open orders hold exactly what they need;
* over the line each command that was sent is decided, is in the journal once, and every report is told once; a drop
  copy is told the same;
* each dead man's timer that was due by the journal's own times has canceled what was open, and nothing else; so has
  each connection that was to cancel when it ends, whoever ended it;
* an account's balances are what deposits, withdrawals and its own trades make them, and each asset balances over all;

and at the end everything is read once more from outside, and `holdfast verify` reads and applies everything again.
"""

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from tests.crash.drop_copy import DropCopy, Listener
from tests.crash.line_oracle import LineOracle
from tests.crash.line_trader import LineSession, LineTrader
from tests.crash.oracle import ASSETS, AccountOracle, Trades
from tests.crash.records import Record, Watch
from tests.crash.timer_oracle import TimerOracle
from tests.crash.timers import Timers
from tests.crash.traders import Banker, RestTrader, Trader, WebSocketTrader
from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until

ACCOUNTS = 4
LINE_ACCOUNTS = 2  # More, which trade over the line alone.
START = {"BTC": Decimal(50), "USDT": Decimal(2_000_000)}
CONFIG = Path(__file__).with_name("venue.toml")
GATEWAYS = 2
STOPPED_SECONDS = 3.0
STOP_EVERY_KILLS = 25  # One round of so many also holds the process for a while (SIGSTOP, SIGCONT).
FRESH_RECORDS = 60  # A segment with fewer was begun a moment before.
JOIN_SECONDS_MAX = 60.0

Client = Trader | Banker | Listener


class Harness:
    def __init__(self, directory: Path, seed: int, gateways: int = 0) -> None:
        self.venue = VenueProcess(directory, "--config", str(CONFIG), "--line-socket")
        self.gateways = [self.venue.gateway() for _ in range(gateways)]
        self.counts: Counter[str] = Counter()
        self.restart_seconds: list[float] = []
        self._accounts: list[AccountOracle] = []
        self._lines: dict[AccountOracle, LineOracle] = {}
        self.timer_oracles: dict[AccountOracle, TimerOracle] = {}
        self.timers = Timers(self.venue.data / "journal")
        self._killed_ports: set[int] = set()  # In this round.
        self._trades = Trades()
        self._random = random.Random(seed)

    def prepare(self) -> None:
        """Accounts, keys and money."""
        self.venue.start()
        for gateway in self.gateways:
            gateway.start()
        for _ in range(ACCOUNTS):
            self.fresh_account()
        for session in range(LINE_ACCOUNTS):
            self.fresh_line_account(session)

    def fresh_account(self) -> AccountOracle:
        """One more account, with the money to begin with."""
        name = f"trader-{len(self._accounts)}"
        key = self.venue.trader(name, **{asset: str(amount) for asset, amount in START.items()})
        account = AccountOracle(Record(name, key), START, self._trades, self._random.getrandbits(48))
        self._accounts.append(account)
        key = self.venue.json("key", "create", name, "--type", "ed25519", "--permissions", "read")
        self.timer_oracles[account] = TimerOracle(account.record, DropCopy(self._line_socket, key))
        return account

    def fresh_line_account(self, session: int) -> tuple[AccountOracle, LineOracle]:
        """One more account, with a session on the line that lasts until the end."""
        account = self.fresh_account()
        key = self.venue.json("key", "create", account.record.account, "--type", "ed25519")
        line = LineOracle(LineSession(self._line_socket, self.venue.port, key, session))
        self._lines[account] = line
        return account, line

    @property
    def _line_socket(self) -> Path:
        return self.venue.data / "line.sock"

    def round(self) -> None:
        """Load, a kill at a random moment, a start, and the checks."""
        self._meet()
        stop = threading.Event()
        clients, line_clients = self._clients(stop), self._line_clients(stop)
        clients.append(Listener([oracle.drop_copy for oracle in self.timer_oracles.values()], stop))
        for client in (*clients, *line_clients):
            client.start()
        if self.counts["kills"] % STOP_EVERY_KILLS == STOP_EVERY_KILLS // 5:
            self._hold()
        time.sleep(self._random.uniform(0.05, 1.0))  # The moment of the kill is what is drawn here.
        is_writing_snapshot = bool(_children(self.venue.pid))
        victims = self._victims()
        self._killed_ports = {victim.port for victim in victims}
        for victim in victims:
            victim.kill()
        stop.set()
        self._join(clients)
        if self.venue in victims:
            self._start_venue()
        for gateway in self.gateways:
            if gateway in victims:
                gateway.start()
        self._join(line_clients)  # They have waited for the venue.
        newest_first_seq = self._newest_first_seq()
        applied_seq = self.check()
        self.counts["kills"] += 1
        self.counts["kills of the venue"] += self.venue in victims
        self.counts["kills of gateways"] += sum(gateway in victims for gateway in self.gateways)
        self.counts["kills while a snapshot was written"] += is_writing_snapshot and self.venue in victims
        self.counts["kills right after a rotation"] += applied_seq - newest_first_seq < FRESH_RECORDS

    def _join(self, clients: Sequence[Client]) -> None:
        for client in clients:
            client.join(JOIN_SECONDS_MAX)
            assert not client.is_alive(), "a client hangs"
            if client.failure is not None:
                raise client.failure
            self.counts["acknowledged"] += client.acknowledged

    def _victims(self) -> list[VenueProcess]:
        """Who is killed this time."""
        if not self.gateways or self._random.random() < 0.5:
            return [self.venue]
        some = self._random.sample(self.gateways, self._random.randint(1, len(self.gateways)))
        return [*some, self.venue] if self._random.random() < 0.3 else [*some]

    def _newest_first_seq(self) -> int:
        return max(int(path.stem.partition("-")[2]) for path in (self.venue.data / "journal").glob("*.seg"))

    def _start_venue(self) -> None:
        begun = time.monotonic()
        self.venue.start()
        self.restart_seconds.append(time.monotonic() - begun)

    def _meet(self) -> None:
        """Wait until all gateways have joined, those that were killed have left, and all have applied the same."""
        if not self.gateways:
            return
        with Operator(self.venue.port, self.venue.data) as operator:

            def is_settled() -> bool:
                state = operator.call("GET", "/venue")[1]
                known = {row["pid"] for row in state["gateways"]}
                if known != {gateway.pid for gateway in self.gateways} or state["journal"]["pendingRecords"]:
                    return False
                return all(_applied_seq(gateway) == state["appliedSeq"] for gateway in self.gateways)

            wait_until(is_settled, 60, "the gateways have joined and followed")

    def _hold(self) -> None:
        os.kill(self.venue.pid, signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)  # Clients wait meanwhile, and must be answered afterwards.
        os.kill(self.venue.pid, signal.SIGCONT)
        self.counts["held"] += 1

    def _clients(self, stop: threading.Event) -> list[Client]:
        clients: list[Client] = []
        for number, account in enumerate(self._accounts[:ACCOUNTS]):
            kind = WebSocketTrader if number % 2 else RestTrader
            port = self._random.choice([self.venue, *self.gateways]).port
            clients.append(kind(account.record, port, self._random.getrandbits(48), stop))
        operator = Operator(self.venue.port, self.venue.data)
        clients.append(Banker(self._accounts[0].record, operator, self._random.getrandbits(48), stop))
        return clients

    def _line_clients(self, stop: threading.Event) -> list[Client]:
        return [
            LineTrader(account.record, line.session, self._random.getrandbits(48), stop)
            for account, line in self._lines.items()
        ]

    def check(self) -> int:
        """Everything that can be said from outside, for every account; returns the seq that the venue has come to."""
        with Operator(self.venue.port, self.venue.data) as operator:
            status, state = operator.call("GET", "/venue")
            assert status == 200, state
            assert state["isAccepting"], state["refusal"]
            assert not state["skippedSeqs"], state
            self.timers.settle()
            for line in self._lines.values():
                line.session.catch_up()
            for account in self._accounts:
                account.settle_money(operator)
            self._meet()  # Nothing is asked of the venue from here on that a gateway would have to follow.
            for timer_oracle in self.timer_oracles.values():
                timer_oracle.drop_copy.catch_up()
            for account in self._accounts:
                port = self._random.choice([self.venue, *self.gateways]).port
                with Rest(port, account.record.key) as rest:
                    account.check(rest)
                self.check_told(account)
            self.timers.begin_round()
            self._trades.check()
            fees = {row["asset"]: Decimal(row["collected"]) for row in operator.call("GET", "/fees")[1]["fees"]}
        # Each account has what is expected of it; what went to fees is all that is missing.
        for asset in ASSETS:
            total = sum((account.expected[asset] for account in self._accounts), Decimal(0))
            if asset == "USDT":
                total += sum(account.sent_out for account in self._accounts)
            assert total + fees[asset] == len(self._accounts) * START[asset], (
                f"{asset} does not balance: {total} and {fees[asset]}"
            )
        applied_seq: int = state["appliedSeq"]
        return applied_seq

    def check_told(self, account: AccountOracle) -> None:
        """What an account was told over the line, once REST has said how things are."""
        timer_oracle = self.timer_oracles[account]
        if account in self._lines:
            self._lines[account].check(account.fills, timer_oracle.drop_copy.reports)
        timer_oracle.check(self.timers, account.open_ids, self._has_lived)

    def _has_lived(self, watch: Watch) -> bool:
        return not self._killed_ports & {watch.port, self.venue.port}

    def finish(self) -> None:
        """The whole history again, a stop in good order, and the verification."""
        for account in self._accounts:
            with Rest(self.venue.port, account.record.key) as rest:
                account.everything(rest)
            self.counts.update(account.counts)
            self.counts.update(self.timer_oracles[account].counts)
        for line in self._lines.values():
            self.counts.update(line.counts)
        self.counts["trades"] = self._trades.count
        for process in (*self.gateways, self.venue):
            assert process.terminate() == 0
        self.venue.command("verify", str(self.venue.data))

    def close(self) -> None:
        """Leave nothing behind, however it went."""
        for process in (*self.gateways, self.venue):
            process.kill()
        for timer_oracle in self.timer_oracles.values():
            timer_oracle.drop_copy.line.close()
        for line in self._lines.values():
            line.session.line.close()
            line.session.watching.close()


def _children(pid: int) -> list[int]:
    """Processes that a process's first thread has started and that still run; here, the writer of snapshots."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _applied_seq(gateway: VenueProcess) -> int:
    """Up to where a gateway is; -1 while it takes no orders."""
    with Rest(gateway.port) as rest:
        status, health = rest.call("GET", "/readyz")
    return int(health["appliedSeq"]) if status == 200 else -1


def run(kills: int, seed: int, directory: Path, gateways: int = 0) -> Harness:
    """So many rounds, then the verification. Raises AssertionError with what was wrong."""
    harness = Harness(directory, seed, gateways)
    try:
        harness.prepare()
        for number in range(1, kills + 1):
            harness.round()
            if number % 10 == 0 or number == kills:
                print(f"kill {number}: {_told(harness.counts)}", flush=True)  # noqa: T201
        harness.finish()
    except BaseException:
        print(f"failed after {_told(harness.counts)}; the venue said:", *harness.venue.log, sep="\n")  # noqa: T201
        raise
    finally:
        harness.close()
    return harness


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--gateways", type=int, default=GATEWAYS)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    options = parser.parse_args()
    told = f"make crash KILLS={options.kills} GATEWAYS={options.gateways} SEED={options.seed}"
    print(told, flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory(prefix="holdfast-crash-") as directory:
        begun = time.monotonic()
        harness = run(options.kills, options.seed, Path(directory), options.gateways)
        seconds = time.monotonic() - begun
    restarts = harness.restart_seconds
    print(  # noqa: T201
        f"{_told(harness.counts)}; 0 lost, 0 doubled, 0 imbalance in {seconds:.0f} s; "
        f"restarts {sum(restarts) / len(restarts):.1f} s, at most {max(restarts):.1f} s"
    )
    sys.exit(0)


if __name__ == "__main__":
    main()
