"""A venue with a million open orders, a hundred thousand accounts and a thousand instruments, for measuring memory."""

import numpy as np

from bench.orders import BATCH, START_NS
from holdfast.codes import CommandKind, OrderType, Side, TimeInForce, TradingMode
from holdfast.commands import command_dtype
from holdfast.engine.engine import Engine

ORDERS = 1_000_000
ACCOUNTS = 100_000
INSTRUMENTS = 1_000
BASES = 100
QUOTES = INSTRUMENTS // BASES
INSTRUMENTS_OF_ACCOUNT = 5
MIDDLE_TICKS = 100_000
DEPOSIT = 10**14


def apply_population(engine: Engine) -> None:
    """Every account rests its share of orders in five markets; odd ones buy, even ones sell."""
    seq = 0
    for records in (_assets(), _instruments(), _modes(), _accounts(), *_deposits(), _orders()):
        records["seq"] = np.arange(seq + 1, seq + len(records) + 1)
        records["ts_ns"] = START_NS + records["seq"]
        records["clock_ts_ns"] = records["ts_ns"]
        seq += len(records)
        for begun in range(0, len(records), BATCH):
            engine.apply(records[begun : begun + BATCH])


def _numbered(kind: CommandKind, count: int, prefix: str) -> np.ndarray:
    """Commands of a kind, each with a text of its own."""
    records = np.zeros(count, command_dtype)
    records["kind"] = kind
    records["client_id"] = [f"{prefix}{number}".encode() for number in range(1, count + 1)]
    return records


def _assets() -> np.ndarray:
    records = _numbered(CommandKind.ADD_ASSET, BASES + QUOTES, "ASSET")
    records["qty_lots"] = 8
    return records


def _instruments() -> np.ndarray:
    records = _numbered(CommandKind.ADD_INSTRUMENT, INSTRUMENTS, "MARKET")
    number = np.arange(INSTRUMENTS)
    records["account_id"] = 1 + number % BASES
    records["instrument_id"] = 1 + BASES + number // BASES
    records["price_ticks"] = 10**6
    records["qty_lots"] = 100
    return records


def _modes() -> np.ndarray:
    records = np.zeros(INSTRUMENTS, command_dtype)
    records["kind"] = CommandKind.SET_TRADING_MODE
    records["instrument_id"] = np.arange(1, INSTRUMENTS + 1)
    records["qty_lots"] = TradingMode.TRADING
    return records


def _accounts() -> np.ndarray:
    return _numbered(CommandKind.CREATE_ACCOUNT, ACCOUNTS, "account ")


def _instrument_of(account: np.ndarray, which: int) -> np.ndarray:
    return 1 + (account * 7 + which * 131) % INSTRUMENTS


def _deposits() -> list[np.ndarray]:
    """What each account pays with in each of its markets."""
    account = np.arange(1, ACCOUNTS + 1)
    batches = []
    for which in range(INSTRUMENTS_OF_ACCOUNT):
        instrument = _instrument_of(account, which)
        records = _numbered(CommandKind.DEPOSIT, ACCOUNTS, f"deposit {which} ")
        records["account_id"] = account
        base, quote = 1 + (instrument - 1) % BASES, 1 + BASES + (instrument - 1) // BASES
        records["instrument_id"] = np.where(account % 2 == 1, quote, base)
        records["qty_lots"] = DEPOSIT
        batches.append(records)
    return batches


def _orders() -> np.ndarray:
    records = _numbered(CommandKind.PLACE_ORDER, ORDERS, "holdfast-order-")
    number = np.arange(ORDERS)
    account = 1 + number % ACCOUNTS
    round_number = number // ACCOUNTS
    records["account_id"] = account
    records["instrument_id"] = _instrument_of(account, 0)
    for which in range(INSTRUMENTS_OF_ACCOUNT):
        here = round_number % INSTRUMENTS_OF_ACCOUNT == which
        records["instrument_id"][here] = _instrument_of(account[here], which)
    is_buy = account % 2 == 1
    away = 1 + number % 3_000
    records["side"] = np.where(is_buy, Side.BUY, Side.SELL)
    records["order_type"] = OrderType.LIMIT
    records["time_in_force"] = TimeInForce.GTC
    records["price_ticks"] = np.where(is_buy, MIDDLE_TICKS - away, MIDDLE_TICKS + away)
    records["qty_lots"] = 1 + number % 50
    return records
