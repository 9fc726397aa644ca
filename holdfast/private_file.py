"""Files that only their owner may read: written whole or not at all, and refused when others can read them."""

import os
import stat
from pathlib import Path

OTHERS = 0o077


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path`, durable and readable by its owner alone; a crash leaves the old file or the new one.

    Raises OSError when the disk does not take it.
    """
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)  # Left by a crash; O_EXCL then makes sure that nobody else put a file in its place.
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def why_not_private(path: Path) -> str:
    """What is wrong with an existing file that should be its owner's alone, as a sentence's end; empty: nothing."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if status.st_mode & OTHERS:
        return f"can be read by others (mode {stat.S_IMODE(status.st_mode):04o}); run: chmod 600 {path}"
    if status.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    return ""
