"""Every primitive under every transformation, on its own samples: vmap is the loop, a
tangent is what finite differences and reverse mode say, and they nest in any order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.dispatch import apply
from retrograd.func import grad, jvp, vjp, vmap
from retrograd.func.batched_moves import PLAIN
from retrograd.func.batching import one_by_one, rule_of
from retrograd.ops.op import REGISTRY, Elementwise, Op, Sample, probe

OPS = {
    name: op
    for name, op in REGISTRY.items()
    if not name.startswith("_") and op.__module__.startswith("retrograd.")
}
SIZE = 3


def _path(*steps: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
    return tuple((name, tuple(attrs.items())) for name, attrs in steps)


def _plain(n: int, groups: int = 1) -> dict[str, Any]:
    return {
        "stride": (1,) * n,
        "padding": (0,) * n,
        "dilation": (1,) * n,
        "groups": groups,
    }


_I, _J = np.array([[0], [1]]), np.array([2, 0])
#: forms that matter to a batching rule and that the samples leave out
MORE: dict[str, list[Sample]] = {
    "index": [
        Sample(probe(2, 3, 4), np.array([2, 0]), dims=(1,)),
        Sample(probe(2, 3, 4), _I, _J, dims=(1, 2)),
        Sample(probe(2, 3, 4), np.array(1), np.array(2), dims=(0, 2)),
        Sample(probe(2, 3, 4), _I, _J, np.array(3), dims=(0, 1, 2)),
    ],
    "index_put": [
        Sample(probe(2, 3, 4), probe(*shape, seed=3), _I, _J, dims=dims, accumulate=f)
        for f in (True, False)
        for dims, shape in (
            ((0, 2), (2, 2, 3)),
            ((0, 2), (3,)),
            ((1, 2), (2, 2, 2)),
            ((1, 2), ()),
            ((0, 1), (2, 2, 4)),
        )
    ]
    + [Sample(probe(2, 3), probe(2, 4, seed=1), np.array([2, 0, 2, 1]), dims=(1,), accumulate=True)],
    "view_write": [
        Sample(probe(3, 4), probe(3, seed=1), path=_path(("diagonal", {"offset": 1, "dim1": 0, "dim2": 1}))),
        Sample(probe(3, 4), probe(2, 3, 2, seed=1), path=_path(("reshape", {"shape": (2, 3, 2)}))),
        Sample(probe(3, 4), probe(2, 2, seed=1), path=_path(("as_strided", {"size": (2, 2), "stride": (5, 2), "offset": 1}))),
        Sample(probe(3), probe(1, 3, seed=1), path=_path(("expand", {"shape": (1, 3)}))),
        Sample(probe(3, 2), probe(2, seed=1), path=_path(("detach", {}), ("slice", {"index": (("i", 1),)}))),
    ],
    "gather": [Sample(probe(), np.array(0), dim=0), Sample(probe(3, 4), np.array([[2, 0]]), dim=0)],
    "scatter": [Sample(probe(), np.array(0), probe(seed=1), dim=0, reduce="add")],
    "conv": [Sample(probe(2, 2, 4), probe(3, 2, 2, seed=1), **_plain(1))],
    "conv_input": [Sample(probe(2, 3, 3), probe(3, 2, 2, seed=1), size=(4,), **_plain(1))],
    "conv_weight": [Sample(probe(2, 2, 4), probe(2, 3, 3, seed=1), size=(2,), **_plain(1))],
    "matmul": [Sample(probe(3, 2), probe(2, 1, seed=1)), Sample(probe(2, 1, 2), probe(2, 2, seed=1))],
    "argmax": [Sample(probe(2, 3), dim=(0, 1), keepdim=True)],
    "sum": [Sample(probe(), dim=(), keepdim=True), Sample(probe(2, 3), dim=(0, 1), keepdim=True)],
    "cat": [Sample(probe(2), probe(3, seed=1), probe(1, seed=2), dim=0)],
    "pad": [Sample(probe(2, 2), pad=((0, 0), (-1, 1)), value=2.0)],
}  # fmt: skip
CASES = [
    pytest.param(op, sample, id=f"{name}-{i}")
    for name, op in OPS.items()
    for i, sample in enumerate([*op.samples(), *MORE.get(name, [])])
]


def smooth(op: type[Op], sample: Sample) -> list[int]:
    """The operands with a derivative that is implemented."""
    found = []
    for i, array in enumerate(sample.arrays):
        rule = op.rules.get(op.inputs[min(i, len(op.inputs) - 1)])
        floating = np.asarray(array).dtype.kind == "f"
        if rule and not rule.refuses and floating and np.size(array):
            found.append(i)
    return found


def batch_of(array: Any) -> Any:
    """Several examples: the array, and others near it; whole numbers stay valid."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return rg.tensor(np.stack([array] * SIZE))
    with np.errstate(invalid="ignore"):
        return rg.tensor(_near(array))


def _near(array: Any) -> Any:
    wave = 1e-2 * np.cos(np.arange(array.size)).reshape(array.shape)
    return np.stack([array + k * wave * array for k in range(SIZE)])


def direction(array: Any, seed: float) -> Any:
    array = np.asarray(array)
    return rg.tensor(np.sin(seed + np.arange(array.size)).reshape(array.shape))


def close(a: Any, b: Any, tolerance: float = 1e-10) -> None:
    assert a.dtype is b.dtype
    assert a.shape == b.shape
    np.testing.assert_allclose(
        a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def function_of(
    op: type[Op], sample: Sample, free: Sequence[int]
) -> Callable[..., Any]:
    """The primitive as a function of some of its operands."""
    fixed = [rg.tensor(np.asarray(a)) for a in sample.arrays]

    def function(*given: Any) -> Any:
        inputs = list(fixed)
        for i, x in zip(free, given, strict=True):
            inputs[i] = x
        return apply(op, *inputs, **sample.attrs)

    return function


def _first_two(cases: list[Any]) -> list[Any]:
    """Of the many forms of broadcasting, which all element-wise primitives share, two."""
    seen: dict[Any, int] = {}
    kept = []
    for case in cases:
        op = case.values[0]
        seen[op] = seen.get(op, 0) + 1
        if seen[op] <= 2 or not issubclass(op, Elementwise):
            kept.append(case)
    return kept


@pytest.mark.parametrize("name", OPS)
def test_it_has_a_batching_rule(name: str) -> None:
    if name not in ("zeros",):  # has no operands
        assert rule_of(OPS[name]) is not one_by_one


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_vmap_is_the_loop(op: type[Op], sample: Sample) -> None:
    """Over any of the operands."""
    count = len(sample.arrays)
    for free in itertools.chain.from_iterable(
        itertools.combinations(range(count), k) for k in range(1, count + 1)
    ):
        function = function_of(op, sample, free)
        batches = [batch_of(sample.arrays[i]) for i in free]
        loop = [function(*[b[k] for b in batches]) for k in range(SIZE)]
        close(vmap(function)(*batches), rg.stack(loop))


@pytest.mark.parametrize(("op", "sample"), _first_two(CASES))
def test_vmap_of_vmap(op: type[Op], sample: Sample) -> None:
    """The outer one over all operands, the inner over the first, then over the rest."""
    count = len(sample.arrays)
    if not count:
        return
    function = function_of(op, sample, range(count))
    rows = [batch_of(a) for a in sample.arrays]
    twice = [rg.stack([b, b]) for b in rows]
    for first in (True, False):
        dims = tuple(0 if (i == 0) is first else None for i in range(count))
        if all(d is None for d in dims):
            continue
        given = [t if d == 0 else b for t, b, d in zip(twice, rows, dims, strict=True)]
        found = vmap(vmap(function, dims), tuple(0 for _ in dims))(
            *[t if d == 0 else b[:2] for t, b, d in zip(given, rows, dims, strict=True)]
        )
        expected = [
            rg.stack(
                [
                    function(
                        *[
                            b[k] if d == 0 else b[i]
                            for b, d in zip(rows, dims, strict=True)
                        ]
                    )
                    for k in range(SIZE)
                ]
            )
            for i in range(2)
        ]
        close(found, rg.stack(expected))


def _real(case: Any) -> bool:
    op, sample = case.values
    free = smooth(op, sample)
    function = function_of(op, sample, free)
    given = [rg.tensor(sample.arrays[i]) for i in free]
    return bool(free) and function(*given).is_floating_point()


SMOOTH = [case for case in CASES if _real(case)]


@pytest.mark.parametrize(("op", "sample"), SMOOTH)
def test_forward_mode(op: type[Op], sample: Sample) -> None:
    free = smooth(op, sample)
    function = function_of(op, sample, free)
    xs = tuple(rg.tensor(np.asarray(sample.arrays[i])) for i in free)
    vs = tuple(direction(sample.arrays[i], 1.0 + k) for k, i in enumerate(free))
    y, tangent = jvp(function, xs, vs)
    close(y, function(*xs))
    step = 1e-6
    ahead = function(*[x + step * v for x, v in zip(xs, vs, strict=True)])
    behind = function(*[x - step * v for x, v in zip(xs, vs, strict=True)])
    scale = 1 + float(abs(tangent).max()) if tangent.numel() else 1.0
    close(tangent / scale, (ahead - behind) / (2 * step) / scale, 1e-6)
    # ⟨u, Jv⟩ = ⟨Jᵀu, v⟩, to the last digits
    u = direction(y.detach().numpy(), 5.0)
    back = vjp(function, *xs)[1](u)
    there = (u * tangent).sum()
    here = sum((g * v).sum() for g, v in zip(back, vs, strict=True))
    close(there, here + 0 * there, 1e-9)


@pytest.mark.parametrize(("op", "sample"), _first_two(SMOOTH))
def test_nested(op: type[Op], sample: Sample) -> None:
    """vmap of grad, of jvp and of jvp of grad are the loops; grad and jvp of vmap are
    the stacked gradients and tangents."""
    free = smooth(op, sample)
    function = function_of(op, sample, free)
    batches = [batch_of(sample.arrays[i]) for i in free]
    directions = tuple(
        rg.stack([direction(sample.arrays[i], 1.0 + k) for k in range(SIZE)])
        for i in free
    )
    many = tuple(range(len(free)))
    weight = direction(function(*[b[0] for b in batches]).detach().numpy(), 2.0)

    def scalar(*xs: Any) -> Any:
        return (function(*xs) * weight).sum()

    def tangent(xs: Any, vs: Any) -> Any:
        return jvp(function, xs, vs)[1]

    def curvature(xs: Any, vs: Any) -> Any:
        return jvp(grad(scalar, many), xs, vs)[1]

    rows = [tuple(b[k] for b in batches) for k in range(SIZE)]
    along = [tuple(d[k] for d in directions) for k in range(SIZE)]

    def stacked(results: list[Any]) -> list[Any]:
        return [rg.stack(list(column)) for column in zip(*results, strict=True)]

    gradients = stacked([grad(scalar, many)(*row) for row in rows])
    for a, b in zip(vmap(grad(scalar, many))(*batches), gradients, strict=True):
        close(a, b)
    whole = grad(lambda *xs: vmap(scalar)(*xs).sum(), many)(*batches)
    for a, b in zip(whole, gradients, strict=True):
        close(a, b)
    tangents = rg.stack([tangent(*row) for row in zip(rows, along, strict=True)])
    close(vmap(tangent)(tuple(batches), directions), tangents)
    close(jvp(vmap(function), tuple(batches), directions)[1], tangents)
    second = stacked([curvature(*row) for row in zip(rows, along, strict=True)])
    found = vmap(curvature)(tuple(batches), directions)
    for a, b in zip(found, second, strict=True):
        close(a, b, 1e-8)


@pytest.mark.parametrize("op", PLAIN)
def test_random_numbers(op: type[Op]) -> None:
    """The same ones for all examples, or others for each."""
    attrs: dict[str, Any] = {"shape": (40,), "dtype": rg.float64}
    if op.name == "permutation":
        attrs = {"n": 40}
    elif op.name == "random_int":
        attrs |= {"low": 0, "high": 1000, "dtype": rg.int64}
    state = rg.tensor([3, 0])

    def draw(x: Any) -> Any:
        return apply(op, state, **attrs) + 0 * x

    xs = rg.zeros(SIZE, dtype=rg.int64)
    same = vmap(draw, randomness="same")(xs).double()
    assert bool((same == same[0]).all())
    other = vmap(draw, randomness="different")(xs).double()
    assert other.shape == (SIZE, 40)
    for i, j in itertools.combinations(range(SIZE), 2):
        assert float((other[i] == other[j]).double().mean()) < 0.3
