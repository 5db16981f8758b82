"""Tensors from data: numbers, lists, arrays, buffers; and all the other makers."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import dtypes, errors
from ..dispatch import constant, recorder
from ..ops.families import Number, Tensor
from ..trace import Handle, is_tensor, meta_of
from . import filled, ranges, windows
from .filled import *  # noqa: F403
from .filled import finish
from .ranges import *  # noqa: F403
from .windows import *  # noqa: F403

__all__ = ["tensor", "as_tensor", "asarray", "from_numpy", "frombuffer", "from_dlpack",
           "scalar_tensor", "new_tensor"]  # fmt: skip
__all__ += filled.__all__
__all__ += ranges.__all__
__all__ += windows.__all__


def _unwrapped(data: Any) -> Any:
    """Nested lists with tensors in them, as nested lists of numbers."""
    if is_tensor(data):
        return data.detach().numpy()
    if isinstance(data, (list, tuple)) and not set(map(type, data)) <= _PLAIN:
        return [_unwrapped(x) for x in data]
    return data


def _types(data: Any, found: set[dtypes.dtype]) -> set[dtypes.dtype]:
    """The types of the numbers, arrays and tensors in nested lists."""
    kinds = set(map(type, data))
    found.update(dtypes.of_scalar(kind()) for kind in kinds & _PLAIN)
    for x in data if kinds - _PLAIN else ():
        if isinstance(x, (list, tuple)):
            _types(x, found)
        elif isinstance(x, Handle):
            found.add(x.dtype)  # type: ignore[attr-defined]
        elif type(x) not in _PLAIN:
            found.add(dtypes.from_numpy_dtype(np.asarray(x).dtype))
    return found


_PLAIN = {float, int, bool}


def _mixed(data: Any) -> bool:
    """Whether a number stands first where others in the same list are sequences."""
    if not isinstance(data, (list, tuple)) or not data:
        return False
    lists = [isinstance(x, (list, tuple)) for x in data]
    return any(_mixed(x) for x in data) if lists[0] else any(lists)


def _refuse(data: Any, array: np.ndarray[Any, Any]) -> Exception:
    """Why *data*, of which NumPy made *array*, is no tensor."""
    odd, depth = data, 0
    while isinstance(odd, (list, tuple)) and odd:
        kinds = [x for x in odd if not isinstance(x, (int, float, np.generic))]
        odd, depth = kinds[0] if kinds else odd[0], depth + 1
    if array.dtype.kind in "US":
        if depth:
            return ValueError(f"too many dimensions {type(odd).__name__!r}")
        return TypeError(f"new(): invalid data type {type(odd).__name__!r}")
    if isinstance(odd, int):
        return ValueError(f"a number is too large for 64 bits: {data}")
    return RuntimeError(f"Could not infer dtype of {type(odd).__name__}")


def _fits(array: np.ndarray[Any, Any], wanted: dtypes.dtype) -> None:
    """RuntimeError where an integer is outside the type it is to have."""
    if wanted.category == dtypes.INTEGRAL and array.size:
        limits = dtypes.iinfo(wanted)
        low, high = array.min(), array.max()
        # a negative number wraps round in a type without sign, as PyTorch's do
        least = limits.min if wanted.is_signed else -limits.max
        if low < least or high > limits.max:
            raise RuntimeError(
                f"value cannot be converted to type {wanted.name} without overflow"
            )


def _array(data: Any, dtype: Any) -> Any:
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(data, (np.ndarray, np.generic)):
        if wanted is None:
            wanted = dtypes.from_numpy_dtype(data.dtype)
        return np.array(data, dtype=wanted.np, order="C")
    plain = _unwrapped(data)
    if isinstance(plain, np.ndarray):
        return _array(plain, dtype)
    try:
        array = np.array(plain)
    except ValueError:
        kind = TypeError if _mixed(plain) else ValueError
        raise kind(
            "expected sequences of equal length at every depth: the nested lists are ragged"
        ) from None
    if array.dtype.kind in "OUS":
        raise _refuse(plain, array)
    if wanted is None:
        if array.size == 0:
            wanted = dtypes.get_default_dtype()
        elif array.dtype.kind == "f" and isinstance(data, (list, tuple)):
            wanted = functools.reduce(dtypes.promote_types, _types(data, set()))
        elif array.dtype.kind == "f":
            wanted = dtypes.get_default_dtype()
        else:
            if array.dtype == np.uint64:
                raise _refuse(0, array)
            wanted = dtypes.from_numpy_dtype(array.dtype)
    elif array.dtype.kind == "i":
        _fits(array, wanted)
    return array.astype(wanted.np)


def tensor(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of *data*: numbers, nested lists, arrays or tensors.

    Python floats become the default type, integers int64, truth values bool.

    >>> import retrograd as rg
    >>> rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    if isinstance(data, Handle):
        errors.warn(
            "To copy construct from a tensor, it is recommended to use "
            "source.detach().clone(), or source.detach().clone().requires_grad_(True), "
            "which say what becomes of its history"
        )
    return finish(_array(data, dtype), requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of *data*, sharing its memory where the type allows."""
    if is_tensor(data):
        same = dtype is None or dtypes.as_dtype(dtype) is data.dtype
        return data if same else data.to(dtypes.as_dtype(dtype))
    if isinstance(data, np.ndarray):
        shared = from_numpy(data)
        return shared if dtype is None else shared.to(dtypes.as_dtype(dtype))
    return tensor(data, dtype=dtype, device=device)


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """A tensor of *obj*, on its memory where that is possible; with *copy* on memory of
    its own, and with ``copy=False`` an error where it is not possible."""
    shares = isinstance(obj, (Handle, np.ndarray)) or hasattr(obj, "__dlpack__")
    if not isinstance(obj, (Handle, np.ndarray)):
        if hasattr(obj, "__dlpack__"):
            obj = from_dlpack(obj)
        elif isinstance(obj, (bytes, bytearray, memoryview)):
            obj, shares = (
                frombuffer(obj, dtype=dtype or dtypes.get_default_dtype()),
                True,
            )
    out = as_tensor(obj, dtype, device)
    if copy is False and not (shares and out.dtype is as_tensor(obj).dtype):
        raise ValueError(
            "can't alias arbitrary sequence or data of another type into a tensor: "
            "leave out copy=False"
        )
    if copy:
        out = out.clone()
    elif out.requires_grad and requires_grad is False:
        out = out.detach()
    return out.requires_grad_() if requires_grad else out


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor on the memory of an array: a change to one is seen in the other."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.from_numpy_dtype(ndarray.dtype)
    if not ndarray.dtype.isnative:
        raise ValueError(
            f"given numpy array has byte order different from the native byte order: "
            f"use a.astype({ndarray.dtype.newbyteorder('=').str!r})"
        )
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with "
            "negative strides are not supported: use a.copy()"
        )
    if not ndarray.flags.writeable:
        ndarray = ndarray.copy()
    out = constant(ndarray)
    meta_of(out).exposed = True
    meta_of(out).inference = recorder().inference
    return out


def frombuffer(
    buffer: Any,
    *,
    dtype: Any,
    count: int = -1,
    offset: int = 0,
    requires_grad: bool = False,
) -> Tensor:
    """A vector on the memory of a buffer: *count* numbers from the byte *offset* on."""
    try:
        length = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    kind = dtypes.as_dtype(dtype)
    size, rest = kind.itemsize, length - offset
    if not length or not count:
        raise ValueError(
            f"both buffer length ({length}) and count ({count}) must not be 0"
        )
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer "
            f"length ({length} bytes) minus 1"
        )
    if count < 0 and rest % size:
        raise ValueError(
            f"buffer length ({rest} bytes) after offset ({offset} bytes) must be a "
            f"multiple of element size ({size})"
        )
    if count > 0 and count * size > rest:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} "
            f"bytes) must not be greater than actual buffer length ({length} bytes)"
        )
    out = from_numpy(np.frombuffer(buffer, kind.np, count, offset))
    return out.requires_grad_() if requires_grad else out


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor on the memory of an array of another library, handed over by DLPack: the
    array itself, or its capsule."""
    from ..dlpack import array_from

    return from_numpy(array_from(ext_tensor))


def scalar_tensor(s: Number, *, dtype: Any = None, **kwargs: Any) -> Tensor:
    """A zero-dimensional tensor, of the default type if none is given."""
    kwargs.pop("layout", None)
    return tensor(s, dtype=dtype or dtypes.get_default_dtype(), **kwargs)


def new_tensor(input: Tensor, data: Any, *, dtype: Any = None, **kwargs: Any) -> Tensor:
    """A tensor with a copy of *data*, in the type of *input*."""
    kwargs.pop("layout", None)
    return tensor(data, dtype=dtype or input.dtype, **kwargs)
