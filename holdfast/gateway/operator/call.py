"""Call: one request to an endpoint, decoded and checked, as its handler gets it."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from holdfast.gateway.operator.services import Services


class Call(NamedTuple):
    services: Services
    path: dict[str, str]  # Path parameters.
    query: Any  # An instance of the endpoint's query class.
    body: Any  # An instance of the endpoint's body class, or None.
    idempotency_key: str  # Empty for reading.


Handler = Callable[[Call], Awaitable[Any]]
