"""Event buffers: the memory into which a call writes its events, and which the caller then has without a copy.

journal → replica → engine → EVENT BUFFERS → readers

The buffers are filled from beginning to end over many calls, and each call hands out the part that it filled. So
nothing that was handed out is ever written again, and it keeps its buffer alive as NumPy's views do. A buffer of which
nobody has a part any more is filled again when the one in use is full: its memory is still near the processor, and
fresh memory costs the system more than writing the events does.
"""

import sys
from typing import Any

import numpy as np

from holdfast.engine.apply import (
    BALANCE_EVENTS_SPARE,
    BOOK_EVENTS_SPARE,
    CONTROL_EVENTS_SPARE,
    LIST_EVENTS_SPARE,
    ORDER_EVENTS_SPARE,
)
from holdfast.engine.handle import Memory
from holdfast.engine.state import OUT
from holdfast.events import (
    Events,
    balance_event_dtype,
    book_event_dtype,
    control_event_dtype,
    list_event_dtype,
    order_event_dtype,
)

ROWS_PER_COMMAND = {"order_events": 2, "balance_events": 3, "book_events": 2, "control_events": 1, "list_events": 0}
BUFFER_ROWS = 8_192
USED_BUFFERS = 8  # That wait to be used again; so many only where many are held, as in replay.


class EventBuffers:
    """One for each family, behind the state's `out`."""

    def __init__(self, memory: Memory) -> None:
        self._head = memory["out_head"].view(np.int64)
        self._head[:] = 0
        self._families = [
            _Family(memory, "order_events", order_event_dtype, ORDER_EVENTS_SPARE),
            _Family(memory, "balance_events", balance_event_dtype, BALANCE_EVENTS_SPARE),
            _Family(memory, "book_events", book_event_dtype, BOOK_EVENTS_SPARE),
            _Family(memory, "control_events", control_event_dtype, CONTROL_EVENTS_SPARE),
            _Family(memory, "list_events", list_event_dtype, LIST_EVENTS_SPARE),
        ]

    def make_room(self, commands: int) -> None:
        """Room for what so many commands usually lead to, and at least for what one step may."""
        for i, family in enumerate(self._families):
            if family.make_room(commands):
                self._head[i] = 0

    def hand_out(self) -> Events:
        """Everything since it was last called."""
        return Events(*(family.hand_out(end) for family, end in zip(self._families, self._head.tolist(), strict=True)))


class _Family:
    def __init__(self, memory: Memory, name: str, dtype: "np.dtype[Any]", spare_rows: int) -> None:
        self._memory = memory
        self._name = name
        self._dtype = dtype
        self._words_dtype = dict(OUT.arrays)[name]
        self._spare_rows = spare_rows
        self._words = np.empty(0, self._words_dtype)
        self._rows = self._words.view(dtype)
        self._used: list[tuple[np.ndarray, np.ndarray]] = []
        self._begun = 0  # The first row that was not handed out.

    def make_room(self, commands: int) -> bool:
        """Returns whether it took another buffer. Everything must have been handed out."""
        rows = ROWS_PER_COMMAND[self._name] * commands + self._spare_rows
        if self._begun + rows <= len(self._words):
            return False
        self._used = [*self._used[1 - USED_BUFFERS :], (self._words, self._rows)]
        self._words, self._rows = self._unused(rows)
        self._memory.lend(self._name, self._words)
        self._begun = 0
        return True

    def hand_out(self, end: int) -> np.ndarray:
        rows = self._rows[self._begun : end]
        self._begun = end
        return rows

    def _unused(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """A buffer of at least so many rows, as the kernels see it and as the readers do."""
        for i, references in enumerate(map(_references, self._used)):
            if len(self._used[i][0]) >= rows and references == _REFERENCES_UNUSED:
                return self._used.pop(i)
        return _new_buffer(max(rows, BUFFER_ROWS), self._words_dtype, self._dtype)


def _new_buffer(rows: int, words_dtype: "np.dtype[Any]", dtype: "np.dtype[Any]") -> tuple[np.ndarray, np.ndarray]:
    words = np.empty(rows, words_dtype)
    return words, words.view(dtype)


def _references(buffer: tuple[np.ndarray, np.ndarray]) -> int:
    """How many there are to the buffer's memory; each part of it that somebody holds is one."""
    return sys.getrefcount(buffer[0])


_REFERENCES_UNUSED = _references(_new_buffer(1, np.dtype(np.int64), np.dtype(np.uint8)))
