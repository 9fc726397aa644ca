"""The file journal: append on the event loop's thread, write and sync on one of its own.

replica (append) → pending → BATCH WRITER → committed → replica (take_committed)

The thread takes everything that arrived while it was writing as one batch, so batches grow with load and one sync
serves them all. Its own Python is a few calls per batch; hashing and writing run without Python's lock.

Invariants: the order of `append` is the order of numbers; a group is never split; nothing is reported committed before
its sync returned without an error.
"""

import errno
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from holdfast.commands import COMMAND_BYTES
from holdfast.journal.batch_writer import BatchWriter, ClockSource, JournalSettings
from holdfast.journal.file_operations import REAL_DISK, FileOperations
from holdfast.journal.interface import Committed, JournalStatus, JournalUnavailableError

CLOSED = "The journal is closed."
BROKEN = "The journal stopped because of a fault in the program."
QUEUE_FULL = "The journal's queue is full."
_REASONS = {
    errno.ENOSPC: "The journal's disk is full.",
    errno.EDQUOT: "The journal's share of the disk is used up.",
    errno.EROFS: "The journal's disk has become read-only.",
    errno.EIO: "The journal's disk fails to store data.",
}


class FileJournal:
    """A journal in segments on one disk. Opening it recovers what is there; see `holdfast.journal.recovery`.

    `on_committed` is called from the journal's thread after each durable batch and after each change of `status`.
    `soon(do)` runs `do` on the thread of `append` once it has nothing else in hand, like an event loop's `call_soon`:
    what is appended until then goes to the writer as one batch, and wakes it once. Without it each group goes at once.
    Raises JournalError when the files are damaged or too new, OSError when the disk refuses at once.
    """

    def __init__(
        self,
        directory: Path,
        clock: ClockSource,
        on_committed: Callable[[], None],
        *,
        venue_id: bytes,
        rules_version: int,
        settings: JournalSettings = JournalSettings(),  # noqa: B008 - immutable
        files: FileOperations = REAL_DISK,
        soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._settings = settings
        self._pending_records_max = settings.pending_records_max
        self._on_committed = on_committed
        self._writer = BatchWriter(directory, clock, venue_id, rules_version, settings, files)
        self._soon = soon or _at_once
        self._gathered: list[bytes] = []  # Appended in this turn of the loop.
        self._pending: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._held: bytes | None = None  # A group that did not fit into the last batch.
        self._committed: deque[Committed] = deque()
        self._next_seq = self._writer.chain.next_seq
        self._taken_seq = self._next_seq - 1
        self._committed_seq = self._next_seq - 1
        self._chain_hash = self._writer.chain.chain_hash
        self._refusal = ""
        self._closing = threading.Event()
        self._batches = self._bytes_written = self._failures = 0
        self._write_ns_last = self._write_ns_sum = self._write_ns_max = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, records: bytes) -> int:
        """See `Journal.append`. At most `batch_records_max` records in one group."""
        count = len(records) // COMMAND_BYTES
        assert 0 < count <= self._settings.batch_records_max
        assert count * COMMAND_BYTES == len(records)
        if self._refusal:
            raise JournalUnavailableError(self._refusal)
        first_seq = self._next_seq
        if first_seq + count - 1 - self._taken_seq > self._settings.pending_records_max:
            raise JournalUnavailableError(QUEUE_FULL)
        self._next_seq = first_seq + count
        self._gathered.append(records)
        if len(self._gathered) == 1:
            self._soon(self._hand_over)
        return first_seq

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        for group in gathered:
            self._pending.put(group)

    def take_committed(self) -> list[Committed]:
        """See `Journal.take_committed`."""
        taken = [self._committed.popleft() for _ in range(len(self._committed))]
        if taken:
            self._taken_seq = taken[-1].first_seq + len(taken[-1].records) - 1
        return taken

    @property
    def appended_seq(self) -> int:
        """The last number that was given."""
        return self._next_seq - 1

    @property
    def committed_seq(self) -> int:
        """Everything up to it is durable."""
        return self._committed_seq

    @property
    def refusal(self) -> str:
        """See `Journal.refusal`."""
        is_full = self._next_seq - 1 - self._taken_seq >= self._pending_records_max
        return self._refusal or (QUEUE_FULL if is_full else "")

    def status(self) -> JournalStatus:
        """See `Journal.status`."""
        reason = self.refusal
        return JournalStatus(
            is_accepting=not reason,
            reason=reason,
            next_seq=self._next_seq,
            committed_seq=self._committed_seq,
            pending_records=self._next_seq - 1 - self._taken_seq,
            batches=self._batches,
            bytes_written=self._bytes_written,
            write_ns_last=self._write_ns_last,
            write_ns_sum=self._write_ns_sum,
            write_ns_max=self._write_ns_max,
            failures=self._failures,
        )

    def close(self) -> None:
        """See `Journal.close`. What a failing disk did not take stays unwritten, and was never reported."""
        if self._closing.is_set():
            return
        self._refusal = CLOSED
        self._closing.set()
        self._hand_over()
        self._pending.put(None)
        self._thread.join()
        self._writer.close()

    def _run(self) -> None:
        try:
            while groups := self._next_groups():
                if not self._write(groups):
                    return
        finally:
            if not self._closing.is_set():  # An exception that is a bug; the hook for threads tells it.
                self._refusal = BROKEN
                self._on_committed()

    def _next_groups(self) -> list[bytes]:
        """Everything that is pending, at least one group and at most one batch; empty when there will be no more."""
        first = self._pending.get() if self._held is None else self._held
        self._held = None
        if first is None:
            return []
        groups = [first]
        room = self._settings.batch_records_max * COMMAND_BYTES - len(first)
        while not self._pending.empty():
            group = self._pending.get()
            if group is None:
                self._pending.put(None)  # Closing: nothing is appended behind it.
                break
            if len(group) > room:
                self._held = group
                break
            room -= len(group)
            groups.append(group)
        return groups

    def _write(self, groups: list[bytes]) -> bool:
        """Write until it succeeds. False: the journal was closed on a failing disk."""
        pause_seconds = self._settings.retry_seconds_first
        while True:
            started_ns = time.perf_counter_ns()
            try:
                committed = self._writer.write(groups)
            except OSError as error:
                self._fail(error)
                if self._closing.wait(pause_seconds):
                    return False
                pause_seconds = min(2 * pause_seconds, self._settings.retry_seconds_max)
                continue
            self._publish(committed, time.perf_counter_ns() - started_ns)
            return True

    def _fail(self, error: OSError) -> None:
        """Refuse from now on, until a write succeeds."""
        self._failures += 1
        if not self._closing.is_set():
            known = _REASONS.get(error.errno or 0)
            self._refusal = known or f"The journal cannot write: {os.strerror(error.errno or 0)}."
        self._on_committed()

    def _publish(self, committed: Committed, write_ns: int) -> None:
        self._committed.append(committed)
        count = len(committed.records)
        self._committed_seq = committed.first_seq + count - 1
        self._batches += 1
        self._bytes_written += count * COMMAND_BYTES
        self._write_ns_last = write_ns
        self._write_ns_sum += write_ns
        self._write_ns_max = max(self._write_ns_max, write_ns)
        if self._refusal and not self._closing.is_set():
            self._refusal = ""
        self._on_committed()


def _at_once(do: Callable[[], None]) -> None:
    do()
