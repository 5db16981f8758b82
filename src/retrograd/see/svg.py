"""A drawing as SVG: one or two laid out scenes on one sheet."""

from __future__ import annotations

import itertools
import math
import re

from .layout import SMALL, Layout, Path, Placed, Point, border
from .notation import escape
from .setting import FAMILY, Label

INK, PAPER, SOFT = "#1d2733", "#ffffff", "#5b6875"
#: kind or role → (fill, stroke)
#: how small a sheet may be shown where there is little room
READABLE = 0.6
_SIZE = re.compile(r'width="(\d+)" height="(\d+)"')
COLORS = {
    "value": ("#ffffff", "#1d2733"),
    "loss": ("#fbe3e1", "#a8322a"),
    "input": ("#d8dee6", "#1d2733"),
    "parameter": ("#fdf0d2", "#a8731a"),
    "random": ("#eee3f7", "#6b3fa0"),
    "function": ("#e4eefb", "#27599f"),
    "scalar": ("#fbe3e1", "#a8322a"),
    "gradient": ("#eaf6ec", "#2c7a43"),
    "jacobian": ("#d6eedb", "#2c7a43"),
    "gap": ("#ffffff", "#5b6875"),
}
PAD, TITLE, BETWEEN = 22.0, 26.0, 34.0


def sheet(
    parts: list[tuple[str, Layout, str]], direction: str, background: str | None
) -> str:
    """One SVG of titled layouts: (title, layout, "forward" or "backward")."""
    body: list[str] = []
    x, y = PAD, PAD
    width = height = 0.0
    for title, layout, flow in parts:
        wide = max(layout.width, Label(title, 13).width * 1.25)
        top = y + TITLE if title else y
        if title:
            color = COLORS["jacobian"][1] if flow == "backward" else SOFT
            body.append(
                f'<text x="{x:.1f}" y="{y + 10:.1f}" font-size="13" fill="{color}" '
                f"font-family=\"system-ui,'DejaVu Sans',sans-serif\">{escape(title)}</text>"
            )
        body.append(f'<g transform="translate({x:.1f} {top:.1f})">')
        body += _layout(layout, flow, direction)
        body.append("</g>")
        width = max(width, x + wide)
        height = max(height, top + layout.height)
        if direction == "right":
            y = top + layout.height + BETWEEN
        else:
            x += wide + BETWEEN * 1.6
    width, height = math.ceil(width + PAD), math.ceil(height + PAD)
    paper = ""
    if background:
        paper = f'<rect width="100%" height="100%" rx="6" fill="{escape(background)}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FAMILY}" role="img">'
        f"{paper}\n{_arrows()}\n" + "\n".join(body) + "\n</svg>\n"
    )


def narrowed(text: str, room: int) -> str:
    """A sheet shown no wider than *room*, as far as it can still be read."""
    found = _SIZE.search(text)
    if found is None or int(found[1]) <= room:
        return text
    scale = max(READABLE, room / int(found[1]))
    size = f'width="{int(found[1]) * scale:.0f}" height="{int(found[2]) * scale:.0f}"'
    return text.replace(found[0], size, 1)


def _arrows() -> str:
    heads = []
    for name, color in (("forward", INK), ("backward", COLORS["gradient"][1])):
        heads.append(
            f'<marker id="rg-{name}" viewBox="0 0 8 8" refX="7.2" refY="4" '
            'markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 .8L7.5 4L0 7.2z" fill="{color}"/></marker>'
        )
    return f"<defs>{''.join(heads)}</defs>"


def _layout(layout: Layout, flow: str, direction: str) -> list[str]:
    color = INK if flow == "forward" else COLORS["gradient"][1]
    lines = _lines(layout, flow, direction)
    out = [_path(points, flow, color) for points in lines]
    out += [_mark(p, flow, direction) for p in layout.placed]
    for path, points in zip(layout.paths, lines, strict=True):
        if path.label:
            out.append(_path_label(path.label, points, direction))
    return out


# -- links ------------------------------------------------------------------------------


def _lines(layout: Layout, flow: str, direction: str) -> list[list[Point]]:
    """Each link from border to border. Into a block it goes through the flat side, where
    several have places of their own; out of it through the middle of the round side."""
    where = {p.mark.id: p for p in layout.placed}
    along = 0 if direction == "right" else 1
    sign = 1 if (flow == "forward") == (direction == "right") else -1
    into: dict[str, list[Path]] = {}
    for path in layout.paths:
        into.setdefault(path.target, []).append(path)
    place: dict[int, float] = {}
    for paths in into.values():

        def beside(path: Path) -> float:
            a = where[path.source]
            x = path.inner[-1] if path.inner else (a.x, a.y)
            return x[1 - along]

        for k, path in enumerate(sorted(paths, key=beside)):
            place[id(path)] = (k + 1) / (len(paths) + 1) - 0.5
    out = []
    for path in layout.paths:
        a, b = where[path.source], where[path.target]
        start = border(a, path.inner[0] if path.inner else (b.x, b.y))
        end = border(b, path.inner[-1] if path.inner else (a.x, a.y))
        if a.mark.kind in ("function", "scalar", "jacobian"):
            start = _port(a, along, sign, 0.0)
        if b.mark.kind in ("function", "scalar", "jacobian"):
            end = _port(b, along, -sign, place[id(path)])
        out.append([start, *path.inner, end])
    return out


def _port(p: Placed, along: int, sign: int, share: float) -> Point:
    if along == 0:
        return p.x + sign * p.width / 2, p.y + share * p.height
    return p.x + share * p.width, p.y + sign * p.height / 2


def _path(points: list[Point], flow: str, color: str) -> str:
    return (
        f'<path d="{_curve(points)}" fill="none" stroke="{color}" '
        f'stroke-width="1.4" marker-end="url(#rg-{flow})"/>'
    )


def _curve(points: list[Point]) -> str:
    """A line through the points with its corners rounded."""
    (x, y), *rest = points
    d = f"M{x:.1f} {y:.1f}"
    for i, (x, y) in enumerate(rest):
        if i == len(rest) - 1:
            d += f"L{x:.1f} {y:.1f}"
            continue
        before = _toward((x, y), points[i], 14)
        after = _toward((x, y), points[i + 2], 14)
        d += f"L{before[0]:.1f} {before[1]:.1f}Q{x:.1f} {y:.1f} {after[0]:.1f} {after[1]:.1f}"
    return d


def _toward(a: Point, b: Point, most: float) -> Point:
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    share = 0.0 if length == 0 else min(most, length / 2) / length
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def _path_label(text: str, points: list[Point], direction: str) -> str:
    label = Label(text, SMALL)
    (x0, y0), (x1, y1) = points[0], points[-1]
    x, y = _middle(points)
    if abs(y1 - y0) < 0.4 * abs(x1 - x0):
        return _halo(label, x, y - 8)
    away = label.width / 2 + 5
    return _halo(label, x + (away if (x1 - x0) * (y1 - y0) >= 0 else -away), y)


def _halo(label: Label, x: float, y: float, color: str = SOFT) -> str:
    return (
        '<g style="paint-order:stroke" stroke="#ffffff" stroke-width="3" '
        f'stroke-linejoin="round">{label.svg(x, y, color)}</g>'
    )


def _middle(points: list[Point]) -> Point:
    pairs = list(itertools.pairwise(points))
    left = sum(math.dist(a, b) for a, b in pairs) / 2
    for a, b in pairs:
        length = math.dist(a, b)
        if length and left <= length:
            share = left / length
            return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
        left -= length
    return points[-1]


# -- marks ------------------------------------------------------------------------------


def _mark(p: Placed, flow: str, direction: str) -> str:
    m = p.mark
    kind = m.role if m.kind == "variable" else m.kind
    fill, stroke = COLORS.get(kind, COLORS["value"])
    if m.kind == "gap":
        return p.label.svg(p.x, p.y, SOFT)
    style = f'fill="{fill}" stroke="{stroke}" stroke-width="1.5"'
    if m.again:
        style += ' stroke-dasharray="4 3"'
    title = f"<title>{escape(m.about)}</title>" if m.about else ""
    parts = [title, _shape(p, style, flow, direction)]
    x, y = p.x, p.y
    if m.kind in ("function", "jacobian") and direction == "right":
        x += -4.0 if flow == "forward" else 4.0  # the flat side has more room
    below = [c for c in (m.caption, m.role if m.kind == "jacobian" else "") if c]
    if m.kind == "variable" and m.caption:
        label = Label(m.caption, SMALL)
        if direction == "up" and m.role in (
            "value",
            "loss",
        ):  # an arrow comes from below
            parts.append(_halo(label, x + label.width / 2 + 6, y + p.height / 2 + 7))
        else:
            parts.append(_halo(label, x, y + p.height / 2 + 8))
    elif below:
        y -= 6.5 * len(below)
        if direction == "up":
            y += 5.0 if flow == "forward" else -3.0
        at = y + p.label.height / 2 + (9 if m.kind == "jacobian" else 6)
        color = stroke if m.kind == "jacobian" else SOFT
        for caption in below:
            parts.append(Label(caption, SMALL, 120).svg(x, at, color))
            at += 13
    parts.append(p.label.svg(x, y, INK))
    if m.sum:
        parts.append(_sum(p, stroke))
    return f'<g data-id="{escape(m.entry)}">{"".join(parts)}</g>'


def _sum(p: Placed, stroke: str) -> str:
    """A small plus: what arrives here is added up."""
    across = p.width / 2 * 0.72
    x, y = p.x + across, p.y - across
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="{PAPER}" stroke="{stroke}"/>'
        f'<path d="M{x - 4:.1f} {y:.1f}h8M{x:.1f} {y - 4:.1f}v8" stroke="{stroke}"/>'
    )


def _shape(p: Placed, style: str, flow: str, direction: str) -> str:
    kind = p.mark.kind
    if kind in ("variable", "gradient"):
        r = p.width / 2
        return f'<circle cx="{p.x:.1f}" cy="{p.y:.1f}" r="{r:.1f}" {style}/>'
    left, top = p.x - p.width / 2, p.y - p.height / 2
    if kind == "scalar":
        return (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{p.width:.1f}" '
            f'height="{p.height:.1f}" {style}/>'
        )
    return (
        f'<path d="{_block(left, top, p.width, p.height, flow, direction)}" {style}/>'
    )


def _block(x: float, y: float, w: float, h: float, flow: str, direction: str) -> str:
    """A block that is rounded on the side of its output."""
    if direction == "right":
        r = min(h / 2, w * 0.45)
        if flow == "forward":
            return (
                f"M{x:.1f} {y:.1f}h{w - r:.1f}"
                f"a{r:.1f} {h / 2:.1f} 0 0 1 0 {h:.1f}h{r - w:.1f}z"
            )
        return (
            f"M{x + w:.1f} {y:.1f}h{r - w:.1f}"
            f"a{r:.1f} {h / 2:.1f} 0 0 0 0 {h:.1f}h{w - r:.1f}z"
        )
    r = min(h * 0.55, w / 2)
    if flow == "forward":  # upwards
        return (
            f"M{x:.1f} {y + h:.1f}v{r - h:.1f}"
            f"a{w / 2:.1f} {r:.1f} 0 0 1 {w:.1f} 0v{h - r:.1f}z"
        )
    return (
        f"M{x:.1f} {y:.1f}v{h - r:.1f}a{w / 2:.1f} {r:.1f} 0 0 0 {w:.1f} 0v{r - h:.1f}z"
    )
