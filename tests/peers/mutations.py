"""Calls with one thing wrong: what PyTorch makes of each, and what this library does.

A valid call is changed in one place (a tensor becomes a number, a dimension is out of
range, an argument is missing …); both libraries get it, and what they do is compared:
a value, or the class of an exception.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import op_tables
import retrograd as rg
from retrograd import templates
from retrograd.dispatch import recorder


class Call(NamedTuple):
    """Arguments, and what was changed in them."""

    label: str
    args: list[Any]
    kwargs: dict[str, Any]


class Outcome(NamedTuple):
    """What a call came to: the error, or none."""

    error: Exception | None


def instead_of(v: Any) -> Iterator[tuple[str, Any]]:
    """What may stand in the place of a valid argument, by name."""
    import torch

    if isinstance(v, torch.Tensor):
        yield from (("float", 1.5), ("int", 2), ("True", True), ("None", None),
                    ("list", [1.0, 2.0]), ("ndarray", np.ones(2)), ("str", "a"))  # fmt: skip
        for name in ("int64", "bool", "float32"):
            if v.dtype is not getattr(torch, name):
                yield name, v.to(getattr(torch, name))
        yield "one dimension more", v.unsqueeze(0).repeat(2, *[1] * v.ndim)
        if v.ndim:
            yield (
                "one longer",
                torch.cat([v, v.narrow(-1, 0, 1)], -1)
                if (v.shape[-1])
                else v.new_zeros(*v.shape[:-1], 1),
            )
            yield "no element", v.new_zeros(0, *v.shape[1:])
            yield "no dimension", v.new_ones(())
    elif isinstance(v, bool):
        yield from (("int", 1), ("float", 1.0), ("None", None), ("str", "a"))
    elif isinstance(v, int):
        yield from (("float", v + 0.5), ("whole float", float(v)), ("None", None),
                    ("str", "a"), ("True", True), ("negative", -100), ("large", 100),
                    ("huge", 10**20), ("list", [v]), ("list of float", [1.5]))  # fmt: skip
    elif isinstance(v, float):
        yield from (("int", int(v)), ("None", None), ("str", "a"), ("list", [v]),
                    ("negative", -1.5), ("True", True), ("tensor", torch.tensor(v)),
                    ("tensor of two", torch.tensor([v, v])))  # fmt: skip
    elif isinstance(v, str):
        yield from (("another word", "nonsense"), ("int", 1), ("None", None))
    elif isinstance(v, torch.dtype):
        yield from (("str", "float32"), ("int", 5), ("float", 1.5))
        for name in ("int64", "bool", "float32"):
            yield name, getattr(torch, name)
    elif isinstance(v, (tuple, list)) and v:
        kind = type(v) if type(v) in (tuple, list) else tuple
        yield from (("None", None), ("str", "a"), ("empty", kind()), ("float", 1.5),
                    ("int", 1), ("longer", kind([*v, v[0]])),
                    ("shorter", kind(v[:-1])))  # fmt: skip
        for name, w in instead_of(v[0]):
            yield f"[0] {name}", kind([w, *v[1:]])
    elif isinstance(v, slice) or v is None:
        yield "str", "a"


def mutations(args: list[Any], kwargs: dict[str, Any]) -> Iterator[Call]:
    """The call with one thing changed, for each thing."""
    for i, v in enumerate(args):
        for name, w in instead_of(v):
            yield Call(f"{i}: {name}", [*args[:i], w, *args[i + 1 :]], kwargs)
    for key, v in kwargs.items():
        for name, w in instead_of(v):
            yield Call(f"{key}: {name}", args, {**kwargs, key: w})
    yield Call("an argument more", [*args, None], kwargs)
    yield Call("a number more", [*args, 1], kwargs)
    yield Call("unknown keyword", args, {**kwargs, "nonsense": 1})
    if args:
        yield Call("last one missing", args[:-1], kwargs)
        yield Call("none given", [], {})


def outcome(function: Callable[..., Any], args: Any, kwargs: Any) -> Outcome:
    """Call, and ask for the numbers: some refusals need them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for out in op_tables.flat(function(*args, **kwargs)):
                if isinstance(out, rg.Tensor):
                    out.detach().numpy()
        except Exception as error:
            return Outcome(error)
    return Outcome(None)


def compared(mine: Outcome, theirs: Outcome) -> str:
    """What the difference is: "" where there is none."""
    if theirs.error is None:
        return "" if mine.error is None else "refused here"
    if mine.error is None:
        return "accepted here"
    kind = type(theirs.error)
    if kind.__name__ == "_LinAlgError":
        kind = rg.linalg.LinAlgError
    if isinstance(mine.error, kind):
        return ""
    if kind in STUMBLES and isinstance(mine.error, (TypeError, ValueError)):
        return ""
    return "another class"


#: what is raised where PyTorch's own Python code stumbles over an argument that it does
#: not check; here that is a TypeError or a ValueError that names the argument
STUMBLES = (AttributeError, UnboundLocalError, AssertionError, KeyError, NameError)


def forget() -> None:
    """A call is judged as if it were the first of its program: arguments are looked at
    where a graph is seen for the first time."""
    recorder().flush()
    recorder().roots.clear()
    recorder().reset()
    templates.forget()


def copied(value: Any) -> Any:
    """A tree of PyTorch's tensors, which a call may change."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.clone()
    if type(value) in (list, tuple):
        return type(value)(copied(v) for v in value)
    if type(value) is dict:
        return {k: copied(v) for k, v in value.items()}
    return value


def differences(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
    crashes: Iterable[str] = (),
    translated: Callable[[Any], Any] = op_tables.translated,
    chosen: Callable[[int, Call], bool] | None = None,
) -> Iterator[tuple[str, str, Outcome, Outcome]]:
    """Every changed call that is *chosen*, but for those that end PyTorch's process: its
    label, the kind of difference ("": none), and what both libraries did."""
    for place, call in enumerate(mutations(args, kwargs)):
        if call.label in crashes or not (chosen is None or chosen(place, call)):
            continue
        forget()
        try:
            mine = translated((call.args, call.kwargs))
        except (pytest.skip.Exception, AttributeError):
            continue  # nothing that this library could be given
        given = copied((call.args, call.kwargs))
        a, b = outcome(ours, *mine), outcome(theirs, *given)
        yield call.label, compared(a, b), a, b
