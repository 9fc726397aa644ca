"""Whoever is killed or held: nothing acknowledged is lost, nothing is doubled, and nobody is left without an answer."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.joined.conftest import CONFIG, Joined, joined
from tests.joined.test_together import SYMBOL, at, sell, soon
from tests.support.operator import Operator
from tests.support.rest import Rest, UnansweredError
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

UNDECIDED = -1007
UNAVAILABLE = -1008
UNKNOWN = -2013
ANSWER_SECONDS_MAX = 0.8
SLACK_SECONDS = 1.0  # For a test's own client on a busy machine; what the venue takes is measured by tests of its own.


class Load(threading.Thread):
    """Places one order after the other, which expire at once, until it is told to stop or its server is gone."""

    def __init__(self, process: VenueProcess, key: dict[str, str], label: str) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.acknowledged: dict[str, int] = {}  # Client id → order id.
        self.undecided: set[str] = set()
        self.refused: list[str] = []
        self.failure: BaseException | None = None
        self._process, self._key, self._label = process, key, label

    def run(self) -> None:
        try:
            with at(self._process, self._key) as rest:
                number = 0
                while not self.stop.is_set():
                    number += 1
                    self._place(rest, f"{self._label}-{number}")
        except BaseException as failure:  # Told by the test, which owns this thread.
            self.failure = failure

    def _place(self, rest: Rest, client_id: str) -> None:
        begun = time.monotonic()
        try:
            status, reply = sell(rest, "50000", timeInForce="IOC", newClientOrderId=client_id)
        except UnansweredError:
            self.undecided.add(client_id)
            self.stop.set()
            return
        assert time.monotonic() - begun < ANSWER_SECONDS_MAX + SLACK_SECONDS
        if status == 200:
            self.acknowledged[client_id] = reply["orderId"]
        elif reply["code"] == UNDECIDED:
            assert reply["data"]["clientOrderId"] == client_id
            self.undecided.add(client_id)
        else:
            assert (status, reply["code"]) == (503, UNAVAILABLE), reply
            self.refused.append(client_id)

    def end(self) -> None:
        self.stop.set()
        self.join(60)
        assert not self.is_alive(), "a client hangs"
        if self.failure is not None:
            raise self.failure


def asked(rest: Rest, client_id: str) -> Any:
    """What is said of an order."""
    return rest.signed("GET", "/api/v3/order", symbol=SYMBOL, origClientOrderId=client_id)[1]


def kept(process: VenueProcess, key: dict[str, str]) -> dict[str, int]:
    """All orders of an account, by client id."""
    found: dict[str, int] = {}
    with at(process, key) as rest:
        while True:
            after = max(found.values(), default=0) + 1
            status, rows = rest.signed("GET", "/api/v3/allOrders", symbol=SYMBOL, limit=1000, orderId=after)
            assert status == 200, rows
            if not rows:
                return found
            for row in rows:
                assert row["clientOrderId"] not in found, "an order is there twice"
                found[row["clientOrderId"]] = row["orderId"]


def check(process: VenueProcess, key: dict[str, str], *loads: Load) -> None:
    """What was told is so; what was left undecided may be either; nothing else is there."""
    found = kept(process, key)
    told = {name: order_id for load in loads for name, order_id in load.acknowledged.items()}
    undecided = {name for load in loads for name in load.undecided}
    assert told.items() <= found.items(), "an acknowledged order is lost"
    assert found.keys() <= told.keys() | undecided, "an order is there that was refused or never sent"


def test_killed_gateway_loses_nothing_and_disturbs_nobody(breakable: Joined) -> None:
    venue, first, second = breakable
    key = venue.trader("alice", BTC="1000")
    loads = [Load(process, key, label) for process, label in ((first, "f"), (second, "s"), (venue, "v"))]
    for load in loads:
        load.start()
    wait_until(lambda: all(len(load.acknowledged) > 100 for load in loads), what="acknowledged orders")
    first.kill()
    before = len(loads[1].acknowledged)
    wait_until(lambda: len(loads[1].acknowledged) > before + 100, what="orders at the other gateway")
    for load in loads:
        load.end()
    assert not loads[1].undecided
    assert not loads[1].refused
    with venue.gateway() as third:
        for process in (venue, second, third):
            check(process, key, *loads)
    assert second.terminate() == 0
    assert venue.terminate() == 0
    venue.command("verify", str(venue.data))


def test_killed_venue_is_refused_at_once_and_followed_on_when_it_is_back(breakable: Joined) -> None:
    venue, first, second = breakable
    key = venue.trader("alice", BTC="1000")
    loads = [Load(process, key, label) for process, label in ((first, "f"), (second, "s"))]
    for load in loads:
        load.start()
    for _ in range(3):
        marks = [len(load.acknowledged) for load in loads]
        wait_until(
            lambda marks=marks: all(
                len(load.acknowledged) > mark + 50 for load, mark in zip(loads, marks, strict=True)
            ),
            what="acknowledged orders",
        )
        venue.kill()
        wait_until(lambda: all(load.refused for load in loads), what="refusals")
        with at(first, key) as rest:
            status, health = rest.call("GET", "/readyz")
            assert (status, health["ready"]) == (503, False)
            assert health["reason"] == "The venue is not running; new orders are taken again when it is."
            assert rest.signed("GET", "/api/v3/openOrders", symbol=SYMBOL)[0] == 200
            assert asked(rest, "of-another-gateway")["code"] == UNDECIDED, "it may be in the venue's files"
            assert rest.call("GET", "/api/v3/depth", symbol=SYMBOL)[0] == 200
        venue.start()
        for load in loads:
            load.refused.clear()
    for load in loads:
        load.end()
    with at(first, key) as rest:
        soon(lambda: asked(rest, "of-another-gateway")["code"], UNKNOWN)
    everywhere = kept(venue, key)
    for process in (first, second):
        soon(lambda process=process: kept(process, key), everywhere)
    check(venue, key, *loads)
    for load in loads:
        for name in load.undecided:
            with at(first, key) as rest:
                status, reply = rest.signed("GET", "/api/v3/order", symbol=SYMBOL, origClientOrderId=name)
                assert (status == 200) == (name in everywhere), reply
    assert [process.terminate() for process in (first, second, venue)] == [0, 0, 0]
    venue.command("verify", str(venue.data))


def test_venue_that_is_held_leaves_orders_pending_and_decides_them_afterwards(breakable: Joined) -> None:
    venue, first, _ = breakable
    key = venue.trader("alice", BTC="1")
    with at(first, key) as rest:
        os.kill(venue.pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            status, reply = sell(rest, newClientOrderId="held")
            assert time.monotonic() - begun < ANSWER_SECONDS_MAX + SLACK_SECONDS
            assert (status, reply["code"], reply["data"]["clientOrderId"]) == (504, UNDECIDED, "held")
            assert asked(rest, "held")["code"] == UNDECIDED, "it may still be placed"
            wait_until(lambda: sell(rest)[1]["code"] == UNAVAILABLE, what="refusals by a gateway that hears nothing")
        finally:
            os.kill(venue.pid, signal.SIGCONT)
        wait_until(lambda: asked(rest, "held").get("code") != UNDECIDED, what="a decision")
        assert asked(rest, "held").get("status") == "NEW" or asked(rest, "held")["code"] == UNKNOWN
        wait_until(lambda: sell(rest)[0] == 200, what="orders are taken again")


def test_gateway_that_lost_its_place_starts_over_from_a_snapshot(forgetful: Joined) -> None:
    venue, first, second = forgetful
    key = venue.trader("alice", BTC="1000")
    os.kill(first.pid, signal.SIGSTOP)
    held_at = newest(venue)
    load = Load(second, key, "s")
    load.start()
    wait_until(lambda: oldest(venue) > held_at, seconds_max=120, what="its segment is removed")
    load.end()
    os.kill(first.pid, signal.SIGCONT)
    wait_until(lambda: any('"starting over"' in line for line in list(first.log)), what="the gateway's new start")
    wait_until(lambda: is_ready(first), seconds_max=60, what="the gateway is ready again")
    check(first, key, load)
    again = Load(first, key, "again")
    again.start()
    wait_until(lambda: len(again.acknowledged) > 10, what="orders through it")
    again.end()
    check(venue, key, load, again)
    with Operator(venue.port, venue.data) as operator:
        assert len(operator.call("GET", "/venue")[1]["gateways"]) == 2


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Joined]:
    """A venue that keeps little of its journal, and its gateways."""
    config = tmp_path / "venue.toml"
    config.write_text(CONFIG.read_text() + "\n[retention]\nmax_bytes = 200000\n")
    yield from joined(tmp_path, config)


def is_ready(process: VenueProcess) -> bool:
    try:
        with at(process) as rest:
            return rest.call("GET", "/readyz")[0] == 200
    except UnansweredError:
        return False


def segments(venue: VenueProcess) -> list[int]:
    return sorted(int(path.name.partition("-")[0]) for path in (venue.data / "journal").glob("*.seg"))


def newest(venue: VenueProcess) -> int:
    return segments(venue)[-1]


def oldest(venue: VenueProcess) -> int:
    return segments(venue)[0]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_gateway_stops_with_0_and_keeps_what_it_acknowledged(breakable: Joined, signal_number: int) -> None:
    venue, first, _ = breakable
    key = venue.trader("alice", BTC="1000")
    load = Load(first, key, "f")
    load.start()
    wait_until(lambda: len(load.acknowledged) > 50, what="acknowledged orders")
    os.kill(first.pid, signal_number)
    assert first.wait() == 0
    load.end()
    check(venue, key, load)


def test_gateway_without_a_venue_is_one_sentence(tmp_path: Path) -> None:
    venue = VenueProcess(tmp_path)
    words = ["gateway", "--join", str(venue.data)]
    done = venue.command(*words, check=False)
    assert (done.returncode, done.stderr) == (1, f"{venue.data} is not a directory.\n")
    with venue:
        pass
    done = venue.command(*words, check=False)
    assert done.returncode == 1
    assert done.stderr == f"No venue is running on {venue.data}: start one with `holdfast run`, then the gateway.\n"
