"""The writer: a thread that hands the tail over to be written, one transaction at a time, and waits for each.

history: events → tail (memory) → WRITER → pieces → remote file → writer process → history file

The journal is the truth and the cursor tells where to go on, so a transaction is there whole or not at all and nothing
is written twice. When an attempt fails (disk full, file locked, disk error, the process killed) the tail stays in
memory, the failure is shown and logged, and the writer tries again with growing pauses; the lag's bound makes the venue
refuse new orders if that lasts.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Protocol

import structlog

from holdfast.accounts.pieces import Piece, pieces_of
from holdfast.accounts.schema import HistoryError, HistoryUnavailableError, open_for_writing
from holdfast.accounts.tail import Backlog

log = structlog.get_logger()

PAUSE_S = 0.2  # Between transactions: large ones touch each page once for many rows. Readers see the tail meanwhile.
RETRY_PAUSE_S_MIN = 0.1
RETRY_PAUSE_S_MAX = 5.0
STOP_SECONDS_MAX = 20.0  # What may wait at a stop is written in a third of it.


class WritableFile(Protocol):
    """The file, in this process or another; see `history_file.HistoryFile`."""

    def open(self) -> object: ...
    def write(self, after_seq: int, last_seq: int, pieces: Iterable[Piece]) -> None: ...
    def close(self) -> None: ...
    def give_up(self) -> None: ...


class Writer:
    """Writes a backlog into `file`, which is at `path`. `start` runs it in a thread; `write_waiting` is one round."""

    def __init__(self, path: Path, file: WritableFile, backlog: Backlog) -> None:
        self.failure = ""  # Why the last attempt failed; empty: it did not.
        self._path = path
        self._file = file
        self._backlog = backlog
        self._work = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="history-writer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to write."""
        if not self._work.is_set():
            self._work.set()

    def stop(self) -> None:
        """Write what waits, with a last attempt if writing fails just now, and close the file.

        After STOP_SECONDS_MAX nobody is waited for any more: the next start writes the rest, from the journal.
        """
        patience = threading.Timer(STOP_SECONDS_MAX, self._file.give_up)
        patience.daemon = True
        patience.start()
        self._stop.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join()
        while self._is_waiting and self.write_waiting():
            pass  # A tail that failed before, then what came after it.
        self._file.close()
        patience.cancel()

    def catch_up(self, is_behind: Callable[[], bool]) -> None:
        """Block until it is not behind; only for the replay at start, when there is no loop to hold up.

        Raises HistoryUnavailableError when writing fails, since a rebuild would fill the memory instead.
        """
        while is_behind():
            if self._thread is None:
                self.write_waiting()
            if self.failure:
                raise HistoryUnavailableError(f"The account history cannot be written: {self.failure}.")
            time.sleep(0.002)

    def write_waiting(self) -> bool:
        """Write the tail that waits, if any; True if nothing is left of it. On failure `failure` says why."""
        tail = self._backlog.take()
        if tail is None:
            return True
        try:
            self._file.write(self._backlog.cursor_seq, tail.last_seq, pieces_of(tail))
        except HistoryError as error:
            if str(error) != self.failure:
                log.error("the account history cannot be written", why=str(error))
            self.failure = str(error)
            return False
        self._backlog.written(tail)
        if self.failure:
            log.info("the account history is written again")
        self.failure = ""
        return True

    def begin_after(self, seq: int) -> None:
        """Say in an empty file that it begins after `seq`. Before anything is written."""
        with closing(open_for_writing(self._path)) as connection:
            connection.execute("UPDATE progress SET begin_seq = ?, cursor_seq = ? WHERE id = 1", (seq, seq))
        self._backlog.begin_after(seq)

    @property
    def _is_waiting(self) -> bool:
        return self._backlog.cursor_seq < self._backlog.seen_seq

    def _run(self) -> None:
        retry_pause_s = RETRY_PAUSE_S_MIN
        while not self._stop.is_set():
            self._work.wait()
            self._work.clear()
            if self.write_waiting():
                if self._is_waiting:  # What came while it failed, or was written.
                    self._work.set()
                retry_pause_s = RETRY_PAUSE_S_MIN
                self._stop.wait(PAUSE_S)
            else:
                self._work.set()
                self._stop.wait(retry_pause_s)
                retry_pause_s = min(2 * retry_pause_s, RETRY_PAUSE_S_MAX)
