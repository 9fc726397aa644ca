"""The OpenAPI document, made from the table of endpoints and the classes of their requests and answers."""

import re
from typing import Any, get_args

import msgspec

import holdfast
from holdfast.gateway.operator import accounts, schemas
from holdfast.gateway.operator.endpoints import ENDPOINTS, PREFIX, Endpoint
from holdfast.gateway.operator.problems import CONTENT_TYPE, Problem

Document = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_NUMBER = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
_PATH_PARAMETERS: dict[str, Document] = {
    "account": {"type": "string", "minLength": 1, "maxLength": 64, "description": "An account's name, or its id"},
    "key": {"type": "string", "pattern": "^([0-9]{1,18}|[A-Za-z0-9]{64})$", "description": "Its id, or the api key"},
    "withdrawal": _NUMBER,
    "symbol": {"type": "string", "pattern": "^[A-Z0-9_.-]{1,36}$"},
    "what": {"type": "string", "enum": list(accounts.EXPORTS)},
    "limit": {"type": "string", "enum": list(get_args(schemas.LimitName))},
}
IDEMPOTENCY_PATTERN = r"^[!-~]{1,36}$"
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "1 to 36 characters of your own. The same request with the same key is done once, however often it "
    "is sent. Where money moves it is the reference, and is kept for good.",
    "schema": {"type": "string", "pattern": IDEMPOTENCY_PATTERN},
}
_PROBLEMS = {
    400: "Malformed; nothing was done",
    401: "The token is missing or old",
    403: "This interface does not answer this address",
    404: "There is no such thing",
    405: "Not with this method",
    409: "Refused by the venue's rules; the reason is named",
    413: "The request is too large",
    415: "The body is not JSON",
    503: "Not possible now; nothing was done",
    504: "Not decided yet; repeat the same request",
}


def document() -> Document:
    """The whole document, as JSON takes it."""
    classes = {cls for e in ENDPOINTS for cls in (e.body, e.result) if cls is not None}
    _, components = msgspec.json.schema_components([*sorted(classes, key=_name), Problem], ref_template=_REFERENCE)
    paths: Document = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast, for operators",
            "version": holdfast.__version__,
            "description": "Accounts, keys, funds, markets and the state of one venue. Times are UTC.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The content of operator.token in the data directory; new at every start.",
                }
            },
        },
    }


def _operation(endpoint: Endpoint) -> Document:
    operation: Document = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint)],
        "responses": {str(endpoint.status): _answer(endpoint), **_problems()},
    }
    if endpoint.is_mutating:
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _content("application/json", endpoint.body)}
    return operation


def _path_parameters(endpoint: Endpoint) -> list[Document]:
    names = re.findall(r"\{(\w+)\}", endpoint.path)
    return [{"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]} for name in names]


def _query_parameters(endpoint: Endpoint) -> list[Document]:
    if endpoint.query is None:
        return []
    _, components = msgspec.json.schema_components([endpoint.query], ref_template=_REFERENCE)
    properties = components[_name(endpoint.query)]["properties"]
    return [{"name": name, "in": "query", "schema": _plain(schema)} for name, schema in properties.items()]


def _plain(schema: Document) -> Document:
    """Without the null that stands for "not given": a query cannot say it."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        schema = choices[0]
    return {name: value for name, value in schema.items() if name != "default"}


def _answer(endpoint: Endpoint) -> Document:
    if endpoint.result is None:
        return {"description": endpoint.summary, "content": {"text/csv": {"schema": {"type": "string"}}}}
    return {"description": endpoint.summary, "content": _content("application/json", endpoint.result)}


def _problems() -> Document:
    content = _content(CONTENT_TYPE, Problem)
    return {str(status): {"description": text, "content": content} for status, text in _PROBLEMS.items()}


def _content(media_type: str, cls: type[Any]) -> Document:
    return {media_type: {"schema": {"$ref": _REFERENCE.format(name=_name(cls))}}}


def _name(cls: type[Any]) -> str:
    return cls.__name__
