"""The synchronous half of the file journal: groups in, one durable batch out, or OSError.

Invariants: after a failed write nothing more is written to that segment; the same groups get the same numbers again,
with new times, in a new segment that begins at them and so supersedes what the old one may hold of them. The
watermark moves only after a sync.
"""

import contextlib
import threading
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from holdfast.commands import COMMAND_BYTES, command_dtype
from holdfast.journal.file_operations import FileOperations
from holdfast.journal.interface import Committed
from holdfast.journal.record_format import HEADER_BYTES, Chain, SegmentHeader, pack_segment_header, seal_batch
from holdfast.journal.recovery import Position, recover
from holdfast.journal.segments import PREPARING, Segment, segment_path
from holdfast.journal.watermark import Mark, Watermark

PREPARED_FROM_SHARE = 32  # Of a segment this part is used before the next is made, which takes half a second.


class ClockSource(Protocol):
    """What tells the time; `holdfast.clock.Clock`."""

    def now_ns(self) -> int: ...


class JournalSettings(NamedTuple):
    """The journal's sizes. The defaults are for a venue on one machine."""

    segment_bytes: int = 64 * 1024 * 1024
    batch_records_max: int = 4096
    pending_records_max: int = 262_144  # 48 MiB; appended and not yet taken back.
    retry_seconds_first: float = 0.05
    retry_seconds_max: float = 2.0
    prepares_ahead: bool = True  # False: make a segment when it is needed, without a thread (simulation).

    @classmethod
    def of_segments(cls, segment_bytes: int) -> "JournalSettings":
        """The defaults, with batches that fit into segments of this size."""
        room = (segment_bytes - 2 * HEADER_BYTES) // COMMAND_BYTES
        return cls(segment_bytes=segment_bytes, batch_records_max=min(cls().batch_records_max, room))


class BatchWriter:
    """Writes batches, one at a time, in one thread."""

    def __init__(
        self,
        directory: Path,
        clock: ClockSource,
        venue_id: bytes,
        rules_version: int,
        settings: JournalSettings,
        files: FileOperations,
    ) -> None:
        batch_bytes_max = HEADER_BYTES + settings.batch_records_max * COMMAND_BYTES
        assert settings.segment_bytes >= HEADER_BYTES + batch_bytes_max, "a batch fits into a segment"
        self.rules_version = rules_version
        self._directory = directory
        self._clock = clock
        self._venue_id = venue_id
        self._settings = settings
        self._files = files
        position: Position = recover(directory, files, venue_id)
        self.chain: Chain = position.chain
        self._segment = position.segment
        self._offset = position.offset
        self._byte_count = position.byte_count
        self._handle = files.open(position.segment.path, is_writable=True) if position.segment else -1
        self._watermark = Watermark(directory, files, is_writable=True)
        self._watermark.read()
        self._preparation = _Preparation(directory / PREPARING, settings.segment_bytes, files)
        if self._segment is None:
            self._begin_segment()

    def write(self, groups: list[bytes]) -> Committed:
        """Make one batch of whole groups durable. After OSError nothing of it counts; call again with the same ones."""
        batch, records, clock_ts_ns = self._stamp(groups)
        if self._handle == -1 or self._offset + len(batch) > self._byte_count:
            self._begin_segment()
        assert self._segment is not None
        chain = seal_batch(batch, self.chain, clock_ts_ns)
        try:
            self._files.write_durable(self._handle, batch, self._offset)
        except OSError:
            self._abandon_segment(self._segment)
            raise
        first_seq, self.chain = self.chain.next_seq, chain
        self._offset += len(batch)
        self._watermark.advance(Mark(chain.next_seq - 1, self._segment.number, self._offset, chain.chain_hash))
        if self._settings.prepares_ahead and PREPARED_FROM_SHARE * self._offset > self._byte_count:
            self._preparation.start()
        return Committed(first_seq, records, chain.chain_hash)

    def close(self) -> None:
        """Give the files back. What was written is durable already; the watermark becomes so."""
        self._preparation.join()
        if self._handle != -1:
            self._files.close(self._handle)
            self._handle = -1
        with contextlib.suppress(OSError):  # The mark on the disk is older then, and still true.
            self._watermark.flush()
        self._watermark.close()

    def _stamp(self, groups: list[bytes]) -> tuple[bytearray, npt.NDArray[np.void], int]:
        """A batch with room for its header, and its records with their numbers and times."""
        batch = bytearray(HEADER_BYTES)
        for group in groups:
            batch += group
        records = np.frombuffer(batch, dtype=command_dtype, offset=HEADER_BYTES)
        clock_ts_ns = self._clock.now_ns()
        first_ts_ns = max(self.chain.last_ts_ns + 1, clock_ts_ns)
        count = len(records)
        records["seq"] = np.arange(self.chain.next_seq, self.chain.next_seq + count)
        records["ts_ns"] = np.arange(first_ts_ns, first_ts_ns + count)
        records["clock_ts_ns"] = clock_ts_ns
        return batch, records, clock_ts_ns

    def _begin_segment(self) -> None:
        """Go on in a new file. When that fails, the current one stays as it is."""
        number = self._segment.number + 1 if self._segment else 1
        chain = self.chain
        header = SegmentHeader(
            self._venue_id,
            chain.chain_hash,
            number,
            chain.next_seq,
            self.rules_version,
            self._settings.segment_bytes,
            chain.last_ts_ns,
        )
        segment = Segment(number, chain.next_seq, segment_path(self._directory, number, chain.next_seq))
        handle = self._preparation.take()
        try:
            self._files.write_durable(handle, pack_segment_header(header), 0)
            self._files.rename(self._directory / PREPARING, segment.path)
            self._files.sync_directory(self._directory)
        except OSError:
            self._files.close(handle)
            raise
        if self._handle != -1:
            self._files.close(self._handle)
        self._segment, self._handle = segment, handle
        self._offset, self._byte_count = HEADER_BYTES, header.byte_count
        with contextlib.suppress(OSError):  # The kernel does it later; the mark on the disk is older until then.
            self._watermark.flush()

    def _abandon_segment(self, segment: Segment) -> None:
        """Write nothing more to it. One that holds nothing durable would only take room, so it goes."""
        self._files.close(self._handle)
        self._handle = -1
        if segment.first_seq == self.chain.next_seq:
            with contextlib.suppress(OSError):  # It is superseded all the same.
                self._files.remove(segment.path)


class _Preparation:
    """Makes the next segment's file of zeros, off the writer's path when it is started early enough."""

    def __init__(self, path: Path, byte_count: int, files: FileOperations) -> None:
        self._path = path
        self._byte_count = byte_count
        self._files = files
        self._thread: threading.Thread | None = None
        self._is_ready = False

    def start(self) -> None:
        """Begin in a thread, unless it was begun already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._try, name="journal-prepare", daemon=True)
            self._thread.start()

    def take(self) -> int:
        """A handle of the file, which is the caller's from now on. Waits for it or makes it; raises OSError."""
        self.join()
        self._thread = None
        if not self._is_ready:
            self._make()
        self._is_ready = False
        return self._files.open(self._path, is_writable=True)

    def join(self) -> None:
        """Wait until nothing runs."""
        if self._thread is not None:
            self._thread.join()

    def _try(self) -> None:
        with contextlib.suppress(OSError):  # Whoever takes it tries again, and meets the error there.
            self._make()

    def _make(self) -> None:
        try:
            self._files.create(self._path, self._byte_count)
        except OSError:
            with contextlib.suppress(OSError):  # The first error is the one to tell.
                self._files.remove(self._path)
            raise
        self._is_ready = True
