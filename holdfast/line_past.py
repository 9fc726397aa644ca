"""The line's past: what happened to some accounts, made again from the journal.

    snapshot at or before ──▶ a second engine ──journal──▶ events ──▶ reports, for a session that was away

Events are recomputed and nowhere stored, so who was away while the venue restarted is told by replaying: from the
newest snapshot that is not later than its position. This runs in a thread beside the venue, whose loop goes on, and
takes the memory of a second engine for as long.
"""

import asyncio
from pathlib import Path

import numpy as np
import structlog

from holdfast.gateway.line.feeds import Position, later
from holdfast.gateway.line.reports import mark_last, reports_of
from holdfast.journal.interface import JournalError
from holdfast.journal.reader import read_committed
from holdfast.recovery import Journaled

log = structlog.get_logger()

COMMANDS_MAX = 2_000_000  # A second.
BYTES_MAX = 32 * 1024 * 1024
PIECE_BYTES = 192 * 1024


class Past:
    """Of one data directory."""

    def __init__(self, directory: Path) -> None:
        self._files = Journaled(directory)

    async def read(self, account_ids: list[int], position: Position, upto_seq: int) -> list[bytes] | None:
        """The reports of these accounts after `position`, up to the command `upto_seq`, in pieces; None when the
        journal does not reach so far back, or there is too much."""
        if position.seq < 0 or upto_seq - position.seq > COMMANDS_MAX:
            return None
        try:
            return await asyncio.to_thread(self._read, account_ids, position, upto_seq)
        except JournalError as error:
            log.info("a session's past is not in the journal any more", why=str(error))
            return None

    def _read(self, account_ids: list[int], position: Position, upto_seq: int) -> list[bytes] | None:
        is_wanted = np.zeros(max(account_ids) + 2, np.bool_)
        is_wanted[account_ids] = True
        state = self._files.base(max(position.seq - 1, 0))
        found: list[bytes] = []
        size = 0
        if state.seq >= upto_seq:
            return found
        self._files.require_known_rules(state.seq + 1)
        pieces = read_committed(self._files.journal, state.seq + 1, after_hash=state.chain_hash, upto_seq=upto_seq)
        for piece in pieces:
            events = state.run(piece.records, self._files.rebuild)
            reports = reports_of(piece.records, events, is_wanted)
            reports = reports[reports["seq"] <= upto_seq]
            if len(reports):
                mark_last(reports)
                data = later(reports.tobytes(), position)
                found += [data[begin : begin + PIECE_BYTES] for begin in range(0, len(data), PIECE_BYTES)]
                size += len(data)
            if size > BYTES_MAX:
                return None
        return found
