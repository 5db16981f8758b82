"""The tensors that a module holds: learned ones, and ones that are only kept."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import dtypes
from ..functions import empty
from ..tensor import Buffer, Held, Parameter
from ..trace import Failed, spec_of

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
_USED = (
    "an uninitialized parameter or buffer has no value to compute with: call the module "
    "once, so that it learns its shapes, before its parameters are used"
)


class _Unknown(Held):
    """What both have in common: a type, and no shape."""

    __slots__ = ()
    #: what it becomes
    kind: ClassVar[Any]

    def cast(self, dtype: Any) -> None:
        """Take another type for the time when there is a shape."""
        self.data = empty(0, dtype=dtype)
        # whatever is done with it is refused
        self._key = Failed(spec_of(self), ValueError(_USED))

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give it a shape, and numbers that are still to be set."""
        kind = dtypes.as_dtype(dtype) if dtype is not None else self.dtype
        self.__class__ = self.kind
        self.data = empty(tuple(shape), device=device, dtype=kind)

    @property
    def shape(self) -> Any:
        raise RuntimeError(_WHY)

    def numel(self) -> int:
        raise ValueError(_USED)

    def __repr__(self, **_: Any) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, None, self.dtype)


class UninitializedParameter(_Unknown, Parameter):
    """A parameter whose shape is not known yet: ``materialize(shape)`` makes it one."""

    __slots__ = ()
    kind = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> Any:
        out: Any = Parameter.__new__(cls, empty(0, device=device), requires_grad)
        out.cast(dtype)
        return out

    def __init__(
        self, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        pass


class UninitializedBuffer(_Unknown, Buffer):
    """A buffer whose shape is not known yet: ``materialize(shape)`` makes it one."""

    __slots__ = ()
    kind = Buffer

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None,
        persistent: bool = True,
    ) -> Any:  # fmt: skip
        out: Any = Buffer.__new__(cls, empty(0, device=device))
        out.cast(dtype)
        return out

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None,
        persistent: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(persistent=persistent)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (False, None, self.dtype, self.persistent)


def is_lazy(param: Any) -> bool:
    """Whether its shape is still to come."""
    return isinstance(param, _Unknown)
