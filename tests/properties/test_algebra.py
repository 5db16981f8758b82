"""Laws of matrices and of places: what factors multiply to, what undoes what, and that the
reverse of a linear function is its transpose. Nothing else is asked for an answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
import retrograd.nn.functional as F

quick = settings(derandomize=True, deadline=None, database=None, max_examples=12)
seeds = st.integers(0, 2**32 - 1)
batches = st.sampled_from([(), (2,), (0,), (2, 1)])
small = st.integers(0, 5)


def drawn(seed: int, *shape: int, ties: bool = False) -> Any:
    rng = np.random.default_rng(seed)
    if ties:
        return rg.tensor(rng.integers(-2, 3, size=shape).astype(float))
    return rg.tensor(rng.normal(size=shape))


def close(a: Any, b: Any, tolerance: float = 1e-9) -> None:
    assert a.shape == b.shape
    a, b = a.detach().numpy(), b.detach().numpy()
    scale = max(1.0, np.abs(b).max(initial=0.0))
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def eye(n: int, batch: tuple[int, ...]) -> Any:
    return rg.eye(n, dtype=rg.float64).expand(*batch, n, n)


# -- factors ---------------------------------------------------------------------------


@quick
@given(seed=seeds, batch=batches, m=small, n=small)
def test_orthogonal_factors(seed: int, batch: Any, m: int, n: int) -> None:
    a = drawn(seed, *batch, m, n)
    for mode, k in (("reduced", min(m, n)), ("complete", m)):
        q, r = rg.linalg.qr(a, mode)
        close(q @ r, a)
        close(q.mT @ q, eye(k, batch))
        assert not r.tril(-1).any()
    u, s, vh = rg.linalg.svd(a, full_matrices=False)
    close(u @ (s.unsqueeze(-1) * vh), a)
    close(u.mT @ u, eye(min(m, n), batch))
    close(vh @ vh.mT, eye(min(m, n), batch))
    assert (s >= 0).all() and (s.diff(dim=-1) <= 0).all()
    close(rg.linalg.svdvals(a.mT), s)


@quick
@given(seed=seeds, batch=batches, n=small)
def test_triangular_factors(seed: int, batch: Any, n: int) -> None:
    a, b = drawn(seed, *batch, n, n), drawn(seed + 1, *batch, n, 2)
    p, l, u = rg.linalg.lu(a)
    close(p @ l @ u, a)
    assert not l.triu(1).any() and not u.tril(-1).any()
    lu, pivots = rg.linalg.lu_factor(a)
    close(a @ rg.linalg.lu_solve(lu, pivots, b), b, 1e-6)
    positive = a @ a.mT + eye(n, batch)
    l = rg.linalg.cholesky(positive)
    close(l @ l.mT, positive)
    close(rg.linalg.cholesky(positive, upper=True), l.mT)
    close(positive @ rg.cholesky_solve(b, l), b, 1e-7)
    close(l @ rg.linalg.solve_triangular(l, b, upper=False), b)
    symmetric = a + a.mT
    values, vectors = rg.linalg.eigh(symmetric)
    close(symmetric @ vectors, vectors * values.unsqueeze(-2))
    assert (values.diff(dim=-1) >= 0).all()
    close(symmetric @ rg.linalg.ldl_solve(*rg.linalg.ldl_factor(symmetric), b), b, 1e-6)


@quick
@given(seed=seeds, batch=batches, n=small)
def test_inverses_and_determinants(seed: int, batch: Any, n: int) -> None:
    a = drawn(seed, *batch, n, n) + 3 * eye(n, batch)
    b = drawn(seed + 1, *batch, n, n)
    det = rg.linalg.det
    close(det(a @ b), det(a) * det(b))
    close(det(a.mT), det(a))
    sign, logarithm = rg.linalg.slogdet(b)
    close(sign * logarithm.exp(), det(b))
    close(a @ rg.linalg.inv(a), eye(n, batch), 1e-8)
    close(a @ rg.linalg.solve(a, b), b, 1e-8)
    close(rg.linalg.matrix_power(a, 5), a @ a @ a @ a @ a)
    close(rg.linalg.matrix_power(a, -2), rg.linalg.inv(a @ a), 1e-7)
    close(rg.matrix_exp(b) @ rg.matrix_exp(-b), eye(n, batch), 1e-8)
    trace = b.diagonal(0, -2, -1).sum(-1)
    close(det(rg.matrix_exp(b)), trace.exp(), 1e-8)


@quick
@given(seed=seeds, m=small, n=small, rank=st.integers(0, 3))
def test_the_four_conditions_of_the_pseudoinverse(
    seed: int, m: int, n: int, rank: int
) -> None:
    a = drawn(seed, m, rank) @ drawn(seed + 1, rank, n)
    p = rg.linalg.pinv(a, rtol=1e-10)
    close(a @ p @ a, a, 1e-7)
    close(p @ a @ p, p, 1e-7)
    close((a @ p).mT, a @ p, 1e-7)
    close((p @ a).mT, p @ a, 1e-7)
    assert rg.linalg.matrix_rank(a, rtol=1e-10).item() <= min(m, n, rank)


@quick
@given(seed=seeds, sizes=st.tuples(*[st.integers(0, 3)] * 4))
def test_sums_over_letters(seed: int, sizes: tuple[int, ...]) -> None:
    i, j, k, l = sizes
    a, b = drawn(seed, i, j, k), drawn(seed + 1, k, j, l)
    contracted = rg.tensordot(a, b, dims=([1, 2], [1, 0]))
    close(rg.einsum("ijk,kjl->il", a, b), contracted)
    close(rg.einsum("ijk,kjl", a, b), contracted)
    close(a.reshape(i, j * k) @ b.permute(1, 0, 2).reshape(j * k, l), contracted)
    c, d = drawn(seed + 2, i, j), drawn(seed + 3, k, l)
    close(rg.kron(c, d), rg.einsum("ij,kl->ikjl", c, d).reshape(i * k, j * l))
    close(rg.einsum("...j,...j->...", c, c), rg.linalg.vecdot(c, c))
    close(rg.einsum("ij,kl->lijk", c, d).sum((1, 2)), (c.sum() * d).mT)


# -- order -----------------------------------------------------------------------------


@quick
@given(seed=seeds, rows=st.integers(1, 3), n=st.integers(1, 9))
def test_order(seed: int, rows: int, n: int) -> None:
    x = drawn(seed, rows, n, ties=True)
    values, places = x.sort(dim=1, stable=True)
    assert (values.diff(dim=1) >= 0).all()
    assert (x.gather(1, places) == values).all()
    same = values[:, 1:] == values[:, :-1]
    assert (places.diff(dim=1)[same] > 0).all()  # equal elements keep their order
    assert (x.flip(1).sort(1, descending=True).values == values.flip(1)).all()
    k = 1 + seed % n
    assert (x.topk(k, 1).values == values.flip(1)[:, :k]).all()
    assert (x.kthvalue(k, 1).values == values[:, k - 1]).all()
    assert (x.median(1).values == values[:, (n - 1) // 2]).all()
    for found in (x.topk(k, 1), x.kthvalue(k, 1, keepdim=True), x.mode(1, keepdim=True),
                  x.median(1, keepdim=True), x.cummax(1), x.cummin(1)):  # fmt: skip
        assert (x.gather(1, found.indices) == found.values).all()
    close(rg.quantile(x, rg.linspace(0, 1, n, dtype=rg.float64), dim=1), values.mT)


@quick
@given(seed=seeds, n=st.integers(0, 9))
def test_searching(seed: int, n: int) -> None:
    edges = drawn(seed, n, ties=True).sort().values
    wanted = drawn(seed + 1, 7, ties=True)
    for right in (False, True):
        at = rg.searchsorted(edges, wanted, right=right)
        assert (at == rg.bucketize(wanted, edges, right=right)).all()
        before = edges <= wanted[:, None] if right else edges < wanted[:, None]
        assert (at == before.sum(1)).all()
    found, inverse, counts = rg.unique(wanted, return_inverse=True, return_counts=True)
    assert (found[inverse] == wanted).all() and (found.diff() > 0).all()
    assert (rg.bincount(inverse, minlength=len(found)) == counts).all()
    runs, inverse, counts = rg.unique_consecutive(
        wanted, return_inverse=True, return_counts=True
    )
    assert (runs[inverse] == wanted).all()
    assert (runs.repeat_interleave(counts) == wanted).all()


# -- what undoes what ------------------------------------------------------------------


@quick
@given(
    seed=seeds, shape=st.tuples(small, st.integers(1, 4), small), dim=st.integers(-3, 2)
)
def test_what_undoes_what(seed: int, shape: tuple[int, ...], dim: int) -> None:
    x = drawn(seed, *shape)
    n, by = shape[dim], seed % 11 - 5
    first = x.narrow(dim, 0, 0).sum(dim, keepdim=True)
    close(x.cumsum(dim).diff(dim=dim, prepend=first), x)
    close(
        x.flip(dim).cumsum(dim).flip(dim) + x.cumsum(dim) - x.sum(dim, keepdim=True), x
    )
    close(x.logcumsumexp(dim), x.exp().cumsum(dim).log())
    close((x.exp() + 1).cumprod(dim).log(), (x.exp() + 1).log().cumsum(dim))
    assert (x.flip(dim).flip(dim) == x).all()
    assert (x.roll(by, dim).roll(-by, dim) == x).all()
    turned = x
    for _ in range(4):
        turned = turned.rot90(1, (dim, (dim + 1) % 3))
    assert (turned == x).all()
    assert (x.tril(by) + x.triu(by + 1) == x).all()
    assert (rg.cat(x.tensor_split(3, dim), dim) == x).all()
    assert (rg.stack(x.unbind(dim), dim) == x).all() if n else True
    assert (x.movedim(dim, 0).movedim(0, dim) == x).all()
    assert (x.unflatten(dim, (1, n)).flatten(dim % 3, dim % 3 + 1) == x).all()
    mask = x > 0
    back = rg.zeros_like(x).masked_scatter(mask, x.masked_select(mask))
    assert (back == x.clamp(min=0)).all()
    assert (
        rg.zeros_like(x).index_put(mask.nonzero(as_tuple=True), x[mask]) == back
    ).all()
    assert (x.unfold(dim, n, 1).squeeze(dim).movedim(-1, dim) == x).all() if n else True


# -- the reverse of a linear function is its transpose ----------------------------------

PLACES = np.array([[0, 2, 2, 1], [3, 0, 2, 1], [3, 3, 3, 3]])
ROW = PLACES[0]

LINEAR: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean((0, -1), keepdim=True),
    "cumsum": lambda x: x.cumsum(-1),
    "diff": lambda x: x.diff(2, dim=1),
    "trapezoid": lambda x: rg.trapezoid(x, dx=0.5, dim=0),
    "cumulative_trapezoid": lambda x: rg.cumulative_trapezoid(x, dim=1),
    "gradient": lambda x: rg.stack(rg.gradient(x, spacing=2.0)),
    "gather": lambda x: x.gather(1, rg.tensor(PLACES)),
    "scatter": lambda x: x.scatter(1, rg.tensor(PLACES[:, :1]), x[:, 1:2] * 2),
    "scatter_add": lambda x: rg.zeros(3, 5, dtype=x.dtype).scatter_add(
        1, rg.tensor(PLACES), x
    ),
    "scatter_reduce": lambda x: x.scatter_reduce(
        1, rg.tensor(PLACES), x, "mean", include_self=False
    ),
    "index_select": lambda x: x.index_select(1, rg.tensor(ROW)),
    "index_add": lambda x: x.index_add(1, rg.tensor(ROW), x, alpha=3),
    "index_copy": lambda x: x.index_copy(0, rg.tensor([2]), x[:1]),
    "index_fill": lambda x: x.index_fill(1, rg.tensor([0, 0]), 0.0),
    "index_reduce": lambda x: x.index_reduce(1, rg.tensor(ROW), x, "mean"),
    "index_put": lambda x: x.index_put(
        (rg.tensor([0, 0]), rg.tensor([1, 1])), x[1, :2], accumulate=True
    ),
    "indices": lambda x: x[rg.tensor([0, 2, 0]), 1:],
    "strided": lambda x: x[::2, 1::2],
    "take": lambda x: x.take(rg.tensor([0, 11, 0])),
    "put": lambda x: x.put(rg.tensor([0, 11]), x[0, 1:3], accumulate=True),
    "masked_fill": lambda x: x.masked_fill(rg.tensor(PLACES > 1), 0.0),
    "masked_scatter": lambda x: x.masked_scatter(rg.tensor(PLACES > 1), x.mT.reshape(-1)),
    "where": lambda x: rg.where(rg.tensor(PLACES > 1), 2 * x, -x),
    "roll": lambda x: x.roll((1, 2), (0, 1)),
    "flip": lambda x: x.flip((0, 1)),
    "rot90": lambda x: x.rot90(),
    "tril": lambda x: x.tril(-1),
    "diagonal": lambda x: x.diagonal(1),
    "diag_embed": lambda x: x.diag_embed(1),
    "diagonal_scatter": lambda x: x.diagonal_scatter(x[0, :3]),
    "as_strided": lambda x: x.as_strided((3, 3), (1, 3), 2),
    "expand": lambda x: x.expand(2, 3, 4),
    "repeat": lambda x: x.repeat(2, 1, 2),
    "repeat_interleave": lambda x: x.repeat_interleave(rg.tensor([2, 0, 1]), 0),
    "unfold": lambda x: x.unfold(1, 3, 1),
    "windows": lambda x: F.unfold(x[None, None], 2, padding=1, dilation=2),
    "fold": lambda x: F.fold(x.reshape(1, 4, 3), (2, 4), 2),
    "pad": lambda x: F.pad(x[None], (1, 2, 2, 0), mode="reflect"),
    "interpolate": lambda x: F.interpolate(x[None, None], scale_factor=1.7, mode="bilinear"),
    "avg_pool": lambda x: F.avg_pool2d(x[None], 2, padding=1, count_include_pad=False),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x[None], (2, 3)),
    "conv": lambda x: F.conv1d(x[None], rg.tensor(PLACES[:, None, :2] + 0.5), groups=3),
    "matmul": lambda x: x @ x.new_tensor(PLACES).mT @ x.new_ones(3, 2),
    "einsum": lambda x: rg.einsum("ij,kj->ik", x, x.new_tensor(PLACES)),
    "tensordot": lambda x: rg.tensordot(x, x.new_tensor(PLACES), ([0, 1], [0, 1])),
    "kron": lambda x: rg.kron(x, x.new_tensor(PLACES)),
    "cross": lambda x: rg.linalg.cross(x, x.new_tensor(PLACES), dim=0),
    "solve": lambda x: rg.linalg.solve(x.new_tensor(PLACES[:, :3]) + 2 * rg.eye(3), x),
    "triangle": lambda x: rg.linalg.solve_triangular(
        x.new_tensor(PLACES[:, 1:]), x, upper=True
    ),
    "meshgrid": lambda x: rg.stack(rg.meshgrid(x[0], x[:, 0], indexing="xy")),
    "cat": lambda x: rg.cat([x, x[:1], x]),
    "combinations": lambda x: rg.combinations(x[0], 2),
    "cov with": lambda x: rg.cumsum(x - x.mean(1, keepdim=True), 0),
    "renormed": lambda x: x * rg.tensor(PLACES).double().norm(dim=1, keepdim=True),
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_the_reverse_is_the_transpose(name: str) -> None:
    """⟨f(x), y⟩ = ⟨x, fᵀ(y)⟩, whatever x and y: in reverse, in forward mode, again in
    reverse of the reverse, and mapped over a batch."""
    f = LINEAR[name]
    x = drawn(1, 3, 4)
    out, back = rg.func.vjp(f, x)
    y = drawn(2, *out.shape)
    (transposed,) = back(y)
    product = (out * y).sum().item()
    assert (x * transposed).sum().item() == pytest.approx(product, rel=1e-11, abs=1e-11)
    v = drawn(3, 3, 4)
    close(rg.func.jvp(f, (x,), (v,))[1], f(v))
    _, again = rg.func.vjp(lambda y: back(y)[0], y)
    close(again(v)[0], f(v))
    both = rg.stack([x, v])
    close(rg.vmap(f)(both), rg.stack([f(x), f(v)]))
    assert math.isfinite(product)
