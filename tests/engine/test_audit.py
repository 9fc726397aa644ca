"""The running audit finds what does not add up, and finds nothing while commands go on beside it."""

import numpy as np
import pytest

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
    assert not np.any(engine._memory["balances"]["needed"])
