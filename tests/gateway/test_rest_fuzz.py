"""Whatever is sent: an answer of 4xx or a right one, never an exception or 5xx, never a command that makes no sense."""

import json
from typing import Any
from urllib.parse import quote_plus, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import CommandKind
from holdfast.gateway.binance.gateway import REST_ROUTES
from holdfast.gateway.binance.rate_limits import Limits
from tests.gateway.fakes import API_KEY, World, limit_order, signature
from tests.gateway.websockets import Client

UNLIMITED = Limits(
    request_weight_per_minute=10**9,
    raw_requests_per_5_minutes=10**9,
    orders_per_10_seconds=10**9,
    orders_per_day=10**9,
    cancels_per_minute=10**9,
    connections_per_5_minutes=10**9,
)
NAMES = [
    "symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId", "orderId",
    "origClientOrderId", "newOrderRespType", "selfTradePreventionMode", "stopPrice", "icebergQty", "trailingDelta",
    "strategyId", "strategyType", "pegPriceType", "recvWindow", "timestamp", "limit", "startTime", "endTime", "fromId",
    "cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId", "cancelRestrictions", "symbols", "permissions",
    "symbolStatus", "omitZeroBalances", "computeCommissionRates", "timeUnit", "signature", "apiKey", "returnRateLimits",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["BTCUSDT", "BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "GTC", "IOC", "FOK", "0", "1", "0.001", "25000"]
    ),
    st.sampled_from(["", " ", "null", "true", "-1", "1e9", "1e999999999", "9" * 20, "9" * 21, "0.00000001", "[", "[]"]),
    st.sampled_from(["9223372036854775807", "9223372036854775808", "92233720368.54775807", '["BTCUSDT"]', "\ud800"]),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.text(max_size=40),
)
PARAMETERS = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), VALUES, max_size=12)
ROUTES = st.sampled_from(sorted(REST_ROUTES))


WORLD = World(UNLIMITED)


def fresh() -> World:
    """The one venue, with the orders of earlier examples forgotten: making one costs more than an example."""
    WORLD.replica.submitted.clear()
    return WORLD


def check(world: World, answers: list[Any]) -> None:
    assert len(answers) == 1
    assert answers[0].status < 500
    assert (answers[0].status == 200) or answers[0].code < 0
    for command in world.replica.submitted:
        assert command.instrument_id in (1, 2)
        assert min(command.price_ticks, command.qty_lots, command.quote_units, command.order_id) >= 0
        assert len(command.client_id) <= 36
        if command.kind == CommandKind.PLACE_ORDER:
            assert command.client_id
            assert command.qty_lots or command.quote_units


def encoded(parameters: dict[str, str]) -> str:
    return urlencode(parameters, errors="replace")


@given(ROUTES, PARAMETERS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_signed_requests_with_any_parameters(route: tuple[str, str], parameters: dict[str, str], in_body: bool) -> None:
    world = fresh()
    payload = encoded({**limit_order(), "timestamp": str(world.clock.ms), **parameters})
    sent = f"{payload}&signature={signature(payload)}"
    query, body = ("", sent.encode()) if in_body else (sent, b"")
    check(world, world.send(*route, query, body, headers={"x-mbx-apikey": API_KEY}))


@given(ROUTES, st.text(max_size=200), st.binary(max_size=200), st.text(max_size=70), st.booleans())
@settings(max_examples=150, deadline=None)
def test_unsigned_requests_of_any_bytes(
    route: tuple[str, str], query: str, body: bytes, api_key: str, names_the_key: bool
) -> None:
    world = fresh()
    headers = {"x-mbx-apikey": API_KEY if names_the_key else api_key, "x-mbx-time-unit": api_key[:3]}
    check(world, world.send(*route, query, body, headers=headers))


@given(ROUTES, st.text(max_size=40), st.text(max_size=80))
@settings(max_examples=80, deadline=None)
def test_any_signature_over_any_escapes(route: tuple[str, str], text: str, wrong: str) -> None:
    world = fresh()
    escaped = quote_plus(text, errors="replace")
    query = f"symbol={escaped}&timestamp={world.clock.ms}&{text}&signature={wrong}"
    check(world, world.send(*route, query, headers={"x-mbx-apikey": API_KEY}))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(max_size=20), VALUES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
METHODS = [*sorted(REST_ROUTES.values()), "session.logon", "session.status", "userDataStream.subscribe.signature",
           "userDataStream.unsubscribe", "v3/order.place", "nothing", ""]  # fmt: skip


@given(st.sampled_from(METHODS), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=10), JSON, st.booleans())
@settings(max_examples=150, deadline=None)
def test_websocket_requests_with_any_parameters(
    method: str, parameters: dict[str, Any], request_id: Any, is_signed: bool
) -> None:
    world = fresh()
    client = Client(world)
    if is_signed:
        parameters = client.signed({**limit_order(), **parameters})
    client.send_raw(json.dumps({"id": request_id, "method": method, "params": parameters}).encode())
    check_frames(world, client)


@given(st.one_of(st.binary(max_size=100), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))))
@settings(max_examples=100, deadline=None)
def test_websocket_frames_of_any_bytes(data: bytes) -> None:
    world = fresh()
    client = Client(world)
    client.send_raw(data)
    check_frames(world, client)


def check_frames(world: World, client: Client) -> None:
    (reply,) = client.frames
    assert reply["status"] < 500
    assert ("result" in reply) == (reply["status"] == 200)
    assert "id" in reply
    for command in world.replica.submitted:
        assert command.instrument_id in (1, 2)
