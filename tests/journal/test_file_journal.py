"""The file journal with its thread: order, batching, refusal at once, and going on when the disk does.

Waiting is for the journal's own signal, never for time to pass.
"""

import errno
import threading
from pathlib import Path

import pytest

from holdfast.errors import JournalUnavailableError
from holdfast.journal.batch_writer import JournalSettings
from holdfast.journal.file_journal import FileJournal
from holdfast.journal.file_operations import REAL_DISK, FileOperations
from holdfast.journal.reader import JournalReader, read_committed
from holdfast.journal.record_format import Bytes
from holdfast.journal.segments import list_segments

from .helpers import DIRECTORY, PATIENCE_SECONDS, SMALL, VENUE_ID, Bell, HandClock, group, read_names
from .simulated_disk import SimulatedDisk

THREADED = SMALL._replace(prepares_ahead=True)


class HeldDisk(FileOperations):
    """The real disk, whose writes of batches wait until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = threading.Event()
        self.may_write.set()
        self.is_waiting = threading.Event()

    def write_durable(self, handle: int, data: Bytes, offset: int) -> None:
        self.is_waiting.set()
        assert self.may_write.wait(PATIENCE_SECONDS)
        super().write_durable(handle, data, offset)


def open_journal(
    directory: Path,
    bell: Bell | None = None,
    files: FileOperations = REAL_DISK,
    settings: JournalSettings = THREADED,
    clock: HandClock | None = None,
) -> FileJournal:
    return FileJournal(
        directory,
        clock or HandClock(),
        bell or Bell(),
        venue_id=VENUE_ID,
        rules_version=1,
        settings=settings,
        files=files,
    )


def test_append_returns_the_number_that_the_record_gets(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert [journal.append(group("a", "b")), journal.append(group("c")), journal.append(group("d"))] == [1, 3, 4]
    journal.close()
    assert read_names(directory=tmp_path) == ["a", "b", "c", "d"]


def test_what_is_committed_is_taken_once_and_in_order(tmp_path: Path) -> None:
    bell = Bell()
    journal = open_journal(tmp_path, bell)
    taken: list[str] = []

    def take() -> bool:
        for committed in journal.take_committed():
            assert committed.first_seq == len(taken) + 1
            taken.extend(record["client_id"].decode() for record in committed.records)
        return len(taken) == 50

    for number in range(50):
        journal.append(group(f"n{number}"))
    bell.wait_until(take)
    journal.close()
    assert taken == [f"n{number}" for number in range(50)]
    assert journal.take_committed() == []
    assert read_names(directory=tmp_path) == taken


def test_what_arrives_during_a_write_becomes_one_batch_of_whole_groups(tmp_path: Path) -> None:
    disk, bell = HeldDisk(), Bell()
    journal = open_journal(tmp_path, bell, disk)
    disk.may_write.clear()
    disk.is_waiting.clear()
    journal.append(group("a"))
    assert disk.is_waiting.wait(PATIENCE_SECONDS)
    for names in (("b", "c"), ("d", "e", "f"), ("g", "h"), ("i",)):
        journal.append(group(*names))
    disk.may_write.set()
    bell.wait_until(lambda: journal.status().committed_seq == 9)
    assert [len(committed.records) for committed in journal.take_committed()] == [1, 5, 3]  # Six fit into a batch.
    journal.close()


def test_event_time_rises_by_at_least_one_also_when_the_clock_goes_back(tmp_path: Path) -> None:
    clock, bell = HandClock(5_000), Bell()
    journal = open_journal(tmp_path, bell, clock=clock)
    journal.append(group("a", "b"))
    bell.wait_until(lambda: journal.status().committed_seq == 2)
    clock.ts_ns = 1_000
    journal.append(group("c"))
    bell.wait_until(lambda: journal.status().committed_seq == 3)
    journal.close()
    journal = open_journal(tmp_path, bell, clock=clock)
    journal.append(group("d"))
    journal.close()
    records = [record for piece in read_committed(tmp_path, 1) for record in piece.records]
    assert [int(record["ts_ns"]) for record in records] == [5_000, 5_001, 5_002, 5_003]
    assert [int(record["clock_ts_ns"]) for record in records] == [5_000, 5_000, 1_000, 1_000]


def test_segments_rotate_and_one_journal_goes_on_over_restarts(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(60)]
    for start in range(0, 60, 20):
        journal = open_journal(tmp_path)
        for name in names[start : start + 20]:
            journal.append(group(name))
        journal.close()
    assert len(list_segments(tmp_path, REAL_DISK)) > 3
    assert read_names(directory=tmp_path) == names
    assert read_names(directory=tmp_path, from_seq=37) == names[36:]


def test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_drained(tmp_path: Path) -> None:
    disk, bell = HeldDisk(), Bell()
    journal = open_journal(tmp_path, bell, disk)
    disk.may_write.clear()
    for number in range(THREADED.pending_records_max):
        journal.append(group(f"n{number}"))
    assert not journal.status().is_accepting
    with pytest.raises(JournalUnavailableError, match="queue is full"):
        journal.append(group("refused"))
    disk.may_write.set()
    bell.wait_until(lambda: journal.status().committed_seq == THREADED.pending_records_max)
    with pytest.raises(JournalUnavailableError):
        journal.append(group("refused"))  # Written, and not yet taken back.
    journal.take_committed()
    assert journal.append(group("taken")) == THREADED.pending_records_max + 1
    journal.close()


def test_a_full_disk_refuses_with_the_reason_and_goes_on_when_there_is_room() -> None:
    disk, bell = SimulatedDisk(), Bell()
    journal = open_journal(DIRECTORY, bell, disk, SMALL)
    disk.byte_capacity = 2 * SMALL.segment_bytes
    names = [f"n{number}" for number in range(20)]
    for name in names:
        journal.append(group(name))
    bell.wait_until(lambda: not journal.status().is_accepting)
    with pytest.raises(JournalUnavailableError, match="disk is full") as refused:
        journal.append(group("refused"))
    assert refused.value.reason.endswith(".")
    told = journal.status().committed_seq
    assert read_names(disk) == names[:told]
    disk.byte_capacity = 2**62
    bell.wait_until(lambda: journal.status().committed_seq == len(names))
    assert journal.status().is_accepting
    assert journal.append(group("more")) == len(names) + 1
    journal.close()
    assert read_names(disk) == [*names, "more"]


@pytest.mark.parametrize(
    ("code", "reason"), [(errno.EIO, "fails to store"), (errno.EROFS, "read-only"), (errno.EMFILE, "cannot write")]
)
def test_a_failing_sync_acknowledges_nothing_and_never_writes_to_that_segment_again(code: int, reason: str) -> None:
    disk, bell = SimulatedDisk(3), Bell()
    journal = open_journal(DIRECTORY, bell, disk, SMALL)
    journal.append(group("a"))
    bell.wait_until(lambda: journal.status().committed_seq == 1)
    failed = list_segments(DIRECTORY, disk)[-1]
    disk.failure = code
    journal.append(group("b"))
    bell.wait_until(lambda: journal.status().failures > 3)
    assert reason in journal.status().reason
    assert journal.status().committed_seq == 1
    content = bytes(disk.files[failed.path].cached)
    disk.failure = 0
    bell.wait_until(lambda: journal.status().committed_seq == 2)
    journal.append(group("c"))
    journal.close()
    assert bytes(disk.files[failed.path].cached) == content
    assert list_segments(DIRECTORY, disk)[-1].first_seq == 2
    assert read_names(disk) == ["a", "b", "c"]


def test_closing_on_a_failing_disk_gives_up_and_reports_nothing() -> None:
    disk, bell = SimulatedDisk(3), Bell()
    journal = open_journal(DIRECTORY, bell, disk, SMALL)
    disk.failure = errno.EIO
    journal.append(group("never"))
    bell.wait_until(lambda: journal.status().failures > 0)
    journal.close()
    assert journal.take_committed() == []
    with pytest.raises(JournalUnavailableError, match="closed"):
        journal.append(group("refused"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_the_program_stops_the_journal_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    journal = open_journal(tmp_path, bell)

    def fail(_: list[bytes]) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(journal._writer, "write", fail)
    journal.append(group("a"))
    bell.wait_until(lambda: not journal.status().is_accepting)
    with pytest.raises(JournalUnavailableError, match="fault in the program"):
        journal.append(group("b"))
    assert journal.take_committed() == []
    journal.close()


def test_a_file_system_without_synchronous_writes_is_served_too(tmp_path: Path) -> None:
    disk = FileOperations()
    disk._has_dsync = False
    journal = open_journal(tmp_path, files=disk)
    journal.append(group("a"))
    journal.close()
    assert read_names(directory=tmp_path) == ["a"]


def test_a_follower_sees_each_record_once_while_the_journal_is_written(tmp_path: Path) -> None:
    bell = Bell()
    journal = open_journal(tmp_path, bell)
    reader = JournalReader(tmp_path)
    seen: list[int] = []

    def follow() -> bool:
        journal.take_committed()
        while (committed := reader.read()) is not None:
            seen.extend(int(seq) for seq in committed.records["seq"])
        return len(seen) == 90

    assert not follow()
    for number in range(90):
        journal.append(group(f"n{number}"))
    bell.wait_until(follow)
    assert seen == list(range(1, 91))
    reader.close()
    journal.close()


def test_pieces_are_combined_and_end_where_asked(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for number in range(30):
        journal.append(group(f"n{number}"))
    journal.close()
    [everything] = read_committed(tmp_path, 1)
    assert len(everything.records) == 30
    assert everything.records.flags.writeable
    reader = JournalReader(tmp_path)
    first = reader.read(upto_seq=11)
    assert first is not None
    middle = len(first.records) + 1
    reader.close()
    assert 11 < middle <= 11 + THREADED.batch_records_max
    [rest] = read_committed(tmp_path, middle, after_hash=first.chain_hash)
    assert rest.first_seq == middle
    assert rest.chain_hash == everything.chain_hash
    assert list(read_committed(tmp_path, 31, after_hash=everything.chain_hash)) == []


def test_a_snapshot_of_another_history_is_noticed_before_anything_is_read(tmp_path: Path) -> None:
    from holdfast.journal.interface import JournalError

    journal = open_journal(tmp_path)
    for name in "abc":
        journal.append(group(name))
    journal.close()
    for from_seq in (2, 4, 9):
        with pytest.raises(JournalError, match="does not continue"):
            read_committed(tmp_path, from_seq, after_hash=b"x" * 32)


def test_an_abandoned_iterator_leaves_no_thread(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(group("a"))
    journal.close()
    before = threading.active_count()
    for _ in range(3):
        pieces = read_committed(tmp_path, 1)
        next(pieces)
        pieces.close()
        read_committed(tmp_path, 1).close()
    assert threading.active_count() == before
