"""A full disk: new commands are refused at once with the reason, reads go on, nothing acknowledged is false, and
trading goes on by itself when there is room.

The real disk is a small one in memory, which only root may mount; failures of the journal's and the history's disk are
planted in a venue inside this process as well, so that they are tested without that right too.
"""

import contextlib
import errno
import functools
import os
import random
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.accounts.history import History
from holdfast.journal.file_journal import FileJournal
from holdfast.journal.file_operations import FileOperations
from tests.accounts.stream import Stream
from tests.accounts.test_history import check_equals_naive
from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until
from tests.venue.inside import VenueInside
from tests.venue.traded import CONFIG, place

pytestmark = pytest.mark.slow

Inside = Callable[[], VenueInside]
DISK_BYTES = 48 * 1024 * 1024
UNAVAILABLE = -1008
UNDECIDED = -1007


def order(rest: Rest, **more: Any) -> tuple[int, Any]:
    terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    return rest.signed("POST", "/api/v3/order", **{**terms, "price": "30000", **more})


def orders_until_refused(rest: Rest, orders_max: int = 3_000) -> tuple[list[int], Any]:
    """Ids of the orders that were acknowledged, and the refusal that ended them. None of them rests."""
    acknowledged: list[int] = []
    for _ in range(orders_max):
        status, reply = order(rest, timeInForce="IOC")
        if status == 504:  # It was on its way when the disk became full.
            assert reply["code"] == UNDECIDED
        elif status != 200:
            assert (status, reply["code"]) == (503, UNAVAILABLE), reply
            return acknowledged, reply
        else:
            acknowledged.append(reply["orderId"])
    raise AssertionError("the disk never became full")


def fill(path: Path) -> None:
    """Write a file until its disk has no room for another byte."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A mounted directory that holds `DISK_BYTES`."""
    path = tmp_path / "data"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_full_disk_refuses_orders_and_nothing_else_until_there_is_room(small_disk: Path) -> None:
    with VenueProcess(small_disk.parent, "--config", str(CONFIG)) as venue:
        key = venue.trader("alice", USDT="1000000")
        with Rest(venue.port, key) as rest, Operator(venue.port, venue.data) as operator:
            kept = place(rest, "BUY", "30000")["orderId"]
            ballast = small_disk / "ballast"
            fill(ballast)
            acknowledged, reply = orders_until_refused(rest)
            assert "disk is full" in reply["msg"]
            assert order(rest)[0] == 503  # At once, again and again.
            status, reply = rest.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000, orderId=1)
            assert status == 200
            assert [row["orderId"] for row in reply] == [kept, *acknowledged][:1000]
            assert rest.call("GET", "/api/v3/depth", symbol="BTCUSDT")[1]["bids"] == [["30000.00000000", "0.01000000"]]
            assert rest.signed("GET", "/api/v3/account")[0] == 200
            assert rest.call("GET", "/readyz")[0] == 503
            assert rest.call("GET", "/healthz")[0] == 200
            assert "disk is full" in operator.call("GET", "/venue")[1]["refusal"]
            ballast.unlink()
            wait_until(lambda: rest.call("GET", "/readyz")[0] == 200, what="trading after room was made")
            after = place(rest, "BUY", "30000")["orderId"]
            wait_until(lambda: not operator.call("GET", "/venue")[1]["readers"][0]["failure"], what="the history")
            before = rest.signed("GET", "/api/v3/account")[1]["balances"]
        venue.kill()
        with venue, Rest(venue.port, key) as rest:
            assert rest.signed("GET", "/api/v3/account")[1]["balances"] == before
            open_now = [row["orderId"] for row in rest.signed("GET", "/api/v3/openOrders")[1]]
            assert open_now[0] == kept
            assert after in open_now
            for order_id in acknowledged[-20:]:
                assert rest.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=order_id)[0] == 200


def test_full_disk_of_the_history_is_shown_until_there_is_room(small_disk: Path) -> None:
    stream, ballast = Stream(1), small_disk / "ballast"
    history = History(small_disk / "history.sqlite")
    history.on_applied(stream.batch(50))
    wait_until(lambda: history.lag_events == 0, what="the first rows")
    fill(ballast)
    history.on_applied(stream.batch(2_000))
    wait_until(lambda: "database or disk is full" in history.status().failure, what="the failure")
    check_equals_naive(history, stream, random.Random(1))
    ballast.unlink()
    wait_until(lambda: history.lag_events == 0, what="the history")
    assert history.status().failure == ""
    check_equals_naive(history, stream, random.Random(1))
    history.close()


class FailingDisk(FileOperations):
    """The real one, until it is told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.error = 0

    def write_durable(self, handle: int, data: Any, offset: int) -> None:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        super().write_durable(handle, data, offset)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSPC, "The journal's disk is full."),
        (errno.EROFS, "The journal's disk has become read-only."),
        (errno.EIO, "The journal's disk fails to store data."),
    ],
)
def test_journal_that_cannot_write_refuses_with_the_reason(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, error: int, reason: str
) -> None:
    disk = FailingDisk()
    monkeypatch.setattr("holdfast.venue.FileJournal", functools.partial(FileJournal, files=disk))
    with inside() as venue:
        key = venue.trader("alice", USDT="1000000")
        with venue.rest(key) as rest, venue.rest(key) as other:
            place(rest, "BUY", "30000", newClientOrderId="before")
            disk.error = error
            status, reply = order(rest, newClientOrderId="caught", recvWindow=2000)
            # It was on its way when the disk failed; whether it is carried out is decided when the disk works again.
            assert (status, reply["code"]) == (504, UNDECIDED), reply
            assert reply["data"]["clientOrderId"] == "caught"
            status, reply = order(other, newClientOrderId="refused")
            assert (status, reply["code"]) == (503, UNAVAILABLE)
            assert reason in reply["msg"]
            assert venue.venue._replica.refusal == reason
            assert [row["clientOrderId"] for row in rest.signed("GET", "/api/v3/openOrders")[1]] == ["before"]
            disk.error = 0
            wait_until(lambda: venue.venue._replica.accepting, what="trading after the disk works again")
            place(rest, "BUY", "30000", newClientOrderId="after")
            found = [row["clientOrderId"] for row in rest.signed("GET", "/api/v3/openOrders")[1]]
            assert found[0] == "before"
            assert "refused" not in found
            assert "after" in found
            assert found.count("caught") <= 1
            status, reply = order(rest, newClientOrderId="caught")
            assert (status == 200) is ("caught" not in found), reply  # A repetition never makes a second one.


def test_history_that_cannot_write_is_read_whole_and_refuses_orders_beyond_its_bound(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.venue.History", functools.partial(History, lag_events_max=20))
    with inside() as venue:
        key = venue.trader("alice", USDT="1000000")
        with venue.rest(key) as rest, venue.operator() as operator:
            wait_until(lambda: venue.venue._replica.history.lag_events == 0, what="the history")
            intruder = sqlite3.connect(venue.data / "history.sqlite", isolation_level=None)
            intruder.execute("BEGIN IMMEDIATE")
            acknowledged, reply = orders_until_refused(rest, 100)
            assert "The account history is catching up" in reply["msg"]
            assert len(acknowledged) > 10
            shown = rest.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")[1]
            assert [row["orderId"] for row in shown] == acknowledged
            wait_until(lambda: "database is locked" in operator.call("GET", "/venue")[1]["readers"][0]["failure"])
            intruder.close()
            wait_until(lambda: venue.venue._replica.accepting, what="the history catching up")
            assert order(rest)[0] == 200
