from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import (
    averaging,
    betas_of,
    check_betas,
    check_lr,
    check_nonnegative,
    lerp,
    number,
    regularized,
    zeros_like,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class Adamax(Optimizer):
    """m ← β₁m + (1−β₁)g;  u ← max(β₂u, |g| + ε);  θ ← θ − η/(1−β₁ᵗ) · m/u: Adam with
    the infinity norm. Kingma and Ba, section 7.1, ICLR 2015.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative(eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    built_in = staticmethod(averaging)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"exp_avg": zeros_like(param), "exp_inf": zeros_like(param)}

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        beta1 = betas_of(group)[0]
        return number(group, "lr") / (1 - beta1**step), 1 - beta1

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        rate, weight = scalars
        beta1, beta2 = betas_of(group)
        grad = regularized(param, grad, group, decoupled=False)
        exp_avg = lerp(state["exp_avg"], grad, weight, 1 - beta1 < 0.5)
        exp_inf = (state["exp_inf"] * beta2).maximum(grad.abs() + group["eps"])
        new = {"exp_avg": exp_avg, "exp_inf": exp_inf}
        return param - rate * exp_avg / exp_inf, new
