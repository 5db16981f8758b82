"""Shapes, indexing and products beside PyTorch's: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from peers.cases import compare, number, refused

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

X = number(3, 4, 5)
SHAPES: dict[str, Any] = {
    "reshape": lambda L, x: x.reshape(5, -1),
    "view": lambda L, x: x.view(12, 5),
    "flatten": lambda L, x: L.flatten(x, 1),
    "unflatten": lambda L, x: x.unflatten(1, (2, 2)),
    "ravel": lambda L, x: x.ravel(),
    "squeeze": lambda L, x: x[:1].squeeze(0),
    "squeeze all": lambda L, x: x[:1, :, :1].squeeze(),
    "unsqueeze": lambda L, x: x.unsqueeze(-2),
    "transpose": lambda L, x: x.transpose(0, -1),
    "permute": lambda L, x: x.permute(2, 0, 1),
    "movedim": lambda L, x: L.movedim(x, 0, 2),
    "t": lambda L, x: x[0].t(),
    "mT": lambda L, x: x.mT,
    "expand": lambda L, x: x[:1].expand(6, -1, 5),
    "expand_as": lambda L, x: x[:, :1].expand_as(x),
    "broadcast_to": lambda L, x: L.broadcast_to(x, (2, 3, 4, 5)),
    "repeat": lambda L, x: x.repeat(2, 1, 3),
    "tile": lambda L, x: L.tile(x, (2,)),
    "repeat_interleave": lambda L, x: L.repeat_interleave(x, 3, dim=1),
    "cat": lambda L, x: L.cat([x, x * 2, x[:, :2]], dim=1),
    "stack": lambda L, x: L.stack([x, x * x], dim=-1),
    "split": lambda L, x: L.split(x, 2, dim=1),
    "split sizes": lambda L, x: L.split(x, [1, 4], dim=2),
    "chunk": lambda L, x: L.chunk(x, 3, dim=2),
    "unbind": lambda L, x: L.unbind(x, 1),
    "narrow": lambda L, x: x.narrow(2, 1, 3),
    "select": lambda L, x: x.select(1, -1),
    "flip": lambda L, x: L.flip(x, (0, 2)),
    "roll": lambda L, x: L.roll(x, (1, -2), (0, 2)),
    "diagonal": lambda L, x: L.diagonal(x, 1, 1, 2),
    "diag": lambda L, x: L.diag(x[0, 0]),
    "tril": lambda L, x: L.tril(x, -1),
    "triu": lambda L, x: L.triu(x, 1),
    "unfold": lambda L, x: x.unfold(2, 3, 2),
    "meshgrid": lambda L, x: L.meshgrid(x[0, 0], x[0, :, 0], indexing="ij"),
    "where": lambda L, x: L.where(x > 0, x, x * 0.1),
    "masked_fill": lambda L, x: x.masked_fill(x > 0.5, 2.0),
    "masked_select": lambda L, x: x.masked_select(x > 0),
    "index_select": lambda L, x: x.index_select(1, L.tensor([0, 2, 2])),
    "gather": lambda L, x: x.gather(2, L.tensor([[[0, 4], [1, 1]]])),
    "take_along_dim": lambda L, x: L.take_along_dim(x, x.argsort(1), 1),
    "scatter": lambda L, x: x.scatter(0, L.tensor([[[2, 0]]]), x[:1, :1, 3:]),
    "scatter_add": lambda L, x: x.scatter_add(
        1, L.tensor([[[1, 1, 0]]]), x[2:, 3:, :3]),
    "index_add": lambda L, x: x.index_add(0, L.tensor([1, 1]), x[:2]),
    "sort": lambda L, x: L.sort(x, dim=1, descending=True),
    "topk": lambda L, x: L.topk(x, 2, dim=2),
    "cumsum": lambda L, x: x.cumsum(1),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    compare(torch, SHAPES[name], X)


INDICES: dict[str, Any] = {
    "int": lambda L: 1,
    "negative": lambda L: (-1, 2),
    "slice": lambda L: slice(1, None),
    "step": lambda L: (slice(None), slice(0, 4, 2)),
    "ellipsis": lambda L: (..., 2),
    "none": lambda L: (None, 1, ..., None),
    "empty slice": lambda L: slice(2, 2),
    "list": lambda L: [2, 0, 2],
    "tensor": lambda L: L.tensor([[0, 1], [2, 2]]),
    "two tensors": lambda L: (L.tensor([0, 2]), L.tensor([1, 3])),
    "broadcast tensors": lambda L: (L.tensor([[0], [2]]), L.tensor([1, 3])),
    "apart": lambda L: (L.tensor([0, 2]), slice(None), L.tensor([1, 4])),
    "mixed": lambda L: (slice(1), L.tensor([3, 0]), 2),
    "negative tensor": lambda L: (slice(None), L.tensor([-1, -2])),
    "mask": lambda L: L.tensor([True, False, True]),
    "mask two": lambda L: L.tensor(X[:, :, 0] > 0),
    "mask and int": lambda L: (L.tensor([True, False, True]), 1),
    "true": lambda L: True,
}


@pytest.mark.parametrize("name", INDICES)
def test_reading(name: str) -> None:
    compare(torch, lambda L, x: x[INDICES[name](L)], X)


@pytest.mark.parametrize("name", INDICES)
def test_writing(name: str) -> None:
    def number_put(L: Any, x: Any) -> Any:
        y = x * 1
        y[INDICES[name](L)] = 7.0
        return y

    def tensor_put(L: Any, x: Any) -> Any:
        y = x * 1
        part = y[INDICES[name](L)]
        y[INDICES[name](L)] = part.detach() * 0 + x.sum()
        return y * x

    compare(torch, number_put, X)
    compare(torch, tensor_put, X)


def test_writing_through_views() -> None:
    def run(L: Any, x: Any) -> Any:
        y = x.clone()
        y[1].t()[2:] *= 3
        y.transpose(0, 2)[0].add_(x[:, :, 1].t())
        return y

    compare(torch, run, X)


PRODUCTS = [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 3)), ((2, 3), (3, 4)),
            ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)),
            ((4,), (5, 4, 3)), ((5, 3, 4), (4,)), ((1, 1), (1, 1)), ((0, 3), (3, 2)),
            ((2, 0), (0, 3))]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), PRODUCTS)
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    compare(torch, lambda L, a, b: a @ b, number(*a), number(*b, seed=1))


@pytest.mark.parametrize(
    "text",
    ["ij,jk", "ij,jk->ki", "bij,bjk->bik", "i,i", "i,j->ij", "ii->i", "ii", "ij->",
     "...ij,...jk->...ik", "bhid,bhjd->bhij", "ijk,il,lk->j", "ij,ij->i"],
)  # fmt: skip
def test_einsum(text: str) -> None:
    sizes = dict(zip("bhijkld", (2, 3, 4, 4, 5, 3, 2), strict=True))
    arrays = []
    for n, word in enumerate(text.split("->")[0].split(",")):
        lead = (2,) if "..." in word else ()
        shape = [sizes[c] for c in word.replace("...", "")]
        arrays.append(number(*lead, *shape, seed=n))
    compare(torch, lambda L, *ts: L.einsum(text, *ts), *arrays)


@pytest.mark.parametrize("name", ["mm", "bmm", "mv", "dot", "outer", "addmm"])
def test_named_products(name: str) -> None:
    shapes = {"mm": [(2, 3), (3, 4)], "bmm": [(5, 2, 3), (5, 3, 4)],
              "mv": [(2, 3), (3,)], "dot": [(4,), (4,)], "outer": [(3,), (4,)],
              "addmm": [(4,), (2, 3), (3, 4)]}[name]  # fmt: skip
    arrays = [number(*s, seed=n) for n, s in enumerate(shapes)]
    compare(torch, lambda L, *ts: getattr(L, name)(*ts), *arrays)


REFUSED: dict[str, Any] = {
    "reshape": (lambda L, x: x.reshape(7, -1), X),
    "two unknown": (lambda L, x: x.reshape(-1, -1), X),
    "expand": (lambda L, x: x.expand(3, 2, 5), X),
    "dim": (lambda L, x: x.sum(3), X),
    "index": (lambda L, x: x[3], X),
    "too many": (lambda L, x: x[0, 0, 0, 0], X),
    "index tensor": (lambda L, x: x[L.tensor([5])], X),
    "mask shape": (lambda L, x: x[L.tensor([True, False])], X),
    "negative step": (lambda L, x: x[::-1], X),
    "cat": (lambda L, x: L.cat([x, x[:, :2]], 0), X),
    "stack": (lambda L, x: L.stack([x, x[:2]]), X),
    "matmul": (lambda L, x: x @ x, X),
    "gather type": (lambda L, x: x.gather(0, x), X),
    "permute": (lambda L, x: x.permute(0, 0, 1), X),
    "broadcast": (lambda L, x: x + x[:, :2], X),
    "assign shape": (lambda L, x: x.__setitem__(0, L.ones(3)), X),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    function, *arrays = REFUSED[name]
    refused(torch, function, *arrays)


def test_empty_tensors() -> None:
    empty = np.zeros((0, 3))
    compare(
        torch, lambda L, x: (x.sum(), x.sum(0), x.prod(), x.t(), x.reshape(3, 0)), empty
    )
    compare(torch, lambda L, x: L.cat([x, x]), empty)
