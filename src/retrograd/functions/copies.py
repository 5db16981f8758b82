"""Views under the names that give them memory of their own: ``view_copy`` and such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..refusals import explained
from ..trace import is_tensor
from .out import write

NAMES = frozenset(
    """
    alias as_strided detach diagonal expand narrow permute select slice split
    split_with_sizes squeeze t transpose unbind unfold unsqueeze view
    """.split()
)


def _sliced(
    input: Any, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Any:  # fmt: skip
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)]


def _view(name: str) -> Callable[..., Any]:
    if name == "alias":
        return lambda input: input.view_as(input)

    def method(input: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "slice":
            return _sliced(input, *args, **kwargs)
        return getattr(input, name)(*args, **kwargs)

    return method


def copying(name: str) -> Callable[..., Any]:
    """The function of that name, which ends with _copy."""
    view = _view(name.removesuffix("_copy"))

    def function(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        made = view(input, *args, **kwargs)
        if not is_tensor(made):
            parts = tuple(part.clone() for part in made)
            if out is None:
                return parts
            if not isinstance(out, (tuple, list)):
                raise TypeError(
                    f"{name}(): argument 'out' must be tuple of Tensors, not "
                    f"{type(out).__name__}"
                )
            if len(out) != len(parts):
                raise RuntimeError(
                    f"{name}(): out has {len(out)} tensors for {len(parts)} results"
                )
            return tuple(write(o, p, name) for o, p in zip(out, parts, strict=True))
        copy: Any = made.clone()
        return copy if out is None else write(out, copy, name)

    function.__name__ = name
    function.__doc__ = f"As ``{name.removesuffix('_copy')}``, in memory of its own."
    return explained(function)
