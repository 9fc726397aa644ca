"""Logging on once: what a session may do with the key it logged on with, and what ends that."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.codes import KeyType
from tests.gateway.fakes import API_KEY, READ, START_NS, World, limit_order
from tests.gateway.websockets import Client

MS = START_NS // 10**6


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def test_status_before_and_after_logging_on_and_out(client: Client) -> None:
    before = client.ask("session.status")["result"]
    assert before == {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": MS,
        "returnRateLimits": True,
        "serverTime": MS,
        "userDataStream": False,
    }
    client.world.clock.advance(1)
    logged_on = client.log_on()["result"]
    assert logged_on == before | {"apiKey": API_KEY, "authorizedSince": MS + 1000, "serverTime": MS + 1000}
    assert client.ask("session.status")["result"] == logged_on
    assert client.ask("session.logout")["result"] == before | {"serverTime": MS + 1000}


def test_logged_on_session_needs_only_a_timestamp(client: Client) -> None:
    client.log_on()
    reply = client.ask("order.place", {**limit_order(), "timestamp": client.world.clock.ms})
    assert reply["status"] == 200
    assert client.world.replica.submitted[0].key_id == client.world.key.key_id
    assert client.ask("order.place", limit_order())["error"]["code"] == -1102
    assert client.ask("order.place", {**limit_order(), "timestamp": 1})["error"]["code"] == -1021


def test_ed25519_keys_log_on_too(client: Client) -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(b"7" * 32)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    client.world.replica.directory.add("e" * 64, pem, KeyType.ED25519)
    params = {"apiKey": "e" * 64, "timestamp": client.world.clock.ms}
    signed = private.sign(f"apiKey={'e' * 64}&timestamp={client.world.clock.ms}".encode())
    reply = client.ask("session.logon", params | {"signature": base64.b64encode(signed).decode()})
    assert reply["result"]["apiKey"] == "e" * 64
    assert client.ask("account.status", {"timestamp": client.world.clock.ms})["status"] == 200


def test_logon_must_be_signed(client: Client) -> None:
    assert client.ask("session.logon")["error"]["code"] == -1102
    params = {"apiKey": API_KEY, "timestamp": client.world.clock.ms, "signature": "0" * 64}
    assert client.ask("session.logon", params)["error"]["code"] == -1022
    assert client.ask("session.status")["result"]["apiKey"] is None


def test_logging_on_again_changes_the_key(client: Client) -> None:
    client.world.replica.directory.add("r" * 64, "secret", permissions=READ)
    client.log_on()
    client.log_on("r" * 64, "secret")
    reply = client.ask("order.place", {**limit_order(), "timestamp": client.world.clock.ms})
    assert (reply["status"], reply["error"]["code"]) == (401, -2015)


def test_request_may_name_another_key(client: Client) -> None:
    client.world.replica.directory.add("r" * 64, "secret", permissions=READ)
    client.log_on("r" * 64, "secret")
    assert client.ask_signed("order.place", **limit_order())["status"] == 200


def test_signature_without_a_key_is_checked_against_the_sessions(client: Client) -> None:
    client.log_on()
    params = {"timestamp": client.world.clock.ms, "signature": "0" * 64}
    assert client.ask("account.status", params)["error"]["code"] == -1022


def test_revoked_key_ends_the_logon(client: Client) -> None:
    client.log_on()
    client.world.key.revoked = True
    reply = client.ask("account.status", {"timestamp": client.world.clock.ms})
    assert (reply["status"], reply["error"]["code"]) == (401, -2015)
    assert client.ask("session.status")["result"]["apiKey"] is None


def test_logging_out_without_logging_on_does_nothing(client: Client) -> None:
    assert client.ask("session.logout")["status"] == 200


def test_one_sessions_logon_is_not_anothers(client: Client) -> None:
    client.log_on()
    other = Client(client.world)
    assert other.ask("account.status", {"timestamp": client.world.clock.ms})["error"]["code"] == -1102
