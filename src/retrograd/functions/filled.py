"""Tensors of one value throughout, identities, and memory that is laid out as asked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes, errors
from ..dispatch import constant, recorder
from ..ops.families import Number, Sizes, Tensor
from ..trace import Handle, meta_of
from .out import maker

__all__ = ["zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like",
           "full_like", "new_zeros", "new_ones", "new_empty", "new_full",
           "empty_strided", "new_empty_strided", "empty_permuted", "eye"]  # fmt: skip

#: arguments that say how memory is held; there is one way here
_LAYOUT = {"layout", "pin_memory", "memory_format", "names"}


def on_cpu(device: Any) -> None:
    """RuntimeError for a place that there is not."""
    if device is not None and str(device).split(":")[0] != "cpu":
        raise errors.no_device(device)


def finish(array: Any, requires_grad: bool, device: Any = None) -> Tensor:
    """The tensor on *array*."""
    on_cpu(device)
    out = constant(array)
    if recorder().inference:
        meta_of(out).inference = True
    return wanting(out, requires_grad)


def wanting(out: Tensor, requires_grad: bool | None) -> Tensor:
    """*out*, which takes gradients if that is asked for."""
    if requires_grad is None or requires_grad is False:
        return out
    if requires_grad is not True:
        raise TypeError(
            f"argument 'requires_grad' must be bool, not {type(requires_grad).__name__}"
        )
    return out.requires_grad_()


def check_layout(name: str, layout: dict[str, Any]) -> None:
    """TypeError for an argument that *name* does not have."""
    for word in layout:
        if word not in _LAYOUT:
            raise TypeError(f"{name}() got an unexpected keyword argument {word!r}")


def kind_of(dtype: Any) -> dtypes.dtype:
    """The type asked for, or the default one."""
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)


def size_of(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one, or as one sequence."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    shape: list[int] = []
    for n in size:
        if type(n) is not int:
            if not hasattr(n, "__index__") or (n is True and not shape):
                raise TypeError(
                    f"{name}(): argument 'size' must be tuple of ints, not "
                    f"{type(n).__name__}"
                )
            n = n.__index__()
        if n >= 2**63:
            raise TypeError(f"{name}(): argument 'size': {n} does not fit into 64 bits")
        if n < 0:
            raise RuntimeError(
                f"{name}(): Trying to create tensor with negative dimension {n}: "
                f"{list(size)}"
            )
        shape.append(n)
    return tuple(shape)


def given_size(
    name: str, size: tuple[Any, ...], words: dict[str, Any]
) -> tuple[int, ...]:
    """The size of a call that may name it ``size``, which is taken from *words*."""
    if not size:
        if "size" not in words:
            raise TypeError(f"{name}() missing 1 required positional argument: 'size'")
        size = (words.pop("size"),)
    return size_of(name, size)


def _constant(name: str, value: int) -> Any:
    def make(
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **layout: Any,
    ) -> Tensor:
        shape = given_size(name, size, layout)
        check_layout(name, layout)
        fill: Any = np.ones if value else np.zeros
        return finish(fill(shape, kind_of(dtype).np), requires_grad, device)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"A tensor of {name} of the shape given."
    return maker(make)


zeros, ones = _constant("zeros", 0), _constant("ones", 1)
#: memory that is not set holds zeros here: a run is the same each time
empty = zeros


def _number(value: Any, kind: dtypes.dtype | None, name: str) -> Any:
    """A value to fill with; RuntimeError where an integer type cannot hold it."""
    if isinstance(value, Handle):
        given: Any = value
        if given.ndim:
            raise TypeError(
                f"{name}(): argument 'fill_value' must be Number, not Tensor"
            )
        value = given.item()
    return value if kind is None else fitting(value, kind)


def fitting(value: Any, kind: dtypes.dtype) -> Any:
    """A number to be put where *kind* is; RuntimeError where that cannot hold it. (A
    negative number wraps round in a type without sign, as PyTorch's do.)"""
    if kind is dtypes.bool_:
        return value
    finite = math.isfinite(value)
    if kind.is_floating_point:
        fits = not finite or abs(value) <= dtypes.finfo(kind).max
    else:
        limits = dtypes.iinfo(kind)
        least = limits.min if kind.is_signed else -limits.max
        fits = finite and least <= int(value) <= limits.max
        value = int(value) if fits else value
    if not fits:
        raise RuntimeError(
            f"value cannot be converted to type {kind.name} without overflow: {value}"
        )
    return value


@maker
def full(
    size: Sizes,
    fill_value: Number,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """A tensor of one value throughout, of the type of the value if none is given.

    >>> import retrograd as rg
    >>> rg.full((2, 3), 7)
    tensor([[7, 7, 7],
            [7, 7, 7]])
    """
    check_layout("full", layout)
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' must be tuple of ints, not {type(size).__name__}"
        )
    kind = None if dtype is None else dtypes.as_dtype(dtype)
    value = _number(fill_value, kind, "full")
    kind = kind or dtypes.of_scalar(value)
    array = np.empty(size_of("full", tuple(size)), kind.np)
    array[...] = np.asarray(value).astype(kind.np)
    return finish(array, requires_grad, device)


# -- like another ---------------------------------------------------------------------


def full_like(
    input: Tensor,
    fill_value: Number,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """One value throughout, in the shape and type of *input*."""
    if not isinstance(input, Handle):
        raise TypeError(
            f"full_like(): argument 'input' (position 1) must be Tensor, not "
            f"{type(input).__name__}"
        )
    like: Any = input
    return full(
        tuple(like.shape), fill_value, dtype=dtype or like.dtype, device=device,
        requires_grad=requires_grad, **layout,
    )  # fmt: skip


def zeros_like(input: Tensor, **options: Any) -> Tensor:
    """Zeros in the shape and type of *input*."""
    return full_like(input, 0, **options)


def ones_like(input: Tensor, **options: Any) -> Tensor:
    """Ones in the shape and type of *input*."""
    return full_like(input, 1, **options)


empty_like = zeros_like


def new_full(
    input: Tensor, size: Any, fill_value: Number, *, dtype: Any = None, **options: Any
) -> Tensor:
    """One value throughout, in the type of *input*."""
    return full(size, fill_value, dtype=dtype or input.dtype, **options)


def new_zeros(input: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """Zeros in the type of *input*."""
    return zeros(*size, dtype=dtype or input.dtype, **options)


def new_ones(input: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
    """Ones in the type of *input*."""
    return ones(*size, dtype=dtype or input.dtype, **options)


new_empty = new_zeros


# -- layouts --------------------------------------------------------------------------


def empty_strided(
    size: Sizes,
    stride: Sizes,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """A tensor (of zeros) whose neighbours along each dimension lie *stride* apart."""
    check_layout("empty_strided", layout)
    shape, steps = size_of("empty_strided", (size,)), tuple(int(s) for s in stride)
    if len(shape) != len(steps):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of "
            f"strides ({len(steps)})"
        )
    if any(s < 0 for s in steps):
        raise RuntimeError(f"strides must not be negative: {list(steps)}")
    last = sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
    memory = np.zeros(0 if 0 in shape else last + 1, kind_of(dtype).np)
    apart = [s * memory.itemsize for s in steps]
    array = np.lib.stride_tricks.as_strided(memory, shape, apart)
    return finish(array, requires_grad, device)


def new_empty_strided(
    input: Tensor, size: Sizes, stride: Sizes, *, dtype: Any = None, **options: Any
) -> Tensor:
    """As :func:`empty_strided`, in the type of *input*."""
    return empty_strided(size, stride, dtype=dtype or input.dtype, **options)


def empty_permuted(size: Sizes, physical_layout: Sizes, **options: Any) -> Tensor:
    """A tensor (of zeros) whose dimensions lie in memory in the order given, the last of
    it closest together."""
    shape, order = size_of("empty_permuted", (size,)), tuple(physical_layout)
    if len(order) != len(shape):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the "
            f"physical_layout; i.e. len(size) = {len(shape)} is not equal to "
            f"len(physical_layout) = {len(order)}"
        )
    if any(not 0 <= d < len(shape) for d in order):
        raise RuntimeError(f"Dimension out of range in physical_layout {list(order)}")
    if len(set(order)) != len(order):
        raise RuntimeError(f"Duplicate dim not allowed in {list(order)}")
    stride, step = [0] * len(shape), 1
    for d in reversed(order):
        stride[d] = step
        step *= max(shape[d], 1)
    return empty_strided(shape, stride, **options)


@maker
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **layout: Any,
) -> Tensor:
    """The identity matrix I (n×m)."""
    check_layout("eye", layout)
    m = n if m is None else m
    for name, size in (("n", n), ("m", m)):
        if not isinstance(size, int):
            raise TypeError(
                f"eye(): argument {name!r} must be int, not {type(size).__name__}"
            )
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    return finish(np.eye(n, m, dtype=kind_of(dtype).np), requires_grad, device)
