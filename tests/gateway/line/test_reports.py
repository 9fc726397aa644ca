"""Reports are order events, field by field, with the command that they came of; and a session's numbers are what the
journal says, however it is cut. Made of random sessions by the real engine, and compared with the plain way."""

from typing import Any

import numpy as np
import pytest

from holdfast.codes import ControlEventKind
from holdfast.commands import command_dtype
from holdfast.engine.engine import Engine
from holdfast.events import Events
from holdfast.gateway.line.feeds import INDEX_MAX, Feed, Position, later
from holdfast.gateway.line.numbers import SessionName, SessionNumbers
from holdfast.gateway.line.reports import mark_last, reports_of
from holdfast.line import GATEWAY_ID, ServerKind, journaled_number, report_dtype
from holdfast.recovery import State
from tests.engine.stream import ACCOUNTS, Stream

COMMANDS = 600
_TOLD = {
    ControlEventKind.ORDERS_CANCELED: ServerKind.ORDERS_CANCELED,
    ControlEventKind.COMMAND_SKIPPED: ServerKind.COMMAND_SKIPPED,
    ControlEventKind.COMMAND_REJECTED: ServerKind.COMMAND_REJECTED,
}


def session_of(seed: int) -> tuple[np.ndarray, Events]:
    """Commands of which every second came over the line, and what they led to."""
    commands = Stream(seed).commands(COMMANDS).copy()
    mine = np.arange(len(commands)) % 2 == 0
    commands["gateway_id"][mine] = GATEWAY_ID
    commands["request_number"] = commands["seq"] * 7
    return commands, Engine().apply(commands)


def naive(commands: np.ndarray, events: Events, accounts: set[int]) -> list[dict[str, Any]]:
    """The same reports by plain loops."""
    found = []
    by_seq = {int(command["seq"]): command for command in commands}
    for event in events.orders:
        if event["account_id"] in accounts:
            names = [name for name in report_dtype.names or () if name in (event.dtype.names or ())]
            found.append({name: event[name] for name in names})
    for control in events.controls:
        command = by_seq[int(control["seq"])]
        if control["kind"] in _TOLD and command["kind"] < 32 and command["account_id"] in accounts:
            told = {name: control[name] for name in ("seq", "ts_ns", "index", "reason")}
            told |= {name: command[name] for name in ("account_id", "instrument_id", "client_id")}
            found.append(told | {"kind": _TOLD[control["kind"]], "qty_lots": control["value"]})
    for report in found:
        command = by_seq[int(report["seq"])]
        if command["gateway_id"] == GATEWAY_ID and command["account_id"] == report["account_id"]:
            report |= {"request_number": command["request_number"], "sender_key_id": command["key_id"]}
    return sorted(found, key=lambda report: (report["seq"], report["index"]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("accounts", [{1}, {2, 5}, set(range(1, ACCOUNTS + 1)), set()], ids=str)
def test_reports_are_the_events_of_the_accounts_that_are_wanted(seed: int, accounts: set[int]) -> None:
    commands, events = session_of(seed)
    is_wanted = np.zeros(ACCOUNTS + 2, np.bool_)
    is_wanted[list(accounts)] = True
    made, expected = reports_of(commands, events, is_wanted), naive(commands, events, accounts)
    assert len(made) == len(expected)
    for report, fields in zip(made, expected, strict=True):
        for name in report_dtype.names or ():
            assert report[name] == fields.get(name, report[name].dtype.type()), name


def test_the_last_report_of_each_command_is_marked() -> None:
    reports = np.zeros(6, report_dtype)
    reports["seq"], reports["flags"] = [1, 1, 2, 5, 5, 5], 1  # Flags of another feed, as far as they go.
    mark_last(reports)
    assert reports["flags"].tolist() == [0, 1, 1, 0, 0, 1]


def test_a_feed_tells_what_is_later_than_any_position() -> None:
    feed, rows = Feed(Position(3, INDEX_MAX)), np.zeros(6, report_dtype)
    rows["seq"], rows["index"] = [4, 4, 5, 7, 7, 9], [0, 2, 0, 1, 3, 0]
    for begin, end in ((0, 2), (2, 3), (3, 6)):
        feed.add(rows[begin:end].copy())
    positions = [Position(int(row["seq"]), int(row["index"])) for row in rows]
    for position in [feed.floor, *positions, Position(5, INDEX_MAX), Position(6, 0), Position(10, 0)]:
        told = np.frombuffer(b"".join(feed.after(position)), report_dtype)
        assert told["seq"].tolist() == [each.seq for each in positions if each > position]
    feed.drop_oldest()
    assert feed.floor == Position(4, 2)
    assert feed.block(0) is None
    assert feed.end == 3
    assert later(rows.tobytes(), Position(7, 1)) == rows[4:].tobytes()


def line_commands(seed: int) -> np.ndarray:
    """Commands of a few sessions, each with numbers that rise by one, between those of others."""
    chosen, last = np.random.default_rng(seed), {}
    commands = np.zeros(500, command_dtype)
    for command in commands:
        name = SessionName(int(chosen.integers(1, 4)), int(chosen.choice([0, 1, 255])))
        command["key_id"], command["gateway_id"] = name.key_id, chosen.choice([1, GATEWAY_ID])
        command["request_number"] = 99
        if command["gateway_id"] == GATEWAY_ID:
            last[name] = last.get(name, 0) + 1
            command["request_number"] = journaled_number(name.session, last[name])
    return commands


@pytest.mark.parametrize("cut", [1, 7, 500])
def test_the_numbers_are_those_of_the_journal_however_it_is_cut(cut: int) -> None:
    commands, numbers = line_commands(cut), SessionNumbers()
    for begin in range(0, len(commands), cut):
        numbers.feed(commands[begin : begin + cut])
    expected: dict[SessionName, int] = {}
    for command in commands[commands["gateway_id"] == GATEWAY_ID]:
        session, number = divmod(int(command["request_number"]), 2**48)
        expected[SessionName(int(command["key_id"]), session)] = number
    assert numbers.last == expected
    again = SessionNumbers()
    again.load(numbers.dump())
    assert again.last == expected
    assert again.dump() == numbers.dump()


def test_a_snapshot_holds_the_numbers_and_one_from_before_the_line_none(tmp_path: Any) -> None:
    from holdfast.journal import snapshots

    (tmp_path / "snapshots").mkdir()
    state = State()
    state.seq, state.chain_hash = 5, bytes(32)
    state.line_numbers.feed(line_commands(1))
    snapshot = snapshots.load(state.write_snapshot(tmp_path))
    assert State.of_snapshot(snapshot).line_numbers.last == state.line_numbers.last
    older = snapshot._replace(documents={n: d for n, d in snapshot.documents.items() if n != "line"})
    assert State.of_snapshot(older).line_numbers.last == {}
