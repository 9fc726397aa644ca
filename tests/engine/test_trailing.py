"""Trailing stops by the thousand: one trade calls them all, in order, a step each; and a recorded stream of them.

What each rule says is in `scenarios/trailing_stops*.txt`, and that all of them hold together in `tests/model`.
"""

from typing import Any

import numpy as np
import pytest

from holdfast.codes import CommandKind, InstrumentParameter, OrderEventKind, OrderType, Side, TimeInForce, TradingMode
from holdfast.commands import Command, command_dtype, encode
from holdfast.engine import event_buffers
from holdfast.engine.engine import Engine
from holdfast.engine.jit import IS_COMPILED
from holdfast.events import Events
from tests.engine.test_golden import Lcg

MARKET = 1
STOPS = 10_000 if IS_COMPILED else 300
DELTAS = [100, 700, 300, 1_000]
# After `recorded_stream`: the state's hash, and that of all events.
GOLDEN = ("620a909a04e3ab9479c1090b1427e7f7", 1243990533142686376)


class Desk:
    """An engine with a market in TRADING, two rich accounts, and commands that are applied when there are enough."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.seq = 0
        self._records: list[bytes] = []
        for code in (b"BTC", b"USDT"):
            self.add(CommandKind.ADD_ASSET, client_id=code)
        fields = {"account_id": 1, "instrument_id": 2, "price_ticks": 10**8, "qty_lots": 1}
        self.add(CommandKind.ADD_INSTRUMENT, client_id=b"BTCUSDT", **fields)
        for which in (InstrumentParameter.TRAILING_ABOVE_BIPS_MAX, InstrumentParameter.TRAILING_BELOW_BIPS_MAX):
            fields = {"instrument_id": MARKET, "order_id": int(which), "qty_lots": 2_000}
            self.add(CommandKind.SET_INSTRUMENT_PARAMETER, **fields)
        self.add(CommandKind.SET_TRADING_MODE, instrument_id=MARKET, qty_lots=int(TradingMode.TRADING))
        for account_id in (1, 2):
            self.add(CommandKind.CREATE_ACCOUNT, client_id=b"%032x" % account_id)
            for asset_id in (1, 2):
                fields = {"account_id": account_id, "instrument_id": asset_id, "qty_lots": 10**12}
                self.add(CommandKind.DEPOSIT, client_id=b"%d" % asset_id, **fields)

    def add(self, kind: CommandKind, **fields: Any) -> None:
        self.seq += 1
        stamps = {"seq": self.seq, "ts_ns": 10**15 + self.seq, "clock_ts_ns": 10**15 + self.seq}
        self._records.append(encode(Command(kind=int(kind), **{**stamps, **fields})))

    def order(self, side: Side, order_type: OrderType, price_ticks: int = 0, qty_lots: int = 1, **fields: Any) -> bytes:
        """Returns its client id."""
        client_id = b"%d" % self.seq
        of = {"account_id": 1, "instrument_id": MARKET, "side": int(side), "order_type": int(order_type)}
        time_in_force = TimeInForce.GTC if order_type & OrderType.LIMIT else TimeInForce.NONE
        of |= {"time_in_force": int(time_in_force), "client_id": client_id}
        self.add(CommandKind.PLACE_ORDER, **{**of, "price_ticks": price_ticks, "qty_lots": qty_lots, **fields})
        return client_id

    def trade(self, price_ticks: int) -> None:
        """One lot, of the second account with itself."""
        for side in (Side.SELL, Side.BUY):
            self.order(side, OrderType.LIMIT, price_ticks, account_id=2)

    def apply(self) -> Events:
        records, self._records = np.frombuffer(b"".join(self._records), command_dtype), []
        return self.engine.apply(records)


@pytest.fixture
def _small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the events of one step, and of no more."""
    monkeypatch.setattr(event_buffers, "ROWS_PER_COMMAND", dict.fromkeys(event_buffers.ROWS_PER_COMMAND, 0))
    monkeypatch.setattr(event_buffers, "BUFFER_ROWS", 0)


@pytest.mark.usefixtures("_small_buffers")
def test_one_trade_starts_and_calls_thousands_a_step_each() -> None:
    desk = Desk()
    desk.trade(1_000)
    names: dict[tuple[int, bool], list[bytes]] = {(delta, starts): [] for delta in DELTAS for starts in (False, True)}
    for number in range(STOPS):
        if number % (STOPS // 50) == 0:
            desk.trade(1_000 + number % 5)  # So that they begin with different prices, and pass each other's.
        delta, starts = DELTAS[number % len(DELTAS)], number % 3 == 0
        fields = {"trailing_delta_bips": delta, "stop_price_ticks": 900 if starts else 0}
        names[delta, starts].append(desk.order(Side.SELL, OrderType.STOP_LOSS, **fields))
    desk.order(Side.BUY, OrderType.LIMIT, 800, STOPS + 1, account_id=2)
    told = desk.apply().orders
    assert OrderEventKind.ORDER_TRIGGERED not in told["kind"]
    assert Engine.from_arrays(desk.engine.arrays()).state_hash() == desk.engine.state_hash()
    desk.engine.check_invariants()

    # A trade at 910, and one at 800: those who start do so at 900, after those who follow already.
    desk.order(Side.BUY, OrderType.LIMIT, 910, account_id=2)
    desk.order(Side.SELL, OrderType.LIMIT, 800, 2, account_id=2)
    told = desk.apply().orders
    triggered = told[told["kind"] == OrderEventKind.ORDER_TRIGGERED]
    assert triggered["client_id"].tolist() == [name for key in sorted(names) for name in names[key]]
    assert desk.engine.open_orders(1) == []
    desk.engine.check_invariants()


def recorded_stream(desk: Desk) -> None:
    """Stops of every kind around a market that wanders, sometimes in leaps; some are canceled."""
    random = Lcg(2_026)
    price = 5_000
    for _ in range(1_500):
        price += random.below(61) - 30 if not random.chance(30) else random.below(601) - 300
        price = max(1_000, min(price, 9_000))
        what = random.below(10)
        if what < 5:
            side = Side.BUY if random.chance(500) else Side.SELL
            order_type = OrderType(4 + random.below(4))
            limit = price + random.below(201) - 100 if order_type & OrderType.LIMIT else 0
            stop = price + random.below(401) - 200 if random.chance(500) else 0
            desk.order(side, order_type, limit, stop_price_ticks=stop, trailing_delta_bips=10 + 10 * random.below(150))
        elif what < 9:
            desk.trade(price)
        else:
            name = b"%d" % (desk.seq - random.below(60))
            of = {"account_id": 1, "instrument_id": MARKET, "client_id": b"cancel %d" % desk.seq}
            desk.add(CommandKind.CANCEL_ORDER, target_client_id=name, **of)


def test_a_recorded_stream_of_trailing_stops_leads_to_the_recorded_state() -> None:
    desk = Desk()
    recorded_stream(desk)
    told = desk.apply().orders
    assert np.count_nonzero(told["kind"] == OrderEventKind.ORDER_TRIGGERED) > 200
    assert np.count_nonzero(desk.engine._memory["trails"]["extreme_ticks"]) > 5
    assert (desk.engine.state_hash(), desk.engine.events_hash) == GOLDEN
