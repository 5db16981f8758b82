"""Embeddings and bags of them beside PyTorch's: every mode and argument."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg
from peers.cases import compare, number
from peers.twins import follow, raises_alike, twins

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

INDEX = np.array([1, 4, 1, 0, 2, 2, 5, 1, 4])
#: where bags begin: equal, with empty ones, one, the last ones empty
OFFSETS = {"three": [0, 3, 6], "empty": [0, 0, 4, 4, 9], "one": [0], "end": [0, 9, 9]}


@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_pytorchs_samples(name: str) -> None:
    """The entry's function takes the table first."""
    (entry,) = op_tables.table()[f"nn.functional.{name}"]
    f = getattr(rg.nn.functional, name)
    count = 0
    for dtype, most, order in ((torch.float64, 200, 2), (torch.float32, 6, 1)):
        levels = order if entry.supports_gradgrad else 1
        for sample in op_tables.samples(entry, dtype, most):
            how = sample.kwargs
            if how.get("max_norm") is not None or how.get("sparse"):
                continue  # the first changes the table: below
            if name == "embedding_bag" and how.get("scale_grad_by_freq"):
                continue  # PyTorch's counts are those of other rows: below
            op_tables.compare(
                lambda table, index, *a, **k: f(index, table, *a, **k),
                entry.op, sample, levels,
            )  # fmt: skip
            count += 1
    assert count > 5


def test_pytorchs_refusals() -> None:
    op_tables.check_refusals("nn.functional.embedding")


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("name", OFFSETS)
def test_bags(mode: str, name: str) -> None:
    for padding, last in itertools.product((None, 1, -2), (False, True)):
        offsets = [*OFFSETS[name], 9] if last else OFFSETS[name]

        def bag(lib: Any, index: Any, table: Any, offsets: Any, *w: Any) -> Any:
            return lib.nn.functional.embedding_bag(
                index, table, offsets, mode=mode, padding_idx=padding,
                include_last_offset=last, per_sample_weights=w[0] if w else None,
            )  # fmt: skip

        given = (INDEX, number(6, 3), np.array(offsets))
        compare(torch, bag, *given)
        if mode == "sum":
            compare(torch, bag, *given, number(9, seed=4))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_rows_as_bags_and_equal_rows(mode: str) -> None:
    table = number(6, 3)
    table[4] = table[1]  # the largest of equal ones: the first gets the gradient
    table[0, 1] = table[2, 1]

    def bag(lib: Any, index: Any, table: Any) -> Any:
        f = lib.nn.functional.embedding_bag
        return [f(index, table, mode=mode), f(index, table, mode=mode, padding_idx=1)]

    compare(torch, bag, INDEX.reshape(3, 3), table)
    compare(torch, bag, INDEX.reshape(9, 1), table)
    compare(torch, bag, INDEX.reshape(1, 9), table)
    compare(torch, bag, np.zeros((0, 3), np.int64), table)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_gradients_by_frequency_are_those_of_an_embedding(mode: str) -> None:
    """PyTorch's bags divide by the counts of other rows (sorted ones); its embedding by
    those of the row itself, as both say."""

    def bag(lib: Any, index: Any, table: Any) -> Any:
        how = {"scale_grad_by_freq": True}
        if lib is rg:
            return lib.nn.functional.embedding_bag(index, table, mode=mode, **how)
        return getattr(lib.nn.functional.embedding(index, table, **how), mode)(1)

    compare(torch, bag, INDEX.reshape(3, 3), number(6, 3))


def test_no_elements_at_all() -> None:
    for mode in ("sum", "mean", "max"):
        out = rg.nn.functional.embedding_bag(
            rg.zeros(0, dtype=rg.int64), rg.ones(3, 2), rg.tensor([0, 0]), mode=mode
        )
        assert out.tolist() == [[0.0, 0.0]] * 2


@pytest.mark.parametrize("kind", ["Embedding", "EmbeddingBag"])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_rows_are_shortened_in_the_table(kind: str, p: float) -> None:
    def make(lib: Any) -> Any:
        return getattr(lib.nn, kind)(6, 3, max_norm=0.7, norm_type=p)

    pair = twins(torch, make)
    index = INDEX[INDEX != 5].reshape(2, 4)
    before = [m.weight.detach().numpy().copy() for m in pair]
    follow(torch, pair, index)
    after = [m.weight.detach().numpy() for m in pair]
    np.testing.assert_allclose(after[0], after[1], rtol=1e-12)
    np.testing.assert_array_equal(after[0][5], before[0][5])  # nobody asked for it
    norms = (np.abs(after[0][:5]) ** p).sum(1) ** (1 / p)
    assert (norms < 0.7 + 1e-12).all()
    assert (np.abs(before[0][:5]) ** p).sum(1).max() > 0.7**p


@pytest.mark.parametrize("how", [
    {}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True},
    {"padding_idx": 1, "scale_grad_by_freq": True}, {"sparse": False, "max_norm": 0.5},
])  # fmt: skip
def test_modules(how: dict[str, Any]) -> None:
    for kind in ("Embedding", "EmbeddingBag"):
        if kind == "EmbeddingBag" and "scale_grad_by_freq" in how:
            continue
        pair = twins(torch, lambda lib, kind=kind: getattr(lib.nn, kind)(6, 3, **how))
        follow(torch, pair, INDEX.reshape(3, 3))
        assert pair[0].padding_idx == pair[1].padding_idx
        row = getattr(rg.nn, kind)(6, 3, **how).weight[pair[0].padding_idx or 0]
        assert bool((row == 0).all()) == ("padding_idx" in how)


def test_from_pretrained() -> None:
    for kind in ("Embedding", "EmbeddingBag"):
        for freeze in (True, False):
            made = [
                getattr(lib.nn, kind).from_pretrained(
                    lib.tensor(number(6, 3)), freeze, padding_idx=2
                )
                for lib in (rg, torch)
            ]
            assert repr(made[0]) == repr(made[1])
            assert made[0].weight.requires_grad is (not freeze)
            follow(torch, (made[0], made[1]), INDEX.reshape(3, 3))


@pytest.mark.parametrize("case", range(11))
def test_refusals(case: int) -> None:
    def bag(index: Any, offsets: Any = None, **how: Any) -> Any:
        def call(lib: Any) -> Any:
            given = {
                k: lib.tensor(v) if isinstance(v, list) else v for k, v in how.items()
            }
            start = None if offsets is None else lib.tensor(offsets)
            table = lib.ones(3, 2)
            return lib.nn.functional.embedding_bag(
                lib.tensor(index), table, start, **given
            )

        return call

    cases: list[Any] = [
        bag([0, 1]),
        bag([[0, 1]], [0]),
        bag([0, 1], [[0]]),
        bag([0, 1], [1]),
        bag([0, 1], [0, 3]),
        bag([0, 1], [0], mode="median"),
        bag([0, 1], [0], mode="max", scale_grad_by_freq=True),
        bag([0, 1], [0], mode="mean", per_sample_weights=[1.0, 2.0]),
        bag([0, 1], [0], mode="sum", per_sample_weights=[1.0]),
        bag([0, 1], [0], padding_idx=3),
        bag([[[0, 1]]]),
    ]
    raises_alike(torch, cases[case])


def test_numbers_outside_the_table() -> None:
    for kind in ("embedding", "embedding_bag"):
        with pytest.raises(IndexError):
            getattr(rg.nn.functional, kind)(rg.tensor([[3]]), rg.ones(3, 2)).tolist()


def test_negative_numbers_are_refused() -> None:
    for kind in ("embedding", "embedding_bag"):
        raises_alike(
            torch,
            lambda lib, kind=kind: getattr(lib.nn.functional, kind)(
                lib.tensor([[-1]]), lib.ones(3, 2)
            ),
        )
