"""People: the names of accounts, in a table of their own, from which they can be deleted.

The journal is for good, so it holds a random number per account (32 hexadecimal digits) and no name. The order is
crash-safe: first the name's row is durable, then the account's command is journaled. A row without its account is the
trace of a crash between the two; creating that account again finds the row and uses its number.

    people.sqlite   person(uid primary key, name unique, idempotency_key)

Deleted names are overwritten in the file (secure_delete), and no write-ahead log keeps a copy.
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from holdfast.errors import StartError

FILE_NAME = "people.sqlite"
NAME_CHARACTERS_MAX = 64
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS person (
    uid TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    idempotency_key TEXT NOT NULL
)
"""


class Person(NamedTuple):
    uid: str
    name: str
    idempotency_key: str  # Of the request that first asked for the account.


class People:
    """The table, for use from any thread. Raises StartError when the file is not ours or is of a newer version."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._prepare(path)
        except sqlite3.Error as error:
            self._connection.close()
            raise StartError(f"The table of names {path} cannot be used: {error}.") from error
        except StartError:
            self._connection.close()
            raise

    def _prepare(self, path: Path) -> None:
        execute = self._connection.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        if version > _SCHEMA_VERSION:
            raise StartError(f"The table of names {path} was written by a newer version of Holdfast.")
        execute("PRAGMA journal_mode = DELETE")
        execute("PRAGMA synchronous = EXTRA")  # Also the directory's entry of the rollback journal.
        execute("PRAGMA secure_delete = ON")
        execute(_SCHEMA)
        execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def reserve(self, name: str, idempotency_key: str) -> Person:
        """The person of this name; a new one, durably, when there is none. Waits for the disk.

        Raises ValueError with a sentence when the name cannot be one, sqlite3.Error when the table cannot be written.
        """
        problem = why_not_a_name(name)
        if problem:
            raise ValueError(problem)
        with self._lock:
            self._connection.execute(
                "INSERT INTO person VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (secrets.token_hex(16), name, idempotency_key),
            )
            return Person._make(self._connection.execute("SELECT * FROM person WHERE name = ?", (name,)).fetchone())

    def forget(self, uid: str) -> bool:
        """Delete a name, durably; returns whether there was one. Waits for the disk. Raises sqlite3.Error."""
        with self._lock:
            return self._connection.execute("DELETE FROM person WHERE uid = ?", (uid,)).rowcount == 1

    def uid_of(self, name: str) -> str | None:
        with self._lock:
            row = self._connection.execute("SELECT uid FROM person WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def names_of(self, uids: Sequence[str]) -> dict[str, str]:
        """The names that are known of these, at most some thousand at once."""
        marks = ",".join("?" * len(uids))
        with self._lock:
            return dict(self._connection.execute(f"SELECT uid, name FROM person WHERE uid IN ({marks})", list(uids)))

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def why_not_a_name(name: str) -> str:
    """What is wrong with an account's name, as a sentence; empty: nothing."""
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        return f"A name has 1 to {NAME_CHARACTERS_MAX} characters."
    if not name.isprintable() or name != name.strip() or "/" in name:
        return "A name is printable text without a slash, and without blanks around it."
    if name.isdecimal():
        return "A name is not a number, since numbers name accounts by their id."
    return ""
