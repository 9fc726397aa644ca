"""The line without sockets and without a disk: a real engine, connections whose bytes a test can see, and time that
stands still. Commands are durable when the test says so (`commit`)."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.client.core import Core
from holdfast.codes import (
    CommandKind,
    ControlEventKind,
    InstrumentParameter,
    KeyType,
    OrderType,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command, command_dtype, encode
from holdfast.directory.directory import AccountRow
from holdfast.directory.keys import Key
from holdfast.engine.engine import Engine
from holdfast.errors import JournalUnavailableError
from holdfast.gateway.binance.rate_limits import Limits, RateLimits
from holdfast.gateway.line.feeds import Position
from holdfast.gateway.line.numbers import SessionName
from holdfast.gateway.line.reports import mark_last, reports_of
from holdfast.gateway.line.server import LineLimits, LineServer
from holdfast.gateway.line.session import Session
from holdfast.gateway.server.wheel import SLOTS
from holdfast.gateway.watches import Watches
from holdfast.instruments import Reference
from holdfast.line import ServerKind, notice_dtype, report_dtype
from holdfast.replica import Applied
from holdfast.views import Order
from tests.gateway.fakes import FakeClock, FakeDirectory, Turns
from tests.server.rig import FakeTransport

ALICE, BOB = 1, 2
AMOUNT = 10**15
UNLIMITED = Limits(
    request_weight_per_minute=10**9,
    raw_requests_per_5_minutes=10**9,
    orders_per_10_seconds=10**9,
    orders_per_day=10**9,
    cancels_per_minute=10**9,
    connections_per_5_minutes=10**9,
)


def command(number: int, kind: CommandKind = CommandKind.PLACE_ORDER, **fields: Any) -> bytes:
    """A command as a client sends it: a buy that rests, unless `fields` say otherwise."""
    of: dict[str, Any] = {"instrument_id": 1, "client_id": b"c-%d" % number}
    if kind == CommandKind.PLACE_ORDER:
        of |= {
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "price_ticks": 100,
            "qty_lots": 10,
        }
    return encode(Command(**{"kind": kind, "request_number": number, **of, **fields}))


class LineDirectory(FakeDirectory):
    def __init__(self) -> None:
        super().__init__()
        self.rows = [AccountRow(ALICE, "", 0, 0), AccountRow(BOB, "", 0, 0)]

    def accounts(self, after_id: int, limit: int) -> list[AccountRow]:
        return self.rows[after_id : after_id + limit]


class LineVenue:
    """A replica whose journal is a list."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.directory = LineDirectory()
        self.engine = Engine()
        self.refusal = ""
        self.is_broken = False
        self.committed: list[np.ndarray] = []
        self._waiting: list[bytes] = []
        self._readers: list[Callable[[Any], None]] = []
        self.reference = Reference([], [])
        self._set_up()

    def _set_up(self) -> None:
        add = self._add
        add(CommandKind.ADD_ASSET, client_id=b"BTC", qty_lots=8)
        add(CommandKind.ADD_ASSET, client_id=b"USDT", qty_lots=8)
        fields = {"account_id": 1, "instrument_id": 2, "price_ticks": 10**6, "qty_lots": 1000}
        add(CommandKind.ADD_INSTRUMENT, client_id=b"BTCUSDT", **fields)
        for parameter, value in (
            (InstrumentParameter.PRICE_TICKS_MAX, 1_000_000),
            (InstrumentParameter.QTY_LOTS_MAX, 1_000_000),
            (InstrumentParameter.ORDERS_MAX, 1_000_000),
        ):
            add(CommandKind.SET_INSTRUMENT_PARAMETER, instrument_id=1, order_id=parameter, qty_lots=value)
        add(CommandKind.SET_TRADING_MODE, instrument_id=1, qty_lots=TradingMode.TRADING)
        for account_id in (ALICE, BOB):
            add(CommandKind.CREATE_ACCOUNT, client_id=b"account %d" % account_id)
            for asset_id in (1, 2):
                fields = {"account_id": account_id, "instrument_id": asset_id, "qty_lots": AMOUNT}
                add(CommandKind.DEPOSIT, client_id=b"first %d" % asset_id, **fields)
        self.commit()
        self.reference = self.engine.reference()

    def _add(self, kind: CommandKind, **fields: Any) -> None:
        self._waiting.append(encode(Command(kind=kind, **fields)))

    def create_key(self, account_id: int, permissions: int) -> None:
        """In the engine; the directory's fake numbers its keys likewise, from 1."""
        name = b"key %d" % len(self.committed)
        self._add(CommandKind.CREATE_KEY, account_id=account_id, qty_lots=permissions, order_id=2, client_id=name)
        self.commit()

    def set_mode(self, mode: TradingMode) -> None:
        self._add(CommandKind.SET_TRADING_MODE, instrument_id=1, qty_lots=mode)
        self.commit()

    def reopen_after(self, halt_ns: int, cancel_only_ns: int, auction_ns: int) -> None:
        of = {"price_ticks": halt_ns, "qty_lots": cancel_only_ns, "order_id": auction_ns}
        self._add(CommandKind.SCHEDULE_REOPENING, instrument_id=1, client_id=b"reopening", **of)
        self.commit()

    def revoke_key(self, key: Key) -> None:
        self._add(CommandKind.REVOKE_KEY, order_id=key.key_id)
        key.revoked = True
        self.commit()

    # What the line needs of a replica.

    @property
    def accepting(self) -> bool:
        return not self.refusal

    @property
    def applied_seq(self) -> int:
        return self.engine.last_seq

    def add_reader(self, reader: Callable[[Any], None], *, is_first: bool = False) -> None:
        self._readers.insert(0 if is_first else len(self._readers), reader)

    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[Order]:
        return self.engine.open_orders(account_id, instrument_id)

    def submit_run(
        self,
        records: bytes,
        done: Callable[[Any, int], None] | None,
        refused: Callable[[str], None] | None = None,  # noqa: ARG002 - for those whose journal is elsewhere
    ) -> int:
        assert done is None
        if self.is_broken:
            raise JournalUnavailableError("The disk is full.")
        self._waiting.append(records)
        return 0

    # What the test says.

    def commit(self) -> None:
        """What was submitted is durable: apply it, and let the readers see it."""
        if not self._waiting:
            return
        records = np.frombuffer(bytearray(b"".join(self._waiting)), command_dtype)
        self._waiting = []
        records["seq"] = np.arange(self.engine.last_seq + 1, self.engine.last_seq + 1 + len(records))
        records["ts_ns"] = self.clock.ns + records["seq"]
        records["clock_ts_ns"] = self.clock.ns
        self.committed.append(records)
        applied = Applied(records, self.engine.apply(records))
        if ControlEventKind.TRADING_MODE_CHANGED in applied.events.controls["kind"]:
            self.reference = self.engine.reference()
        for reader in self._readers:
            reader(applied)

    def lose_what_is_not_durable(self) -> None:
        self._waiting = []

    @property
    def journal(self) -> np.ndarray:
        return np.concatenate(self.committed)


class Wire(FakeTransport):
    """A connection's other end: what the venue wrote, as records."""

    def __init__(self, peer_ip: str) -> None:
        super().__init__(peer_ip)
        self.read_bytes = 0

    def take(self) -> bytes:
        """What was written since the last call."""
        data = self.written[self.read_bytes :]
        self.read_bytes = len(self.written)
        return data

    def kinds(self) -> list[int]:
        return np.frombuffer(self.written, report_dtype)["kind"].tolist()  # type: ignore[no-any-return]

    def of_dtype(self, dtype: Any) -> np.ndarray:
        """Every record, read as one of these."""
        return np.frombuffer(self.written, dtype)

    def notices(self, kind: ServerKind) -> list[Any]:
        rows = np.frombuffer(self.written, notice_dtype)
        return list(rows[rows["kind"] == kind])

    def reports(self) -> np.ndarray:
        rows = np.frombuffer(self.written, report_dtype)
        return rows[rows["kind"] > 0]


class Peer:
    """A client's core on a connection of the rig."""

    def __init__(self, rig: "LineRig", core: Core, peer_ip: str = "10.0.0.1") -> None:
        self.rig, self.core, self._peer_ip = rig, core, peer_ip

    def connect(self) -> "Peer":
        self.session, self.wire = self.rig.connect(self._peer_ip)
        self.core.connected()
        self.pump()
        return self

    def pump(self) -> None:
        """Let both sides read until nothing is left."""
        while True:
            received = self.wire.take()
            self.core.receive(received)
            outgoing = self.core.outgoing()
            if not outgoing and not received:
                return
            if outgoing:
                self.session.data_received(outgoing)

    def commit(self) -> None:
        self.rig.venue.commit()
        self.pump()

    def lose(self) -> None:
        """The connection breaks; what is on its way to either side is gone."""
        self.session.connection_lost(None)
        self.core.disconnected()


class LineRig:
    def __init__(self, limits: LineLimits | None = None, rate_limits: Limits = UNLIMITED) -> None:
        self.venue = LineVenue()
        self.now_s = 1_000.0
        self.turns = Turns()
        self.timers: list[Callable[[], None]] | None = None  # None: they run out at once.
        self.asked_past: list[tuple[list[int], Position, int]] = []
        self.past: list[bytes] | None = None
        self._limits, self._rate_limits = limits, rate_limits
        self.private: dict[int, Ed25519PrivateKey] = {}
        self.start({})

    def start(self, numbers: dict[SessionName, int]) -> None:
        """A line that knows these numbers; whoever was connected to the one before is not any more."""
        self.watches = Watches(self.venue)
        self.server = LineServer(
            self.venue,
            RateLimits(self._rate_limits),
            numbers,
            self._read_past,
            self.turns.soon,
            self._call_later,
            self.watches,
            self._limits,
            now_ns=self.venue.clock.now_ns,
            monotonic_s=lambda: self.now_s,
        )

    def _call_later(self, _seconds: float, do: Callable[[], None]) -> None:
        if self.timers is None:
            do()
        else:
            self.timers.append(do)

    async def _read_past(self, account_ids: list[int], position: Position, upto_seq: int) -> list[bytes] | None:
        self.asked_past.append((account_ids, position, upto_seq))
        return self.past

    def key(self, account_id: int = ALICE, permissions: int = 3, **more: Any) -> Key:
        """A new Ed25519 key that engine and directory know."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        name = f"{len(self.private) + 1:064d}"
        fields = {"key_type": KeyType.ED25519, "permissions": permissions, "account_id": account_id} | more
        key = self.venue.directory.add(name, public, **fields)
        self.private[key.key_id] = private
        self.venue.create_key(account_id, permissions)
        return key

    def connect(self, peer_ip: str = "10.0.0.1") -> tuple[Session, Wire]:
        session, wire = Session(self.server), Wire(peer_ip)
        session.connection_made(cast(asyncio.BaseTransport, wire))
        return session, wire

    def core(self, key: Key | None = None, **more: Any) -> Core:
        key = key or self.key()
        return Core(key.api_key, self.private[key.key_id], monotonic_s=lambda: self.now_s, **more)

    def peer(self, key: Key | None = None, peer_ip: str = "10.0.0.1", **more: Any) -> Peer:
        """A client that is signed on."""
        return Peer(self, self.core(key, **more), peer_ip).connect()

    async def past_told(self) -> None:
        """Let the sessions that wait for the past have it."""
        await asyncio.gather(*self.server._tasks)

    def told_of(self, account_id: int) -> bytes:
        """Every report of an account, as the journal tells it."""
        is_wanted = np.zeros(account_id + 2, np.bool_)
        is_wanted[account_id] = True
        engine, told = Engine(), b""
        for records in self.venue.committed:
            reports = reports_of(records, engine.apply(records), is_wanted)
            mark_last(reports)
            told += reports.tobytes()
        return told

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        for _ in range(SLOTS):
            self.server.door.wheel.tick()
