"""The command line of an experiment's program."""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..functions.generator import manual_seed
from .figures import save, why_not
from .report import Report


def main(
    run: Callable[..., dict[str, Any]],
    draw: Callable[..., None] | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Run the program in whose file *run* is written, as its command line says.

    Prints the file's opening text and what ``run(report, seed=…, quick=…)`` reports, writes
    what ``draw(figure, **numbers)`` draws to NAME.png in the current folder, or where
    ``--figure PATH`` says, and how long it took to standard error. *arguments* are those of
    the command line unless given.
    """
    source = Path(inspect.getfile(run))
    about = inspect.getdoc(inspect.getmodule(run)) or source.stem
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="the short form, as the tests run it"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the first one (%(default)s)"
    )
    if draw is not None:
        parser.add_argument("--figure", default=f"{source.stem}.png", metavar="PATH",
                            help="where the figure goes (%(default)s); '' for none")  # fmt: skip
    chosen = parser.parse_args(arguments)
    if chosen.seed < 0:
        parser.error(f"argument --seed: {chosen.seed} is negative")
    figure = getattr(chosen, "figure", "")
    if figure and (problem := why_not(Path(figure))):
        parser.error(f"argument --figure: {problem}")
    report, began = Report(), time.perf_counter()
    report.say(about + "\n")
    manual_seed(chosen.seed)
    numbers = run(report, seed=chosen.seed, quick=chosen.quick)
    if draw is not None and figure and save(draw, numbers, figure):
        report.say(f"\nfigure: {figure}")
    taken, busy = time.perf_counter() - began, time.process_time()
    print(f"{taken:.1f} s, {busy:.1f} s of processor time", file=sys.stderr)
