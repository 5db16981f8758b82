"""What the functions of this package share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ... import dispatch, dtypes
from ...errors import warn as warn
from ...ops.families import Ints as Ints
from ...ops.families import Tensor as Tensor
from ...ops.op import Shape


def tupled(value: Any, n: int, name: str = "the argument") -> Shape:
    """A number for each of *n* dimensions; one alone stands for all."""
    if isinstance(value, (tuple, list)):
        if len(value) not in (1, n):
            raise RuntimeError(
                f"expected {name} to be one number or {n}, one for each spatial "
                f"dimension, but got {list(value)}"
            )
        return tuple(int(v) for v in value) * (n if len(value) == 1 else 1)
    return (int(value),) * n


def hashed(value: Any) -> Any:
    """An argument that can be part of a key."""
    return tuple(value) if isinstance(value, list) else value


def placed(function: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
    """The function in place: *input* takes its value."""
    # The derivative may ask for the value that is about to be overwritten.
    wanted = input.requires_grad and dispatch.recorder().grad_mode
    result: Tensor = input._assign(function(input.clone() if wanted else input, *args))
    return result


def floating(name: str, input: Tensor) -> None:
    """NotImplementedError for numbers that are not floating, as PyTorch has it."""
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"{name} is not implemented for {input.dtype.name}: use x.float()"
        )


def single(function: Callable[..., Any]) -> Callable[..., Any]:
    """Half-precision inputs go through *function* in float32 and are rounded once."""

    @functools.wraps(function)
    def call(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        floating(function.__name__.strip("_"), input)
        kind = input.dtype
        if kind.itemsize > 2:
            return function(input, *args, **kwargs)
        args = tuple(_wide(a) for a in args)
        kwargs = {k: _wide(a) for k, a in kwargs.items()}
        return function(input.to(dtypes.float32), *args, **kwargs).to(kind)

    return call


def _wide(a: Any) -> Any:
    half = getattr(a, "dtype", None) in (dtypes.float16, dtypes.bfloat16)
    return a.to(dtypes.float32) if half else a
