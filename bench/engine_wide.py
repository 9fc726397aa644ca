"""What a wide venue costs the engine, beside a narrow one:  python -m bench.engine_wide [--quick]

Narrow: the mix of `bench.exchange_core` in one instrument, with 1,000 resting orders of 2,000 accounts. Wide: the same
mix in 1,000 instruments, with 3 million resting orders of a million accounts, where the next command is in any of them.
In between: a hundredth and a tenth of the wide one's orders, accounts and instruments. Each runs in a process of its
own, one thread; rounds take turns, and the figure is the median of the thread's own processor time. Every round's
trades and books are checked against the stream.
"""

import argparse
import multiprocessing
import statistics
from typing import NamedTuple

from bench.machine import show, verdict
from bench.mix_commands import Prepared, Size, prepare
from bench.mix_run import give_memory, memory_of, open_venue, run
from holdfast.engine.engine import Engine

SEED = 20_260
RATIO_MIN = 1 / 3
SIZES = {
    "narrow": Size(1, 2_000, 1_000, 3_000_000),
    "1x": Size(10, 10_000, 30_000, 3_000_000),
    "10x": Size(100, 100_000, 300_000, 3_000_000),
    "100x, wide": Size(1_000, 1_000_000, 3_000_000, 3_000_000),
}
QUICK_COMMANDS = 500_000
QUICK_SIZES = ("narrow", "1x", "10x")


class Measured(NamedTuple):
    per_second: float
    open_mb: float  # Of memory that the venue took, when its books were built.
    end_mb: float  # After the measured commands.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, and without the widest")
    parser.add_argument("--commands", type=int, help="measured commands of a round")
    parser.add_argument("--rounds", type=int, help="the figure is their median")
    options = parser.parse_args()
    commands = options.commands or (QUICK_COMMANDS if options.quick else None)
    sizes = {name: SIZES[name] for name in (QUICK_SIZES if options.quick else SIZES)}
    if commands:
        sizes = {name: size._replace(commands=commands) for name, size in sizes.items()}
    results: dict[str, list[Measured]] = {name: [] for name in sizes}
    for _ in range(options.rounds or (1 if options.quick else 3)):
        for name, size in sizes.items():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                results[name].append(pool.apply(measure, (size,)))
    show_measured(sizes, {name: _medians(rounds) for name, rounds in results.items()})


def measure(size: Size) -> Measured:
    """The second of two venues in one process: the first one's memory had to come from the system."""
    Engine.warm_up()
    prepared = prepare(size, SEED)
    measure_venue(size, prepared)
    return measure_venue(size, prepared)


def measure_venue(size: Size, prepared: Prepared) -> Measured:
    before = memory_of().now_mb
    engine = open_venue(size)
    engine.expect(size.resting + size.commands)  # Or a hash and a pool of ids double somewhere in between.
    run(engine, prepared.records[: prepared.building])
    opened = memory_of().now_mb
    give_memory(engine, size.commands)
    result = run(engine, prepared.measured)
    end = memory_of().now_mb
    if result.refused or result.totals != prepared.totals:
        raise RuntimeError(f"not the stream's results: {result.refused} refused, {result.totals}")
    check_books(engine, prepared)
    return Measured(size.commands / result.processor_s, opened - before, end - before)


def check_books(engine: Engine, prepared: Prepared) -> None:
    for i, mix in enumerate(prepared.mixes):
        if engine.book(1 + i, len(mix.steps))[:2] != (mix.bids, mix.asks):
            raise RuntimeError(f"the book of instrument {1 + i} is not the stream's")


def _medians(rounds: list[Measured]) -> Measured:
    return Measured(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def _short(number: int) -> str:
    """1,000,000 as 1M, 30,000 as 30k."""
    return f"{number // 10**6}M" if number >= 10**6 else f"{number // 1_000}k" if number >= 1_000 else str(number)


def show_measured(sizes: dict[str, Size], measured: dict[str, Measured]) -> None:
    narrow = measured["narrow"].per_second
    rows = []
    for name, size in sizes.items():
        each = measured[name]
        figures = [f"{each.per_second / 1e6:.2f}", f"{1e9 / each.per_second:.0f}", f"{each.per_second / narrow:.2f}x"]
        memory = [f"{each.open_mb:,.0f}", f"{each.end_mb:,.0f}"]
        rows.append([name, *map(_short, size[:3]), *figures, *memory])
    widest = list(sizes)[-1]
    ratio = measured[widest].per_second / narrow
    limit = f"{ratio:.2f}x the narrow run with {widest} (at least {RATIO_MIN:.2f}x)"
    columns = ["", "markets", "users", "orders", "M/s", "ns", "ratio", "MB built", "MB after"]
    notes = [
        f"{sizes[widest].commands:,} commands, processor time of the thread.",
        "Memory: what the venue took, when its books were built and after the measured commands.",
        verdict(limit, ratio >= RATIO_MIN),
    ]
    show("The engine, from narrow to wide", columns, rows, notes)


if __name__ == "__main__":
    main()
