"""A client of the line, the venue's binary order-entry protocol: `LineClient` waits, `AsyncLineClient` is for asyncio.

Both carry on over lost connections and restarts of the venue: no command is carried out twice, no report is handed out
twice, and what was on its way is told when it is known. docs/line.md has an example and the protocol itself.
"""

from holdfast.client.asynchronous import AsyncLineClient
from holdfast.client.core import EndedError, LineError, Outcome, Report, Request
from holdfast.client.sync import LineClient
from holdfast.codes import (
    OrderEventKind,
    OrderStatus,
    OrderType,
    PegPriceType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.instruments import Instrument

__all__ = [
    "AsyncLineClient",
    "EndedError",
    "Instrument",
    "LineClient",
    "LineError",
    "OrderEventKind",
    "OrderStatus",
    "OrderType",
    "Outcome",
    "PegPriceType",
    "RejectReason",
    "Report",
    "Request",
    "SelfTradePrevention",
    "Side",
    "TimeInForce",
    "TradingMode",
]
