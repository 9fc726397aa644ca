"""Segments: the journal's files in a directory, their headers, and walking through one.

A segment is `<number, 10 digits>-<first seq, 20 digits>.seg`. Numbers rise; a later segment supersedes what an older
one holds from the later one's first seq on, so what was half written when a disk failed is never read again.

Invariant: a file with such a name has a whole header, because it got the name only after the header was durable.
"""

import re
from pathlib import Path
from typing import NamedTuple

from holdfast.commands import COMMAND_BYTES
from holdfast.journal.file_operations import FileOperations
from holdfast.journal.interface import CorruptJournalError
from holdfast.journal.record_format import (
    HEADER_BYTES,
    NEED_MORE,
    Chain,
    SegmentHeader,
    unpack_segment_header,
    walk,
)

SUFFIX = ".seg"
PREPARING = "preparing"  # A file of zeros that is to become a segment; left over, it is removed at the next start.
WINDOW_BYTES = 4 * 1024 * 1024
_name = re.compile(r"(\d{10})-(\d{20})\.seg")


class Segment(NamedTuple):
    """One segment by its name."""

    number: int
    first_seq: int
    path: Path


def segment_path(directory: Path, number: int, first_seq: int) -> Path:
    """The file of a segment."""
    return directory / f"{number:010d}-{first_seq:020d}{SUFFIX}"


def list_segments(directory: Path, files: FileOperations) -> list[Segment]:
    """All segments, oldest first. Raises CorruptJournalError when a name is garbage or they contradict each other."""
    segments: list[Segment] = []
    for name in files.names(directory):
        if not name.endswith(SUFFIX):
            continue
        path = directory / name
        match = _name.fullmatch(name)
        if match is None:
            raise CorruptJournalError(path, 0, "this is not the name of a segment")
        segment = Segment(int(match[1]), int(match[2]), path)
        if segments and (segment.number == segments[-1].number or segment.first_seq < segments[-1].first_seq):
            raise CorruptJournalError(path, 0, f"it contradicts {segments[-1].path.name}")
        segments.append(segment)
    return segments


def read_header(segment: Segment, files: FileOperations) -> SegmentHeader:
    """The header of a segment, which agrees with its name."""
    handle = files.open(segment.path)
    try:
        data = bytearray(HEADER_BYTES)
        count = files.read_into(handle, memoryview(data), 0)
    finally:
        files.close(handle)
    header = unpack_segment_header(data[:count], segment.path)
    if (header.number, header.first_seq) != (segment.number, segment.first_seq):
        raise CorruptJournalError(segment.path, 0, "the segment's header and its name differ")
    return header


class SegmentWalk:
    """Walks through one segment from its first batch on, and can go on when there is more.

    `problem` says why the last `take` came to an end: empty when it has what was asked for.
    """

    def __init__(self, segment: Segment, files: FileOperations) -> None:
        self.segment = segment
        self.header = read_header(segment, files)
        self.chain = Chain(self.header.first_seq, self.header.chain_hash, self.header.last_ts_ns)
        self.offset = HEADER_BYTES
        self.problem = ""
        self._files = files
        self._handle = files.open(segment.path)
        self._buffer = bytearray(min(WINDOW_BYTES, max(self.header.byte_count, HEADER_BYTES)))
        self._window_offset = 0
        self._window_bytes = 0

    def take(self, seq_end: int, stop_offset: int, records_max: int) -> bytearray:
        """Whole batches until `seq_end` or `records_max` is reached, and from bytes before `stop_offset` only."""
        taken = bytearray()
        bytes_max = records_max * COMMAND_BYTES
        self.problem = ""
        while self.chain.next_seq < seq_end and len(taken) < bytes_max:
            self.problem = self._take_from_window(taken, seq_end, records_max - len(taken) // COMMAND_BYTES)
            if self.problem == NEED_MORE:
                if self.offset + HEADER_BYTES > stop_offset or not self._slide(stop_offset):
                    break
            elif self.problem:
                break
        return taken

    def close(self) -> None:
        """Give the file back."""
        self._files.close(self._handle)

    def _take_from_window(self, taken: bytearray, seq_end: int, records_max: int) -> str:
        with memoryview(self._buffer) as whole, whole[: self._window_bytes] as view:
            walked = walk(view, self.offset - self._window_offset, self.chain, seq_end, records_max)
            for piece in walked.pieces:
                taken += piece
        self.offset = self._window_offset + walked.offset
        self.chain = walked.chain
        return walked.problem

    def _slide(self, stop_offset: int) -> bool:
        """Read on from the current offset. False: that brings nothing new."""
        seen_end = self._window_offset + self._window_bytes
        if self._window_offset == self.offset and self._window_bytes == len(self._buffer):
            self._buffer = bytearray(2 * len(self._buffer))  # One batch is larger than the window.
        wanted = min(len(self._buffer), stop_offset - self.offset)
        with memoryview(self._buffer) as whole, whole[:wanted] as view:
            self._window_bytes = self._files.read_into(self._handle, view, self.offset)
        self._window_offset = self.offset
        return self._window_offset + self._window_bytes > seen_end
