"""Nested tuples, lists and dicts of tensors, as a flat list and the way back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

#: how a container is built from its values; its type and keys come first
Build = Callable[[list[Any]], Any]


class Tree:
    """The form of nested containers: what :func:`flatten` leaves when it takes the
    values out. ``kind`` is None for a value."""

    __slots__ = ("kind", "keys", "parts", "size")

    def __init__(self, kind: Any, keys: Any, parts: list[Tree]) -> None:
        self.kind, self.keys, self.parts = kind, keys, parts
        self.size: int = sum(p.size for p in parts) if kind is not None else 1

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Tree)
            and self.kind is other.kind
            and self.keys == other.keys
            and self.parts == other.parts
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        shown = [repr(p) for p in self.parts]
        if self.keys is not None:
            shown = [f"{k!r}: {p}" for k, p in zip(self.keys, shown, strict=True)]
        return f"{self.kind.__name__}({', '.join(shown)})"

    def build(self, values: list[Any]) -> Any:
        """The containers again, with these values."""
        if self.kind is None:
            return values[0]
        made, start = [], 0
        for part in self.parts:
            made.append(part.build(values[start : start + part.size]))
            start += part.size
        if self.keys is not None:
            return self.kind(zip(self.keys, made, strict=True))
        if hasattr(self.kind, "_fields"):  # a named tuple
            return self.kind(*made)
        return self.kind(made)


LEAF = Tree(None, None, [])


def _inside(value: Any) -> tuple[Any, list[Any]] | None:
    """The keys (None for a sequence) and values of a container, or None for a value."""
    if isinstance(value, (dict, OrderedDict)):
        return list(value), list(value.values())
    if type(value) in (list, tuple) or (
        isinstance(value, tuple) and hasattr(value, "_fields")
    ):
        return None, list(value)
    return None


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """The values of nested containers in order, and the form they were in."""
    inside = _inside(value)
    if inside is None:
        return [value], LEAF
    keys, values = inside
    flat, parts = [], []
    for v in values:
        below, tree = flatten(v)
        flat += below
        parts.append(tree)
    return flat, Tree(type(value), keys, parts)


def spread(prefix: Any, tree: Tree) -> list[Any] | None:
    """One entry for each value of *tree*, from a prefix of its form: an entry of the
    prefix stands for all values below it. None where the forms do not fit."""
    inside = None if tree.kind is None else _inside(prefix)
    if inside is None:
        if tree.kind is None and _inside(prefix) is not None:
            return None
        return [prefix] * tree.size
    keys, values = inside
    if len(values) != len(tree.parts) or (keys is None) != (tree.keys is None):
        return None
    if keys is not None:
        if set(keys) != set(tree.keys):
            return None
        values = [prefix[k] for k in tree.keys]
    entries: list[Any] = []
    for v, part in zip(values, tree.parts, strict=True):
        below = spread(v, part)
        if below is None:
            return None
        entries += below
    return entries


def map_values(function: Callable[..., Any], tree: Any, *more: Any) -> Any:
    """*function* of each value, and of those in the same place of *more*."""
    flat, form = flatten(tree)
    others = [flatten(t)[0] for t in more]
    return form.build([function(*vs) for vs in zip(flat, *others, strict=True)])


__all__ = ["Tree", "flatten", "map_values", "spread"]
