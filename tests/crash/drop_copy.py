"""A drop copy of each account: what the venue tells of it over the line, whoever asked for it.

line ──reports──▶ DROP COPY ──▶ timer_oracle, line_oracle

It listens while others trade, loses its connection at each kill of the venue, and is told afterwards what it missed.
"""

import threading
from pathlib import Path

from holdfast.client import LineClient, Report

LISTEN_SECONDS = 0.1


class DropCopy:
    """One connection after the other, from the account's first order on."""

    def __init__(self, socket: Path, key: dict[str, str]) -> None:
        self.line = LineClient(socket, key["apiKey"], key["secretKey"], drop_copy=True, seconds_max=120)
        self.line.connect()
        self.reports: list[Report] = []  # Of this round.

    def catch_up(self) -> None:
        """Be told everything that happened until now, which a sign-on tells before it says that it is ready."""
        self.line.close()
        self.line.connect()
        self.reports += self.line.read()


class Listener(threading.Thread):
    """Listens over several drop copies until it is told to stop."""

    def __init__(self, copies: list[DropCopy], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.acknowledged = 0  # A listener asks for nothing.
        self.failure: BaseException | None = None
        self._copies = copies
        self._stop_event = stop

    def run(self) -> None:
        try:
            while not self._stop_event.is_set():
                for copy in self._copies:
                    copy.reports += copy.line.read(LISTEN_SECONDS / len(self._copies))
        except BaseException as failure:  # Told by the harness, which owns this thread.
            self.failure = failure
