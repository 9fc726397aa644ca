"""Cancel on disconnect over the line, with a real engine: however the connection ends, the account's orders go."""

from typing import Any

import pytest

from holdfast.client.core import EndedError
from holdfast.codes import CommandKind
from holdfast.commands import Command, encode
from holdfast.gateway.watches import WATCH_MS
from holdfast.line import Reason, ServerKind, SignOnFlag
from tests.gateway.line.rig import ALICE, LineRig, Peer, command


@pytest.fixture
def rig() -> LineRig:
    return LineRig()


def watched(rig: LineRig, **options: Any) -> Peer:
    """A client with an order on the book."""
    peer = Peer(rig, rig.core(rig.key(), cancel_on_disconnect=True, **options)).connect()
    peer.session.data_received(command(1))
    peer.commit()
    assert len(rig.venue.open_orders(ALICE)) == 1
    return peer


def tick(rig: LineRig, seconds: float = 1.0) -> None:
    rig.venue.clock.advance(seconds)
    rig.venue.submit_run(encode(Command(kind=CommandKind.TICK)), None)
    rig.venue.commit()


def test_a_lost_connection_cancels(rig: LineRig) -> None:
    peer = watched(rig)
    tick(rig)
    assert len(rig.venue.open_orders(ALICE)) == 1
    peer.lose()
    rig.venue.commit()
    tick(rig)
    assert rig.venue.open_orders(ALICE) == []


@pytest.mark.parametrize("end", ["sign off", "idle", "replaced", "revoked"])
def test_every_end_is_an_end(rig: LineRig, end: str) -> None:
    peer = watched(rig)
    if end == "sign off":
        peer.core.sign_off()
        peer.session.data_received(peer.core.outgoing())
    elif end == "idle":
        rig.pass_time(60)
    elif end == "replaced":
        Peer(rig, peer.core).connect()
    else:
        rig.venue.revoke_key(rig.venue.directory.key(peer.core.api_key))
    rig.venue.commit()
    tick(rig)
    assert rig.venue.open_orders(ALICE) == []


def test_a_venue_that_dies_leaves_the_timer(rig: LineRig) -> None:
    watched(rig)
    rig.venue.commit()
    tick(rig, WATCH_MS / 1_000 - 1)
    assert len(rig.venue.open_orders(ALICE)) == 1
    tick(rig)
    assert rig.venue.open_orders(ALICE) == []


def test_commands_that_came_after_the_end_do_nothing(rig: LineRig) -> None:
    peer = watched(rig)
    with rig.turns.held():
        peer.session.data_received(command(2))  # Read, and not looked at yet.
        peer.lose()
    rig.venue.commit()
    tick(rig)
    assert rig.venue.open_orders(ALICE) == []
    assert rig.venue.journal["request_number"].max() & 0xFFFF == 1


def test_without_the_flag_orders_stay(rig: LineRig) -> None:
    peer = rig.peer()
    peer.session.data_received(command(1))
    peer.commit()
    peer.lose()
    rig.venue.commit()
    tick(rig, 100)
    assert len(rig.venue.open_orders(ALICE)) == 1


def test_a_drop_copy_has_nothing_to_cancel(rig: LineRig) -> None:
    core = rig.core(rig.key(), drop_copy=True, cancel_on_disconnect=True)
    assert core._flags == SignOnFlag.DROP_COPY | SignOnFlag.CANCEL_ON_DISCONNECT
    peer = Peer(rig, core)
    with pytest.raises(EndedError, match="flags do not go together"):
        peer.connect()
    (notice,) = peer.wire.notices(ServerKind.END)
    assert notice["reason"] == Reason.SIGN_ON_REFUSED


def set_elsewhere(rig: LineRig, countdown_ms: int) -> None:
    """By another gateway that watches too, or by the account's owner."""
    fields = {"account_id": ALICE, "qty_lots": countdown_ms}
    rig.venue.submit_run(encode(Command(kind=CommandKind.SET_COUNTDOWN, **fields)), None)


@pytest.mark.parametrize("countdown_ms", [WATCH_MS, 0])
def test_whoever_sets_the_timer_after_the_end_does_not_undo_it(rig: LineRig, countdown_ms: int) -> None:
    peer = watched(rig)
    peer.lose()
    set_elsewhere(rig, countdown_ms)
    rig.venue.commit()
    tick(rig)
    assert len(rig.venue.open_orders(ALICE)) == 1
    rig.watches.look()
    rig.venue.commit()
    tick(rig)
    assert rig.venue.open_orders(ALICE) == []


def test_what_was_set_before_the_end_undoes_nothing(rig: LineRig) -> None:
    peer = watched(rig)
    set_elsewhere(rig, WATCH_MS)
    peer.lose()
    rig.venue.commit()
    tick(rig)
    assert rig.venue.open_orders(ALICE) == []
    before = len(rig.venue.journal)
    rig.watches.look()
    rig.venue.commit()
    assert len(rig.venue.journal) == before
