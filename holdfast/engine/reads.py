"""Reads: what Python may ask of a state, each answered in time proportional to the answer.

Kernels find the rows; the rows are copied out as Python's own values. Nothing here changes anything.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from holdfast.codes import InstrumentParameter, Limit, OrderStatus, OrderType, Side, TradingMode
from holdfast.config import CLIENT_ID_BYTES
from holdfast.engine import book
from holdfast.engine.auction import find_auction_price
from holdfast.engine.average import average_price
from holdfast.engine.cancel import find_open_client_id
from holdfast.engine.handle import Memory
from holdfast.engine.jit import entry
from holdfast.engine.ledger import find_balance
from holdfast.engine.positions import find_position
from holdfast.engine.reference_price import reference_price
from holdfast.engine.state import NIL, PARAMETERS_PER_INSTRUMENT, views
from holdfast.instruments import Asset, Instrument, Reference, Stage
from holdfast.views import Account, AssetTotals, Auction, Balance, Order, Withdrawal

_words = struct.Struct("<4qi")
_ROWS_AT_FIRST = 64


def text_of(row: Any, prefix: str = "") -> str:
    """The client id of 36 bytes that a row holds as words."""
    words = [row[f"{prefix}client_id_{i}"] for i in range(5)]
    return _words.pack(*map(int, words)).rstrip(b"\0").decode("ascii")


def reference(memory: Memory) -> Reference:
    """All assets and instruments with their modes and parameters."""
    venue = memory["venue"][0]
    assets = {
        asset_id: Asset(asset_id, text_of(row), int(row["decimals"]))
        for asset_id, row in _numbered(memory["assets"], int(venue["asset_count"]))
    }
    instruments = [
        Instrument(
            instrument_id,
            text_of(row),
            assets[int(row["base_asset"])],
            assets[int(row["quote_asset"])],
            int(row["tick_e8"]),
            int(row["lot_units"]),
            int(row["units_per_tick_lot"]),
            TradingMode(int(row["mode"])),
            _parameters(memory, instrument_id),
            _stages(memory, instrument_id),
        )
        for instrument_id, row in _numbered(memory["instruments"], int(venue["instrument_count"]))
    ]
    return Reference(assets.values(), instruments)


def _numbered(rows: np.ndarray, count: int) -> list[tuple[int, Any]]:
    return [(row, rows[row]) for row in range(1, count + 1)]


def _parameters(memory: Memory, instrument_id: int) -> dict[InstrumentParameter, int]:
    first = instrument_id * PARAMETERS_PER_INSTRUMENT
    values = memory["parameters"][first : first + PARAMETERS_PER_INSTRUMENT].tolist()
    return {which: values[which] for which in InstrumentParameter if which is not InstrumentParameter.NONE}


def _stages(memory: Memory, instrument_id: int) -> tuple[Stage, ...]:
    """The modes to come; each begins when the one before it has lasted as long as it is to last."""
    schedule = memory["schedules"][instrument_id]
    begins_ts_ns = int(schedule["next_ts_ns"])
    if not begins_ts_ns:
        return ()
    coming = []
    lasting = ((TradingMode.CANCEL_ONLY, "cancel_only_ns"), (TradingMode.AUCTION, "auction_ns"))
    for mode, lasts_ns in ((mode, int(schedule[name])) for mode, name in lasting):
        if lasts_ns:
            coming.append(Stage(mode, begins_ts_ns))
            begins_ts_ns += lasts_ns
    return *coming, Stage(TradingMode(int(schedule["last_mode"])), begins_ts_ns)


def balances(memory: Memory, account_id: int) -> list[Balance]:
    """All that the account ever held, in the order of first use."""
    if not is_account(memory, account_id):
        return []
    rows = collect(lambda into: _balance_rows(memory.handle, account_id, into))
    return [_balance(memory, row) for row in rows]


def balance(memory: Memory, account_id: int, asset_id: int) -> Balance:
    """One balance; zeros where the account never held the asset."""
    row = _find_balance_row(memory.handle, account_id, asset_id)
    return Balance(asset_id, 0, 0, 0) if row == NIL else _balance(memory, row)


def _balance(memory: Memory, row: int) -> Balance:
    _, asset_id, free, locked, in_transit, *_ = memory["balances"][row].item()
    return Balance(asset_id, free, locked, in_transit)


def open_order(memory: Memory, order_id: int) -> Order | None:
    row = _find_order_row(memory.handle, order_id) if order_id > 0 else NIL
    return None if row == NIL else _order(memory, row)


def open_order_by_client_id(memory: Memory, account_id: int, client_id: str) -> Order | None:
    words = client_id_words(client_id)
    row = NIL if words is None else _find_client_id_row(memory.handle, account_id, *words)
    return None if row == NIL else _order(memory, row)


def client_id_words(client_id: str) -> tuple[int, ...] | None:
    """As kernels compare it; None of what cannot be one."""
    text = client_id.encode("ascii", "replace")
    if not text or len(text) > CLIENT_ID_BYTES:
        return None
    return _words.unpack(text.ljust(CLIENT_ID_BYTES, b"\0"))


_LIVE = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
_WITH_LIMIT = [order_type for order_type in OrderType if order_type & OrderType.LIMIT]


def open_orders(memory: Memory, account_id: int, instrument_id: int) -> list[Order]:
    """Of one instrument or (0) of all, oldest first."""
    if not is_account(memory, account_id):
        return []
    rows = collect(lambda into: _order_rows(memory.handle, account_id, instrument_id, into))
    return sorted(_order(memory, row) for row in rows)


def _order(memory: Memory, order_row: int) -> Order:
    row = memory["details"][order_row]
    status, order_type = int(row["status"]), int(row["order_type"])
    is_waiting = order_type >= OrderType.STOP_LOSS and not row["working_ts_ns"]
    return Order(
        order_id=int(row["order_id"]),
        client_id=text_of(row),
        account_id=int(row["account_id"]),
        instrument_id=int(row["instrument_id"]),
        side=int(row["side"]),
        order_type=order_type,
        time_in_force=int(row["time_in_force"]),
        self_trade_prevention=int(row["self_trade_prevention"]),
        status=status,
        is_working=int(status in _LIVE and order_type in _WITH_LIMIT and not is_waiting),
        price_ticks=int(row["price_ticks"]),
        qty_lots=int(row["qty_lots"]),
        executed_lots=int(row["executed_lots"]),
        executed_quote_units=int(row["executed_quote_units"]),
        quote_units=int(row["quote_units"]),
        prevented_lots=int(row["prevented_lots"]),
        created_ts_ns=int(row["created_ts_ns"]),
        updated_ts_ns=int(row["updated_ts_ns"]),
        updated_seq=int(row["updated_seq"]),
        stop_price_ticks=int(row["stop_price_ticks"]),
        working_ts_ns=int(row["working_ts_ns"]),
        order_list_id=int(memory["order_lists"][row["list_row"]]["order_list_id"]),
        iceberg_lots=int(row["iceberg_lots"]),
        trailing_delta_bips=int(row["trailing_delta_bips"]),
        trailing_ts_ns=int(row["trailing_ts_ns"]),
        peg_price_type=int(row["peg_price_type"]),
        peg_offset_levels=int(row["peg_offset_levels"]),
        expiry_reason=0,
    )


def account(memory: Memory, account_id: int) -> Account | None:
    if not is_account(memory, account_id):
        return None
    row = memory["accounts"][account_id]
    return Account(
        account_id=account_id,
        parent_id=int(row["parent_id"]),
        is_frozen=bool(row["is_frozen"]),
        maker_fee_ppm=int(row["maker_fee_ppm"]),
        taker_fee_ppm=int(row["taker_fee_ppm"]),
        created_ts_ns=int(row["created_ts_ns"]),
        event_number=int(row["event_count"]),
    )


def is_account(memory: Memory, account_id: int) -> bool:
    return 0 < account_id <= memory["venue"][0]["account_count"]


def withdrawal(memory: Memory, withdrawal_id: int) -> Withdrawal | None:
    if not 0 < withdrawal_id <= memory["venue"][0]["withdrawal_count"]:
        return None
    row = memory["withdrawals"][withdrawal_id]
    return Withdrawal(
        withdrawal_id=withdrawal_id,
        account_id=int(row["account_id"]),
        asset_id=int(row["asset_id"]),
        amount=int(row["amount"]),
        status=int(row["status"]),
        reference=text_of(row),
        requested_ts_ns=int(row["requested_ts_ns"]),
        updated_ts_ns=int(row["updated_ts_ns"]),
    )


def withdrawals(memory: Memory, account_id: int) -> list[Withdrawal]:
    """Of one account or (0) of all, oldest first."""
    if account_id == 0:
        ids = list(range(1, int(memory["venue"][0]["withdrawal_count"]) + 1))
    elif is_account(memory, account_id):
        ids = collect(lambda into: _withdrawal_rows(memory.handle, account_id, into))
    else:
        ids = []
    found = (withdrawal(memory, withdrawal_id) for withdrawal_id in ids)
    return [one for one in found if one is not None]


def totals(memory: Memory) -> list[AssetTotals]:
    return [
        AssetTotals(
            asset_id=asset_id,
            deposited=int(row["deposited"]),
            withdrawn=int(row["withdrawn"]),
            holdings=int(row["holdings"]),
            in_transit=int(row["in_transit"]),
            fees=int(row["fees"]),
        )
        for asset_id, row in _numbered(memory["assets"], int(memory["venue"][0]["asset_count"]))
    ]


Levels = list[tuple[int, int]]


def depth(memory: Memory, instrument_id: int, levels_max: int) -> tuple[Levels, Levels, int]:
    """Bids and asks as (price_ticks, lots), best first, and the id of the book's last update."""
    update_id = int(memory["instruments"][instrument_id]["update_count"])
    return (
        _side(memory, instrument_id, Side.BUY, levels_max),
        _side(memory, instrument_id, Side.SELL, levels_max),
        update_id,
    )


def _side(memory: Memory, instrument_id: int, side: int, levels_max: int) -> Levels:
    prices = np.zeros(levels_max, np.int64)
    lots = np.zeros(levels_max, np.int64)
    count = _read_side(memory.handle, instrument_id, int(side), prices, lots)
    return list(zip(prices[:count].tolist(), lots[:count].tolist(), strict=True))


def average_price_ticks(memory: Memory, instrument_id: int, ts_ns: int) -> int:
    return int(_average(memory.handle, instrument_id, ts_ns))


def auction(memory: Memory, instrument_id: int) -> Auction:
    """In time proportional to the levels that cross."""
    found = np.zeros(len(Auction._fields), np.int64)
    _find_auction(memory.handle, instrument_id, found)
    return Auction._make(found.tolist())


def reference_price_ticks(memory: Memory, instrument_id: int, ts_ns: int) -> int:
    return int(_reference(memory.handle, instrument_id, ts_ns))


def client_id_horizon_ns(memory: Memory) -> tuple[int, int]:
    """As configured, and as it is now: shorter when the limit of remembered ids has crowded younger ones out."""
    venue = memory["venue"][0]
    configured = int(venue["client_id_horizon_ns"])
    if not venue["crowded_out_ts_ns"]:
        return configured, configured
    return configured, min(configured, int(venue["ts_ns"] - venue["crowded_out_ts_ns"]))


def limits(memory: Memory) -> dict[Limit, int]:
    """The present value of every limit."""
    heads = [memory[name][0] for name in ("venue", "book_head", "list_head")]
    names = {limit: limit.name.lower() for limit in Limit}
    return {limit: int(head[name]) for head in heads for limit, name in names.items() if name in head.dtype.names}


def used(memory: Memory) -> dict[str, tuple[int, int]]:
    """What is in use of everything that a limit bounds, by the limit's name."""
    venue = memory["venue"][0]
    head = memory["book_head"][0]
    pairs = {
        Limit.ORDERS_MAX: (venue["open_order_count"], venue["orders_max"]),
        Limit.CLIENT_IDS_MAX: (venue["closed_count"], venue["client_ids_max"]),
        Limit.PAGES_MAX: (head["page_count"], head["pages_max"]),
        Limit.OPERATOR_KEYS_MAX: (venue["operator_key_count"], venue["operator_keys_max"]),
        Limit.BALANCES_MAX: (venue["balance_count"], venue["balances_max"]),
        Limit.ACCOUNTS_MAX: (venue["account_count"], venue["accounts_max"]),
        Limit.COUNTDOWNS_MAX: (venue["countdown_count"], venue["countdowns_max"]),
        Limit.ORDER_LISTS_MAX: (memory["list_head"][0]["open_list_count"], memory["list_head"][0]["order_lists_max"]),
    }
    return {limit.name.removesuffix("_MAX").lower(): (int(a), int(b)) for limit, (a, b) in pairs.items()}


def collect(fill: Callable[[np.ndarray], int]) -> list[int]:
    """The rows that `fill` finds: it returns how many there are, and writes those that fit."""
    into = np.zeros(_ROWS_AT_FIRST, np.int64)
    count = fill(into)
    if count > len(into):
        into = np.zeros(count, np.int64)
        count = fill(into)
    return into[:count].tolist()


@entry
def _balance_rows(handle, account_id, into):
    state = views(handle)
    count = 0
    row = state.accounts[account_id]["first_balance"]
    while row != NIL:
        if count < len(into):
            into[count] = row
        count += 1
        row = state.balances[row]["next"]
    return count


@entry
def _withdrawal_rows(handle, account_id, into):
    state = views(handle)
    count = 0
    row = state.accounts[account_id]["first_withdrawal"]
    while row != NIL:
        if count < len(into):
            into[count] = row
        count += 1
        row = state.withdrawals[row]["next"]
    return count


@entry
def _order_rows(handle, account_id, instrument_id, into):
    state = views(handle)
    count = 0
    position_row = state.accounts[account_id]["first_position"]
    if instrument_id != 0:
        position_row = find_position(state, account_id, instrument_id)
    while position_row != NIL:
        row = state.positions[position_row]["first_order"]
        while row != NIL:
            if count < len(into):
                into[count] = row
            count += 1
            row = np.int64(state.details[row]["younger"])
        position_row = state.positions[position_row]["next"] if instrument_id == 0 else np.int64(NIL)
    return count


@entry
def _find_balance_row(handle, account_id, asset_id):
    return find_balance(views(handle), account_id, asset_id)


@entry
def _find_order_row(handle, order_id):
    return book.find_order(views(handle).book, order_id)


@entry
def _find_client_id_row(handle, account_id, word_0, word_1, word_2, word_3, word_4):
    return find_open_client_id(views(handle), account_id, (word_0, word_1, word_2, word_3, word_4))


@entry
def _find_auction(handle, instrument_id, found):
    price_ticks, lots, surplus_lots = find_auction_price(views(handle), instrument_id)
    found[0] = price_ticks
    found[1] = lots
    found[2] = surplus_lots


@entry
def _read_side(handle, instrument_id, side, prices, lots):
    state = views(handle)
    return book.read_depth(state.book, book.side_row(instrument_id, side), prices, lots, len(prices))


@entry
def _reference(handle, instrument_id, ts_ns):
    return reference_price(handle, instrument_id, ts_ns)


@entry
def _average(handle, instrument_id, ts_ns):
    return average_price(handle, instrument_id, ts_ns)
