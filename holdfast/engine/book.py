"""The books of all instruments: who waits at which price, in which order.

commands → engine (risk → BOOK ← match → settle) → events

One set of pools serves every instrument; rows are small numbers and row 0 of each pool is NIL. A side of an instrument
(`side_row`) has a ladder of price levels (`ladder.py`), a level has its orders oldest first, an order row is an open
order, and `index` finds it by its id. The engine keeps what else it knows of an order under the same row number.

Prices are kept as keys: the price itself for sells, its mirror image for buys, so that on both sides the lowest key is
the best price and nothing is written twice. `price_key(side_row, price_ticks)` and `key_price` are each other's inverse.

Every function takes the book (`BOOK.views(handle)` in a kernel, `memory.views` in Python) first:

    side_row(instrument_id, side) -> side_row                    no setting up is needed: ensure `sides` has the rows
    best_level(book, side_row) -> level or NIL
    next_level(book, level) -> the level one step worse, or NIL
    find_level(book, side_row, key) -> level or NIL
    level_price(book, level) -> price_ticks;   book.levels[level]["key" | "lots" | "order_count" | "first" | "last"]
    book.orders[row]["leaves_lots" | "order_id" | "next" | "prev" | "level" | "account_id"]   (next: younger, NIL at the end)
    find_order(book, order_id) -> row or NIL
    append_order(book, side_row, price_ticks, order_id, account_id, leaves_lots) -> row        at the tail of its level
    reduce_order(book, row, lots)                                less than its leaves; keeps its place
    remove_order(book, row)                                      unlinks it, forgets its id, frees row, level and pages
    pages_needed(book, side_row, price_ticks) -> 0..2;  can_rest(book, side_row, price_ticks) -> bool: pages_max allows it
    has_room(book) -> bool                                       one more append_order fits without growing
    read_depth(book, side_row, prices, lots, levels_max) -> count    fills two int64 arrays, best first

and in Python, between kernel calls:

    Memory(BOOK, **first_rows()), or the same as a part of a larger layout
    grow(memory)                       doubles whatever stands in the way of `has_room`
    ensure_sides(memory, instrument_id)
    set_pages_max(memory, pages)
    rebuild_index(memory)              after loading: `index` is derived from the orders and need not be saved
    used_rows(memory) -> dict          how much of each array matters, for snapshots and metrics

Invariants: an order's level is of its side; a level has an order; a level's lots and count are its orders'; `best` is the
lowest key; the ids in `index` are exactly those of the linked orders. A free row is zero but for its `next`.
"""
