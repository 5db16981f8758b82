from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dispatch import constant
from ..tensor import Tensor
from .optimizer import Group, Optimizer, Params, State
from .rules import check_number, lerp, number, zeros_like


class Adafactor(Optimizer):
    """θ ← (1 − ηλ)θ − α·u / max(1, RMS(u)/d), u = g/√v̂: Adam's second moment, kept for
    a matrix as means over its rows and columns alone, v̂ = r cᵀ / mean(r).

    r and c are running means of g² with weight t^τ (τ *beta2_decay*); α is
    max(ε₂, RMS(θ))·min(η, 1/√t), a step relative to the size of θ. Vectors keep all of v.
    Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost,
    ICML 2018.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_number("lr", lr)
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for fits, message in (
            (float(lr) >= 0, f"Learning rate should be >= 0 but is: {lr}"),
            (beta2_decay <= 0, f"beta2_decay should be <= 0 but is: {beta2_decay}"),
            ((eps[0] or 0) >= 0, f"epsilon1 should be >= 0 but is: {eps[0]}"),
            (eps[1] >= 0, f"epsilon2 should be >= 0 but is: {eps[1]}"),
            (d >= 1, f"Clipping threshold d should be >= 1 but is: {d}"),
            (weight_decay >= 0, f"weight_decay should be >= 0 but is: {weight_decay}"),
        ):
            if not fits:
                raise ValueError(message)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def init_state(self, param: Tensor, group: Group) -> State:
        if param.ndim < 2:
            return {"variance": zeros_like(param)}
        *batch, rows, columns = param.shape
        dtype = param.dtype.np
        return {
            "row_var": constant(np.zeros((*batch, rows, 1), dtype)),
            "col_var": constant(np.zeros((*batch, 1, columns), dtype)),
        }

    def scalars(self, group: Group, step: int) -> tuple[float, ...]:
        lr = number(group, "lr")
        return (
            min(lr, 1 / step**0.5),
            step ** group["beta2_decay"],
            1 - lr * group["weight_decay"],
        )

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        relative, weight, decay = scalars
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = float(np.finfo(param.dtype.np).eps)
        if group["maximize"]:
            grad = -grad
        rate = _rms(param).clamp(min=eps2) * relative
        if group["weight_decay"] != 0:
            param = param * decay
        square = grad * grad
        if param.ndim < 2:
            variance = lerp(state["variance"], square, weight, True)
            new = {"variance": variance}
        else:
            row = lerp(state["row_var"], square.mean(-1, keepdim=True), weight, True)
            column = lerp(state["col_var"], square.mean(-2, keepdim=True), weight, True)
            new = {"row_var": row, "col_var": column}
            variance = row @ column / row.mean(-2, keepdim=True).clamp(min=eps1)
        change = grad / variance.clamp(min=eps1 * eps1).sqrt()
        change = change / (_rms(change) / group["d"]).clamp(min=1.0)
        return param - rate * change, new


def _rms(x: Tensor) -> Any:
    return (x * x).mean().sqrt()
