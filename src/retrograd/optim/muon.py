from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .optimizer import Group, Optimizer, Params, State
from .rules import lerp, number, zeros_like

if TYPE_CHECKING:
    from ..tensor import Tensor


class Muon(Optimizer):
    """m ← μm + (1−μ)g;  θ ← (1 − ηλ)θ − η′·orth(m): momentum whose singular values are
    all brought near 1, for the matrices of hidden layers.

    orth is *ns_steps* Newton-Schulz iterations X ← aX + (bA + cA²)X with A = XXᵀ, in
    bfloat16, starting from X = m/‖m‖. Nesterov's variant takes (1−μ)g + μm for m. η′ is
    η·√max(1, rows/columns), or with *adjust_lr_fn* ``"match_rms_adamw"``
    η·0.2·√max(rows, columns). Jordan et al., Muon: an optimizer for hidden layers in
    neural networks, 2024; Liu et al., Muon is scalable for LLM training, 2025.
    """

    counts_steps = False

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if not isinstance(lr, (int, float)) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not float(lr) >= 0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter "
                        f"with size: {param.size()}; give vectors and tensors of other "
                        "dimensions to AdamW"
                    )

    def init_state(self, param: Tensor, group: Group) -> State:
        return {"momentum_buffer": zeros_like(param)}

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        lr = number(group, "lr")
        return lr, 1 - lr * group["weight_decay"]

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        lr, decay = scalars
        momentum = group["momentum"]
        buffer = _mean(state["momentum_buffer"], grad, 1 - momentum)
        change = _mean(grad, buffer, momentum) if group["nesterov"] else buffer
        rows, columns = param.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        else:
            ratio = math.sqrt(max(1, rows / columns))
        change = _orthogonal(change, group).to(param.dtype)
        return param * decay - lr * ratio * change, {"momentum_buffer": buffer}


def _mean(start: Any, end: Any, weight: float) -> Any:
    return lerp(start, end, weight, weight < 0.5)


def _orthogonal(matrix: Tensor, group: Group) -> Any:
    """About UVᵀ, where USVᵀ is the singular value decomposition of *matrix*."""
    steps, coefficients = group["ns_steps"], group["ns_coefficients"]
    if steps >= 100:
        raise ValueError(
            "Number of steps must be less than 100 for computational efficiency"
        )
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x: Any = matrix.bfloat16()
    tall = matrix.shape[0] > matrix.shape[1]
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=group["eps"])
    for _ in range(steps):
        # Products of bfloat16 are summed in float32, and rounded once with the rest.
        gram = x @ x.T
        wide = gram.float()
        gram = (b * wide + c * (wide @ wide)).bfloat16()
        wide = x.float()
        x = (a * wide + gram.float() @ wide).bfloat16()
    return x.T if tall else x
