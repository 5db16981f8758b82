"""The graph around the lines: edges, recorded operations, modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..trace import Const, State
from .description import Description, Edge, Module, Operation, Source

if TYPE_CHECKING:
    from .describe import Describer

#: operations that are listed
OPERATIONS = 20_000


class Inventory:
    """Fills in what :class:`~retrograd.see.describe.Describer` has identifiers for."""

    def __init__(self, describer: Describer) -> None:
        self.describer = describer
        self.lines, self.capture = describer.lines, describer.capture
        self.id, self.operation_id = describer.id, describer.operation_id
        self.home: dict[State, str] = {}

    def fill(self, out: Description) -> None:
        self._edges(out)
        self._operations(out)
        self._modules(out)

    def _homes(self, states: list[State]) -> None:
        for line in (*self.lines.drawn, *self.lines.forward):
            for state in line.states:
                self.home.setdefault(state, self.id[line])
        listed = len(states) - len(self.capture.nodes)
        if listed <= 0:
            return
        named = {g.key: self.id[g] for g in reversed(self.describer.gradients)}
        waiting: list[State] = []
        for state in self.capture.back:  # up to the next named gradient
            waiting.append(state)
            if state in named:
                self.home.update(dict.fromkeys(waiting, named[state]))
                listed -= len(waiting)
                if listed <= 0:
                    return
                waiting = []

    def _edges(self, out: Description) -> None:
        known = {x.id for x in out.nodes}
        for line in (*self.lines.elements, *self.lines.forward):
            target = self.id[line]
            if target not in known:
                continue
            for source in line.inputs:
                if self.id.get(source) not in known:
                    continue
                sizes = [line.spec.size, source.spec.size]
                edge = Edge(self.id[source], target, list(source.spec.shape))
                if source in self.describer.gradient_of and line.key.grad:
                    edge.jacobian = (
                        sizes if self.describer.layout == "numerator" else sizes[::-1]
                    )
                out.edges.append(edge)

    def _operations(self, out: Description) -> None:
        capture = self.capture
        states = [*capture.nodes, *capture.back]
        if self.describer.limit is not None:
            out.omitted["operations"] = max(0, len(states) - OPERATIONS)
            states = states[:OPERATIONS]
        self._homes(states)
        forward = set(capture.nodes)
        source: dict[Any, Source | None] = {}
        module: dict[int, str] = {}
        for i, state in enumerate(states):
            op: Any = state.op
            if state.line not in source:
                source[state.line] = self.describer.source(state.line)
            if id(state.module) not in module:
                module[id(state.module)] = self.lines.names.of_module(state.module)[0]
            out.operations.append(
                Operation(
                    id=f"o{i}",
                    phase="forward" if state in forward else "backward",
                    op=op.name,
                    formula=op.formula,
                    inputs=[self._operand(k) for k in state.inputs],
                    shape=list(state.spec.shape),
                    dtype=str(state.spec.dtype).rpartition(".")[2],
                    home=self.home.get(state),
                    of=self.operation_id(state.of),
                    module=module[id(state.module)],
                    group=[str(g).lstrip("_") for g in state.group],
                    source=source[state.line],
                )
            )

    def _operand(self, key: Any) -> Any:
        if type(key) is Const:
            value = key.value.item() if hasattr(key.value, "item") else key.value
            return value
        if type(key) is State:
            return self.operation_id(key)
        line = self.lines.of.get(key)
        return "seed" if line is None else self.id[line]

    def _modules(self, out: Description) -> None:
        found: dict[str, Module] = {}
        names = self.lines.names
        kinds_of = {path: "" for path in (x.module for x in out.nodes) if path}
        for state in self.capture.nodes:
            path, kind = names.of_module(state.module)
            if path in kinds_of:
                kinds_of[path] = kind
        for path in kinds_of:
            parts = path.split(".")
            for i in range(1, len(parts) + 1):
                here = ".".join(parts[:i])
                if here not in found:
                    kind = kinds_of.get(here) or names.kind_of(here)
                    above = ".".join(parts[: i - 1]) or None
                    found[here] = Module(here, kind, above)
        for node in out.nodes:
            if node.module in found:
                found[node.module].nodes.append(node.id)
        out.modules = list(found.values())
