"""The price ladder: from a price key to its level, and from a level to the next one.

A key is a number of 30 bits and leads to its level in three steps, each through a row of numbers that are NIL where
there is nothing:

    bits 24..29   `side_tops`, 64 for each side          -> directory page
    bits 12..23   `page_slots` of the directory page     -> leaf page
    bits  0..11   `page_slots` of the leaf page          -> level

Both kinds of pages come from one pool and look alike: 4,096 slots, 64 words with a bit for each slot in use, and one
word with a bit for each of those words that is not 0. So the next key in use is found by counting trailing zeros a few
times, however far away it is.

Invariants: a bit is set exactly where its slot is not NIL; a page in use has a slot in use; a free page is all zero but
for its link, and page 0 is all zero, which is why looking up a key needs no branch.
"""

import numpy as np

from holdfast.config import PAGE_TICKS, PRICE_TICKS_MAX
from holdfast.engine.jit import hot, row_type, trailing_zeros

NIL = 0  # Row 0 of every pool is reserved and stays all zero, so a zeroed link means "none".

SLOT_BITS = 12
TOP_BITS = 2 * SLOT_BITS
KEY_MAX = 2**30 - 1
WORD_SHIFT = 6
WORD_BITS = 1 << WORD_SHIFT
WORDS_PER_PAGE = PAGE_TICKS >> WORD_SHIFT
TOPS_PER_SIDE = (KEY_MAX >> TOP_BITS) + 1
PAGES_PER_LEVEL = 2  # A new level needs at most a directory page and a leaf page.
NO_SLOT = PAGE_TICKS

assert PAGE_TICKS == 1 << SLOT_BITS
assert WORDS_PER_PAGE == WORD_BITS
assert TOPS_PER_SIDE == WORD_BITS
assert PRICE_TICKS_MAX <= KEY_MAX

page_dtype = np.dtype(
    [
        ("words_used", np.int64),  # A bit for each of the page's words that is not 0.
        ("next_free", row_type),  # Of a free page: the next free one, or NIL.
        ("unused", row_type),
    ]
)


@hot
def find_level(book, side_row, key):
    """The level at a key, or NIL."""
    return np.int64(book.page_slots[leaf_page(book, side_row, key) * PAGE_TICKS + (key & (PAGE_TICKS - 1))])


@hot
def put_level(book, side_row, key, level):
    """Enter a level under a key that has none; takes the pages that are missing."""
    directory = directory_page(book, side_row, key)
    if directory == NIL:
        directory = take_page(book)
        book.side_tops[side_row * TOPS_PER_SIDE + top_of(key)] = directory
        book.sides[side_row]["tops_used"] |= np.int64(1) << top_of(key)
    page_slot = (key >> SLOT_BITS) & (PAGE_TICKS - 1)
    page = np.int64(book.page_slots[directory * PAGE_TICKS + page_slot])
    if page == NIL:
        page = take_page(book)
        set_slot(book, directory, page_slot, page)
    set_slot(book, page, key & (PAGE_TICKS - 1), level)


@hot
def drop_level(book, side_row, key):
    """Forget the level under a key; frees the pages that become empty."""
    page = leaf_page(book, side_row, key)
    if clear_slot(book, page, key & (PAGE_TICKS - 1)):
        free_page(book, page)
        directory = directory_page(book, side_row, key)
        if clear_slot(book, directory, (key >> SLOT_BITS) & (PAGE_TICKS - 1)):
            free_page(book, directory)
            book.side_tops[side_row * TOPS_PER_SIDE + top_of(key)] = NIL
            book.sides[side_row]["tops_used"] &= ~(np.int64(1) << top_of(key))


@hot
def level_after(book, side_row, key):
    """The level at the lowest key in use above `key`, which is itself in use; or NIL."""
    page = leaf_page(book, side_row, key)
    slot = next_slot(book, page, key & (PAGE_TICKS - 1))
    if slot == NO_SLOT:
        page = leaf_page_after(book, side_row, key)
        if page == NIL:
            return NIL
        slot = first_slot(book, page)
    return np.int64(book.page_slots[page * PAGE_TICKS + slot])


@hot
def leaf_page_after(book, side_row, key):
    """The leaf page with the lowest keys among those after the page of `key`, or NIL."""
    directory = directory_page(book, side_row, key)
    slot = next_slot(book, directory, (key >> SLOT_BITS) & (PAGE_TICKS - 1))
    if slot == NO_SLOT:
        tops = book.sides[side_row]["tops_used"] & bits_above(top_of(key))
        if tops == 0:
            return np.int64(NIL)
        directory = np.int64(book.side_tops[side_row * TOPS_PER_SIDE + trailing_zeros(tops)])
        slot = first_slot(book, directory)
    return np.int64(book.page_slots[directory * PAGE_TICKS + slot])


@hot
def missing_pages(book, side_row, key):
    """How many pages `put_level` would take for a key: 0, 1 or 2."""
    if directory_page(book, side_row, key) == NIL:
        return 2
    return 1 if leaf_page(book, side_row, key) == NIL else 0


@hot
def directory_page(book, side_row, key):
    return np.int64(book.side_tops[side_row * TOPS_PER_SIDE + top_of(key)])


@hot
def leaf_page(book, side_row, key):
    slot = (key >> SLOT_BITS) & (PAGE_TICKS - 1)
    return np.int64(book.page_slots[directory_page(book, side_row, key) * PAGE_TICKS + slot])


@hot
def top_of(key):
    return (key >> TOP_BITS) & (TOPS_PER_SIDE - 1)  # The mask changes nothing but what the compiler knows.


@hot
def take_page(book):
    head = book.book_head[0]
    page = np.int64(head["page_free"])
    if page != NIL:
        head["page_free"] = book.pages[page]["next_free"]
        book.pages[page]["next_free"] = NIL
    else:
        head["page_rows"] += 1
        page = np.int64(head["page_rows"])
    head["page_count"] += 1
    assert page < len(book.pages)
    return page


@hot
def free_page(book, page):
    head = book.book_head[0]
    book.pages[page]["next_free"] = head["page_free"]
    head["page_free"] = page
    head["page_count"] -= 1


@hot
def set_slot(book, page, slot, row):
    word = slot >> WORD_SHIFT
    book.page_slots[page * PAGE_TICKS + slot] = row
    book.page_words[page * WORDS_PER_PAGE + word] |= np.int64(1) << (slot & (WORD_BITS - 1))
    book.pages[page]["words_used"] |= np.int64(1) << word


@hot
def clear_slot(book, page, slot):
    """Returns whether the page is empty now."""
    word = slot >> WORD_SHIFT
    book.page_slots[page * PAGE_TICKS + slot] = NIL
    rest = book.page_words[page * WORDS_PER_PAGE + word] & ~(np.int64(1) << (slot & (WORD_BITS - 1)))
    book.page_words[page * WORDS_PER_PAGE + word] = rest
    words = book.pages[page]["words_used"] & ~(np.int64(rest == 0) << word)
    book.pages[page]["words_used"] = words
    return words == 0


@hot
def first_slot(book, page):
    """The lowest slot in use of a page that has one."""
    word = trailing_zeros(book.pages[page]["words_used"])
    return (word << WORD_SHIFT) + trailing_zeros(book.page_words[page * WORDS_PER_PAGE + word])


@hot
def next_slot(book, page, slot):
    """The lowest slot in use above `slot`, or NO_SLOT."""
    word = slot >> WORD_SHIFT
    bits = book.page_words[page * WORDS_PER_PAGE + word] & bits_above(slot & (WORD_BITS - 1))
    if bits != 0:
        return (word << WORD_SHIFT) + trailing_zeros(bits)
    words = book.pages[page]["words_used"] & bits_above(word)
    if words == 0:
        return NO_SLOT
    word = trailing_zeros(words)
    return (word << WORD_SHIFT) + trailing_zeros(book.page_words[page * WORDS_PER_PAGE + word])


@hot
def bits_above(bit):
    """A word with every bit set that is higher than `bit`, 0..63."""
    return np.int64(-2) << bit
