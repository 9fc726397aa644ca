"""The line's records: what a client of the binary order-entry protocol and the venue say to each other.

client ──192 bytes each──▶ gateway/line ──command records──▶ journal … events ──reports, 192 bytes each──▶ client

Every record has 192 bytes, little-endian, in both directions; docs/line.md has the tables. A command is the journal's
own record, of which the client fills its part. A report is the head of an order event, and says which command it came
of.

A command's number among those of its session is its `request_number`; in the journal, and so in reports, the session's
number stands above it (`journaled_number`). So which numbers were taken is known from the journal alone.
"""

from enum import IntEnum

import numpy as np

from holdfast.codes import OrderEventKind
from holdfast.commands import COMMAND_BYTES, command_dtype
from holdfast.config import CLIENT_ID_BYTES, SYMBOL_BYTES_MAX

VERSION = 1
MAGIC = b"HFLINE\r\n"
RECORD_BYTES = 192
GATEWAY_ID = 2  # Of the line, in the journal.

SESSIONS_MAX = 256  # Of one API key.
NUMBER_BITS = 48
NUMBER_MAX = 2**NUMBER_BITS - 1

NONCE_BYTES = 32
API_KEY_BYTES = 64
SIGNATURE_BYTES = 64
TEXT_BYTES = 128
ASSET_CODE_BYTES = 20
STAGES_MAX = 3  # Of a reopening from HALT: CANCEL_ONLY, AUCTION, TRADING.
SIGNED_CONTEXT = b"holdfast line 1\n"  # No other signature of the venue's begins so.


class ClientKind(IntEnum):
    """What a client says besides commands; where a command has its kind (byte 48)."""

    SIGN_ON = -1
    HEARTBEAT = -2
    SIGN_OFF = -3


class ServerKind(IntEnum):
    """What the venue says; where an order event has its kind (byte 28). Reports have an OrderEventKind, or one of
    those from 64 on."""

    CHALLENGE = -1
    WELCOME = -2
    INSTRUMENT = -3  # After WELCOME each one; later each whose mode changes, and each new one.
    GAP = -4  # What was asked for cannot be told again; what follows up to READY are the open orders.
    READY = -5  # All that was before has been told; what follows happens now.
    HEARTBEAT = -6
    REFUSED = -7  # A command was taken and not journaled: nothing was or will be done.
    REPEATED = -8  # A number that was taken before: nothing was done because of this copy.
    END = -9

    ORDERS_CANCELED = 64  # The end of a CANCEL_ALL; `qty_lots` orders were canceled.
    COMMAND_SKIPPED = 65  # The engine could not carry the command out, and halted its instrument.
    COMMAND_REJECTED = 66
    OPEN_ORDER = 67  # An order that was open at the GAP.
    COUNTDOWN_SET = 68  # By a client; `qty_lots` milliseconds from now on, 0: stopped.
    COUNTDOWN_RAN_OUT = 69  # It had been set to `qty_lots` milliseconds; the cancels follow.


class SignOnFlag(IntEnum):
    """Bits."""

    RESUME = 1  # Tell what happened after the position that is named; without it, only from now on.
    DROP_COPY = 2  # Read only: needs the permission to read, and takes no commands.
    SUB_ACCOUNTS = 4  # With DROP_COPY: the account and all its sub-accounts.
    NO_OPEN_ORDERS = 8  # Leave the open orders out where they would be told.
    CANCEL_ON_DISCONNECT = 16  # When this connection ends, however it ends, cancel all orders of the account.


class ReportFlag(IntEnum):
    """Bits."""

    LAST = 1  # Of what its command did here.


class Reason(IntEnum):
    """Why a command was refused here, or a session ended."""

    NONE = 0
    # A command is refused, the session goes on.
    FIELD_NOT_YOURS = 1
    FIELD_INVALID = 2
    INSTRUMENT_UNKNOWN = 3
    CLIENT_ID_INVALID = 4
    TOO_MANY_ORDERS = 5
    TOO_MANY_CANCELS = 6
    UNAVAILABLE = 7
    # The session ends.
    SIGNED_OFF = 32
    NOT_A_RECORD = 33
    NUMBER_SKIPPED = 34
    NOT_ALLOWED = 35  # A command on a drop copy.
    SIGN_ON_REFUSED = 36
    SIGN_ON_LATE = 37
    HALF_A_RECORD = 38
    IDLE = 39
    SLOW_READER = 40
    KEY_REVOKED = 41
    REPLACED = 42  # The same session signed on elsewhere.
    TOO_MANY_CONNECTIONS = 43
    STOPPING = 44
    FAILED = 45
    # Why there is a GAP.
    NOT_ASKED = 64
    TOO_FAR_BACK = 65
    AHEAD = 66  # The position is later than all that ever happened here: it is another venue's.


def _dtype(**fields: tuple[object, int]) -> np.dtype:
    """A record of 192 bytes: name → (type, offset)."""
    names = list(fields)
    formats = [form for form, _ in fields.values()]
    offsets = [offset for _, offset in fields.values()]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_BYTES})


sign_on_dtype = _dtype(
    seq=(np.int64, 0),
    index=(np.int32, 8),
    version=(np.uint16, 12),
    session=(np.uint8, 14),
    flags=(np.uint8, 15),
    kind=(np.int8, 48),
    api_key=(f"S{API_KEY_BYTES}", 64),
    signature=(f"V{SIGNATURE_BYTES}", 128),
)

report_dtype = _dtype(
    seq=(np.int64, 0),
    ts_ns=(np.int64, 8),
    index=(np.int32, 16),
    account_id=(np.int32, 20),
    instrument_id=(np.int32, 24),
    kind=(np.int8, 28),
    reason=(np.int8, 29),
    status=(np.int8, 30),
    side=(np.int8, 31),
    order_type=(np.int8, 32),
    time_in_force=(np.int8, 33),
    self_trade_prevention=(np.int8, 34),
    is_maker=(np.int8, 35),
    is_working=(np.int8, 36),
    fee_is_base=(np.int8, 37),
    flags=(np.int16, 38),
    account_event=(np.int64, 40),
    order_id=(np.int64, 48),
    price_ticks=(np.int64, 56),
    qty_lots=(np.int64, 64),
    executed_lots=(np.int64, 72),
    executed_quote_units=(np.int64, 80),
    quote_units=(np.int64, 88),
    prevented_lots=(np.int64, 96),
    last_lots=(np.int64, 104),
    last_price_ticks=(np.int64, 112),
    last_quote_units=(np.int64, 120),
    fee_units=(np.int64, 128),
    trade_id=(np.int64, 136),
    request_number=(np.int64, 144),
    client_id=(f"S{CLIENT_ID_BYTES}", 152),
    sender_key_id=(np.int32, 188),
)

challenge_dtype = _dtype(
    magic=("S8", 0),
    kind=(np.int8, 28),
    version=(np.uint16, 30),
    heartbeat_s=(np.uint16, 32),
    idle_s=(np.uint16, 34),
    nonce=(f"V{NONCE_BYTES}", 64),
)

notice_dtype = _dtype(
    seq=(np.int64, 0),
    ts_ns=(np.int64, 8),
    account_id=(np.int32, 20),
    key_id=(np.int32, 24),
    kind=(np.int8, 28),
    reason=(np.uint8, 29),
    request_number=(np.int64, 40),
    next_number=(np.int64, 48),
    count=(np.int64, 56),
    text=(f"S{TEXT_BYTES}", 64),
)

# A mode that an instrument is going to by itself; without a time there is none.
stage_dtype = np.dtype([("mode", np.int64), ("begins_ts_ns", np.int64)])

instrument_dtype = _dtype(
    seq=(np.int64, 0),
    instrument_id=(np.int32, 24),
    kind=(np.int8, 28),
    mode=(np.int8, 29),
    base_decimals=(np.int8, 30),
    quote_decimals=(np.int8, 31),
    base_asset_id=(np.int32, 32),
    quote_asset_id=(np.int32, 36),
    tick_e8=(np.int64, 40),
    lot_units=(np.int64, 48),
    units_per_tick_lot=(np.int64, 56),
    symbol=(f"S{SYMBOL_BYTES_MAX}", 64),
    base=(f"S{ASSET_CODE_BYTES}", 100),
    quote=(f"S{ASSET_CODE_BYTES}", 120),
    stages=((stage_dtype, (STAGES_MAX,)), 144),
)

KIND_OFFSET_CLIENT = 48
KIND_OFFSET_SERVER = 28

assert COMMAND_BYTES == RECORD_BYTES
assert command_dtype.fields is not None
assert command_dtype.fields["kind"][1] == KIND_OFFSET_CLIENT
assert max(OrderEventKind) < ServerKind.ORDERS_CANCELED
assert SESSIONS_MAX <= 2 ** (62 - NUMBER_BITS)


def journaled_number(session: int, number: int) -> int:
    """A command's `request_number` in the journal and in reports."""
    return session << NUMBER_BITS | number


def signed_payload(nonce: bytes, sign_on: bytes) -> bytes:
    """What a client signs: nothing else of the venue's begins so, and each challenge is another."""
    return SIGNED_CONTEXT + nonce + sign_on[: RECORD_BYTES - SIGNATURE_BYTES]
