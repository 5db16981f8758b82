"""Types, element-wise functions and creation of the array API standard."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes, functions
from ..dispatch import constant
from ..dtypes import (
    int64,
)
from ..tensor import device as _device
from ..trace import Handle, is_tensor

e, inf, nan, pi = np.e, np.inf, np.nan, np.pi
newaxis = None

F: Any = functions
Array = Any
Axis = int | tuple[int, ...] | None


# -- types ----------------------------------------------------------------------------


def _kind(x: Any) -> dtypes.dtype:
    return x.dtype if is_tensor(x) else x  # type: ignore[no-any-return]


def result_type(*arrays_and_dtypes: Any) -> dtypes.dtype:
    """The type that all of these are promoted to; a tensor without dimensions counts
    as any other, a Python number as the type it is used with."""
    kinds = [
        _kind(x) for x in arrays_and_dtypes if isinstance(x, (Handle, dtypes.dtype))
    ]
    if not kinds:
        raise ValueError("result_type needs an array or a type")
    found = kinds[0]
    for kind in kinds[1:]:
        found = dtypes.promote_types(found, kind)
    for x in arrays_and_dtypes:
        if isinstance(x, float) and not found.is_floating_point:
            found = dtypes.get_default_dtype()
        elif type(x) is int and found.category == dtypes.BOOL:
            found = int64
    return found


class FloatInfo(NamedTuple):
    """The limits of a floating type."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: dtypes.dtype


class IntegerInfo(NamedTuple):
    """The limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: dtypes.dtype


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a floating type, or of an array's."""
    kind = _kind(type)
    i = dtypes.finfo(kind)
    return FloatInfo(i.bits, i.eps, i.max, i.min, i.smallest_normal, kind)


def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer type, or of an array's."""
    kind = _kind(type)
    i = dtypes.iinfo(kind)
    return IntegerInfo(i.bits, i.max, i.min, kind)


def can_cast(from_: Any, to: dtypes.dtype, /) -> builtins.bool:
    """Whether promotion leads from the one type to the other."""
    return dtypes.promote_types(_kind(from_), to) is to


def isdtype(dtype: dtypes.dtype, kind: Any) -> builtins.bool:
    """Whether a type is of that kind: "bool", "integral", "real floating", …"""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, dtypes.dtype):
        return dtype is kind
    integral = dtype.category == dtypes.INTEGRAL
    known = {
        "bool": dtype.category == dtypes.BOOL,
        "signed integer": integral and dtype.is_signed,
        "unsigned integer": integral and not dtype.is_signed,
        "integral": integral,
        "real floating": dtype.is_floating_point,
        "complex floating": False,
        "numeric": integral or dtype.is_floating_point,
    }
    if kind not in known:
        raise ValueError(f"isdtype: kind is one of {list(known)}, not {kind!r}")
    return known[kind]


def astype(
    x: Array, dtype: dtypes.dtype, /, *, copy: builtins.bool = True, device: Any = None
) -> Array:
    """*x* in another type; a copy of it where *copy* is true."""
    return x.to(dtype, copy=copy)


def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """*x* repeated to that shape, without copying."""
    return x.broadcast_to(shape)


def broadcast_arrays(*arrays: Array) -> list[Array]:
    """The arrays in one shape."""
    return list(F.broadcast_tensors(*arrays))


# -- element by element -----------------------------------------------------------------


def _binary(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(x1: Any, x2: Any, /) -> Array:
        kind = result_type(x1, x2)
        one, two = (
            x.to(kind) if is_tensor(x) else constant(np.asarray(x, kind.np))
            for x in (x1, x2)
        )
        return function(one, two)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``{name}``, element by element; types promote by the standard."
    return call


def _unary(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(x: Array, /) -> Array:
        return function(x)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``{name}``, element by element."
    return call


_BINARY = {
    "add": "add", "atan2": "atan2", "bitwise_and": "bitwise_and",
    "bitwise_left_shift": "bitwise_left_shift", "bitwise_or": "bitwise_or",
    "bitwise_right_shift": "bitwise_right_shift", "bitwise_xor": "bitwise_xor",
    "copysign": "copysign", "divide": "div", "equal": "eq",
    "floor_divide": "floor_divide", "greater": "gt", "greater_equal": "ge",
    "hypot": "hypot", "less": "lt", "less_equal": "le", "logaddexp": "logaddexp",
    "logical_and": "logical_and", "logical_or": "logical_or",
    "logical_xor": "logical_xor", "maximum": "maximum", "minimum": "minimum",
    "multiply": "mul", "nextafter": "nextafter", "not_equal": "ne", "pow": "pow",
    "remainder": "remainder", "subtract": "sub",
}  # fmt: skip
_UNARY = {
    name: name
    for name in """
    abs acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor isfinite isinf
    isnan log log1p log2 log10 logical_not positive reciprocal round sign signbit sin
    sinh square sqrt tan tanh trunc real conj
    """.split()
} | {"bitwise_invert": "bitwise_not", "negative": "neg"}
for _name, _ours in _BINARY.items():
    globals()[_name] = _binary(getattr(functions, _ours), _name)
for _name, _ours in _UNARY.items():
    globals()[_name] = _unary(getattr(functions, _ours), _name)


def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:
    """*x* within bounds, in its own type."""
    if min is None and max is None:
        return x.clone()
    low, high = (b.to(x.dtype) if is_tensor(b) else b for b in (min, max))
    if low is not None and high is not None:
        low, high = (
            b if isinstance(b, Handle) else constant(np.asarray(b, x.dtype.np))
            for b in (low, high)
        )
    return x.clamp(low, high).to(x.dtype)


def where(condition: Array, x1: Any, x2: Any, /) -> Array:
    """x1 where the condition holds, x2 elsewhere."""
    kind = result_type(x1, x2)
    one, two = (
        x.to(kind) if is_tensor(x) else constant(np.asarray(x, kind.np))
        for x in (x1, x2)
    )
    return F.where(condition, one, two)


# -- creation ---------------------------------------------------------------------------


def _on_cpu(device: Any) -> None:
    if device is not None:
        _device(device)


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None,
    copy: builtins.bool | None = None,
) -> Array:  # fmt: skip
    """A tensor of *obj*, on its memory where that is possible and *copy* allows it."""
    _on_cpu(device)
    if isinstance(obj, Handle):
        out: Any = obj
        if dtype is not None and dtype is not out.dtype:
            if copy is False:
                raise ValueError("asarray: another type needs a copy")
            return out.to(dtype)
        return out.clone() if copy else out
    if isinstance(obj, np.ndarray) and not copy and dtype is None:
        return F.from_numpy(obj)
    if copy is False:
        raise ValueError(f"asarray: {type(obj).__name__} needs a copy")
    return F.tensor(obj, dtype=dtype)


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *,
    dtype: Any = None, device: Any = None,
) -> Array:  # fmt: skip
    """start, start + step, … before stop; empty where they lead away from it."""
    _on_cpu(device)
    first, last = (0, start) if stop is None else (start, stop)
    if (last - first) * step <= 0:
        whole = all(isinstance(v, int) for v in (first, last, step))
        return F.zeros(0, dtype=dtype or (int64 if whole else None))
    return F.arange(first, last, step, dtype=dtype)


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None,
    device: Any = None,
) -> Array:  # fmt: skip
    """Ones on the k-th diagonal."""
    _on_cpu(device)
    columns = n_rows if n_cols is None else n_cols
    made = np.eye(n_rows, columns, k, (dtype or dtypes.get_default_dtype()).np)
    return constant(made)


def linspace(
    start: float, stop: float, /, num: int, *, dtype: Any = None, device: Any = None,
    endpoint: builtins.bool = True,
) -> Array:  # fmt: skip
    """*num* numbers at equal distances."""
    _on_cpu(device)
    kind = dtype or dtypes.get_default_dtype()
    made = np.linspace(start, stop, num, endpoint=endpoint, dtype=np.float64)
    return constant(made.astype(kind.np))


def _filled(name: str) -> Callable[..., Any]:
    function = getattr(functions, name)

    def call(
        shape: int | tuple[int, ...], *, dtype: Any = None, device: Any = None
    ) -> Array:
        _on_cpu(device)
        return function(shape, dtype=dtype)

    def like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
        _on_cpu(device)
        return function(tuple(x.shape), dtype=dtype or x.dtype)

    call.__name__, like.__name__ = name, f"{name}_like"
    globals()[f"{name}_like"] = like
    return call


_LIKE = ("zeros_like", "ones_like", "empty_like")
zeros, ones, empty = _filled("zeros"), _filled("ones"), _filled("empty")


def full(
    shape: int | tuple[int, ...], fill_value: Any, *, dtype: Any = None,
    device: Any = None,
) -> Array:  # fmt: skip
    """One value throughout."""
    _on_cpu(device)
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return F.full(sizes, fill_value, dtype=dtype)


def full_like(
    x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None
) -> Array:
    """One value throughout, in the shape and type of *x*."""
    return full(tuple(x.shape), fill_value, dtype=dtype or x.dtype, device=device)


def from_dlpack(
    x: Any, /, *, device: Any = None, copy: builtins.bool | None = None
) -> Array:
    """A tensor on the memory of another library's array."""
    _on_cpu(device)
    out = F.from_dlpack(x)
    return out.clone() if copy else out


def meshgrid(*arrays: Array, indexing: str = "xy") -> list[Array]:
    """Coordinates of a grid."""
    return list(F.meshgrid(*arrays, indexing=indexing)) if arrays else []


def tril(x: Array, /, *, k: int = 0) -> Array:
    """The lower triangle, zeros elsewhere."""
    return x.tril(k)


def triu(x: Array, /, *, k: int = 0) -> Array:
    """The upper triangle, zeros elsewhere."""
    return x.triu(k)


__all__ = [
    *_BINARY, *_UNARY, *_LIKE,
    "arange", "asarray", "astype", "broadcast_arrays", "broadcast_to", "can_cast",
    "clip", "e", "empty", "eye", "finfo", "iinfo", "from_dlpack", "full", "full_like", "inf",
    "isdtype", "linspace", "meshgrid", "nan", "newaxis", "ones", "pi",
    "result_type", "tril", "triu", "where", "zeros",
]  # fmt: skip
