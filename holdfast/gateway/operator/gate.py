"""Gate: who may come in at all.

Health is for everybody. All else is for loopback addresses, unless the venue was started to answer others too; and for
those who have the token, except that metrics and the OpenAPI document need none from loopback.
"""

from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.gateway.operator.answers import problem_response
from holdfast.gateway.operator.endpoints import PREFIX
from holdfast.gateway.operator.problems import ProblemError
from holdfast.gateway.operator.services import Services
from holdfast.gateway.operator.token import is_authorized

FOR_EVERYBODY = {"/healthz", "/readyz"}
FOR_THIS_MACHINE = {"/metrics", f"{PREFIX}/openapi.json"}


class Gate:
    """ASGI middleware. The paths of the routes are whole, wherever the application is mounted."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "root_path": ""}
        try:
            self._check(scope)
        except ProblemError as error:
            await problem_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        path = scope["path"]
        if path in FOR_EVERYBODY:
            return
        is_local = is_loopback((scope.get("client") or ("",))[0])
        if not is_local and not self._services.allow_remote_operator:
            raise ProblemError(
                403,
                "This interface answers only the machine that the venue runs on.",
                "Ask there, or start the venue with --allow-remote-operator (and --tls).",
            )
        if is_local and path in FOR_THIS_MACHINE:
            return
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if not is_authorized(header.decode("latin-1"), self._services.operator_token):
            raise ProblemError(
                401,
                "The operator's token is missing or is not the present one.",
                "Send 'Authorization: Bearer …' with the content of operator.token in the data directory.",
            )


def is_loopback(peer_ip: str) -> bool:
    try:
        address = ip_address(peer_ip)
    except ValueError:
        return False
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
