"""The picture of the terminal in README.md: what `holdfast run --demo` really prints, as docs/terminal.svg.

    .venv/bin/python scripts/terminal_picture.py [PORT]

A venue runs in a pseudo-terminal until it has printed everything. It and its keys are thrown away; their directory is
shown under the name that a reader's may have.
"""

import io
import os
import pty
import re
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "terminal.svg"
COLUMNS = 112
SHOWN_DIRECTORY = "/home/you/holdfast"
LAST_LINE = "Ctrl-C stops it"

_token = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+")


def main() -> None:
    port = sys.argv[1] if len(sys.argv) > 1 else "8000"
    with tempfile.TemporaryDirectory() as directory:
        printed = run_in_terminal(Path(directory), port).replace(directory, SHOWN_DIRECTORY)
    lines = ["$ make run", *screen_lines(printed)]
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi("\n".join(lines).rstrip()))
    svg = console.export_svg(title="Holdfast", unique_id="terminal")
    # The font is the reader's own: a picture that loads something from elsewhere is not shown everywhere. And some
    # viewers drop the spaces at the ends of a text unless they are told not to.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    PICTURE.write_text(svg.replace("<svg ", '<svg xml:space="preserve" ', 1))


def run_in_terminal(directory: Path, port: str) -> str:
    """All that a new venue prints on a terminal until it is ready."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(directory)
        os.environ |= {"HOLDFAST_MASTER_KEY_FILE": str(directory / "master.key"), "COLUMNS": str(COLUMNS)}
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        holdfast = Path(sys.executable).parent / "holdfast"
        os.execv(holdfast, ["holdfast", "run", "--data", "data", "--port", port, "--demo"])
    printed = b""
    try:
        while LAST_LINE not in printed.decode("utf-8", "ignore").rpartition("\n")[0]:
            printed += os.read(terminal, 65_536)
    except OSError:
        sys.exit(f"The venue did not start:\n{printed.decode()}")
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        os.close(terminal)
    return printed.decode()


def screen_lines(printed: str) -> list[str]:
    """The lines that stay on the screen, with their colours; follows the few movements that rich makes."""
    lines, row, is_at_start = [""], 0, True
    for token in _token.findall(printed):
        if token == "\n":
            row, is_at_start = row + 1, True
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            is_at_start = True
        elif token.endswith("A") and token.startswith("\x1b"):
            row = max(row - int(token[2:-1] or 1), 0)
        elif token.endswith("K") and token.startswith("\x1b"):
            lines[row] = ""
        elif token.endswith("m") or not token.startswith("\x1b"):
            lines[row] = token if is_at_start else lines[row] + token
            is_at_start = False
    return lines


if __name__ == "__main__":
    main()
