"""``out=``: the result written into a tensor that is there already."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import errors
from ..trace import Handle


def write(out: Any, value: Any, name: str) -> Any:
    """*value* in *out*, as PyTorch has it: refused where gradients are wanted or the
    type is of a lower kind; a tensor of another shape takes the new one."""
    if not isinstance(out, Handle):
        raise TypeError(
            f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}"
        )
    target: Any = out
    if target.requires_grad or value.requires_grad:
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad\n"
            f"  at {errors.user_line()}"
        )
    if value.dtype.category > target.dtype.category:
        raise RuntimeError(
            f"result type {value.dtype.name} can't be cast to the desired output type "
            f"{target.dtype.name}\n  at {errors.user_line()}"
        )
    if target.shape != value.shape:
        target.data = value.detach().to(target.dtype).clone()
        return target
    return target._assign(value)


def with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that makes one tensor, or several, PyTorch's ``out=``."""
    name = function.__name__

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        value = function(*args, **kwargs)
        if not isinstance(value, tuple):
            return write(out, value, name)
        if not isinstance(out, (tuple, list)) or len(out) != len(value):
            raise TypeError(f"{name}(): out must be a tuple of {len(value)} tensors")
        pairs = [write(o, v, name) for o, v in zip(out, value, strict=True)]
        return type(value)(*pairs) if hasattr(value, "_fields") else tuple(pairs)

    return call


def maker(function: Callable[..., Any]) -> Callable[..., Any]:
    """As :func:`with_out`, for a function that has a *dtype*: that of *out* counts."""
    filled = with_out(function)

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        if kwargs.get("dtype") is None and isinstance(out, Handle):
            kwargs["dtype"] = out.dtype  # type: ignore[attr-defined]
        return filled(*args, out=out, **kwargs)

    return call


__all__ = ["maker", "with_out", "write"]
