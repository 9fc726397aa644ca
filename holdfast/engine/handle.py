"""State for kernels: arrays that Python owns, and one integer by which a kernel finds them.

The memory belongs to NumPy arrays, so growing, snapshots and tests are plain Python. A kernel gets the address of a
table of addresses and lengths, and builds its views of the arrays once per call:

    class Book(NamedTuple):
        orders: np.ndarray  # order_dtype
        head: np.ndarray    # head_dtype[1]

    BOOK = Layout(Book, orders=order_dtype, head=head_dtype)
    book_views = BOOK.views                          # a module-level name, which is what a kernel can see

    @entry
    def apply(handle, count):
        book = book_views(handle)                    # a Book
        book.orders[1]["leaves_lots"] += count

    memory = Memory(BOOK, orders=1024, head=1)
    apply(memory.handle, 5)
    memory["orders"][1]["leaves_lots"]               # 5
    memory.grow("orders", 2048)                      # between kernel calls; the handle stays the same

Passing the arrays themselves costs a factor of five in hot loops, since Numba then counts references to them. A part
of a layout may be a layout again: `STATE = Layout(State, book=BOOK, accounts=account_dtype)` gives `state.book.orders`,
all behind one handle; array names are unique over the whole layout, and `memory.handle_of(BOOK)` is the part's handle.

Invariants: an array's address changes only in `Memory.grow` and `lend`, never while a kernel runs; every array that is
not lent starts on a cache line; whoever holds a handle holds its Memory too. With NUMBA_DISABLE_JIT=1 the handle leads
to the same arrays through a registry.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakValueDictionary

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from holdfast.engine.address_space import populate, reserved_zeros
from holdfast.engine.jit import IS_COMPILED

CACHE_LINE_BYTES = 64
_TABLE_COLUMNS = 2  # Address, length in rows.


class Layout:
    """The names and dtypes of a NamedTuple's arrays. `views(handle)` builds that NamedTuple inside a kernel."""

    def __init__(self, tuple_class: Any, **parts: "np.dtype[Any] | Layout") -> None:
        assert tuple(parts) == tuple_class._fields
        self.tuple_class = tuple_class
        self.parts = parts
        self.arrays: list[tuple[str, np.dtype[Any]]] = list(self._flattened())
        assert len({name for name, _ in self.arrays}) == len(self.arrays), "array names are unique"
        self.views: Callable[[int], Any] = self._python_views if not IS_COMPILED else _compiled_views(self)

    def _flattened(self) -> Iterator[tuple[str, "np.dtype[Any]"]]:
        for name, part in self.parts.items():
            if isinstance(part, Layout):
                yield from part.arrays
            else:
                yield name, part

    def _python_views(self, handle: int) -> Any:
        memory = _memories[handle]
        return memory.views if memory._layout is self else self.bind(memory._arrays)

    def bind(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """The NamedTuple over real arrays, for Python."""
        parts = [part.bind(arrays) if isinstance(part, Layout) else arrays[name] for name, part in self.parts.items()]
        return self.tuple_class(*parts)

    def kernel_type(self) -> Any:
        """The NamedTuple's type as Numba knows it."""
        kinds = [
            part.kernel_type() if isinstance(part, Layout) else types.Array(numba.from_dtype(part), 1, "C")
            for part in self.parts.values()
        ]
        return types.NamedTuple(kinds, self.tuple_class)


class Memory:
    """Zeroed arrays of a layout, and the handle under which kernels find them."""

    def __init__(self, layout: Layout, **rows: int) -> None:
        """`rows`: how many rows each array has at first."""
        assert set(rows) == {name for name, _ in layout.arrays}
        self._layout = layout
        self._position = {name: i for i, (name, _) in enumerate(layout.arrays)}
        self._table = np.zeros((len(layout.arrays), _TABLE_COLUMNS), np.int64)
        self._arrays = {name: _aligned_zeros(rows[name], dtype) for name, dtype in layout.arrays}
        self._reserves: dict[str, np.ndarray] = {}
        self._populated_rows: dict[str, int] = {}
        self._views: Any = None
        for name in self._arrays:
            self._enter(name)
        self.handle: int = self._table.ctypes.data
        _memories[self.handle] = self

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    @property
    def views(self) -> Any:
        """The NamedTuple over the arrays as they are now, for Python."""
        if self._views is None:
            self._views = self._layout.bind(self._arrays)
        return self._views

    def handle_of(self, part: Layout) -> int:
        """The handle of a part of the layout: kernels that know only the part take this one."""
        handle = self.handle + self._position[part.arrays[0][0]] * self._table.strides[0]
        _memories[handle] = self
        return handle

    def grow(self, name: str, rows: int) -> None:
        """Give an array more rows: the old ones kept, the new ones zero. Views taken from Python before are stale.

        The first time it moves to where there are addresses for far more; from then on nothing is copied.
        """
        assert rows >= len(self._arrays[name])
        if name not in self._reserves or rows > len(self._reserves[name]):
            self._move(name, rows)
        self._arrays[name] = self._reserves[name][:rows]
        self._enter(name)

    def _move(self, name: str, rows: int) -> None:
        old = self._arrays[name]
        reserve = reserved_zeros(rows, old.dtype)
        # NumPy copies rows of many fields one by one.
        reserve[: len(old)].view(np.uint8)[:] = old.view(np.uint8)
        self._populated_rows[name] = len(old)
        self._reserves[name] = reserve

    def populate(self, name: str, rows: int) -> None:
        """Have the system give the memory of an array that has grown up to so many rows, which may be more than it
        has. Changes nothing in it, so another thread than the one that calls kernels may."""
        reserve = self._reserves.get(name)
        if reserve is None or rows <= self._populated_rows[name]:
            return
        populate(reserve[self._populated_rows[name] : rows])
        if self._reserves[name] is reserve:
            self._populated_rows[name] = rows

    def populated_rows(self, name: str) -> int:
        """Up to which row of an array memory was given ahead; 0 of one that has never grown."""
        return self._populated_rows.get(name, 0)

    def lend(self, name: str, array: np.ndarray) -> None:
        """Let the caller's array stand for one, uncopied, until the next one is lent."""
        assert array.dtype == self._arrays[name].dtype
        assert array.flags.c_contiguous
        self._arrays[name] = array
        self._enter(name)

    def _enter(self, name: str) -> None:
        array = self._arrays[name]
        self._table[self._position[name]] = array.ctypes.data, len(array)
        self._views = None


_memories: WeakValueDictionary[int, Memory] = WeakValueDictionary()


def _aligned_zeros(rows: int, dtype: "np.dtype[Any]") -> np.ndarray:
    size = rows * dtype.itemsize
    raw = np.zeros(size + CACHE_LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE_BYTES
    return raw[start : start + size].view(dtype)


def _compiled_views(layout: Layout) -> Any:
    """The same as `carray` for every array of the layout, as one function that a kernel can call and cache."""

    @intrinsic
    def views(typing_context: Any, handle: Any) -> Any:  # noqa: ARG001
        result = layout.kernel_type()

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            word = context.get_value_type(types.int64)
            table = builder.inttoptr(arguments[0], word.as_pointer())
            entries = iter(range(len(layout.arrays)))
            return _build_tuple(context, builder, result, table, entries)

        return result(types.int64), code

    return views


def _build_tuple(context: Any, builder: Any, kind: Any, table: Any, entries: Iterator[int]) -> Any:
    members = [
        _build_tuple(context, builder, member, table, entries)
        if isinstance(member, types.NamedTuple)
        else _build_array(context, builder, member, table, next(entries))
        for member in kind.types
    ]
    return context.make_tuple(builder, kind, members)


def _build_array(context: Any, builder: Any, kind: Any, table: Any, entry: int) -> Any:
    address = builder.load(cgutils.gep_inbounds(builder, table, entry * _TABLE_COLUMNS))
    length = builder.load(cgutils.gep_inbounds(builder, table, entry * _TABLE_COLUMNS + 1))
    array = context.make_array(kind)(context, builder)
    item_bytes = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    arrayobj.populate_array(
        array,
        data=builder.inttoptr(address, array.data.type),
        shape=cgutils.pack_array(builder, [length]),
        strides=cgutils.pack_array(builder, [item_bytes]),
        itemsize=item_bytes,
        meminfo=None,
    )
    return array._getvalue()
