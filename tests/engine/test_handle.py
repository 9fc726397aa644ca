"""A handle must lead a kernel to exactly the arrays that Python owns, before and after they grow."""

# mypy: disable-error-code="untyped-decorator"

import mmap
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from holdfast.engine import address_space
from holdfast.engine.address_space import reserved_zeros
from holdfast.engine.handle import CACHE_LINE_BYTES, Layout, Memory
from holdfast.engine.jit import entry, hot, trailing_zeros

thing_dtype = np.dtype([("amount", np.int64), ("owner", np.int32), ("kind", np.int8), ("flag", np.int8)])


class Inner(NamedTuple):
    things: np.ndarray
    words: np.ndarray


class Outer(NamedTuple):
    first: np.ndarray
    inner: Inner
    last: np.ndarray


INNER = Layout(Inner, things=thing_dtype, words=np.dtype(np.int64))
OUTER = Layout(Outer, first=np.dtype(np.int32), inner=INNER, last=np.dtype(np.int64))

_inner_views = INNER.views
_outer_views = OUTER.views


@hot
def _pay(inner: Inner, row: int, amount: int) -> None:
    inner.things[row]["amount"] += amount
    inner.things[row]["flag"] = 1


@entry
def _touch(handle: int, row: int, amount: int) -> None:
    outer = _outer_views(handle)
    _pay(outer.inner, row, amount)
    outer.first[row] = amount
    outer.last[row] = len(outer.inner.words)


@entry
def _touch_inner(handle: int, row: int, amount: int) -> None:
    _pay(_inner_views(handle), row, amount)


@entry
def _trailing_zeros(word: np.int64) -> Any:
    return trailing_zeros(word)


@pytest.fixture
def memory() -> Memory:
    return Memory(OUTER, first=4, things=5, words=6, last=7)


def test_kernel_writes_into_pythons_arrays(memory: Memory) -> None:
    _touch(memory.handle, 3, 12)
    assert memory["things"].tolist() == [(0, 0, 0, 0)] * 3 + [(12, 0, 0, 1)] + [(0, 0, 0, 0)]
    assert memory["first"].tolist() == [0, 0, 0, 12]
    assert memory["last"].tolist() == [0, 0, 0, 6, 0, 0, 0]
    assert memory.views.inner.things is memory["things"]


def test_handle_stays_when_an_array_grows(memory: Memory) -> None:
    _touch(memory.handle, 3, 12)
    memory.grow("things", 50)
    memory.grow("words", 60)
    _touch(memory.handle, 3, 1)
    assert memory["things"][3]["amount"] == 13
    assert len(memory.views.inner.things) == 50
    assert memory["last"][3] == 60


def test_an_array_that_has_moved_once_grows_where_it_is(memory: Memory) -> None:
    memory.grow("words", 10)
    place = memory["words"].ctypes.data
    memory["words"][9] = 7
    memory.grow("words", 10_000_000)
    assert memory["words"].ctypes.data == place
    assert memory["words"][9] == 7
    assert not memory["words"][10:].any()


def test_memory_that_is_given_ahead_holds_what_it_held(memory: Memory) -> None:
    memory.grow("words", 1_000)
    memory["words"][:] = np.arange(1_000)
    memory.populate("words", 100_000)
    memory.populate("last", 100_000)  # It never grew, so nothing is to be done.
    memory.grow("words", 100_000)
    assert memory["words"][:1_000].tolist() == list(range(1_000))
    assert not memory["words"][1_000:].any()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much of a process lies in memory")
def test_memory_that_is_given_ahead_is_there(memory: Memory) -> None:
    memory.grow("words", 1_000)
    before = _resident_pages()
    memory.populate("words", 4_000_000)
    assert (_resident_pages() - before) * mmap.PAGESIZE > 0.9 * 4_000_000 * 8


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_fewer_addresses_are_reserved_where_the_system_has_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_space, "RESERVED_BYTES", 2**60)
    assert len(reserved_zeros(1_000, np.dtype(np.int64))) >= 1_000
    with pytest.raises(MemoryError, match="refuses"):
        reserved_zeros(2**56, np.dtype(np.int64))


def test_part_of_a_layout_has_its_own_handle(memory: Memory) -> None:
    _touch_inner(memory.handle_of(INNER), 2, 5)
    memory.grow("things", 50)
    _touch_inner(memory.handle_of(INNER), 2, 5)
    assert memory["things"][2]["amount"] == 10


def test_lent_array_is_written_in_place(memory: Memory) -> None:
    lent = np.zeros(9, np.int64)
    memory.lend("last", lent)
    _touch(memory.handle, 3, 1)
    assert lent.tolist() == [0, 0, 0, 6, 0, 0, 0, 0, 0]
    assert memory.views.last is lent


def test_arrays_start_on_a_cache_line(memory: Memory) -> None:
    memory.grow("first", 1_000)
    assert [memory[name].ctypes.data % CACHE_LINE_BYTES for name in ("first", "things", "words", "last")] == [0] * 4


def test_array_names_are_unique_over_the_whole_layout() -> None:
    with pytest.raises(AssertionError):
        Layout(Outer, first=np.dtype(np.int32), inner=INNER, last=Layout(Inner, things=thing_dtype, words=thing_dtype))


@pytest.mark.parametrize("bit", [0, 1, 31, 32, 62, 63])
def test_trailing_zeros_counts_up_to_the_sign_bit(bit: int) -> None:
    assert _trailing_zeros(np.int64(1) << np.int64(bit)) == bit
    assert _trailing_zeros(np.int64(-1) << np.int64(bit)) == bit
