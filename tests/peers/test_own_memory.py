"""Whose memory a result is in: where PyTorch's is a view, writing to it writes to the
operand, and where it is not, it does not; and whether it lies in one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import retrograd as rg
import retrograd.nn.functional

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

#: x is [[1, 2, 3], [4, 5, 6]]; x[:1] is one row, of which a reduction changes nothing
RESULTS: dict[str, Callable[[Any, Any], Any]] = {
    "roll by 0": lambda l, x: l.roll(x, 0),
    "flip nothing": lambda l, x: l.flip(x, ()),
    "flip one": lambda l, x: x[:1].flip(0),
    "tile once": lambda l, x: l.tile(x, (1,)),
    "repeat once": lambda l, x: x.repeat(1, 1),
    "repeat_interleave": lambda l, x: l.repeat_interleave(x, 1, 0),
    "rot90 by 0": lambda l, x: l.rot90(x, 0),
    "cat of one": lambda l, x: l.cat([x]),
    "cat with nothing": lambda l, x: l.cat([x, l.zeros(0)]),
    "stack of one": lambda l, x: l.stack([x]),
    "dstack": lambda l, x: l.dstack([x]),
    "sum over a row": lambda l, x: x[:1].sum(0),
    "mean": lambda l, x: x[:1].mean(0),
    "prod": lambda l, x: x[:1].prod(0),
    "amax": lambda l, x: x[:1].amax(0),
    "max": lambda l, x: x[:1].max(0).values,
    "cumsum": lambda l, x: x[:1].cumsum(0),
    "cumprod": lambda l, x: x[:1].cumprod(0),
    "logcumsumexp": lambda l, x: x[:1].logcumsumexp(0),
    "cummax": lambda l, x: x[:1].cummax(0).values,
    "norm": lambda l, x: x[:1].norm(dim=0),
    "sort": lambda l, x: x[:1].sort(0).values,
    "median": lambda l, x: x[:1].median(0).values,
    "kthvalue": lambda l, x: x.kthvalue(1, 0).values,
    "kthvalue, indices": lambda l, x: x.kthvalue(1, 0).indices,
    "topk": lambda l, x: x.topk(2, 1).values,
    "topk, indices": lambda l, x: x.topk(2, 1).indices,
    "mode": lambda l, x: x[:1].mode(0).values,
    "sum_to_size, same": lambda l, x: x.sum_to_size(2, 3),
    "sum_to_size of a number": lambda l, x: x[0, 0].sum_to_size(()),
    "tril of all": lambda l, x: x.tril(9),
    "diag of a matrix": lambda l, x: l.diag(x),
    "diagonal": lambda l, x: x.diagonal(),
    "index_select": lambda l, x: x.index_select(0, l.tensor([0, 1])),
    "take": lambda l, x: x.take(l.arange(6)),
    "indices": lambda l, x: x[l.tensor([0, 1])],
    "mask": lambda l, x: x[x > -1],
    "None": lambda l, x: x[None],
    "Ellipsis": lambda l, x: x[...],
    "True": lambda l, x: x[True],
    "slice": lambda l, x: x[:],
    "to, same": lambda l, x: x.to(l.float32),
    "to, copy": lambda l, x: x.to(l.float32, copy=True),
    "contiguous": lambda l, x: x.contiguous(),
    "contiguous of a transpose": lambda l, x: x.t().contiguous(),
    "reshape": lambda l, x: x.reshape(3, 2),
    "reshape of a transpose": lambda l, x: x.t().reshape(6),
    "flatten": lambda l, x: x.flatten(),
    "flatten of a row": lambda l, x: x[0].flatten(),
    "ravel": lambda l, x: x.ravel(),
    "ravel of a column": lambda l, x: x[:, 0].ravel(),
    "ravel of every other": lambda l, x: x[0, ::2].ravel(),
    "unflatten": lambda l, x: x.unflatten(1, (3, 1)),
    "expand": lambda l, x: x.expand(2, 3),
    "broadcast_tensors": lambda l, x: l.broadcast_tensors(x, x)[0],
    "atleast_3d": lambda l, x: l.atleast_3d(x),
    "movedim": lambda l, x: x.movedim(0, 1),
    "squeeze": lambda l, x: x.squeeze(),
    "split": lambda l, x: x.split(1)[0],
    "chunk": lambda l, x: x.chunk(1)[0],
    "tensor_split": lambda l, x: l.tensor_split(x, 1)[0],
    "unbind": lambda l, x: x.unbind()[0],
    "unfold": lambda l, x: x.unfold(0, 1, 1),
    "cartesian_prod of one": lambda l, x: l.cartesian_prod(x[0]),
    "combinations": lambda l, x: l.combinations(x[0], 1),
    "meshgrid": lambda l, x: l.meshgrid(x[0], x[0], indexing="ij")[0],
    "positive": lambda l, x: l.positive(x),
    "real": lambda l, x: l.real(x),
    "conj": lambda l, x: l.conj(x),
    "clamp": lambda l, x: x.clamp(min=-9),
    "nan_to_num": lambda l, x: l.nan_to_num(x),
    "where": lambda l, x: l.where(x > -1, x, x),
    "masked_fill nothing": lambda l, x: x.masked_fill(x < 0, 0.0),
    "index_add nothing": lambda l, x: x.index_add(0, l.arange(0), l.zeros(0, 3)),
    "index_copy nothing": lambda l, x: x.index_copy(0, l.arange(0), l.zeros(0, 3)),
    "scatter nothing": lambda l, x: x.scatter(0, l.zeros(0, 3).long(), l.zeros(0, 3)),
    "put nothing": lambda l, x: x.put(l.arange(0), l.zeros(0)),
    "masked_scatter nothing": lambda l, x: x.masked_scatter(x < 0, x),
    "select_scatter": lambda l, x: x.select_scatter(x[0], 0, 0),
    "matrix_power 1": lambda l, x: l.linalg.matrix_power(x[:, :2], 1),
    "chain_matmul of one": lambda l, x: l.chain_matmul(x),
    "einsum, the same": lambda l, x: l.einsum("ij->ij", x),
    "einsum, turned": lambda l, x: l.einsum("ij->ji", x),
    "einsum, diagonal": lambda l, x: l.einsum("ii->i", x[:, :2]),
    "kron": lambda l, x: l.kron(x, l.ones(1)),
    "renorm": lambda l, x: l.renorm(x, 2, 0, 1e9),
    "as_tensor": lambda l, x: l.as_tensor(x),
    "asarray, copy": lambda l, x: l.asarray(x, copy=True),
    "detach": lambda l, x: x.detach(),
    "mT": lambda l, x: x.mT,
    "new_tensor": lambda l, x: x.new_tensor(x),
    "pad by 0": lambda l, x: l.nn.functional.pad(x, (0, 0)),
    "dropout, evaluating": lambda l, x: l.nn.functional.dropout(x, 0.5, False),
    "pow 1": lambda l, x: x**1,
    "nonzero": lambda l, x: l.nonzero(x, as_tuple=True)[0],
    "unique": lambda l, x: l.unique(x),
}


@pytest.mark.parametrize("computed", [False, True], ids=["pending", "computed"])
@pytest.mark.parametrize("name", RESULTS)
def test_whose_memory_it_is(name: str, computed: bool) -> None:
    found = []
    for lib in (rg, torch):
        x = lib.arange(1.0, 7.0).reshape(2, 3) * 1
        out = RESULTS[name](lib, x)
        if computed:
            out.tolist()
        out[(0,) * out.ndim] = 99
        found.append((99.0 in x.flatten().tolist(), out.is_contiguous()))
    assert found[0] == found[1]


def test_types_of_places_and_sums() -> None:
    for lib in (rg, torch):
        places = lib.unravel_index(lib.tensor([3, 5], dtype=lib.uint8), (2, 3))
        assert [p.dtype for p in places] == [lib.int64] * 2
        assert lib.tensor(True).sum_to_size(()).dtype == lib.int64
        assert lib.ones(3, 5).topk(2).indices.view(-1).shape == (6,)
