"""Losses of scores of classes: how probable the right ones are."""

from __future__ import annotations

import math
from typing import Any

from ... import dtypes
from ...dispatch import apply, composite
from ...functions import elementwise as E
from ...functions import probabilities as P
from ...ops.index import Gather, Index, OutOfBounds
from ...trace import spec_of
from .linear import linear
from .loss import _reduced, _way

__all__ = ["nll_loss", "cross_entropy", "linear_cross_entropy"]


def _check_classes(input: Any, target: Any) -> None:
    x, y = spec_of(input), spec_of(target)
    expected = (x.shape[0], *x.shape[2:]) if len(x.shape) > 1 else ()
    if y.shape != expected:
        mend = ""
        if math.prod(y.shape) == math.prod(expected):
            mend = f". Use target.reshape({', '.join(map(str, expected))})"
        if len(x.shape) > 1 and y.shape and y.shape[0] != x.shape[0]:
            raise ValueError(
                f"Expected input batch_size ({x.shape[0]}) to match target batch_size "
                f"({y.shape[0]})."
            )
        raise RuntimeError(
            f"the target of an input of shape {list(x.shape)} has one class index for each "
            f"sample, shape {list(expected)}, but got {list(y.shape)}{mend}"
        )
    if y.dtype.category != dtypes.INTEGRAL:
        raise RuntimeError(
            f"expected scalar type Long for the class indices but found {y.dtype.name}. "
            "Use target.long()"
        )


def _check_weight(weight: Any, input: Any, dim: int) -> None:
    if weight is None:
        return
    if tuple(weight.shape) != (input.shape[dim],):
        raise RuntimeError(
            f"weight tensor should be defined either for all {input.shape[dim]} classes or "
            f"no classes but got weight tensor of shape: {list(weight.shape)}"
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {input.dtype.name} for the weight but found "
            f"{weight.dtype.name}: weight.to(input.dtype)"
        )


class PickClass(Gather):
    """out[n] = a[n, index[n]]: the number at the class of each sample."""

    formula, adjoint = "a[n, index[n]]", ("ḡ at index",)

    @staticmethod
    def forward(a: Any, index: Any, *, dim: int) -> Any:
        n = a.shape[dim]
        if index.size and (index.min() < 0 or index.max() >= n):
            bad = index.min() if index.min() < 0 else index.max()
            raise OutOfBounds(
                f"Target {int(bad)} is out of bounds: there are {n} classes"
            )
        return Gather.forward(a, index, dim=dim)


def _picked(log_p: Any, target: Any, dim: int) -> Any:
    return apply(PickClass, log_p, target.unsqueeze(dim), dim=dim).squeeze(dim)


@composite
def _nll(log_p: Any, target: Any, weight: Any, ignore: int, reduction: str, smoothing: float) -> Any:  # fmt: skip
    _check_classes(log_p, target)
    dim = 1 if log_p.ndim > 1 else 0
    _check_weight(weight, log_p, dim)
    ignored = target == ignore
    safe = (
        E.where(ignored, 0, target)
        if ignore < 0 or ignore < log_p.shape[dim]
        else target
    )
    loss = -_picked(log_p, safe, dim)
    w = None if weight is None else apply(Index, weight, safe.reshape(-1), dims=(0,)).reshape(safe.shape)  # fmt: skip
    kept = (~ignored).to(log_p.dtype)
    scale = kept if w is None else w * kept
    loss = E.where(ignored, 0.0, loss if w is None else loss * w)
    if smoothing:
        shape = [-1 if i == dim else 1 for i in range(log_p.ndim)]
        each = log_p if weight is None else log_p * weight.reshape(shape)
        smooth = E.where(ignored, 0.0, -each.sum(dim))
        n = log_p.shape[dim]
        loss = (1 - smoothing) * loss + smoothing / n * smooth
    if reduction == "mean":
        return loss.sum() / scale.sum()
    return _reduced(loss, reduction)


def nll_loss(
    input: Any, target: Any, weight: Any = None, size_average: Any = None,
    ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """−wᵧ·input[y]: the negative log-likelihood of the target classes."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _nll(input, target, weight, ignore_index, reduction, 0.0)


@composite
def _cross_entropy(
    input: Any, target: Any, weight: Any, ignore: int, reduction: str, smoothing: float
) -> Any:
    dim = 1 if input.ndim > 1 else 0
    if not 0 <= smoothing <= 1:
        raise RuntimeError(
            f"label_smoothing must be between 0.0 and 1.0. Got: {smoothing}"
        )
    _check_weight(weight, input, dim)
    if target.shape == input.shape and not target.dtype.is_floating_point:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{target.dtype.name}: target.to(input.dtype), or class indices of shape "
            f"{[*input.shape[:dim], *input.shape[dim + 1 :]]}"
        )
    if target.dtype.is_floating_point and ignore >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    log_p = P.log_softmax(input, dim)
    if target.dtype.is_floating_point:
        if target.shape != input.shape:
            raise RuntimeError(
                "a target of probabilities must have the shape of the input "
                f"{list(input.shape)}, but has {list(target.shape)}; class indices must be "
                "integers: target.long()"
            )
        n = input.shape[dim]
        if smoothing:
            target = target * (1 - smoothing) + smoothing / n
        if weight is not None:
            log_p = log_p * weight.reshape(
                [-1 if i == dim else 1 for i in range(input.ndim)]
            )
        loss = -(log_p * target).sum(dim)
        if reduction == "mean":
            return loss.sum() / max(1, loss.numel())
        return _reduced(loss, reduction)
    return _nll(log_p, target, weight, ignore, reduction, smoothing)


def cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None,
    ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """−log softmax(x)[y] for class indices y, or −Σ yᵢ log softmax(x)ᵢ for probabilities.

    [N, C] or [N, C, d…] with targets [N] or [N, d…]; a class outside [0, C) raises
    IndexError when the work is run.
    """
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _cross_entropy(
        input, target, weight, ignore_index, reduction, float(label_smoothing)
    )


def linear_cross_entropy(
    input: Any, linear_weight: Any, target: Any, *, linear_bias: Any = None,
    weight: Any = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0, options: Any = None,
) -> Any:  # fmt: skip
    """cross_entropy(x Wᵀ + b, target) for x [N, in] and W [C, in] or [C, d…, in]."""
    if options is not None:
        raise NotImplementedError(
            "linear_cross_entropy: options (work in pieces) are not there; leave them out"
        )
    shape = tuple(linear_weight.shape)
    if len(shape) < 2:
        raise RuntimeError(
            "linear_cross_entropy: the weight has at least 2 dimensions, not shape "
            f"{list(shape)}"
        )
    if input.ndim not in (1, 2) or (len(shape) > 2 and input.ndim != 2):
        raise RuntimeError(
            f"linear_cross_entropy takes an input [in] or [N, in], with a weight {list(shape)} "
            f"only the latter, not {list(input.shape)}"
        )
    if ignore_index is not None and target.dtype.is_floating_point:
        raise RuntimeError(
            "ignore_index is not supported for a target of probabilities: leave it out"
        )
    scores = linear(input, linear_weight.reshape((-1, shape[-1])))
    scores = scores.reshape((*input.shape[:-1], *shape[:-1]))
    if linear_bias is not None:
        scores = scores + linear_bias
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, ignore_index=ignored,
                         reduction=reduction, label_smoothing=label_smoothing)  # fmt: skip
