"""Logarithms of sums of exponentials, and what probabilities are made with."""

from __future__ import annotations

import math

from .. import dtypes
from ..dispatch import apply, apply1, composite
from ..ops.core import Detach
from ..ops.elementwise import Abs, Div, Eq, Exp, Log, Sub, Where
from ..ops.families import Tensor
from ..ops.op import normalize_dim, normalize_dims
from ..ops.reduce import Amax, Sum
from .sums import Dim, scan
from .transcendental import logaddexp

__all__ = ["logsumexp", "softmax", "log_softmax", "softmin", "logcumsumexp"]


@composite
def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log Σ exp(input) over *dim*, without overflow.

    >>> import retrograd as rg
    >>> rg.logsumexp(rg.tensor([[1000.0, 1000.0], [0.0, 0.0]]), dim=1)
    tensor([1.0007e+03, 6.9315e-01])
    """
    if not input.dtype.is_floating_point:
        input = input.to(dtypes.get_default_dtype())
    shape = input.shape
    if 0 in [shape[d] for d in normalize_dims(dim, len(shape))]:
        return apply1(Log, apply(Sum, apply1(Exp, input), dim=dim, keepdim=keepdim))
    # Any shift gives the same result, so the shift has no derivative; ∞ − ∞ has no
    # value, so an infinite maximum does not shift.
    top = apply1(Detach, apply(Amax, input, dim=dim, keepdim=True))
    infinite = apply(Eq, apply1(Abs, top), math.inf)
    top = apply(Where, infinite, 0.0, top)
    total = apply(Sum, apply1(Exp, input - top), dim=dim, keepdim=keepdim)
    return apply1(Log, total) + (top if keepdim else top.reshape(total.shape))


def _prepared(input: Tensor, dtype: dtypes.dtype | None) -> Tensor:
    if dtype is not None:
        input = input.to(dtype)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"softmax is not implemented for {input.dtype.name}: use x.float()"
        )
    return input


@composite
def softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """exp(input) / Σ exp(input) along *dim*: positive numbers that sum to 1.

    >>> import retrograd as rg
    >>> rg.softmax(rg.tensor([0.0, 1000.0]), dim=0)
    tensor([0., 1.])
    """
    input = _prepared(input, dtype)
    if 0 in input.shape:
        normalize_dim(dim, input.ndim)
        return apply1(Exp, input)
    if input.dtype.itemsize == 2:  # half precision is rounded once
        return softmax(input, dim, dtypes.float32).to(input.dtype)
    top = apply1(Detach, apply(Amax, input, dim=dim, keepdim=True))
    powers = apply1(Exp, apply(Sub, input, top))
    return apply(Div, powers, apply(Sum, powers, dim=dim, keepdim=True))


@composite
def log_softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """input − log Σ exp(input) along *dim*: the logarithm of softmax."""
    input = _prepared(input, dtype)
    if 0 in input.shape:
        normalize_dim(dim, input.ndim)
        return apply1(Exp, input)
    if input.dtype.itemsize == 2:  # half precision is rounded once
        return log_softmax(input, dim, dtypes.float32).to(input.dtype)
    top = apply1(Detach, apply(Amax, input, dim=dim, keepdim=True))
    shifted = apply(Sub, input, top)
    total = apply(Sum, apply1(Exp, shifted), dim=dim, keepdim=True)
    return apply(Sub, shifted, apply1(Log, total))


def softmin(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """softmax(−input)."""
    return softmax(-input, dim, dtype)


@composite
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """out[i] = log(exp(input[0]) + … + exp(input[i])) along *dim*."""
    if not input.dtype.is_floating_point:
        input = input.to(dtypes.get_default_dtype())
    (dim,) = normalize_dims(dim, input.ndim) or (0,)
    return scan(logaddexp, input, dim) if input.ndim else input.clone()
