"""Dropout: in training, elements are set to 0 at random, and the others scaled up.

y = m ⊙ x / (1 − p), m ~ Bernoulli(1 − p), so that E[y] = x; dx = m ⊙ dy / (1 − p).
In evaluation y = x (Srivastava et al., 2014).
"""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from ..module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(
                f"dropout probability has to be between 0 and 1, but got {p}"
            )
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Sets each element to 0 with probability *p*.

    >>> import retrograd as rg
    >>> drop = rg.nn.Dropout(0.5)
    >>> sorted(set(drop(rg.ones(100)).tolist()))
    [0.0, 2.0]
    >>> drop.eval()(rg.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Sets whole channels of (N, C, L) to 0 with probability *p*."""

    def forward(self, input: Tensor) -> Any:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Sets whole channels of (N, C, H, W) to 0 with probability *p*."""

    def forward(self, input: Tensor) -> Any:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Sets whole channels of (N, C, D, H, W) to 0 with probability *p*."""

    def forward(self, input: Tensor) -> Any:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """For SELU: elements become −λα, and all are rescaled to mean 0 and variance 1."""

    def forward(self, input: Tensor) -> Any:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of (N, C, …)."""

    def forward(self, input: Tensor) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training)
