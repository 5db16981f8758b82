from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..dispatch import constant
from .optimizer import Group, Optimizer, Params, State, counting_type
from .rules import (
    check_lr,
    check_nonnegative,
    number,
    regularized,
    zeros_like,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class ASGD(Optimizer):
    """θ ← (1 − ληₜ)θ − ηₜg with ηₜ = η/(1 + λη(t−1))^α, and the mean of θ from step t₀
    on in ``state[p]["ax"]``: ax ← ax + μₜ(θ − ax), μₜ = 1/max(1, t − 1 − t₀).

    Polyak and Juditsky, Acceleration of stochastic approximation by averaging, SIAM
    J. Control Optim. 30, 1992.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative(weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        # The type of η and μ is not the parameter's: as PyTorch keeps them.
        return {
            "eta": constant(np.array(float(group["lr"]), counting_type())),
            "mu": constant(np.ones((), counting_type())),
            "ax": zeros_like(param),
        }

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        lr, t0 = number(group, "lr"), group["t0"]
        averaging = step > 1 and step - 1 - t0 > 1
        eta = lr / (1 + group["lambd"] * lr * step) ** group["alpha"]
        single = dtypes.get_default_dtype().np.type
        return (
            float(single(eta)) if isinstance(eta, float) else eta,
            float(single(1 / max(1, step - t0))),
            # Before averaging, ax is θ itself: what it was is dropped.
            1.0 if averaging else 0.0,
        )

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        next_eta, next_mu, keep = scalars
        grad = regularized(param, grad, group, decoupled=False)
        eta, mu = state["eta"].to(param.dtype), state["mu"].to(param.dtype)
        param = param * (1 - group["lambd"] * eta) - eta * grad
        mean = state["ax"] * keep
        mean = mean + (param - mean) * mu
        new = {
            "eta": (state["eta"] * 0 + next_eta).to(state["eta"].dtype),
            "mu": (state["mu"] * 0 + next_mu).to(state["mu"].dtype),
            "ax": mean,
        }
        return param, new
