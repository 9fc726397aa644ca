"""Sessions from inside the process, for the venue's own participants: the code that clients meet, without sockets.

participant → parameters → ENDPOINT (the same as REST and WebSocket API) → reply

Limits, filters, parameters and replies are those of every client. Only the signature is left out, since nothing was
sent.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.clock import Clock
from holdfast.config import RECV_WINDOW_MS_DEFAULT
from holdfast.gateway.binance.authentication import Authorization
from holdfast.gateway.binance.endpoints import Answer, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError

if TYPE_CHECKING:
    from holdfast.directory.keys import Key

MILLISECOND_NS = 1_000_000
WINDOW_NS = RECV_WINDOW_MS_DEFAULT * MILLISECOND_NS


class InsideSession:
    """One account's session; `key` names the account and is never checked. Answers as (status, decoded JSON)."""

    def __init__(self, methods: Mapping[str, Endpoint], key: "Key", clock: Clock, name: str) -> None:
        self._methods = methods
        self._key = key
        self._clock = clock
        self._name = name  # In the place of an address, for the log.

    def call(self, method: str, parameters: Mapping[str, str], done: Callable[[int, Any], None]) -> None:
        """Ask for a WebSocket API method's result; `done` is called exactly once, at once or later."""
        endpoint = self._methods[method]
        now_ns = self._clock.now_ns()

        def answer(_call: Call, answer: Answer) -> None:
            done(answer.status, msgspec.json.decode(answer.body))

        call = Call(answer, self._name, now_ns, MILLISECOND_NS)
        call.authorize(Authorization(self._key, now_ns, WINDOW_NS))
        try:
            call.values = endpoint.parameters.convert(dict(parameters))
        except ApiError as error:
            call.fail(error)
            return
        call.attempt(endpoint.run)
