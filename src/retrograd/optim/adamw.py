from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .adam import Adam
from .optimizer import Params

if TYPE_CHECKING:
    from ..tensor import Tensor


class AdamW(Adam):
    """Adam with decoupled weight decay: θ ← (1 − ηλ)θ, then Adam's update of the loss
    alone, so that the decay is not divided by √v̂.

    Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        # A state saved by Adam does not turn this back into Adam.
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
