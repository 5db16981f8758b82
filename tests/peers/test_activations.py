"""Activation functions at their kinks and at infinity, in place, and of other types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

POINTS = [-800, -40, -3, -1, -0.5, 0, 0.5, 1, 3, 6, 20, 21, 800, math.inf, -math.inf, math.nan]  # fmt: skip
NAMES = (
    "relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign hardtanh "
    "hardsigmoid hardswish tanhshrink softshrink hardshrink logsigmoid rrelu sigmoid tanh"
).split()


def at_points(lib: Any, name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    x = lib.tensor(POINTS, dtype=lib.float64, requires_grad=True)
    y = getattr(lib.nn.functional, name)(x, *args, **kwargs)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("name", NAMES)
def test_kinks_and_infinity(name: str) -> None:
    (a, da), (b, db) = at_points(rg, name), at_points(torch, name)
    rtol = 1e-7 if name == "hardsigmoid" else 1e-9  # 1/6 in single precision
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-15)
    # At NaN, PyTorch's derivatives depend on how many elements there are.
    np.testing.assert_allclose(da[:-1], db[:-1], rtol=rtol, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("gelu", (), {"approximate": "tanh"}), ("elu", (0.3,), {}), ("celu", (0.5,), {}),
        ("softplus", (0.5, 3.0), {}), ("threshold", (0.5, -2.0), {}),
        ("hardtanh", (-0.5, 3.0), {}), ("leaky_relu", (-0.4,), {}),
        ("softshrink", (1.0,), {}), ("hardshrink", (1.0,), {}), ("softshrink", (0.0,), {}),
        ("rrelu", (0.2, 0.4), {}),
    ],
)  # fmt: skip
def test_their_arguments(
    name: str, args: tuple[float, ...], kwargs: dict[str, str]
) -> None:
    found = at_points(rg, name, *args, **kwargs)
    wanted = at_points(torch, name, *args, **kwargs)
    rtol = 1e-7 if name == "celu" else 1e-9
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a[:-1], b[:-1], rtol=rtol, atol=1e-15)


IN_PLACE = "relu_ hardtanh_ leaky_relu_ elu_ selu_ celu_ rrelu_".split()


@pytest.mark.parametrize("name", [*IN_PLACE, "threshold_"])
@pytest.mark.parametrize("read_first", [False, True])
def test_in_place(name: str, read_first: bool) -> None:
    """The tensor itself changes; its derivative is that of the value before."""
    args = (0.1, 0.5) if name == "threshold_" else ()
    found = []
    for lib in (rg, torch):
        x = lib.tensor([-1.5, 0.2, 0.0, 2.0], dtype=lib.float64, requires_grad=True)
        y = x * 1.5
        if read_first:
            y.detach().numpy()
        z = getattr(lib.nn.functional, name)(y, *args)
        assert z is y
        (z * lib.tensor([1.0, 2.0, 3.0, 4.0], dtype=lib.float64)).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


INPLACE = {"relu6": {}, "hardsigmoid": {}, "hardswish": {}, "silu": {}, "mish": {},
           "elu": {"alpha": 0.5}, "leaky_relu": {"negative_slope": 0.3}, "rrelu": {},
           "threshold": {"threshold": 0.1, "value": 7.0}, "hardtanh": {"max_val": 0.5},
           "celu": {"alpha": 2.0}, "selu": {}, "relu": {}}  # fmt: skip


@pytest.mark.parametrize("name", INPLACE)
def test_the_argument_inplace(name: str) -> None:
    f = getattr(rg.nn.functional, name)
    x = rg.tensor([-1.5, 0.2, 0.0, 2.0])
    whole = rg.zeros(8)
    whole[::2] = x
    out = f(whole[::2], inplace=True, **INPLACE[name])
    assert rg.equal(out, f(x, **INPLACE[name]))
    assert rg.equal(whole[::2], out) and not whole[1::2].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["int64", "bool"])
def test_numbers_that_are_not_floating(name: str, kind: str) -> None:
    found: list[Any] = []
    for lib in (rg, torch):
        x = lib.tensor([[-4, 3, 0, 1]]).to(getattr(lib, kind))
        try:
            y = getattr(lib.nn.functional, name)(x)
            found.append((str(y.dtype).split(".")[-1], np.round(y.numpy(), 6).tolist()))
        except Exception as error:
            found.append(type(error))
    mine, theirs = found
    assert mine == theirs


def test_a_slope_of_each_channel_needs_as_many_channels() -> None:
    for shape in [(5,), (4, 5), (4, 5, 2)]:
        x, w = np.linspace(-1, 1, math.prod(shape)).reshape(shape), np.ones(3)
        for lib in (rg, torch):
            with pytest.raises(RuntimeError, match="Mismatch of parameter numbers"):
                lib.nn.functional.prelu(lib.tensor(x), lib.tensor(w))
