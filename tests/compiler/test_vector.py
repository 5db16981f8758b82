"""exp, log, tanh, … in generated code: units in the last place, and the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg

pytest.importorskip("llvmlite", reason="without llvmlite everything is interpreted")

EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0]
# name: reference in extended precision, range, units in the last place allowed
CASES: dict[str, Any] = {
    "exp": (np.exp, (-87, 88), 1.0),
    "expm1": (np.expm1, (-20, 20), 2.0),
    "log": (np.log, (1e-30, 1e30), 1.0),
    "log2": (np.log2, (1e-30, 1e30), 1.5),
    "log10": (np.log10, (1e-30, 1e30), 1.5),
    "log1p": (np.log1p, (-0.999, 50), 2.0),
    "tanh": (np.tanh, (-12, 12), 1.5),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), (-80, 80), 2.1),
}


@pytest.fixture(autouse=True)
def _native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", "native")


def points(low: float, high: float, dtype: Any) -> Any:
    rng = np.random.default_rng(0)
    wide = rng.uniform(low, high, 20_000)
    if low > 0:
        wide = np.exp(rng.uniform(np.log(low), np.log(high), 20_000))
    near = np.clip(rng.normal(size=5_000) * 1e-2, low, high)
    return np.concatenate([wide, near]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_units_in_the_last_place(name: str, dtype: Any) -> None:
    reference, (low, high), allowed = CASES[name]
    x = points(low, high, dtype)
    got = getattr(rg, name)(rg.tensor(x)).numpy()
    want = reference(x.astype(np.longdouble))
    step = np.spacing(np.abs(want.astype(dtype))).astype(np.longdouble)
    assert got.dtype == dtype
    assert np.max(np.abs(got.astype(np.longdouble) - want) / step) <= allowed


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf(dtype: Any) -> None:
    mp = pytest.importorskip("mpmath", reason="mpmath knows erf to any precision")
    x = points(-6.5, 6.5, dtype)[::15]
    got = rg.erf(rg.tensor(x)).numpy()
    with mp.workprec(100):
        exact = [mp.erf(float(v)) for v in x]
        off = [float(abs(float(g) - e)) for g, e in zip(got, exact, strict=True)]
    step = np.spacing(np.abs(np.array([float(e) for e in exact], dtype)))
    assert got.dtype == dtype and np.max(np.array(off) / step) <= 1.5
    ends = rg.erf(rg.tensor(np.array([*EDGES, 7, -30], dtype))).numpy()
    np.testing.assert_array_equal(ends[[0, 1, 2, 3, 4, -2, -1]],
                                  np.array([0, 0, 1, -1, np.nan, 1, -1], dtype))  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithms_of_powers_are_whole(dtype: Any) -> None:
    info = np.finfo(dtype)
    e = np.arange(info.minexp - info.nmant, info.maxexp)
    x = np.ldexp(np.ones(len(e)), e).astype(dtype)
    np.testing.assert_array_equal(rg.log2(rg.tensor(x)).numpy(), e)
    e = np.arange(int(np.log10(info.max)) + 1)
    x = np.array([float(f"1e{i}") for i in e], dtype)
    np.testing.assert_array_equal(rg.log10(rg.tensor(x)).numpy(), e)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["log", "log2", "log10"])
def test_the_logarithm_of_denormal_numbers(name: str, dtype: Any) -> None:
    info = np.finfo(dtype)
    least = info.smallest_subnormal
    x = np.array([least, 3 * least, info.tiny / 3, info.tiny, -least], dtype)
    got = getattr(rg, name)(rg.tensor(x)).numpy()
    with np.errstate(invalid="ignore"):
        want = getattr(np, name)(x.astype(np.longdouble)).astype(dtype)
    np.testing.assert_array_max_ulp(got[:-1], want[:-1], 1)
    assert np.isnan(got[-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name", [*CASES, "erf", "abs", "sqrt", "floor", "sign", "relu", "round"]
)
def test_edges_are_those_of_the_interpreter(
    name: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.array([*EDGES, 0.5, 1.5, 2.5, -2.5], dtype)
    found = []
    for executor in ("interpreter", "native"):
        monkeypatch.setattr("retrograd.execute.cache.EXECUTOR", executor)
        found.append(getattr(rg, name)(rg.tensor(x)).numpy())
    np.testing.assert_allclose(*found, rtol=1e-6)
    zeros = found[0] == 0
    np.testing.assert_array_equal(
        np.signbit(found[0][zeros]), np.signbit(found[1][zeros])
    )


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extremes_keep_nan(name: str) -> None:
    a = np.array([np.nan, 1.0, np.nan, -np.inf, 2.0], np.float32)
    b = np.array([1.0, np.nan, np.nan, np.inf, 3.0], np.float32)
    got = getattr(rg, name)(rg.tensor(a), rg.tensor(b)).numpy()
    np.testing.assert_array_equal(got, getattr(np, name)(a, b))
