"""How long a venue needs to be itself again:  python -m bench.recovery [DIR]

A real journal on the disk at DIR, five mixed markets of the matching benchmarks' regimes. First everything is
replayed from the first command, then a restart has a snapshot and a million commands behind it. Both go through
`holdfast.recovery.recover`: records are read and their chain verified, applied, and shown to the directory and the
market data. The history is taken to be up to date, as it is within a second before a crash.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.machine import show, verdict
from bench.orders import COMMAND_NS, START_NS, make_commands
from bench.tape import REGIMES
from holdfast.commands import COMMAND_BYTES
from holdfast.engine.engine import Engine
from holdfast.journal.batch_writer import BatchWriter, JournalSettings
from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.reader import committed_seq, read_committed
from holdfast.market_data.market_data import MarketData
from holdfast.market_data.replay import Replay
from holdfast.recovery import State, recover

SEED = 20_260
BEHIND = 1_000_000
PER_SECOND_MIN = 5_000_000
SECONDS_MAX = 5.0


class StreamClock:
    """Tells the time that the stream was made for, so that its deadlines hold."""

    def __init__(self) -> None:
        self.seq = 0

    def now_ns(self) -> int:
        return START_NS + self.seq * COMMAND_NS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=Path.cwd())
    parser.add_argument("--commands", type=int, default=10_000_000, help="to replay from the first")
    parser.add_argument("--behind", type=int, default=BEHIND, help="behind the snapshot")
    arguments = parser.parse_args()
    Engine.warm_up()
    with tempfile.TemporaryDirectory(prefix="bench-recovery-", dir=arguments.directory) as made:
        measure(Path(made), arguments.commands, arguments.behind)


def measure(directory: Path, count: int, behind: int) -> None:
    messages = (count + behind) // len(REGIMES)
    records, _ = make_commands(REGIMES, messages, SEED)
    count = len(records) - behind
    write_journal(directory / "journal", records[:count])
    rest = records[count:].copy()
    del records
    with stopwatch() as replay:
        state = recovered(directory)
    assert state.seq == count
    snapshot_bytes = state.write_snapshot(directory).stat().st_size
    state_hash = write_rest(directory, state, rest)
    parts = measure_parts(directory)
    with stopwatch() as restart:
        restarted = recovered(directory)
    assert restarted.seq == count + behind
    assert restarted.engine.state_hash() == state_hash
    rows = [
        row(f"replay of {count:,}", count, replay.seconds),
        *(row(f"  of it: {name}", count + behind, seconds) for name, seconds in parts),
        row(f"restart with {behind:,} behind a snapshot of {snapshot_bytes / 1e6:,.0f} MB", behind, restart.seconds),
    ]
    per_second = count / replay.seconds
    notes = [
        "Parts: one by one. Records are read and verified in a thread ahead of both.",
        verdict(f"{per_second:,.0f} commands/s replayed (at least {PER_SECOND_MIN:,})", per_second >= PER_SECOND_MIN),
        verdict(f"restarted in {restart.seconds:.1f} s (at most {SECONDS_MAX:g})", restart.seconds <= SECONDS_MAX),
    ]
    show("Recovery", ["what", "seconds", "commands/s", "GB/s"], rows, notes)


def recovered(directory: Path) -> State:
    """Everything, also the part of market data that waits until somebody asks."""
    state = recover(directory, None, lambda _: None)
    assert state.market_data is not None
    return state


def row(name: str, commands: int, seconds: float) -> list[str]:
    rate = commands / seconds
    return [name, f"{seconds:.2f}", f"{rate:,.0f}", f"{rate * COMMAND_BYTES / 1e9:.2f}"]


class Stopwatch:
    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    watch = Stopwatch()
    started = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - started


def write_journal(directory: Path, records: np.ndarray) -> None:
    """Append the commands in large batches, each durable."""
    directory.mkdir(exist_ok=True)
    settings = JournalSettings()
    clock = StreamClock()
    writer = BatchWriter(directory, clock, bytes(16), Engine.RULES_VERSION, settings, REAL_DISK)
    for begun in range(0, len(records), settings.batch_records_max):
        batch = records[begun : begun + settings.batch_records_max]
        clock.seq = int(batch["seq"][0])
        writer.write([batch.tobytes()])
    writer.close()


def write_rest(directory: Path, state: State, records: np.ndarray) -> str:
    """Go on with the journal, and return the state's hash that the restart must lead to."""
    write_journal(directory / "journal", records)
    for piece in read_committed(directory / "journal", state.seq + 1, after_hash=state.chain_hash):
        state.engine.apply(piece.records)
    return state.engine.state_hash()


def measure_parts(directory: Path) -> list[tuple[str, float]]:
    """The seconds of each part of a replay of everything, measured as it goes."""
    engine, replay = Engine(), Replay(MarketData())
    applying = showing = 0.0
    engine.expect(committed_seq(directory / "journal"))
    for piece in read_committed(directory / "journal", 1):
        read = time.perf_counter()
        events = engine.apply(piece.records)
        applied = time.perf_counter()
        replay.feed(events)
        applying, showing = applying + applied - read, showing + time.perf_counter() - applied
    applied = time.perf_counter()
    replay.finish()
    showing += time.perf_counter() - applied
    return [("engine", applying), ("market data", showing)]


if __name__ == "__main__":
    main()
