"""Raw bytes of any kind: never an exception out of the connection, never a 5xx, always well-formed answers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.gateway.server.limits import Limits
from tests.server.rig import GET, Rig

LIMITS = Limits(target_bytes=300, head_bytes=600, header_count=10, body_bytes=100, held_bytes=20_000)

fragments = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            GET,
            GET[:-4],
            b"\r\n",
            b"\r\n\r\n",
            b"\0",
            b"POST /echo HTTP/1.1\r\nHost: x\r\n",
            b"POST /wait HTTP/1.1\r\nHost: x\r\n",
            b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            b"Content-Length: 5\r\n\r\nhello",
            b"Content-Length: 99999999999999999999\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"fffffffffffffffff\r\n",
            b"Expect: 100-continue\r\n",
            b"Connection: close\r\n",
            b"a" * 700,
            b"A: " + b"b" * 200 + b"\r\n",
        ]
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(fragments, max_size=12), st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_raw_bytes_are_answered_or_refused(parts: list[bytes], sizes: list[int]) -> None:
    rig = Rig(limits=LIMITS)
    data, turn = b"".join(parts), 0
    while data:
        size = sizes[turn % len(sizes)]
        rig.feed(data[:size])
        data, turn = data[size:], turn + 1
        assert rig.door.held_bytes <= LIMITS.held_bytes or rig.transport.was_aborted
    rig.pass_time(1000)
    assert all(status < 500 for status in rig.door.counters.responses)
    assert rig.door.counters.handler_errors == 0
    if not rig.waiting:  # "/wait" is never answered; everything else was, in well-formed messages.
        rig.answers()
    rig.connection.connection_lost(None)
    assert rig.door.counters.connections_open == 0
    assert rig.door.held_bytes == 0
