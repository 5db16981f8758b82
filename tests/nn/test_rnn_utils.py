"""Padded and packed sequences: PyTorch's values, order, gradients and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number
from peers.twins import raises_alike
from retrograd.nn.utils import rnn

LENGTHS = {
    "sorted": (5, 3, 3, 1),
    "unsorted": (3, 5, 1, 3),
    "one": (5,),
    "equal": (4, 4),
}


@pytest.mark.parametrize("trailing", [(), (3,), (2, 3), (0,)])
@pytest.mark.parametrize("name", LENGTHS)
def test_there_and_back(name: str, trailing: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, *trailing)) for n in LENGTHS[name]]
    packed = rnn.pack_sequence([rg.tensor(p) for p in parts], enforce_sorted=False)
    for part, back in zip(parts, rnn.unpack_sequence(packed), strict=True):
        np.testing.assert_array_equal(back.numpy(), part)
    padded = rnn.pad_sequence([rg.tensor(p) for p in parts])
    cut = rnn.unpad_sequence(padded, rg.tensor(LENGTHS[name]))
    for part, back in zip(parts, cut, strict=True):
        np.testing.assert_array_equal(back.numpy(), part)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", LENGTHS)
def test_packing_is_pytorchs(name: str, batch_first: bool) -> None:
    torch = pytest.importorskip("torch")
    lengths = LENGTHS[name]
    order = name != "unsorted"
    for trailing in ((), (2,), (2, 3)):
        lead = (len(lengths), 6) if batch_first else (6, len(lengths))
        for how in ({}, {"total_length": 7, "padding_value": -2.5}):

            def pack(lib: Any, x: Any) -> Any:
                u = lib.nn.utils.rnn
                for n in (list(lengths), lib.tensor(lengths)):
                    p = u.pack_padded_sequence(x, n, batch_first, order)
                y, back = u.pad_packed_sequence(p, batch_first, **how)
                q = u.pack_padded_sequence(y * 2, back, batch_first, False)
                return [*p, y, back, *q]

            compare(torch, pack, number(*lead, *trailing))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_padding_is_pytorchs(side: str, batch_first: bool) -> None:
    torch = pytest.importorskip("torch")

    def pad(lib: Any, *xs: Any) -> Any:
        u = lib.nn.utils.rnn
        y = u.pad_sequence(list(xs), batch_first, 1.5, side)
        return [y, *u.unpad_sequence(y.clone(), lib.tensor([2, 0, 4]), batch_first)]

    compare(torch, pad, number(2, 3), number(1, 3), number(4, 3))
    compare(torch, pad, number(2), number(4, seed=1), number(3))


def test_types_and_text() -> None:
    torch = pytest.importorskip("torch")
    texts = []
    for lib in (rg, torch):
        u = lib.nn.utils.rnn
        p = u.pack_sequence([lib.tensor([1, 2]), lib.tensor([3, 4, 5])], False)
        assert p.to(lib.int64) is p
        d = p.double()
        assert d.data.dtype is lib.float64 and isinstance(d, u.PackedSequence)
        assert [q.data.dtype for q in (p.int(), p.short(), p.char(), p.byte())] == [
            lib.int32, lib.int16, lib.int8, lib.uint8,
        ]  # fmt: skip
        assert p.float().half().data.dtype is lib.float16
        assert p.cpu() is p and not p.is_cuda
        assert u.invert_permutation(lib.tensor([2, 0, 1])).tolist() == [1, 2, 0]
        assert u.invert_permutation(None) is None
        again = u.PackedSequence(p.data, p.batch_sizes, p.sorted_indices)
        assert again.unsorted_indices.tolist() == [1, 0]
        texts.append(repr(p))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("case", range(7))
def test_refusals(case: int) -> None:
    torch = pytest.importorskip("torch")

    def pack(lengths: Any, **how: Any) -> Any:
        return lambda lib: lib.nn.utils.rnn.pack_padded_sequence(
            lib.zeros(5, 2, 3), lengths, **how
        )[:1]

    def pad(*args: Any, **how: Any) -> Any:
        return lambda lib: lib.nn.utils.rnn.pad_sequence(*args, **how)

    cases: list[Any] = [
        pack([2, 3]),
        pack([3, 2, 1]),
        pack([3, 0]),
        pad([]),
        pad(3),
        lambda lib: lib.nn.utils.rnn.pad_sequence([lib.zeros(2)], padding_side="up"),
        lambda lib: lib.nn.utils.rnn.pad_packed_sequence(
            lib.nn.utils.rnn.pack_sequence([lib.zeros(3)]), total_length=2
        ),
    ]
    raises_alike(torch, cases[case])


def test_a_sequence_longer_than_the_batch_is_refused() -> None:
    """PyTorch packs it, into a batch whose sizes are not those of its data."""
    for sort in (True, False):
        with pytest.raises(RuntimeError, match="6 does not fit into 5 steps"):
            rnn.pack_padded_sequence(rg.zeros(5, 2), [6, 2], enforce_sorted=sort)
