"""Matrix calculus: derivatives as matrices, in a layout that is named.

A derivative of a vector by a vector is a matrix, and there are two ways to write it. In
the *numerator* layout rows belong to what is derived (∂f/∂x is m × n), in the
*denominator* layout to what it is derived by (n × m, the other's transpose; the
gradient of a scalar has the shape of x). The chain rule reads from left to right in the
first, and from right to left in the second:

    numerator    ∂ℓ/∂x = ∂ℓ/∂f · ∂f/∂x
    denominator  ∂ℓ/∂x = ∂f/∂x · ∂ℓ/∂f

Matrices count as the vector of their columns, one below the other (:func:`vec`), where a
matrix and more than a scalar meet: ∂ vec(AXB) / ∂ vec(X) is Bᵀ ⊗ A in the numerator
layout, and the chain rule goes through matrices as well.

Results know their layout, say it, and refuse to be multiplied in the wrong order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .func.batching import reshape
from .func.jacobians import jacfwd, jacrev
from .trace import is_tensor, spec_of

NUMERATOR, DENOMINATOR = "numerator", "denominator"
_KINDS = ("scalar", "vector", "matrix")

Shape = tuple[int, ...]


class Derivative:
    """∂f/∂x as a matrix: ``value`` (a tensor), in a ``layout``; ``of`` and ``by`` are
    the shapes of f and x."""

    __slots__ = ("value", "layout", "of", "by")

    def __init__(self, value: Any, layout: str, of: Shape, by: Shape) -> None:
        self.value, self.layout, self.of, self.by = value, layout, of, by

    @property
    def shape(self) -> Any:
        return self.value.shape

    def to(self, layout: str) -> Derivative:
        """The same derivative in a layout."""
        _check(layout)
        if layout == self.layout:
            return self
        value = self.value if self.value.ndim < 2 else self.value.mT
        return Derivative(value, layout, self.of, self.by)

    @property
    def T(self) -> Derivative:
        """The same derivative in the other layout, which is the transpose."""
        return self.to(NUMERATOR if self.layout == DENOMINATOR else DENOMINATOR)

    def __matmul__(self, other: Any) -> Derivative:
        """The chain rule, in the order of the layout."""
        if not isinstance(other, Derivative):
            return NotImplemented
        self._alike(other, "times")
        first, then = (self, other) if self.layout == DENOMINATOR else (other, self)
        if first.of != then.by:
            order = "right to left" if self.layout == DENOMINATOR else "left to right"
            raise ValueError(
                f"the chain rule does not fit: {_what(self)} times {_what(other)}. In "
                f"{self.layout} layout it reads from {order}"
            )
        value = _jacobian(then) @ _jacobian(first)
        return _laid_out(value, then.of, first.by).to(self.layout)

    def __add__(self, other: Any) -> Derivative:
        """The derivative of a sum."""
        if not isinstance(other, Derivative):
            return NotImplemented
        self._alike(other, "plus")
        if (self.of, self.by) != (other.of, other.by):
            raise ValueError(f"{_what(self)} plus {_what(other)}: of other shapes")
        return Derivative(self.value + other.value, self.layout, self.of, self.by)

    def __mul__(self, factor: Any) -> Derivative:
        """The derivative of a multiple: *factor* is a number."""
        if isinstance(factor, Derivative) or (is_tensor(factor) and factor.ndim):
            raise TypeError("a derivative is multiplied by a number, or chained: a @ b")
        return Derivative(self.value * factor, self.layout, self.of, self.by)

    __rmul__ = __mul__

    def __neg__(self) -> Derivative:
        return self * -1

    def __sub__(self, other: Any) -> Derivative:
        return self + -other if isinstance(other, Derivative) else NotImplemented

    def _alike(self, other: Derivative, word: str) -> None:
        if self.layout != other.layout:
            raise ValueError(
                f"a derivative in {self.layout} layout {word} one in {other.layout} "
                f"layout: bring both to one, e.g. with .to({self.layout!r})"
            )

    def numpy(self) -> Any:
        """The values as a NumPy array."""
        return self.value.detach().numpy()

    def __repr__(self) -> str:
        return f"{_what(self)}, {self.layout} layout:\n{self.value!r}"


def vec(X: Any) -> Any:
    """The columns of a matrix, one below the other, as a vector; vectors as they are.

    >>> import retrograd as rg
    >>> rg.calculus.vec(rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 3., 2., 4.])
    """
    if not is_tensor(X) or X.ndim > 2:
        kind = (
            f"a tensor of shape {list(X.shape)}" if is_tensor(X) else type(X).__name__
        )
        raise ValueError(f"vec takes a matrix, not {kind}")
    return reshape(X.mT, (-1,)) if X.ndim == 2 else reshape(X, (-1,))


def _by_columns(of: Shape, by: Shape) -> bool:
    """Whether matrices count as vectors here."""
    return len(of) + len(by) > 2


def _jacobian(d: Derivative) -> Any:
    """[elements of f, elements of x] in the numerator layout, matrices by columns."""
    value = d.to(NUMERATOR).value
    if _by_columns(d.of, d.by) or len(d.of) == len(d.by) == 1:
        return value
    if len(d.of) == 2:
        return reshape(value.mT, (-1, 1))
    # a scalar by a matrix: the rows of the numerator layout are the columns of x
    return reshape(value, (1, -1) if d.by else (-1, 1))


def _laid_out(jacobian: Any, of: Shape, by: Shape) -> Derivative:
    """A derivative in the numerator layout from :func:`_jacobian`."""
    if len(of) == 2 and not by:
        value = reshape(jacobian, (of[1], of[0])).mT
    else:
        value = reshape(jacobian, shape_in(NUMERATOR, of, by))
    return Derivative(value, NUMERATOR, of, by)


def _what(d: Derivative) -> str:
    parts = []
    for shape in (d.of, d.by):
        size = "×".join(map(str, shape))
        kind = _KINDS[len(shape)] + (f"[{size}]" if shape else "")
        columns = len(shape) == 2 and _by_columns(d.of, d.by)
        parts.append(f"vec {kind}" if columns else kind)
    return f"∂ {parts[0]} / ∂ {parts[1]}"


def _check(layout: str) -> None:
    if layout not in (NUMERATOR, DENOMINATOR):
        raise ValueError(
            f"layout must be {NUMERATOR!r} or {DENOMINATOR!r}, not {layout!r}"
        )


def shape_in(layout: str, of: Shape, by: Shape) -> Shape:
    """The shape that ∂(of)/∂(by) has in a layout."""
    if not of and not by:
        return ()
    shape: Shape
    if _by_columns(of, by):
        shape = (int(np.prod(of)), int(np.prod(by)))
    elif len(by) == 2:
        shape = (by[1], by[0])
    elif len(of) == 2:
        shape = of
    else:
        shape = (*(of or (1,)), *(by or (1,)))
    return shape if layout == NUMERATOR else (shape[1], shape[0])


def derivative(
    func: Callable[..., Any],
    *args: Any,
    argnum: int = 0,
    layout: str = DENOMINATOR,
) -> Derivative:
    """∂f/∂x at the given arguments, x being the one at *argnum*, as a matrix.

    Scalars, vectors and matrices by each other; where one is a matrix and the other no
    scalar, matrices are taken by columns (:func:`vec`). Of a function that itself gives
    the derivative of a scalar it is the second derivative: see :func:`hessian`.

    >>> import retrograd as rg
    >>> B, a = rg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), rg.ones(2)
    >>> rg.calculus.derivative(lambda a: B @ a, a)
    ∂ vector[3] / ∂ vector[2], denominator layout:
    tensor([[1., 3., 5.],
            [2., 4., 6.]])
    """
    _check(layout)
    x = _argument(func, args, argnum)
    by = tuple(spec_of(x).shape)
    shapes: list[Shape] = []

    def noting(*given: Any) -> Any:
        out = _output(func(*given))
        shapes[:] = [tuple(spec_of(out).shape)]
        return out

    # Row by row for few outputs; the function is evaluated once in either case.
    few = spec_of(x).size <= 4
    jacobian = (jacfwd if few else jacrev)(noting, argnum)(*args)
    (of,) = shapes
    if max(len(of), len(by)) > 2:
        raise NotImplementedError(
            f"a derivative of a tensor of shape {list(of)} by one of shape {list(by)} is "
            "no matrix: rg.func.jacrev has it as a tensor of shape "
            f"{[*of, *by]}"
        )
    rank = len(of)
    if len(of) == 2:  # columns first, as vec has them
        jacobian = jacobian.transpose(0, 1)
    if len(by) == 2:
        jacobian = jacobian.transpose(rank, rank + 1)
    jacobian = reshape(jacobian, (int(np.prod(of)), int(np.prod(by))))
    # + 0 makes 0 of −0, which a product with a unit vector may leave
    return _laid_out(jacobian + 0.0, of, by).to(layout)


def hessian(
    func: Callable[..., Any],
    *args: Any,
    argnum: int = 0,
    layout: str = DENOMINATOR,
) -> Derivative:
    """The derivative of the gradient of a scalar function, ∂/∂x (∂f/∂x): symmetric, and
    so the same in both layouts.

    >>> import retrograd as rg
    >>> A, x = rg.tensor([[1.0, 2.0], [4.0, 3.0]]), rg.ones(2)
    >>> rg.calculus.hessian(lambda x: x @ A @ x, x)
    ∂ vector[2] / ∂ vector[2], denominator layout:
    tensor([[2., 6.],
            [6., 6.]])
    """

    def gradient(*given: Any) -> Derivative:
        return derivative(func, *given, argnum=argnum)

    return derivative(gradient, *args, argnum=argnum, layout=layout)


def _argument(func: Any, args: tuple[Any, ...], argnum: int) -> Any:
    """What is derived by, looked at."""
    if not callable(func):
        raise TypeError(
            f"derivative: the first argument is the function, not {type(func).__name__}: "
            "derivative(lambda x: …, x)"
        )
    if not args:
        raise TypeError("derivative: the point is missing: derivative(f, x)")
    if not -len(args) <= argnum < len(args):
        raise IndexError(
            f"derivative: argnum={argnum}, but the function has {len(args)} argument(s)"
        )
    x = args[argnum]
    if not is_tensor(x):
        raise TypeError(
            f"derivative: argument {argnum} is a {type(x).__name__}, and no tensor: use "
            "rg.tensor(…)"
        )
    if not x.dtype.is_floating_point:
        raise TypeError(
            f"derivative: argument {argnum} has integers ({x.dtype}), which have no small "
            "changes: use x.float()"
        )
    return x


def _output(out: Any) -> Any:
    if isinstance(out, Derivative):
        if out.of:
            raise NotImplementedError(
                f"a second derivative of {_what(out)}: one of a scalar is a matrix"
            )
        return reshape(out.to(DENOMINATOR).value, out.by)
    if not is_tensor(out):
        raise TypeError(
            f"derivative: the function returned a {type(out).__name__}, and no tensor"
        )
    return out


__all__ = ["DENOMINATOR", "NUMERATOR", "Derivative", "derivative", "hessian", "shape_in",
           "vec"]  # fmt: skip
