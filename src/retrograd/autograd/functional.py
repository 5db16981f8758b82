"""Derivatives of functions as whole objects: Jacobians, Hessians and their products.

An older interface than :mod:`retrograd.func`, on the same transformations: results are
plain values unless *create_graph* is true, and with *strict* a result that does not
depend on an input is an error rather than zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..func.forward import jvp as _jvp
from ..func.jacobians import basis, rows_of
from ..func.reverse import Level, pull
from ..func.tracing import is_tensor, released
from ..func.vmapping import vmap
from ..ops.movement import constant_zeros
from ..trace import spec_of

Tensors = Any  # a tensor or a tuple of tensors


def _tuple(x: Any, what: str, name: str) -> tuple[Any, ...]:
    """A tensor or a tuple of tensors, as a tuple."""
    listed = tuple(x) if isinstance(x, (tuple, list)) else (x,)
    for i, t in enumerate(listed):
        if not is_tensor(t):
            where = f"Value {i} in the tuple" if isinstance(x, (tuple, list)) else "It"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of "
                f"Tensors. {where} has type {type(t).__name__}"
            )
    return listed


def _tracked(x: Any, create_graph: bool) -> Any:
    """*x*, or with no graph behind it, as something that gradients are recorded of: a
    derivative says by them whether it depends on the point."""
    if not is_tensor(x) or (create_graph and x.requires_grad):
        return x
    return x.detach().requires_grad_(x.is_floating_point())


def _points(inputs: Any, create_graph: bool) -> Any:
    if not isinstance(inputs, (tuple, list)):
        return _tracked(inputs, create_graph)
    return tuple([_tracked(x, create_graph) for x in inputs])


def _as_given(values: Sequence[Any], *forms: Any) -> Any:
    return tuple(values) if isinstance(forms[0], (tuple, list)) else values[0]


class _Once:
    """A function evaluated at a point, ready to be reversed."""

    def __init__(
        self, func: Callable[..., Any], inputs: Any, create_graph: bool, name: str
    ) -> None:
        self.name, self.create_graph = name, create_graph
        self.given = inputs
        points = _tuple(inputs, "inputs", name)
        with Level() as level:
            self.level = level
            self.xs = [
                level.variable(x if create_graph else x.detach()) for x in points
            ]
            self.result = func(*self.xs)
            self.ys = _tuple(self.result, "outputs of the user-provided function", name)

    @property
    def outputs(self) -> Any:
        return _as_given([self.plain(y) for y in self.ys], self.result)

    def plain(self, x: Any) -> Any:
        """What the caller gets: with a graph only if one is wanted."""
        (x,) = released(x)
        return x if self.create_graph else x.detach()

    def scalar(self) -> None:
        if len(self.ys) != 1 or isinstance(self.result, (tuple, list)):
            raise RuntimeError(
                f"The function given to {self.name} should return a single Tensor"
            )
        if self.ys[0].numel() != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {self.name} should "
                "contain a single element"
            )

    def pull(
        self, seeds: Sequence[Any], strict: bool, only: int | None = None
    ) -> list[Any]:
        """vᵀJ for each input (of one output, if it says *only* that); zero where nothing
        depends on it."""
        ys = self.ys if only is None else self.ys[only : only + 1]
        for k, y in enumerate(ys):
            if strict and not y.requires_grad:
                raise RuntimeError(
                    f"Output {only or k} of the user-provided function is independent of "
                    "the inputs. This is not allowed in strict mode."
                )
        found = pull(ys, seeds, self.xs, self.level)
        for i, g in enumerate(found):
            if g is None and strict:
                raise RuntimeError(
                    f"Output {only or 0} of the user-provided function is independent of "
                    f"input {i}. This is not allowed in strict mode."
                )
            if g is not None and strict and self.create_graph and not g.requires_grad:
                raise RuntimeError(
                    "The jacobian of the user-provided function is independent of input "
                    f"{i}. This is not allowed in strict mode when create_graph=True."
                )
        return [
            self.plain(constant_zeros(spec_of(x)) if g is None else g)
            for g, x in zip(found, self.xs, strict=True)
        ]


def _directions(v: Any, like: Sequence[Any], given: Any, name: str, what: str) -> Any:
    """The vectors of a product, one for each tensor of *like*; by default 1."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} a single Tensor with a "
                "single element."
            )
        return [constant_zeros(spec_of(like[0])) + 1]
    vs = _tuple(v, "v", name)
    if len(vs) != len(like):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(vs)}."
        )
    for i, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(
                f"Entry {i} in v has invalid size: should be {list(b.shape)} but got "
                f"{list(a.shape)}."
            )
    return list(vs)


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(x), vᵀJ). *v* has the form of the output; it may be left out for a scalar."""
    points = _points(inputs, create_graph) if create_graph else inputs
    once = _Once(func, points, create_graph, "vjp")
    what = "user-provided function returns"
    seeds = _directions(v, once.ys, once.result, "vjp", what)
    return once.outputs, _as_given(once.pull(seeds, strict), inputs)


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(x), J·v), in forward mode. *v* has the form of the inputs."""
    points = _tuple(inputs, "inputs", "jvp")
    what = "input to the user-provided function is"
    vs = _directions(v, points, inputs, "jvp", what)
    if create_graph:
        points = _points(points, True)
    else:
        points = tuple(x.detach() for x in points)

    def checked(*xs: Any) -> Any:
        out = func(*xs)
        _tuple(out, "outputs of the user-provided function", "jvp")
        return tuple(out) if isinstance(out, list) else out

    out, along = _jvp(checked, points, tuple(vs), strict=strict)
    if create_graph:
        if strict and not all(t.requires_grad for t in _tuple(along, "outputs", "jvp")):
            raise RuntimeError(
                "The jacobian of the user-provided function is independent of the inputs. "
                "This is not allowed in strict mode when create_graph=True."
            )
        return out, along
    plain = [
        _as_given([t.detach() for t in _tuple(o, "outputs", "jvp")], o)
        for o in (out, along)
    ]
    return plain[0], plain[1]


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """∂f/∂x, of shape [*f(x).shape, *x.shape]; for tuples J[output][input].

    Row by row, unless *vectorize* is true: then all rows at once (which a function that
    reads values cannot be). *strategy* "forward-mode" goes by columns.

    >>> import retrograd as rg
    >>> rg.autograd.functional.jacobian(lambda x: x**2, rg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If '
            "your function has more outputs than inputs, forward-mode is the better one"
        )
    if strict and vectorize:
        raise RuntimeError(
            "autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    if strategy == "forward-mode":
        if strict:
            raise RuntimeError(
                "autograd.functional.jacobian: `strict=True` and "
                '`strategy="forward-mode"` are not supported together: forward mode sees '
                "no output without an input. Use the reverse mode"
            )
        return _by_columns(func, inputs, create_graph, vectorize)
    points = _points(inputs, create_graph) if create_graph else inputs
    once = _Once(func, points, create_graph, "jacobian")
    specs = [spec_of(y) for y in once.ys]
    units = basis(specs)
    if vectorize:
        columns = vmap(lambda seeds: once.pull(seeds, False))(units)
    else:
        rows: list[Any] = []
        for k, spec in enumerate(specs):
            start = len(rows)
            for i in range(start, start + spec.size):
                rows.append(once.pull([units[k][i]], strict, only=k))
        columns = _stacked(rows, [spec_of(x) for x in once.xs])
    blocks = list(zip(*[rows_of(c, specs) for c in columns], strict=True))
    return _as_given([_as_given(b, inputs) for b in blocks], once.result)


def _stacked(rows: list[Any], specs: list[Any]) -> list[Any]:
    from ..functions.joining import stack

    if not rows:
        return [constant_zeros(type(s)((0, *s.shape), s.dtype)) for s in specs]
    return [stack(list(column)) for column in zip(*rows, strict=True)]


def _by_columns(
    func: Callable[..., Any], inputs: Any, create_graph: bool, all: bool
) -> Any:
    points = _tuple(inputs, "inputs", "jacobian")
    specs = [spec_of(x) for x in points]
    units = basis(specs)
    forms: list[Any] = []

    def column(*vs: Any) -> Any:
        _, along = jvp(func, points, vs, create_graph)
        forms[:] = [along]
        return _tuple(along, "outputs", "jacobian")

    if all:
        outs = vmap(column)(*units)
    else:
        count = sum(s.size for s in specs)
        rows = [column(*[u[i] for u in units]) for i in range(count)]
        outs = _stacked(rows, [])
    blocks = []
    for out in outs:
        parts = [
            _turned(p, len(s.shape))
            for p, s in zip(rows_of(out, specs), specs, strict=True)
        ]
        blocks.append(_as_given(parts, inputs))
    return _as_given(blocks, forms[0])


def _turned(x: Any, n: int) -> Any:
    return x.permute((*range(n, x.ndim), *range(n)))


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """∂²f/∂x² of a scalar function; for tuples H[i][j]."""
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode".'
        )
    gradient = _gradient(func, strict, "hessian", [])
    result = jacobian(
        gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy
    )
    return result if isinstance(inputs, (tuple, list)) else result[0]


def _gradient(
    func: Callable[..., Any],
    strict: bool,
    name: str,
    value: list[Any],
    left: Callable[[Any], list[Any]] = lambda y: [y],
) -> Callable[..., Any]:
    """x ↦ ∇f(x) for a scalar f, whose value is left in *value*."""

    def gradient(*xs: Any) -> Any:
        once = _Once(func, xs, True, name)
        once.scalar()
        value[:] = left(once.ys[0])
        return tuple(once.pull([constant_zeros(spec_of(once.ys[0])) + 1], strict))

    return gradient


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(x), H·v) of a scalar function: the gradient's derivative along *v*."""
    points = _tuple(inputs, "inputs", "hvp")
    vs = _directions(v, points, inputs, "hvp", "input to the user-provided function is")
    points = _points(points, create_graph)
    values: list[Any] = []

    gradient = _gradient(func, strict, "hvp", values, released)
    _, along = _jvp(gradient, points, tuple(vs), strict=strict)
    keep = [*values, *along]
    keep = keep if create_graph else [t.detach() for t in keep]
    return keep[0], _as_given(keep[1:], inputs)


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(x), vᵀH) of a scalar function: the reverse of its reverse."""
    points = _tuple(inputs, "inputs", "vhp")
    vs = _directions(v, points, inputs, "vhp", "input to the user-provided function is")
    values: list[Any] = []

    gradient = _gradient(func, strict, "vhp", values)
    points = _points(inputs, create_graph) if create_graph else inputs
    outer = _Once(gradient, points, create_graph, "vhp")
    product = outer.pull(vs, strict)
    return outer.plain(values[0]), _as_given(product, inputs)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
