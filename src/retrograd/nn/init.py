"""Initial weights: in place, without a gradient, from a counter-based generator.

A layer s = W x with independent weights of variance v and inputs of mean square q has
outputs of variance fan_in · v · q. Weights with v = gain² / fan_in keep that variance
from layer to layer; gain² makes up for what the nonlinearity in between takes away.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import no_grad
from ..dispatch import constant
from ..functions import empty
from ..ops.erf import erf


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain that keeps the variance through a nonlinearity.

    √2 for relu, as E[relu(s)²] = E[s²]/2; √(2/(1 + a²)) for leaky_relu of slope a; 5/3
    for tanh; 3/4 for selu; 1 for linear and convolutional layers and for sigmoid.
    """
    plain = {"sigmoid": 1.0, "linear": 1.0, "tanh": 5.0 / 3, "selu": 0.75}
    for n in "123":
        plain[f"conv{n}d"] = plain[f"conv_transpose{n}d"] = 1.0
    if nonlinearity in plain:
        return plain[nonlinearity]
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        if isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def fans(tensor: Any) -> tuple[int, int]:
    """(fan_in, fan_out): how many inputs an output has, and outputs an input."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 "
            "dimensions"
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _fan(tensor: Any, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(
            f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']"
        )
    return fans(tensor)[mode == "fan_out"]


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """w ~ U(a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None
) -> Any:
    """w ~ N(mean, std²)."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Any:
    """w ~ N(mean, std²) given a ≤ w ≤ b: w = mean + std Φ⁻¹(u), where u is uniform
    between Φ((a − mean)/std) and Φ((b − mean)/std)."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    root2 = math.sqrt(2.0)
    # Φ(√2 z) = (1 + erf z)/2: the inverse is taken of a number between two of erf
    low = math.erf((a - mean) / (std * root2))
    high = math.erf((b - mean) / (std * root2))
    with no_grad():
        draw = empty(*tensor.shape, dtype=dtypes.float64)
        y = draw.uniform_(low, high, generator=generator).numpy()
    return _copy(tensor, np.clip(mean + std * root2 * _inverse_erf(y), a, b))


def _inverse_erf(y: Any) -> Any:
    """The z with erf z = y: Winitzki's approximation, mended by Newton's method,
    z ← z − (erf z − y) · (√π/2) e^(z²)."""
    y = np.clip(y, -1 + 1e-15, 1 - 1e-15)
    log = np.log1p(-y * y)
    half = 2 / (math.pi * 0.147) + log / 2
    z = np.sign(y) * np.sqrt(np.sqrt(half * half - log / 0.147) - half)
    for _ in range(3):
        z = z - (erf(z) - y) * (math.sqrt(math.pi) / 2) * np.exp(z * z)
    return z


def constant_(tensor: Any, val: float) -> Any:
    """w = val."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Any) -> Any:
    """w = 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """w = 0."""
    return constant_(tensor, 0.0)


def _copy(tensor: Any, values: Any) -> Any:
    with no_grad():
        return tensor.copy_(constant(np.ascontiguousarray(values)))


def eye_(tensor: Any) -> Any:
    """w[i, i] = 1, and 0 elsewhere: a linear layer that passes its inputs on."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _copy(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """A convolution that passes its channels on: w[c, c, centre] = 1 in each group."""
    shape = tensor.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = shape[0] // groups
    values = np.zeros(shape)
    centre = tuple(n // 2 for n in shape[2:])
    for g in range(groups):
        for c in range(min(per_group, shape[1])):
            values[(g * per_group + c, c, *centre)] = 1
    return _copy(tensor, values)


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """w ~ U(−r, r), r = gain √(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """w ~ N(0, σ²), σ = gain √(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), generator)


def _empty(tensor: Any) -> bool:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """w ~ U(−r, r), r = gain √(3 / fan) (He et al., 2015): for a = 0, √(6 / fan_in).

    *a* is the slope of the leaky_relu that follows; *mode* says whose variance is kept,
    that of the activations (fan_in) or of the gradients (fan_out).
    """
    if _empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """w ~ N(0, gain² / fan) (He et al., 2015): for a = 0, variance 2 / fan_in."""
    if _empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _std(tensor, a, mode, nonlinearity), generator)


def _std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))


def _drawn(tensor: Any, shape: tuple[int, ...], generator: Any) -> Any:
    """Normal numbers as an array in float64, from the tensor's own draw."""
    with no_grad():
        draw = empty(*shape, dtype=tensor.dtype).normal_(0.0, 1.0, generator=generator)
    return draw.numpy().astype(np.float64)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """w = gain · Q, Q with orthonormal rows or columns, uniform over all such (Saxe et
    al., 2014): the Q of the QR factors of a normal matrix, with R's signs taken out."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    flat = _drawn(tensor, (rows, columns), generator)
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return _copy(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


def sparse_(
    tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None
) -> Any:
    """w ~ N(0, std²) with ⌈sparsity · rows⌉ zeros in each column (Martens, 2010)."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    values = std * _drawn(tensor, (rows, columns), generator)
    order = np.argsort(_drawn(tensor, (rows, columns), generator), axis=0)
    zeros = order[: math.ceil(sparsity * rows)]
    np.put_along_axis(values, zeros, 0.0, axis=0)
    return _copy(tensor, values)


__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "fans",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def __getattr__(name: str) -> object:
    from ..left_out import error

    raise error("nn.init", name)
