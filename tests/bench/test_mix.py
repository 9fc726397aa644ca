"""The stream that the engine and exchange-core are given is what it says, and the engine makes of it what it says."""

import numpy as np
import pytest

from bench.exchange_core import book_text
from bench.mix import CANCEL, IOC, MOVE, NEW, REDUCE, SHARES, make_mix
from bench.mix_commands import Prepared, Size, prepare
from bench.mix_run import open_venue, run
from holdfast.codes import CommandKind
from holdfast.engine.engine import Engine

RESTING = 200
COMMANDS = 20_000
SEED = 7
SIZES = [Size(1, 50, RESTING, COMMANDS), Size(3, 60, 3 * RESTING, 3 * COMMANDS)]


def applied(size: Size) -> tuple[Engine, Prepared]:
    prepared = prepare(size, SEED)
    engine = open_venue(size)
    assert run(engine, prepared.records[: prepared.building]).refused == 0
    result = run(engine, prepared.measured)
    assert result.refused == 0
    assert result.totals == prepared.totals
    return engine, prepared


def test_commands_have_the_shares_of_exchange_cores_test() -> None:
    mix = make_mix(RESTING, COMMANDS, SEED)
    kinds = mix.steps["kind"]
    assert (kinds[: mix.building] == NEW).all()
    for kind, share in SHARES.items():
        found = np.count_nonzero(kinds[mix.building :] == kind) / COMMANDS
        assert found == pytest.approx(share / 1_000, abs=0.01)
    assert sum(SHARES.values()) == 1_000


def test_the_book_keeps_its_size() -> None:
    steps = make_mix(RESTING, COMMANDS, SEED)
    open_orders = sum(len(side) for side in (steps.bids, steps.asks))
    assert RESTING / 2 < open_orders < 2 * RESTING  # Levels, of one order or a few.


def test_no_step_is_about_an_order_that_is_gone_and_reduces_leave_a_lot() -> None:
    steps = make_mix(RESTING, COMMANDS, SEED).steps
    about_an_order = np.isin(steps["kind"], (CANCEL, MOVE, REDUCE))
    assert (steps["made_by"][about_an_order] >= 0).all()
    assert (steps["made_by"][~about_an_order] == -1).all()
    reduces = steps[steps["kind"] == REDUCE]
    assert (reduces["lots"] > 0).all()
    assert (reduces["leaves_lots"] > 0).all()
    assert np.isin(steps["kind"], (NEW, IOC, CANCEL, MOVE, REDUCE)).all()


def test_a_seed_makes_one_stream() -> None:
    first, second = (make_mix(RESTING, COMMANDS, SEED) for _ in range(2))
    assert (first.steps == second.steps).all()
    assert first[1:] == second[1:]
    assert not (make_mix(RESTING, COMMANDS, SEED + 1).steps == first.steps).all()


@pytest.mark.parametrize("size", SIZES, ids=["one instrument", "three instruments"])
def test_the_engine_trades_as_the_stream_says_and_the_same_every_time(size: Size) -> None:
    engine, prepared = applied(size)
    for i, mix in enumerate(prepared.mixes):
        bids, asks, _ = engine.book(1 + i, len(mix.steps))
        assert book_text(bids, asks) == book_text(mix.bids, mix.asks)
    again, _ = applied(size)
    assert again.events_hash == engine.events_hash
    assert again.state_hash() == engine.state_hash()


def test_moves_and_reduces_are_one_replacement_each() -> None:
    prepared = prepare(SIZES[0], SEED)
    kinds = prepared.mixes[0].steps["kind"]
    assert ((prepared.records["kind"] == CommandKind.REPLACE_ORDER) == np.isin(kinds, (MOVE, REDUCE))).all()
    assert ((prepared.records["kind"] == CommandKind.CANCEL_ORDER) == (kinds == CANCEL)).all()
