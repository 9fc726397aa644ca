"""Address space: arrays that grow where they lie, of memory that can be there before it is needed.

Memory (handle.py) → ADDRESS SPACE → the system

What is reserved is addresses. The system gives memory when a page is touched for the first time, and zeroes it then,
which takes longer than anything that is done with it: 0.2 to 2 ms a megabyte, in the middle of a command. `populate`
has that done earlier, by another thread, without changing what is in the pages.
"""

import ctypes
import mmap
import sys

import numpy as np

RESERVED_BYTES = 2**36  # For an array that grows. Of 2^47 that a process has; what nobody touches costs nothing.

_IS_LINUX = sys.platform == "linux"
_MAP_NORESERVE = 0x4000 if _IS_LINUX else 0  # Python 3.13 has a name for it.
_MADV_POPULATE_WRITE = 23  # Since Linux 5.14. Where advice is refused, pages are small, or given when they are touched.
_PIECE_BYTES = 2**21  # A huge page: other threads' calls for memory wait while one is under way.

_libc = ctypes.CDLL(None)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def reserved_zeros(rows: int, dtype: "np.dtype[np.void]") -> np.ndarray:
    """At least `rows` zeros and as many more as the system has addresses for, up to RESERVED_BYTES.

    Raises MemoryError when there are none for `rows`.
    """
    needed = rows * dtype.itemsize
    size = max(RESERVED_BYTES, needed)
    while True:
        try:
            pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
            break
        except OSError as error:  # A limit of addresses, or a system that counts what is not touched.
            if size == needed:
                raise MemoryError(f"The system refuses {needed:,} bytes: {error}.") from error
            size = max(size // 4, needed)
    rows_there = np.frombuffer(pages, dtype, count=size // dtype.itemsize)
    if _IS_LINUX:
        _libc.madvise(rows_there.ctypes.data, size, mmap.MADV_HUGEPAGE)
    return rows_there


def populate(rows: np.ndarray) -> None:
    """Have the system give the memory of these rows now. They may be in use: nothing in them changes."""
    if not _IS_LINUX or not len(rows):
        return
    begin, end = rows.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE, rows.ctypes.data + rows.nbytes
    while begin < end:
        piece_end = min(begin // _PIECE_BYTES * _PIECE_BYTES + _PIECE_BYTES, end)
        _libc.madvise(begin, piece_end - begin, _MADV_POPULATE_WRITE)
        begin = piece_end
