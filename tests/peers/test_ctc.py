"""ctc_loss beside PyTorch's on random sequences, and its derivatives of any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number, refused

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)


@pytest.mark.parametrize("seed", range(12))
def test_like_pytorch(seed: int) -> None:
    """Lengths of nothing and too short ones included."""
    rng = np.random.default_rng(seed)
    T, N, C, U = (int(rng.integers(a, b)) for a, b in ((4, 12), (1, 4), (2, 5), (1, 5)))
    blank = int(rng.integers(C))
    targets = rng.integers(0, C - 1, (N, U))
    targets = np.where(targets >= blank, targets + 1, targets)
    steps, lengths = rng.integers(1, T + 1, N), rng.integers(0, U + 1, N)
    row = np.concatenate([a[:n] for a, n in zip(targets, lengths, strict=True)])
    x = rng.normal(size=(T, N, C))
    for reduction in ("none", "mean", "sum"):

        def padded(lib: Any, x: Any, how: str = reduction) -> Any:
            given = [lib.tensor(a) for a in (targets, steps, lengths)]
            return lib.nn.functional.ctc_loss(
                x.log_softmax(-1), *given, blank, how, True
            )

        def in_a_row(lib: Any, x: Any, how: str = reduction) -> Any:
            return lib.nn.functional.ctc_loss(
                x.log_softmax(-1), lib.tensor(row), tuple(steps.tolist()),
                tuple(lengths.tolist()), blank, how,
            ).detach()  # fmt: skip

        compare(torch, padded, x)
        compare(torch, in_a_row, x)


def test_one_sequence_without_a_batch() -> None:
    for how in ("none", "mean"):
        compare(torch, lambda lib, x, how=how: lib.nn.functional.ctc_loss(
            x.log_softmax(-1), lib.tensor([1, 2]), lib.tensor(5), lib.tensor(2),
            reduction=how), number(5, 4))  # fmt: skip


def test_an_impossible_sequence() -> None:
    """Infinite, with NaN as its gradient; 0 and 0 with zero_infinity."""

    def loss(lib: Any, x: Any, zero: bool) -> Any:
        return lib.nn.functional.ctc_loss(
            x.log_softmax(-1), lib.tensor([[1, 1, 1]]), (3,), (3,), 0, "sum", zero
        )

    for zero in (False, True):
        compare(torch, lambda lib, x, z=zero: loss(lib, x, z), number(3, 1, 4))


def test_derivatives_of_higher_order() -> None:
    def loss(x: Any) -> Any:
        targets = rg.tensor([[1, 1, 2], [2, 0, 0]])
        return rg.nn.functional.ctc_loss(x, targets, (5, 3), (3, 1), reduction="sum")

    x = rg.tensor(number(5, 2, 3) - 1, requires_grad=True)
    assert rg.autograd.gradcheck(loss, (x,))
    assert rg.autograd.gradgradcheck(loss, (x,))


def test_long_sequences_do_not_underflow() -> None:
    targets = np.arange(60)[None] % 5 + 1
    compare(torch, lambda lib, x: lib.nn.functional.ctc_loss(
        (20 * x).log_softmax(-1), lib.tensor(targets), (400,), (60,)),
        number(400, 1, 6))  # fmt: skip


@pytest.mark.parametrize("case", [
    ((4, 1, 3), [[1, 2]], (5,), (2,), {}), ((4, 1, 3), [[1, 2]], (4,), (3,), {}),
    ((4, 1, 3), [[1, 2]], (4, 4), (2,), {}), ((4, 1, 3), [[1, 2]], (4,), (2, 1), {}),
    ((4, 1, 3), [[1, 2]], (4,), (2,), {"blank": 3}),
    ((4, 1, 3), [[1, 2]], (4,), (2,), {"reduction": "all"}),
])  # fmt: skip
def test_refused(case: Any) -> None:
    shape, targets, steps, lengths, how = case
    refused(torch, lambda lib, x, y: lib.nn.functional.ctc_loss(
        x, y, steps, lengths, **how), number(*shape), np.array(targets))  # fmt: skip
