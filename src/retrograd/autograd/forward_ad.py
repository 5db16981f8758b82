"""Forward mode by dual numbers: x + ẋε, ε² = 0, go through a program together.

>>> import retrograd as rg
>>> import retrograd.autograd.forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(rg.tensor(2.0), rg.tensor(1.0))
...     fwAD.unpack_dual(x**3).tangent
tensor(12.)
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from .. import dispatch
from ..func.forward import carry, check_direction
from ..func.tracing import Trace, key_of, needed, released
from ..ops.core import Variable
from ..trace import State
from .modes import _Mode


class UnpackedDualTensor(NamedTuple):
    """A dual tensor's value, and its tangent (None: zero)."""

    primal: Any
    tangent: Any


class _Level(Trace):
    """The operations recorded since a level was entered, and the tangents so far."""

    closed = False

    def __enter__(self) -> Trace:
        self.tangents: dict[Any, Any] = {}
        return super().__enter__()


class _Open(threading.local):
    level: _Level | None = None


_open = _Open()


def enter_dual_level() -> int:
    """Begin to carry tangents; returns the number of the level."""
    if _open.level is not None:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment: use rg.func.jvp, "
            "which nests"
        )
    _open.level = _Level()
    _open.level.__enter__()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Forget the tangents. Dual tensors become plain ones."""
    if level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created"
        )
    current = _level("exit a forward AD level")
    _open.level = None
    current.tangents.clear()
    current.__exit__(None)


class dual_level(_Mode):
    """Forward mode within a ``with`` block, or in a decorated function."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def _level(what: str) -> _Level:
    if _open.level is None:
        raise RuntimeError(
            f"Trying to {what} but no level exists, make sure to enter_dual_level() first."
        )
    return _open.level


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """The dual tensor *tensor* + *tangent* · ε."""
    current = _level("create a dual Tensor for forward AD")
    check_direction(tensor, tangent, "make_dual(tensor, tangent)")
    out = dispatch.apply(Variable, tensor, tracked=False)
    current.tangents[out._key] = tangent
    return out


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """The value and the tangent of a dual tensor, both plain."""
    if _open.level is None:
        return UnpackedDualTensor(tensor, None)
    current = _open.level
    key = key_of(tensor)
    if type(key) is not State:
        return UnpackedDualTensor(tensor, None)
    current.stop()
    states = current.path()
    carry(states, current.tangents, needed(states, [key]))
    tangent = current.tangents.get(key)
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    primal = dispatch.apply(Variable, tensor, tracked=False)
    current.tangents[primal._key] = None
    return UnpackedDualTensor(primal, *released(tangent))


__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level",
           "make_dual", "unpack_dual"]  # fmt: skip
