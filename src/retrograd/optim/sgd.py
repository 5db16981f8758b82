from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import (
    check_lr,
    check_nonnegative,
    number,
    regularized,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class SGD(Optimizer):
    """Gradient descent, with momentum: g ← ∇ + λθ;  b ← μb + (1 − τ)g;  θ ← θ − ηb.

    Nesterov's variant steps along g + μb. η is *lr*, μ *momentum*, τ *dampening*, λ
    *weight_decay* (the L2 penalty ½λ‖θ‖²). b starts as the first g.
    Sutskever et al., On the importance of initialization and momentum in deep
    learning, ICML 2013.
    """

    counts_steps = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_nonnegative(momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    @staticmethod
    def built_in(key: str, value: Any) -> Any:
        # Schedules that cycle move the momentum together with the rate.
        return value != 0 if key == "momentum" else Optimizer.built_in(key, value)

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        return number(group, "lr"), number(group, "momentum")

    def direction(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        """b, against which the step goes, and the new state."""
        momentum = scalars[1]
        grad = regularized(param, grad, group, decoupled=False)
        if group["momentum"] == 0:
            return grad, {}
        if "momentum_buffer" in state:
            buffer = state["momentum_buffer"] * momentum
            buffer = buffer + (1 - group["dampening"]) * grad
        else:
            buffer = grad.clone()
        if group["nesterov"]:
            grad = grad + momentum * buffer
        else:
            grad = buffer
        return grad, {"momentum_buffer": buffer}

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        direction, changed = self.direction(param, grad, state, scalars, group)
        return param - scalars[0] * direction, changed
