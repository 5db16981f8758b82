from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import (
    check_lr,
    filled_like,
    zeros_like,
)

if TYPE_CHECKING:
    from ..tensor import Tensor


class Rprop(Optimizer):
    """Each weight has its own step Δ; of g only the sign counts, as the direction.
    Δ grows by η⁺ while g keeps its sign and shrinks by η⁻ when it turns, in which case
    the weight waits for one step. For full batches.

    Riedmiller and Braun, A direct adaptive method for faster backpropagation learning,
    ICNN 1993.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        return {
            "prev": zeros_like(param),
            "step_size": filled_like(param, float(group["lr"])),
        }

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        return ()

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        shrink, grow = group["etas"]
        low, high = group["step_sizes"]
        if group["maximize"]:
            grad = -grad
        turn = grad * state["prev"]
        same, turned = (turn > 0).to(grad.dtype), (turn < 0).to(grad.dtype)
        stayed = 1 - turned
        factor = same * grow + turned * shrink + (1 - same) * stayed
        step_size = (state["step_size"] * factor).clamp(low, high)
        grad = grad * stayed
        new = {"prev": grad, "step_size": step_size}
        return param - grad.sign() * step_size, new
