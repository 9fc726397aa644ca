"""Answers: JSON and problem documents as responses."""

from typing import Any

import msgspec
from starlette.responses import Response

from holdfast.gateway.operator.problems import CONTENT_TYPE, ProblemError


def json_response(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, {"cache-control": "no-store"}, "application/json")


def problem_response(error: ProblemError, headers: dict[str, str] | None = None) -> Response:
    headers = {"cache-control": "no-store", **(headers or {})}
    if error.problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.retry_after_s:
        headers["retry-after"] = str(error.retry_after_s)
    return Response(msgspec.json.encode(error.problem), error.problem.status, headers, CONTENT_TYPE)
