"""Which model an optimizer trains."""

from __future__ import annotations

import gc
from typing import Any


def model_of(parameters: set[int]) -> Any:
    """The outermost module with most of the parameters (by identity), or None. No frame
    need hold it: a trainer may."""
    from ...nn import Module

    best: tuple[int, int, Any] = (0, 0, None)
    for x in gc.get_objects():
        if issubclass(type(x), Module):  # isinstance would ask strangers who they are
            own = [id(p) for p in x.parameters()]
            score = (len(parameters.intersection(own)), -len(own))
            if score[0] and score > best[:2]:
                best = (*score, x)
    return best[2]
