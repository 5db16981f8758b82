"""Matrix calculus: derivatives as matrices, in a layout that is named.

A derivative of a vector by a vector is a matrix, and there are two ways to write it. In
the *numerator* layout rows belong to what is derived (∂f/∂x is m × n), in the
*denominator* layout to what it is derived by (n × m, the other's transpose; the
gradient of a scalar has the shape of x). The chain rule reads from left to right in the
first, and from right to left in the second:

    numerator    ∂ℓ/∂x = ∂ℓ/∂f · ∂f/∂x
    denominator  ∂ℓ/∂x = ∂f/∂x · ∂ℓ/∂f

Results know their layout, say it, and refuse to be multiplied in the wrong order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .func.batching import reshape
from .func.jacobians import jacfwd, jacrev
from .trace import spec_of

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
        if self.layout != other.layout:
            raise ValueError(
                f"a derivative in {self.layout} layout times one in {other.layout} layout: "
                f"bring both to one, e.g. with .to({self.layout!r})"
            )
        first, then = (self, other) if self.layout == DENOMINATOR else (other, self)
        if first.of != then.by:
            order = "right to left" if self.layout == DENOMINATOR else "left to right"
            raise ValueError(
                f"the chain rule does not fit: {_what(self)} times {_what(other)}. In "
                f"{self.layout} layout it reads from {order}"
            )
        if len(first.of) > 1:
            raise ValueError(
                "a chain through a matrix is not a product of two matrices"
            )
        value = _columns(self.value) @ _columns(other.value)
        return Derivative(
            reshape(value, shape_in(self.layout, then.of, first.by)),
            self.layout, then.of, first.by,
        )  # fmt: skip

    def numpy(self) -> Any:
        """The values as a NumPy array."""
        return self.value.detach().numpy()

    def __repr__(self) -> str:
        return f"{_what(self)}, {self.layout} layout:\n{self.value!r}"


def _columns(x: Any) -> Any:
    return x if x.ndim == 2 else reshape(x, (1, 1))


def _what(d: Derivative) -> str:
    parts = []
    for shape in (d.of, d.by):
        size = "×".join(map(str, shape))
        parts.append(_KINDS[len(shape)] + (f"[{size}]" if shape else ""))
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
    if len(by) == 2:
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

    Of a scalar or a vector by a scalar or a vector, of a scalar by a matrix, or of a
    matrix by a scalar.

    >>> import retrograd as rg
    >>> B, a = rg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), rg.ones(2)
    >>> rg.calculus.derivative(lambda a: B @ a, a)
    ∂ vector[3] / ∂ vector[2], denominator layout:
    tensor([[1., 3., 5.],
            [2., 4., 6.]])
    """
    _check(layout)
    by = spec_of(args[argnum]).shape
    shapes: list[Shape] = []

    def noting(*given: Any) -> Any:
        out = func(*given)
        shapes[:] = [tuple(spec_of(out).shape)]
        return out

    # Row by row for few outputs; the function is evaluated once in either case.
    few = spec_of(args[argnum]).size <= 4
    jacobian = (jacfwd if few else jacrev)(noting, argnum)(*args)
    (of,) = shapes
    if len(of) + len(by) > 2 or max(len(of), len(by)) > 2:
        raise NotImplementedError(
            f"a derivative of a tensor of shape {list(of)} by one of shape {list(by)} is "
            "no matrix: rg.func.jacrev has it as a tensor of shape "
            f"{[*of, *by]}"
        )
    value = reshape(jacobian, _numerator_before(of, by))
    if len(by) == 2:
        value = value.mT
    return Derivative(value, NUMERATOR, of, tuple(by)).to(layout)


def _numerator_before(of: Shape, by: Shape) -> Shape:
    """The Jacobian's shape as a matrix; for a matrix in the denominator transposed."""
    if not of and not by:
        return ()
    if len(by) == 2 or len(of) == 2:
        return by if len(by) == 2 else of
    return (*(of or (1,)), *(by or (1,)))


__all__ = ["DENOMINATOR", "NUMERATOR", "Derivative", "derivative", "shape_in"]
