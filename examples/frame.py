"""The common frame of the examples: arguments, seeds, tables, verdicts and figures.

A program defines ``run(report, seed, quick)``, which does the experiment, hands the
report what it found and returns its numbers, and ``draw(figure, **numbers)``, which draws
them. It ends in ``main(run, draw)``. The tests call ``run`` and look at the numbers.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import retrograd as rg

Run = Callable[..., dict[str, Any]]
Draw = Callable[..., None]

#: Colours that stay apart in print and for colour-blind eyes (Okabe and Ito 2008).
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#888888",
)  # fmt: skip
STYLE = {
    "axes.prop_cycle": f"cycler(color={[BLUE, ORANGE, GREEN, RED, PURPLE, SKY]})",
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


class Report:
    """What a program tells: remarks, tables, and whether each claim holds."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.verdicts: dict[str, bool] = {}

    def say(self, text: str = "") -> None:
        if not self.quiet:
            print(text, flush=True)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Columns as wide as they need, words to the left and numbers to the right."""
        cells = [list(map(str, head)), *([_cell(c) for c in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for i, row in enumerate(cells):
            first, *rest = zip(row, widths, strict=True)
            line = [first[0].ljust(first[1]), *(c.rjust(w) for c, w in rest)]
            self.say("  ".join(line).rstrip())
            if i == 0:
                self.say("  ".join("-" * w for w in widths))
        self.say()

    def verdict(self, claim: str, holds: bool, measured: str) -> None:
        """Say what was claimed, what was measured, and whether the one bears the other."""
        self.verdicts[claim] = bool(holds)
        self.say(f"{'Holds' if holds else 'DOES NOT HOLD'}: {claim}")
        self.say(f"    measured: {measured}")

    def seeds(self, first: int, count: int) -> Iterator[int]:
        """*count* seeds from *first*, each set before it is given."""
        for seed in self.progress(range(first, first + count), "seeds"):
            rg.manual_seed(seed)
            yield seed

    def progress(self, items: Iterable[Any], what: str) -> Iterator[Any]:
        """The items, with a bar on a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield from items
            return
        from rich.console import Console
        from rich.progress import track

        yield from track(list(items), what, console=Console(stderr=True))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def spread(values: Iterable[float], digits: int = 1) -> str:
    """Mean ± sample deviation of what several seeds gave, and their number."""
    found = np.asarray(list(values), float)
    if len(found) == 1:
        return f"{found[0]:.{digits}f} (1 seed)"
    deviation = found.std(ddof=1)
    return f"{found.mean():.{digits}f} ± {deviation:.{digits}f} ({len(found)} seeds)"


def digits(held: int = 5) -> tuple[Any, Any, Any, Any]:
    """The digits as rows of 64 numbers from −1 to 1, and a random one in *held* apart:
    (inputs, labels, held inputs, held labels). The split is always the same."""
    images, labels = rg.datasets.digits()
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = images.numpy().reshape(-1, 64)[order] / 8 - 1, labels.numpy()[order]
    apart = len(y) // held
    parts = x[apart:], y[apart:], x[:apart], y[:apart]
    return tuple(rg.from_numpy(np.ascontiguousarray(a)) for a in parts)  # type: ignore


def right(scores: Any, labels: Any) -> float:
    """The share of rows whose largest score is at the label."""
    return float((scores.argmax(1) == labels).float().mean().item())


def curves(
    axis: Any, x: Any, lines: dict[str, Any], style: str = "o-", legend: str = "best",
    **how: Any,
) -> None:  # fmt: skip
    """Lines over *x* by name; of a line [seeds, points] the mean, with a band from the
    lowest to the highest. *how* is for ``axis.set``."""
    few = len(x) <= 40
    for name, values in lines.items():
        y = np.atleast_2d(np.asarray(values, float))
        shown = style if few else style.replace("o", "")
        (line,) = axis.plot(x, y.mean(0), shown, label=name, markersize=5)
        if len(y) > 1:
            axis.fill_between(
                x, y.min(0), y.max(0), alpha=0.2, color=line.get_color(), lw=0
            )
    axis.set(**how)
    axis.legend(loc=legend, fontsize=9)


def walk(optimizer: Any, w: Any, loss: Any, done: Any, most: int) -> Any:
    """The places [steps + 1, …] of w from its start until ``done(place)``, or for *most*
    steps of the optimizer on ``loss(step)``."""
    path = [w.detach().numpy().copy()]
    for step in range(most):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
        path.append(w.detach().numpy().copy())
        if done(path[-1]):
            break
    return np.array(path)


def routes(
    axis: Any, surface: Any, paths: dict[str, Any], across: Any, up: Any
) -> None:
    """Paths over the contour lines of ``surface(places [2, n])``."""
    grid = np.meshgrid(np.linspace(*across, 160), np.linspace(*up, 160))
    height = surface(np.stack([g.ravel() for g in grid])).reshape(160, 160)
    axis.contour(*grid, np.sqrt(height - height.min()), 14, colors=GREY, linewidths=0.5)
    for name, path in paths.items():
        label = f"{name}: {len(path) - 1} steps"
        axis.plot(*path.T, ".-", label=label, lw=1.2, markersize=5)
    axis.legend(loc="lower left", fontsize=9, frameon=True)


def main(run: Run, draw: Draw | None = None) -> None:
    """Run the program in whose file *run* is written, as its command line says."""
    source = Path(inspect.getfile(run))
    about = inspect.getdoc(inspect.getmodule(run)) or source.stem
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="the short form of the tests"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of everything drawn at random"
    )
    parser.add_argument("--figure", default=f"{source.stem}.png", metavar="PATH",
                        help="where the figure goes (%(default)s); '' for none")  # fmt: skip
    chosen = parser.parse_args()
    report, began = Report(), time.perf_counter()
    report.say(about + "\n")
    rg.manual_seed(chosen.seed)
    numbers = run(report, seed=chosen.seed, quick=chosen.quick)
    if draw is not None and chosen.figure and save(draw, numbers, chosen.figure):
        report.say(f"\nfigure: {chosen.figure}")
    taken, busy = time.perf_counter() - began, time.process_time()
    print(f"{taken:.1f} s, {busy:.1f} s of processor time", file=sys.stderr)


def save(draw: Draw, numbers: dict[str, Any], path: str | Path) -> bool:
    """Draw the numbers into a picture file; False, with a word, without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        print("no figure: pip install 'retrograd[examples]'", file=sys.stderr)
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8), dpi=110)
        FigureCanvasAgg(figure)
        draw(figure, **numbers)
        figure.savefig(path)
    return True
