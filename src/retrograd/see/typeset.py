"""What expressions look like: plain Unicode text, LaTeX, and MathML."""

from __future__ import annotations

from typing import Any

from .notation import Expr, escape, whole

SUM, NEG, PROD, POW, ATOM = 1, 2, 3, 4, 5
_SUB = str.maketrans("0123456789+-,", "₀₁₂₃₄₅₆₇₈₉₊₋‚")
_SUP = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def digits(v: Any, precision: int = 4) -> str:
    """A number with so many significant digits: ``-0.6988``, ``1.2e-05``."""
    if isinstance(v, bool):
        return str(int(v))
    try:
        x = float(v)
    except (TypeError, ValueError):
        return str(v)
    if x != x:
        return "NaN"
    if x in (float("inf"), float("-inf")):
        return "∞" if x > 0 else "−∞"
    if x == int(x) and abs(x) < 10 ** max(precision, 4):
        return str(int(x)).replace("-", "−")
    return (
        f"{x:.{precision}g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")
    )


def level(e: Expr) -> int:
    """How tightly an expression holds together."""
    if e.head == "number":
        value = e.parts[0]
        scalar = not hasattr(value, "shape") or value.shape == ()
        return NEG if scalar and bool(value < 0) else ATOM
    return {
        "sum": SUM, "neg": NEG, "product": PROD, "div": PROD, "matmul": PROD,
        "total": PROD, "power": POW, "transpose": POW, "conv": PROD, "place": PROD,
        "indicator": ATOM, "kronecker": PROD,
    }.get(e.head, ATOM)  # fmt: skip


class _Text:
    """Plain Unicode."""

    precision = 4

    def __init__(self, precision: int = 4) -> None:
        self.precision = precision

    def __call__(self, e: Expr) -> str:
        found: str = getattr(self, e.head)(e)
        return found

    def held(self, e: Expr, least: int) -> str:
        inside = self(e)
        return inside if level(e) >= least else self.group(inside)

    def group(self, inside: str) -> str:
        return f"({inside})"

    def name(self, e: Expr) -> str:
        found: str = e.parts[0].text()
        return found

    def partial(self, e: Expr) -> str:
        return f"∂{e.parts[0].text()}/∂{e.parts[1].text()}"

    def number(self, e: Expr) -> str:
        return array_text(e.parts[0], self.precision)

    def array(self, e: Expr) -> str:
        return self.number(e)

    def neg(self, e: Expr) -> str:
        return "−" + self.held(e.parts[0], PROD)

    def sum(self, e: Expr) -> str:
        out = self.held(e.parts[0], SUM)
        for t in e.parts[1:]:
            if t.head == "neg":
                out += f" − {self.held(t.parts[0], PROD)}"
            elif t.head == "number" and level(t) == NEG:
                out += f" − {self(Expr('number', -t.parts[0]))}"
            elif level(t) == NEG:
                out += f" + {self.group(self(t))}"
            else:
                out += f" + {self.held(t, PROD)}"
        return out

    def product(self, e: Expr) -> str:
        out = self.held(e.parts[0], self.factor(e.parts[0]))
        shape = e.parts[0].shape
        for f in e.parts[1:]:
            out += " ⊙ " if shape and f.shape else " · "
            out += self.held(f, POW if f.head == "div" else self.factor(f))
            shape = shape or f.shape
        return out

    @staticmethod
    def factor(e: Expr) -> int:
        return POW if e.head in ("total", "matmul", "conv") else PROD

    def matmul(self, e: Expr) -> str:
        return " · ".join(
            self.held(p, POW if p.head != "name" else PROD) for p in e.parts
        )

    def conv(self, e: Expr) -> str:
        sign = " ∗ᵀ " if e.parts[2] else " ∗ "
        return self.held(e.parts[0], POW) + sign + self.held(e.parts[1], POW)

    def div(self, e: Expr) -> str:
        a, b = e.parts
        return f"{self.held(a, PROD)} / {self.held(b, POW)}"

    def power(self, e: Expr) -> str:
        a, n = e.parts
        base = self.held(a, ATOM)
        if n.head == "number" and whole(n.parts[0]):
            return base + str(int(n.parts[0])).translate(_SUP)
        return f"{base}^{self.held(n, ATOM)}"

    def transpose(self, e: Expr) -> str:
        return self.held(e.parts[0], ATOM) + "ᵀ"

    def call(self, e: Expr) -> str:
        function, *args = e.parts
        inside = ", ".join(map(self, args))
        if function in ("|", "√"):
            return f"|{inside}|" if function == "|" else f"√({inside})"
        return f"{function}({inside})"

    def indicator(self, e: Expr) -> str:
        relation, a, b = e.parts
        return f"𝕀[{self(a)} {relation} {self(b)}]"

    def total(self, e: Expr) -> str:
        body, dims = e.parts
        inside = (
            self(body) if body.head in ("name", "partial") else self.held(body, POW)
        )
        return f"Σ{dims.translate(_SUB)} {inside}"

    def index(self, e: Expr) -> str:
        return f"{self.held(e.parts[0], ATOM)}[{e.parts[1]}]"

    def place(self, e: Expr) -> str:
        return f"{self.held(e.parts[0], PROD)} ↦ [{e.parts[1]}]"

    def list(self, e: Expr) -> str:
        return "[" + ", ".join(map(self, e.parts)) + "]"

    def kronecker(self, e: Expr) -> str:
        return f"{self.held(e.parts[0], POW)} ⊗ {self.held(e.parts[1], POW)}"

    def words(self, e: Expr) -> str:
        return str(e.parts[0])


#: functions whose name is a letter
_SIGNS = {"σ": r"\sigma", "Π": r"\prod", "Σ": r"\sum", "Γ": r"\Gamma", "ψ": r"\psi"}


class _Latex(_Text):
    def group(self, inside: str) -> str:
        return rf"\left({inside}\right)"

    def name(self, e: Expr) -> str:
        found: str = e.parts[0].latex()
        return found

    def partial(self, e: Expr) -> str:
        a, b = e.parts
        return rf"\frac{{\partial {a.latex()}}}{{\partial {b.latex()}}}"

    def number(self, e: Expr) -> str:
        return array_latex(e.parts[0], self.precision)

    def neg(self, e: Expr) -> str:
        return "-" + self.held(e.parts[0], PROD)

    def sum(self, e: Expr) -> str:
        return super().sum(e).replace(" − ", " - ")

    def product(self, e: Expr) -> str:
        return super().product(e).replace(" ⊙ ", r" \odot ").replace(" · ", r" \cdot ")

    def matmul(self, e: Expr) -> str:
        return super().matmul(e).replace(" · ", r"\, ")

    def conv(self, e: Expr) -> str:
        return super().conv(e).replace("∗ᵀ", r"\ast^{\top}").replace("∗", r"\ast")

    def div(self, e: Expr) -> str:
        return rf"\frac{{{self(e.parts[0])}}}{{{self(e.parts[1])}}}"

    def power(self, e: Expr) -> str:
        a, n = e.parts
        return f"{self.held(a, ATOM)}^{{{self(n)}}}"

    def transpose(self, e: Expr) -> str:
        return self.held(e.parts[0], ATOM) + r"^{\top}"

    def call(self, e: Expr) -> str:
        function, *args = e.parts
        inside = ", ".join(map(self, args))
        if function in ("|", "√"):
            return (
                rf"\left|{inside}\right|" if function == "|" else rf"\sqrt{{{inside}}}"
            )
        if function in _SIGNS:
            return rf"{_SIGNS[function]}\left({inside}\right)"
        named = function.replace("_", r"\_")
        if function in ("sin", "cos", "tan", "exp", "log", "max", "min", "sinh", "cosh",
                        "tanh", "arctan", "arcsin", "arccos"):  # fmt: skip
            return rf"\{function}\left({inside}\right)"
        return rf"\operatorname{{{named}}}\left({inside}\right)"

    def indicator(self, e: Expr) -> str:
        relation, a, b = e.parts
        sign = {"≤": r"\le", "≥": r"\ge", "≠": r"\ne"}.get(relation, relation)
        return rf"\mathbb{{I}}\left[{self(a)} {sign} {self(b)}\right]"

    def total(self, e: Expr) -> str:
        body, dims = e.parts
        under = f"_{{{dims}}}" if dims else ""
        return rf"\sum{under} {self.held(body, POW)}"

    def index(self, e: Expr) -> str:
        return f"{self.held(e.parts[0], ATOM)}_{{[{e.parts[1]}]}}"

    def place(self, e: Expr) -> str:
        return rf"{self(e.parts[0])} \mapsto [{e.parts[1]}]"

    def list(self, e: Expr) -> str:
        return r"\begin{bmatrix}" + r"\\".join(map(self, e.parts)) + r"\end{bmatrix}"

    def kronecker(self, e: Expr) -> str:
        return super().kronecker(e).replace("⊗", r"\otimes")

    def words(self, e: Expr) -> str:
        return rf"\text{{{e.parts[0]}}}"


#: how a matrix shows its sides; a page with a policy against inline style has a class
SIDES = (
    "border-left:1px solid;border-right:1px solid;border-radius:.45em;margin:0 .15em"
)


def _mo(sign: str) -> str:
    return f"<mo>{escape(sign)}</mo>"


class _MathML(_Text):
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


def text(e: Expr, precision: int = 4) -> str:
    """Plain Unicode: ``∂ℓ/∂f₂ = −sin(f₂) · ∂ℓ/∂h₃``."""
    return _Text(precision)(e)


def latex(e: Expr, precision: int = 4) -> str:
    """What goes between dollar signs."""
    return _Latex(precision)(e)


def mathml(e: Expr, precision: int = 4) -> str:
    """The inside of a ``<math>`` element."""
    return _MathML(precision)(e)


def array_text(v: Any, precision: int = 4) -> str:
    """A number, or a small array in brackets."""
    if not hasattr(v, "shape") or v.shape == ():
        return digits(v.item() if hasattr(v, "item") else v, precision)
    if v.size == 0:
        return "[]"
    joint = " " if v.ndim == 1 else "; " if v.ndim == 2 else ", "
    if v.ndim == 2:
        return "[" + joint.join(array_text(r, precision)[1:-1] for r in v) + "]"
    return "[" + joint.join(array_text(r, precision) for r in v) + "]"


def shape_text(shape: Any) -> str:
    """``[10×40]``."""
    return "[" + "×".join(map(str, shape)) + "]"


def array_latex(v: Any, precision: int = 4) -> str:
    if not hasattr(v, "shape") or v.shape == () or v.ndim > 2:
        return array_text(v, precision).replace("−", "-").replace("∞", r"\infty")
    rows = v.reshape(-1, 1) if v.ndim == 1 else v
    body = r"\\".join(
        " & ".join(digits(x, precision).replace("−", "-") for x in row.tolist())
        for row in rows
    )
    return rf"\begin{{bmatrix}}{body}\end{{bmatrix}}"
