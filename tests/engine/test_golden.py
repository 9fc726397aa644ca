"""One recorded stream, and what the engine makes of it, to the last bit: a journal must replay to the same state.

The stream comes from a generator of random numbers that is written here, so no library can change it. When these
numbers change, the rules have changed: raise RULES_VERSION in `holdfast/engine/state.py`, and write down the new ones.
"""

from typing import NamedTuple

import numpy as np
import pytest

from holdfast.codes import (
    CommandKind,
    InstrumentParameter,
    Limit,
    OrderEventKind,
    OrderType,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command, command_dtype, encode
from holdfast.engine.engine import Engine
from holdfast.events import Events

START_NS = 1_800_000_000 * 10**9
COMMANDS = 20_000
COMMANDS_THAT_AMEND = 5_000  # And others between them; after those, which are older than amendments.
PIECE = 5_000
ACCOUNTS = 12
MARKETS = 3

RULES_VERSION = 4
GOLDEN = [  # After so many commands: the state's hash, and that of all events.
    (5000, "024e3827b430177a3c6875b40f084695", 1052588473542911947),
    (10000, "bad1785344d99e2761137753fb1df74f", 1777407771623055812),
    (15000, "3554a7655aca334534ede4df8f467d49", 1901948009126748243),
    (20000, "f6d2fc8b0695daa090013df8e136f660", 1373270150541283736),
    (25000, "991f87a199be36cb0e9e3a0715d4afb0", 1777812483895481317),
    (25002, "253e8ff5a68d4272c3e95d64a749c943", 952704850713356838),
]
GOLDEN_WITH_STOPS = [
    (5000, "6759c1af7a55df9a07455630b816118d", 754572775485642433),
    (10000, "449912ca728a49435aefd94e7054b714", 1276386548147354297),
    (15000, "82311a30ef32307fa852c3647d40e71f", 295410074199483394),
    (20000, "3746d4b96610befab0e5bd252cebdcfc", 1579708280229497466),
    (25000, "c0ae969cc92d05507a8844da886a2e11", 1474623373223179435),
    (25002, "4ca72ba1cb31cb91737949da079cfcfc", 252857048447915457),
]


class Lcg:
    """Knuth's MMIX generator; the upper bits are the good ones."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, bound: int) -> int:
        self.state = (self.state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (self.state >> 33) % bound

    def chance(self, in_thousand: int) -> bool:
        return self.below(1_000) < in_thousand


class Run(NamedTuple):
    commands: np.ndarray
    states: list[tuple[int, str, int]]
    told: Events


class Stream(NamedTuple):
    random: Lcg
    commands: list[Command]
    middles: list[int]  # Where each market's orders gather.
    has_stops: bool

    def add(self, kind: CommandKind, **fields: object) -> None:
        self.commands.append(Command(kind=int(kind))._replace(**fields))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run() -> Run:
    return applied(recorded_stream(has_stops=False), PIECE)


@pytest.fixture(scope="module")
def run_with_stops() -> Run:
    return applied(recorded_stream(has_stops=True), PIECE)


def applied(stream: list[Command], piece: int) -> Run:
    """The stream, with numbers and times, applied in pieces."""
    commands = np.frombuffer(b"".join(map(encode, stamped(stream))), command_dtype)
    engine = Engine()
    states, told = [], []
    for begun in range(0, len(commands), piece):
        told.append(engine.apply(commands[begun : begun + piece]))
        engine.check_invariants()
        states.append((engine.last_seq, engine.state_hash(), engine.events_hash))
    return Run(commands, states, Events(*(np.concatenate(family) for family in zip(*told, strict=True))))


def test_the_recorded_streams_lead_to_the_recorded_states(run: Run, run_with_stops: Run) -> None:
    assert Engine.RULES_VERSION == RULES_VERSION, "new rules: record the stream's states anew"
    assert run.states == GOLDEN, "the same commands lead elsewhere: the rules changed, so raise RULES_VERSION"
    assert run_with_stops.states == GOLDEN_WITH_STOPS


def test_the_recorded_streams_go_everywhere(run: Run, run_with_stops: Run) -> None:
    elsewhere = {CommandKind.PLACE_ORDER_LIST, CommandKind.ORDER_LIST_LEG, CommandKind.CANCEL_ORDER_LIST}
    elsewhere |= {CommandKind.SCHEDULE_REOPENING, CommandKind.CANCEL_REOPENING, CommandKind.NONE}
    kinds = {int(kind) for kind in CommandKind} - {*map(int, elsewhere)}
    assert set(run.commands["kind"].tolist()) == kinds
    told = set(run.told.orders["kind"].tolist())
    assert told == {int(kind) for kind in OrderEventKind} - {int(OrderEventKind.ORDER_TRIGGERED)}
    triggered = run_with_stops.told.orders["kind"] == OrderEventKind.ORDER_TRIGGERED
    assert np.count_nonzero(triggered) > 300
    reasons = set(zip(run.told.orders["kind"].tolist(), run.told.orders["reason"].tolist(), strict=True))
    assert len(reasons) >= 30
    assert np.count_nonzero(run.told.orders["trade_id"]) > 5_000


def recorded_stream(has_stops: bool) -> list[Command]:
    """The same commands at any time, on any machine."""
    stream = Stream(Lcg(20_260), [], [1_000, 50_000, 700], has_stops)
    open_venue(stream)
    while len(stream.commands) < COMMANDS:
        what = stream.random.below(1_000)
        if what < 620:
            place(stream, CommandKind.PLACE_ORDER)
        elif what < 800:
            cancel(stream)
        elif what < 900:
            place(stream, CommandKind.REPLACE_ORDER)
        elif what < 960:
            move_money(stream)
        else:
            operate(stream)
    stream = stream._replace(commands=stream.commands[:COMMANDS])
    while len(stream.commands) < COMMANDS + COMMANDS_THAT_AMEND:
        amend(stream) if stream.random.chance(400) else place(stream, CommandKind.PLACE_ORDER)
        if len(stream.commands) % 100 == 0:
            keep_time(stream)
    return stream.commands


def stamped(commands: list[Command]) -> list[Command]:
    """With numbers and times: mostly a millisecond apart, sometimes a minute, seldom half a day."""
    random = Lcg(7)
    result = []
    ts_ns = START_NS
    for seq, command in enumerate(commands, start=1):
        ts_ns += 60 * 10**9 if random.chance(2) else 10**6
        ts_ns += 12 * 3600 * 10**9 if random.below(5_000) == 0 else 0
        command = command._replace(seq=seq, ts_ns=ts_ns, clock_ts_ns=ts_ns - 1_000)
        if command.deadline_ts_ns:
            command = command._replace(deadline_ts_ns=ts_ns + command.deadline_ts_ns)
        result.append(command)
    return result


def open_venue(stream: Stream) -> None:
    for code, decimals in ((b"BTC", 8), (b"ETH", 8), (b"USDT", 6), (b"YEN", 0)):
        stream.add(CommandKind.ADD_ASSET, client_id=code, qty_lots=decimals)
    for symbol, base, quote, tick_e8, lot_units in (
        (b"BTCUSDT", 1, 3, 10**6, 10_000),
        (b"ETHBTC", 2, 1, 100, 10**6),
        (b"BTCYEN", 1, 4, 10**10, 10**6),
    ):
        market = {"account_id": base, "instrument_id": quote, "price_ticks": tick_e8, "qty_lots": lot_units}
        stream.add(CommandKind.ADD_INSTRUMENT, client_id=symbol, **market)
    for account_id in range(1, ACCOUNTS + 1):
        parent_id = 1 if account_id > ACCOUNTS - 2 else 0
        stream.add(CommandKind.CREATE_ACCOUNT, client_id=b"%032x" % account_id, order_id=parent_id)
        fields = {"account_id": account_id, "qty_lots": 7 if account_id % 4 else 1, "order_id": 1}
        stream.add(CommandKind.CREATE_KEY, client_id=b"key %d" % account_id, **fields)
        stream.add(CommandKind.PAYLOAD, request_number=3)
        for asset_id, amount in ((1, 10**10), (2, 10**11), (3, 10**11), (4, 10**9)):
            deposit = {"account_id": account_id, "instrument_id": asset_id, "qty_lots": amount}
            stream.add(CommandKind.DEPOSIT, client_id=b"first %d" % asset_id, **deposit)
    for instrument_id in range(1, MARKETS + 1):
        for which, value in ((InstrumentParameter.MAKER_FEE_PPM, 700), (InstrumentParameter.TAKER_FEE_PPM, 1_100)):
            set_parameter(stream, instrument_id, which, value)
        stream.add(CommandKind.SET_TRADING_MODE, instrument_id=instrument_id, qty_lots=int(TradingMode.TRADING))


def set_parameter(stream: Stream, instrument_id: int, which: int, value: int) -> None:
    fields = {"instrument_id": instrument_id, "order_id": int(which), "qty_lots": value}
    stream.add(CommandKind.SET_INSTRUMENT_PARAMETER, **fields)


def place(stream: Stream, kind: CommandKind) -> None:
    random = stream.random
    instrument_id = 1 + random.below(MARKETS)
    stream.middles[instrument_id - 1] = max(200, stream.middles[instrument_id - 1] + random.below(5) - 2)
    side = 1 + random.below(2)
    away = random.below(30) - 8
    price_ticks = stream.middles[instrument_id - 1] + (away if side == Side.SELL else -away)
    order_type, time_in_force = int(OrderType.LIMIT), int(TimeInForce.GTC)
    qty_lots, quote_units = 1 + random.below(60), 0
    form = random.below(20)
    if form < 3:
        order_type, time_in_force, price_ticks = int(OrderType.MARKET), 0, 0
        if form == 0:
            qty_lots, quote_units = 0, random.below(10**8)
    elif form < 6:
        time_in_force = 1 + form % 3
    elif form == 6:
        order_type = int(OrderType.LIMIT_MAKER)
    elif form == 7 and random.chance(100):
        qty_lots = [0, -1, 2**62, 10**12][random.below(4)]
    stop_price_ticks = 0
    if stream.has_stops and random.chance(200):
        order_type = int(OrderType.STOP_LOSS) + random.below(4)
        stop_price_ticks = stream.middles[instrument_id - 1] + random.below(40) - 20
        quote_units, time_in_force = 0, 1 + random.below(3)
        if order_type in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT):
            price_ticks = time_in_force = 0
    account_id = 1 + random.below(ACCOUNTS)
    aim = Command()
    if kind == CommandKind.REPLACE_ORDER:
        aim = an_earlier(stream)
        account_id, instrument_id = aim.account_id, aim.instrument_id
    stream.add(
        kind,
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        self_trade_prevention=random.below(5),
        cancel_restriction=random.below(3) if random.chance(100) else 0,
        flags=random.below(2) if kind == CommandKind.REPLACE_ORDER else 0,
        account_id=account_id,
        key_id=account_id if random.chance(300) else 0,
        instrument_id=instrument_id if not random.chance(3) else 9,
        price_ticks=price_ticks,
        qty_lots=qty_lots,
        quote_units=quote_units,
        stop_price_ticks=stop_price_ticks,
        client_id=b"order %d" % (len(stream.commands) if not random.chance(20) else random.below(300)),
        deadline_ts_ns=random.below(10**10) - 10**8 if random.chance(300) else 0,
        order_id=random.below(len(stream.commands)) if aim.client_id and random.chance(30) else 0,
        target_client_id=aim.client_id,
    )


def an_earlier(stream: Stream) -> Command:
    return stream.commands[-1 - stream.random.below(min(120, len(stream.commands)))]


def cancel(stream: Stream) -> None:
    """Aimed at the account and the market of an earlier command, so that it often hits."""
    random = stream.random
    aim = an_earlier(stream)
    fields = {"account_id": aim.account_id, "instrument_id": aim.instrument_id}
    if random.chance(10):
        stream.add(CommandKind.CANCEL_ALL, **{**fields, "instrument_id": random.below(3)})
    else:
        stream.add(CommandKind.CANCEL_ORDER, target_client_id=aim.client_id, **fields)


def amend(stream: Stream) -> None:
    """Aimed at an earlier order, sometimes to more than it has left, and sometimes under the id that it has."""
    random = stream.random
    aim = an_earlier(stream)
    name = b"amended %d" % len(stream.commands) if random.chance(700) else aim.client_id
    fields = {"account_id": aim.account_id, "instrument_id": aim.instrument_id, "client_id": name}
    qty_lots = aim.qty_lots - random.below(20) + 1
    stream.add(CommandKind.AMEND_ORDER, qty_lots=qty_lots, target_client_id=aim.client_id, **fields)


def keep_time(stream: Stream) -> None:
    """A dead man's timer, sometimes stopped, and what is due."""
    random = stream.random
    fields = {"account_id": 1 + random.below(ACCOUNTS), "instrument_id": random.below(3)}
    stream.add(CommandKind.SET_COUNTDOWN, qty_lots=random.below(4) * 100, **fields)
    stream.add(CommandKind.TICK)


def move_money(stream: Stream) -> None:
    random = stream.random
    kinds = [CommandKind.DEPOSIT, CommandKind.REQUEST_WITHDRAWAL, CommandKind.TRANSFER, CommandKind.WITHDRAW_FEES]
    steps = [CommandKind.APPROVE_WITHDRAWAL, CommandKind.SEND_WITHDRAWAL, CommandKind.REFUSE_WITHDRAWAL]
    if random.chance(400):
        stream.add(steps[random.below(3)], order_id=1 + random.below(100))
        return
    kind = kinds[random.below(4)]
    stream.add(
        kind,
        account_id=1 + random.below(ACCOUNTS),
        instrument_id=1 + random.below(4),
        qty_lots=1 + random.below(10**8 if kind != CommandKind.WITHDRAW_FEES else 1_000),
        order_id=1 + random.below(ACCOUNTS) if kind == CommandKind.TRANSFER else 0,
        client_id=b"reference %d" % random.below(2_000),
    )


def operate(stream: Stream) -> None:
    """A setting, which is soon put back."""
    random = stream.random
    account_id = 1 + random.below(ACCOUNTS)
    instrument_id = 1 + random.below(MARKETS)
    match random.below(10):
        case 0:
            mode = random.below(4)
            stream.add(CommandKind.SET_TRADING_MODE, instrument_id=instrument_id, qty_lots=mode)
            for _ in range(5):
                place(stream, CommandKind.PLACE_ORDER)
            stream.add(CommandKind.SET_TRADING_MODE, instrument_id=instrument_id, qty_lots=int(TradingMode.TRADING))
        case 1:
            stream.add(CommandKind.SET_ACCOUNT_FEES, account_id=account_id, price_ticks=random.below(3) - 1, qty_lots=9)
        case 2:
            kind = CommandKind.KILL_ACCOUNT if random.chance(300) else CommandKind.SET_ACCOUNT_FROZEN
            stream.add(kind, account_id=account_id, qty_lots=1)
            place(stream, CommandKind.PLACE_ORDER)
            stream.add(CommandKind.SET_ACCOUNT_FROZEN, account_id=account_id, qty_lots=0)
        case 3 if random.chance(100):
            stream.add(CommandKind.SET_VENUE_KILLED, qty_lots=1)
            place(stream, CommandKind.PLACE_ORDER)
            stream.add(CommandKind.SET_VENUE_KILLED, qty_lots=0)
        case 4:
            stream.add(CommandKind.SET_LIMIT, order_id=int(Limit.ORDERS_MAX), qty_lots=random.below(200))
            for _ in range(5):
                place(stream, CommandKind.PLACE_ORDER)
            stream.add(CommandKind.SET_LIMIT, order_id=int(Limit.ORDERS_MAX), qty_lots=10**6)
        case 5:
            stream.add(CommandKind.SET_LIMIT, order_id=int(Limit.CLIENT_IDS_MAX), qty_lots=500 + random.below(5_000))
        case 6:
            which = [InstrumentParameter.NOTIONAL_MAX, InstrumentParameter.BID_MULTIPLIER_UP_PPM][random.below(2)]
            set_parameter(stream, instrument_id, which, 1_001_000)
            for _ in range(5):
                place(stream, CommandKind.PLACE_ORDER)
            set_parameter(stream, instrument_id, which, 0)
        case 7:
            fields = {"account_id": account_id, "qty_lots": 7}
            stream.add(CommandKind.CREATE_KEY, client_id=b"key %d" % random.below(40), **fields)
            stream.add(CommandKind.REVOKE_KEY, order_id=10 + random.below(30))
        case 8:
            stream.add(CommandKind.REWRAP_SECRETS)
            stream.add(CommandKind.ACTIVATE_RULES, qty_lots=random.below(3))
        case _:
            stream.add(CommandKind.ADD_ASSET, client_id=b"COIN%d" % random.below(20), qty_lots=random.below(10))
