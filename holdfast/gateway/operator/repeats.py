"""Repeats: a request that is sent again with its idempotency key gets the answer of the first.

The journal itself remembers the keys of what moves money or makes accounts and keys, for good. Everything else sets
something to a value, so doing it twice does no harm unless somebody else set it in between: those answers are
remembered here while the process lives, the newest ones. Failures are not remembered: repeating them is trying again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.responses import Response

from holdfast.codes import RejectReason
from holdfast.gateway.operator.problems import refused

ANSWERS_MAX = 10_000


class _Answer(NamedTuple):
    content: bytes
    response: asyncio.Future[Response]


class Repeats:
    def __init__(self, answers_max: int = ANSWERS_MAX) -> None:
        self._answers_max = answers_max
        self._answers: OrderedDict[tuple[str, str, str], _Answer] = OrderedDict()

    async def answer(
        self, method: str, path: str, key: str, content: bytes, do: Callable[[], Awaitable[Response]]
    ) -> Response:
        """The remembered answer, or what `do` returns now. Raises ProblemError when the key was for something else."""
        name = (method, path, key)
        known = self._answers.get(name)
        if known is not None:
            if known.content != content:
                raise refused(RejectReason.IDEMPOTENCY_CONFLICT)
            return await asyncio.shield(known.response)
        answer = _Answer(content, asyncio.get_running_loop().create_future())
        self._answers[name] = answer
        try:
            response = await do()
        except BaseException as error:
            del self._answers[name]
            answer.response.set_exception(error)
            answer.response.exception()  # Seen: there may be nobody else who waits for it.
            raise
        answer.response.set_result(response)
        while len(self._answers) > self._answers_max:
            self._answers.popitem(last=False)
        return response
