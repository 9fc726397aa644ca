"""Counters of the front door: plain integers that metrics read.

`responses` counts by status (101 for an upgrade), `drops` by the reason for which a connection was ended or refused by
the server. Both are small: their keys come from the code, never from a client.
"""

from collections import Counter


class Counters:
    __slots__ = (
        "bytes_in",
        "bytes_out",
        "connections_open",
        "connections_total",
        "drops",
        "handler_errors",
        "messages_in",
        "messages_out",
        "requests",
        "responses",
        "websockets_open",
        "websockets_total",
    )

    def __init__(self) -> None:
        self.connections_open = 0  # HTTP and WebSocket.
        self.connections_total = 0
        self.websockets_open = 0
        self.websockets_total = 0
        self.requests = 0
        self.responses: Counter[int] = Counter()
        self.drops: Counter[str] = Counter()
        self.handler_errors = 0
        self.messages_in = 0  # WebSocket messages; a broadcast counts once a receiver.
        self.messages_out = 0
        self.bytes_in = 0  # HTTP bytes as read; WebSocket payloads.
        self.bytes_out = 0
