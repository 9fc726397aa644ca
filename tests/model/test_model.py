"""The engine does what the rules say: it equals a second, naive implementation of them, event by event.

Sequences of commands are generated, and both must give the same events in all five families with all fields, the same
balances, totals, books and open orders, after every command. Then the same commands in batches of any size, with a
snapshot in between, must lead to the same state.

MODEL_EXAMPLES=2000 searches longer.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.codes import CommandKind
from holdfast.commands import Command
from holdfast.engine.engine import Engine
from holdfast.events import BalanceEvent, BookEvent, Events, OrderEvent, OrderListEvent
from tests.model.commands import commands_of, records, stamped
from tests.model.draws import Step, steps
from tests.model.naive_exchange import NaiveExchange
from tests.model.opening import START_NS, opening

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "60"))
searching = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
sequences = st.lists(steps, min_size=15, max_size=60)


class Follower:
    """Somebody who knows nothing but the events: from them alone come the same balances and books."""

    def __init__(self) -> None:
        self.balances: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.books: dict[int, dict[tuple[int, int], int]] = defaultdict(dict)
        self.account_events: dict[int, int] = defaultdict(int)

    def follow(self, event: Any) -> None:
        if isinstance(event, OrderEvent | BalanceEvent | OrderListEvent) and event.account_event:
            self.account_events[event.account_id] += 1
            assert event.account_event == self.account_events[event.account_id]
        if isinstance(event, BalanceEvent):
            before = self.balances.get((event.account_id, event.asset_id), (0, 0, 0))
            after = (event.free, event.locked, event.in_transit)
            assert sum(after) - sum(before) == event.change
            self.balances[event.account_id, event.asset_id] = after
        if isinstance(event, BookEvent):
            self.books[event.instrument_id][event.side, event.price_ticks] = event.lots


class Session:
    """The engine, the model and a follower, side by side."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.model = NaiveExchange()
        self.follower = Follower()
        self.commands: list[Command] = []
        self.model.command = Command(ts_ns=START_NS, clock_ts_ns=START_NS)
        for command in opening():
            last = self.model.command
            self.apply(stamped(command, last, 1))

    def apply(self, command: Command) -> None:
        self.commands.append(command)
        told = self.engine.apply(records([command]))
        expected = self.model.apply(command)
        assert list(in_order(told)) == expected
        for event in expected:
            self.follower.follow(event)

    def compare_reads(self) -> None:
        engine, model = self.engine, self.model
        engine.check_invariants()
        assert engine.totals() == model.totals()
        assert engine.next_due_ts_ns() == model.next_due_ts_ns()
        for account_id in [0, *model.accounts, len(model.accounts) + 1]:
            assert engine.balances(account_id) == model.balances(account_id)
            assert engine.open_orders(account_id) == model.open_views(account_id)
            assert engine.order_lists(account_id) == model.list_views(account_id)
        for one in model.lists:
            assert engine.order_list(one.order_list_id) == model.list_view(one)
            assert engine.order_list_by_client_id(one.account_id, one.client_id.decode()) == model.list_view(one)
        for order in model.open:
            for client_id in (order.client_id, *order.former_ids):
                found = engine.open_order_by_client_id(order.account_id, client_id.decode())
                assert (found is not None) == (client_id == order.client_id)
        for instrument_id, instrument in model.instruments.items():
            assert engine.book(instrument_id, 100) == model.book(instrument_id)
            assert engine.last_price_ticks(instrument_id) == instrument.last_price
            average = engine.average_price_ticks(instrument_id, model.command.ts_ns)
            assert average == model.average_price(instrument)
            assert engine.auction(instrument_id) == model.auction(instrument_id)
            stages = engine.reference().instruments[instrument_id].stages
            assert [stage.mode for stage in stages] == [mode for mode, _ in instrument.stages]
            reference = engine.reference_price_ticks(instrument_id, model.command.ts_ns)
            assert reference == model.reference_price(instrument)

    def compare_follower(self) -> None:
        for (account_id, asset_id), holding in self.follower.balances.items():
            assert self.engine.balance(account_id, asset_id)[1:] == holding
        for instrument_id, levels in self.follower.books.items():
            bids, asks, _ = self.engine.book(instrument_id, 1_000)
            assert {(1, price): lots for price, lots in bids} | {(2, price): lots for price, lots in asks} == {
                level: lots for level, lots in levels.items() if lots
            }


def in_order(events: Events) -> Iterator[Any]:
    """All families' events in the order in which they happened, with Python's own types."""
    shapes = zip((OrderEvent, BalanceEvent, BookEvent, None, OrderListEvent), events, strict=True)
    yield from sorted(_rows(shapes), key=lambda event: (event[0], event[2]))


def _rows(shapes: Any) -> Iterator[Any]:
    for shape, rows in shapes:
        yield from (shape._make(row) if shape else row for row in rows.tolist())


@searching
@given(sequences)
def test_engine_and_model_agree_after_every_command(sequence: list[Step]) -> None:
    session = Session()
    for step in sequence:
        for command in commands_of(session.model, step):
            session.apply(command)
        session.compare_reads()
    session.compare_follower()


@searching
@given(sequences, st.lists(st.integers(1, 40), min_size=1), st.integers(0, 100))
def test_batches_and_snapshots_change_nothing(sequence: list[Step], sizes: list[int], saved_after: int) -> None:
    session = Session()
    for step in sequence:
        for command in commands_of(session.model, step):
            session.apply(command)
    engine, told = Engine(), []
    commands = records(session.commands)
    begun = 0
    while begun < len(commands):
        size = sizes[begun % len(sizes)]
        told.append(engine.apply(commands[begun : begun + size]))
        begun += size
        if saved_after in range(begun - size, begun):
            engine = Engine.from_arrays(engine.arrays())
    assert engine.events_hash == session.engine.events_hash
    assert engine.state_hash() == session.engine.state_hash()
    whole = Engine()
    at_once = whole.apply(commands)
    assert whole.state_hash() == engine.state_hash()
    for family, pieces in zip(at_once, zip(*told, strict=True), strict=True):
        assert np.array_equal(family, np.concatenate(pieces))


def test_a_refused_replacement_does_not_hide_the_open_order_whose_id_it_has() -> None:
    """Found by thinking: a second entry of the same id, in an older row, was met first once the hash was rebuilt."""
    session = Session()
    order = Command(kind=CommandKind.PLACE_ORDER, account_id=1, instrument_id=1, side=1, order_type=1, time_in_force=1)
    order = order._replace(price_ticks=100, qty_lots=1, client_id=b"x")
    mode = Command(kind=CommandKind.SET_TRADING_MODE, instrument_id=1)
    soon = session.model.command.clock_ts_ns + 10**6

    def give(command: Command) -> None:
        session.apply(stamped(command, session.model.command, 1_000))

    give(order._replace(client_id=b"refused", qty_lots=10**8, deadline_ts_ns=soon))  # Takes the oldest row.
    give(order)
    session.apply(stamped(mode, session.model.command, 10**9))  # HALT; and that row is free again.
    later = session.model.command.clock_ts_ns + 10**9
    give(order._replace(kind=CommandKind.REPLACE_ORDER, order_id=1, deadline_ts_ns=later))
    give(mode._replace(qty_lots=4))
    session.engine = Engine.from_arrays(session.engine.arrays())
    give(order._replace(client_id=b"", kind=CommandKind.CANCEL_ORDER, target_client_id=b"x"))
    assert not session.model.open
    session.compare_reads()
