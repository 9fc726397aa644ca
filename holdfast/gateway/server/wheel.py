"""Timer wheel: one timer for the time limits of all connections.

Each connection sits in one of a few slots; a tick visits the connections of one slot and lets each compare its own
deadline with the time. So setting or moving a deadline is an attribute of the connection, nothing is scheduled per
request, and a deadline is noticed at most one turn late. The clock is a parameter; tests turn the wheel by hand.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

SLOTS = 8
TURN_S = 1.0


class Visited(Protocol):
    def visit(self, now_s: float) -> None:
        """Compare deadlines with `now_s`, and act. Called once a turn."""


class TimerWheel:
    """`now_s` is the monotonic time of the newest tick, cheap to read and at most one tick old in an idle loop."""

    def __init__(self, monotonic_s: Callable[[], float], on_tick: Callable[[], None]) -> None:
        self.now_s = monotonic_s()
        self._monotonic_s = monotonic_s
        self._on_tick = on_tick
        self._slots: list[dict[Visited, None]] = [{} for _ in range(SLOTS)]
        self._slot_of: dict[Visited, int] = {}
        self._position = 0
        self._next_slot = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tick()
        self._timer = loop.call_later(TURN_S / SLOTS, self.start, loop)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, visited: Visited) -> None:
        self._slots[self._next_slot][visited] = None
        self._slot_of[visited] = self._next_slot
        self._next_slot = (self._next_slot + 1) % SLOTS

    def remove(self, visited: Visited) -> None:
        """Does nothing for one that is not there."""
        slot = self._slot_of.pop(visited, None)
        if slot is not None:
            del self._slots[slot][visited]

    def members(self) -> list[Visited]:
        return list(self._slot_of)

    def tick(self) -> None:
        self.now_s = self._monotonic_s()
        self._on_tick()
        slot = self._slots[self._position]
        self._position = (self._position + 1) % SLOTS
        for visited in list(slot):  # A visit may end connections, this one or others.
            if visited in slot:
                visited.visit(self.now_s)
