"""Mathematics as a small tree: symbols, and expressions made of them.

An expression is a head and its parts. The functions below build expressions and simplify on the way what would only distract (1 · x, −(−x), (xᵀ)ᵀ); they
never change the value.
"""

from __future__ import annotations

import operator
import re
from fractions import Fraction
from typing import Any

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "lam": "λ",
    "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ",
    "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ",
    "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ",
}  # fmt: skip
_INDEXED = re.compile(r"([^\W\d_]+)\[(\d+(?:\]\[\d+)*)\]")
_LATEX = {g: "\\" + name for name, g in GREEK.items() if name not in ("lam", "ell")}
_LATEX |= {"ℓ": r"\ell", "𝟏": r"\mathbf{1}"}
_SUB = str.maketrans("0123456789+-,", "₀₁₂₃₄₅₆₇₈₉₊₋‚")


def whole(v: Any) -> bool:
    """Whether a number is a moderate integer."""
    try:
        return abs(v) < 1e9 and float(v).is_integer()
    except (TypeError, ValueError, OverflowError):
        return False


class Symbol:
    """A name as it is set: a base, and what stands below it."""

    __slots__ = ("base", "sub", "_text", "_mathml")

    def __init__(self, base: str, sub: str = "") -> None:
        self.base, self.sub = base, sub
        self._text = self._mathml = ""

    @classmethod
    def of(cls, name: str) -> Symbol:
        """``beta3`` → β₃, ``h_1`` → h₁, ``loss`` → ℓ; other names stay."""
        if name in ("loss", "l"):
            return cls("ℓ")
        found = _INDEXED.fullmatch(name)
        if found:
            return cls(GREEK.get(found[1], found[1]), found[2].replace("][", ","))
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        stem = stem.rstrip("_") or stem
        if "." in stem or (digits and stem[-1:] in ".[]"):
            return cls(name)
        if "_" in stem and stem.split("_", 1)[0] in GREEK:
            first, rest = stem.split("_", 1)
            return cls(GREEK[first], rest + digits)
        return cls(GREEK.get(stem, stem), digits)

    def text(self) -> str:
        if not self._text:
            self._text = self.base
            if self.sub and self.sub.strip("0123456789,") == "":
                self._text += self.sub.translate(_SUB)
            elif self.sub:
                self._text += f"[{self.sub}]"
        return self._text

    def latex(self) -> str:
        base = _LATEX.get(self.base, self.base)
        if base == self.base and len(base) > 1:
            base = r"\mathit{" + base.replace("_", r"\_") + "}"
        if not self.sub:
            return base
        plain = self.sub.strip("0123456789,") == ""
        sub = self.sub if plain else r"\text{" + self.sub.replace("_", r"\_") + "}"
        return f"{base}_{{{sub}}}"

    def mathml(self) -> str:
        if not self._mathml:
            base = f"<mi>{escape(self.base)}</mi>"
            tag = "mn" if self.sub.isdigit() else "mtext"
            below = f"<{tag}>{escape(self.sub)}</{tag}>" if self.sub else ""
            self._mathml = f"<msub>{base}{below}</msub>" if self.sub else base
        return self._mathml

    def __repr__(self) -> str:
        return self.text()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbol) and self.text() == other.text()

    def __hash__(self) -> int:
        return hash(self.text())


def escape(text: Any) -> str:
    """Text that is safe in HTML, in attributes too."""
    return str(text).translate(_SAFE)


_SAFE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
)


class Expr:
    """``head`` and ``parts``; ``shape`` decides between · and ⊙."""

    __slots__ = ("head", "parts", "shape", "size", "_key")

    def __init__(self, head: str, *parts: Any, shape: tuple[int, ...] = ()) -> None:
        self.head, self.parts, self.shape = head, parts, shape
        size = 1
        for p in parts:
            if type(p) is Expr:
                size += p.size
        self.size: int = size
        self._key: Any = None

    @property
    def key(self) -> Any:
        if self._key is None:
            parts = [p.key if type(p) is Expr else _hashable(p) for p in self.parts]
            self._key = (self.head, *parts)
        return self._key

    def same(self, other: Expr) -> bool:
        return bool(self.key == other.key)

    def names(self) -> list[Symbol]:
        """The symbols in it, each once, from left to right."""
        found: dict[Symbol, None] = {}
        stack = [self]
        while stack:
            e = stack.pop()
            if e.head == "name":
                found[e.parts[0]] = None
            stack.extend(p for p in reversed(e.parts) if type(p) is Expr)
        return list(found)

    def replace(self, values: dict[Symbol, Expr]) -> Expr:
        """The same with some symbols replaced."""
        if self.head == "name":
            return values.get(self.parts[0], self)
        parts = [p.replace(values) if type(p) is Expr else p for p in self.parts]
        return Expr(self.head, *parts, shape=self.shape)

    def __str__(self) -> str:
        from .typeset import text

        return text(self)


def _hashable(part: Any) -> Any:
    return (part.shape, part.tobytes()) if hasattr(part, "tobytes") else part


# -- building ---------------------------------------------------------------------------


def name(symbol: Symbol | str, shape: tuple[int, ...] = ()) -> Expr:
    return Expr(
        "name", Symbol.of(symbol) if isinstance(symbol, str) else symbol, shape=shape
    )


def number(value: Any) -> Expr:
    return Expr("number", value)


def array(value: Any) -> Expr:
    """A few numbers that have no name."""
    return Expr("array", value, shape=value.shape)


def partial(loss: Symbol, of: Symbol, shape: tuple[int, ...] = ()) -> Expr:
    """∂loss/∂of, as a name."""
    return Expr("partial", loss, of, shape=shape)


def _wide(*parts: Expr) -> tuple[int, ...]:
    return max((p.shape for p in parts), key=lambda s: (len(s), s), default=())


def neg(a: Expr) -> Expr:
    if a.head == "neg":
        inner: Expr = a.parts[0]
        return inner
    if a.head == "number":
        return number(-a.parts[0])
    return Expr("neg", a, shape=a.shape)


def add(*terms: Expr) -> Expr:
    if len(terms) == 2 and terms[0].head == "sum" and terms[0].same(terms[1]):
        return mul(number(2), terms[0])
    flat: list[Expr] = []
    for t in terms:
        flat.extend(t.parts if t.head == "sum" else [t])
    counts = [t.parts[0] for t in flat if t.head == "number" and whole(t.parts[0])]
    if len(counts) > 1:
        flat = [t for t in flat if t.head != "number" or not whole(t.parts[0])]
        flat.append(number(sum(map(int, counts))))
    flat = [t for t in flat if not _is(t, 0)] or [number(0)]
    counted: dict[Any, tuple[Expr, int]] = {}
    for t in flat:
        mark = t.key if t.head != "number" else object()
        counted[mark] = (t, counted[mark][1] + 1 if mark in counted else 1)
    flat = [t if n == 1 else mul(number(n), t) for t, n in counted.values()]
    if len(flat) > 1 and all(t.head == "place" and len(t.shape) == 1 for t in flat):
        flat.sort(key=lambda t: str(t.parts[1]).rjust(9))
        if len({t.parts[1] for t in flat}) == flat[0].shape[0] == len(flat):
            return Expr("list", *(t.parts[0] for t in flat), shape=flat[0].shape)
    return flat[0] if len(flat) == 1 else Expr("sum", *flat, shape=_wide(*flat))


def sub(a: Expr, b: Expr) -> Expr:
    return add(a, neg(b))


def mul(*factors: Expr) -> Expr:
    coefficient, sign = Fraction(1), 1
    rest: list[Expr] = []
    stack = list(reversed(factors))
    while stack:
        f = stack.pop()
        if f.head == "product":
            stack.extend(reversed(f.parts))
        elif f.head == "neg":
            sign = -sign
            stack.append(f.parts[0])
        elif f.head == "number" and whole(f.parts[0]):
            coefficient *= int(f.parts[0])
        elif f.head == "div" and f.parts[1].head == "number" and _divides(f.parts[1]):
            coefficient /= int(f.parts[1].parts[0])
            stack.append(f.parts[0])
        else:
            rest.append(f)
    if coefficient < 0:
        coefficient, sign = -coefficient, -sign
    powers: list[Expr] = []
    for f in rest:
        base, n = (f.parts[0], f.parts[1]) if f.head == "power" else (f, number(1))
        for i, old in enumerate(powers):
            known, m = old.parts if old.head == "power" else (old, number(1))
            if (
                known.same(base)
                and base.head not in ("number", "partial")
                and m.head == n.head == "number"
            ):
                powers[i] = power(known, number(m.parts[0] + n.parts[0]))
                break
        else:
            powers.append(f)
    if coefficient == 0:
        return number(0)
    if coefficient.numerator != 1 or not powers:
        powers.insert(0, number(coefficient.numerator))
    shape = _wide(*powers)
    out = powers[0] if len(powers) == 1 else Expr("product", *powers, shape=shape)
    if coefficient.denominator != 1:
        out = Expr("div", out, number(coefficient.denominator), shape=shape)
    return neg(out) if sign < 0 else out


def partials_last(e: Expr) -> Expr:
    """The same, with gradients as the last factors of plain products."""
    parts = [partials_last(p) if type(p) is Expr else p for p in e.parts]
    if e.head == "product":
        parts.sort(key=lambda p: p.head == "partial")
    return Expr(e.head, *parts, shape=e.shape)


def div(a: Expr, b: Expr) -> Expr:
    if _is(b, 1):
        return a
    if a.head == "neg":
        return neg(div(a.parts[0], b))
    return Expr("div", a, b, shape=_wide(a, b))


def power(a: Expr, n: Expr) -> Expr:
    if _is(n, 1):
        return a
    if _is(n, 0):
        return number(1)
    return Expr("power", a, n, shape=_wide(a, n))


def matmul(a: Expr, b: Expr, shape: tuple[int, ...] = ()) -> Expr:
    if a.head == "neg":
        return neg(matmul(a.parts[0], b, shape))
    if b.head == "neg":
        return neg(matmul(a, b.parts[0], shape))
    parts = [
        *(a.parts if a.head == "matmul" else [a]),
        *(b.parts if b.head == "matmul" else [b]),
    ]
    return Expr("matmul", *parts, shape=shape)


def transpose(a: Expr) -> Expr:
    """aᵀ: of a product the other way round, of a transposed matrix the matrix."""
    shape = a.shape[::-1]
    if a.head == "transpose":
        inner: Expr = a.parts[0]
        return inner
    if a.head == "number":
        return a
    if a.head == "neg":
        return neg(transpose(a.parts[0]))
    if a.head == "name" and a.parts[0].base == "I":
        return a
    if a.head == "kronecker":
        return Expr("kronecker", *map(transpose, a.parts), shape=a.shape[::-1])
    if a.head in ("product", "div") and all(
        p.head == "number" or p.shape for p in a.parts
    ):
        return Expr(a.head, *(transpose(p) for p in a.parts), shape=shape)
    if a.head == "matmul":
        return Expr("matmul", *(transpose(p) for p in reversed(a.parts)), shape=shape)
    return Expr("transpose", a, shape=shape)


def call(function: str, *args: Expr, shape: tuple[int, ...] = ()) -> Expr:
    return Expr("call", function, *args, shape=shape)


def indicator(relation: str, a: Expr, b: Expr) -> Expr:
    """1 where a relation holds, 0 elsewhere."""
    if a.head == b.head == "number":
        return number(int(_HOLDS[relation](a.parts[0], b.parts[0])))
    return Expr("indicator", relation, a, b, shape=_wide(a, b))


_HOLDS = {"=": operator.eq, "≠": operator.ne, "<": operator.lt, "≤": operator.le,
          ">": operator.gt, "≥": operator.ge}  # fmt: skip


def total(a: Expr, dims: str = "", shape: tuple[int, ...] = ()) -> Expr:
    """Σ a, over all dimensions or over some."""
    return Expr("total", a, dims, shape=shape)


def _divides(e: Expr) -> bool:
    return whole(e.parts[0]) and e.parts[0] != 0


def _is(e: Expr, value: float) -> bool:
    return e.head == "number" and bool(e.parts[0] == value)
