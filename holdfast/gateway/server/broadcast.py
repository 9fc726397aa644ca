"""Broadcaster: one message to thousands of sockets, without holding up the loop.

The message is framed once. Sending goes in pieces of about a millisecond, and between them the loop serves everyone
else. Broadcasts are sent in the order in which they were given; a direct `Socket.send` may overtake one that is still
under way. A client that does not read is dropped by its own socket's limit and delays nobody.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable

from holdfast.gateway.server.websocket import Socket, prepare

PIECE_NS = 1_000_000
SENDS_BETWEEN_LOOKS = 16  # At the clock: about 0.1 ms of sending.
BACKLOG_MAX = 1_000_000  # Messages times receivers.


class Broadcaster:
    """`backlog` is how many sends are still to be made; 0 means that everything given was sent."""

    def __init__(self) -> None:
        self.backlog = 0
        self._queue: deque[tuple[list[Socket], bytearray]] = deque()
        self._position = 0  # In the receivers of the first entry.
        self._is_scheduled = False

    def send(self, sockets: Iterable[Socket], data: bytes) -> bool:
        """Send `data` (a text message) to all `sockets` that are still open when their turn comes.

        False, and nothing is sent, when the backlog is full: the machine cannot keep up, and the caller must conflate.
        """
        receivers = list(sockets)
        if self.backlog + len(receivers) > BACKLOG_MAX:
            return False
        if receivers:
            self.backlog += len(receivers)
            self._queue.append((receivers, prepare(data)))
            if not self._is_scheduled:
                self._send_piece()
        return True

    def _send_piece(self) -> None:
        end_ns = time.monotonic_ns() + PIECE_NS
        while self._queue:
            receivers, frame = self._queue[0]
            few = receivers[self._position : self._position + SENDS_BETWEEN_LOOKS]
            for socket in few:
                socket.send_prepared(frame)
            self._position += len(few)
            self.backlog -= len(few)
            if self._position == len(receivers):
                self._queue.popleft()
                self._position = 0
            if time.monotonic_ns() >= end_ns:
                break
        self._is_scheduled = bool(self._queue)
        if self._is_scheduled:
            asyncio.get_running_loop().call_soon(self._send_piece)
