"""Rate limits: one client's flood is its own problem, and nothing keeps anybody from canceling."""

import pytest

from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.rate_limits import Bans, Limits, RateLimits, Window
from tests.gateway.fakes import ADDRESS, START_NS, Answer, World

WINDOW_NS = 60 * 10**9
MINUTE_START_NS = START_NS - START_NS % WINDOW_NS


def cancel(world: World, order_id: int = 1) -> Answer:
    return world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=order_id)


def test_every_answer_shows_the_weight_used(world: World) -> None:
    assert world.get("/api/v3/ping").headers["X-MBX-USED-WEIGHT"] == "1"
    answer = world.get("/api/v3/exchangeInfo")
    assert answer.headers["X-MBX-USED-WEIGHT"] == answer.headers["X-MBX-USED-WEIGHT-1M"] == "21"
    assert world.get("/api/v3/ping", "x=1").headers["X-MBX-USED-WEIGHT-1M"] == "22"
    assert "X-MBX-ORDER-COUNT-10S" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "parameters", "weight"),
    [
        ("GET", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": 9}, 4),
        ("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"}, 6),
        ("GET", "/api/v3/openOrders", {}, 80),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT"}, 20),
        ("GET", "/api/v3/myTrades", {"symbol": "BTCUSDT", "orderId": 1}, 5),
        ("GET", "/api/v3/rateLimit/order", {}, 40),
        ("POST", "/api/v3/order/test", {}, 1),
    ],
)
def test_weights_are_the_documented_ones(
    world: World, method: str, path: str, parameters: dict[str, object], weight: int
) -> None:
    answer = world.signed(method, path, **parameters)
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def test_orders_weigh_nothing_unless_they_fail(world: World) -> None:
    assert world.order().headers["X-MBX-USED-WEIGHT-1M"] == "0"
    assert world.order(price="x").headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert cancel(world).headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_weight_beyond_the_limit_is_429_until_the_minute_ends() -> None:
    world = World(Limits(request_weight_per_minute=40))
    world.clock.ns = MINUTE_START_NS + 15 * 10**9 + 1
    assert world.get("/api/v3/exchangeInfo").status == 200
    assert world.get("/api/v3/exchangeInfo").status == 200
    answer = world.get("/api/v3/ping")
    assert (answer.status, answer.code) == (429, -1003)
    assert answer.text.startswith("Too much request weight used; current limit is 40 request weight per 1 MINUTE.")
    assert answer.headers["Retry-After"] == "45"
    assert world.order().status == 429
    assert world.get("/api/v3/ping", peer_ip="198.51.100.1").status == 200
    world.clock.advance(45)
    assert world.get("/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_going_on_after_a_429_bans_the_address_longer_each_time() -> None:
    world = World(Limits(request_weight_per_minute=1, refusals_before_ban=2))
    world.clock.ns = MINUTE_START_NS

    def misbehave() -> Answer:
        answer = world.get("/api/v3/ping")
        while answer.status != 418:
            answer = world.get("/api/v3/ping")
        return answer

    banned = misbehave()
    assert banned.code == -1003
    assert banned.text.startswith(f"Way too much request weight used; IP banned until {world.clock.ms + 120_000}.")
    assert banned.headers["Retry-After"] == "120"
    world.clock.advance(119)
    assert world.get("/api/v3/ping").status == 418
    world.clock.advance(1)
    assert world.get("/api/v3/ping").status == 200
    assert misbehave().headers["Retry-After"] == "240"
    world.clock.advance(4 * 86_400)
    assert misbehave().headers["Retry-After"] == "120"


def test_cancels_go_on_when_everything_else_is_used_up_or_banned() -> None:
    world = World(Limits(request_weight_per_minute=1, refusals_before_ban=1, orders_per_10_seconds=1))
    assert world.order().status == 200
    for _ in range(5):
        world.get("/api/v3/ping")
    assert world.get("/api/v3/ping").status == 418
    assert world.order().status == 418
    assert cancel(world).json["status"] == "CANCELED"


def test_cancels_have_a_limit_of_their_own() -> None:
    world = World(Limits(cancels_per_minute=2))
    assert [cancel(world).status for _ in range(3)] == [400, 400, 429]
    assert world.order().status == 200


def test_raw_requests_are_limited_over_five_minutes() -> None:
    world = World(Limits(raw_requests_per_5_minutes=3))
    assert [world.order(quantity="-").status for _ in range(4)] == [400, 400, 400, 429]


def test_unfilled_orders_are_counted_per_account_and_shown() -> None:
    world = World(Limits(orders_per_10_seconds=2, orders_per_day=3))
    world.clock.ns = MINUTE_START_NS
    answer = world.order()
    assert (answer.headers["X-MBX-ORDER-COUNT-10S"], answer.headers["X-MBX-ORDER-COUNT-1D"]) == ("1", "1")
    world.order()
    refused = world.order()
    assert (refused.status, refused.code) == (429, -1015)
    assert refused.text == "Too many new orders; current limit is 2 orders per 10 SECOND."
    assert refused.headers["Retry-After"] == "10"
    world.clock.advance(10)
    assert world.order().status == 200
    assert world.order().text == "Too many new orders; current limit is 3 orders per 1 DAY."
    assert world.signed("GET", "/api/v3/rateLimit/order").json == [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 2, "count": 1},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 3, "count": 3},
    ]


def test_malformed_order_does_not_count_as_an_order() -> None:
    world = World(Limits(orders_per_10_seconds=1))
    world.order(price="-1")
    assert world.order().status == 200


def test_first_fill_takes_an_order_off_the_count(world: World) -> None:
    for expected in ("1", "1", "1"):  # Each is counted when it is sent, and taken off when it trades.
        answer = world.order(type="MARKET", price=None, timeInForce=None)
        assert answer.headers["X-MBX-ORDER-COUNT-10S"] == str(int(expected) - 1)


def test_resting_order_that_trades_takes_off_five(world: World) -> None:
    for _ in range(7):
        world.order()
    world.replica.fill(1, 10)
    counts = world.signed("GET", "/api/v3/rateLimit/order").json
    assert [count["count"] for count in counts] == [2, 2]
    world.replica.fill(1, 10)
    assert [count["count"] for count in world.signed("GET", "/api/v3/rateLimit/order").json] == [2, 2]


# Bounded memory.


def test_addresses_beyond_the_bound_share_one_count() -> None:
    window: Window[str] = Window(WINDOW_NS, 10, who_max=2)
    assert [window.add(who, 1, MINUTE_START_NS) for who in ("a", "b", "c", "d", "c")] == [1, 1, 1, 2, 3]
    assert window.count("unseen", MINUTE_START_NS) == 3
    assert window.count("a", MINUTE_START_NS) == 1
    assert window.count("c", MINUTE_START_NS + WINDOW_NS) == 0


def test_clock_that_stands_or_steps_back_never_clears_a_count() -> None:
    window: Window[str] = Window(WINDOW_NS, 10, who_max=2)
    window.add("a", 5, MINUTE_START_NS)
    assert window.count("a", MINUTE_START_NS - 1) == 5


def test_bans_are_bounded_and_the_oldest_goes_first() -> None:
    bans = Bans(Limits(addresses_max=2))
    for address in ("a", "b", "c"):
        bans.ban(address, 1)
    assert [bans.until_ns(address, 2) > 0 for address in ("a", "b", "c")] == [False, True, True]


def test_bans_end_at_three_days() -> None:
    limits = Limits()
    bans = Bans(limits)
    for _ in range(50):
        bans.ban("a", MINUTE_START_NS)
    assert bans.until_ns("a", MINUTE_START_NS) == MINUTE_START_NS + 3 * 86_400 * 10**9


def test_connections_are_limited() -> None:
    rate_limits = RateLimits(Limits(connections_per_5_minutes=1))
    rate_limits.charge_connection(ADDRESS, START_NS)
    with pytest.raises(ApiError) as refused:
        rate_limits.charge_connection(ADDRESS, START_NS)
    assert refused.value.error.code == -1034
