"""Snapshot: the state as arrays that say nothing about capacities, and back.

A snapshot holds what is in use of every array that is not derived or passing. Equal states give equal arrays, however
the commands were split into calls, so the hash of the arrays is the hash of the state.
"""

import hashlib
from collections.abc import Mapping

import numpy as np

from holdfast.engine import book, trails
from holdfast.engine.handle import Memory
from holdfast.engine.pools import (
    COMPANIONS,
    ORDER_LISTS,
    POOLS,
    ensure_rows,
    grow_companions,
    new_memory,
    rebuild_slots,
)
from holdfast.engine.state import IDLE, LEGS_MAX, SKIPPED_MAX

_LIST_HEAD_AT_FIRST = new_memory()["list_head"].tobytes()

# The first two are derived, the others are there only if somebody uses them.
_OWN_WAY = ("audit_sums", "audit_needed", "schedules", "trails", "position_lists")


def used_rows(memory: Memory) -> dict[str, int]:
    """How many rows of each saved array are in use, in a fixed order of the arrays."""
    venue = memory["venue"][0]
    used = {"venue": 1, "skipped": min(int(venue["skipped_count"]), SKIPPED_MAX) + 1}
    used |= {pool.name: pool.rows(memory) + 1 for pool in POOLS if pool is not ORDER_LISTS}
    used |= {name: rows for name, rows in book.used_rows(memory, used["instruments"]).items() if rows}
    used |= {name: used[owner] * factor for name, owner, factor in COMPANIONS if name not in _OWN_WAY}
    return used


def list_rows(memory: Memory) -> dict[str, np.ndarray]:
    """What is in use of the arrays of order lists."""
    used = {"list_head": 1, "order_lists": ORDER_LISTS.rows(memory) + 1}
    used |= {"position_lists": int(memory["venue"][0]["position_count"]) + 1}
    used |= {"legs": min(int(memory["list_head"][0]["leg_count"]), LEGS_MAX)}
    return {name: memory[name][:rows] for name, rows in used.items()}


def in_use(memory: Memory) -> dict[str, np.ndarray]:
    """What is in use of each saved array. What only waiting orders need is there if one waits, or trails; the schedules
    are if there is one, and what there is of order lists once there was one."""
    arrays = {name: memory[name][:rows] for name, rows in used_rows(memory).items()}
    venue = memory["venue"][0]
    schedules = memory["schedules"][: int(venue["instrument_count"]) + 1]
    if schedules["next_ts_ns"].any():
        arrays["schedules"] = schedules
    if venue["waiting_count"]:
        arrays |= book.trigger_rows(memory, int(venue["instrument_count"]) + 1)
        trailing = trails.saved_rows(memory, int(venue["instrument_count"]) + 1)
        if any(rows.any() for name, rows in trailing.items() if name.endswith("tops")):
            arrays |= trailing | {"trails": memory["trails"][: len(arrays["details"])]}
    if memory["list_head"].tobytes() != _LIST_HEAD_AT_FIRST:
        arrays |= list_rows(memory) | book.pending_rows(memory, int(venue["instrument_count"]) + 1)
    return arrays


def save(memory: Memory) -> dict[str, np.ndarray]:
    """Copies of everything that the future depends on. Not in the middle of a command."""
    assert memory["step"][0]["phase"] == IDLE
    return {name: _copy(array) for name, array in in_use(memory).items()}


def load(arrays: Mapping[str, np.ndarray]) -> Memory:
    """A memory with the state that `save` was given. Raises KeyError when an array is missing."""
    memory = new_memory()
    for name in used_rows(memory):
        ensure_rows(memory, name, len(arrays[name]))
        _fill(memory[name], arrays[name])
    grow_companions(memory)
    instruments = len(arrays["instruments"])
    waiting = book.trigger_rows(memory, instruments) | trails.saved_rows(memory, instruments)
    for name, rows in (waiting | {"trails": memory["trails"]}).items():
        if name in arrays:
            _fill(rows, arrays[name])
    if "schedules" in arrays:
        _fill(memory["schedules"], arrays["schedules"])
    if "list_head" in arrays:
        load_lists(memory, arrays)
    for pool in POOLS:
        if pool.slots:
            rebuild_slots(memory, pool)
    book.rebuild_index(memory)
    return memory


def load_lists(memory: Memory, arrays: Mapping[str, np.ndarray]) -> None:
    """What there is of order lists."""
    for name in list_rows(memory):
        ensure_rows(memory, name, len(arrays[name]))
        _fill(memory[name], arrays[name])
    for name, rows in book.pending_rows(memory, len(arrays["instruments"])).items():
        _fill(rows, arrays[name])


def _fill(rows: np.ndarray, saved: np.ndarray) -> None:
    assert saved.dtype == rows.dtype
    rows[: len(saved)].view(np.uint8)[:] = np.ascontiguousarray(saved).view(np.uint8)


def _copy(array: np.ndarray) -> np.ndarray:
    """A copy as bytes: NumPy copies rows of many fields one by one."""
    return array.view(np.uint8).copy().view(array.dtype)


def state_hash(memory: Memory) -> str:
    """Equal exactly when the states are equal."""
    assert memory["step"][0]["phase"] == IDLE
    digest = hashlib.blake2b(digest_size=16)
    for name, array in in_use(memory).items():
        digest.update(f"{name} {len(array)}\0".encode())
        digest.update(array.view(np.uint8).data)
    return digest.hexdigest()
