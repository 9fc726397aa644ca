"""Every byte of a small journal and of a small snapshot is flipped, and every file is cut at every offset.

What was durable is then delivered exactly, or a clear error names the file; never a wrong record. Above the watermark,
where a torn write is normal, the last batch may be cut off instead.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from holdfast.journal import snapshots
from holdfast.journal.batch_writer import BatchWriter
from holdfast.journal.interface import CorruptJournalError, JournalError, NewerFormatError
from holdfast.journal.record_format import HEADER_BYTES, NO_HASH, Chain, seal_batch, walk
from holdfast.journal.segments import PREPARING, list_segments
from holdfast.journal.watermark import NAME, SLOT_BYTES, Mark, pack

from .helpers import DIRECTORY, SMALL, HandClock, group, new_writer, read_names
from .simulated_disk import SimulatedDisk, SimulatedFile

SETTINGS = SMALL._replace(segment_bytes=1536)
BATCHES = (("a",), ("b", "c"), ("d", "e"), ("f",), ("g",), ("h", "i"), ("j", "k", "l"))


def small_journal(prefix: str = "") -> SimulatedDisk:
    """Three segments, twelve records."""
    disk = SimulatedDisk()
    writer = new_writer(disk, settings=SETTINGS)
    for names in BATCHES:
        writer.write([group(*(prefix + name for name in names))])
    writer.close()
    assert len(list_segments(DIRECTORY, disk)) == 3
    return disk


def with_content(disk: SimulatedDisk, path: Path, content: bytes) -> SimulatedDisk:
    """The disk with one file changed; the other ones are copies."""
    other = SimulatedDisk()
    other.files = {name: SimulatedFile(bytes(file.cached)) for name, file in disk.files.items()}
    other.files[path] = SimulatedFile(content)
    return other


def damaged(disk: SimulatedDisk) -> Iterator[tuple[str, SimulatedDisk, Path, int]]:
    """The journal with each byte flipped, and with each file cut at each offset."""
    for path, file in disk.files.items():
        content = bytes(file.cached)
        for offset in range(len(content)):
            flipped = bytearray(content)
            flipped[offset] ^= 0x41
            yield f"{path.name} byte {offset} flipped", with_content(disk, path, bytes(flipped)), path, offset
            yield f"{path.name} cut at {offset}", with_content(disk, path, content[:offset]), path, offset


def with_watermark_before_last_batch(disk: SimulatedDisk) -> SimulatedDisk:
    """As after a power cut: the mark on the disk is older than what was made durable."""
    older = with_content(disk, DIRECTORY / "x", b"")
    del older.files[DIRECTORY / "x"]
    marks = older.files[DIRECTORY / NAME].cached
    newest = max(range(2), key=lambda i: int.from_bytes(marks[i * SLOT_BYTES + 16 :][:8], "little"))
    marks[newest * SLOT_BYTES : (newest + 1) * SLOT_BYTES] = bytes(SLOT_BYTES)
    return older


def test_a_reader_delivers_what_was_written_or_refuses() -> None:
    disk = small_journal()
    everything = read_names(disk)
    refused = 0
    for what, broken, path, offset in damaged(disk):
        try:
            found = read_names(broken)
        except JournalError as error:
            assert str(path.parent) in str(error), what
            refused += 1
            continue
        is_unused = offset >= len(disk.files[path].cached.rstrip(b"\0"))
        assert is_unused or path.name == NAME, what
        # A damaged slot of the watermark leaves the other one, which is one batch older.
        assert found == everything or (path.name == NAME and found == everything[: -len(BATCHES[-1])]), what
    assert refused > 2 * (len(everything) * 192)


def test_recovery_keeps_what_was_durable_or_refuses() -> None:
    disk = small_journal()
    everything = read_names(disk)
    for what, broken, _, _ in damaged(disk):
        try:
            writer = new_writer(broken, settings=SETTINGS)
            writer.write([group("new")])
            assert read_names(broken) == [*everything, "new"], what
        except JournalError:
            continue


def test_recovery_with_an_old_watermark_cuts_at_most_the_batch_above_it() -> None:
    disk = with_watermark_before_last_batch(small_journal())
    everything = [name for names in BATCHES for name in names]
    for what, broken, path, _ in damaged(disk):
        try:
            new_writer(broken, settings=SETTINGS).close()
            found = read_names(broken)
        except JournalError:
            continue
        assert found == everything or (path.name != NAME and found == everything[: -len(BATCHES[-1])]), what


def test_damage_below_the_watermark_is_named_by_file_and_offset() -> None:
    disk = small_journal()
    first = list_segments(DIRECTORY, disk)[0].path
    disk.files[first].cached[HEADER_BYTES + HEADER_BYTES + 10] ^= 1
    with pytest.raises(CorruptJournalError) as refused:
        read_names(disk)
    assert refused.value.path == first
    assert refused.value.offset == HEADER_BYTES
    assert f"{first}, byte {HEADER_BYTES}" in str(refused.value)


def test_damage_before_a_whole_batch_is_refused_also_above_an_old_watermark() -> None:
    disk = SimulatedDisk()
    writer = new_writer(disk)
    for name in "abc":
        writer.write([group(name)])
    disk.files[DIRECTORY / NAME].cached[:] = pack(Mark(0, 0, 0, NO_HASH)).ljust(SLOT_BYTES, b"\0") * 2
    segment = list_segments(DIRECTORY, disk)[0].path
    disk.files[segment].cached[HEADER_BYTES + HEADER_BYTES + 5] ^= 1
    with pytest.raises(CorruptJournalError, match="a whole batch stands behind it"):
        new_writer(disk)


def test_a_batch_of_another_history_is_refused() -> None:
    other = small_journal("x")
    for segment in list_segments(DIRECTORY, other):
        disk = small_journal()
        first_batch = slice(HEADER_BYTES, HEADER_BYTES + HEADER_BYTES + 192)
        disk.files[segment.path].cached[first_batch] = other.files[segment.path].cached[first_batch]
        with pytest.raises(CorruptJournalError):
            read_names(disk)


def test_a_segment_of_another_history_is_refused_also_above_an_old_watermark() -> None:
    other = small_journal("x")
    second = list_segments(DIRECTORY, other)[1].path
    disk = with_content(small_journal(), second, bytes(other.files[second].cached))
    with pytest.raises(CorruptJournalError):
        read_names(disk)
    disk.files[DIRECTORY / NAME].cached[:] = pack(Mark(0, 0, 0, NO_HASH)).ljust(SLOT_BYTES, b"\0") * 2
    with pytest.raises(CorruptJournalError, match="does not continue"):
        new_writer(disk)


def test_a_last_batch_that_was_changed_and_hashed_anew_is_not_what_the_watermark_says() -> None:
    journals = [SimulatedDisk(), SimulatedDisk()]
    for disk, last in zip(journals, ("b", "x"), strict=True):
        writer = new_writer(disk)
        writer.write([group("a")])
        writer.write([group(last)])
    segment = list_segments(DIRECTORY, journals[0])[0].path
    disk = with_content(journals[0], segment, bytes(journals[1].files[segment].cached))
    with pytest.raises(CorruptJournalError, match="not what the watermark says"):
        read_names(disk)
    with pytest.raises(CorruptJournalError, match="not what the watermark says"):
        new_writer(disk)


@pytest.mark.parametrize("first_seq", [1, 3, 4])
def test_a_batch_that_leaves_numbers_out_or_repeats_them_is_refused(first_seq: int) -> None:
    """Only a fault in the writer makes one; the reader does not trust it all the same."""
    before = Chain(3, bytes(32), 0)
    batch = bytearray(HEADER_BYTES) + group("a")
    seal_batch(batch, Chain(first_seq, bytes(32), 0), 0)
    walked = walk(memoryview(batch), 0, before, 100, 100)
    assert len(walked.pieces) == (first_seq == 3)


def test_what_a_killed_process_was_preparing_is_removed() -> None:
    disk = small_journal()
    disk.files[DIRECTORY / PREPARING] = SimulatedFile(b"half")
    new_writer(disk)
    assert DIRECTORY / PREPARING not in disk.files


def test_a_missing_segment_is_refused() -> None:
    for missing in range(3):
        disk = small_journal()
        del disk.files[list_segments(DIRECTORY, disk)[missing].path]
        with pytest.raises(JournalError):
            read_names(disk)


def test_a_file_that_is_no_segment_is_refused_by_name() -> None:
    disk = small_journal()
    disk.files[DIRECTORY / "garbage.seg"] = SimulatedFile(b"hello")
    with pytest.raises(CorruptJournalError, match=r"garbage\.seg"):
        new_writer(disk)


def test_a_segment_of_a_later_version_is_refused_in_one_sentence() -> None:
    disk = small_journal()
    content = disk.files[list_segments(DIRECTORY, disk)[0].path].cached
    content[12:16] = (9).to_bytes(4, "little")
    content[8:12] = zlib.crc32(content[12:HEADER_BYTES]).to_bytes(4, "little")
    with pytest.raises(NewerFormatError, match="later version of Holdfast"):
        new_writer(disk)


def test_a_journal_of_another_venue_is_refused() -> None:
    with pytest.raises(CorruptJournalError, match="another venue"):
        BatchWriter(DIRECTORY, HandClock(), b"y" * 16, 1, SETTINGS, small_journal())


def test_every_byte_of_a_snapshot_is_guarded(tmp_path: Path) -> None:
    arrays = {"orders": np.arange(5), "empty": np.empty(0, np.int64)}
    path = snapshots.write(tmp_path, 7, b"h" * 32, 1, arrays, {"directory": b"somebody"})
    content = path.read_bytes()
    harmless = 0
    for offset in range(len(content)):
        flipped = bytearray(content)
        flipped[offset] ^= 0x41
        for bad in (bytes(flipped), content[:offset]):
            path.write_bytes(bad)
            try:
                found = snapshots.load(path)
            except JournalError as error:
                assert str(path) in str(error)
                assert not snapshots.inspect(path, reads_all=True).is_valid
                continue
            assert content[offset] == 0, "only padding may change unnoticed"
            harmless += 1
            assert found.seq == 7
            assert found.arrays["orders"].tolist() == [0, 1, 2, 3, 4]
            assert found.documents == {"directory": b"somebody"}
    assert harmless < 256
