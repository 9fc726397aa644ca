"""A real process is killed while it appends; what it was told to be durable is there afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.journal.data_directory import DataDirectory, DataDirectoryError, running_venue

from .helpers import VENUE_ID, read_names
from .test_file_journal import open_journal

APPENDING = """
import sys, threading
from pathlib import Path
from holdfast.clock import Clock
from holdfast.commands import Command, encode
from holdfast.journal.batch_writer import JournalSettings
from holdfast.journal.file_journal import FileJournal

changed = threading.Event()
journal = FileJournal(Path(sys.argv[1]), Clock(), changed.set, venue_id=bytes(range(16)), rules_version=1,
                      settings=JournalSettings(segment_bytes=64 * 1024, batch_records_max=50))
number = journal.status().next_seq - 1
while True:
    for _ in range(20):
        number += 1
        assert journal.append(encode(Command(kind=1, client_id=f"n{number}".encode()))) == number
    changed.wait()
    changed.clear()
    for committed in journal.take_committed():
        print(committed.first_seq + len(committed.records) - 1, flush=True)
"""

RUNNING = """
import sys
from pathlib import Path
from holdfast.journal.data_directory import DataDirectory

directory = DataDirectory.open(Path(sys.argv[1]))
directory.set_url("http://127.0.0.1:1")
print("ready", flush=True)
sys.stdin.read()
"""


def start(program: str, directory: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def test_everything_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged = 0
    for reports in (1, 40, 90, 150):
        process = start(APPENDING, tmp_path)
        assert process.stdout is not None
        for _ in range(reports):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:  # What it had said before it died.
            acknowledged = int(line)
        process.wait()
        process.communicate()
        open_journal(tmp_path).close()
        names = read_names(directory=tmp_path)
        assert len(names) >= acknowledged
        assert names == [f"n{number}" for number in range(1, len(names) + 1)]
    assert acknowledged > 1_000
    assert bytes(range(16)) == VENUE_ID


def test_a_second_process_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    process = start(RUNNING, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(DataDirectoryError) as refused:
        DataDirectory.open(tmp_path)
    assert str(refused.value) == (
        f"Another venue (process {process.pid}) is running on {tmp_path} at http://127.0.0.1:1."
    )
    assert running_venue(tmp_path) == (process.pid, "http://127.0.0.1:1")
    process.kill()
    process.communicate()
    assert running_venue(tmp_path) is None
    DataDirectory.open(tmp_path).close()
