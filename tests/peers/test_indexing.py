"""Every form of ``x[key]`` and ``x[key] = value`` beside PyTorch's, and what writing
through views does to the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number, refused

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

X = number(3, 4, 5)
WIDE = number(2, 3, 4, 2)
MASK = number(3, 4, seed=5) > 0

# the key, made with either library; what it is applied to
KEYS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "int": (lambda L: 1, X),
    "numpy int": (lambda L: np.int64(-1), X),
    "tensor int": (lambda L: L.tensor(2), X),
    "tensor int after a slice": (lambda L: (slice(1, 3), L.tensor(-1)), X),
    "negative": (lambda L: (-1, -4, -5), X),
    "slice": (lambda L: slice(1, None), X),
    "slice beyond": (lambda L: slice(-9, 9), X),
    "slice reversed bounds": (lambda L: slice(2, 1), X),
    "step": (lambda L: (slice(None), slice(3, None, 2), slice(0, 4, 3)), X),
    "slice of tensors": (lambda L: slice(L.tensor(1), L.tensor(3)), X),
    "ellipsis": (lambda L: ..., X),
    "ellipsis first": (lambda L: (..., 2), X),
    "ellipsis inside": (lambda L: (0, ..., slice(1, 3)), X),
    "ellipsis of nothing": (lambda L: (0, ..., 1, 2), X),
    "none": (lambda L: None, X),
    "none twice": (lambda L: (None, 1, None, ..., None), X),
    "empty key": (lambda L: (), X),
    "true": (lambda L: True, X),
    "false": (lambda L: False, X),
    "true after a slice": (lambda L: (slice(1), True), X),
    "true and tensor": (lambda L: (True, L.tensor([0, 2])), X),
    "tensor of a truth value": (lambda L: L.tensor(True), X),
    "list": (lambda L: [2, 0, 2], X),
    "nested list": (lambda L: ([[0, 1], [2, 2]],), X),
    "empty list": (lambda L: [], X),
    "numpy array": (lambda L: np.array([0, -1]), X),
    "numpy mask": (lambda L: MASK, X),
    "list of truth values": (lambda L: [True, False, True], X),
    "range": (lambda L: (range(2), slice(None), 0), X),
    "tensor": (lambda L: L.tensor([[0, 1], [2, 2]]), X),
    "tensor last": (lambda L: (..., L.tensor([[0, -1], [2, 2]])), X),
    "int32 tensor": (lambda L: L.tensor([0, 2], dtype=L.int32), X),
    "two tensors": (lambda L: (L.tensor([0, 2]), L.tensor([1, 3])), X),
    "three tensors": (
        lambda L: (L.tensor([0, 2]), L.tensor([[1], [3]]), L.tensor(4)), X),
    "tensor and list": (lambda L: (L.tensor([[0], [2]]), [1, 3]), X),
    "apart": (lambda L: (L.tensor([0, 2]), slice(None), L.tensor([1, 4])), X),
    "apart by an int": (lambda L: (L.tensor([0, 2]), 1, L.tensor([1, 4])), X),
    "apart by none": (lambda L: (L.tensor([0, 2]), None, L.tensor([1, 3])), X),
    "int and tensor": (lambda L: (slice(1), L.tensor([3, 0]), 2), X),
    "int before tensor": (lambda L: (1, slice(None), L.tensor([3, 0])), X),
    "int before tensor apart": (lambda L: (1, slice(None), L.tensor([0, 1]), 0), WIDE),
    "none before tensor": (lambda L: (None, L.tensor([1, 1])), X),
    "none after tensor": (lambda L: (L.tensor([1, 1]), None, slice(2)), X),
    "slices around": (
        lambda L: (slice(1), L.tensor([[0, 2]]), slice(1, 3), slice(None)), WIDE),
    "tensors in the middle": (
        lambda L: (slice(None), L.tensor([0, 2]), L.tensor([[1], [3]])), WIDE),
    "mask": (lambda L: L.tensor([True, False, True]), X),
    "mask of two": (lambda L: L.tensor(MASK), X),
    "mask of all": (lambda L: L.tensor(X > 0), X),
    "mask of none": (lambda L: L.tensor(X > 99), X),
    "mask last": (lambda L: (..., L.tensor([True, False, True, False, True])), X),
    "mask and int": (lambda L: (L.tensor([True, False, True]), 1), X),
    "mask and slice": (lambda L: (L.tensor(MASK), slice(1, 4)), X),
    "mask and tensor": (
        lambda L: (L.tensor([True, False, True]), L.tensor([0, 3])), X),
    "mask and tensor that broadcasts": (
        lambda L: (L.tensor([True, False, True]), L.tensor([[0], [3]])), X),
    "masks apart": (
        lambda L: (L.tensor([True, False, True]), slice(None),
                   L.tensor([False, True, False, True, False])), X),
    "slice and mask": (
        lambda L: (slice(1, 2), L.tensor([True, False, True, True])), X),
    "tensor in an empty part": (lambda L: (slice(0, 0), L.tensor([1, 2])), X),
    "empty tensor": (lambda L: L.tensor([], dtype=L.int64), X),
    "scalar": (lambda L: (), np.array(2.5)),
    "scalar with none": (lambda L: (None, ..., None), np.array(2.5)),
    "scalar with a truth value": (lambda L: L.tensor(True), np.array(2.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_reading(name: str) -> None:
    key, x = KEYS[name]
    compare(torch, lambda L, x: x[key(L)], x)


@pytest.mark.parametrize("name", KEYS)
def test_writing(name: str) -> None:
    key, x = KEYS[name]

    def a_number(L: Any, x: Any) -> Any:
        y = x * 1
        y[key(L)] = 7.5
        return y * y

    def a_tensor(L: Any, x: Any) -> Any:
        y = x * 1
        y[key(L)] = x.sum()  # broadcast to the part; its gradient adds up
        return y * x

    def its_own_part(L: Any, x: Any) -> Any:
        y = x * 1
        part = y[key(L)].detach()
        y[key(L)] = part * part
        return y * x

    def an_array(L: Any, x: Any) -> Any:
        y = x.detach().clone()
        y[key(L)] = L.tensor(3.0, dtype=y.dtype)
        return y

    for way in (a_number, a_tensor, its_own_part, an_array):
        compare(torch, way, x)


@pytest.mark.parametrize("name", KEYS)
def test_updating(name: str) -> None:
    """``x[key] += value``: reads, changes, writes back; repeated places count once."""
    key, x = KEYS[name]

    def run(L: Any, x: Any) -> Any:
        y = x * 2
        y[key(L)] += 1.5
        y[key(L)] *= x.mean()
        return y

    compare(torch, run, x)


def test_masks_of_bytes() -> None:
    for lib in (rg, torch):
        mask = lib.tensor([1, 0, 1], dtype=lib.uint8)
        with pytest.warns(UserWarning, match="uint8"):
            part = lib.tensor(X)[mask]
        np.testing.assert_array_equal(part.numpy(), X[[0, 2]])


@pytest.mark.parametrize("dtype", ["float32", "int64", "int8", "uint8", "bool"])
def test_each_type(dtype: str) -> None:
    def run(L: Any, x: Any) -> Any:
        y = (x * 4).to(getattr(L, dtype))
        part = y[1:, [0, 2]]
        y[0, L.tensor([1, 1])] = y[2, 3]
        y[:, 1] = 1
        return part, y

    compare(torch, run, X)


# Each makes a view of y (or a copy of it) and changes that.
VIEWS: dict[str, Callable[[Any, Any], Any]] = {
    "int": lambda L, y: y[1],
    "slice": lambda L, y: y[1:, ::2],
    "none": lambda L, y: y[:, None],
    "ellipsis": lambda L, y: y[..., 0],
    "chain": lambda L, y: y[1][2:][0],
    "view": lambda L, y: y.view(12, 5)[3:9],
    "reshape": lambda L, y: y.reshape(-1)[::7],
    "flatten": lambda L, y: y.flatten(1)[:, 3],
    "ravel": lambda L, y: y.ravel()[2:9],
    "transpose": lambda L, y: y.transpose(0, 2)[1],
    "t": lambda L, y: y[0].t()[2],
    "permute": lambda L, y: y.permute(2, 0, 1)[3],
    "mT": lambda L, y: y.mT[:, 1:2],
    "unsqueeze": lambda L, y: y.unsqueeze(1)[2],
    "squeeze": lambda L, y: y[:1].squeeze(0)[1],
    "narrow": lambda L, y: y.narrow(1, 1, 2),
    "select": lambda L, y: y.select(2, 3),
    "diagonal": lambda L, y: y.diagonal(1, 1, 2),
    "split": lambda L, y: y.split(2, 1)[1],
    "chunk": lambda L, y: y.chunk(2, 2)[0],
    "tensor_split": lambda L, y: y.tensor_split(2, 1)[1],
    "unbind": lambda L, y: y.unbind(1)[2],
    "unflatten": lambda L, y: y.unflatten(1, (2, 2))[:, 1],
    "movedim": lambda L, y: y.movedim(0, 1)[2],
    "view_as": lambda L, y: y.view_as(y)[0],
    "swapaxes": lambda L, y: y.swapaxes(0, 1)[0],
    "of a copy": lambda L, y: y[[0, 1]],
    "of a copy by reshape": lambda L, y: y.mT.reshape(-1)[3:20],
    "expand": lambda L, y: y[0, 0, :1].expand(1),
}
CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "fill": lambda L, v: v.fill_(2.0),
    "zero": lambda L, v: v.zero_(),
    "mul": lambda L, v: v.mul_(v.detach() + 3),
    "assign": lambda L, v: v.__setitem__(..., 4.0),
    "copy": lambda L, v: v.copy_(v.detach() * 0 + 1.5),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", VIEWS)
def test_writing_through_views(name: str, change: str) -> None:
    def tracked(L: Any, x: Any) -> Any:
        y = x * 1
        part = VIEWS[name](L, y)
        other = y[0]
        CHANGES[change](L, part)
        return y * x, part, other

    def plain(L: Any, x: Any) -> Any:
        y = x.detach().clone()
        y.tolist()  # it has memory
        part = VIEWS[name](L, y)
        CHANGES[change](L, part)
        y[0] += 1
        return y, part

    def pending(L: Any, x: Any) -> Any:
        y = x.detach() * 2
        part = VIEWS[name](L, y)
        CHANGES[change](L, part)
        y[0] += 1
        return y, part

    # Of several views made at once PyTorch refuses to change one that is tracked.
    refused_there = name in ("split", "chunk", "unbind")
    for way in (plain, pending) if refused_there else (tracked, plain, pending):
        compare(torch, way, X)


REFUSED: dict[str, Any] = {
    "int": lambda L, x: x[3],
    "negative int": lambda L, x: x[0, -5],
    "too many": lambda L, x: x[0, 0, 0, 0],
    "too many tensors": lambda L, x: x[(L.tensor([0]),) * 4],
    "two ellipses": lambda L, x: x[..., 0, ..., 0, 0, 0],
    "tensor": lambda L, x: x[L.tensor([5])],
    "negative tensor": lambda L, x: x[:, L.tensor([-5])],
    "float tensor": lambda L, x: x[L.tensor([0.5])],
    "float": lambda L, x: x[0.5],
    "text": lambda L, x: x["a"],
    "mask shape": lambda L, x: x[L.tensor([True, False])],
    "mask too deep": lambda L, x: x[L.tensor(np.ones((3, 4, 5, 1), bool))],
    "shapes of tensors": lambda L, x: x[L.tensor([0, 1]), L.tensor([0, 1, 2])],
    "negative step": lambda L, x: x[::-1],
    "zero step": lambda L, x: x[::0],
    "write shape": lambda L, x: x.__setitem__(0, L.ones(3)),
    "write more dims": lambda L, x: x.__setitem__(0, L.ones(2, 4, 5)),
    "write tensor shape": lambda L, x: x.__setitem__([0, 1], L.ones(3, 4, 5)),
    "write mask count": lambda L, x: x.__setitem__(x > 0, L.ones(2)),
    "write out of range": lambda L, x: x.__setitem__(L.tensor([3]), 1.0),
    "write leaf": lambda L, x: x.requires_grad_().__setitem__(0, 1.0),
    "write view of leaf": lambda L, x: x.requires_grad_()[0].fill_(1.0),
    "write step": lambda L, x: x.__setitem__(slice(None, None, -1), 1.0),
    "scalar": lambda L, x: x.sum()[0],
    "put more dims": lambda L, x: x.index_put((L.tensor([0]),), L.ones(2, 1, 4, 5)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    def run(L: Any, x: Any) -> Any:
        out = REFUSED[name](L, x)
        return x if out is None else out

    refused(torch, run, X)
