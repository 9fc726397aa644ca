"""The engine as a whole: the same commands give the same events and the same state, however they arrive."""

from itertools import pairwise

import numpy as np
import pytest

from holdfast.codes import CommandKind, ControlEventKind, OrderEventKind, TradingMode
from holdfast.config import STEP_ORDER_EVENTS_MAX
from holdfast.engine import event_buffers, pools
from holdfast.engine.engine import Engine
from holdfast.events import Events
from tests.engine.scenario import MARKET, Session
from tests.engine.stream import Stream

COUNT = 1_500
GOLDEN = ("80b39a13bfa57af0cb9d638fbf746051", 1547636469019919399)


@pytest.fixture(scope="module")
def commands() -> np.ndarray:
    return Stream(7).commands(COUNT)


@pytest.fixture(scope="module")
def reference(commands: np.ndarray) -> tuple[Engine, Events]:
    engine = Engine()
    return engine, engine.apply(commands)


def concatenate(pieces: list[Events]) -> Events:
    return Events(*(np.concatenate(family) for family in zip(*pieces, strict=True)))


def assert_same(found: Events, expected: Events) -> None:
    for family, expected_family in zip(found, expected, strict=True):
        assert family.tolist() == expected_family.tolist()


def test_invariants_hold_after_every_command() -> None:
    engine = Engine()
    for command in Stream(3).commands(250):
        engine.apply(np.array([command]))
        engine.check_invariants()


def test_golden_hashes(reference: tuple[Engine, Events]) -> None:
    """The rules of version 3, in all three modes. A change here is one of the rules, or of the snapshot's format."""
    engine, _ = reference
    assert (engine.state_hash(), engine.events_hash) == GOLDEN


def test_how_commands_are_batched_cannot_be_seen(commands: np.ndarray, reference: tuple[Engine, Events]) -> None:
    engine = Engine()
    cuts = [0, 1, 2, 40, 41, 500, 501, 502, 1000, len(commands)]
    pieces = [engine.apply(commands[a:b]) for a, b in pairwise(cuts)]
    assert_same(concatenate(pieces), reference[1])
    assert engine.state_hash() == reference[0].state_hash()


def test_where_event_buffers_are_cut_cannot_be_seen(
    commands: np.ndarray, reference: tuple[Engine, Events], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_buffers, "ROWS_PER_COMMAND", dict.fromkeys(event_buffers.ROWS_PER_COMMAND, 0))
    monkeypatch.setattr(event_buffers, "BUFFER_ROWS", 0)
    engine = Engine()
    assert_same(engine.apply(commands), reference[1])
    assert engine.state_hash() == reference[0].state_hash()


def test_events_that_somebody_keeps_are_never_written_again(
    commands: np.ndarray, reference: tuple[Engine, Events], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_buffers, "BUFFER_ROWS", 0)
    engine = Engine()
    kept = [engine.apply(commands[i : i + 50]) for i in range(0, len(commands), 50)]
    assert_same(concatenate(kept), reference[1])


def test_event_buffers_that_nobody_keeps_are_used_again(commands: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_buffers, "BUFFER_ROWS", 0)
    engine = Engine()
    places = {engine.apply(commands[i : i + 50]).orders.ctypes.data for i in range(0, len(commands), 50)}
    assert len(places) < len(commands) / 50 / 2


def test_growing_changes_nothing(
    commands: np.ndarray, reference: tuple[Engine, Events], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "POOLS", tuple(pool._replace(first_rows=4) for pool in pools.POOLS))
    engine = Engine()
    assert_same(engine.apply(commands), reference[1])
    assert engine.state_hash() == reference[0].state_hash()


def test_preparing_for_commands_changes_nothing(commands: np.ndarray, reference: tuple[Engine, Events]) -> None:
    half = len(commands) // 2
    engine = Engine()
    pieces = [engine.apply(commands[:half])]
    before = engine.state_hash()
    engine.expect(100_000)
    engine.touch_ahead(100_000)
    assert engine.state_hash() == before
    pieces.append(engine.apply(commands[half:]))
    assert_same(concatenate(pieces), reference[1])
    assert engine.state_hash() == reference[0].state_hash()
    engine.check_invariants()


def test_preparing_takes_no_more_memory_than_the_limit_of_ids_can_need() -> None:
    engine = Engine()
    engine._memory["venue"][0]["client_ids_max"] = 1_000
    engine.expect(40_000_000)
    assert len(engine._memory["client_id_slots"]) <= 65_536


def test_a_snapshot_has_the_same_hash_and_the_same_future(
    commands: np.ndarray, reference: tuple[Engine, Events]
) -> None:
    half = len(commands) // 2
    first = Engine()
    pieces = [first.apply(commands[:half])]
    second = Engine.from_arrays(first.arrays())
    assert second.state_hash() == first.state_hash()
    pieces.append(second.apply(commands[half:]))
    assert_same(concatenate(pieces), reference[1])
    assert second.state_hash() == reference[0].state_hash()
    assert first.state_hash() != second.state_hash()


def test_events_are_numbered_without_gaps(reference: tuple[Engine, Events]) -> None:
    _, events = reference
    places: dict[int, list[int]] = {}
    accounts: dict[int, list[int]] = {}
    for family in events:
        for row in family:
            places.setdefault(int(row["seq"]), []).append(int(row["index"]))
    for family in (events.orders, events.balances):
        for row in family[family["account_id"] > 0]:
            accounts.setdefault(int(row["account_id"]), []).append(int(row["account_event"]))
    assert all(sorted(indexes) == list(range(len(indexes))) for indexes in places.values())
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in accounts.values())
    for instrument_id in (1, 2):
        updates = events.book[events.book["instrument_id"] == instrument_id]["update_id"]
        assert updates.tolist() == list(range(1, len(updates) + 1))
        takers = events.orders[(events.orders["instrument_id"] == instrument_id) & (events.orders["is_maker"] == 0)]
        trades = takers[takers["kind"] == OrderEventKind.TRADE]["trade_id"]
        assert trades.tolist() == list(range(1, len(trades) + 1))


def test_balance_events_add_up_to_the_balances(reference: tuple[Engine, Events]) -> None:
    engine, events = reference
    sums: dict[tuple[int, int], int] = {}
    for row in events.balances:
        key = int(row["account_id"]), int(row["asset_id"])
        sums[key] = sums.get(key, 0) + int(row["change"])
    for (account_id, asset_id), total in sums.items():
        balance = engine.balance(account_id, asset_id)
        assert balance.free + balance.locked + balance.in_transit == total


def many_orders(count: int) -> Session:
    """A book with more small orders of one account than a step can trade with or cancel."""
    session = Session(Engine())
    for i in range(count):
        assert (
            session.send(CommandKind.PLACE_ORDER, **session.order_fields("maker", f"sells 1 at {100 + i} as M{i}"))
            == []
        )
    return session


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Event buffers with room for little more than a step, so that one that is too long is an IndexError."""
    monkeypatch.setattr(event_buffers, "ROWS_PER_COMMAND", dict.fromkeys(event_buffers.ROWS_PER_COMMAND, 0))
    monkeypatch.setattr(event_buffers, "BUFFER_ROWS", 0)


@pytest.mark.usefixtures("small_buffers")
def test_a_sweep_over_many_steps_is_one_command() -> None:
    count = 2 * STEP_ORDER_EVENTS_MAX
    session = many_orders(count)
    session.send(CommandKind.PLACE_ORDER, **session.order_fields("taker", f"buys {count + 1} at {100 + count} as T"))
    events = session.events
    assert events is not None
    trades = events.orders[events.orders["kind"] == OrderEventKind.TRADE]
    assert len(trades) == 2 * count
    taker = session.account("taker")
    assert len(events.balances[events.balances["account_id"] == taker]) == 2  # At the very end, once for each asset.
    assert session.exchange.book(MARKET, 5)[:2] == ([(100 + count, 1)], [])


@pytest.mark.usefixtures("small_buffers")
def test_a_cancel_all_over_many_steps_is_one_command() -> None:
    count = 3 * STEP_ORDER_EVENTS_MAX
    session = many_orders(count)
    told = session.send(CommandKind.KILL_ACCOUNT, account_id=session.account("maker"))
    assert told == [*(f"canceled M{i}" for i in range(count)), f"canceled {count} orders"]
    assert session.events is not None
    assert len(session.events.balances) == 1


def test_a_poison_command_is_skipped_and_halts_its_instrument() -> None:
    session = Session(Engine())
    fields = session.order_fields("a", "buys 5 at 100 as A")
    engine = session.exchange
    assert isinstance(engine, Engine)
    commands = np.zeros(1, Stream(1).commands(0).dtype)
    commands["seq"], commands["ts_ns"], commands["kind"] = session.seq + 1, session.now_ns + 1, CommandKind.PLACE_ORDER
    commands["instrument_id"] = fields["instrument_id"]
    events = engine.apply(commands, frozenset({session.seq + 1}))
    kinds = [ControlEventKind(row["kind"]) for row in events.controls]
    assert kinds == [ControlEventKind.COMMAND_SKIPPED, ControlEventKind.TRADING_MODE_CHANGED]
    assert engine.skipped == [(session.seq + 1, MARKET)]
    assert engine.reference().instruments[MARKET].mode is TradingMode.HALT
    assert Engine.from_arrays(engine.arrays()).skipped == engine.skipped


def test_a_gap_in_the_seqs_is_a_bug() -> None:
    commands = Stream(1).commands(0)
    engine = Engine()
    engine.apply(commands[:3])
    with pytest.raises(AssertionError):
        engine.apply(commands[4:])


def test_events_of_one_trade_come_in_their_order() -> None:
    session = Session(Engine())
    session.send(CommandKind.PLACE_ORDER, **session.order_fields("s", "sells 5 at 100 as A"))
    session.send(CommandKind.PLACE_ORDER, **session.order_fields("b", "buys 7 at 100 as B"))
    events = session.events
    assert events is not None
    s, b = session.account("s"), session.account("b")
    assert [(row["index"], OrderEventKind(row["kind"]).name, row["account_id"]) for row in events.orders] == [
        (0, "ORDER_ACCEPTED", b),
        (1, "TRADE", s),
        (2, "TRADE", b),
    ]
    assert [(row["index"], row["account_id"], row["asset_id"]) for row in events.balances] == [
        (3, s, 1),
        (4, s, 2),
        (7, b, 1),
        (8, b, 2),
    ]
    assert [(row["index"], row["side"], row["lots"]) for row in events.book] == [(5, 2, 0), (6, 1, 2)]


def test_a_level_is_told_before_the_end_of_the_taker_who_met_himself_there() -> None:
    session = Session(Engine())
    for who, words in (("s", "sells 2 at 100 as A"), ("b", "sells 3 at 100 as B")):
        session.send(CommandKind.PLACE_ORDER, **session.order_fields(who, words))
    session.send(CommandKind.PLACE_ORDER, **session.order_fields("b", "buys 5 at 100 as C EXPIRE_TAKER"))
    events = session.events
    assert events is not None
    (level,) = events.book
    assert (level["price_ticks"], level["lots"]) == (100, 3)
    assert [OrderEventKind(row["kind"]).name for row in events.orders if row["index"] > level["index"]] == [
        "ORDER_EXPIRED"
    ]


@pytest.mark.parametrize("account_id", [0, -1, 99])
def test_events_about_nobody_are_not_numbered(account_id: int) -> None:
    session = Session(Engine())
    fields = {**session.order_fields("a", "buys 1 at 100 as A"), "account_id": account_id}
    assert session.send(CommandKind.PLACE_ORDER, **fields) == ["rejected A ACCOUNT_UNKNOWN"]
    assert session.events is not None
    assert session.events.orders["account_event"].tolist() == [0]


def test_fills_of_one_taker_at_one_price_are_one_aggregate_trade() -> None:
    session = Session(Engine())
    for who, words in (("s", "sells 1 at 100 as A"), ("s", "sells 1 at 100 as B"), ("s", "sells 2 at 101 as C")):
        session.send(CommandKind.PLACE_ORDER, **session.order_fields(who, words))
    found = []
    for words in ("buys 3 at 101 as D", "buys 1 at 101 as E"):
        session.send(CommandKind.PLACE_ORDER, **session.order_fields("b", words))
        assert session.events is not None
        takers = session.events.orders[session.events.orders["is_maker"] == 0]
        trades = takers[takers["kind"] == OrderEventKind.TRADE]
        found += trades[["trade_id", "aggregate_trade_id"]].tolist()
    assert found == [(1, 1), (2, 1), (3, 2), (4, 3)]


def test_reads_show_the_state(reference: tuple[Engine, Events]) -> None:
    engine, events = reference
    for account_id in range(1, engine.account_count() + 1):
        orders = engine.open_orders(account_id)
        assert [order.order_id for order in orders] == sorted(order.order_id for order in orders)
        for order in orders:
            assert engine.open_order(order.order_id) == order
            assert engine.open_order_by_client_id(account_id, order.client_id) == order
            assert order in engine.open_orders(account_id, order.instrument_id)
        account = engine.account(account_id)
        assert account is not None
        assert [holding.asset_id for holding in engine.balances(account_id)] == [1, 2, 3]
    assert engine.account(0) is None
    assert engine.open_orders(99) == []
    assert engine.open_order(0) is None
    assert engine.open_order_by_client_id(1, "é" * 40) is None
    last = events.orders[events.orders["kind"] == OrderEventKind.TRADE]
    for instrument_id in (1, 2):
        prices = last[last["instrument_id"] == instrument_id]["last_price_ticks"]
        assert engine.last_price_ticks(instrument_id) == prices[-1]
    assert all(total.deposited - total.withdrawn == total.holdings + total.fees for total in engine.totals())
    withdrawals = engine.withdrawals()
    assert [one for one in withdrawals if one.account_id == 1] == engine.withdrawals(1)
    assert engine.withdrawal(0) is None
