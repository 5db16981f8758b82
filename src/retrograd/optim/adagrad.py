from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import (
    check_lr,
    check_nonnegative,
    filled_like,
    number,
    regularized,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class Adagrad(Optimizer):
    """s ← s + g²;  θ ← θ − ηₜ·g / (√s + ε), with ηₜ = η / (1 + (t − 1)·lr_decay).

    Duchi et al., Adaptive subgradient methods for online learning and stochastic
    optimization, JMLR 12, 2011.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_nonnegative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        # The sums exist, and can be read, before the first step.
        group = self.param_groups[-1]
        for param in group["params"]:
            self.state[param] = {"step": 0, **self.init_state(param, group)}

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"sum": filled_like(param, self.defaults["initial_accumulator_value"])}

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        return (number(group, "lr") / (1 + (step - 1) * group["lr_decay"]),)

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        (rate,) = scalars
        grad = regularized(param, grad, group, decoupled=False)
        total = state["sum"] + grad * grad
        return param - rate * grad / (total.sqrt() + group["eps"]), {"sum": total}
