"""Whatever comes in over the network: an answer below 500, and a process that lives with nothing in its log.

Against a real venue in a process of its own; `tests.gateway.test_rest_fuzz` looks at what reaches the engine.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import websockets.sync.client
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from holdfast.gateway.binance.gateway import REST_ROUTES
from tests.support.operator import PREFIX
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.venue.traded import CONFIG

pytestmark = pytest.mark.slow

EXAMPLES = 3_000
MARKET_PATHS = [
    f"/api/v3/{path}"
    for path in (
        "depth", "trades", "historicalTrades", "aggTrades", "klines", "uiKlines", "avgPrice",
        "ticker", "ticker/24hr", "ticker/price", "ticker/bookTicker", "ticker/tradingDay",
    )
]  # fmt: skip
OPERATOR_PATHS = [
    PREFIX + path
    for path in (
        "/accounts",
        "/accounts/fuzz",
        "/accounts/fuzz/deposits",
        "/withdrawals/1/approve",
        "/venue",
        "/transfers",
    )
]
NAMES = [
    "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId",
    "orderId", "origClientOrderId", "newOrderRespType", "selfTradePreventionMode", "recvWindow",
    "limit", "startTime", "endTime",
    "fromId", "interval", "timeZone", "windowSize", "cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId",
    "cancelRestrictions", "omitZeroBalances", "permissions", "timeUnit", "streams", "id", "method", "params",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(
        ["BTCUSDT", "ETHBTC", "BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "GTC", "IOC", "FOK", "1m", "1M"]
    ),
    st.sampled_from(
        ["", " ", "0", "1", "0.01", "40000", "-1", "1e9", "1e999999999", "9" * 20, "null", "[]", '["BTCUSDT"]']
    ),
    st.sampled_from(["9223372036854775807", "9223372036854775808", "1795000000000", "btcusdt@depth", "\ud800", "\0"]),
    st.integers(-(2**70), 2**70).map(str),
    st.text(max_size=40),
)
PARAMETERS = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=6)), TEXTS, max_size=8)
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "X"])
PATHS = st.one_of(
    st.sampled_from(MARKET_PATHS + OPERATOR_PATHS),
    st.sampled_from(["/", "/ws", "/stream", "/metrics", "/healthz", "/readyz", "/sapi/v1/capital/config/getall"]),
    st.text(max_size=20).map(lambda text: "/" + quote(text, errors="surrogatepass")),
)
REQUESTS = st.one_of(st.tuples(METHODS, PATHS), st.sampled_from(sorted(REST_ROUTES)))
BODIES = st.one_of(
    st.none(), st.binary(max_size=50), st.sampled_from([b"{}", b"[]", b'{"name": "x"}', b'{"amount": 1}'])
)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with VenueProcess(tmp_path_factory.mktemp("fuzz"), "--config", str(CONFIG)) as process:
        yield process


@pytest.fixture(scope="module")
def key(venue: VenueProcess) -> dict[str, str]:
    return venue.trader("fuzz", BTC="100", USDT="1000000")


@pytest.fixture(autouse=True)
def unharmed(venue: VenueProcess, key: dict[str, str]) -> Iterator[None]:
    """After each test the same process trades on, and nothing went wrong inside."""
    pid = venue.pid
    yield
    with Rest(venue.port, key) as rest:
        status, reply = rest.signed(
            "POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="100"
        )
        assert status == 200, reply
    assert venue.pid == pid
    log = (venue.data / "venue.log").read_text()
    bad = [line for line in log.splitlines() if json.loads(line)["level"] not in ("info", "warning")]
    assert not bad, bad[0]
    assert "Traceback" not in log
    assert not any("Traceback" in line for line in venue.log)


def answer(venue: VenueProcess, method: str, target: str, headers: dict[str, str], body: bytes | None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", venue.port, timeout=20)
    with contextlib.closing(connection):
        connection.request(method, target, body, headers)
        with connection.getresponse() as response:
            response.read()
            return response.status


def query_of(parameters: dict[str, str], key: dict[str, str] | None) -> str:
    pairs = list(parameters.items())
    if key is not None:
        pairs.append(("timestamp", str(int(time.time() * 1000))))
    query = "&".join(f"{_quoted(name)}={_quoted(text)}" for name, text in pairs)
    if key is None:
        return query
    signature = hmac.new(key["secretKey"].encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&signature={signature}"


def _quoted(text: str) -> str:
    return quote_plus(text, errors="surrogatepass")


@given(request_=REQUESTS, parameters=PARAMETERS, is_signed=st.booleans(), body=BODIES, is_operator=st.booleans())
@settings(max_examples=EXAMPLES)
def test_requests(
    venue: VenueProcess,
    key: dict[str, str],
    request_: tuple[str, str],
    parameters: dict[str, str],
    is_signed: bool,
    body: bytes | None,
    is_operator: bool,
) -> None:
    method, path = request_
    headers = {"X-MBX-APIKEY": key["apiKey"]} if is_signed else {}
    if is_operator:
        token = (venue.data / "operator.token").read_text().strip()
        headers |= {"Authorization": f"Bearer {token}", "Idempotency-Key": "fuzz", "Content-Type": "application/json"}
    status = answer(venue, method, f"{path}?{query_of(parameters, key if is_signed else None)}", headers, body)
    assert status < 500


@given(
    st.lists(
        st.one_of(st.binary(max_size=200), st.sampled_from([b"GET / HTTP/1.1\r\n", b"\r\n\r\n", b"a: b\r\n"])),
        max_size=6,
    )
)
@settings(max_examples=EXAMPLES // 3)
def test_bytes_that_are_no_http(venue: VenueProcess, pieces: list[bytes]) -> None:
    received = b""
    with (
        socket.create_connection(("127.0.0.1", venue.port), timeout=20) as connection,
        contextlib.suppress(ConnectionError),  # It is the server's right to end such a connection.
    ):
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            received += data
    assert b"HTTP/1.1 5" not in received


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=8,
)
API_METHODS = [
    "order.place", "order.cancel", "order.cancelReplace", "order.status", "openOrders.status", "openOrders.cancelAll",
    "session.logon", "session.status", "session.logout", "userDataStream.subscribe", "userDataStream.unsubscribe",
    "userDataStream.subscribe.signature", "depth", "klines", "ticker.24hr", "trades.recent", "exchangeInfo",
    "account.status", "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY",
]  # fmt: skip
MESSAGES = st.one_of(
    st.fixed_dictionaries(
        {"id": JSON, "method": st.sampled_from(API_METHODS), "params": st.one_of(PARAMETERS, JSON)}
    ).map(_json := json.dumps),
    JSON.map(json.dumps),
    st.text(max_size=60).filter(lambda text: not any(0xD800 <= ord(letter) < 0xE000 for letter in text)),
)


@pytest.mark.parametrize("path", ["/ws-api/v3", "/ws", "/ws/btcusdt@trade", "/stream?streams=btcusdt@depth"])
def test_messages_on_websockets(venue: VenueProcess, path: str) -> None:
    url = f"ws://127.0.0.1:{venue.port}{path}"

    @given(st.lists(MESSAGES, min_size=1, max_size=10))
    @settings(max_examples=EXAMPLES // 6)
    def converse(messages: list[str]) -> None:
        with websockets.sync.client.connect(url) as connection:
            try:
                for message in messages:
                    connection.send(message)
                    if path == "/ws-api/v3":
                        reply: dict[str, Any] = json.loads(connection.recv(timeout=20))
                        assert reply.get("status", 200) < 500, reply
                assert connection.ping().wait(20)
            except ConnectionClosed as closed:
                assert closed.rcvd is not None
                assert closed.rcvd.code not in (1006, 1011), closed

    converse()
