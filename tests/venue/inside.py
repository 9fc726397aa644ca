"""A whole venue inside the test's process, on its own thread, so that clocks, disks and engines can be made to fail.

It is asked over HTTP like any other; `do` runs something on its loop's thread.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from holdfast.journal.data_directory import DataDirectory
from holdfast.progress import Progress
from holdfast.settings import RunOptions, load
from holdfast.venue import Venue
from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.venue.traded import CONFIG

START_SECONDS_MAX = 300.0  # Kernels may have to be compiled.
STOP_SECONDS_MAX = 30.0

T = TypeVar("T")


class VenueInside:
    """A context: the venue runs within it. The master key is where `HOLDFAST_MASTER_KEY_FILE` says."""

    def __init__(self, data: Path, config: Path = CONFIG) -> None:
        self.data = data
        self.failure: BaseException | None = None  # Why it ended, when it ended by itself.
        self._options = RunOptions(data=data, port=0)
        self._settings = load(config)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="venue")

    def __enter__(self) -> "VenueInside":
        self._thread.start()
        assert self._ready.wait(START_SECONDS_MAX)
        if self.failure is not None:
            self._thread.join()
            raise self.failure
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.venue.end)
        self._thread.join(STOP_SECONDS_MAX)
        assert not self._thread.is_alive(), "the venue does not stop"

    @property
    def port(self) -> int:
        return self.venue._server.port

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def do(self, what: Callable[[], T]) -> T:
        """Call something on the loop's thread, between its other work."""

        async def call() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(STOP_SECONDS_MAX)

    def operator(self) -> Operator:
        return Operator(self.port, self.data)

    def trader(self, name: str, **amounts: str) -> dict[str, str]:
        """A new account with a trading key and deposits; {"apiKey": …, "secretKey": …}."""
        with self.operator() as operator:
            self._made(operator.call("POST", "/accounts", {"name": name}, name))
            for asset, amount in amounts.items():
                body = {"asset": asset, "amount": amount}
                self._made(operator.call("POST", f"/accounts/{name}/deposits", body, f"{name}-{asset}"))
            key: dict[str, str] = self._made(
                operator.call("POST", f"/accounts/{name}/keys", {"type": "hmac"}, f"{name}-key")
            )
        return key

    def rest(self, key: dict[str, str] | None = None) -> Rest:
        return Rest(self.port, key)

    @staticmethod
    def _made(reply: tuple[int, Any]) -> Any:
        status, body = reply
        assert status == 201, body
        return body

    def _run(self) -> None:
        try:
            with Progress() as progress, DataDirectory.open(self.data) as data:
                uvloop.run(self._go(progress, data))
        except BaseException as failure:  # Told by `__enter__` or looked at by the test.
            self.failure = failure
        finally:
            self._ready.set()

    async def _go(self, progress: Progress, data: DataDirectory) -> None:
        self._loop = asyncio.get_running_loop()
        self.venue = Venue(self._options, self._settings, data)
        try:
            await self.venue.unless_failed(self.venue.start(progress))
            await self.venue.unless_failed(self._serve())
        finally:
            await self.venue.stop()

    def _serve(self) -> Coroutine[None, None, None]:
        self._loop.call_soon(self._ready.set)
        return self.venue.serve()
