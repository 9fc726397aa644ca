"""Clients of the line trade on while their venue is killed and started again: nothing is lost, nothing is doubled.

Client order ids do not help here: they are forgotten as soon as an order closes, and most of these orders close at
once. Only the numbers of the sessions keep an order from being carried out twice.
"""

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from holdfast.client import LineClient, OrderEventKind, Outcome, Report, Request, Side, TimeInForce
from holdfast.client.orders import cancel_order, new_order
from tests.crash.harness import CONFIG
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CLIENTS = 3
KILLS = 3
BATCH = 25
SECONDS_BETWEEN = (0.2, 0.7)


class Trader(threading.Thread):
    """One session that sends one batch after the other until it is told to stop, whatever happens to the venue."""

    def __init__(self, venue: VenueProcess, name: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.venue, self.label = venue, name
        venue.json("account", "create", name)
        for asset, amount in (("BTC", "50"), ("USDT", "2000000")):
            venue.json("deposit", name, asset, amount, "--reference", f"{name}-{asset}")
        key = venue.json("key", "create", name, "--type", "ed25519")
        self.rest_key = venue.json("key", "create", name, "--type", "hmac", "--permissions", "read")
        self.line = LineClient(venue.data / "line.sock", key["apiKey"], key["secretKey"], session=seed, seconds_max=120)
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self.requests: list[Request] = []
        self.reports: list[Report] = []
        self._random = random.Random(seed)

    def run(self) -> None:
        try:
            with self.line:
                while not self.stop.is_set():
                    self._batch()
                self.reports += self.line.read()
        except BaseException as failure:  # Told by the test, which owns this thread.
            self.failure = failure

    def _batch(self) -> None:
        market, choose = self.line.instrument("BTCUSDT"), self._random
        open_ids = [r.order.order_id for r in self.requests[-40:] if r.order is not None and r.order.is_working]
        batch: list[Request] = []
        for _ in range(BATCH):
            number = f"{self.label}-{len(self.requests) + len(batch)}"
            if open_ids and choose.random() < 0.2:
                record = cancel_order(market, choose.choice(open_ids), client_id=number)
            else:
                price = f"{40_000 + choose.randint(-20, 20)}"
                kind = choose.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK])
                side, quantity = choose.choice([Side.BUY, Side.SELL]), f"0.00{choose.randint(1, 9)}"
                record = new_order(market, side, quantity, price, time_in_force=kind, client_id=number)
            batch.append(self.line.submit(record))
        self.requests += batch
        self.line.wait_all(batch)
        self.reports += self.line.read()


class Watcher(threading.Thread):
    """A drop copy of one trader's account, on a session of its own."""

    def __init__(self, trader: Trader) -> None:
        super().__init__(daemon=True)
        key = trader.venue.json("key", "create", trader.label, "--type", "ed25519", "--permissions", "read")
        socket = trader.venue.data / "line.sock"
        self.line = LineClient(socket, key["apiKey"], key["secretKey"], drop_copy=True, seconds_max=120)
        self.stop = threading.Event()
        self.reports: list[Report] = []

    def run(self) -> None:
        while not self.stop.is_set():
            self.reports += self.line.read(0.2)
        self.line.close()


def test_nothing_is_lost_or_doubled_on_the_line_when_the_venue_is_killed(tmp_path: Path) -> None:
    config = tmp_path / "venue.toml"
    config.write_text(CONFIG.read_text() + "\n[limits]\nclient_id_horizon_ns = 0\n")
    chosen = random.Random(20261123)
    with VenueProcess(tmp_path, "--config", str(config), "--line-socket") as venue:
        traders = [Trader(venue, f"line{number}", number) for number in range(CLIENTS)]
        watcher = Watcher(traders[0])
        watcher.line.connect()
        for thread in (*traders, watcher):
            thread.start()
        for _ in range(KILLS):
            time.sleep(chosen.uniform(*SECONDS_BETWEEN))  # The moment of the kill is what is drawn here.
            venue.kill()
            venue.start()
        for trader in traders:
            trader.stop.set()
        for trader in traders:
            trader.join(60)
            assert not trader.is_alive(), "a client hangs"
            if trader.failure is not None:
                raise trader.failure
        told = positions(traders[0].reports)
        # Others may have traded with this trader's orders after it had left, so there may be more than it saw.
        wait_until(lambda: positions(watcher.reports[-1:]) >= told[-1:], what="the drop copy of the newest report")
        watcher.stop.set()
        watcher.join(60)
        for trader in traders:
            check(venue, trader)
        assert positions(watcher.reports)[: len(told)] == told
        assert venue.terminate() == 0
        venue.command("verify", str(venue.data))


def check(venue: VenueProcess, trader: Trader) -> None:
    """What one client was told, beside what the venue says to others."""
    assert {request.outcome for request in trader.requests} == {Outcome.DONE}
    numbers = [request.number for request in trader.requests]
    assert numbers == list(range(1, len(numbers) + 1))
    told = positions(trader.reports)
    assert told == sorted(set(told)), "each report once, and in order"
    accepted = [r for r in trader.reports if r.kind == OrderEventKind.ORDER_ACCEPTED]
    doubled = {name: count for name, count in Counter(r.client_id for r in accepted).items() if count > 1}
    assert not doubled
    placed = {r.order.order_id: r.order.client_id.decode() for r in trader.requests if r.order is not None}
    assert len(placed) > KILLS * BATCH
    with Rest(venue.port, trader.rest_key) as rest:
        kept: dict[int, str] = {}
        while True:
            more = {"orderId": max(kept) + 1} if kept else {"orderId": 1}
            status, rows = rest.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000, **more)
            assert status == 200, rows
            if not rows:
                break
            kept |= {row["orderId"]: row["clientOrderId"] for row in rows}
    assert kept == placed


def positions(reports: list[Report]) -> list[tuple[int, int]]:
    return [(report.seq, report.index) for report in reports]
