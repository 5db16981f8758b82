from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dispatch import constant
from .optimizer import Group, Params, State
from .sgd import SGD

if TYPE_CHECKING:
    from ..tensor import Tensor


class PreconditionedSGD(SGD):
    """Gradient descent with a matrix for a learning rate: θ ← θ − η P b.

    b is the direction of :class:`SGD`, η *lr*, and P *preconditioner*, a positive
    semi-definite matrix [n, n] for parameters of n elements, taken as flat vectors. Then
    bᵀPb ≥ 0: the step still goes downhill, though not in the steepest direction. With P
    the inverse of the Hessian it is Newton's step. None is the identity. Each parameter
    group may have a matrix of its own. ValueError for a matrix that is not symmetric or
    has a negative eigenvalue.

    >>> import retrograd as rg
    >>> w = rg.tensor([3.0, 5.0], requires_grad=True)
    >>> P = rg.tensor([[1.0, 0.0], [0.0, 0.01]])
    >>> optimizer = rg.optim.PreconditionedSGD([w], lr=1.0, preconditioner=P)
    >>> (0.5 * (w**2 * rg.tensor([1.0, 100.0])).sum()).backward()
    >>> optimizer.step()
    >>> w.detach().abs().max().item() < 1e-5
    True
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        preconditioner: Any = None,
        maximize: bool = False,
    ) -> None:
        self._preconditioner = preconditioner
        super().__init__(
            params, lr, momentum, dampening, weight_decay, nesterov, maximize=maximize
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, which may have a ``preconditioner`` of its own."""
        if isinstance(param_group, dict):
            matrix = param_group.setdefault("preconditioner", self._preconditioner)
            param_group["preconditioner"] = _checked(matrix)
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        if group["preconditioner"] is None:
            return
        n = group["preconditioner"].shape[0]
        for param in group["params"]:
            if param.numel() != n:
                self.param_groups.pop()
                raise ValueError(
                    f"the preconditioner is [{n}, {n}], but a parameter of its group has "
                    f"{param.numel()} elements (shape {list(param.shape)}): give each "
                    "size of parameter a group of its own"
                )

    @staticmethod
    def built_in(key: str, value: Any) -> Any:
        # The matrix is part of the recorded step; another one is another step.
        return id(value) if key == "preconditioner" else SGD.built_in(key, value)

    def update(
        self,
        param: Tensor,
        grad: Tensor,
        state: State,
        scalars: Sequence[Any],
        group: Group,
    ) -> tuple[Tensor, State]:
        matrix = group["preconditioner"]
        if matrix is None:
            return super().update(param, grad, state, scalars, group)
        direction, changed = self.direction(param, grad, state, scalars, group)
        step = matrix.to(param.dtype) @ direction.reshape(-1)
        return param - scalars[0] * step.reshape(param.shape), changed


def _checked(matrix: Any) -> Any:
    """The matrix as a tensor; ValueError unless it is positive semi-definite."""
    if matrix is None:
        return None
    found = matrix.detach().numpy() if hasattr(matrix, "detach") else np.asarray(matrix)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise ValueError(
            f"the preconditioner should be a square matrix, but has shape {list(found.shape)}"
        )
    wide = found.astype(np.float64)
    if not np.isfinite(wide).all():
        raise ValueError("the preconditioner has NaN or infinite elements")
    size = float(np.abs(wide).max(initial=0.0))
    slack = 1e-6 if found.dtype.itemsize <= 4 else 1e-12
    if np.abs(wide - wide.T).max(initial=0.0) > slack * size:
        raise ValueError(
            "the preconditioner is not symmetric, so not positive semi-definite: use "
            "its symmetric part, (P + P.T) / 2"
        )
    lowest = float(np.linalg.eigvalsh(wide).min(initial=0.0))
    if lowest < -slack * size * len(wide):
        raise ValueError(
            f"the preconditioner has a negative eigenvalue, {lowest:.3g}: it would climb in "
            "that direction; a positive semi-definite matrix has none"
        )
    return constant(found.copy())
