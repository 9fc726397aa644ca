"""exchange-core, fetched and built in the run:  peer_command() is how to start it.

Maven fetches what `peers/exchange_core/pom.xml` pins and compiles the program beside it, once, into `.venvs`. A machine
without a JDK or Maven, or without a way to Maven's repository, is told what it lacks.
"""

import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path

from bench.load import PEERS, ROOT

JAVA_MIN = 17
_SOURCES = PEERS / "exchange_core"
# What exchange-core's libraries reach for inside the JDK, which is closed to them since Java 16.
_OPENED = ("java.base/java.lang", "java.base/java.lang.reflect", "java.base/java.nio", "java.base/sun.nio.ch")
_INSTALL = "on Debian: apt-get install openjdk-17-jdk-headless maven"


class PeerMissingError(Exception):
    """Why exchange-core cannot be had here, and what would help: a sentence for people."""


@cache
def peer_command() -> list[str]:
    """How to start the program, but for its arguments. Raises PeerMissingError."""
    missing = [name for name in ("java", "javac", "mvn") if shutil.which(name) is None]
    if missing:
        raise PeerMissingError(f"there is no {', no '.join(missing)} ({_INSTALL})")
    built = ROOT / ".venvs" / "exchange-core"
    stamp = built / "built.sha256"
    digest = _digest()
    if not stamp.exists() or stamp.read_text() != digest:
        _build(built)
        stamp.write_text(digest)
    opened = [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED]
    return ["java", "-XX:+UseParallelGC", *opened, "-cp", f"{built / 'classes'}:{built / 'lib'}/*", "Peer"]


def _build(built: Path) -> None:
    shutil.rmtree(built, ignore_errors=True)
    maven = ["mvn", "-q", "-B", "-f", str(_SOURCES / "pom.xml"), f"-Dbuild.to={built}", "compile"]
    done = subprocess.run(maven, check=False, capture_output=True, text=True)
    if done.returncode:
        why = next((line for line in done.stdout.splitlines() if "ERROR" in line), "Maven did not say why")
        raise PeerMissingError(f"Maven could not fetch or build it (Java {JAVA_MIN} or later is needed): {why}")


def _digest() -> str:
    sources = sorted(path for path in _SOURCES.rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
