"""Signatures, keys and times: who may ask. A hole here gives somebody else's money away."""

import base64
from urllib.parse import quote, quote_plus, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.codes import KeyType
from holdfast.gateway.binance.authentication import decoded_payload, is_rest_signed, is_websocket_signed
from holdfast.instruments import Reference
from tests.gateway.fakes import (
    ACCOUNT_ID,
    API_KEY,
    BTC,
    READ,
    TRADE,
    USDT,
    World,
    instrument,
    limit_order,
    signature,
)

OTHER_KEY = "x" * 64
FULL_WIDTH = "\uff11\uff12\uff13\uff14\uff15\uff16"  # The document's symbol that is not ASCII.
PEM = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

# The examples of Binance's document (HMAC; for RSA and Ed25519 it publishes no public key).
DOCUMENTED_QUERY = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)
DOCUMENTED = [
    (DOCUMENTED_QUERY, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (
        DOCUMENTED_QUERY.replace("LTCBTC", quote(FULL_WIDTH)),
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
]
DOCUMENTED_WS = [
    (
        {"price": "52000.00", "quantity": "0.01000000", "recvWindow": "100", "side": "SELL", "symbol": "BTCUSDT"},
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        {
            "price": "0.10000000",
            "quantity": "1.00000000",
            "recvWindow": "5000",
            "side": "BUY",
            "symbol": FULL_WIDTH,
        },
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
]


@pytest.mark.parametrize(("query", "expected"), DOCUMENTED)
def test_documented_rest_signatures_verify(world: World, query: str, expected: str) -> None:
    assert is_rest_signed(f"{query}&signature={expected}", "")(world.key, expected)
    assert is_rest_signed(f"{query}&signature={expected}", "")(world.key, expected.upper())
    assert is_rest_signed("", f"{query}&signature={expected}")(world.key, expected)
    assert not is_rest_signed(f"{query}0&signature={expected}", "")(world.key, expected)


@pytest.mark.parametrize(("parameters", "expected"), DOCUMENTED_WS)
def test_documented_websocket_signatures_verify(world: World, parameters: dict[str, str], expected: str) -> None:
    pairs = {"timestamp": "1645423376532", "type": "LIMIT", "timeInForce": "GTC", "apiKey": API_KEY, **parameters}
    check = is_websocket_signed(pairs | {"signature": expected})
    assert check(world.key, expected)
    assert not is_websocket_signed(pairs | {"price": "1"})(world.key, expected)


def test_documented_request_is_executed_as_it_stands(world: World) -> None:
    world.replica.reference = Reference([BTC, USDT], [instrument("LTCBTC")])
    world.clock.ns = 1_499_827_319_559 * 10**6
    query, expected = DOCUMENTED[0]
    (answer,) = world.send("POST", "/api/v3/order", f"{query}&signature={expected}", headers={"x-mbx-apikey": API_KEY})
    assert answer.status == 200


def order_parts(world: World, **changes: object) -> tuple[str, dict[str, str]]:
    return world.sign(limit_order(**changes))


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json", ""])
def test_form_body_counts_whatever_the_content_type_says(world: World, content_type: str) -> None:
    body, headers = order_parts(world)
    headers["content-type"] = content_type
    (answer,) = world.send("POST", "/api/v3/order", body=body.encode(), headers=headers)
    assert answer.status == 200


def test_delete_with_everything_in_the_body_works(world: World) -> None:
    world.order(newClientOrderId="mine")
    body, headers = world.sign({"symbol": "BTCUSDT", "origClientOrderId": "mine"})
    (answer,) = world.send("DELETE", "/api/v3/order", body=body.encode(), headers=headers)
    assert answer.json["status"] == "CANCELED"


def test_signature_covers_query_and_body_joined_without_separator(world: World) -> None:
    query = urlencode({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"})
    body = urlencode({"quantity": "0.001", "price": "25000", "timestamp": world.clock.ms})
    for signed_query, signed_body in [
        (query, f"{body}&signature={signature(query + body)}"),
        (f"{query}&signature={signature(query + body)}", body),
    ]:
        (answer,) = world.send(
            "POST", "/api/v3/order", signed_query, signed_body.encode(), headers={"x-mbx-apikey": API_KEY}
        )
        assert answer.status == 200


def test_query_wins_over_the_body(world: World) -> None:
    query = urlencode(limit_order(quantity="0.002") | {"timestamp": world.clock.ms})
    body = f"quantity=0.009&signature={signature(query + 'quantity=0.009')}"
    world.send("POST", "/api/v3/order", query, body.encode(), headers={"x-mbx-apikey": API_KEY})
    assert world.replica.submitted[0].qty_lots == 200


def test_signature_need_not_be_last(world: World) -> None:
    payload = urlencode(limit_order() | {"timestamp": world.clock.ms})
    first, _, rest = payload.partition("&")
    for query in (f"signature={signature(payload)}&{payload}", f"{first}&signature={signature(payload)}&{rest}"):
        (answer,) = world.send("POST", "/api/v3/order", query, headers={"x-mbx-apikey": API_KEY})
        assert answer.status == 200


def test_values_signed_before_they_were_encoded_are_accepted(world: World) -> None:
    values = {**limit_order(), "newClientOrderId": "web:abc/1", "timestamp": world.clock.ms}
    plain = "&".join(f"{name}={value}" for name, value in values.items())
    body = f"{urlencode(values)}&signature={signature(plain)}"
    assert "%3A" in body
    (answer,) = world.send("POST", "/api/v3/order", body=body.encode(), headers={"x-mbx-apikey": API_KEY})
    assert answer.json["clientOrderId"] == "web:abc/1"


@pytest.mark.parametrize("query", ["a=1%26b=2", "a%3D1=2", "a=1&b=%3D", "a=%2525"])
def test_decoded_text_that_reads_as_other_parameters_is_not_tried(query: str) -> None:
    """A decoded "&" or "=" would turn one signed request into another."""
    assert decoded_payload(query, "") is None or query in ("a=1&b=%3D", "a=%2525")


def test_signed_request_cannot_be_reshaped_through_escapes(world: World) -> None:
    signed = urlencode(limit_order() | {"timestamp": world.clock.ms})
    reshaped = signed.replace("&price=25000", "%26price=25000")
    answers = world.send(
        "POST", "/api/v3/order", f"{reshaped}&signature={signature(signed)}", headers={"x-mbx-apikey": API_KEY}
    )
    assert answers[0].code == -1022


@pytest.mark.parametrize("key_type", [KeyType.ED25519, KeyType.RSA])
@pytest.mark.parametrize("quoted", [quote_plus, str])
def test_base64_signatures_arrive_escaped_or_not(world: World, key_type: KeyType, quoted: object) -> None:
    payload = urlencode(limit_order() | {"timestamp": world.clock.ms})
    if key_type == KeyType.ED25519:
        private = ed25519.Ed25519PrivateKey.from_private_bytes(b"7" * 32)
        public, signed = private.public_key().public_bytes(*PEM), private.sign(payload.encode())
    else:
        rsa_private = rsa.generate_private_key(65537, 2048)
        public = rsa_private.public_key().public_bytes(*PEM)
        signed = rsa_private.sign(payload.encode(), padding.PKCS1v15(), SHA256())
    world.replica.directory.add(OTHER_KEY, public.decode(), key_type)
    text = base64.b64encode(signed).decode()
    query = f"{payload}&signature={quoted(text)}"  # type: ignore[operator]
    (answer,) = world.send("POST", "/api/v3/order", query, headers={"x-mbx-apikey": OTHER_KEY})
    assert answer.status == 200


@pytest.mark.parametrize("wrong", ["0" * 64, "zz", "%00", "é", "0" * 5000])
def test_wrong_signature_is_refused(world: World, wrong: str) -> None:
    payload = urlencode(limit_order() | {"timestamp": world.clock.ms})
    (answer,) = world.send("POST", "/api/v3/order", f"{payload}&signature={wrong}", headers={"x-mbx-apikey": API_KEY})
    assert (answer.status, answer.code, answer.text) == (400, -1022, "Signature for this request is not valid.")
    assert world.replica.submitted == []


@pytest.mark.parametrize("missing", ["signature", "timestamp"])
@pytest.mark.parametrize("empty", [True, False])
def test_signature_and_timestamp_are_mandatory(world: World, missing: str, empty: bool) -> None:
    query, headers = order_parts(world)
    pieces = [piece for piece in query.split("&") if not piece.startswith(missing)]
    query = "&".join([*pieces, f"{missing}="] if empty else pieces)
    (answer,) = world.send("POST", "/api/v3/order", query, headers=headers)
    assert answer.code == -1102
    assert answer.text == f"Mandatory parameter '{missing}' was not sent, was empty/null, or malformed."


@pytest.mark.parametrize("api_key", [None, "", "short", "é" * 64, "!" * 64])
def test_absent_empty_or_malformed_key_is_401(world: World, api_key: str | None) -> None:
    query, headers = order_parts(world)
    headers = {} if api_key is None else {"x-mbx-apikey": api_key}
    (answer,) = world.send("POST", "/api/v3/order", query, headers=headers)
    assert (answer.status, answer.json) == (401, {"code": -2014, "msg": "API-key format invalid."})


def test_unknown_revoked_foreign_and_powerless_keys_are_told_the_same(world: World) -> None:
    directory = world.replica.directory
    directory.add("r" * 64, "secret").revoked = True
    directory.add("i" * 64, "secret", allow_ips=["198.51.100.0/24"])
    directory.add("p" * 64, "secret", permissions=READ)
    for api_key in ("u" * 64, "r" * 64, "i" * 64, "p" * 64):
        query, headers = world.sign(limit_order(), api_key, "secret")
        (answer,) = world.send("POST", "/api/v3/order", query, headers=headers)
        assert (answer.status, answer.code) == (401, -2015)
        assert answer.text == "Invalid API-key, IP, or permissions for action."
    assert world.replica.submitted == []


def test_permissions_are_per_endpoint(world: World) -> None:
    world.replica.directory.add("t" * 64, "secret", permissions=TRADE)
    query, headers = world.sign({}, "t" * 64, "secret")
    assert world.get("/api/v3/account", query, headers=headers).code == -2015
    query, headers = world.sign(limit_order(), "t" * 64, "secret")
    (answer,) = world.send("POST", "/api/v3/order", query, headers=headers)
    assert answer.status == 200


def test_key_acts_for_its_own_account_only(world: World) -> None:
    world.order(newClientOrderId="mine")
    world.replica.directory.add("o" * 64, "secret", account_id=ACCOUNT_ID + 1)
    query, headers = world.sign({"symbol": "BTCUSDT", "orderId": 1}, "o" * 64, "secret")
    assert world.get("/api/v3/order", query, headers=headers).code == -2013


# Time.


@pytest.mark.parametrize(
    ("offset_ms", "window", "code"),
    [
        (0, None, None),
        (-5000, None, None),
        (-5001, None, -1021),
        (999, None, None),
        (1000, None, -1021),
        (-60_000, "60000", None),
        (-10, "10", None),
        (-11, "10", -1021),
        (0, "0", None),
        (-1, "0.999", -1021),
        (-1, "1.001", None),
        (0, "60000.001", -1102),
        (0, "60001", -1102),
        (0, "1.0001", -1111),
        (0, "-1", -1100),
        (0, "1e3", -1100),
        (0, "", -1105),
    ],
)
def test_request_is_fresh_within_its_window(world: World, offset_ms: int, window: str | None, code: int | None) -> None:
    more = {} if window is None else {"recvWindow": window}
    answer = world.order(timestamp=world.clock.ms + offset_ms, **more)
    assert answer.json.get("code") == code


def test_query_is_fresh_within_its_window(world: World) -> None:
    assert world.signed("GET", "/api/v3/account", timestamp=world.clock.ms - 5000).status == 200
    assert world.signed("GET", "/api/v3/account", timestamp=world.clock.ms - 5001).code == -1021


def test_both_texts_about_time(world: World) -> None:
    late = world.order(timestamp=world.clock.ms - 5001)
    assert late.text == "Timestamp for this request is outside of the recvWindow."
    early = world.order(timestamp=world.clock.ms + 1000)
    assert early.text == "Timestamp for this request was 1000ms ahead of the server's time."


def test_timestamp_may_be_in_microseconds(world: World) -> None:
    assert world.order(timestamp=world.clock.ns // 1000).status == 200
    assert world.order(timestamp=world.clock.ns // 1000 - 5_000_001).code == -1021
    assert world.replica.submitted[0].deadline_ts_ns == world.clock.ns + 5 * 10**9


def test_time_is_checked_again_before_the_command_is_appended(world: World) -> None:
    """The request was read in time and handled too late."""
    query, headers = world.sign(limit_order() | {"recvWindow": 100})
    real = world.clock.now_ns
    world.clock.now_ns = lambda: real() + 200_000_000  # type: ignore[method-assign]
    (answer,) = world.send("POST", "/api/v3/order", query, headers=headers)
    assert answer.code == -1021
    assert world.replica.submitted == []


def test_engine_checks_the_deadline_a_third_time(world: World) -> None:
    query, headers = world.sign(limit_order() | {"recvWindow": 100})
    answers = world.send("POST", "/api/v3/order", query, headers=headers, commit=False)
    world.clock.advance(0.2)
    world.replica.commit()
    assert answers[0].code == -1021


def test_deadline_is_never_later_than_ten_seconds_from_now(world: World) -> None:
    world.order(recvWindow=60000)
    assert world.replica.submitted[0].deadline_ts_ns == world.clock.ns + 10 * 10**9
