"""Journal bench: appends a second, latency of one append, and replay, beside the bare system calls on the same disk.

Run: python -m bench.journal [DIR]. DIR must lie on the disk in question; the working directory otherwise.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.machine import show
from holdfast.clock import Clock
from holdfast.commands import COMMAND_BYTES, Command, encode
from holdfast.journal.file_journal import FileJournal
from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.reader import read_committed
from holdfast.journal.record_format import HEADER_BYTES

SINGLE_COUNT = 3_000
STREAM_COUNT = 1_000_000
GROUP_RECORDS = 64  # What an event loop hands over in one round under load.
BATCH_BYTES = HEADER_BYTES + COMMAND_BYTES
RECORD = encode(Command(kind=1, client_id=b"bench"))


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=Path.cwd())
    with tempfile.TemporaryDirectory(prefix="bench-journal-", dir=parser.parse_args().directory) as made:
        measure(Path(made))


def measure(directory: Path) -> None:
    growing = times_us(bare(directory / "growing", 0), SINGLE_COUNT)
    ahead = times_us(bare(directory / "ahead", SINGLE_COUNT * BATCH_BYTES), SINGLE_COUNT)
    single = append_one_by_one(directory / "single")
    latencies = [
        ("write + fdatasync, growing file", *row(growing)),
        ("write + fdatasync, written ahead", *row(ahead)),
        ("journal, one append at a time", *row(single)),
    ]
    ratio = statistics.median(single) / statistics.median(growing)
    note = f"One append takes {ratio:.2f} x the bare write to a growing file (medians)."
    show("Journal: latency of one command", ("what", "p50 µs", "p99 µs", "a second"), latencies, [note])
    appends_per_second = append_a_stream(directory / "stream")
    replays_per_second = STREAM_COUNT / replay_seconds(directory / "stream")
    rates = [
        (f"append in groups of {GROUP_RECORDS}, durable", *rate(appends_per_second * COMMAND_BYTES)),
        ("replay: read, verify, hand over", *rate(replays_per_second * COMMAND_BYTES)),
        ("SHA-256 alone", *rate(sha256_bytes_per_second())),
    ]
    show("Journal: throughput", ("what", "commands/s", "GB/s"), rates)


def rate(bytes_per_second: float) -> tuple[str, str]:
    return f"{bytes_per_second / COMMAND_BYTES:,.0f}", f"{bytes_per_second / 1e9:.2f}"


def bare(path: Path, bytes_ahead: int) -> Callable[[], None]:
    """Write one batch's bytes and make them durable, in a growing file or in one of zeros."""
    if bytes_ahead:
        REAL_DISK.create(path, bytes_ahead)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    data = bytes(BATCH_BYTES)

    def write() -> None:
        os.write(handle, data)
        os.fdatasync(handle)

    return write


def times_us(act: Callable[[], None], count: int) -> list[float]:
    times: list[float] = []
    for _ in range(count):
        started_ns = time.perf_counter_ns()
        act()
        times.append((time.perf_counter_ns() - started_ns) / 1000)
    return times


def row(times: list[float]) -> tuple[str, str, str]:
    ordered = sorted(times)
    return (
        f"{statistics.median(ordered):.0f}",
        f"{ordered[len(ordered) * 99 // 100]:.0f}",
        f"{1e6 * len(ordered) / sum(ordered):,.0f}",
    )


def open_journal(directory: Path, on_committed: Callable[[], None]) -> FileJournal:
    directory.mkdir()
    return FileJournal(directory, Clock(), on_committed, venue_id=bytes(16), rules_version=1)


def append_one_by_one(directory: Path) -> list[float]:
    is_durable = threading.Event()
    journal = open_journal(directory, is_durable.set)

    def append() -> None:
        is_durable.clear()
        journal.append(RECORD)
        is_durable.wait()
        journal.take_committed()

    times = times_us(append, SINGLE_COUNT)
    journal.close()
    return times


def append_a_stream(directory: Path) -> float:
    """Commands a second that become durable, when they come faster than that."""
    changed = threading.Event()
    journal = open_journal(directory, changed.set)
    started = time.perf_counter()
    for _ in range(STREAM_COUNT // GROUP_RECORDS):
        while not journal.status().is_accepting:
            changed.wait()
            changed.clear()
            journal.take_committed()
        for _ in range(GROUP_RECORDS):
            journal.append(RECORD)
        journal.take_committed()
    journal.close()
    return STREAM_COUNT / (time.perf_counter() - started)


def replay_seconds(directory: Path) -> float:
    started = time.perf_counter()
    count = sum(len(piece.records) for piece in read_committed(directory, 1))
    assert count == STREAM_COUNT // GROUP_RECORDS * GROUP_RECORDS
    return time.perf_counter() - started


def sha256_bytes_per_second() -> float:
    data = bytes(64 * 1024 * 1024)
    started = time.perf_counter()
    hashlib.sha256(data).digest()
    return len(data) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
