"""Python's collector, paused. A graph of many thousand operations is millions of objects
of which none is garbage; looking at them again and again takes as long as the work."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def paused(work: Callable[P, T]) -> Callable[P, T]:
    """*work* without collections meanwhile."""

    @wraps(work)
    def run(*args: P.args, **options: P.kwargs) -> T:
        was = gc.isenabled()
        gc.disable()
        try:
            return work(*args, **options)
        finally:
            if was:
                gc.enable()

    return run
