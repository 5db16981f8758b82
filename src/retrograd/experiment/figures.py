"""Figures of experiments: lines with their spread over seeds, paths over a surface."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

#: Colours that stay apart in print and for colour-blind eyes (Okabe and Ito 2008).
COLOURS = BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
GREY = "#888888"
STYLE = {
    "axes.prop_cycle": f"cycler(color={list(COLOURS)})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "font.size": 11,
    "axes.titlesize": 12,
    "lines.linewidth": 2,
    "figure.constrained_layout.use": True,
}
#: Points up to which each is marked.
MARKED = 40


def curves(
    axis: Any, x: Any, lines: dict[str, Any], style: str = "o-", legend: Any = "best",
    **how: Any,
) -> None:  # fmt: skip
    """Lines over *x* by name; of a line [seeds, points] the mean, with a band from the
    lowest seed to the highest. *how* is for ``axis.set``."""
    for name, values in lines.items():
        y = np.atleast_2d(np.asarray(values, float))
        shown = style if len(x) <= MARKED else style.replace("o", "")
        (line,) = axis.plot(x, y.mean(0), shown, label=name, markersize=5)
        if len(y) > 1:
            axis.fill_between(
                x, y.min(0), y.max(0), alpha=0.2, color=line.get_color(), lw=0
            )
    axis.set(**how)
    axis.legend(loc=legend, fontsize=9)


def routes(
    axis: Any,
    surface: Callable[[Any], Any],
    paths: dict[str, Any],
    across: tuple[float, float],
    up: tuple[float, float],
) -> None:
    """Paths [points, 2] by name over the contour lines of ``surface(places [2, n])``,
    between the two ends of *across* and of *up*."""
    grid = np.meshgrid(*(np.linspace(a, b, 160) for a, b in (across, up)))
    height = surface(np.stack([g.ravel() for g in grid])).reshape(160, 160)
    axis.contour(*grid, np.sqrt(height - height.min()), 14, colors=GREY, linewidths=0.5)
    for name, path in paths.items():
        label = f"{name}: {len(path) - 1} steps"
        axis.plot(*path.T, ".-", label=label, lw=1.2, markersize=5)
    axis.legend(loc="lower left", fontsize=9, frameon=True)


def confused(axis: Any, counts: Any, names: Iterable[str], **how: Any) -> None:
    """A confusion matrix, counts [true, said], with the names of the classes."""
    axis.imshow(counts, cmap="Blues")
    named = list(names)
    axis.set_xticks(range(len(named)), named, rotation=90)
    axis.set_yticks(range(len(named)), named)
    axis.set(**{"xlabel": "taken for", **how})
    axis.grid(False)


def save(draw: Callable[..., None], numbers: dict[str, Any], path: str | Path) -> bool:
    """Write ``draw(figure, **numbers)`` to a file; False, with a word, without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print("no figure: pip install 'retrograd[examples]'", file=sys.stderr)
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(9, 3.8), dpi=110)
        FigureCanvasAgg(figure)
        draw(figure, **numbers)
        figure.savefig(path)
    return True


def why_not(path: Path) -> str:
    """Why no figure could be written there, or nothing: asked before the experiment."""
    if not path.parent.is_dir():
        return f"there is no folder {str(path.parent)!r} for the figure"
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        return ""
    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        return f"{path.name!r} is no figure's name: it should end in {', '.join(sorted(known))}"
    return ""
