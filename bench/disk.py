"""What the disk alone takes to make 4 KiB durable: the part of an order's latency that no venue can save."""

import mmap
import os
import statistics
import time
from pathlib import Path

WRITES = 400
BYTES = 4_096


def sync_us(directory: Path) -> float:
    """Median of single writes with RWF_DSYNC into a file of zeros, as the journal writes."""
    path = directory / "sync-probe"
    buffer = mmap.mmap(-1, BYTES)
    buffer.write(os.urandom(BYTES))
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, bytes(WRITES * BYTES), 0)
        os.fsync(handle)
        times_ns = []
        for i in range(WRITES):
            started_ns = time.perf_counter_ns()
            os.pwritev(handle, [buffer], i * BYTES, os.RWF_DSYNC)
            times_ns.append(time.perf_counter_ns() - started_ns)
    finally:
        os.close(handle)
        path.unlink()
    return statistics.median(times_ns) / 1_000
