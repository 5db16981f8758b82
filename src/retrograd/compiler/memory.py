"""Places in one arena for values that live between kernels of a step.

A buffer lives from the kernel that writes it to the last that reads it; two that do not
live at once may share memory.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import Any, NamedTuple

ALIGN = 64


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
    """Offsets, and the bytes of the arena: first fit, in the order of birth."""
    offsets = [0] * len(lives)
    active: list[tuple[int, int, int]] = []  # (offset, end, last), by offset
    top = 0
    for i in sorted(range(len(lives)), key=lambda i: (lives[i].first, -lives[i].size)):
        size, first, last = lives[i]
        size = -(-size // ALIGN) * ALIGN
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
