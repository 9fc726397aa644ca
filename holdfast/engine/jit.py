"""How kernels are compiled, and the one machine instruction they need that Python has no word for.

    @entry  called from Python with integer handles and numbers; cached on disk; runs without Python's lock
    @hot    a small helper on the path of every order; merged into its caller, which is worth a factor of 3 to 8
    @cold   a helper that is called rarely or is large; compiled once for all its callers

Rows of pools are kept as `row_type`, unsigned numbers of 32 bits, and widened by `np.int64(...)` before anything is
calculated with them. Numba looks at every index whether it is negative, and counts from the end then; of a widened
unsigned number the compiler knows that it is not, and leaves the question out. That made matching 15 to 25 % faster.

`hot` helpers are copied to every place that calls them: a helper with many callers that is not on the path of every
order should be `cold`, or compiling takes minutes.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import config
from numba.extending import intrinsic

IS_COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]  # Numba makes it when it is imported.

row_type = np.uint32

# Only kernels call helpers, so nothing is compiled for calling them from Python or C.
_helper: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

entry = njit(cache=True, nogil=True)
hot = njit(forceinline=True, **_helper)
cold = njit(**_helper)

if not IS_COMPILED:

    def trailing_zeros(word: Any) -> int:
        """The position of the lowest set bit of a 64-bit word, 0..63. The word is not 0."""
        word = int(word)
        return (word & -word).bit_length() - 1

else:

    @intrinsic
    def trailing_zeros(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
        """The position of the lowest set bit of a 64-bit word, 0..63. The word is not 0."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            zero_is_undefined = context.get_constant(types.boolean, True)
            return builder.cttz(arguments[0], builder.trunc(zero_is_undefined, zero_is_undefined.type))

        return types.int64(types.int64), code
