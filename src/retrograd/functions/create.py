"""Tensors from numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import constant
from ..trace import Handle, meta_of

__all__ = ["tensor", "as_tensor", "asarray", "from_numpy", "zeros", "ones", "empty", "full",
           "zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones",
           "new_empty", "new_full", "arange", "linspace", "logspace", "eye", "tril_indices",
           "triu_indices", "scalar_tensor"]  # fmt: skip


def _finish(array: Any, requires_grad: bool, device: Any = None) -> Any:
    if device is not None and str(device).split(":")[0] != "cpu":
        raise RuntimeError(f"device {str(device)!r} is not available; there is 'cpu'")
    out = constant(array)
    return out.requires_grad_() if requires_grad else out


def _unwrapped(data: Any) -> Any:
    """Nested lists with tensors in them, as nested lists of numbers."""
    if isinstance(data, Handle):
        return data.detach().numpy()  # type: ignore[attr-defined]
    if isinstance(data, (list, tuple)):
        return [_unwrapped(x) for x in data]
    return data


def _has_float(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(_has_float(x) for x in data)
    return isinstance(data, float)


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
        raise ValueError(
            "expected sequences of equal length at every depth: the nested lists are ragged"
        ) from None
    if array.dtype == object or array.dtype.kind in "US":
        raise TypeError(
            f"cannot make a tensor of {type(data).__name__} with elements that are no numbers"
        )
    if wanted is None:
        if array.size == 0 and not isinstance(data, np.ndarray):
            wanted = dtypes.get_default_dtype()
        elif array.dtype.kind == "f" and (
            _has_float(data) or array.dtype == np.float64
        ):
            tensors = _first_tensor(data)
            wanted = (
                tensors.dtype if tensors is not None else dtypes.get_default_dtype()
            )
        else:
            wanted = dtypes.from_numpy_dtype(array.dtype)
    return array.astype(wanted.np)


def _first_tensor(data: Any) -> Any:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data if isinstance(data, Handle) else None


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """A tensor with a copy of *data*: numbers, nested lists, arrays or tensors.

    Python floats become the default type, integers int64, truth values bool.

    >>> import retrograd as rg
    >>> rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    return _finish(_array(data, dtype), requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Any:
    """A tensor of *data*, sharing its memory where the type allows."""
    if isinstance(data, Handle):
        same = dtype is None or dtypes.as_dtype(dtype) is data.dtype  # type: ignore[attr-defined]
        return data if same else data.to(dtypes.as_dtype(dtype))  # type: ignore[attr-defined]
    if isinstance(data, np.ndarray) and dtype is None:
        return from_numpy(data)
    return tensor(data, dtype=dtype, device=device)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, **_: Any) -> Any:
    """As :func:`as_tensor`."""
    return as_tensor(obj, dtype, device)


def from_numpy(ndarray: Any) -> Any:
    """A tensor on the memory of an array: a change to one is seen in the other."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.from_numpy_dtype(ndarray.dtype)
    if not ndarray.flags.writeable or not ndarray.dtype.isnative:
        ndarray = ndarray.astype(ndarray.dtype.newbyteorder("="))
    out = constant(ndarray)
    meta_of(out).exposed = True
    return out


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    shape = tuple(int(n) for n in size)
    for n in shape:
        if n < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {n}: {list(shape)}"
            )
    return shape


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """A tensor of one value throughout."""
    if isinstance(fill_value, Handle):
        fill_value = fill_value.item()  # type: ignore[attr-defined]
    d = dtypes.of_scalar(fill_value) if dtype is None else dtypes.as_dtype(dtype)
    size = (size,) if isinstance(size, int) else size
    return _finish(np.full(_size(tuple(size)), fill_value, d.np), requires_grad, device)


def zeros(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Any:
    """A tensor of zeros."""
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    size = _.get("size", size) if not size else size
    return _finish(np.zeros(_size(size), d.np), requires_grad, device)


def ones(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Any:
    """A tensor of ones."""
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    return _finish(np.ones(_size(size), d.np), requires_grad, device)


#: "uninitialised" memory is zeros here: a run is the same each time
empty = zeros


def _like(array: Any, input: Any, requires_grad: bool, device: Any) -> Any:
    return _finish(array, requires_grad, device)


def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """One value throughout, in the shape and type of *input*."""
    d = input.dtype if dtype is None else dtypes.as_dtype(dtype)
    return full(tuple(input.shape), fill_value, dtype=d, device=device,
                requires_grad=requires_grad)  # fmt: skip


def zeros_like(input: Any, **kwargs: Any) -> Any:
    """Zeros in the shape and type of *input*."""
    return full_like(input, 0, **kwargs)


def ones_like(input: Any, **kwargs: Any) -> Any:
    """Ones in the shape and type of *input*."""
    return full_like(input, 1, **kwargs)


empty_like = zeros_like


def new_full(
    input: Any, size: Any, fill_value: Any, *, dtype: Any = None, **kwargs: Any
) -> Any:
    """One value throughout, in the type of *input*."""
    return full(size, fill_value, dtype=dtype or input.dtype, **kwargs)


def new_zeros(input: Any, *size: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """Zeros in the type of *input*."""
    return zeros(*size, dtype=dtype or input.dtype, **kwargs)


def new_ones(input: Any, *size: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """Ones in the type of *input*."""
    return ones(*size, dtype=dtype or input.dtype, **kwargs)


new_empty = new_zeros


def scalar_tensor(s: Any, *, dtype: Any = None, **kwargs: Any) -> Any:
    """A zero-dimensional tensor."""
    return tensor(s, dtype=dtype or dtypes.get_default_dtype(), **kwargs)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """start, start + step, … below end; integers unless a float is among them."""
    if end is None:
        start, end = 0, start
    values: Any = (start, end, step)
    start, end, step = (getattr(x, "item", lambda x=x: x)() for x in values)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = all(isinstance(x, int) for x in (start, end, step))
    d = (
        dtypes.as_dtype(dtype)
        if dtype
        else dtypes.int64
        if whole
        else dtypes.get_default_dtype()
    )
    n = max(0, int(np.ceil((end - start) / step)))
    return _finish((start + np.arange(n) * step).astype(d.np), requires_grad, device)


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Any:
    """*steps* numbers at equal distances from start to end, both included."""
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    return _finish(
        np.linspace(float(start), float(end), steps).astype(d.np), requires_grad
    )


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Any:  # fmt: skip
    """baseˢ for s from start to end."""
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    values = base ** np.linspace(float(start), float(end), steps)
    return _finish(values.astype(d.np), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Any:
    """The identity matrix I (n×m)."""
    d = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    return _finish(np.eye(n, m, dtype=d.np), requires_grad)


def tril_indices(row: int, col: int, offset: int = 0, **_: Any) -> Any:
    """Row and column numbers of the lower triangle, [2, count]."""
    return constant(np.stack(np.tril_indices(row, offset, col)).astype(np.int64))


def triu_indices(row: int, col: int, offset: int = 0, **_: Any) -> Any:
    """Row and column numbers of the upper triangle, [2, count]."""
    return constant(np.stack(np.triu_indices(row, offset, col)).astype(np.int64))
