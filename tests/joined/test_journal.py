"""A joined journal hands out what is durable in the files, each command once, whether or not it was told of it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from holdfast.errors import JournalUnavailableError
from holdfast.journal.batch_writer import BatchWriter
from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.interface import JournalGoneError
from holdfast.journal.joined_journal import BEHIND_NS_MAX, CATCHING_UP, CLOSED, JoinedJournal
from holdfast.journal.reader import RECORDS_MAX
from holdfast.journal.writer_link import AWAY
from tests.journal.helpers import SMALL, group, new_writer


class World:
    """The venue's writer, and a gateway's journal that follows it from the beginning."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.directory = directory
        self.writer: BatchWriter = new_writer(REAL_DISK, directory, SMALL._replace(**settings))
        self.sent: list[bytes] = []
        self.now_ns = 0
        self.link: Any = SimpleNamespace(
            refusal="", is_open=True, send=self.sent.append, venue_now_ns=lambda: self.now_ns
        )
        self.later: list[Callable[[], None]] = []
        self.monotonic_s = 0.0
        self.journal = self.follow()

    def follow(self, from_seq: int = 1, after_hash: bytes = b"") -> JoinedJournal:
        return JoinedJournal(
            self.directory, from_seq, after_hash, self.link, lambda: None, self.later.append, lambda: self.monotonic_s
        )

    def write(self, *names: str) -> None:
        for name in names:
            self.writer.write([group(name)])

    def taken(self) -> list[str]:
        pieces = self.journal.take_committed()
        return [name.decode() for piece in pieces for name in piece.records["client_id"].tolist()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_durable_is_handed_out_once_also_when_nobody_told(world: World) -> None:
    assert world.taken() == []
    world.write("a", "b")
    assert world.taken() == ["a", "b"]
    assert world.taken() == []
    world.write(*(f"c{i}" for i in range(30)))  # Over several segments.
    assert world.taken() == [f"c{i}" for i in range(30)]
    assert world.journal.read_seq == 32


def test_it_continues_what_was_recovered_and_nothing_else(world: World) -> None:
    world.write("a", "b")
    chain_hash = world.writer.chain.chain_hash
    world.write("c")
    world.journal = world.follow(3, chain_hash)
    assert world.taken() == ["c"]
    with pytest.raises(Exception, match="does not continue"):
        world.follow(3, bytes(32))


def test_who_is_far_behind_gets_one_piece_at_a_time_and_is_called_again(tmp_path: Path) -> None:
    world = World(tmp_path, segment_bytes=16 * 2**20, batch_records_max=4096)
    for _ in range(RECORDS_MAX // 4096 + 1):
        world.writer.write([group("x") * 4096])
    assert len(world.taken()) == RECORDS_MAX
    assert len(world.later) == 1
    assert world.journal.behind()[0] == 4096
    assert len(world.taken()) == 4096
    assert len(world.later) == 1
    assert world.journal.behind() == (0, 0)


def test_it_says_how_far_behind_it_is_and_refuses_when_that_is_much(world: World) -> None:
    world.write("a")
    world.journal.on_durable(1, 1_000)
    world.now_ns = 3_000_000
    assert world.journal.behind() == (1, 2_999_000)
    assert world.journal.refusal == ""
    world.write("b")
    world.journal.on_durable(2, 2_000_000)  # The older one still counts.
    world.now_ns = 1_001 + BEHIND_NS_MAX
    assert world.journal.refusal == CATCHING_UP
    assert world.taken() == ["a", "b"]
    assert world.journal.behind() == (0, 0)
    assert world.journal.refusal == ""
    world.journal.on_durable(3, world.now_ns)
    assert world.journal.behind() == (0, 0), "told before it is there: nothing to read yet"


def test_it_is_current_unless_something_has_been_durable_for_a_moment(world: World) -> None:
    world.write("a")
    assert world.journal.is_current, "a moment is given"
    world.monotonic_s += 10  # As if this process had been held.
    assert not world.journal.is_current
    assert world.taken() == ["a"]
    assert world.journal.is_current
    world.monotonic_s += 10
    assert world.journal.is_current, "nothing has happened"


def test_appending_goes_to_the_venue_and_nowhere_else(world: World) -> None:
    before = {path.name: path.read_bytes() for path in world.directory.iterdir()}
    assert world.journal.append(group("a")) == 0
    assert world.sent == [group("a")]
    world.link.is_open, world.link.refusal = False, AWAY
    with pytest.raises(JournalUnavailableError, match=AWAY):
        world.journal.append(group("b"))
    assert world.journal.refusal == AWAY
    assert {path.name: path.read_bytes() for path in world.directory.iterdir()} == before


def test_cancels_are_sent_while_the_venue_takes_no_new_orders(world: World) -> None:
    world.link.refusal = "The account history is catching up."
    assert world.journal.refusal
    world.journal.append(group("a"))
    assert len(world.sent) == 1


def test_what_retention_removed_is_gone_and_not_passed_over(world: World) -> None:
    world.write(*(f"a{i}" for i in range(40)))
    oldest = min(world.directory.glob("*.seg"))
    oldest.unlink()
    with pytest.raises(JournalGoneError):
        world.taken()


def test_closed_it_takes_and_gives_nothing(world: World) -> None:
    world.write("a")
    world.journal.close()
    world.journal.close()
    assert world.taken() == []
    assert world.journal.refusal == CLOSED
    with pytest.raises(JournalUnavailableError, match=CLOSED):
        world.journal.append(group("a"))


def test_status_tells_what_a_reader_can_know(world: World) -> None:
    world.write("a", "b")
    status = cast(JoinedJournal, world.journal).status()
    assert (status.is_accepting, status.committed_seq, status.pending_records) == (True, 2, 2)
