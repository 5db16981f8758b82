"""A description as sections of lines, each a chain of equals with notes below it: what
text, Markdown, LaTeX and HTML have in common."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from . import notation as n
from .description import Check, Description, Formula, Gradient, Node, Source, Value
from .messages import Say, translator
from .typeset import digits, shape_text
from .values import SHOWN

Piece = str | Formula

#: values that a line says to use again
REUSES = 12


@dataclass
class Item:
    """``equals[0] = equals[1] = …``, then the notes."""

    id: str
    equals: list[Piece]
    notes: list[list[Piece]] = field(default_factory=list)
    module: str = ""
    source: Source | None = None


@dataclass
class Section:
    key: str
    title: str
    items: list[Item]
    words: str = ""
    gap: int | None = None  # before this item lines are left out …
    more: int = 0  # … so many


class Outline:
    """The sections of a description."""

    def __init__(self, description: Description, proof: bool = True) -> None:
        self.d = description
        self.say: Say = translator(description.language)
        self.words = description.words
        self.loss = description[description.loss]
        d = description
        leaves = [x for x in d.nodes if x.formula is None]
        lines = [x for x in d.nodes if x.formula is not None]
        back = [g for g in d.gradients if g.phase == "backward"]
        end = [g for g in d.gradients if g.phase == "parameters"]
        self.sections = [Section("given", self.words["given"], self._given(leaves))]
        if d.level == "kernels":
            self.sections.append(self._kernels())
        else:
            self.sections += [
                self._section("forward", [self.node(x) for x in lines]),
                self._section("backward", [self.gradient(g) for g in back]),
                self._section("parameters", [self.gradient(g) for g in end]),
            ]
            self._gaps(len(lines))
            self.sections[2].words = self.words[d.layout]
        self.sections = [s for s in self.sections if s.items]

    def _section(self, key: str, items: list[Item]) -> Section:
        return Section(key, self.words[key], items)

    def _gaps(self, lines: int) -> None:
        omitted = self.d.omitted
        for section, missing in (
            (self.sections[1], omitted.get("nodes", 0)),
            (self.sections[2], omitted.get("gradients", 0)),
        ):
            if missing:
                section.more = missing
                section.gap = gap([item.id for item in section.items])

    def left_out(self, section: Section) -> str:
        """How many lines of a section are not shown."""
        key = "left out, one" if section.more == 1 else "left out"
        return self.words[key].format(count=section.more)

    # -- lines ----------------------------------------------------------------------

    def _given(self, leaves: list[Node]) -> list[Item]:
        items = []
        parts = {i for x in leaves if x.role == "element" for i in x.inputs}
        for x in leaves:
            if x.role == "element":
                continue
            item = Item(x.id, [x.name, *self._value(x.value)], [], "")
            words = self.words[x.role]
            if x.label and x.label != x.name.text:
                words += f" {x.label}"
            notes: list[list[Piece]] = [[words]]
            if x.id in parts:
                names = [y.name for y in leaves if x.id in y.inputs]
                for i, name in enumerate(names):
                    notes[0] += [", " if i else " (", name]
                notes[0].append(")")
            item.notes = notes + [[note] for note in x.notes]
            items.append(item)
        return items

    def node(self, x: Node) -> Item:
        equals: list[Piece] = [x.name]
        equals += [f for f in (x.formula, x.numbers) if f is not None]
        equals += self._value(x.value)
        notes: list[list[Piece]] = [[note] for note in x.notes]
        return Item(x.id, equals, notes, x.module, x.source)

    def gradient(self, g: Gradient) -> Item:
        d, words = self.d, self.words
        node: Node = d[g.node]
        formula = None if g.formula.text == g.name.text else g.formula
        chain = (g.rule, formula, g.opened, g.numbers)
        equals: list[Piece] = [g.name, *(f for f in chain if f is not None)]
        equals += self._value(g.value, d.layout == "numerator")
        item = Item(
            g.id, equals, [[note] for note in g.notes], node.module, node.source
        )
        if g.reuses:
            pieces: list[Piece] = [words["reused"] + ": "]
            again = [d[x].name for x in g.reuses if x in d]
            for i, name in enumerate(again[:REUSES]):
                pieces += [", ", name] if i else [name]
            if len(again) > REUSES:
                pieces.append(f", … ({len(again)})")
            if len(pieces) > 1:
                item.notes.append(pieces)
        if len(g.products) > 1:
            pieces = [words["sum"] + ": "]
            for i, p in enumerate(g.products[:8]):
                if p.through in d:
                    pieces += [", ", d[p.through].name] if i else [d[p.through].name]
            if len(g.products) > 8:
                pieces.append(f", … ({g.ways})")
            item.notes.append(pieces)
        for p in g.products[:8]:
            if p.jacobian.shape == [1, 1]:
                continue
            item.notes.append(self._product(p.text, p.jacobian))
        if g.check is not None:
            item.notes.append([self.check(g.check)])
        return item

    def _product(self, text: str, jacobian: object) -> list[Piece]:
        from .description import Jacobian

        assert isinstance(jacobian, Jacobian)
        pieces: list[Piece] = [f"{text};  ", jacobian.name]
        if jacobian.matrix is not None:
            pieces += [" = ", jacobian.matrix]
        tail = jacobian.words
        if not jacobian.built:
            tail += ", " + self.words["not built"]
        pieces.append(f" ({tail})")
        return pieces

    def check(self, c: Check) -> str:
        """A gradient beside what central differences say."""
        say, p = self.say, self.d.precision
        numbers = " ".join(digits(x, p) for x in c.difference[:SHOWN])
        if len(c.difference) > 1:
            numbers = f"[{numbers}]"
        if c.way == "direction":
            text = say("central difference along a random direction: {numbers}")
        else:
            text = say("central difference: {numbers}")
        text = text.format(numbers=numbers) + ", "
        text += say("error {error}").format(error=digits(c.error, 2))
        if c.kink:
            return text + "; " + self.words["kink"]
        if c.holds:
            return text + " ✓"
        return text + " ✗" + (f" ({self.words['stopped']})" if c.stopped else "")

    def _value(self, value: Value | None, row: bool = False) -> list[Piece]:
        """How a value is written; a matrix that is to be a *row* is transposed."""
        if value is None:
            return []
        row = row and len(value.shape) == 2
        if value.size <= SHOWN and len(value.shape) <= 2 and value.data is not None:
            array = np.asarray(value.data)
            array = array.reshape(value.shape).T if row else array
            expr = n.number(array if value.shape else value.data)
            return [Formula(expr, self.d.precision)]
        if row:
            shape, turned = shape_text(value.shape), shape_text(value.shape[::-1])
            return [value.text.replace(shape, turned, 1)]
        return [value.text]

    def _kernels(self) -> Section:
        items = []
        d = self.d
        for k in d.kernels:
            parts: dict[str, list[str]] = {}
            for o in k.operations:
                if o in d:
                    operation = d[o]
                    parts.setdefault(operation.home or "", []).append(operation.op)
            pieces: list[Piece] = []
            for home, ops in parts.items():
                pieces += [", "] if pieces else []
                pieces.append(" ".join(ops))
                if home in d:
                    pieces += [" → ", d[home].name]
            notes = [pieces] if pieces else []
            items.append(Item(k.id, [f"{k.id}: {k.words}"], notes))
        return Section("kernels", self.words["kernels"], items)


def about(d: Description) -> Formula | str:
    """What the title of the whole says."""
    return d[d.loss].name if d.loss in d else d.title


def matrix(value: Value) -> list[list[float]] | None:
    """The numbers of a value as rows, if it has them."""
    if value.data is None or len(value.shape) > 2:
        return None
    found: list[list[float]] = np.atleast_2d(np.asarray(value.data)).tolist()
    return found


def gap(ids: list[str]) -> int:
    """The place in a list of identifiers where most are left out."""
    numbers = [int(x[1:]) for x in ids]
    steps = [b - a for a, b in itertools.pairwise(numbers)]
    return steps.index(max(steps)) + 1 if steps else 0
