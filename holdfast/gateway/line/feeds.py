"""Feeds: what happened to an account, as bytes that all its sessions share, and the newest of it kept for who returns.

applied batch → reports → FEEDS (one per account somebody signed on for) → sessions, each at its own pace

A batch's reports of one account are one block of bytes. A session is a place in its feed, so one that reads slowly or
comes back a moment later costs no memory of its own. All feeds together keep so many bytes, and the oldest blocks go
first, whosever they are; a session that has not read a block that goes cannot go on.

A position (seq, index) names an event for good: it is the same after a restart, and on every replica.
"""

from collections import deque
from typing import NamedTuple, Protocol

import numpy as np

from holdfast.codes import ControlEventKind
from holdfast.events import Events
from holdfast.gateway.line.reports import mark_last, reports_of
from holdfast.line import RECORD_BYTES, report_dtype

KEPT_BYTES_MAX = 64 * 1024 * 1024
_ACCOUNTS_AT_ONCE = 10_000


class AppliedBatch(Protocol):
    """What a reader of the replica gets; `holdfast.replica.Applied`."""

    @property
    def last_seq(self) -> int: ...
    @property
    def commands(self) -> np.ndarray: ...
    @property
    def events(self) -> Events: ...


class Accounts(Protocol):
    """What of the directory is needed here."""

    def accounts(self, after_id: int, limit: int) -> list["AccountRow"]: ...


class AccountRow(Protocol):
    @property
    def account_id(self) -> int: ...
    @property
    def parent_id(self) -> int: ...


class Position(NamedTuple):
    """An event that was told; everything after it was not."""

    seq: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody needs here.


INDEX_MAX = 2**31 - 1  # Of a position after all that a command did.


class FeedName(NamedTuple):
    account_id: int
    with_sub_accounts: bool


class _Block(NamedTuple):
    last: Position
    data: bytes


class Listener(Protocol):
    def on_block(self) -> None:
        """There is more in the feed."""


class Feed:
    """The reports of one account (or of one and its sub-accounts), from a moment on."""

    def __init__(self, floor: Position) -> None:
        """Everything after `floor` will be in it."""
        self.floor = floor
        self.listeners: dict[Listener, None] = {}
        self._blocks: deque[_Block] = deque()
        self._first = 0  # The number of the first block that is kept; numbers go on for good.

    @property
    def end(self) -> int:
        """The number that the next block will have."""
        return self._first + len(self._blocks)

    def block(self, number: int) -> bytes | None:
        """A block before `end`; None when it is kept no more."""
        return self._blocks[number - self._first].data if number >= self._first else None

    def after(self, position: Position) -> list[bytes]:
        """Everything kept that is later than `position`, which is not before `floor`."""
        found: list[bytes] = []
        for block in reversed(self._blocks):
            if block.last <= position:
                break
            found.append(block.data)
        if found:
            found[-1] = later(found[-1], position)
        return found[::-1]

    def add(self, reports: np.ndarray) -> int:
        """Take the reports of one batch; returns how many bytes are kept more."""
        mark_last(reports)
        data = reports.tobytes()
        self._blocks.append(_Block(Position(int(reports["seq"][-1]), int(reports["index"][-1])), data))
        return len(data)

    def drop_oldest(self) -> int:
        """Returns how many bytes are kept less."""
        block = self._blocks.popleft()
        self._first += 1
        self.floor = block.last
        return len(block.data)


def later(data: bytes, position: Position) -> bytes:
    """Of reports in their order, those after a position."""
    rows = np.frombuffer(data, report_dtype)
    is_later = (rows["seq"] > position.seq) | ((rows["seq"] == position.seq) & (rows["index"] > position.index))
    return data[(len(rows) - np.count_nonzero(is_later)) * RECORD_BYTES :]


class Feeds:
    """All feeds of this gateway."""

    def __init__(self, accounts: Accounts, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._accounts = accounts
        self._kept_bytes_max = kept_bytes_max
        self._kept_bytes = 0
        self._by_age: deque[Feed] = deque()  # One entry for each block of theirs, oldest first.
        self._own: dict[int, Feed] = {}
        self._families: dict[int, Feed] = {}  # By the parent's account.
        self._is_wanted = np.zeros(2, np.bool_)  # By account; the ends stand for what is not there.
        self._parents = np.zeros(1, np.int32)  # By account; of one without a parent, itself.

    def feed(self, name: FeedName, applied_seq: int) -> Feed:
        """The feed of that name; a new one begins after `applied_seq`, the newest command applied."""
        feeds = self._families if name.with_sub_accounts else self._own
        feed = feeds.get(name.account_id)
        if feed is None:
            feed = feeds[name.account_id] = Feed(Position(applied_seq, INDEX_MAX))
            self._learn_accounts()
            self._mark()
        return feed

    def members(self, name: FeedName) -> list[int]:
        """The accounts that a feed tells of."""
        if not name.with_sub_accounts:
            return [name.account_id]
        self._learn_accounts()
        return np.flatnonzero(self._parents == name.account_id).tolist()

    def on_applied(self, applied: AppliedBatch) -> None:
        """Take an applied batch, and let the sessions know that there is more."""
        may_be_more = self._families and ControlEventKind.COMMAND_DONE in applied.events.controls["kind"]
        if may_be_more and self._learn_accounts():
            self._mark()
        if not self._own and not self._families:
            return
        reports = reports_of(applied.commands, applied.events, self._is_wanted)
        if not len(reports):
            return
        changed: dict[Feed, None] = {}
        if self._own:
            self._divide(reports, reports["account_id"], self._own, changed)
        if self._families:
            self._divide(reports, self._parents[reports["account_id"]], self._families, changed)
        self._forget()
        for feed in changed:
            for listener in list(feed.listeners):
                listener.on_block()

    def _divide(
        self, reports: np.ndarray, owners: np.ndarray, feeds: dict[int, Feed], changed: dict[Feed, None]
    ) -> None:
        if (owners == owners[0]).all():  # As where few are busy; it saves an order on its own some 10 µs.
            self._hand(int(owners[0]), reports, feeds, changed)
            return
        order = owners.argsort(kind="stable")
        for index in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1):
            self._hand(int(owners[index[0]]), reports.take(index), feeds, changed)

    def _hand(self, owner: int, reports: np.ndarray, feeds: dict[int, Feed], changed: dict[Feed, None]) -> None:
        feed = feeds.get(owner)
        if feed is not None:
            self._kept_bytes += feed.add(reports)
            self._by_age.append(feed)
            changed[feed] = None

    def _forget(self) -> None:
        """Keep the bound. The newest block of all stays: it has not been offered to anybody yet."""
        while self._kept_bytes > self._kept_bytes_max and len(self._by_age) > 1:
            self._kept_bytes -= self._by_age.popleft().drop_oldest()

    def _learn_accounts(self) -> bool:
        """Whether there are more accounts than were known."""
        known = len(self._parents) - 1
        rows: list[AccountRow] = []
        while more := self._accounts.accounts(known + len(rows), _ACCOUNTS_AT_ONCE):
            rows += more
        parents = np.fromiter((row.parent_id or row.account_id for row in rows), np.int32, len(rows))
        self._parents = np.concatenate([self._parents, parents])
        return bool(rows)

    def _mark(self) -> None:
        """Say by account whether any feed wants it."""
        size = max([len(self._parents), *(account_id + 1 for account_id in self._own)])
        self._is_wanted = np.zeros(size + 1, np.bool_)
        self._is_wanted[list(self._own)] = True
        self._is_wanted[: len(self._parents)] |= np.isin(self._parents, list(self._families))
