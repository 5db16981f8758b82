"""Arguments by NumPy's names, which PyTorch takes beside its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

CALLS = """
x.sum(1, keepdims=True)
x.sum(axis=0)
x.mean(axis=0, keepdims=True)
x.std(0, keepdims=True)
lib.var(x, axis=1, keepdims=True)
x.max(1, keepdims=True)[0]
lib.max(x, axis=1).indices
lib.min(x, axis=0, keepdims=True)[0]
x.argmax(axis=1)
x.argmin(axis=1, keepdims=True)
x.amax(axis=1, keepdims=True)
x.prod(axis=1)
x.any(axis=1)
x.cumsum(axis=0)
x.cumprod(axis=0)
x.softmax(axis=1)
lib.log_softmax(x, axis=0)
lib.nn.functional.softmax(x, dim=1).sum(axis=-1)
x.logsumexp(axis=1, keepdims=True)
x.sort(axis=1)[0]
lib.argsort(x, axis=0)
lib.cat((x, x), axis=1)
lib.concatenate([x, x], axis=0)
lib.stack([x, x], axis=1)
lib.unsqueeze(x, axis=0)
x[:, :1].squeeze(axis=1)
lib.linalg.norm(x, axis=1)
lib.median(x, axis=1)[0]
lib.add(x1=x, x2=x)
lib.mul(input=x, other=x)
""".strip().splitlines()


@pytest.mark.parametrize("call", CALLS)
def test_the_result_is_pytorchs(call: str) -> None:
    numbers = np.cos(np.arange(12.0)).reshape(3, 4)
    mine, theirs = (
        eval(call, {"lib": lib, "x": lib.tensor(numbers)}) for lib in (rg, torch)
    )
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-12)
    assert mine.shape == tuple(theirs.shape)


@pytest.mark.parametrize("call", ["x.sum(wide=1)", "x.softmax(dim=0, axis=0)",
                                  "lib.tanh(x, axis=0)"])  # fmt: skip
def test_other_names_are_refused(call: str) -> None:
    for lib in (rg, torch):
        with pytest.raises(TypeError):
            eval(call, {"lib": lib, "x": lib.ones(2)})


def test_another_librarys_tensor_is_called_by_its_full_name() -> None:
    with pytest.raises(TypeError, match=r"not torch\.Tensor, which is another"):
        rg.nn.functional.cross_entropy(torch.ones(2, 3), rg.tensor([0, 1]))
