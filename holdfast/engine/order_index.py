"""Find an open order's row by its order id: an open-addressing hash of open orders only.

An entry is 8 bytes, so that a cache line holds eight: the row and the low 31 bits of the id. Those bits alone say
where an entry belongs, so deleting never has to look at the orders. At most a quarter of the entries are in use,
collisions go to the next entry, and deleting moves the entries behind the hole forward instead of leaving marks: what
was deleted costs nothing later.

Invariant: from the entry where an id belongs to the entry where it is, no entry is free.
"""

import numpy as np

from holdfast.engine.jit import hot, row_type
from holdfast.engine.ladder import NIL

entry_dtype = np.dtype(
    [
        ("tag", row_type),  # The low 31 bits of the order id.
        ("row", row_type),  # NIL: a free entry.
    ]
)

ENTRIES_PER_ORDER = 4
TAG_MASK = 2**31 - 1
_SPREAD = 0x9E3779B1  # 2^32 divided by the golden ratio: neighbouring ids land far apart. tag x this is below 2^63.
_SPREAD_SHIFT = 20


@hot
def find_order(book, order_id):
    """The row of an open order, or NIL."""
    mask = (len(book.order_index) - 1) & TAG_MASK  # So that the compiler knows that no place is negative.
    tag = order_id & TAG_MASK
    place = home(tag, mask)
    while True:
        row = np.int64(book.order_index[place]["row"])
        if row == NIL:
            return row
        if book.order_index[place]["tag"] == tag and book.orders[row]["order_id"] == order_id:
            return row
        place = (place + 1) & mask


@hot
def index_place(book, order_id):
    """Where looking for an id begins."""
    return home(order_id & TAG_MASK, (len(book.order_index) - 1) & TAG_MASK)


@hot
def likely_row(book, order_id):
    """The row that an id probably has: that of the first entry where it belongs, or else of the second."""
    mask = (len(book.order_index) - 1) & TAG_MASK
    tag = order_id & TAG_MASK
    place = home(tag, mask)
    place = place if book.order_index[place]["tag"] == tag else (place + 1) & mask
    return np.int64(book.order_index[place]["row"])


@hot
def index_order(book, order_id, row):
    """Enter an id that is not there."""
    enter_tag(book, order_id & TAG_MASK, row)


@hot
def enter_tag(book, tag, row):
    mask = (len(book.order_index) - 1) & TAG_MASK
    place = home(tag, mask)
    while book.order_index[place]["row"] != NIL:
        place = (place + 1) & mask
    book.order_index[place]["tag"] = tag
    book.order_index[place]["row"] = row


@hot
def spread_index(book, entries_before):
    """Move every entry to where it belongs, after an index of so many entries was made longer.

    As `slots.spread`, in place; the tag alone says where.
    """
    place = 0
    while book.order_index[place]["row"] != NIL:
        place += 1
    for _ in range(entries_before):
        place = (place + 1) & (entries_before - 1)
        row = np.int64(book.order_index[place]["row"])
        if row != NIL:
            tag = np.int64(book.order_index[place]["tag"])
            book.order_index[place]["row"] = NIL
            book.order_index[place]["tag"] = 0
            enter_tag(book, tag, row)


@hot
def forget_order(book, order_id, row):
    """Delete the entry of an id that is there with this row, and close the gap."""
    mask = (len(book.order_index) - 1) & TAG_MASK
    hole = home(order_id & TAG_MASK, mask)
    while book.order_index[hole]["row"] != row:
        assert book.order_index[hole]["row"] != NIL
        hole = (hole + 1) & mask
    place = (hole + 1) & mask
    while book.order_index[place]["row"] != NIL:
        tag = np.int64(book.order_index[place]["tag"])
        # An entry may go back to the hole unless it belongs behind it.
        if (place - home(tag, mask)) & mask >= (place - hole) & mask:
            book.order_index[hole]["tag"] = tag
            book.order_index[hole]["row"] = book.order_index[place]["row"]
            hole = place
        place = (place + 1) & mask
    book.order_index[hole]["tag"] = 0
    book.order_index[hole]["row"] = NIL


@hot
def home(tag, mask):
    """Where an id with this tag belongs."""
    return ((tag * _SPREAD) >> _SPREAD_SHIFT) & mask
