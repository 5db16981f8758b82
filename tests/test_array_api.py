"""The functions of the array API standard, beside NumPy's, which follow it too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import array_api as xp

A = np.array([[3.0, -1.5, 0.25], [2.0, -1.5, 7.0]])
N = np.array([[3, -1, 2], [2, 2, 7]], np.int32)
B = np.array([[True, False, True], [False, False, True]])
S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.0], [0.5, 0.0, 2.0]])

Case = Callable[[Any, Callable[[Any], Any]], Any]
CASES: dict[str, Case] = {
    "add, kinds": lambda p, t: p.add(t(N), t(np.int8(3))),
    "add, a number": lambda p, t: p.add(t(N), 2),
    "multiply, widths": lambda p, t: p.multiply(t(A.astype(np.float32)), t(np.ones(()))),
    "bool and int8": lambda p, t: p.add(t(B), t(N.astype(np.int8))),
    "uint8 and int8": lambda p, t: p.add(t(N.astype(np.int8)), t(N.astype(np.uint8))),
    "divide": lambda p, t: p.divide(t(A), t(np.abs(A))),
    "pow": lambda p, t: p.pow(t(np.abs(A)), t(A[0])),
    "remainder": lambda p, t: p.remainder(t(N), t(np.int32(3))),
    "floor_divide": lambda p, t: p.floor_divide(t(N), t(np.int32(-2))),
    "less": lambda p, t: p.less(t(A), t(A[1])),
    "bitwise_invert": lambda p, t: p.bitwise_invert(t(N)),
    "bitwise_left_shift": lambda p, t: p.bitwise_left_shift(t(N), t(np.int32(2))),
    "logical_xor": lambda p, t: p.logical_xor(t(B), t(B[0])),
    "round": lambda p, t: p.round(t(np.array([0.5, 1.5, 2.5, -0.5]))),
    "sign": lambda p, t: p.sign(t(A)),
    "clip": lambda p, t: p.clip(t(A), -1, 3),
    "clip, tensors": lambda p, t: p.clip(t(A), t(A[0]), None),
    "where": lambda p, t: p.where(t(B), t(A), t(N.astype(np.float32))),
    "sum": lambda p, t: p.sum(t(A), axis=1, keepdims=True),
    "sum of small integers": lambda p, t: p.sum(t(N), axis=0),
    "sum of nothing": lambda p, t: p.sum(t(A[:, :0]), axis=1),
    "sum over no axis": lambda p, t: p.sum(t(A), axis=()),
    "prod": lambda p, t: p.prod(t(N), axis=(0, 1)),
    "prod of axes": lambda p, t: p.prod(t(A), axis=(0, -1), keepdims=True),
    "mean": lambda p, t: p.mean(t(A), axis=(0, 1)),
    "std": lambda p, t: p.std(t(A), axis=0, correction=1),
    "var": lambda p, t: p.var(t(A)),
    "max": lambda p, t: p.max(t(A), axis=1),
    "min": lambda p, t: p.min(t(N), axis=(0, 1), keepdims=True),
    "all": lambda p, t: p.all(t(B), axis=(0, 1)),
    "any": lambda p, t: p.any(t(A), axis=0),
    "count_nonzero": lambda p, t: p.count_nonzero(t(B), axis=1),
    "cumulative_sum": lambda p, t: p.cumulative_sum(t(N), axis=1),
    "cumulative_sum, from 0": lambda p, t: p.cumulative_sum(
        t(A), axis=1, include_initial=True),
    "cumulative_prod": lambda p, t: p.cumulative_prod(
        t(A), axis=0, include_initial=True),
    "diff": lambda p, t: p.diff(t(A), axis=1, n=2),
    "argmax": lambda p, t: p.argmax(t(A), axis=1, keepdims=True),
    "argmin of all": lambda p, t: p.argmin(t(A)),
    "argsort": lambda p, t: p.argsort(t(A), axis=0, stable=True),
    "sort": lambda p, t: p.sort(t(A), axis=1),
    "nonzero": lambda p, t: p.nonzero(t(B)),
    "searchsorted": lambda p, t: p.searchsorted(
        t(np.array([1.0, 2.0, 3.0])), t(np.array([2.0, 0.0])), side="right"),
    "take": lambda p, t: p.take(t(A), t(np.array([2, 0])), axis=1),
    "take_along_axis": lambda p, t: p.take_along_axis(
        t(A), t(np.array([[1], [0]])), axis=1),
    "unique_all": lambda p, t: p.unique_all(t(A)),
    "unique_counts": lambda p, t: p.unique_counts(t(N)),
    "unique_inverse": lambda p, t: p.unique_inverse(t(N)),
    "unique_values, NaN": lambda p, t: p.unique_values(
        t(np.array([np.nan, 1.0, np.nan]))),
    "concat, kinds": lambda p, t: p.concat([t(A), t(N)], axis=0),
    "concat, flat": lambda p, t: p.concat([t(A), t(A[0])], axis=None),
    "stack": lambda p, t: p.stack([t(A), t(A)], axis=-1),
    "expand_dims": lambda p, t: p.expand_dims(t(A), axis=1),
    "squeeze": lambda p, t: p.squeeze(t(A[:, None]), axis=1),
    "permute_dims": lambda p, t: p.permute_dims(t(A[None]), (2, 0, 1)),
    "moveaxis": lambda p, t: p.moveaxis(t(A[None]), 0, -1),
    "flip": lambda p, t: p.flip(t(A)),
    "roll": lambda p, t: p.roll(t(A), (1, 2), axis=(0, 1)),
    "roll, flat": lambda p, t: p.roll(t(A), 2),
    "repeat": lambda p, t: p.repeat(t(A), 2, axis=1),
    "tile": lambda p, t: p.tile(t(A), (2, 1, 2)),
    "reshape": lambda p, t: p.reshape(t(A), (3, 2)),
    "unstack": lambda p, t: p.unstack(t(A), axis=1),
    "matrix_transpose": lambda p, t: p.matrix_transpose(t(A[None])),
    "broadcast_to": lambda p, t: p.broadcast_to(t(A), (2, 2, 3)),
    "meshgrid": lambda p, t: p.meshgrid(t(A[0]), t(A[1])),
    "matmul": lambda p, t: p.matmul(t(A), t(N.T)),
    "tensordot": lambda p, t: p.tensordot(t(A), t(A), axes=((0, 1), (0, 1))),
    "vecdot": lambda p, t: p.vecdot(t(N), t(N[0])),
    "arange": lambda p, t: p.arange(5, 1, -2),
    "arange, empty": lambda p, t: p.arange(5, 1),
    "eye": lambda p, t: p.eye(2, 3, k=1, dtype=p.int32),
    "linspace": lambda p, t: p.linspace(0, 1, 5, endpoint=False, dtype=p.float64),
    "full": lambda p, t: p.full((2, 2), 3),
    "zeros_like": lambda p, t: p.zeros_like(t(N)),
    "tril": lambda p, t: p.tril(t(A), k=-1),
    "astype": lambda p, t: p.astype(t(A), p.int64),
    "det": lambda p, t: p.linalg.det(t(S)),
    "slogdet": lambda p, t: p.linalg.slogdet(t(S)),
    "solve": lambda p, t: p.linalg.solve(t(S), t(A.T)),
    "cholesky": lambda p, t: p.linalg.cholesky(t(S), upper=True),
    "svdvals": lambda p, t: p.linalg.svdvals(t(A)),
    "trace": lambda p, t: p.linalg.trace(t(S), offset=1),
    "matrix_norm": lambda p, t: p.linalg.matrix_norm(t(S), ord=1, keepdims=True),
    "vector_norm": lambda p, t: p.linalg.vector_norm(t(A), axis=1, ord=3),
    "matrix_rank": lambda p, t: p.linalg.matrix_rank(t(A)),
    "cross": lambda p, t: p.linalg.cross(t(A), t(A[0])),
    "outer": lambda p, t: p.linalg.outer(t(A[0]), t(N[0])),
}  # fmt: skip


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [x for v in value for x in _flat(v)]
    return [value]


@pytest.mark.parametrize("name", CASES)
def test_beside_numpy(name: str) -> None:
    mine = _flat(CASES[name](xp, lambda a: rg.from_numpy(np.array(a))))
    theirs = _flat(CASES[name](np, np.asarray))
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert isinstance(a, rg.Tensor)
        b = np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype.np == b.dtype or name in DEFAULTS
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-12, atol=1e-12)


#: whose type is the library's default, which is float32 here
DEFAULTS = {"full"}


def test_types() -> None:
    assert xp.result_type(xp.int8, xp.uint8) is rg.int16
    assert xp.result_type(rg.ones(2), rg.tensor(1.0, dtype=rg.float64)) is rg.float64
    assert xp.result_type(rg.ones(2, dtype=rg.int8), 3) is rg.int8
    assert xp.can_cast(xp.int8, xp.int16)
    assert not xp.can_cast(xp.float64, xp.float32)
    assert xp.isdtype(xp.uint8, ("unsigned integer", "bool"))
    assert not xp.isdtype(xp.uint8, "signed integer")
    assert xp.finfo(rg.ones(1)).dtype is rg.float32
    assert xp.finfo(xp.float64).eps == np.finfo(np.float64).eps
    assert xp.iinfo(xp.int8).max == 127
    with pytest.raises(ValueError, match="kind is one of"):
        xp.isdtype(xp.int8, "whole")


def test_the_namespace_of_a_tensor() -> None:
    x = rg.ones(2)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ValueError, match="not known"):
        x.__array_namespace__(api_version="1999.12")
    info = xp.__array_namespace_info__()
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert info.default_dtypes()["integral"] is rg.int64
    assert x.to_device("cpu") is x
    assert info.default_device() == x.device


def test_derivatives_flow() -> None:
    """The functions are made of the library's own, so backward works through them."""
    x = rg.tensor(A, requires_grad=True)
    y = xp.sum(xp.multiply(xp.permute_dims(x, (1, 0)), 2.0) ** 2)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 8 * A)


def test_arguments_are_the_standards() -> None:
    with pytest.raises(TypeError):
        xp.sum(rg.ones(2), 0)
    with pytest.raises(TypeError):
        xp.add(x1=rg.ones(2), x2=rg.ones(2))
    with pytest.raises(ValueError, match="needs a copy"):
        xp.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="axis is needed"):
        xp.cumulative_sum(rg.ones(2, 2))
    with pytest.raises(ValueError, match="not 1"):
        xp.squeeze(rg.ones(2, 2), 0)


def test_libraries_find_it() -> None:
    compat = pytest.importorskip("array_api_compat")
    x = rg.ones(2, 2)
    assert compat.is_array_api_obj(x)
    assert compat.array_namespace(x) is xp
    assert compat.size(x) == 4
