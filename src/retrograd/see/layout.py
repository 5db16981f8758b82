"""Where the marks of a scene are drawn, and which way the links go: a layered layout,
by graphlay (MIT or Apache-2.0; wheels, no system program)."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
        label = Label(mark.label, 14, 62)
        across = max(44.0, label.width + 16)
        return label, across, across
    if mark.kind == "gap":
        label = Label(mark.label, 13)
        return label, label.width + 16, 30.0
    caption = Label(mark.caption, SMALL, 120).width if mark.caption else 0.0
    if mark.kind == "jacobian":
        label = Label(mark.label, 13, 90)
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
        graph.edge(link.source, link.target)
    labels = [Label(link.label, SMALL).width for link in scene.links if link.label]
    gap = max([26.0, *(w + 18 for w in labels)]) if across else 30.0
    found = graphlay.layout(
        graph,
        options={
            "direction": "leftright" if across else "topbottom",
            "routing": {"style": "diagonal"},
            "effort": "fast",
            "spacing": {"layer_gap": gap, "node_gap": 26.0},
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


def align(first: Layout, second: Layout, along: int) -> None:
    """Bring a graph (*first*) and its derivative graph side by side, each gradient to the
    place of its value in the direction of flow (*along*: 0 across, 1 up). Where one of
    them needs more room, the other is stretched."""
    where = {p.mark.id: p for p in first.placed}
    columns: dict[float, list[float]] = {}
    for p in second.placed:
        m = p.mark
        other = where.get(f"{m.entry}.f" if m.kind == "jacobian" else m.node)
        if other is not None:
            here, there = ((p.x, other.x), (p.y, other.y))[along]
            columns.setdefault(round(there, 1), []).append(here)
    ours: list[float] = []
    theirs: list[float] = []
    for x in sorted(columns):
        mean = sum(columns[x]) / len(columns[x])
        if not theirs or mean > theirs[-1] + 1:
            ours.append(x)
            theirs.append(mean)
    if len(ours) < 2:
        return
    common = [max(ours[0], theirs[0])]
    for i in range(1, len(ours)):
        common.append(
            common[-1] + max(ours[i] - ours[i - 1], theirs[i] - theirs[i - 1])
        )
    _stretch(first, ours, common, along)
    _stretch(second, theirs, common, along)
    low = min(_low(first, along), _low(second, along))
    for layout in (first, second):
        for p in layout.placed:
            p.x, p.y = (p.x - low, p.y) if along == 0 else (p.x, p.y - low)
        for path in layout.paths:
            path.inner = [
                (x - low, y) if along == 0 else (x, y - low) for x, y in path.inner
            ]
        layout.width = max(p.x + p.width / 2 for p in layout.placed)
        layout.height = max(
            p.y + p.height / 2 + (12 if p.mark.kind == "variable" else 0)
            for p in layout.placed
        )


def _low(layout: Layout, along: int) -> float:
    return min(
        (p.x - p.width / 2) if along == 0 else (p.y - p.height / 2)
        for p in layout.placed
    )


def _stretch(
    layout: Layout, before: list[float], after: list[float], along: int
) -> None:
    def moved(v: float) -> float:
        if v < before[0]:
            return after[0] - (before[0] - v)
        if v > before[-1]:
            return after[-1] + (v - before[-1])
        return float(np.interp(v, before, after))

    for p in layout.placed:
        p.x, p.y = (moved(p.x), p.y) if along == 0 else (p.x, moved(p.y))
    for path in layout.paths:
        path.inner = [
            (moved(x), y) if along == 0 else (x, moved(y)) for x, y in path.inner
        ]


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
