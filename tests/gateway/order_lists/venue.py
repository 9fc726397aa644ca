"""A gateway on a real replica, engine and history, of which only the journal is a list in memory.

Time stands still unless a test moves it, and a command is decided when the test says so (`commit`); requests do that
by themselves.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np

from holdfast.accounts.history import History
from holdfast.codes import CommandKind, InstrumentParameter, TradingMode
from holdfast.commands import COMMAND_BYTES, Command, command_dtype, encode
from holdfast.directory.directory import Directory
from holdfast.engine.engine import Engine
from holdfast.gateway.binance.gateway import BinanceGateway
from holdfast.gateway.binance.rate_limits import Limits
from holdfast.gateway.server.routes import Routes
from holdfast.instruments import parse_decimal
from holdfast.journal.interface import Committed, Journal
from holdfast.replica import Replica
from tests.gateway.fakes import API_KEY, SECRET, Answer, FakeClock, FakeDirectory, Timers, Turns, World

ALICE, BOB = 1, 2
BOBS_KEY, BOBS_SECRET = "b" * 64, "s" * 64
AMOUNT = 10**15  # Of each asset: 10,000,000.
SYMBOL = "BTCUSDT"
_PARAMETERS = {
    InstrumentParameter.PRICE_TICKS_MAX: 10_000_000,
    InstrumentParameter.QTY_LOTS_MAX: 1_000_000,
    InstrumentParameter.MARKET_QTY_LOTS_MAX: 1_000_000,
    InstrumentParameter.ORDERS_MAX: 200,
    InstrumentParameter.ORDER_LISTS_MAX: 20,
    InstrumentParameter.TRAILING_ABOVE_BIPS_MAX: 2_000,
    InstrumentParameter.TRAILING_BELOW_BIPS_MAX: 2_000,
    InstrumentParameter.MAKER_FEE_PPM: 1_000,
    InstrumentParameter.TAKER_FEE_PPM: 1_000,
}


class ListJournal:
    """What was appended, durable as soon as it is asked for."""

    def __init__(self, clock: FakeClock) -> None:
        self.refusal = ""
        self._clock = clock
        self._next_seq = 1
        self._waiting: list[bytes] = []

    def append(self, records: bytes) -> int:
        first_seq = self._next_seq
        self._next_seq += len(records) // COMMAND_BYTES
        self._waiting.append(records)
        return first_seq

    def take_committed(self) -> list[Committed]:
        records = np.frombuffer(bytearray(b"".join(self._waiting)), command_dtype)
        self._waiting = []
        if not len(records):
            return []
        first_seq = self._next_seq - len(records)
        records["seq"] = range(first_seq, self._next_seq)
        records["clock_ts_ns"] = self._clock.ns
        records["ts_ns"] = self._clock.ns + records["seq"]
        return [Committed(first_seq, records)]


class EngineReplica(Replica):
    """The commands that every test begins with: one market, two accounts with money and a key."""

    def __init__(self, clock: FakeClock, directory: FakeDirectory, history: History) -> None:
        self.commands = ListJournal(clock)
        super().__init__(
            cast(Journal, self.commands), Engine(), cast(Directory, directory), history, clock, _no_rebuild
        )
        self.add_reader(history.on_applied)
        ask = self._ask
        ask(CommandKind.ADD_ASSET, client_id=b"BTC", qty_lots=8)
        ask(CommandKind.ADD_ASSET, client_id=b"USDT", qty_lots=8)
        fields = {"account_id": 1, "instrument_id": 2, "price_ticks": 10**6, "qty_lots": 1000}
        ask(CommandKind.ADD_INSTRUMENT, client_id=SYMBOL.encode(), **fields)
        for parameter, value in _PARAMETERS.items():
            ask(CommandKind.SET_INSTRUMENT_PARAMETER, instrument_id=1, order_id=parameter, qty_lots=value)
        ask(CommandKind.SET_TRADING_MODE, instrument_id=1, qty_lots=TradingMode.TRADING)
        self.commit()
        self._groups.feed = lambda *_: None  # type: ignore[method-assign]  # The directory is a fake of its own.
        for account_id in (ALICE, BOB):
            ask(CommandKind.CREATE_ACCOUNT, client_id=b"account %d" % account_id)
            ask(CommandKind.CREATE_KEY, account_id=account_id, qty_lots=7, order_id=1, client_id=b"%d" % account_id)
            for asset_id in (1, 2):
                fields = {"account_id": account_id, "instrument_id": asset_id, "qty_lots": AMOUNT}
                ask(CommandKind.DEPOSIT, client_id=b"first %d" % asset_id, **fields)
        self.commit()

    def set_parameter(self, parameter: InstrumentParameter, value: int) -> None:
        self._ask(CommandKind.SET_INSTRUMENT_PARAMETER, instrument_id=1, order_id=parameter, qty_lots=value)
        self.commit()

    def set_mode(self, mode: TradingMode) -> None:
        self._ask(CommandKind.SET_TRADING_MODE, instrument_id=1, qty_lots=mode)
        self.commit()

    def transfer(self, account_id: int, to_account_id: int, asset_id: int, units: int) -> None:
        fields = {"account_id": account_id, "order_id": to_account_id, "instrument_id": asset_id, "qty_lots": units}
        self._ask(CommandKind.TRANSFER, client_id=b"moved", **fields)
        self.commit()

    def _ask(self, kind: CommandKind, **fields: Any) -> None:
        self.submit(encode(Command(kind=kind, **fields)))

    def commit(self) -> None:
        """What was submitted is durable: apply, show and answer it."""
        self.on_committed()


def _no_rebuild(seq: int, skip_seqs: frozenset[int]) -> Engine:
    raise AssertionError(f"command {seq + 1} failed, after {len(skip_seqs)} skipped ones")


class EngineWorld(World):
    """One market at its last price of 40,000, made by Bob; Alice asks unless `bob_…` does."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self.timers = Timers(self.clock)
        self.turns = Turns()
        keys = FakeDirectory()
        self.history = History(directory / "history.sqlite", writes_by_itself=False)
        self.venue = EngineReplica(self.clock, keys, self.history)
        self.replica = cast(Any, self.venue)
        self.key = keys.add(API_KEY, SECRET, account_id=ALICE)
        self.bobs = BOBS_KEY, BOBS_SECRET
        keys.add(*self.bobs, account_id=BOB)
        self.routes = Routes()
        self.gateway = BinanceGateway(self.routes, self.venue, Limits(), self.timers.call_later, self.turns.soon)
        self.bob_trades_at("40000")

    def bob(self, method: str = "POST", path: str = "/api/v3/order", **parameters: object) -> Answer:
        """Bob asks; the answer must be good."""
        query, headers = self.sign({"symbol": SYMBOL, **parameters}, *self.bobs)
        (answer,) = self.send(method, path, query, headers=headers)
        assert answer.status == 200, answer.json
        return answer

    def bob_rests(self, side: str, quantity: str, price: str) -> Answer:
        return self.bob(type="LIMIT", timeInForce="GTC", side=side, quantity=quantity, price=price)

    def bob_trades_at(self, price: str) -> None:
        """A trade of 0.001 with himself."""
        self.bob_rests("SELL", "0.001", price)
        self.bob_rests("BUY", "0.001", price)

    def asked(self, method: str, path: str, **parameters: object) -> Any:
        """What Alice is answered; it must be good."""
        answer = self.signed(method, path, **parameters)
        assert answer.status == 200, answer.json
        return answer.json

    def spend(self, code: str, amount: str) -> None:
        """Take some of Alice's money away."""
        asset = self.venue.reference.asset_by_code[code]
        self.venue.transfer(ALICE, BOB, asset.asset_id, parse_decimal(amount, asset.decimals))

    def held(self) -> dict[str, tuple[str, str]]:
        """Alice's balances: free and locked."""
        rows = self.asked("GET", "/api/v3/account")["balances"]
        return {row["asset"]: (row["free"], row["locked"]) for row in rows}
