"""What may go, what must stay, and a copy of a running venue that is a venue again."""

import sqlite3
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest

from holdfast.journal import retention, snapshots
from holdfast.journal.backup import backup, restore
from holdfast.journal.batch_writer import BatchWriter
from holdfast.journal.data_directory import DataDirectory, DataDirectoryError, read_venue_id
from holdfast.journal.file_journal import FileJournal
from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.interface import CorruptJournalError, JournalError
from holdfast.journal.reader import JournalReader
from holdfast.journal.retention import Removed, RetentionPolicy
from holdfast.journal.segments import list_segments

from .helpers import SMALL, Bell, HandClock, group, read_names

EVERYTHING_GOES = RetentionPolicy(bytes_max=1, snapshots_max=2)
NEVER = 2**62


def progress(_what: str, done: int, total: int) -> None:
    assert 0 <= done <= total


def snapshot_now(path: Path, writer: BatchWriter) -> None:
    chain = writer.chain
    snapshots.write(path / "snapshots", chain.next_seq - 1, chain.chain_hash, 1, {"a": np.arange(3)}, {})


@pytest.fixture
def venue(tmp_path: Path) -> Path:
    """40 records in segments of 5, each written at 100 ns; snapshots at 10, 20 and 30."""
    path = tmp_path / "venue"
    with DataDirectory.open(path) as directory:
        clock = HandClock(0)
        writer = BatchWriter(directory.journal, clock, directory.venue_id.bytes, 1, SMALL, REAL_DISK)
        for number in range(1, 41):
            clock.ts_ns += 100
            writer.write([group(f"n{number}")])
            if number in (10, 20, 30):
                snapshot_now(path, writer)
        writer.close()
    return path


def apply(venue: Path, policy: RetentionPolicy, reader_seq: int = NEVER, now_ns: int = 4_000) -> Removed:
    return retention.apply(venue / "journal", venue / "snapshots", policy, reader_seq, now_ns)


def first_kept(venue: Path) -> int:
    return list_segments(venue / "journal", REAL_DISK)[0].first_seq


def snapshot_seqs(venue: Path) -> list[int]:
    return [found.seq for found in snapshots.available(venue / "snapshots")]


def test_everything_is_kept_by_default(venue: Path) -> None:
    assert apply(venue, RetentionPolicy()) == Removed([], [])
    assert first_kept(venue) == 1


def test_nothing_after_the_second_newest_whole_snapshot_goes(venue: Path) -> None:
    removed = apply(venue, EVERYTHING_GOES)
    assert removed.segments
    assert snapshot_seqs(venue) == [30, 20]
    assert 20 - 6 < first_kept(venue) <= 21
    assert read_names(directory=venue / "journal", from_seq=21) == [f"n{number}" for number in range(21, 41)]
    with pytest.raises(JournalError, match=r"Seq 1 is not in the journal .* any more"):
        JournalReader(venue / "journal", 1)


def test_a_reader_that_was_left_behind_is_told_so(venue: Path) -> None:
    just_opened, reading = JournalReader(venue / "journal"), JournalReader(venue / "journal")
    assert reading.read(upto_seq=1) is not None
    apply(venue, EVERYTHING_GOES)
    for reader in (just_opened, reading):
        with pytest.raises(JournalError, match="any more"):
            while reader.read(1) is not None:
                pass
        reader.close()


def test_a_damaged_snapshot_does_not_count(venue: Path) -> None:
    damaged = venue / "snapshots" / f"{30:020d}.snapshot"
    content = bytearray(damaged.read_bytes())
    content[-64] ^= 1
    damaged.write_bytes(content)
    apply(venue, EVERYTHING_GOES)
    assert first_kept(venue) <= 11
    damaged = venue / "snapshots" / f"{20:020d}.snapshot"
    damaged.write_bytes(b"")
    assert apply(venue, EVERYTHING_GOES) == Removed([], [])


def test_nothing_that_a_reader_has_not_passed_goes(venue: Path) -> None:
    assert apply(venue, EVERYTHING_GOES, reader_seq=19) == Removed([], [])
    apply(venue, EVERYTHING_GOES, reader_seq=25)
    assert first_kept(venue) <= 11
    assert snapshot_seqs(venue) == [30, 20, 10]


def test_age_and_size_decide_how_much_goes(venue: Path) -> None:
    size = SMALL.segment_bytes
    count = len(list_segments(venue / "journal", REAL_DISK))
    apply(venue, RetentionPolicy(bytes_max=(count - 1) * size))
    assert len(list_segments(venue / "journal", REAL_DISK)) == count - 1
    apply(venue, RetentionPolicy(age_ns_max=2_900))
    assert 6 < first_kept(venue) <= 11  # Records older than 1,100 ns; a segment goes as a whole.


def test_a_backup_of_a_venue_can_be_restored_and_goes_on(venue: Path, tmp_path: Path) -> None:
    sqlite3.connect(venue / "people.sqlite").execute("create table person (name)").connection.close()
    (venue / "operator.token").write_text("secret")
    (venue / "demo-keys.json").write_text("secret")
    (venue / "history.sqlite").write_text("large")
    report = backup(venue, tmp_path / "backup", progress)
    assert (report.first_seq, report.last_seq, report.snapshot_seqs) == (1, 40, [30, 20])
    copied = {entry.name for entry in (tmp_path / "backup").iterdir()}
    assert copied == {"venue.json", "journal", "snapshots", "people.sqlite"}
    assert restore(tmp_path / "backup", tmp_path / "restored", progress) == report
    with DataDirectory.open(tmp_path / "restored") as directory:
        assert directory.venue_id == read_venue_id(venue)
        writer = BatchWriter(directory.journal, HandClock(), directory.venue_id.bytes, 1, SMALL, REAL_DISK)
        for number in range(41, 61):
            writer.write([group(f"n{number}")])
        writer.close()
        assert read_names(directory=directory.journal) == [f"n{number}" for number in range(1, 61)]
    assert read_names(directory=tmp_path / "backup" / "journal") == [f"n{number}" for number in range(1, 41)]


def test_a_backup_is_taken_while_commands_arrive_and_segments_go(venue: Path, tmp_path: Path) -> None:
    bell, is_done = Bell(), threading.Event()
    settings = SMALL._replace(prepares_ahead=True, pending_records_max=10)
    venue_id = read_venue_id(venue).bytes
    journal = FileJournal(venue / "journal", HandClock(), bell, venue_id=venue_id, rules_version=1, settings=settings)
    counts: list[int] = []

    def keep_appending() -> None:
        number = 40
        while not is_done.is_set():
            number += 1
            journal.append(group(f"n{number}"))
            bell.wait_until(lambda: bool(journal.take_committed()))
        counts.append(number)

    thread = threading.Thread(target=keep_appending)
    thread.start()
    try:
        reports = [backup(venue, tmp_path / "first", progress)]
        apply(venue, EVERYTHING_GOES)
        reports.append(backup(venue, tmp_path / "second", progress))
    finally:
        is_done.set()
        thread.join()
        journal.close()
    assert 40 <= reports[0].last_seq <= reports[1].last_seq <= counts[0]
    assert reports[0].first_seq == 1
    assert reports[1].first_seq > 1
    for report, name in zip(reports, ("first", "second"), strict=True):
        restore(tmp_path / name, tmp_path / f"{name} restored", progress)
        names = read_names(directory=tmp_path / f"{name} restored" / "journal", from_seq=report.first_seq)
        assert names == [f"n{number}" for number in range(report.first_seq, report.last_seq + 1)]


def test_a_damaged_backup_is_not_restored_and_leaves_nothing(venue: Path, tmp_path: Path) -> None:
    backup(venue, tmp_path / "backup", progress)
    segment = list_segments(tmp_path / "backup" / "journal", REAL_DISK)[2].path
    content = bytearray(segment.read_bytes())
    content[400] ^= 1
    segment.write_bytes(content)
    with pytest.raises(CorruptJournalError, match=segment.name):
        restore(tmp_path / "backup", tmp_path / "restored", progress)
    assert not (tmp_path / "restored").exists()


def test_a_copy_goes_only_into_a_new_or_empty_directory(venue: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter").write_text("keep")
    with pytest.raises(DataDirectoryError, match="not empty"):
        backup(venue, full, progress)
    assert (full / "letter").read_text() == "keep"
    with pytest.raises(DataDirectoryError, match="is not a data directory"):
        backup(full, tmp_path / "new", progress)
    assert not (tmp_path / "new").exists()


def test_a_running_venue_is_no_backup(venue: Path, tmp_path: Path) -> None:
    with DataDirectory.open(venue), pytest.raises(DataDirectoryError, match="is no backup"):
        restore(venue, tmp_path / "restored", progress)


def test_a_venue_that_has_no_command_yet_can_be_copied(tmp_path: Path) -> None:
    with DataDirectory.open(tmp_path / "venue") as directory:
        BatchWriter(directory.journal, HandClock(), directory.venue_id.bytes, 1, SMALL, REAL_DISK).close()
    report = backup(tmp_path / "venue", tmp_path / "backup", progress)
    assert (report.first_seq, report.last_seq) == (1, 0)
    assert isinstance(read_venue_id(tmp_path / "backup"), uuid.UUID)
