"""Reverse mode as functions of functions: ``grad``, ``grad_and_value`` and ``vjp``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import backward as _backward
from .. import dispatch
from ..dispatch import apply
from ..ops.core import Variable
from ..ops.movement import constant_zeros
from ..trace import State, spec_of
from .forward import check_output, split_aux
from .tracing import is_tensor, key_of, recall, released, remember
from .tree import Tree, flatten


class Level:
    """A function that derivatives are taken of: ``with`` this around it.

    Its arguments become variables of their own, so that nothing else is derived with
    respect to. What leaves the level is :func:`released`.
    """

    def __enter__(self) -> Level:
        self.rec = dispatch.recorder()
        self.before = self.rec.grad_mode
        self.own: set[State] = set()
        self.again()
        return self

    def again(self) -> None:
        """Enter the level once more, for its reverse."""
        self.before = self.rec.grad_mode
        self.rec.variables |= self.own
        dispatch.set_mode(True)

    def __exit__(self, *exc: object) -> None:
        self.rec.variables -= self.own
        dispatch.set_mode(self.before)

    def variable(self, x: Any) -> Any:
        """*x* as a variable of this level."""
        out = apply(Variable, x, tracked=True)
        state = out._key
        if type(state) is not State:  # operations run as they are recorded
            state = out._meta.history[1]
        self.own.add(state)
        self.rec.variables.add(state)
        return out

    def stand_in(self, x: Any) -> Any:
        """The variable *x* for the function, which may change it where no gradients are
        recorded."""
        if type(x._key) is State:
            return self.rec.handle(x._key)
        return x.view_as(x)


def pull(
    ys: Sequence[Any], seeds: Sequence[Any], xs: Sequence[Any], level: Level
) -> list[Any]:
    """Σ seedᵢᵀ ∂yᵢ/∂x for each x (None where there is no way), released from *level*."""
    rec = level.rec
    here = all(type(t._key) is State and t._key.recorder is rec for t in (*ys, *xs))
    keys = tuple(key_of(t) if t is not None else None for t in (*ys, *xs, *seeds))
    known = ("pull", len(ys), keys, frozenset(rec.variables - level.own), rec.grad_mode)
    if here and not rec.hooks:
        found = recall(known)
        if found is not None:
            return found
    start, arguments, pending, epoch = (
        rec.state, len(rec.args), len(rec.pending), rec.epoch
    )  # fmt: skip
    level.again()
    try:
        usable = [(y, s) for y, s in zip(ys, seeds, strict=True) if y.requires_grad]
        if not usable:
            return [None] * len(xs)
        run = _backward.reverse(
            [y for y, _ in usable], [s for _, s in usable], True, True, wanted=xs
        )
        found = []
        for x in xs:
            node = _backward.node_of(rec, x)
            g = run.captured.get(node)
            found.append(g if g is None else _backward.deliver(rec, g))
    finally:
        level.__exit__()
    found = released(*found)
    if here and not rec.hooks and epoch == rec.epoch and run.simple:
        return remember(known, start, arguments, pending, found)
    return found


def vjp(
    func: Callable[..., Any], *primals: Any, has_aux: bool = False
) -> tuple[Any, ...]:
    """(f(x), v ↦ vᵀJ): a function's value, and what pulls cotangents back through it.

    >>> import retrograd as rg
    >>> y, pull = rg.func.vjp(lambda x: x**2, rg.tensor([1.0, 2.0]))
    >>> pull(rg.tensor([1.0, 10.0]))
    (tensor([ 2., 40.]),)
    """
    values, form = flatten(primals)
    for x in values:
        _check_input(x, "vjp(f, *primals)")
    with Level() as level:
        xs = [level.variable(x) for x in values]
        given = form.build([level.stand_in(x) for x in xs])
        result, aux = split_aux(func(*given), has_aux, "vjp")
        ys, out_form = flatten(result)
        if not ys:
            raise RuntimeError(
                "vjp(f, *primals): Expected f to be a function that has non-empty output"
            )
        for y in ys:
            check_output(y, "vjp(f, *primals)")

    def pullback(*cotangents: Any, **_: Any) -> Any:
        """vᵀJ, for cotangents v of the form of the output."""
        given: Any = cotangents[0] if len(cotangents) == 1 else cotangents
        seeds, got = flatten(given)
        if got != out_form and not (
            out_form.kind is None and len(seeds) == 1 and got.size == 1
        ):
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree "
                f"structure of outputs to the function. cotangents: {got!r}, primal "
                f"output: {out_form!r}"
            )
        found = pull(ys, seeds, xs, level)
        made = [
            constant_zeros(spec_of(x)) if g is None else g
            for g, x in zip(found, xs, strict=True)
        ]
        return form.build(made)

    value = out_form.build(released(*ys))
    return (value, pullback, _released(aux)) if has_aux else (value, pullback)


def _released(aux: Any) -> Any:
    flat, form = flatten(aux)
    return form.build(released(*flat))


def _check_input(x: Any, where: str) -> None:
    if not is_tensor(x):
        raise ValueError(
            f"{where}: Expected all inputs to be Tensors, got {type(x).__name__}"
        )
    if not x.is_floating_point():
        raise RuntimeError(
            f"{where}: only Tensors of floating point dtype can require gradients, not "
            f"{x.dtype}"
        )


Argnums = int | tuple[int, ...]


def chosen(argnums: Any, args: tuple[Any, ...], name: str) -> list[int]:
    """The positions of the arguments to derive with respect to."""
    listed = argnums if isinstance(argnums, tuple) else (argnums,)
    if not listed or not all(isinstance(i, int) for i in listed):
        raise RuntimeError(
            f"{name}: argnums must be an int or a non-empty tuple of ints, got {argnums!r}"
        )
    for i in listed:
        if not -len(args) <= i < len(args):
            raise RuntimeError(
                f"Got argnum={i}, but only {len(args)} positional inputs"
            )
    places = [i % len(args) for i in listed]
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return places


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """x ↦ (∇f(x), f(x)); with *has_aux* (∇f(x), (f(x), aux)).

    >>> import retrograd as rg
    >>> rg.func.grad_and_value(lambda x: x**3)(rg.tensor(2.0))
    (tensor(12.), tensor(8.))
    """

    @functools.wraps(func, updated=())
    def both(*args: Any, **kwargs: Any) -> Any:
        places = chosen(argnums, args, "grad")
        with Level() as level:
            given = list(args)
            xs: list[Any] = []
            forms: list[Tree] = []
            for i in places:
                flat, form = flatten(args[i])
                for x in flat:
                    _check_input(x, "grad(f)")
                inside = [level.variable(x) for x in flat]
                given[i] = form.build([level.stand_in(x) for x in inside])
                xs += inside
                forms.append(form)
            y, aux = split_aux(func(*given, **kwargs), has_aux, "grad")
            _check_scalar(y)
        found = pull([y], [None], xs, level)
        made = [
            constant_zeros(spec_of(x)) if g is None else g
            for g, x in zip(found, xs, strict=True)
        ]
        grads = []
        for form in forms:
            grads.append(form.build(made[: form.size]))
            del made[: form.size]
        (value,) = released(y)
        result = tuple(grads) if isinstance(argnums, tuple) else grads[0]
        return result, (value, _released(aux)) if has_aux else value

    return both


def _check_scalar(y: Any) -> None:
    if not is_tensor(y):
        raise RuntimeError(
            "Expected f to be a function that returns a Tensor, got "
            f"{type(y).__name__}. For a function of several results use vjp"
        )
    if y.ndim:
        raise RuntimeError(
            "grad(f) expects f to return a scalar tensor (of no dimensions), but it has "
            f"shape {list(y.shape)}. Reduce it, or use vjp or jacrev"
        )


def grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """x ↦ ∇f(x): the gradient of a scalar function, as a function.

    *argnums* says with respect to which arguments (each may be a tree of tensors). With
    *has_aux* f returns (value, aux), and the gradient comes with aux.

    >>> import retrograd as rg
    >>> cube = lambda x: x**3
    >>> rg.func.grad(rg.func.grad(cube))(rg.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return gradient


__all__ = ["Level", "chosen", "grad", "grad_and_value", "pull", "vjp"]
