"""Commands: what may be asked, as one fixed-width record of 192 bytes.

client → gateway → COMMAND → journal → engine → events

A record's bytes, little-endian. Offsets never change.

    offset  size  field
         0     8  seq                number in the journal, from 1, without gaps; stamped by the journal
         8     8  ts_ns              event time, monotone over the journal; stamped by the journal
        16     8  clock_ts_ns        the clock that deadlines are judged by; stamped by the journal
        24     8  received_ts_ns     when the gateway had read the request
        32     8  deadline_ts_ns     the command is refused when clock_ts_ns is later; 0: none (operators' commands)
        40     8  request_number     of the gateway, rising; with gateway_id it names the request
        48     1  kind               CommandKind
        49     1  side               Side
        50     1  order_type         OrderType
        51     1  time_in_force      TimeInForce
        52     1  self_trade_prevention
        53     1  cancel_restriction
        54     2  gateway_id
        56     2  flags              CommandFlag bits
        58     2  trailing_delta_bips  how far a trailing stop stays behind the best price, in 1/10,000; 0: none
        60     4  account_id
        64     4  key_id             the API key that signed; 0: an operator, or the venue itself
        68     4  instrument_id      or the asset's id, where a command is about an asset
        72     8  price_ticks        with PEG_PRIMARY or PEG_MARKET: how many levels from the price it is pegged to
        80     8  qty_lots           of an amended order its new quantity; or an amount in asset units, or a value
        88     8  quote_units        MARKET by quote quantity: what to spend or to get, in units of the quote asset
        96     8  order_id           the order to cancel, replace or amend; or the withdrawal; or what the kind says
       104    36  client_id          the id of the new order, or that an amended one is to have; the cancel's own; or an
                                     operator's idempotency key; ASCII
       140    36  target_client_id   the order to cancel, replace or amend, when it is named by its client id
       176     8  stop_price_ticks   STOP_LOSS and TAKE_PROFIT: the last price at which the order begins to work
       184     8  iceberg_lots       how much of the order is shown at a time; 0: all of it

What the generic fields carry for the kinds that are not orders:

    PLACE_ORDER_LIST          client_id = the list's own, qty_lots = OrderListKind; see `encode_order_list`
    CANCEL_ORDER_LIST         order_id = order list id, target_client_id = the list's own; as with orders
    DEPOSIT                   account_id, instrument_id = asset, qty_lots = amount, client_id = reference
    REQUEST_WITHDRAWAL        the same; makes a withdrawal id
    APPROVE_, SEND_, REFUSE_WITHDRAWAL   order_id = withdrawal id
    TRANSFER                  account_id = from, order_id = to, instrument_id = asset, qty_lots, client_id = reference
    WITHDRAW_FEES             instrument_id = asset, qty_lots, client_id = reference
    ADD_ASSET                 client_id = code, qty_lots = decimals
    ADD_INSTRUMENT            client_id = symbol, account_id = base asset, instrument_id = quote asset,
                              price_ticks = tick size in 1e-8 of the quote, qty_lots = lot in base units
    SET_INSTRUMENT_PARAMETER  instrument_id, order_id = InstrumentParameter, qty_lots = value
    SET_TRADING_MODE          instrument_id, qty_lots = TradingMode
    SET_ACCOUNT_FEES          account_id, price_ticks = maker fee ppm, qty_lots = taker fee ppm; -1: the instrument's
    SET_ACCOUNT_FROZEN        account_id, qty_lots = 0 or 1
    KILL_ACCOUNT              account_id
    SET_VENUE_KILLED          qty_lots = 0 or 1
    SET_LIMIT                 order_id = Limit, qty_lots = value
    ACTIVATE_RULES            qty_lots = rules version
    CREATE_ACCOUNT            client_id = a random name of 32 hex digits, order_id = parent account or 0
    CREATE_KEY                account_id, qty_lots = KeyPermission bits, order_id = KeyType, client_id = idempotency key
    REVOKE_KEY                order_id = key id
    REWRAP_SECRETS            payload only
    PAYLOAD                   bytes 72..191 are 120 raw bytes; request_number = how many of them count
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from holdfast.config import CLIENT_ID_BYTES

_fields_before_ids = [
    ("seq", np.int64),
    ("ts_ns", np.int64),
    ("clock_ts_ns", np.int64),
    ("received_ts_ns", np.int64),
    ("deadline_ts_ns", np.int64),
    ("request_number", np.int64),
    ("kind", np.int8),
    ("side", np.int8),
    ("order_type", np.int8),
    ("time_in_force", np.int8),
    ("self_trade_prevention", np.int8),
    ("cancel_restriction", np.int8),
    ("gateway_id", np.int16),
    ("flags", np.int16),
    ("trailing_delta_bips", np.int16),
    ("account_id", np.int32),
    ("key_id", np.int32),
    ("instrument_id", np.int32),
    ("price_ticks", np.int64),
    ("qty_lots", np.int64),
    ("quote_units", np.int64),
    ("order_id", np.int64),
]
_fields_after_ids = [("stop_price_ticks", np.int64), ("iceberg_lots", np.int64)]

command_dtype = np.dtype(
    [
        *_fields_before_ids,
        ("client_id", f"S{CLIENT_ID_BYTES}"),
        ("target_client_id", f"S{CLIENT_ID_BYTES}"),
        *_fields_after_ids,
    ]
)

# The same bytes with the two ids as whole words, which is how kernels compare and hash them.
command_words_dtype = np.dtype(
    [
        *_fields_before_ids,
        *[(f"client_id_{i}", np.int64) for i in range(4)],
        ("client_id_4", np.int32),
        ("target_client_id_0", np.int32),
        *[(f"target_client_id_{i}", np.int64) for i in range(1, 5)],
        *_fields_after_ids,
    ]
)

COMMAND_BYTES = 192
PAYLOAD_OFFSET = 72
PAYLOAD_BYTES = COMMAND_BYTES - PAYLOAD_OFFSET

assert command_dtype.itemsize == COMMAND_BYTES
assert command_words_dtype.itemsize == COMMAND_BYTES


class Command(NamedTuple):
    """One command with Python's own types; the fields are those of `command_dtype`, in its order."""

    seq: int = 0
    ts_ns: int = 0
    clock_ts_ns: int = 0
    received_ts_ns: int = 0
    deadline_ts_ns: int = 0
    request_number: int = 0
    kind: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    self_trade_prevention: int = 0
    cancel_restriction: int = 0
    gateway_id: int = 0
    flags: int = 0
    trailing_delta_bips: int = 0
    account_id: int = 0
    key_id: int = 0
    instrument_id: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    quote_units: int = 0
    order_id: int = 0
    client_id: bytes = b""
    target_client_id: bytes = b""
    stop_price_ticks: int = 0
    iceberg_lots: int = 0


_record = struct.Struct("<6q6b3h3i4q36s36s2q")
assert _record.size == COMMAND_BYTES


_OF_A_GROUP = (
    "received_ts_ns",
    "deadline_ts_ns",
    "request_number",
    "gateway_id",
    "account_id",
    "key_id",
    "instrument_id",
)


def encode(command: Command) -> bytes:
    """The record of one command, 192 bytes. Raises `struct.error` when a field does not fit its place."""
    assert len(command.client_id) <= CLIENT_ID_BYTES
    assert len(command.target_client_id) <= CLIENT_ID_BYTES
    return _record.pack(*command)


def encode_with_payload(command: Command, payload: bytes) -> bytes:
    """A control command and its payload as one atomic group: 192 x n bytes."""
    pieces = [payload[i : i + PAYLOAD_BYTES] for i in range(0, len(payload), PAYLOAD_BYTES)]
    assert pieces, "a group without payload is a plain command"
    records = [encode(command._replace(flags=command.flags | 2))]
    for i, piece in enumerate(pieces):
        more = 2 if i + 1 < len(pieces) else 0
        head = encode(Command(kind=127, flags=more, request_number=len(piece)))
        records.append(head[:PAYLOAD_OFFSET] + piece.ljust(PAYLOAD_BYTES, b"\0"))
    return b"".join(records)


def encode_order_list(order_list: Command, legs: Sequence[Command]) -> bytes:
    """A PLACE_ORDER_LIST and its orders as one atomic group: 192 x (n + 1) bytes, the list's record last.

    `legs` are filled as for PLACE_ORDER, in the order that `OrderListKind` names. Account, key, instrument, deadline,
    gateway, request and time of receipt are the list's. The outcome of all is that of the list's record.
    """
    common = {field: getattr(order_list, field) for field in _OF_A_GROUP}
    pieces = [leg._replace(**common, kind=7, flags=leg.flags | 2) for leg in legs]
    return b"".join(map(encode, [*pieces, order_list._replace(kind=6)]))


def payload_piece(record: bytes) -> bytes:
    """The raw bytes that one PAYLOAD record carries."""
    length = int.from_bytes(record[40:48], "little")
    return bytes(record[PAYLOAD_OFFSET : PAYLOAD_OFFSET + length])
