"""WebSocket API requests: signatures as clients really make them, ids echoed as written, errors by document."""

import json
from typing import Any

import pytest

from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.parameters import Parameter, Parameters, symbol
from holdfast.gateway.binance.rate_limits import Limits
from tests.gateway.fakes import API_KEY, START_NS, World, limit_order
from tests.gateway.websockets import Client

MS = START_NS // 10**6
LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
]


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def test_reply_has_id_status_result_and_rate_limits_in_order(client: Client) -> None:
    reply = client.ask("time", request_id=7)
    assert list(reply) == ["id", "status", "result", "rateLimits"]
    assert reply == {
        "id": 7,
        "status": 200,
        "result": {"serverTime": MS},
        "rateLimits": [LIMITS[0] | {"count": 3}],  # 2 for the connection.
    }


@pytest.mark.parametrize(
    "written", ["1", "-5", "0", '"abc"', '"0"', '"B4CK-wards"', "null", "12345678901234567890123", '"\\u00e9"', "1.0"]
)
def test_id_is_echoed_as_it_was_written(client: Client, written: str) -> None:
    client.send_raw(b'{"id":%b,"method":"ping"}' % written.encode())
    assert client.socket.sent[0].startswith(b'{"id":%b,"status":200,"result":{}' % written.encode())


@pytest.mark.parametrize("written", ["true", "[1]", '{"a":1}', '"' + "x" * 200 + '"'])
def test_id_of_another_kind_is_refused(client: Client, written: str) -> None:
    client.send_raw(b'{"id":%b,"method":"ping"}' % written.encode())
    (reply,) = client.frames
    assert (reply["id"], reply["status"], reply["error"]["code"]) == (None, 400, -1100)


def test_request_without_an_id_gets_null(client: Client) -> None:
    client.send_raw(b'{"method":"ping"}')
    assert client.frames[0]["id"] is None


@pytest.mark.parametrize(
    ("data", "expected_id"),
    [
        (b"", None),
        (b"hello", None),
        (b"[]", None),
        (b"{", None),
        (b'{"id":5}', 5),
        (b'{"id":5,"method":1}', 5),
        (b'{"id":5,"method":"ping","params":[]}', 5),
        (b'{"id":5,"method":"ping"} {}', None),
        (b"[" * 100_000, None),
    ],
)
def test_what_is_no_request_is_told_so(client: Client, data: bytes, expected_id: int | None) -> None:
    client.send_raw(data)
    (reply,) = client.frames
    assert (reply["id"], reply["status"]) == (expected_id, 400)
    assert reply["error"] == {"code": -1135, "msg": "Invalid JSON Request"}


def test_unknown_method_is_unsupported(client: Client) -> None:
    reply = client.ask("sor.order.place", {"symbol": "BTCUSDT"})
    assert (reply["status"], reply["error"]["code"]) == (400, -1020)


def test_method_may_name_its_version(client: Client) -> None:
    assert client.ask("v3/ping")["status"] == 200


# Rate limits in replies.


def test_order_replies_show_the_orders_too(client: Client) -> None:
    reply = client.ask_signed("order.place", **limit_order())
    assert reply["rateLimits"] == [
        LIMITS[1] | {"count": 1},
        LIMITS[2] | {"count": 1},
        LIMITS[0] | {"count": 2},
    ]


@pytest.mark.parametrize("value", [False, "false", "FALSE"])
def test_rate_limits_are_left_out_where_asked_for(client: Client, value: Any) -> None:
    assert "rateLimits" not in client.ask("ping", {"returnRateLimits": value})
    assert "rateLimits" in client.ask("ping")


def test_connection_can_leave_rate_limits_out(world: World) -> None:
    client = Client(world, "returnRateLimits=false")
    assert "rateLimits" not in client.ask("ping")
    assert "rateLimits" in client.ask("ping", {"returnRateLimits": True})


def test_errors_have_rate_limits_too(client: Client) -> None:
    reply = client.ask("order.place", {})
    assert list(reply) == ["id", "status", "error", "rateLimits"]


def test_too_many_requests_say_when_to_come_again() -> None:
    client = Client(World(Limits(request_weight_per_minute=3)))
    client.ask("ping")
    reply = client.ask("ping")
    assert reply["status"] == 429
    assert reply["error"]["code"] == -1003
    assert reply["error"]["data"] == {"serverTime": MS, "retryAfter": (MS // 60_000 + 1) * 60_000}


def test_too_many_connections_are_refused() -> None:
    world = World(Limits(connections_per_5_minutes=1))
    assert Client(world).refusal is None
    refusal = Client(world).refusal
    assert refusal is not None
    assert refusal.status == 429


@pytest.mark.parametrize("query", ["timeUnit=NANOSECOND", "returnRateLimits=perhaps", "a=1&a=2"])
def test_malformed_connection_is_refused(world: World, query: str) -> None:
    refusal = Client(world, query).refusal
    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize("query", ["timeUnit=MICROSECOND", "timeUnit=microsecond"])
def test_times_are_in_microseconds_where_the_connection_asks_for_it(world: World, query: str) -> None:
    client = Client(world, query)
    assert client.ask("time")["result"]["serverTime"] == START_NS // 1000
    reply = client.ask_signed("order.place", **limit_order())
    assert reply["result"]["transactTime"] == START_NS // 1000


# Signatures.


def test_signed_order_is_placed(client: Client) -> None:
    reply = client.ask_signed("order.place", **limit_order(newClientOrderId="mine"))
    assert reply["status"] == 200
    assert reply["result"]["clientOrderId"] == "mine"
    assert reply["result"]["fills"] == []


def test_percent_encoded_signature_is_accepted(client: Client) -> None:
    params = client.signed_encoded(limit_order(newClientOrderId="web:abc/1"))
    assert client.ask("order.place", params)["result"]["clientOrderId"] == "web:abc/1"


@pytest.mark.parametrize(
    ("written", "lots"),
    [('"quantity":0.001', 100), ('"quantity":"0.00100"', 100), ('"quantity":1e-05', 1), ('"quantity":2', 200_000)],
)
def test_numbers_are_signed_and_read_as_they_were_written(client: Client, written: str, lots: int) -> None:
    text = written.split(":")[1].strip('"')
    params = client.signed(limit_order(quantity=text))
    frame = json.dumps({"id": 1, "method": "order.place", "params": params}).replace(f'"quantity": "{text}"', written)
    client.send_raw(frame.encode())
    assert client.frames[0]["status"] == 200
    assert client.world.replica.submitted[0].qty_lots == lots


def test_texts_stand_for_numbers_and_booleans(client: Client) -> None:
    client.ask_signed("order.place", **limit_order())
    for limit in (5, "5"):
        assert len(client.ask_signed("allOrders", symbol="BTCUSDT", limit=limit)["result"]) == 1
    for omit in (True, "true"):
        assert client.ask_signed("account.status", omitZeroBalances=omit)["status"] == 200
    for listed in (["BTCUSDT"], '["BTCUSDT"]'):
        assert len(client.ask("exchangeInfo", {"symbols": listed})["result"]["symbols"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"signature": "0" * 64}, 400, -1022),
        ({"signature": None}, 400, -1102),
        ({"signature": ""}, 400, -1102),
        ({"timestamp": None}, 400, -1102),
        ({"timestamp": 1}, 400, -1021),
        ({"apiKey": None}, 400, -1102),
        ({"apiKey": "short"}, 401, -2014),
        ({"apiKey": "x" * 64}, 401, -2015),
        ({"price": "25001"}, 400, -1022),
        ({"recvWindow": 70_000}, 400, -1102),
    ],
)
def test_wrong_authentication_is_refused(client: Client, change: dict[str, Any], status: int, code: int) -> None:
    params = client.signed(limit_order()) | change
    reply = client.ask("order.place", {name: value for name, value in params.items() if value is not None})
    assert (reply["status"], reply["error"]["code"]) == (status, code)
    assert client.world.replica.submitted == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": None}, -1102),
        ({"quantity": "1e-3"}, -1100),
        ({"colour": "red"}, -1104),
        ({"side": "UP"}, -1117),
        ({"quantity": "0.000001"}, -1013),
        ({"icebergQty": "1"}, -1013),
    ],
)
def test_malformed_order_is_refused_as_over_rest(client: Client, changes: dict[str, Any], code: int) -> None:
    reply = client.ask_signed("order.place", **limit_order(**changes))
    assert (reply["status"], reply["error"]["code"]) == (400, code)


@pytest.mark.parametrize("value", [{"a": 1}, None])
def test_objects_and_nulls_are_no_values(client: Client, value: Any) -> None:
    reply = client.ask("exchangeInfo", {"symbol": value})
    assert reply["error"]["code"] in (-1130, -1105)


# Methods.


def test_every_trading_and_account_method_answers(client: Client) -> None:
    client.ask_signed("order.place", **limit_order(newClientOrderId="a"))
    assert client.ask_signed("order.test", **limit_order())["result"] == {}
    assert client.ask_signed("order.status", symbol="BTCUSDT", orderId=1)["result"]["status"] == "NEW"
    assert len(client.ask_signed("openOrders.status")["result"]) == 1
    assert len(client.ask_signed("allOrders", symbol="BTCUSDT")["result"]) == 1
    assert client.ask_signed("myTrades", symbol="BTCUSDT")["result"] == []
    assert client.ask_signed("account.status")["result"]["accountType"] == "SPOT"
    assert client.ask_signed("account.commission", symbol="BTCUSDT")["result"]["symbol"] == "BTCUSDT"
    assert client.ask_signed("account.rateLimits.orders")["result"][0]["count"] == 1
    replaced = client.ask_signed(
        "order.cancelReplace", **limit_order(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1)
    )
    assert replaced["result"]["newOrderResult"] == "SUCCESS"
    assert client.ask_signed("order.cancel", symbol="BTCUSDT", orderId=2)["result"]["status"] == "CANCELED"
    client.ask_signed("order.place", **limit_order())
    assert len(client.ask_signed("openOrders.cancelAll", symbol="BTCUSDT")["result"]) == 1


def test_partly_failed_replacement_is_409_with_data(client: Client) -> None:
    reply = client.ask_signed("order.cancelReplace", **limit_order(cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=1))
    assert (reply["status"], reply["error"]["code"]) == (409, -2021)
    assert reply["error"]["data"]["newOrderResult"] == "SUCCESS"


def test_added_public_method_is_served_here_and_over_rest(client: Client) -> None:
    def shout(call: Call) -> bytes:
        return b'"%b!"' % call.values["symbol"].encode()

    endpoint = Endpoint(Parameters(Parameter("symbol", symbol, is_required=True)), shout, weight=5)
    client.world.gateway.add_public({"/api/v3/shout": endpoint}, {"shout": endpoint})
    assert client.ask("shout", {"symbol": "BTCUSDT"})["result"] == "BTCUSDT!"
    assert client.world.get("/api/v3/shout", "symbol=BTCUSDT").json == "BTCUSDT!"
    assert client.ask("shout", {})["error"]["code"] == -1102


def test_pending_order_is_answered_once_and_in_time(client: Client) -> None:
    params = client.signed(limit_order(newClientOrderId="mine"))
    client.send_raw(json.dumps({"id": 3, "method": "order.place", "params": params}).encode(), commit=False)
    assert client.frames == []
    client.world.clock.advance(0.8)
    client.world.timers.run()
    client.world.replica.commit()
    (reply,) = client.frames
    assert (reply["id"], reply["status"], reply["error"]["code"]) == (3, 504, -1007)
    assert reply["error"]["data"]["clientOrderId"] == "mine"


def test_request_on_a_key_of_the_upgrade_is_still_signed_by_its_own(client: Client) -> None:
    """Some clients send their key with the upgrade; it means nothing here."""
    assert client.ask("account.status", {"timestamp": MS})["error"]["code"] == -1102
    assert client.ask("account.status", {"timestamp": MS, "apiKey": API_KEY})["error"]["code"] == -1102
