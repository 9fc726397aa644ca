"""The dead man's timer over the line: a client that says nothing any more loses its orders, and everybody who listens
to the account is told."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from holdfast.client import AsyncLineClient, LineClient, Outcome, RejectReason, Request
from holdfast.client.orders import cancel_all, set_countdown
from holdfast.codes import CommandKind, OrderEventKind
from holdfast.commands import Command, encode
from holdfast.config import COUNTDOWN_MS_MAX
from holdfast.line import Reason, ServerKind
from tests.crash.harness import CONFIG
from tests.gateway.line.rig import ALICE, BOB, UNLIMITED, LineRig, Peer, command
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.support.waiting import wait_until

READ = 1


@pytest.fixture
def rig() -> LineRig:
    return LineRig()


def do(peer: Peer, record: bytes) -> Request:
    request = peer.core.submit(record)
    peer.pump()
    peer.commit()
    return request


def tick(rig: LineRig, seconds: float) -> None:
    rig.venue.clock.advance(seconds)
    rig.venue.submit_run(encode(Command(kind=CommandKind.TICK)), None)
    rig.venue.commit()


def kinds(peer: Peer) -> list[int]:
    peer.pump()
    return [report.kind for report in peer.core.reports]


def test_orders_go_when_nobody_renews_the_timer(rig: LineRig) -> None:
    peer, listener = rig.peer(), rig.peer(rig.key(ALICE, READ), drop_copy=True)
    other = rig.peer(rig.key(BOB))
    do(peer, command(1))
    request = do(peer, set_countdown(5_000, peer.core.instrument("BTCUSDT")))
    assert [(report.kind, report.qty_lots) for report in request.reports] == [(ServerKind.COUNTDOWN_SET, 5_000)]
    tick(rig, 4)
    do(peer, set_countdown(5_000, peer.core.instrument("BTCUSDT")))
    tick(rig, 4)
    assert len(rig.venue.open_orders(ALICE)) == 1
    tick(rig, 1)
    assert rig.venue.open_orders(ALICE) == []
    expected = [
        OrderEventKind.ORDER_ACCEPTED,
        ServerKind.COUNTDOWN_SET,
        ServerKind.COUNTDOWN_SET,
        ServerKind.COUNTDOWN_RAN_OUT,
        OrderEventKind.ORDER_CANCELED,
    ]
    assert kinds(peer) == kinds(listener) == expected
    ran_out = peer.core.reports[3]
    assert (ran_out.account_id, ran_out.instrument_id, ran_out.qty_lots) == (ALICE, 1, 5_000)
    assert ran_out.request_number == 0
    assert kinds(other) == []


def test_the_timer_of_all_instruments_is_another_one_and_0_stops_it(rig: LineRig) -> None:
    peer = rig.peer()
    do(peer, command(1))
    do(peer, set_countdown(1_000))
    stopped = do(peer, set_countdown(0))
    assert (stopped.outcome, stopped.reports[0].qty_lots) == (Outcome.DONE, 0)
    do(peer, set_countdown(60_000, peer.core.instrument("BTCUSDT")))
    tick(rig, 30)
    assert len(rig.venue.open_orders(ALICE)) == 1


def test_a_time_that_is_too_long_is_refused_by_the_engine_and_a_negative_one_by_the_line(rig: LineRig) -> None:
    peer = rig.peer()
    assert do(peer, set_countdown(COUNTDOWN_MS_MAX + 1)).reject_reason == RejectReason.COUNTDOWN_INVALID
    refused = do(peer, set_countdown(-1))
    assert refused.outcome is Outcome.REFUSED
    assert peer.wire.notices(ServerKind.REFUSED)[0]["reason"] == Reason.FIELD_INVALID


def test_a_timer_draws_on_the_budget_of_cancels() -> None:
    rig = LineRig(rate_limits=replace(UNLIMITED, cancels_per_minute=1))
    peer = rig.peer()
    assert do(peer, set_countdown(1_000)).outcome is Outcome.DONE
    assert do(peer, cancel_all()).outcome is Outcome.REFUSED


def test_what_cancel_on_disconnect_renews_is_told_to_nobody(rig: LineRig) -> None:
    peer = Peer(rig, rig.core(rig.key(), cancel_on_disconnect=True)).connect()
    listener = rig.peer(rig.key(ALICE, READ), drop_copy=True)
    rig.venue.commit()
    assert CommandKind.SET_COUNTDOWN in rig.venue.journal["kind"]
    assert kinds(peer) == kinds(listener) == []


def test_the_journal_tells_the_same_again(rig: LineRig) -> None:
    """Who was away is told from the journal."""
    peer = rig.peer()
    do(peer, command(1))
    do(peer, set_countdown(1_000))
    tick(rig, 2)
    peer.pump()
    again = np.frombuffer(rig.told_of(ALICE), peer.wire.reports().dtype)
    assert again.tobytes() == peer.wire.reports().tobytes()


# A real venue.

PROGRAM = """
import sys
from pathlib import Path
from holdfast.client import LineClient, Side

address, key, secret = sys.argv[1:]
with LineClient(Path(address), key, secret) as line:
    line.set_countdown(3_000)
    for price in ("20000", "20001"):
        assert line.place("BTCUSDT", Side.BUY, "0.01", price=price).order is not None
    print("placed", flush=True)
    while True:
        line.read(0.2)
        line.set_countdown(3_000)
"""


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with VenueProcess(tmp_path_factory.mktemp("countdown"), "--config", str(CONFIG), "--line-socket") as running:
        running.json("account", "create", "alice")
        running.json("deposit", "alice", "USDT", "1000000", "--reference", "first")
        yield running


@pytest.mark.slow
def test_the_orders_of_a_client_that_is_killed_are_canceled(venue: VenueProcess) -> None:
    key = venue.json("key", "create", "alice", "--type", "ed25519")
    reader = venue.json("key", "create", "alice", "--type", "hmac", "--permissions", "read")
    words = [sys.executable, "-c", PROGRAM, str(venue.data / "line.sock"), key["apiKey"], key["secretKey"]]

    def open_orders() -> list[str]:
        with Rest(venue.port, reader) as rest:
            status, orders = rest.signed("GET", "/api/v3/openOrders")
        assert status == 200, orders
        return [order["price"] for order in orders]

    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as client:
        try:
            assert client.stdout is not None
            assert client.stdout.readline() == "placed\n"
            assert len(open_orders()) == 2
        finally:
            client.send_signal(signal.SIGKILL)
    wait_until(lambda: not open_orders(), what="the orders' cancel")


@pytest.mark.slow
async def test_both_clients_set_the_timer_and_are_told_that_it_ran_out(venue: VenueProcess) -> None:
    key = venue.json("key", "create", "alice", "--type", "ed25519")
    socket = venue.data / "line.sock"
    with LineClient(socket, key["apiKey"], key["secretKey"], session=1) as line:
        async with AsyncLineClient(socket, key["apiKey"], key["secretKey"], session=2) as other:
            assert (await other.set_countdown(0, "BTCUSDT")).outcome is Outcome.DONE
            assert line.set_countdown(100, "BTCUSDT").reports[0].kind == ServerKind.COUNTDOWN_SET
            async for report in other.reports():
                if report.kind == ServerKind.COUNTDOWN_RAN_OUT:
                    break
        assert (report.qty_lots, report.instrument_id) == (100, line.instrument("BTCUSDT").instrument_id)
