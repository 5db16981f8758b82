from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import (
    averaging,
    betas_of,
    check_betas,
    check_foreach,
    check_lr,
    check_nonnegative,
    lerp,
    number,
    regularized,
    zeros_like,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class Adam(Optimizer):
    """m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  θ ← θ − η·m̂ / (√v̂ + ε), where
    m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ) undo the bias of starting at 0.

    *weight_decay* adds λθ to g, or with *decoupled_weight_decay* takes ηλθ from θ
    (AdamW). *amsgrad* puts the largest v so far in the place of v.
    Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015;
    Reddi et al., On the convergence of Adam and beyond, ICLR 2018.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_foreach(foreach, lr, betas)
        check_lr(lr)
        check_nonnegative(eps=eps)
        check_betas(betas)
        check_nonnegative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    built_in = staticmethod(averaging)

    def init_state(self, param: Tensor, group: Group) -> State:
        state = {"exp_avg": zeros_like(param), "exp_avg_sq": zeros_like(param)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(param)
        return state

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        lr, (beta1, beta2) = number(group, "lr"), betas_of(group)
        return (
            lr / (1 - beta1**step),
            (1 - beta2**step) ** -0.5,
            1 - lr * group["weight_decay"],
            1 - beta1,  # cyclic schedules move β₁
        )

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        step_size, root_correction, decay, weight = scalars
        beta1, beta2 = betas_of(group)
        decoupled = group["decoupled_weight_decay"]
        grad = regularized(param, grad, group, decoupled)
        if decoupled and group["weight_decay"] != 0:
            param = param * decay
        exp_avg = lerp(state["exp_avg"], grad, weight, 1 - beta1 < 0.5)
        exp_avg_sq = state["exp_avg_sq"] * beta2 + (1 - beta2) * grad * grad
        new: State = {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
        if group["amsgrad"]:
            exp_avg_sq = state["max_exp_avg_sq"].maximum(exp_avg_sq)
            new["max_exp_avg_sq"] = exp_avg_sq
        denominator = exp_avg_sq.sqrt() * root_correction + group["eps"]
        return param - step_size * exp_avg / denominator, new
