"""Tensors are printed as PyTorch prints them, under all its options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, printing

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

numbers = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    "scalar": np.float32(1.5),
    "whole scalar": np.float64(3),
    "negative zero": np.array([-0.0, 1.5], np.float32),
    "a row": np.array([1.0, 2.25, -3.5], np.float32),
    "whole": np.array([1.0, 2.0, -300.0], np.float32),
    "zeros": np.zeros((2, 2), np.float32),
    "with infinity": np.array([math.inf, 1.0, -math.inf], np.float32),
    "with nan": np.array([math.nan, 1.5], np.float32),
    "only nan": np.array([math.nan, math.nan], np.float32),
    "nan and thousands": np.array([math.nan, 1000.0, 0.0], np.float32),
    "zero beside sixes": np.array([0.0, 123456.0], np.float32),
    "large": np.array([1e9, 1.0], np.float32),
    "whole and large": np.array([2e8], np.float32),
    "small": np.array([1e-5, 1.0]),
    "just small": np.array([1.01e-4]),
    "far apart": np.array([0.001, 1.1]),
    "farther apart": np.array([0.001, 0.999]),
    "extreme": np.array([1e-300, 1e300]),
    "denormal": np.array([5e-324, 1.0]),
    "infinite and small": np.array([1e-5, math.inf, math.nan, -1e-6]),
    "matrix": numbers.normal(size=(3, 4)).astype(np.float32),
    "matrix float64": numbers.normal(size=(2, 3)) * 100,
    "cube": numbers.normal(size=(2, 3, 2)).astype(np.float32),
    "four dimensions": numbers.normal(size=(2, 1, 2, 3)).astype(np.float32),
    "long row": numbers.normal(size=40).astype(np.float32),
    "long row of bytes": np.arange(60, dtype=np.uint8),
    "cut row": np.arange(2000),
    "cut matrix": numbers.normal(size=(60, 40)).astype(np.float32),
    "cut cube": (np.arange(4000).reshape(20, 10, 20) / 7).astype(np.float32),
    "tall": np.arange(1002.0).reshape(501, 2),
    "wide": np.arange(1002).reshape(2, 501),
    "long": np.array([[10, -2], [3, 40]]),
    "int32": np.array([1, 2], np.int32),
    "bool": np.array([[True, False], [False, False]]),
    "one bool": np.array(True),
    "half": np.array([1.5, 0.333], np.float16),
    "empty": np.zeros(0, np.float32),
    "empty matrix": np.zeros((0, 3), np.float32),
    "empty long": np.zeros(0, np.int64),
    "empty bool": np.zeros((2, 0), np.bool_),
    "empty float64": np.zeros((2, 0)),
    "full line": np.arange(1.0, 10.0) * 1.5,
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"precision": 2},
    {"precision": 8, "linewidth": 40},
    {"sci_mode": True},
    {"sci_mode": False},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0},
    {"threshold": math.inf, "linewidth": 200},
    {"linewidth": 20},
]


@pytest.fixture(autouse=True)
def defaults() -> Any:
    names = ("PRECISION", "THRESHOLD", "EDGE", "WIDTH", "SCIENTIFIC")
    before = [getattr(printing, n) for n in names]
    yield
    torch.set_printoptions(profile="default")
    for name, value in zip(names, before, strict=True):
        setattr(printing, name, value)


def choose(options: dict[str, Any]) -> None:
    torch.set_printoptions(**options)
    words = {"precision": "PRECISION", "threshold": "THRESHOLD", "edgeitems": "EDGE",
             "linewidth": "WIDTH", "sci_mode": "SCIENTIFIC"}  # fmt: skip
    for key, value in options.items():
        setattr(printing, words[key], value)


def same(ours: Any, theirs: Any) -> None:
    # The name of the library is shorter there: let both lines be as long.
    wide = printing.WIDTH
    shown = repr(theirs).replace("dtype=torch.", "dtype=retrograd.")
    if "dtype=" not in shown:
        assert repr(ours) == shown
        return
    printing.WIDTH = wide + len("retrograd") - len("torch")
    notes = repr(ours).rsplit("dtype=", 1)[1]
    printing.WIDTH = wide
    assert notes == shown.rsplit("dtype=", 1)[1]
    assert "".join(repr(ours).split()) == "".join(shown.split())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_arrays(options: dict[str, Any]) -> None:
    choose(options)
    for name, array in ARRAYS.items():
        if (
            name in ("tall", "wide", "cut cube")
            and options.get("threshold") == math.inf
        ):
            continue  # long texts, nothing new
        same(rg.tensor(array), torch.tensor(array))
    for values in ([1.5, 2.0], [0.0], [1e-9, 3.0]):
        same(rg.tensor(values).bfloat16(), torch.tensor(values).bfloat16())


def test_where_gradients_come_from() -> None:
    for f in (lambda x: x + 1, lambda x: (x * 2).sum(), lambda x: x.exp(), lambda x: x):
        texts = []
        for lib in (torch, rg):
            texts.append(repr(f(lib.tensor([1.0, 2.5], requires_grad=True))))
        assert texts[0] == texts[1]
    for n in (7, 8, 9, 10):  # the note goes to a line of its own where it must
        row = np.arange(1.0, n) + 0.5
        a = torch.tensor(row.astype(np.float32), requires_grad=True)
        assert repr(rg.tensor(row.astype(np.float32), requires_grad=True)) == repr(a)


def test_parameters() -> None:
    a = torch.nn.Parameter(torch.tensor([[1.0, 2.0]]))
    assert repr(nn.Parameter(rg.tensor([[1.0, 2.0]]))) == repr(a)


def test_another_default() -> None:
    for lib in (torch, rg):
        lib.set_default_dtype(lib.float64)
    try:
        for values in ([1.5], [1], []):
            assert repr(rg.tensor(values)) == repr(torch.tensor(values))
        a = np.ones(2, np.float32)
        same(rg.tensor(a), torch.tensor(a))
    finally:
        for lib in (torch, rg):
            lib.set_default_dtype(lib.float32)
