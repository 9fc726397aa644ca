"""The streams of `bench.mix` as commands of a venue with as many instruments and accounts as are wanted.

    NEW, IOC       PLACE_ORDER
    CANCEL         CANCEL_ORDER by its order id
    MOVE, REDUCE   REPLACE_ORDER by its order id

Each instrument has a stream of its own; which one is next is drawn. Every order has a client id of its own, a key that
is checked, and a deadline. Funds are ample and every filter is set, so that each check is made and none refuses:
therefore the order ids are known before.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from bench.mix import BID, CANCEL, IOC, MOVE, NEW, REDUCE, Mix, Totals, make_mix
from bench.orders import BATCH, COMMAND_NS, FILTERS, START_NS, WINDOW_NS, client_ids
from holdfast.codes import CommandKind, KeyPermission, OrderType, Side, TimeInForce, TradingMode
from holdfast.commands import command_dtype

DEPOSIT = 10**12
BASES_MAX = 100  # Base assets; there are as many quote assets as that takes.
MARKETS_OF_ACCOUNT = 2

_KINDS = {
    NEW: CommandKind.PLACE_ORDER,
    IOC: CommandKind.PLACE_ORDER,
    CANCEL: CommandKind.CANCEL_ORDER,
    MOVE: CommandKind.REPLACE_ORDER,
    REDUCE: CommandKind.REPLACE_ORDER,
}


class Size(NamedTuple):
    instruments: int
    accounts: int
    resting: int  # Orders that build the books, all together.
    commands: int  # Measured ones.


class Prepared(NamedTuple):
    mixes: list[Mix]
    accounts: list[np.ndarray]  # Of each instrument, by the order's number.
    setup_commands: int
    records: np.ndarray  # command_dtype: what builds the books, and then the measured ones.
    building: int

    @property
    def measured(self) -> np.ndarray:
        return self.records[self.building :]

    @property
    def totals(self) -> Totals:
        """What all instruments together must have traded at the end."""
        return Totals(*(sum(column) for column in zip(*(mix.totals for mix in self.mixes), strict=True)))


def prepare(size: Size, seed: int) -> Prepared:
    """The commands behind those of `setup`."""
    resting, commands = size.resting // size.instruments, size.commands // size.instruments
    mixes = [make_mix(resting, commands, seed + i) for i in range(size.instruments)]
    random = np.random.default_rng(seed)
    accounts = [_accounts(size, i, len(mix.steps) + 1, random) for i, mix in enumerate(mixes)]
    market, place = _shuffled(size.instruments, resting, commands, random)
    steps = np.stack([mix.steps for mix in mixes])[market, place]
    records = np.zeros(len(steps), command_dtype)
    for kind, command_kind in _KINDS.items():
        records["kind"][steps["kind"] == kind] = command_kind
    records["account_id"] = np.stack(accounts)[market, steps["order"]]
    records["key_id"] = records["account_id"]
    records["instrument_id"] = 1 + market
    records["order_id"] = _targets(steps, market, place)
    is_order = steps["kind"] != CANCEL
    records["side"] = np.where(is_order, np.where(steps["side"] == BID, Side.BUY, Side.SELL), 0)
    records["order_type"] = np.where(is_order, OrderType.LIMIT, 0)
    records["time_in_force"] = np.where(is_order, TimeInForce.GTC, 0)
    records["time_in_force"][steps["kind"] == IOC] = TimeInForce.IOC
    records["price_ticks"] = np.where(is_order, steps["price_ticks"], 0)
    records["qty_lots"] = np.where(is_order, steps["leaves_lots"], 0)
    records["client_id"] = client_ids(len(records))
    records["client_id"][~is_order] = b""
    setup_commands = sum(part.size for part in _setup_parts(size))
    stamp(records, setup_commands + 1)
    records["deadline_ts_ns"] = records["clock_ts_ns"] + WINDOW_NS
    return Prepared(mixes, accounts, setup_commands, records, resting * size.instruments)


def stamp(records: np.ndarray, first_seq: int) -> None:
    """As the journal does."""
    records["seq"] = np.arange(first_seq, first_seq + len(records))
    records["ts_ns"] = START_NS + records["seq"] * COMMAND_NS
    records["clock_ts_ns"] = records["ts_ns"]


def setup(size: Size) -> Iterator[np.ndarray]:
    """The commands that make the venue, in batches: assets, instruments, accounts with keys and money."""
    seq = 1
    for part in _setup_parts(size):
        for begun in range(0, part.size, BATCH):
            records = part.records(begun, min(begun + BATCH, part.size))
            stamp(records, seq)
            seq += len(records)
            yield records


def _shuffled(
    instruments: int, resting: int, commands: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Whose which step comes when: first those that build the books, in turn, then the others in any order."""
    every = np.arange(instruments)
    measured = random.permutation(np.repeat(every, commands))
    market = np.concatenate([np.tile(every, resting), measured])
    place = np.empty(len(market), np.int64)
    place[np.argsort(market, kind="stable")] = np.tile(np.arange(resting + commands), instruments)
    return market, place


def _targets(steps: np.ndarray, market: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The order id that each step is about; 0 for a new order. Ids are given in turn to whatever places one."""
    ids = np.zeros((market.max() + 1, place.max() + 1), np.int64)
    ids[market, place] = np.cumsum(steps["kind"] != CANCEL)
    return np.where(steps["made_by"] >= 0, ids[market, steps["made_by"]], 0)


def _accounts(size: Size, instrument: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Who places each of an instrument's orders: any of those that trade there (see `_markets`)."""
    which = random.integers(MARKETS_OF_ACCOUNT, size=count)
    first = (instrument - which * size.instruments // MARKETS_OF_ACCOUNT) % size.instruments
    return (1 + first + size.instruments * random.integers(size.accounts // size.instruments, size=count)).astype(
        np.int32
    )


def _markets(size: Size, account: np.ndarray, which: int) -> np.ndarray:
    """Where an account trades: all of it is in MARKETS_OF_ACCOUNT instruments, from 0."""
    return (account - 1 + which * size.instruments // MARKETS_OF_ACCOUNT) % size.instruments


class _Part(NamedTuple):
    """Commands of one kind, made where they are needed: a million accounts' would not fit beside each other."""

    kind: CommandKind
    size: int
    text: str  # The prefix of each one's `client_id`, or "".
    columns: Mapping[str, object]

    def records(self, begun: int, end: int) -> np.ndarray:
        records = np.zeros(end - begun, command_dtype)
        records["kind"] = self.kind
        for name, values in self.columns.items():
            records[name] = values[begun:end] if isinstance(values, np.ndarray) else values
        if self.text:
            records["client_id"] = [b"%s%d" % (self.text.encode(), number) for number in range(begun + 1, end + 1)]
        return records


def _setup_parts(size: Size) -> Iterator[_Part]:
    kind = CommandKind
    bases = min(size.instruments, BASES_MAX)
    quotes = -(-size.instruments // bases)
    instrument = np.arange(size.instruments)
    base, quote = 1 + instrument % bases, 1 + bases + instrument // bases
    yield _Part(kind.ADD_ASSET, bases + quotes, "ASSET", {"qty_lots": 8})
    pair = {"account_id": base, "instrument_id": quote, "price_ticks": 10**6, "qty_lots": 100}
    yield _Part(kind.ADD_INSTRUMENT, size.instruments, "MARKET", pair)
    for parameter, value in FILTERS.items():
        setting = {"instrument_id": 1 + instrument, "order_id": parameter, "qty_lots": value}
        yield _Part(kind.SET_INSTRUMENT_PARAMETER, size.instruments, "", setting)
    mode = {"instrument_id": 1 + instrument, "qty_lots": TradingMode.TRADING}
    yield _Part(kind.SET_TRADING_MODE, size.instruments, "", mode)
    account = np.arange(1, size.accounts + 1)
    yield _Part(kind.CREATE_ACCOUNT, size.accounts, "account ", {})
    permissions = KeyPermission.READ | KeyPermission.TRADE
    yield _Part(kind.CREATE_KEY, size.accounts, "key ", {"account_id": account, "qty_lots": permissions})
    for which in range(MARKETS_OF_ACCOUNT):
        here = _markets(size, account, which)
        for asset in (base, quote):
            money = {"account_id": account, "instrument_id": asset[here], "qty_lots": DEPOSIT}
            yield _Part(kind.DEPOSIT, size.accounts, f"deposit {which} {asset is base} ", money)
