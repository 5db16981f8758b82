"""Where the marks of a scene are drawn, and which way the links go: a layered layout,
by graphlay (MIT or Apache-2.0; wheels, no system program)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .scene import Mark, Scene
from .setting import Label

Point = tuple[float, float]
SMALL = 10.5  # size of captions and shapes


@dataclass
class Placed:
    mark: Mark
    label: Label
    x: float
    y: float
    width: float
    height: float


@dataclass
class Path:
    source: str
    target: str
    inner: list[Point]  # between the two marks
    label: str


@dataclass
class Layout:
    placed: list[Placed]
    paths: list[Path]
    width: float
    height: float


def _size(mark: Mark) -> tuple[Label, float, float]:
    if mark.kind == "variable":
        label = Label(mark.label, 17, 62)
        across = max(38.0, label.width + 16)
        return label, across, across
    if mark.kind == "gradient":
        label = Label(mark.label, 14)
        across = max(44.0, label.width + 16)
        return label, across, across
    if mark.kind == "gap":
        label = Label(mark.label, 13)
        return label, label.width + 16, 30.0
    caption = Label(mark.caption, SMALL, 120).width if mark.caption else 0.0
    if mark.kind == "jacobian":
        label = Label(mark.label, 13)
        caption = max(caption, Label(mark.role, SMALL).width)
        return label, max(50.0, label.width + 26, caption + 26), 68.0
    label = Label(mark.label, 15, 170)
    if mark.kind == "scalar":
        across = max(48.0, label.width + 18)
        return label, across, max(48.0, min(across, 64.0))
    return label, max(58.0, label.width + 34, caption + 34), 44.0


def place(scene: Scene, direction: str, mirrored: bool) -> Layout:
    """Lay out a scene; *direction* is "right" or "up". A *mirrored* one flows the other
    way."""
    try:
        import graphlay
    except ImportError:
        raise ImportError(
            "drawings need graphlay: pip install retrograd[see] "
            "(mermaid() and dot() are text and need nothing)"
        ) from None
    across = direction == "right"
    graph = graphlay.Graph()
    sizes = {m.id: _size(m) for m in scene.marks}
    for m in scene.marks:
        _, width, height = sizes[m.id]
        round = m.kind in ("variable", "gradient")
        graph.node(
            m.id, width=width, height=height, shape="ellipse" if round else "box"
        )
    for link in scene.links:
        fields: dict[str, Any] = {}
        if link.label:
            wide = Label(link.label, SMALL).width + 8
            fields["label_size"] = {"width": wide, "height": 14.0}
        graph.edge(link.source, link.target, **fields)
    many = len(scene.marks) > 400
    found = graphlay.layout(
        graph,
        options={
            "direction": "leftright" if across else "topbottom",
            "routing": {"style": "diagonal"},
            "effort": "fast" if many else "balanced",
            "spacing": {"layer_gap": 30.0, "node_gap": 26.0, "edge_label_margin": 8.0},
        },
    )
    low, high = found.bounds["min"], found.bounds["max"]
    width, height = high["x"] - low["x"], high["y"] - low["y"]

    def turned(p: dict[str, float]) -> Point:
        x, y = p["x"] - low["x"], p["y"] - low["y"]
        if across:
            return (width - x, y) if mirrored else (x, y)
        return (x, y) if mirrored else (x, height - y)

    placed = []
    for m, node in zip(scene.marks, found.nodes, strict=True):
        label, w, h = sizes[m.id]
        placed.append(Placed(m, label, *turned(node["center"]), w, h))
    paths = []
    for link, edge in zip(scene.links, found.edges, strict=True):
        inner = [turned(p) for p in edge["points"][1:-1]]
        paths.append(Path(link.source, link.target, inner, link.label))
    return Layout(placed, paths, width, height)


def align(layout: Layout, to: Layout, along: int) -> None:
    """Bring a derivative graph beside its graph: each gradient to the place of its value
    in the direction of flow (*along*: 0 across, 1 up), what lies between in between."""
    where = {p.mark.id: p for p in to.placed}
    known: dict[float, list[float]] = {}
    for p in layout.placed:
        m = p.mark
        other = where.get(f"{m.entry}.f" if m.kind == "jacobian" else m.entry)
        if other is not None:
            here, there = ((p.x, other.x), (p.y, other.y))[along]
            known.setdefault(round(here, 1), []).append(there)
    if len(known) < 2:
        return
    froms = sorted(known)
    tos = [sum(known[x]) / len(known[x]) for x in froms]
    gap = 70.0
    for i in range(1, len(tos)):  # nothing may come to lie on what is before it
        tos[i] = max(tos[i], tos[i - 1] + min(gap, froms[i] - froms[i - 1]))

    def moved(v: float) -> float:
        if v < froms[0]:
            return tos[0] - (froms[0] - v)
        if v > froms[-1]:
            return tos[-1] + (v - froms[-1])
        return float(np.interp(v, froms, tos))

    for p in layout.placed:
        p.x, p.y = (moved(p.x), p.y) if along == 0 else (p.x, moved(p.y))
    for path in layout.paths:
        path.inner = [
            (moved(x), y) if along == 0 else (x, moved(y)) for x, y in path.inner
        ]
    layout.width = max(p.x + p.width / 2 for p in layout.placed)
    layout.height = max(p.y + p.height / 2 for p in layout.placed)


def border(p: Placed, toward: Point) -> Point:
    """Where a line from the middle of a mark to a point leaves the mark."""
    dx, dy = toward[0] - p.x, toward[1] - p.y
    if not dx and not dy:
        return p.x, p.y
    if p.mark.kind in ("variable", "gradient"):
        share = p.width / 2 / math.hypot(dx, dy)
    else:
        share = min(
            p.width / 2 / abs(dx) if dx else math.inf,
            p.height / 2 / abs(dy) if dy else math.inf,
        )
    return p.x + share * dx, p.y + share * dy
