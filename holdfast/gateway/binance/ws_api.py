"""WebSocket API: the same endpoints over one connection, on which a client may log on once and listen to its account.

frame → weight → pairs → key (the request's own, or the session's) → values → endpoint → reply frame

Once a session is logged on, its frames go through the lane, which takes ordinary orders in runs and hands the others
back in their order.

Invariants: every request gets exactly one reply, with its id as it was written; the reply to a subscription leaves
before the first event of it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from holdfast.clock import Clock
from holdfast.codes import KeyPermission
from holdfast.events import ControlEvent
from holdfast.gateway.binance import errors, ws_frames
from holdfast.gateway.binance.authentication import (
    Authorization,
    Key,
    KeyTable,
    authorize,
    check_key,
    check_permission,
    find_key,
    fresh_time,
    is_websocket_signed,
)
from holdfast.gateway.binance.countdowns import Countdowns
from holdfast.gateway.binance.endpoints import Answer, Budget, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.lane import requests
from holdfast.gateway.binance.lane.lane import Lane
from holdfast.gateway.binance.parameters import (
    AnyParameters,
    Pairs,
    Parameter,
    boolean,
    long,
    parse_form,
    signed,
    symbol,
)
from holdfast.gateway.binance.rate_limits import RateLimits, Used
from holdfast.gateway.binance.rest import time_unit_ns
from holdfast.gateway.binance.user_stream import Subscription, UserStreams, terminated
from holdfast.gateway.server.messages import Request, Response
from holdfast.gateway.server.routes import OutgoingSocket
from holdfast.gateway.watches import WATCH_MS, Scope

SUBSCRIPTIONS_MAX = 1_000  # Active ones of a connection.
SUBSCRIPTION_IDS_MAX = 65_535  # Over a connection's life.
SESSION_WEIGHT = 2


class Shared(NamedTuple):
    """What all sessions of a gateway use."""

    methods: Mapping[str, Endpoint]
    keys: KeyTable
    rate_limits: RateLimits
    clock: Clock
    streams: UserStreams
    lane: Lane
    sessions: "dict[Session, None]"  # The open ones.
    countdowns: Countdowns


def open_session(shared: Shared, request: Request) -> "Session | Response":
    """The session that a request for a WebSocket gets, or the refusal."""
    now_ns = shared.clock.now_ns()
    try:
        shared.rate_limits.charge_connection(request.peer_ip, now_ns)
        query = parse_form(request.query)
        shows_limits = boolean("returnRateLimits", query.get("returnRateLimits", "true"))
        return Session(shared, shows_limits, time_unit_ns(query.get("timeUnit", "")))
    except ApiError as error:
        return Response(error.status, error.body())


class Session:
    """One connection."""

    form = requests.FORM_WEBSOCKET

    def __init__(self, shared: Shared, shows_limits: bool, unit_ns: int) -> None:
        self._shared = shared
        self.shows_limits = shows_limits
        self.time_unit_ns = unit_ns
        self._socket: OutgoingSocket
        self._connected_ns = shared.clock.now_ns()
        self._key: Key | None = None  # Logged on with.
        self._may_trade = False
        self._authorized_ns = 0
        self._subscriptions: dict[int, Subscription] = {}
        self._logon_subscription: int | None = None  # The one that ends with the logon.
        self._subscription_ids = 0
        self._after_reply: list[bytes] = []
        self._watched: set[Scope] = set()  # Whose orders go when this connection ends.

    # What the server calls.

    def on_open(self, socket: OutgoingSocket) -> None:
        self._socket = socket
        self.peer_ip = socket.peer_ip
        self._shared.sessions[self] = None

    def on_text(self, data: bytes) -> None:
        if self._key is not None:
            self._shared.lane.add(self, data)
        else:
            self.go_on(data, self._shared.clock.now_ns())

    def on_close(self, reason: str) -> None:  # noqa: ARG002
        for subscription in self._subscriptions.values():
            self._shared.streams.remove(subscription)
        self._subscriptions.clear()
        self._shared.sessions.pop(self, None)
        self._lose_watched()

    def announce_shutdown(self) -> None:
        now = self._shared.clock.now_ns() // self.time_unit_ns
        self._socket.send(b'{"event":{"e":"serverShutdown","E":%d}}' % now)

    # What the lane calls.

    @property
    def trading_key(self) -> Key | None:
        key = self._key
        return None if key is None or not self._may_trade or key.revoked else key

    def answer(self, written: list[bytes], used: Used) -> None:  # noqa: ARG002 - the replies tell it
        if len(written) == 1:
            self._socket.send(written[0])
        else:
            self._socket.send_many(written)

    def call(self, request_id: bytes, received_ts_ns: int) -> Call:
        exchange = _Exchange(self)
        exchange.request_id = request_id
        exchange.budget = Budget.ORDER
        return Call(exchange.answer, self.peer_ip, received_ts_ns, self.time_unit_ns)

    def go_on(self, text: bytes, received_ts_ns: int) -> None:
        exchange = _Exchange(self)
        call = Call(exchange.answer, self.peer_ip, received_ts_ns, self.time_unit_ns)
        call.attempt(lambda call: self._run(exchange, text, call))

    # One request.

    def _run(self, exchange: "_Exchange", data: bytes, call: Call) -> bytes | None:
        shared = self._shared
        try:
            request = ws_frames.read_request(data)
        except ApiError:
            exchange.request_id = ws_frames.id_of_malformed(data)
            raise
        exchange.request_id = ws_frames.read_id(request)
        method = request.method.removeprefix("v3/")
        own = SESSION_METHODS.get(method)
        endpoint = own.endpoint if own is not None else shared.methods.get(method, UNKNOWN)
        exchange.budget = endpoint.budget
        endpoint.charge(shared.rate_limits, call.peer_ip, call.received_ts_ns)
        pairs = ws_frames.read_pairs(request)
        if "returnRateLimits" in pairs:
            exchange.shows_limits = boolean("returnRateLimits", pairs["returnRateLimits"])
        if endpoint.permission is not None:
            call.authorize(self._authorization(pairs, endpoint.permission, call.received_ts_ns))
        asked = {name: text for name, text in pairs.items() if name not in _OF_EVERY_REQUEST}
        call.values = endpoint.parameters.convert(ws_frames.without_exponents(request, asked))
        endpoint.charge_by_values(shared.rate_limits, call.peer_ip, call.values, call.received_ts_ns)
        return own.run(self, call, pairs) if own is not None else endpoint.run(call)

    def _authorization(self, pairs: Pairs, permission: KeyPermission, now_ns: int) -> Authorization:
        """By the key that the request names and its signature, else by the key that the session logged on with."""
        if self._key is None or "apiKey" in pairs:
            return self._signed_by(_named_key(pairs), permission, pairs, now_ns)
        if "signature" in pairs:
            return self._signed_by(self._key.api_key, permission, pairs, now_ns)
        key = self._session_key()
        check_permission(key, permission)
        return Authorization(key, *fresh_time(pairs, now_ns))

    def _signed_by(self, api_key: str, permission: KeyPermission | None, pairs: Pairs, now_ns: int) -> Authorization:
        key = find_key(self._shared.keys, api_key, self.peer_ip)
        return authorize(key, permission, pairs, now_ns, is_websocket_signed(pairs))

    def _session_key(self) -> Key:
        """The key logged on with; one that has become invalid ends the logon."""
        if self._key is None:
            raise ApiError(errors.UNAUTHORIZED)
        try:
            check_key(self._key, self.peer_ip)
        except ApiError:
            self._log_out(self._shared.clock.now_ns())
            raise
        return self._key

    def reply(self, exchange: "_Exchange", call: Call, answer: Answer) -> None:
        now_ns = self._shared.clock.now_ns()
        limits = self._shared.rate_limits
        is_order = exchange.budget is Budget.ORDER
        if is_order and answer.error is not None and not answer.error.retry_at_ns:
            limits.charge_failed(call.peer_ip, 1, now_ns)
        shown = b""
        if exchange.shows_limits:
            shown = limits.usage(call.peer_ip, call.account_id if is_order else 0, now_ns)
        server_time = now_ns // self.time_unit_ns
        self._socket.send(ws_frames.write_reply(exchange.request_id, answer, shown, server_time, self.time_unit_ns))
        waiting, self._after_reply = self._after_reply, []
        for frame in waiting:
            self._socket.send(frame)

    # Logging on.

    def log_on(self, call: Call, pairs: Pairs) -> bytes:
        authorization = self._signed_by(_named_key(pairs), None, pairs, call.received_ts_ns)
        if self._key is not None and authorization.key is not self._key:
            self._lose_watched()
        self._key = authorization.key
        self._may_trade = self._key.may(KeyPermission.TRADE)
        self._authorized_ns = call.received_ts_ns
        return self.status(call, pairs)

    def log_out(self, call: Call, pairs: Pairs) -> bytes:
        """Forgets the key and ends the subscription that rests on it; others live on."""
        self._log_out(call.received_ts_ns)
        return self.status(call, pairs)

    def _log_out(self, ts_ns: int) -> None:
        self._key = None
        self._lose_watched()
        if self._logon_subscription is not None:
            self._after_reply.append(self._end(self._subscriptions[self._logon_subscription], ts_ns))

    def status(self, call: Call, _pairs: Pairs) -> bytes:
        key = self._key
        return msgspec.json.encode(
            {
                "apiKey": key.api_key if key is not None else None,
                "authorizedSince": call.time(self._authorized_ns) if key is not None else None,
                "connectedSince": call.time(self._connected_ns),
                "returnRateLimits": self.shows_limits,
                "serverTime": call.time(self._shared.clock.now_ns()),
                "userDataStream": bool(self._subscriptions),
            }
        )

    # Cancel on disconnect.

    def cancel_on_disconnect(self, call: Call, pairs: Pairs) -> None:
        """Watch the account, or one symbol of it, for as long as this session is logged on; or do so no longer."""
        key = self._session_key()
        check_permission(key, KeyPermission.TRADE)
        call.authorize(Authorization(key, *fresh_time(pairs, call.received_ts_ns)))
        countdowns = self._shared.countdowns
        scope = Scope(key.account_id, countdowns.instrument_id(call))
        is_enabled = call.values["enabled"]

        def reply(event: ControlEvent) -> bytes:
            self._watch(scope, is_enabled, key)
            shown = {"symbol": call.values.get("symbol", ""), "enabled": is_enabled, "countdownTime": str(event.value)}
            return msgspec.json.encode(shown)

        is_needed = is_enabled or countdowns.watches.has_others(scope, scope in self._watched)
        countdowns.set(call, scope.instrument_id, WATCH_MS if is_needed else 0, reply)

    def _watch(self, scope: Scope, is_enabled: bool, key: Key) -> None:
        """The timer is set. The connection may have ended meanwhile, or have logged on with another key."""
        watches = self._shared.countdowns.watches
        if is_enabled and scope not in self._watched:
            watches.begin(scope)
            self._watched.add(scope)
            if self not in self._shared.sessions or self._key is not key:
                self._lose_watched()
        elif not is_enabled and scope in self._watched:
            self._watched.remove(scope)
            watches.leave(scope)

    def _lose_watched(self) -> None:
        watched, self._watched = self._watched, set()
        for scope in watched:
            self._shared.countdowns.watches.lose(scope)

    # The user data stream.

    def subscribe(self, _call: Call, _pairs: Pairs) -> bytes:
        key = self._session_key()
        check_permission(key, KeyPermission.READ)
        result = self._subscribe(key)
        self._logon_subscription = self._subscription_ids - 1
        return result

    def subscribe_signed(self, call: Call, pairs: Pairs) -> bytes:
        """By a signature; on a session that is logged on, some clients send none."""
        if self._key is not None and "apiKey" not in pairs and "signature" not in pairs:
            return self.subscribe(call, pairs)
        return self._subscribe(self._authorization(pairs, KeyPermission.READ, call.received_ts_ns).key)

    def _subscribe(self, key: Key) -> bytes:
        if any(each.key.account_id == key.account_id for each in self._subscriptions.values()):
            raise ApiError(errors.SUBSCRIPTION_ACTIVE)
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise ApiError(errors.TOO_MANY_SUBSCRIPTIONS, SUBSCRIPTIONS_MAX)
        if self._subscription_ids >= SUBSCRIPTION_IDS_MAX:
            raise ApiError(errors.MAXIMUM_SUBSCRIPTION_IDS)
        send, end = self._socket.send, self._end_revoked
        subscription = Subscription(self._subscription_ids, key, self.time_unit_ns, send, end)
        self._subscription_ids += 1
        self._subscriptions[subscription.subscription_id] = subscription
        self._shared.streams.add(subscription)
        return b'{"subscriptionId":%d}' % subscription.subscription_id

    def unsubscribe(self, call: Call, _pairs: Pairs) -> bytes:
        named = call.values.get("subscriptionId")
        ending = [each for each in self._subscriptions.values() if named in (None, each.subscription_id)]
        if not ending:
            raise ApiError(errors.SUBSCRIPTION_INACTIVE)
        for subscription in ending:
            self._after_reply.append(self._end(subscription, call.received_ts_ns))
        return b"{}"

    def subscriptions(self, _call: Call, _pairs: Pairs) -> bytes:
        return msgspec.json.encode([{"subscriptionId": number} for number in self._subscriptions])

    def _end(self, subscription: Subscription, ts_ns: int) -> bytes:
        """End it and return its last frame; where a request ends it, that leaves after the reply."""
        self._shared.streams.remove(subscription)
        self._subscriptions.pop(subscription.subscription_id, None)
        if self._logon_subscription == subscription.subscription_id:
            self._logon_subscription = None
        return terminated(subscription, ts_ns)

    def _end_revoked(self, subscription: Subscription, ts_ns: int) -> None:
        self._socket.send(self._end(subscription, ts_ns))


class _Exchange:
    """One request and its reply."""

    __slots__ = ("budget", "request_id", "session", "shows_limits")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.request_id = ws_frames.NO_ID
        self.shows_limits = session.shows_limits
        self.budget = Budget.WEIGHT

    def answer(self, call: Call, answer: Answer) -> None:
        self.session.reply(self, call, answer)


def _unsupported(_call: Call) -> bytes:
    raise ApiError(errors.UNSUPPORTED_OPERATION)


UNKNOWN = Endpoint(AnyParameters(), _unsupported)


class SessionMethod(NamedTuple):
    """A method that is about the connection itself, and judges its own signature where it needs one."""

    endpoint: Endpoint
    run: Callable[[Session, Call, Pairs], bytes | None]


def _session_method(run: Callable[[Session, Call, Pairs], bytes | None], *parameters: Parameter) -> SessionMethod:
    return SessionMethod(Endpoint(signed(*parameters), _unsupported, SESSION_WEIGHT), run)


SESSION_METHODS = {
    "session.logon": _session_method(Session.log_on),
    "session.logout": _session_method(Session.log_out),
    "session.status": _session_method(Session.status),
    "session.cancelOnDisconnect": _session_method(
        Session.cancel_on_disconnect, Parameter("enabled", boolean, is_required=True), Parameter("symbol", symbol)
    ),
    "session.subscriptions": _session_method(Session.subscriptions),
    "userDataStream.subscribe": _session_method(Session.subscribe),
    "userDataStream.subscribe.signature": _session_method(Session.subscribe_signed),
    "userDataStream.unsubscribe": _session_method(Session.unsubscribe, Parameter("subscriptionId", long)),
}
_OF_EVERY_REQUEST = frozenset({"apiKey", "returnRateLimits"})


def _named_key(pairs: Pairs) -> str:
    api_key = pairs.get("apiKey")
    if not api_key:
        raise ApiError(errors.MANDATORY_PARAMETER, "apiKey")
    return api_key
