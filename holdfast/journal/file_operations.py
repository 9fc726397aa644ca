"""What the journal does with files, in one small object: tests put a simulated disk in its place.

Every function raises OSError when the disk refuses. `write_durable` is the only way that bytes get into a journal's
file.
"""

import errno
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from holdfast.journal.record_format import Bytes

# Zeros are written ahead in pieces of this size: a sync of commands waits behind one for less than a millisecond. Pages
# for more of them at once are dear where the system has no free ones: 4 MiB took 11 ms and 128 KiB a quarter.
ZEROS_BYTES = 128 * 1024


class Mapped(Protocol):
    """A small file whose bytes are changed in memory; the kernel carries them to the disk when it likes."""

    def __getitem__(self, where: slice, /) -> bytes: ...
    def __setitem__(self, where: slice, value: bytes, /) -> None: ...
    def __len__(self) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class FileOperations:
    """The real disk."""

    def __init__(self) -> None:
        self._has_dsync = hasattr(os, "RWF_DSYNC")

    def names(self, directory: Path) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(entry.name for entry in directory.iterdir())

    def open(self, path: Path, *, is_writable: bool = False) -> int:
        """A handle of an existing file."""
        return os.open(path, (os.O_RDWR if is_writable else os.O_RDONLY) | os.O_CLOEXEC)

    def close(self, handle: int) -> None:
        """Give the handle back."""
        os.close(handle)

    def byte_count(self, handle: int) -> int:
        """The file's size."""
        return os.fstat(handle).st_size

    def read_into(self, handle: int, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from the file; returns how many bytes there were, fewer only at the file's end."""
        done = 0
        while done < len(buffer):
            count = os.preadv(handle, [buffer[done:]], offset + done)
            if count == 0:
                break
            done += count
        return done

    def write_durable(self, handle: int, data: "Bytes", offset: int) -> None:
        """Write, and return when the bytes are on the disk. After an error nothing is known about them."""
        view = memoryview(data)
        if self._has_dsync and self._write_dsync(handle, view, offset):
            return
        _write_all(handle, view, offset)
        os.fdatasync(handle)

    def _write_dsync(self, handle: int, view: memoryview, offset: int) -> bool:
        """One system call instead of two. False: this file system does not know it, and nothing was written."""
        try:
            done = os.pwritev(handle, [view], offset, os.RWF_DSYNC)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            self._has_dsync = False
            return False
        while done < len(view):
            done += os.pwritev(handle, [view[done:]], offset + done, os.RWF_DSYNC)
        return True

    def create(self, path: Path, byte_count: int) -> None:
        """Make a file of real zeros, durable, of which the name is durable after `sync_directory`.

        Space that was only reserved costs as much at each sync as a growing file does; zeros halve that.
        """
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, byte_count)
            zeros = bytes(min(byte_count, ZEROS_BYTES))
            for offset in range(0, byte_count, ZEROS_BYTES):
                self.write_durable(handle, zeros[: byte_count - offset], offset)
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, durable after `sync_directory`."""
        os.rename(source, target)  # noqa: PTH104 - one idiom for all that this object does

    def remove(self, path: Path) -> None:
        """Remove a file if it is there."""
        path.unlink(missing_ok=True)

    def sync_directory(self, directory: Path) -> None:
        """Make the names in it durable."""
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def map(self, path: Path, *, is_writable: bool = False) -> Mapped:
        """The bytes of a small file that is not empty, shared with every process that maps it."""
        handle = self.open(path, is_writable=is_writable)
        try:
            return mmap.mmap(handle, 0, access=mmap.ACCESS_WRITE if is_writable else mmap.ACCESS_READ)
        finally:
            os.close(handle)


def _write_all(handle: int, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        done += os.pwritev(handle, [view[done:]], offset + done)


REAL_DISK = FileOperations()
