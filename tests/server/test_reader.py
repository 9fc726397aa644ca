"""The request reader: the same requests however the bytes are cut, and a bounded refusal for everything else.

A server that reads a request differently when it arrives in two packets is a server with rare, unrepeatable faults; one
that keeps what it cannot use yet is a server that a single client can fill.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.messages import Request, Response
from holdfast.gateway.server.reader import KNOWN_HEADS_MAX, Phase, RequestReader
from tests.server.rig import cut_everywhere

LIMITS = Limits(target_bytes=200, head_bytes=400, header_count=8, body_bytes=64)


class Collector:
    def __init__(self, limits: Limits = LIMITS) -> None:
        self.requests: list[Request] = []
        self.keep_alive: list[bool] = []
        self.is_http10: list[bool] = []
        self.refusals: list[Response] = []
        self.most_pending_bytes = 0
        self.reader = RequestReader(limits, self._emit, self.refusals.append, lambda: 7, "10.0.0.1")

    def _emit(self, request: Request, keep_alive: bool, is_http10: bool) -> None:
        self.requests.append(request)
        self.is_http10.append(is_http10)
        self.keep_alive.append(keep_alive)

    def feed(self, *pieces: bytes) -> bytes:
        rest = b""
        for piece in pieces:
            if self.reader.phase is Phase.STOPPED:
                break
            rest += self.reader.feed(piece, 0.0)
            self.most_pending_bytes = max(self.most_pending_bytes, self.reader.pending_bytes())
        return rest

    def refusal(self) -> int:
        (refusal,) = self.refusals
        assert set(json.loads(refusal.body)) == {"code", "msg"}
        return refusal.status


def refused(*pieces: bytes) -> int:
    collector = Collector()
    collector.feed(*pieces)
    return collector.refusal()


STREAM = (
    b"GET /a%20b?x=%41&y=/?# HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: k\r\nAccept: a\r\nAccept: b\r\n\r\n"
    b"\r\nPOST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nT: t\r\n\r\n"
    b"GET http://other/abs?q=1 HTTP/1.1\r\nHost: x\r\nEmpty:\r\nConnection: close\r\n\r\n"
)


def test_requests_are_the_same_wherever_their_bytes_are_cut() -> None:
    def check(pieces: list[bytes]) -> None:
        collector = Collector()
        collector.feed(*pieces)
        assert collector.refusals == []
        first, second, third, fourth = collector.requests
        assert (first.method, first.path, first.query, first.body) == ("GET", "/a b", "x=%41&y=/?", b"")
        assert first.headers == {"host": "x", "x-mbx-apikey": "k", "accept": "a, b"}
        assert (first.peer_ip, first.received_ts_ns, first.is_tls) == ("10.0.0.1", 7, False)
        assert (second.method, second.path, second.body) == ("POST", "/p", b"hello")
        assert (third.path, third.body, "t" in third.headers) == ("/c", b"abcde", False)
        assert (fourth.path, fourth.query, fourth.headers["empty"]) == ("/abs", "q=1", "")
        assert collector.keep_alive == [True, True, True, False]
        assert collector.reader.phase is Phase.STOPPED

    cut_everywhere(STREAM, check)


REFUSED = {
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "unknown method": (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no version": (b"GET /\r\nHost: x\r\n\r\n", 400),
    "HTTP/2": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\nAccept: a\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "proxying": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "length and chunks": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", 400),
    "negative length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n", 400),
    "endless length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 300 + b"\r\n\r\n", 413),
    "large body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65\r\n\r\n", 413),
    "large chunks": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n" + b"a" * 65, 413),
    "other coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
    "unknown coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    "bad chunk": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "odd expectation": (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\n", 417),
    "long target": (b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "long header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 400 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 8 + b"\r\n", 431),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    "bytes outside ASCII": (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "other protocol with a body": (
        b"POST / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 4\r\n\r\nbody",
        400,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_the_same_wherever_the_bytes_are_cut(name: str) -> None:
    data, status = REFUSED[name]

    def check(pieces: list[bytes]) -> None:
        assert refused(*pieces) == status

    cut_everywhere(data, check)


def test_what_is_exactly_at_the_limits_is_read() -> None:
    collector = Collector()
    head = b"POST /" + b"a" * 199 + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 64\r\nA: "
    spent = len("Host: x\r\n") + len("Content-Length: 64\r\n") + len("A: \r\n")
    collector.feed(head + b"a" * (400 - spent) + b"\r\n\r\n" + b"b" * 64)
    assert collector.refusals == []
    assert len(collector.requests[0].body) == 64


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nA: ",
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
@pytest.mark.parametrize("piece", [b"a", b"a: b\r\n", b"1\r\nx\r\n"])
def test_endless_input_is_refused_while_little_of_it_is_held(start: bytes, piece: bytes) -> None:
    collector = Collector()
    collector.feed(start, *[piece] * 2000)
    assert collector.refusal() in (400, 413, 414, 431)
    assert collector.most_pending_bytes < 2 * (LIMITS.target_bytes + LIMITS.head_bytes + LIMITS.body_bytes)


def test_an_offer_of_another_protocol_is_ignored() -> None:
    collector = Collector()
    offer = b"GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n"
    assert collector.feed(offer + b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    assert [request.path for request in collector.requests] == ["/a", "/b"]


def test_what_follows_a_request_for_a_websocket_is_handed_back_wherever_it_is_cut() -> None:
    head = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"

    def check(pieces: list[bytes]) -> None:
        collector = Collector()
        rest = b""
        for piece in pieces:
            if collector.reader.phase is Phase.UPGRADED:
                rest += piece
            else:
                rest += collector.feed(piece)
        assert rest == b"\x81\x80tail"
        assert collector.requests[0].path == "/ws"

    cut_everywhere(head + b"\x81\x80tail", check)


def test_each_part_of_a_message_has_its_own_deadline() -> None:
    collector = Collector(Limits(head_s=10, body_s=20))
    reader = collector.reader
    reader.feed(b"POST / HT", 100.0)
    assert reader.deadline_s == 110
    reader.feed(b"TP/1.1\r\n", 105.0)
    assert reader.deadline_s == 110, "drips do not move a deadline"
    reader.feed(b"Host: x\r\nContent-Length: 2\r\n\r\na", 109.0)
    assert reader.deadline_s == 129
    reader.feed(b"b", 120.0)
    assert reader.deadline_s == float("inf")


def post(body: bytes, path: bytes = b"/p") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: k\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body)


# Heads that are alike, and all that must not be taken for another of them.
ALIKE = [
    post(b"hello"),
    post(b"world"),
    post(b"longer than that"),
    post(b"\r\n\r\n\0"),
    post(b""),
    post(b"hello", b"/q"),
    b"\r\n" + post(b"hello"),
    b"GET /p?x=1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /p?x=2 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /p HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"GET /p HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"GET /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
]


def same_in_drips(pieces: list[bytes]) -> None:
    """What arrives byte by byte is always parsed."""
    whole, drips = Collector(), Collector()
    whole.feed(*pieces)
    drips.feed(*[bytes([byte]) for piece in pieces for byte in piece])
    assert [vars_of(request) for request in whole.requests] == [vars_of(request) for request in drips.requests]
    assert (whole.keep_alive, whole.is_http10) == (drips.keep_alive, drips.is_http10)
    assert whole.refusals == drips.refusals
    assert whole.reader.phase is drips.reader.phase
    assert whole.reader.pending_bytes() == drips.reader.pending_bytes()


def vars_of(request: Request) -> dict[str, object]:
    return {name: getattr(request, name) for name in Request.__slots__}


@pytest.mark.parametrize("message", ALIKE)
def test_requests_whose_heads_are_known_are_what_they_would_be_if_they_were_parsed(message: bytes) -> None:
    same_in_drips([message, message, message])


@given(st.lists(st.tuples(st.sampled_from(ALIKE), st.integers(0, 60)), max_size=12))
def test_known_heads_among_other_requests_are_what_they_would_be_if_they_were_parsed(
    messages: list[tuple[bytes, int]],
) -> None:
    """Most arrive whole, one by one; some together with their follower, or cut."""
    pieces: list[bytes] = []
    held = b""
    for message, cut in messages:
        held += message
        if cut == 0:
            continue
        pieces += [held] if cut > 20 else [piece for piece in (held[:cut], held[cut:]) if piece]
        held = b""
    same_in_drips(pieces + [held] * bool(held))


def test_a_body_that_looks_like_a_known_request_is_a_body() -> None:
    collector = Collector(Limits())
    known = post(b"hello")
    outer = post(known, b"/outer")
    collector.feed(known, outer[: -len(known)], known)
    assert [request.path for request in collector.requests] == ["/p", "/outer"]
    assert collector.requests[1].body == known


@pytest.mark.parametrize("cut", [5, 30, -7])
def test_the_end_of_a_head_is_not_known_as_a_head(cut: int) -> None:
    collector = Collector()
    message = post(b"hello")
    collector.feed(message[:cut], message[cut:], message[cut:])
    assert len(collector.requests) == 1
    assert collector.refusal() == 400


def test_a_head_whose_body_is_to_come_is_not_known_as_whole() -> None:
    offer = b"GET /a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"
    collector = Collector()
    collector.feed(offer, post(b"hello")[:-5], b"hello", post(b"hello")[:-5], b"world")
    assert [(request.path, request.body) for request in collector.requests] == [
        ("/a", b""),
        ("/p", b"hello"),
        ("/p", b"world"),
    ]


def test_few_heads_of_a_connection_are_known_and_the_oldest_is_forgotten() -> None:
    collector = Collector()
    for length in [*range(10), 9]:
        collector.feed(post(b"b" * length))
    headers = [request.headers for request in collector.requests]
    assert headers[-1] is headers[-2], "a known head is not read again"
    collector.feed(post(b""))
    assert collector.requests[-1].headers is not headers[0]
    assert len({id(each) for each in headers[-KNOWN_HEADS_MAX - 1 :]}) == KNOWN_HEADS_MAX


def test_a_long_head_is_not_kept() -> None:
    collector = Collector(Limits())
    request = b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 1024 + b"\r\n\r\n"
    collector.feed(request, request)
    first, second = collector.requests
    assert first.headers == second.headers
    assert first.headers is not second.headers
