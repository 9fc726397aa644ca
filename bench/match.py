"""How fast the book matches, beside a plain C++ book on the same messages:  python -m bench.match

Five market regimes; both write the same reports into a ring, and every report is compared before anything is timed.
What counts is the worst regime. In process, one thread, batches of 4,096 messages a call; the figure is the median of
the rounds, which take turns, in the thread's own processor time, so that a busy machine spoils less.
"""

import ctypes
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.machine import show
from bench.matcher import match
from bench.tape import REGIMES, RING_REPORTS, TAPE, Regime, make_stream
from holdfast.engine.book import BOOK, first_rows, grow, set_pages_max
from holdfast.engine.handle import Memory

MESSAGES = 1_000_000
ROUNDS = 5
BATCH = 4_096
SEED = 20_260
PAGES_MAX = 65_536
_PEERS = Path(__file__).parent / "peers"


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
    def __init__(self, library: ctypes.CDLL, stream: np.ndarray) -> None:
        self.tape = _load(stream)
        self._library = library
        self._book = ctypes.c_void_p(library.book_create())
        views = self.tape.views
        self._messages = ctypes.c_void_p(views.messages.ctypes.data)
        self._reports = ctypes.c_void_p(views.reports.ctypes.data), ctypes.c_int64(len(views.reports))
        self._totals = ctypes.c_void_p(views.totals.ctypes.data)

    def run(self, first: int, end: int) -> None:
        bounds = ctypes.c_int64(first), ctypes.c_int64(end)
        self._library.book_match(self._book, self._messages, *bounds, *self._reports, self._totals)

    def __del__(self) -> None:
        self._library.book_destroy(self._book)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        library = compile_peer("std_map_book", Path(directory))
        rows = [_measure(regime, library) for regime in REGIMES]
    worst = min(rows, key=lambda row: row[1])
    lowest_ratio = min(row[1] / row[2] for row in rows)
    table = [
        [name, f"{ours:.1f}", f"{peer:.1f}", f"{ours / peer:.1f}x", f"{trades:,}"] for name, ours, peer, trades in rows
    ]
    table.append(["worst", f"{worst[1]:.1f}", f"{min(row[2] for row in rows):.1f}", f"{lowest_ratio:.1f}x", ""])
    show(
        "Matching, million messages a second",
        ["regime", "Holdfast's book", "C++ std::map book", "ratio", "trades"],
        table,
        [f"{MESSAGES:,} messages a regime, median of {ROUNDS} rounds; all reports equal."],
    )


def compile_peer(name: str, directory: Path) -> ctypes.CDLL:
    """Compile one of the C++ books beside this file into a library."""
    target = directory / f"{name}.so"
    source = str(_PEERS / f"{name}.cpp")
    subprocess.run(["g++", "-std=c++17", "-O3", "-march=native", "-shared", "-fPIC", "-o", target, source], check=True)
    library = ctypes.CDLL(str(target))
    library.book_create.restype = ctypes.c_void_p
    return library


def _measure(regime: Regime, library: ctypes.CDLL) -> tuple[str, float, float, int]:
    """Million messages a second of both, and the number of trades."""
    stream = make_stream(regime, MESSAGES, SEED)
    trades = _assert_equal(HoldfastBook(stream), PeerBook(library, stream), len(stream))
    ours, peer = [], []
    for _ in range(ROUNDS):
        ours.append(_rate(HoldfastBook(stream), regime.standing_orders, len(stream)))
        peer.append(_rate(PeerBook(library, stream), regime.standing_orders, len(stream)))
    return regime.name, statistics.median(ours), statistics.median(peer), trades


def _rate(contestant: Contestant, standing_orders: int, end: int) -> float:
    _run_batches(contestant, 0, standing_orders)
    start_ns = time.thread_time_ns()
    _run_batches(contestant, standing_orders, end)
    return (end - standing_orders) * 1e3 / (time.thread_time_ns() - start_ns)


def _run_batches(contestant: Contestant, first: int, end: int) -> None:
    for start in range(first, end, BATCH):
        contestant.run(start, min(start + BATCH, end))


def _assert_equal(one: Contestant, other: Contestant, end: int) -> int:
    """Every report of both, batch by batch; returns the number of trades."""
    for start in range(0, end, BATCH // 4):
        before = int(one.tape["totals"][0]["reports"])
        for contestant in (one, other):
            contestant.run(start, min(start + BATCH // 4, end))
        assert one.tape["totals"][0]["reports"] - before <= RING_REPORTS, "the ring holds a whole batch"
        assert np.array_equal(one.tape["totals"], other.tape["totals"])
        assert np.array_equal(one.tape["reports"], other.tape["reports"])
    return int(one.tape["totals"][0]["trades"])


def _load(stream: np.ndarray) -> Memory:
    tape = Memory(TAPE, messages=len(stream), reports=RING_REPORTS, totals=1)
    tape["messages"][:] = stream
    return tape


if __name__ == "__main__":
    main()
