"""Inputs with mean 0 and variance 1: per feature, or per channel of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dispatch import constant


class Normalize:
    """(x − μ)/max(σ, ε), μ and σ per feature of [N, F], or per channel of [N, C, …].

    Fitted on the training data and applied to the rest. ε keeps features that never
    vary from being blown up (LeCun et al., Efficient BackProp, 1998, §4.3).

    >>> import retrograd as rg
    >>> n = rg.utils.data.Normalize().fit(rg.tensor([[1.0, 5.0], [3.0, 5.0]]))
    >>> n(rg.tensor([[2.0, 5.0], [4.0, 6.0]])).tolist()
    [[0.0, 0.0], [2.0, 100000.0]]
    """

    def __init__(self, eps: float = 1e-5) -> None:
        self.eps = eps
        self.mean: Any = None
        self.scale: Any = None

    def fit(self, x: Any) -> Normalize:
        """Take μ and max(σ, ε) from *x*."""
        array = x.detach().numpy()
        if array.ndim < 2 or array.shape[0] == 0:
            raise ValueError(f"expected samples in the first dimension, got shape {list(x.shape)}")
        axes = (0,) if array.ndim == 2 else (0, *range(2, array.ndim))
        wide = array.astype(np.float64)
        if not np.isfinite(wide).all():
            raise ValueError("the data to normalise has NaN or infinite values")
        self.mean = constant(wide.mean(axes, keepdims=True).astype(array.dtype)[0])
        scale = np.maximum(wide.std(axes, keepdims=True), self.eps)
        self.scale = constant(scale.astype(array.dtype)[0])
        return self

    def __call__(self, x: Any) -> Any:
        if self.mean is None:
            raise RuntimeError("fit() comes first: mean and scale are not known yet")
        return (x - self.mean) / self.scale

    def inverse(self, x: Any) -> Any:
        """Back to the original units."""
        return x * self.scale + self.mean

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean, "scale": self.scale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.mean, self.scale = state["mean"], state["scale"]
