"""Front door: what all connections of one server share.

Admission, the budget for what is held in memory for clients, the timer wheel, the counters, the date header.
Invariant: `counters.connections_open` = the sum over `_connections_of` = admitted and not yet left.
"""

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from holdfast.gateway.server.counters import Counters
from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.wheel import TimerWheel


class FrontDoor:
    def __init__(
        self,
        routes: Routes,
        limits: Limits,
        now_ns: Callable[[], int] = time.time_ns,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.routes = routes
        self.limits = limits
        self.now_ns = now_ns
        self.counters = Counters()
        self.is_stopping = False
        self.held_bytes = 0
        self.date_line = b""
        self._date_s = -1
        self._connections_of: dict[str, int] = {}
        self.wheel = TimerWheel(monotonic_s, self._refresh_date)
        self._refresh_date()

    def admit(self, ip: str) -> str:
        """Count a new connection. Returns "", or the reason why there is no room for it (then it is not counted)."""
        reason = self._refusal(ip)
        if reason:
            self.counters.drops[reason] += 1
            return reason
        self._connections_of[ip] = self._connections_of.get(ip, 0) + 1
        self.counters.connections_open += 1
        self.counters.connections_total += 1
        return ""

    def _refusal(self, ip: str) -> str:
        if self.is_stopping:
            return "stopping"
        if self.counters.connections_open >= self.limits.connections:
            return "connections"
        if self._connections_of.get(ip, 0) >= self.limits.connections_per_ip:
            return "connections_per_ip"
        return ""

    def leave(self, ip: str) -> None:
        self.counters.connections_open -= 1
        remaining = self._connections_of[ip] - 1
        if remaining:
            self._connections_of[ip] = remaining
        else:
            del self._connections_of[ip]

    def recharge(self, old_bytes: int, new_bytes: int) -> bool:
        """A connection holds `new_bytes` instead of `old_bytes`. False when that is more than all may hold."""
        self.held_bytes += new_bytes - old_bytes
        return new_bytes <= old_bytes or self.held_bytes <= self.limits.held_bytes

    def _refresh_date(self) -> None:
        now_s = self.now_ns() // 1_000_000_000
        if now_s != self._date_s:
            self._date_s = now_s
            self.date_line = b"date: " + formatdate(now_s, usegmt=True).encode() + b"\r\n"


def plain_ip(address: Any) -> str:
    """The IP of a socket's address; one spelling for an IPv4 client, also on an IPv6 socket."""
    return str(address[0]).removeprefix("::ffff:") if address else ""
