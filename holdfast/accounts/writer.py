"""The writer: a thread that writes the tail into the file, one transaction at a time, with the cursor in it.

history: events → tail (memory) → WRITER → schema → queries

The journal is the truth and the cursor tells where to go on, so a transaction is there whole or not at all and nothing
is written twice. When an attempt fails (disk full, file locked, disk error) the tail stays in memory, the failure is
shown, and the writer tries again with growing pauses; the lag's bound makes the venue refuse new orders if that lasts.

Rows go in by 128 a statement, from columns, and become Python's objects only then: `executemany` gives Python's lock up
and takes it again for every row, and beside a busy loop thread each of those is a wait. A multi-row INSERT is one such
wait, and holds the lock for less than 1 µs a row.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np

from holdfast.accounts.movements import ControlAction, Deposit, Movement, Transfer, WithdrawalStep
from holdfast.accounts.schema import TABLES, HistoryError, HistoryUnavailableError, open_for_writing
from holdfast.accounts.tail import CLOSINGS, FILLS, Backlog, Tail
from holdfast.views import Amendment, OrderList, PreventedMatch, Withdrawal

ROWS_PER_STATEMENT = 128
PAUSE_S = 0.2  # Between transactions: large ones touch each page once for many rows. Readers see the tail meanwhile.
RETRY_PAUSE_S_MIN = 0.1
RETRY_PAUSE_S_MAX = 5.0

_table_of: dict[type, str] = {
    Amendment: "amendments",
    PreventedMatch: "prevented_matches",
    OrderList: "order_lists",
    Deposit: "deposits",
    Transfer: "transfers",
    Withdrawal: "withdrawals",
    WithdrawalStep: "withdrawal_steps",
    ControlAction: "control_actions",
}

# The event's fields that columns are filled from, where they have other names.
_FIELDS = {
    "orders": {"updated_ts_ns": "ts_ns", "updated_seq": "seq", "expiry_reason": "reason"},
    "fills": {"price_ticks": "last_price_ticks", "lots": "last_lots", "quote_units": "last_quote_units"},
}
_CLIENT_ID = "client_id"


class Writer:
    """Writes a backlog into the file at `path`. `start` runs it in a thread; `write_waiting` is one round of it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, backlog: Backlog) -> None:
        self.failure = ""  # Why the last attempt failed; empty: it did not.
        self._path = path
        self._connection: sqlite3.Connection | None = connection
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
        """Write what waits, with a last attempt if writing fails just now, and close the file."""
        self._stop.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join()
        self.write_waiting()
        self._disconnect()

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
            self._write(tail)
        except (sqlite3.Error, HistoryError) as error:
            self.failure = f"{self._path}: {error}"
            self._disconnect()
            return False
        self._backlog.written(tail)
        self.failure = ""
        return True

    def begin_after(self, seq: int) -> None:
        """Say in an empty file that it begins after `seq`. Before anything is written."""
        assert self._connection is not None
        self._connection.execute("UPDATE progress SET begin_seq = ?, cursor_seq = ? WHERE id = 1", (seq, seq))
        self._backlog.begin_after(seq)

    def _run(self) -> None:
        retry_pause_s = RETRY_PAUSE_S_MIN
        while not self._stop.is_set():
            self._work.wait()
            self._work.clear()
            if self.write_waiting():
                retry_pause_s = RETRY_PAUSE_S_MIN
                self._stop.wait(PAUSE_S)
            else:
                self._work.set()
                self._stop.wait(retry_pause_s)
                retry_pause_s = min(2 * retry_pause_s, RETRY_PAUSE_S_MAX)

    def _write(self, tail: Tail) -> None:
        if self._connection is None:
            self._connection = open_for_writing(self._path)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for block in tail.blocks:
            _insert_rows(connection, "orders", CLOSINGS.among(block.rows))
            _insert_rows(connection, "fills", FILLS.among(block.rows))
        _insert_movements(connection, tail.movements)
        connection.execute("UPDATE progress SET cursor_seq = ? WHERE id = 1", (tail.last_seq,))
        connection.execute("COMMIT")

    def _disconnect(self) -> None:
        """Closing rolls an open transaction back, whatever state a failure left the connection in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):  # The failure itself has been noted; the file is opened anew.
                connection.close()


def _insert_rows(connection: sqlite3.Connection, table: str, rows: np.ndarray) -> None:
    """Order events into `orders` or `fills`."""
    columns, fields = TABLES[table], _FIELDS[table]
    values = np.zeros((len(rows), len(columns)), np.int64)
    for i, column in enumerate(columns):
        if column != _CLIENT_ID:
            values[:, i] = rows[fields.get(column, column)]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        piece = slice(start, start + ROWS_PER_STATEMENT)
        parameters = values[piece].ravel().tolist()
        if _CLIENT_ID in columns:
            texts = [client_id.decode("ascii") for client_id in rows[_CLIENT_ID][piece].tolist()]
            parameters[columns.index(_CLIENT_ID) :: len(columns)] = texts
        connection.execute(_insert(table, len(parameters) // len(columns)), parameters)


def _insert_movements(connection: sqlite3.Connection, movements: Iterable[Movement]) -> None:
    """Few, so a statement a row."""
    for movement in movements:
        connection.execute(_insert(_table_of[type(movement)], 1), movement)
    connection.executemany(
        "UPDATE withdrawals SET status = ?, updated_ts_ns = ? WHERE withdrawal_id = ?",
        [(step.status, step.ts_ns, step.withdrawal_id) for step in movements if isinstance(step, WithdrawalStep)],
    )


@cache
def _insert(table: str, rows: int) -> str:
    columns = TABLES[table]
    one = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * rows)}"
