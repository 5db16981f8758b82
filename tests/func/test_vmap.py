"""vmap: the forms of its arguments, what it does to state, and what it refuses."""

from __future__ import annotations

import collections
import warnings
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import dispatch
from retrograd.dispatch import apply
from retrograd.func import grad, jvp, vjp, vmap
from retrograd.ops.op import Array, Op, Spec, probe

X = rg.tensor(probe(4, 3))
Y = rg.tensor(probe(3, seed=1))


def close(a: Any, b: Any) -> None:
    assert a.shape == b.shape
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_dimensions_in_and_out() -> None:
    wide = rg.tensor(probe(3, 4, 2))
    close(vmap(rg.sum, 1)(wide), wide.sum((0, 2)))
    close(vmap(rg.sum, -1)(wide), wide.sum((0, 1)))
    close(vmap(lambda a: a * 2, 1, 0)(wide), wide.permute(1, 0, 2) * 2)
    close(vmap(lambda a: a * 2, 0, -1)(wide), wide.permute(1, 2, 0) * 2)
    close(vmap(rg.dot, (0, None))(X, Y), X @ Y)
    close(vmap(lambda a, b: a @ b, (None, 0))(Y, X), X @ Y)


def test_trees_of_arguments_and_results() -> None:
    point = collections.namedtuple("point", "x y")

    def f(d: Any, pair: Any, scale: float) -> Any:
        a, b = pair
        return point(d["u"] * a, [b.sum() * scale, {"k": d["w"]}])

    given = {"u": X, "w": Y}
    out = vmap(f, in_dims=({"u": 0, "w": None}, (0, 0), None))(given, (X, X), 2.0)
    assert type(out) is point
    close(out.x, X * X)
    close(out.y[0], 2 * X.sum(1))
    close(out.y[1]["k"], Y.expand(4, 3))  # the same for every example
    turned = vmap(f, ({"u": 0, "w": None}, 0, None), point(1, [0, 0]))(
        given, (X, X), 2.0
    )
    close(turned.x, (X * X).T)
    alone = vmap(lambda a, b: (a, b), (0, None), (0, None))(X, Y)
    close(alone[1], Y)


def test_keywords_are_not_mapped() -> None:
    close(vmap(lambda a, *, b: a * b)(X, b=Y), X * Y)


def test_nested_over_both_arguments() -> None:
    table = vmap(vmap(rg.dot, (None, 0)), (0, None))(X, X)
    close(table, X @ X.T)


@pytest.mark.parametrize("chunk", [1, 3, 4, 9])
def test_chunks(chunk: int) -> None:
    close(vmap(lambda a: (a * Y).sum(), chunk_size=chunk)(X), X @ Y)
    out = vmap(lambda a: a * Y, 0, 1, chunk_size=chunk)(X)
    close(out, (X * Y).T)


def test_no_examples() -> None:
    assert vmap(lambda a: a.sin().sum())(rg.zeros(0, 3)).shape == (0,)


def test_the_second_time_is_one_event() -> None:
    """The rewritten program is remembered: only what the function does is recorded."""
    calls = []

    def f(a: Any) -> Any:
        calls.append(1)
        return (a.sin() * Y).sum() + rg.nn.functional.softmax(a, -1)[0]

    depths = []
    with rg.eager(False):
        for _ in range(3):
            x = rg.tensor(probe(4, 3))
            before = len(calls)
            out = vmap(f)(x)
            assert len(calls) == before + 1
            rec = dispatch.recorder()
            depths.append((rec.state.depth, rec.count))
            out.numpy()
    assert depths[1] == depths[2]  # no new state in the trie


def test_views_and_indexing_with_mapped_indices() -> None:
    i = rg.tensor([0, 2, 1, 0])
    close(vmap(lambda a, k: a[k])(X, i), X[rg.arange(4), i])
    close(vmap(lambda a, k: a[k : k + 1] if isinstance(k, int) else a[k, None])(X, i),
          X[rg.arange(4), i][:, None])  # fmt: skip
    close(vmap(lambda k: Y[k])(i), Y[i])
    close(vmap(lambda a: a.reshape(3, 1).T.contiguous()[0])(X), X)


def test_modes_inside_are_kept() -> None:
    x = rg.tensor(probe(4, 3), requires_grad=True)

    def f(a: Any) -> Any:
        y = a * 2
        with rg.no_grad():
            z = y.sum() + 1
        return y, z, y * z

    for _ in range(2):
        y, z, product = vmap(f, 0, (1, 0, 0))(x)
        assert y.requires_grad and not z.requires_grad
        (y.T + product).sum().backward()
        close(x.grad, 2 + 2 * z[:, None].expand(4, 3))
        x.grad = None
    with rg.no_grad():
        assert not any(t.requires_grad for t in vmap(f)(x))
        assert not vmap(grad(lambda a: f(a)[0].sum()))(x).requires_grad


# -- in-place ---------------------------------------------------------------------------


def test_in_place_on_what_is_made_inside() -> None:
    def f(a: Any) -> Any:
        b = a.clone()
        b[1:] *= 2
        b += Y
        b[0] = 7
        return b

    expected = rg.stack([f(a) for a in X])
    close(vmap(f)(X), expected)
    g = vmap(grad(lambda a: (f(a) ** 2).sum()))(X)
    close(g, rg.stack([grad(lambda a: (f(a) ** 2).sum())(a) for a in X]))


@pytest.mark.parametrize("dim", [0, 1])
def test_in_place_on_an_argument_reaches_the_whole(dim: int) -> None:
    x = X.clone()
    vmap(lambda a: a.mul_(2), dim)(x)
    close(x, 2 * X)
    y = X.clone()
    y.sum().item()  # with memory of its own
    vmap(lambda a: a.add_(1), dim)(y)
    close(y, X + 1)


def test_in_place_on_what_is_the_same_for_all_is_refused() -> None:
    total = rg.zeros(3)
    total.sum().item()
    with pytest.raises(RuntimeError, match="inplace arithmetic is not possible"):
        vmap(lambda a: total.add_(a.float()))(X)
    counter = rg.zeros(2)
    counter.sum().item()
    close(vmap(lambda a: (counter.add_(1), a * counter[0])[1])(X), X)
    assert counter.tolist() == [1, 1]  # the function is called once
    (pulled,) = vjp(lambda a: (counter.mul_(2), a * counter[0])[1], Y)[1](Y)
    close(pulled, 2 * Y)
    close(jvp(lambda a: (counter.mul_(2), a * counter[0])[1], (Y,), (Y,))[1], 4 * Y)
    assert counter.tolist() == [4, 4]
    shared = counter.numpy()
    with pytest.raises(RuntimeError, match="NumPy arrays or views share"):
        vmap(lambda a: (counter.add_(1), a)[1])(X)
    assert shared.tolist() == counter.tolist() == [4, 4]


# -- randomness -------------------------------------------------------------------------


def test_randomness() -> None:
    def noisy(a: Any) -> Any:
        return rg.nn.functional.dropout(a, 0.5) + rg.rand(3)

    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(noisy)(X)
    same = vmap(lambda a: rg.rand(3) + 0 * a, randomness="same")(X)
    assert bool((same == same[0]).all())
    rg.manual_seed(1)
    other = vmap(lambda a: rg.rand(3) + 0 * a, randomness="different")(X)
    after = rg.rand(12)
    values = np.concatenate([other.numpy().ravel(), after.numpy()])
    assert len(np.unique(values)) == 24  # no number is drawn twice
    rg.manual_seed(1)
    close(vmap(lambda a: rg.rand(3) + 0 * a, randomness="different")(X), other)
    half = rg.full((4, 20), 0.5)
    alike = vmap(rg.bernoulli, randomness="same")(half)
    assert bool((alike == alike[0]).all()) and 0 < alike.mean() < 1
    apart = vmap(rg.bernoulli, randomness="different")(half)
    assert len({tuple(row) for row in apart.tolist()}) == 4
    one = vmap(lambda a: rg.bernoulli(half[0]) + 0 * a[0], randomness="different")(X)
    assert len({tuple(row) for row in one.tolist()}) == 4
    nested = vmap(
        vmap(lambda a: rg.rand(2), randomness="same"), randomness="different"
    )(X)
    assert nested.shape == (4, 3, 2)
    assert bool((nested == nested[:, :1]).all())
    assert len(np.unique(nested.numpy())) == 8


# -- refusals ---------------------------------------------------------------------------


def test_values_of_one_example_cannot_be_read() -> None:
    for reads in (
        lambda a: a if a.sum() > 0 else -a,
        lambda a: a * a.sum().item(),
        lambda a: rg.tensor(a.tolist()),
        lambda a: a[a > 0],
        lambda a: a.nonzero(),
        lambda a: a.detach().numpy(),
    ):
        with pytest.raises(RuntimeError, match="is another one for each example"):
            vmap(reads)(X)
    # What is the same for all may be read.
    close(vmap(lambda a: a if Y.sum() > 100 else -a)(X), -X)
    pending = Y * 2
    close(vmap(lambda a: a * pending.sum().item())(X), X * (2 * Y).sum())


def test_printing_shows_the_shape_of_an_example() -> None:
    shown: list[str] = []
    vmap(lambda a: (shown.extend([repr(a * 2), repr(Y)]), a)[1])(X)
    assert shown[0] == "tensor(<one example of a vmap>, f64[3])"
    assert shown[1] == repr(Y)
    jvp(lambda a: (shown.append(repr(a)), a)[1], (Y,), (Y,))
    assert shown[2] == repr(Y)


def test_results_that_are_no_tensors() -> None:
    out, word = vmap(lambda a: (a * 2, "word"), 0, (0, None))(X)
    close(out, X * 2)
    assert word == "word"


def test_what_escapes_has_no_value() -> None:
    kept: list[Any] = []

    def f(a: Any) -> Any:
        kept.extend([a * 2, Y + 1])
        return a

    vmap(f)(X)
    with pytest.raises(RuntimeError, match="stands for one example of many"):
        kept[0].sum()
    close(kept[1], Y + 1)


def test_an_error_inside_leaves_no_trace() -> None:
    def f(a: Any) -> Any:
        b = a * 2
        raise KeyError(str(b.shape))

    with pytest.raises(KeyError, match=r"\[3\]"):
        vmap(f)(X)
    assert dispatch.recorder().tracing is None
    close(vmap(lambda a: a * 2)(X), 2 * X)
    with pytest.raises(RuntimeError, match=r"f64\[3\].*f64\[2\]") as error:
        vmap(lambda a: a + rg.ones(2, dtype=rg.float64))(X)
    assert "test_vmap.py" in str(
        error.value
    )  # the user's line, the shapes of an example


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: vmap(rg.sin)(), ValueError, "no inputs"),
        (lambda: vmap(rg.sin, in_dims="0")(X), ValueError, "in_dims"),
        (lambda: vmap(rg.sin, in_dims=(0, 0))(X), ValueError, "not compatible"),
        (lambda: vmap(rg.sin, in_dims=(0.5,))(X), ValueError, "in_dim=0.5"),
        (lambda: vmap(rg.sin, in_dims=2)(X), ValueError, "dimensionality 2"),
        (lambda: vmap(rg.sin, in_dims=None)(X), ValueError, "in_dims"),
        (lambda: vmap(rg.add, in_dims=(None, None))(X, X), ValueError, "mapped over"),
        (lambda: vmap(rg.add)(X, Y), ValueError, r"sizes \[4, 3\]"),
        (lambda: vmap(rg.add)(X, 2.0), ValueError, "non-Tensor"),
        (lambda: vmap(lambda a: 3.0)(X), ValueError, "only return Tensors"),
        (lambda: vmap(lambda a: a, 0, (0, 0))(X), ValueError, "out_dims"),
        (lambda: vmap(lambda a: a, 0, 3)(X), IndexError, "out of range"),
        (lambda: vmap(lambda a: a, 0, None)(X), ValueError, "depends on the mapped"),
        (lambda: vmap(rg.sin, randomness="some"), RuntimeError, "randomness"),
        (lambda: vmap(rg.sin, chunk_size=0), ValueError, "chunk_size"),
        (lambda: vmap(lambda a: a.requires_grad_())(X), RuntimeError, "requires_grad_"),
        (lambda: vmap(lambda a: a.sum().backward())(X), RuntimeError, "backward"),
    ],
)  # fmt: skip
def test_refusals(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()


# -- primitives of users ------------------------------------------------------------------


class _Half(Op):
    name = "_test_half"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array) -> Array:
        return a / 2

    @staticmethod
    def vjp_a(g: Any) -> Any:
        return g / 2


def test_a_primitive_without_a_rule_runs_example_by_example() -> None:
    with pytest.warns(UserWarning, match="test_half has no batching rule"):
        close(vmap(lambda a: apply(_Half, a) * 3)(X), X * 1.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        close(vmap(lambda a: apply(_Half, a))(X), X / 2)
    close(jvp(lambda a: apply(_Half, a), (X,), (X,))[1], X / 2)
    assert vmap(lambda a: apply(_Half, a))(rg.zeros(0, 2)).shape == (0, 2)


class _Cube(rg.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 30 * x**2  # not the derivative of the value, to be told apart


def test_custom_functions() -> None:
    close(vmap(_Cube.apply)(X), X**3)
    close(vmap(grad(lambda a: _Cube.apply(a).sum()))(X), 30 * X**2)
    close(grad(lambda x: vmap(_Cube.apply)(x).sum())(X), 30 * X**2)
    _, pull = vjp(_Cube.apply, X)
    close(pull(rg.ones_like(X))[0], 30 * X**2)


def test_run_at_once() -> None:
    with rg.eager():
        close(vmap(lambda a: (a * Y).sum())(X), X @ Y)
        close(vmap(grad(lambda a: (a**3).sum()))(X), 3 * X**2)
        close(jvp(rg.sin, (X,), (X,))[1], X.cos() * X)


def test_classes_as_vectors() -> None:
    classes = rg.tensor([[0, 2], [1, 1]])
    one_hot = rg.nn.functional.one_hot
    close(vmap(lambda c: one_hot(c, 3))(classes), one_hot(classes, 3))
