"""Linear maps of the last dimension."""

from __future__ import annotations

from ... import dtypes
from ...dispatch import apply, composite
from ...functions.half import once_rounded
from ...ops.matmul import Matmul, transposed
from ...trace import spec_of
from .common import Tensor

__all__ = ["linear", "bilinear"]


@composite
@once_rounded
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x Wᵀ + b, for x [*, in], W [out, in] and b [out].

    With ȳ the gradient of y: x̄ = ȳ W, W̄ = ȳᵀ x and b̄ = Σ ȳ over all rows.

    >>> import retrograd as rg
    >>> w = rg.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    >>> rg.nn.functional.linear(rg.tensor([3.0, 4.0]), w)
    tensor([3., 8., 7.])
    """
    x, w = spec_of(input), spec_of(weight)
    if len(w.shape) not in (1, 2):
        raise RuntimeError(
            f"linear: the weight is a matrix, not of shape {list(w.shape)}"
        )
    if not x.shape or x.shape[-1] != w.shape[-1]:
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied "
            f"({'x'.join(map(str, x.shape))} and {'x'.join(map(str, w.shape[::-1]))}): "
            f"the layer takes {w.shape[-1]} features in the last dimension, the input "
            f"has shape {list(x.shape)}{_hint(x.shape, w.shape)}"
        )
    if x.dtype is not w.dtype:
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {x.dtype.name} and "
            f"{w.dtype.name}; {_mend(x.dtype, w.dtype)}"
        )
    if bias is not None and bias.ndim > max(len(x.shape) + len(w.shape) - 2, 1):
        raise RuntimeError(
            f"linear: the bias is a vector of {w.shape[0]} numbers, not of shape "
            f"{list(bias.shape)}"
        )
    if len(w.shape) == 1:  # one output, without a dimension of its own
        out = (input * weight).sum(-1)
        return out if bias is None else out + bias
    row = input.unsqueeze(0) if len(x.shape) == 1 else input
    out = apply(Matmul, row, transposed(weight))
    if bias is not None:
        out = out + bias
    return out.squeeze(0) if len(x.shape) == 1 else out


def _hint(x: tuple[int, ...], w: tuple[int, ...]) -> str:
    if not x or len(w) < 2:
        return ""
    if x[-1] == w[0]:
        return "; did you mean weight.T?"
    if len(x) > 2 and x[-1] and w[1] % x[-1] == 0:
        return "; did you mean x.flatten(1)?"
    if len(x) == 2 and x[0] == w[1]:
        return "; did you mean x.T?"
    return ""


def _mend(x: dtypes.dtype, w: dtypes.dtype) -> str:
    if x is dtypes.float64 and w is dtypes.float32:
        return "use x.float(), or model.double()"
    return f"use x.to(rg.{w.name})"


@composite
def bilinear(
    input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """yₖ = x₁ᵀ Wₖ x₂ + bₖ, for x₁ [*, m], x₂ [*, n] and W [out, m, n]."""
    from ...functions.einsum import einsum

    if weight.ndim != 3:
        raise RuntimeError(
            f"bilinear: the weight has 3 dimensions, not shape {list(weight.shape)}"
        )
    for i, x in enumerate((input1, input2), 1):
        if not x.ndim:
            raise RuntimeError(
                f"bilinear(): input{i} has no dimension; its last one has the length "
                f"{weight.shape[i]}"
            )
        if x.shape[-1] != weight.shape[i]:
            raise RuntimeError(
                f"bilinear(): input{i} size does not match weight size: got "
                f"{x.shape[-1]} but expected {weight.shape[i]}"
            )
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            "bilinear(): input batch dimensions do not match: got "
            f"{list(input1.shape[:-1])} and {list(input2.shape[:-1])}"
        )
    if bias is not None and tuple(bias.shape) != weight.shape[:1]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {list(bias.shape)} "
            f"but expected {[weight.shape[0]]}"
        )
    out = einsum("...i,kij,...j->...k", input1, weight, input2)
    return out if bias is None else out + bias
