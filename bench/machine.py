"""What a benchmark says about itself: on which machine it ran, and its results as a table.

Figures from two machines, or from two runs at different times, do not compare; ratios within one run do.
"""

import os
import platform
import resource
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

_console = Console()


def describe() -> str:
    """One line: processor, cores this process may use, memory, system, Python and the packages that matter."""
    cores = len(os.sched_getaffinity(0))
    packages = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy"))
    return (
        f"{_processor()}, {cores} cores, {_memory_gib():.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {packages}, load {os.getloadavg()[0]:.1f}"
    )


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print the machine, a table whose first column is text and whose others are figures, and notes below it."""
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    _console.print(describe(), highlight=False, soft_wrap=True)
    _console.print(table)
    for note in (*notes, f"Memory at most: {memory()}."):
        _console.print(note, highlight=False, soft_wrap=True)


def memory() -> str:
    """The most that this process had resident, and each process below it that still runs or the largest that ended."""
    own = f"this process {_peak_mb(os.getpid()):,.0f} MB"
    running = [f"{_name_of(pid)} {_peak_mb(pid):,.0f} MB" for pid in _below(os.getpid())]
    ended_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    ended = [f"the largest that it started and that ended {ended_mb:,.0f} MB"] if ended_mb else []
    return ", ".join([own, *running, *ended])


def verdict(limit: str, is_reached: bool) -> str:
    """A line below a table: what was to be reached, and whether it was."""
    return f"{'reached' if is_reached else 'MISSED'}: {limit}"


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _below(pid: int) -> list[int]:
    """The processes that a process started, and those started by them."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for file in files for line in _lines(file) for child in line.split()]
    return [each for child in children for each in (child, *_below(child))]


def _name_of(pid: int) -> str:
    """As it was started: the program, and the first word that is no path or option."""
    program, *words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return " ".join([Path(program).name, *[word for word in words if word and word[0] not in "-/"][:1]])


def _peak_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in _lines(f"/proc/{pid}/status"))
    return int(fields["VmHWM"].split()[0]) * 1024 / 1e6


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _lines(path: str | Path) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
