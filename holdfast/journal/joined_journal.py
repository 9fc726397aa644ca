"""The journal as a joined gateway sees it: read from its files, appended to through the venue's process.

replica (append) → writer link ──▶ venue → files ──▶ JOINED JOURNAL (take_committed) → replica

The files are the truth: what is told over the socket is only that there is more to read. So nothing is missed while the
venue is away, and what it made durable before it was killed is found whether or not it could still tell.

Invariant: it never writes to the data directory.
"""

import time
from collections.abc import Callable
from pathlib import Path

from holdfast.errors import JournalUnavailableError
from holdfast.journal.interface import Committed, JournalStatus
from holdfast.journal.reader import RECORDS_MAX, JournalReader
from holdfast.journal.writer_link import AWAY, WriterLink

BEHIND_NS_MAX = 1_000_000_000
MOMENT_SECONDS = 0.1
CATCHING_UP = "This gateway is catching up with the journal; new orders are taken again when it has."
CLOSED = "This gateway is stopping; new orders are not taken any more."


class JoinedJournal:
    """Follows the files from `from_seq` on, which continues what has `after_hash`. Raises JournalError.

    `on_more` is called when one `take_committed` has left something to read; `soon` calls it, like an event loop's
    `call_soon`, so that a gateway far behind stays answerable.
    """

    def __init__(
        self,
        directory: Path,
        from_seq: int,
        after_hash: bytes,
        link: WriterLink,
        on_more: Callable[[], None],
        soon: Callable[[Callable[[], None]], object],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = JournalReader(directory, from_seq, after_hash=after_hash)
        self._link = link
        self._on_more = on_more
        self._soon = soon
        self._durable = self._unread = (from_seq - 1, 0)  # Seq and clock: the newest told, and the oldest not yet read.
        self._monotonic_s = monotonic_s
        self._drained_s = monotonic_s()  # When there was nothing left to read.
        self._is_closed = False
        self._pieces = 0

    def append(self, records: bytes) -> int:
        """Send one group to the venue. The seq shows when it is read: 0. See `Journal.append`."""
        if self._is_closed or not self._link.is_open:
            raise JournalUnavailableError(CLOSED if self._is_closed else AWAY)
        self._link.send(records)
        return 0

    def take_committed(self) -> list[Committed]:
        """See `Journal.take_committed`: one piece at a time. Raises JournalError."""
        if self._is_closed:
            return []
        piece = self._reader.read(RECORDS_MAX)
        has_more = piece is not None and len(piece.records) >= RECORDS_MAX
        if has_more:
            self._soon(self._on_more)
        else:
            self._drained_s = self._monotonic_s()
        if piece is None:
            return []
        self._pieces += 1
        if self._unread[0] < self._reader.next_seq:
            self._unread = self._durable
        return [piece]

    def on_durable(self, seq: int, clock_ns: int) -> None:
        """The venue said so at its time `clock_ns`."""
        self._durable = (seq, clock_ns)
        if self._unread[0] < self._reader.next_seq:
            self._unread = self._durable

    @property
    def is_current(self) -> bool:
        """Whether all was handed out that was durable a moment ago; also right when this process was held itself."""
        is_recent = self._monotonic_s() - self._drained_s < MOMENT_SECONDS
        return is_recent or self._reader.committed_seq() == self.read_seq

    @property
    def read_seq(self) -> int:
        """Everything up to it was handed out."""
        return self._reader.next_seq - 1

    def behind(self) -> tuple[int, int]:
        """How many durable commands were not handed out yet, and for how many ns the first of them has been known."""
        missing = self._reader.committed_seq() - self.read_seq
        return missing, self._behind_ns() if missing > 0 else 0

    def _behind_ns(self) -> int:
        seq, clock_ns = self._unread
        return max(0, self._link.venue_now_ns() - clock_ns) if seq > self.read_seq else 0

    @property
    def refusal(self) -> str:
        """See `Journal.refusal`."""
        if self._is_closed:
            return CLOSED
        return self._link.refusal or (CATCHING_UP if self._behind_ns() > BEHIND_NS_MAX else "")

    def status(self) -> JournalStatus:
        """See `Journal.status`; what only the writer knows is 0."""
        reason = self.refusal
        committed_seq = self._reader.committed_seq()
        return JournalStatus(
            is_accepting=not reason,
            reason=reason,
            next_seq=committed_seq + 1,
            committed_seq=committed_seq,
            pending_records=committed_seq - self.read_seq,
            batches=self._pieces,
            bytes_written=0,
            write_ns_last=0,
            write_ns_sum=0,
            write_ns_max=0,
            failures=0,
        )

    def close(self) -> None:
        """Give the files back."""
        if not self._is_closed:
            self._is_closed = True
            self._reader.close()
