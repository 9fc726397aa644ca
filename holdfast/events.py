"""Events: what happened, as fixed-width records in five families.

journal → engine → EVENTS → gateway, market data, accounts

Events are recomputed from commands and never stored as the truth, so these layouts may change with a release. Each
family is an array of its own; (`seq`, `index`) orders the events of all families: `seq` is the command's number,
`index` counts within the command from 0 over all families.

    order     what happened to one order; holds the order's whole state afterwards
    balance   the balance of one (account, asset) afterwards; at most one per pair and step
    book      the open quantity of one price level afterwards, with the book's update id
    control   the outcome of operators' and directory commands, modes, the end of a mass cancel
    list      what happened to one order list; names all its orders

`account_event` is a number per account, contiguous from 1 over the order, balance and list events of that account, so
that a private stream can say "from here".
"""

from typing import NamedTuple

import numpy as np

from holdfast.config import CLIENT_ID_BYTES

_order_fields_before_id = [
    ("seq", np.int64),
    ("ts_ns", np.int64),
    ("index", np.int32),
    ("account_id", np.int32),
    ("instrument_id", np.int32),
    ("kind", np.int8),  # OrderEventKind
    ("reason", np.int8),  # RejectReason, or ExpiryReason with ORDER_EXPIRED
    ("status", np.int8),  # OrderStatus afterwards
    ("side", np.int8),
    ("order_type", np.int8),
    ("time_in_force", np.int8),
    ("self_trade_prevention", np.int8),
    ("is_maker", np.int8),  # With TRADE, and in a prevented match
    ("is_working", np.int8),  # On the book afterwards
    ("fee_is_base", np.int8),  # With TRADE: 1 when the fee is in the base asset, 0 in the quote asset
    ("trailing_delta_bips", np.int16),  # 0: none
    ("account_event", np.int64),
    ("order_id", np.int64),  # 0 with a rejection, unless it names the first order of a duplicate
    ("price_ticks", np.int64),
    ("qty_lots", np.int64),  # As ordered; 0 for MARKET by quote quantity
    ("executed_lots", np.int64),
    ("executed_quote_units", np.int64),
    ("quote_units", np.int64),  # As ordered, for MARKET by quote quantity
    ("prevented_lots", np.int64),  # Taken away by self-trade prevention so far
    # TRADE: traded now. TRADE_PREVENTED and expiry by self-trade: prevented now. ORDER_AMENDED: taken off
    ("last_lots", np.int64),
    ("last_price_ticks", np.int64),  # Of the trade, or of the one that was prevented
    ("last_quote_units", np.int64),
    ("fee_units", np.int64),
    ("trade_id", np.int64),  # Contiguous per instrument from 1. Where self-trade prevention took lots: the match's id
    ("aggregate_trade_id", np.int64),  # Contiguous per instrument from 1: fills of one taker at one price
    ("counter_order_id", np.int64),  # The order on the other side of the trade, or of the prevented match
    ("created_ts_ns", np.int64),
    ("stop_price_ticks", np.int64),  # 0: none
    ("working_ts_ns", np.int64),  # Stop price reached, or order of a list placed; 0: not yet, or neither
    ("order_list_id", np.int64),  # 0: in none
    ("iceberg_lots", np.int64),  # How much is shown at a time; 0: all of it
    ("trailing_ts_ns", np.int64),  # When a trailing stop began to follow the price; 0: not yet, or it does not
    ("peg_price_type", np.int32),  # PegPriceType
    ("peg_offset_levels", np.int32),
]

# With ORDER_AMENDED `client_id` is the one that the order had until now; the command holds the one it has from now on.
# A second such event of a command is of the other order of a pair, which keeps its client id.
order_event_dtype = np.dtype([*_order_fields_before_id, ("client_id", f"S{CLIENT_ID_BYTES}"), ("key_id", np.int32)])

# The same bytes with the id as whole words, as kernels copy it.
order_event_words_dtype = np.dtype(
    [
        *_order_fields_before_id,
        *[(f"client_id_{i}", np.int64) for i in range(4)],
        ("client_id_4", np.int32),
        ("key_id", np.int32),
    ]
)

balance_event_dtype = np.dtype(
    [
        ("seq", np.int64),
        ("ts_ns", np.int64),
        ("index", np.int32),
        ("account_id", np.int32),
        ("asset_id", np.int32),
        ("cause", np.int32),  # CommandKind of the command
        ("account_event", np.int64),
        ("free", np.int64),
        ("locked", np.int64),  # Held for open orders
        ("in_transit", np.int64),  # Held for withdrawals
        ("change", np.int64),  # Of free + locked + in_transit
    ]
)

book_event_dtype = np.dtype(
    [
        ("seq", np.int64),
        ("ts_ns", np.int64),
        ("index", np.int32),
        ("instrument_id", np.int32),
        ("update_id", np.int64),  # Contiguous per instrument from 1
        ("price_ticks", np.int64),
        ("lots", np.int64),  # Open at this price afterwards; 0: the level is gone
        ("side", np.int64),
    ]
)

control_event_dtype = np.dtype(
    [
        ("seq", np.int64),
        ("ts_ns", np.int64),
        ("index", np.int32),
        ("kind", np.int32),  # ControlEventKind
        ("command_kind", np.int32),
        ("reason", np.int32),  # RejectReason
        ("account_id", np.int32),
        ("asset_id", np.int32),
        ("instrument_id", np.int32),
        ("key_id", np.int32),
        ("id", np.int64),  # Of the account, asset, instrument, key, withdrawal that it made or is about
        ("value", np.int64),  # Amount, mode, parameter's value, count
        ("first_seq", np.int64),  # COMMAND_REPEATED: the seq of the first
    ]
)

_list_event_fields_before_ids = [
    ("seq", np.int64),
    ("ts_ns", np.int64),
    ("index", np.int32),
    ("contingency", np.int8),  # ContingencyType
    ("list_status_type", np.int8),  # ListStatusType
    ("list_order_status", np.int8),  # ListOrderStatus
    ("reason", np.int8),  # RejectReason: of what was refused, or why pending orders could not be placed
    ("account_event", np.int64),
    ("order_list_id", np.int64),  # 0 where placing was refused, unless it names the first of a duplicate
    ("order_id_1", np.int64),  # Of the orders, as `OrderListKind` lists them; 0: refused, or there is none
    ("order_id_2", np.int64),
    ("order_id_3", np.int64),
    ("created_ts_ns", np.int64),
]

# A client id of 36 bytes and a small number, so that the next id begins at a whole word.
list_event_dtype = np.dtype(
    [
        *_list_event_fields_before_ids,
        ("client_id", f"S{CLIENT_ID_BYTES}"),  # The list's own
        ("account_id", np.int32),
        ("client_id_1", f"S{CLIENT_ID_BYTES}"),  # Of the orders, as they have them now
        ("instrument_id", np.int32),
        ("client_id_2", f"S{CLIENT_ID_BYTES}"),
        ("leg_count", np.int32),
        ("client_id_3", f"S{CLIENT_ID_BYTES}"),
        ("key_id", np.int32),  # That placed the list
    ]
)

# The same bytes with the ids as whole words, as kernels copy them.
list_event_words_dtype = np.dtype(
    [
        *_list_event_fields_before_ids,
        *[(f"client_id_{i}", np.int64) for i in range(4)],
        ("client_id_4", np.int32),
        ("account_id", np.int32),
        *[(f"leg_1_client_id_{i}", np.int64) for i in range(4)],
        ("leg_1_client_id_4", np.int32),
        ("instrument_id", np.int32),
        *[(f"leg_2_client_id_{i}", np.int64) for i in range(4)],
        ("leg_2_client_id_4", np.int32),
        ("leg_count", np.int32),
        *[(f"leg_3_client_id_{i}", np.int64) for i in range(4)],
        ("leg_3_client_id_4", np.int32),
        ("key_id", np.int32),
    ]
)

assert list_event_dtype.itemsize == list_event_words_dtype.itemsize
assert list_event_dtype.itemsize % 8 == 0
assert order_event_dtype.itemsize == order_event_words_dtype.itemsize
assert order_event_dtype.itemsize % 8 == 0
assert balance_event_dtype.itemsize % 8 == 0
assert book_event_dtype.itemsize % 8 == 0
assert control_event_dtype.itemsize % 8 == 0


class OrderEvent(NamedTuple):
    """One row of `order_event_dtype` with Python's own types: `OrderEvent._make(row)` for `row in events.tolist()`."""

    seq: int
    ts_ns: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody needs here.
    account_id: int
    instrument_id: int
    kind: int
    reason: int
    status: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    is_maker: int
    is_working: int
    fee_is_base: int
    trailing_delta_bips: int
    account_event: int
    order_id: int
    price_ticks: int
    qty_lots: int
    executed_lots: int
    executed_quote_units: int
    quote_units: int
    prevented_lots: int
    last_lots: int
    last_price_ticks: int
    last_quote_units: int
    fee_units: int
    trade_id: int
    aggregate_trade_id: int
    counter_order_id: int
    created_ts_ns: int
    stop_price_ticks: int
    working_ts_ns: int
    order_list_id: int
    iceberg_lots: int
    trailing_ts_ns: int
    peg_price_type: int
    peg_offset_levels: int
    client_id: bytes
    key_id: int


class BalanceEvent(NamedTuple):
    """One row of `balance_event_dtype`."""

    seq: int
    ts_ns: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody needs here.
    account_id: int
    asset_id: int
    cause: int
    account_event: int
    free: int
    locked: int
    in_transit: int
    change: int


class BookEvent(NamedTuple):
    """One row of `book_event_dtype`."""

    seq: int
    ts_ns: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody needs here.
    instrument_id: int
    update_id: int
    price_ticks: int
    lots: int
    side: int


class ControlEvent(NamedTuple):
    """One row of `control_event_dtype`."""

    seq: int
    ts_ns: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody needs here.
    kind: int
    command_kind: int
    reason: int
    account_id: int
    asset_id: int
    instrument_id: int
    key_id: int
    id: int
    value: int
    first_seq: int


class OrderListEvent(NamedTuple):
    """One row of `list_event_dtype`."""

    seq: int
    ts_ns: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody needs here.
    contingency: int
    list_status_type: int
    list_order_status: int
    reason: int
    account_event: int
    order_list_id: int
    order_id_1: int
    order_id_2: int
    order_id_3: int
    created_ts_ns: int
    client_id: bytes
    account_id: int
    client_id_1: bytes
    instrument_id: int
    client_id_2: bytes
    leg_count: int
    client_id_3: bytes
    key_id: int


assert OrderEvent._fields == order_event_dtype.names
assert BalanceEvent._fields == balance_event_dtype.names
assert BookEvent._fields == book_event_dtype.names
assert ControlEvent._fields == control_event_dtype.names
assert OrderListEvent._fields == list_event_dtype.names


class Events(NamedTuple):
    """The events of some commands, one array per family; each ordered by (seq, index)."""

    orders: np.ndarray  # order_event_dtype
    balances: np.ndarray  # balance_event_dtype
    book: np.ndarray  # book_event_dtype
    controls: np.ndarray  # control_event_dtype
    lists: np.ndarray  # list_event_dtype
