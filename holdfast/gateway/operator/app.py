"""The Starlette application of the operators' interface: routing, decoding, answering.

front door → gate (who) → APP (decode) → handler → journaled command → answer

Every answer is JSON, CSV or a problem document. What a client can cause is never a 5xx, except that the journal
cannot take commands (503) or has not decided yet (504).
"""

import re
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.gateway.operator import openapi
from holdfast.gateway.operator.answers import json_response, problem_response
from holdfast.gateway.operator.call import Call
from holdfast.gateway.operator.endpoints import ENDPOINTS, PREFIX, Endpoint
from holdfast.gateway.operator.gate import Gate
from holdfast.gateway.operator.problems import ProblemError, malformed
from holdfast.gateway.operator.repeats import Repeats
from holdfast.gateway.operator.services import Services

log = structlog.get_logger()

BODY_BYTES_MAX = 64 * 1024
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOUNTS = ("/healthz", "/readyz", "/metrics", PREFIX)  # Where the front door hands requests over to this application.
_idempotency_key = re.compile(openapi.IDEMPOTENCY_PATTERN, re.ASCII)


def create_app(services: Services) -> Starlette:
    """The application for one venue. Its paths are whole (/api/holdfast/v1/…, /healthz, /readyz, /metrics)."""
    document = openapi.document()
    repeats = Repeats()
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint

    def route(path: str, methods: dict[str, Endpoint]) -> Route:
        async def answer(request: Request) -> Response:
            endpoint = methods["GET" if request.method == "HEAD" else request.method]
            return await _answer(services, repeats, endpoint, request)

        return Route(PREFIX + path, answer, methods=list(methods))

    async def describe(_request: Request) -> Response:
        return json_response(document)

    async def is_healthy(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def is_ready(_request: Request) -> Response:
        refusal = services.replica.refusal
        return json_response({"ready": not refusal, "reason": refusal}, 503 if refusal else 200)

    async def metrics(_request: Request) -> Response:
        return Response(services.metrics(), media_type=METRICS_TYPE)

    return Starlette(
        routes=[
            Route("/healthz", is_healthy),
            Route("/readyz", is_ready),
            Route("/metrics", metrics),
            Route(f"{PREFIX}/openapi.json", describe),
            *(route(path, methods) for path, methods in by_path.items()),
        ],
        middleware=[Middleware(Gate, services=services)],
        exception_handlers={HTTPException: _unrouted},
    )


async def _answer(services: Services, repeats: Repeats, endpoint: Endpoint, request: Request) -> Response:
    """Decode, handle, and answer one request; whatever happens becomes a response."""
    try:
        content = await _content(endpoint, request)
        call = Call(
            services,
            request.path_params,
            _query(endpoint, request),
            None if endpoint.body is None else _decoded(endpoint.body, content),
            _key(endpoint, request),
        )

        async def do() -> Response:
            result = await endpoint.handler(call)
            return result if isinstance(result, Response) else json_response(result, endpoint.status)

        if not endpoint.is_mutating:
            return await do()
        if endpoint.journal_remembers:
            response = await do()
        else:
            response = await repeats.answer(request.method, request.url.path, call.idempotency_key, content, do)
        log.info("operator", operation=endpoint.name, status=response.status_code)
        return response
    except ProblemError as error:
        log.info("operator", operation=endpoint.name, status=error.problem.status, reason=error.problem.reason)
        return problem_response(error)
    except Exception:
        log.exception("an operator's request failed", operation=endpoint.name)
        return problem_response(ProblemError(500, "The venue failed to answer this.", "Its log says why."))


async def _content(endpoint: Endpoint, request: Request) -> bytes:
    """The body, within its limit and of the right type."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_BYTES_MAX:
            raise ProblemError(413, f"A request has at most {BODY_BYTES_MAX} bytes.", "Send less.")
    if content and endpoint.body is None:
        raise malformed("This request has no body.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if endpoint.body is not None and media_type != "application/json":
        raise ProblemError(415, "The body must be JSON.", "Send 'Content-Type: application/json'.")
    return bytes(content)


def _decoded(cls: type[Any], content: bytes) -> Any:
    try:
        return msgspec.json.decode(content, type=cls)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(f"{error}.") from None


def _query(endpoint: Endpoint, request: Request) -> Any:
    given = request.query_params.multi_items()
    if endpoint.query is None:
        if given:
            raise malformed("This request has no parameters.")
        return None
    if len({name for name, _ in given}) < len(given):
        raise malformed("A parameter is given twice.")
    try:
        return msgspec.convert(dict(given), type=endpoint.query, strict=False)
    except msgspec.ValidationError as error:
        raise malformed(f"{error}.") from None


def _key(endpoint: Endpoint, request: Request) -> str:
    if not endpoint.is_mutating:
        return ""
    key = request.headers.get("idempotency-key", "")
    if not _idempotency_key.fullmatch(key):
        raise malformed("The header Idempotency-Key is missing, or is not 1 to 36 printable ASCII characters.")
    return key


async def _unrouted(_request: Request, error: Exception) -> Response:
    """What the routes do not know: 404 and 405."""
    assert isinstance(error, HTTPException)
    action = "The OpenAPI document at /api/holdfast/v1/openapi.json says what there is."
    detail = f"{HTTPStatus(error.status_code).phrase}."
    return problem_response(ProblemError(error.status_code, detail, action), dict(error.headers or {}))
