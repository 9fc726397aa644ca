"""The market data side of a venue without the rest: hand-made batches in, endpoints and streams out."""

import json
from collections.abc import Callable
from typing import Any

from holdfast.gateway.binance.endpoints import Answer, Call
from holdfast.gateway.binance.market_endpoints import MarketEndpoints
from holdfast.gateway.binance.market_rules import RuleEndpoints
from holdfast.gateway.binance.market_sessions import StreamSession, open_session
from holdfast.gateway.binance.market_streams import MarketStreams
from holdfast.gateway.binance.parameters import parse_form
from holdfast.gateway.server.messages import Request, Response
from holdfast.instruments import Reference
from holdfast.market_data import MarketData
from holdfast.views import Auction, Fill
from tests.market_data.session import REFERENCE, SECOND_NS, Batch, Session

MILLISECOND_NS = 1_000_000


class FakeBroadcast:
    """Sends at once. `backlog` and `is_full` stand for a machine that cannot keep up."""

    def __init__(self) -> None:
        self.backlog = 0
        self.is_full = False

    def send(self, sockets: list[Any], data: bytes) -> bool:
        if self.is_full:
            return False
        for socket in sockets:
            socket.send(data)
        return True


class FakeSocket:
    peer_ip = "127.0.0.1"
    is_open = True

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.on_data: Callable[[Any], None] = self.sent.append

    def send(self, data: bytes) -> None:
        self.on_data(json.loads(data))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed = (code, reason)


class FakeHistory:
    """Every trade that ever was, as the account history would give them."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []

    def market_trades(self, instrument_id: int, from_trade_id: int = 0, limit: int = 500) -> list[Fill]:
        assert limit >= 0
        found = [f for f in self.fills if f.instrument_id == instrument_id and f.trade_id >= from_trade_id]
        return found[:limit]

    def first_trade_id(self, instrument_id: int, aggregate_trade_id: int = 0, ts_ns: int = 0) -> int:
        fills = self.market_trades(instrument_id, 0, len(self.fills))
        wanted = (f.trade_id for f in fills if f.aggregate_trade_id >= aggregate_trade_id and f.ts_ns >= ts_ns)
        return next(wanted, 0)


class Market:
    def __init__(self) -> None:
        self.session = Session()
        self.reference: Reference = REFERENCE
        self.clock_ns = self.session.ts_ns
        self.data = MarketData()
        self.history = FakeHistory()
        self.broadcast = FakeBroadcast()
        self.auction = Auction(0, 0, 0)  # What that of any market would come to.
        self.streams = MarketStreams(
            self.data,
            lambda: self.reference,
            lambda: self.clock_ns,
            self.broadcast,
            self.reference_price_ticks,
            lambda _: self.auction,
        )
        self.endpoints = MarketEndpoints(self.data, self, self.history, lambda: self.clock_ns)
        self.rules = RuleEndpoints(self, lambda: self.clock_ns)
        self.reference_prices: dict[int, int] = {}  # In ticks.

    def reference_price_ticks(self, instrument_id: int) -> int:
        return self.reference_prices.get(instrument_id, 0)

    def apply(self, orders: list[Any] | None = None, book: list[Any] | None = None) -> None:
        batch = Batch(orders or [], book or [])
        self.history.fills += [Fill.from_event(event) for event in batch.orders if not event.is_maker]
        self.data.on_applied(batch)
        self.streams.on_applied(batch)

    def tick(self, milliseconds: int = 100) -> None:
        self.clock_ns += milliseconds * MILLISECOND_NS
        self.session.ts_ns = max(self.session.ts_ns, self.clock_ns)
        self.streams.tick(self.clock_ns)

    def seconds(self, seconds: int) -> None:
        """Go on to a whole second, so many later."""
        target_ns = (self.clock_ns // SECOND_NS + seconds) * SECOND_NS
        self.tick((target_ns - self.clock_ns) // MILLISECOND_NS)

    def connect(self, target: str) -> tuple[StreamSession, FakeSocket]:
        session, socket = self.open(target), FakeSocket()
        assert isinstance(session, StreamSession)
        session.on_open(socket)
        return session, socket

    def open(self, target: str) -> StreamSession | Response:
        path, _, query = target.partition("?")
        return open_session(self.streams, Request("GET", path, query, {}, b"", "127.0.0.1", 0, False))

    def get(self, target: str, unit_ns: int = MILLISECOND_NS) -> Any:
        """What a REST request is answered, as parsed JSON."""
        path, _, query = target.partition("?")
        endpoint = (self.endpoints.rest | self.rules.rest)[path]
        answers: list[Answer] = []
        call = Call(lambda _call, answer: answers.append(answer), "127.0.0.1", self.clock_ns, unit_ns)

        def work(of: Call) -> bytes | None:
            of.values = endpoint.parameters.convert(parse_form(query))
            return endpoint.run(of)

        call.attempt(work)
        return json.loads(answers[0].body)
