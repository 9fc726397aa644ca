"""Follower: in a joined gateway, what the writer is in the venue: it lets go of what the venue has written.

history: events → tail (memory) → FOLLOWER ⇠ cursor ⇠ the venue's file → queries

A joined gateway keeps the tail that its own engine made until the file's cursor has passed it. So it reads its own
writes whether or not the venue has written them yet. It never writes.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.accounts.queries import Queries
from holdfast.accounts.schema import HistoryError, HistoryUnavailableError
from holdfast.accounts.tail import Backlog
from holdfast.accounts.writer import PAUSE_S

CATCH_UP_S_MAX = 60.0
_LOOK_S = 0.05


class Follower:
    """Follows the file at `path` for a backlog; stands in for `writer.Writer`."""

    def __init__(self, path: Path, backlog: Backlog) -> None:
        self.failure = ""  # Why the last look failed; empty: it did not.
        self._path = path
        self._backlog = backlog
        self._queries = Queries(path, is_guest=True)  # Of its own: a connection serves one thread at a time.
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="history-follower", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is more in the tail, which can wait."""

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._queries.close()

    def write_waiting(self) -> bool:
        """Let go of what the file holds by now; True if nothing is left."""
        try:
            _, cursor_seq = self._queries.progress()
        except (sqlite3.Error, HistoryError) as error:
            self.failure = f"{self._path}: {error}"
            return False
        self.failure = ""
        while (tail := self._backlog.take()) is not None:
            if tail.last_seq > cursor_seq:
                return False
            self._backlog.written(tail)
        return True

    def catch_up(self, is_behind: Callable[[], bool]) -> None:
        """Block until it is not behind; for the replay at start. Raises HistoryUnavailableError when the venue does not
        write."""
        end_s = time.monotonic() + CATCH_UP_S_MAX
        while is_behind():
            if self._thread is None:
                self.write_waiting()
            if time.monotonic() > end_s:
                raise HistoryUnavailableError("The venue does not write its account history; its status says why.")
            time.sleep(_LOOK_S)

    def begin_after(self, seq: int) -> None:
        raise HistoryUnavailableError(f"The venue's account history does not reach up to seq {seq} yet; try again.")

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            self.write_waiting()
