"""Snapshots, written beside the running venue by a process of its own.

    venue ──starts──▶ python -m holdfast.snapshotting DIR ──reads──▶ snapshots + journal
                                                          ──writes──▶ snapshots/<seq>.snapshot

The process starts from the newest snapshot, replays what came after it with its own engine, and writes the result;
trading does not wait for it. It reports the rolling hash of all events at its seq, which the venue compares with its
own at the same seq: each snapshot is a verification of the engine by a second one. A difference means that one of the
two machines or memories is not to be trusted; the venue then stops taking orders and says so.
"""

import argparse
import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import structlog

from holdfast.journal.interface import JournalError

log = structlog.get_logger()

NICE = 15  # The venue's own threads come first.
HASHES_KEPT = 65_536
_PR_SET_PDEATHSIG = 1


class Written(NamedTuple):
    """What the process reports of the snapshot that it wrote."""

    seq: int
    state_hash: str
    events_hash: int
    path: str


class SnapshotWriter:
    """Starts the process when it is due, and compares what it found."""

    def __init__(
        self,
        directory: Path,
        commands_between: int,
        seconds_between: float,
        last_seq: int,
        on_written: Callable[[], None],
    ) -> None:
        """A snapshot is due after `commands_between` commands, or `seconds_between` after the last if there was any.

        `on_written` is called, on the loop's thread, after each snapshot that agreed.
        """
        self.last: Written | None = None
        self.last_error = ""
        self.mismatch = ""  # A sentence, once a snapshot did not agree with this engine.
        self._on_written = on_written
        self._directory = directory
        self._commands_between = commands_between
        self._seconds_between = seconds_between
        self._last_seq = last_seq
        self._last_at = 0.0
        self._hashes: OrderedDict[int, int] = OrderedDict()
        self._process: subprocess.Popen[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def on_applied(self, last_seq: int, events_hash: int) -> None:
        """Remember the engine's rolling hash at the end of a batch."""
        self._hashes[last_seq] = events_hash
        if len(self._hashes) > HASHES_KEPT:
            self._hashes.popitem(last=False)

    def tick(self, seq: int, now_seconds: float) -> None:
        """Start the process if a snapshot is due; `now_seconds` of a monotonic clock."""
        if not self._last_at:
            self._last_at = now_seconds
        is_due = seq - self._last_seq >= self._commands_between or (
            seq > self._last_seq and now_seconds - self._last_at >= self._seconds_between
        )
        if is_due and self._task is None:
            self._last_at = now_seconds
            self._last_seq = seq
            self._start()

    async def write_now(self) -> Written | None:
        """Have one written, or wait for the one under way; None, with `last_error` saying why, when it failed."""
        task = self._task or self._start()
        await asyncio.shield(task)
        return None if self.last_error else self.last

    async def stop(self) -> None:
        """End a process under way; an unfinished snapshot leaves nothing behind."""
        if self._process is not None:
            self._process.kill()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self) -> "asyncio.Task[None]":
        self._task = asyncio.create_task(self._write())
        self._task.add_done_callback(self._finished)
        return self._task

    async def _write(self) -> None:
        # Not by the loop: it would fork, and copying the tables of a large venue's memory holds it up for 20 ms.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.snapshotting", str(self._directory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = await asyncio.to_thread(self._process.communicate)
        if self._process.returncode:
            self.last_error = errors.decode(errors="replace").strip()[-500:] or f"exit {self._process.returncode}"
            log.error("no snapshot was written", why=self.last_error)
            return
        self.last_error = ""
        self.last = Written(**json.loads(output))
        self._compare(self.last)

    def _compare(self, written: Written) -> None:
        own = self._hashes.get(written.seq)
        if own is not None and own != written.events_hash:
            self.mismatch = (
                f"A second engine does not agree with this one at command {written.seq}: new orders are refused. "
                "Stop the venue and run `holdfast verify` on another machine."
            )
            log.critical("snapshot mismatch", seq=written.seq, own=own, other=written.events_hash)
            return
        log.info("snapshot written", seq=written.seq, compared=own is not None)
        self._on_written()

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._task = None
        if not task.cancelled() and task.exception() is not None:
            self.last_error = str(task.exception())
            log.error("the snapshot process could not be run", why=self.last_error)


def write(directory: Path) -> Written:
    """Replay to the end of the journal and write a snapshot of what is there. Raises JournalError."""
    from holdfast.recovery import recover  # The venue imports this module and has no need of a second engine.

    state = recover(directory, None, lambda _seq: None)
    path = state.write_snapshot(directory)
    return Written(state.seq, state.engine.state_hash(), state.engine.events_hash, str(path))


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it has gone, where the system can do that."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the venue has gone")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a snapshot of a data directory, also beside a running venue.")
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    os.nice(NICE)
    die_with_parent()
    try:
        written = write(directory)
    except (JournalError, OSError) as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(written._asdict()) + "\n")


if __name__ == "__main__":
    main()
