"""Activations: functions of each element, and those that normalise along a dimension.

Each is shown with its derivative; σ is the logistic function, Φ the normal
distribution and φ its density.
"""

from __future__ import annotations

from typing import Any

from ...functions import full
from ...tensor import Parameter, Tensor
from .. import functional as F
from ..functional import relu
from ..module import Module


class _Inplace(Module):
    """What has only the argument *inplace*."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


def _inplace(module: Any) -> str:
    return ", inplace=True" if module.inplace else ""


class ReLU(_Inplace):
    """y = max(0, x); dx = dy where x > 0, else 0.

    >>> import retrograd as rg
    >>> rg.nn.ReLU()(rg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Any:
        return relu(input, self.inplace) if self.inplace else relu(input)


class SELU(_Inplace):
    """y = λ x for x > 0, else λ α (eˣ − 1); dx = dy · λ, else dy · (y + λ α).

    α ≈ 1.6733 and λ ≈ 1.0507 make mean 0 and variance 1 a fixed point of the layers.
    """

    def forward(self, input: Tensor) -> Any:
        return F.selu(input, self.inplace)


class SiLU(_Inplace):
    """y = x σ(x); dx = dy · σ(x) (1 + x (1 − σ(x)))."""

    def forward(self, input: Tensor) -> Any:
        return F.silu(input, self.inplace)


class Mish(_Inplace):
    """y = x tanh(log(1 + eˣ))."""

    def forward(self, input: Tensor) -> Any:
        return F.mish(input, self.inplace)


class Hardsigmoid(_Inplace):
    """y = min(max(x/6 + 1/2, 0), 1); dx = dy/6 for |x| < 3."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace)

    def extra_repr(self) -> str:
        return ""

    def forward(self, input: Tensor) -> Any:
        return F.hardsigmoid(input, self.inplace)


class Hardswish(_Inplace):
    """y = x · min(max(x/6 + 1/2, 0), 1)."""

    def extra_repr(self) -> str:
        return ""

    def forward(self, input: Tensor) -> Any:
        return F.hardswish(input, self.inplace)


class LeakyReLU(Module):
    """y = x for x > 0, else a x; dx = dy, else a dy; a is *negative_slope*."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Any:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}{_inplace(self)}"


class PReLU(Module):
    """y = x for x > 0, else w x, with w learned: one, or one for each channel.

    Backward: dx = dy, else w dy; dw = Σ dy · x over x ≤ 0.
    """

    weight: Parameter

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        weight = full((num_parameters,), float(init), device=device, dtype=dtype)
        self.weight = Parameter(weight)

    def reset_parameters(self) -> None:
        """Set the slopes to their first value."""
        from ..init import constant_

        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Any:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """y = x for x > 0, else a x, with a ~ U(lower, upper) anew for each element in
    training, and a = (lower + upper)/2 in evaluation."""

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{_inplace(self)}"


class ELU(Module):
    """y = x for x > 0, else α (eˣ − 1); dx = dy, else dy · (y + α)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Any:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_inplace(self)}"


class CELU(Module):
    """y = max(0, x) + min(0, α (e^(x/α) − 1)); dx = dy, else dy · e^(x/α)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Any:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_inplace(self)}"


class GELU(Module):
    """y = x Φ(x); dx = dy · (Φ(x) + x φ(x)). *approximate* = "tanh" puts
    ½ (1 + tanh(√(2/π) (x + 0.044715 x³))) in the place of Φ(x)."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Any:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """y = σ(x) = 1/(1 + e⁻ˣ); dx = dy · y (1 − y)."""

    def forward(self, input: Tensor) -> Any:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """y = log σ(x) = −log(1 + e⁻ˣ); dx = dy · σ(−x)."""

    def forward(self, input: Tensor) -> Any:
        return F.logsigmoid(input)


class Tanh(Module):
    """y = tanh(x); dx = dy · (1 − y²)."""

    def forward(self, input: Tensor) -> Any:
        return F.tanh(input)


class Softsign(Module):
    """y = x / (1 + |x|); dx = dy / (1 + |x|)²."""

    def forward(self, input: Tensor) -> Any:
        return F.softsign(input)


class Tanhshrink(Module):
    """y = x − tanh(x); dx = dy · tanh²(x)."""

    def forward(self, input: Tensor) -> Any:
        return F.tanhshrink(input)


class Softplus(Module):
    """y = log(1 + e^(βx)) / β; dx = dy · σ(βx). Where βx > *threshold*, y = x."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Any:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """y = min(max(x, min_val), max_val); dx = dy inside."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError(
                f"max_val ({self.max_val}) must be larger than min_val ({self.min_val})"
            )

    def forward(self, input: Tensor) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}{_inplace(self)}"


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6); dx = dy inside."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Softshrink(Module):
    """y = sign(x) · max(|x| − λ, 0); dx = dy where |x| > λ."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Any:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(Module):
    """y = x where |x| > λ, else 0; dx = dy there."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Any:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Threshold(Module):
    """y = x where x > *threshold*, else *value*; dx = dy there."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Any:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}{_inplace(self)}"


class GLU(Module):
    """y = a σ(b), where a and b are the halves of x along *dim*."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Any:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class _AlongDim(Module):
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ along *dim*; dx = y ⊙ (dy − Σⱼ dyⱼ yⱼ).

    >>> import retrograd as rg
    >>> rg.nn.Softmax(dim=0)(rg.tensor([0.0, 0.0]))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Any:
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """yᵢ = xᵢ − log Σⱼ e^xⱼ along *dim*; dx = dy − softmax(x) Σⱼ dyⱼ."""

    def forward(self, input: Tensor) -> Any:
        return F.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """The softmax of −x."""

    def forward(self, input: Tensor) -> Any:
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """The softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Any:
        if input.ndim not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead"
            )
        return F.softmax(input, -3)
