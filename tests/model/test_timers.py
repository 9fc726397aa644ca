"""Timers that run out at one instant do so in the order of accounts, then of instruments, however they were set."""

from itertools import permutations

import pytest

from holdfast.codes import CommandKind, ControlEventKind
from holdfast.commands import Command
from tests.model.commands import stamped
from tests.model.opening import SECOND_NS
from tests.model.test_model import Session

TIMERS = [(1, 0), (1, 2), (2, 0), (3, 1)]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
def test_timers_of_one_instant_run_out_in_a_fixed_order(order: tuple[int, ...]) -> None:
    session = Session()
    for number in order:
        account_id, instrument_id = TIMERS[number]
        command = Command(kind=CommandKind.SET_COUNTDOWN, account_id=account_id, instrument_id=instrument_id)
        session.apply(stamped(command._replace(qty_lots=1_000), session.model.command, 0))
    assert session.engine.next_due_ts_ns() == session.model.command.ts_ns + SECOND_NS
    tick = Command(kind=CommandKind.TICK)
    session.apply(stamped(tick, session.model.command, SECOND_NS - 1))
    assert not session.model.events
    session.apply(stamped(tick, session.model.command, 1))
    ran_out = [event for event in session.model.events if event.kind == ControlEventKind.COUNTDOWN_RAN_OUT]
    assert [(event.account_id, event.instrument_id) for event in ran_out] == TIMERS
    session.compare_reads()


def test_markets_that_a_late_tick_finds_due_go_on_together_in_the_order_of_their_numbers() -> None:
    session = Session()
    lasting = {"price_ticks": 3 * SECOND_NS, "qty_lots": SECOND_NS, "order_id": SECOND_NS}
    for instrument_id in (3, 1, 2):
        command = Command(kind=CommandKind.SCHEDULE_REOPENING, instrument_id=instrument_id, **lasting)
        session.apply(stamped(command._replace(client_id=b"r%d" % instrument_id), session.model.command, 1_000))
    found = []
    for _ in range(3):
        session.apply(stamped(Command(kind=CommandKind.TICK), session.model.command, 5 * SECOND_NS))
        changed = [one for one in session.model.events if one.kind == ControlEventKind.TRADING_MODE_CHANGED]
        found.append([event.instrument_id for event in changed])
        session.compare_reads()
    assert found == [[3, 1, 2], [1, 2, 3], [1, 2, 3]]
