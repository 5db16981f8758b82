"""Formulas of several operations on numbers of 16 bits: computed in float32 and rounded
once, as a single operation is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..dispatch import recorder, set_autocast
from ..trace import Handle, is_tensor, spec_of

_NARROW = (dtypes.float16, dtypes.bfloat16)


def once_rounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a formula compute in float32 where all floating operands have 16 bits."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        kinds = {spec_of(x).dtype for x in given if isinstance(x, Handle)}
        floating = {k for k in kinds if k.is_floating_point}
        if len(floating) != 1 or not floating <= {*_NARROW}:
            return function(*args, **kwargs)
        (kind,) = floating

        def wide(x: Any) -> Any:
            return x.float() if is_tensor(x) and spec_of(x).dtype is kind else x

        words = {word: wide(x) for word, x in kwargs.items()}
        return as_it_is(function, *map(wide, args), **words).to(kind)

    return call


def as_it_is(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The function in the types of its operands, within a block of autocast too."""
    narrow = recorder().autocast
    if narrow is None:
        return function(*args, **kwargs)
    set_autocast(None)
    try:
        return function(*args, **kwargs)
    finally:
        set_autocast(narrow)


__all__ = ["as_it_is", "once_rounded"]
