"""What several tests of the journal need: groups that can be told apart, a clock by hand, small sizes."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from holdfast.commands import COMMAND_BYTES, Command, encode
from holdfast.journal.batch_writer import BatchWriter, JournalSettings
from holdfast.journal.file_operations import REAL_DISK, FileOperations
from holdfast.journal.reader import JournalReader

VENUE_ID = bytes(range(16))
DIRECTORY = Path("/journal")  # On a simulated disk.
SMALL = JournalSettings(
    segment_bytes=2048,
    batch_records_max=6,
    pending_records_max=100,
    retry_seconds_first=0.001,
    retry_seconds_max=0.001,
    prepares_ahead=False,
)
PATIENCE_SECONDS = 30.0


class HandClock:
    """Tells what it is told."""

    def __init__(self, ts_ns: int = 1_000_000) -> None:
        self.ts_ns = ts_ns

    def now_ns(self) -> int:
        return self.ts_ns


class Bell:
    """`on_committed` for a test: lets it wait until something is so, without sleeping."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, PATIENCE_SECONDS)


def group(*names: str) -> bytes:
    """A group of records that carry these names."""
    return b"".join(encode(Command(kind=1, client_id=name.encode())) for name in names)


def new_writer(files: FileOperations, directory: Path = DIRECTORY, settings: JournalSettings = SMALL) -> BatchWriter:
    return BatchWriter(directory, HandClock(), VENUE_ID, 1, settings, files)


def read_names(files: FileOperations = REAL_DISK, directory: Path = DIRECTORY, from_seq: int = 1) -> list[str]:
    """The names of all committed records, whose numbers and times are checked on the way."""
    reader = JournalReader(directory, from_seq, files=files)
    names: list[str] = []
    last_ts_ns = 0
    try:
        while (committed := reader.read()) is not None:
            assert committed.first_seq == from_seq + len(names)
            for record in committed.records:
                assert record["seq"] == from_seq + len(names)
                assert record["ts_ns"] > last_ts_ns
                last_ts_ns = record["ts_ns"]
                names.append(record["client_id"].decode())
    finally:
        reader.close()
    return names


def names_in(groups: Iterable[bytes]) -> list[str]:
    joined = b"".join(groups)
    return [joined[start + 104 : start + 140].rstrip(b"\0").decode() for start in range(0, len(joined), COMMAND_BYTES)]
