"""The OpenAPI document describes what the application does: schemathesis asks what it allows and what it forbids."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, seed, settings
from schemathesis.generation import GenerationMode

from holdfast.gateway.operator import openapi
from holdfast.gateway.operator.app import create_app
from holdfast.gateway.operator.endpoints import ENDPOINTS, PREFIX, Endpoint
from tests.operator.fake import FakeServices

HEADERS = {"Authorization": f"Bearer {FakeServices.operator_token}"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    services = FakeServices(tmp_path_factory.mktemp("venue"))
    services.allow_remote_operator = True  # The test's client has no address.
    yield schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", create_app(services), headers=HEADERS)
    services.directory.people.close()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_operation_answers_as_described(api: Any, endpoint: Endpoint, mode: GenerationMode) -> None:
    operation = api[PREFIX + endpoint.path][endpoint.method]
    try:
        strategy = operation.as_strategy(generation_mode=mode)
    except schemathesis.errors.InvalidSchema:
        pytest.skip("there is nothing to get wrong")

    @seed(1)
    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def ask(case: schemathesis.Case) -> None:
        assume(not has_whole_float(case.body))
        case.call_and_validate(headers=HEADERS)

    ask()


def has_whole_float(body: object) -> bool:
    """JSON Schema counts 2.0 as an integer; the application is stricter."""
    return isinstance(body, dict) and any(isinstance(value, float) and value.is_integer() for value in body.values())


def test_operations_have_names_of_their_own() -> None:
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)


def test_every_wish_asks_for_an_idempotency_key() -> None:
    for methods in openapi.document()["paths"].values():
        for method, operation in methods.items():
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert ("Idempotency-Key" in names) == (method != "get")
