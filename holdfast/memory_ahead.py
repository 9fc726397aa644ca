"""Memory ahead: a thread that has the system give the engine memory before its commands need it.

venue, joined gateway (every HOUSEKEEPING_SECONDS) → MEMORY AHEAD → engine

Zeroing a page takes the system longer than all that an order does to it, and orders would wait for it.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from holdfast.engine.engine import Engine


class MemoryAhead:
    """Belongs to the loop's thread; what it starts touches no order."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "memory-ahead")
        self._running: Future[None] | None = None

    def tick(self) -> None:
        """Begin anew, unless it is still at it."""
        if self._running is not None:
            if not self._running.done():
                return
            self._running.result()  # Raises what went wrong there.
        self._running = self._thread.submit(self._engine().touch_ahead)

    def stop(self) -> None:
        """Wait for what is under way."""
        self._thread.shutdown()
