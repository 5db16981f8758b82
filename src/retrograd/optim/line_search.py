"""A step length that fulfils the strong Wolfe conditions.

On φ(t) = f(x + td): the decrease is enough, φ(t) ≤ φ(0) + c₁tφ′(0), and the slope has
become flat, |φ′(t)| ≤ c₂|φ′(0)|. Bracket, then zoom, with cubic interpolation:
Nocedal and Wright, Numerical optimization, 2nd edition, algorithms 3.5 and 3.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Point(NamedTuple):
    """φ at one step length: the length, f, its gradient, and the slope φ′."""

    t: Any
    f: Any
    gradient: Any
    slope: Any


def cubic_minimum(a: Point, b: Point, low: Any, high: Any) -> Any:
    """Where the cubic through two points with these slopes is least, in [low, high]."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = np.sqrt(square)
    share = (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
    return min(max(b.t - (b.t - a.t) * share, low), high)


class Search:
    """One line search: *evaluate* gives the point at a step length."""

    def __init__(
        self,
        evaluate: Callable[[Any], Point],
        start: Point,
        most: int,
        c1: float = 1e-4,
        c2: float = 0.9,
    ) -> None:
        self.evaluate, self.start, self.most = evaluate, start, most
        self.c1, self.c2 = c1, c2
        self.evaluations = 0
        self.rounds = 0

    def at(self, t: Any) -> Point:
        self.evaluations += 1
        return self.evaluate(t)

    def too_high(self, p: Point) -> bool:
        """Not the decrease that the first slope promises."""
        return bool(p.f > self.start.f + self.c1 * p.t * self.start.slope)

    def flat(self, p: Point) -> bool:
        return bool(abs(p.slope) <= -self.c2 * self.start.slope)

    def bracket(self, t: Any) -> tuple[Point, Point | None]:
        """Two points with a good one between them; or one that is good, and None."""
        before, here = self.start, self.at(t)
        while self.rounds < self.most:
            risen = self.rounds > 1 and here.f >= before.f
            if self.too_high(here) or risen:
                return before, here
            if self.flat(here):
                return here, None
            if here.slope >= 0:
                return before, here
            least = here.t + 0.01 * (here.t - before.t)
            t = cubic_minimum(before, here, least, here.t * 10)
            before, here = here, self.at(t)
            self.rounds += 1
        return self.start, here

    def run(self, t: Any, length: float, tolerance: float) -> Point:
        """The step, starting from the guess *t*; *length* is that of the direction."""
        first, second = self.bracket(t)
        if second is None:
            return first
        ends = [first, second]
        low = 0 if first.f <= second.f else 1
        stalled = False
        while self.rounds < self.most:
            left, right = sorted((ends[0].t, ends[1].t))
            if (right - left) * length < tolerance:
                break
            t = cubic_minimum(ends[0], ends[1], left, right)
            margin = 0.1 * (right - left)
            close = min(right - t, t - left) < margin
            if close and (stalled or t >= right or t <= left):
                # The second guess at an end in a row: step away from it.
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                close = False
            stalled = close
            p = self.at(t)
            self.rounds += 1
            high = 1 - low
            if self.too_high(p) or p.f >= ends[low].f:
                ends[high] = p
                low = 0 if ends[0].f <= ends[1].f else 1
                continue
            flat = self.flat(p)
            if not flat and p.slope * (ends[high].t - ends[low].t) >= 0:
                ends[high] = ends[low]
            ends[low] = p
            if flat:
                break
        return ends[low]
