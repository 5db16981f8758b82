"""Activation functions, element by element unless said otherwise."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...dispatch import apply1, composite
from ...functions import elementwise as E
from ...functions import probabilities as P
from ...ops.elementwise import Relu

__all__ = ["relu", "relu_", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu",
           "mish", "softplus", "softsign", "hardtanh", "hardsigmoid", "hardswish", "tanhshrink",
           "softshrink", "hardshrink", "threshold", "logsigmoid", "glu", "sigmoid", "tanh",
           "softmax", "log_softmax", "softmin", "gumbel_softmax", "rrelu"]  # fmt: skip

sigmoid, tanh = E.sigmoid, E.tanh


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0); its derivative at 0 is 0."""
    return input.relu_() if inplace else apply1(Relu, input)


def relu_(input: Any) -> Any:
    """relu in place."""
    return input.relu_()


def _placed(input: Any, out: Any, inplace: bool) -> Any:
    return input._assign(out) if inplace else out


def hardtanh(
    input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Any:
    """x kept within [min_val, max_val]; the derivative at the bounds is 0."""
    return _placed(input, _hardtanh(input, min_val, max_val), inplace)


@composite
def _hardtanh(x: Any, low: float, high: float) -> Any:
    return E.where((x > low) & (x < high), x, x.detach().clamp(low, high))


def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x where x > 0, a·x elsewhere."""
    return _placed(input, _leaky(input, negative_slope), inplace)


@composite
def _leaky(x: Any, slope: float) -> Any:
    return E.where(x > 0, x, x * slope)


@composite
def prelu(input: Any, weight: Any) -> Any:
    """x where x > 0, w·x elsewhere; one w, or one a channel."""
    if weight.numel() > 1 and input.ndim > 1:
        weight = weight.reshape([-1 if i == 1 else 1 for i in range(input.ndim)])
    return E.where(input > 0, input, input * weight)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where x > 0, α(eˣ − 1) elsewhere."""
    return _placed(input, _elu(input, alpha, 1.0, 1.0), inplace)


@composite
def _elu(x: Any, alpha: float, scale: float, width: float) -> Any:
    below = alpha * ((E.where(x > 0, 0.0, x) / width).expm1())
    out = E.where(x > 0, x, below)
    return out if scale == 1.0 else out * scale


def selu(input: Any, inplace: bool = False) -> Any:
    """λ·elu(x, α) with the constants of Klambauer et al. 2017."""
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return _placed(input, _elu(input, alpha, scale, 1.0), inplace)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """max(0, x) + min(0, α(e^{x/α} − 1))."""
    return _placed(input, _elu(input, alpha, 1.0, alpha), inplace)


@composite
def gelu(input: Any, approximate: str = "none") -> Any:
    """x·Φ(x), Φ the normal distribution function; "tanh" approximates it."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input * input * input)
        return 0.5 * input * (1 + inner.tanh())
    if approximate != "none":
        raise RuntimeError("approximate argument must be either none or tanh.")
    return 0.5 * input * (1 + (input * math.sqrt(0.5)).erf())


def silu(input: Any, inplace: bool = False) -> Any:
    """x·σ(x)."""
    return _placed(input, _silu(input), inplace)


@composite
def _silu(x: Any) -> Any:
    return x * x.sigmoid()


def mish(input: Any, inplace: bool = False) -> Any:
    """x·tanh(softplus(x))."""
    return _placed(input, _mish(input), inplace)


@composite
def _mish(x: Any) -> Any:
    return x * softplus(x).tanh()


@composite
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + e^{βx})/β; x itself where βx > threshold."""
    z = input * beta
    linear = z > threshold
    small = E.where(linear, 0.0, z)
    out = E.logaddexp(small, small * 0.0)
    return E.where(linear, input, out / beta)


@composite
def softsign(input: Any) -> Any:
    """x/(1 + |x|)."""
    return input / (1 + input.abs())


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """0 below −3, 1 above 3, x/6 + ½ between."""
    return _placed(input, _hardtanh(input, -3.0, 3.0) / 6 + 0.5, inplace)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x·hardsigmoid(x)."""
    return _placed(input, input * hardsigmoid(input), inplace)


@composite
def tanhshrink(input: Any) -> Any:
    """x − tanh x."""
    return input - input.tanh()


@composite
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """x moved towards 0 by λ, not past it."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found {lambd}")
    return E.where(
        input > lambd, input - lambd, E.where(input < -lambd, input + lambd, input * 0)
    )


@composite
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """0 where |x| ≤ λ, x elsewhere."""
    return E.where((input > lambd) | (input < -lambd), input, 0.0)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x where x > threshold, *value* elsewhere."""
    return _placed(input, E.where(input > threshold, input, value), inplace)


@composite
def logsigmoid(input: Any) -> Any:
    """log σ(x) = −log(1 + e^{−x})."""
    return -E.logaddexp(-input, input * 0.0)


@composite
def glu(input: Any, dim: int = -1) -> Any:
    """a·σ(b) of the two halves of a dimension."""
    n = input.shape[dim]
    if n % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {dim} is size {n}"
        )
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


def _implicit(name: str, input: Any, dim: int | None) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=3,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(
    input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Any:
    """eˣⁱ / Σⱼ eˣʲ along a dimension; stable for inputs of any size."""
    return P.softmax(input, _implicit("softmax", input, dim), dtype=dtype)


def log_softmax(
    input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Any:
    """xᵢ − log Σⱼ eˣʲ along a dimension: no saturation, unlike log(softmax(x))."""
    return P.log_softmax(input, _implicit("log_softmax", input, dim), dtype=dtype)


def softmin(
    input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Any:
    """softmax(−x)."""
    return P.softmax(-input, _implicit("softmin", input, dim), dtype=dtype)


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:  # fmt: skip
    """A sample of the Gumbel-softmax distribution (Jang et al. 2017)."""
    noise = -logits.detach().clone().exponential_().log()
    soft = P.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    one = soft.detach() * 0
    one = one.scatter(dim, soft.detach().argmax(dim, keepdim=True), value=1.0)
    return one - soft.detach() + soft


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:  # fmt: skip
    """leaky_relu with a slope drawn for each element while training."""
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = input.detach().clone().uniform_(lower, upper)
    return _placed(input, E.where(input >= 0, input, input * slope), inplace)
