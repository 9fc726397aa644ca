"""A command on which the engine fails stops one instrument, never the venue; a machine that cannot be trusted stops.

The failure is planted: commands with certain client ids change the engine and then fail an assertion, in this process.
"""

import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from holdfast.cli import app
from holdfast.engine.engine import Engine
from holdfast.events import Events
from holdfast.recovery import recover
from holdfast.replica import SuspectMachineError
from tests.support.rest import Rest, UnansweredError
from tests.support.waiting import wait_until
from tests.venue.inside import VenueInside
from tests.venue.traded import place

pytestmark = pytest.mark.slow

POISON = b"poison"
Inside = Callable[[], VenueInside]


class Fault:
    """What `Engine.apply` does to commands whose client id begins with `poison`: fail, the first `times` times."""

    def __init__(self) -> None:
        self.times = 10**9
        self.met = 0

    def strikes(self, commands: np.ndarray, skip_seqs: frozenset[int]) -> bool:
        for row in commands:
            if row["client_id"].startswith(POISON) and int(row["seq"]) not in skip_seqs:
                self.met += 1
                return self.met <= self.times
        return False


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    planted, apply = Fault(), Engine.apply

    def faulty(engine: Engine, commands: np.ndarray, skip_seqs: frozenset[int] = frozenset()) -> Events:
        events = apply(engine, commands, skip_seqs)
        assert not planted.strikes(commands, skip_seqs), "planted: the engine is in pieces"
        return events

    monkeypatch.setattr(Engine, "apply", faulty)
    return planted


def order(rest: Rest, symbol: str, client_id: str, price: str = "2000") -> tuple[int, Any]:
    return rest.signed(
        "POST",
        "/api/v3/order",
        symbol=symbol,
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.1",
        price=price,
        newClientOrderId=client_id,
    )


@pytest.mark.usefixtures("fault")
def test_poison_halts_its_instrument_and_the_rest_trades(inside: Inside) -> None:
    with inside() as venue:
        key = venue.trader("alice", USDT="100000")
        with venue.rest(key) as rest, venue.operator() as operator:
            place(rest, "BUY", "39000", newClientOrderId="before")
            status, reply = order(rest, "BTCUSDT", "poison-1", "38000")
            assert 400 <= status < 500, reply
            assert order(rest, "BTCUSDT", "later", "38000")[1]["msg"] == "Market is closed."
            assert order(rest, "ETHUSDT", "elsewhere")[0] == 200
            # A second one, which has to get past the first one while the engine is built again.
            assert 400 <= order(rest, "ETHUSDT", "poison-2")[0] < 500
            assert order(rest, "SOLUSDT", "still-elsewhere", "150")[0] == 200
            skipped = operator.call("GET", "/venue")[1]["skippedSeqs"]
            assert len(skipped) == 2
            shown = rest.signed("GET", "/api/v3/openOrders")[1]
            assert [row["clientOrderId"] for row in shown] == ["before", "elsewhere", "still-elsewhere"]
            venue.do(venue.venue._replica.engine.check_invariants)
            state_hash = venue.do(venue.venue._replica.engine.state_hash)
    # Whoever replays the same journal meets the same failures and decides the same, also from the very beginning.
    for snapshot in (venue.data / "snapshots").iterdir():
        snapshot.unlink()
    replayed = recover(venue.data, None, lambda _seq: None)
    assert [seq for seq, _instrument_id in replayed.engine.skipped] == skipped
    assert replayed.engine.state_hash() == state_hash
    with inside() as venue, venue.rest(key) as rest:
        assert order(rest, "BTCUSDT", "after-a-restart", "38000")[1]["msg"] == "Market is closed."
        assert order(rest, "SOLUSDT", "goes-on", "150")[0] == 200
        assert venue.do(lambda: [seq for seq, _ in venue.venue._replica.engine.skipped]) == skipped


def test_failure_that_does_not_come_again_stops_the_venue(inside: Inside, fault: Fault) -> None:
    with inside() as venue:
        key = venue.trader("alice", USDT="100000")
        fault.times = 1
        with venue.rest(key) as rest, contextlib.suppress(UnansweredError):
            assert order(rest, "BTCUSDT", "poison", "38000")[1]["code"] == -1007
        wait_until(lambda: not venue.is_running, what="the end of the venue")
    assert isinstance(venue.failure, SuspectMachineError)
    assert "Memory or processor are suspect" in str(venue.failure)


def test_suspect_machine_is_one_sentence_and_exit_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(work: Coroutine[None, None, int]) -> int:
        work.close()
        raise SuspectMachineError("Memory or processor are suspect.")

    monkeypatch.setattr("holdfast.venue.uvloop.run", run)
    result = CliRunner().invoke(app, ["run", "--data", str(tmp_path / "data"), "--port", "0"])
    assert (result.exit_code, result.stderr) == (1, "Memory or processor are suspect.\n")
