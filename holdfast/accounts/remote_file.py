"""The history's file as the venue has it: written by a process of its own.

history: events → tail (memory) → writer → pieces → REMOTE FILE → pipe → writer process → history file

Making rows and writing them by SQLite would hold Python's lock for a fifth of the time under load. Here blocks go into
a pipe as they lie in memory, which needs the lock for some microseconds each. The pipe also bounds what is under way:
the process takes the next piece when the one before is in its transaction.

The process is started when there is something to write, and again when it has died. It ends when its pipe does. It has
a session of its own, so that Ctrl-C at a terminal reaches the venue alone; of the venue's files it has only the claim.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec
import numpy as np
import structlog

from holdfast.accounts.claim import Claim
from holdfast.accounts.pieces import ANSWER, END, EVENTS, HEAD, MOVEMENTS, PIECE, Piece
from holdfast.accounts.schema import HistoryUnavailableError, open_for_writing

log = structlog.get_logger()

PIPE_BYTES = 1024 * 1024  # The most that anybody may have; 64 KB would wake both sides sixteen times as often.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy would start threads for algebra: half of the start, for nothing.


class RemoteFile:
    """Stands in for `history_file.HistoryFile`; nobody else writes the file as long as this is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._claim: Claim | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_given_up = False
        self._starting = threading.Lock()  # So that nobody starts a process that `give_up` then misses.

    def open(self) -> None:
        """Take it for this venue, and make it if it is not there. Raises HistoryUnavailableError while the process of
        another venue writes it, and what `HistoryFile.open` raises."""
        self._claim = Claim(self._path)
        open_for_writing(self._path).close()

    def write(self, after_seq: int, last_seq: int, pieces: Iterable[Piece]) -> None:
        """As `HistoryFile.write`. It may also be that the process has died; the next attempt starts another."""
        try:
            with self._starting:
                if self._is_given_up:
                    raise HistoryUnavailableError(f"{self._path}: the process that writes it did not answer")
                process = self._process = self._process or self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            _send(process.stdin.fileno(), after_seq, last_seq, pieces)
            failure = _answer(process.stdout)
        except (OSError, EOFError) as error:
            raise HistoryUnavailableError(f"{self._path}: {self._why(error)}") from error
        if failure:
            raise HistoryUnavailableError(failure)

    def give_up(self) -> None:
        """Kill the process for a thread that waits for it in vain; nothing is written any more. From any thread."""
        with self._starting:
            self._is_given_up = True
            process = self._process
        if process is not None:
            log.error("the history's writer process did not answer and is killed", pid=process.pid)
            process.kill()

    def close(self) -> None:
        """Let the process end, and let others write the file."""
        if self._process is not None:
            self._end(self._process)
            self._process = None
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._claim is not None
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.accounts.writer_process", str(self._path), str(self._claim.handle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[self._claim.handle],
            start_new_session=True,
            env={**os.environ, **_ENVIRONMENT},
        )
        assert process.stdin is not None
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # It is only slower then.
                fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return process

    def _why(self, error: Exception) -> str:
        """Why nothing can be said to the process, which is over then."""
        process, self._process = self._process, None
        if process is None:
            return f"the process that writes it cannot be started: {error}"
        process.kill()  # It closed its pipe, so it is about to end anyway.
        said = self._end(process)
        code = process.returncode
        why = f"the process that writes it ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
        log.error("the history's writer process ended", pid=process.pid, code=code, said=said)
        return why

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> str:
        """Close its pipe and wait until it is gone; the end of what it had to say."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.close()
        process.wait()
        said = process.stderr.read()[-2_000:].decode(errors="replace").strip()
        process.stdout.close()
        process.stderr.close()
        return said


def _send(handle: int, after_seq: int, last_seq: int, pieces: Iterable[Piece]) -> None:
    _write_all(handle, HEAD.pack(after_seq, last_seq))
    for piece in pieces:
        if isinstance(piece, np.ndarray):
            kind, data = EVENTS, piece.view(np.uint8).data
        else:
            kind, data = MOVEMENTS, memoryview(msgspec.json.encode(piece))
        _write_all(handle, PIECE.pack(kind, len(data)), data)
    _write_all(handle, PIECE.pack(END, 0))


def _write_all(handle: int, *parts: bytes | memoryview) -> None:
    """A pipe takes all at once, unless a signal comes between."""
    waiting = [memoryview(part) for part in parts]
    while waiting:
        written = os.writev(handle, waiting)
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.pop(0))
        if waiting:
            waiting[0] = waiting[0][written:]


def _answer(source: IO[bytes]) -> str:
    """Why the tail was not written, or nothing. Raises EOFError when the process has died."""
    head = source.read(ANSWER.size)
    if len(head) < ANSWER.size:
        raise EOFError
    (length,) = ANSWER.unpack(head)
    return source.read(length).decode()
