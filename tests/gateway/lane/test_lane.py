"""The lane: many requests in one turn of the loop, as their senders see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from holdfast.codes import RejectReason
from holdfast.gateway.binance.lane.lane import RUN_MAX
from holdfast.gateway.binance.rate_limits import Limits
from holdfast.journal.batch_writer import JournalSettings
from holdfast.settings import SEGMENT_BYTES_MIN
from tests.gateway.fakes import ACCOUNT_ID, ADDRESS, World, limit_order
from tests.gateway.websockets import Client

OTHER_ID = 8  # An account.


@contextmanager
def turn(world: World) -> Iterator[None]:
    """One turn of the loop: what is asked meanwhile is read together, made durable and answered."""
    with world.turns.held():
        yield
    world.replica.commit()


def place(client: Client, client_id: str, request_id: int = 1, **changes: Any) -> None:
    parameters = {**limit_order(newClientOrderId=client_id, **changes), "timestamp": client.world.clock.ms}
    ask(client, "order.place", parameters, request_id)


def ask(client: Client, method: str, parameters: dict[str, Any], request_id: int = 1) -> None:
    frame = {"id": request_id, "method": method, "params": parameters}
    client.send_raw(msgspec.json.encode(frame), commit=False)


def logged_on(world: World) -> Client:
    client = Client(world)
    client.log_on()
    client.socket.sent.clear()
    return client


def post(world: World, client_id: str, **changes: Any) -> list[Any]:
    query, headers = world.sign(limit_order(newClientOrderId=client_id, **changes))
    return world.send("POST", "/api/v3/order", query, headers=headers, commit=False)


def test_orders_of_one_turn_are_one_run_and_each_gets_its_own_reply(world: World) -> None:
    clients = [logged_on(world) for _ in range(3)]
    with turn(world):
        for i in range(12):
            place(clients[i % 3], f"order-{i}", request_id=i)
    assert world.replica.runs[-1] == 12
    for number, client in enumerate(clients):
        assert [frame["id"] for frame in client.frames] == list(range(number, 12, 3))
        shown = [frame["result"]["clientOrderId"] for frame in client.frames]
        assert shown == [f"order-{i}" for i in range(number, 12, 3)]


def test_a_run_is_never_too_long_for_the_journal() -> None:
    world = World(Limits(orders_per_10_seconds=1_000))
    client = logged_on(world)
    count = RUN_MAX + 3
    with turn(world):
        for i in range(count):
            place(client, f"order-{i}", request_id=i)
    assert world.replica.runs == [RUN_MAX, 3]
    assert [frame["id"] for frame in client.frames] == list(range(count))
    assert JournalSettings.of_segments(SEGMENT_BYTES_MIN).batch_records_max >= RUN_MAX


def test_rest_and_websocket_orders_share_a_run(world: World) -> None:
    client = logged_on(world)
    with turn(world):
        place(client, "socket")
        answers = post(world, "rest")
        assert not answers, "nothing is answered before it is durable"
    assert world.replica.runs[-1] == 2
    assert answers[0].json["clientOrderId"] == "rest"
    assert answers[0].headers["X-MBX-ORDER-COUNT-10S"] == "2"
    assert client.frames[0]["result"]["clientOrderId"] == "socket"
    assert client.frames[0]["rateLimits"][0]["count"] == 2


def test_limits_are_shown_to_those_who_want_them(world: World) -> None:
    shown, hidden = logged_on(world), Client(world, "returnRateLimits=false")
    hidden.log_on()
    hidden.socket.sent.clear()
    with turn(world):
        place(hidden, "one")
        place(shown, "two")
        place(hidden, "three")
    assert [limit["count"] for limit in shown.frames[0]["rateLimits"][:2]] == [3, 3]
    assert all("rateLimits" not in frame for frame in hidden.frames)


def test_other_requests_keep_their_place_between_orders(world: World) -> None:
    client = logged_on(world)
    now = world.clock.ms
    with turn(world):
        place(client, "first", 1, price="24000")
        ask(client, "order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": "first", "timestamp": now}, 2)
        place(client, "first-again", 3)
        place(client, "unusual", 4, newOrderRespType="SHORT")
        place(client, "last", 5)
    submitted = [command.client_id for command in world.replica.submitted]
    assert [submitted[0], *submitted[2:]] == [b"first", b"first-again", b"last"]
    replies = {frame["id"]: frame for frame in client.frames}
    assert replies[2]["result"]["status"] == "CANCELED"
    assert replies[4]["status"] == 400
    assert [replies[i]["status"] for i in (1, 3, 5)] == [200, 200, 200]


def test_orders_behind_a_logout_are_refused(world: World) -> None:
    client, other = logged_on(world), logged_on(world)
    with turn(world):
        place(client, "before", 1)
        ask(client, "session.logout", {}, 2)
        place(client, "behind", 3)
        place(other, "of-another-session", 4)
    assert [command.client_id for command in world.replica.submitted] == [b"before", b"of-another-session"]
    replies = {frame["id"]: frame for frame in client.frames}
    assert replies[1]["status"] == 200
    assert replies[3]["error"]["code"] == -1102, "it names no key"
    assert other.frames[0]["status"] == 200


def test_revoked_key_places_nothing(world: World) -> None:
    client = logged_on(world)
    world.key.revoked = True
    with turn(world):
        place(client, "late")
    assert not world.replica.submitted
    assert client.frames[0]["error"]["code"] == -2015


def test_the_order_that_is_too_many_is_refused_and_those_before_it_are_not() -> None:
    world = World(Limits(orders_per_10_seconds=3))
    client = logged_on(world)
    with turn(world):
        for i in range(5):
            place(client, f"order-{i}", i)
    statuses = {frame["id"]: frame["status"] for frame in client.frames}
    assert statuses == {0: 200, 1: 200, 2: 200, 3: 429, 4: 429}
    assert world.gateway.rate_limits.orders_10s.count(ACCOUNT_ID, world.clock.ns) == 3


def test_one_who_sends_too_much_leaves_the_runs_of_others_whole() -> None:
    world = World(Limits(orders_per_10_seconds=4))
    world.replica.directory.add("o" * 64, "other-secret", account_id=OTHER_ID)
    busy, calm = logged_on(world), Client(world)
    calm.log_on("o" * 64, "other-secret")
    calm.socket.sent.clear()
    with turn(world):
        for i in range(5):
            place(busy, f"busy-{i}", i)
        for i in range(3):
            place(calm, f"calm-{i}", i)
    assert {frame["id"]: frame["status"] for frame in busy.frames} == {0: 200, 1: 200, 2: 200, 3: 200, 4: 429}
    assert [frame["status"] for frame in calm.frames] == [200, 200, 200]
    assert world.replica.runs == [1, 1, 1, 1, 3]


def test_raw_requests_are_counted_once(world: World) -> None:
    before = world.gateway.rate_limits._raw.count(ADDRESS, world.clock.ns)
    with turn(world):
        for i in range(4):
            post(world, f"order-{i}")
    assert world.gateway.rate_limits._raw.count(ADDRESS, world.clock.ns) - before == 4


def test_banned_address_is_told_so(world: World) -> None:
    world.gateway.rate_limits._bans.ban(ADDRESS, world.clock.ns)
    with turn(world):
        answers = post(world, "mine")
    assert answers[0].status == 418
    assert not world.replica.submitted


def test_rejection_is_told_to_its_sender_alone(world: World) -> None:
    client = logged_on(world)
    world.replica.refuse_next = RejectReason.INSUFFICIENT_BALANCE
    with turn(world):
        place(client, "poor", 1)
        place(client, "rich", 2)
    replies = {frame["id"]: frame for frame in client.frames}
    assert replies[1]["error"]["code"] == -2010
    assert replies[1]["rateLimits"][-1]["count"] > 0, "an order that fails weighs something"
    assert replies[2]["result"]["clientOrderId"] == "rich"


def test_order_that_the_engine_skipped_as_poison_finds_the_market_closed(world: World) -> None:
    client = logged_on(world)
    world.replica.skip_next = True
    with turn(world):
        place(client, "poison", 1)
        place(client, "sound", 2)
    replies = {frame["id"]: frame for frame in client.frames}
    assert (replies[1]["error"]["code"], replies[1]["error"]["msg"]) == (-2010, "Market is closed.")
    assert replies[2]["status"] == 200


def test_each_is_told_when_the_journal_takes_nothing(world: World) -> None:
    world.replica.unavailable = "The disk is full."
    client = logged_on(world)
    with turn(world):
        place(client, "one", 1)
        place(client, "two", 2)
        answers = post(world, "three")
    assert [frame["id"] for frame in client.frames] == [1, 2]
    assert all("The disk is full." in frame["error"]["msg"] for frame in client.frames)
    assert answers[0].status == 503
    assert len(world.gateway.pending) == 0


def test_each_is_told_when_the_venue_refuses_new_orders(world: World) -> None:
    world.replica.refusal = "The venue is stopping."
    with turn(world):
        answers = [*post(world, "one"), *post(world, "two")]
    assert not world.replica.submitted
    assert ["The venue is stopping." in answer.text for answer in answers] == [True] * len(answers)


def test_undecided_run_is_answered_as_pending_once(world: World) -> None:
    client = logged_on(world)
    with world.turns.held():
        place(client, "one", 1)
        answers = post(world, "two")
    world.clock.advance(0.8)
    world.timers.run()
    assert client.frames[0]["error"]["data"]["clientOrderId"] == "one"
    assert client.frames[0]["id"] == 1
    assert (answers[0].status, answers[0].code) == (504, -1007)
    assert answers[0].json["data"]["resolvesBy"] == world.clock.ms - 800 + 5_000
    world.replica.commit()
    assert (len(client.frames), len(answers)) == (1, 1)
    assert len(world.gateway.pending) == 0


def test_a_fault_in_telling_one_stops_no_others(world: World) -> None:
    broken, sound = logged_on(world), logged_on(world)

    def fail(data: bytes) -> None:
        raise OSError(data)

    broken.socket.send = fail  # type: ignore[method-assign]
    with turn(world):
        place(broken, "one", 1)
        place(sound, "two", 2)
        ask(broken, "ping", {}, 3)
        place(sound, "three", 4)
    assert {frame["id"]: frame["status"] for frame in sound.frames} == {2: 200, 4: 200}


def test_headers_tell_of_the_interval_in_which_the_order_was_read(world: World) -> None:
    world.clock.advance(9.5)
    with world.turns.held():
        answers = post(world, "mine")
    world.clock.advance(0.6)
    world.replica.commit()
    assert answers[0].headers["X-MBX-ORDER-COUNT-10S"] == "1"


@pytest.mark.parametrize("response", ["ACK", "RESULT", "FULL"])
@pytest.mark.parametrize("kind", [{}, {"timeInForce": "IOC"}, {"type": "MARKET", "timeInForce": None, "price": None}])
def test_replies_are_those_of_the_general_way(response: str, kind: dict[str, Any]) -> None:
    """An escape in the id, which changes nothing, keeps an order out of the lane."""
    bodies = []
    for dash in ("-", "%2D"):
        world = World()
        order = limit_order(newOrderRespType=response, **kind)
        text = "&".join(f"{name}={value}" for name, value in order.items())
        query = f"{text}&newClientOrderId=a{dash}b&timestamp={world.clock.ms}"
        signed, headers = world.sign_text(query)
        [answer] = world.send("POST", "/api/v3/order", signed, headers=headers)
        bodies.append(answer)
    assert bodies[0].status == 200
    assert list(bodies[0].json.items()) == list(bodies[1].json.items())
    assert bodies[0].headers == bodies[1].headers
