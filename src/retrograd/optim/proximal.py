from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import check_lr, check_nonnegative, regularized

if TYPE_CHECKING:
    from ..tensor import Tensor


class ProximalSGD(Optimizer):
    """Gradient descent with an L1 penalty taken by its proximal step:
    v ← θ − ηg + μ(θ − θ₋₁);  θ ← sign(v) · max(|v| − ηλ₁, 0).

    η is *lr*, μ *momentum*, λ₁ *l1*, the weight of ‖θ‖₁ in the objective; *weight_decay*
    adds the L2 penalty to g. A subgradient of |θ| only jumps about zero; the proximal
    step solves min ½‖θ − v‖² + ηλ₁‖θ‖₁ exactly, so weights of no use become 0 and stay 0.
    The momentum is of the whole step, shrinking included (Ochs et al. 2014, iPiano):
    carried along with the gradient alone, as :class:`SGD` does, it would weaken the
    penalty. Without it this is ISTA (Daubechies, Defrise, De Mol 2004).

    >>> import retrograd as rg
    >>> w = rg.tensor([1.0, 0.02], requires_grad=True)
    >>> optimizer = rg.optim.ProximalSGD([w], lr=0.1, l1=0.5)
    >>> (0.5 * (w - rg.tensor([1.0, 0.0])) ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()[1]
    0.0
    """

    counts_steps = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        weight_decay: float = 0,
        *,
        l1: float = 0,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        check_nonnegative(momentum=momentum, weight_decay=weight_decay, l1=l1)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "l1": l1,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    @staticmethod
    def built_in(key: str, value: Any) -> Any:
        if key in ("momentum", "l1"):
            return value != 0
        return Optimizer.built_in(key, value)

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        lr = float(group["lr"])
        return lr, float(group["momentum"]), lr * float(group["l1"])

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        lr, momentum, threshold = scalars
        new = param - lr * regularized(param, grad, group, decoupled=False)
        if "last_step" in state and group["momentum"] != 0:
            new = new + momentum * state["last_step"]
        if group["l1"] != 0:
            new = (new - threshold).relu() - (-new - threshold).relu()
        return new, {"last_step": new - param} if group["momentum"] != 0 else {}
