"""A session takes each command once and in order, tells what became of it once it is durable, and survives what any
client does: the line is the one way in where a fault of ours would cost the most money in the least time."""

import numpy as np
import pytest

from holdfast.client.core import EndedError, LostError, Outcome
from holdfast.codes import CommandKind, OrderEventKind, RejectReason, Side
from holdfast.gateway.binance.rate_limits import Limits
from holdfast.gateway.line.numbers import SessionName, SessionNumbers
from holdfast.gateway.line.server import LineLimits
from holdfast.gateway.line.session import Phase
from holdfast.line import (
    GATEWAY_ID,
    RECORD_BYTES,
    ClientKind,
    Reason,
    ServerKind,
    journaled_number,
    sign_on_dtype,
    signed_payload,
)
from tests.gateway.line.rig import ALICE, BOB, LineRig, Peer, command

READ, TRADE = 1, 2


@pytest.fixture
def rig() -> LineRig:
    return LineRig()


def ended(peer: Peer) -> Reason:
    """Why the venue ended the session, which it did."""
    (notice,) = peer.wire.notices(ServerKind.END)
    assert peer.session.phase is Phase.ENDING
    return Reason(notice["reason"])


def send(peer: Peer, *records: bytes) -> None:
    peer.session.data_received(b"".join(records))


# Sign-on.


def test_a_client_signs_on_and_learns_the_instruments(rig: LineRig) -> None:
    peer = rig.peer()
    assert peer.core.is_live
    assert peer.core.account_id == ALICE
    instrument = peer.core.instrument("BTCUSDT")
    assert instrument._replace(parameters={}) == rig.venue.reference.by_symbol["BTCUSDT"]._replace(parameters={})


def test_a_signature_of_another_key_is_refused(rig: LineRig) -> None:
    key, other = rig.key(), rig.key()
    core = rig.core(key)
    core._key = rig.private[other.key_id]
    with pytest.raises(EndedError) as refused:
        Peer(rig, core).connect()
    assert refused.value.reason == Reason.SIGN_ON_REFUSED


def test_a_sign_on_that_was_overheard_does_not_open_another_session(rig: LineRig) -> None:
    key = rig.key()
    session, wire = rig.connect()
    nonce = wire.take()[64:96]
    sign_on = np.zeros(1, sign_on_dtype)
    sign_on["version"], sign_on["kind"], sign_on["api_key"] = 1, ClientKind.SIGN_ON, key.api_key.encode()
    sign_on["signature"] = np.void(rig.private[key.key_id].sign(signed_payload(nonce, sign_on.tobytes())))
    session.data_received(sign_on.tobytes())
    assert session.is_open
    again, wire = rig.connect()
    again.data_received(sign_on.tobytes())
    assert wire.notices(ServerKind.END)[0]["reason"] == Reason.SIGN_ON_REFUSED


@pytest.mark.parametrize(
    "more",
    [{"permissions": READ}, {"allow_ips": ("192.0.2.0/24",)}],
    ids=["may only read", "from another address"],
)
def test_a_key_that_may_not_trade_here_is_refused(rig: LineRig, more: dict[str, object]) -> None:
    with pytest.raises(EndedError):
        rig.peer(rig.key(**more))


def test_a_key_may_be_used_from_the_addresses_of_its_list(rig: LineRig) -> None:
    assert rig.peer(rig.key(allow_ips=("192.0.2.0/24",)), peer_ip="192.0.2.9").core.is_live


def test_a_revoked_key_signs_on_no_more_and_ends_the_sessions_it_has(rig: LineRig) -> None:
    key = rig.key()
    peer = rig.peer(key)
    rig.venue.revoke_key(key)
    assert ended(peer) == Reason.KEY_REVOKED
    with pytest.raises(EndedError):
        rig.peer(key)


def test_the_engine_judges_the_key_of_a_command_that_was_on_its_way_when_it_was_revoked(rig: LineRig) -> None:
    key, watcher = rig.key(), rig.peer(rig.key(permissions=READ), drop_copy=True)
    peer = rig.peer(key)
    rig.venue._add(CommandKind.REVOKE_KEY, order_id=key.key_id)
    send(peer, command(1))
    watcher.commit()
    assert [RejectReason(report.reason) for report in watcher.core.reports] == [RejectReason.KEY_INVALID]


def test_a_first_record_that_is_no_sign_on_is_refused(rig: LineRig) -> None:
    session, wire = rig.connect()
    session.data_received(command(1))
    assert wire.notices(ServerKind.END)[0]["reason"] == Reason.SIGN_ON_REFUSED
    assert not len(rig.venue.journal[rig.venue.journal["gateway_id"] == GATEWAY_ID])


def test_who_does_not_sign_on_is_ended(rig: LineRig) -> None:
    _, wire = rig.connect()
    rig.pass_time(11)
    assert wire.notices(ServerKind.END)[0]["reason"] == Reason.SIGN_ON_LATE


def test_attempts_to_sign_on_are_counted(rig: LineRig) -> None:
    rig = LineRig(rate_limits=Limits(connections_per_5_minutes=2))
    key = rig.key()
    for _ in range(2):
        rig.peer(key)
    with pytest.raises(EndedError):
        rig.peer(key)


# Commands.


def test_a_command_is_answered_when_it_is_durable_and_not_before(rig: LineRig) -> None:
    peer = rig.peer()
    request = peer.core.submit(command(0))
    peer.pump()
    assert not request.is_done
    peer.commit()
    assert request.outcome is Outcome.DONE
    assert request.order is not None and request.order.is_working


def test_what_the_venue_says_of_a_command_is_not_the_clients_to_say(rig: LineRig) -> None:
    peer = rig.peer()
    send(peer, command(1))
    rig.venue.commit()
    record = rig.venue.journal[-1]
    assert (record["gateway_id"], record["account_id"], record["key_id"]) == (GATEWAY_ID, ALICE, 1)
    assert record["received_ts_ns"] == rig.venue.clock.ns
    assert record["deadline_ts_ns"] == rig.venue.clock.ns + 10 * 10**9
    assert record["request_number"] == 1


def test_a_deadline_may_be_earlier_than_the_venues_and_not_later(rig: LineRig) -> None:
    peer, now_ns = rig.peer(), rig.venue.clock.ns
    send(peer, command(1, deadline_ts_ns=now_ns + 1), command(2, deadline_ts_ns=2**62))
    rig.venue.commit()
    assert (rig.venue.journal["deadline_ts_ns"][-2:] - now_ns).tolist() == [1, 10 * 10**9]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"account_id": BOB}, Reason.FIELD_NOT_YOURS),
        ({"key_id": 2}, Reason.FIELD_NOT_YOURS),
        ({"gateway_id": 1}, Reason.FIELD_NOT_YOURS),
        ({"seq": 5}, Reason.FIELD_NOT_YOURS),
        ({"received_ts_ns": 5}, Reason.FIELD_NOT_YOURS),
        ({"flags": 2}, Reason.FIELD_INVALID),  # A group would swallow the next command.
        ({"flags": 16}, Reason.FIELD_INVALID),
        ({"iceberg_lots": -1}, Reason.FIELD_INVALID),
        ({"side": 3}, Reason.FIELD_INVALID),
        ({"side": -1}, Reason.FIELD_INVALID),
        ({"order_type": 100}, Reason.FIELD_INVALID),
        ({"time_in_force": 9}, Reason.FIELD_INVALID),
        ({"self_trade_prevention": 5}, Reason.FIELD_INVALID),
        ({"cancel_restriction": 3}, Reason.FIELD_INVALID),
        ({"price_ticks": -1}, Reason.FIELD_INVALID),
        ({"qty_lots": -(2**63)}, Reason.FIELD_INVALID),
        ({"deadline_ts_ns": -1}, Reason.FIELD_INVALID),
        ({"instrument_id": 0}, Reason.INSTRUMENT_UNKNOWN),
        ({"instrument_id": 2}, Reason.INSTRUMENT_UNKNOWN),
        ({"instrument_id": -1}, Reason.INSTRUMENT_UNKNOWN),
        ({"instrument_id": 2**31 - 1}, Reason.INSTRUMENT_UNKNOWN),
        ({"client_id": b""}, Reason.CLIENT_ID_INVALID),
        ({"client_id": b"a b"}, Reason.CLIENT_ID_INVALID),
        ({"client_id": b"\xff"}, Reason.CLIENT_ID_INVALID),
        ({"client_id": b"a\0b"}, Reason.CLIENT_ID_INVALID),
        ({"target_client_id": b"\x80"}, Reason.CLIENT_ID_INVALID),
    ],
)
def test_a_field_that_no_client_may_set_is_refused_and_the_session_goes_on(
    rig: LineRig, fields: dict[str, object], reason: Reason
) -> None:
    peer = rig.peer()
    send(peer, command(1), command(2, **fields), command(3))
    rig.venue.commit()
    (refusal,) = peer.wire.notices(ServerKind.REFUSED)
    assert (refusal["request_number"], refusal["reason"], refusal["next_number"]) == (2, reason, 4)
    assert rig.venue.journal["request_number"][-2:].tolist() == [1, 3]
    assert peer.session.is_open


def test_cancels_replacements_and_mass_cancels_are_answered(rig: LineRig) -> None:
    peer = rig.peer()
    send(
        peer,
        command(1),
        command(2, CommandKind.CANCEL_ORDER, client_id=b"x", target_client_id=b"c-1"),
        command(3),
        command(4)[:48]
        + command(
            4,
            CommandKind.REPLACE_ORDER,
            client_id=b"c-4",
            target_client_id=b"c-3",
            side=Side.BUY,
            order_type=1,
            time_in_force=1,
            price_ticks=90,
            qty_lots=5,
        )[48:],
        command(5, CommandKind.CANCEL_ALL, client_id=b"y", instrument_id=0),
        command(6, CommandKind.CANCEL_ORDER, client_id=b"z", order_id=999),
    )
    rig.venue.commit()
    told = [(int(row["request_number"]), int(row["kind"])) for row in peer.wire.reports()]
    accepted, canceled = OrderEventKind.ORDER_ACCEPTED, OrderEventKind.ORDER_CANCELED
    assert told == [
        (1, accepted),
        (2, canceled),
        (3, accepted),
        (4, canceled),
        (4, accepted),
        (5, canceled),
        (5, ServerKind.ORDERS_CANCELED),
        (6, OrderEventKind.CANCEL_REJECTED),
    ]
    assert peer.wire.reports()["flags"].tolist() == [1, 1, 1, 0, 1, 0, 1, 1]


def test_both_sides_of_a_trade_are_told_and_only_the_sender_of_a_number_gets_it(rig: LineRig) -> None:
    maker, taker = rig.peer(rig.key(ALICE)), rig.peer(rig.key(BOB))
    resting = maker.core.submit(command(0))
    maker.pump()
    crossing = taker.core.submit(command(0, side=Side.SELL))
    taker.pump()
    taker.commit()
    maker.pump()
    assert [report.kind for report in crossing.reports] == [OrderEventKind.ORDER_ACCEPTED, OrderEventKind.TRADE]
    assert [report.kind for report in resting.reports] == [OrderEventKind.ORDER_ACCEPTED]
    passive = maker.core.reports[-1]
    assert (passive.kind, passive.is_maker, passive.request_number) == (OrderEventKind.TRADE, 1, 0)


def test_what_the_engine_refuses_is_told_with_its_reason(rig: LineRig) -> None:
    peer = rig.peer()
    request = peer.core.submit(command(0, qty_lots=0))
    peer.pump()
    peer.commit()
    assert request.outcome is Outcome.DONE
    assert request.reject_reason == RejectReason.MALFORMED


def test_sessions_of_one_key_have_numbers_of_their_own(rig: LineRig) -> None:
    key = rig.key()
    first, second = rig.peer(key, session=0), rig.peer(key, session=255)
    send(first, command(1))
    send(second, command(1, client_id=b"other"))
    first.commit()
    assert rig.venue.journal["request_number"][-2:].tolist() == [1, journaled_number(255, 1)]
    assert rig.server.intake.next_number(SessionName(key.key_id, 255)) == 2


def test_commands_of_many_sessions_in_one_turn_are_one_run_in_the_order_of_arrival(rig: LineRig) -> None:
    peers = [rig.peer(rig.key(account_id)) for account_id in (ALICE, BOB, ALICE)]
    with rig.turns.held():
        for number in (1, 2):
            for i, peer in enumerate(peers):
                send(peer, command(number, client_id=b"%d-%d" % (i, number)))
    assert len(rig.venue._waiting) == 1
    rig.venue.commit()
    assert rig.venue.journal["client_id"][-6:].tolist() == [b"0-1", b"0-2", b"1-1", b"1-2", b"2-1", b"2-2"]
    assert rig.venue.journal["account_id"][-6:].tolist() == [ALICE, ALICE, BOB, BOB, ALICE, ALICE]


# Limits and refusals.


def test_orders_beyond_the_accounts_limit_are_refused_and_cancels_go_on(rig: LineRig) -> None:
    rig = LineRig(rate_limits=Limits(orders_per_10_seconds=2))
    peer = rig.peer()
    cancel = command(4, CommandKind.CANCEL_ORDER, target_client_id=b"c-1")
    send(peer, command(1), command(2), command(3), cancel)
    rig.venue.commit()
    assert [notice["request_number"] for notice in peer.wire.notices(ServerKind.REFUSED)] == [3]
    assert rig.venue.journal["request_number"][-3:].tolist() == [1, 2, 4]


def test_cancels_have_a_limit_of_their_own(rig: LineRig) -> None:
    rig = LineRig(rate_limits=Limits(cancels_per_minute=1))
    peer = rig.peer()
    send(peer, *(command(n, CommandKind.CANCEL_ORDER, order_id=1) for n in (1, 2)), command(3))
    assert [notice["reason"] for notice in peer.wire.notices(ServerKind.REFUSED)] == [Reason.TOO_MANY_CANCELS]


def test_while_new_orders_are_refused_cancels_are_taken(rig: LineRig) -> None:
    peer = rig.peer()
    rig.venue.refusal = "The account history is catching up."
    send(peer, command(1), command(2, CommandKind.CANCEL_ALL, instrument_id=0))
    (refusal,) = peer.wire.notices(ServerKind.REFUSED)
    assert (refusal["request_number"], refusal["text"]) == (1, b"The account history is catching up.")
    rig.venue.commit()
    assert rig.venue.journal["request_number"][-1] == 2


def test_when_the_journal_takes_nothing_all_are_told_so(rig: LineRig) -> None:
    peer = rig.peer(session=3)
    rig.venue.is_broken = True
    requests = [peer.core.submit(command(0, client_id=b"n%d" % n)) for n in range(3)]
    peer.pump()
    assert [request.refusal for request in requests] == ["The disk is full."] * 3


# What clients do wrong.


@pytest.mark.parametrize("cut", [1, 48, 191])
def test_half_a_record_is_waited_for_and_then_ends_the_session(rig: LineRig, cut: int) -> None:
    peer = rig.peer()
    record = command(1)
    send(peer, record[:cut])
    rig.pass_time(5)
    send(peer, record[cut:])
    assert rig.server.intake.next_number(peer.session.name) == 2
    send(peer, record[:cut])
    rig.pass_time(9)
    assert peer.session.is_open
    rig.pass_time(2)
    assert ended(peer) == Reason.HALF_A_RECORD


def test_half_a_record_dripped_byte_by_byte_does_not_hold_a_session(rig: LineRig) -> None:
    peer = rig.peer()
    for byte in command(1)[:12]:
        send(peer, bytes([byte]))
        rig.pass_time(1)
    assert ended(peer) == Reason.HALF_A_RECORD


def test_garbage_ends_the_session_and_changes_nothing(rig: LineRig) -> None:
    peer = rig.peer()
    before = len(rig.venue.journal)
    send(peer, b"GET / HTTP/1.1\r\n" * 12)
    assert ended(peer) == Reason.NOT_A_RECORD
    send(peer, command(1))
    rig.venue.commit()
    assert len(rig.venue.journal) == before


@pytest.mark.parametrize("kind", [CommandKind.DEPOSIT, CommandKind.CREATE_KEY, CommandKind.PAYLOAD, CommandKind.NONE])
def test_an_operators_command_is_none_of_the_line(rig: LineRig, kind: CommandKind) -> None:
    peer = rig.peer()
    send(peer, command(1), command(2, kind))
    assert ended(peer) == Reason.NOT_A_RECORD
    rig.venue.commit()
    assert rig.venue.journal["request_number"][-1] == 1


def test_a_repeated_number_is_told_and_does_nothing(rig: LineRig) -> None:
    peer = rig.peer()
    send(peer, command(1), command(1), command(2))
    send(peer, command(2), command(3))
    rig.venue.commit()
    assert [int(notice["request_number"]) for notice in peer.wire.notices(ServerKind.REPEATED)] == [1, 2]
    mine = rig.venue.journal[rig.venue.journal["gateway_id"] == GATEWAY_ID]
    assert mine["request_number"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("number", [3, 2**40, 0, -1, -(2**63)])
def test_a_skipped_number_ends_the_session_with_the_one_that_is_expected(rig: LineRig, number: int) -> None:
    peer = rig.peer()
    send(peer, command(1), command(number, client_id=b"x"), command(2))
    assert ended(peer) == Reason.NUMBER_SKIPPED
    assert peer.wire.notices(ServerKind.END)[0]["next_number"] == 2
    rig.venue.commit()
    assert rig.venue.journal["request_number"][-1] == 1


def test_who_goes_wrong_does_not_disturb_the_others_of_the_same_turn(rig: LineRig) -> None:
    bad, good = rig.peer(rig.key(ALICE)), rig.peer(rig.key(BOB))
    with rig.turns.held():
        send(bad, command(1), command(9, client_id=b"x"))
        send(good, command(1), command(2))
    assert ended(bad) == Reason.NUMBER_SKIPPED
    rig.venue.commit()
    assert rig.venue.journal["account_id"][-3:].tolist() == [ALICE, BOB, BOB]
    assert len(good.wire.reports()) == 2


def test_who_says_nothing_is_ended_and_a_heartbeat_is_enough(rig: LineRig) -> None:
    peer = rig.peer()
    for _ in range(4):
        rig.pass_time(10)
        peer.core.on_timer()
        peer.pump()
    assert peer.core.is_live
    assert len(peer.wire.notices(ServerKind.HEARTBEAT)) == 4
    rig.pass_time(31)
    assert ended(peer) == Reason.IDLE


def test_a_client_notices_a_venue_that_says_nothing(rig: LineRig) -> None:
    peer = rig.peer()
    rig.now_s += 31
    with pytest.raises(LostError):
        peer.core.on_timer()


def test_who_does_not_read_is_not_read_and_then_dropped(rig: LineRig) -> None:
    peer = rig.peer()
    peer.session.pause_writing()
    assert peer.wire.is_reading_paused
    send(peer, command(1))
    rig.venue.commit()
    assert not len(peer.wire.reports())
    rig.pass_time(21)
    assert peer.wire.was_aborted
    assert rig.server.counters.drops["line_slow_reader"] == 1


def test_who_reads_again_is_told_what_came_meanwhile(rig: LineRig) -> None:
    peer = rig.peer()
    peer.session.pause_writing()
    for number in (1, 2, 3):
        send(peer, command(number))
        rig.venue.commit()
    peer.session.resume_writing()
    assert peer.wire.reports()["request_number"].tolist() == [1, 2, 3]
    assert not peer.wire.is_reading_paused


def test_who_reads_so_slowly_that_what_comes_next_is_gone_is_ended(rig: LineRig) -> None:
    rig.server._feeds._kept_bytes_max = 1_000
    peer = rig.peer()
    peer.session.pause_writing()
    for number in range(1, 20):
        send(peer, command(number))
        rig.venue.commit()
    peer.session.resume_writing()
    assert ended(peer) == Reason.SLOW_READER


def test_too_much_on_its_way_holds_the_sessions_that_send(rig: LineRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.gateway.line.intake.IN_FLIGHT_MAX", 4)
    peer = rig.peer()
    send(peer, *(command(number) for number in range(1, 7)))
    assert not peer.wire.is_reading_paused
    send(peer, command(7))
    assert peer.wire.is_reading_paused
    rig.venue.commit()
    assert not peer.wire.is_reading_paused


def test_what_comes_while_commands_are_on_their_way_goes_when_they_are_back(rig: LineRig) -> None:
    rig.timers = []
    peer = rig.peer()
    send(peer, command(1))
    send(peer, command(2))
    send(peer, command(3))
    rig.venue.commit()
    assert rig.venue.journal["request_number"][-1] == 1
    rig.venue.commit()
    assert rig.venue.journal["request_number"][-2:].tolist() == [2, 3]
    assert peer.wire.reports()["request_number"].tolist() == [1, 2, 3]


def test_what_is_gathered_waits_no_longer_than_its_timer(rig: LineRig) -> None:
    rig.timers = []
    peer = rig.peer()
    for number in (1, 2, 3):
        send(peer, command(number))
    (run_out,) = rig.timers  # One, however much is gathered.
    run_out()
    rig.venue.commit()
    assert rig.venue.journal["request_number"][-3:].tolist() == [1, 2, 3]


def test_much_is_not_gathered(rig: LineRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.gateway.line.intake.GATHERED_BYTES_MAX", 2 * RECORD_BYTES)
    rig.timers = []
    peer = rig.peer()
    for number in (1, 2, 3):
        send(peer, command(number))
    rig.venue.commit()
    assert rig.venue.journal["request_number"][-3:].tolist() == [1, 2, 3]


def test_no_more_connections_are_admitted_than_there_is_room_for(rig: LineRig) -> None:
    rig = LineRig(LineLimits(connections_per_ip=1))
    rig.connect()
    _, wire = rig.connect()
    assert wire.notices(ServerKind.END)[0]["reason"] == Reason.TOO_MANY_CONNECTIONS
    assert rig.connect("10.0.0.2")[1].kinds() == [ServerKind.CHALLENGE]


def test_a_goodbye_is_followed_by_the_end(rig: LineRig) -> None:
    peer = rig.peer()
    send(peer, b"\xff" * 192)
    assert peer.wire.wrote_eof
    rig.pass_time(3)
    assert peer.wire.was_aborted


# Coming back.


def test_a_client_that_lost_its_connection_sends_again_only_what_was_not_taken(rig: LineRig) -> None:
    peer = rig.peer()
    taken = peer.core.submit(command(0, client_id=b"taken"))
    peer.pump()
    lost = peer.core.submit(command(0, client_id=b"lost"))
    peer.core.outgoing()  # Gone with the connection.
    peer.lose()
    waiting = peer.core.submit(command(0, client_id=b"waiting"))
    rig.venue.commit()
    peer.connect()
    peer.commit()
    assert [request.outcome for request in (taken, lost, waiting)] == [Outcome.DONE] * 3
    assert rig.venue.journal["client_id"][-3:].tolist() == [b"taken", b"lost", b"waiting"]
    assert len(peer.core.reports) == 3


@pytest.mark.parametrize("is_durable", [True, False])
async def test_after_a_crash_the_journal_alone_says_what_was_taken(rig: LineRig, is_durable: bool) -> None:
    key = rig.key()
    peer = rig.peer(key, session=7)
    first = peer.core.submit(command(0, client_id=b"first"))
    peer.pump()
    peer.commit()
    second = peer.core.submit(command(0, client_id=b"second"))
    peer.pump()
    told = len(peer.wire.reports())
    peer.lose()
    if is_durable:
        rig.venue.commit()
    rig.venue.lose_what_is_not_durable()
    numbers = SessionNumbers()
    numbers.feed(rig.venue.journal)
    assert numbers.last == {SessionName(key.key_id, 7): 2 if is_durable else 1}
    rig.past = [rig.told_of(ALICE)[told * RECORD_BYTES :]]
    rig.start(numbers.last)
    peer.connect()
    await rig.past_told()
    peer.pump()
    peer.commit()
    assert first.outcome is second.outcome is Outcome.DONE
    assert rig.venue.journal["client_id"][-2:].tolist() == [b"first", b"second"]
    assert [report.client_id for report in peer.core.reports] == [b"first", b"second"]


async def test_a_number_that_was_refused_and_forgotten_by_a_crash_is_given_to_the_next_command(rig: LineRig) -> None:
    key = rig.key()
    peer = rig.peer(key)
    refused = peer.core.submit(command(0, instrument_id=9))
    unsent = peer.core.submit(command(0, client_id=b"unsent"))
    sent = peer.core.outgoing()
    peer.session.data_received(sent[:192])
    peer.core.receive(peer.wire.take())
    assert refused.outcome is Outcome.REFUSED
    peer.lose()
    rig.start({})
    peer.connect()
    peer.commit()
    assert unsent.outcome is Outcome.DONE
    assert unsent.number == 1
    assert rig.venue.journal["request_number"][-1] == 1


def test_a_client_that_knows_nothing_more_goes_on_with_the_next_number_and_sees_what_is_open(rig: LineRig) -> None:
    key = rig.key()
    peer = rig.peer(key)
    send(peer, command(1), command(2, price_ticks=99))
    rig.venue.commit()
    fresh = rig.peer(key)
    assert ended(peer) == Reason.REPLACED
    assert [order.client_id for order in fresh.core.open_orders] == [b"c-1", b"c-2"]
    assert [order.price_ticks for order in fresh.core.open_orders] == [100, 99]
    request = fresh.core.submit(command(0, client_id=b"third"))
    fresh.pump()
    fresh.commit()
    assert (request.number, request.outcome) == (3, Outcome.DONE)


async def test_a_position_that_cannot_be_told_from_any_more_is_said_and_what_was_taken_is_unknown(rig: LineRig) -> None:
    key = rig.key()
    peer = rig.peer(key)
    rig.venue._add(CommandKind.CANCEL_ALL, account_id=ALICE)
    peer.commit()
    request = peer.core.submit(command(0))
    peer.pump()
    peer.lose()
    rig.venue.commit()
    rig.start({SessionName(key.key_id, 0): 1})
    peer.connect()
    await rig.past_told()
    peer.pump()
    assert rig.asked_past[0][0] == [ALICE]
    assert peer.wire.notices(ServerKind.GAP)[0]["reason"] == Reason.TOO_FAR_BACK
    assert request.outcome is Outcome.UNKNOWN
    assert [order.client_id for order in peer.core.open_orders] == [b"c-0"]


async def test_a_position_ahead_of_all_that_happened_is_of_another_venue(rig: LineRig) -> None:
    core = rig.core()
    core.position = 10**9, 0
    peer = Peer(rig, core).connect()
    assert peer.wire.notices(ServerKind.GAP)[0]["reason"] == Reason.AHEAD


def test_a_heartbeat_brings_a_quiet_client_up_to_now(rig: LineRig) -> None:
    peer = rig.peer(rig.key(ALICE))
    other = rig.peer(rig.key(BOB))
    send(other, command(1))
    rig.venue.commit()
    rig.pass_time(10)
    peer.pump()
    assert peer.core.position is not None
    assert peer.core.position[0] == rig.venue.applied_seq


# Drop copies.


def test_a_drop_copy_hears_of_everything_its_account_does(rig: LineRig) -> None:
    watcher = rig.peer(rig.key(permissions=READ), drop_copy=True)
    peer = rig.peer()
    send(peer, command(1))
    rig.venue.commit()
    watcher.pump()
    assert watcher.wire.reports().tobytes() == peer.wire.reports().tobytes()


def test_a_drop_copy_may_not_send(rig: LineRig) -> None:
    watcher = rig.peer(rig.key(), drop_copy=True)
    send(watcher, command(1))
    assert ended(watcher) == Reason.NOT_ALLOWED


def test_a_drop_copy_of_sub_accounts_hears_of_all_of_them_and_of_nobody_else(rig: LineRig) -> None:
    rig.venue.directory.rows[1] = rig.venue.directory.rows[1]._replace(parent_id=ALICE)
    watcher = rig.peer(rig.key(permissions=READ), drop_copy=True, sub_accounts=True)
    own = rig.peer(rig.key(permissions=READ), drop_copy=True)
    parent, child = rig.peer(rig.key(ALICE)), rig.peer(rig.key(BOB))
    with rig.turns.held():
        send(parent, command(1), command(2))
        send(child, command(1, side=Side.SELL))
    rig.venue.commit()
    told = watcher.wire.reports()
    assert told["account_id"].tolist() == [ALICE, ALICE, BOB, ALICE, BOB]
    assert np.all(np.diff(told["seq"] * 1000 + told["index"]) > 0)
    assert own.wire.reports()["account_id"].tolist() == [ALICE] * 3
    assert child.wire.reports()["account_id"].tolist() == [BOB] * 2


def test_sub_accounts_without_drop_copy_mean_nothing(rig: LineRig) -> None:
    with pytest.raises(EndedError):
        rig.peer(rig.key(), sub_accounts=True)


# The end.


async def test_a_venue_that_stops_says_so(rig: LineRig) -> None:
    peer = rig.peer()
    await rig.server.stop(0)
    assert ended(peer) == Reason.STOPPING
    assert peer.wire.was_aborted


def test_a_fault_of_the_line_ends_its_sessions_and_not_the_venue(rig: LineRig, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = rig.peer()
    send(peer, command(1))

    def fail(_applied: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(rig.server._feeds, "on_applied", fail)
    rig.venue.commit()
    assert ended(peer) == Reason.FAILED
