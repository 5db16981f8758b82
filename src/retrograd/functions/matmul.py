"""Products of vectors, matrices and stacks of them."""

from __future__ import annotations

from typing import Any

from ..dispatch import apply2, narrowed
from ..ops.families import Number
from ..ops.matmul import Matmul
from ..ops.op import broadcast_shapes
from ..trace import spec_of
from .arithmetic import result_type
from .einsum import tensordot
from .half import as_it_is, once_rounded

__all__ = ["matmul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "ger", "addmm",
           "addmv", "addr", "baddbmm", "addbmm", "trace"]  # fmt: skip


def matmul(input: Any, other: Any) -> Any:
    """a b: vectors, matrices, or stacks of matrices that broadcast."""
    a, b = len(spec_of(input).shape), len(spec_of(other).shape)
    if a > 1 and b > 1:
        return apply2(Matmul, input, other)
    if a == 0 or b == 0:
        raise RuntimeError("both arguments to matmul need to be at least 1D, but they are "
                           f"{a}D and {b}D")  # fmt: skip
    if a == 1:
        input = input.unsqueeze(0)
    if b == 1:
        other = other.unsqueeze(1)
    out = apply2(Matmul, input, other)
    if a == 1:
        out = out.squeeze(-2)
    return out.squeeze(-1) if b == 1 else out


def _dims(name: str, x: Any, n: int) -> None:
    if len(x.shape) != n:
        raise RuntimeError(f"{name}: expected a {n}D tensor, but got {len(x.shape)}D")


def mm(input: Any, mat2: Any) -> Any:
    """a b of two matrices."""
    _dims("mm", input, 2)
    _dims("mm", mat2, 2)
    return apply2(Matmul, input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """aᵢ bᵢ of two stacks of matrices."""
    _dims("bmm", input, 3)
    _dims("bmm", mat2, 3)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, "
            f"{input.shape[2]}] but got: [{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    return apply2(Matmul, input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """A x."""
    _dims("mv", input, 2)
    _dims("mv", vec, 1)
    # autocast leaves products of vectors alone where they have a name of their own
    return as_it_is(matmul, input, vec)


def dot(input: Any, tensor: Any) -> Any:
    """Σ aᵢ bᵢ of two vectors."""
    _dims("dot", input, 1)
    _dims("dot", tensor, 1)
    if input.shape != tensor.shape:
        raise RuntimeError(
            "inconsistent tensor size, expected tensor "
            f"{list(input.shape)} and src {list(tensor.shape)} to have the same number of "
            "elements"
        )
    return as_it_is(matmul, input, tensor)


vdot = dot


def inner(input: Any, other: Any) -> Any:
    """Σ over the last dimension of both."""
    if not input.shape or not other.shape:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got "
            f"shapes {list(input.shape)} and {list(other.shape)}"
        )
    if len(input.shape) == len(other.shape) == 1:
        return dot(input, other)
    return tensordot(input, other, ([-1], [-1]))


def outer(input: Any, vec2: Any) -> Any:
    """aᵢ bⱼ."""
    _dims("outer", input, 1)
    _dims("outer", vec2, 1)
    return input.unsqueeze(1) * vec2


ger = outer


def _whole_factors(product: Any, beta: Any, alpha: Any) -> None:
    if isinstance(beta, float) or isinstance(alpha, float):
        if not product.dtype.is_floating_point:
            raise RuntimeError(
                "For integral input tensors, arguments alpha and beta must not be "
                f"floating point numbers, but they are {alpha} and {beta}"
            )


def _added(input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """β · input + α · product; where β is 0, NaN in the input does not matter. Of whole
    numbers the factors are made whole too."""
    if not product.dtype.is_floating_point:
        beta, alpha = int(beta), int(alpha)
    input, product = narrowed("_added", input, product)
    if input.dtype is not product.dtype:
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {input.dtype.name} and product "
            f"{product.dtype.name}"
        )
    shape = broadcast_shapes(input.shape, product.shape)
    if shape != tuple(product.shape):
        raise RuntimeError(
            f"The expanded size of the tensor {list(product.shape)} must match the "
            f"existing size {list(input.shape)}"
        )
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return (input if beta == 1 else input * beta) + product


@once_rounded
def addmm(
    input: Any, mat1: Any, mat2: Any, *, beta: Number = 1, alpha: Number = 1
) -> Any:
    """β c + α a b."""
    product = mm(mat1, mat2)
    _whole_factors(product, beta, alpha)
    return _added(input, product, beta, alpha)


@once_rounded
def addmv(
    input: Any, mat: Any, vec: Any, *, beta: Number = 1, alpha: Number = 1
) -> Any:
    """β c + α A x."""
    return as_it_is(_added, input, mv(mat, vec), beta, alpha)


@once_rounded
def addr(
    input: Any, vec1: Any, vec2: Any, *, beta: Number = 1, alpha: Number = 1
) -> Any:
    """β c + α x yᵀ."""
    product = outer(vec1, vec2)
    _whole_factors(product, beta, alpha)
    kind = result_type(input, product)
    return _added(input.to(kind), product.to(kind), beta, alpha).to(kind)


@once_rounded
def baddbmm(
    input: Any, batch1: Any, batch2: Any, *, beta: Number = 1, alpha: Number = 1
) -> Any:
    """β cᵢ + α aᵢ bᵢ."""
    return _added(input, bmm(batch1, batch2), beta, alpha)


@once_rounded
def addbmm(
    input: Any, batch1: Any, batch2: Any, *, beta: Number = 1, alpha: Number = 1
) -> Any:
    """β c + α Σᵢ aᵢ bᵢ."""
    product = bmm(batch1, batch2)
    return _added(input, product.sum(0).to(product.dtype), beta, alpha)


def trace(input: Any) -> Any:
    """Σ aᵢᵢ."""
    _dims("trace", input, 2)
    (input,) = narrowed("trace", input)
    return input.diagonal().sum()
