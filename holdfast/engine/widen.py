"""Widen: longer hashes for pools whose hash has no room for another command.

journal → replica → engine (WIDEN between two calls of the kernel) → events

An entry's tag says alone where it belongs, so no row is read and nothing is hashed anew: each entry goes to one of a
few places, and entries that were neighbours go to neighbouring ones. Between kernel calls, like all growing.
"""

from holdfast.engine.apply import ROWS_SPARE
from holdfast.engine.handle import Memory
from holdfast.engine.jit import entry
from holdfast.engine.pools import POOLS, Pool
from holdfast.engine.slots import ENTRIES_PER_ROW, spread

SLOTS_GROWTH = 4  # Moving all entries costs more than the room.
LARGE_ENTRIES = 2**20  # From here on a hash only doubles: fresh memory costs more than entering all of them anew.
HASHED = [pool for pool in POOLS if pool.slots]


def widen_full(memory: Memory) -> None:
    """Widen the hashes that stand in the way of one more command."""
    for pool in HASHED:
        if len(memory[pool.slots]) // ENTRIES_PER_ROW - pool.count(memory) < ROWS_SPARE:
            widen(memory, pool)


def widen(memory: Memory, pool: Pool) -> None:
    """Make a pool's hash longer."""
    before = len(memory[pool.slots])
    memory.grow(pool.slots, longer(before))
    _spread(memory[pool.slots], before)


def longer(entries: int) -> int:
    """What a hash of so many entries is widened to."""
    return (2 if entries >= LARGE_ENTRIES else SLOTS_GROWTH) * entries


@entry
def _spread(slots, rows_before):
    spread(slots, rows_before)
