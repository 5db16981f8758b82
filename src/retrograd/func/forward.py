"""Forward mode: derivatives along a direction, carried with the values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import dispatch
from ..dispatch import apply
from ..ops.core import Variable
from ..ops.movement import constant_zeros
from ..trace import State, spec_of
from .tangents import tangent
from .tracing import (
    Rewriting,
    Trace,
    is_tensor,
    key_of,
    needed,
    recall,
    released,
    remember,
    tensor_of,
)
from .tree import flatten


def carry(
    states: Iterable[State], tangents: dict[Any, Any], wanted: set[Any] | None
) -> None:
    """Record the tangent of each operation in turn, from those of its operands."""
    with Rewriting() as now:
        for state in states:
            if state.kind != "op" or state in tangents:
                continue
            if wanted is not None and state not in wanted:
                continue
            given = [tangents.get(k) for k in state.inputs]
            if any(t is not None for t in given):
                now.at(state, state)
                t = tangent(state, given)
                if t is not None:
                    tangents[state] = t


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """(f(x), J·v): a function's value, and its derivative along *tangents*.

    *primals* and *tangents* are tuples of the function's arguments and of directions of
    the same form. With *strict*, a result that does not depend on the arguments is an
    error rather than a zero derivative.

    >>> import retrograd as rg
    >>> x, v = rg.tensor([1.0, 2.0]), rg.tensor([1.0, 0.0])
    >>> rg.func.jvp(lambda x: (x**3).sum(), (x,), (v,))
    (tensor(9.), tensor(3.))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be "
            "valid to call f(*primals)"
        )
    values, form = flatten(primals)
    directions, other = flatten(tangents)
    if form != other:
        raise RuntimeError(
            "jvp(f, primals, tangents): Expected primals and tangents to have the same "
            f"python structure. For example, they are {form!r} and {other!r}"
        )
    for x, v in zip(values, directions, strict=True):
        check_direction(x, v, "jvp(f, primals, tangents)")
    if not values:
        raise RuntimeError("jvp(f, primals, tangents): got no primals")
    with Trace() as trace:
        along = [key_of(v) for v in directions]
        given = [apply(Variable, x, tracked=False) for x in values]
        sources = [x._key for x in given]
        trace.start = dispatch.recorder().state
        result = func(*form.build(given))
        result, aux = split_aux(result, has_aux, "jvp")
        outs, out_form = flatten(result)
        for out in outs:
            check_output(out, "jvp(f, primals, tangents)")
        keys = [key_of(x) for x in outs]
        trace.stop()
        made = _along(trace, sources, along, keys)
        if strict and any(t is None for t in made):
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent "
                "of the inputs. This is not allowed with strict=True."
            )
        made = [
            constant_zeros(key.spec) if t is None else t
            for t, key in zip(made, keys, strict=True)
        ]
    pair = (result, out_form.build(made))
    return (*pair, aux) if has_aux else pair


def _along(
    trace: Trace, sources: list[Any], along: list[Any], outs: list[Any]
) -> list[Any]:
    """The tangents of the outputs; None where there is none."""
    rec = trace.rec
    known = ("jvp", tuple(sources), tuple(along), tuple(outs),
             frozenset(rec.variables))  # fmt: skip
    found = recall(known)
    if found is not None:
        return found
    start, arguments, pending = rec.state, len(rec.args), len(rec.pending)
    tangents = {k: tensor_of(v) for k, v in zip(sources, along, strict=True)}
    states = trace.path()
    carry(states, tangents, needed(states, outs))
    found = released(*[tangents.get(k) for k in outs])
    return remember(known, start, arguments, pending, found)


def check_direction(x: Any, v: Any, where: str) -> None:
    """A tangent fits its primal in shape and type."""
    if not is_tensor(x) or not is_tensor(v):
        kind = type(v if is_tensor(x) else x).__name__
        raise RuntimeError(f"{where}: Expected tensors, got {kind}")
    a, b = spec_of(x), spec_of(v)
    if not a.dtype.is_floating_point:
        raise ValueError(
            f"{where}: only tensors of floating dtype have a derivative, not {a.dtype}"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"{where}: the tangent has shape {list(b.shape)} and the primal has shape "
            f"{list(a.shape)}"
        )
    if a.dtype is not b.dtype:
        raise (RuntimeError if b.dtype.is_floating_point else ValueError)(
            f"{where}: the tangent is {b.dtype} and the primal is {a.dtype}"
        )


def check_output(out: Any, where: str) -> None:
    if not is_tensor(out):
        raise RuntimeError(
            f"{where}: Expected f to be a function that has non-empty output of only "
            f"Tensors, got unsupported type {type(out).__name__} in it"
        )


def split_aux(result: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    """The output of a function that returns (output, aux)."""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is "
            "True"
        )
    return result[0], result[1]


def linearize(
    func: Callable[..., Any], *primals: Any
) -> tuple[Any, Callable[..., Any]]:
    """f(x), and the linear function v ↦ J·v at x: recorded once, to be used often.

    >>> import retrograd as rg
    >>> y, push = rg.func.linearize(rg.sin, rg.tensor(0.0))
    >>> push(rg.tensor(2.0))
    tensor(2.)
    """
    values, form = flatten(primals)
    with Trace() as trace:
        for x in values:
            check_direction(x, x, "linearize(f, *primals)")
        given = [apply(Variable, x, tracked=False) for x in values]
        sources = [x._key for x in given]
        trace.start = dispatch.recorder().state
        outs, out_form = flatten(func(*form.build(given)))
        for out in outs:
            check_output(out, "linearize(f, *primals)")
        keys = [key_of(x) for x in outs]
        trace.stop()
        first = dispatch.recorder().state
        with Trace(1) as inner:  # the directions have no value yet
            along = [inner.placeholder(spec_of(x), False) for x in values]
            slots = [v._key for v in along]
            tangents = dict(zip(sources, along, strict=True))
            states = trace.path()
            carry(states, tangents, needed(states, keys))
            found = [tangents.get(k) for k in keys]
            results = [None if t is None else t._key for t in found]
            inner.start = first
            inner.stop()
            del along, tangents, found
            steps = _Steps(inner.path(), slots, results)
            inner.clean_up()
    specs = [spec_of(x) for x in values]
    out_specs = [k.spec for k in keys]

    def push(*directions: Any) -> Any:
        """J·v for the point at which the function was made linear."""
        flat, other = flatten(directions)
        if other != form:
            raise RuntimeError(
                "linearize: Expected the tangents to have the form of the primals, "
                f"{form!r}, but got {other!r}"
            )
        for spec, v in zip(specs, flat, strict=True):
            if not is_tensor(v) or spec_of(v) is not spec:
                shown = repr(spec_of(v)) if is_tensor(v) else type(v).__name__
                raise RuntimeError(
                    f"linearize: a tangent of {spec!r} was expected, but got {shown}"
                )
        along = released(*steps.run(flat))
        made = [
            constant_zeros(spec) if t is None else t
            for t, spec in zip(along, out_specs, strict=True)
        ]
        return out_form.build(made)

    return out_form.build(outs), push


class _Steps:
    """Recorded operations that can be recorded again with other inputs. What they use
    besides is kept as tensors."""

    def __init__(self, states: list[State], slots: list[Any], outs: list[Any]) -> None:
        use = needed(states, [k for k in outs if k is not None])
        depend = set(slots)
        self.steps: list[tuple[State, list[Any]]] = []
        self.kept: dict[Any, Any] = {}
        for state in states:
            if state.kind != "op" or state not in use:
                continue
            if any(k in depend for k in state.inputs):
                depend.add(state)
                self.steps.append((state, list(state.inputs)))
        rec = dispatch.recorder()
        for _, inputs in self.steps:
            for key in inputs:
                if key not in depend and key not in self.kept:
                    self.kept[key] = (
                        rec.handle(key) if type(key) is State else tensor_of(key)
                    )
        self.slots, self.outs = slots, outs

    def run(self, values: list[Any]) -> list[Any]:
        known = dict(zip(self.slots, values, strict=True))
        for state, inputs in self.steps:
            op: Any = state.op
            given = [known[k] if k in known else self.kept[k] for k in inputs]
            known[state] = apply(op, *given, **state.attrs)
        return [
            None if k is None else known.get(k, self.kept.get(k)) for k in self.outs
        ]


__all__ = ["carry", "jvp", "linearize"]
