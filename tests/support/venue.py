"""A real venue in a process of its own, as tests use it: started by the command line, killed without mercy."""

import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

HOLDFAST = Path(sys.executable).parent / "holdfast"
START_SECONDS_MAX = 180  # The first start compiles the kernels.
_PORTS = iter(random.sample(range(12_000, 32_000), 20_000))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now, and that this process has not named before.

    It is below those that the system gives to connections that go out: one of these could have it while the process
    that listens there is killed and away."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class VenueProcess:
    """`holdfast run` on a data directory. Use as a context manager; leaving it kills the process."""

    def __init__(
        self, directory: Path, *options: str, port: int = 0, environment: dict[str, str] | None = None
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = port or free_port()
        self.options = options
        self.environment = {
            **os.environ,
            "HOLDFAST_MASTER_KEY_FILE": str(directory / "master.key"),
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }
        self.log: deque[str] = deque(maxlen=2_000)
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "VenueProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> "VenueProcess":
        """Start it and return once it has said that it listens; raises with its output when it ends before."""
        process = self.spawn()
        if not self._listening.wait(START_SECONDS_MAX) or process.poll() is not None:
            process.kill()
            raise AssertionError("the venue did not start:\n" + "\n".join(self.log))
        return self

    def spawn(self) -> "subprocess.Popen[str]":
        """Start it and do not wait; what it prints is in `log`."""
        self._process = subprocess.Popen(
            [str(HOLDFAST), *self.words()],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.log.clear()
        self._listening = threading.Event()
        threading.Thread(target=self._read, args=(self._process, self._listening), daemon=True).start()
        return self._process

    def words(self) -> list[str]:
        """What to say to `holdfast`."""
        return ["run", "--data", str(self.data), "--port", str(self.port), *self.options]

    def gateway(self) -> "GatewayProcess":
        """A gateway that is to join it; not started."""
        return GatewayProcess(self.directory, environment=self.environment)

    def _read(self, process: subprocess.Popen[str], listening: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.log.append(line.rstrip())
                if "listening on http" in line:
                    listening.set()
        listening.set()  # It ended; whoever waits looks at its exit code.

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone, and with it the process that writes its history."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._wait_for_its_writer()

    def _wait_for_its_writer(self) -> None:
        def has_gone() -> bool:
            try:
                with (self.data / "history.lock").open() as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except FileNotFoundError:
                return True
            except BlockingIOError:
                return False
            return True

        wait_until(has_gone, what="the end of the process that wrote its history")

    def terminate(self, seconds_max: float = 30) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds_max)

    def wait(self, seconds_max: float = 60) -> int:
        assert self._process is not None
        return self._process.wait(seconds_max)

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `holdfast WORDS` as a person would."""
        done = subprocess.run(
            [str(HOLDFAST), *words], env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def json(self, *words: str) -> Any:
        """Run `holdfast WORDS --data DIR` against this venue and return the JSON that it prints."""
        return json.loads(self.command(*words, "--data", str(self.data)).stdout)

    def trader(self, name: str, **amounts: str) -> dict[str, str]:
        """A new account with a trading key and deposits; {"apiKey": …, "secretKey": …}."""
        self.json("account", "create", name)
        for asset, amount in amounts.items():
            self.json("deposit", name, asset, amount, "--reference", f"{name}-{asset}")
        key: dict[str, str] = self.json("key", "create", name, "--type", "hmac", "--permissions", "read,trade")
        return key


class GatewayProcess(VenueProcess):
    """`holdfast gateway` beside a venue, on its data directory."""

    def words(self) -> list[str]:
        return ["gateway", "--join", str(self.data), "--port", str(self.port), *self.options]

    def _wait_for_its_writer(self) -> None:
        """It has none; the venue's goes on."""
