"""Core: a client of the line without a socket, which both clients share.

    submit ──▶ CORE ──outgoing()──▶ socket ──▶ venue
    requests, reports ◀── CORE ◀──receive()── socket ◀──┘

It signs on, numbers commands, keeps each until its outcome is known, and knows how far it has been told. After
`disconnected()`, `connected()` begins anew on another connection: what the venue has taken is not sent again, what it
has not taken is, and reports go on where they stopped. So a command is carried out once, and each report is handed out
once.
"""

import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from holdfast.codes import OrderEventKind, RejectReason, TradingMode
from holdfast.commands import command_dtype
from holdfast.instruments import Asset, Instrument, Stage
from holdfast.line import (
    KIND_OFFSET_CLIENT,
    MAGIC,
    NUMBER_MAX,
    RECORD_BYTES,
    VERSION,
    ClientKind,
    Reason,
    ReportFlag,
    ServerKind,
    SignOnFlag,
    challenge_dtype,
    instrument_dtype,
    journaled_number,
    notice_dtype,
    report_dtype,
    sign_on_dtype,
    signed_payload,
)

REPORTS_KEPT_MAX = 100_000
MODE_CHANGES_KEPT_MAX = 10_000
_REFUSALS = (OrderEventKind.ORDER_REJECTED, OrderEventKind.CANCEL_REJECTED)
_INDEX_MAX = 2**31 - 1
assert command_dtype.fields is not None
_NUMBER_AT = command_dtype.fields["request_number"][1]

# Ends after which another attempt would end the same.
_FINAL = {
    Reason.SIGN_ON_REFUSED,
    Reason.KEY_REVOKED,
    Reason.NOT_A_RECORD,
    Reason.NUMBER_SKIPPED,
    Reason.NOT_ALLOWED,
    Reason.REPLACED,
    Reason.SIGNED_OFF,
}


class LineError(Exception):
    """The line cannot be used; the text is a sentence."""


class EndedError(LineError):
    """The venue ended the session, and coming back would not help."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class LostError(LineError):
    """The connection is lost; the next one carries on."""


class Report(NamedTuple):
    """What happened to one order: the fields of `holdfast.line.report_dtype`, with Python's own types.

    Prices are in ticks and quantities in lots; see `Instrument.format_price` and `format_qty`.
    """

    seq: int
    ts_ns: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody needs here.
    account_id: int
    instrument_id: int
    kind: int  # OrderEventKind, or a ServerKind from 64 on.
    reason: int
    status: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    is_maker: int
    is_working: int
    fee_is_base: int
    flags: int
    account_event: int
    order_id: int
    price_ticks: int
    qty_lots: int
    executed_lots: int
    executed_quote_units: int
    quote_units: int
    prevented_lots: int
    last_lots: int
    last_price_ticks: int
    last_quote_units: int
    fee_units: int
    trade_id: int
    request_number: int
    client_id: bytes
    sender_key_id: int


assert Report._fields == report_dtype.names


class Outcome(Enum):
    PENDING = "pending"
    DONE = "done"  # The venue carried it out, or its engine refused it: `reports` say which.
    REFUSED = "refused"  # It never reached the journal: `refusal` says why.
    UNKNOWN = "unknown"  # It was taken, and what became of it cannot be told here any more: ask over REST.


class Request:
    """One command and what became of it."""

    __slots__ = ("number", "outcome", "record", "refusal", "reports")

    def __init__(self, record: bytes) -> None:
        self.record = record
        self.number = 0  # 0 until it is sent; another when it is sent again.
        self.outcome = Outcome.PENDING
        self.refusal = ""
        self.reports: list[Report] = []

    @property
    def is_done(self) -> bool:
        return self.outcome is not Outcome.PENDING

    @property
    def order(self) -> Report | None:
        """The new order as this command left it; None when there is none, or it was refused."""
        own = [report for report in self.reports if report.kind == OrderEventKind.ORDER_ACCEPTED]
        if not own:
            return None
        return [report for report in self.reports if report.order_id == own[0].order_id][-1]

    @property
    def reject_reason(self) -> RejectReason:
        """Why the engine refused it; NONE when it did not."""
        for report in reversed(self.reports):
            if report.kind in _REFUSALS or report.kind == ServerKind.COMMAND_REJECTED:
                return RejectReason(report.reason)
        return RejectReason.NONE


class Core:
    """One session of one API key. `monotonic_s` is the clock that heartbeats and silence are measured by."""

    def __init__(
        self,
        api_key: str,
        private_key: Ed25519PrivateKey | str,
        *,
        session: int = 0,
        drop_copy: bool = False,
        sub_accounts: bool = False,
        open_orders: bool = True,
        cancel_on_disconnect: bool = False,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`private_key`: or its PEM text. `session` 0 to 255: one key may have several, each with its own numbers.
        With `cancel_on_disconnect` the account's orders are canceled whenever a connection ends, also one of several
        that this client opens one after the other."""
        self.api_key = api_key
        self.session = session
        self.account_id = 0
        self.key_id = 0
        self.instruments: dict[str, Instrument] = {}
        self.reports: deque[Report] = deque(maxlen=REPORTS_KEPT_MAX)  # Not yet taken by the user; the newest.
        self.mode_changes: deque[Instrument] = deque(maxlen=MODE_CHANGES_KEPT_MAX)  # Likewise.
        self.open_orders: list[Report] = []  # As told at the last GAP.
        self.is_signed_on = False
        self.is_live = False  # All that was missed has been told.
        self.repeated = 0  # How often the venue said that it had taken a number before.
        self.position: tuple[int, int] | None = None  # (seq, index) of the last event that was told.
        self._key = _loaded(private_key)
        self._is_drop_copy = drop_copy
        self._flags = (
            (SignOnFlag.DROP_COPY if drop_copy else 0)
            | (SignOnFlag.SUB_ACCOUNTS if sub_accounts else 0)
            | (0 if open_orders else SignOnFlag.NO_OPEN_ORDERS)
            | (SignOnFlag.CANCEL_ON_DISCONNECT if cancel_on_disconnect else 0)
        )
        self._monotonic_s = monotonic_s
        self._requests: dict[int, Request] = {}  # Sent and not done, by number.
        self._waiting: deque[Request] = deque()  # To be sent at the sign-on.
        self._next_number = 1
        self._taken_before = 0  # Numbers below it were taken when this connection began.
        self._is_in_gap = False
        self._knows_instruments = False  # All of them have been told at some time.
        self._outgoing: list[bytes] = []
        self._partial = b""
        self._heartbeat_s = self._silence_s = 10.0
        self._sent_at_s = self._received_at_s = monotonic_s()

    @property
    def in_flight(self) -> int:
        """Commands whose outcome is not known yet."""
        return len(self._requests) + len(self._waiting)

    def instrument(self, symbol: str) -> Instrument:
        """Known from the sign-on on. Raises LineError."""
        found = self.instruments.get(symbol)
        if found is None:
            raise LineError(f"There is no instrument {symbol}.")
        return found

    # The user's side.

    def submit(self, record: bytes) -> Request:
        """Send a command of `holdfast.client.orders`, at once or when the session is signed on."""
        if self._is_drop_copy:
            raise LineError("A drop copy only listens.")
        request = Request(record)
        if self.is_signed_on:
            self._send(request)
        else:
            self._waiting.append(request)
        return request

    def sign_off(self) -> None:
        self._outgoing.append(_client_record(ClientKind.SIGN_OFF))

    # The socket's side.

    def disconnected(self) -> None:
        """The connection is lost, or was never there."""
        self.is_signed_on = self.is_live = self._is_in_gap = False
        self._outgoing.clear()  # Commands among it are kept as requests.
        self._partial = b""

    def connected(self) -> None:
        """There is a new connection."""
        self.disconnected()
        self._sent_at_s = self._received_at_s = self._monotonic_s()

    def outgoing(self) -> bytes:
        """What is to be written now."""
        if not self._outgoing:
            return b""
        self._sent_at_s = self._monotonic_s()
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> list[Request]:
        """Take what was read; returns the requests that it decides. Raises EndedError, LostError."""
        self._received_at_s = self._monotonic_s()
        data = self._partial + data
        whole = len(data) - len(data) % RECORD_BYTES
        self._partial = data[whole:]
        done: list[Request] = []
        if not whole:
            return done
        rows = np.frombuffer(data, report_dtype, whole // RECORD_BYTES)
        kinds = rows["kind"].tolist()
        for i, (kind, row) in enumerate(zip(kinds, rows.tolist(), strict=True)):
            if kind > 0:
                self._on_report(Report._make(row), done)
            else:
                self._on_notice(ServerKind(kind), data[i * RECORD_BYTES : (i + 1) * RECORD_BYTES], done)
        return done

    def seconds_left(self) -> float:
        """Until `on_timer` has something to do."""
        now_s = self._monotonic_s()
        return max(0.0, min(self._sent_at_s + self._heartbeat_s, self._received_at_s + self._silence_s) - now_s)

    def on_timer(self) -> None:
        """Send a heartbeat when it is time. Raises LostError when nothing has come for too long."""
        now_s = self._monotonic_s()
        if now_s >= self._received_at_s + self._silence_s:
            raise LostError("Nothing came from the venue for too long.")
        if self.is_signed_on and now_s >= self._sent_at_s + self._heartbeat_s:
            self._outgoing.append(_client_record(ClientKind.HEARTBEAT))

    # What comes in.

    def _on_report(self, report: Report, done: list[Request]) -> None:
        if report.kind == ServerKind.OPEN_ORDER:
            self.open_orders.append(report)
            return
        position = report.seq, report.index
        if self.position is not None and position <= self.position:
            return  # It was told before.
        self.position = position
        self.reports.append(report)
        if not report.request_number or report.sender_key_id != self.key_id:
            return
        number = report.request_number & NUMBER_MAX
        if report.request_number != journaled_number(self.session, number):
            return
        request = self._requests.get(number)
        if request is not None:
            request.reports.append(report)
            if report.flags & ReportFlag.LAST:
                self._done(request, Outcome.DONE, done)

    def _on_notice(self, kind: ServerKind, record: bytes, done: list[Request]) -> None:
        if kind == ServerKind.CHALLENGE:
            self._on_challenge(record)
            return
        if kind == ServerKind.INSTRUMENT:
            self._on_instrument(_instrument(record))
            return
        (notice,) = np.frombuffer(record, notice_dtype)
        text = bytes(notice["text"]).decode("ascii", "replace")
        if kind == ServerKind.WELCOME:
            self.account_id, self.key_id = int(notice["account_id"]), int(notice["key_id"])
            self._on_welcome(int(notice["next_number"]))
        elif kind == ServerKind.GAP:
            self._is_in_gap = True
            self.open_orders.clear()
            self.position = int(notice["seq"]), _INDEX_MAX
        elif kind == ServerKind.READY:
            self.is_live = self._knows_instruments = True
            self._on_ready(done)
        elif kind == ServerKind.HEARTBEAT:
            if self.position is not None and int(notice["seq"]) > self.position[0]:
                self.position = int(notice["seq"]), _INDEX_MAX
        elif kind == ServerKind.REFUSED:
            request = self._requests.get(int(notice["request_number"]))
            if request is not None:
                request.refusal = text
                self._done(request, Outcome.REFUSED, done)
        elif kind == ServerKind.REPEATED:
            self.repeated += 1
        elif kind == ServerKind.END:
            reason = Reason(int(notice["reason"]))
            raise EndedError(reason, text) if reason in _FINAL else LostError(text)

    def _on_challenge(self, record: bytes) -> None:
        (challenge,) = np.frombuffer(record, challenge_dtype)
        if bytes(challenge["magic"]) != MAGIC or challenge["version"] != VERSION:
            raise EndedError(Reason.SIGN_ON_REFUSED, f"This is no venue that speaks version {VERSION} of the line.")
        self._heartbeat_s = challenge["heartbeat_s"] / 2
        self._silence_s = float(challenge["idle_s"])
        sign_on = np.zeros(1, sign_on_dtype)
        resumes = SignOnFlag.RESUME if self.position is not None else 0
        sign_on["version"], sign_on["session"], sign_on["flags"] = VERSION, self.session, self._flags | resumes
        sign_on["kind"], sign_on["api_key"] = ClientKind.SIGN_ON, self.api_key.encode("ascii")
        if self.position is not None:
            sign_on["seq"], sign_on["index"] = self.position
        payload = signed_payload(challenge["nonce"].tobytes(), sign_on.tobytes())
        sign_on["signature"] = np.void(self._key.sign(payload))
        self._outgoing.append(sign_on.tobytes())

    def _on_instrument(self, instrument: Instrument) -> None:
        """Told at each sign-on, and when its mode changes: what changed while nobody was connected is a change too."""
        known = self.instruments.get(instrument.symbol)
        self.instruments[instrument.symbol] = instrument
        if self._knows_instruments and instrument.changes_mode_of(known):
            self.mode_changes.append(instrument)

    def _on_welcome(self, next_number: int) -> None:
        """What the venue has taken will be told; what it has not is sent again, under the numbers that come next."""
        self._taken_before = next_number
        not_taken = [request for number, request in sorted(self._requests.items()) if number >= next_number]
        self._requests = {number: each for number, each in self._requests.items() if number < next_number}
        self._next_number = next_number
        self.is_signed_on = True
        waiting, self._waiting = self._waiting, deque()
        for request in [*not_taken, *waiting]:
            request.reports.clear()
            self._send(request)

    def _on_ready(self, done: list[Request]) -> None:
        """After a gap, what was taken before and has not been told will not be told any more."""
        if not self._is_in_gap:
            return
        self._is_in_gap = False
        for number in [number for number in self._requests if number < self._taken_before]:
            self._done(self._requests[number], Outcome.UNKNOWN, done)

    def _send(self, request: Request) -> None:
        request.number = self._next_number
        self._next_number += 1
        self._requests[request.number] = request
        number = request.number.to_bytes(8, "little")
        self._outgoing.append(request.record[:_NUMBER_AT] + number + request.record[_NUMBER_AT + 8 :])

    def _done(self, request: Request, outcome: Outcome, done: list[Request]) -> None:
        request.outcome = outcome
        del self._requests[request.number]
        done.append(request)


def _loaded(private_key: Ed25519PrivateKey | str) -> Ed25519PrivateKey:
    if isinstance(private_key, Ed25519PrivateKey):
        return private_key
    loaded = load_pem_private_key(private_key.encode(), None)
    if not isinstance(loaded, Ed25519PrivateKey):
        raise LineError("The line takes Ed25519 keys only.")
    return loaded


def _client_record(kind: ClientKind) -> bytes:
    record = bytearray(RECORD_BYTES)
    record[KIND_OFFSET_CLIENT] = kind & 0xFF
    return bytes(record)


def _instrument(record: bytes) -> Instrument:
    (row,) = np.frombuffer(record, instrument_dtype)
    base = Asset(int(row["base_asset_id"]), bytes(row["base"]).decode("ascii"), int(row["base_decimals"]))
    quote = Asset(int(row["quote_asset_id"]), bytes(row["quote"]).decode("ascii"), int(row["quote_decimals"]))
    symbol, mode = bytes(row["symbol"]).decode("ascii"), TradingMode(int(row["mode"]))
    numbers = int(row["tick_e8"]), int(row["lot_units"]), int(row["units_per_tick_lot"])
    stages = tuple(Stage(TradingMode(mode), begins) for mode, begins in row["stages"].tolist() if begins)
    return Instrument(int(row["instrument_id"]), symbol, base, quote, *numbers, mode, {}, stages)
