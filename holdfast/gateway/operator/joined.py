"""What a joined gateway answers where the venue has its operators' interface: how it is itself, and where to go.

front door → JOINED → its own health and metrics | "ask the venue"

Operators' commands belong to the venue's process: it has the token, the names of accounts and the idempotency keys.
"""

from collections.abc import Callable

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.gateway.operator.answers import json_response, problem_response
from holdfast.gateway.operator.app import METRICS_TYPE
from holdfast.gateway.operator.endpoints import PREFIX
from holdfast.gateway.operator.gate import is_loopback
from holdfast.gateway.operator.problems import ProblemError


class GatewayHealth(msgspec.Struct, rename="camel"):
    """How far a joined gateway is, for balancers and people."""

    ready: bool
    reason: str  # Why it takes no new orders; empty when it does.
    gateway_id: int  # 0 while the venue is away.
    venue: str  # Where the venue itself listens, or did when it was last seen.
    applied_seq: int
    behind_seq: int  # Durable commands that are not applied here yet.
    behind_ms: int  # How long the first of them has been durable.


def create_app(health: Callable[[], GatewayHealth], metrics: Callable[[], bytes]) -> ASGIApp:
    """The application for one joined gateway; it is mounted where the venue mounts its own."""

    async def is_healthy(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def is_ready(_request: Request) -> Response:
        now = health()
        return json_response(now, 200 if now.ready else 503)

    async def show_metrics(request: Request) -> Response:
        if not is_loopback(request.client.host if request.client else ""):
            refusal = ProblemError(403, "Metrics are for the machine that this gateway runs on.", "Ask there.")
            return problem_response(refusal)
        return Response(metrics(), media_type=METRICS_TYPE)

    async def elsewhere(_request: Request) -> Response:
        venue = health().venue
        return problem_response(
            ProblemError(421, "This is a joined gateway; operators are served by the venue.", f"Ask {venue}{PREFIX}.")
        )

    everything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(
        routes=[
            Route("/healthz", is_healthy),
            Route("/readyz", is_ready),
            Route("/metrics", show_metrics),
            Route("/{path:path}", elsewhere, methods=everything),
        ]
    )

    async def with_whole_paths(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": ""}, receive, send)

    return with_whole_paths
