"""The data directory: whose it is, who runs on it, and where its parts lie.

    DIR/venue.json    format version and venue id
    DIR/lock          held while a venue runs; tells its process and, when it is ready, its address
    DIR/journal/      DIR/snapshots/
    DIR/line.sock     where a running venue listens for the binary line, when it was asked to
    DIR/append.sock   where gateways of other processes join a running venue

A directory that is not Holdfast's, or is of a later version, or in use, is refused with one sentence, and nothing in it
is touched.
"""

import contextlib
import fcntl
import json
import os
import time
import uuid
from pathlib import Path
from typing import NamedTuple

from holdfast.errors import StartError
from holdfast.journal.file_operations import REAL_DISK

FORMAT_VERSION = 1
VENUE_FILE = "venue.json"
LOCK_FILE = "lock"
JOURNAL = "journal"
SNAPSHOTS = "snapshots"
LINE_SOCKET = "line.sock"
_MAY_STAND_IN_A_FRESH_ONE = {LOCK_FILE, VENUE_FILE + ".part", "lost+found"}
_LOOKS_AT_LOCK = 5  # Somebody who only asks whether a venue runs holds the lock for microseconds.
_LOOK_SECONDS = 0.02


class DataDirectoryError(StartError):
    """The directory cannot be used; the text is a whole sentence."""


class RunningVenue(NamedTuple):
    """The venue that runs on a directory."""

    pid: int
    url: str  # Empty until it is ready.


class DataDirectory:
    """A directory that this process runs a venue on. Use as a context, or `close` it."""

    def __init__(self, path: Path, venue_id: uuid.UUID, lock_handle: int) -> None:
        self.path = path
        self.venue_id = venue_id
        self.journal = path / JOURNAL
        self.snapshots = path / SNAPSHOTS
        self._lock_handle = lock_handle

    @classmethod
    def open(cls, path: Path) -> "DataDirectory":
        """Take a directory for this process; a new or empty one becomes a data directory.

        Raises DataDirectoryError, with nothing touched, when it is not Holdfast's, is damaged, of a later version or in
        use; OSError when the disk refuses.
        """
        if not _is_fresh(path):
            read_venue_id(path)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_handle = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(path, lock_handle)
            _write_lock(lock_handle, "")
            venue_id = _create(path) if _is_fresh(path) else read_venue_id(path)
            for part in (JOURNAL, SNAPSHOTS):
                (path / part).mkdir(mode=0o700, exist_ok=True)
            REAL_DISK.sync_directory(path)
        except BaseException:
            os.close(lock_handle)
            raise
        return cls(path, venue_id, lock_handle)

    def set_url(self, url: str) -> None:
        """Tell those who look at the directory where this venue listens."""
        _write_lock(self._lock_handle, url)

    def close(self) -> None:
        """Leave the directory to others."""
        if self._lock_handle != -1:
            os.ftruncate(self._lock_handle, 0)
            os.close(self._lock_handle)
            self._lock_handle = -1

    def __enter__(self) -> "DataDirectory":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_venue_id(path: Path) -> uuid.UUID:
    """Whose directory this is. Raises DataDirectoryError. Touches nothing."""
    file = path / VENUE_FILE
    if not path.is_dir():
        raise DataDirectoryError(f"{path} is not a directory.")
    if not file.is_file():
        raise DataDirectoryError(f"{path} is not a data directory of Holdfast: it has no {VENUE_FILE}.")
    try:
        venue = json.loads(file.read_bytes())
        version, venue_id = int(venue["format_version"]), str(venue["venue_id"])
    except (ValueError, KeyError, TypeError):
        raise DataDirectoryError(f"{file} is damaged: it does not say which venue this is.") from None
    if version > FORMAT_VERSION:
        raise DataDirectoryError(
            f"{path} was written by a later version of Holdfast (format {version}; this one knows {FORMAT_VERSION})."
        )
    try:
        return uuid.UUID(venue_id)
    except ValueError:
        raise DataDirectoryError(f"{file} is damaged: its venue id is not a UUID.") from None


def running_venue(path: Path) -> RunningVenue | None:
    """The venue that runs on a directory now, if one does. Touches nothing."""
    try:
        handle = os.open(path / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_lock(handle)
    finally:
        os.close(handle)
    return None


def write_venue_id(path: Path, venue_id: uuid.UUID) -> None:
    """Make a directory a data directory; the last step, durable when it returns."""
    part = path / (VENUE_FILE + ".part")
    text = json.dumps({"format_version": FORMAT_VERSION, "venue_id": str(venue_id)}) + "\n"
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path / VENUE_FILE)
    REAL_DISK.sync_directory(path)


def _is_fresh(path: Path) -> bool:
    return not path.exists() or (
        path.is_dir() and {entry.name for entry in path.iterdir()} <= _MAY_STAND_IN_A_FRESH_ONE
    )


def _create(path: Path) -> uuid.UUID:
    venue_id = uuid.uuid4()
    write_venue_id(path, venue_id)
    REAL_DISK.sync_directory(path.parent)
    return venue_id


def _lock(path: Path, handle: int) -> None:
    for look in range(_LOOKS_AT_LOCK):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if look + 1 < _LOOKS_AT_LOCK:
            time.sleep(_LOOK_SECONDS)
    running = _read_lock(handle)
    who = f"Another venue (process {running.pid})" if running.pid else "Another venue"
    where = f" at {running.url}" if running.url else ""
    raise DataDirectoryError(f"{who} is running on {path}{where}.")


def _read_lock(handle: int) -> RunningVenue:
    pid, _, url = os.pread(handle, 4096, 0).decode(errors="replace").strip().partition("\n")
    return RunningVenue(int(pid) if pid.isdigit() else 0, url)


def _write_lock(handle: int, url: str) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n{url}\n".encode(), 0)
