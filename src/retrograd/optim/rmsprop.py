from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import (
    check_lr,
    check_nonnegative,
    lerp,
    number,
    regularized,
    zeros_like,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class RMSprop(Optimizer):
    """v ← αv + (1−α)g²;  θ ← θ − η·g / (√v + ε).

    *centered* divides by √(v − ḡ²), with ḡ the running mean of g: an estimate of the
    standard deviation. *momentum* accumulates b ← μb + g/(√v + ε) and steps along b.
    Tieleman and Hinton, lecture 6.5 of Neural networks for machine learning, 2012.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative(
            eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha
        )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        state = {"square_avg": zeros_like(param)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = zeros_like(param)
        return state

    @staticmethod
    def built_in(key: str, value: Any) -> Any:
        # Schedules that cycle move the momentum together with the rate.
        return value > 0 if key == "momentum" else Optimizer.built_in(key, value)

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        return number(group, "lr"), number(group, "momentum")

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        lr, momentum = scalars
        alpha = group["alpha"]
        grad = regularized(param, grad, group, decoupled=False)
        square_avg = state["square_avg"] * alpha + (1 - alpha) * grad * grad
        new: State = {"square_avg": square_avg}
        if group["centered"]:
            grad_avg = lerp(state["grad_avg"], grad, 1 - alpha, 1 - alpha < 0.5)
            new["grad_avg"] = grad_avg
            average = (square_avg - grad_avg * grad_avg).sqrt()
        else:
            average = square_avg.sqrt()
        average = average + group["eps"]
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"] * momentum + grad / average
            new["momentum_buffer"] = buffer
            return param - lr * buffer, new
        return param - lr * grad / average, new
