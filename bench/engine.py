"""How fast the whole engine is, beside a C++ book that only matches:  python -m bench.engine

The engine checks keys, deadlines, ids, filters and funds, matches, charges fees, keeps the ledger and tells everything
in events, which are copied out; the C++ book of `bench.match` matches the same orders and writes its reports. The same
five regimes, one thread each, the thread's own processor time. What counts is the worst ratio.
"""

import argparse
import ctypes
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.machine import show
from bench.match import PeerBook, compile_peer
from bench.mix_run import give_memory
from bench.orders import ACCOUNTS, BATCH, make_commands
from bench.population import apply_population
from bench.tape import REGIMES, Regime, make_stream
from holdfast.engine.engine import Engine

SEED = 20_260
BATCHES = (1, 16, 256, 4_096)
GOAL_RATIO = 0.4
GOAL_GIB = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=1_000_000, help="measured commands of a regime")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-memory", action="store_true")
    arguments = parser.parse_args()
    show_regimes(arguments.commands, arguments.rounds)
    show_batches(arguments.commands)
    if not arguments.without_memory:
        show_memory()


def show_regimes(commands: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        library = compile_peer("std_map_book.cpp", Path(directory))
        rows = [measure(regime, commands, rounds, library) for regime in REGIMES]
    table = [
        [name, f"{ours:.2f}", f"{peer:.2f}", f"{ours / peer:.2f}x", f"{events:,}"] for name, ours, peer, events in rows
    ]
    worst = min(ours / peer for _, ours, peer, _ in rows)
    table.append(["worst", f"{min(row[1] for row in rows):.2f}", "", f"{worst:.2f}x", ""])
    notes = [
        f"{commands:,} commands a regime by {ACCOUNTS:,} accounts, batches of {BATCH:,}, median of {rounds} rounds.",
        f"Goal: the worst ratio at least {GOAL_RATIO}.",
    ]
    columns = ["regime", "Holdfast's engine", "C++ std::map book, matching alone", "ratio", "order events"]
    show("Engine, million commands a second", columns, table, notes)


def measure(regime: Regime, commands: int, rounds: int, library: ctypes.CDLL) -> tuple[str, float, float, int]:
    """Million commands a second of both, and how many order events the engine told."""
    stream = make_stream(regime, commands, SEED)
    records, first = make_commands([regime], commands, SEED)
    ours, peer = [], []
    events = 0
    for _ in range(rounds):
        engine = Engine()
        apply_in_batches(engine, records[:first])
        give_memory(engine, len(records) - first)
        started_ns = time.thread_time_ns()
        events = apply_in_batches(engine, records[first:])
        ours.append(commands * 1e3 / (time.thread_time_ns() - started_ns))
        book = PeerBook(library, stream, 2 * regime.standing_orders)
        book.run(0, regime.standing_orders)
        started_ns = time.thread_time_ns()
        for begun in range(regime.standing_orders, len(stream), BATCH):
            book.run(begun, min(begun + BATCH, len(stream)))
        peer.append(commands * 1e3 / (time.thread_time_ns() - started_ns))
    return regime.name, statistics.median(ours), statistics.median(peer), events


def apply_in_batches(engine: Engine, records: np.ndarray, batch: int = BATCH) -> int:
    """Apply the commands; returns how many order events they made."""
    return sum(len(engine.apply(records[begun : begun + batch]).orders) for begun in range(0, len(records), batch))


def show_batches(commands: int) -> None:
    """What a call costs: the same commands in batches of several sizes."""
    regime = next(one for one in REGIMES if one.name == "normal")
    count = commands // 5
    records, first = make_commands([regime], count, SEED)
    rows = []
    for batch in BATCHES:
        engine = Engine()
        apply_in_batches(engine, records[:first])
        give_memory(engine, len(records) - first)
        started_ns = time.thread_time_ns()
        apply_in_batches(engine, records[first:], batch)
        seconds = (time.thread_time_ns() - started_ns) / 1e9
        rows.append([f"{batch:,}", f"{count / seconds:,.0f}", f"{seconds * 1e6 / count:.2f}"])
    notes = ["Through Engine.apply, events copied out; the regime is normal."]
    show("Engine: commands a call", ["batch", "commands/s", "µs a command"], rows, notes)


def show_memory() -> None:
    """In a process of its own, since peak memory cannot be taken back."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        orders, accounts, instruments, before_gib, peak_gib = pool.apply(fill_venue)
    row = [f"{orders:,}", f"{accounts:,}", f"{instruments:,}", f"{before_gib:.2f}", f"{peak_gib:.2f}"]
    columns = ["open orders", "accounts", "instruments", "before, GiB", "peak, GiB"]
    show("Engine: memory", columns, [row], [f"Resident memory of the whole process. Goal: below {GOAL_GIB} GB."])


def fill_venue() -> tuple[int, int, int, float, float]:
    """Open orders, accounts and instruments of a full venue, and the process's peak memory before and after, in GiB."""
    engine = Engine()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    apply_population(engine)
    used = engine.used()
    instruments = len(engine.reference().instruments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used["orders"][0], used["accounts"][0], instruments, before / 2**20, peak / 2**20


if __name__ == "__main__":
    main()
