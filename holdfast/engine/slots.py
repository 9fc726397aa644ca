"""Hashes from keys to rows: open addressing, one integer per entry.

An entry is `tag << 32 | row`; 0 is a free one. The tag, 31 bits of the key's hash, says alone where an entry belongs,
so deleting never looks at the rows, and almost no lookup compares a row in vain. Whoever looks up walks from `home` to
the first free entry and compares the rows whose tag fits:

    place = home(slots, tag)
    while slots[place] != FREE:
        if tag_of(slots[place]) == tag and is_it(rows[row_of(slots[place])]):
            ...
        place = next_place(slots, place)

Deleting moves the entries behind the hole forward. Sizes are powers of two, at most half of the entries are in use. The
tables are derived from the rows: they are rebuilt from them after loading.
Products here stay below 2^63, so that pure Python computes the same without a warning.
"""

import numpy as np

from holdfast.engine.jit import hot

FREE = 0
ENTRIES_PER_ROW = 2

_LOW_32_BITS = 0xFFFFFFFF
_TAG_MASK = 0x7FFFFFFF
_ODD_A = 0x7FEB352D  # Both below 2^31: times 32 bits they stay below 2^63.
_ODD_B = 0x5851F42D
_KEY_0 = 0x6C8E9CF5
_KEY_1 = 0x4F1BBCDD
_KEY_2 = 0x72BE5D75
_KEY_3 = 0x632BE5AB


@hot
def mix(hash_value, word):
    """The hash (32 bits) after one more word of the key (64 bits)."""
    low = (hash_value ^ word & _LOW_32_BITS) * _ODD_A
    low = (low ^ low >> 29) & _LOW_32_BITS
    high = (low ^ word >> 32 & _LOW_32_BITS) * _ODD_B
    return (high ^ high >> 31) & _LOW_32_BITS


@hot
def tag_of_pair(seed, a, b):
    """The tag of a key of two small numbers."""
    return mix(seed, np.int64(a) << 32 | np.int64(b)) & _TAG_MASK


@hot
def tag_of_text(seed, number, word_0, word_1, word_2, word_3, word_4):
    """The tag of a key of 36 bytes, ASCII, and a number of 32 bits.

    Each word under a key of its own: nothing waits for the word before. ASCII leaves the 32nd bit of a half free.
    """
    value = fold(word_0, seed * _KEY_0) ^ fold(word_1, seed * _KEY_1)
    value = value ^ fold(word_2, seed * _KEY_2) ^ fold(word_3, seed * _KEY_3)
    return mix(value & _LOW_32_BITS, np.int64(number) << 32 | np.int64(word_4) & _LOW_32_BITS) & _TAG_MASK


@hot
def fold(word, key):
    """The halves of a word, each under a part of the key, multiplied."""
    product = ((word ^ key) & _TAG_MASK) * ((word >> 32 ^ key >> 31) & _TAG_MASK)
    return product ^ product >> 31


@hot
def home(slots, tag):
    return tag & (len(slots) - 1)


@hot
def next_place(slots, place):
    return (place + 1) & (len(slots) - 1)


@hot
def tag_of(slot):
    return slot >> 32


@hot
def row_of(slot):
    return slot & _LOW_32_BITS


@hot
def insert(slots, tag, row):
    """Enter a key that is not there."""
    place = home(slots, tag)
    while slots[place] != FREE:
        place = next_place(slots, place)
    slots[place] = tag << 32 | row


@hot
def spread(slots, rows_before):
    """Move every entry to where it belongs, after a table of `rows_before` entries was made longer.

    In place, beginning behind a free entry: none is moved to behind one of its old part that is still to be moved.
    """
    place = 0
    while slots[place] != FREE:
        place += 1
    for _ in range(rows_before):
        place = (place + 1) & (rows_before - 1)
        slot = slots[place]
        if slot != FREE:
            slots[place] = FREE
            insert(slots, tag_of(slot), row_of(slot))


@hot
def remove(slots, tag, row):
    """Delete the entry of a key that is there, and close the gap."""
    hole = home(slots, tag)
    while slots[hole] != tag << 32 | row:
        assert slots[hole] != FREE
        hole = next_place(slots, hole)
    place = next_place(slots, hole)
    mask = len(slots) - 1
    while slots[place] != FREE:
        # An entry may go back to the hole unless it belongs behind it.
        if (place - home(slots, tag_of(slots[place]))) & mask >= (place - hole) & mask:
            slots[hole] = slots[place]
            hole = place
        place = next_place(slots, place)
    slots[hole] = FREE
