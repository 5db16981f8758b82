from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dispatch import constant
from ..tensor import Tensor as _Tensor
from .optimizer import Group, Optimizer, Params, State, counting_type
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


class NAdam(Optimizer):
    """Adam with Nesterov momentum: θ ← θ − η[(1−μₜ)/(1−Π) g + μₜ₊₁/(1−Πμₜ₊₁) m]/(√v̂+ε),
    μₜ = β₁(1 − ½·0.96^(tψ)), Π = μ₁⋯μₜ, ψ *momentum_decay*.

    Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_nonnegative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    built_in = staticmethod(averaging)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {
            # Its type is not the parameter's: as PyTorch keeps it.
            "mu_product": constant(np.ones((), counting_type())),
            "exp_avg": zeros_like(param),
            "exp_avg_sq": zeros_like(param),
        }

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        lr, (beta1, beta2) = number(group, "lr"), betas_of(group)
        decay = group["momentum_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
        return (
            mu,
            mu_next,
            lr * (1.0 - mu),
            lr * mu_next,
            1 - beta2**step,
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
        mu, mu_next, grad_rate, avg_rate, correction, decay, weight = scalars
        beta1, beta2 = betas_of(group)
        decoupled = group["decoupled_weight_decay"]
        grad = regularized(param, grad, group, decoupled)
        if decoupled and group["weight_decay"] != 0:
            param = param * decay
        product = state["mu_product"]
        product = product * (mu.to(product.dtype) if isinstance(mu, _Tensor) else mu)
        exp_avg = lerp(state["exp_avg"], grad, weight, 1 - beta1 < 0.5)
        exp_avg_sq = state["exp_avg_sq"] * beta2 + (1 - beta2) * grad * grad
        denominator = (exp_avg_sq / correction).sqrt() + group["eps"]
        done = product.to(param.dtype)
        param = param - grad_rate / (1.0 - done) * grad / denominator
        param = param - avg_rate / (1.0 - done * mu_next) * exp_avg / denominator
        new = {"mu_product": product, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}
        return param, new
