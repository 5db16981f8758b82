"""Losses: how far predictions are from targets."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ... import dtypes, errors
from ...dispatch import composite, narrowed
from ...functions import elementwise as E
from ...functions.half import once_rounded
from ...trace import Handle, spec_of

__all__ = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
           "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div",
           "poisson_nll_loss", "gaussian_nll_loss"]  # fmt: skip

Operand = Any  # a Tensor or a Python number


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction != "none":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return loss


def _way(size_average: Any, reduce: Any, reduction: str) -> str:
    """The reduction that PyTorch's two older arguments ask for, where one is given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def _same_shape(name: str, input: Any, target: Any) -> None:
    """Warn where a loss would broadcast: mostly a mistake, and a silent one."""
    a, b = spec_of(input).shape, spec_of(target).shape
    if a == b:
        return
    mend = "give both the same shape"
    if math.prod(a) == math.prod(b):
        mend = f"use target.reshape({', '.join(map(str, a))})"
        if b == (*a, 1):
            mend = "use target.squeeze(-1)"
        elif a == (*b, 1):
            mend = "use target.unsqueeze(-1), or input.squeeze(-1)"
    warnings.warn(
        f"{name}: the target size ({list(b)}) is different to the input size ({list(a)}). "
        f"This will likely lead to incorrect results due to broadcasting: {mend}\n"
        f"  at {errors.user_line()}",
        stacklevel=4,
    )


def _difference(input: Any, target: Any) -> Any:
    """input − target, of truth values too where the other has numbers."""
    if target.dtype is dtypes.bool_:
        target = target.to(input.dtype)
    elif input.dtype is dtypes.bool_:
        input = input.to(target.dtype)
    return input - target


@composite
def _mse(input: Any, target: Any, reduction: str) -> Any:
    _same_shape("mse_loss", input, target)
    d = _difference(input, target)
    return _reduced(d * d, reduction)


def mse_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", weight: Any = None,
) -> Any:  # fmt: skip
    """(x − y)², averaged, summed, or for each element."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    if weight is not None:
        loss = _mse(input, target, "none") * weight
        return loss.sum() / weight.expand_as(loss).sum() if reduction == "mean" else _reduced(loss, reduction)  # fmt: skip
    return _mse(input, target, reduction)


@composite
def _l1(input: Any, target: Any, reduction: str) -> Any:
    _same_shape("l1_loss", input, target)
    return _reduced((input - target).abs(), reduction)


def l1_loss(input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> Any:  # fmt: skip
    """|x − y|."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _l1(input, target, reduction)


@composite
@once_rounded
def _smooth(input: Any, target: Any, beta: float, scale: float, reduction: str) -> Any:
    _same_shape("smooth_l1_loss", input, target)
    d = _difference(input, target)
    a = d.abs()
    return _reduced(E.where(a < beta, d * d * (0.5 * scale / beta), (a - 0.5 * beta) * scale), reduction)  # fmt: skip


def smooth_l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Any:  # fmt: skip
    """½d²/β where |d| < β, |d| − ½β elsewhere."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return _l1(input, target, reduction)
    return _smooth(input, target, float(beta), 1.0, reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:  # fmt: skip
    """½d² where |d| < δ, δ(|d| − ½δ) elsewhere."""
    if not isinstance(delta, (int, float)):
        raise TypeError(f"huber_loss: delta is a number, not {type(delta).__name__}")
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    loss = _smooth(input, target, float(delta), float(delta), "none")
    return _reduced(loss if weight is None else loss * weight, reduction)


def _check_sizes(name: str, input: Any, target: Any) -> None:
    if input.shape != target.shape:
        raise ValueError(
            f"{name}: Target size ({list(target.shape)}) must be the same as input size "
            f"({list(input.shape)})"
        )


@composite
def _bce(input: Any, target: Any, weight: Any, reduction: str) -> Any:
    _check_sizes("binary_cross_entropy", input, target)
    loss = -(
        target * input.log().clamp(min=-100)
        + (1 - target) * (-input).log1p().clamp(min=-100)
    )
    return _reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Any:  # fmt: skip
    """−(y log p + (1 − y) log(1 − p)), the logarithms kept above −100."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _bce(input, target, weight, reduction)


@composite
def _bce_logits(
    input: Any, target: Any, weight: Any, positive: Any, reduction: str
) -> Any:
    _check_sizes("binary_cross_entropy_with_logits", input, target)
    softplus = E.logaddexp(-input, input * 0.0)  # log(1 + e⁻ˣ)
    if positive is None:
        loss = (1 - target) * input + softplus
    else:
        loss = (1 - target) * input + (1 + (positive - 1) * target) * softplus
    return _reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", pos_weight: Any = None,
) -> Any:  # fmt: skip
    """The same for p = σ(x), stable for x of any size."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    return _bce_logits(input, target, weight, pos_weight, reduction)


def kl_div(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", log_target: bool = False,
) -> Any:  # fmt: skip
    """y (log y − x) for log-probabilities x."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    input, target = narrowed("kl_div", input, target)
    for x in (input, target):
        if not x.dtype.is_floating_point:
            raise RuntimeError(
                f"kl_div: integers such as {x.dtype.name} are no probabilities: use "
                ".float()"
            )
    loss = target.exp() * (target - input) if log_target else E.xlogy(target, target) - target * input  # fmt: skip
    if reduction == "batchmean":
        return loss.sum() / (input.shape[0] if input.ndim else 1)
    return _reduced(loss, reduction)


def poisson_nll_loss(
    input: Any, target: Any, log_input: bool = True, full: bool = False, size_average: Any = None,
    eps: float = 1e-8, reduce: Any = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """eˣ − yx, or x − y log(x + ε); *full* adds Stirling's approximation of log y!."""
    if size_average is not None or reduce is not None:
        reduction = _way(size_average, reduce, reduction)
    input, target = narrowed("poisson_nll_loss", input, target)
    loss = (
        input.exp() - target * input
        if log_input
        else input - target * (input + eps).log()
    )
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + E.where(target > 1, stirling, 0.0)
    return _reduced(loss, reduction)


def gaussian_nll_loss(
    input: Any, target: Operand, var: Operand, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:  # fmt: skip
    """½(log σ² + (x − y)²/σ²), σ² kept above ε."""
    if isinstance(var, float):
        var = input.detach() * 0 + var
    elif not isinstance(var, Handle):
        raise TypeError(
            "gaussian_nll_loss(): argument 'var' (position 3) must be Tensor or float, "
            f"not {type(var).__name__}"
        )
    shape = tuple(input.shape)
    if tuple(var.shape) != shape:
        if tuple(var.shape) == shape[:-1]:
            var = var.unsqueeze(-1)
        elif len(var.shape) != len(shape) or [
            m for n, m in zip(shape, var.shape, strict=True) if n != m
        ] != [1]:
            raise ValueError(
                f"gaussian_nll_loss: var has shape {list(var.shape)}; it takes that of "
                f"the input, {list(shape)}, with 1 in one dimension, or without the last"
            )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if (var < 0).any():
        raise ValueError("gaussian_nll_loss: var has a negative entry")
    var = var + (var.detach().clamp(min=eps) - var.detach())
    d = input - target
    loss = 0.5 * (var.log() + d * d / var)
    return _reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
