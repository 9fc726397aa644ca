"""A recorded stream of icebergs, pegged orders, trailing stops, auctions, bands and reopenings, to the last bit.

As `test_golden.py`, of what came later than it.
"""

import numpy as np
import pytest

from holdfast.codes import (
    CommandFlag,
    CommandKind,
    ControlEventKind,
    InstrumentParameter,
    OrderEventKind,
    OrderType,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command
from tests.engine.test_golden import (
    MARKETS,
    Lcg,
    Run,
    Stream,
    amend,
    applied,
    cancel,
    keep_time,
    open_venue,
    place,
    set_parameter,
)

COMMANDS = 12_000
PIECE = 4_000
GOLDEN = [  # After so many commands: the state's hash, and that of all events.
    (4000, "f6b76041d0ab886994b16af82e28aff5", 1587187584929787180),
    (8000, "9c14c4423012b7c7523256b9ca4ccca5", 1281705624901526920),
    (12000, "945731b10f33c8148f5a09476c5080b1", 1177928135553989646),
]


@pytest.fixture(scope="module")
def run() -> Run:
    return applied(recorded_stream(), PIECE)


def test_the_recorded_stream_leads_to_the_recorded_states(run: Run) -> None:
    assert run.states == GOLDEN, "the same commands lead elsewhere: the rules changed, so raise RULES_VERSION"


def test_the_recorded_stream_goes_everywhere(run: Run) -> None:
    orders = run.told.orders
    is_trade = orders["kind"] == OrderEventKind.TRADE
    assert np.count_nonzero(is_trade & (orders["iceberg_lots"] > 0)) > 300
    assert np.count_nonzero(is_trade & (orders["peg_price_type"] > 0)) > 300
    assert np.count_nonzero(is_trade & (orders["trailing_delta_bips"] > 0)) > 50
    is_triggered = orders["kind"] == OrderEventKind.ORDER_TRIGGERED
    assert np.count_nonzero(is_triggered & (orders["trailing_ts_ns"] > 0)) > 50
    controls = run.told.controls
    assert np.count_nonzero(controls["kind"] == ControlEventKind.AUCTION_UNCROSSED) > 20
    assert np.count_nonzero(controls["kind"] == ControlEventKind.COUNTDOWN_RAN_OUT) > 100
    changed_by = run.commands["kind"][controls["seq"][controls["kind"] == ControlEventKind.TRADING_MODE_CHANGED] - 1]
    assert np.count_nonzero(changed_by == CommandKind.PLACE_ORDER) > 10, "bands that begin an auction"
    assert np.count_nonzero(changed_by == CommandKind.TICK) > 20, "reopenings"


def recorded_stream() -> list[Command]:
    """The same commands at any time, on any machine."""
    stream = Stream(Lcg(20_261), [], [1_000, 50_000, 700], has_stops=True)
    open_venue(stream)
    for instrument_id in range(1, MARKETS + 1):
        for least, most in (
            (InstrumentParameter.TRAILING_ABOVE_BIPS_MIN, InstrumentParameter.TRAILING_ABOVE_BIPS_MAX),
            (InstrumentParameter.TRAILING_BELOW_BIPS_MIN, InstrumentParameter.TRAILING_BELOW_BIPS_MAX),
        ):
            set_parameter(stream, instrument_id, least, 2)
            set_parameter(stream, instrument_id, most, 500)
        set_parameter(stream, instrument_id, InstrumentParameter.ICEBERG_ORDERS_MAX, 6)
    while len(stream.commands) < COMMANDS:
        what = stream.random.below(1_000)
        if what < 700:
            place_special(stream)
        elif what < 840:
            cancel(stream)
        elif what < 920:
            amend(stream)
        elif what < 990:
            keep_time(stream)
        else:
            change_mode(stream)
    return stream.commands[:COMMANDS]


def place_special(stream: Stream) -> None:
    """An order like any other, mostly with something that makes it an iceberg, a pegged or a trailing one."""
    random = stream.random
    place(stream, CommandKind.PLACE_ORDER if random.chance(800) else CommandKind.REPLACE_ORDER)
    order = stream.commands.pop()
    limit = {"order_type": int(OrderType.LIMIT), "time_in_force": int(TimeInForce.GTC), "stop_price_ticks": 0}
    limit |= {"price_ticks": order.price_ticks or stream.middles[0], "qty_lots": 1 + random.below(60), "quote_units": 0}
    match random.below(4):
        case 0:
            order = order._replace(**limit)._replace(iceberg_lots=1 + random.below(order.qty_lots % 60 + 8))
        case 1:
            flag = CommandFlag.PEG_MARKET if random.chance(300) else CommandFlag.PEG_PRIMARY
            order = order._replace(**limit)._replace(flags=order.flags | int(flag), price_ticks=random.below(4))
        case 2:
            order_type = int(OrderType.STOP_LOSS) + 2 * random.below(2)
            stop = order.stop_price_ticks if random.chance(300) else 0
            plain = {"order_type": order_type, "time_in_force": 0, "price_ticks": 0, "quote_units": 0}
            order = order._replace(**plain, stop_price_ticks=stop, trailing_delta_bips=2 + random.below(100))
    stream.commands.append(order)


def change_mode(stream: Stream) -> None:
    """An auction, a reopening or a band, with orders meanwhile, and back to trading."""
    random = stream.random
    instrument_id = 1 + random.below(MARKETS)
    match random.below(3):
        case 0:
            stream.add(CommandKind.SET_TRADING_MODE, instrument_id=instrument_id, qty_lots=int(TradingMode.AUCTION))
        case 1:
            times = {"price_ticks": random.below(10) * 10**6, "qty_lots": random.below(10) * 10**6}
            fields = {"instrument_id": instrument_id, "order_id": 10**7, "client_id": b"open %d" % len(stream.commands)}
            stream.add(CommandKind.SCHEDULE_REOPENING, **times, **fields)
            if random.chance(200):
                stream.add(CommandKind.CANCEL_REOPENING, instrument_id=instrument_id)
        case _:
            set_parameter(stream, instrument_id, InstrumentParameter.BAND_PPM, 5_000 + random.below(20_000))
            set_parameter(stream, instrument_id, InstrumentParameter.BAND_AUCTION_SECONDS, random.below(2))
    for _ in range(10 + random.below(20)):
        place_special(stream)
        if random.chance(200):
            stream.add(CommandKind.TICK)
    set_parameter(stream, instrument_id, InstrumentParameter.BAND_PPM, 0)
    stream.add(CommandKind.SET_TRADING_MODE, instrument_id=instrument_id, qty_lots=int(TradingMode.TRADING))
