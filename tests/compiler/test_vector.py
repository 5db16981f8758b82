"""exp, log, tanh, … in generated code: units in the last place, and the edges."""

from __future__ import annotations

import math
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
    "log1p": (np.log1p, (-0.999, 50), 2.5),
    "tanh": (np.tanh, (-12, 12), 1.5),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), (-80, 80), 2.5),
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


def test_erf_in_single_precision() -> None:
    x = points(-5, 5, np.float32)
    got = rg.erf(rg.tensor(x)).numpy()
    want = np.array([math.erf(float(v)) for v in x])
    step = np.spacing(np.abs(want.astype(np.float32)))
    assert np.max(np.abs(got - want) / step) <= 1.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logarithm_of_denormal_numbers(dtype: Any) -> None:
    info = np.finfo(dtype)
    least = info.smallest_subnormal
    x = np.array([least, 3 * least, info.tiny / 3, info.tiny, -least], dtype)
    got = rg.log(rg.tensor(x)).numpy()
    with np.errstate(invalid="ignore"):
        want = np.log(x.astype(np.longdouble)).astype(dtype)
    np.testing.assert_array_max_ulp(got[:-1], want[:-1], 1)
    assert np.isnan(got[-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name", [*CASES, "abs", "sqrt", "floor", "sign", "relu", "round"]
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
