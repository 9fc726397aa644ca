"""One connection's life: answers in order, limits in time and memory, and every end with its reason."""

import json

import pytest
import structlog

from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.messages import Request, Respond, Response
from holdfast.gateway.server.routes import Routes
from tests.server.rig import GET, Rig, cut_everywhere

WAIT = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


def test_pipelined_requests_are_answered_in_order_wherever_their_bytes_are_cut() -> None:
    def check(pieces: list[bytes]) -> None:
        rig = Rig()
        rig.feed(*pieces)
        assert [answer.body for answer in rig.answers()] == [b"a=1|", b"|abc", b"a=1|"]
        assert not rig.transport.is_closing()

    cut_everywhere(GET + POST + GET, check)


def test_a_request_waits_until_the_one_before_it_is_answered() -> None:
    rig = Rig()
    rig.feed(WAIT + GET + WAIT)
    assert rig.answers() == []
    assert len(rig.waiting) == 1
    rig.waiting[0][1](Response(200, b"first"))
    assert [answer.body for answer in rig.answers()] == [b"first", b"a=1|"]
    rig.waiting[1][1](Response(200, b"last"))
    assert [answer.body for answer in rig.answers()] == [b"first", b"a=1|", b"last"]


def test_nothing_is_read_ahead_while_requests_wait() -> None:
    rig = Rig()
    rig.feed(WAIT)
    assert rig.is_reading(), "the next request's beginning may come"
    rig.feed(GET)
    assert not rig.is_reading()
    rig.waiting[0][1](Response(200, b""))
    assert rig.is_reading()


def test_a_long_pipeline_is_parsed_in_small_steps() -> None:
    rig = Rig()
    rig.feed(WAIT + GET * 5000)
    assert rig.door.held_bytes < 400_000
    rig.waiting[0][1](Response(200, b""))
    assert len(rig.answers()) == 5001
    assert rig.door.held_bytes == 0


def test_head_has_the_length_and_no_body() -> None:
    rig = Rig()
    rig.feed(GET.replace(b"GET", b"HEAD") + GET)
    head, get = rig.answers("HEAD GET")
    assert (head.status, head.headers["content-length"], head.body) == (200, "4", b"")
    assert get.body == b"a=1|"


def test_the_table_of_routes_answers_what_no_handler_does() -> None:
    rig = Rig()
    for target, method in [("/nowhere", "GET"), ("/echo", "DELETE"), ("/echo", "OPTIONS"), ("*", "OPTIONS")]:
        rig.feed(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    unknown, wrong, options, star = rig.answers()
    assert (unknown.status, json.loads(unknown.body)["code"]) == (404, -1000)
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert (options.status, options.headers["allow"], options.body) == (204, "GET, HEAD, OPTIONS, POST", b"")
    assert star.status == 204


def test_a_response_carries_date_length_type_and_its_own_headers() -> None:
    routes = Routes()
    routes.add("GET", "/echo", lambda _q, respond: respond(Response(418, b"{}", (("Retry-After", "9"),), "text/x")))
    rig = Rig(routes)
    rig.feed(GET)
    (answer,) = rig.answers()
    assert answer.status == 418
    assert answer.headers == {
        "content-type": "text/x",
        "content-length": "2",
        "date": "Thu, 01 Jan 1970 00:16:40 GMT",
        "retry-after": "9",
    }


def test_connection_close_is_honoured_and_nothing_after_it_is_handled() -> None:
    rig = Rig()
    rig.feed(GET.replace(b"Host", b"Connection: close\r\nHost") + GET)
    (answer,) = rig.answers()
    assert answer.headers["connection"] == "close"
    assert rig.was_closed()


def test_http_1_0_ends_with_the_answer_unless_it_asks_to_go_on() -> None:
    rig = Rig()
    rig.feed(b"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert rig.answers()[0].headers["connection"] == "keep-alive"
    assert not rig.was_closed()
    rig.feed(b"GET /echo HTTP/1.0\r\n\r\n")
    assert rig.was_closed()


def test_a_client_that_closed_its_half_still_gets_its_answer() -> None:
    rig = Rig()
    rig.feed(WAIT)
    assert rig.connection.eof_received()
    rig.waiting[0][1](Response(200, b"late"))
    assert rig.answers()[0].body == b"late"
    assert rig.was_closed()


def test_a_failing_handler_is_a_500_with_a_number_and_the_connection_lives() -> None:
    rig = Rig()
    with structlog.testing.capture_logs() as logs:
        rig.feed(b"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    failed, after = rig.answers()
    assert (failed.status, after.status) == (500, 200)
    assert logs[0]["error_id"] in json.loads(failed.body)["msg"]
    assert b"secret" not in rig.transport.written
    assert rig.door.counters.handler_errors == 1


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_a_header_that_would_split_the_response_is_a_500(line_end: str) -> None:
    routes = Routes()
    header = ("a", f"b{line_end}Set-Cookie: c")
    routes.add("GET", "/echo", lambda _q, respond: respond(Response(200, b"", (header,))))
    rig = Rig(routes)
    with structlog.testing.capture_logs():
        rig.feed(GET)
    assert rig.statuses() == [500]
    assert b"Set-Cookie" not in rig.transport.written


def test_a_second_answer_is_a_bug() -> None:
    rig = Rig()
    rig.feed(WAIT)
    rig.waiting[0][1](Response(200, b""))
    with pytest.raises(AssertionError, match="twice"):
        rig.waiting[0][1](Response(200, b""))


def test_an_answer_to_a_client_that_has_gone_is_dropped() -> None:
    rig = Rig()
    rig.feed(WAIT)
    rig.connection.connection_lost(None)
    rig.waiting[0][1](Response(200, b"late"))
    assert rig.transport.written == b""
    assert rig.door.counters.connections_open == 0


def test_an_expected_100_comes_before_the_body_and_only_when_it_is_wanted() -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    rig = Rig()
    rig.feed(head)
    assert rig.transport.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    rig.feed(b"abc")
    assert rig.statuses() == [100, 200]
    rig.feed(head + b"abc")
    assert rig.statuses() == [100, 200, 200]
    rig.feed(WAIT + head)
    assert rig.statuses() == [100, 200, 200]
    rig.waiting[0][1](Response(200, b""))
    assert rig.transport.written.endswith(b"100 Continue\r\n\r\n")


def test_a_refusal_comes_after_the_answers_before_it_and_ends_the_connection() -> None:
    rig = Rig()
    rig.feed(WAIT + b"NONSENSE\r\n\r\n" + GET)
    assert rig.transport.written == b""
    rig.waiting[0][1](Response(200, b"first"))
    assert rig.statuses() == [200, 400]
    assert rig.transport.wrote_eof, "the client reads the refusal before the connection is closed"
    assert not rig.was_closed()


def test_after_a_refusal_input_is_thrown_away_for_a_bounded_time_and_amount() -> None:
    rig = Rig(limits=Limits(linger_bytes=1000, linger_s=2))
    rig.feed(b"NONSENSE\r\n\r\n", b"x" * 999)
    assert not rig.was_aborted()
    rig.feed(b"x")
    assert rig.was_aborted()
    rig = Rig(limits=Limits(linger_bytes=1000, linger_s=2))
    rig.feed(b"NONSENSE\r\n\r\n")
    rig.pass_time(2)
    assert rig.was_aborted()


CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW = {
    "silence": ([], 10, 408, "first_byte_timeout"),
    "only line ends": ([b"\r\n"] * 5, 10, 408, "first_byte_timeout"),
    "a head in drips": ([b"G", b"E", b"T", b" "], 10, 408, "head_timeout"),
    "a body in drips": ([POST[:-3], b"a", b"b"], 20, 408, "body_timeout"),
    "chunks in drips": (
        [b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1", b"\r\n"],
        20,
        408,
        "body_timeout",
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_client_is_told_and_ended(name: str) -> None:
    pieces, limit_s, status, reason = SLOW[name]
    rig = Rig(limits=Limits(first_byte_s=10, head_s=10, body_s=20))
    for piece in pieces:
        rig.feed(piece)
        rig.pass_time(1)
    rig.pass_time(limit_s - len(pieces) - 0.5)
    assert rig.transport.written == b""
    rig.pass_time(1)
    assert rig.statuses() == [status]
    assert rig.drops() == {reason: 1}
    assert rig.transport.wrote_eof


def test_an_idle_connection_ends_silently() -> None:
    rig = Rig(limits=Limits(idle_s=75))
    rig.feed(GET)
    rig.pass_time(74)
    assert not rig.was_closed()
    rig.pass_time(1)
    assert rig.was_closed()
    assert rig.statuses() == [200]
    assert rig.drops() == {"idle_timeout": 1}


def test_a_handler_may_take_its_time() -> None:
    rig = Rig()
    rig.feed(WAIT + GET[:10])
    rig.pass_time(1000)
    rig.waiting[0][1](Response(200, b""))
    rig.pass_time(9)
    rig.feed(GET[10:])
    assert rig.statuses() == [200, 200]


def test_no_request_is_handled_while_the_client_does_not_read() -> None:
    rig = Rig()
    rig.connection.pause_writing()
    rig.feed(GET)
    assert rig.seen == []
    assert not rig.is_reading()
    rig.connection.resume_writing()
    assert rig.statuses() == [200]
    assert rig.is_reading()


def test_a_client_that_does_not_read_its_answers_is_dropped() -> None:
    rig = Rig(limits=Limits(write_s=20))
    rig.feed(GET)
    rig.connection.pause_writing()
    rig.pass_time(19)
    assert not rig.was_aborted()
    rig.pass_time(1)
    assert rig.was_aborted()
    assert rig.drops() == {"slow_reader": 1}


def test_connections_over_the_limits_are_turned_away_with_a_reason() -> None:
    rig = Rig(limits=Limits(connections=3, connections_per_ip=2))
    rig.connect("10.0.0.1")
    for peer_ip, reason in [("10.0.0.1", "connections_per_ip"), ("10.0.0.2", ""), ("10.0.0.3", "connections")]:
        before = rig.drops().get(reason, 0)
        connection, transport = rig.connect(peer_ip)
        assert (b"503" in transport.written) is bool(reason)
        assert transport.was_closed is bool(reason)
        assert rig.drops().get(reason, 0) == before + bool(reason)
        if reason:
            connection.data_received(GET)
            connection.connection_lost(None)
    assert rig.door.counters.connections_open == 3
    rig.connection.connection_lost(None)
    _, transport = rig.connect("10.0.0.1")
    assert transport.written == b"", "a place that was left is free again"


def test_all_clients_together_hold_a_bounded_amount_of_memory() -> None:
    rig = Rig(limits=Limits(held_bytes=200_000, body_bytes=60_000))
    begun = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + b"x" * 50_000
    transports = []
    for _ in range(10):
        connection, transport = rig.connect()
        connection.data_received(begun)
        if transport.was_aborted:
            connection.connection_lost(None)
        transports.append(transport)
    assert [transport.was_aborted for transport in transports] == [False] * 3 + [True] * 7
    assert rig.door.held_bytes <= 200_000
    assert rig.drops() == {"memory": 7}
    rig.feed(GET)
    assert rig.statuses() == [200], "others do not notice"


def test_a_stopping_server_ends_idle_connections_and_those_at_work_with_their_answer() -> None:
    rig = Rig()
    idle, idle_transport = rig.connect()
    rig.feed(WAIT)
    rig.door.is_stopping = True
    idle.stop()
    rig.connection.stop()
    assert idle_transport.was_closed
    assert not rig.was_closed()
    rig.waiting[0][1](Response(200, b"done"))
    assert rig.answers()[0].headers["connection"] == "close"
    assert rig.was_closed()


def test_counters_count() -> None:
    rig = Rig()
    rig.feed(GET + GET + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
    counters = rig.door.counters
    assert (counters.requests, dict(counters.responses)) == (3, {200: 2, 404: 1})
    assert counters.bytes_in == 2 * len(GET) + len(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
    assert counters.bytes_out == len(rig.transport.written)


def test_the_longest_mounted_prefix_wins_and_prefixes_end_at_a_slash() -> None:
    def named(name: str) -> object:
        def handle(_request: Request, respond: Respond) -> None:
            respond(Response(200, name.encode()))

        return handle

    routes = Routes()
    routes.add("GET", "/api/exact", named("exact"))  # type: ignore[arg-type]
    routes.websocket("/api/ws", lambda _request: Response(403, b"no"))
    rig = Rig(routes)
    for path in ("/api/exact", "/api/ws", "/api/ws/btc", "/api/wsx"):
        rig.feed(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert rig.statuses() == [200, 426, 426, 404]
