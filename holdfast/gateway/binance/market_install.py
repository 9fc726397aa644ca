"""Installing market data: the streams' WebSocket paths, and what the venue calls."""

from collections.abc import Callable
from typing import Protocol

from holdfast.gateway.binance.market_sessions import open_session
from holdfast.gateway.binance.market_streams import AppliedEvents, Broadcast, MarketStreams
from holdfast.gateway.server.messages import Request, Response
from holdfast.gateway.server.routes import Routes, WebSocketSession
from holdfast.instruments import Instrument, Reference
from holdfast.market_data.market_data import MarketData
from holdfast.views import Auction


class StreamsReplica(Protocol):
    """The part of the replica that streams need."""

    @property
    def reference(self) -> Reference: ...

    def reference_price_ticks(self, instrument_id: int) -> int: ...
    def add_reader(self, reader: Callable[[AppliedEvents], None]) -> None: ...


def install_market(
    routes: Routes,
    replica: StreamsReplica,
    market_data: MarketData,
    broadcast: Broadcast,
    now_ns: Callable[[], int],
    auction: Callable[[Instrument], Auction],
) -> MarketStreams:
    """Serve the public streams at /ws and /stream. The venue calls `tick` of what is returned every 100 ms.

    `market_data` must be a reader of the replica already: streams tell what it knows after each batch. The REST paths
    and WebSocket API methods are rows of `market_endpoints.MarketEndpoints`.
    """
    streams = MarketStreams(
        market_data, lambda: replica.reference, now_ns, broadcast, replica.reference_price_ticks, auction
    )
    replica.add_reader(streams.on_applied)

    def open_stream(request: Request) -> WebSocketSession | Response:
        return open_session(streams, request)

    routes.websocket("/ws", open_stream)
    routes.websocket("/stream", open_stream)
    return streams
