"""What expressions look like in LaTeX, as MathJax and KaTeX read it."""

from __future__ import annotations

from typing import Any

from .notation import Expr
from .typeset import ATOM, POW, PROD, Text, array_text, digits

#: functions whose name is a letter
_SIGNS = {"σ": r"\sigma", "Π": r"\prod", "Σ": r"\sum", "Γ": r"\Gamma", "ψ": r"\psi"}


class Latex(Text):
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
        base = self.held(e.parts[0], ATOM)  # in braces: it may have a subscript
        return rf"{{{base}}}_{{\text{{[{e.parts[1]}]}}}}"

    def place(self, e: Expr) -> str:
        return rf"{self(e.parts[0])} \mapsto \text{{[{e.parts[1]}]}}"

    def list(self, e: Expr) -> str:
        return r"\begin{bmatrix}" + r"\\".join(map(self, e.parts)) + r"\end{bmatrix}"

    def kronecker(self, e: Expr) -> str:
        return super().kronecker(e).replace("⊗", r"\otimes")

    def words(self, e: Expr) -> str:
        inside = e.parts[0].replace("{", r"\{").replace("}", r"\}")
        inside = inside.replace("…", r"\dots{}")
        return rf"\text{{{inside}}}"


def latex(e: Expr, precision: int = 4) -> str:
    """What goes between dollar signs."""
    return Latex(precision)(e)


def array_latex(v: Any, precision: int = 4) -> str:
    if not hasattr(v, "shape") or v.shape == () or v.ndim > 2:
        return array_text(v, precision).replace("−", "-").replace("∞", r"\infty")
    rows = v.reshape(-1, 1) if v.ndim == 1 else v
    body = r"\\".join(
        " & ".join(digits(x, precision).replace("−", "-") for x in row.tolist())
        for row in rows
    )
    return rf"\begin{{bmatrix}}{body}\end{{bmatrix}}"
