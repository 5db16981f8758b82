"""What expressions look like as MathML; all text is escaped."""

from __future__ import annotations

from functools import cache

from .notation import Expr, escape
from .typeset import ATOM, NEG, POW, PROD, SUM, Text, array_text, digits, level

#: how a matrix shows its sides; a page with a policy against inline style has a class
SIDES = (
    "border-left:1px solid;border-right:1px solid;border-radius:.45em;margin:0 .15em"
)


@cache
def _mo(sign: str) -> str:
    return f"<mo>{escape(sign)}</mo>"


class MathML(Text):
    def group(self, inside: str) -> str:
        return f"<mrow>{_mo('(')}{inside}{_mo(')')}</mrow>"

    def name(self, e: Expr) -> str:
        found: str = e.parts[0].mathml()
        return found

    def partial(self, e: Expr) -> str:
        a, b = e.parts
        return (
            f"<mfrac><mrow>{_mo('∂')}{a.mathml()}</mrow>"
            f"<mrow>{_mo('∂')}{b.mathml()}</mrow></mfrac>"
        )

    def number(self, e: Expr) -> str:
        v = e.parts[0]
        if getattr(v, "ndim", 0) != 2 or not v.size:
            return f"<mn>{escape(array_text(v, self.precision))}</mn>"
        rows = "".join(
            "<mtr>"
            + "".join(f"<mtd><mn>{digits(x, self.precision)}</mn></mtd>" for x in row)
            + "</mtr>"
            for row in v.tolist()
        )
        # the sides are drawn: few fonts have brackets that grow
        return f'<mtable style="{SIDES}">{rows}</mtable>'

    def neg(self, e: Expr) -> str:
        return f"<mrow>{_mo('−')}{self.held(e.parts[0], PROD)}</mrow>"

    def sum(self, e: Expr) -> str:
        out = self.held(e.parts[0], SUM)
        for t in e.parts[1:]:
            minus = t.head == "neg"
            body = t.parts[0] if minus else t
            if t.head == "number" and level(t) == NEG:
                minus, body = True, Expr("number", -t.parts[0])
            out += _mo("−" if minus else "+")
            out += self.group(self(body)) if level(body) <= NEG else self(body)
        return f"<mrow>{out}</mrow>"

    def product(self, e: Expr) -> str:
        out = self.held(e.parts[0], self.factor(e.parts[0]))
        shape = e.parts[0].shape
        for f in e.parts[1:]:
            out += _mo("⊙" if shape and f.shape else "·")
            out += self.held(f, self.factor(f))
            shape = shape or f.shape
        return f"<mrow>{out}</mrow>"

    def matmul(self, e: Expr) -> str:
        inside = _mo("·").join(
            self.held(p, POW if p.head != "name" else PROD) for p in e.parts
        )
        return f"<mrow>{inside}</mrow>"

    def conv(self, e: Expr) -> str:
        a, b = (self.held(p, POW) for p in e.parts[:2])
        sign = f"<msup>{_mo('∗')}<mi>⊤</mi></msup>" if e.parts[2] else _mo("∗")
        return f"<mrow>{a}{sign}{b}</mrow>"

    def div(self, e: Expr) -> str:
        return f"<mfrac>{self(e.parts[0])}{self(e.parts[1])}</mfrac>"

    def power(self, e: Expr) -> str:
        a, n = e.parts
        return f"<msup>{self.held(a, ATOM)}{self(n)}</msup>"

    def transpose(self, e: Expr) -> str:
        return f"<msup>{self.held(e.parts[0], ATOM)}<mi>⊤</mi></msup>"

    def call(self, e: Expr) -> str:
        function, *args = e.parts
        inside = _mo(",").join(map(self, args))
        if function == "√":
            return f"<msqrt>{inside}</msqrt>"
        if function == "|":
            return f"<mrow>{_mo('|')}{inside}{_mo('|')}</mrow>"
        return (
            f"<mrow><mi>{escape(function)}</mi>{_mo('⁡')}"
            f"<mrow>{_mo('(')}{inside}{_mo(')')}</mrow></mrow>"
        )

    def indicator(self, e: Expr) -> str:
        relation, a, b = e.parts
        return f"<mrow><mi>𝕀</mi>{_mo('[')}{self(a)}{_mo(relation)}{self(b)}{_mo(']')}</mrow>"

    def total(self, e: Expr) -> str:
        body, dims = e.parts
        sign = (
            f"<munder>{_mo('∑')}<mn>{escape(dims)}</mn></munder>" if dims else _mo("∑")
        )
        return f"<mrow>{sign}{self.held(body, POW)}</mrow>"

    def index(self, e: Expr) -> str:
        inside = f"<mtext>[{escape(e.parts[1])}]</mtext>"
        return f"<msub>{self.held(e.parts[0], ATOM)}{inside}</msub>"

    def place(self, e: Expr) -> str:
        where = f"<mtext>[{escape(e.parts[1])}]</mtext>"
        return f"<mrow>{self(e.parts[0])}{_mo('↦')}{where}</mrow>"

    def list(self, e: Expr) -> str:
        inside = _mo(",").join(map(self, e.parts))
        return f"<mrow>{_mo('[')}{inside}{_mo(']')}</mrow>"

    def kronecker(self, e: Expr) -> str:
        a, b = (self.held(p, POW) for p in e.parts)
        return f"<mrow>{a}{_mo('⊗')}{b}</mrow>"

    def words(self, e: Expr) -> str:
        return f"<mtext>{escape(e.parts[0])}</mtext>"


def mathml(e: Expr, precision: int = 4) -> str:
    """The inside of a ``<math>`` element."""
    return MathML(precision)(e)
