"""The hashes from keys to rows: what was entered is found, however the table was made longer."""

import random

import numpy as np
import pytest

from holdfast.engine.jit import entry
from holdfast.engine.slots import FREE, home, insert, next_place, remove, spread

ENTRIES = 16


@entry
def enter(slots, tag, row):
    insert(slots, tag, row)


@entry
def lengthen(slots, entries_before):
    spread(slots, entries_before)


@entry
def delete(slots, tag, row):
    remove(slots, tag, row)


@entry
def find(slots, entry_wanted):
    """Where a walk from its home meets an entry, or -1."""
    place = home(slots, entry_wanted >> 32)
    while slots[place] != FREE:
        if slots[place] == entry_wanted:
            return place
        place = next_place(slots, place)
    return -1


@pytest.mark.parametrize("growth", [2, 4])
def test_every_entry_of_a_table_that_became_longer_is_found_and_none_twice(growth):
    for seed in range(200):
        chance = random.Random(seed)
        crowded = [0, 1, ENTRIES - 2, ENTRIES - 1]  # So that runs go past the end and begin anew.
        tags = [chance.randrange(2**20) * ENTRIES + chance.choice(crowded) for _ in range(chance.randrange(9))]
        slots = np.zeros(growth * ENTRIES, np.int64)
        for row, tag in enumerate(tags, start=1):
            enter(slots[:ENTRIES], tag, row)
        entered = sorted(tag << 32 | row for row, tag in enumerate(tags, start=1))
        lengthen(slots, ENTRIES)
        assert sorted(slots[slots != FREE].tolist()) == entered
        assert all(find(slots, one) >= 0 for one in entered)


def test_what_is_left_is_found_after_every_removal():
    for seed in range(100):
        chance = random.Random(seed)
        crowded = [0, 1, 2, ENTRIES - 2, ENTRIES - 1]
        tags = [chance.randrange(2**20) * ENTRIES + chance.choice(crowded) for _ in range(ENTRIES // 2)]
        slots = np.zeros(ENTRIES, np.int64)
        for row, tag in enumerate(tags, start=1):
            enter(slots, tag, row)
        left = list(enumerate(tags, start=1))
        chance.shuffle(left)
        while left:
            row, tag = left.pop()
            delete(slots, tag, row)
            assert sorted(slots[slots != FREE].tolist()) == sorted(tag << 32 | row for row, tag in left)
            assert all(find(slots, tag << 32 | row) >= 0 for row, tag in left)
