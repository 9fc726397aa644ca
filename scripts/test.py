"""Every test, as `make test` and CI run them.

1. the kernels' tests three times: without the JIT, with bounds checks, and as shipped (in 3.)
2. the clients' environments
3. everything else, in one pytest run whose closing line is the result
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINE_TESTS = tuple(f"tests/gateway/line/test_{name}.py" for name in ("form", "reports", "run"))
LOG_COLUMNS = {} if sys.stdout.isatty() else {"COLUMNS": "500"}  # Room for the reason behind a failed test's name.
KERNEL_TESTS = ("tests/engine", "tests/model", "tests/gateway/lane", *LINE_TESTS)


def run(title: str, command: list[str], **environment: str) -> None:
    """Run one step, with its title, and end the whole run when it fails."""
    print(f"\n== {title}", flush=True)  # noqa: T201
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **LOG_COLUMNS, **environment}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    python = sys.executable
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run("Environments of the real clients", [python, "-m", "tests.clients.environments"])
    run("Kernels without the JIT", [*pytest, *KERNEL_TESTS], NUMBA_DISABLE_JIT="1")
    run("Kernels with bounds checks", [*pytest, *KERNEL_TESTS], NUMBA_BOUNDSCHECK="1")
    run("Everything, as shipped", [*pytest, "tests", "--durations=15"])


if __name__ == "__main__":
    main()
