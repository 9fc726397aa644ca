"""A joined replica knows what became of each group that it sent, and of no other's, whatever happened on the way."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from holdfast.codes import CommandKind
from holdfast.commands import Command, command_dtype, encode
from holdfast.errors import JournalUnavailableError
from holdfast.events import Events, order_event_dtype
from holdfast.joined_replica import COMMANDS_ON_THEIR_WAY_MAX, NEVER_TAKEN, TOO_MANY, JoinedReplica
from holdfast.journal.append_server import stamp
from holdfast.journal.interface import Committed
from holdfast.journal.joining import Welcome
from holdfast.replica import Applied


class FakeJournal:
    """Notes what is sent, and hands back what a test lays down."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.laid: list[Committed] = []
        self.refusal = ""
        self.is_current = True

    def append(self, records: bytes) -> int:
        if self.refusal:
            raise JournalUnavailableError(self.refusal)
        self.sent.append(records)
        return 0

    def take_committed(self) -> list[Committed]:
        laid, self.laid = self.laid, []
        return laid


class FakeEngine:
    def __init__(self) -> None:
        self.last_seq = 0

    def reference(self) -> None:
        return None

    def apply(self, commands: np.ndarray) -> Any:
        self.last_seq = int(commands[-1]["seq"])
        return Events._make(np.empty(0, order_event_dtype) for _ in Events._fields)


class World:
    def __init__(self) -> None:
        self.journal, self.engine = FakeJournal(), FakeEngine()
        self.told: list[tuple[Any, ...]] = []
        nothing = cast(Any, SimpleNamespace(is_behind=False, now_ns=lambda: 1_000))
        self.replica = JoinedReplica(
            cast(Any, self.journal),
            cast(Any, self.engine),
            nothing,
            nothing,
            nothing,
            cast(Any, None),
            lambda: self.replica.on_committed(),
            lambda error: self.told.append(("outcast", error)),
        )
        self.join(16)

    def join(self, gateway_id: int, last_seq: int = 0) -> None:
        self.replica.on_joined(Welcome(gateway_id, last_seq, 0, 0, "", {}))

    def submit(self, *numbers: int, account_id: int = 1) -> None:
        """One group with these request numbers, named by the first."""
        group = b"".join(command(number, account_id=account_id) for number in numbers)
        name = numbers[0]

        def done(applied: Applied, seq: int) -> None:
            self.told.append(("done", name, seq))
            assert applied.commands[seq - applied.first_seq]["request_number"] == name

        self.replica.submit_run(group, done, lambda reason: self.told.append(("refused", name, reason)))

    def lay(self, *commands: bytes) -> None:
        """Let these be the next in the journal."""
        records = np.frombuffer(b"".join(commands), command_dtype).copy()
        first_seq = self.engine.last_seq + 1 + sum(len(piece.records) for piece in self.journal.laid)
        records["seq"] = np.arange(first_seq, first_seq + len(records))
        self.journal.laid.append(Committed(first_seq, records))
        self.replica.on_committed()


def command(number: int, gateway_id: int = 16, **fields: Any) -> bytes:
    shared = Command(kind=CommandKind.PLACE_ORDER, request_number=number, gateway_id=gateway_id)
    return encode(shared._replace(client_id=b"c%d" % number, **fields))


def with_gateway(group: bytes) -> bytes:
    """As the venue stamps it."""
    stamped = bytearray(group)
    stamp(stamped, 16)
    return bytes(stamped)


@pytest.fixture
def world() -> World:
    return World()


def test_each_group_is_told_once_where_it_stands(world: World) -> None:
    world.submit(10, 11, 12)
    world.submit(13)
    others = command(10, gateway_id=17), command(13, gateway_id=1)
    world.lay(others[0], command(10), command(11), command(12), others[1])
    assert world.told == [("done", 10, 2)]
    world.lay(*others, command(13))
    world.lay(command(13), command(10))
    assert world.told == [("done", 10, 2), ("done", 13, 8)]
    assert world.replica.pending_count == 0


def test_readers_see_a_batch_in_their_order_and_all_of_them_before_it_is_answered(world: World) -> None:
    for name in ("first added", "second added"):
        world.replica.add_reader(lambda applied, name=name: world.told.append((name, applied.last_seq)))
    world.replica.add_reader(lambda applied: world.told.append(("first", applied.last_seq)), is_first=True)
    world.submit(5)
    world.lay(command(5))
    assert world.told == [("first", 1), ("first added", 1), ("second added", 1), ("done", 5, 1)]


def test_what_the_venue_refuses_is_told_and_what_came_after_it_is_found(world: World) -> None:
    for number in (1, 2, 3):
        world.submit(number)
    world.replica.on_refused(2, "The disk is full.")
    world.replica.on_refused(99, "Of nobody here.")
    world.lay(command(1), command(3))
    assert world.told == [("refused", 2, "The disk is full."), ("done", 1, 1), ("done", 3, 2)]
    assert world.replica.pending_count == 0


def test_after_the_venue_was_killed_what_is_in_the_journal_is_done_and_the_rest_never_was(world: World) -> None:
    for number in (1, 2, 3):
        world.submit(number)
    world.replica.on_parted(None)
    world.lay(command(1))  # It was durable, and nobody could say so any more.
    assert world.told == [("done", 1, 1)]
    assert world.replica.is_pending(1, "c2")
    world.join(16, last_seq=3)  # The same number again: another life of the venue.
    assert world.told == [("done", 1, 1)], "what was recovered behind the mark may still hold the others"
    world.submit(4)
    world.lay(command(2), command(50, gateway_id=1))
    assert world.told == [("done", 1, 1), ("done", 2, 2), ("refused", 3, NEVER_TAKEN)]
    assert not world.replica.is_pending(1, "c3")
    world.lay(command(4))
    assert world.told[-1] == ("done", 4, 4)


def test_who_cannot_know_what_others_placed_says_that_it_is_pending(world: World) -> None:
    assert not world.replica.is_pending(1, "of-another-gateway")
    world.journal.is_current = False  # It was held for a while.
    assert world.replica.is_pending(1, "of-another-gateway")
    world.journal.is_current = True
    world.replica.on_parted(None)
    assert world.replica.is_pending(1, "of-another-gateway")
    world.join(17, last_seq=1)
    assert world.replica.is_pending(1, "of-another-gateway"), "what the venue found in its files is not applied here"
    world.lay(command(1, gateway_id=3))
    assert not world.replica.is_pending(1, "of-another-gateway")
    world.replica.on_parted(1)
    assert not world.replica.is_pending(1, "of-another-gateway"), "it stopped in good order, and this was all"


def test_venue_that_stops_in_good_order_decides_at_once(world: World) -> None:
    world.submit(1)
    world.submit(2)
    world.lay(command(1))
    world.replica.on_parted(1)
    assert world.told == [("done", 1, 1), ("refused", 2, NEVER_TAKEN)]


def test_what_the_ending_venue_could_not_store_is_decided_when_it_is_back(world: World) -> None:
    world.submit(1)
    world.submit(2)
    world.replica.on_parted(2)  # Both were appended, and then its disk failed.
    assert world.told == []
    world.join(20, last_seq=1)
    world.lay(command(1))
    assert world.told == [("done", 1, 1), ("refused", 2, NEVER_TAKEN)]


def test_two_breaks_in_a_row_settle_nothing_too_early(world: World) -> None:
    world.submit(1)
    world.replica.on_parted(None)
    world.join(17, last_seq=5)
    world.submit(2)
    world.replica.on_parted(None)
    world.lay(*(command(90 + i, gateway_id=1) for i in range(5)))
    assert world.told == [], "what was sent by the second connection may come after 5"
    world.join(18, last_seq=6)
    world.lay(command(2, gateway_id=17))
    assert world.told == [("done", 2, 6), ("refused", 1, NEVER_TAKEN)]


def test_command_of_another_process_with_the_same_gateway_id_is_not_taken_for_ones_own(world: World) -> None:
    world.submit(1)
    world.replica.on_parted(None)
    world.lay(command(500, gateway_id=16))
    assert world.told == []
    assert world.replica.is_pending(1, "c1")


def test_no_more_is_sent_than_is_bounded(world: World) -> None:
    full = COMMANDS_ON_THEIR_WAY_MAX // 256
    for i in range(full):
        world.submit(*range(256 * i + 1, 256 * i + 257))
    with pytest.raises(JournalUnavailableError, match=TOO_MANY):
        world.submit(10**6)
    assert world.replica.pending_count == COMMANDS_ON_THEIR_WAY_MAX
    world.lay(*(command(number) for number in range(1, 257)))
    world.submit(10**6)
    assert len(world.journal.sent) == full + 1


def test_what_cannot_be_sent_is_refused_at_once_and_forgotten(world: World) -> None:
    world.journal.refusal = "The venue is not running."
    with pytest.raises(JournalUnavailableError):
        world.submit(1)
    assert world.replica.pending_count == 0
    assert world.replica.refusal == "The venue is not running."


def test_commands_that_nobody_numbered_are_told_apart(world: World) -> None:
    for _ in range(2):
        world.replica.submit_run(command(0), lambda _applied, seq: world.told.append(("done", seq)), None)
    first, second = world.journal.sent
    assert first != second
    world.lay(command(0), with_gateway(second), with_gateway(first))
    assert world.told == [("done", 2), ("done", 3)]
    assert world.replica.pending_count == 0


def test_fault_in_telling_one_does_not_stop_the_others(world: World) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    world.replica.submit_run(command(1), fail, fail)
    world.replica.submit_run(command(2), fail, fail)
    world.submit(3)
    world.submit(4)
    world.replica.on_parted(2)
    world.lay(command(1), command(3))
    assert world.told == [("done", 3, 2), ("refused", 4, NEVER_TAKEN)]


def test_dismissal_ends_it(world: World) -> None:
    error: Any = ValueError("The venue runs Holdfast 2.0.")
    world.replica.on_dismissed(error)
    assert world.told == [("outcast", error)]
