"""Activation functions, element by element unless said otherwise."""

from __future__ import annotations

import math
from typing import Any

from ... import dtypes
from ...dispatch import apply, apply1, composite
from ...functions import elementwise as E
from ...functions import probabilities as P
from ...ops.elementwise import Erf, Exp, Expm1, Ge, Gt, Le, Log1p, Lt, Relu, Where
from ...ops.op import normalize_dim
from .common import Tensor, floating, placed, single, warn

__all__ = ["relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "elu", "elu_",
           "selu", "selu_", "celu", "celu_", "gelu", "silu", "mish", "softplus", "softsign",
           "hardtanh", "hardtanh_", "hardsigmoid", "hardswish", "tanhshrink", "softshrink",
           "hardshrink", "threshold", "threshold_", "logsigmoid", "glu", "sigmoid", "tanh",
           "softmax", "log_softmax", "softmin", "gumbel_softmax", "rrelu", "rrelu_"]  # fmt: skip

sigmoid, tanh = E.sigmoid, E.tanh


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); the derivative at 0 is 0."""
    return input.relu_() if inplace else apply1(Relu, input)


def relu_(input: Tensor) -> Tensor:
    """relu in place."""
    return input.relu_()


# -- pieces of straight lines ---------------------------------------------------------


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x kept in [min_val, max_val]; the derivative at the bounds is 0."""
    if inplace:
        return placed(_hardtanh, input, min_val, max_val)
    return _hardtanh(input, min_val, max_val)


@composite
def _hardtanh(x: Tensor, low: float, high: float) -> Tensor:
    if x.dtype is dtypes.bool_:
        raise RuntimeError("hardtanh has no meaning for truth values: use x.float()")
    if low > high:
        raise ValueError(
            f"min_val cannot be greater than max_val, but got {low} > {high}"
        )
    if not x.dtype.is_floating_point:
        low, high = int(low), int(high)
    inner = apply(Where, apply(Ge, x, high), high, x)
    return apply(Where, apply(Le, x, low), low, inner)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def leaky_relu(
    input: Tensor, negative_slope: float = 0.01, inplace: bool = False
) -> Tensor:
    """x where x > 0, slope · x elsewhere."""
    if inplace:
        return placed(_leaky_relu, input, negative_slope)
    return _leaky_relu(input, negative_slope)


@composite
def _leaky_relu(x: Tensor, slope: float) -> Tensor:
    floating("leaky_relu", x)
    return apply(Where, apply(Gt, x, 0), x, x * slope)


@composite
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, w · x elsewhere, with one w, or one for each channel (dim 1)."""
    if weight.ndim > 1:
        raise RuntimeError(
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got shape "
            f"{list(weight.shape)}"
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"prelu: weight and input have one type, but got {weight.dtype.name} and "
            f"{input.dtype.name}: use model.to(x.dtype)"
        )
    n = weight.numel()
    if n != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if n != channels:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter "
                f"numbers = {n} and channel size = {channels}."
            )
        weight = weight.reshape((n,) + (1,) * (input.ndim - 2))
    elif weight.ndim:
        weight = weight.reshape(())
    return apply(Where, apply(Gt, input, 0), input, input * weight)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """leaky_relu, with a slope drawn from [lower, upper) for each element in training,
    and with the mean of both otherwise."""
    floating("rrelu", input)
    if not lower <= upper:
        raise RuntimeError(
            "Lower bound should be less than or equal to the upper bound, but got "
            f"{lower} > {upper}"
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = input.detach().clone().uniform_(lower, upper)
    return placed(_sloped, input, slope) if inplace else _sloped(input, slope)


@composite
def _sloped(x: Tensor, slope: Tensor) -> Tensor:
    return apply(Where, apply(Gt, x, 0), x, x * slope)


def threshold(
    input: Tensor, threshold: float, value: float, inplace: bool = False
) -> Tensor:
    """x where x > threshold, *value* elsewhere."""
    if inplace:
        return placed(_threshold, input, threshold, value)
    return _threshold(input, threshold, value)


@composite
def _threshold(x: Tensor, threshold: float, value: float) -> Tensor:
    if not x.dtype.is_floating_point:
        threshold, value = int(threshold), int(value)
    return apply(Where, apply(Le, x, threshold), value, x)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x/6 + ½ kept in [0, 1]."""
    return placed(_hardsigmoid, input) if inplace else _hardsigmoid(input)


@composite
@single
def _hardsigmoid(x: Tensor) -> Tensor:
    return _hardtanh(x, -3.0, 3.0) / 6 + 0.5


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · hardsigmoid(x)."""
    return placed(_hardswish, input) if inplace else _hardswish(input)


@composite
@single
def _hardswish(x: Tensor) -> Tensor:
    inside = apply(Gt, x, -3) & apply(Lt, x, 3)
    inner = apply(Where, inside, x, 0.0)  # ∞ · 0 is not 0
    outer = apply(Where, apply(Le, x, -3), x * 0, x)
    return apply(Where, inside, inner * (inner + 3) / 6, outer)


@composite
@single
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by λ, and no further than 0."""
    if not lambd >= 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found {lambd}")
    outside = apply(Where, apply(Gt, input, lambd), input - lambd, input + lambd)
    inside = apply(Ge, input, -lambd) & apply(Le, input, lambd)
    return apply(Where, inside, 0.0, outside)


@composite
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where |x| ≤ λ, x elsewhere."""
    floating("hardshrink", input)
    inside = apply(Ge, input, -lambd) & apply(Le, input, lambd)
    return apply(Where, inside, 0.0, input)


# -- with exponentials ----------------------------------------------------------------


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, α(eˣ − 1) elsewhere."""
    if inplace:
        return placed(_elu, input, alpha, 1.0, 1.0)
    return _elu(input, alpha, 1.0, 1.0)


@composite
@single
def _elu(x: Tensor, alpha: float, scale: float, narrow: float) -> Tensor:
    """scale · x, and scale · α(e^{narrow·x} − 1) where x ≤ 0."""
    negative = apply(Le, x, 0)
    # What the other piece uses would overflow to ∞ here, and ∞ · 0 is not 0.
    low = apply(Where, negative, x, 0.0)
    below = apply1(Expm1, low if narrow == 1 else low * narrow)
    factor = alpha * scale
    below = below if factor == 1 else below * factor
    return apply(Where, negative, below, x if scale == 1 else x * scale)


_SCALE, _ALPHA = 1.0507009873554804934, 1.6732632423543772848


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """λ · elu(x, α), with the λ and α that keep mean 0 and variance 1 from layer to
    layer (Klambauer et al. 2017)."""
    if inplace:
        return placed(_elu, input, _ALPHA, _SCALE, 1.0)
    return _elu(input, _ALPHA, _SCALE, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, α(e^{x/α} − 1)): smooth for every α."""
    if alpha == 0:
        raise RuntimeError("celu: alpha cannot be 0")
    if inplace:
        return placed(_elu, input, alpha, 1.0, 1 / alpha)
    return _elu(input, alpha, 1.0, 1 / alpha)


@composite
@single
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x), where Φ(x) is the probability that a standard normal number is below x.
    ``approximate="tanh"`` is faster where erf is slow (Hendrycks, Gimpel 2016)."""
    if approximate == "tanh":
        inner = input + 0.044715 * (input * input * input)
        return 0.5 * input * (1 + (math.sqrt(2 / math.pi) * inner).tanh())
    if approximate != "none":
        raise RuntimeError(
            f"approximate argument must be either none or tanh, but got {approximate!r}"
        )
    return input * (0.5 * (1 + apply1(Erf, input * math.sqrt(0.5))))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x · σ(x)."""
    return placed(_silu, input) if inplace else _silu(input)


@composite
@single
def _silu(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · tanh(softplus(x))."""
    return placed(_mish, input) if inplace else _mish(input)


@composite
@single
def _mish(x: Tensor) -> Tensor:
    return x * _softplus(x).tanh()


def _softplus(x: Tensor) -> Tensor:
    """log(1 + eˣ) for x of any size: max(x, 0) + log(1 + e^{−|x|})."""
    # One comparison chooses both pieces, so that derivatives are right at 0.
    positive = apply(Ge, x, 0)
    top = apply(Where, positive, x, 0.0)
    return top + apply1(Log1p, apply1(Exp, apply(Where, positive, -x, x)))


@composite
@single
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^{βx})/β; x itself where βx > threshold."""
    z = input if beta == 1 else input * beta
    linear = apply(Gt, z, threshold)
    out = _softplus(apply(Where, linear, 0.0, z))
    return apply(Where, linear, input, out if beta == 1 else out / beta)


@composite
@single
def logsigmoid(input: Tensor) -> Tensor:
    """log σ(x) = −log(1 + e^{−x})."""
    return -_softplus(-input)


@composite
def softsign(input: Tensor) -> Tensor:
    """x/(1 + |x|)."""
    return input / (1 + input.abs())


@composite
def tanhshrink(input: Tensor) -> Tensor:
    """x − tanh x."""
    if input.dtype is dtypes.bool_:
        raise RuntimeError("tanhshrink has no meaning for truth values: use x.float()")
    return input - input.tanh()


@composite
@single
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · σ(b), where a and b are the two halves of a dimension."""
    if not input.ndim:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    d = normalize_dim(dim, input.ndim)
    if input.shape[d] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {d} is size "
            f"{input.shape[d]}"
        )
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


# -- along a dimension ----------------------------------------------------------------


def _implied(name: str, input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    dim = 0 if input.ndim in (0, 1, 3) else 1
    warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to "
        f"include dim=X as an argument: dim={dim} is taken for an input of shape "
        f"{list(input.shape)}"
    )
    return dim


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """eˣⁱ / Σⱼ eˣʲ along a dimension, for inputs of any size.

    >>> import retrograd as rg
    >>> rg.nn.functional.softmax(rg.tensor([[0.0, 0.0], [0.0, 1000.0]]), dim=1)
    tensor([[0.5000, 0.5000],
            [0.0000, 1.0000]])
    """
    return P.softmax(input, _implied("softmax", input, dim), dtype=dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """xᵢ − log Σⱼ eˣʲ along a dimension: unlike log(softmax(x)) it never saturates."""
    return P.log_softmax(input, _implied("log_softmax", input, dim), dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """softmax(−x)."""
    return P.softmin(input, _implied("softmin", input, dim), dtype=dtype)


def gumbel_softmax(
    logits: Tensor,
    tau: float = 1,
    hard: bool = False,
    eps: float = 1e-10,
    dim: int = -1,
) -> Tensor:
    """A sample of a distribution over classes that is differentiable in its logits:
    softmax((x + Gumbel noise)/τ) (Jang, Gu, Poole 2017). With *hard* its value is one
    class, and its derivative that of the soft sample."""
    noise = -logits.detach().clone().exponential_().log()
    soft = P.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    frozen = soft.detach()
    one = (frozen * 0).scatter(dim, frozen.argmax(dim, keepdim=True), value=1.0)
    return one - frozen + soft


# -- in place -------------------------------------------------------------------------


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """hardtanh in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """leaky_relu in place."""
    return leaky_relu(input, negative_slope, inplace=True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """threshold in place."""
    return placed(_threshold, input, threshold, value)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """elu in place."""
    return elu(input, alpha, inplace=True)


def selu_(input: Tensor) -> Tensor:
    """selu in place."""
    return selu(input, inplace=True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """celu in place."""
    return celu(input, alpha, inplace=True)


def rrelu_(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False
) -> Tensor:
    """rrelu in place."""
    return rrelu(input, lower, upper, training, inplace=True)
