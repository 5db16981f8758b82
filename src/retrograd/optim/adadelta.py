from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import (
    check_lr,
    check_nonnegative,
    number,
    regularized,
    zeros_like,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class Adadelta(Optimizer):
    """v ← ρv + (1−ρ)g²;  Δ = √(u+ε)/√(v+ε) · g;  u ← ρu + (1−ρ)Δ²;  θ ← θ − ηΔ.

    Zeiler, ADADELTA: an adaptive learning rate method, arXiv:1212.5701, 2012.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_nonnegative(eps=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"square_avg": zeros_like(param), "acc_delta": zeros_like(param)}

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        return (number(group, "lr"),)

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        (lr,) = scalars
        rho, eps = group["rho"], group["eps"]
        grad = regularized(param, grad, group, decoupled=False)
        square_avg = state["square_avg"] * rho + (1 - rho) * grad * grad
        acc = state["acc_delta"]
        delta = (acc + eps).sqrt() / (square_avg + eps).sqrt() * grad
        acc = acc * rho + (1 - rho) * delta * delta
        return param - lr * delta, {"square_avg": square_avg, "acc_delta": acc}
