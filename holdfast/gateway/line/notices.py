"""Notices: what the line says besides reports, as records.

session, intake → NOTICES → socket
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from holdfast.instruments import Instrument
from holdfast.line import (
    MAGIC,
    TEXT_BYTES,
    VERSION,
    Reason,
    ServerKind,
    challenge_dtype,
    instrument_dtype,
    notice_dtype,
)


def challenge(nonce: bytes, heartbeat_s: int, idle_s: int) -> bytes:
    """The first record of a connection."""
    record = np.zeros(1, challenge_dtype)
    record["magic"], record["kind"], record["version"] = MAGIC, ServerKind.CHALLENGE, VERSION
    record["heartbeat_s"], record["idle_s"] = heartbeat_s, idle_s
    record["nonce"] = np.void(nonce)
    return record.tobytes()


def notice(kind: ServerKind, text: str = "", **fields: Any) -> bytes:
    """One notice; the fields are those of `notice_dtype`."""
    record = np.zeros(1, notice_dtype)
    record["kind"] = kind
    record["text"] = text.encode("ascii", "replace")[:TEXT_BYTES]
    for name, value in fields.items():
        record[name] = value
    return record.tobytes()


def notices(kind: ServerKind, numbers: Any, next_number: int, reason: Reason, text: str) -> bytes:
    """One notice for each of a session's numbers."""
    records = np.zeros(len(numbers), notice_dtype)
    records["kind"], records["reason"], records["next_number"] = kind, reason, next_number
    records["request_number"] = numbers
    records["text"] = text.encode("ascii", "replace")[:TEXT_BYTES]
    return records.tobytes()


def instruments(told: Collection[Instrument], seq: int) -> bytes:
    """What a client must know to speak in ticks and lots, and what it may do, as of the command `seq`."""
    records = np.zeros(len(told), instrument_dtype)
    for record, each in zip(records, told, strict=True):
        record["kind"], record["seq"] = ServerKind.INSTRUMENT, seq
        record["instrument_id"], record["mode"] = each.instrument_id, each.mode
        record["base_decimals"], record["quote_decimals"] = each.base.decimals, each.quote.decimals
        record["base_asset_id"], record["quote_asset_id"] = each.base.asset_id, each.quote.asset_id
        record["tick_e8"], record["lot_units"] = each.tick_e8, each.lot_units
        record["units_per_tick_lot"] = each.units_per_tick_lot
        record["symbol"] = each.symbol.encode("ascii")
        record["base"], record["quote"] = each.base.code.encode("ascii"), each.quote.code.encode("ascii")
        record["stages"][: len(each.stages)] = [*map(tuple, each.stages)]
    return records.tobytes()
