"""How long a command on which the engine fails stops the others:  python -m bench.poison [DIR]

A journal on the disk at DIR, a snapshot, and a million commands behind it. Then a batch comes with one command on which
a rule is at fault, planted by this bench in its own process, and an order for another instrument behind it. The
replica builds its engine again from the snapshot and the journal, finds the command by trying, tries again without it
from a copy, and goes on: that is the time for which nobody is answered.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.machine import show, verdict
from bench.orders import make_commands
from bench.recovery import recovered, stopwatch, write_journal, write_rest
from bench.tape import REGIMES
from holdfast.codes import CommandKind, ControlEventKind, OrderEventKind
from holdfast.engine.engine import Engine
from holdfast.events import Events
from holdfast.recovery import Journaled
from holdfast.replica import apply_with_poison

SEED = 20_261
BEFORE = 200_000
BEHIND = 1_000_000
GOAL_SECONDS = 5.0
POISON = b"poison"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=Path.cwd())
    parser.add_argument("--behind", type=int, default=BEHIND, help="commands behind the snapshot")
    arguments = parser.parse_args()
    Engine.warm_up()
    with tempfile.TemporaryDirectory(prefix="bench-poison-", dir=arguments.directory) as made:
        seconds = measure(Path(made), arguments.behind)
    rows = [[f"{arguments.behind:,} commands behind the snapshot", f"{seconds:.2f}"]]
    limit = f"the rest trades again within {GOAL_SECONDS:g} s"
    show("Poison", ["", "seconds"], rows, [verdict(limit, seconds <= GOAL_SECONDS)])


def measure(directory: Path, behind: int) -> float:
    """The seconds for which the venue stands still."""
    records, _ = make_commands(REGIMES, (BEFORE + behind) // len(REGIMES), SEED)
    poison, other = last_orders(records)
    count = len(records) - behind
    write_journal(directory / "journal", records[:count])
    state = recovered(directory)
    state.write_snapshot(directory)
    write_rest(directory, state, records[count:].copy())
    batch = np.concatenate([poison, other])
    batch["seq"] = len(records) + 1 + np.arange(2)
    for stamp in ("ts_ns", "clock_ts_ns", "deadline_ts_ns"):
        batch[stamp] = records[-1][stamp]
    batch["client_id"] = POISON, b"the rest trades"
    with fault(), stopwatch() as standing:
        try:
            state.engine.apply(batch)
            raise SystemExit("the rule that was planted did not fail")
        except AssertionError:
            engine, events = apply_with_poison(state.engine, batch, Journaled(directory).rebuild)
    assert engine.skipped == [(len(records) + 1, int(poison["instrument_id"][0]))]
    assert (events.controls["kind"] == ControlEventKind.COMMAND_SKIPPED).sum() == 1
    assert events.orders["kind"][0] == OrderEventKind.ORDER_ACCEPTED
    assert events.orders["instrument_id"][0] == other["instrument_id"][0]
    return standing.seconds


def last_orders(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last new orders of two instruments, each alone in an array."""
    places = np.flatnonzero(records["kind"] == CommandKind.PLACE_ORDER)
    last = places[-1]
    other = places[records["instrument_id"][places] != records["instrument_id"][last]][-1]
    return records[last : last + 1], records[other : other + 1]


@contextmanager
def fault() -> Iterator[None]:
    """The engine changes its state and then fails, at commands whose client id begins with POISON."""
    apply = Engine.apply

    def faulty(engine: Engine, commands: np.ndarray, skip_seqs: frozenset[int] = frozenset()) -> Events:
        events = apply(engine, commands, skip_seqs)
        met = [int(row["seq"]) for row in commands if row["client_id"].startswith(POISON)] if len(commands) < 10 else ()
        assert skip_seqs.issuperset(met), "planted: the engine is in pieces"
        return events

    Engine.apply = faulty  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Engine.apply = apply  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    main()
