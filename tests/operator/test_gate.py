"""Who may come in: the operators' interface moves money and shows secrets."""

import logging
from pathlib import Path

import pytest
import structlog

from holdfast.gateway.operator.endpoints import ENDPOINTS, PREFIX
from holdfast.gateway.operator.token import is_authorized, new_token
from tests.operator.conftest import Operator, client_of
from tests.operator.fake import FakeServices

ROOT = "http://127.0.0.1"


@pytest.mark.parametrize("token", ["", "wrong", FakeServices.operator_token + "x", "ü"])
async def test_without_the_token_nothing_is_answered(services: FakeServices, token: str) -> None:
    async with client_of(services) as client:
        for endpoint in ENDPOINTS:
            headers = {"Authorization": f"Bearer {token}".encode()}
            response = await client.request(endpoint.method, endpoint.path, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/no/such/path", headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize("peer_ip", ["203.0.113.7", "testclient", "10.0.0.1"])
async def test_others_than_this_machine_are_refused_even_with_the_token(services: FakeServices, peer_ip: str) -> None:
    async with client_of(services, peer_ip) as client:
        for path in ("/venue", "/openapi.json", f"{ROOT}/metrics"):
            assert (await client.get(path)).status_code == 403


@pytest.mark.parametrize("peer_ip", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_is_answered(services: FakeServices, peer_ip: str) -> None:
    async with client_of(services, peer_ip) as client:
        assert (await client.get("/venue")).status_code == 200


async def test_others_are_answered_with_the_token_when_the_venue_allows_it(services: FakeServices) -> None:
    services.allow_remote_operator = True
    async with client_of(services, "203.0.113.7") as client:
        assert (await client.get("/venue")).status_code == 200
        assert (await client.get(f"{ROOT}/metrics")).status_code == 200
        assert (await client.get(f"{ROOT}/metrics", headers={"Authorization": ""})).status_code == 401


async def test_health_is_for_everybody_and_metrics_for_this_machine(services: FakeServices) -> None:
    async with client_of(services, "203.0.113.7", token="") as client:
        assert (await client.get(f"{ROOT}/healthz")).json() == {"status": "ok"}
        assert (await client.get(f"{ROOT}/readyz")).json() == {"ready": True, "reason": ""}
        services.replica.refusal = "The disk is full."
        assert (await client.get(f"{ROOT}/readyz")).status_code == 503
    async with client_of(services, token="") as client:
        assert "holdfast_accepting" in (await client.get(f"{ROOT}/metrics")).text
        assert (await client.get("/openapi.json")).json()["openapi"] == "3.1.0"


async def test_paths_are_found_wherever_the_application_is_mounted(services: FakeServices) -> None:
    from httpx import ASGITransport, AsyncClient

    from holdfast.gateway.operator.app import create_app

    for prefix, path in ((PREFIX, "/venue"), ("/healthz", ""), ("", f"{PREFIX}/venue")):
        transport = ASGITransport(create_app(services), root_path=prefix)
        async with AsyncClient(transport=transport, base_url=ROOT) as client:
            headers = {"Authorization": f"Bearer {services.operator_token}"}
            assert (await client.get(prefix + path, headers=headers)).status_code == 200


async def test_unknown_paths_and_methods_are_problems_too(operator: Operator) -> None:
    unknown = await operator.ask("GET", "/nothing", status=404)
    assert unknown.headers["content-type"] == "application/problem+json"
    wrong = await operator.ask("DELETE", "/venue", status=405)
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("key", ["", "x" * 37, "two words", "é"])
async def test_wish_without_a_usable_idempotency_key_is_refused(services: FakeServices, key: str) -> None:
    async with client_of(services) as client:
        headers = {"Idempotency-Key": key.encode()}
        response = await client.post("/accounts", json={"name": "alice"}, headers=headers)
    assert response.status_code == 400
    assert services.replica.commands == []


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"name": "\xff"}', "application/json", 400),
        (b'{"name": "alice"}', "text/plain", 415),
        (b" " * 70_000, "application/json", 413),
    ],
)
async def test_malformed_bodies_are_refused(
    services: FakeServices, content: bytes, media_type: str, status: int
) -> None:
    async with client_of(services) as client:
        headers = {"Idempotency-Key": "k", "Content-Type": media_type}
        response = await client.post("/accounts", content=content, headers=headers)
    assert response.status_code == status


async def test_neither_secrets_nor_names_nor_tokens_are_logged(
    operator: Operator, services: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        await operator.account("Ada Lovelace")
        key = (await operator.ask("POST", "/accounts/Ada Lovelace/keys", {"type": "hmac"}, status=201)).json()
        await operator.ask("GET", "/accounts/Ada Lovelace/keys")
        await operator.ask("POST", "/accounts/Ada Lovelace/deposits", {"asset": "X", "amount": "1"}, status=404)
    assert logs
    written = str(logs) + caplog.text.replace("HTTP Request", "")
    written = "\n".join(line for line in written.splitlines() if "httpx" not in line)
    for private in (key["secretKey"], key["apiKey"], "Lovelace", services.operator_token):
        assert private not in written


def test_token_is_its_owners_alone_and_new_at_every_start(tmp_path: Path) -> None:
    first = new_token(tmp_path)
    second = new_token(tmp_path)
    path = tmp_path / "operator.token"
    assert first != second
    assert path.read_text().strip() == second
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_authorized(f"Bearer {second}", second)
    assert not is_authorized(f"Bearer {first}", second)
    assert not is_authorized(second, second)
