"""Pools: the memory of a new state, and more of it when a call says that a pool has no room for another command.

Pools double, between two commands and from Python; their hashes grow in `widen.py`. Capacities decide nothing: not what
is refused (limits do that), not which row comes next, not a hash of the state. The hashes from keys to rows are rebuilt
from the rows after loading.
"""

from collections.abc import Callable
from typing import NamedTuple

from holdfast import config
from holdfast.codes import OrderStatus
from holdfast.engine import book
from holdfast.engine.apply import ROWS_SPARE
from holdfast.engine.countdown import enter_countdown
from holdfast.engine.handle import Memory
from holdfast.engine.ids import enter_client_id
from holdfast.engine.jit import entry
from holdfast.engine.ledger import enter_balance
from holdfast.engine.list_rows import enter_order_list
from holdfast.engine.operator_keys import enter_operator_key
from holdfast.engine.positions import enter_position
from holdfast.engine.slots import ENTRIES_PER_ROW
from holdfast.engine.state import (
    BUCKETS_PER_INSTRUMENT,
    LEG_ROWS,
    LEGS_MAX,
    PARAMETERS_PER_INSTRUMENT,
    REFERENCE_ROWS,
    RULES_VERSION,
    SKIPPED_MAX,
    STATE,
    views,
)


class Pool(NamedTuple):
    """An array of rows that commands take; the fields of a head say the highest ever in use, and how many are."""

    name: str
    rows_field: str
    count_field: str
    slots: str  # The hash that finds the rows, or "".
    first_rows: int
    head: str = "venue"

    def rows(self, memory: Memory) -> int:
        """The highest row ever in use."""
        return int(memory[self.head][0][self.rows_field])

    def count(self, memory: Memory) -> int:
        """How many rows are in use."""
        return int(memory[self.head][0][self.count_field])


ORDER_LISTS = Pool("order_lists", "list_rows", "open_list_count", "order_list_slots", 256, "list_head")

POOLS = (
    Pool("assets", "asset_count", "asset_count", "", 64),
    Pool("instruments", "instrument_count", "instrument_count", "", 64),
    Pool("accounts", "account_count", "account_count", "", 1024),
    Pool("keys", "key_count", "key_count", "", 1024),
    Pool("balances", "balance_count", "balance_count", "balance_slots", 4096),
    Pool("positions", "position_count", "position_count", "position_slots", 4096),
    Pool("client_ids", "client_id_rows", "client_id_count", "client_id_slots", 8192),
    Pool("operator_keys", "operator_key_count", "operator_key_count", "operator_key_slots", 1024),
    Pool("withdrawals", "withdrawal_count", "withdrawal_count", "", 256),
    Pool("countdowns", "countdown_rows", "countdown_count", "countdown_slots", 256),
    ORDER_LISTS,
)

CLIENT_IDS = next(pool for pool in POOLS if pool.name == "client_ids")

# Rows that come with a row of another array.
COMPANIONS = (
    ("parameters", "instruments", PARAMETERS_PER_INSTRUMENT),
    ("schedules", "instruments", 1),
    ("buckets", "instruments", BUCKETS_PER_INSTRUMENT),
    ("reference_buckets", "instruments", REFERENCE_ROWS),
    ("audit_sums", "assets", 1),
    ("audit_needed", "balances", 1),
    ("details", "orders", 1),
    ("countdown_heap", "countdowns", 1),
    ("trails", "orders", 1),
    ("position_lists", "positions", 1),
)


def new_memory() -> Memory:
    """An empty venue with its first limits."""
    rows = {pool.name: pool.first_rows for pool in POOLS}
    rows |= {pool.slots: slots_rows(pool.first_rows) for pool in POOLS if pool.slots}
    rows |= book.first_rows()
    rows |= {name: rows[owner] * factor for name, owner, factor in COMPANIONS}
    rows |= {f"{family}_events": 0 for family in ("order", "balance", "book", "control", "list")} | {"out_head": 1}
    rows |= {"commands": 0, "venue": 1, "taker": LEG_ROWS + LEGS_MAX, "skipped": SKIPPED_MAX + 1, "step": 1}
    rows |= {"list_head": 1, "list_in_hand": 1, "legs": LEGS_MAX}
    memory = Memory(STATE, **rows)
    venue = memory["venue"][0]
    venue["rules_version"] = RULES_VERSION
    venue["orders_max"] = config.ORDERS_MAX
    venue["client_ids_max"] = config.CLIENT_IDS_MAX
    venue["client_id_horizon_ns"] = config.CLIENT_ID_HORIZON_NS
    venue["operator_keys_max"] = config.OPERATOR_KEYS_MAX
    venue["balances_max"] = config.BALANCES_MAX
    venue["accounts_max"] = config.ACCOUNTS_MAX
    venue["countdowns_max"] = config.COUNTDOWNS_MAX
    memory["list_head"][0]["order_lists_max"] = config.ORDER_LISTS_MAX
    book.set_pages_max(memory, config.PAGES_MAX)
    return memory


def grow_pools(memory: Memory) -> None:
    """Double whatever stands in the way of one more command, but for the hashes."""
    for pool in POOLS:
        if len(memory[pool.name]) - 1 - pool.count(memory) < ROWS_SPARE:
            memory.grow(pool.name, 2 * len(memory[pool.name]))
    book.grow(memory)
    grow_companions(memory)


def grow_companions(memory: Memory) -> None:
    """Bring the arrays that go with others to their size."""
    for name, owner, factor in COMPANIONS:
        rows = len(memory[owner]) * factor
        if len(memory[name]) < rows:
            memory.grow(name, rows)


def ensure_rows(memory: Memory, name: str, rows: int) -> None:
    """Room for so many rows of an array, by doubling."""
    size = len(memory[name])
    while size < rows:
        size *= 2
    if size > len(memory[name]):
        memory.grow(name, size)


def rebuild_slots(memory: Memory, pool: Pool) -> None:
    """Enter every row of a pool into its hash anew."""
    ensure_rows(memory, pool.slots, slots_rows(pool.count(memory) + ROWS_SPARE))
    memory[pool.slots][:] = 0
    enter_all: dict[str, Callable[[int], None]] = {
        "balances": _enter_balances,
        "positions": _enter_positions,
        "client_ids": _enter_client_ids,
        "operator_keys": _enter_operator_keys,
        "countdowns": _enter_countdowns,
        "order_lists": _enter_order_lists,
    }
    enter_all[pool.name](memory.handle)


def slots_rows(rows: int) -> int:
    """The size of a hash of so many rows."""
    return 1 << (rows * ENTRIES_PER_ROW - 1).bit_length()


@entry
def _enter_balances(handle):
    state = views(handle)
    for row in range(1, state.venue[0]["balance_count"] + 1):
        enter_balance(state, row)


@entry
def _enter_positions(handle):
    state = views(handle)
    for row in range(1, state.venue[0]["position_count"] + 1):
        enter_position(state, row)


@entry
def _enter_client_ids(handle):
    state = views(handle)
    for row in range(1, state.venue[0]["client_id_rows"] + 1):
        if state.client_ids[row]["status"] != OrderStatus.NONE:
            enter_client_id(state, row)


@entry
def _enter_operator_keys(handle):
    state = views(handle)
    for row in range(1, state.venue[0]["operator_key_count"] + 1):
        enter_operator_key(state, row)


@entry
def _enter_countdowns(handle):
    state = views(handle)
    for row in range(1, state.venue[0]["countdown_rows"] + 1):
        if state.countdowns[row]["due_ts_ns"] != 0:
            enter_countdown(state, row)


@entry
def _enter_order_lists(handle):
    state = views(handle)
    for row in range(1, state.list_head[0]["list_rows"] + 1):
        if state.order_lists[row]["order_list_id"] != 0:
            enter_order_list(state, row)
