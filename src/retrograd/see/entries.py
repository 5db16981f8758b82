"""One value, or one gradient, of a capture as the entry of a description."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

import numpy as np

from ..trace import Arg, State
from . import notation as n
from .capture import Capture
from .chain import INSIDE, Chain, Gradient, Term
from .description import (
    Formula,
    Jacobian,
    Node,
    Product,
    Source,
    Value,
)
from .description import Gradient as GradientEntry
from .jacobian import ENTRIES, Structure, shapes, structure
from .line import Line
from .lines import Lines
from .messages import Say, kinds, translator
from .names import Names
from .notation import Expr
from .rows import as_row
from .values import summary

#: products of the chain rule that are described of one gradient
WAYS = 64
#: values of which a histogram and a heat map are made
PICTURES = 1000


class Entries:
    """Identifiers of all that can be described, and the entries for them."""

    def __init__(
        self,
        capture: Capture,
        names: Names,
        level: str = "modules",
        layout: str = "denominator",
        lang: str = "en",
        precision: int = 4,
        limit: int | None = 200,
        pictures: bool = True,
        derivative: bool = True,
    ) -> None:
        derivative = derivative and bool(capture.root.grad)
        capture.evaluate(backward=derivative)
        self.capture, self.level, self.layout = capture, level, layout
        self.say: Say = translator(lang)
        self.lang, self.precision, self.limit = lang, precision, limit
        self.pictures = pictures
        self.lines = Lines(
            capture, names, "operations" if level == "operations" else ""
        )
        self.chain: Chain | None = Chain(self.lines) if derivative else None
        lines = self.lines
        everything = [*lines.leaves, *lines.elements, *lines.drawn, *lines.forward]
        self.id: dict[Any, str] = {x: f"n{i}" for i, x in enumerate(everything)}
        self.gradients: list[Gradient] = []
        self.first_parameter = 0
        if self.chain is not None:
            back = self.chain.backward
            if capture.gradient_array is None and back:
                back = back[1:]  # ∂ℓ/∂ℓ = 1
            self.first_parameter = len(back)
            self.gradients = [*back, *self.chain.elements, *self.chain.parameters]
        self.id.update((g, f"g{i}") for i, g in enumerate(self.gradients))
        self.gradient_of = {g.line: g for g in self.gradients}
        self.by_name: dict[str, Line] = {}
        for line in everything:
            self.by_name.setdefault(line.symbol.text(), line)
        self.numbers = {n.Symbol.of(w).text(): v for w, v in lines.numbers.items()}
        self._operation = dict(zip(capture.nodes, count(), strict=False))
        self._operation.update(zip(capture.back, count(len(capture.nodes))))
        self._ends = {g.key for g in self.gradients}
        self._structures: dict[Any, Structure] = {}
        self._in_module = Counter(id(x.key.module) for x in lines.forward)

    def operation_id(self, state: State | None) -> str | None:
        """The identifier of an operation; None if it is not part of this."""
        number = None if state is None else self._operation.get(state)
        return None if number is None else f"o{number}"

    # -- numbers --------------------------------------------------------------------

    def formula(self, expr: Expr | None) -> Formula | None:
        return None if expr is None else Formula(expr, self.precision)

    def numeric(self, expr: Expr) -> Expr | None:
        """The formula with numbers in the place of names; None if one is large."""
        found = self._numeric(expr)
        return None if found is None or found.same(expr) else found

    def _numeric(self, e: Expr) -> Expr | None:
        if e.head == "name":
            line = self.by_name.get(e.parts[0].text())
            if line is None:
                variable = self.numbers.get(e.parts[0].text())
                return e if variable is None else n.number(variable)
            return self._small(self.capture.value(line.key), e)
        if e.head == "partial":
            line = self.by_name.get(e.parts[1].text())
            if line is None or line.key not in self.capture.gradient:
                return None
            value = self.capture.gradient_value(line.key)
            if value is not None and value.ndim == 2 and self.layout == "numerator":
                value = np.broadcast_to(value, line.spec.shape).T
            return self._small(value, e)
        if e.head == "words":
            return None
        parts: list[Any] = []
        for p in e.parts:
            if type(p) is Expr:
                inner = self._numeric(p)
                if inner is None:
                    return None
                parts.append(inner)
            else:
                parts.append(p)
        return Expr(e.head, *parts, shape=e.shape)

    @staticmethod
    def _small(value: Any, e: Expr) -> Expr | None:
        if value is None or value.size > INSIDE or value.ndim > 2:
            return None
        return Expr("number", value if value.ndim else value.item(), shape=e.shape)

    def value(self, key: Any, shape: tuple[int, ...]) -> Value | None:
        array = self.capture.value(key)
        if array is None:
            return None
        if array.shape != shape:
            array = np.broadcast_to(array, shape)
        known = key in self.capture.known
        origin = "given" if type(key) is Arg else "run" if known else "recomputed"
        few = len(self.lines.forward) <= PICTURES
        return summary(array, origin, self.precision, self.pictures and few)

    def source(self, line: Any) -> Source | None:
        path = getattr(line, "path", "")
        if not path:
            return None
        name = str(line).rpartition(":")[0]
        return Source(name, line.number, self.lines.source.text(line))

    # -- entries --------------------------------------------------------------------

    def node(self, line: Line) -> Node:
        """A value, with its formula in symbols and in numbers."""
        capture, spec = self.capture, line.spec
        leaf = capture.leaves.get(line.key) if type(line.key) is Arg else None
        gradient = self.gradient_of.get(line)
        out = Node(
            id=self.id[line],
            role=self._role(line, leaf),
            block=_block(line, capture),
            name=self._named(line),
            label=line.label,
            function=self._function(line),
            shape=list(spec.shape),
            dtype=str(spec.dtype).rpartition(".")[2],
            value=self.value(line.key, spec.shape),
            inputs=[self.id[x] for x in line.inputs if x in self.id],
            gradient=None if gradient is None else self.id[gradient],
            wants_grad=bool(line.key.grad),
            module=line.module,
            source=self.source(line.where),
            operations=[o for s in line.states if (o := self.operation_id(s))],
        )  # fmt: skip
        if line in self.lines.drawn:
            out.label = out.function = str(line.expr)
            out.inputs = []
        elif not line.is_leaf and not line.element:
            out.formula = self.formula(line.expr)
            out.numbers = self.formula(self.numeric(line.expr))
        if out.value is None:
            why = "" if leaf is None else leaf.why
            out.notes.append(
                self.say("it was changed in place since")
                if why == "changed in place since"
                else self.say("its value was not kept by the run")
            )
        if line.key in capture.hooked:
            out.notes.append(
                self.say("a hook is registered here; its effect is not shown")
            )
        return out

    def _named(self, line: Line) -> Formula:
        return Formula(n.name(line.symbol, line.spec.shape), self.precision)

    def _role(self, line: Line, leaf: Any) -> str:
        if leaf is not None:
            return "parameter" if leaf.parameter or leaf.wants_grad else "input"
        if line.element:
            return "element"
        if line in self.lines.drawn:
            return "random"
        return "loss" if line.key is self.capture.root else "value"

    def _function(self, line: Line) -> str:
        """What stands in the block that makes it."""
        if line.is_leaf or line.element:
            return ""
        if line.key in self.lines.called:
            return self.lines.called[line.key][0]
        state: Any = line.key
        owner = state.module() if state.module is not None else None
        if owner is not None and type(owner).__module__.startswith("retrograd.nn"):
            alone = self._in_module[id(state.module)] == 1
            if alone and all(s.module is state.module for s in line.states):
                return type(owner).__name__
        if len(line.states) == 1:
            name: str = {"relu": "ReLU", "mul": "·", "add": "+", "sub": "−",
                         "div": "/", "matmul": "·", "sum": "Σ", "neg": "−",
                         "view_write": "write"}.get(
                state.op.name, state.op.name)  # fmt: skip
            return name
        if line.group and len({s.group[:1] for s in line.states}) == 1:
            return line.group
        text = str(line.expr)
        return text if len(text) <= 18 else line.label.replace("view_write", "write")

    def gradient(self, gradient: Gradient) -> GradientEntry:
        """A gradient, with the products that it is the sum of."""
        line, chain = gradient.line, self.chain
        assert chain is not None
        index = int(self.id[gradient][1:])
        name = gradient.symbol(chain.loss)
        expr, opened = self._laid(gradient)
        out = GradientEntry(
            id=self.id[gradient],
            node=self.id[line],
            phase="backward" if index < self.first_parameter else "parameters",
            name=Formula(name, self.precision),
            formula=Formula(expr, self.precision),
            value=self.value(gradient.key, line.spec.shape),
        )
        known = {name.key, expr.key}
        if gradient.terms and not any(t.through.element for t in gradient.terms):
            rule = chain.rule(gradient.terms, self.layout == "denominator")
            if rule.key not in known:
                out.rule = self.formula(rule)
                known.add(rule.key)
        if opened is not None and opened.key not in known:
            out.opened = self.formula(opened)
            known.add(opened.key)
        if gradient.whole:
            numbers = self.numeric(expr)
            if numbers is not None and numbers.key not in known:
                single = numbers.head == "number"
                out.numbers = None if single else self.formula(numbers)
        if not gradient.whole or gradient.expr.same(name):
            made = self._count(gradient)
            if made > 1:
                out.notes.append(
                    self.say.many(
                        'made of {count} operation: level="operations" shows it',
                        'made of {count} operations: level="operations" shows them',
                        made,
                    ).format(count=made)
                )
        again: dict[str, None] = {}
        for r in gradient.reuses:
            if isinstance(r, Gradient) and r.line.key is self.capture.root:
                continue
            if isinstance(r, Line) and r in self.lines.drawn:
                continue
            if r in self.id:
                again[self.id[r]] = None
        out.reuses = list(again)
        out.ways = len(gradient.terms)
        for term in gradient.terms[:WAYS]:
            if not term.through.element:
                out.products.append(self.product(term))
        if len(out.products) == 1 and gradient.whole:
            self._local(out.products[0].jacobian, gradient.expr)
        return out

    def _laid(self, gradient: Gradient) -> tuple[Expr, Expr | None]:
        """Its formula, and that with the gradient above written out, in the layout of
        the description."""
        expr, opened = gradient.expr, gradient.opened
        if self.layout == "denominator":
            return expr, opened
        shape = gradient.line.spec.shape
        if gradient.whole:
            expr = as_row(expr, shape)
        elif self.chain is not None:
            expr = self.chain.rule(gradient.terms, False)
        return expr, None if opened is None else as_row(opened, shape)

    def _count(self, gradient: Gradient) -> int:
        """Operations between a gradient and those that it is made from."""
        named = self._ends
        back = self.chain.back if self.chain is not None else set()
        seen, stack = {gradient.key}, [gradient.key]
        while stack:
            state = stack.pop()
            for key in state.inputs if type(state) is State else ():
                if key in back and key not in seen and key not in named:
                    seen.add(key)
                    stack.append(key)
        return len(seen)

    def _local(self, jacobian: Jacobian, expr: Expr) -> None:
        """The factor before the incoming gradient is the local derivative."""
        if jacobian.matrix is not None:
            return
        minus = expr.head == "neg"
        body = expr.parts[0] if minus else expr
        factors = list(body.parts) if body.head == "product" else [body]
        incoming = [f for f in factors if f.head == "partial"]
        if len(incoming) != 1:
            return
        factors.remove(incoming[0])
        local = n.mul(*factors) if factors else n.number(1)
        local = n.neg(local) if minus else local
        if jacobian.kind in ("mask", "diagonal"):
            local = n.call("diag", local)
        elif jacobian.kind != "number":
            return
        jacobian.matrix = Formula(local, self.precision)

    def product(self, term: Term) -> Product:
        """incoming × local Jacobian, with the shapes."""
        root = self.capture.root.spec
        ones = self.capture.gradient_array is not None or root.size == 1
        text, first, second = shapes(term, 1 if ones else root.size, self.layout)
        sizes = [_sizes(t) for t in (text, first, second)]
        local = sizes[2] if self.layout == "numerator" else sizes[1]
        up = self.gradient_of.get(term.through)
        return Product(
            through=self.id[term.through],
            incoming="" if up is None or up not in self.id else self.id[up],
            shapes=sizes,
            text=f"{text} = {first}·{second}",
            jacobian=self.jacobian(term, local),
        )

    def jacobian(self, term: Term, shape: list[int]) -> Jacobian:
        mark = (term.through, term.line)
        found = self._structures.get(mark)
        if found is None:
            found = self._structures[mark] = structure(self.lines, term)
        matrix = found.expr(self.layout)
        return Jacobian(
            name=Formula(n.partial(term.through.symbol, term.line.symbol)),
            shape=shape,
            kind=found.kind,
            words=kinds(found.kind, self.layout, self.say),
            matrix=None if matrix is None else Formula(matrix, self.precision),
            built=shape[0] * shape[1] <= ENTRIES or found.kind in ("row", "number"),
        )


def _block(line: Line, capture: Capture) -> str:
    if line.is_leaf or line.element:
        return "variable"
    if line.spec.size == 1:
        if line.key is capture.root or any(x.spec.size > 1 for x in line.inputs):
            return "scalar"
    return "function"


def _sizes(text: str) -> list[int]:
    return [int(x) for x in text.strip("[]").split("×")]
