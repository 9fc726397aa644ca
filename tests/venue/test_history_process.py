"""The process that writes the history for a venue: it ends with the venue, however that ends, and is started anew."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until
from tests.venue.traded import CONFIG, place

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux shows them"),
]


def writer_pid(venue: VenueProcess) -> int:
    """0 while there is none of its own."""
    pid = int((venue.data / "history.lock").read_text())
    return 0 if pid == venue.pid else pid


def is_there(pid: int) -> bool:
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and b"writer_process" in command.read_bytes()  # Empty once it has only to be asked about.


def history(operator: Operator) -> Any:
    (found,) = [reader for reader in operator.call("GET", "/venue")[1]["readers"] if reader["name"] == "history"]
    return found


def trade(rest: Rest) -> list[int]:
    """Orders that trade with each other, all filled."""
    pairs = [(place(rest, "SELL", "40000"), place(rest, "BUY", "40000")) for _ in range(10)]
    return [order["orderId"] for pair in pairs for order in pair]


def all_orders(rest: Rest) -> list[int]:
    rows = rest.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000)[1]
    return [row["orderId"] for row in rows]


def test_venue_and_its_writer_are_killed_by_turns_and_every_order_is_there_once(tmp_path: Path) -> None:
    orders: list[int] = []
    venue = VenueProcess(tmp_path, "--config", str(CONFIG))
    with venue:
        key = venue.trader("alice", BTC="10", USDT="1000000")
        pid = wait_until(lambda: writer_pid(venue), what="the writer")
        for _ in range(3):
            with Rest(venue.port, key) as rest, Operator(venue.port, venue.data) as operator:
                orders += trade(rest)
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda: "signal 9" in history(operator)["failure"], what="the failure")
                orders += trade(rest)
                assert all_orders(rest) == orders
                wait_until(lambda: not history(operator)["lagEvents"], what="the history")
                assert history(operator)["failure"] == ""
                pid = writer_pid(venue)
                orders += trade(rest)
            venue.kill()
            wait_until(lambda: not is_there(pid), what="the end of the writer")  # noqa: B023
            venue.start()
            with Rest(venue.port, key) as rest:
                assert all_orders(rest) == orders
                orders += trade(rest)
                pid = wait_until(lambda: writer_pid(venue), what="the writer")
    assert "Traceback" not in (venue.data / "venue.log").read_text()


def test_stopped_venue_leaves_its_history_whole_and_nobody_behind(tmp_path: Path) -> None:
    with VenueProcess(tmp_path, "--config", str(CONFIG)) as venue:
        key = venue.trader("alice", BTC="10", USDT="1000000")
        pid = wait_until(lambda: writer_pid(venue), what="the writer")
        with Rest(venue.port, key) as rest:
            orders = trade(rest)
        assert venue.terminate() == 0
        assert not is_there(pid)
        assert not list(venue.data.glob("history.sqlite-*")), "whoever closed it last put all into the file"
        venue.start()
        with Rest(venue.port, key) as rest, Operator(venue.port, venue.data) as operator:
            assert all_orders(rest) == orders
            assert history(operator)["lagEvents"] == 0
            assert writer_pid(venue) == 0, "there was nothing to write"
