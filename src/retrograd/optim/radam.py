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


class RAdam(Optimizer):
    """Adam whose adaptive rate is rectified while v is known from few steps:
    θ ← θ − η m̂ r / (√v̂ + ε) once ρₜ > 5, plain momentum θ ← θ − η m̂ before, where
    r = √((ρₜ−4)(ρₜ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρₜ)).

    Liu et al., On the variance of the adaptive learning rate and beyond, ICLR 2020.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    built_in = staticmethod(averaging)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"exp_avg": zeros_like(param), "exp_avg_sq": zeros_like(param)}

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        lr, (beta1, beta2) = number(group, "lr"), betas_of(group)
        correction2 = 1 - beta2**step
        full = 2 / (1 - beta2) - 1
        rho = full - 2 * step * beta2**step / correction2
        # The two regimes are one formula, so that a recorded step serves both:
        # numerator / (on·(√v + ε) + off) · rectification.
        on, numerator, rectification = 0.0, 1.0, 1.0
        if rho > 5.0:
            on, numerator = 1.0, correction2**0.5
            rectification = (
                (rho - 4) * (rho - 2) * full / ((full - 4) * (full - 2) * rho)
            ) ** 0.5
        return (
            lr,
            1 - beta1**step,
            on,
            1.0 - on,
            numerator,
            rectification,
            1 - lr * group["weight_decay"],
            1 - beta1,
        )

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        lr, correction1, on, off, numerator, rectification, decay, weight = scalars
        beta1, beta2 = betas_of(group)
        decoupled = group["decoupled_weight_decay"]
        grad = regularized(param, grad, group, decoupled)
        if decoupled and group["weight_decay"] != 0:
            param = param * decay
        exp_avg = lerp(state["exp_avg"], grad, weight, 1 - beta1 < 0.5)
        exp_avg_sq = state["exp_avg_sq"] * beta2 + (1 - beta2) * grad * grad
        adaptive = numerator / (on * (exp_avg_sq.sqrt() + group["eps"]) + off)
        param = param - exp_avg / correction1 * lr * adaptive * rectification
        return param, {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
