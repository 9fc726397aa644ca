from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from holdfast.gateway.operator.app import create_app
from tests.operator.fake import FakeServices

URL = "http://127.0.0.1/api/holdfast/v1"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[FakeServices]:
    services = FakeServices(tmp_path)
    yield services
    services.directory.people.close()


def client_of(
    services: FakeServices, peer_ip: str = "127.0.0.1", token: str = FakeServices.operator_token
) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(services), client=(peer_ip, 1))
    return httpx.AsyncClient(transport=transport, base_url=URL, headers={"Authorization": f"Bearer {token}"})


class Operator:
    """An operator on the venue's own machine; every wish gets a new idempotency key unless one is given."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self._wishes = 0

    async def ask(
        self, method: str, path: str, body: object = None, key: str = "", status: int | None = None, **query: object
    ) -> httpx.Response:
        self._wishes += 1
        headers = {"Idempotency-Key": key or f"wish-{self._wishes}"}
        response = await self.client.request(method, path, json=body, headers=headers, params=query or None)  # type: ignore[arg-type]
        assert response.status_code == (status or response.status_code), response.text
        return response

    async def market(self) -> None:
        """BTC and USDT, and BTCUSDT between them."""
        for code in ("BTC", "USDT"):
            await self.ask("POST", "/assets", {"code": code, "decimals": 8}, status=201)
        body = {"symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "tickSize": "0.01", "lotSize": "0.00001"}
        await self.ask("POST", "/instruments", body, status=201)

    async def account(self, name: str) -> int:
        return int((await self.ask("POST", "/accounts", {"name": name}, status=201)).json()["accountId"])


@pytest.fixture
async def operator(services: FakeServices) -> AsyncIterator[Operator]:
    async with client_of(services) as client:
        yield Operator(client)
