"""Gradients of the parts of a tensor, joined.

A tensor that is cut along one dimension (steps of a sequence, the gates of a cell,
queries, keys and values) gets a gradient from each part. Written into zeros and added,
n parts would move n times the whole; put one after another they move it once.
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

from . import dispatch
from .dispatch import apply
from .ops.op import REGISTRY, Spec


class Part(NamedTuple):
    """The gradient *g* of ``a[…, start:stop, …]``, in the shape of that part; *of* is
    the slice that it is the derivative of."""

    dim: int
    start: int
    stop: int
    g: Any
    of: Any


def part_of(state: Any, g: Any) -> Part | None:
    """*g* as the gradient of a part, if the slice *state* takes a range of at most one
    dimension and all of the others."""
    spec: Spec = state.inputs[0].spec
    index = state.attrs["index"]
    if not spec.shape or g.dtype is not spec.dtype:
        return None
    dim, found = 0, (0, 0, spec.shape[0])
    for piece in index:
        if piece[0] == "n":
            continue
        n = spec.shape[dim]
        if piece[0] == "i":
            start, stop, step = piece[1], piece[1] + 1, 1
        else:
            _, start, stop, step = piece
        if step != 1:
            return None
        if stop - start != n:
            if found != (0, 0, spec.shape[0]):
                return None
            found = (dim, start, stop)
        dim += 1
    dim, start, stop = found
    shape = (*spec.shape[:dim], stop - start, *spec.shape[dim + 1 :])
    if g.shape != shape:
        g = apply(REGISTRY["reshape"], g, shape=shape)
    return Part(dim, start, stop, g, state)


class Parts:
    """The gradients that wait for one tensor: some of parts, and a sum of others."""

    __slots__ = ("spec", "parts", "rest")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.parts: dict[tuple[int, int, int], Part] = {}
        self.rest: Any = None

    def add(self, g: Any) -> None:
        if type(g) is not Part:
            self.rest = g if self.rest is None else self.rest + g
            return
        old = self.parts.get(g[:3])
        self.parts[g[:3]] = g if old is None else g._replace(g=old.g + g.g)

    def total(self) -> Any:
        """The sum of everything, as one tensor."""
        rows: list[list[Part]] = []  # parts of one dimension, none over another
        free: dict[int, list[tuple[int, int]]] = {}  # dimension → (end, row), a heap
        for (dim, start, stop), part in sorted(self.parts.items()):
            ends = free.setdefault(dim, [])
            if ends and ends[0][0] <= start:
                k = ends[0][1]
                heapq.heapreplace(ends, (stop, k))
            else:
                k = len(rows)
                rows.append([])
                heapq.heappush(ends, (stop, k))
            rows[k].append(part)
        rec = dispatch.recorder()
        outer = rec.of
        total = self.rest
        try:
            for row in rows:
                rec.of = row[-1].of
                g = self._joined(row)
                total = g if total is None else total + g
        finally:
            rec.of = outer
        return total

    def _joined(self, row: list[Part]) -> Any:
        """One part after another, zeros where none is."""
        dim, shape = row[0].dim, self.spec.shape
        n = shape[dim]
        if len(row) == 1:
            (part,) = row
            if part.stop - part.start == n:
                return part.g
            pad = [(0, 0)] * len(shape)
            pad[dim] = (part.start, n - part.stop)
            return apply(REGISTRY["pad"], part.g, pad=tuple(pad), value=0.0)
        pieces: list[Any] = []
        at = 0
        for part in row:
            if part.start > at:
                pieces.append(self._zeros(dim, part.start - at))
            if part.stop > part.start:
                pieces.append(part.g)
            at = part.stop
        if at < n:
            pieces.append(self._zeros(dim, n - at))
        return apply(REGISTRY["cat"], *pieces, dim=dim)

    def _zeros(self, dim: int, n: int) -> Any:
        shape = self.spec.shape
        spec = Spec((*shape[:dim], n, *shape[dim + 1 :]), self.spec.dtype)
        return apply(REGISTRY["zeros"], spec=spec)


def both(old: Any, new: Any, spec: Spec) -> Any:
    """Two gradients of one tensor (*old* may be none yet): a tensor, or Parts."""
    if type(new) is not Part and type(old) is not Parts:
        return new if old is None else old + new
    if type(old) is not Parts:
        first, old = old, Parts(spec)
        old.rest = first
    old.add(new)
    return old


def whole(g: Any) -> Any:
    """A gradient that waited, as a tensor."""
    return g.total() if type(g) is Parts else g
