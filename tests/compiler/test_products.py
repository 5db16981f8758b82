"""Generated matrix products against NumPy, in every layout, size class and type."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.compiler import jit
from retrograd.compiler.ir import Module
from retrograd.compiler.products import transposer

pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")

SIZES = [(1, 1, 1), (1, 7, 3), (5, 1, 9), (3, 4, 1), (10, 40, 10), (6, 64, 16),
         (7, 65, 17), (13, 70, 33), (32, 128, 64), (50, 129, 31), (64, 64, 64),
         (33, 300, 70), (100, 260, 530), (70, 515, 600),
         (64, 70, 400), (53, 70, 1100), (2, 521, 264), (7, 262, 530),
         (16, 333, 401), (32, 300, 450)]  # fmt: skip


@pytest.fixture(autouse=True)
def _native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "native")


def made(*shape: int, dtype: Any, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
@pytest.mark.parametrize("size", SIZES)
def test_products(size: tuple[int, int, int], layout: str, dtype: str) -> None:
    m, n, k = size
    a = made(*((m, k) if layout[0] == "n" else (k, m)), dtype=dtype, seed=1)
    b = made(*((k, n) if layout[1] == "n" else (n, k)), dtype=dtype, seed=2)
    ta, tb = rg.tensor(a), rg.tensor(b)
    ta = ta if layout[0] == "n" else ta.t()
    tb = tb if layout[1] == "n" else tb.t()
    got = (ta @ tb).numpy()
    left = (a if layout[0] == "n" else a.T).astype(np.float64)
    right = (b if layout[1] == "n" else b.T).astype(np.float64)
    # |error| ≤ k ε Σ|a||b| (Higham, Accuracy and Stability, 3.13)
    bound = k * np.finfo(dtype).eps * (np.abs(left) @ np.abs(right))
    assert got.dtype == dtype and (np.abs(got - left @ right) <= bound).all()


def test_columns_of_wide_matrices_and_views() -> None:
    a, b = (
        made(40, 2000, dtype="float32", seed=1),
        made(90, 700, dtype="float32", seed=2),
    )
    ta, tb = rg.tensor(a), rg.tensor(b)
    got = (ta[::2, 100:800] @ tb.t()[:, 5:70]).numpy()
    np.testing.assert_allclose(
        got, a[::2, 100:800] @ b.T[:, 5:70], rtol=2e-4, atol=2e-4
    )


def test_batches_that_broadcast() -> None:
    a, b = (
        made(5, 1, 6, 7, dtype="float64", seed=1),
        made(4, 7, 9, dtype="float64", seed=2),
    )
    np.testing.assert_allclose((rg.tensor(a) @ rg.tensor(b)).numpy(), a @ b, rtol=1e-12)


def test_nan_and_infinity_stay_in_their_row_and_column() -> None:
    a, b = made(9, 20, dtype="float32", seed=1), made(20, 33, dtype="float32", seed=2)
    a[3, 5], b[7, 32] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        want = a @ b
    got = (rg.tensor(a) @ rg.tensor(b)).numpy()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))


@pytest.mark.parametrize("m", [1, 6, 33])
@pytest.mark.parametrize("batch", [(4,), (3, 5), (1, 7), (2, 1)])
@pytest.mark.parametrize("layout", ["n", "t", "between"])
def test_batches_that_meet_one_matrix(m: int, batch: Any, layout: str) -> None:
    k, n = 20, 70
    b = made(k, n, dtype="float64", seed=2)
    if layout == "n":
        a = made(*batch, m, k, dtype="float64", seed=1)
        ta = rg.tensor(a)
    elif layout == "t":  # each matrix lies column by column
        a = made(*batch, k, m, dtype="float64", seed=1).swapaxes(-1, -2)
        ta = rg.tensor(np.ascontiguousarray(a.swapaxes(-1, -2))).transpose(-1, -2)
    else:  # the batch lies between rows and columns
        raw = made(m, *batch, k, dtype="float64", seed=1)
        a = np.moveaxis(raw, 0, -2)
        ta = rg.tensor(raw).movedim(0, -2)
    got = (ta @ rg.tensor(b)).numpy()
    np.testing.assert_allclose(got, a @ b, rtol=1e-11, atol=1e-11)
    turned = (ta @ rg.tensor(np.ascontiguousarray(b.T)).t()).numpy()
    np.testing.assert_allclose(turned, a @ b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("lanes", [16, 8, 4])
@pytest.mark.parametrize("element", ["float", "double"])
def test_transposing(element: str, lanes: int) -> None:
    """Blocks of each height, single elements, and rows that lie 2048 bytes apart; what
    lies beside the target stays."""
    dtype, rng = {"float": "f4", "double": "f8"}[element], np.random.default_rng(0)
    lanes //= 1 if element == "float" else 2
    shapes = [(1, 1), (2, 3), (4, 4), (5, 4), (7, 9), (9, 130), (17, 67), (40, 10)]
    module = Module()
    cases = [(m, n, apart) for m, n in shapes for apart in (n + 3, 512)]
    names = [transposer(module, element, lanes, *case) for case in cases]
    module.roots = list(module.functions)
    assert len(module.roots) > 1 + (lanes * int(dtype[1]) > 16)
    library = jit.Library(jit.compile_texts(module.text()))
    address = dict(zip(module.roots, library.roots(len(module.roots)), strict=True))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 4)
    for (rows, columns, apart), name in zip(cases, names, strict=True):
        source = rng.normal(size=(rows, apart)).astype(dtype)
        target = np.full((columns, rows + 5), 7, dtype)
        places = (x.__array_interface__["data"][0] for x in (source, target))
        kind(address[name])(*places, rows, columns, apart, rows + 5)
        np.testing.assert_array_equal(target[:, :rows], source[:, :columns].T)
        assert (target[:, rows:] == 7).all()
