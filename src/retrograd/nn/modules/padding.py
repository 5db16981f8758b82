"""Borders around signals, images and volumes.

*padding* is one width for all sides, or (left, right, top, bottom, …), the last
dimension first; a negative width cuts off.
"""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from .utils import ntuple


class _Pad(Module):
    _n, _mode = 0, "constant"

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = ntuple(padding, 2 * self._n)

    def forward(self, input: Tensor) -> Any:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of *value* around the last dimension."""

    _n = 1


class ConstantPad2d(_ConstantPad):
    """A border of *value* around the last two dimensions."""

    _n = 2


class ConstantPad3d(_ConstantPad):
    """A border of *value* around the last three dimensions."""

    _n = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """A border of zeros around the last dimension."""

    _n = 1


class ZeroPad2d(_ZeroPad):
    """A border of zeros around the last two dimensions."""

    _n = 2


class ZeroPad3d(_ZeroPad):
    """A border of zeros around the last three dimensions."""

    _n = 3


class ReflectionPad1d(_Pad):
    """The last dimension mirrored at its ends, which are not repeated."""

    _n, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two dimensions mirrored at their ends, which are not repeated."""

    _n, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three dimensions mirrored at their ends, which are not repeated."""

    _n, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The ends of the last dimension repeated."""

    _n, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edges of the last two dimensions repeated."""

    _n, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The faces of the last three dimensions repeated."""

    _n, _mode = 3, "replicate"


class _CircularPad(_Pad):
    def forward(self, input: Tensor) -> Any:
        if input.ndim - self._n not in (1, 2):
            raise ValueError(
                f"expected {self._n + 1}D or {self._n + 2}D input (got {input.ndim}D "
                "input)"
            )
        return F.pad(input, self.padding, self._mode)


class CircularPad1d(_CircularPad):
    """The last dimension continued from its other end."""

    _n, _mode = 1, "circular"


class CircularPad2d(_CircularPad):
    """The last two dimensions continued from their other ends."""

    _n, _mode = 2, "circular"


class CircularPad3d(_CircularPad):
    """The last three dimensions continued from their other ends."""

    _n, _mode = 3, "circular"
