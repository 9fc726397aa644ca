"""Command sequences for the model tests: few accounts, few prices, tight limits, so that everything meets everything.

A sequence begins with a fixed opening (assets, markets, accounts, keys, money) and goes on with drawn `Step`s. A step
says what is wanted in the terms of its moment ("the second youngest open order"), and `commands_of` makes commands of
it with the model's help, so that a shrunk sequence still means something.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from holdfast import config
from holdfast.codes import CommandKind, InstrumentParameter, Limit, OrderType, Side, TimeInForce, TradingMode
from holdfast.commands import Command, command_dtype, encode
from tests.model.naive_exchange import NaiveExchange

START_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9
HORIZON_NS = config.CLIENT_ID_HORIZON_NS
ACCOUNTS = (1, 2, 3)
INSTRUMENTS = (1, 2, 3)
ASSETS = (1, 2, 3)

GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
LIMIT, MARKET, LIMIT_MAKER = OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER

_LATER_NS = 2 * HORIZON_NS

Step = tuple[Any, ...]


def opening() -> list[Command]:
    """Three markets that share three assets; a lot at a tick costs 10, 10 and 1 quote units."""
    kind = CommandKind
    commands = [
        Command(kind=kind.ADD_ASSET, client_id=b"AAA", qty_lots=2),
        Command(kind=kind.ADD_ASSET, client_id=b"BBB", qty_lots=3),
        Command(kind=kind.ADD_ASSET, client_id=b"CCC", qty_lots=0),
        _market(b"AAABBB", 1, 2, 10**7, 10),
        _market(b"CCCBBB", 3, 2, 10**6, 1),
        _market(b"AAACCC", 1, 3, 10**8, 100),
    ]
    for account in ACCOUNTS:
        commands.append(Command(kind=kind.CREATE_ACCOUNT, client_id=b"%032x" % account))
    for account, permissions in ((1, 7), (2, 2), (2, 1), (3, 5)):
        key = b"key %d %d" % (account, permissions)
        commands.append(Command(kind=kind.CREATE_KEY, account_id=account, qty_lots=permissions, client_id=key))
    for instrument in INSTRUMENTS:
        mode = TradingMode.TRADING
        commands.append(Command(kind=kind.SET_TRADING_MODE, instrument_id=instrument, qty_lots=mode))
        for which, ppm in ((InstrumentParameter.MAKER_FEE_PPM, 7_000), (InstrumentParameter.TAKER_FEE_PPM, 13_000)):
            commands.append(_parameter(instrument, which, ppm))
    for account, wealth in zip(ACCOUNTS, (3, 3, 1), strict=True):
        for asset, amount in zip(ASSETS, (2_000, 60_000, 4_000), strict=True):
            reference = b"opening %d" % asset
            deposit = Command(kind=kind.DEPOSIT, account_id=account, instrument_id=asset, qty_lots=wealth * amount)
            commands.append(deposit._replace(client_id=reference))
    return commands


def _market(symbol: bytes, base: int, quote: int, tick_e8: int, lot_units: int) -> Command:
    command = Command(kind=CommandKind.ADD_INSTRUMENT, account_id=base, instrument_id=quote, client_id=symbol)
    return command._replace(price_ticks=tick_e8, qty_lots=lot_units)


def _parameter(instrument: int, which: int, value: int) -> Command:
    kind = CommandKind.SET_INSTRUMENT_PARAMETER
    return Command(kind=kind, instrument_id=instrument, order_id=int(which), qty_lots=value)


# What is drawn. Usual values come first, since shrinking goes there. One unusual field ends most orders at an early
# check, so each is rare.


def _mostly(usual: list[Any], unusual: list[Any], times: int) -> st.SearchStrategy[Any]:
    """Any of the usual values, and once in so many draws any of the others."""
    repeated = usual * max(1, (times - 1) * len(unusual) // len(usual))
    return st.sampled_from(repeated + unusual)


accounts = _mostly([1, 2, 1, 2, 3], [9, 0], 30)
instruments = _mostly([1, 1, 1, 2, 2, 3], [7], 40)
keys = _mostly([0, 0, 0, 0, 0, 1], [2, 3, 4, 5, -1], 25)
sides = _mostly([Side.BUY, Side.SELL], [Side.NONE], 50)
forms = st.sampled_from(
    [(LIMIT, GTC)] * 8
    + [(LIMIT, IOC), (LIMIT, FOK), (LIMIT, FOK), (MARKET, 0), (MARKET, 0), (MARKET, 0)]
    + [(LIMIT_MAKER, 0), (LIMIT_MAKER, GTC)]
    + [(OrderType.STOP_LOSS, 0), (OrderType.TAKE_PROFIT, 0)]
    + [(OrderType.STOP_LOSS_LIMIT, GTC), (OrderType.STOP_LOSS_LIMIT, IOC)]
    + [(OrderType.TAKE_PROFIT_LIMIT, GTC), (OrderType.TAKE_PROFIT_LIMIT, FOK)]
)
odd_forms = st.tuples(st.integers(0, 8), st.integers(0, 4))
preventions = st.sampled_from([0, 0, 1, 2, 3, 4])
odd_preventions = st.integers(-1, 5)
prices = _mostly([100, 101, 99, 102, 98, 103], [1, 50, 150, 4095, 4096, 2**24, 10**9], 12)
lots = _mostly([3, 1, 2, 4, 5, 6, 8, 12], [0, 40, 1_000, 10**8, 4 * 10**9, 2**62, 2**63 - 1, -1], 12)
stops = _mostly([100, 101, 99, 102, 98, 103, 97], [0, 1, 4096, 2**24, 10**9, 10**9 + 1, -1], 15)
quotes = _mostly([999, 1_000, 1_010, 2_345, 5_000, 12_345, 101], [0, 5, 2**63 - 1, -1], 12)
client_ids = _mostly([b"id %d" % i for i in range(9)] + [b"x" * 36, b"x" * 35 + b"y"], [b""], 20)
fresh = st.sampled_from([True, True, False])
times = st.sampled_from(
    [1, 1, 1, 1, 1, 1, 1, 1, 0, SECOND_NS, 20 * SECOND_NS, 60 * SECOND_NS, 300 * SECOND_NS, HORIZON_NS - 1, HORIZON_NS]
)
deadlines = _mostly([None, 5 * SECOND_NS, 100 * SECOND_NS, HORIZON_NS, 0], [-1], 20)
picks = st.integers(0, 5)

orders = st.tuples(
    accounts, keys, instruments, sides, forms, preventions, prices, stops, lots, quotes, client_ids, fresh, deadlines
)
odd_orders = st.tuples(
    *(accounts, keys, instruments, sides, odd_forms, odd_preventions),
    *(prices, stops, lots, quotes, client_ids, fresh, deadlines),
)
targets = st.tuples(
    _mostly(["id", "client id", "both"], ["other", "none", "unknown"], 6), picks, _mostly([0], [1, 2], 3)
)

# Account, key, target, how many lots fewer than what is open, client id (None: the order's own), deadline.
amendments = st.tuples(
    st.just("amend"),
    accounts,
    keys,
    targets,
    _mostly([1, 2, 1, 3], [0, -1, 1_000, 2**62], 4),
    _mostly([b"fresh", None], [b"id 1", b"id 2", b"a former one", b""], 5),
    deadlines,
)
places = st.tuples(st.just("place"), orders)
odd_places = st.tuples(st.just("place"), odd_orders)
cancels = st.tuples(st.just("cancel"), accounts, keys, targets, deadlines)
cancel_alls = st.tuples(st.just("cancel all"), accounts, keys, st.sampled_from([0, 0, 1, 2, 7]), deadlines)
replaces = st.tuples(st.just("replace"), orders, targets, st.booleans())
# Kind; who asks; prevention; the working order's side, price and lots; the side of the pending ones; how far their
# prices lie above and below the last one; their forms; client ids; deadline; and what is odd about it.
lists = st.tuples(
    st.just("list"),
    _mostly([1, 2, 3, 4, 5, 1], [0, 6, -1], 40),
    *(_mostly([1, 2], [3, 9], 20), _mostly([0], [1, 2, 4], 20), _mostly([1, 1, 1, 2, 2, 3], [7], 60)),
    *(preventions, sides, prices, lots, sides),
    *(_mostly([1, 2, 3], [0, -1, 60], 12), _mostly([1, 2, 3], [0, -1, 60], 12), st.integers(0, 3), st.integers(0, 3)),
    *(_mostly([b"fresh"], [b"id 1", b"id 2"], 12), _mostly([b"fresh"], [b"list 1", b"list 2", b"list 3", b""], 4)),
    _mostly([None, 5 * SECOND_NS, 100 * SECOND_NS, HORIZON_NS], [0, -1], 20),
    _mostly([""], ["one leg", "four legs", "lots", "type", "same ids", "account", "late", "working", "quote"], 40),
)
# A list, and trades around its prices: how far from the last one each of them is, who takes, and how many lots.
stories = st.tuples(
    st.just("story"),
    lists,
    st.lists(
        st.tuples(st.integers(-4, 4), st.sampled_from([1, 2, 3]), sides, st.sampled_from([1, 2, 3, 5, 12])),
        min_size=2,
        max_size=7,
    ),
)
list_cancels = st.tuples(st.just("cancel list"), accounts, keys, targets, deadlines)
cascades = st.tuples(st.just("cascade"), sides, st.integers(2, 30), st.sampled_from([1, 2, 3]), st.booleans())
ladders = st.tuples(st.just("ladder"), st.sampled_from(ACCOUNTS[:2]), sides, st.integers(30, 45), st.integers(1, 3))

# Kind, account, asset, amount, receiver, key, reference.
amounts = _mostly([100, 3_000, 20_000, 1], [0, -1, config.SUPPLY_MAX, 2**63 - 1], 4)
money = st.tuples(
    st.just("money"),
    st.sampled_from(
        [CommandKind.DEPOSIT, CommandKind.REQUEST_WITHDRAWAL, CommandKind.TRANSFER, CommandKind.WITHDRAW_FEES]
    ),
    accounts,
    _mostly([1, 2, 3], [9], 15),
    amounts,
    accounts,
    keys,
    _mostly([b"a", b"b", b"c", b"d", b"opening 1"], [b""], 20),
)


def _simple(kinds: list[int], account: Any, instrument: Any, value: Any, about: Any = None) -> st.SearchStrategy[Step]:
    """A command of a few plain fields; what is None is 0."""
    drawn = [st.just(0) if field is None else field for field in (account, instrument, value, about)]
    return st.tuples(st.just("simple"), st.sampled_from(kinds), *drawn)


withdrawal_steps = _simple(
    [CommandKind.APPROVE_WITHDRAWAL, CommandKind.SEND_WITHDRAWAL, CommandKind.REFUSE_WITHDRAWAL],
    None,
    None,
    None,
    _mostly([1, 2, 3], [0, 9], 10),
)
modes = _simple([CommandKind.SET_TRADING_MODE], None, instruments, _mostly([0, 1, 2, 3, 4], [5, -1], 8))
freezes = _simple(
    [CommandKind.SET_ACCOUNT_FROZEN, CommandKind.KILL_ACCOUNT], accounts, None, _mostly([1, 0], [-1, 2], 8)
)
fees = _simple(
    [CommandKind.SET_ACCOUNT_FEES], accounts, _mostly([0, -1, 500], [100_001], 6), _mostly([-1, 0, 100_000], [-2], 6)
)
kill_switches = _simple([CommandKind.SET_VENUE_KILLED], None, None, _mostly([1, 0], [2], 8))
limits = _simple(
    [CommandKind.SET_LIMIT],
    None,
    None,
    _mostly([3, 8, 1, 0, 2, 5, 60 * SECOND_NS, HORIZON_NS], [-1], 15),
    st.integers(0, 9),
)
names = st.tuples(
    st.just("name"),
    st.sampled_from(
        [CommandKind.ADD_ASSET, CommandKind.ADD_INSTRUMENT, CommandKind.CREATE_ACCOUNT, CommandKind.CREATE_KEY]
    ),
    _mostly([1, 2, 3], [9], 10),
    _mostly([1, 2, 3], [9], 10),
    st.sampled_from([10**7, 10**6, 1, 0, 2**63 - 1]),
    st.sampled_from([0, 3, 10, 8, 9, -1, 2**62]),
    _mostly([0, 1], [9], 10),
    _mostly([b"AAA", b"DDD", b"AAABBB", b"EEEFFF", b"%032x" % 1, b"key 1 7"], [b""], 20),
)
rarities = _simple(
    [CommandKind.REVOKE_KEY, CommandKind.ACTIVATE_RULES, CommandKind.REWRAP_SECRETS, 99, 127, 0, 31],
    accounts,
    None,
    st.integers(0, 2),
    st.integers(0, 5),
)
# Filters that bite at the prices and quantities above, and values that are refused.
parameters = st.tuples(
    st.just("parameter"),
    instruments,
    st.sampled_from(
        [
            (InstrumentParameter.PRICE_TICKS_MIN, 99),
            (InstrumentParameter.PRICE_TICKS_MAX, 102),
            (InstrumentParameter.PRICE_TICKS_MAX, 0),
            (InstrumentParameter.QTY_LOTS_MIN, 3),
            (InstrumentParameter.QTY_LOTS_MAX, 5),
            (InstrumentParameter.QTY_LOTS_MAX, 4 * 10**9 + 1),
            (InstrumentParameter.MARKET_QTY_LOTS_MIN, 3),
            (InstrumentParameter.MARKET_QTY_LOTS_MAX, 6),
            (InstrumentParameter.NOTIONAL_MIN, 3_030),
            (InstrumentParameter.NOTIONAL_MAX, 5_000),
            (InstrumentParameter.NOTIONAL_MIN_APPLIES_TO_MARKET, 1),
            (InstrumentParameter.NOTIONAL_MAX_APPLIES_TO_MARKET, 1),
            (InstrumentParameter.NOTIONAL_MAX_APPLIES_TO_MARKET, 2),
            (InstrumentParameter.BID_MULTIPLIER_UP_PPM, 1_010_000),
            (InstrumentParameter.BID_MULTIPLIER_DOWN_PPM, 990_000),
            (InstrumentParameter.ASK_MULTIPLIER_UP_PPM, 1_020_000),
            (InstrumentParameter.ASK_MULTIPLIER_DOWN_PPM, 1_000_000),
            (InstrumentParameter.BID_MULTIPLIER_UP_PPM, 10**9 + 1),
            (InstrumentParameter.ORDERS_MAX, 2),
            (InstrumentParameter.ALGO_ORDERS_MAX, 2),
            (InstrumentParameter.ALGO_ORDERS_MAX, 1),
            (InstrumentParameter.ORDER_LISTS_MAX, 1),
            (InstrumentParameter.ORDER_LISTS_MAX, 2),
            (InstrumentParameter.POSITION_MAX, 6_050),
            (InstrumentParameter.MAKER_FEE_PPM, 100_000),
            (InstrumentParameter.TAKER_FEE_PPM, 100_001),
            (InstrumentParameter.ORDER_AMENDS_MAX, 1),
            (InstrumentParameter.ORDER_AMENDS_MAX, 2),
            (InstrumentParameter.ORDER_AMENDS_MAX, config.ORDER_AMENDS_MAX + 1),
            (InstrumentParameter.NONE, 1),
            (31, 1),
        ]
    ),
)


def _weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of the strategies, each as often as its weight says; `one_of` would count their branches instead."""
    return st.sampled_from([one for weight, one in choices for _ in range(weight)]).flatmap(lambda one: one)


trading = _weighted(
    (12, places),
    (1, odd_places),
    (3, cancels),
    (4, replaces),
    (4, amendments),
    (4, lists),
    (3, stories),
    (1, list_cancels),
)
settings = _weighted((2, modes), (1, freezes), (1, kill_switches), (5, limits), (9, parameters))
interludes = st.tuples(
    st.just("interlude"),
    st.lists(settings, min_size=1, max_size=3),
    st.lists(trading, min_size=2, max_size=10),
    _mostly([True], [False], 15),  # Whether things are put right again.
)
operating = _weighted((2, cancel_alls), (4, money), (2, withdrawal_steps), (1, fees), (1, names), (1, rarities))
steps = st.tuples(times, _weighted((30, trading), (12, interludes), (6, operating), (1, ladders), (1, cascades)))


def commands_of(model: NaiveExchange, step: Step) -> Iterator[Command]:
    """The commands of a drawn step, stamped; each is to be applied to the model before the next is asked for."""
    pause_ns, wish = step
    for number, command in enumerate(_wished(model, wish)):
        command = stamped(command, model.command, pause_ns if number == 0 else 1)
        if command.deadline_ts_ns:
            command = command._replace(deadline_ts_ns=command.clock_ts_ns + command.deadline_ts_ns - _LATER_NS)
        yield command


def stamped(command: Command, last: Command, pause_ns: int) -> Command:
    """As the journal stamps it, so much later than the last one."""
    ts_ns, clock_ts_ns = last.ts_ns + pause_ns, last.clock_ts_ns + pause_ns
    return command._replace(seq=last.seq + 1, ts_ns=ts_ns, clock_ts_ns=clock_ts_ns)


def _wished(model: NaiveExchange, wish: Step) -> Iterator[Command]:
    match wish:
        case "place", order:
            yield _order(model, CommandKind.PLACE_ORDER, order)
        case "cancel", account, key, target, deadline:
            command = Command(kind=CommandKind.CANCEL_ORDER, account_id=account, key_id=key)
            yield _aim(model, command._replace(deadline_ts_ns=_later(deadline)), target)
        case "amend", account, key, target, fewer_lots, client_id, deadline:
            is_owner = any(one.account_id == account for one in model.open)
            if model.open and not is_owner and key == 0 and account in ACCOUNTS:
                account = model.open[-1].account_id
            command = Command(kind=CommandKind.AMEND_ORDER, account_id=account, key_id=key)
            command = _aim(model, command._replace(deadline_ts_ns=_later(deadline)), target)
            yield _amendment(model, command, fewer_lots, client_id)
        case "cancel all", account, key, instrument, deadline:
            kind = CommandKind.CANCEL_ALL
            command = Command(kind=kind, account_id=account, key_id=key, instrument_id=instrument)
            yield command._replace(deadline_ts_ns=_later(deadline))
        case "replace", order, target, goes_on:
            command = _order(model, CommandKind.REPLACE_ORDER, order)
            yield _aim(model, command._replace(flags=int(goes_on)), target)
        case "ladder", account, side, count, step_size:
            # Enough makers that a taker's sweep, or a mass cancel, needs several of the engine's steps.
            kind = CommandKind.PLACE_ORDER
            for i in range(count):
                command = Command(kind=kind, account_id=account, instrument_id=2, side=int(side), order_type=LIMIT)
                price = 1 + (i // step_size) if side == Side.BUY else 200 + (i // step_size)
                client_id = b"ladder %d" % (model.orders + i)
                yield command._replace(time_in_force=GTC, price_ticks=price, qty_lots=1, client_id=client_id)
            kind = CommandKind.PLACE_ORDER
            taker = Command(kind=kind, account_id=1, instrument_id=2, side=Side.SELL if side == Side.BUY else Side.BUY)
            yield taker._replace(order_type=MARKET, qty_lots=count - 3, client_id=b"sweep %d" % model.orders)
        case "list", *wanted:
            yield from _list(model, *wanted)
        case "story", wish_of_list, pushes:
            yield from _wished(model, wish_of_list)
            instrument = min(max(wish_of_list[4], 1), 3)
            for number, (distance, taker, side, qty) in enumerate(pushes):
                last = model.instruments[instrument].last_price or 100
                order = Command(kind=CommandKind.PLACE_ORDER, instrument_id=instrument, order_type=LIMIT)
                order = order._replace(price_ticks=max(last + distance, 1), qty_lots=qty)
                name = b"push %d %d" % (model.command.seq, number)
                maker_side = Side.SELL if side == Side.BUY else Side.BUY
                rest = order._replace(account_id=1 + taker % 3, side=int(maker_side), time_in_force=GTC)
                yield rest._replace(client_id=b"m" + name)
                yield order._replace(account_id=taker, side=int(side), time_in_force=IOC, client_id=b"t" + name)
        case "cancel list", account, key, (how, pick, _), deadline:
            command = Command(kind=CommandKind.CANCEL_ORDER_LIST, account_id=account, key_id=key, instrument_id=1)
            mine = [one for one in model.lists if one.account_id == account] or model.lists
            if mine and how != "unknown":
                one = mine[-1 - pick % len(mine)]
                command = command._replace(instrument_id=one.instrument_id if pick < 5 else 2)
                by_id = one.order_list_id if how in ("id", "both", "other") else 0
                by_name = {"client id": one.client_id, "both": one.client_id, "other": b"list 1"}.get(how, b"")
                command = command._replace(order_id=by_id, target_client_id=by_name)
            else:
                command = command._replace(order_id=pick - 1, target_client_id=b"list 1")
            yield command._replace(deadline_ts_ns=_later(deadline))
        case "cascade", side, count, step_size, has_limit:
            # A market that falls (or rises) through stop orders, of which each takes the next order with it.
            side, other = (Side.SELL, Side.BUY) if side != Side.SELL else (Side.BUY, Side.SELL)
            down = 1 if side == Side.SELL else -1
            place = Command(kind=CommandKind.PLACE_ORDER, instrument_id=2, qty_lots=1)
            name = b"%d %%d" % model.orders
            for i in range(count + 2):
                rest = place._replace(account_id=2, side=other, order_type=LIMIT, time_in_force=GTC)
                yield rest._replace(price_ticks=3_000 - down * i, client_id=b"rest " + name % i)
            stop = place._replace(side=side, order_type=OrderType.STOP_LOSS)
            if has_limit:
                limit = 3_000 - down * (count // 2)  # Some come to rest.
                stop = stop._replace(order_type=OrderType.STOP_LOSS_LIMIT, time_in_force=GTC, price_ticks=limit)
            for i in range(count):
                price = 3_000 - down * (i // step_size)
                yield stop._replace(account_id=1 + i % 3, stop_price_ticks=price, client_id=b"stop " + name % i)
            yield place._replace(account_id=1, side=side, order_type=MARKET, client_id=b"push " + name % 0)
        case "money", kind, account, asset, amount, receiver, key, reference:
            command = Command(kind=kind, account_id=account, instrument_id=asset, qty_lots=amount, client_id=reference)
            order_id = receiver if kind == CommandKind.TRANSFER else 0
            key_id = key if kind == CommandKind.REQUEST_WITHDRAWAL else 0
            yield command._replace(order_id=order_id, key_id=key_id)
        case "simple", kind, account, instrument, value, about:
            if kind == CommandKind.SET_ACCOUNT_FEES:
                yield Command(kind=kind, account_id=account, price_ticks=instrument, qty_lots=value)
            else:
                yield Command(kind=kind, account_id=account, instrument_id=instrument, qty_lots=value, order_id=about)
        case "name", kind, account, instrument, price, value, about, text:
            command = Command(kind=kind, account_id=account, instrument_id=instrument, price_ticks=price)
            yield command._replace(qty_lots=value, order_id=about, client_id=text)
        case "parameter", instrument, (which, value):
            yield _parameter(instrument, which, value)
        case "interlude", changes, wishes, is_put_right:
            undoing = []
            for one in changes:
                (change,) = _wished(model, one)
                undoing.append(_as_it_is(model, change))
                yield change
            for one in wishes:
                yield from _wished(model, one)
            if is_put_right:
                yield from filter(None, reversed(undoing))
        case _:
            raise AssertionError(wish)


def _as_it_is(model: NaiveExchange, change: Command) -> Command | None:
    """The command that undoes a setting; None when the change is refused."""
    instrument = model.instruments.get(change.instrument_id)
    match change.kind:
        case CommandKind.SET_TRADING_MODE if instrument:
            return change._replace(qty_lots=instrument.mode)
        case CommandKind.SET_INSTRUMENT_PARAMETER if instrument:
            return change._replace(qty_lots=instrument.parameters.get(change.order_id, 0))
        case CommandKind.SET_LIMIT if change.order_id in list(model.limits):
            return change._replace(qty_lots=model.limits[Limit(change.order_id)])
        case CommandKind.SET_ACCOUNT_FROZEN | CommandKind.KILL_ACCOUNT:
            return change._replace(kind=CommandKind.SET_ACCOUNT_FROZEN, qty_lots=0)
        case CommandKind.SET_VENUE_KILLED:
            return change._replace(qty_lots=0)
    return None


def _later(deadline: int | None) -> int:
    """Marks a deadline that counts from the command's own clock, which is known last."""
    return 0 if deadline is None else _LATER_NS + deadline


def _order(model: NaiveExchange, kind: CommandKind, order: Step) -> Command:
    account, key, instrument, side, (order_type, time), stp, price, stop, qty, quote, client_id, is_fresh, deadline = (
        order
    )
    if order_type == MARKET:
        price = price if quote == -1 else 0
        qty, quote = (qty, 0) if qty % 4 else (0, quote)
    elif order_type in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT):
        price = price if quote == -1 else 0
        quote = quote if quote == -1 else 0
    elif quote != -1:
        quote = 0
    return Command(
        kind=kind,
        side=int(side),
        order_type=int(order_type),
        time_in_force=int(time),
        self_trade_prevention=stp,
        account_id=account,
        key_id=key,
        instrument_id=instrument,
        price_ticks=price,
        qty_lots=qty,
        quote_units=quote,
        stop_price_ticks=stop if order_type >= OrderType.STOP_LOSS or quote == -1 else 0,
        client_id=b"fresh %d" % model.command.seq if is_fresh else client_id,
        deadline_ts_ns=_later(deadline),
    )


PROFIT_FORMS = ((LIMIT_MAKER, 0), (OrderType.TAKE_PROFIT, 0), (OrderType.TAKE_PROFIT_LIMIT, GTC), (LIMIT_MAKER, GTC))
LOSS_FORMS = (
    (OrderType.STOP_LOSS, 0),
    (OrderType.STOP_LOSS_LIMIT, GTC),
    (OrderType.STOP_LOSS_LIMIT, IOC),
    (OrderType.STOP_LOSS, 0),
)
ALONE_FORMS = ((LIMIT, GTC), (MARKET, 0), (OrderType.STOP_LOSS_LIMIT, GTC), (OrderType.TAKE_PROFIT, 0))


def _list(model: NaiveExchange, kind: int, *wanted: Any) -> Iterator[Command]:
    """A group: the legs, and the list's own record."""
    account, key, instrument, stp, side, price, qty, other_side, up, down, above, below, leg_id, own_id, late, odd = (
        wanted
    )
    number = model.command.seq
    market = model.instruments.get(instrument)
    last = market.last_price if market and market.last_price else 100
    leg = Command(kind=CommandKind.ORDER_LIST_LEG, account_id=account, key_id=key, instrument_id=instrument, flags=2)
    leg = leg._replace(self_trade_prevention=stp, qty_lots=qty)
    if kind >= 4:
        side, other_side = (Side.BUY, Side.SELL) if up != 60 else (side, other_side)
    working = leg._replace(order_type=LIMIT_MAKER if above == 3 else LIMIT, side=int(side), price_ticks=price)
    working = working._replace(time_in_force=0 if above == 3 else (GTC, GTC, IOC)[below % 3])
    pending = leg._replace(
        side=int(side if kind == 1 else other_side), qty_lots=0 if kind >= 4 and odd != "lots" else qty
    )
    profit, loss = PROFIT_FORMS[above], LOSS_FORMS[below]
    forms = [profit, loss] if pending.side == Side.SELL else [loss, profit]
    if odd == "type":
        forms.reverse()
    pair = [_leg(pending, forms[0], last + up, 1), _leg(pending, forms[1], max(last - down, 1), -1)]
    alone = _leg(pending, ALONE_FORMS[above], last + (up if above == 3 else -down), -1)
    legs = pair if kind == 1 else [working, *(pair if kind in (3, 5) else [alone])]
    if odd == "lots" and kind in (1, 3):
        legs[-1] = legs[-1]._replace(qty_lots=qty + 1)
    elif odd == "working":
        legs[0] = legs[0]._replace(order_type=MARKET, price_ticks=0, time_in_force=0)
    elif odd == "quote":
        legs[-1] = legs[-1]._replace(order_type=MARKET, price_ticks=0, time_in_force=0, qty_lots=0, quote_units=1_000)
    elif odd == "account":
        legs[0] = legs[0]._replace(account_id=2)
    legs = legs[:1] if odd == "one leg" else [*legs, *legs][:4] if odd == "four legs" else legs
    fresh = [b"leg %d %d" % (number, i) for i in range(len(legs))]
    ids = [leg_id if leg_id != b"fresh" and i == 1 else fresh[0 if odd == "same ids" else i] for i in range(len(legs))]
    own_id = b"fresh list %d" % number if own_id == b"fresh" else own_id
    own = Command(kind=CommandKind.PLACE_ORDER_LIST, account_id=account, key_id=key, instrument_id=instrument)
    group = [one._replace(client_id=name) for one, name in zip(legs, ids, strict=True)]
    group.append(own._replace(client_id=own_id, qty_lots=kind))
    if odd == "late":
        yield group.pop(0)
        yield Command(kind=CommandKind.CANCEL_ORDER, account_id=account, order_id=10**6)
    for i, record in enumerate(group):
        # Each is stamped a nanosecond after the one before, and all have the same deadline.
        yield record._replace(deadline_ts_ns=_later(late) - i if late is not None else 0)


def _leg(leg: Command, form: tuple[int, int], price: int, beyond: int) -> Command:
    """An order of a form at a price, or with a stop there and its limit a little beyond it."""
    order_type, time = form
    has_stop = order_type >= OrderType.STOP_LOSS
    has_limit = order_type & LIMIT
    limit = max(price + beyond * has_stop, 1) if has_limit else 0
    leg = leg._replace(order_type=int(order_type), time_in_force=int(time), price_ticks=limit)
    return leg._replace(stop_price_ticks=price if has_stop else 0)


def _amendment(model: NaiveExchange, command: Command, fewer_lots: int, client_id: bytes | None) -> Command:
    """So many lots fewer than the order that the command names, under the client id that is meant."""
    named = [one for one in model.open if one.order_id == command.order_id]
    named += [one for one in model.open if one.client_id == command.target_client_id]
    order = named[0] if named else None
    if client_id == b"fresh":
        client_id = b"amended %d" % model.command.seq
    elif client_id == b"a former one":
        client_id = next((one.former_ids[0] for one in model.open if one.former_ids), b"id 3")
    elif client_id is None:
        client_id = order.client_id if order else b"id 1"
    qty_lots = (order.qty_lots if order else 5) - fewer_lots
    return command._replace(qty_lots=max(qty_lots, 1 if fewer_lots < 10 else -1), client_id=client_id)


def _aim(model: NaiveExchange, command: Command, target: Step) -> Command:
    """Name an open order of the account, in one way or another; or one that is not there."""
    how, pick, restriction = target
    mine = [one for one in model.open if one.account_id == command.account_id] or model.open
    command = command._replace(cancel_restriction=restriction)
    if not mine or how == "unknown":
        return command._replace(instrument_id=command.instrument_id or 1, order_id=10**6, target_client_id=b"id 1")
    order = mine[-1 - pick % len(mine)]
    if command.kind in (CommandKind.CANCEL_ORDER, CommandKind.AMEND_ORDER) or pick < 4:
        command = command._replace(instrument_id=order.instrument_id)
    match how:
        case "id":
            return command._replace(order_id=order.order_id)
        case "client id":
            return command._replace(target_client_id=order.client_id)
        case "both":
            return command._replace(order_id=order.order_id, target_client_id=order.client_id)
        case "other":
            return command._replace(order_id=order.order_id, target_client_id=mine[0].client_id)
    return command


def records(commands: list[Command]) -> np.ndarray:
    return np.frombuffer(b"".join(map(encode, commands)), command_dtype).copy()
