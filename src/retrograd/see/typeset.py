"""What expressions look like as plain Unicode text; LaTeX and MathML are beside it."""

from __future__ import annotations

from typing import Any

from .notation import Expr, whole

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


class Text:
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


def text(e: Expr, precision: int = 4) -> str:
    """Plain Unicode: ``∂ℓ/∂f₂ = −sin(f₂) · ∂ℓ/∂h₃``."""
    return Text(precision)(e)


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
