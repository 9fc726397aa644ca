"""Run: commands of some sessions in one array, each session's together, and the kernels that go through them.

intake: what sessions sent → RUN (which are next → who sends what → stamps) → groups for the journal
"""

from collections.abc import Mapping
from itertools import accumulate
from typing import Protocol

import numpy as np
from numba import njit

from holdfast.codes import CommandKind
from holdfast.commands import COMMAND_BYTES, command_dtype, command_words_dtype
from holdfast.gateway.line.numbers import SessionName
from holdfast.line import GATEWAY_ID, NUMBER_BITS, NUMBER_MAX, Reason

KINDS = (
    CommandKind.PLACE_ORDER,
    CommandKind.CANCEL_ORDER,
    CommandKind.CANCEL_ALL,
    CommandKind.REPLACE_ORDER,
    CommandKind.AMEND_ORDER,
    CommandKind.SET_COUNTDOWN,
)
NEW_ORDER_KINDS = (CommandKind.PLACE_ORDER, CommandKind.REPLACE_ORDER)


def _is_kind(*kinds: CommandKind) -> np.ndarray:
    """A table by a kind's byte."""
    table = np.zeros(256, np.bool_)
    table[list(kinds)] = True
    return table


IS_COMMAND = _is_kind(*KINDS)
_IS_NEW_ORDER = _is_kind(*NEW_ORDER_KINDS)


class Sender(Protocol):
    """One signed-on session that sends commands."""

    name: SessionName
    account_id: int
    peer_ip: str

    @property
    def is_open(self) -> bool: ...

    def hold(self, is_held: bool) -> None:
        """Do not read, or read on."""

    def refuse(self, numbers: np.ndarray, reason: Reason, text: str) -> None:
        """Tell that commands were taken and not journaled."""

    def repeat(self, numbers: list[int]) -> None:
        """Tell that numbers were taken before."""

    def end(self, reason: Reason, text: str) -> None:
        """Say goodbye."""


class Run:
    """`records` (command_dtype, which are written to) of `senders` in turn, of each so many as `counts` says."""

    def __init__(self, senders: list[Sender], records: np.ndarray, counts: list[int]) -> None:
        self.senders = senders
        self.records = records
        self.counts = counts
        self._ends = np.array([*accumulate(counts)], np.int64)

    @classmethod
    def of(cls, pieces: Mapping[Sender, list[bytes]]) -> "Run":
        """Whole records, as they were sent."""
        records = bytearray().join(piece for of_one in pieces.values() for piece in of_one)
        counts = [sum(map(len, of_one)) // COMMAND_BYTES for of_one in pieces.values()]
        return cls(list(pieces), np.frombuffer(records, command_dtype), counts)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def owners(self) -> np.ndarray:
        """For each record the place of its sender."""
        return np.repeat(np.arange(len(self.senders)), self.counts)

    def span(self, place: int) -> slice:
        """Where the records of a sender are."""
        return slice(int(self._ends[place - 1]) if place else 0, int(self._ends[place]))

    def only(self, which: np.ndarray) -> "Run":
        """Those of which `which` is true, in a run of the same senders."""
        counts = [int(np.count_nonzero(which[self.span(place)])) for place in range(len(self.senders))]
        return Run(self.senders, self.records[which], counts)

    def are_next(self, numbers: list[int]) -> np.ndarray:
        """Which are commands, numbered as if all before them of their sender were, from its one of `numbers` on."""
        is_next = np.empty(len(self.records), np.bool_)
        find_next(self._words, self._ends, np.array(numbers, np.int64), is_next)
        return is_next

    def are_new_orders(self) -> np.ndarray:
        return _IS_NEW_ORDER[self.records["kind"].view(np.uint8)]

    def count_new_orders(self) -> list[int]:
        """How many of each sender are."""
        counts = np.empty(len(self.senders), np.int64)
        count_of_kinds(self._words, self._ends, _IS_NEW_ORDER, counts)
        return counts.tolist()

    def stamp(self, now_ns: int, latest_ns: int) -> None:
        """Fill in what is not the client's to say. No command may be decided later than at `latest_ns`."""
        ids = np.array(
            [(sender.account_id, sender.name.key_id, sender.name.session) for sender in self.senders], np.int64
        )
        stamp(self._words, self._ends, ids.reshape(-1, 3), now_ns, latest_ns)

    def refuse(self, which: np.ndarray, reason: Reason, text: str) -> None:
        """Tell their senders that nothing becomes of some."""
        owners, numbers = self.owners, self.records["request_number"] & NUMBER_MAX
        for place in np.unique(owners[which]).tolist():
            self.senders[place].refuse(numbers[which & (owners == place)], reason, text)

    @property
    def _words(self) -> np.ndarray:
        return self.records.view(command_words_dtype)


def warm_up() -> None:
    """Compile the kernels, or load what was compiled before, so that no client waits for it."""
    run = Run([], np.zeros(0, command_dtype), [])
    run.are_next([])
    run.count_new_orders()
    run.stamp(0, 0)


# The kernels. Ids of senders are by their place in the run; records are command_words_dtype.


@njit(cache=True)
def find_next(records, ends, numbers, is_next):
    begin = 0
    for place in range(len(ends)):
        for i in range(begin, ends[place]):
            is_command = IS_COMMAND[np.uint8(records[i]["kind"])]
            is_next[i] = is_command and records[i]["request_number"] == numbers[place] + i - begin
        begin = ends[place]


@njit(cache=True)
def count_of_kinds(records, ends, is_kind, counts):
    begin = 0
    for place in range(len(ends)):
        counts[place] = 0
        for i in range(begin, ends[place]):
            counts[place] += is_kind[np.uint8(records[i]["kind"])]
        begin = ends[place]


@njit(cache=True)
def stamp(records, ends, ids, now_ns, latest_ns):
    begin = 0
    for place in range(len(ends)):
        for i in range(begin, ends[place]):
            record = records[i]
            record["received_ts_ns"] = now_ns
            wished_ns = record["deadline_ts_ns"]
            record["deadline_ts_ns"] = latest_ns if wished_ns == 0 else min(wished_ns, latest_ns)
            record["gateway_id"] = GATEWAY_ID
            record["account_id"], record["key_id"] = ids[place, 0], ids[place, 1]
            record["request_number"] |= ids[place, 2] << NUMBER_BITS
        begin = ends[place]
