"""The process that writes snapshots: it ends with the venue, however that ends."""

import os
import signal
import subprocess
import sys

import pytest

CHILD = "from holdfast.snapshotting import die_with_parent; die_with_parent(); print('ready', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_it_is_killed_with_a_venue_that_is_killed() -> None:
    waiting_forever, kept_open = os.pipe()
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=waiting_forever, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    parent.send_signal(signal.SIGKILL)
    assert parent.stdout.read() == "", "the end of the output: the child, which held it open, has gone"
    parent.stdout.close()
    parent.wait()
    os.close(waiting_forever)
    os.close(kept_open)
