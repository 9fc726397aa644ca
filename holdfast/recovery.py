"""Recovery: the newest usable snapshot, then every committed command after it.

    snapshots ──newest usable──▶ engine, directory, market data, line ──rest of the journal──▶ the state at its end

The same code starts a venue, writes a snapshot (in a process of its own, so that each snapshot is a verification),
checks a data directory, and rebuilds an engine after a poison command. A snapshot that is damaged or of other rules
is passed over for an older one; without any, everything is replayed from the first command. What was decided by other
rules than this code's is never replayed: it would come out as another history.

A reader with a cursor of its own (the history) must see each event after its cursor once; so a snapshot is usable
only up to the slowest cursor.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from holdfast.directory.directory import Directory
from holdfast.engine.engine import Engine
from holdfast.events import Events
from holdfast.gateway.line.numbers import SessionNumbers
from holdfast.journal import snapshots
from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.interface import Committed, JournalError, JournalGoneError
from holdfast.journal.reader import committed_seq, read_committed
from holdfast.journal.segments import list_segments, read_header
from holdfast.market_data.market_data import MarketData
from holdfast.market_data.replay import Replay
from holdfast.replica import ControlGroups, apply_with_poison

Progress = Callable[[int], None]  # The seq reached.


class CursorReader(Protocol):
    """Somebody who keeps what it made of the events, and knows up to where."""

    @property
    def cursor_seq(self) -> int: ...

    def on_replayed(self, first_seq: int, last_seq: int, commands: np.ndarray, events: Events) -> None: ...

    def begin_after(self, seq: int) -> None: ...


class State:
    """Everything that is a function of the journal, as it goes through it."""

    def __init__(self) -> None:
        self.seq = 0
        self.chain_hash = b""
        self.engine = Engine()
        self.directory = Directory()
        self.line_numbers = SessionNumbers()
        self._take_market_data(MarketData())
        self._groups = ControlGroups(self.directory)

    def _take_market_data(self, market_data: MarketData) -> None:
        self._market_data = market_data
        self._replay = Replay(market_data)

    @property
    def market_data(self) -> MarketData:
        """As it is after all that was shown."""
        self._replay.finish()
        return self._market_data

    @classmethod
    def of_snapshot(cls, snapshot: snapshots.Snapshot) -> "State":
        """The state that a snapshot holds."""
        state = cls()
        state.seq = snapshot.seq
        state.chain_hash = snapshot.chain_hash
        state.engine = Engine.from_arrays(snapshot.arrays)
        state.directory.load(snapshot.documents["directory"])
        state._take_market_data(MarketData.load(snapshot.documents["market_data"]))
        if "line" in snapshot.documents:  # Before there was a line there was nothing to say.
            state.line_numbers.load(snapshot.documents["line"])
        return state

    def write_snapshot(self, directory: Path) -> Path:
        """Write what is here as a snapshot of the data directory."""
        return snapshots.write(
            directory / "snapshots",
            self.seq,
            self.chain_hash,
            Engine.RULES_VERSION,
            self.engine.arrays(),
            {
                "directory": self.directory.dump(),
                "market_data": self.market_data.dump(),
                "line": self.line_numbers.dump(),
            },
        )

    def apply(self, records: np.ndarray, chain_hash: bytes, rebuild: "Rebuild") -> Events:
        """Go on by some committed commands; returns their events."""
        events = self.run(records, rebuild)
        self.show(records, events, chain_hash)
        return events

    def run(self, records: np.ndarray, rebuild: "Rebuild") -> Events:
        """The first half of `apply`, which changes the engine alone."""
        try:
            return self.engine.apply(records)
        except AssertionError:
            self.engine, events = apply_with_poison(self.engine, records, rebuild)
            return events

    def show(self, records: np.ndarray, events: Events, chain_hash: bytes) -> None:
        """The second half of `apply`, which leaves the engine alone."""
        self._groups.feed(records, events.controls)
        self.line_numbers.feed(records)
        self._replay.feed(events)
        self.seq = int(records[-1]["seq"])
        self.chain_hash = chain_hash


Rebuild = Callable[[int, frozenset[int]], Engine]
_NEWEST = 2**62
AHEAD_MAX = 4  # Pieces that the engine may be ahead of everybody else, who take a while now and then.


class Journaled(NamedTuple):
    """Where a data directory's journal and snapshots lie."""

    directory: Path

    @property
    def journal(self) -> Path:
        return self.directory / "journal"

    @property
    def snapshots(self) -> Path:
        return self.directory / "snapshots"

    def rebuild(self, upto_seq: int, skip_seqs: frozenset[int]) -> Engine:
        """The engine as it was right after `upto_seq`; for `apply_with_poison`."""
        state = self.base(upto_seq)
        if state.seq < upto_seq:
            state.engine.expect(upto_seq - state.seq)
            pieces = read_committed(self.journal, state.seq + 1, after_hash=state.chain_hash, upto_seq=upto_seq)
            for piece in pieces:
                records = piece.records[piece.records["seq"] <= upto_seq]
                state.engine.apply(records, skip_seqs)
        return state.engine

    def begins_at_first(self) -> bool:
        """Whether the journal still has its first command (or has none at all)."""
        segments = list_segments(self.journal, REAL_DISK)
        return not segments or segments[0].first_seq == 1

    def require_known_rules(self, from_seq: int) -> None:
        """Raises JournalError when other rules than this code's may have decided commands from `from_seq` on."""
        segments = list_segments(self.journal, REAL_DISK)
        ends = [segment.first_seq for segment in segments[1:]] + [_NEWEST]
        for segment in (each for each, end_seq in zip(segments, ends, strict=True) if end_seq > from_seq):
            rules_version = read_header(segment, REAL_DISK).rules_version
            if rules_version != Engine.RULES_VERSION:
                raise JournalError(
                    f"{segment.path} was written under the trading rules {rules_version}, and this version of Holdfast"
                    f" has the rules {Engine.RULES_VERSION}. Use a version that has those, or restore a backup."
                )

    def oldest(self) -> State:
        """The oldest usable snapshot. Raises JournalError when there is none."""
        found = [f for f in snapshots.available(self.snapshots) if f.is_valid]
        usable = [f for f in found if f.rules_version == Engine.RULES_VERSION]
        if not usable:
            raise JournalError(f"The journal in {self.directory} begins late, and no snapshot says what was before.")
        return State.of_snapshot(snapshots.load(usable[-1].path))

    def base(self, seq_max: int) -> State:
        """The newest usable snapshot at or before `seq_max`, or the state before the first command."""
        for found in snapshots.available(self.snapshots):
            if found.is_valid and found.seq <= seq_max and found.rules_version == Engine.RULES_VERSION:
                try:
                    return State.of_snapshot(snapshots.load(found.path))
                except JournalError:
                    continue  # It was damaged since it was listed; an older one will do.
        return State()


def recover(directory: Path, reader: CursorReader | None, progress: Progress) -> State:
    """The state at the end of the journal, with `reader` brought along.

    A reader that has nothing yet begins where the journal begins; when the journal's beginning is gone by retention,
    that is the oldest snapshot. Raises JournalError, with a sentence for people, when the journal is damaged or does
    not reach back far enough.
    """
    files = Journaled(directory)
    state = files.base(reader.cursor_seq if reader else _NEWEST)
    if state.seq == 0 and not files.begins_at_first():
        state = files.oldest()
        if reader is not None and reader.cursor_seq == 0:
            reader.begin_after(state.seq)
        elif reader is not None and reader.cursor_seq < state.seq:
            raise JournalGoneError(
                f"The account history ends at command {reader.cursor_seq}, and of what comes after it the journal"
                f" has nothing before {state.seq + 1}: delete history.sqlite, it is written anew as far as that goes."
            )
    files.require_known_rules(state.seq + 1)
    for piece, events in _run_ahead(files, state):
        state.show(piece.records, events, piece.chain_hash)
        if reader is not None:
            reader.on_replayed(piece.first_seq, state.seq, piece.records, events)
        progress(state.seq)
    return state


def _run_ahead(files: Journaled, state: State) -> Iterator[tuple[Committed, Events]]:
    """Each piece of the rest of the journal with its events. The engine, which runs without Python's lock, is already
    some pieces further, in a thread of its own, while the caller shows this one to everybody else."""
    state.engine.expect(committed_seq(files.journal) - state.seq)
    running: deque[tuple[Committed, Future[Events]]] = deque()
    thread = ThreadPoolExecutor(1, "recovery")
    try:
        for piece in read_committed(files.journal, state.seq + 1, after_hash=state.chain_hash):
            running.append((piece, thread.submit(state.run, piece.records, files.rebuild)))
            state.engine.touch_ahead()
            if len(running) > AHEAD_MAX:
                done, events = running.popleft()
                yield done, events.result()
        while running:
            done, events = running.popleft()
            yield done, events.result()
    finally:
        thread.shutdown(cancel_futures=True)
