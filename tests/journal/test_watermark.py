"""The watermark is never lost: a slot that was half written leaves the other one, which is true and a batch older."""

import pytest

from holdfast.journal import watermark
from holdfast.journal.interface import CorruptJournalError
from holdfast.journal.record_format import NO_HASH, genesis_hash
from holdfast.journal.watermark import NAME, SLOT_BYTES, Mark, Watermark

from .helpers import DIRECTORY
from .simulated_disk import SimulatedDisk


def mark(seq: int) -> Mark:
    return Mark(seq, 1, 128 * seq, NO_HASH)


def opened(disk: SimulatedDisk) -> Watermark:
    return Watermark(DIRECTORY, disk, is_writable=True)


def tear_slot_of(disk: SimulatedDisk, seq: int) -> None:
    content = disk.files[DIRECTORY / NAME].cached
    for start in (0, SLOT_BYTES):
        if int.from_bytes(content[start + 16 : start + 24], "little") == seq:
            content[start + 20] ^= 0xFF
            return
    raise AssertionError("no slot has it")


def test_the_newest_mark_counts() -> None:
    disk = SimulatedDisk()
    watermark.create(DIRECTORY, disk, mark(0))
    marks = opened(disk)
    for seq in (1, 2, 3):
        marks.advance(mark(seq))
        assert opened(disk).read() == mark(seq)


def test_tearing_one_slot_after_another_never_loses_both() -> None:
    disk = SimulatedDisk()
    watermark.create(DIRECTORY, disk, mark(0))
    marks = opened(disk)
    marks.advance(mark(1))
    marks.advance(mark(2))
    for seq in (2, 3, 4):
        tear_slot_of(disk, seq)
        marks = opened(disk)
        assert marks.read() == mark(1)
        marks.advance(mark(seq + 1))


def test_a_watermark_of_which_nothing_is_whole_is_refused() -> None:
    disk = SimulatedDisk()
    watermark.create(DIRECTORY, disk, mark(7))
    tear_slot_of(disk, 7)
    assert opened(disk).read() == mark(7)
    tear_slot_of(disk, 7)
    with pytest.raises(CorruptJournalError, match="not whole"):
        opened(disk).read()


def test_two_venues_never_share_a_chain() -> None:
    assert genesis_hash(b"a" * 16) != genesis_hash(b"b" * 16)
