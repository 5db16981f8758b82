"""Formulas as SVG text: italic names, subscripts, stacked fractions for ∂ℓ/∂v."""

from __future__ import annotations

from .description import Formula
from .notation import Expr, Symbol, escape
from .typeset import Text

FAMILY = (
    "'STIX Two Text','STIX Two Math','Latin Modern Math','Cambria Math',Cambria,"
    "'Times New Roman','Liberation Serif','DejaVu Serif',serif"
)
_OPEN, _CLOSE = {"i": "\ue000", "b": "\ue001", "p": "\ue002"}, "\ue003"
_KIND = {sign: kind for kind, sign in _OPEN.items()}
_NARROW, _WIDE = set("ijltfrI.,:;'|()[]‖ "), set("mwMWΩΣ⊗⊙𝕀→↦…ΠΘΦΨ")


class _Marked(Text):
    """Text with marks: i italic, b below, p above."""

    @staticmethod
    def symbol(s: Symbol) -> str:
        base = s.base
        if base[:1].isalpha():
            base = f"{_OPEN['i']}{base}{_CLOSE}"
        return base + (f"{_OPEN['b']}{s.sub}{_CLOSE}" if s.sub else "")

    def name(self, e: Expr) -> str:
        return self.symbol(e.parts[0])

    def partial(self, e: Expr) -> str:
        a, b = e.parts
        return f"∂{self.symbol(a)}/∂{self.symbol(b)}"

    def transpose(self, e: Expr) -> str:
        return f"{self.held(e.parts[0], 5)}{_OPEN['p']}⊤{_CLOSE}"

    def power(self, e: Expr) -> str:
        a, n = e.parts
        return f"{self.held(a, 5)}{_OPEN['p']}{self(n)}{_CLOSE}"


def _runs(text: str) -> list[tuple[str, str]]:
    """(kinds, text) of the parts of marked text."""
    out: list[tuple[str, str]] = []
    stack: list[str] = []
    at = ""
    for c in text:
        if c in _KIND or c == _CLOSE:
            if at:
                out.append(("".join(stack), at))
                at = ""
            if c == _CLOSE:
                stack.pop()
            else:
                stack.append(_KIND[c])
        else:
            at += c
    if at:
        out.append(("".join(stack), at))
    return out


def _char(c: str) -> float:
    if c in _NARROW:
        return 0.32
    if c in _WIDE:
        return 0.85
    if ord(c) > 0x2E80 and not 0x1D400 <= ord(c) < 0x1D800:
        return 1.0
    return 0.68 if c.isupper() else 0.52


def _width(runs: list[tuple[str, str]], size: float) -> float:
    total = 0.0
    for kinds, text in runs:
        scale = 0.72 if "b" in kinds or "p" in kinds else 1.0
        total += sum(map(_char, text)) * size * scale
    return total


class Label:
    """A label of a certain size: ``width``, ``height``, and ``svg`` around a point."""

    def __init__(
        self,
        what: str | Formula,
        size: float = 16,
        most: float = 1e9,
        stack: bool = True,
    ) -> None:
        self.lines: list[list[tuple[str, str]]] = []
        self.fraction = False
        if isinstance(what, Formula):
            e, write = what.expr, _Marked(what.precision)
            if e.head == "partial" and stack:
                self.fraction = True
                for part in e.parts:
                    self.lines.append(_runs("∂" + write.symbol(part)))
            else:
                self.lines.append(_runs(write(e)))
        else:
            self.lines.append([("", what)])
        self.size = size
        while self.size > 9 and self._wide() > most:
            self.size -= 1
        if self._wide() > most:
            self.lines = [_cut(line, self.size, most) for line in self.lines]
        self.width = self._wide()
        self.height = self.size * (2.3 if self.fraction else 1.2)

    def _wide(self) -> float:
        return max(_width(line, self.size) for line in self.lines)

    def svg(self, x: float, y: float, color: str, anchor: str = "middle") -> str:
        """The label with its middle at (x, y)."""
        if not self.fraction:
            return self._line(self.lines[0], x, y + 0.34 * self.size, color, anchor)
        half = self.width / 2 + 1
        return (
            self._line(self.lines[0], x, y - 0.32 * self.size, color, anchor)
            + f'<path d="M{x - half:.1f} {y:.1f}h{2 * half:.1f}" stroke="{color}" '
            'stroke-width="1" fill="none"/>'
            + self._line(self.lines[1], x, y + 0.98 * self.size, color, anchor)
        )

    def _line(
        self, runs: list[tuple[str, str]], x: float, y: float, color: str, anchor: str
    ) -> str:
        parts, shift = [], 0.0
        for kinds, text in runs:
            small = "b" in kinds or "p" in kinds
            to = (
                0.22 * self.size
                if "b" in kinds
                else -0.36 * self.size
                if small
                else 0.0
            )
            style = ' font-style="italic"' if "i" in kinds else ""
            if small:
                style += f' font-size="{0.72 * self.size:.1f}"'
            if to != shift:
                style += f' dy="{to - shift:.1f}"'
                shift = to
            parts.append(f"<tspan{style}>{escape(text)}</tspan>")
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" '
            f'font-size="{self.size:g}" xml:space="preserve">{"".join(parts)}</text>'
        )


def _cut(
    line: list[tuple[str, str]], size: float, most: float
) -> list[tuple[str, str]]:
    """As much of a line as fits, and an ellipsis."""
    out: list[tuple[str, str]] = []
    left = most - size
    for kinds, text in line:
        scale = 0.72 if "b" in kinds or "p" in kinds else 1.0
        kept = ""
        for c in text:
            left -= _char(c) * size * scale
            if left < 0:
                return [*out, (kinds, kept), ("", "…")]
            kept += c
        out.append((kinds, kept))
    return out
