"""The history's file, for the one process that writes it: a tail goes in by one transaction, with the cursor in it.

history: events → tail (memory) → writer → pieces → HISTORY FILE → schema → queries

Invariants:

* a transaction is there whole or not at all, and says with the cursor how far the file goes;
* what it holds is never written again: a transaction begins by looking where the file ends. So whoever does not know
  whether an attempt succeeded (a failed COMMIT, a process that was killed) simply makes it again;
* it never leaves a gap: a file that ends elsewhere than where the tail begins, one that was put there meanwhile, is
  refused.

Rows go in by 1,024 a statement, from columns, and become Python's objects only then.
"""

import contextlib
import sqlite3
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from holdfast.accounts.movements import WithdrawalStep
from holdfast.accounts.pieces import Piece, Row
from holdfast.accounts.schema import TABLES, HistoryDamagedError, HistoryUnavailableError, open_for_writing
from holdfast.accounts.tail import CLOSINGS, FILLS

ROWS_PER_STATEMENT = 1_024  # Of 31 columns at most: SQLite takes 32,766 parameters.

# The event's fields that columns are filled from, where they have other names.
_FIELDS = {
    "orders": {"updated_ts_ns": "ts_ns", "updated_seq": "seq", "expiry_reason": "reason"},
    "fills": {"price_ticks": "last_price_ticks", "lots": "last_lots", "quote_units": "last_quote_units"},
}
_CLIENT_ID = "client_id"


class HistoryFile:
    """The file at `path`. It is opened when something is written, and anew after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def open(self) -> sqlite3.Connection:
        """Open it, and make it if it is not there. Raises sqlite3.Error or HistoryDamagedError."""
        if self._connection is None:
            self._connection = open_for_writing(self._path)
        return self._connection

    def write(self, after_seq: int, last_seq: int, pieces: Iterable[Piece]) -> None:
        """Write what happened after `after_seq` up to `last_seq`, or nothing if the file has it.

        `pieces` need not be read to their end. Raises HistoryError with a sentence that names the file, and then
        nothing of it is in the file; where COMMIT failed all of it may be, and the next attempt finds out.
        """
        try:
            connection = self.open()
            connection.execute("BEGIN IMMEDIATE")
            (cursor_seq,) = connection.execute("SELECT cursor_seq FROM progress WHERE id = 1").fetchone()
            if cursor_seq not in (after_seq, last_seq):
                raise HistoryDamagedError(
                    f"{self._path} ends at command {cursor_seq} and not at {after_seq}: it is another file than the one"
                    " that was opened. Stop the venue, delete it and start again."
                )
            if cursor_seq == after_seq:
                for piece in pieces:
                    _insert(connection, piece)
                connection.execute("UPDATE progress SET cursor_seq = ? WHERE id = 1", (last_seq,))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.close()
            raise HistoryUnavailableError(f"{self._path}: {error}") from error
        except BaseException:
            self.close()
            raise

    def give_up(self) -> None:
        """Nobody else is at it, so there is nobody to end."""

    def close(self) -> None:
        """Closing rolls an open transaction back, whatever state a failure left the connection in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):  # The failure itself has been noted; the file is opened anew.
                connection.close()


def _insert(connection: sqlite3.Connection, piece: Piece) -> None:
    if isinstance(piece, np.ndarray):
        _insert_events(connection, "orders", CLOSINGS.among(piece))
        _insert_events(connection, "fills", FILLS.among(piece))
    else:
        _insert_movements(connection, piece)


def _insert_events(connection: sqlite3.Connection, table: str, rows: np.ndarray) -> None:
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
        connection.execute(_statement(table, len(parameters) // len(columns)), parameters)


def _insert_movements(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Few, so a statement a row. A withdrawal's row comes before its steps."""
    for table, values in rows:
        connection.execute(_statement(table, 1), values)
        if table == "withdrawal_steps":
            step = WithdrawalStep._make(values)
            connection.execute(
                "UPDATE withdrawals SET status = ?, updated_ts_ns = ? WHERE withdrawal_id = ?",
                (step.status, step.ts_ns, step.withdrawal_id),
            )


@cache
def _statement(table: str, rows: int) -> str:
    columns = TABLES[table]
    one = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * rows)}"
