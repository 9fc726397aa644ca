"""One virtual environment per client, made from its lock file: some of them install the same top-level package.

.venvs/<client>/   from   tests/clients/locks/<client>.lock
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = Path(__file__).parent / "locks"
CLIENTS = sorted(lock.stem for lock in LOCKS.glob("*.lock"))


def python_of(client: str) -> Path:
    """The interpreter of the client's environment, made or brought up to date first."""
    lock = LOCKS / f"{client}.lock"
    environment = ROOT / ".venvs" / client
    stamp = environment / "installed.lock"
    python = environment / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(lock)]
        subprocess.run(pip, check=True)
        stamp.write_text(lock.read_text())
    return python


if __name__ == "__main__":
    for name in CLIENTS:
        print(f"client {name}: {python_of(name)}")  # noqa: T201
