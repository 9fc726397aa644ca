"""Pools and their hashes grow before a command needs more than there is, and where they do cannot be seen.

What is too small is one array at a time, all others are roomy: otherwise one that grows late would be saved by another.
"""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from holdfast.codes import CommandKind, OrderListKind, OrderType, Side, TimeInForce, TradingMode
from holdfast.commands import Command, command_dtype, encode, encode_order_list
from holdfast.config import PAGE_TICKS
from holdfast.engine import pools
from holdfast.engine.engine import Engine
from tests.engine.scenario import MARKET, SECOND_NS, Session
from tests.engine.test_engine import assert_same, concatenate

NEWCOMERS = 20
FEW, ENOUGH = 4, 2_048
ARRAYS = [name for pool in pools.POOLS for name in (pool.name, pool.slots) if name]


def newcomer(number: int) -> Iterator[Command]:
    """Commands that take a row of every pool."""

    def command(kind: CommandKind, **fields: Any) -> Command:
        return Command(kind=int(kind), client_id=b"%d of %d" % (kind, number))._replace(**fields)

    yield command(CommandKind.ADD_ASSET, client_id=b"COIN%d" % number)
    market = {"account_id": number, "instrument_id": number + 1, "price_ticks": 10**8, "qty_lots": 1}
    yield command(CommandKind.ADD_INSTRUMENT, **market)
    yield command(CommandKind.SET_TRADING_MODE, instrument_id=number, qty_lots=TradingMode.TRADING)
    yield command(CommandKind.CREATE_ACCOUNT)
    yield command(CommandKind.CREATE_KEY, account_id=number, qty_lots=1, order_id=1)
    yield command(CommandKind.DEPOSIT, account_id=number, instrument_id=number, qty_lots=1_000)
    yield command(CommandKind.REQUEST_WITHDRAWAL, account_id=number, instrument_id=number, qty_lots=1)
    yield command(CommandKind.SET_COUNTDOWN, account_id=number, instrument_id=number, qty_lots=10**6)
    sell = {"account_id": number, "instrument_id": number, "side": Side.SELL, "qty_lots": 10}
    order = Command(kind=CommandKind.PLACE_ORDER, **sell, price_ticks=100)
    order = order._replace(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC)
    for i in range(2):
        yield order._replace(client_id=b"order %d of %d" % (i, number))
    above = order._replace(order_type=OrderType.LIMIT_MAKER, time_in_force=TimeInForce.NONE, client_id=b"+%d" % number)
    below = above._replace(order_type=OrderType.STOP_LOSS, client_id=b"-%d" % number)
    below = below._replace(price_ticks=0, stop_price_ticks=50)
    own = Command(account_id=number, instrument_id=number, client_id=b"list %d" % number, qty_lots=OrderListKind.OCO)
    records = np.frombuffer(encode_order_list(own, [above, below]), command_dtype)
    yield from (Command._make(record) for record in records.tolist())


@cache
def commands() -> np.ndarray:
    start_ns = 1_000 * SECOND_NS
    everything = [Command(kind=CommandKind.ADD_ASSET, client_id=b"COIN")]
    everything += [command for number in range(1, NEWCOMERS + 1) for command in newcomer(number)]
    stamped = [
        command._replace(seq=seq, ts_ns=start_ns + seq, clock_ts_ns=start_ns + seq)
        for seq, command in enumerate(everything, start=1)
    ]
    return np.frombuffer(b"".join(map(encode, stamped)), command_dtype)


def engine_with_few(array: str, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine whose arrays have room for all, but for one."""
    (narrow,) = (pool for pool in pools.POOLS if array in (pool.name, pool.slots))
    rows = {pool.name: FEW if pool is narrow else ENOUGH for pool in pools.POOLS}
    monkeypatch.setattr(pools, "POOLS", tuple(pool._replace(first_rows=rows[pool.name]) for pool in pools.POOLS))
    engine = Engine()
    for other in {narrow.name, narrow.slots} - {array, ""}:
        engine._memory.grow(other, ENOUGH)
    pools.grow_companions(engine._memory)
    return engine


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("size", [1, 10_000])
def test_an_array_that_is_too_small_grows_in_time(array: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = Engine()
    expected = roomy.apply(commands())
    engine = engine_with_few(array, monkeypatch)
    cuts = [*range(0, len(commands()), size), len(commands())]
    told = concatenate([engine.apply(commands()[begin:end]) for begin, end in pairwise(cuts)])
    assert_same(told, expected)
    assert engine.state_hash() == roomy.state_hash()
    engine.check_invariants()
    for pool in pools.POOLS:
        if pool.slots:
            assert 2 * pool.count(engine._memory) <= len(engine._memory[pool.slots]), "at most half of it is in use"


def test_the_newcomers_take_a_row_of_every_pool() -> None:
    engine = Engine()
    engine.apply(commands())
    for pool in pools.POOLS:
        assert pool.count(engine._memory) >= NEWCOMERS, pool.name


def test_who_is_loaded_from_a_snapshot_knows_all_that_there_was() -> None:
    """All commands come once more: what is repeated, a duplicate or another one is so for both."""
    engine = Engine()
    engine.apply(commands())
    loaded = Engine.from_arrays(engine.arrays())
    for pool in pools.POOLS:
        if pool.slots:
            assert np.count_nonzero(loaded._memory[pool.slots]) == pool.count(engine._memory), (
                "each row is entered once"
            )
    again = commands().copy()
    for stamp in ("ts_ns", "clock_ts_ns"):
        again[stamp] += SECOND_NS
    again["seq"] += len(again)
    again["client_id"][again["kind"] == CommandKind.DEPOSIT] = b"another"
    orders = (again["kind"] == CommandKind.PLACE_ORDER) & (np.arange(len(again)) % 2 == 0)
    again["client_id"][orders] = [b"again %d" % i for i in range(np.count_nonzero(orders))]
    assert_same(loaded.apply(again), engine.apply(again))
    assert loaded.state_hash() == engine.state_hash()
    loaded.check_invariants()


FAR_PRICES = [PAGE_TICKS * (2 + i) for i in range(100)]  # Each needs a level and a page of its own.


def trade_at(session: Session, price_ticks: int) -> list[str]:
    session.send(CommandKind.PLACE_ORDER, **session.order_fields("m", f"buys 100 at {price_ticks} as M"))
    words = f"sells 100 at {price_ticks} as N IOC"
    return session.send(CommandKind.PLACE_ORDER, **session.order_fields("n", words))


def asks(session: Session) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = session.exchange.book(MARKET, 1_000)[1]
    return found


def test_orders_that_one_trade_triggers_find_room_one_after_the_other() -> None:
    session = Session(Engine())
    for price_ticks in FAR_PRICES:
        words = f"sells 1 at {price_ticks} as S{price_ticks} stop 90"
        session.send(CommandKind.PLACE_ORDER, **session.order_fields("a", words))
    assert trade_at(session, 90)[1:] == [f"triggered S{price_ticks}" for price_ticks in FAR_PRICES]
    assert asks(session) == [(price_ticks, 1) for price_ticks in FAR_PRICES]


def test_orders_that_one_sweep_places_find_room_one_after_the_other() -> None:
    session = Session(Engine())
    for price_ticks in FAR_PRICES:
        legs = (f"buys 1 at 90 as W{price_ticks}", f"sells 1 at {price_ticks} as P{price_ticks}")
        session.send_list(OrderListKind.OTO, f"L{price_ticks}", [session.order_fields("a", leg) for leg in legs])
    told = session.send(CommandKind.PLACE_ORDER, **session.order_fields("n", "sells 100 at 90 as N IOC"))
    assert [line for line in told if line.startswith("placed")] == [f"placed P{price}" for price in FAR_PRICES]
    assert asks(session) == [(price_ticks, 1) for price_ticks in FAR_PRICES]
