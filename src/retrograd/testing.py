"""Assertions about tensors, for the tests of those who use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .functions.create import as_tensor
from .tensor import Tensor

#: what is close: relative and absolute, by type; whole numbers are to be equal
_TOLERANCES = {
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """|a − b| ≤ atol + rtol·|b| for each element; AssertionError says how far they are.

    Sequences and mappings are compared entry by entry. Where neither tolerance is given
    they follow the types; both are to be given, or none.

    >>> import retrograd as rg
    >>> rg.testing.assert_close(rg.tensor([0.1]) * 3, rg.tensor([0.3]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "rtol and atol must both be specified or both be unspecified, but got "
            f"rtol={rtol} and atol={atol}"
        )
    exact = (check_dtype, check_stride, allow_subclasses)
    problem = _difference(actual, expected, (rtol, atol, equal_nan), exact, "")
    if problem:
        raise AssertionError(
            problem if msg is None else msg(problem) if callable(msg) else msg
        )


def _difference(
    a: Any, b: Any, tolerance: tuple[Any, Any, bool], exact: Any, where: str
) -> str:
    """What is wrong, or ""."""
    at = f"\n\nThe failure occurred for item {where}" if where else ""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if a.keys() != b.keys():
            return f"The keys of the mappings do not match: {set(a) ^ set(b)}{at}"
        pairs = [(k, a[k], b[k]) for k in a]
    elif _sequence(a) and _sequence(b):
        if len(a) != len(b):
            return f"The length of the sequences mismatch: {len(a)} != {len(b)}{at}"
        pairs = [(i, x, y) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    else:
        return _apart(a, b, tolerance, exact, at)
    for key, x, y in pairs:
        problem = _difference(x, y, tolerance, exact, f"{where}[{key!r}]")
        if problem:
            return problem
    return ""


def _sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str)


def _apart(
    a: Any, b: Any, tolerance: tuple[Any, Any, bool], exact: Any, at: str
) -> str:
    if isinstance(a, Tensor) != isinstance(b, Tensor) or not exact[2]:
        if type(a) is not type(b):
            raise TypeError(
                f"No comparison pair was able to handle inputs of type {type(a)} and "
                f"{type(b)}.{at}"
            )
    if not (isinstance(a, Tensor) or isinstance(a, (int, float, np.ndarray))):
        return "" if a == b else f"Object comparison failed: {a!r} != {b!r}{at}"
    scalars = not isinstance(a, Tensor)
    a, b = as_tensor(a), as_tensor(b)
    if a.shape != b.shape:
        return (
            "The values for attribute 'shape' do not match: "
            f"{tuple(a.shape)} != {tuple(b.shape)}.{at}"
        )
    if exact[0] and not scalars and a.dtype is not b.dtype:
        return f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}.{at}"
    if exact[1] and a.stride() != b.stride():
        return (
            "The values for attribute 'stride()' do not match: "
            f"{a.stride()} != {b.stride()}.{at}"
        )
    given_rtol, given_atol, equal_nan = tolerance
    kinds = [_TOLERANCES.get(x.dtype, (0.0, 0.0)) for x in (a, b)]
    rtol = max(k[0] for k in kinds) if given_rtol is None else given_rtol
    atol = max(k[1] for k in kinds) if given_atol is None else given_atol
    x, y = (t.detach().double().numpy() for t in (a, b))
    bad = ~np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if not bad.any():
        return ""
    with np.errstate(all="ignore"):
        apart = np.where(bad, np.abs(x - y), -1.0)
        relative = np.where(bad, apart / np.abs(y), -1.0)
    worst, most = (
        tuple(int(i) for i in np.unravel_index(int(np.argmax(v)), x.shape))
        for v in (apart, relative)
    )
    kind = "Scalars" if scalars or x.ndim == 0 else "Tensor-likes"
    count = f"Mismatched elements: {bad.sum()} / {bad.size} ({bad.mean():.1%})\n"
    return (
        f"{kind} are not close!\n\n{count if x.ndim else ''}"
        f"Greatest absolute difference: {apart[worst]} at index {worst} (up to {atol} "
        f"allowed)\nGreatest relative difference: {relative[most]} at index {most} (up "
        f"to {rtol} allowed){at}"
    )
