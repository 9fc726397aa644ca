"""Server: the HTTP/1.1 and WebSocket front door on one port.

sockets → SERVER (connection → routes → handler; upgrade → WebSocket → session) → gateways

The parsers are libraries' (httptools, picows); the life of requests and connections, limits and time-outs are here.
"""

from holdfast.gateway.server.broadcast import Broadcaster
from holdfast.gateway.server.counters import Counters
from holdfast.gateway.server.limits import Limits
from holdfast.gateway.server.messages import Handler, Request, Respond, Response, error_response
from holdfast.gateway.server.routes import OutgoingSocket, Routes, WebSocketFactory, WebSocketSession
from holdfast.gateway.server.server import Server, ServerStartError
from holdfast.gateway.server.websocket import Socket

__all__ = [
    "Broadcaster",
    "Counters",
    "Handler",
    "Limits",
    "OutgoingSocket",
    "Request",
    "Respond",
    "Response",
    "Routes",
    "Server",
    "ServerStartError",
    "Socket",
    "WebSocketFactory",
    "WebSocketSession",
    "error_response",
]
