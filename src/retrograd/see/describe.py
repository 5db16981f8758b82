"""One description of a calculation, which text, Markdown, LaTeX and HTML all show.

A :class:`Page` has sections, a section has items, and an item is a chain of equals:
a name, what it is in symbols, in numbers, and its value; then notes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ops.op import Array
from . import notation as n
from .chain import Chain, Gradient
from .jacobian import Structure, shapes, structure
from .lines import Line
from .messages import Say
from .notation import Expr

#: numbers in a value up to which it is put into formulas, and shown whole
INSIDE, WHOLE = 6, 12

Piece = str | Expr


@dataclass
class Item:
    """One line of the calculation."""

    number: int
    left: Expr
    equals: list[Expr] = field(default_factory=list)
    value: Any = None  # an array, or None where it was not kept
    spec: Any = None
    notes: list[list[Piece]] = field(default_factory=list)
    module: str = ""
    label: str = ""
    where: Any = ""
    kind: str = "forward"
    of: Any = None  # the Line or Gradient that it shows


@dataclass
class Section:
    title: str
    items: list[Item]
    more: int = 0  # items that are left out
    words: list[str] = field(default_factory=list)  # said before them


@dataclass
class Page:
    title: str
    subtitle: list[str]
    sections: list[Section]
    precision: int = 4


def range_text(value: Array, precision: int = 4) -> str:
    """A large tensor by type, shape, range and norm."""
    from .typeset import digits

    flat = value.reshape(-1)
    if value.dtype.kind == "f" and flat.size:
        wide = flat.astype(np.float64)
        bad = int(np.count_nonzero(~np.isfinite(wide)))
        finite = wide[np.isfinite(wide)] if bad else wide
        out = ""
        if finite.size:
            low, high = digits(finite.min(), precision), digits(finite.max(), precision)
            with np.errstate(over="ignore"):
                norm = digits(float(np.sqrt(np.sum(finite * finite))), precision)
            out = f"{low} … {high}, ‖·‖ {norm}"
        return f"{out}, {bad} NaN/∞" if bad else out
    if flat.size:
        return f"{digits(flat.min())} … {digits(flat.max())}"
    return ""


class Describer:
    """Makes items of lines and gradients."""

    def __init__(self, chain: Chain, layout: str, say: Say, precision: int = 4) -> None:
        self.chain, self.lines, self.capture = chain, chain.lines, chain.capture
        self.layout, self.say, self.precision = layout, say, precision
        self._structures: dict[Any, Structure] = {}

    # -- numbers --------------------------------------------------------------------

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
            return self._small(value, e)
        if e.head in ("words",):
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

    @property
    def by_name(self) -> dict[str, Line]:
        known: dict[str, Line] | None = getattr(self, "_by_name", None)
        if known is None:
            known = {}
            for line in (*self.lines.leaves, *self.lines.elements, *self.lines.drawn,
                         *self.lines.forward):  # fmt: skip
                known.setdefault(line.symbol.text(), line)
            self._by_name = known
        return known

    @property
    def numbers(self) -> dict[str, Any]:
        known: dict[str, Any] | None = getattr(self, "_numbers", None)
        if known is None:
            known = {n.Symbol.of(w).text(): v for w, v in self.lines.numbers.items()}
            self._numbers = known
        return known

    # -- items ----------------------------------------------------------------------

    def forward(self, number: int, line: Line) -> Item:
        item = Item(number, n.name(line.symbol, line.spec.shape), of=line)
        item.spec, item.module, item.where = line.spec, line.module, line.where
        item.label = line.label
        item.equals.append(line.expr)
        item.value = self.capture.value(line.key)
        if item.value is None:
            item.notes.append([self.say("its value was not kept by the run")])
        else:
            numbers = self.numeric(line.expr)
            if numbers is not None:
                item.equals.append(numbers)
        if line.key in self.capture.hooked:
            item.notes.append(
                [self.say("a hook is registered here; its effect is not shown")]
            )
        return item

    def gradient(self, number: int, gradient: Gradient) -> Item:
        line, chain = gradient.line, self.chain
        item = Item(number, gradient.symbol(chain.loss), of=gradient, kind="backward")
        item.spec, item.module, item.where = line.spec, line.module, line.where
        item.label = line.label
        rule = chain.rule(gradient, self.layout == "denominator")
        known = {item.left.key}
        for e in (rule, gradient.expr, gradient.opened):
            if e is not None and e.key not in known and gradient.terms:
                if e is rule and any(t.through.element for t in gradient.terms):
                    continue
                known.add(e.key)
                item.equals.append(e)
        if not gradient.terms:
            item.equals.append(gradient.expr)
        item.value = self.capture.value(gradient.key)
        if item.value is not None and item.value.shape != line.spec.shape:
            item.value = np.broadcast_to(item.value, line.spec.shape)
        numbers = self.numeric(gradient.expr) if gradient.whole else None
        if numbers is not None and numbers.key not in known:
            item.equals.append(numbers)
        self._reuse(item, gradient)
        for term in gradient.terms:
            note = self.product(term)
            if note:
                item.notes.append(note)
        if len(gradient.terms) > 1:
            names = [t.through.symbol.text() for t in gradient.terms]
            item.notes.append(
                [self.say("sum over what uses it: {names}").format(
                    names=", ".join(names))]
            )  # fmt: skip
        return item

    def _reuse(self, item: Item, gradient: Gradient) -> None:
        pieces: list[Piece] = []
        for r in gradient.reuses:
            if isinstance(r, Gradient) and r.line.key is self.capture.root:
                continue
            if isinstance(r, Line) and r in self.lines.drawn:
                continue
            pieces.append(", " if pieces else self.say("already computed:") + " ")
            pieces.append(
                r.symbol(self.chain.loss)
                if isinstance(r, Gradient)
                else n.name(r.symbol, r.spec.shape)
            )
        if pieces:
            item.notes.append(pieces)

    def structure(self, term: Any) -> Structure:
        mark = (term.through, term.line)
        if mark not in self._structures:
            self._structures[mark] = structure(self.lines, term)
        return self._structures[mark]

    def product(self, term: Any) -> list[Piece]:
        """The shapes of the product, and what kind of Jacobian is in it."""
        if max(term.sizes) == 1 or term.through.element:
            return []
        size = int(np.prod(self.capture.root.spec.shape, dtype=int)) or 1
        loss = 1 if size == 1 or self.capture.gradient_array is not None else size
        out, first, second = shapes(term, loss, self.layout)
        found = self.structure(term)
        local = n.partial(term.through.symbol, term.line.symbol)
        pieces: list[Piece] = [f"{out} = {first}·{second};  ", local]
        matrix = found.expr(self.layout)
        what = self.kind(found)
        if matrix is not None and found.kind != "scaled identity":
            pieces += [" = ", matrix, f" ({what})"]
        else:
            pieces.append(f": {what}")
        if term.sizes[0] * term.sizes[1] > 4096 and found.kind != "row":
            pieces.append(", " + self.say("not built"))
        return pieces

    def kind(self, found: Structure) -> str:
        """The kind of a Jacobian in words."""
        _ = self.say
        words = {
            "identity": _("identity"),
            "scaled identity": _("multiple of the identity"),
            "mask": _("diagonal of zeros and ones"),
            "diagonal": _("diagonal"),
            "matrix": _("a matrix that is there already"),
            "Kronecker": _("Kronecker product"),
            "selection": _("selection: one 1 in each row"),
            "repetition": _("repetition: a stack of identities"),
            "sum": _("ones where terms are added"),
            "row": _("one row: the gradient itself"),
            "number": _("a number"),
            "block diagonal": _("block diagonal"),
            "dense": _("dense"),
        }
        parts = [words.get(k, k) for k in found.kind.split(" · ")]
        return " · ".join(parts)
