"""Places in one arena for values that live between kernels of a step.

A buffer lives from the kernel that writes it to the last that reads it; two that do not
live at once may share memory.
"""

from __future__ import annotations

import bisect
import ctypes
import functools
import itertools
import sys
from typing import Any, NamedTuple

ALIGN = 64
#: buffers above which only one order is tried: the other takes time
_MANY = 500


class Life(NamedTuple):
    size: int
    first: int
    last: int


@functools.cache
def _trim() -> Any:
    """glibc's malloc_trim; something else where there is none."""
    if not sys.platform.startswith("linux"):
        return int
    return getattr(ctypes.CDLL(None), "malloc_trim", int)


def give_back() -> None:
    """Return to the system what was freed: the allocator keeps pages between values
    that are in use, and the arena would come on top of them."""
    _trim()(0)


def arrange(lives: list[Life]) -> tuple[list[int], int]:
    """Offsets, and the bytes of the arena: the best of two orders in which each buffer
    takes the first gap that fits, by birth or by size."""
    by_birth = _in_time(lives)
    least = least_size(lives)
    if by_birth[1] <= least or len(lives) > _MANY:
        return by_birth
    by_size = _largest_first(lives)
    return min(by_size, by_birth, key=lambda found: found[1])


def _rounded(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def least_size(lives: list[Life]) -> int:
    """The bytes that live at once, at most: no arena can be smaller."""
    change: dict[int, int] = {}
    for size, first, last in lives:
        change[first] = change.get(first, 0) + _rounded(size)
        change[last + 1] = change.get(last + 1, 0) - _rounded(size)
    return max(itertools.accumulate(change[t] for t in sorted(change)), default=0)


def _in_time(lives: list[Life]) -> tuple[list[int], int]:
    offsets = [0] * len(lives)
    active: list[tuple[int, int, int]] = []  # (offset, end, last), by offset
    top = 0
    for i in sorted(range(len(lives)), key=lambda i: (lives[i].first, -lives[i].size)):
        size, first, last = lives[i]
        size = _rounded(size)
        active = [a for a in active if a[2] >= first]
        at = 0
        place = len(active)
        for k, (begin, end, _) in enumerate(active):
            if begin - at >= size:
                place = k
                break
            at = max(at, end)
        active.insert(place, (at, at + size, last))
        active.sort()
        offsets[i] = at
        top = max(top, at + size)
    return offsets, top


def _largest_first(lives: list[Life]) -> tuple[list[int], int]:
    offsets = [0] * len(lives)
    placed: list[
        tuple[int, int, int, int]
    ] = []  # (offset, end, first, last), by offset
    top = 0
    for i in sorted(range(len(lives)), key=lambda i: (-lives[i].size, lives[i].first)):
        size, first, last = lives[i]
        size = _rounded(size)
        at = 0
        for begin, end, born, died in placed:
            if born > last or died < first:
                continue
            if begin - at >= size:
                break
            at = max(at, end)
        bisect.insort(placed, (at, at + size, first, last))
        offsets[i] = at
        top = max(top, at + size)
    return offsets, top
