"""The tensors that a module holds: learned ones, and ones that are only kept."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..functions import empty
from ..tensor import Buffer, Parameter

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "is_lazy",
]

_WHY = (
    "can't access the shape of an uninitialized parameter or buffer: it is known after "
    "the module's first call, or by materialize(shape)"
)


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet: ``materialize(shape)`` makes it one."""

    __slots__ = ()

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> Any:
        return Parameter.__new__(
            cls, empty(0, device=device, dtype=dtype), requires_grad
        )

    def __init__(
        self, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        pass

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give it a shape, and numbers that are still to be set."""
        kind = dtypes.as_dtype(dtype) if dtype is not None else self.dtype
        self.__class__ = Parameter  # type: ignore[assignment]
        self.data = empty(tuple(shape), device=device, dtype=kind)

    @property
    def shape(self) -> Any:
        raise RuntimeError(_WHY)

    def __repr__(self, **_: Any) -> str:
        return "<UninitializedParameter>"


class UninitializedBuffer(Buffer):
    """A buffer whose shape is not known yet: ``materialize(shape)`` makes it one."""

    __slots__ = ()

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None,
        persistent: bool = True,
    ) -> Any:  # fmt: skip
        return Buffer.__new__(cls, empty(0, device=device, dtype=dtype))

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None,
        persistent: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(persistent=persistent)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give it a shape, and numbers that are still to be set."""
        kind = dtypes.as_dtype(dtype) if dtype is not None else self.dtype
        self.__class__ = Buffer  # type: ignore[assignment]
        self.data = empty(tuple(shape), device=device, dtype=kind)

    @property
    def shape(self) -> Any:
        raise RuntimeError(_WHY)

    def __repr__(self, **_: Any) -> str:
        return "<UninitializedBuffer>"


def is_lazy(param: Any) -> bool:
    """Whether its shape is still to come."""
    return isinstance(param, (UninitializedParameter, UninitializedBuffer))
