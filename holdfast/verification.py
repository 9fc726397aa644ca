"""`holdfast verify`: read everything again, apply everything again, and check that it is what was said.

Checked: the checksums and the hash chain of every segment; that the engine applies every command; that each snapshot
holds the very state that replaying leads to; that per asset holdings + fees = deposits - withdrawals, and funds held
are what the open orders need.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from holdfast import views
from holdfast.engine.engine import Engine
from holdfast.journal import snapshots
from holdfast.journal.reader import read_committed
from holdfast.recovery import Journaled, State

Progress = Callable[[int], None]  # The seq reached.


class AssetLine(NamedTuple):
    """One asset's totals as text with its own decimals."""

    code: str
    deposited: str
    withdrawn: str
    holdings: str
    in_transit: str
    fees: str


class Report(NamedTuple):
    """What was found. `problems` is empty when all is well."""

    first_seq: int
    last_seq: int
    chain_hash: str
    state_hash: str
    snapshots_checked: int
    skipped: list[tuple[int, int]]  # (seq, instrument) of poison commands
    assets: list[AssetLine]
    problems: list[str]


def verify(directory: Path, progress: Progress) -> Report:
    """Check a data directory that no venue need be running on; a running one is checked up to its watermark.

    Raises JournalError, with a sentence for people, when the journal cannot be read to its end.
    """
    files = Journaled(directory)
    found = snapshots.available(files.snapshots)
    problems = [f"{snapshot.path}: {snapshot.problem}" for snapshot in found if not snapshot.is_valid]
    expected = {snapshot.seq: snapshot for snapshot in found if snapshot.is_valid}
    state = State() if files.begins_at_first() else files.oldest()
    first_seq, snapshots_checked = state.seq + 1, 0
    files.require_known_rules(first_seq)
    for seq_end in [*sorted(seq for seq in expected if seq > state.seq), None]:
        _replay(files, state, seq_end, progress)
        if seq_end is not None:
            snapshots_checked += 1
            problems += _differences(State.of_snapshot(snapshots.load(expected[seq_end].path)), state)
    try:
        state.engine.check_invariants()
    except AssertionError as failure:
        problems.append(f"an invariant does not hold at seq {state.seq}: {failure}")
    problems += _imbalances(state.engine)
    return Report(
        first_seq,
        state.seq,
        state.chain_hash.hex(),
        state.engine.state_hash(),
        snapshots_checked,
        list(state.engine.skipped),
        [_line(state.engine, totals) for totals in state.engine.totals()],
        problems,
    )


def _replay(files: Journaled, state: State, seq_end: int | None, progress: Progress) -> None:
    """Bring `state` to `seq_end`, which is the end of a batch, or to the end of the journal."""
    for piece in read_committed(files.journal, state.seq + 1, after_hash=state.chain_hash, upto_seq=seq_end):
        state.apply(piece.records, piece.chain_hash, files.rebuild)
        progress(state.seq)


def _differences(snapshot: State, replayed: State) -> list[str]:
    at = f"the snapshot at seq {snapshot.seq} does not hold the state that replaying leads to"
    checks = [
        ("chain hash", snapshot.chain_hash == replayed.chain_hash),
        ("engine", snapshot.engine.state_hash() == replayed.engine.state_hash()),
        ("directory", snapshot.directory.dump() == replayed.directory.dump()),
        ("market data", snapshot.market_data.dump() == replayed.market_data.dump()),
        ("line", snapshot.line_numbers.dump() == replayed.line_numbers.dump()),
    ]
    return [f"{at}: {part}" for part, is_equal in checks if not is_equal]


def _imbalances(engine: Engine) -> list[str]:
    return [
        f"asset {totals.asset_id}: deposited {totals.deposited} - withdrawn {totals.withdrawn}"
        f" is not holdings {totals.holdings} + fees {totals.fees}"
        for totals in engine.totals()
        if totals.deposited - totals.withdrawn != totals.holdings + totals.fees
    ]


def _line(engine: Engine, totals: views.AssetTotals) -> AssetLine:
    asset = engine.reference().assets[totals.asset_id]
    amounts = (totals.deposited, totals.withdrawn, totals.holdings, totals.in_transit, totals.fees)
    return AssetLine(asset.code, *map(asset.format, amounts))
