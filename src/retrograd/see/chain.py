"""The backward pass as lines: ∂ℓ/∂v for each value, from the last to the first.

Each gradient is a node of the recorded derivative graph. Its formula is spelled out
down to what has a name: gradients further up, and values of the forward pass.
"""

from __future__ import annotations

from typing import Any

from ..trace import Const, State
from . import notation as n
from .formulas import expression
from .line import Line
from .lines import LIMIT, Lines
from .notation import Expr, Symbol

#: terms of a sum that are written out
MANY = 8
#: numbers in a value up to which it is put into formulas
INSIDE = 9


class Term:
    """One way in which a value acts on the loss: through one line that uses it."""

    __slots__ = ("line", "through", "shares")

    def __init__(self, line: Line, through: Line, shares: list[Any]) -> None:
        self.line, self.through = line, through
        self.shares = shares  # keys of what arrives this way; they add up

    @property
    def sizes(self) -> tuple[int, int]:
        """(n, m): numbers in the value, and in the line that uses it."""
        return self.line.spec.size, self.through.spec.size


class Gradient:
    """∂ℓ/∂v: its formula, where it comes from, and what it uses again; worked out when it
    is first asked for."""

    __slots__ = ("line", "key", "_chain", "_expr", "_terms", "_reuses", "_whole")

    def __init__(self, chain: Chain, line: Line, key: Any) -> None:
        self._chain, self.line, self.key = chain, line, key
        self._expr: Expr | None = None
        self._terms: list[Term] = []
        self._reuses: list[Line | Gradient] = []
        self._whole = True

    def _known(self) -> Gradient:
        if self._expr is None:
            self._chain.work_out(self)
        return self

    @property
    def expr(self) -> Expr:
        found: Expr = self._known()._expr  # type: ignore[assignment]
        return found

    @property
    def terms(self) -> list[Term]:
        return self._known()._terms

    @property
    def reuses(self) -> list[Line | Gradient]:
        return self._known()._reuses

    @property
    def whole(self) -> bool:
        """Whether the formula is spelled out."""
        return self._known()._whole

    @property
    def opened(self) -> Expr | None:
        """The formula with the gradient that it uses written out."""
        return self._chain.opened(self)

    def symbol(self, loss: Symbol) -> Expr:
        return n.partial(loss, self.line.symbol, self.line.spec.shape)

    def __repr__(self) -> str:
        return f"∂/∂{self.line.symbol} = {self.expr}"


class Chain:
    """``backward``: gradients of lines, last first; ``parameters``: of the leaves."""

    def __init__(self, lines: Lines) -> None:
        self.lines, self.capture = lines, lines.capture.reverse()
        self.loss = lines.of[self.capture.root].symbol
        self.back = set(self.capture.back)
        self.named: dict[Any, Gradient] = {}  # key of a gradient → its line
        self.by_line: dict[Line, Gradient] = {}
        self.home: dict[State, Line] = {}  # operation → the line that spells it out
        for line in lines.forward:
            for state in line.states:
                self.home.setdefault(state, line)
        self._memo: dict[Any, tuple[Expr, list[Any]]] = {}
        self.backward = [self._gradient(x) for x in reversed(lines.forward)
                         if x.key in self.capture.gradient]  # fmt: skip
        leaves = [x for x in lines.leaves if x.key in self.capture.gradient]
        parts = [x for x in lines.elements if x.key in self.capture.gradient]
        self.elements = [self._gradient(x) for x in parts]
        self.parameters = [self._gradient(x) for x in leaves]

    def _gradient(self, line: Line) -> Gradient:
        key = self.capture.gradient[line.key]
        out = Gradient(self, line, key)
        self.named.setdefault(key, out)
        self.by_line[line] = out
        return out

    def work_out(self, out: Gradient) -> None:
        """The formula of a gradient. It refers to gradients further up only."""
        line = out.line
        if line.key is self.capture.root:
            out._expr = n.number(1)
            if self.capture.gradient_array is not None:
                out._expr = n.name("gradient", line.spec.shape)
            return
        out._terms = self._terms(line)
        reuses: list[Any] = []
        expr = self._written(out, reuses)
        if expr is None:
            out._whole = False
            reuses = [self.by_line[t.through] for t in out._terms
                      if t.through in self.by_line]  # fmt: skip
            expr = self.rule(out._terms, True)
        out._expr, out._reuses = expr, reuses

    def opened(self, out: Gradient) -> Expr | None:
        """Of an element-wise function: with the gradient above it written out too."""
        ups = [r for r in out.reuses if isinstance(r, Gradient)]
        if len(ups) != 1 or not ups[0].whole or len(out.terms) != 1:
            return None
        through, up = out.terms[0].through, ups[0]
        kinds = [s.op.name for s in through.states if s.op is not None]
        if len(kinds) != 1 or through.spec.shape != out.line.spec.shape:
            return None
        if up.expr.head != "matmul" or not through.spec.shape:
            return None
        opened = _swap(out.expr, up.symbol(self.loss).key, up.expr)
        return opened if opened.size <= LIMIT else None

    def _terms(self, line: Line) -> list[Term]:
        """The lines that use a value, with what each sends back."""
        found: dict[Line, list[Any]] = {}
        stack: list[Any] = [line.key]
        seen: set[Any] = set()
        while stack:
            key = stack.pop()
            for user in self.lines.users.get(key, ()):
                for target, share in self.capture.shares.get(user, ()):
                    if target is not key:
                        continue
                    home = self.lines.of.get(user) or self._home(user)
                    if home is not None and home is not line:
                        found.setdefault(home, []).append(share)
                    elif user not in seen:
                        seen.add(user)
                        stack.append(user)
        return [Term(line, through, shares) for through, shares in found.items()]

    def _home(self, state: State) -> Line | None:
        return self.home.get(state)

    # -- formulas -------------------------------------------------------------------

    def _written(self, out: Gradient, reuses: list[Any]) -> Expr | None:
        """A gradient spelled out; None if that would be long."""
        found = self._write(out.key, 0, own=out)
        if found is None:
            return None
        expr, used = found
        reuses.extend(used)
        return n.partials_last(expr)

    def _write(
        self, key: Any, depth: int, own: Gradient | None = None
    ) -> tuple[Expr, list[Any]] | None:
        if key in self.named and self.named[key] is not own:
            gradient = self.named[key]
            if gradient.line.key is self.capture.root and not self._seeded:
                return n.number(1), []
            return gradient.symbol(self.loss), [gradient]
        if key in self._memo:
            return self._memo[key]
        if type(key) is Const:
            if id(key) in self.lines.constants:
                return self.lines.constants[id(key)], []
            value = key.value.item() if hasattr(key.value, "item") else key.value
            return n.number(value), []
        if key not in self.back:
            parts: list[State] = []
            needs: list[Line] = []
            if key in self.lines.hidden:
                return None  # inside a composition that is shown as one function
            if key in self.capture.constants:
                array = self.capture.constants[key]
                return None if array.size > INSIDE else (n.array(array), [])
            expr = self.lines.operand(key, parts, needs)
            used = [x for x in needs if not x.is_leaf and not x.element]
            return expr, list(used)
        if depth > LIMIT:
            return None
        operands: list[Expr] = []
        reuses: list[Any] = []
        op: Any = key.op
        for k in key.inputs:
            if op.name in ("le", "gt") and type(k) is State and k not in self.back:
                if k.op is not None and k.op.name == "relu":
                    k = k.inputs[0]  # max(0, f) > 0 just where f > 0
            found = self._write(k, depth + 1)
            if found is None:
                return None
            operands.append(found[0])
            reuses.extend(r for r in found[1] if r not in reuses)
        expr = expression(key, operands)
        if expr.size > LIMIT:
            return None
        if own is None:
            self._memo[key] = expr, reuses
        return expr, reuses

    @property
    def _seeded(self) -> bool:
        return self.capture.gradient_array is not None

    def rule(self, ways: list[Term], transposed: bool) -> Expr:
        """The chain rule itself: Σ ∂c/∂v · ∂ℓ/∂c over the lines c that use v.

        *transposed* is the denominator layout (columns); otherwise ∂ℓ/∂c · ∂c/∂v."""
        terms = []
        if len(ways) > MANY:
            rest = Expr("words", f"… ({len(ways) - MANY})")
        for t in ways[:MANY]:
            local = n.partial(t.through.symbol, t.line.symbol, (2, 2))
            up = n.partial(self.loss, t.through.symbol, (2,))
            if t.through.key is self.capture.root and not self._seeded:
                # beside other ways, ∂ℓ/∂v would not say that it is this way alone
                alone = len(ways) == 1
                terms.append(local if alone else self._share(t))
                continue
            terms.append(n.matmul(*((local, up) if transposed else (up, local)), (2,)))
        if len(ways) > MANY:
            terms.append(rest)
        return n.add(*terms) if terms else n.number(0)

    def _share(self, term: Term) -> Expr:
        found = self._write(term.shares[0], 0) if len(term.shares) == 1 else None
        return Expr("words", "(…)") if found is None else found[0]


def _swap(e: Expr, key: Any, by: Expr) -> Expr:
    if e.key == key:
        return by
    parts = [_swap(p, key, by) if type(p) is Expr else p for p in e.parts]
    return Expr(e.head, *parts, shape=e.shape)
