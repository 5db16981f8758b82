"""Whole matrices of derivatives: Jacobians by rows or by columns, and Hessians."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dispatch import constant
from ..ops.op import Spec
from ..trace import spec_of
from .batching import reshape
from .forward import jvp
from .reverse import Argnums, chosen, grad, vjp
from .tracing import is_tensor
from .tree import Tree, flatten
from .vmapping import vmap


def basis(specs: list[Spec]) -> list[Any]:
    """The unit vectors of tensors taken together as one vector, a part of each tensor:
    [n, *shape], where n is the number of all elements."""
    total = sum(s.size for s in specs)
    parts, start = [], 0
    for s in specs:
        eye = np.zeros((total, s.size), s.dtype.np)
        np.fill_diagonal(eye[start : start + s.size], 1)
        parts.append(constant(eye.reshape((total, *s.shape))))
        start += s.size
    return parts


def rows_of(column: Any, specs: list[Spec]) -> list[Any]:
    """The rows that belong to each tensor of a basis, in its shape."""
    rest = tuple(column.shape[1:])
    parts, start = [], 0
    for s in specs:
        parts.append(reshape(column[start : start + s.size], (*s.shape, *rest)))
        start += s.size
    return parts


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """x ↦ ∂f/∂x of shape [*f(x).shape, *x.shape], a row at a time in reverse mode: for
    functions with few outputs.

    >>> import retrograd as rg
    >>> rg.func.jacrev(lambda x: x**2)(rg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func, updated=())
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        inner, primals, form = _of_chosen(func, argnums, args, kwargs, "jacrev")
        out, pull, *aux = vjp(inner, *primals, has_aux=has_aux)
        ys, out_form = flatten(out)
        specs = [spec_of(y) for y in ys]

        def row(cotangents: Any) -> Any:
            return flatten(pull(out_form.build(list(cotangents))))[0]

        columns = vmap(row, chunk_size=chunk_size)(basis(specs))
        # blocks[y][x]: the derivative of one output with respect to one input
        blocks = zip(*[rows_of(c, specs) for c in columns], strict=True)
        result = out_form.build([form.build(list(b)) for b in blocks])
        return (result, aux[0]) if has_aux else result

    return jacobian


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """x ↦ ∂f/∂x of shape [*f(x).shape, *x.shape], a column at a time in forward mode:
    for functions with few inputs.

    >>> import retrograd as rg
    >>> rg.func.jacfwd(rg.sin)(rg.tensor(0.0))
    tensor(1.)
    """

    @functools.wraps(func, updated=())
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        inner, primals, form = _of_chosen(func, argnums, args, kwargs, "jacfwd")
        specs = [spec_of(x) for x in flatten(primals)[0]]
        _, primal_form = flatten(primals)
        out_form: list[Tree] = []

        def column(tangents: Any) -> Any:
            directions = primal_form.build(list(tangents))
            _, along, *aux = jvp(inner, primals, directions, has_aux=has_aux)
            flat, tree = flatten(along)
            extra, extra_tree = flatten(aux)
            out_form[:] = [tree, extra_tree]
            return flat, [x for x in extra if is_tensor(x)]

        unit = basis(specs)
        rows, extra = vmap(column, out_dims=(0, None), randomness=randomness)(unit)
        blocks = []
        for out in rows:
            parts = rows_of(out, specs)
            turned = [_last(p, len(s.shape)) for p, s in zip(parts, specs, strict=True)]
            blocks.append(form.build(turned))
        result = out_form[0].build(blocks)
        return (result, out_form[1].build(extra)[0]) if has_aux else result

    return jacobian


def _last(x: Any, n: int) -> Any:
    """The first *n* dimensions as the last ones."""
    rank = x.ndim
    return x.permute((*range(n, rank), *range(n))) if 0 < n < rank else x


def _of_chosen(
    func: Callable[..., Any],
    argnums: Argnums,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: str,
) -> tuple[Callable[..., Any], tuple[Any, ...], Tree]:
    """The function of the arguments to derive with respect to alone, these arguments,
    and the form of the result for one output."""
    places = chosen(argnums, args, name)

    def inner(*given: Any) -> Any:
        full = list(args)
        for i, x in zip(places, given, strict=True):
            full[i] = x
        return func(*full, **kwargs)

    primals = tuple(args[i] for i in places)
    wanted: Any = primals if isinstance(argnums, tuple) else primals[0]
    return inner, primals, flatten(wanted)[1]


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """x ↦ ∂²f/∂x², forward over reverse.

    >>> import retrograd as rg
    >>> rg.func.hessian(lambda x: (x**3).sum())(rg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def hvp(
    func: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> Any:
    """H·v of a scalar function at *primals*, without the matrix: the derivative of the
    gradient along *tangents*. One tensor, or a tuple if there are several primals.

    >>> import retrograd as rg
    >>> x, v = rg.tensor([1.0, 2.0]), rg.tensor([1.0, 1.0])
    >>> rg.func.hvp(lambda x: (x**3).sum(), (x,), (v,))
    tensor([ 6., 12.])
    """
    if len(primals) == 1:
        return jvp(grad(func), primals, tangents)[1]
    return jvp(grad(func, tuple(range(len(primals)))), primals, tangents)[1]


__all__ = ["basis", "hessian", "hvp", "jacfwd", "jacrev"]
