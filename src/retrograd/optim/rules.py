"""What constructors check, and words that several update rules share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import constant
from ..tensor import Tensor
from .optimizer import Group, Optimizer


def check_number(name: str, value: Any) -> None:
    """TypeError for a hyperparameter that is no number."""
    if not isinstance(value, (int, float, np.number, Tensor)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")


def check_lr(lr: Any) -> None:
    check_number("lr", lr)
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not 0.0 <= float(lr):
        raise ValueError(f"Invalid learning rate: {lr}")


def number(group: Group, key: str) -> Any:
    """A hyperparameter as a host number; as it is where the step is differentiable, so
    that gradients reach a learning rate that is a tensor."""
    value = group[key]
    if type(value) is float or (isinstance(value, Tensor) and differentiable(group)):
        return value
    return float(value)


def betas_of(group: Group) -> tuple[Any, Any]:
    """β₁ and β₂, as :func:`number` gives them."""
    beta1, beta2 = group["betas"]
    if isinstance(beta1, Tensor) and not differentiable(group):
        return float(beta1), float(beta2)
    return beta1, beta2


def differentiable(group: Group) -> bool:
    return bool(group.get("differentiable"))


def check_foreach(foreach: bool | None, lr: Any, betas: Any = ()) -> None:
    """What PyTorch's Adam refuses of hyperparameters that are tensors."""
    names = ["lr", *(f"betas[{i}]" for i in range(len(betas)))]
    for name, value in zip(names, (lr, *betas), strict=True):
        if not isinstance(value, Tensor):
            continue
        if foreach:
            raise ValueError(
                f"{name} as a Tensor is not supported for capturable=False and "
                "foreach=True"
            )
        if value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")
    if betas and isinstance(betas[0], Tensor) != isinstance(betas[1], Tensor):
        raise ValueError("betas must be either both floats or both Tensors")


def check_nonnegative(**values: Any) -> None:
    for name, value in values.items():
        if not 0.0 <= value:
            label = "epsilon" if name == "eps" else name
            raise ValueError(f"Invalid {label} value: {value}")


def check_betas(betas: tuple[float, float]) -> None:
    for i in (0, 1):
        check_number(f"betas[{i}]", betas[i])
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def zeros_like(param: Tensor) -> Tensor:
    return filled_like(param, 0.0)


def filled_like(param: Tensor, value: float) -> Tensor:
    out: Tensor = constant(np.full(param.shape, value, dtype=param.dtype.np))
    return out


def regularized(param: Tensor, grad: Tensor, group: Group, decoupled: bool) -> Tensor:
    """±g + λθ: the gradient to descend, with the L2 penalty unless it is decoupled."""
    if group["maximize"]:
        grad = -grad
    if group["weight_decay"] != 0 and not decoupled:
        grad = grad + group["weight_decay"] * param
    return grad


def averaging(key: str, value: Any) -> Any:
    """``built_in`` where ``scalars`` bring 1 − β₁: of that, lerp's branch."""
    if key == "betas":
        return (bool(1 - value[0] < 0.5), float(value[1]))
    return Optimizer.built_in(key, value)


def lerp(start: Any, end: Any, weight: Any, small: bool) -> Any:
    """start + weight·(end − start), from the nearer end: *small* says weight < ½."""
    if small:
        return start + weight * (end - start)
    return end - (end - start) * (1 - weight)
