"""The watermark: up to where the journal is known to be durable.

Two slots of 512 bytes, written in turn through a mapping after each sync; a slot that was being written when the
process died fails its checksum, and the other one, one batch older, counts. The kernel writes the page to the disk
when it likes: after a power cut the mark may be old, and is then still true.

    offset  size  field
         0     8  magic "HFWMARK1"
         8     4  CRC-32 of bytes 12..79
        12     4  zeros
        16     8  seq of the newest durable record; 0: none yet
        24     8  number of the segment that holds it; 0: none yet
        32     8  offset in that segment at which the next batch would begin
        40    32  chain hash after it
        72     8  zeros
"""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from holdfast.journal.file_operations import FileOperations
from holdfast.journal.interface import CorruptJournalError

NAME = "watermark"
MAGIC = b"HFWMARK1"
SLOT_BYTES = 512
FILE_BYTES = 2 * SLOT_BYTES
_slot = struct.Struct("<8sI4xqqq32s8x")
_CHECKED = 12


class Mark(NamedTuple):
    """What is durable."""

    seq: int
    segment_number: int
    offset: int
    chain_hash: bytes


class Watermark:
    """The mapped file. One writer; any number of readers in any process."""

    def __init__(self, directory: Path, files: FileOperations, *, is_writable: bool = False) -> None:
        self._path = directory / NAME
        try:
            self._mapped = files.map(self._path, is_writable=is_writable)
        except FileNotFoundError:
            raise CorruptJournalError(self._path, 0, "the watermark is missing") from None
        except ValueError:  # What mapping an empty file raises.
            raise CorruptJournalError(self._path, 0, "the watermark is empty") from None
        if len(self._mapped) < FILE_BYTES:
            self._mapped.close()
            raise CorruptJournalError(self._path, 0, "the watermark is cut off")
        self._slot = 0

    def read(self) -> Mark:
        """The newest mark. Raises CorruptJournalError when neither slot is whole."""
        for _ in range(3):  # A reader that sees one slot half written and was overtaken on the other looks again.
            marks = [(mark, i) for i in range(2) if (mark := self._read_slot(i)) is not None]
            if marks:
                newest, index = max(marks)
                self._slot = 1 - index  # The next one goes over the older one, or over the damaged one.
                return newest
        raise CorruptJournalError(self._path, 0, "the watermark is not whole")

    def advance(self, mark: Mark) -> None:
        """Everything up to this mark is durable."""
        packed = pack(mark)
        start = self._slot * SLOT_BYTES
        self._mapped[start : start + len(packed)] = packed
        self._slot ^= 1

    def flush(self) -> None:
        """Carry it to the disk now."""
        self._mapped.flush()

    def close(self) -> None:
        """Give the mapping back."""
        self._mapped.close()

    def _read_slot(self, index: int) -> Mark | None:
        data = self._mapped[index * SLOT_BYTES : index * SLOT_BYTES + _slot.size]
        magic, checksum, *fields = _slot.unpack(data)
        if magic != MAGIC or zlib.crc32(data[_CHECKED:]) != checksum:
            return None
        return Mark(*fields)


def create(directory: Path, files: FileOperations, mark: Mark) -> None:
    """Make the file, durable, both slots alike."""
    making = directory / (NAME + ".new")
    files.create(making, FILE_BYTES)
    handle = files.open(making, is_writable=True)
    try:
        files.write_durable(handle, pack(mark).ljust(SLOT_BYTES, b"\0") * 2, 0)
    finally:
        files.close(handle)
    files.rename(making, directory / NAME)
    files.sync_directory(directory)


def pack(mark: Mark) -> bytes:
    """The bytes of one slot."""
    packed = bytearray(_slot.pack(MAGIC, 0, *mark))
    packed[8:12] = zlib.crc32(packed[_CHECKED:]).to_bytes(4, "little")
    return bytes(packed)
