"""How kernels are compiled, and the two machine instructions they need that Python has no word for.

    @entry  called from Python with integer handles and numbers; cached on disk
    @long   the same, and runs without Python's lock: getting it back may take longer than a short kernel
    @hot    a small helper on the path of every order; merged into its caller, which is worth a factor of 3 to 8
    @cold   a helper that is called rarely or is large; compiled once for all its callers

Rows of pools are kept as `row_type`, unsigned numbers of 32 bits, and widened by `np.int64(...)` before anything is
calculated with them. Numba looks at every index whether it is negative, and counts from the end then; of a widened
unsigned number the compiler knows that it is not, and leaves the question out. That made matching 15 to 25 % faster.
For arrays of the state `view.py` leaves it out whatever the index is.

`hot` helpers are copied to every place that calls them: a helper with many callers that is not on the path of every
order should be `cold`, or compiling takes minutes.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic

IS_COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]  # Numba makes it when it is imported.

row_type = np.uint32

_CACHE_LINE_BYTES = 64

# Only kernels call helpers, so nothing is compiled for calling them from Python or C.
_helper: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

entry = njit(cache=True)
long = njit(cache=True, nogil=True)
hot = njit(forceinline=True, **_helper)
cold = njit(**_helper)

if not IS_COMPILED:

    def trailing_zeros(word: Any) -> int:
        """The position of the lowest set bit of a 64-bit word, 0..63. The word is not 0."""
        word = int(word)
        return (word & -word).bit_length() - 1

    def prefetch(array: Any, row: Any) -> None:
        """Begin to bring a row of an array into the cache. Changes nothing; the row may be any number."""

else:

    @intrinsic
    def trailing_zeros(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
        """The position of the lowest set bit of a 64-bit word, 0..63. The word is not 0."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            zero_is_undefined = context.get_constant(types.boolean, True)
            return builder.cttz(arguments[0], builder.trunc(zero_is_undefined, zero_is_undefined.type))

        return types.int64(types.int64), code

    @intrinsic
    def prefetch(typing_context: Any, array: Any, row: Any) -> Any:  # noqa: ARG001
        """Begin to bring a row of an array into the cache. Changes nothing; the row may be any number."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            rows = context.make_array(signature.args[0])(context, builder, arguments[0])
            row_bytes = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
            first = builder.bitcast(builder.gep(rows.data, [arguments[1]]), cgutils.voidptr_t)
            flag = ir.IntType(32)
            shape = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, flag, flag, flag])
            instruction = builder.module.declare_intrinsic("llvm.prefetch", (cgutils.voidptr_t,), shape)
            for_reading, keep, data = flag(0), flag(3), flag(1)
            for offset in range(0, row_bytes, _CACHE_LINE_BYTES):
                line = cgutils.pointer_add(builder, first, context.get_constant(types.intp, offset))
                builder.call(instruction, [line, for_reading, keep, data])
            return context.get_dummy_value()

        return types.none(array, types.int64), code
