"""Kernels that are alike but for the buffers they work on share their code.

A kernel is described by what its code may depend on: operations, attributes, shapes,
where operands lie, what is stored, with the buffers numbered as they come. Two kernels
of one description have the same stages, with the buffers of one in the places of the
other's. A kernel that has something unknown about it shares its code with none.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops.op import Spec
from ..trace import Arg, Bound, Const
from .fuse import Fusion, Kernel
from .program import Node
from .views import View


class Description:
    """``key`` is the description, None if there is none; ``buffers`` are in order."""

    def __init__(self, kernel: Kernel, fusion: Fusion, outside: set[Any]) -> None:
        self.fusion = fusion
        self.buffers: list[Any] = []
        self._number: dict[Any, int] = {}
        parts: list[Any] = [type(kernel)]
        try:
            for node in kernel.nodes:
                operands = tuple(map(self._operand, node.inputs))
                attrs = tuple(map(self._value, node.attrs.values()))
                own = self._buffer(node)
                parts += [node.op, operands, attrs, own, node.spec, node in outside]
            for name, value in vars(kernel).items():
                parts += [name, self._value(value)]
            self.key: Any = tuple(parts)
            hash(self.key)
        except TypeError:
            self.key = None

    def _buffer(self, key: Any) -> int:
        found = self._number.get(key)
        if found is None:
            found = self._number[key] = len(self.buffers)
            self.buffers.append(key)
        return found

    def _operand(self, key: Any) -> Any:
        return (key.spec, self._value(self.fusion.view(key)))

    def _value(self, value: Any) -> Any:
        kind = type(value)
        if kind is View:
            return (self._value(value.buffer), value.shape, value.strides, value.offset)
        if kind is Const:
            return (value.spec, value.value.tobytes())
        if kind in (Node, Arg, Bound):
            return (kind, self._buffer(value), value.spec)
        if kind in (tuple, list):
            return (kind, *map(self._value, value))
        if kind is dict:
            return (kind, *((self._value(k), self._value(v)) for k, v in value.items()))
        if value is None or kind in (bool, int, str, bytes):
            return (kind, value)
        if kind in (float, complex):
            return (kind, repr(value))  # −0 is not 0, and NaN is NaN
        if isinstance(value, (dtypes.dtype, Spec)):
            return value
        raise TypeError(f"nobody knows what {kind} means for the code")
