"""The engine's memory is given by a thread beside the loop, one request at a time."""

import threading
from typing import Any, cast

import pytest

from holdfast.engine.engine import Engine
from holdfast.memory_ahead import MemoryAhead

WAIT_SECONDS_MAX = 30


class SlowEngine:
    """Gives memory when it is told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.threads: list[str] = []
        self.failure: Exception | None = None

    def touch_ahead(self) -> None:
        self.threads.append(threading.current_thread().name)
        self.begun.release()
        assert self.may_end.acquire(timeout=WAIT_SECONDS_MAX)
        if self.failure is not None:
            raise self.failure


def memory_ahead(engine: SlowEngine) -> MemoryAhead:
    return MemoryAhead(lambda: cast(Engine, cast(Any, engine)))


def test_the_loop_does_not_wait_and_begins_nothing_twice() -> None:
    engine = SlowEngine()
    ahead = memory_ahead(engine)
    ahead.tick()
    assert engine.begun.acquire(timeout=WAIT_SECONDS_MAX)
    ahead.tick()  # The first is still at it.
    engine.may_end.release(2)
    ahead.stop()
    assert engine.threads == ["memory-ahead_0"]


def test_it_begins_anew_when_it_was_done_and_says_what_went_wrong() -> None:
    engine = SlowEngine()
    engine.failure = MemoryError("no more")
    ahead = memory_ahead(engine)
    engine.may_end.release(2)
    with pytest.raises(MemoryError, match="no more"):
        while True:  # Each tick looks at the one before, once that has ended.
            ahead.tick()
    ahead.stop()
    assert engine.threads
