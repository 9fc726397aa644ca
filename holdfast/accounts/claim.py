"""The claim: who may write the history's file now.

history: events → tail (memory) → writer → CLAIM, remote file → writer process

A venue that is killed leaves the process that writes for it, which finishes or drops its transaction and ends. The next
venue must not read the cursor before that. So whoever writes holds a lock on a file beside the history: the venue takes
it before it opens the history and its process inherits it, and the lock is free when both have gone.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from holdfast.accounts.schema import HistoryUnavailableError

CLAIM_S_MAX = 30.0  # The process of a venue that was killed has one transaction to finish.
_LOOK_S = 0.01


class Claim:
    """Held from now on; waits for the process of another venue. Raises HistoryUnavailableError when that goes on."""

    def __init__(self, path: Path, seconds_max: float = CLAIM_S_MAX) -> None:
        """`path` is the history's."""
        try:
            self.handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HistoryUnavailableError(f"The account history {path} cannot be opened: {error}.") from error
        end_s = time.monotonic() + seconds_max
        while not self._is_taken():
            if time.monotonic() > end_s:
                pid = os.pread(self.handle, 20, 0).decode("ascii", "replace").strip()
                self.release()
                raise HistoryUnavailableError(
                    f"The account history {path} is still being written by process {pid} of a venue that has ended."
                    " Start again when it is gone; it may be killed, nothing is lost."
                )
            time.sleep(_LOOK_S)
        say_who(self.handle)

    def release(self) -> None:
        """Once nobody who inherited it lives."""
        os.close(self.handle)

    def _is_taken(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False


def say_who(handle: int) -> None:
    """Write this process's id into the file, for those who wait."""
    with contextlib.suppress(OSError):  # A full disk, say: then they are told another number, or none.
        os.pwrite(handle, f"{os.getpid():<19}\n".encode(), 0)
