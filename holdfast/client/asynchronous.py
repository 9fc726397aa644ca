"""The line for asyncio: a task of its own reads, keeps the connection alive and opens the next one.

async with AsyncLineClient("127.0.0.1:9001", api_key, private_key) as line:
    order = await line.place("BTCUSDT", Side.BUY, "0.01", price="41250")
    async for report in line.reports():
        ...
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.client import orders
from holdfast.client.address import parse_address
from holdfast.client.core import Core, EndedError, LineError, LostError, Report, Request
from holdfast.client.sync import READ_BYTES, RETRY_SECONDS
from holdfast.codes import Side
from holdfast.instruments import Instrument


class AsyncLineClient:
    """One session of one API key over one connection at a time, for one event loop.

    `seconds_max`: how long a call waits for its outcome, with as many new connections as it takes. After that it raises
    TimeoutError; the command may still be carried out, and its request shows what became of it once that is known.
    """

    def __init__(
        self,
        address: str | Path,
        api_key: str,
        private_key: Ed25519PrivateKey | str,
        *,
        session: int = 0,
        drop_copy: bool = False,
        sub_accounts: bool = False,
        open_orders: bool = True,
        cancel_on_disconnect: bool = False,
        tls: SSLContext | None = None,
        seconds_max: float = 30.0,
    ) -> None:
        """As `LineClient`."""
        self._address = parse_address(address)
        self._tls = tls
        self._seconds_max = seconds_max
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._live = asyncio.Event()
        self._told = asyncio.Event()  # There are reports or changes of modes, or the end.
        self._failure: LineError | None = None
        self._waiting: dict[Request, asyncio.Future[Request]] = {}
        self.core = Core(
            api_key,
            private_key,
            session=session,
            drop_copy=drop_copy,
            sub_accounts=sub_accounts,
            open_orders=open_orders,
            cancel_on_disconnect=cancel_on_disconnect,
        )

    async def __aenter__(self) -> "AsyncLineClient":
        await self.connect()
        return self

    async def __aexit__(
        self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect, sign on, and be told what was missed. EndedError, TimeoutError."""
        if self._task is None:
            self._failure = None
            self._task = asyncio.create_task(self._run())
        await asyncio.wait_for(self._live.wait(), self._seconds_max)
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Sign off. What is on its way stays so, and may be carried out."""
        if self._task is not None:
            if self._writer is not None:
                self.core.sign_off()
                self._flush()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._fail(LineError("The session was closed."))

    # Orders. Each waits for the outcome; see `Request.order`, `reject_reason`, `refusal`.

    async def place(self, symbol: str, side: Side, quantity: orders.Number | None = None, **more: Any) -> Request:
        """A new order; `more` as `orders.new_order`: price, quote_quantity, order_type, time_in_force, client_id, …"""
        return await self.wait(self.submit(orders.new_order(self.instrument(symbol), side, quantity, **more)))

    async def cancel(self, symbol: str, **which: Any) -> Request:
        """Cancel one order: `order_id`, `target_client_id`, and more as `orders.cancel_order`."""
        return await self.wait(self.submit(orders.cancel_order(self.instrument(symbol), **which)))

    async def replace(self, symbol: str, side: Side, quantity: orders.Number | None = None, **more: Any) -> Request:
        """Cancel one order and place another; `more` as `orders.replace_order`."""
        return await self.wait(self.submit(orders.replace_order(self.instrument(symbol), side, quantity, **more)))

    async def amend(self, symbol: str, quantity: orders.Number, **which: Any) -> Request:
        """Make one order smaller; `which` as `orders.amend_order`."""
        return await self.wait(self.submit(orders.amend_order(self.instrument(symbol), quantity, **which)))

    async def cancel_all(self, symbol: str = "") -> Request:
        """Cancel all open orders, of one instrument or of all."""
        return await self.wait(self.submit(orders.cancel_all(self.instrument(symbol) if symbol else None)))

    async def set_countdown(self, countdown_ms: int, symbol: str = "") -> Request:
        """Set, renew or (0) stop the dead man's timer, of one instrument or of all; as `orders.set_countdown`."""
        of = self.instrument(symbol) if symbol else None
        return await self.wait(self.submit(orders.set_countdown(countdown_ms, of)))

    def instrument(self, symbol: str) -> Instrument:
        return self.core.instrument(symbol)

    def submit(self, record: bytes) -> Request:
        """Send a command of `holdfast.client.orders`; what is submitted within one turn of the loop is one write."""
        if self._failure is not None:
            raise self._failure
        request = self.core.submit(record)
        asyncio.get_running_loop().call_soon(self._flush)
        return request

    async def wait(self, request: Request) -> Request:
        """Wait for its outcome. EndedError, TimeoutError."""
        if request.is_done:
            return request
        if self._failure is not None:
            raise self._failure
        future = self._waiting.setdefault(request, asyncio.get_running_loop().create_future())
        return await asyncio.wait_for(asyncio.shield(future), self._seconds_max)

    # What happens.

    def reports(self) -> AsyncIterator[Report]:
        """Each report once, as they come. EndedError when the session has ended for good."""
        return self._each_of(self.core.reports)

    def mode_changes(self) -> AsyncIterator[Instrument]:
        """Likewise, each instrument that is in another trading `mode` than it was, or has other ones ahead (`stages`),
        and each new one. `instrument` always tells the newest."""
        return self._each_of(self.core.mode_changes)

    async def _each_of(self, kept: deque[Any]) -> AsyncIterator[Any]:
        while True:
            while kept:
                yield kept.popleft()
            if self._failure is not None:
                raise self._failure
            self._told.clear()
            await self._told.wait()

    # The socket.

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                await self._talk(await self._open())
            except EndedError as error:
                self._fail(error)
                return
            except (LostError, OSError):
                attempt = 0 if self.core.is_live else attempt + 1
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            except BaseException as error:  # A fault of our own: whoever waits must not wait for ever.
                self._fail(LineError(f"The client failed: {error!r}."))
                raise
            finally:
                self._drop()

    async def _open(self) -> asyncio.StreamReader:
        where, tls = self._address, self._tls
        if where.path:
            reader, self._writer = await asyncio.open_unix_connection(where.path, limit=READ_BYTES)
        else:
            reader, self._writer = await asyncio.open_connection(where.host, where.port, ssl=tls, limit=READ_BYTES)
        self.core.connected()
        return reader

    async def _talk(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                data = await asyncio.wait_for(reader.read(READ_BYTES), self.core.seconds_left())
            except TimeoutError:
                self.core.on_timer()
            else:
                if not data:
                    raise LostError("The venue closed the connection.")
                for request in self.core.receive(data):
                    future = self._waiting.pop(request, None)
                    if future is not None and not future.done():
                        future.set_result(request)
                if self.core.is_live:
                    self._live.set()
                if self.core.reports or self.core.mode_changes:
                    self._told.set()
            self._flush()

    def _flush(self) -> None:
        if self._writer is not None and not self._writer.is_closing():
            outgoing = self.core.outgoing()
            if outgoing:
                self._writer.write(outgoing)

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self.core.disconnected()

    def _fail(self, failure: LineError) -> None:
        """The session has ended for good: tell everybody who waits."""
        self._failure = failure
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(failure)
        self._live.set()
        self._told.set()
