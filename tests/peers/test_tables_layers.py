"""Layers as functions on PyTorch's own sample inputs: values, types, derivatives to the
second order where PyTorch has them, and what is refused."""

from __future__ import annotations

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


def given(sample: Any) -> Any:
    """Nothing that is drawn: each library has a generator of its own."""
    drawn = sample.kwargs.get("training") and 0 < sample.kwargs.get("p", 0.5) < 1
    return None if drawn else sample


def check(name: str, dtype: Any, most: int, order: int) -> int:
    full, rtol = f"nn.functional.{name}", COARSER.get(name, 1e-9)
    return op_tables.check(full, dtype, most, order, rtol, given)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    assert check(name, torch.float64, most=8, order=2)


@pytest.mark.parametrize("name", NAMES)
def test_types(name: str) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.int64):
        check(name, dtype, most=2, order=0)


#: of which PyTorch's table has refusals
REFUSED = """
gelu hardtanh softshrink prelu rrelu
""".split()


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    op_tables.check_refusals(f"nn.functional.{name}")
