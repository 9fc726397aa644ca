"""Limits of the front door: what one client, and all of them together, may use.

Every value has a default that suits one machine; operators may set others. Times are kept by a wheel that turns once a
second, so that a limit in time is met up to one second late.
"""

from dataclasses import dataclass

PARSE_SLICE_BYTES = 2048  # Requests are parsed in such pieces, which bounds what is parsed ahead of its turn.


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. A limit that is passed is answered or counted by the reason behind it."""

    # Connections, HTTP and WebSocket together.
    connections: int = 10_000  # 503 "connections"
    connections_per_ip: int = 2_500  # 503 "connections_per_ip"
    held_bytes: int = 256 * 1024 * 1024  # Bodies, requests read ahead, unsent data of all connections: "memory".

    # One request.
    target_bytes: int = 8 * 1024  # 414
    head_bytes: int = 16 * 1024  # 431; also chunk extensions and trailers.
    header_count: int = 100  # 431
    body_bytes: int = 64 * 1024  # 413

    # One connection.
    handshake_s: float = 10.0  # TLS: "tls_handshake"
    first_byte_s: float = 10.0  # 408 "first_byte_timeout"
    head_s: float = 10.0  # 408 "head_timeout": from the first byte of a request to the end of its head.
    body_s: float = 20.0  # 408 "body_timeout": from there to the end of its body.
    idle_s: float = 75.0  # "idle_timeout": between requests.
    write_s: float = 20.0  # "slow_reader": from a full write buffer to a drained one.
    write_buffer_bytes: int = 64 * 1024  # No next request is handled while more than this is unsent.
    linger_s: float = 2.0  # After a refusal, what the client still sends is thrown away for this long...
    linger_bytes: int = 1024 * 1024  # ...and up to this much, so that it gets to read the refusal.

    # One WebSocket.
    message_bytes: int = 64 * 1024  # A frame, and all fragments of a message together: 1009.
    websocket_buffer_bytes: int = 512 * 1024  # Unsent: "slow_reader".
    ping_s: float = 20.0
    pong_s: float = 60.0  # From a ping nobody answered: "pong_timeout".
    websocket_age_s: float = 24 * 3600.0  # From its beginning: "expired".
    websocket_notice_s: float = 600.0  # So long before that its client is told, so that it opens another one in time.
    close_s: float = 2.0  # From our close frame to the end.
