"""Ahead: room and memory for commands to come, before they come.

venue, recovery → engine (AHEAD) → pools, address space

What a command finds missing is made while it waits: a page that the system has to zero, a hash that has to become
longer. Here is what can be done before. It changes nothing but how fast commands are.
"""

from holdfast.engine.apply import ROWS_SPARE
from holdfast.engine.handle import Memory
from holdfast.engine.order_index import ENTRIES_PER_ORDER
from holdfast.engine.pools import CLIENT_IDS, ensure_rows, rebuild_slots, slots_rows
from holdfast.engine.slots import ENTRIES_PER_ROW
from holdfast.engine.widen import longer

ROWS_AHEAD = 65_536  # What the fastest way in needs in a tenth of a second: some 30 MB.
_ENTRIES_AT_ONCE = 2**18  # Of a hash: 2 MB, a huge page, which can take the system 5 ms.
_ROWS_OF_ORDERS = ("client_ids", "orders", "details", "levels")


def expect(memory: Memory, commands: int) -> None:
    """Prepare for many commands, of which each may bring a client id and half usually do: entering all ids anew into a
    longer hash is rare then."""
    count, allowed = CLIENT_IDS.count(memory), int(memory["venue"][0]["client_ids_max"])
    ensure_rows(memory, CLIENT_IDS.name, min(count + commands, 2 * allowed) + 1 + ROWS_SPARE)
    rows = slots_rows(min(count + commands // 2, allowed))
    if rows > len(memory[CLIENT_IDS.slots]):
        memory.grow(CLIENT_IDS.slots, rows)
        rebuild_slots(memory, CLIENT_IDS)


def touch_ahead(memory: Memory, rows: int) -> None:
    """Have the system give the memory of the next so many orders, and of hashes that soon become longer.

    For another thread than the one that applies, which may go on meanwhile.
    """
    _touch_rows(memory, rows)
    for name, entries in _longer_hashes(memory).items():
        for touched in range(memory.populated_rows(name), entries, _ENTRIES_AT_ONCE):
            memory.populate(name, min(touched + _ENTRIES_AT_ONCE, entries))
            _touch_rows(memory, rows)  # Orders went on meanwhile, and must not overtake what is there for them.


def _touch_rows(memory: Memory, rows: int) -> None:
    head = memory["book_head"][0]
    used = {"client_ids": CLIENT_IDS.rows(memory), "levels": int(head["level_rows"])}
    used["orders"] = used["details"] = int(head["order_rows"])
    for name in _ROWS_OF_ORDERS:
        memory.populate(name, used[name] + rows)


def _longer_hashes(memory: Memory) -> dict[str, int]:
    """How many entries those will have that soon become longer."""
    slots, index = len(memory[CLIENT_IDS.slots]), len(memory["order_index"])
    found = {}
    if _is_soon_full(CLIENT_IDS.count(memory) * ENTRIES_PER_ROW, slots):
        found[CLIENT_IDS.slots] = longer(slots)
    if _is_soon_full(int(memory["book_head"][0]["order_count"]) * ENTRIES_PER_ORDER, index):
        found["order_index"] = 2 * index
    return found


def _is_soon_full(used: int, entries: int) -> bool:
    return 4 * used >= 3 * entries
