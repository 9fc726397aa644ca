"""The matching benchmarks' streams as commands of a venue: accounts with keys, money and ids, markets with filters.

    NEW      PLACE_ORDER, a limit order good till canceled, of one account in turn
    CANCEL   CANCEL_ORDER by its order id
    MODIFY   REPLACE_ORDER by its order id; the new order loses its place, also where the peers' would keep it

Every order has a client id of its own, a key that is checked, and a deadline. Funds are ample and filters are set, so
each check is made and next to none refuses. Order ids are the venue's own, so a first run finds out what they are.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from bench.tape import CANCEL, MODIFY, NEW, Regime, make_stream
from holdfast.codes import (
    CommandKind,
    InstrumentParameter,
    KeyPermission,
    OrderEventKind,
    OrderType,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command, command_dtype, encode
from holdfast.engine.engine import Engine

ACCOUNTS = 1_000
START_NS = 1_800_000_000 * 10**9
COMMAND_NS = 1_000  # Event time between two commands.
WINDOW_NS = 5 * 10**9  # From a command to its deadline.
BATCH = 4_096
DEPOSIT = 10**15

_KINDS = {
    NEW: CommandKind.PLACE_ORDER,
    CANCEL: CommandKind.CANCEL_ORDER,
    MODIFY: CommandKind.REPLACE_ORDER,
}
FILTERS = {
    InstrumentParameter.PRICE_TICKS_MAX: 2_000_000,
    InstrumentParameter.QTY_LOTS_MAX: 10**6,
    InstrumentParameter.NOTIONAL_MIN: 10,
    InstrumentParameter.BID_MULTIPLIER_UP_PPM: 5_000_000,
    InstrumentParameter.BID_MULTIPLIER_DOWN_PPM: 200_000,
    InstrumentParameter.ASK_MULTIPLIER_UP_PPM: 5_000_000,
    InstrumentParameter.ASK_MULTIPLIER_DOWN_PPM: 200_000,
    InstrumentParameter.ORDERS_MAX: 100_000,
    InstrumentParameter.POSITION_MAX: 10**17,
    InstrumentParameter.MAKER_FEE_PPM: 800,
    InstrumentParameter.TAKER_FEE_PPM: 1_000,
}


def opening(markets: int) -> np.ndarray:
    """The commands that make a venue of so many markets, in each of which every account can trade."""
    kind = CommandKind
    commands = [Command(kind=kind.ADD_ASSET, client_id=b"QUOTE", qty_lots=8)]
    for market in range(1, markets + 1):
        commands.append(Command(kind=kind.ADD_ASSET, client_id=b"BASE%d" % market, qty_lots=8))
        add = Command(kind=kind.ADD_INSTRUMENT, client_id=b"MARKET%d" % market, account_id=1 + market, instrument_id=1)
        commands.append(add._replace(price_ticks=10**6, qty_lots=100))
        for which, value in FILTERS.items():
            setting = Command(kind=kind.SET_INSTRUMENT_PARAMETER, instrument_id=market, order_id=which, qty_lots=value)
            commands.append(setting)
        commands.append(Command(kind=kind.SET_TRADING_MODE, instrument_id=market, qty_lots=TradingMode.TRADING))
    for account in range(1, ACCOUNTS + 1):
        commands.append(Command(kind=kind.CREATE_ACCOUNT, client_id=b"%032x" % account))
        permissions = KeyPermission.READ | KeyPermission.TRADE
        key = Command(kind=kind.CREATE_KEY, account_id=account, client_id=b"key %d" % account, qty_lots=permissions)
        commands.append(key)
        for asset in range(1, markets + 2):
            deposit = Command(kind=kind.DEPOSIT, account_id=account, instrument_id=asset, qty_lots=DEPOSIT)
            commands.append(deposit._replace(client_id=b"opening %d" % asset))
    return np.frombuffer(b"".join(map(encode, commands)), command_dtype).copy()


def make_commands(regimes: Sequence[Regime], messages: int, seed: int) -> tuple[np.ndarray, int]:
    """A market of each regime, so many messages each, mixed; and how many commands come before the measured ones."""
    begin = opening(len(regimes))
    streams = [make_stream(regime, messages, seed + i) for i, regime in enumerate(regimes)]
    building = sum(regime.standing_orders for regime in regimes)
    market = np.concatenate([np.full(len(stream), i) for i, stream in enumerate(streams)])
    # First all that builds the books, then the rest in turn.
    place = np.concatenate(
        [
            np.maximum(np.arange(len(stream)) - regime.standing_orders, -1)
            for regime, stream in zip(regimes, streams, strict=True)
        ]
    )
    order = np.argsort(place, kind="stable")
    stream, market = np.concatenate(streams)[order], market[order]
    records = np.concatenate([begin, _records(stream, market)])
    records["seq"] = np.arange(1, len(records) + 1)
    records["ts_ns"] = START_NS + records["seq"] * COMMAND_NS
    records["clock_ts_ns"] = records["ts_ns"]
    records["deadline_ts_ns"][len(begin) :] = records["clock_ts_ns"][len(begin) :] + WINDOW_NS
    _aim(records, len(begin), stream, market)
    return records, len(begin) + building


def _records(stream: np.ndarray, market: np.ndarray) -> np.ndarray:
    """A command for each message, but for its target."""
    records = np.zeros(len(stream), command_dtype)
    for kind, command_kind in _KINDS.items():
        records["kind"][stream["kind"] == kind] = command_kind
    is_order = stream["kind"] != CANCEL
    records["account_id"] = 1 + (stream["order_id"] * 7 + market) % ACCOUNTS
    records["key_id"] = records["account_id"]
    records["instrument_id"] = 1 + market
    records["order_type"] = np.where(is_order, OrderType.LIMIT, 0)
    records["time_in_force"] = np.where(is_order, TimeInForce.GTC, 0)
    records["price_ticks"] = np.where(is_order, stream["price_ticks"], 0)
    records["qty_lots"] = np.where(is_order, stream["lots"], 0)
    records["side"] = stream["side"]
    modifies = stream["kind"] == MODIFY
    for one in range(int(market.max()) + 1):
        here = market == one
        side_of = np.zeros(int(stream["order_id"][here].max()) + 1, np.int8)
        new = here & (stream["kind"] == NEW)
        side_of[stream["order_id"][new]] = stream["side"][new]
        records["side"][here & modifies] = side_of[stream["order_id"][here & modifies]]
    records["client_id"] = client_ids(len(stream))
    records["client_id"][~is_order] = b""
    return records


def client_ids(count: int) -> np.ndarray:
    """Different for each, 22 characters, as gateways make them."""
    text = np.zeros((count, 36), np.uint8)
    text[:, :10] = np.frombuffer(b"holdfast-x", np.uint8)
    number = np.arange(count)
    for digit in range(12):
        text[:, 21 - digit] = ord("0") + number % 10
        number //= 10
    return text.reshape(-1).view("S36")


def _aim(records: np.ndarray, first: int, stream: np.ndarray, market: np.ndarray) -> None:
    """Fill in the order ids of cancels and replaces. A first run, which aims by client ids, finds out what they are."""
    mine = records[first:]
    ids = np.arange(1, len(mine) + 1)  # As if each order's id were its number.
    targets = _targets(stream["kind"], stream["order_id"], market, ids)
    mine["target_client_id"] = np.where(targets > 0, mine["client_id"][targets - 1], b"")
    engine = Engine()
    ids[:] = 0
    for begun in range(0, len(records), BATCH):
        told = engine.apply(records[begun : begun + BATCH]).orders
        accepted = told[told["kind"] == OrderEventKind.ORDER_ACCEPTED]
        ids[accepted["seq"] - 1 - first] = accepted["order_id"]
    mine["order_id"] = _targets(stream["kind"], stream["order_id"], market, ids)
    mine["target_client_id"] = b""


@njit
def _targets(kinds: np.ndarray, orders: np.ndarray, market: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """For each message the latest id of the order that it is about; 0 for a new one. An id of 0 was refused."""
    latest = np.zeros((market.max() + 1, orders.max() + 1), np.int64)
    targets = np.zeros(len(kinds), np.int64)
    for i in range(len(kinds)):
        if kinds[i] != NEW:
            targets[i] = latest[market[i], orders[i]]
        if kinds[i] != CANCEL and ids[i] != 0:
            latest[market[i], orders[i]] = ids[i]
    return targets
