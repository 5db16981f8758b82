"""Linear maps."""

from __future__ import annotations

import math
from typing import Any

from ...functions import empty
from ...tensor import Parameter, Tensor
from .. import init
from ..functional import bilinear, linear
from ..module import Module


class Identity(Module):
    """y = x; takes and ignores any arguments, to stand in for another module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Any:
        return input


class Linear(Module):
    """y = x Wᵀ + b, over the last dimension of x.

    Backward: dX = dY W, dW = dYᵀ X, db = Σ dY over the samples. W has the shape
    (out_features, in_features); W and b are drawn from U(−1/√in_features,
    1/√in_features).

    >>> import retrograd as rg
    >>> layer = rg.nn.Linear(4, 2)
    >>> layer(rg.randn(3, 4)).shape
    retrograd.Size([3, 2])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        how = {"device": device, "dtype": dtype}
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(empty((out_features, in_features), **how))
        if bias:
            self.bias = Parameter(empty(out_features, **how))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        # r = √(2/(1 + 5)) √(3/fan_in) = 1/√fan_in
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Any:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name that PyTorch's attention gives its last layer."""


class Bilinear(Module):
    """yₖ = x₁ᵀ Wₖ x₂ + bₖ.

    Backward: dx₁ = Σₖ dyₖ Wₖ x₂, dx₂ = Σₖ dyₖ Wₖᵀ x₁, dWₖ = dyₖ x₁ x₂ᵀ, db = Σ dy.
    W has the shape (out, in1, in2), drawn from U(−1/√in1, 1/√in1).
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        super().__init__()
        how = {"device": device, "dtype": dtype}
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(empty(shape, **how))
        if bias:
            self.bias = Parameter(empty(out_features, **how))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Any:
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
