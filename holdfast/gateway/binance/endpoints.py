"""Endpoints: one row for each thing that can be asked, whichever way it is asked.

REST request ─┐                                      ┌─ HTTP response
              ├→ pairs → ENDPOINT (values → result) ─┤
WS API frame ─┘                                      └─ WS API frame

An endpoint's `run` gets a Call and returns the result as JSON, or None when it will answer through the call later, or
raises ApiError. Each call is answered exactly once.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import structlog

from holdfast.codes import KeyPermission
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.authentication import Authorization
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.parameters import Parameters, Values
from holdfast.gateway.binance.rate_limits import RateLimits

log = structlog.get_logger()


class Budget(Enum):
    """What a request is counted against."""

    WEIGHT = 1  # The address's weight, at once.
    ORDER = 2  # The address's weight, only if it fails; and the account's unfilled orders.
    CANCEL = 3  # The address's cancels.


class Answer(NamedTuple):
    """`body` is the result's JSON, or the error's when `error` is set."""

    status: int
    body: bytes
    error: ApiError | None = None


class Call:
    """One request on its way through an endpoint."""

    __slots__ = (
        "_answer",
        "_authorization",
        "account_id",
        "is_answered",
        "key_id",
        "peer_ip",
        "received_ts_ns",
        "time_unit_ns",
        "values",
    )

    def __init__(self, answer: Callable[["Call", Answer], None], peer_ip: str, received_ts_ns: int, time_unit_ns: int):
        """`time_unit_ns`: times are shown in units of so many nanoseconds."""
        self._answer = answer
        self._authorization: Authorization | None = None
        self.peer_ip = peer_ip
        self.received_ts_ns = received_ts_ns
        self.time_unit_ns = time_unit_ns
        self.values: Values = {}
        self.account_id = 0
        self.key_id = 0
        self.is_answered = False

    @property
    def authorization(self) -> Authorization:
        """Who signed; only for endpoints that need a signature."""
        assert self._authorization is not None
        return self._authorization

    def authorize(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self.account_id = authorization.key.account_id
        self.key_id = authorization.key.key_id

    def time(self, ts_ns: int) -> int:
        """A time as this client reads times."""
        return ts_ns // self.time_unit_ns

    def succeed(self, body: bytes) -> None:
        self._finish(Answer(200, body))

    def fail(self, error: ApiError) -> None:
        self._finish(Answer(error.status, error.body(), error))

    def attempt(self, work: Callable[["Call"], bytes | None]) -> None:
        """Do `work` and answer with what it returns or raises; a fault of ours is logged and told as unknown."""
        try:
            body = work(self)
        except ApiError as error:
            self.fail(error.with_traceback(None))  # Whoever keeps the answer shall not keep all that led to it.
        except Exception:
            log.exception("a request failed", peer_ip=self.peer_ip, account_id=self.account_id)
            self.fail(ApiError(errors.UNKNOWN))
        else:
            if body is not None:
                self.succeed(body)

    def _finish(self, answer: Answer) -> None:
        assert not self.is_answered
        self.is_answered = True
        self._answer(self, answer)


class Endpoint(NamedTuple):
    """`run` does it. `weight` may depend on the values. `permission` None: open to everybody."""

    parameters: Parameters
    run: Callable[[Call], bytes | None]
    weight: int | Callable[[Values], int] = 1
    permission: KeyPermission | None = None
    budget: Budget = Budget.WEIGHT

    def charge(self, rate_limits: RateLimits, peer_ip: str, now_ns: int) -> None:
        """Count a request before anything else is done for it; raises 429 or 418.

        What depends on the values is counted by `charge_by_values` once they are known.
        """
        if self.budget is Budget.CANCEL:
            rate_limits.charge_cancel(peer_ip, now_ns)
        elif self.budget is Budget.ORDER:
            rate_limits.charge(peer_ip, 0, now_ns)
        else:
            rate_limits.charge(peer_ip, self.weight if isinstance(self.weight, int) else 1, now_ns)

    def charge_by_values(self, rate_limits: RateLimits, peer_ip: str, values: Values, now_ns: int) -> None:
        if not isinstance(self.weight, int):
            rate_limits.charge_more(peer_ip, self.weight(values) - 1, now_ns)
