"""What an experiment tells: remarks, tables, and whether each claim holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ..functions.generator import manual_seed

T = TypeVar("T")


class Report:
    """Prints what is found, and keeps the verdicts: {claim: whether it holds}.

    A *quiet* one prints nothing, for tests.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.verdicts: dict[str, bool] = {}

    def say(self, text: str = "") -> None:
        if not self.quiet:
            print(text, flush=True)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Columns as wide as they need, the first to the left, the others to the right.

        >>> Report().table(["rate", "steps"], [("small", 12000.0), ("best", 0.04)])
        rate    steps
        -----  ------
        small  12,000
        best     0.04
        <BLANKLINE>
        """
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
        """Say what was claimed, what was measured, and whether the one bears the other.

        Raises ValueError for a claim that was judged before: the second verdict would
        hide the first.
        """
        if claim in self.verdicts:
            raise ValueError(
                f"this claim was judged before: {claim!r}; say it otherwise"
            )
        self.verdicts[claim] = bool(holds)
        self.say(f"{'Holds' if holds else 'DOES NOT HOLD'}: {claim}")
        self.say(f"    measured: {measured}")

    def seeds(self, first: int, count: int) -> Iterator[int]:
        """*count* seeds from *first*, each set before it is given."""
        for seed in self.progress(range(first, first + count), "seeds"):
            manual_seed(seed)
            yield seed

    def progress(self, items: Iterable[T], what: str) -> Iterator[T]:
        """The items, with a bar on standard error where that is a terminal."""
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


def spread(values: Iterable[float], digits: int = 1, unit: str = "") -> str:
    """Mean ± sample deviation of what several seeds gave, and their number.

    >>> spread([97.0, 98.0, 99.0], unit="%")
    '98.0 ± 1.0 % (3 seeds)'
    >>> spread([412], digits=0)
    '412 (1 seed)'
    """
    found = np.asarray(list(values), float)
    if not found.size:
        raise ValueError("nothing to take the mean of: no seed gave a value")
    text = f"{found.mean():.{digits}f}"
    if len(found) > 1:
        text += f" ± {found.std(ddof=1):.{digits}f}"
    seeds = "1 seed" if len(found) == 1 else f"{len(found)} seeds"
    return f"{text} {unit}".rstrip() + f" ({seeds})"


def clearly_above(values: Iterable[float], bound: float = 0.0) -> bool:
    """Whether the mean of what several seeds gave is above a bound by more than two standard
    errors, x̄ − b > 2s/√n.

    >>> clearly_above([5.0, 6.0, 7.0]), clearly_above([5.0, 6.0, 7.0], 5.0)
    (True, False)
    """
    found = np.asarray(list(values), float)
    if len(found) < 2:
        raise ValueError(f"the spread needs two seeds or more, got {len(found)}")
    return bool(found.mean() - bound > 2 * found.std(ddof=1) / len(found) ** 0.5)
