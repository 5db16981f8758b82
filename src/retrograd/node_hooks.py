"""Hooks of nodes that see the gradients of the inputs, too."""

from __future__ import annotations

from typing import Any

from .nodes import identity, inside
from .parts import both
from .trace import Segment, State


class Gather:
    """Collects the gradients that leave a node, which may be several operations, until
    all are there and its hooks can be told."""

    def __init__(self, segment: Segment | None, state: State, g: Any) -> None:
        self.outputs = (g,)
        self.inner, self.ahead = inside(segment, state)
        self.sources = [identity(*operand) for operand in self.ahead]
        self.alone = len(self.inner) == 1
        self.found: list[Any] = [None] * len(self.ahead)

    def take(self, segment: Segment | None, pairs: list[tuple[Any, Any]]) -> list[Any]:
        """Keep of *pairs* what leaves the node; the rest stays in it."""
        rest = []
        at = 0
        for key, g in pairs:
            source = identity(segment, key)
            if source in self.inner:
                rest.append((key, g))
                continue
            at = self.sources.index(source, at if self.alone else 0)
            self.found[at] = both(self.found[at], g, key.spec)
            at += 1
        return rest

    def release(self, hooks: dict[int, Any]) -> list[tuple[Any, Any, Any]]:
        """Tell the hooks; the gradients as they leave them."""
        inputs = list(self.found)
        for function in list(hooks.values()):
            changed = function(tuple(inputs), self.outputs)
            if changed is None:
                continue
            changed = list(changed) if isinstance(changed, tuple) else [changed]
            if len(changed) != len(inputs):
                raise RuntimeError(
                    "hook has returned an incorrect number of values (got "
                    f"{len(changed)}, but expected {len(inputs)})"
                )
            inputs = changed
        pairs = zip(self.ahead, inputs, strict=True)
        return [(*operand, g) for operand, g in pairs if g is not None]


__all__ = ["Gather"]
