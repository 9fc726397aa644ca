"""Views: what a kernel has in hand when it says `state.balances[row]`, at the price of one integer.

A view is the handle and nothing else. Each use of an array reads its address and length from the handle's table, which
the compiler may keep or read again as it likes, since no kernel changes them. A NamedTuple of forty arrays would
instead be some three hundred values that are built, passed and copied for every helper: compiling took four times as
long.
"""

import operator
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, lower_builtin, lower_getattr_generic, models, register_model
from numba.np import arrayobj

from holdfast.engine.handle import _TABLE_COLUMNS, Layout
from holdfast.engine.jit import IS_COMPILED

_WORD_BYTES = 8


class ViewType(types.Type):
    """A layout as Numba's type system knows it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        super().__init__(name=f"View({layout.tuple_class.__name__})")


class RowsType(types.Array):
    """An array of the state. No index of it counts from the end, so the question whether it is negative is left out."""

    def __init__(self, dtype: "np.dtype[Any]") -> None:
        super().__init__(numba.from_dtype(dtype), 1, "C")


register_model(RowsType)(models.ArrayModel)


@lower_builtin(operator.getitem, RowsType, types.Integer)
def _read_row(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return arrayobj.getitem_arraynd_intp(context, builder, *_unsigned(context, builder, signature, arguments))


@lower_builtin(operator.setitem, RowsType, types.Integer, types.Any)
def _write_row(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return arrayobj.setitem_array(context, builder, *_unsigned(context, builder, signature, arguments))


def _unsigned(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The same signature and arguments with an index that cannot be negative."""
    rows, index, *value = signature.args
    array, row, *content = arguments
    row = context.cast(builder, row, index, types.uint64)
    return signature.replace(args=(rows, types.uint64, *value)), (array, row, *content)


@register_model(ViewType)
class _ViewModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, cgutils.intp_t)


@infer_getattr
class _ViewAttributes(AttributeTemplate):
    key = ViewType

    def generic_resolve(self, kind: Any, name: str) -> Any:  # type: ignore[override]
        part = kind.layout.parts.get(name)
        if part is None:
            return None
        return ViewType(part) if isinstance(part, Layout) else RowsType(part)


@lower_getattr_generic(ViewType)
def _read_attribute(context: Any, builder: Any, kind: Any, handle: Any, name: str) -> Any:
    layout = kind.layout
    part = layout.parts[name]
    first_name = part.arrays[0][0] if isinstance(part, Layout) else name
    entry = [array_name for array_name, _ in layout.arrays].index(first_name)
    address = builder.add(handle, cgutils.intp_t(entry * _TABLE_COLUMNS * _WORD_BYTES))
    if isinstance(part, Layout):
        return address
    return _build_array(context, builder, RowsType(part), address)


def _build_array(context: Any, builder: Any, kind: Any, table_address: Any) -> Any:
    entry = builder.inttoptr(table_address, cgutils.intp_t.as_pointer())
    address = _load_constant(builder, entry)
    length = _load_constant(builder, cgutils.gep_inbounds(builder, entry, 1))
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


def _load_constant(builder: Any, pointer: Any) -> Any:
    """A load whose value does not change while a kernel runs."""
    load = builder.load(pointer)
    load.set_metadata("invariant.load", builder.module.add_metadata([]))
    return load


def views_of(layout: Layout) -> Any:
    """The function by which a kernel turns a handle into a view of the layout."""
    if not IS_COMPILED:
        return layout.views

    @intrinsic
    def views(typing_context: Any, handle: Any) -> Any:  # noqa: ARG001
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            return arguments[0]

        return ViewType(layout)(types.int64), code

    return views
