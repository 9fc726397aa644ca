"""How fast the book matches, beside the same algorithm in C and a plain C++ book:  python -m bench.match

Five market regimes. All three write the same reports (acknowledgement, trade, cancel, reject) into a ring that another
thread reads to the end; every report is compared before anything is timed. What counts is the worst regime. In process,
batches of 4,096 messages a call, whose reports are handed over together; the figure is the median of the rounds, which
take turns, and time on the wall until the last report was read.
"""

import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import NamedTuple, Protocol

import numpy as np

from bench.machine import show, verdict
from bench.matcher import match
from bench.tape import REGIMES, RING_REPORTS, TAPE, Regime, make_stream
from holdfast.engine.book import BOOK, first_rows, grow, set_pages_max
from holdfast.engine.handle import Memory

MESSAGES = 1_000_000
ROUNDS = 5
BATCH = 4_096
SEED = 20_260
PAGES_MAX = 65_536
LEAST_OF_C = 0.9
LEAST_OF_STD_MAP = 4.0
_PEERS = Path(__file__).parent / "peers"
_COMPILERS = {".c": ["gcc", "-std=c11"], ".cpp": ["g++", "-std=c++17"]}

# The shared words of peers/ring_reader.c, as places in an int64 array.
_PUBLISHED, _IS_OVER, _CONSUMED, _SUM, _WORDS = 0, 1, 8, 9, 16


class Contestant(Protocol):
    tape: Memory

    def run(self, first: int, end: int) -> None: ...


class HoldfastBook:
    def __init__(self, stream: np.ndarray) -> None:
        self.tape = _load(stream)
        self._book = Memory(BOOK, **first_rows())
        set_pages_max(self._book, PAGES_MAX)

    def run(self, first: int, end: int) -> None:
        while (first := match(self._book.handle, self.tape.handle, first, end)) < end:
            grow(self._book)


class PeerBook:
    def __init__(self, library: ctypes.CDLL, stream: np.ndarray, orders: int) -> None:
        self.tape = _load(stream)
        self._library = library
        self._book = ctypes.c_void_p(library.book_create(ctypes.c_int64(orders)))
        views = self.tape.views
        self._messages = ctypes.c_void_p(views.messages.ctypes.data)
        self._reports = ctypes.c_void_p(views.reports.ctypes.data), ctypes.c_int64(len(views.reports))
        self._totals = ctypes.c_void_p(views.totals.ctypes.data)

    def run(self, first: int, end: int) -> None:
        bounds = ctypes.c_int64(first), ctypes.c_int64(end)
        self._library.book_match(self._book, self._messages, *bounds, *self._reports, self._totals)

    def __del__(self) -> None:
        self._library.book_destroy(self._book)


class Reader:
    """The thread that reads a contestant's reports."""

    def __init__(self, library: ctypes.CDLL, tape: Memory) -> None:
        self._totals = tape["totals"]
        self._words = np.zeros(_WORDS + 8, np.int64)
        self._words = self._words[-(self._words.ctypes.data // 8) % 8 :][:_WORDS]  # On a cache line of its own.
        ring = ctypes.c_void_p(tape["reports"].ctypes.data), ctypes.c_int64(len(tape["reports"]))
        self._thread = Thread(target=library.ring_read, args=(*ring, ctypes.c_void_p(self._words.ctypes.data)))
        self._thread.start()

    def publish(self) -> None:
        """Hand over what was written; returns when the ring has room for the reports of another batch."""
        written = self._totals[0]["reports"]
        self._words[_PUBLISHED] = written
        while written - self._words[_CONSUMED] > RING_REPORTS // 2:
            time.sleep(0)

    def end(self) -> int:
        """Returns the sum of all fields when the last report was read."""
        self._words[_IS_OVER] = 1
        self._thread.join()
        return int(self._words[_SUM])


class Row(NamedTuple):
    """Million messages a second."""

    regime: str
    ours: float
    c: float
    std_map: float
    trades: int

    @property
    def of_c(self) -> float:
        return self.ours / self.c

    @property
    def of_std_map(self) -> float:
        return self.ours / self.std_map


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        c, std_map, reader = (compile_peer(name, Path(directory)) for name in _SOURCES)
        rows = [_measure(regime, c, std_map, reader) for regime in REGIMES]
    table = [
        [
            row.regime,
            *(f"{rate:.1f}" for rate in row[1:4]),
            f"{row.of_c:.2f}x",
            f"{row.of_std_map:.1f}x",
            f"{row.trades:,}",
        ]
        for row in rows
    ]
    ours, in_c, in_cpp = (min(rates) for rates in list(zip(*rows, strict=True))[1:4])
    table.append(
        ["worst", *(f"{rate:.1f}" for rate in (ours, in_c, in_cpp)), f"{ours / in_c:.2f}x", f"{ours / in_cpp:.1f}x", ""]
    )
    of_c = min(row.of_c for row in rows)
    lowest = min(rows, key=lambda row: row.of_std_map)
    show(
        "Matching, million messages a second, every report read by another thread",
        ["regime", "Holdfast's book", "the same in C", "C++ std::map book", "of C", "of std::map", "trades"],
        table,
        [
            f"{MESSAGES:,} messages a regime in batches of {BATCH:,}, median of {ROUNDS} rounds; all reports equal.",
            verdict(f"at least {LEAST_OF_C} x the same in C in every regime: {of_c:.2f}", of_c >= LEAST_OF_C),
            verdict(
                f"in its worst regime at least {LEAST_OF_STD_MAP:.0f} x the std::map book in its worst: "
                f"{ours / in_cpp:.1f}; regime by regime at least {lowest.of_std_map:.1f} ({lowest.regime})",
                ours / in_cpp >= LEAST_OF_STD_MAP,
            ),
        ],
    )


_SOURCES = ("ladder_book.c", "std_map_book.cpp", "ring_reader.c")


def compile_peer(source: str, directory: Path) -> ctypes.CDLL:
    """Compile one of the sources beside this file into a library."""
    path = _PEERS / source
    target = directory / f"{path.stem}.so"
    options = ["-O3", "-march=native", "-shared", "-fPIC", "-o", str(target), str(path)]
    subprocess.run([*_COMPILERS[path.suffix], *options], check=True)
    library = ctypes.CDLL(str(target))
    if "book" in source:
        library.book_create.restype = ctypes.c_void_p
    return library


def _measure(regime: Regime, c: ctypes.CDLL, std_map: ctypes.CDLL, reader: ctypes.CDLL) -> Row:
    stream = make_stream(regime, MESSAGES, SEED)
    makers: list[Callable[[], Contestant]] = [
        lambda: HoldfastBook(stream),
        lambda: PeerBook(c, stream, 2 * regime.standing_orders),
        lambda: PeerBook(std_map, stream, 2 * regime.standing_orders),
    ]
    trades = _assert_equal([make() for make in makers], len(stream))
    rates: list[list[float]] = [[] for _ in makers]
    sums = set()
    for _ in range(ROUNDS):
        for make, found in zip(makers, rates, strict=True):
            rate, total = _rate(make(), reader, regime.standing_orders, len(stream))
            found.append(rate)
            sums.add(total)
    assert len(sums) == 1, "every reader read the same"
    return Row(regime.name, *(statistics.median(found) for found in rates), trades)


def _rate(contestant: Contestant, library: ctypes.CDLL, standing_orders: int, end: int) -> tuple[float, int]:
    """Million messages a second, and what the reader added up."""
    reader = Reader(library, contestant.tape)
    _run_batches(contestant, reader, 0, standing_orders)
    start_ns = time.perf_counter_ns()
    _run_batches(contestant, reader, standing_orders, end)
    total = reader.end()
    return (end - standing_orders) * 1e3 / (time.perf_counter_ns() - start_ns), total


def _run_batches(contestant: Contestant, reader: Reader, first: int, end: int) -> None:
    for start in range(first, end, BATCH):
        contestant.run(start, min(start + BATCH, end))
        reader.publish()


def _assert_equal(contestants: list[Contestant], end: int) -> int:
    """Every report of all, batch by batch; returns the number of trades."""
    ours = contestants[0].tape
    for start in range(0, end, BATCH // 4):
        before = int(ours["totals"][0]["reports"])
        for contestant in contestants:
            contestant.run(start, min(start + BATCH // 4, end))
            assert np.array_equal(contestant.tape["totals"], ours["totals"])
            assert np.array_equal(contestant.tape["reports"], ours["reports"])
        assert ours["totals"][0]["reports"] - before <= RING_REPORTS, "the ring holds a whole batch"
    return int(ours["totals"][0]["trades"])


def _load(stream: np.ndarray) -> Memory:
    tape = Memory(TAPE, messages=len(stream), reports=RING_REPORTS, totals=1)
    tape["messages"][:] = stream
    return tape


if __name__ == "__main__":
    main()
