"""Order lists where the engine's mechanics show: many of them, groups that are cut, steps, poison; a recorded stream.

What each kind of list does is told in `scenarios/order_lists_*.txt`, and compared with the model in `tests/model`.
"""

from typing import Any

import numpy as np
import pytest

from holdfast.codes import (
    CommandKind,
    ControlEventKind,
    ListStatusType,
    OrderEventKind,
    OrderListKind,
    OrderType,
    RejectReason,
    Side,
    TradingMode,
)
from holdfast.commands import Command, command_dtype, encode, encode_order_list
from holdfast.engine.engine import Engine
from holdfast.events import Events
from tests.engine.scenario import MARKET, Session, create_key
from tests.engine.test_golden import (
    ACCOUNTS,
    MARKETS,
    RULES_VERSION,
    Lcg,
    Run,
    Stream,
    amend,
    an_earlier,
    applied,
    cancel,
    open_venue,
    operate,
    place,
)

COMMANDS = 9_000
PIECE = 3_000
GOLDEN_LISTS = [  # After so many commands: the state's hash, and that of all events.
    (3000, "9906d8b99fa000109a1a0138f657a1ac", 1417420725656103639),
    (6000, "67f2acbb62d584513a9f9e58c9c5d8ee", 361660046026872099),
    (9000, "85edd616f63df2608caf2c8cd5da2e2a", 2136262057197299105),
]


@pytest.fixture(scope="module")
def run() -> Run:
    """A stream with lists, applied in pieces."""
    return applied(recorded_stream(), PIECE)


def recorded_stream() -> list[Command]:
    """Lists among orders, cancels, amendments and settings; the same commands at any time, on any machine."""
    stream = Stream(Lcg(4_711), [], [1_000, 50_000, 700], True)
    open_venue(stream)
    while len(stream.commands) < COMMANDS:
        what = stream.random.below(1_000)
        if what < 450:
            place(stream, CommandKind.PLACE_ORDER)
        elif what < 700:
            add_list(stream)
        elif what < 820:
            cancel(stream)
        elif what < 900:
            place(stream, CommandKind.REPLACE_ORDER)
        elif what < 950:
            amend(stream)
        elif what < 980:
            cancel_list(stream)
        else:
            operate(stream)
    return stream.commands[:COMMANDS]


def add_list(stream: Stream) -> None:
    """Mostly one that can be placed, near the market."""
    random = stream.random
    kind = 1 + random.below(5)
    account_id, instrument_id = 1 + random.below(ACCOUNTS), 1 + random.below(MARKETS)
    middle = stream.middles[instrument_id - 1]
    qty_lots = 1 + random.below(60)
    side = Side.SELL if kind >= OrderListKind.OPO or random.chance(500) else Side.BUY
    profit = [OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT][random.below(3)]
    loss = [OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT][random.below(2)]
    above, below = (profit, loss) if side == Side.SELL else (loss, profit)
    lots = 0 if kind >= OrderListKind.OPO else qty_lots
    pair = [
        leg(above, side, lots, middle + 1 + random.below(20)),
        leg(below, side, lots, middle - 1 - random.below(20)),
    ]
    other = Side.BUY if side == Side.SELL else Side.SELL
    working = leg(OrderType.LIMIT, other, qty_lots, middle + random.below(20) - (15 if other == Side.BUY else 5))
    single = leg([OrderType.LIMIT, OrderType.MARKET, loss][random.below(3)], side, lots, middle + random.below(30) - 15)
    legs = {1: pair, 2: [working, single], 3: [working, *pair], 4: [working, single], 5: [working, *pair]}[kind]
    number = len(stream.commands)
    named = [one._replace(client_id=b"leg %d %d" % (number, i)) for i, one in enumerate(legs)]
    name = b"list %d" % (number if random.chance(950) else random.below(300))
    own = Command(account_id=account_id, instrument_id=instrument_id, client_id=name, qty_lots=kind)
    group = np.frombuffer(encode_order_list(own, named), command_dtype)
    stream.commands.extend(Command._make(record) for record in group.tolist())


def leg(order_type: int, side: int, qty_lots: int, price_ticks: int) -> Command:
    has_stop = order_type >= OrderType.STOP_LOSS
    has_limit = bool(order_type & OrderType.LIMIT)
    return Command(
        side=int(side),
        order_type=int(order_type),
        time_in_force=1 if has_limit and order_type != OrderType.LIMIT_MAKER else 0,
        qty_lots=qty_lots,
        price_ticks=price_ticks if has_limit else 0,
        stop_price_ticks=price_ticks if has_stop else 0,
    )


def cancel_list(stream: Stream) -> None:
    aim = an_earlier(stream)
    fields = {"account_id": aim.account_id, "instrument_id": aim.instrument_id, "target_client_id": aim.client_id}
    stream.add(CommandKind.CANCEL_ORDER_LIST, **fields)


def test_the_recorded_stream_leads_to_the_recorded_states(run: Run) -> None:
    assert Engine.RULES_VERSION == RULES_VERSION
    assert run.states == GOLDEN_LISTS, "the same commands lead elsewhere: the rules changed, so raise RULES_VERSION"


def test_the_recorded_stream_goes_everywhere(run: Run) -> None:
    statuses = set(run.told.lists["list_status_type"].tolist())
    assert statuses == {int(one) for one in ListStatusType} - {int(ListStatusType.NONE)}
    reasons = {RejectReason(reason) for reason in run.told.lists["reason"].tolist()}
    assert reasons > {RejectReason.OCO_PRICES, RejectReason.ORDER_LIST_UNKNOWN, RejectReason.WOULD_TRIGGER}
    of_lists = run.told.orders[run.told.orders["order_list_id"] != 0]
    kinds = {int(kind) for kind in OrderEventKind}
    assert set(of_lists["kind"].tolist()) >= kinds - {OrderEventKind.ORDER_REJECTED, OrderEventKind.CANCEL_REJECTED}
    assert np.count_nonzero(of_lists["kind"] == OrderEventKind.ORDER_TRIGGERED) > 300


@pytest.mark.parametrize("size", [1, 2, 7])
def test_groups_that_are_cut_and_saved_in_their_middle_change_nothing(run: Run, size: int) -> None:
    engine = Engine()
    commands = run.commands[:PIECE]
    for begun in range(0, len(commands), size):
        engine.apply(commands[begun : begun + size])
        if begun % 41 < size:
            engine = Engine.from_arrays(engine.arrays())
    assert (engine.last_seq, engine.state_hash(), engine.events_hash) == run.states[0]


class Market:
    """A scenario's venue, and groups for it."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.session = Session(self.engine)

    def orders(self, *told: tuple[str, str]) -> list[str]:
        return [line for who, words in told for line in self.place(who, words)]

    def place(self, who: str, words: str) -> list[str]:
        return self.session.send(CommandKind.PLACE_ORDER, **self.session.order_fields(who, words))

    def place_list(self, who: str, kind: OrderListKind, name: str, *legs: str) -> list[str]:
        return self.session.send_list(kind, name, [self.session.order_fields(who, leg) for leg in legs])

    @property
    def told(self) -> Events:
        assert self.session.events is not None
        return self.session.events


def test_the_longest_ids_are_told_whole_and_found_by_all_of_their_characters() -> None:
    market = Market()
    create_key(market.session, "K", "a", "trade")
    names = [f"{letter * 8}23456789abcdefghijklmnopqrs{i}" for i, letter in enumerate("LWAB")]
    market.place_list(
        "a",
        OrderListKind.OTOCO,
        names[0],
        f"buys 1 at 50 as {names[1]} key K",
        f"sells 1 at 110 as {names[2]} maker key K",
        f"sells 1 at market as {names[3]} stop 40 key K",
    )
    (started,) = market.told.lists
    told = [started[name].decode() for name in ("client_id", "client_id_1", "client_id_2", "client_id_3")]
    assert told == names
    assert started["key_id"] == market.session.keys["K"]
    assert [started[f"order_id_{i}"] for i in (1, 2, 3)] == market.told.orders["order_id"].tolist()
    for position in range(0, 36, 4):
        other = names[0][:position] + "?" + names[0][position + 1 :]
        assert market.engine.order_list_by_client_id(1, other) is None
        assert market.session.send(
            CommandKind.CANCEL_ORDER_LIST, account_id=1, instrument_id=MARKET, target_client_id=other.encode()
        ) == [f"list {other} refused ORDER_LIST_UNKNOWN"]
    assert market.engine.order_list_by_client_id(1, names[0]) == market.engine.order_list(1)
    market.session.send(
        CommandKind.CANCEL_ORDER_LIST, account_id=1, instrument_id=MARKET, target_client_id=names[0].encode()
    )
    assert market.engine.order_lists(1) == []


def test_a_thousand_open_lists_are_canceled_with_their_orders() -> None:
    market = Market()
    count = 400  # More than the first rows of the pool.
    market.session.account("a")
    for number in range(count):
        legs = f"buys 1 at {1 + number % 50} as W{number}", f"sells 1 at market as P{number}"
        market.place_list("a", OrderListKind.OTO, f"L{number}", *legs)
    assert len(market.engine.order_lists(1)) == count
    assert market.engine.order_list_by_client_id(1, "L7") == market.engine.order_list(8)
    told = market.session.send(CommandKind.CANCEL_ALL, account_id=1)
    assert told[-1] == f"canceled {2 * count} orders"
    assert told.count("list L7 done") == 1
    assert market.engine.order_lists(1) == []
    market.engine.check_invariants()
    assert Engine.from_arrays(market.engine.arrays()).state_hash() == market.engine.state_hash()


def test_working_orders_that_one_sweep_fills_place_their_orders_in_that_order_and_before_the_next_command() -> None:
    market = Market()
    count = 90  # More fills than a step has room for.
    for number in range(count):
        legs = f"sells 1 at {10 + number} as W{number}", f"buys 1 at {5 if number % 2 else 8} as P{number}"
        market.place_list("a", OrderListKind.OTO, f"L{number}", *legs)
    told = market.place("b", f"buys {count} at market as T")
    filled = [line.split()[2] for line in told if line.startswith("trade")]
    placed = [line.split()[1] for line in told if line.startswith("placed")]
    assert filled == [f"W{number}" for number in range(count)]
    assert placed == [f"P{number}" for number in range(count)]
    assert set(market.told.orders["seq"].tolist()) == {market.session.seq}
    assert market.engine.book(MARKET, 9)[0] == [(8, count // 2), (5, count // 2)]


def test_a_pending_order_works_from_when_it_is_placed() -> None:
    market = Market()
    market.place_list("a", OrderListKind.OTO, "L", "buys 1 at 90 as W", "sells 1 at 110 as P")
    assert [order.working_ts_ns for order in market.engine.open_orders(1) if order.client_id == "P"] == [0]
    market.place("b", "sells 1 at 90 as B")
    (placed,) = market.engine.open_orders(1)
    assert placed.client_id == "P"
    assert placed.working_ts_ns == market.session.now_ns
    assert placed.updated_ts_ns == market.session.now_ns
    row = int(market.engine._memory["order_lists"]["order_list_id"].argmax())
    assert market.engine._memory["order_lists"][row]["updated_seq"] == market.session.seq


def test_a_cascade_through_pairs_ends_each_pair_in_its_own_step() -> None:
    market = Market()
    count = 70
    market.place("m", "sells 1 at 500 as M")
    market.place("b", "buys 1 at 500 as B")
    for number in range(count):
        market.place("m", f"buys 1 at {480 - number} as M{number}")
        legs = f"sells 1 at {600 + number} as U{number} maker", f"sells 1 at market as D{number} stop {480 - number}"
        market.place_list("a", OrderListKind.OCO, f"L{number}", *legs)
    told = market.place("b", "sells 1 at market as T")
    steps = [line for line in told if not line.startswith("trade")]
    expected = [(f"expired U{i} OTHER_LEG", f"triggered D{i}", f"list L{i} done") for i in range(count - 1)]
    assert steps[: 3 * (count - 1)] == [line for step in expected for line in step]
    assert market.engine.order_lists(market.session.accounts["a"]) == []


def test_a_pending_stop_is_not_called_by_what_traded_before_it_was_placed() -> None:
    """The sweep goes through 90 and its triggered order brings the price back; the stop at 95 is placed after that."""
    market = Market()
    market.orders(("m", "sells 1 at 100 as M1"), ("b", "buys 1 at 100 as B1"))
    market.orders(("m", "buys 1 at 97 as M2"), ("m", "buys 1 at 90 as M3"), ("m", "sells 5 at 99 as M4"))
    market.place("c", "buys 1 at market as C take 90")
    market.place_list("a", OrderListKind.OTO, "L", "buys 1 at 98 as W", "sells 1 at market as P stop 95")
    told = market.place("b", "sells 3 at market as T")
    assert told == [
        "trade T W 1 at 98",
        "trade T M2 1 at 97",
        "trade T M3 1 at 90 filled",
        "triggered C",
        "trade C M4 1 at 99 filled",
        "placed P",
        "list L started",
    ]


def test_nor_on_the_other_side() -> None:
    market = Market()
    market.orders(("m", "sells 1 at 100 as M1"), ("b", "buys 1 at 100 as B1"))
    market.orders(("m", "sells 1 at 103 as M2"), ("m", "sells 1 at 110 as M3"), ("m", "buys 5 at 101 as M4"))
    market.place("c", "sells 1 at market as C take 110")
    market.place_list("a", OrderListKind.OTO, "L", "sells 1 at 102 as W", "buys 1 at market as P stop 105")
    told = market.place("b", "buys 3 at market as T")
    assert told[-4:] == ["triggered C", "trade C M4 1 at 101 filled", "placed P", "list L started"]


def leg_records(market: Market, number: int) -> list[Command]:
    session = market.session
    legs = [
        session.order_fields("a", f"buys 1 at 50 as W{number}"),
        session.order_fields("a", f"sells 1 at 60 as P{number}"),
    ]
    own = Command(account_id=1, instrument_id=MARKET, client_id=b"L%d" % number, qty_lots=OrderListKind.OTO)
    group = np.frombuffer(encode_order_list(own, [Command(**one) for one in legs]), command_dtype)
    return [Command._make(record) for record in group.tolist()]


def numbered(market: Market, commands: list[Command]) -> np.ndarray:
    session = market.session
    records = []
    for command in commands:
        session.seq += 1
        session.now_ns += 1
        stamps: dict[str, Any] = {"seq": session.seq, "ts_ns": session.now_ns, "clock_ts_ns": session.now_ns}
        records.append(encode(command._replace(**stamps)))
    return np.frombuffer(b"".join(records), command_dtype)


def test_a_poison_list_is_skipped_whole_and_halts_its_instrument() -> None:
    market = Market()
    market.session.account("a")
    records = numbered(market, leg_records(market, 1))
    told = market.engine.apply(records, frozenset({market.session.seq}))
    kinds = [ControlEventKind(row["kind"]) for row in told.controls]
    assert kinds == [ControlEventKind.COMMAND_SKIPPED, ControlEventKind.TRADING_MODE_CHANGED]
    assert len(told.orders) == len(told.lists) == 0
    market.session.send(CommandKind.SET_TRADING_MODE, instrument_id=MARKET, qty_lots=TradingMode.TRADING)
    market.engine.apply(numbered(market, leg_records(market, 2)))
    assert [one.client_id for one in market.engine.order_lists(1)] == ["L2"]
    market.engine.check_invariants()


def test_legs_whose_list_does_not_follow_are_forgotten() -> None:
    market = Market()
    market.session.account("a")
    first, second, own = leg_records(market, 1)
    told = market.engine.apply(
        numbered(market, [first, second, Command(kind=CommandKind.CANCEL_ALL, account_id=1), own])
    )
    assert len(told.orders) == 0
    assert told.lists["reason"].tolist() == [RejectReason.MALFORMED]
    assert told.lists["leg_count"].tolist() == [0]
    market.engine.check_invariants()
