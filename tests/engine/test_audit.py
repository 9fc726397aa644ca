"""The running audit finds what does not add up, and finds nothing while commands go on beside it."""

import numpy as np
import pytest

from holdfast.codes import CommandKind, OrderType, Side, TimeInForce
from holdfast.commands import Command, command_dtype, encode
from holdfast.engine.audit import AuditResult
from holdfast.engine.engine import Engine
from tests.engine.stream import Stream


def finish(engine: Engine, rows: int = 5) -> AuditResult:
    while (result := engine.audit_slice(rows)) is None:
        pass
    return result


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    engine.apply(Stream(11).commands(300))
    return engine


def test_a_pass_beside_commands_finds_nothing() -> None:
    commands = Stream(11).commands(600)
    engine = Engine()
    results = []
    for start in range(0, len(commands), 3):
        engine.apply(commands[start : start + 3])
        if result := engine.audit_slice(2):
            results.append(result)
    assert len(results) > 5
    assert [result.mismatches for result in results] == [[]] * len(results)


def test_an_account_with_many_orders_takes_many_slices(engine: Engine) -> None:
    before = slices_of_a_pass(engine)
    engine.apply(resting_orders(engine, count=40))
    assert slices_of_a_pass(engine) >= before + 40 / 2


def test_an_account_that_had_to_be_checked_in_one_piece_is_paid_for_by_slices_that_do_nothing(engine: Engine) -> None:
    before = slices_of_a_pass(engine, is_busy=True)
    engine.apply(resting_orders(engine, count=40))
    assert slices_of_a_pass(engine, is_busy=True) >= before + 40 / 2


def slices_of_a_pass(engine: Engine, is_busy: bool = False) -> int:
    slices = 1
    while engine.audit_slice(2) is None:
        slices += 1
        engine._memory["accounts"]["event_count"] += is_busy  # As if each had traded since the last slice.
    return slices


def resting_orders(engine: Engine, count: int) -> np.ndarray:
    """Of one account, in the instrument that lets an account have most."""
    terms = Command(
        kind=CommandKind.PLACE_ORDER, account_id=1, instrument_id=1, side=Side.BUY, price_ticks=1, qty_lots=1
    )
    terms = terms._replace(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, ts_ns=engine.last_ts_ns)
    orders = [terms._replace(seq=engine.last_seq + i, client_id=b"resting-%d" % i) for i in range(1, count + 1)]
    return np.frombuffer(b"".join(map(encode, orders)), command_dtype)


def test_an_account_that_changes_between_slices_is_checked_all_the_same(engine: Engine) -> None:
    balances = engine._memory["balances"]
    (wrong,) = np.flatnonzero(balances["locked"] == balances["locked"].max())[:1]
    balances["locked"][wrong] += 1
    found = []
    while not found:
        engine._memory["accounts"]["event_count"] += 1  # As if each had traded since the last slice.
        found = [
            one for result in [engine.audit_slice(2)] if result for one in result.mismatches if one.what == "locked"
        ]
    assert [(one.asset_id, one.found - one.expected) for one in found] == [(balances["asset_id"][wrong], 1)]


def test_a_pass_counts_everything(engine: Engine) -> None:
    result = finish(engine)
    assert result.accounts == engine.account_count()
    assert result.holdings == {total.asset_id: total.holdings for total in engine.totals()}


@pytest.mark.parametrize(("column", "what"), [("free", "sum of balances"), ("locked", "locked")])
def test_a_changed_balance_is_found(engine: Engine, column: str, what: str) -> None:
    engine._memory["balances"][2][column] += 1
    found = finish(engine).mismatches
    assert what in [mismatch.what for mismatch in found]
    assert all(mismatch.found == mismatch.expected + 1 for mismatch in found if mismatch.what == what)
    with pytest.raises(AssertionError):
        engine.check_invariants()


def test_a_changed_total_is_found(engine: Engine) -> None:
    engine._memory["assets"][1]["deposited"] += 1
    assert [(one.what, one.asset_id) for one in finish(engine).mismatches] == [("deposited - withdrawn", 1)]


def test_auditing_changes_no_state(engine: Engine) -> None:
    before = engine.state_hash()
    engine.audit_slice(3)
    assert engine.state_hash() == before
    finish(engine)
    assert engine.state_hash() == before
    assert not np.any(engine._memory["audit_needed"])
