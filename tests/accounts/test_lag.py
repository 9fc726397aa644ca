"""A history that cannot be written loses nothing, says so, and bounds how far it falls behind."""

import random
import sqlite3

import pytest

from holdfast.accounts.history import History
from holdfast.accounts.schema import HistoryDamagedError, HistoryUnavailableError
from holdfast.codes import OrderEventKind
from holdfast.events import OrderEvent
from tests.accounts.stream import Stream
from tests.accounts.test_history import check_equals_naive


def test_beyond_the_bound_it_is_behind_until_half_is_written(tmp_path):
    stream = Stream(1)
    history = History(tmp_path / "history.sqlite", lag_events_max=40, writes_by_itself=False)
    while history.lag_events <= 40:
        assert not history.is_behind
        history.on_applied(stream.batch(1))
    assert history.is_behind
    history._backlog.take()  # The writer has begun on all of it; meanwhile more comes.
    written = history.lag_events
    while history.lag_events < written + 25:
        history.on_applied(stream.batch(1))
    assert history.write_waiting()
    assert 20 < history.lag_events <= 40
    assert history.is_behind, "still more than half of the bound"
    assert history.write_waiting()
    assert history.lag_events == 0
    assert not history.is_behind


def test_what_the_history_does_not_keep_is_no_lag(tmp_path):
    """Otherwise clients whose orders are refused could make the venue refuse everybody's."""
    stream = Stream(6)
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    while history.lag_events == 0:
        history.on_applied(stream.batch(1))
    kept = history.lag_events
    batch = stream.batch(1)
    refusals = [event._replace(seq=batch.last_seq) for event in refused(1_000)]
    history.on_applied(batch._replace(orders=refusals, controls=[]))
    assert history.lag_events == kept


def refused(count: int) -> list[OrderEvent]:
    kinds = [OrderEventKind.ORDER_REJECTED, OrderEventKind.CANCEL_REJECTED, OrderEventKind.ORDER_ACCEPTED]
    blank = OrderEvent._make([0] * (len(OrderEvent._fields) - 2) + [b"", 0])
    return [blank._replace(kind=kinds[i % 3]) for i in range(count)]


def test_a_full_disk_keeps_everything_readable_and_is_written_when_there_is_room(tmp_path):
    stream, chance = Stream(2), random.Random(2)
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    connection = history._writer._file._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(20):
        history.on_applied(stream.batch(20))
    assert not history.write_waiting()
    assert "full" in history.status().failure
    assert history.cursor_seq == 0
    check_equals_naive(history, stream, chance)
    history.on_applied(stream.batch(20))
    assert history.write_waiting(), "the limit went with the connection: there is room again"
    assert history.status().failure == ""
    assert history.write_waiting()
    assert history.cursor_seq == stream.seq
    check_equals_naive(history, stream, chance)


def test_a_file_that_another_process_locks_is_written_later(tmp_path):
    stream = Stream(3)
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    history.on_applied(stream.batch(20))
    intruder = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    assert not history.write_waiting()
    assert "locked" in history.status().failure
    check_equals_naive(history, stream, random.Random(3))
    intruder.close()
    assert history.write_waiting()
    check_equals_naive(history, stream, random.Random(3))


def test_a_rebuild_that_cannot_be_written_says_so_instead_of_filling_the_memory(tmp_path):
    history = History(tmp_path / "history.sqlite", lag_events_max=10, writes_by_itself=False)
    intruder = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    batch = Stream(4).batch(100)
    with pytest.raises(HistoryUnavailableError, match="locked"):
        history.on_replayed(batch.first_seq, batch.last_seq, batch.commands, batch.events)
    intruder.close()


def test_a_file_that_is_no_history_is_named_with_the_cure(tmp_path):
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"not a database at all, " * 100)
    with pytest.raises(HistoryDamagedError, match=r"history\.sqlite.*delete it"):
        History(path)
    path.unlink()
    History(path, writes_by_itself=False).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE progress SET schema_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(HistoryDamagedError, match="schema 99"):
        History(path)


def test_a_directory_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(HistoryUnavailableError, match="cannot be opened"):
        History(tmp_path / "nowhere" / "history.sqlite")


def test_a_file_damaged_while_running_is_a_clear_error_of_the_read(tmp_path):
    stream = Stream(5)
    path = tmp_path / "history.sqlite"
    history = History(path, writes_by_itself=False)
    for _ in range(20):
        history.on_applied(stream.batch(50))
    history.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises((HistoryDamagedError, HistoryUnavailableError)):
        History(path, writes_by_itself=False).orders(1, 1)
