"""Gradients kept in bounds before a step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ...autograd import no_grad
from ...dispatch import composite
from ...functions import stack, tensor
from ...tensor import Tensor
from ..functional.common import warn


def _gradients(parameters: Any) -> list[Any]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in listed if p.grad is not None]


def get_total_norm(
    tensors: Iterable[Tensor] | Tensor,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """‖(‖t₁‖ₚ, ‖t₂‖ₚ, …)‖ₚ: the norm of all tensors as one vector."""
    listed: list[Any] = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    p = float(norm_type)
    if not listed:
        return tensor(0.0)
    with no_grad():
        total = _total(p, *listed)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"The total norm of order {p} for gradients from `parameters` is "
            "non-finite, so it cannot be clipped. To disable this error and scale the "
            "gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def _norm_of(t: Any, p: float) -> Any:
    if p == math.inf:
        return t.abs().max()
    if p == -math.inf:
        return t.abs().min()
    if p == 0:
        return (t != 0).sum().to(t.dtype)
    return (t * t).sum().sqrt() if p == 2 else (t.abs() ** p).sum() ** (1 / p)


@composite
def _total(p: float, *tensors: Any) -> Any:
    norms = [_norm_of(t, p) for t in tensors]
    return _norm_of(norms[0] if len(norms) == 1 else stack(norms), p)


def clip_grads_with_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    total_norm: Any,
    foreach: bool | None = None,
) -> None:
    """g ← g · min(1, max_norm / (total_norm + 10⁻⁶)) for every gradient."""
    with no_grad():
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for g in _gradients(parameters):
            g.mul_(factor.to(g.dtype))


def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """g ← g · min(1, max_norm / (‖g‖ + 10⁻⁶)), ‖g‖ over all gradients as one vector;
    returns ‖g‖ as it was.

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.zeros(2))
    >>> w.grad = rg.tensor([3.0, 4.0])
    >>> rg.nn.utils.clip_grad_norm_([w], 1.0).item()
    5.0
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_value_(
    parameters: Iterable[Tensor] | Tensor,
    clip_value: float,
    foreach: bool | None = None,
) -> None:
    """g ← min(max(g, −clip_value), clip_value), element by element."""
    bound = float(clip_value)
    with no_grad():
        for g in _gradients(parameters):
            g.clamp_(min=-bound, max=bound)


def clip_grad_norm(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """The old name of ``clip_grad_norm_``."""
    warn("`clip_grad_norm` is deprecated: use `clip_grad_norm_`", FutureWarning)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)
