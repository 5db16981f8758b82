"""Reductions, scans and statistics on PyTorch's own sample inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
pytestmark = pytest.mark.filterwarnings("ignore:.*degrees of freedom")

NAMES = """
sum mean prod var std var_mean std_mean max min aminmax amax amin median nanmedian mode
quantile nanquantile kthvalue norm dist linalg.norm linalg.vector_norm
linalg.matrix_norm logsumexp all any argmin argmax count_nonzero nansum nanmean cumsum
cumprod cummax cummin logcumsumexp diff trapezoid cumulative_trapezoid histc histogram
histogramdd bincount corrcoef gradient renorm softmax log_softmax msort sort argsort topk
""".split()
#: where elements are equal, the position that is found is not PyTorch's
TIES = {"mode", "kthvalue", "sort", "argsort", "topk", "median", "nanmedian"}
#: of which PyTorch's second derivative at zero is NaN
AT_ZERO = {"linalg.norm"}


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    order = 1 if name in AT_ZERO else 2
    dtype = torch.int64 if name == "bincount" else torch.float64
    assert op_tables.check(name, dtype, most=3, order=order)


@pytest.mark.parametrize("name", sorted(set(NAMES) - TIES - {"histc", "bincount"}))
def test_types(name: str) -> None:
    for dtype in ("float32", "bfloat16", "int64", "uint8", "bool"):
        op_tables.check(name, getattr(torch, dtype), most=1, order=0)


def test_covariance_with_weights() -> None:
    """PyTorch adds the weights of these samples up in float32, their gradients too."""
    assert op_tables.check("cov", torch.float64, most=8, order=0, rtol=1e-6)
    for fweights in (None, [1, 2, 3]):
        rng = np.random.default_rng(0)
        x, a = rng.normal(size=(2, 3)), rng.uniform(0.5, 1.5, size=3)
        made = []
        for lib in (rg, torch):
            ins = [lib.tensor(v, requires_grad=True) for v in (x, a)]
            f = None if fweights is None else lib.tensor(fweights)
            out = lib.cov(ins[0], correction=1, fweights=f, aweights=ins[1])
            (out * out).sum().backward()
            made.append([i.grad.numpy() for i in ins])
        for mine, theirs in zip(*made, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-9)


REFUSED = """
diff gradient max min aminmax histogramdd renorm logcumsumexp amax amin mean
""".split()


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_of_the_tables(name: str) -> None:
    op_tables.check_refusals(name)
