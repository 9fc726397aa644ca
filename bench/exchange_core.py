"""The engine beside exchange-core, on the mix of its own throughput test:  python -m bench.exchange_core [--quick]

One instrument, 2,000 accounts, 1,000 resting orders, one stream for both (`bench.mix`). Ours is the whole engine on one
thread: keys, deadlines, client ids, filters, funds, matching, fees, ledger, events. Theirs is exchange-core from Maven
with its risk engine, its matching engine and fees, its YIELDING wait, and as many threads as it wants; it knows orders
by numbers, and has no keys, deadlines, filters and text ids. Each runs in a process of its own and has the machine to
itself: rounds take turns, the clock decides, the figure is the median. All commands lie ready in memory. A round begins
with a new engine on our side and a new core on theirs; ours is given its memory before the clock runs, theirs keeps its
heap. Both count trades, lots and turnover from the results as they come; these and the books at the end must be the
stream's own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.java_peer import PeerMissingError, peer_command
from bench.load import ROOT
from bench.machine import show, verdict
from bench.mix import BID, HIGHEST_TICKS, IOC, NEW, REDUCE, SHARES, Levels, Mix, Totals
from bench.mix_commands import Prepared, Size, prepare
from bench.mix_run import Memory, give_memory, memory_of, open_venue, run
from holdfast.engine.engine import Engine

SEED = 20_260
ACCOUNTS = 2_000
RESTING = 1_000
WARM_UPS = 5  # Rounds in which Java finds out what is hot.
RATIO_MIN = 1.0
WAIT = "YIELDING"

peer_dtype = np.dtype(
    [
        ("kind", np.int32),
        ("side", np.int32),  # 1: a bid.
        ("order", np.int64),
        ("user", np.int64),
        ("price_ticks", np.int64),
        ("lots", np.int64),  # Of a new order; or by how many a reduce makes one smaller.
    ]
)


class Round(NamedTuple):
    seconds: float
    processor_s: float  # Of all threads.
    totals: Totals
    refused: int
    book: str


class Measured(NamedTuple):
    per_second: float
    best_per_second: float  # Of all rounds: what a busy machine spoiled least.
    cores: float  # That it kept busy.
    ready: Memory  # With the commands prepared.
    end: Memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--commands", type=int, help="measured commands of a round")
    parser.add_argument("--rounds", type=int, help="measured rounds")
    options = parser.parse_args()
    commands = options.commands or (500_000 if options.quick else 3_000_000)
    rounds = options.rounds or (3 if options.quick else 7)
    size = Size(1, ACCOUNTS, RESTING, commands)
    prepared = prepare(size, SEED)
    mix = prepared.mixes[0]
    with tempfile.TemporaryDirectory(prefix="bench-exchange-core-") as made:
        np.save(Path(made) / "ours.npy", prepared.records)
        write_for_peer(Path(made) / "theirs", prepared, size)
        programs = [[sys.executable, "-m", "bench.exchange_core", "ours", f"{made}/ours.npy", str(commands)]]
        missing = ""
        try:
            programs.append([*peer_command(), f"{made}/theirs", WAIT])
        except PeerMissingError as error:
            missing = str(error)
        del prepared
        measured = take_turns(programs, rounds, mix)
    show_measured(measured, mix, rounds, missing)


def write_for_peer(path: Path, prepared: Prepared, size: Size) -> None:
    """The stream as `peers/exchange_core` reads it. There an order that moves keeps its number."""
    steps = prepared.mixes[0].steps
    theirs = np.zeros(len(steps), peer_dtype)
    theirs["kind"] = steps["kind"]
    theirs["side"] = steps["side"] == BID
    theirs["order"] = steps["order"]
    theirs["user"] = prepared.accounts[0][steps["order"]]
    theirs["price_ticks"] = steps["price_ticks"]
    theirs["lots"] = np.where(np.isin(steps["kind"], (NEW, IOC, REDUCE)), steps["lots"], 0)
    header = np.array([size.accounts, prepared.building, len(steps), HIGHEST_TICKS], np.int64)
    path.write_bytes(header.tobytes() + theirs.tobytes())


def take_turns(programs: Sequence[Sequence[str]], rounds: int, mix: Mix) -> list[Measured]:
    """Let each program run a round in turn; RuntimeError when one's results are not those of the stream."""
    results: list[list[Round]] = [[] for _ in programs]
    with ExitStack() as stack:
        contestants = [stack.enter_context(_started(program)) for program in programs]
        ready = [memory_of(contestant.pid) for contestant in contestants]
        for number in range(-WARM_UPS, rounds):
            for contestant, kept in zip(contestants, results, strict=True):
                result = _read_round(_asked(contestant))
                _check(result, mix)
                if number >= 0:
                    kept.append(result)
        end = [memory_of(contestant.pid) for contestant in contestants]
    commands = len(mix.steps) - mix.building
    return [
        Measured(
            commands / statistics.median(result.seconds for result in kept),
            commands / min(result.seconds for result in kept),
            statistics.median(result.processor_s / result.seconds for result in kept),
            *memory,
        )
        for kept, *memory in zip(results, ready, end, strict=True)
    ]


@contextmanager
def _started(program: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A program that says when it is ready, and then answers every line with a round's figures."""
    process = subprocess.Popen(program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        _line(process)
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.terminate()
        process.wait()


def _asked(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    process.stdin.write("round\n")
    process.stdin.flush()
    return _line(process)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended")
    return line


def _read_round(line: str) -> Round:
    fields = dict(field.split("=", 1) for field in line.split())
    totals = Totals(*(int(fields[name]) for name in Totals._fields))
    return Round(float(fields["seconds"]), float(fields["processor_s"]), totals, int(fields["refused"]), fields["book"])


def _check(result: Round, mix: Mix) -> None:
    if result.refused or result.totals != mix.totals or result.book != book_text(mix.bids, mix.asks):
        raise RuntimeError(f"not the stream's results: {result.refused} refused, {result.totals}, not {mix.totals}")


def book_text(bids: Levels, asks: Levels) -> str:
    return "|".join("".join(f"{price}:{lots}," for price, lots in side) for side in (bids, asks))


def show_measured(measured: list[Measured], mix: Mix, rounds: int, missing: str) -> None:
    ours = measured[0]
    rows = [
        [
            name,
            f"{each.per_second / 1e6:.2f}",
            f"{each.best_per_second / 1e6:.2f}",
            "" if missing else f"{each.per_second / measured[-1].per_second:.2f}x",
            f"{each.cores:.1f}",
            f"{each.ready.now_mb:,.0f}",
            f"{each.end.peak_mb:,.0f}",
        ]
        for name, each in zip(("Holdfast's engine", f"exchange-core 0.5.3, {WAIT}"), measured, strict=False)
    ]
    kinds = mix.steps["kind"][mix.building :]
    shares = ", ".join(
        f"{name} {100 * np.count_nonzero(kinds == kind) / len(kinds):.1f} %"
        for kind, name in zip(SHARES, ("new", "IOC", "cancel", "move", "reduce"), strict=True)
    )
    notes = [
        f"{len(kinds):,} commands: {shares}.",
        f"{RESTING:,} resting orders, {ACCOUNTS:,} accounts; median of {rounds} rounds, which take turns.",
        "Memory: resident, with the commands prepared, and at the peak of all rounds.",
        f"{mix.totals.trades:,} trades of {mix.totals.lots:,} lots and the books at the end are equal in every round.",
    ]
    if missing:
        notes.append(f"NOT MEASURED: exchange-core, since {missing}.")
    else:
        ratio = ours.per_second / measured[1].per_second
        notes.append(verdict(f"{ratio:.2f}x exchange-core, on one core (at least {RATIO_MIN:g}x)", ratio >= RATIO_MIN))
    columns = ["", "million/s", "best", "ratio", "cores", "MB before", "MB at most"]
    show("The mix of exchange-core's throughput test, million commands a second", columns, rows, notes)


def serve_ours(path: str, commands: int) -> None:
    """The program on our side."""
    records = np.load(path)
    size = Size(1, ACCOUNTS, RESTING, commands)
    building = len(records) - commands
    Engine.warm_up()
    print("ready", flush=True)  # noqa: T201
    for _ in sys.stdin:
        engine = open_venue(size)
        run(engine, records[:building])
        give_memory(engine, commands)
        result = run(engine, records[building:])
        figures = {"seconds": result.seconds, "processor_s": result.processor_s, "refused": result.refused}
        bids, asks, _ = engine.book(1, len(records))
        figures |= result.totals._asdict()
        print(*(f"{name}={value}" for name, value in figures.items()), f"book={book_text(bids, asks)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        serve_ours(sys.argv[2], int(sys.argv[3]))
    else:
        main()
