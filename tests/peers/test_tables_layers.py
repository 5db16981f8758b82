"""Layers as functions on PyTorch's own sample inputs: values, types, derivatives to the
second order where PyTorch has them, and what is refused."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import op_tables

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

NAMES = """
relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign hardtanh
hardsigmoid hardswish tanhshrink softshrink hardshrink threshold logsigmoid glu prelu
rrelu softmin
""".split()

#: looser where PyTorch's own kernel is: constants in single precision
COARSER = {"hardsigmoid": 1e-7, "celu": 1e-7}


def random(sample: Any) -> bool:
    """Whether the result is drawn: each library has a generator of its own."""
    return bool(sample.kwargs.get("training")) and 0 < sample.kwargs.get("p", 0.5) < 1


def check(name: str, dtype: Any, most: int, order: int) -> None:
    full = f"nn.functional.{name}"
    rtol = COARSER.get(name, 1e-9)
    for entry in op_tables.table()[full]:
        if dtype not in entry.dtypes:
            continue
        levels = min(order, 2 if entry.supports_gradgrad else 1)
        levels = levels if entry.supports_autograd else 0
        for sample in op_tables.samples(entry, dtype, most, grad=levels > 0):
            if name in DRAWN and random(sample):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                op_tables.compare(
                    op_tables.ours(full), entry.op, sample, levels, rtol, rtol / 1000
                )


DRAWN = ("rrelu",)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    check(name, torch.float64, most=8, order=2)


@pytest.mark.parametrize("name", NAMES)
def test_types(name: str) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.int64):
        check(name, dtype, most=2, order=0)


@pytest.mark.parametrize("name", NAMES)
def test_refusals(name: str) -> None:
    for entry in op_tables.table()[f"nn.functional.{name}"]:
        for bad, kind in op_tables.refusals(entry):
            parts = (bad.input, bad.args, bad.kwargs)
            tensors = list(
                op_tables.flat([parts[0], parts[1], list(parts[2].values())])
            )
            if any(isinstance(t, torch.Tensor) and t.is_complex() for t in tensors):
                continue
            given, args, kwargs = op_tables.translated(parts)
            with pytest.raises(kind), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                out = op_tables.ours(f"nn.functional.{name}")(given, *args, **kwargs)
                for o in op_tables.flat(out):
                    o.tolist()
