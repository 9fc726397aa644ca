"""Trading modes over the line: whoever is signed on learns at once that a market has stopped, and where it is going."""

import pytest

from holdfast.codes import TradingMode
from holdfast.line import ServerKind, instrument_dtype
from tests.gateway.line.rig import BOB, LineRig, Peer, command

SECOND_NS = 10**9


@pytest.fixture
def rig() -> LineRig:
    return LineRig()


def changes(peer: Peer) -> list[tuple[str, TradingMode, list[TradingMode]]]:
    """What the client has been told since it was asked the last time."""
    peer.pump()
    told = [(each.symbol, each.mode, [stage.mode for stage in each.stages]) for each in peer.core.mode_changes]
    peer.core.mode_changes.clear()
    return told


def test_everybody_is_told_of_a_change_and_knows_the_mode(rig: LineRig) -> None:
    peers = [rig.peer(), rig.peer(rig.key(BOB)), rig.peer(rig.key(BOB), drop_copy=True)]
    assert [changes(peer) for peer in peers] == [[], [], []]
    rig.venue.set_mode(TradingMode.CANCEL_ONLY)
    for peer in peers:
        assert changes(peer) == [("BTCUSDT", TradingMode.CANCEL_ONLY, [])]
        assert peer.core.instrument("BTCUSDT").mode == TradingMode.CANCEL_ONLY


def test_the_modes_to_come_are_told_with_their_times(rig: LineRig) -> None:
    peer = rig.peer()
    rig.venue.reopen_after(SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS)
    peer.pump()
    (told,) = peer.core.mode_changes
    assert told.mode == TradingMode.HALT
    assert [stage.mode for stage in told.stages] == [TradingMode.CANCEL_ONLY, TradingMode.AUCTION, TradingMode.TRADING]
    assert told.stages == rig.venue.reference.by_symbol["BTCUSDT"].stages


def test_the_record_names_the_command_up_to_which_it_is_true(rig: LineRig) -> None:
    peer = rig.peer()
    rig.venue.set_mode(TradingMode.HALT)
    row = peer.wire.of_dtype(instrument_dtype)[-1]
    assert (row["kind"], row["seq"], row["mode"]) == (ServerKind.INSTRUMENT, rig.venue.applied_seq, TradingMode.HALT)


def test_what_changes_nothing_tells_nothing(rig: LineRig) -> None:
    peer = rig.peer()
    rig.venue.set_mode(TradingMode.TRADING)
    peer.session.data_received(command(1))
    peer.commit()
    assert changes(peer) == []


def test_a_change_while_nobody_was_connected_is_told_at_the_sign_on(rig: LineRig) -> None:
    peer = rig.peer()
    peer.lose()
    rig.venue.set_mode(TradingMode.AUCTION)
    assert changes(peer.connect()) == [("BTCUSDT", TradingMode.AUCTION, [])]
    peer.lose()
    assert changes(peer.connect()) == []


def test_who_has_not_signed_on_is_told_nothing(rig: LineRig) -> None:
    _, wire = rig.connect()
    rig.venue.set_mode(TradingMode.HALT)
    assert wire.kinds() == [ServerKind.CHALLENGE]
