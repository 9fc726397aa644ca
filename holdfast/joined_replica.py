"""The replica of a joined gateway: its own engine and readers, with the venue's process between it and the journal.

    gateway ──submit──▶ JOINED REPLICA ──▶ venue → journal's files ──▶ engine → readers → replies

A submitted group gets no answer when it was taken: it is found in the journal by the gateway id that the venue stamps
and the request number of its first command, whether the venue that took it still runs or not. When the connection
parts, everything on its way is uncertain. It resolves at the latest when the venue is back: what is not in the journal
up to the seq that the venue then names was never taken.

Invariants: each group is told once what became of it; nothing is sent twice.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import structlog

from holdfast.accounts.history import History
from holdfast.clock import Clock
from holdfast.commands import COMMAND_BYTES
from holdfast.directory.directory import Directory
from holdfast.engine.engine import Engine
from holdfast.errors import JournalUnavailableError
from holdfast.journal.joined_journal import JoinedJournal
from holdfast.journal.joining import Welcome, request_number, with_request_number
from holdfast.journal.writer_link import DismissedError
from holdfast.replica import Applied, Replica

log = structlog.get_logger()

COMMANDS_ON_THEIR_WAY_MAX = 32_768  # 6 MiB; an eighth of what the journal holds.
TOO_MANY = "The venue does not keep up with this gateway; try again."
NEVER_TAKEN = "The venue went away before it took this; nothing of it was or will be done."


class _Sent(NamedTuple):
    """One group that the venue was sent."""

    records: bytes
    done: Callable[[Applied, int], None] | None
    refused: Callable[[str], None] | None


_Name = tuple[int, int]  # Gateway id, and the request number of the group's first command.


class JoinedReplica(Replica):
    """A replica whose submissions go through the writer's socket, and which listens to the link."""

    def __init__(
        self,
        journal: JoinedJournal,
        engine: Engine,
        directory: Directory,
        history: History,
        clock: Clock,
        rebuild: Callable[[int, frozenset[int]], Engine],
        on_news: Callable[[], None],
        on_outcast: Callable[[Exception], None],
    ) -> None:
        """`on_news`: there may be more to read; it leads to `on_committed`. `on_outcast`: the venue will not have this
        process any more."""
        super().__init__(journal, engine, directory, history, clock, rebuild)
        self.gateway_id = 0  # While it has not joined.
        self._joined = journal
        self._on_news = on_news
        self._on_outcast = on_outcast
        self._sent: dict[_Name, _Sent] = {}  # In the order of sending.
        self._uncertain: dict[_Name, _Sent] = {}  # The same, by connections that have ended.
        self._uncertain_upto: int | None = None  # What of those is not in the journal up to here never will be.
        self._is_cut_off = True  # There may be commands in the venue's hands, or in its files, that show only later.
        self._commands_on_their_way = 0
        self._own_number = -clock.now_ns()  # Falling from here: no request has such a number, and no other process.

    def submit_run(
        self,
        records: bytes,
        done: Callable[[Applied, int], None] | None,
        refused: Callable[[str], None] | None = None,
    ) -> int:
        """See `Replica.submit_run`; returns 0."""
        assert len(records) % COMMAND_BYTES == 0
        count = len(records) // COMMAND_BYTES
        if self._commands_on_their_way + count > COMMANDS_ON_THEIR_WAY_MAX:
            raise JournalUnavailableError(TOO_MANY)
        number = request_number(records)
        if not number:  # Of this process's own, on nobody's request.
            self._own_number -= 1
            number, records = self._own_number, with_request_number(records, self._own_number)
        self.journal.append(records)
        self._commands_on_their_way += count
        self._sent[self.gateway_id, number] = _Sent(records, done, refused)
        return 0

    def on_committed(self) -> None:
        super().on_committed()
        if self._uncertain_upto is not None and self.applied_seq >= self._uncertain_upto:
            self._is_cut_off = False
            lost, self._uncertain, self._uncertain_upto = self._uncertain, {}, None
            for sent in lost.values():
                self._refuse(sent, NEVER_TAKEN)

    def is_pending(self, account_id: int, client_id: str) -> bool:
        """See `Replica.is_pending`. Who cannot know yet what others have placed does not say that it is not there."""
        return self._is_cut_off or not self._joined.is_current or super().is_pending(account_id, client_id)

    def _on_their_way(self) -> Iterable[bytes]:
        return (sent.records for group in (self._sent, self._uncertain) for sent in group.values())

    def _reply(self, applied: Applied) -> None:
        if self._sent:
            self._find(applied, self._sent, applied.commands["gateway_id"] == self.gateway_id)
        if self._uncertain:
            former_ids = list({gateway_id for gateway_id, _ in self._uncertain})
            self._find(applied, self._uncertain, np.isin(applied.commands["gateway_id"], former_ids))

    def _find(self, applied: Applied, sent: dict[_Name, _Sent], is_candidate: np.ndarray) -> None:
        """Tell those whose groups are among these commands."""
        rows = np.flatnonzero(is_candidate)
        ids = applied.commands["gateway_id"][rows].tolist()
        numbers = applied.commands["request_number"][rows].tolist()
        at = 0
        while at < len(numbers):
            found = sent.pop((ids[at], numbers[at]), None)
            if found is None:  # Of another process that had this id.
                at += 1
                continue
            if found.done is not None:
                self._tell(found.done, applied, applied.first_seq + int(rows[at]))
            at += self._arrived(found)

    def _arrived(self, sent: _Sent) -> int:
        """It is on its way no longer; returns how many commands it has."""
        count = len(sent.records) // COMMAND_BYTES
        self._commands_on_their_way -= count
        return count

    def _refuse(self, sent: _Sent, reason: str) -> None:
        self._arrived(sent)
        if sent.refused is None:
            return
        try:
            sent.refused(reason)
        except Exception:
            log.exception("a refusal failed")  # It must not stop the others.

    # From the link.

    def on_joined(self, welcome: Welcome) -> None:
        self.gateway_id = welcome.gateway_id
        self._uncertain_upto = welcome.last_seq
        self._on_news()

    def on_parted(self, last_seq: int | None) -> None:
        self._uncertain |= self._sent
        self._sent = {}
        self._is_cut_off, self.gateway_id = True, 0
        self._uncertain_upto = last_seq
        self._on_news()

    def on_durable(self, seq: int, clock_ns: int) -> None:
        self._joined.on_durable(seq, clock_ns)
        self._on_news()

    def on_refused(self, request_number: int, reason: str) -> None:
        sent = self._sent.pop((self.gateway_id, request_number), None)
        if sent is not None:
            self._refuse(sent, reason)

    def on_dismissed(self, error: DismissedError) -> None:
        self._on_outcast(error)
