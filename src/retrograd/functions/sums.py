"""Sums, products, moments and norms."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..dispatch import apply, apply1, apply2, composite
from ..ops.elementwise import Abs, Eq, IsNan, LogicalNot, Ne, Sqrt, Where
from ..ops.families import Tensor
from ..ops.op import normalize_dims
from ..ops.reduce import All, Amax, Amin, Any_, Cumsum, Prod, Sum
from ..trace import spec_of
from .arithmetic import pow
from .half import once_rounded

__all__ = [
    "sum", "prod", "mean", "var", "std", "var_mean", "std_mean", "nansum", "nanmean",
    "all", "any", "count_nonzero", "norm", "vector_norm", "dist",
    "cumsum", "cumprod", "diff",
]  # fmt: skip

Dim = Any  # an int, several, or None for all dimensions


def sum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """Σ input over *dim*, or over everything. Integers add up in int64.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> rg.sum(x), x.sum(0), x.sum(1, keepdim=True)
    (tensor(10.), tensor([4., 6.]), tensor([[3.],
            [7.]]))
    """
    if dtype is not None:
        input = input.to(dtype)
    dim = dim if axis is None else axis
    out = apply(Sum, input, dim=dim, keepdim=keepdim or keepdims)
    return out if dtype is None else out.to(dtype)


def prod(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """Π input over *dim*, or over everything. Integers multiply in int64."""
    if dtype is not None:
        input = input.to(dtype)
    out = apply(Prod, input, dim=dim, keepdim=keepdim)
    return out if dtype is None else out.to(dtype)


def reduced_count(input: Tensor, dim: Dim) -> int:
    """How many elements go into each result of a reduction over *dim*."""
    shape = input.shape
    return math.prod(shape[d] for d in normalize_dims(dim, len(shape)))


def _is_half(d: dtypes.dtype) -> bool:
    return d.is_floating_point and d.itemsize == 2


@composite
def mean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """(1/n) Σ input over *dim*, or over everything.

    >>> import retrograd as rg
    >>> rg.mean(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([2., 3.])
    """
    if dtype is not None:
        input = input.to(dtype)
    kind = input.dtype
    if not kind.is_floating_point:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be a floating "
            f"point dtype. Got: {kind.name}; use x.float().mean() or dtype=…"
        )
    if _is_half(kind):  # the sum may be too large for 16 bits where the mean is not
        wide = apply(Sum, input.float(), dim=dim, keepdim=keepdim)
        return (wide / reduced_count(input, dim)).to(kind)
    return apply(Sum, input, dim=dim, keepdim=keepdim) / reduced_count(input, dim)


@composite
def _moments(
    input: Tensor, dim: Dim, correction: float, keepdim: bool
) -> tuple[Tensor, Tensor]:
    """Variance and mean."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"std and var only support floating point dtypes, not {input.dtype.name}"
        )
    n = reduced_count(input, dim)
    mu = apply(Sum, input, dim=dim, keepdim=True) / n
    off = input - mu
    spread = apply(Sum, off * off, dim=dim, keepdim=keepdim)
    over = n - correction
    variance = spread / (over if over > 0 else 0)
    return variance, mu if keepdim else mu.reshape(variance.shape)


def _correction(dim: Dim, unbiased: Any, correction: float | None) -> tuple[Dim, float]:
    if isinstance(dim, bool):  # var(x, False): PyTorch's older form
        dim, unbiased = None, dim
    if unbiased is not None and correction is None:
        correction = 1 if unbiased else 0
    return dim, 1 if correction is None else correction


def var(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Σ (input − mean)² / (n − correction); ``unbiased=False`` is correction 0.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0, 3.0, 4.0])
    >>> x.var(), x.var(correction=0)
    (tensor(1.6667), tensor(1.2500))
    """
    return var_mean(input, dim, unbiased, keepdim,
                    correction=correction)[0]  # fmt: skip


def std(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """√var. The derivative where it is 0 is 0."""
    return std_mean(input, dim, unbiased, keepdim,
                    correction=correction)[0]  # fmt: skip


def var_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean."""
    dim, correction = _correction(dim, unbiased, correction)
    variance, mu = _moments(input, dim, correction, keepdim)
    return variance, mu


def std_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean."""
    dim, correction = _correction(dim, unbiased, correction)
    variance, mu = _moments(input, dim, correction, keepdim)
    return root(variance), mu


@composite
def root(input: Tensor) -> Tensor:
    """√input, whose derivative at 0 is taken to be 0."""
    zero = apply(Eq, input, 0)
    return apply(Where, zero, 0.0, apply1(Sqrt, apply(Where, zero, 1.0, input)))


def nansum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """Σ of what is not NaN."""
    return sum(apply(Where, apply1(IsNan, input), 0, input), dim, keepdim, dtype=dtype)


def nanmean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """The mean of what is not NaN."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "nanmean(): expected input to have floating point dtype but got "
            f"{input.dtype.name}: integers are never NaN, use mean(dtype=…)"
        )
    count = sum(apply1(LogicalNot, apply1(IsNan, input)), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether every element is true (not 0)."""
    return apply(All, input, dim=dim, keepdim=keepdim)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether some element is true (not 0)."""
    return apply(Any_, input, dim=dim, keepdim=keepdim)


def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements are not 0."""
    return apply(Sum, apply2(Ne, input, 0), dim=dim, keepdim=False)


# -- norms ----------------------------------------------------------------------------


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """(Σ |input|ᵖ)^(1/p), by default with p = 2. p = ∞ gives the largest |input|.

    >>> import retrograd as rg
    >>> rg.norm(rg.tensor([3.0, -4.0])), rg.norm(rg.tensor([3.0, -4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    if p == "nuc":
        from .norms import nuclear_norm

        return nuclear_norm(input, (0, 1) if dim is None else dim, keepdim)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(
            f"norm: there is no order {p!r}: use 'fro', 'nuc' or a number"
        )
    order = 2.0 if p is None or p == "fro" else float(p)
    return vector_norm(input, order, dim, keepdim, dtype=dtype)


@composite
def vector_norm(
    x: Tensor,
    ord: float = 2.0,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """(Σ |x|^ord)^(1/ord). Where the norm is 0 its derivative is taken to be 0."""
    if dtype is not None:
        x = x.to(dtype)
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            f"norm: expected a floating point tensor as input. Got {x.dtype.name}"
        )
    kind = x.dtype
    if _is_half(kind):  # powers may be too large for 16 bits where the norm is not
        return vector_norm(x.float(), ord, dim, keepdim).to(kind)
    over: dict[str, Any] = {"dim": dim, "keepdim": keepdim}
    if ord == 2:
        return root(apply(Sum, x * x, **over))
    if ord == 0:
        return apply(Sum, apply2(Ne, x, 0).to(x.dtype), **over)
    size = apply1(Abs, x)
    if ord == 1:
        return apply(Sum, size, **over)
    if math.isinf(ord):
        return apply(Amax if ord > 0 else Amin, size, **over)
    over_none = 0 in [x.shape[d] for d in normalize_dims(dim, x.ndim)]
    if ord < 0 and over_none:
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor "
            f"because the operation does not have an identity: {spec_of(x)!r}"
        )
    # Zeros of x, and sums that are 0, take a detour: their derivatives are 0.
    zero = apply(Eq, x, 0)
    powers = pow(apply(Where, zero, 1.0, size), ord)
    total = apply(Sum, apply(Where, zero, 0.0 if ord > 0 else math.inf, powers), **over)
    nothing = apply(Eq, total, 0)
    result = pow(apply(Where, nothing, 1.0, total), 1.0 / ord)
    return apply(Where, nothing, 0.0 if ord > 0 else math.inf, result)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input − other."""
    return vector_norm(input - other, float(p))


# -- running --------------------------------------------------------------------------


def _no_truth(name: str, dtype: dtypes.dtype | None) -> None:
    if dtype is dtypes.bool_:
        raise NotImplementedError(f"{name} of truth values: use dtype=rg.int64")


def cumsum(input: Tensor, dim: int, *, dtype: dtypes.dtype | None = None) -> Tensor:
    """out[i] = input[0] + … + input[i] along *dim*."""
    _no_truth("cumsum", dtype)
    if dtype is not None:
        input = input.to(dtype)
    out = apply(Cumsum, input, dim=dim, reverse=False)
    return out if dtype is None else out.to(dtype)


def scan(combine: Any, x: Tensor, dim: int) -> Tensor:
    """out[i] = combine(x[0], …, x[i]) along *dim*, for an associative function: in
    log₂ n rounds each element takes in the run of twice the length that ends there."""
    from ..ops.movement import Cat

    length = x.shape[dim] if x.ndim else 1
    reach = 1
    while reach < length:
        head = x.narrow(dim, 0, reach)
        earlier = x.narrow(dim, 0, length - reach)
        later = x.narrow(dim, reach, length - reach)
        x = apply(Cat, head, combine(earlier, later), dim=dim)
        reach *= 2
    return x if length > 1 else x.clone()


@composite
def cumprod(input: Tensor, dim: int, *, dtype: dtypes.dtype | None = None) -> Tensor:
    """out[i] = input[0] · … · input[i] along *dim*. Zeros do no harm to derivatives."""
    _no_truth("cumprod", dtype)
    if dtype is None and not input.dtype.is_floating_point:
        dtype = dtypes.int64
    if dtype is not None:
        input = input.to(dtype)
    (dim,) = normalize_dims(dim, input.ndim) or (0,)
    return _products(input, dim) if input.ndim else input.clone()


@once_rounded
def _products(input: Tensor, dim: int) -> Tensor:
    return scan(lambda a, b: a * b, input, dim)


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """out[i] = input[i + 1] − input[i] along *dim*, *n* times over."""
    from ..ops.movement import Cat

    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if not n:
        return input.clone()
    parts = [x for x in (prepend, input, append) if x is not None]
    x = apply(Cat, *parts, dim=dim) if len(parts) > 1 else input
    for _ in range(n):
        rest = x.shape[dim] - 1
        if rest < 0:
            break
        later, earlier = x.narrow(dim, 1, rest), x.narrow(dim, 0, rest)
        x = later ^ earlier if x.dtype is dtypes.bool_ else later - earlier
    return x
