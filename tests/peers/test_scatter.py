"""Gather, scatter, the index_ and masked_ families, take, put and searching beside
PyTorch's: every reduction and argument, repeated places, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number, refused

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

X, V, S = number(3, 4, 5), number(7), np.array(1.5)
SRC = number(3, 4, 5, seed=3)
#: repeated places along each dimension
AT0 = np.array([[[0, 2], [1, 1]], [[0, 0], [2, 1]]])
AT1 = np.array([[[0, 3, 3], [1, 1, 3], [0, 3, 2], [0, 0, 0], [3, 1, 2]]])
AT2 = np.array([[[4, 4, 4]], [[0, 1, 0]]])
PLACES = np.array([2, 0, 2])


def fit(src: Any, index: Any) -> Any:
    """What of *src* is used: PyTorch differentiates a source of the index's shape."""
    return src[tuple(slice(n) for n in index.shape)]


WITH_ZEROS = np.where(np.abs(SRC) < 0.6, 0.0, SRC)

PICKS: dict[str, Any] = {
    "gather 0": (lambda L, x, i: x.gather(0, i), X, AT0),
    "gather 1": (lambda L, x, i: L.gather(x, 1, i), X, AT1),
    "gather -1": (lambda L, x, i: x.gather(-1, i, sparse_grad=False), X, AT2),
    "gather int32": (lambda L, x, i: x.gather(2, i.int()), X, AT2),
    "gather scalars": (
        lambda L, x, v: (x.gather(0, L.tensor(0)), v.gather(0, L.tensor(3)),
                         x.gather(0, L.tensor([0, 0]))), S, V),
    "gather nothing": (lambda L, x: x.gather(0, L.zeros(0, 2, 3, dtype=L.int64)), X),
    "gather no index": (lambda L, x: x.gather(0, L.zeros(0, dtype=L.int64)), X),
    "index_select": (
        lambda L, x, i: (x.index_select(0, i), L.index_select(x, -2, i), x.index_select(2, i.int()),
                         x.index_select(1, i[0]), x.index_select(0, i[:0])), X, PLACES),
    "index_select scalar": (lambda L, x: x.index_select(0, L.tensor([0])), S),
    "masked_select": (
        lambda L, x: (x.masked_select(x > 0), L.masked_select(x, x[0, :, :1] > 0),
                      x[0].masked_select(x > 1), x.masked_select(x > 99)), X),
    "masked_select scalar": (lambda L, x: x.masked_select(x > 0), S),
    "take": (
        lambda L, x, i: (x.take(i), L.take(x, L.tensor([[0, -1], [59, 7]])), x.take(i[0]),
                         x.take(i[:0])), X, PLACES),
    "take_along_dim": (
        lambda L, x, i: (x.take_along_dim(x.argsort(1), 1), L.take_along_dim(x, i, dim=1),
                         x.take_along_dim(i), x[:, :1].take_along_dim(x.argsort(0), 0),
                         x.take_along_dim(L.tensor([[[-1]]]), 2)), X, AT1[:, :, :1]),
}  # fmt: skip

PUTS: dict[str, Any] = {
    "scatter 0": (lambda L, x, i, s: x.scatter(0, i[:1, :1], s[:1, :1, :2]), X, AT0, SRC),
    "scatter number": (
        lambda L, x, i: (x.scatter(0, i, 2.5), L.scatter(x, 0, i, value=7), x.scatter(0, i, 1)),
        X, AT0),
    "scatter add": (lambda L, x, i, s: x.detach().scatter(1, i, s.detach(), reduce="add"), X, AT1[:, :2], SRC),
    "scatter add number": (lambda L, x, i: x.detach().scatter(2, i, 2.0, reduce="multiply"), X, AT2),
    "scatter scalar": (lambda L, x, y: x.scatter(0, L.tensor(0), y), S, np.array(4.0)),
    "scatter nothing": (lambda L, x, s: x.scatter(0, L.zeros(0, dtype=L.int64), s.detach()), X, SRC),
    "scatter_add": (
        lambda L, x, i, s: (x.scatter_add(0, i, fit(s, i)),
                            L.scatter_add(x, 0, i[..., :1], s[:2, :2, :1])), X, AT0, SRC),
    "scatter_add scalar": (lambda L, x, y: x.scatter_add(0, L.tensor(0), y), S, np.array(4.0)),
    "index_add": (
        lambda L, x, i, s: (x.index_add(0, i, s), L.index_add(x, 2, i, s[..., :3], alpha=-2.5)),
        X, PLACES, SRC),
    "index_add scalar": (
        lambda L, x, y: (x.index_add(0, L.tensor([0]), y), x.index_add(0, L.tensor(0), y)),
        S, np.array(4.0)),
    "index_copy": (
        lambda L, x, i, s: (x.index_copy(0, i, s[:2]), L.index_copy(x, -1, i, s[..., :2])),
        X, PLACES[:2], SRC),
    "index_copy scalar": (lambda L, x, y: x.index_copy(0, L.tensor([0]), y), S, np.array(4.0)),
    "index_fill": (
        lambda L, x, i, y: (x.index_fill(0, i, 2.5), L.index_fill(x, -1, i, y), x.index_fill(1, i[0], 3)),
        X, PLACES, S),
    "index_fill negative": (lambda L, x: x.index_fill(1, L.tensor([-1]), 0), X),
    "index_fill scalar": (lambda L, x: x.index_fill(0, L.tensor([0]), 2), S),
    "index_put": (
        lambda L, x, i, s: (x.index_put((i,), s), L.index_put(x, [i, i], s[0, :2], accumulate=True),
                            x.index_put((x > 0,), s[0, 0, 0])), X, PLACES[:2], SRC[:2]),
    "masked_fill": (
        lambda L, x, y: (x.masked_fill(x > 0, 2.5), L.masked_fill(x, x[0] > 0, y),
                         x[0].masked_fill(x > 0, 1), x.masked_fill(x > 99, 7)), X, S),
    "masked_scatter": (
        lambda L, x, s: (x.masked_scatter(x > 0, s), L.masked_scatter(x, x[0] > 0, s.mT),
                         x[0].masked_scatter(x > 0, s), x.masked_scatter(x > 1.5, s[0])), X, SRC),
    "put": (
        lambda L, x, i, s: (x.put(i, s), L.put(x, L.tensor([[0, -1], [9, 9]])[:, :1], s[:2])), X,
        PLACES[:2], V[:2]),
    "put added": (lambda L, x, i, s: x.put(i, s, accumulate=True), X, PLACES, V[:3]),
    "fill": (lambda L, x, y: (L.fill(x, y), L.fill(x, 2)), X, S),
}  # fmt: skip


@pytest.mark.parametrize("name", PICKS)
def test_picking(name: str) -> None:
    function, *arrays = PICKS[name]
    compare(torch, function, *arrays)


@pytest.mark.filterwarnings("ignore:The reduce argument of torch.scatter")
@pytest.mark.parametrize("name", PUTS)
def test_putting(name: str) -> None:
    function, *arrays = PUTS[name]
    compare(torch, function, *arrays)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize(("dim", "index"), [(0, AT0), (1, AT1[:, :4]), (-1, AT2)])
def test_scatter_reduce(dim: int, index: Any, reduce: str, include_self: bool) -> None:
    def run(L: Any, x: Any, i: Any, s: Any) -> Any:
        return L.scatter_reduce(x, dim, i, fit(s, i), reduce, include_self=include_self)

    compare(torch, run, X, index, SRC)
    if reduce == "prod":  # zeros, one or several, have derivatives
        compare(torch, run, np.where(np.abs(X) < 0.3, 0.0, X), index, WITH_ZEROS)
    if include_self:  # ties share the gradient, the tensor itself among them
        compare(torch, run, X.round(), index, SRC.round())


@pytest.mark.parametrize("reduce", ["amax", "amin"])
@pytest.mark.parametrize("low", [0.0, float("-inf"), float("inf")])
def test_what_is_excluded_has_no_share_of_an_extreme(reduce: str, low: float) -> None:
    """Finite differences agree. (PyTorch divides the gradient by one more where the
    excluded number happens to equal the result.)"""
    x = rg.full((3,), low, dtype=rg.float64, requires_grad=True)
    src = rg.full((4,), low, dtype=rg.float64, requires_grad=True)
    index = rg.tensor([0, 0, 1, 0])
    out = x.scatter_reduce(0, index, src, reduce, include_self=False)
    out.backward(rg.tensor([3.0, 2.0, 5.0], dtype=rg.float64))
    assert src.grad.tolist() == [1.0, 1.0, 2.0, 1.0]
    assert x.grad.tolist() == [0.0, 0.0, 5.0]


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["prod", "mean", "amax", "amin"])
@pytest.mark.filterwarnings("ignore:index_reduce")
def test_index_reduce(reduce: str, include_self: bool) -> None:
    def run(L: Any, x: Any, i: Any, s: Any) -> Any:
        more = {"include_self": include_self}
        return (x.index_reduce(0, i, s, reduce, **more),
                L.index_reduce(x, 2, i[:2], s[..., :2], reduce, **more))  # fmt: skip

    compare(torch, run, X, PLACES, SRC)


@pytest.mark.parametrize("name", ["int64", "uint8", "bool", "float32"])
@pytest.mark.filterwarnings("ignore:index_reduce")
def test_each_type(name: str) -> None:
    whole = np.arange(12).reshape(3, 4) % 5

    def run(L: Any, x: Any) -> Any:
        y, i = x.to(getattr(L, name)), L.tensor([[0, 1, 0, 2], [1, 1, 1, 1]])
        flat = i[0]
        out = [y.gather(0, i), y.scatter(0, i, y), y.scatter(0, i, 1), y.take(flat),
               y.index_fill(1, flat, 1), y.masked_fill(y > 1, 1), y.masked_scatter(y > 0, y.T),
               y.index_copy(1, flat[1:3], y[:, :2]), y.put(flat[:2], y[0, :2])]  # fmt: skip
        out += [y.scatter_reduce(0, i, y, r, include_self=s)
                for r in ("sum", "prod", "amax", "amin") for s in (True, False)]  # fmt: skip
        if name != "bool":
            out += [y.scatter_add(0, i, y), y.index_add(1, flat, y, alpha=2),
                    y.scatter_reduce(0, i, y, "mean")]  # fmt: skip
        return tuple(out)

    compare(torch, run, whole)


IN_PLACE: dict[str, Any] = {
    "scatter_": lambda L, y, s: y.scatter_(0, L.tensor([[[2, 0]]]), s[:1, :1, :2]),
    "scatter_add_": lambda L, y, s: y.scatter_add_(0, L.tensor([[[2, 0]]]), s[:1, :1, :2]),
    "scatter_reduce_": lambda L, y, s: y.scatter_reduce_(0, L.tensor([[[2, 0]]]), s[:1, :1, :2], "amin"),
    "index_add_": lambda L, y, s: y.index_add_(1, L.tensor([3, 3, 0, 1]), s, alpha=2),
    "index_copy_": lambda L, y, s: y.index_copy_(0, L.tensor([1]), s[:1]),
    "index_fill_": lambda L, y, s: y.index_fill_(1, L.tensor([1]), 4.0),
    "index_put_": lambda L, y, s: y.index_put_((L.tensor([1, 1]),), s[0], accumulate=True),
    "masked_fill_": lambda L, y, s: y.masked_fill_(s > 0, 4.0),
    "masked_scatter_": lambda L, y, s: y.masked_scatter_(s > 0, s),
    "put_": lambda L, y, s: y.put_(L.tensor([0, 59]), s[0, 0, :2]),
    "fill_": lambda L, y, s: y.fill_(s.sum()),
    "clamp_": lambda L, y, s: y.clamp_(-0.5, 0.5),
    "squeeze_": lambda L, y, s: y[:1].squeeze_(0),
    "tril_": lambda L, y, s: y.tril_(-1),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str) -> None:
    def run(L: Any, x: Any, s: Any) -> Any:
        y = x * 2
        out = IN_PLACE[name](L, y, s)
        return out * x.sum(), y

    compare(torch, run, X, SRC)


FINDS: dict[str, Any] = {
    "nonzero": (lambda L, x: (L.nonzero(x), x[0, 0].nonzero(), x[:0].nonzero()), X.round()),
    "nonzero tuple": (lambda L, x: x.nonzero(as_tuple=True), X.round()),
    "nonzero scalar": (lambda L, x: (x.nonzero(), *x.nonzero(as_tuple=True), (x * 0).nonzero()), S),
    "nonzero_static": (
        lambda L, x: (x.nonzero_static(size=5), L.nonzero_static(x, size=99, fill_value=7)), X.round()),
    "argwhere": (lambda L, x: (L.argwhere(x), x.argwhere(), x[0, 0, 0].argwhere()), X.round()),
    "where": (lambda L, x: L.where(x > 0), X),
    "unravel_index": (
        lambda L, i: (*L.unravel_index(i, (3, 4, 5)), *L.unravel_index(i.reshape(-1), 60)), AT1 + 7),
    "unique": (lambda L, x: (x.unique(), L.unique(x[:0])), X.round()),
    "unique all": (
        lambda L, x: L.unique(x, sorted=True, return_inverse=True, return_counts=True), X.round()),
    "unique dim": (
        lambda L, x: (*x.unique(return_inverse=True, return_counts=True, dim=1),
                      x.unique(dim=0)), np.array([[1, 0, 1, 0], [2, 2, 2, 1]])),
    "unique missing": (lambda L, x: L.unique(x, return_counts=True), np.array([2.0, np.nan, 2, np.nan])),
    "unique_consecutive": (
        lambda L, x: (x.unique_consecutive(), *L.unique_consecutive(
            x, return_inverse=True, return_counts=True)), X.round()),
    "unique_consecutive dim": (
        lambda L, x: L.unique_consecutive(x, return_inverse=True, return_counts=True, dim=1),
        np.array([[1, 1, 0, 1], [2, 2, 2, 1]])),
    "searchsorted": (
        lambda L, s, x: (L.searchsorted(s.detach(), x), L.searchsorted(s, x, right=True),
                         L.searchsorted(s, x, side="right", out_int32=True),
                         L.searchsorted(s, x, side="left")),
        np.sort(number(3, 4, 9).round(1)), X.round(1)),
    "searchsorted one": (
        lambda L, s, x: (L.searchsorted(s, x), L.searchsorted(s, 0.5), L.searchsorted(s, x[0, 0, 0])),
        np.sort(V), X),
    "searchsorted types": (
        lambda L, s, x: (L.searchsorted(s, x), L.searchsorted(s, 2.5), L.searchsorted(x, s),
                         L.searchsorted(x, 3)), np.arange(5), np.array([0.5, 2.0, 2.5, 7.0])),
    "searchsorted sorter": (
        lambda L, s, x: L.searchsorted(s, x, sorter=s.argsort(), right=True), V, X),
    "searchsorted missing": (
        lambda L, s, x: (L.searchsorted(s, x), L.searchsorted(s, x, right=True)),
        np.array([1.0, 2.0, np.nan]), np.array([np.nan, np.inf, 1.5, -np.inf])),
    "bucketize": (
        lambda L, x, s: (L.bucketize(x, s), L.bucketize(x, s, right=True, out_int32=True),
                         L.bucketize(1.5, s)), X, np.array([-1.0, 0.0, 1.0, 1.5])),
    "isin": (
        lambda L, x, y: (L.isin(x, y), L.isin(x, y, invert=True, assume_unique=True), L.isin(x, 2),
                         L.isin(3, x), L.isin(x, y[:0]), L.isin(x, y.to(L.int32))),
        AT1, np.array([3, 1, 7])),
    "isin mixed": (lambda L, x, y: L.isin(x, y), np.array([1.0, 2.5, np.nan]), np.array([1, 2])),
    "bincount": (
        lambda L, i, w: (L.bincount(i), i.bincount(minlength=9), L.bincount(i, w),
                         i.bincount(w.float(), 4), i[:0].bincount()), PLACES, V[:3]),
    "histc": (
        lambda L, x: (L.histc(x, 5), x.histc(4, -1, 1), x.histc(bins=3, min=0.5, max=0.5)), X),
}  # fmt: skip


@pytest.mark.parametrize("name", FINDS)
def test_finding(name: str) -> None:
    function, *arrays = FINDS[name]

    def detached(L: Any, *ts: Any) -> Any:
        return function(L, *[t.detach() for t in ts])

    compare(torch, detached, *arrays)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin", "set"])
def test_a_source_larger_than_the_index(reduce: str) -> None:
    index = rg.tensor([[[0, 2, 0]], [[1, 1, 2]]])

    def run(x: Any, s: Any) -> Any:
        if reduce == "set":
            return x.scatter(2, rg.tensor([[[0, 2, 1]], [[1, 4, 2]]]), s)
        return x.scatter_reduce(2, index, s, reduce)

    inputs = [rg.tensor(a).requires_grad_() for a in (X, SRC)]
    assert rg.autograd.gradcheck(run, inputs)


def test_searching_waits_to_be_asked() -> None:
    """What has a shape known beforehand stays a promise."""
    x = rg.tensor([0.5, 2.0]) * 2
    places = rg.bucketize(x, rg.tensor([0.0, 1.0, 2.0]))
    found = rg.isin(places, rg.tensor([3]))
    assert x._key is not None and found.tolist() == [False, True]


REFUSED: dict[str, Any] = {
    "gather type": (lambda L, x: x.gather(0, x), X),
    "gather short": (lambda L, x: x.gather(0, L.tensor([[[0]]], dtype=L.int16)), X),
    "gather dims": (lambda L, x: x.gather(0, L.tensor([0])), X),
    "gather size": (lambda L, x: x.gather(0, L.zeros(1, 5, 5, dtype=L.int64)), X),
    "gather range": (lambda L, x: x.gather(0, L.tensor([[[3]]])), X),
    "gather dim": (lambda L, x: x.gather(3, L.tensor([[[0]]])), X),
    "scatter type": (lambda L, x: x.scatter(0, L.tensor([[[0]]]), x.float()), X),
    "scatter reduce": (lambda L, x: x.scatter(0, L.tensor([[[0]]]), x, reduce="mean"), X),
    "scatter src": (lambda L, x: x.scatter(0, L.tensor([[[0]]]), x[0, 0, 0]), X),
    "scatter src size": (lambda L, x: x.scatter(0, L.tensor([[[0, 1]]]), x[..., :1]), X),
    "scatter range": (lambda L, x: x.scatter(0, L.tensor([[[3]]]), x), X),
    "scatter_add number": (lambda L, x: x.scatter_add(0, L.tensor([[[0]]]), 2.0), X),
    "scatter_reduce name": (lambda L, x: x.scatter_reduce(0, L.tensor([[[0]]]), x, "add"), X),
    "scatter_reduce nothing": (lambda L, x: x.scatter_reduce(0, L.tensor([[[0]]]), x), X),
    "scatter_reduce range": (lambda L, x: x.scatter_reduce(0, L.tensor([[[3]]]), x, "amax"), X),
    "index_select type": (lambda L, x: x.index_select(0, L.tensor([0.0])), X),
    "index_select dims": (lambda L, x: x.index_select(0, L.tensor([[0]])), X),
    "index_select range": (lambda L, x: x.index_select(0, L.tensor([3])), X),
    "index_select scalar": (lambda L, x: x.index_select(0, L.tensor([0, 0])), S),
    "index_add count": (lambda L, x: x.index_add(0, L.tensor([0]), x), X),
    "index_add type": (lambda L, x: x.index_add(0, L.tensor([0]), x[:1].float()), X),
    "index_add size": (lambda L, x: x.index_add(0, L.tensor([0]), x[:1, :2]), X),
    "index_add dims": (lambda L, x: x.index_add(0, L.tensor([[0]]), x[:1]), X),
    "index_copy count": (lambda L, x: x.index_copy(0, L.tensor([0]), x), X),
    "index_copy type": (lambda L, x: x.index_copy(0, L.tensor([0]), x[:1].float()), X),
    "index_copy size": (lambda L, x: x.index_copy(0, L.tensor([0]), x[:1, :2]), X),
    "index_copy dims": (lambda L, x: x.index_copy(0, L.tensor([0, 1]), x[0]), X),
    "index_fill value": (lambda L, x: x.index_fill(0, L.tensor([0]), L.ones(1)), X),
    "index_fill dims": (lambda L, x: x.index_fill(0, L.tensor([[0]]), 2), X),
    "index_fill range": (lambda L, x: x.index_fill(0, L.tensor([3]), 2), X),
    "index_put type": (lambda L, x: x.index_put((L.tensor([0]),), L.tensor([1])), X),
    "index_reduce name": (lambda L, x: x.index_reduce(0, L.tensor([0]), x[:1], "sum"), X),
    "masked_fill value": (lambda L, x: x.masked_fill(x > 3, L.ones(1)), X),
    "masked_fill mask": (lambda L, x: x.masked_fill(x, 2.0), X),
    "masked_fill_ shape": (lambda L, x: x[0].masked_fill_(x > 3, 2.0), X),
    "masked_select mask": (lambda L, x: x.masked_select(x), X),
    "masked_scatter count": (lambda L, x: x.masked_scatter(x < 9, x[0]), X),
    "masked_scatter type": (lambda L, x: x.masked_scatter(x < 9, x.float()), X),
    "masked_scatter mask": (lambda L, x: x.masked_scatter(x, x), X),
    "take range": (lambda L, x: x.take(L.tensor([60])), X),
    "take type": (lambda L, x: x.take(L.tensor([0.0])), X),
    "put count": (lambda L, x: x.put(L.tensor([0, 1]), x[0, 0, :1]), X),
    "put range": (lambda L, x: x.put(L.tensor([99]), x[0, 0, :1]), X),
    "put type": (lambda L, x: x.put(L.tensor([0]), L.tensor([7])), X),
    "take_along_dim dims": (lambda L, x: L.take_along_dim(x, L.tensor([0]), 1), X),
    "take_along_dim type": (lambda L, x: L.take_along_dim(x, x, 1), X),
    "take_along_dim size": (
        lambda L, x: L.take_along_dim(x, L.zeros(2, 1, 1, dtype=L.int64), 1), X),
    "searchsorted sides": (lambda L, x: L.searchsorted(x, x, side="left", right=True), V),
    "searchsorted side": (lambda L, x: L.searchsorted(x, x, side="middle"), V),
    "searchsorted dims": (lambda L, x: L.searchsorted(x, x[0]), X),
    "searchsorted scalar": (lambda L, x: L.searchsorted(x, 1.0), X),
    "searchsorted sorter": (lambda L, x: L.searchsorted(x, x, sorter=x.argsort()[:2]), V),
    "bucketize dims": (lambda L, x: L.bucketize(x, x), X),
    "isin truth": (lambda L, x: L.isin(x > 0, x > 1), X),
    "bincount negative": (lambda L, x: L.bincount(x), np.array([-1, 2])),
    "bincount dims": (lambda L, x: L.bincount(x), AT1),
    "histc bins": (lambda L, x: L.histc(x, 0), X),
    "histc order": (lambda L, x: L.histc(x, 3, 2, 1), X),
    "unravel type": (lambda L, x: L.unravel_index(x, (3, 4)), V),
    "unravel negative": (lambda L, x: L.unravel_index(x, (3, -4)), PLACES),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:index_reduce")
@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    function, *arrays = REFUSED[name]
    refused(torch, function, *arrays)
