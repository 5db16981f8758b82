"""From a captured graph to its description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd.function import Result
from . import notation as n
from .description import (
    Description,
)
from .entries import Entries
from .formulas import RANDOM
from .inventory import Inventory
from .line import Line
from .messages import labels

#: values that are looked at together for NaN and infinity; numbers in those put together
_AT_ONCE, _SMALL = 4096, 256


class Describer(Entries):
    """Describes a capture: ``description()``."""

    def description(self) -> Description:
        lines, capture = self.lines, self.capture
        gradients = self._some(self.gradients[: self.first_parameter])
        gradients += self._some(self.gradients[self.first_parameter :])
        wanted = {g.line for g in gradients}
        forward = self._some(lines.forward, wanted)
        all_leaves = [*self._leaves(), *lines.elements, *lines.drawn]
        leaves = self._some(all_leaves, wanted)
        root = lines.of[capture.root]
        out = Description(
            title=f"{root.symbol} = {n.Expr.__str__(root.expr)}",
            language=self.lang, level=self.level, layout=self.layout,
            precision=self.precision, loss=self.id[root],
            seeded=capture.gradient_array is not None,
            nodes=[self.node(x) for x in (*leaves, *forward)],
            gradients=[self.gradient(g) for g in gradients],
            source=self.source(root.where), words=labels(self.say),
        )  # fmt: skip
        out.omitted = {
            "nodes": len(self.lines.forward) - len(forward),
            "leaves": len(all_leaves) - len(leaves),
            "gradients": len(self.gradients) - len(gradients),
            "operations": 0,
        }  # fmt: skip
        Inventory(self).fill(out)
        out.steps = [x.id for x in out.nodes if x.formula is not None]
        out.steps += [g.id for g in out.gradients]
        out.nonfinite = self._nonfinite()
        out.notes = self._notes()
        if self.level == "kernels":
            from .kernels import kernels_of

            try:
                out.kernels = kernels_of(capture, self.operation_id, self.say)
            except NotImplementedError:
                out.notes.append(
                    self.say(
                        "The compiler has no kernels for this graph: NumPy computes it, "
                        "one operation after the other."
                    )
                )
            where = {o: k.id for k in out.kernels for o in k.operations}
            for operation in out.operations:
                operation.kernel = where.get(operation.id)
        return out

    def _leaves(self) -> list[Line]:
        """Those that formulas name: not the counters of random numbers, nor what the
        forward of a function of the user's own computed without tensors."""
        return [x for x in self.lines.leaves if not self._unnamed(x.key)]

    def _unnamed(self, key: Any) -> bool:
        users = self.lines.users.get(key, [])
        return bool(users) and all(
            u.op is not None
            and (
                u.op.name in RANDOM
                or (issubclass(u.op, Result) and key not in u.inputs[1:])
            )
            for u in users
        )

    def _some(self, all: Sequence[Any], wanted: set[Any] | None = None) -> list[Any]:
        """The first and the last, if there are more than the limit, and the wanted."""
        if self.limit is None or len(all) <= self.limit:
            return list(all)
        half = max(1, self.limit // 2)
        end = len(all) - half
        return [
            x
            for i, x in enumerate(all)
            if i < half or i >= end or (wanted is not None and x in wanted)
        ]

    def _notes(self) -> list[str]:
        notes = []
        capture, say = self.capture, self.say
        made = sum(1 for s in capture.nodes if s not in capture.known)
        if made and any(seg is not None for seg, _ in capture.origin.values()):
            notes.append(
                say.many(
                    "The run kept only what its derivative needs, and values inside "
                    "fused kernels never stand in memory: {count} value of the {all} of "
                    "the forward pass was recomputed with NumPy.",
                    "The run kept only what its derivative needs, and values inside "
                    "fused kernels never stand in memory: {count} values of the {all} of "
                    "the forward pass were recomputed with NumPy.",
                    made,
                ).format(count=made, all=len(capture.nodes))
            )
        elif made:
            notes.append(
                say(
                    "The graph is recorded but has not run; these values are computed "
                    "with NumPy."
                )
            )
        if capture.hooked:
            notes.append(
                say("Hooks are registered on this graph; their effect is not shown.")
            )
        return notes

    def _nonfinite(self) -> str | None:
        values = self.capture.values
        for part in (self.lines.forward, self.gradients):
            for start in range(0, len(part), _AT_ONCE):
                some = part[start : start + _AT_ONCE]
                if _finite([values.get(x.key) for x in some]):
                    continue
                for x in some:
                    if not _finite([values.get(x.key)]):
                        return self.id[x]
        return None


def _finite(values: list[Any]) -> bool:
    """Whether there is neither NaN nor infinity among these arrays."""
    floats = [v.reshape(-1) for v in values if v is not None and v.dtype.kind == "f"]
    small = [v for v in floats if v.size <= _SMALL]
    large = [v for v in floats if v.size > _SMALL]
    if small:
        large.append(np.concatenate(small))
    return all(bool(np.isfinite(v).all()) for v in large)
