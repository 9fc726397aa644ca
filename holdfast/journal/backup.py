"""Backup of a running venue, and restoring it: the same copy, once with links to what does not change any more.

A backup is itself a data directory: journal up to the watermark, the newest two whole snapshots, the venue's id, and
the table of people, which no journal could bring back. It holds neither the history (it is rebuilt) nor an operator's
token nor demo keys; the master key lies elsewhere and needs a backup of its own.

Invariants: venue.json is written last, when the copy's chain has been read from end to end, so an unfinished copy is
not a data directory; after an error nothing of it is left. The source is only read.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from holdfast.journal import snapshots, watermark
from holdfast.journal.data_directory import (
    JOURNAL,
    SNAPSHOTS,
    DataDirectoryError,
    read_venue_id,
    running_venue,
    write_venue_id,
)
from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.interface import CorruptJournalError, JournalError
from holdfast.journal.reader import JournalReader, read_committed
from holdfast.journal.segments import Segment, list_segments
from holdfast.journal.watermark import Mark, Watermark

PEOPLE_FILE = "people.sqlite"
SNAPSHOTS_COPIED = 2
PIECE_BYTES = 4 * 1024 * 1024

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is: bytes copied, or commands checked."""


class CopyReport(NamedTuple):
    """What the copy holds."""

    first_seq: int  # Of the journal; 1 unless retention removed the beginning.
    last_seq: int
    chain_hash: bytes
    snapshot_seqs: list[int]


def backup(source: Path, target: Path, progress: Progress) -> CopyReport:
    """Copy a venue's directory, running or not, into a new or empty one.

    Closed segments and snapshots are linked where both lie on one disk. Raises DataDirectoryError, JournalError when
    the source is damaged, OSError.
    """
    return _copy(source, target, progress, may_link=True)


def restore(source: Path, target: Path, progress: Progress) -> CopyReport:
    """Make a data directory that a venue can run on from a backup; nothing in it is shared with the backup.

    Raises as `backup` does, and when a venue runs on the source.
    """
    running = running_venue(source)
    if running is not None:
        raise DataDirectoryError(f"A venue (process {running.pid}) is running on {source}, which is no backup then.")
    return _copy(source, target, progress, may_link=False)


def _copy(source: Path, target: Path, progress: Progress, *, may_link: bool) -> CopyReport:
    venue_id = read_venue_id(source)
    with _new_directory(target):
        # Snapshots first: the journal grows meanwhile, and so reaches all of them.
        copied = _copy_snapshots(source / SNAPSHOTS, target / SNAPSHOTS, progress, may_link)
        first_seq = _copy_journal(source / JOURNAL, target / JOURNAL, progress, may_link)
        _copy_people(source / PEOPLE_FILE, target / PEOPLE_FILE)
        report = _check(target, first_seq, copied, progress)
        write_venue_id(target, venue_id)
        REAL_DISK.sync_directory(target.parent)
    return report


@contextlib.contextmanager
def _new_directory(target: Path) -> Iterator[None]:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataDirectoryError(f"{target} exists and is not empty.")
    existed = target.exists()
    try:
        for path in (target, target / JOURNAL, target / SNAPSHOTS):
            path.mkdir(mode=0o700, parents=path == target, exist_ok=True)
        yield
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)  # The error on its way says more than one about this would.
        if existed:
            target.mkdir(mode=0o700, exist_ok=True)
        raise


def _copy_snapshots(source: Path, target: Path, progress: Progress, may_link: bool) -> list[Path]:
    copied: list[Path] = []
    for found in snapshots.available(source):
        if len(copied) == SNAPSHOTS_COPIED:
            break
        path = target / found.path.name
        _link_or_copy(found.path, path, may_link)
        if snapshots.inspect(path, reads_all=True).is_valid:
            copied.append(path)
            progress("snapshots", len(copied), SNAPSHOTS_COPIED)
        else:
            path.unlink()
    REAL_DISK.sync_directory(target)
    return copied


def _copy_journal(source: Path, target: Path, progress: Progress, may_link: bool) -> int:
    """Returns the first seq that the copy holds."""
    mark_file = Watermark(source, REAL_DISK)
    mark = mark_file.read()
    mark_file.close()
    segments = [s for s in list_segments(source, REAL_DISK) if s.number <= mark.segment_number]
    bytes_total = sum(_byte_count(segment, mark) for segment in segments)
    first_seq = mark.seq + 1
    bytes_done = 0
    for segment in reversed(segments):  # Newest first: retention may take the oldest ones away meanwhile.
        try:
            if segment.number < mark.segment_number:
                _link_or_copy(segment.path, target / segment.path.name, may_link)
            else:
                _copy_bytes(segment.path, target / segment.path.name, mark.offset)
        except FileNotFoundError:
            break
        bytes_done += _byte_count(segment, mark)
        first_seq = segment.first_seq
        progress("journal", bytes_done, bytes_total)
    watermark.create(target, REAL_DISK, mark)
    return first_seq


def _byte_count(segment: Segment, mark: Mark) -> int:
    if segment.number == mark.segment_number:
        return mark.offset
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return 0


def _copy_people(source: Path, target: Path) -> None:
    """SQLite's own copy, which is right while others write."""
    if not source.exists():
        return
    uri = f"{source.resolve().as_uri()}?mode=ro"
    with (
        contextlib.closing(sqlite3.connect(uri, uri=True)) as people,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        target.chmod(0o600)
        people.backup(copy)


def _check(target: Path, first_seq: int, copied: list[Path], progress: Progress) -> CopyReport:
    """Read the copy from end to end, and hold each snapshot against the journal."""
    reader = JournalReader(target / JOURNAL, first_seq)
    last_seq = reader.committed_seq()
    reader.close()
    chain_hash = b""
    for piece in read_committed(target / JOURNAL, first_seq):
        chain_hash = piece.chain_hash
        progress("check", int(piece.records[-1]["seq"]) - first_seq + 1, last_seq - first_seq + 1)
    seqs = []
    for path in copied:
        snapshot = snapshots.load(path)
        if snapshot.seq < first_seq - 1:
            raise JournalError(f"The journal begins at seq {first_seq}, after the snapshot {path.name}; try again.")
        JournalReader(target / JOURNAL, snapshot.seq + 1, after_hash=snapshot.chain_hash).close()
        seqs.append(snapshot.seq)
    if first_seq > 1 and not seqs:
        raise CorruptJournalError(target / JOURNAL, 0, f"it begins at seq {first_seq}, and no snapshot is whole")
    return CopyReport(first_seq, last_seq, chain_hash, seqs)


def _link_or_copy(source: Path, target: Path, may_link: bool) -> None:
    if may_link:
        with contextlib.suppress(OSError):  # Another disk, or one without links.
            target.hardlink_to(source)
            return
    _copy_bytes(source, target, source.stat().st_size)


def _copy_bytes(source: Path, target: Path, byte_count: int) -> None:
    """The first bytes of a file, durable."""
    with source.open("rb", buffering=0) as original:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as copy:
            left = byte_count
            while left > 0 and (piece := original.read(min(left, PIECE_BYTES))):
                copy.write(piece)
                left -= len(piece)
            copy.flush()
            os.fsync(copy.fileno())
