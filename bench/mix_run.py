"""A run of `bench.mix_commands` through the engine: opened, timed, counted."""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from bench.mix import Totals
from bench.mix_commands import Size, setup
from bench.orders import BATCH
from holdfast.codes import ControlEventKind, OrderEventKind
from holdfast.engine.engine import Engine
from holdfast.events import order_event_words_dtype


class Run(NamedTuple):
    seconds: float  # By the clock.
    processor_s: float  # Of the thread that applied.
    totals: Totals
    refused: int


class Memory(NamedTuple):
    """Of a process, resident, in MB."""

    now_mb: float
    peak_mb: float


def open_venue(size: Size) -> Engine:
    engine = Engine()
    for records in setup(size):
        controls = engine.apply(records).controls
        assert not np.any(controls["kind"] == ControlEventKind.COMMAND_REJECTED)
    return engine


def give_memory(engine: Engine, commands: int) -> None:
    """Have it given for what is to be measured, before the clock runs, as a venue has it given beside its work."""
    engine.expect(commands)
    engine.touch_ahead(commands)


def run(engine: Engine, records: np.ndarray) -> Run:
    """Apply the commands in batches, and count what the events of each batch tell."""
    counted = np.zeros(4, np.int64)
    clock_ns, processor_ns = time.perf_counter_ns(), time.thread_time_ns()
    for begun in range(0, len(records), BATCH):
        events = engine.apply(records[begun : begun + BATCH])
        _count(events.orders.view(order_event_words_dtype), counted)
    seconds = (time.perf_counter_ns() - clock_ns) / 1e9
    processor_s = (time.thread_time_ns() - processor_ns) / 1e9
    *totals, refused = counted.tolist()
    return Run(seconds, processor_s, Totals(*totals), refused)


_TRADE = int(OrderEventKind.TRADE)
_REFUSALS = (int(OrderEventKind.ORDER_REJECTED), int(OrderEventKind.CANCEL_REJECTED))


@njit
def _count(orders, counted):  # type: ignore[no-untyped-def]
    """Add the trades, their lots and turnover, and the refusals. By NumPy's columns it took an eighth of a run."""
    for row in range(len(orders)):
        order = orders[row]
        if order["kind"] == _TRADE:
            if not order["is_maker"]:
                counted[0] += 1
                counted[1] += order["last_lots"]
                counted[2] += order["last_lots"] * order["last_price_ticks"]
        elif order["kind"] in _REFUSALS:
            counted[3] += 1


def memory_of(pid: int | str = "self") -> Memory:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Memory(*(int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM")))
