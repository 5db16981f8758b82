"""The automatic mode: each ``backward()`` is looked through for NaN and infinity."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from .. import backward as _reverse

_plain = _reverse.backward
_on = False


def check_finite(tensors: Sequence[Any], gradients: Sequence[Any]) -> None:
    """RuntimeError where a NaN or infinity is made, backward from *tensors*."""
    from ..see.nonfinite import find_nonfinite

    for tensor, gradient in zip(tensors, gradients, strict=True):
        found = find_nonfinite(tensor, gradient)
        if found is not None:
            raise RuntimeError(str(found))


def _checked(
    tensor: Any, gradient: Any, retain_graph: bool | None, create_graph: bool
) -> None:
    check_finite([tensor], [gradient])
    _plain(tensor, gradient, retain_graph, create_graph)


def is_anomaly_enabled() -> bool:
    """Whether each ``backward()`` is looked through."""
    return _on


def _switch(mode: bool) -> None:
    # Swapped rather than asked for in each backward: it costs nothing when it is off.
    global _on
    _on = bool(mode)
    _reverse.backward = _checked if _on else _plain


class set_detect_anomaly:
    """Look each ``backward()`` through for NaN and infinity, or stop doing so; also a
    context manager."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _on
        _switch(mode and check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _switch(self._before)


class detect_anomaly(set_detect_anomaly):
    """While it lasts, ``backward()`` raises RuntimeError at the first operation that
    makes a NaN or infinity, and says which, of what, and where in your program (see
    :func:`retrograd.find_nonfinite`). For debugging: every value is computed once more.

    >>> import retrograd as rg
    >>> x = rg.tensor([0.0, 1.0], requires_grad=True)
    >>> with rg.autograd.detect_anomaly():
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
        ...
    RuntimeError: The first ∞ is made in the backward pass, by div in the derivative of sqrt, ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
