"""Dead man's timers and cancel on disconnect: who relies on them is away when they count, so nobody would notice."""

from typing import Any

import pytest

from holdfast.codes import CommandKind, RejectReason
from holdfast.commands import Command
from holdfast.gateway.watches import RENEW_NS, WATCH_MS
from tests.gateway.fakes import ACCOUNT_ID, READ, START_NS, World
from tests.gateway.websockets import Client

PATH = "/api/holdfast/v1/countdownCancelAll"
MS = START_NS // 10**6


@pytest.fixture
def client(world: World) -> Client:
    client = Client(world)
    client.log_on()
    return client


def watch(client: Client, enabled: bool = True, **params: Any) -> dict[str, Any]:
    params |= {"enabled": enabled, "timestamp": client.world.clock.ms}
    return client.ask("session.cancelOnDisconnect", params)


def look(world: World) -> None:
    world.gateway.watches.look()
    world.replica.commit()


def countdowns(world: World) -> list[tuple[int, int, int]]:
    """What was submitted, as (instrument, milliseconds, key)."""
    return [
        (command.instrument_id, command.qty_lots, command.key_id)
        for command in world.replica.submitted
        if command.kind == CommandKind.SET_COUNTDOWN
    ]


# The timer.


def test_a_countdown_is_set_renewed_and_stopped(world: World) -> None:
    set_to = world.signed("POST", PATH, symbol="BTCUSDT", countdownTime=120_000)
    shown = {"symbol": "BTCUSDT", "countdownTime": "120000", "triggerTime": MS + 120_000}
    assert (set_to.status, set_to.json) == (200, shown)
    assert world.signed("POST", PATH, symbol="BTCUSDT", countdownTime=0).json == {
        "symbol": "BTCUSDT",
        "countdownTime": "0",
    }
    first, second = world.replica.submitted
    assert first == Command(
        seq=1,
        received_ts_ns=START_NS,
        deadline_ts_ns=first.deadline_ts_ns,
        request_number=first.request_number,
        kind=CommandKind.SET_COUNTDOWN,
        gateway_id=1,
        account_id=ACCOUNT_ID,
        key_id=world.key.key_id,
        instrument_id=1,
        qty_lots=120_000,
    )
    assert second.qty_lots == 0


def test_without_a_symbol_it_is_for_all_of_them(world: World) -> None:
    assert world.signed("POST", PATH, countdownTime=1_000).json["symbol"] == ""
    assert countdowns(world) == [(0, 1_000, world.key.key_id)]


def test_the_websocket_api_has_it_too(client: Client) -> None:
    reply = client.ask("countdownCancelAll", {"countdownTime": 5_000, "timestamp": client.world.clock.ms})
    assert reply["result"] == {"symbol": "", "countdownTime": "5000", "triggerTime": MS + 5_000}


def test_what_is_wrong_is_refused(world: World) -> None:
    assert world.signed("POST", PATH, symbol="BTCUSDT").code == -1102
    assert world.signed("POST", PATH, countdownTime=-1).code == -1100
    assert world.signed("POST", PATH, countdownTime=7 * 86_400_000 + 1).code == -1130
    assert world.signed("POST", PATH, symbol="XYZ", countdownTime=1).code == -1121
    assert world.replica.submitted == []
    world.replica.refuse_countdown_next = RejectReason.COUNTDOWNS_FULL
    assert (world.signed("POST", PATH, countdownTime=1).status) == 503
    world.replica.directory.add("r" * 64, "secret", permissions=READ)
    query, headers = world.sign({"countdownTime": 1}, "r" * 64, "secret")
    (answer,) = world.send("POST", PATH, query, headers=headers)
    assert (answer.status, answer.code) == (401, -2015)


def test_it_is_taken_while_new_orders_are_not(world: World) -> None:
    world.replica.refusal = "The venue is full."
    assert world.order().status == 503
    assert world.signed("POST", PATH, countdownTime=1_000).status == 200


def test_the_user_stream_announces_that_it_ran_out_before_the_cancels(world: World) -> None:
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    world.order(newClientOrderId="mine")
    world.replica.run_out(countdown_ms=5_000)
    announced, canceled = [frame["event"] for frame in client.frames[2:]]
    assert announced == {"e": "countdownCancelAll", "E": MS, "s": "", "c": "5000", "T": MS}
    assert (canceled["x"], canceled["C"], canceled["c"]) == ("CANCELED", "mine", f"cancel-{world.replica._seq}")
    world.replica.run_out(instrument_id=1)
    assert client.frames[-1]["event"]["s"] == "BTCUSDT"


# Cancel on disconnect.


def test_a_watched_connection_that_ends_cancels_what_is_open(client: Client) -> None:
    world = client.world
    shown = {"symbol": "BTCUSDT", "enabled": True, "countdownTime": str(WATCH_MS)}
    assert watch(client, symbol="BTCUSDT")["result"] == shown
    client.session.on_close("client")
    # As the key's owner, then as the venue: the watch is renewed at once, and its end does not hang on the key.
    assert countdowns(world) == [(1, WATCH_MS, world.key.key_id), (1, WATCH_MS, 0), (1, 1, 0)]


def test_a_connection_that_is_not_watched_cancels_nothing(client: Client) -> None:
    client.session.on_close("client")
    assert countdowns(client.world) == []


def test_the_watch_is_renewed_as_long_as_the_connection_lives(client: Client) -> None:
    world = client.world
    watch(client)
    look(world)
    world.clock.advance(RENEW_NS / 1e9 - 0.1)
    look(world)
    assert len(countdowns(world)) == 2
    world.clock.advance(0.1)
    look(world)
    look(world)
    assert countdowns(world)[2:] == [(0, WATCH_MS, 0)]


def test_watching_twice_is_watching_once(client: Client) -> None:
    watch(client)
    watch(client)
    assert countdowns(client.world).count((0, WATCH_MS, 0)) == 1
    client.session.on_close("client")
    assert countdowns(client.world).count((0, 1, 0)) == 1


def test_it_can_be_switched_off(client: Client) -> None:
    world = client.world
    watch(client)
    assert watch(client, enabled=False)["result"] == {"symbol": "", "enabled": False, "countdownTime": "0"}
    client.session.on_close("client")
    assert (0, 1, 0) not in countdowns(world)
    assert countdowns(world)[-1] == (0, 0, 0)


@pytest.mark.parametrize("how", ["log out", "log on with another key"])
def test_the_end_of_the_logon_is_an_end_too(client: Client, how: str) -> None:
    watch(client)
    if how == "log out":
        client.ask("session.logout")
    else:
        client.world.replica.directory.add("r" * 64, "secret")
        client.log_on("r" * 64, "secret")
    assert countdowns(client.world)[-1] == (0, 1, 0)
    client.session.on_close("client")
    assert countdowns(client.world).count((0, 1, 0)) == 1


def test_a_connection_that_ends_before_the_reply_is_watched_all_the_same(client: Client) -> None:
    world = client.world
    params = {"enabled": True, "timestamp": world.clock.ms}
    client.send_raw(b'{"id":1,"method":"session.cancelOnDisconnect","params":%s}' % encoded(params), commit=False)
    client.session.on_close("client")
    world.replica.commit()
    assert countdowns(world)[-1] == (0, 1, 0)


def encoded(params: dict[str, Any]) -> bytes:
    return str(params).replace("'", '"').replace("True", "true").encode()


def test_while_the_journal_takes_nothing_the_cancel_waits(client: Client) -> None:
    world = client.world
    watch(client)
    world.replica.unavailable = "The disk is full."
    client.session.on_close("client")
    look(world)
    world.replica.unavailable = ""
    assert (0, 1, 0) not in countdowns(world)
    look(world)
    look(world)
    assert countdowns(world)[-1] == (0, 1, 0)
    assert countdowns(world).count((0, 1, 0)) == 1


def test_an_end_that_a_dying_venue_never_took_is_sent_again(client: Client) -> None:
    world = client.world
    watch(client)
    client.session.on_close("client")
    world.replica._queue.clear()
    assert world.replica.refused is not None
    world.replica.refused("The venue has never taken it.")
    look(world)
    look(world)
    assert countdowns(world).count((0, 1, 0)) == 2


def test_the_other_connections_watch_goes_on_once_the_timer_has_run_out(client: Client) -> None:
    world = client.world
    other = Client(world)
    other.log_on()
    watch(client)
    watch(other)
    client.session.on_close("client")
    world.clock.advance(60)
    look(world)
    assert countdowns(world)[-1] == (0, 1, 0)  # Renewing it would undo the cancel.
    world.replica.run_out()
    look(world)
    assert countdowns(world)[-1] == (0, WATCH_MS, 0)
    other.session.on_close("client")
    world.replica.run_out()
    world.clock.advance(60)
    look(world)
    assert countdowns(world)[-1] == (0, 1, 0)


def test_the_other_connections_watch_goes_on_when_one_is_switched_off(client: Client) -> None:
    """The timer never stops meanwhile: a gateway that died then would leave the other one's orders."""
    world = client.world
    other = Client(world)
    other.log_on()
    watch(client)
    watch(other)
    shown = {"symbol": "", "enabled": False, "countdownTime": str(WATCH_MS)}
    assert watch(client, enabled=False)["result"] == shown
    assert watch(client, enabled=False)["result"] == shown
    client.session.on_close("client")
    assert {countdown_ms for _, countdown_ms, _ in countdowns(world)} == {WATCH_MS}
    assert watch(other, enabled=False)["result"]["countdownTime"] == "0"


@pytest.mark.parametrize(("countdown_ms", "is_renewed"), [(0, True), (WATCH_MS + 1, True), (WATCH_MS - 1, False)])
def test_a_timer_that_is_stopped_or_put_off_by_hand_is_renewed_at_once(
    client: Client, countdown_ms: int, is_renewed: bool
) -> None:
    world = client.world
    watch(client)
    world.signed("POST", PATH, countdownTime=countdown_ms)
    look(world)
    assert (countdowns(world)[-1] == (0, WATCH_MS, 0)) is is_renewed


def test_without_room_for_the_timer_the_orders_are_canceled_directly(client: Client) -> None:
    world = client.world
    watch(client, symbol="BTCUSDT")
    world.replica.refuse_countdown_next = RejectReason.COUNTDOWNS_FULL
    client.session.on_close("client")
    world.replica.commit()
    assert world.replica.submitted[-1].kind == CommandKind.CANCEL_ALL
    assert world.replica.submitted[-1].instrument_id == 1


def test_it_needs_a_logon_and_the_permission_to_trade(world: World) -> None:
    client = Client(world)
    params = {"enabled": True, "timestamp": world.clock.ms}
    assert client.ask("session.cancelOnDisconnect", params)["error"]["code"] == -1002
    world.replica.directory.add("r" * 64, "secret", permissions=READ)
    client.log_on("r" * 64, "secret")
    assert client.ask("session.cancelOnDisconnect", params)["error"]["code"] == -2015
    client.log_on()
    assert client.ask("session.cancelOnDisconnect", {"timestamp": world.clock.ms})["error"]["code"] == -1102
    assert client.ask("session.cancelOnDisconnect", {"enabled": True})["error"]["code"] == -1102
    world.replica.refuse_countdown_next = RejectReason.COUNTDOWNS_FULL
    assert watch(client)["error"]["code"] == -1008
    client.session.on_close("client")
    assert len(countdowns(world)) == 1
