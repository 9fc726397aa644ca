"""The history equals a naive list of everything, at every moment.

That is the promise behind "an order is in myTrades the moment its reply is out": whatever part of the past is in the
file, in the writer's hands or only in memory, and whenever the process was killed, a reader sees all of it, once.
"""

import random
import sqlite3
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.accounts import tail
from holdfast.accounts.history import History
from holdfast.accounts.schema import TABLES
from holdfast.accounts.selection import merge_orders
from holdfast.views import Order
from tests.accounts.stream import ACCOUNTS, INSTRUMENTS, START_TS_NS, Batch, Stream


def naive_choice(records, key, from_id, start, end, time_of, limit):
    kept = sorted(
        (r for r in records if key(r) >= (from_id,) and time_of(r) >= start and (not end or time_of(r) <= end)), key=key
    )
    return kept[:limit] if from_id or start else kept[-limit:]


def check_equals_naive(history: History, stream: Stream, chance: random.Random) -> None:
    """Compare some reads of every kind, with windows and limits by chance."""
    for _ in range(3):
        account_id, instrument_id = chance.choice(ACCOUNTS), chance.choice(INSTRUMENTS)
        from_id = chance.choice([0, 0, chance.randint(1, 60)])
        start = chance.choice([0, 0, chance.randint(START_TS_NS, stream.ts_ns)])
        end = chance.choice([0, 0, chance.randint(START_TS_NS, stream.ts_ns)])
        limit = chance.choice([1, 2, 5, 500])
        times = {"start_ts_ns": start, "end_ts_ns": end, "limit": limit}
        closed = [o for o in stream.closed if (o.account_id, o.instrument_id) == (account_id, instrument_id)]
        fills = [f for f in stream.fills if (f.account_id, f.instrument_id) == (account_id, instrument_id)]

        assert history.orders(account_id, instrument_id, from_id, **times) == naive_choice(
            closed, lambda o: (o.order_id,), from_id, start, end, lambda o: o.created_ts_ns, limit
        )
        order_id = chance.choice([one.order_id for one in stream.amendments] or [1])
        amended = (account_id, instrument_id, order_id)
        amendments = [a for a in stream.amendments if (a.account_id, a.instrument_id, a.order_id) == amended]
        assert history.amendments(*amended, from_id, limit) == naive_choice(
            amendments, lambda a: (a.execution_id,), from_id, 0, 0, lambda a: a.ts_ns, limit
        )
        by_trade = lambda f: (f.trade_id, f.is_maker)  # noqa: E731
        assert history.fills(account_id, instrument_id, from_id, **times) == naive_choice(
            fills, by_trade, from_id, start, end, lambda f: f.ts_ns, limit
        )
        assert history.market_trades(instrument_id, from_id, limit) == naive_choice(
            [f for f in stream.fills if f.instrument_id == instrument_id and not f.is_maker],
            by_trade,
            from_id,
            0,
            0,
            lambda f: f.ts_ns,
            limit,
        )
        for records, read, key, time_of in (
            (stream.deposits, history.deposits, lambda d: (d.seq,), lambda d: d.ts_ns),
            (stream.withdrawals.values(), history.withdrawals, lambda w: (w[0],), lambda w: w.requested_ts_ns),
        ):
            mine = [r for r in records if r.account_id == account_id]
            assert read(account_id, **times) == naive_choice(mine, key, 0, start, end, time_of, limit)
        mine = [t for t in stream.transfers if account_id in (t.account_id, t.to_account_id)]
        assert history.transfers(account_id, **times) == naive_choice(
            mine, lambda t: (t.seq,), 0, start, end, lambda t: t.ts_ns, limit
        )
        lists = [each for each in stream.lists_done if each.account_id == account_id]
        by_time = lambda each: (each.updated_ts_ns, each.order_list_id)  # noqa: E731
        by_id = lambda each: (each.order_list_id,)  # noqa: E731
        assert history.order_lists(account_id, from_id, limit=limit) == naive_choice(
            lists, by_id, from_id, 0, 0, lambda each: each.updated_ts_ns, limit
        )
        if start or end:
            assert history.order_lists(account_id, **times) == naive_choice(
                lists, by_time, 0, start, end, lambda each: each.updated_ts_ns, limit
            )
        for each in lists[:3]:
            assert history.order_list(account_id, each.order_list_id) == each
            assert history.order_list(account_id + 1, each.order_list_id) is None
            namesakes = [one for one in lists if one.client_id == each.client_id]
            assert history.order_list_by_client_id(account_id, each.client_id) == max(namesakes, key=by_id)
    if stream.prevented:
        match = chance.choice(stream.prevented)
        of = (match.account_id, match.instrument_id)
        assert history.prevented_match(*of, match.prevented_match_id) == match
        assert history.prevented_match(match.account_id + 1, match.instrument_id, match.prevented_match_id) is None
        order_id = chance.choice([match.taker_order_id, match.maker_order_id])
        from_id, limit = chance.choice([0, 1, match.prevented_match_id]), chance.choice([1, 2, 500])
        same = [m for m in stream.prevented if order_id in (m.taker_order_id, m.maker_order_id)]
        assert history.prevented_matches(*of, order_id, from_id, limit) == naive_choice(
            same, lambda m: (m.prevented_match_id,), from_id, 0, 0, lambda m: m.ts_ns, limit
        )
        last = {order: m.prevented_match_id for m in stream.prevented for order in (m.taker_order_id, m.maker_order_id)}
        assert history.last_prevented_ids([*last, 10**9]) == last
    if stream.closed:
        order = chance.choice(stream.closed)
        namesakes = [
            o for o in stream.closed if (o[1], o.account_id, o.instrument_id) == (order[1], order[2], order[3])
        ]
        newest = max(namesakes, key=lambda o: o.order_id)
        assert history.order(order.account_id, order.order_id) == order
        assert history.order(order.account_id + 1, order.order_id) is None
        assert history.order_by_client_id(order.account_id, order.instrument_id, order.client_id) == newest
        assert history.fills(order.account_id, order.instrument_id, order_id=order.order_id) == [
            f for f in stream.fills if f.order_id == order.order_id
        ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(["apply", "write", "half", "kill", "close"]), max_size=25))
def test_reads_equal_a_naive_list_whatever_is_written_and_whenever_the_process_dies(seed, steps):
    chance, stream, batches = random.Random(seed), Stream(seed), []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "history.sqlite")
        history = History(path, writes_by_itself=False)
        for step in ["apply", *steps]:
            if step == "apply":
                batches.append(stream.batch(chance.randint(1, 8)))
                history.on_applied(batches[-1])
            elif step == "write":
                assert history.write_waiting()
            elif step == "half":  # The writer has taken the tail and is not done.
                history._backlog.take()
            else:
                if step == "close":
                    history.close()
                history = History(path, writes_by_itself=False)
                for batch in batches[chance.randint(0, applied_up_to(batches, history.cursor_seq)) :]:
                    replay(history, batch, chance)
            check_equals_naive(history, stream, chance)
        history.close()


def applied_up_to(batches: list[Batch], seq: int) -> int:
    """How many whole batches end at or before `seq`: replay may start at any of them."""
    return sum(batch.last_seq <= seq for batch in batches)


def replay(history: History, batch: Batch, chance: random.Random) -> None:
    if chance.random() < 0.5:
        history.on_applied(batch)
    else:
        history.on_replayed(batch.first_seq, batch.last_seq, batch.commands, batch.events)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 8))
def test_reads_of_a_long_tail_in_many_blocks_equal_the_naive_list_too(seed, arrived_rows_max, block_rows_max):
    chance, stream = random.Random(seed), Stream(seed)
    with (
        tempfile.TemporaryDirectory() as directory,
        patch.multiple(tail, ARRIVED_ROWS_MAX=arrived_rows_max, BLOCK_ROWS_MAX=block_rows_max),
    ):
        history = History(Path(directory, "history.sqlite"), writes_by_itself=False)
        for _ in range(12):
            history.on_applied(stream.batch(chance.randint(1, 5)))
            if chance.random() < 0.5:
                check_equals_naive(history, stream, chance)
        assert history.write_waiting()
        check_equals_naive(history, stream, chance)
        history.close()


def test_with_its_writer_thread_running_reads_equal_the_naive_list_too(tmp_path):
    chance, stream = random.Random(1), Stream(1)
    history = History(tmp_path / "history.sqlite")
    for _ in range(150):
        history.on_applied(stream.batch(5))
        check_equals_naive(history, stream, chance)
    history.close()
    assert History(tmp_path / "history.sqlite", writes_by_itself=False).cursor_seq == stream.seq


def test_two_restarts_and_a_rebuild_give_the_same_file(tmp_path):
    stream = Stream(1)
    batches = [stream.batch(7) for _ in range(30)]
    path = tmp_path / "history.sqlite"
    for until in (10, 20, 30):
        history = History(path)
        for batch in batches[:until]:  # From the beginning each time: what is known is passed over.
            history.on_applied(batch)
        history.close()
    rebuilt = History(tmp_path / "rebuilt.sqlite", lag_events_max=10, writes_by_itself=False)
    for batch in batches:
        rebuilt.on_replayed(batch.first_seq, batch.last_seq, batch.commands, batch.events)
    rebuilt.close()
    assert contents(path) == contents(tmp_path / "rebuilt.sqlite")


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    found = {table: sorted(connection.execute(f"SELECT * FROM {table}")) for table in [*TABLES, "progress"]}
    connection.close()
    assert all(found.values())
    return found


@pytest.mark.parametrize("seed", range(4, 8))
def test_a_batch_that_straddles_the_cursor_is_taken_from_there_on(tmp_path, seed):
    stream, model = Stream(seed), Stream(seed)
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    history.on_applied(stream.batch(30))
    assert history.write_waiting()
    whole = model.batch(30)
    assert model.lists_done
    rest = model.batch(6)
    commands = np.concatenate([whole.commands, rest.commands])
    events = whole.orders + rest.orders, whole.controls + rest.controls, whole.lists + rest.lists
    history.on_applied(Batch(1, 36, commands, *events))
    check_equals_naive(history, model, random.Random(3))
    assert history.write_waiting()
    check_equals_naive(history, model, random.Random(4))


def test_a_gap_is_a_bug_unless_an_empty_history_begins_after_it(tmp_path):
    stream = Stream(4)
    stream.batch(5)
    later = stream.batch(5)
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    with pytest.raises(AssertionError, match="missed"):
        history.on_applied(later)
    history.begin_after(5)
    history.on_applied(later)
    history.close()
    reopened = History(tmp_path / "history.sqlite", writes_by_itself=False)
    assert (reopened.begin_seq, reopened.cursor_seq) == (5, 10)


def test_first_trade_id_finds_where_an_aggregate_or_a_time_begins(tmp_path):
    stream = Stream(5)
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    for i in range(20):
        history.on_applied(stream.batch(10))
        if i == 12:
            history.write_waiting()
    trades = [f for f in stream.fills if f.instrument_id == 1 and not f.is_maker]
    for wanted in trades[:: len(trades) // 10]:
        by_time = [f.trade_id for f in trades if f.ts_ns >= wanted.ts_ns]
        by_id = [f.trade_id for f in trades if f.aggregate_trade_id >= wanted.aggregate_trade_id]
        assert history.first_trade_id(1, ts_ns=wanted.ts_ns) == min(by_time)
        assert history.first_trade_id(1, aggregate_trade_id=wanted.aggregate_trade_id) == min(by_id)
    assert history.first_trade_id(1, ts_ns=stream.ts_ns + 1) == 0
    assert history.first_trade_id(99) == 0


def test_open_orders_join_the_closed_ones_in_id_order_and_within_the_limit():
    def order(order_id: int) -> Order:
        return Order._make([order_id, "c", 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, order_id * 10, *[0] * 11])

    closed, open_orders = [order(1), order(4)], [order(2), order(5)]
    assert [o.order_id for o in merge_orders(closed, open_orders)] == [1, 2, 4, 5]
    assert [o.order_id for o in merge_orders(closed, open_orders, limit=3)] == [2, 4, 5]
    assert [o.order_id for o in merge_orders([order(4)], open_orders, from_order_id=2, limit=2)] == [2, 4]
    assert [o.order_id for o in merge_orders(closed, open_orders, end_ts_ns=40)] == [1, 2, 4]


def test_numbers_beyond_what_a_column_holds_find_nothing(tmp_path):
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    assert history.orders(1, 1, from_order_id=10**30, start_ts_ns=10**30, end_ts_ns=10**30) == []
    assert history.fills(1, 1, from_trade_id=10**30) == []
    assert history.fills(1, 1, order_id=10**30) == []
    assert history.order(1, 10**30) is None
