"""The line for programs that wait: one socket, no threads.

    with LineClient("127.0.0.1:9001", api_key, private_key) as line:
        order = line.place("BTCUSDT", Side.BUY, "0.01", price="41250")

Nothing happens between calls: a program that does something else for longer than the venue waits for a heartbeat loses
its connection, and the next call opens another and carries on. `read` keeps it alive.
"""

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.client import orders
from holdfast.client.address import parse_address
from holdfast.client.core import Core, EndedError, LostError, Report, Request
from holdfast.codes import Side
from holdfast.instruments import Instrument

READ_BYTES = 256 * 1024
CONNECT_SECONDS_MAX = 10.0
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)  # Between attempts to connect; the last one again and again.


class LineClient:
    """One session of one API key over one connection at a time. Not for several threads at once.

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
        """`address`: "host:port" or the path of a socket. `private_key`: Ed25519, or its PEM text. `session` 0 to 255:
        one key may have several. `tls` when the venue runs with TLS."""
        self._address = parse_address(address)
        self._tls = tls
        self._seconds_max = seconds_max
        self._socket: socket.socket | None = None
        self._attempts = 0  # To connect, since the session was live.
        self._next_attempt_s = 0.0
        self._failure = ""  # Of the last attempt.
        self.core = Core(
            api_key,
            private_key,
            session=session,
            drop_copy=drop_copy,
            sub_accounts=sub_accounts,
            open_orders=open_orders,
            cancel_on_disconnect=cancel_on_disconnect,
        )

    def __enter__(self) -> "LineClient":
        self.connect()
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self.close()

    def connect(self) -> None:
        """Connect, sign on, and be told what was missed. EndedError, TimeoutError."""
        end_s = time.monotonic() + self._seconds_max
        while not self.core.is_live:
            self._step(end_s)

    def close(self) -> None:
        """Sign off. What is on its way stays so, and may be carried out."""
        if self._socket is not None:
            self.core.sign_off()
            with contextlib.suppress(OSError):  # It has gone already, which is what was wanted.
                self._socket.sendall(self.core.outgoing())
            self._drop()

    # Orders. Each waits for the outcome; see `Request.order`, `reject_reason`, `refusal`.

    def place(self, symbol: str, side: Side, quantity: orders.Number | None = None, **more: Any) -> Request:
        """A new order; `more` as `orders.new_order`: price, quote_quantity, order_type, time_in_force, client_id, …"""
        return self.wait(self.submit(orders.new_order(self.instrument(symbol), side, quantity, **more)))

    def cancel(self, symbol: str, **which: Any) -> Request:
        """Cancel one order: `order_id`, `target_client_id`, and more as `orders.cancel_order`."""
        return self.wait(self.submit(orders.cancel_order(self.instrument(symbol), **which)))

    def replace(self, symbol: str, side: Side, quantity: orders.Number | None = None, **more: Any) -> Request:
        """Cancel one order and place another; `more` as `orders.replace_order`."""
        return self.wait(self.submit(orders.replace_order(self.instrument(symbol), side, quantity, **more)))

    def amend(self, symbol: str, quantity: orders.Number, **which: Any) -> Request:
        """Make one order smaller; `which` as `orders.amend_order`."""
        return self.wait(self.submit(orders.amend_order(self.instrument(symbol), quantity, **which)))

    def cancel_all(self, symbol: str = "") -> Request:
        """Cancel all open orders, of one instrument or of all."""
        return self.wait(self.submit(orders.cancel_all(self.instrument(symbol) if symbol else None)))

    def set_countdown(self, countdown_ms: int, symbol: str = "") -> Request:
        """Set, renew or (0) stop the dead man's timer, of one instrument or of all; as `orders.set_countdown`."""
        of = self.instrument(symbol) if symbol else None
        return self.wait(self.submit(orders.set_countdown(countdown_ms, of)))

    # Many at once: submit, then wait.

    def instrument(self, symbol: str) -> Instrument:
        return self.core.instrument(symbol)

    def submit(self, record: bytes) -> Request:
        """Queue a command of `holdfast.client.orders`. It goes out with the next call that waits, reads or flushes."""
        return self.core.submit(record)

    def flush(self) -> None:
        """Send what is queued."""
        self._step(time.monotonic(), is_reading=False)

    def wait(self, request: Request) -> Request:
        """Wait for its outcome. EndedError, TimeoutError."""
        return self.wait_all([request])[0]

    def wait_all(self, requests: Iterable[Request]) -> list[Request]:
        """Wait for the outcomes of all. EndedError, TimeoutError."""
        wanted = list(requests)
        end_s = time.monotonic() + self._seconds_max
        for request in wanted:
            while not request.is_done:
                self._step(end_s)
        return wanted

    # What happens.

    def read(self, seconds: float = 0.0) -> list[Report]:
        """All reports that came and were not handed out yet; waits up to so long for a first one."""
        return self._taken(self.core.reports, seconds)

    def mode_changes(self, seconds: float = 0.0) -> list[Instrument]:
        """Likewise, each instrument that is in another trading `mode` than it was, or has other ones ahead (`stages`),
        and each new one. `instrument` always tells the newest."""
        return self._taken(self.core.mode_changes, seconds)

    def _taken(self, kept: deque[Any], seconds: float) -> list[Any]:
        end_s = time.monotonic() + seconds
        while not kept:
            try:
                self._step(end_s)
            except TimeoutError:
                break
        taken = list(kept)
        kept.clear()
        return taken

    # The socket.

    def _step(self, end_s: float, is_reading: bool = True) -> None:
        """Write what there is, and read once; connect where there is no connection. TimeoutError after `end_s`."""
        try:
            connected = self._socket or self._open(end_s)
            self._exchange(connected, end_s, is_reading)
        except EndedError:
            self._drop()
            raise
        except TimeoutError:
            raise
        except (LostError, OSError):
            self._drop()

    def _exchange(self, connected: socket.socket, end_s: float, is_reading: bool) -> None:
        self.core.on_timer()
        outgoing = self.core.outgoing()
        if outgoing:
            self._write(connected, outgoing)
        if not is_reading:
            return
        seconds = min(self.core.seconds_left(), max(0.0, end_s - time.monotonic()))
        pending = self._tls is not None and connected.pending() > 0  # type: ignore[attr-defined]
        if not pending and not select.select([connected], [], [], seconds)[0]:
            if time.monotonic() >= end_s:
                raise TimeoutError("The venue did not answer in time.")
            return
        self._take(connected)

    def _write(self, connected: socket.socket, data: bytes) -> None:
        """Write all, and read meanwhile: a venue whose reports nobody reads does not read either."""
        unsent = memoryview(data)
        if self._tls is not None:
            connected.sendall(unsent)
            return
        while unsent:
            readable, writable, _ = select.select([connected], [connected], [], CONNECT_SECONDS_MAX)
            if writable:
                unsent = unsent[connected.send(unsent[:READ_BYTES], socket.MSG_DONTWAIT) :]
            if readable:
                self._take(connected)
            if not readable and not writable:
                raise LostError("The venue does not read.")

    def _take(self, connected: socket.socket) -> None:
        data = connected.recv(READ_BYTES)
        if not data:
            raise LostError("The venue closed the connection.")
        self.core.receive(data)
        if self.core.is_live:
            self._attempts = 0

    def _open(self, end_s: float) -> socket.socket:
        """Try until it works, less and less often; what a venue accepts and ends at once counts as an attempt too."""
        while True:
            wait_s = self._next_attempt_s - time.monotonic()
            if wait_s > 0:
                time.sleep(max(0.0, min(wait_s, end_s - time.monotonic())))
            if time.monotonic() >= end_s and wait_s > 0:
                raise TimeoutError(f"The venue cannot be reached: {self._failure or 'it ended the session'}.")
            self._next_attempt_s = time.monotonic() + RETRY_SECONDS[min(self._attempts, len(RETRY_SECONDS) - 1)]
            self._attempts += 1
            try:
                self._socket = self._connected()
            except OSError as error:
                self._failure = str(error)
                continue
            self.core.connected()
            return self._socket

    def _connected(self) -> socket.socket:
        if self._address.path:
            local = socket.socket(socket.AF_UNIX)
            local.settimeout(CONNECT_SECONDS_MAX)
            try:
                local.connect(self._address.path)
            except OSError:
                local.close()
                raise
            return local
        remote = socket.create_connection((self._address.host, self._address.port), CONNECT_SECONDS_MAX)
        remote.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return remote
        return self._tls.wrap_socket(remote, server_hostname=self._address.host)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.core.disconnected()
