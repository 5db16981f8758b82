"""Formulas of several operations on numbers of 16 bits: computed in float32 and rounded
once, as a single operation is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..trace import Handle, is_tensor, spec_of

_NARROW = (dtypes.float16, dtypes.bfloat16)


def once_rounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a formula compute in float32 where all floating operands have 16 bits."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        kinds = {spec_of(x).dtype for x in args if isinstance(x, Handle)}
        floating = {k for k in kinds if k.is_floating_point}
        if len(floating) != 1 or not floating <= {*_NARROW}:
            return function(*args, **kwargs)
        (kind,) = floating
        wide = [
            x.float() if is_tensor(x) and spec_of(x).dtype is kind else x for x in args
        ]
        return function(*wide, **kwargs).to(kind)

    return call


__all__ = ["once_rounded"]
