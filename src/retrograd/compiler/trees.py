"""Arguments and results of a compiled function: tensors in nested containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..trace import Handle, spec_of

#: what a result may hold besides tensors: it is the same each time
PLAIN = (int, float, complex, bool, str, bytes, type(None))


class Refused(Exception):
    """Why a call cannot become one native call."""


class Made(tuple[int, int]):
    """A result that the call computes: which part makes it, and which output it is."""

    __slots__ = ()


class Given(int):
    """A result that is an argument, by its number."""


class Kept:
    """A result that is always the same object: a parameter, a number, a word."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def flatten(tree: Any, leaves: list[Any]) -> Any:
    """The leaves of nested tuples, lists and dicts, put behind *leaves*; what is left
    is the form, which can be compared."""
    kind = type(tree)
    if kind is dict:
        return dict, tuple((k, flatten(v, leaves)) for k, v in tree.items())
    if isinstance(tree, (list, tuple)):
        return kind, tuple(flatten(v, leaves) for v in tree)
    leaves.append(tree)
    return None


def name(leaf: Any) -> Any:
    """What a leaf must have in common with that of another call."""
    if isinstance(leaf, Handle):
        meta = leaf._meta
        return spec_of(leaf), meta is not None and (
            meta.requires_grad or meta.history is not None
        )
    # 1, 1.0 and True are equal, and are not the same; nor are 0.0 and −0.0
    return type(leaf), leaf, repr(leaf) if type(leaf) is float else None


def template(result: Any, leaf: Callable[[Any], Any]) -> Any:
    """The form of a result, with what *leaf* says in the places of tensors."""
    if isinstance(result, Handle):
        return leaf(result)
    kind = type(result)
    if kind is dict:
        return {k: template(r, leaf) for k, r in result.items()}
    if isinstance(result, (list, tuple)):
        return rebuilt(kind, [template(r, leaf) for r in result])
    if isinstance(result, PLAIN):
        return Kept(result)
    raise Refused(f"its result has a {kind.__name__}, not only tensors and numbers")


def rebuilt(kind: Any, parts: list[Any]) -> Any:
    """A list, a tuple, or a named tuple of the parts."""
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def places(form: Any) -> list[Made]:
    """The outputs that a result consists of."""
    if type(form) is Made:
        return [form]
    parts = form.values() if type(form) is dict else form
    if not isinstance(form, (dict, list, tuple)):
        return []
    return [p for part in parts for p in places(part)]


def filled(form: Any, made: dict[Any, Any], args: Any) -> Any:
    """The result: *made* has the tensors by part and output."""
    kind = type(form)
    if kind is Made:
        return made[form]
    if kind is Given:
        return args[form]
    if kind is Kept:
        return form.value
    if kind is dict:
        return {k: filled(f, made, args) for k, f in form.items()}
    return rebuilt(kind, [filled(f, made, args) for f in form])
