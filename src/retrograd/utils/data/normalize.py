"""Inputs with mean 0 and variance 1: per feature, or per channel of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dispatch import constant


class Normalize:
    """x′ = (x − μ)/max(σ, ε), with μ and σ of each feature of [N, F], of each channel
    of [N, C, …], or of [N] as a whole.

    Fitted on the training data and then applied to all the rest. Inputs of mean 0 and
    deviation 1 keep the sums of the first layer, and with them its gradients, in range;
    images are normalised channel by channel, as daylight has much red and the sea has
    almost none; ε keeps features that never vary from being blown up. LeCun et al.,
    Efficient BackProp, 1998, §4.3.

    >>> import retrograd as rg
    >>> n = rg.utils.data.Normalize().fit(rg.tensor([[1.0, 5.0], [3.0, 5.0]]))
    >>> n(rg.tensor([[2.0, 5.0], [4.0, 5.0]])).tolist()
    [[0.0, 0.0], [2.0, 0.0]]
    """

    def __init__(self, eps: float = 1e-5) -> None:
        if not eps > 0:
            raise ValueError(f"eps should be positive, but got {eps}")
        self.eps = eps
        self.mean: Any = None
        self.scale: Any = None

    def fit(self, x: Any) -> Normalize:
        """Take μ and max(σ, ε) from *x*, in double precision."""
        array = x.detach().numpy()
        if array.ndim < 1 or array.size == 0:
            raise ValueError(
                f"expected samples in the first dimension, got shape {list(x.shape)}"
            )
        axes = (0, *range(2, array.ndim))
        wide = array.astype(np.float64)
        if not np.isfinite(wide).all():
            raise ValueError("the data to normalise has NaN or infinite values")
        mean = wide.mean(axes, keepdims=True)[0]
        scale = np.maximum(wide.std(axes, keepdims=True)[0], self.eps)
        kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
        self.mean = constant(np.asarray(mean, dtype=kind))
        self.scale = constant(np.asarray(scale, dtype=kind))
        return self

    def __call__(self, x: Any) -> Any:
        self._check()
        return (x - self.mean) / self.scale

    def inverse(self, x: Any) -> Any:
        """x′ · max(σ, ε) + μ: back to the units of the data."""
        self._check()
        return x * self.scale + self.mean

    def state_dict(self) -> dict[str, Any]:
        """The tensors ``mean`` and ``scale``."""
        self._check()
        return {"mean": self.mean, "scale": self.scale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` saved."""
        self.mean, self.scale = state_dict["mean"], state_dict["scale"]

    def _check(self) -> None:
        if self.mean is None:
            raise RuntimeError("mean and scale are not known yet: call fit() first")

    def __repr__(self) -> str:
        return f"Normalize(eps={self.eps})"


def standardize(train: Any, *others: Any, eps: float = 1e-5) -> Any:
    """*train* with mean 0 and deviation 1, and *others* by the same μ and max(σ, ε).

    >>> import retrograd as rg
    >>> a, b = standardize(rg.tensor([[1.0], [3.0]]), rg.tensor([[5.0]]))
    >>> a.tolist(), b.tolist()
    ([[-1.0], [1.0]], [[3.0]])
    """
    normalize = Normalize(eps).fit(train)
    return tuple(map(normalize, (train, *others))) if others else normalize(train)
