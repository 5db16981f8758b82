"""Number types: names, NumPy equivalents and the rules that mix them.

Promotion follows PyTorch: the category order is bool < integer < floating; inside a
category the wider type wins; a zero-dimensional tensor or a Python number only decides
the result when its category is higher than that of every tensor with dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

BOOL, INTEGRAL, FLOATING = 0, 1, 2


class dtype:
    """One number type. Instances are unique: compare them with ``is`` or ``==``.

    The short names (``rg.float``, ``rg.int``, ``rg.bool``, …) are given in the package's
    ``__init__``, so that here they keep their Python meaning.
    """

    __slots__ = ("name", "_np", "itemsize", "category", "is_signed", "__weakref__")

    def __init__(self, name: str, itemsize: int, category: int, signed: bool) -> None:
        self.name, self.itemsize, self.category = name, itemsize, category
        self.is_signed = signed
        self._np: np.dtype[Any] | None = None if name == "bfloat16" else np.dtype(name)

    @property
    def np(self) -> np.dtype[Any]:
        """The NumPy equivalent. bfloat16 is ml_dtypes' and needs that package."""
        if self._np is None:
            try:
                import ml_dtypes
            except ImportError:
                raise ImportError(
                    "bfloat16 needs the package ml_dtypes: pip install ml_dtypes"
                ) from None
            self._np = np.dtype(ml_dtypes.bfloat16)
            _FROM_NUMPY[self._np] = self
        return self._np

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOATING

    @property
    def is_complex(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"retrograd.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _by_name, (self.name,)

    @property
    def short(self) -> str:
        """The name in printed graphs: f32, i64, bool, …"""
        if self.name == "bool":
            return "bool"
        if self.name == "bfloat16":
            return "bf16"
        return self.name[0] + str(self.itemsize * 8)


float64 = dtype("float64", 8, FLOATING, True)
float32 = dtype("float32", 4, FLOATING, True)
float16 = dtype("float16", 2, FLOATING, True)
bfloat16 = dtype("bfloat16", 2, FLOATING, True)
int64 = dtype("int64", 8, INTEGRAL, True)
int32 = dtype("int32", 4, INTEGRAL, True)
int16 = dtype("int16", 2, INTEGRAL, True)
int8 = dtype("int8", 1, INTEGRAL, True)
uint8 = dtype("uint8", 1, INTEGRAL, False)
bool_ = dtype("bool", 1, BOOL, False)

ALL = (float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool_)
_NAMES = {d.name: d for d in ALL}
_FROM_NUMPY: dict[np.dtype[Any], dtype] = {d._np: d for d in ALL if d._np is not None}
_default = float32


def _by_name(name: str) -> dtype:
    return _NAMES[name]


def get_default_dtype() -> dtype:
    """The floating type that Python floats become: float32 unless it was changed."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Make *d* the type of tensors made from Python floats (a floating type)."""
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types can be the default, not {d!r}")
    _default = d


def from_numpy_dtype(d: np.dtype[Any]) -> dtype:
    """The type of an array's elements; TypeError where there is no counterpart."""
    found = _FROM_NUMPY.get(d)
    if found is None:
        if d.name == "bfloat16":
            return _by_name("bfloat16") if bfloat16.np == d else bfloat16
        native = d.newbyteorder("=")
        if native in _FROM_NUMPY:
            return _FROM_NUMPY[native]
        names = ", ".join(_NAMES)
        raise TypeError(f"no tensor type for NumPy's {d}; there are {names}")
    return found


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of one type may be written to a tensor of another: not of
    floating numbers to integers, nor of any but truth values to truth values."""
    return to.category >= from_.category


#: what Python's own types stand for
_PYTHON = {float: float64, int: int64, bool: bool_}


def is_type(d: Any) -> bool:
    """Whether *d* is a number type, or one of Python's that stands for one."""
    return isinstance(d, dtype) or d is float or d is int or d is bool


def as_dtype(d: Any) -> dtype:
    """A dtype, or that of Python's float, int or bool; TypeError for anything else."""
    if isinstance(d, dtype):
        return d
    if is_type(d):
        return _PYTHON[d]
    name = d if isinstance(d, str) else getattr(d, "__name__", getattr(d, "name", ""))
    mend = f": use rg.{name}" if name in _NAMES else ""
    raise TypeError(
        f"argument 'dtype' must be a number type such as rg.float32, not "
        f"{type(d).__name__} {d!r}{mend}"
    )


def of_scalar(value: Any) -> dtype:
    """The type that a Python number takes when it stands alone."""
    if value is True or value is False:
        return bool_
    if isinstance(value, int):
        return int64
    return _default


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest type that both fit in, as ``torch.promote_types``."""
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.category == FLOATING:
        if a.itemsize == b.itemsize:  # float16 with bfloat16
            return float32
        return a if a.itemsize > b.itemsize else b
    if a.is_signed == b.is_signed:
        return a if a.itemsize > b.itemsize else b
    signed = a if a.is_signed else b
    return int16 if signed.itemsize == 1 else signed  # uint8 with int8 needs 16 bits


def result_type_of(operands: Iterable[tuple[dtype, int]]) -> dtype:
    """Promote operands given as (dtype, rank): rank 2 has dimensions, 1 is a
    zero-dimensional tensor, 0 a Python number."""
    best: list[dtype | None] = [None, None, None]
    for d, rank in operands:
        known = best[rank]
        best[rank] = d if known is None else promote_types(known, d)
    result = best[2]
    for lower in (best[1], best[0]):
        if lower is None:
            continue
        if result is None:
            result = lower
        elif lower.category > result.category:
            # A Python float meets integers: the default floating type.
            result = lower
    assert result is not None
    return result


class finfo:
    """Limits of a floating type: eps, max, min, tiny, smallest_normal, bits."""

    def __init__(self, d: dtype | None = None) -> None:
        d = d or _default
        if not d.is_floating_point:
            raise TypeError(f"finfo is for floating types, not {d!r}; use iinfo")
        if d is bfloat16:
            import ml_dtypes

            info: Any = ml_dtypes.finfo(d.np)
        else:
            limits: Any = np.finfo
            info = limits(d.np)
        self.dtype, self.bits = d.name, d.itemsize * 8
        self.eps, self.max = float(info.eps), float(info.max)
        self.min, self.tiny = float(info.min), float(info.tiny)
        self.smallest_normal, self.resolution = self.tiny, float(info.resolution)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        limits = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({limits}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer type: max, min, bits."""

    def __init__(self, d: dtype) -> None:
        if d.category != INTEGRAL:
            raise TypeError(f"iinfo is for integer types, not {d!r}; use finfo")
        info = np.iinfo(d.np)
        self.dtype, self.bits = d.name, d.itemsize * 8
        self.max, self.min = info.max, info.min

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
