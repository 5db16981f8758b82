"""PyTorch's profiler by name. Operations wait and are run together, so the time of one
of them is nowhere to be taken; ``rg.plans`` shows the times of compiled kernels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class record_function:
    """A label for a stretch of a program; nothing is measured.

    Lines and modules are known without it: ``rg.graph`` shows them.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return inside


class _LeftOut:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"autograd.profiler.{type(self).__name__}: operations are run together, not "
            "one by one; rg.plans explains what was run and how long its kernels took, "
            "and Python's own profilers show the rest"
        )


class profile(_LeftOut):
    """Left out; see ``rg.plans``."""


class emit_nvtx(_LeftOut):
    """Left out: marks for a GPU's profiler."""


class emit_itt(_LeftOut):
    """Left out: marks for another vendor's profiler."""


__all__ = ["emit_itt", "emit_nvtx", "profile", "record_function"]
