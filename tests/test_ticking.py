"""A TICK is journaled when something is due, one at a time, and never otherwise."""

from collections.abc import Callable
from typing import Any

from holdfast.codes import CommandKind
from holdfast.commands import COMMAND_BYTES, encode
from holdfast.errors import JournalUnavailableError
from holdfast.ticking import Command, Ticker


class FakeReplica:
    """`due` is what the engine says; submitted TICKs stay on their way until the test says so."""

    def __init__(self) -> None:
        self.engine = self.clock = self
        self.due_ts_ns = 0
        self.ts_ns = 100
        self.is_broken = False
        self.on_their_way: list[Callable[[Any], None]] = []

    def next_due_ts_ns(self) -> int:
        return self.due_ts_ns

    def now_ns(self) -> int:
        return self.ts_ns

    def submit(self, records: bytes, done: Callable[[Any], None]) -> int:
        if self.is_broken:
            raise JournalUnavailableError("The disk is full.")
        assert records == encode(Command(kind=CommandKind.TICK))
        assert len(records) == COMMAND_BYTES
        self.on_their_way.append(done)
        return 1


def test_nothing_is_journaled_while_nothing_is_due() -> None:
    replica = FakeReplica()
    ticker = Ticker(replica)  # type: ignore[arg-type]
    ticker.look()
    replica.due_ts_ns = 101
    ticker.look()
    assert replica.on_their_way == []
    replica.ts_ns = 101
    ticker.look()
    assert len(replica.on_their_way) == 1


def test_one_tick_is_on_its_way_at_most() -> None:
    replica = FakeReplica()
    replica.due_ts_ns = 1
    ticker = Ticker(replica)  # type: ignore[arg-type]
    ticker.look()
    ticker.look()
    assert len(replica.on_their_way) == 1
    replica.on_their_way.pop()(None)
    ticker.look()
    assert len(replica.on_their_way) == 1


def test_what_the_journal_does_not_take_is_tried_again() -> None:
    replica = FakeReplica()
    replica.due_ts_ns = 1
    replica.is_broken = True
    ticker = Ticker(replica)  # type: ignore[arg-type]
    ticker.look()
    replica.is_broken = False
    ticker.look()
    assert len(replica.on_their_way) == 1
