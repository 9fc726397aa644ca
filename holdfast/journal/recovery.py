"""Recovery: where the writer goes on, after any way in which it ended.

Below the watermark everything was durable: damage there is refused. Above it may stand whole batches that nobody was
told of (the process died between the sync and the mark) and one torn one. Whole ones count from now on; they are
written again, because after a failed sync the kernel may show bytes that the disk does not have. What is torn is
overwritten with zeros. A whole batch *behind* damage means that the damage came later than its sync: refused, also
above the watermark, which may be old after a power cut.
"""

from pathlib import Path
from typing import NamedTuple

from holdfast.journal import watermark
from holdfast.journal.file_operations import FileOperations
from holdfast.journal.interface import CorruptJournalError
from holdfast.journal.record_format import (
    HEADER_BYTES,
    NO_HASH,
    Chain,
    find_whole_batch,
    genesis_hash,
)
from holdfast.journal.segments import PREPARING, Segment, SegmentWalk, list_segments, read_header
from holdfast.journal.watermark import Mark, Watermark

PIECE_BYTES = 1024 * 1024
RECORDS_MAX = 65_536
SEQ_END = 2**63 - 1


class Position(NamedTuple):
    """Where the writer goes on."""

    chain: Chain
    segment: Segment | None  # None: there is none yet.
    offset: int
    byte_count: int


def recover(directory: Path, files: FileOperations, venue_id: bytes) -> Position:
    """Make the journal whole again. Raises CorruptJournalError, NewerFormatError, or OSError when the disk refuses."""
    files.remove(directory / PREPARING)
    files.sync_directory(directory)  # The last process may have died between naming a segment and making that durable.
    segments = list_segments(directory, files)
    if watermark.NAME not in files.names(directory):
        if segments:
            raise CorruptJournalError(directory / watermark.NAME, 0, "the watermark is missing")
        watermark.create(directory, files, Mark(0, 0, 0, NO_HASH))
    mark_file = Watermark(directory, files, is_writable=True)
    try:
        mark = mark_file.read()
        if not segments:
            if mark.seq > 0:
                raise CorruptJournalError(directory, 0, f"all segments are missing, up to seq {mark.seq}")
            return Position(Chain(1, genesis_hash(venue_id), 0), None, 0, 0)
        _check_headers(segments, files, venue_id)
        return _recover_tail(segments, files, mark_file, mark)
    finally:
        mark_file.close()


def _check_headers(segments: list[Segment], files: FileOperations, venue_id: bytes) -> None:
    for segment in segments:
        if read_header(segment, files).venue_id != venue_id:
            raise CorruptJournalError(segment.path, 16, "it belongs to another venue")


def _recover_tail(segments: list[Segment], files: FileOperations, mark_file: Watermark, mark: Mark) -> Position:
    """Walk from the segment of the watermark to the end, and make durable what counts."""
    tail = [s for s in segments if s.number >= mark.segment_number]
    if not tail or mark.segment_number not in (0, tail[0].number):
        raise CorruptJournalError(segments[-1].path, 0, f"the segment that holds seq {mark.seq} is missing")
    chain: Chain | None = None
    newest = mark
    for segment, following in zip(tail, [*tail[1:], None], strict=True):
        walk = SegmentWalk(segment, files)
        try:
            if chain is not None and chain != walk.chain:
                raise CorruptJournalError(segment.path, 0, "it does not continue the segment before it")
            durable_offset = _pass_durable(walk, mark) if segment.number == mark.segment_number else HEADER_BYTES
            if following is not None:
                _pass_until(walk, following)
            else:
                _pass(walk, SEQ_END, walk.header.byte_count)
                _clear_rest(walk, files)
            _write_again(segment.path, files, durable_offset, walk.offset)
        finally:
            walk.close()
        chain = walk.chain
        if walk.offset > durable_offset:
            newest = Mark(chain.next_seq - 1, segment.number, walk.offset, chain.chain_hash)
    # Once, and carried to the disk before the next: so a torn slot of before and one torn now are never both there.
    mark_file.advance(newest)
    mark_file.flush()
    return Position(walk.chain, segment, walk.offset, walk.header.byte_count)


def _pass_durable(walk: SegmentWalk, mark: Mark) -> int:
    """Go to the watermark, and hold it against what is found; returns its offset."""
    _pass(walk, mark.seq + 1, mark.offset)
    if (walk.chain.next_seq, walk.offset, walk.chain.chain_hash) != (mark.seq + 1, mark.offset, mark.chain_hash):
        problem = walk.problem or "it is not what the watermark says"
        raise CorruptJournalError(walk.segment.path, walk.offset, f"{problem}, although seq {mark.seq} was durable")
    return mark.offset


def _pass_until(walk: SegmentWalk, following: Segment) -> None:
    """Go to where the next segment takes over."""
    _pass(walk, following.first_seq, walk.header.byte_count)
    if walk.chain.next_seq != following.first_seq:
        problem = f"{walk.problem}, although {following.path.name} goes on at seq {following.first_seq}"
        raise CorruptJournalError(walk.segment.path, walk.offset, problem)


def _pass(walk: SegmentWalk, seq_end: int, stop_offset: int) -> None:
    while walk.chain.next_seq < seq_end and walk.take(seq_end, stop_offset, RECORDS_MAX):
        pass


def _clear_rest(walk: SegmentWalk, files: FileOperations) -> None:
    """Put zeros behind the last batch that counts, and give the file its size again."""
    handle = files.open(walk.segment.path, is_writable=True)
    try:
        size = files.byte_count(handle)
        rest = bytearray(max(0, size - walk.offset))
        files.read_into(handle, memoryview(rest), walk.offset)
        whole_offset = find_whole_batch(rest, 0)
        if whole_offset != -1:
            problem = f"{walk.problem}, and a whole batch stands behind it at byte {walk.offset + whole_offset}"
            raise CorruptJournalError(walk.segment.path, walk.offset, problem)
        used = len(rest.rstrip(b"\0"))
        for start, end in ((walk.offset, walk.offset + used), (size, walk.header.byte_count)):
            for offset in range(start, end, PIECE_BYTES):
                files.write_durable(handle, bytes(min(PIECE_BYTES, end - offset)), offset)
    finally:
        files.close(handle)


def _write_again(path: Path, files: FileOperations, start: int, end: int) -> None:
    """Make bytes durable that may have been seen in the kernel's memory only."""
    if start == end:
        return
    handle = files.open(path, is_writable=True)
    try:
        for offset in range(start, end, PIECE_BYTES):
            piece = bytearray(min(PIECE_BYTES, end - offset))
            files.read_into(handle, memoryview(piece), offset)
            files.write_durable(handle, piece, offset)
    finally:
        files.close(handle)
