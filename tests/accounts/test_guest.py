"""A guest of a history, in another process than its writer, reads its own events at once and keeps them no longer than
it must."""

import random
from pathlib import Path

import pytest

from holdfast.accounts.history import History
from holdfast.accounts.schema import HistoryDamagedError, HistoryError, HistoryUnavailableError
from tests.accounts.stream import Stream
from tests.accounts.test_history import check_equals_naive


def owner_of(path: Path) -> History:
    return History(path, writes_by_itself=False)


def guest_of(path: Path, lag_events_max: int = 400_000) -> History:
    return History(path, lag_events_max, writes_by_itself=False, is_guest=True)


def test_guest_reads_what_the_owner_has_written_and_what_it_has_not(tmp_path: Path) -> None:
    stream = Stream(3)
    owner, guest = owner_of(tmp_path / "h.sqlite"), guest_of(tmp_path / "h.sqlite")
    for number in range(30):
        batch = stream.batch(5)
        guest.on_applied(batch)  # Before the owner or after: they are two processes.
        owner.on_applied(batch)
        if number % 3 == 0:
            owner.write_waiting()
        if number % 5 == 0:
            guest.write_waiting()
        check_equals_naive(guest, stream, random.Random(7))
    owner.write_waiting()
    while not guest.write_waiting():
        pass
    assert guest.lag_events == 0
    assert guest.cursor_seq == owner.cursor_seq
    check_equals_naive(guest, stream, random.Random(7))


def test_guest_that_comes_late_is_brought_along_from_the_file(tmp_path: Path) -> None:
    stream = Stream(4)
    owner = owner_of(tmp_path / "h.sqlite")
    owner.on_applied(stream.batch(20))
    owner.write_waiting()
    written_seq = owner.cursor_seq
    guest = guest_of(tmp_path / "h.sqlite")
    assert guest.cursor_seq == written_seq
    late = stream.batch(20)
    guest.on_replayed(late.first_seq, late.last_seq, late.commands, late.events)
    check_equals_naive(guest, stream, random.Random(7))


def test_guest_refuses_orders_when_the_owner_does_not_write(tmp_path: Path) -> None:
    stream = Stream(5)
    owner, guest = owner_of(tmp_path / "h.sqlite"), guest_of(tmp_path / "h.sqlite", lag_events_max=40)
    while not guest.is_behind:
        batch = stream.batch(5)
        owner.on_applied(batch)
        guest.on_applied(batch)
        assert guest.lag_events < 1_000
    owner.write_waiting()
    guest.write_waiting()
    assert not guest.is_behind


def test_guest_makes_no_file_and_changes_none(tmp_path: Path) -> None:
    with pytest.raises(HistoryUnavailableError):
        guest_of(tmp_path / "h.sqlite")
    assert not list(tmp_path.iterdir())
    owner = owner_of(tmp_path / "h.sqlite")
    owner.on_applied(Stream(1).batch(10))
    owner.write_waiting()
    owner.close()
    before = (tmp_path / "h.sqlite").read_bytes()
    guest = guest_of(tmp_path / "h.sqlite")
    guest.on_applied(Stream(1).batch(10))
    guest.write_waiting()
    guest.close()
    assert (tmp_path / "h.sqlite").read_bytes() == before


def test_history_of_another_release_is_not_read(tmp_path: Path) -> None:
    owner = owner_of(tmp_path / "h.sqlite")
    connection = owner._writer._file._connection  # type: ignore[union-attr]
    assert connection is not None
    connection.execute("UPDATE progress SET schema_version = 99")
    with pytest.raises(HistoryDamagedError, match="has schema 99"):
        guest_of(tmp_path / "h.sqlite")


def test_guest_cannot_begin_a_history(tmp_path: Path) -> None:
    owner_of(tmp_path / "h.sqlite")
    with pytest.raises(HistoryError):
        guest_of(tmp_path / "h.sqlite").begin_after(7)
