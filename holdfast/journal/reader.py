"""Reading what is committed: for recovery, verification, and replicas in other processes.

journal's files → READER → replica

It reads up to the watermark and never beyond; all of that must be whole, continue the chain, and have no gap, or
CorruptJournalError names the file and the offset. A reader may lag as long as it likes: what is below the watermark
never changes. It only goes away by retention.
"""

import queue
import threading
from collections.abc import Generator
from pathlib import Path

import numpy as np

from holdfast.commands import COMMAND_BYTES, command_dtype
from holdfast.journal.file_operations import REAL_DISK, FileOperations
from holdfast.journal.interface import Committed, CorruptJournalError, JournalError, JournalGoneError
from holdfast.journal.segments import Segment, SegmentWalk, list_segments
from holdfast.journal.watermark import Mark, Watermark

RECORDS_MAX = 16_384  # A few MB: with the events that come of them, they stay near the processor.
PREFETCHED_MAX = 3


def read_committed(
    directory: Path,
    from_seq: int,
    *,
    after_hash: bytes = b"",
    upto_seq: int | None = None,
    files: FileOperations = REAL_DISK,
) -> Generator[Committed, None, None]:
    """Everything from `from_seq` up to the watermark as it is at the call, in pieces of about RECORDS_MAX records.

    `upto_seq`: stop at the end of the batch that holds it.
    `after_hash`: the chain hash that must stand after `from_seq - 1`, as a snapshot holds it. Reading and hashing run
    in a thread ahead of the consumer. Raises JournalError, here or while it is consumed.
    """
    reader = JournalReader(directory, from_seq, after_hash=after_hash, files=files)
    last_seq = reader.committed_seq()
    pieces = _prefetched(reader, last_seq if upto_seq is None else min(last_seq, upto_seq))
    next(pieces)  # From here on, closing or dropping the generator closes the reader, also when nothing was read.
    return pieces


def committed_seq(directory: Path, files: FileOperations = REAL_DISK) -> int:
    """The newest durable record. Raises JournalError."""
    watermark = Watermark(directory, files)
    try:
        return watermark.read().seq
    finally:
        watermark.close()


class JournalReader:
    """Follows a journal, also one that another process writes: `read` until it returns None, and again later."""

    def __init__(
        self, directory: Path, from_seq: int = 1, *, after_hash: bytes = b"", files: FileOperations = REAL_DISK
    ) -> None:
        assert from_seq >= 1
        self.next_seq = from_seq
        self._directory = directory
        self._files = files
        self._watermark = Watermark(directory, files)
        self._walk: SegmentWalk | None = None
        self._following: Segment | None = None  # The segment after the one that is walked through, once it is known.
        self._left = bytearray()  # Records of the batch in which `from_seq` stands, from it on.
        try:
            self._start(after_hash)
        except BaseException:
            self.close()
            raise

    def committed_seq(self) -> int:
        """The newest durable record now; what `read` can reach."""
        return self._watermark.read().seq

    def read(self, records_max: int = RECORDS_MAX, upto_seq: int | None = None) -> Committed | None:
        """The next records, about `records_max` at most and until the batch that holds `upto_seq`; None: nothing yet.

        Batches stay whole. Raises JournalError.
        """
        mark = self._watermark.read()
        seq_end = 1 + (mark.seq if upto_seq is None else min(mark.seq, upto_seq))
        if self._walk is None and self.next_seq < seq_end:
            self._open(mark)
        records, self._left = self._left, bytearray()
        walk = self._walk
        while walk and walk.chain.next_seq < seq_end and len(records) < records_max * COMMAND_BYTES:
            taken = self._take(walk, mark, seq_end, records_max - len(records) // COMMAND_BYTES)
            records = records + taken if records else taken
            walk = self._walk
        if walk is None or not records:
            return None
        first_seq, self.next_seq = self.next_seq, walk.chain.next_seq
        return Committed(first_seq, np.frombuffer(records, dtype=command_dtype), walk.chain.chain_hash)

    def close(self) -> None:
        """Give the files back."""
        if self._walk is not None:
            self._walk.close()
            self._walk = None
        self._watermark.close()

    def _start(self, after_hash: bytes) -> None:
        """Find the place at once, and check that what was read before, up to a snapshot, is this journal."""
        mark = self._watermark.read()
        found = mark.chain_hash if self.next_seq == mark.seq + 1 else b""
        if self.next_seq <= mark.seq:
            self._open(mark)
            assert self._walk is not None
            found = b"" if self._left else self._walk.chain.chain_hash
        if after_hash and found != after_hash:
            raise JournalError(
                f"The journal in {self._directory}, which ends at seq {mark.seq},"
                f" does not continue what was read up to seq {self.next_seq - 1}."
            )

    def _open(self, mark: Mark) -> None:
        """Go to the segment that holds `next_seq`, and in it to that record."""
        segments = self._listed(mark)
        if not segments or segments[0].first_seq > self.next_seq:
            raise self._gone()
        walk = self._walk = self._walk_through([s for s in segments if s.first_seq <= self.next_seq][-1])
        while walk.chain.next_seq < self.next_seq:
            passed = walk.take(self.next_seq, self._stop_offset(walk, mark), RECORDS_MAX)
            if not passed:
                raise _damage(walk)
            over = walk.chain.next_seq - self.next_seq
            self._left = passed[len(passed) - max(0, over) * COMMAND_BYTES :]

    def _take(self, walk: SegmentWalk, mark: Mark, seq_end: int, records_max: int) -> bytearray:
        """Records of this segment; none when it is done with, and then the next one is open."""
        is_newest = walk.segment.number == mark.segment_number
        if self._following is None and not is_newest:
            self._following = self._find_following(walk.segment, mark)
        following = self._following
        if following:
            seq_end = min(seq_end, following.first_seq)
            if walk.chain.next_seq >= following.first_seq:
                self._enter(following, walk)
                return bytearray()
        taken = walk.take(seq_end, self._stop_offset(walk, mark), records_max)
        if not taken:
            raise _damage(walk)
        if is_newest and walk.chain.next_seq > mark.seq and walk.chain.chain_hash != mark.chain_hash:
            raise CorruptJournalError(walk.segment.path, walk.offset, "it is not what the watermark says")
        return taken

    def _stop_offset(self, walk: SegmentWalk, mark: Mark) -> int:
        return mark.offset if walk.segment.number == mark.segment_number else walk.header.byte_count

    def _listed(self, mark: Mark) -> list[Segment]:
        """The segments that the watermark has reached; a later one is just being begun."""
        return [s for s in list_segments(self._directory, self._files) if s.number <= mark.segment_number]

    def _find_following(self, segment: Segment, mark: Mark) -> Segment:
        listed = self._listed(mark)
        if segment not in listed:  # It was removed while it was read, and so may be what comes after it.
            raise self._gone()
        later = [s for s in listed if s.number > segment.number]
        if not later or later[-1].number != mark.segment_number:
            raise CorruptJournalError(segment.path, 0, "a segment after it is missing")
        return later[0]

    def _walk_through(self, segment: Segment) -> SegmentWalk:
        try:
            return SegmentWalk(segment, self._files)
        except FileNotFoundError:
            raise self._gone() from None

    def _gone(self) -> JournalGoneError:
        return JournalGoneError(f"Seq {self.next_seq} is not in the journal in {self._directory} any more.")

    def _enter(self, following: Segment, done: SegmentWalk) -> None:
        self._walk = self._walk_through(following)
        self._following = None
        done.close()
        if self._walk.chain != done.chain:
            raise CorruptJournalError(following.path, 0, f"it does not continue {done.segment.path.name}")


def _damage(walk: SegmentWalk) -> CorruptJournalError:
    problem = f"{walk.problem}, although seq {walk.chain.next_seq} was durable"
    return CorruptJournalError(walk.segment.path, walk.offset, problem)


def _prefetched(reader: JournalReader, last_seq: int) -> Generator[Committed, None, None]:
    """A first piece of nothing, then what the reader has."""
    try:
        yield Committed(0, np.empty(0, command_dtype))
        if reader.next_seq <= last_seq:
            yield from _read_ahead(reader, last_seq)
    finally:
        reader.close()


def _read_ahead(reader: JournalReader, last_seq: int) -> Generator[Committed, None, None]:
    """Read in a thread, at most a few pieces ahead."""
    found: queue.SimpleQueue[Committed | BaseException | None] = queue.SimpleQueue()
    room = threading.Semaphore(PREFETCHED_MAX)
    is_wanted = True

    def run() -> None:
        try:
            while room.acquire() and is_wanted and reader.next_seq <= last_seq:
                found.put(reader.read(upto_seq=last_seq))
            found.put(None)
        except BaseException as error:  # Whatever it is, it is raised where the records are consumed.
            found.put(error)

    thread = threading.Thread(target=run, name="journal-read-ahead", daemon=True)
    thread.start()
    try:
        while (piece := found.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
            room.release()
    finally:
        is_wanted = False
        room.release()
        thread.join()
