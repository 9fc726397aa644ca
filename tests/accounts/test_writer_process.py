"""The process that writes the history: whoever dies, nothing is lost or doubled, and nobody is left behind."""

import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.accounts.claim import Claim
from holdfast.accounts.history import History
from holdfast.accounts.history_file import HistoryFile
from holdfast.accounts.pieces import pieces_of
from holdfast.accounts.remote_file import RemoteFile
from holdfast.accounts.schema import HistoryError, HistoryUnavailableError
from tests.accounts.stream import Stream
from tests.accounts.test_history import check_equals_naive, contents
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux shows them")

# A venue as far as its history goes: it writes some batches, says so, and waits to be killed.
VENUE = """
import pathlib, sys
from holdfast.accounts.history import History
from tests.accounts.stream import Stream
history, stream = History(pathlib.Path(sys.argv[1])), Stream(1)
history.on_applied(stream.batch(50))
while history.lag_events: pass
print("ready", flush=True)
input()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@contextlib.contextmanager
def opened(path: Path, stream: Stream) -> Iterator[History]:
    """A history whose process has written something."""
    history = History(path)
    try:
        history.on_applied(stream.batch(50))
        wait_until(lambda: history.lag_events == 0, what="the first rows")
        yield history
    finally:
        history.close()


@contextlib.contextmanager
def other_venue(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The same in a venue of its own process."""
    words = [sys.executable, "-c", VENUE, str(path)]
    venue = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert venue.stdin is not None
    assert venue.stdout is not None
    try:
        assert venue.stdout.readline() == "ready\n"
        yield venue
    finally:
        venue.kill()
        venue.wait()
        venue.stdin.close()
        venue.stdout.close()


def writer_pid(path: Path) -> int:
    """The process that writes, as it says itself."""
    pid = int(path.with_suffix(".lock").read_text())
    assert pid != os.getpid()
    return pid


def is_gone(pid: int) -> bool:
    """Whether it has ended; nobody may have asked how yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def test_killed_in_mid_load_it_loses_and_doubles_nothing(path: Path, tmp_path: Path) -> None:
    chance, stream, again = random.Random(1), Stream(1), Stream(1)
    history, expected = History(path), History(tmp_path / "expected.sqlite", writes_by_itself=False)

    def load(batches: int) -> None:
        for _ in range(batches):
            history.on_applied(stream.batch(40))
            expected.on_applied(again.batch(40))

    killed = {os.getpid()}
    for _ in range(6):
        load(1)
        pid = wait_until(lambda: {int(path.with_suffix(".lock").read_text())} - killed, what="a new process").pop()
        load(chance.randint(1, 40))  # Meanwhile it writes; where it is when it dies is anybody's guess.
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        load(1)
        wait_until(lambda: "signal 9" in history.status().failure, what="the failure")
        check_equals_naive(history, stream, chance)
    wait_until(lambda: history.lag_events == 0, what="the history")
    assert history.status().failure == ""
    history.close()
    expected.close()
    assert contents(path) == contents(tmp_path / "expected.sqlite")


def test_what_the_file_has_is_not_written_again(path: Path) -> None:
    """So it does not matter whether it died before or after its COMMIT."""
    history = History(path, writes_by_itself=False)
    history.on_applied(Stream(1).batch(100))
    tail = history._backlog.take()
    assert tail is not None
    file = HistoryFile(path)
    file.write(0, tail.last_seq, pieces_of(tail))
    written = contents(path)
    file.write(0, tail.last_seq, pieces_of(tail))
    file.close()
    assert history.write_waiting(), "by the venue's own account it was not"
    history.close()
    assert contents(path) == written


def test_another_file_put_in_its_place_is_not_filled_up(path: Path) -> None:
    stream = Stream(1)
    with opened(path, stream) as history:
        for file in path.parent.glob("history.sqlite*"):
            file.unlink()
        os.kill(writer_pid(path), signal.SIGKILL)
        history.on_applied(stream.batch(50))
        wait_until(lambda: "ends at command 0 and not at 50" in history.status().failure, what="the failure")
    assert sqlite3.connect(path).execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_locked_file_is_shown_and_written_later(path: Path) -> None:
    stream = Stream(1)
    with opened(path, stream) as history:
        intruder = sqlite3.connect(path, isolation_level=None)
        intruder.execute("BEGIN IMMEDIATE")
        history.on_applied(stream.batch(50))
        wait_until(lambda: history.status().failure.endswith("history.sqlite: database is locked"), what="the failure")
        check_equals_naive(history, stream, random.Random(1))
        intruder.close()
        wait_until(lambda: history.lag_events == 0, what="the history")
        assert history.status().failure == ""
        check_equals_naive(history, stream, random.Random(1))


def test_disk_that_takes_no_more_is_shown_and_written_to_when_it_does(path: Path) -> None:
    stream = Stream(1)
    with opened(path, stream) as history:
        pid = writer_pid(path)
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, most))
        history.on_applied(stream.batch(50))
        wait_until(lambda: "disk I/O error" in history.status().failure, what="the failure")
        check_equals_naive(history, stream, random.Random(1))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        wait_until(lambda: history.lag_events == 0, what="the history")
        assert writer_pid(path) == pid, "a failure is no reason to start another"
        check_equals_naive(history, stream, random.Random(1))


def test_damaged_file_is_shown(path: Path) -> None:
    stream = Stream(1)
    with opened(path, stream) as history:
        for file in path.parent.glob("history.sqlite*"):
            file.write_bytes(b"\xff" * file.stat().st_size)
        os.kill(writer_pid(path), signal.SIGKILL)
        history.on_applied(stream.batch(50))
        wait_until(lambda: "history.sqlite: file is not a database" in history.status().failure, what="the failure")
        assert history.lag_events > 0


def test_process_that_cannot_be_started_is_shown_and_started_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, stream = History(path), Stream(1)
    with monkeypatch.context() as patched:
        patched.setattr("sys.executable", str(path.parent / "nowhere"))
        history.on_applied(stream.batch(50))
        wait_until(lambda: "cannot be started" in history.status().failure, what="the failure")
    wait_until(lambda: history.lag_events == 0, what="the history")
    history.close()


def test_signals_to_stop_are_left_to_the_venue(path: Path) -> None:
    stream = Stream(1)
    with opened(path, stream) as history:
        pid = writer_pid(path)
        assert os.getsid(pid) != os.getsid(0), "Ctrl-C at the venue's terminal is not for it"
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        history.on_applied(stream.batch(50))
        wait_until(lambda: history.lag_events == 0, what="the history")
        assert writer_pid(path) == pid
        assert history.status().failure == ""


def test_closing_writes_what_waits_and_leaves_nobody(path: Path) -> None:
    stream = Stream(1)
    with opened(path, stream) as history:
        pid = writer_pid(path)
        for _ in range(20):
            history.on_applied(stream.batch(50))
    assert is_gone(pid)
    reopened = History(path)
    assert reopened.lag_events == 0
    check_equals_naive(reopened, stream, random.Random(1))
    reopened.close()


def test_process_that_does_not_answer_holds_up_no_stop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(1)
    with opened(path, stream) as history:
        pid = writer_pid(path)
        os.kill(pid, signal.SIGSTOP)
        unwritten = [stream.batch(50) for _ in range(3)]
        for batch in unwritten:
            history.on_applied(batch)
        monkeypatch.setattr("holdfast.accounts.writer.STOP_SECONDS_MAX", 0.1)
    assert is_gone(pid)
    reopened = History(path)
    assert reopened.cursor_seq == 50
    for batch in unwritten:  # As the journal has them.
        reopened.on_applied(batch)
    check_equals_naive(reopened, stream, random.Random(1))
    reopened.close()


def test_none_is_started_for_a_history_that_was_given_up(path: Path) -> None:
    file = RemoteFile(path)
    file.open()
    file.give_up()
    with pytest.raises(HistoryUnavailableError, match=r"history.sqlite: the process that writes it did not answer$"):
        file.write(0, 1, [])
    file.close()


def test_killed_venue_leaves_nobody_and_the_next_one_goes_on(path: Path) -> None:
    with other_venue(path) as venue:
        pid = writer_pid(path)
        venue.kill()
        wait_until(lambda: is_gone(pid), what="the end of its process")
    stream = Stream(1)
    history = History(path)
    history.on_applied(stream.batch(60))
    check_equals_naive(history, stream, random.Random(1))
    history.close()


def test_next_venue_waits_for_the_process_of_one_that_was_killed(path: Path) -> None:
    with other_venue(path) as venue:
        pid = writer_pid(path)
        os.kill(pid, signal.SIGSTOP)
        venue.kill()
        venue.wait()
        with pytest.raises(HistoryUnavailableError, match=f"still being written by process {pid} of a venue"):
            Claim(path, seconds_max=0.05)
        found: list[History] = []
        next_venue = threading.Thread(target=lambda: found.append(History(path)))
        next_venue.start()
        next_venue.join(0.2)
        assert next_venue.is_alive()
        assert not found
        os.kill(pid, signal.SIGCONT)
        next_venue.join(20)
    wait_until(lambda: is_gone(pid), what="the end of its process")
    assert found[0].cursor_seq == 50
    found[0].close()


def test_it_has_nothing_of_the_venue_but_its_pipes_and_the_claim(path: Path) -> None:
    with (path.parent / "secret").open("w"), opened(path, Stream(1)):
        handles = Path(f"/proc/{writer_pid(path)}/fd").iterdir()
        names = {str(handle.readlink()) for handle in handles}
    files = {name for name in names if not name.startswith("pipe:")}
    assert len(names) - len(files) == 3
    assert files <= {str(path), f"{path}-wal", f"{path}-shm", str(path.with_suffix(".lock"))}


def test_history_that_cannot_be_opened_is_let_go_of(path: Path) -> None:
    path.write_bytes(b"not a database at all, " * 100)
    with pytest.raises(HistoryError):
        History(path)
    Claim(path, seconds_max=0).release()


def test_it_starts_without_the_engine() -> None:
    imported = "import sys, holdfast.accounts.writer_process; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, check=True).stdout
    assert not {"numba", "structlog", "holdfast.engine"} & set(modules.split())
