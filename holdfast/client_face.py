"""The face for clients: REST, WebSocket API and streams over one replica, the same in the venue and in joined gateways.

replica, market data, history → CLIENT FACE → routes of the front door

What clients can ask is put together here once, so that a gateway in a process of its own lacks nothing.
"""

import asyncio
from collections.abc import Callable, Mapping

import numpy as np

from holdfast.gateway.binance.gateway import BinanceGateway
from holdfast.gateway.binance.market_endpoints import MarketEndpoints
from holdfast.gateway.binance.market_install import install_market
from holdfast.gateway.binance.market_rules import RuleEndpoints
from holdfast.gateway.binance.market_streams import MarketStreams
from holdfast.gateway.binance.orders_elsewhere import OrdersElsewhere
from holdfast.gateway.binance.rate_limits import Limits
from holdfast.gateway.server.broadcast import Broadcaster
from holdfast.gateway.server.routes import Routes
from holdfast.market_data.market_data import MarketData
from holdfast.replica import Replica


class ClientFace:
    """Registers everything on `routes` and reads the replica; on the running loop."""

    def __init__(
        self,
        routes: Routes,
        replica: Replica,
        market_data: MarketData,
        rate_limits: Mapping[str, int],
        is_elsewhere: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        """`is_elsewhere(gateway_ids)`: which commands came in by another process's front door."""
        loop, now_ns = asyncio.get_running_loop(), replica.clock.now_ns
        self.gateway = BinanceGateway(routes, replica, Limits(**rate_limits), loop.call_later, loop.call_soon)
        replica.add_reader(OrdersElsewhere(self.gateway.rate_limits, is_elsewhere, now_ns).on_applied)
        market = MarketEndpoints(market_data, replica, replica.history, now_ns)
        self.gateway.add_public(market.rest, market.methods)
        rules = RuleEndpoints(replica, now_ns)
        self.gateway.add_public(rules.rest, rules.methods)
        self.streams: MarketStreams = install_market(
            routes, replica, market_data, Broadcaster(), now_ns, self.gateway.status.auction
        )

    def announce_shutdown(self) -> None:
        """Tell all who listen."""
        self.gateway.announce_shutdown()
        self.streams.announce_shutdown()
