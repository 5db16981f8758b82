"""Distances between vectors, and losses that ask for a margin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import dtypes
from ...dispatch import apply, composite, constant
from ...functions.arithmetic import clamp
from ...functions.sums import vector_norm
from ...ops.elementwise import Where
from ...ops.index import Index
from .activation import logsigmoid, softplus
from .classes import _picked
from .common import Tensor
from .loss import _reduced, _way

__all__ = ["cosine_similarity", "pairwise_distance", "pdist", "hinge_embedding_loss",
           "margin_ranking_loss", "cosine_embedding_loss", "soft_margin_loss",
           "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss",
           "triplet_margin_loss", "triplet_margin_with_distance_loss"]  # fmt: skip


@composite
def cosine_similarity(
    x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8
) -> Tensor:
    """x₁·x₂ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along *dim*.

    >>> import retrograd as rg
    >>> x, y = rg.tensor([[3.0, 4.0]]), rg.tensor([[4.0, 3.0]])
    >>> rg.nn.functional.cosine_similarity(x, y)
    tensor([0.9600])
    """
    kind = dtypes.promote_types(x1.dtype, x2.dtype)
    if not kind.is_floating_point:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {kind.name}"
        )
    both = x1.to(kind) + x2.to(kind) if x1.shape != x2.shape else x1
    x1, x2 = x1.to(kind).expand(both.shape), x2.to(kind).expand(both.shape)
    # as in PyTorch the bound changes the norm's value and not its derivative
    norms = [vector_norm(x, 2, dim, True) for x in (x1, x2)]
    a, b = (n + (n.detach().clamp(min=eps) - n.detach()) for n in norms)
    return ((x1 / a) * (x2 / b)).sum(dim)


@composite
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x₁ − x₂ + ε‖ₚ over the last dimension."""
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@composite
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """‖xᵢ − xⱼ‖ₚ of all rows i < j of a matrix, one after the other.

    >>> import retrograd as rg
    >>> rg.nn.functional.pdist(rg.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    if input.ndim != 2:
        raise RuntimeError(
            f"pdist only supports 2D tensors, got: {input.ndim}D: see cdist for others"
        )
    if not input.dtype.is_floating_point:
        raise RuntimeError("pdist only supports floating-point dtypes: use x.float()")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = np.triu_indices(input.shape[0], 1)
    rows = [apply(Index, input, constant(i.astype(np.int64)), dims=(0,))
            for i in (first, second)]  # fmt: skip
    if not input.shape[1]:
        return rows[0].sum(1)
    return vector_norm(rows[0] - rows[1], float(p), -1)


# -- two sides ------------------------------------------------------------------------


@composite
def _hinge(input: Tensor, target: Tensor, margin: float, reduction: str) -> Tensor:
    apart = apply(Where, target != 1, clamp(margin - input, min=0), 0)
    return _reduced(apart + apply(Where, target != -1, input, 0), reduction)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """x where y = 1, max(0, margin − x) where y = −1 (and both elsewhere)."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _hinge(input, target, margin, reduction)


@composite
def _ranking(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float, reduction: str
) -> Tensor:
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got "
            f"sizes: input1: {list(input1.shape)}, input2: {list(input2.shape)}, target: "
            f"{list(target.shape)}"
        )
    return _reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin − y (x₁ − x₂)): y = ±1 says which should be larger."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _ranking(input1, input2, target, margin, reduction)


@composite
def _cosine(
    x1: Tensor, x2: Tensor, target: Tensor, margin: float, reduction: str
) -> Tensor:
    if target.ndim not in (0, 1):
        raise RuntimeError(
            "0D or 1D target tensor expected, multi-target not supported: got "
            f"{list(target.shape)}"
        )
    if not x1.ndim == x2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but "
            f"found inputs with sizes {list(x1.shape)} and {list(x2.shape)}."
        )
    product = (x1 * x2).sum(-1)
    sizes = ((x1 * x1).sum(-1) + 1e-12) * ((x2 * x2).sum(-1) + 1e-12)
    cos = product / sizes.sqrt()
    near = apply(Where, target == 1, 1 - cos, 0)
    return _reduced(
        near + apply(Where, target == -1, (cos - margin).clamp(min=0), 0), reduction
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 − cos(x₁, x₂) where y = 1, max(0, cos(x₁, x₂) − margin) where y = −1."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _cosine(input1, input2, target, margin, reduction)


@composite
def _soft_margin(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    z = -target * input
    return _reduced(softplus(z, 1.0, float("inf")), reduction)


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """log(1 + e^(−y x)), y = ±1; of any size without overflow."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _soft_margin(input, target, reduction)


# -- many classes ---------------------------------------------------------------------


@composite
def _multi_margin(
    input: Tensor, target: Tensor, p: int, margin: float, weight: Any, reduction: str
) -> Tensor:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if p not in (1, 2):
        raise ValueError(
            f"multi_margin_loss: only p == 1 and p == 2 supported, not {p}"
        )
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, not {list(weight.shape)}")
    x = input if input.ndim > 1 else input.reshape((1, -1))
    if x.ndim != 2 or not x.shape[1]:
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    if target.ndim > 1 or target.numel() != x.shape[0]:
        raise RuntimeError(
            f"inconsistent target size, expected {[x.shape[0]]} but got {list(target.shape)}"
        )
    if target.dtype is not dtypes.int64:
        raise RuntimeError(
            f"expected a target of int64, not {target.dtype.name}: y.long()"
        )
    if weight is not None and weight.numel() != x.shape[1]:
        raise RuntimeError(
            f"inconsistent weight size, expected {x.shape[1]} but got {list(weight.shape)}"
        )
    y = target.reshape((-1,))
    gaps = (margin - _picked(x, y, 1).unsqueeze(1) + x).clamp(min=0)
    gaps = gaps if p == 1 else gaps * gaps
    if weight is not None:
        gaps = gaps * apply(Index, weight, y, dims=(0,)).unsqueeze(1)
    other = y.unsqueeze(1) != constant(np.arange(x.shape[1]))
    loss = apply(Where, other, gaps, 0).sum(1) / x.shape[1]
    return _reduced(loss if target.ndim else loss.squeeze(0), reduction)


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0,
    weight: Tensor | None = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """w[y] Σ_{i≠y} max(0, margin − x[y] + x[i])ᵖ / C."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _multi_margin(input, target, p, margin, weight, reduction)


@composite
def _multilabel_margin(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    if input.shape != target.shape and not input.numel() == target.numel() == 1:
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}"
        )
    if target.dtype is not dtypes.int64:
        raise RuntimeError(
            f"expected a target of int64, not {target.dtype.name}: y.long()"
        )
    x = input if input.ndim == 2 else input.reshape((1, -1))
    y = target.reshape(x.shape)
    classes = x.shape[1]
    # a row counts as far as its first negative number
    valid = (y >= 0).to(dtypes.int64).cumprod(1) > 0
    safe = apply(Where, valid, y, 0)
    zeros = constant(np.zeros(x.shape, np.int64))
    wanted = zeros.scatter_add(1, safe, valid.to(dtypes.int64)) > 0
    gaps = (1 - x.gather(1, safe).unsqueeze(2) + x.unsqueeze(1)).clamp(min=0)
    counts = valid.unsqueeze(2) & (~wanted).unsqueeze(1)
    loss = apply(Where, counts, gaps, 0).sum((1, 2)) / classes
    return _reduced(loss if input.ndim == 2 else loss.squeeze(0), reduction)


def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Σⱼ Σᵢ max(0, 1 − x[yⱼ] + x[i]) / C over the right classes yⱼ (a row of the target
    as far as its first −1) and all other classes i."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _multilabel_margin(input, target, reduction)


@composite
def _multilabel_soft(
    input: Tensor, target: Tensor, weight: Any, reduction: str
) -> Tensor:
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduced(loss.sum(-1) / (input.shape[-1] if input.ndim else 1), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """−mean over classes of w (y log σ(x) + (1 − y) log σ(−x))."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _multilabel_soft(input, target, weight, reduction)


# -- triplets -------------------------------------------------------------------------


@composite
def _triplet(
    a: Tensor, p: Tensor, n: Tensor, margin: float, norm: float, eps: float, swap: bool,
    reduction: str,
) -> Tensor:  # fmt: skip
    if not a.ndim == p.ndim == n.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same "
            f"number of dimensions, but got: anchor {a.ndim}D, positive {p.ndim}D, and "
            f"negative {n.ndim}D inputs"
        )
    near = pairwise_distance(a, p, norm, eps)
    far = pairwise_distance(a, n, norm, eps)
    if swap:
        far = far.minimum(pairwise_distance(p, n, norm, eps))
    return _reduced((near - far + margin).clamp(min=0), reduction)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, ‖a − p‖ − ‖a − n‖ + margin); *swap* uses min(‖a − n‖, ‖p − n‖)."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    return _triplet(anchor, positive, negative, margin, float(p), eps, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(a, p) − d(a, n) + margin) for any distance d."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same "
            f"number of dimensions, but got: anchor {anchor.ndim}D, positive "
            f"{positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    d = distance_function or pairwise_distance
    near, far = d(anchor, positive), d(anchor, negative)
    if swap:
        far = far.minimum(d(positive, negative))
    return _reduced((margin + near - far).clamp(min=0), reduction)
