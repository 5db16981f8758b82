"""Reshaping, joining, splitting, parts and diagonals beside PyTorch's: all arguments,
repeated and negative dimensions, empty and zero-dimensional tensors, refusals."""

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

X, M, V, S = number(3, 4, 5), number(4, 6), number(7), np.array(1.5)
EMPTY, ONE, WHOLE = np.zeros((0, 3)), number(1, 3, 1), np.arange(24).reshape(2, 3, 4)
Case = tuple[Callable[..., Any], ...]

VIEWS: dict[str, Any] = {
    "reshape tuple": (lambda L, x: L.reshape(x, (5, -1, 2)), X),
    "reshape scalar": (lambda L, x: (x.reshape(()), x.reshape(1, -1)), S),
    "reshape empty": (lambda L, x: (x.reshape(3, 0), x.reshape(0)), EMPTY),
    "view_as": (lambda L, x: x.view_as(x.reshape(12, 5)), X),
    "reshape_as": (lambda L, x: x.mT.reshape_as(x), X),
    "flatten": (lambda L, x: (x.flatten(), x.flatten(0, 1), x.flatten(-2), x.flatten(1, 1)), X),
    "flatten scalar": (lambda L, x: x.flatten(), S),
    "unflatten": (lambda L, x: (x.unflatten(-2, (2, -1)), L.unflatten(x, 0, (1, 3))), X),
    "ravel": (lambda L, x: (L.ravel(x.mT), x[:0].ravel()), X),
    "squeeze": (lambda L, x: (x.squeeze(), x.squeeze(0), x.squeeze(1), x.squeeze((0, -1))), ONE),
    "unsqueeze": (lambda L, x: (x.unsqueeze(0), x.unsqueeze(-1), L.unsqueeze(x, 2)), M),
    "unsqueeze scalar": (lambda L, x: (x.unsqueeze(0), x.unsqueeze(-1)), S),
    "transpose": (lambda L, x: (x.transpose(0, -1), L.transpose(x, 1, 1)), X),
    "swaps": (lambda L, x: (x.swapaxes(0, 1), L.swapdims(x, -1, 0)), X),
    "permute": (lambda L, x: (x.permute(2, -2, 0), L.permute(x, (0, 2, 1))), X),
    "permute scalar": (lambda L, x: x.permute(()), S),
    "movedim": (
        lambda L, x: (x.movedim(0, -1), L.movedim(x, (0, 1), (-1, 0)), L.moveaxis(x, 2, 0)), X),
    "t": (lambda L, x: (x.t(), x[0].t()), M),
    "T": (lambda L, x: (x.T, x.mT, L.adjoint(x)), M),
    "adjoint": (lambda L, x: (x.adjoint(), x.mT), X),
    "expand": (lambda L, x: (x.expand(2, 3, 4), x.expand(-1, -1, 2), x.expand((2, 1, 3, 1))), ONE),
    "expand empty": (lambda L, x: x.expand(1, 3, 0), ONE),
    "broadcast_to": (lambda L, x: (L.broadcast_to(x, (2, 3, 5)), x.broadcast_to((1, 3, 1))), ONE),
    "broadcast_tensors": (lambda L, x, y: L.broadcast_tensors(x, y, x * y), number(3, 1), number(4)),
    "sum_to_size": (lambda L, x: (x.sum_to_size(1, 4, 5), x.sum_to_size((4, 1)), x.sum_to_size(5)), X),
    "narrow": (lambda L, x: (x.narrow(1, 1, 2), L.narrow(x, -1, -3, 2), x.narrow(0, 3, 0)), X),
    "narrow by tensor": (lambda L, x: x.narrow(0, L.tensor(1), 2), X),
    "select": (lambda L, x: (x.select(0, -1), L.select(x, -1, 2)), X),
    "unfold": (lambda L, x: (x.unfold(0, 2, 1), x.unfold(-1, 3, 2), x.unfold(1, 4, 9)), X),
    "unfold scalar": (lambda L, x: x.unfold(0, 1, 1), S),
    "unfold nothing": (lambda L, x: x.unfold(1, 0, 1), X),
    "as_strided": (
        lambda L, x: (L.as_strided(x, (2, 3), (5, 2)), x.as_strided((3,), (1,), 4)), X),
    "as_strided overlapping": (lambda L, x: x.as_strided((5, 3), (1, 1)), V),
    "as_strided scalar": (lambda L, x: x.as_strided((), ()), V),
    "resize": (lambda L, x: (x.resize(8, 3), x.resize_as(x.T)), M),
}  # fmt: skip

JOINS: dict[str, Any] = {
    "cat": (lambda L, x: (L.cat((x, x[:1]), 0), L.cat([x, x], dim=-1), L.concat([x]))[:2], X),
    "cat types": (lambda L, x, y: L.cat([x, y, x > 0]), V, np.arange(3)),
    "cat integers and truth": (lambda L, x: L.cat([x, x > 3]), np.arange(5)),
    "cat empty vectors": (lambda L, x: L.cat([x.new_zeros(0), x, x.new_zeros(0)], 1), M),
    "cat nothing": (lambda L, x: L.cat([x, x], 1), EMPTY),
    "concatenate": (lambda L, x: L.concatenate([x, x * 2], axis=1), X),
    "stack": (lambda L, x: (L.stack([x, x * 2]), L.stack((x, x), -1), L.stack([x, x], dim=2)), X),
    "stack scalars": (lambda L, x: L.stack([x, x * 2]), S),
    "stack types": (lambda L, x: L.stack([x, x > 0]), V),
    "hstack": (lambda L, x, v, s: (L.hstack([x, x]), L.hstack([v, s, v])), X, V, S),
    "vstack": (lambda L, x, v: (L.vstack([x, x]), L.vstack([v, v]), L.row_stack([v])), X, V),
    "dstack": (lambda L, x, v, s: (L.dstack([x, x]), L.dstack([v, v]), L.dstack([s, s])), X, V, S),
    "column_stack": (
        lambda L, m, v, s: (L.column_stack([m, v[:4]]), L.column_stack([v, v]),
                            L.column_stack([s, s])), M, V, S),
    "repeat": (lambda L, x: (x.repeat(2, 1, 3, 1), x.repeat((1, 1, 2)), x.repeat(0, 1, 1)), ONE),
    "tile": (lambda L, x: (x.tile(2), L.tile(x, (2, 1, 1, 2)), x.tile((0,))), ONE),
    "repeat scalar": (lambda L, x: (x.repeat(3), x.tile(2, 2)), S),
    "repeat_interleave": (
        lambda L, x: (x.repeat_interleave(2), L.repeat_interleave(x, 3, 0),
                      x.repeat_interleave(2, dim=-1), x.repeat_interleave(0, 1)), X),
    "repeat_interleave counts": (
        lambda L, x, n: (x.repeat_interleave(n, 0), L.repeat_interleave(x, n, dim=0, output_size=4),
                         L.repeat_interleave(n)), X, np.array([1, 0, 3])),
    "repeat_interleave scalar": (lambda L, x: L.repeat_interleave(x, 4), S),
    "atleast_1d": (lambda L, s, x: (L.atleast_1d(s), *L.atleast_1d(s, x)), S, X),
    "atleast_2d": (lambda L, s, v, x: (L.atleast_2d(s), *L.atleast_2d((v, x))), S, V, X),
    "atleast_3d": (lambda L, s, v, m, x: L.atleast_3d(s, v, m, x), S, V, M, X),
    "meshgrid": (lambda L, v, w: L.meshgrid(v, w, indexing="ij"), V, number(3)),
    "meshgrid xy": (lambda L, v, w, s: L.meshgrid([v, w, s], indexing="xy"), V, number(3), S),
    "meshgrid one": (lambda L, v: L.meshgrid(v, indexing="xy"), V),
    "block_diag": (lambda L, m, v, s: L.block_diag(m, v, s), M, V, S),
    "block_diag types": (lambda L, m, v: L.block_diag(m, v), M, np.arange(3)),
    "cartesian_prod": (
        lambda L, v, w: (L.cartesian_prod(v, w, v), L.cartesian_prod(v)), V, number(2)),
    "combinations": (
        lambda L, v: (L.combinations(v), L.combinations(v, 3), L.combinations(v, r=1),
                      L.combinations(v, with_replacement=True), L.combinations(v, 9)), V),
}  # fmt: skip

SPLITS: dict[str, Any] = {
    "split": (lambda L, x: (*x.split(2), *L.split(x, 3, dim=-1), *L.split(x, 9, 1)), X),
    "split sizes": (lambda L, x: (*x.split([1, 2, 1], 1), *L.split(x, (0, 3))), X),
    "split_with_sizes": (lambda L, x: x.split_with_sizes([2, 1]), X),
    "split nothing": (lambda L, x: (*x.split(2), *x.split(0)), EMPTY),
    "chunk": (lambda L, x: (*x.chunk(2), *L.chunk(x, 4, dim=-1), *x.chunk(9, 1)), X),
    "chunk nothing": (lambda L, x: x.chunk(3), EMPTY),
    "tensor_split": (
        lambda L, x: (*x.tensor_split(2), *L.tensor_split(x, 7, dim=1),
                      *x.tensor_split((1, 3), 1), *x.tensor_split([-1, 9, 1]),
                      *x.tensor_split(L.tensor(2), 2), *x.tensor_split(L.tensor([1, 2]))), X),
    "unbind": (lambda L, x: (*x.unbind(), *L.unbind(x, -1)), X),
    "hsplit": (lambda L, x, v: (*x.hsplit(2), *L.hsplit(x, [1, 3]), *v.hsplit(7)), X, V),
    "vsplit": (lambda L, x: (*x.vsplit(3), *L.vsplit(x, (2,))), X),
    "dsplit": (lambda L, x: (*x.dsplit(5), *L.dsplit(x, [2])), X),
    "unsafe": (lambda L, x: (*L.unsafe_chunk(x, 2), *L.unsafe_split(x, 2, 1)), X),
}  # fmt: skip

TURNS: dict[str, Any] = {
    "flip": (lambda L, x: (x.flip(0), x.flip(0, -1), L.flip(x, (1,)), L.flip(x, [])), X),
    "flips": (lambda L, x: (L.fliplr(x), L.flipud(x), x.fliplr(), x.flipud()), M),
    "roll": (
        lambda L, x: (x.roll(2), x.roll(-1, 0), L.roll(x, (1, -7), (0, 2)), x.roll(9, -1),
                      L.roll(x, shifts=(1, 1), dims=(1, 1)), x.roll(0)), X),
    "roll empty": (lambda L, x: (x.roll(1), x.roll(1, 0)), EMPTY),
    "roll scalar": (lambda L, x: x.roll(1), S),
    "rot90": (
        lambda L, x: (L.rot90(x), x.rot90(2), x.rot90(3, (1, 2)), L.rot90(x, -1, [0, -1]),
                      x.rot90(4)), X),
    "tril": (lambda L, x: (x.tril(), L.tril(x, -1), x.tril(diagonal=2), x.tril(-9)), X),
    "triu": (lambda L, x: (x.triu(), L.triu(x, 1), x.triu(diagonal=-2), x.triu(9)), X),
    "tril of integers": (lambda L, x: (x.tril(), (x > 5).triu(1)), WHOLE),
    "diag": (lambda L, v, m: (L.diag(v), v.diag(-2), L.diag(m), m.diag(2), m.diag(-3)), V, M),
    "diagonal": (
        lambda L, x: (x.diagonal(), L.diagonal(x, 1, 1, 2), x.diagonal(-1, dim1=-1, dim2=0),
                      x.diagonal(9)), X),
    "diag_embed": (
        lambda L, m: (L.diag_embed(m), m.diag_embed(1), m.diag_embed(-2, 0, 2),
                      L.diag_embed(m, dim1=-1, dim2=0)), M),
    "diagflat": (lambda L, m, s: (L.diagflat(m), m.diagflat(-1), s.diagflat(1)), M, S),
    "diagonal_scatter": (
        lambda L, m, v: (L.diagonal_scatter(m, v[:4]), m.diagonal_scatter(v[:3], -1)), M, V),
    "diagonal_scatter dims": (
        lambda L, x, y: x.diagonal_scatter(y, offset=1, dim1=-1, dim2=0), X, number(4, 2)),
    "select_scatter": (lambda L, x, y: L.select_scatter(x, y, 1, -1), X, number(3, 5)),
    "slice_scatter": (
        lambda L, x, y: (L.slice_scatter(x, y, 1, 1, 3), x.slice_scatter(y, 1, step=2)),
        X, number(3, 2, 5)),
    "slice_scatter whole": (lambda L, x, y: x.slice_scatter(y), X, number(3, 4, 5, seed=1)),
}  # fmt: skip


CASES = VIEWS | JOINS | SPLITS | TURNS


@pytest.mark.filterwarnings("ignore:non-inplace resize")
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str) -> None:
    function, *arrays = CASES[name]
    compare(torch, function, *arrays)


@pytest.mark.parametrize("name", ["uint8", "int32", "bool", "float32"])
def test_each_type(name: str) -> None:
    def run(L: Any, x: Any) -> Any:
        y = x.to(getattr(L, name))
        return (y.mT, L.cat([y, y]), y.tril(), L.diag_embed(y), y.roll(1, 1), y.repeat(2, 1, 1),
                y.unfold(2, 2, 1), y.flip(0), L.block_diag(y[0], y[1]), y.as_strided((2,), (3,)),
                y.repeat_interleave(2, 1), y[0, :2, :2].rot90())  # fmt: skip

    compare(torch, run, WHOLE % 3)


REFUSED: dict[str, Any] = {
    "unflatten sizes": (lambda L, x: x.unflatten(0, (2, 2)), X),
    "unflatten nothing": (lambda L, x: x.unflatten(0, ()), X),
    "unflatten twice": (lambda L, x: x.unflatten(0, (-1, -1)), X),
    "unflatten dim": (lambda L, x: x.unflatten(7, (1,)), X),
    "flatten order": (lambda L, x: x.flatten(2, 1), X),
    "flatten dim": (lambda L, x: x.flatten(3), X),
    "movedim count": (lambda L, x: L.movedim(x, (0, 1), (0,)), X),
    "movedim source": (lambda L, x: L.movedim(x, (0, 0), (0, 1)), X),
    "movedim destination": (lambda L, x: L.movedim(x, (0, 1), (1, 1)), X),
    "transpose dim": (lambda L, x: x.transpose(0, 3), X),
    "t": (lambda L, x: x.t(), X),
    "adjoint": (lambda L, x: x.adjoint(), V),
    "permute count": (lambda L, x: x.permute(0, 1), X),
    "squeeze dim": (lambda L, x: x.squeeze(3), X),
    "squeeze twice": (lambda L, x: x.squeeze((0, 0)), X),
    "unsqueeze dim": (lambda L, x: x.unsqueeze(5), X),
    "expand": (lambda L, x: x.expand(3, 4, 7), X),
    "expand fewer": (lambda L, x: x.expand(4, 5), X),
    "broadcast": (lambda L, x: L.broadcast_tensors(x, x[:, :2]), X),
    "sum_to_size": (lambda L, x: x.sum_to_size(2, 5), X),
    "narrow length": (lambda L, x: x.narrow(0, 2, 2), X),
    "narrow start": (lambda L, x: x.narrow(0, -4, 1), X),
    "narrow negative": (lambda L, x: x.narrow(0, 1, -1), X),
    "narrow scalar": (lambda L, x: x.narrow(0, 0, 1), S),
    "select": (lambda L, x: x.select(0, 3), X),
    "select scalar": (lambda L, x: x.select(0, 0), S),
    "unfold size": (lambda L, x: x.unfold(0, 4, 1), X),
    "unfold step": (lambda L, x: x.unfold(0, 2, 0), X),
    "as_strided": (lambda L, x: x.as_strided((3, 9), (20, 3)), X),
    "as_strided lengths": (lambda L, x: x.as_strided((3, 2), (1,)), X),
    "as_strided negative": (lambda L, x: x.as_strided((3,), (-1,), 5), X),
    "cat nothing": (lambda L, x: L.cat([]), X),
    "cat tensor": (lambda L, x: L.cat(x), X),
    "cat dims": (lambda L, x: L.cat([x, x[0]]), X),
    "cat sizes": (lambda L, x: L.cat([x, x[:, :2]]), X),
    "cat scalars": (lambda L, x: L.cat([x, x]), S),
    "cat numbers": (lambda L, x: L.cat([x, 1.0]), X),
    "stack nothing": (lambda L, x: L.stack([]), X),
    "stack sizes": (lambda L, x: L.stack([x, x[:2]]), X),
    "stack dim": (lambda L, x: L.stack([x, x], 4), X),
    "hstack nothing": (lambda L, x: L.hstack([]), X),
    "repeat fewer": (lambda L, x: x.repeat(2), X),
    "repeat negative": (lambda L, x: x.repeat(-1, 1, 1), X),
    "repeat nothing": (lambda L, x: x.repeat(), X),
    "repeat_interleave negative": (lambda L, x: x.repeat_interleave(-1), X),
    "repeat_interleave count": (lambda L, x: x.repeat_interleave(L.tensor([1, 2]), 0), X),
    "repeat_interleave type": (lambda L, x: x.repeat_interleave(L.tensor([1.0]), 0), X),
    "repeat_interleave size": (lambda L, x: x.repeat_interleave(2, 0, output_size=5), X),
    "meshgrid dims": (lambda L, x: L.meshgrid(x, indexing="ij"), X),
    "meshgrid indexing": (lambda L, x: L.meshgrid(x, indexing="yx"), V),
    "meshgrid types": (lambda L, x: L.meshgrid(x, x.long(), indexing="ij"), V),
    "block_diag": (lambda L, x: L.block_diag(x), X),
    "cartesian_prod": (lambda L, x: L.cartesian_prod(x, x), M),
    "combinations": (lambda L, x: L.combinations(x), M),
    "combinations negative": (lambda L, x: L.combinations(x, -1), V),
    "split negative": (lambda L, x: x.split(-1), X),
    "split zero": (lambda L, x: x.split(0), X),
    "split sum": (lambda L, x: x.split([1, 1]), X),
    "split negative sizes": (lambda L, x: x.split([4, -1]), X),
    "split scalar": (lambda L, x: x.split(1), S),
    "chunk zero": (lambda L, x: x.chunk(0), X),
    "chunk scalar": (lambda L, x: x.chunk(1), S),
    "tensor_split zero": (lambda L, x: x.tensor_split(0), X),
    "tensor_split scalar": (lambda L, x: x.tensor_split(1), S),
    "tensor_split type": (lambda L, x: x.tensor_split(L.tensor([1.0])), X),
    "unbind scalar": (lambda L, x: x.unbind(), S),
    "hsplit uneven": (lambda L, x: x.hsplit(3), X),
    "hsplit scalar": (lambda L, x: x.hsplit(1), S),
    "vsplit vector": (lambda L, x: x.vsplit(1), V),
    "dsplit matrix": (lambda L, x: x.dsplit(1), M),
    "flip twice": (lambda L, x: x.flip(0, 0), X),
    "flip dim": (lambda L, x: x.flip(5), X),
    "fliplr vector": (lambda L, x: x.fliplr(), V),
    "flipud scalar": (lambda L, x: x.flipud(), S),
    "roll counts": (lambda L, x: x.roll((1, 2), 0), X),
    "roll without dims": (lambda L, x: x.roll((1, 2)), X),
    "rot90 dims": (lambda L, x: x.rot90(1, (0,)), X),
    "rot90 same": (lambda L, x: x.rot90(1, (0, 0)), X),
    "rot90 vector": (lambda L, x: x.rot90(), V),
    "rot90 range": (lambda L, x: x.rot90(1, (0, 5)), X),
    "tril vector": (lambda L, x: x.tril(), V),
    "diag dims": (lambda L, x: x.diag(), X),
    "diag scalar": (lambda L, x: x.diag(), S),
    "diagonal vector": (lambda L, x: x.diagonal(), V),
    "diagonal same": (lambda L, x: x.diagonal(0, 1, 1), X),
    "diag_embed same": (lambda L, x: x.diag_embed(0, 1, 1), X),
    "diagonal_scatter size": (lambda L, x: x.diagonal_scatter(x[0]), M),
    "select_scatter size": (lambda L, x: x.select_scatter(x, 0, 0), X),
    "slice_scatter size": (lambda L, x: x.slice_scatter(x, 0, 1), X),
    "view type": (lambda L, x: x[0, 0].view(L.int8).view(L.float64), X.astype(np.float32)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    function, *arrays = REFUSED[name]
    refused(torch, function, *arrays)


def test_bits_in_another_type_are_the_same_memory() -> None:
    """Also of what is pending, and whichever of the two is written."""

    def program(L: Any, pending: bool) -> Any:
        x = L.tensor([[1.0, 2.0], [3.0, 4.0]])
        x = x * 1 if pending else x
        whole, bytes_, column = x.view(L.int32), x.view(L.uint8), x[:, 0].view(L.int32)
        whole[0, 0] = 0
        seen = [x.tolist(), bytes_.tolist()]
        x += 1
        seen += [whole.tolist(), column.tolist()]
        later = x * 2
        column.zero_()
        return [*seen, x.tolist(), later.tolist()]

    for pending in (False, True):
        assert program(rg, pending) == program(torch, pending)
    with pytest.raises(RuntimeError, match="stride"):
        rg.zeros(2, 4).t().view(rg.int16)
    with pytest.raises(RuntimeError, match="divisible"):
        rg.zeros(2, 3).view(rg.float64)
    x = rg.tensor([[1.0], [2.0]])
    assert (
        rg.vmap(lambda row: row.view(rg.int32))(x).tolist() == x.view(rg.int32).tolist()
    )


def test_bits_in_another_type() -> None:
    def run(L: Any, x: Any) -> Any:
        y = x.detach()
        return (y.view(L.int64), y.view(L.int32), y.view(L.uint8), y.view(L.int16)[..., :4],
                y.view(dtype=L.uint8).view(L.float64))  # fmt: skip

    compare(torch, run, X)
    x = rg.tensor(S)
    assert x.view(rg.float64) is x


def test_strides_replaced() -> None:
    def run(L: Any, x: Any, y: Any) -> Any:
        return L.as_strided_scatter(x, y, (2, 3), (7, 2), 3)

    # PyTorch's gradient of it fails its own gradcheck: the values are compared.
    compare(torch, lambda L, x, y: run(L, x.detach(), y.detach()), X, number(2, 3))
    inputs = [rg.tensor(a).requires_grad_() for a in (X, number(2, 3))]
    assert rg.autograd.gradcheck(lambda x, y: run(rg, x, y), inputs)


def test_writing_through_strides() -> None:
    def run(L: Any, x: Any) -> Any:
        y = x * 1
        y.as_strided((3, 2), (20, 1), 5).mul_(2.0)
        part = y[1].as_strided((2, 2), (5, 1))
        part += 1
        return y * y, part

    compare(torch, run, X)


def test_diagonal_in_place() -> None:
    def run(L: Any, x: Any) -> Any:
        tall, cube = x.repeat(4, 1), x[:4, :4].expand(4, 4, 4).clone()
        return (tall.clone().fill_diagonal_(5.0), tall.fill_diagonal_(2.0, wrap=True),
                cube.fill_diagonal_(-1.0))  # fmt: skip

    compare(torch, run, M)


def test_shapes_together() -> None:
    for shapes in [((2, 1), (3,)), ((), (4, 1)), ((0, 1), (1, 5)), (3, (2, 1))]:
        assert tuple(rg.broadcast_shapes(*shapes)) == tuple(
            torch.broadcast_shapes(*shapes)
        )
    with pytest.raises(RuntimeError, match="size of tensor"):
        rg.broadcast_shapes((2,), (3,))


OUT: dict[str, Any] = {
    "cat": lambda L, x, out: L.cat([x, x], out=out),
    "stack": lambda L, x, out: L.stack([x, x], 1, out=out),
    "gather": lambda L, x, out: L.gather(x, 0, L.tensor([[0, 1], [1, 1]]), out=out),
    "index_select": lambda L, x, out: L.index_select(x, 0, L.tensor([1, 1]), out=out),
    "take": lambda L, x, out: L.take(x, L.tensor([3, 1]), out=out),
    "masked_select": lambda L, x, out: L.masked_select(x, x > 9, out=out),
}


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
@pytest.mark.parametrize("name", OUT)
def test_out(name: str) -> None:
    found = []
    for L in (rg, torch):
        x = L.tensor(M)
        expected = OUT[name](L, x, L.zeros(0, dtype=L.float64))
        ready = L.zeros(tuple(expected.shape), dtype=expected.dtype)
        result = OUT[name](L, x, ready)
        assert result is ready
        found.append(result.tolist())
        with pytest.raises((RuntimeError, TypeError)):
            OUT[name](L, x, 3)
        with pytest.raises(RuntimeError):
            OUT[name](L, x.requires_grad_(), ready)
    assert found[0] == found[1]
