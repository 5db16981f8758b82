"""What tensors say about themselves, and memory exchanged under them: the rest of
PyTorch's methods that are no mathematics. Bound to ``Tensor`` when it is imported."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dispatch, errors, methods
from .dispatch import constant
from .functions.copies import copying
from .layouts import strided
from .tensor import Tensor
from .trace import Handle

#: what is true of no tensor here: they are dense, real, on the CPU
_NEVER = (
    "is_meta is_sparse is_sparse_csr is_quantized is_nested is_mkldnn is_mps is_xpu "
    "is_xla is_ipu is_mtia is_maia is_vulkan"
).split()


def _no_gradient(x: Any, name: str) -> None:
    if x.requires_grad:
        raise RuntimeError(
            f"{name}: the tensor requires grad, and its memory cannot be exchanged "
            f"under it; call it on x.detach()\n  at {errors.user_line()}"
        )


def _become(x: Any, array: Any) -> Any:
    """Let *x* be that part of its own memory; what is pending has read it by then."""
    dispatch.recorder().flush()
    x.data = constant(array)
    return x


def get_device(input: Tensor) -> int:
    """The number of the GPU that holds the tensor: −1, for the CPU."""
    return -1


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in ``inference_mode``."""
    return input.is_inference()


def is_pinned(input: Tensor, device: Any = None) -> bool:
    """Whether the memory is pinned for a GPU: it is not."""
    return False


def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same elements of the same memory."""
    a, b = input._value(), tensor._value()
    return bool(
        a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
        and a.shape == b.shape
        and a.strides == b.strides
    )


def storage_offset(input: Tensor) -> int:
    """How many elements of the memory come before the first one."""
    array = input._value()
    base, below = array, array.base
    while below is not None and hasattr(below, "base"):  # also NumPy's wrappers
        base = below if isinstance(below, np.ndarray) else base
        below = below.base
    start, first = (a.__array_interface__["data"][0] for a in (base, array))
    return int(first - start) // array.itemsize if array.size else 0


def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by what a Python function makes of it. Slow."""
    _no_gradient(input, "apply_")
    array = input._value()
    made = [callable(v) for v in array.ravel().tolist()]
    new = np.array(made, array.dtype).reshape(array.shape)
    return input._assign(constant(new))  # type: ignore[no-any-return]


def map_(input: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element by what a Python function makes of it and of the element of
    *tensor* at that place. Slow."""
    _no_gradient(input, "map_")
    _no_gradient(tensor, "map_")
    array = input._value()
    try:
        other = np.broadcast_to(tensor._value(), array.shape)
    except ValueError:
        raise RuntimeError(
            f"map_: the shape {list(tensor.shape)} does not broadcast to "
            f"{list(array.shape)}\n  at {errors.user_line()}"
        ) from None
    pairs = zip(array.ravel().tolist(), other.ravel().tolist(), strict=True)
    new = np.array([callable(a, b) for a, b in pairs], array.dtype)
    return input._assign(constant(new.reshape(array.shape)))  # type: ignore[no-any-return]


def resize_(input: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """Another shape in place. The elements stay, in a row; more of them are zeros
    (PyTorch leaves what was in the memory)."""
    _no_gradient(input, "resize_")
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    if any(n < 0 for n in shape):
        raise RuntimeError(
            f"resize_: a dimension cannot be negative: {list(shape)}\n"
            f"  at {errors.user_line()}"
        )
    flat, n = input._value().reshape(-1), math.prod(shape)
    if n > flat.size:
        more = np.zeros(n, flat.dtype)
        more[: flat.size] = flat
        flat = more
    return _become(input, flat[:n].reshape(shape))  # type: ignore[no-any-return]


def resize_as_(
    input: Tensor, the_template: Tensor, *, memory_format: Any = None
) -> Tensor:
    """The shape of another tensor, in place."""
    return resize_(input, *the_template.shape)


def set_(
    input: Tensor,
    source: Any = None,
    storage_offset: int = 0,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Make *input* another name for the memory of *source*, or of nothing."""
    _no_gradient(input, "set_")
    if source is None:
        input.data = constant(np.zeros(0, input.dtype.np))
        return input
    if not isinstance(source, Handle):
        raise TypeError(f"set_(): source must be Tensor, not {type(source).__name__}")
    new: Any = source.detach()  # type: ignore[attr-defined]
    if new.dtype is not input.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {new.dtype.name} to a tensor of type "
            f"{input.dtype.name}\n  at {errors.user_line()}"
        )
    if size is not None:
        steps = stride
        if steps is None:
            steps = [math.prod(size[i + 1 :]) for i in range(len(size))]
        new = new.as_strided(size, steps, storage_offset)
    if is_set_to(new, input) or new._base is input:
        return _become(input, new._value())  # type: ignore[no-any-return]
    input.data = new
    return input


def as_subclass(input: Tensor, cls: type[Tensor]) -> Tensor:
    """The same tensor as an instance of a subclass of Tensor."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass: {cls!r} is no subclass of Tensor")
    out: Any = input.view_as(input)
    out.__class__ = cls
    return out  # type: ignore[no-any-return]


def to_dense(input: Tensor, dtype: Any = None, *, masked_grad: Any = None) -> Tensor:
    """The tensor itself, which is dense already, in another type if one is given."""
    return input if dtype is None else input.to(dtype)


def _updating(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        old = self.clone() if self.requires_grad else self
        return self._assign(function(old, *args, **kwargs))

    method.__name__ = function.__name__ + "_"
    method.__doc__ = f"In-place version of :func:`{function.__name__}`."
    return method


def _lower(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        from .nn import functional

        return getattr(functional, name)(self, *args, **kwargs)

    method.__name__ = name
    return method


def _bind() -> None:
    bound: Any = methods.__dict__["Tensor"]  # with the mathematics
    for name in _NEVER:
        setattr(Tensor, name, False)
    members: dict[str, Any] = {
        "is_cpu": True,
        "layout": strided,
        "narrow_copy": copying("narrow_copy"),
        "hardshrink": _lower("hardshrink"),
        "prelu": _lower("prelu"),
        "H": property(_transposed),
        "mH": property(lambda self: self.mT),
        "addbmm_": _updating(bound.addbmm),
        "addmv_": _updating(bound.addmv),
        "addr_": _updating(bound.addr),
        "renorm_": _updating(bound.renorm),
    }
    for function in (get_device, is_inference, is_pinned, is_set_to, storage_offset,
                     apply_, map_, resize_, resize_as_, set_, as_subclass,
                     to_dense):  # fmt: skip
        members[function.__name__] = function
    for name, member in members.items():
        if not hasattr(Tensor, name):
            setattr(Tensor, name, member)


def _transposed(self: Any) -> Any:
    if self.ndim not in (0, 2):
        raise RuntimeError(
            "tensor.H is only supported on matrices (2-D tensors). Got "
            f"{self.ndim}-D tensor. For batches of matrices, use tensor.mT"
        )
    return self if not self.ndim else self.mT


_bind()
