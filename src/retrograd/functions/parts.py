"""Parts of a tensor: ranges, windows, strides; and a tensor with a part replaced."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..dispatch import apply, realize
from ..ops.families import Sizes, Tensor
from ..ops.memory import AsStrided
from ..ops.movement import Slice, ViewWrite, Windows
from ..ops.op import normalize_dim
from ..trace import Handle, spec_of
from .leaf_parts import part_of
from .views import WHOLE, cast, span

__all__ = ["narrow", "select", "select_scatter", "slice_scatter", "unfold",
           "as_strided", "as_strided_scatter"]  # fmt: skip


def narrow(input: Tensor, dim: int, start: Tensor | int, length: int) -> Tensor:
    """The part from *start* of a length along *dim*."""
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    d = normalize_dim(dim, input.ndim)
    n = input.shape[d]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if isinstance(start, Handle):
        spec = spec_of(start)
        if spec.shape or spec.dtype.category != dtypes.INTEGRAL:
            raise RuntimeError(
                f"narrow(): start must be an integer without dimensions, not {spec!r}"
            )
    start = int(start)
    if not -n <= start <= n:
        raise IndexError(
            f"start out of range (expected to be in range of [{-n}, {n}], but got "
            f"{start})"
        )
    start += n if start < 0 else 0
    if start + length > n:
        raise RuntimeError(
            f"start ({start}) + length ({length}) exceeds dimension size ({n})."
        )
    return span(input, d, start, start + length)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The part at *index* of a dimension, without it."""
    if not input.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d = normalize_dim(dim, input.ndim)
    return part_of(input, (WHOLE,) * d + (("i", int(index)),))


def _with_part(input: Tensor, index: tuple[Any, ...], src: Tensor) -> Tensor:
    """*input* with *src*, which has the shape of ``input[index]``, put there."""
    part = apply(Slice, input.detach(), index=index)
    if tuple(part.shape) != tuple(src.shape):
        raise RuntimeError(
            f"expected src to have a size equal to the part of self: {list(src.shape)} "
            f"is not {list(part.shape)}"
        )
    known = Slice.normalize(*[spec_of(input)], index=index)["index"]
    path = (("slice", (("index", known),)),)
    return apply(ViewWrite, input, _like(src, input), path=path)


def _like(src: Tensor, input: Tensor) -> Tensor:
    return src if src.dtype is input.dtype else cast(src, input.dtype)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """*input* with *src* in the place of ``input.select(dim, index)``."""
    d = normalize_dim(dim, input.ndim)
    return _with_part(input, (WHOLE,) * d + (("i", int(index)),), src)


def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """*input* with *src* in the place of ``input[start:end:step]`` along *dim*."""
    d = normalize_dim(dim, input.ndim)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    return _with_part(input, (WHOLE,) * d + (("s", start, end, step),), src)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of *size* at every *step* along a dimension, as a last dimension.

    >>> import retrograd as rg
    >>> rg.arange(6).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    d = normalize_dim(dimension, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if not 0 <= size <= n:
        raise RuntimeError(
            f"maximum size for tensor at dimension {d} is {n} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    x = input if input.ndim else input.reshape(1)
    if not size:  # windows of nothing, one more than there are elements
        shape = (*x.shape[:d], n // step + 1, *x.shape[d + 1 :], 0)
        return x.reshape(-1)[:0].reshape(shape)
    out = apply(Windows, x, dims=(d,), size=(size,), step=(step,), dilation=(1,))
    return out if input.ndim else out.reshape(size)


def as_strided(
    input: Tensor, size: Sizes, stride: Sizes, storage_offset: int | None = None
) -> Tensor:
    """out[i, j, …] = memory[offset + i·stride₀ + j·stride₁ + …]: a view that writes
    through, counted in the memory of *input* (or of what it is a view of)."""
    size, stride = tuple(size), tuple(stride)
    meta = input._meta if isinstance(input, Handle) else None
    base = None if meta is None else meta.base
    if base is not None:
        realize(input, base)
        if any(name == "detach" for name, _ in meta.path):  # type: ignore[union-attr]
            base = None
    if base is not None and base._array.flags.c_contiguous:
        if storage_offset is None:
            apart = input._array.ctypes.data - base._array.ctypes.data
            storage_offset = apart // base._array.itemsize
        input = base
    return apply(
        AsStrided, input, size=size, stride=stride, offset=int(storage_offset or 0)
    )


def as_strided_scatter(
    input: Tensor,
    src: Tensor,
    size: Any,
    stride: Any,
    storage_offset: int | None = None,
) -> Tensor:
    """*input* with *src* in the place of its :func:`as_strided` view."""
    attrs = {"size": tuple(size), "stride": tuple(stride),
             "offset": int(storage_offset or 0)}  # fmt: skip
    AsStrided.normalize(spec_of(input), **attrs)
    if tuple(src.shape) != attrs["size"]:
        raise RuntimeError(
            f"expected src to have the size of the view, {list(attrs['size'])}, but it "  # type: ignore[call-overload]
            f"is {list(src.shape)}"
        )
    path = (("as_strided", tuple(attrs.items())),)
    return apply(ViewWrite, input, _like(src, input), path=path)
