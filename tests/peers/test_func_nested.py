"""Transformations inside each other, on PyTorch's own samples, as torch.func has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import op_tables
import retrograd as rg
from retrograd.func.tree import flatten

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

#: PyTorch's tables use functions of its own that it warns of
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::DeprecationWarning"
)

#: one or two of each family of primitives and compositions (name, or name:variant), in
#: which the forward mode of PyTorch keeps the digits
NAMES = """sin log1p erfinv sigmoid div:no_rounding_mode atan2 xlogy logaddexp logit where clamp
    sum mean prod amax var norm logsumexp cumsum cumprod
    sort topk median quantile gather scatter_add index_select index_put take_along_dim
    matmul linalg.inv linalg.solve_triangular linalg.slogdet kron
    permute unfold flip roll cat stack diag_embed tril expand narrow
    nn.functional.softplus nn.functional.gelu nn.functional.conv1d nn.functional.conv2d
    nn.functional.conv_transpose1d nn.functional.max_pool2d nn.functional.avg_pool1d
    nn.functional.group_norm nn.functional.cross_entropy nn.functional.huber_loss
    nn.functional.kl_div nn.functional.cosine_similarity nn.functional.pad:reflect
    nn.functional.interpolate:bilinear nn.functional.grid_sample nn.functional.unfold
    log_softmax scatter_reduce:amax nextafter""".split()


@pytest.mark.parametrize("name", NAMES)
def test_nested(name: str) -> None:
    call, theirs, mine, wanted = _program(name)
    for transformation in (
        vmapped_over_the_last, vmapped_twice, jacobian_forward, gradient_of_each,
        forward_over_reverse,
    ):  # fmt: skip
        try:
            expected = transformation(torch, theirs, wanted)
        except (RuntimeError, NotImplementedError):
            continue  # PyTorch has no rule for it
        found = transformation(rg, call, mine)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            what = f"{name}: {transformation.__name__}"
            have, want = _numbers(a), _numbers(b)
            assert have.shape == want.shape and have.dtype == want.dtype, what
            scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
            np.testing.assert_allclose(
                have, want, rtol=1e-9, atol=1e-9 * scale, err_msg=what
            )


def vmapped_over_the_last(lib: Any, f: Callable[..., Any], xs: list[Any]) -> Any:
    """The batch stands last in the arguments, and in the results."""
    mapped = lib.vmap(f, in_dims=-1, out_dims=-1)
    return mapped(*[lib.stack([x, x * 1.01, x * 0.99], -1) for x in xs])


def vmapped_twice(lib: Any, f: Callable[..., Any], xs: list[Any]) -> Any:
    two = [lib.stack([x, x * 1.01]) for x in xs]
    return lib.vmap(lib.vmap(f))(*[lib.stack([x, x * 0.98, x * 1.02]) for x in two])


def jacobian_forward(lib: Any, f: Callable[..., Any], xs: list[Any]) -> Any:
    """Column by column here, against PyTorch's row by row, which has more digits (and
    of symmetric matrices both halves)."""
    jacobian = lib.func.jacfwd if lib is rg else lib.func.jacrev
    rows = jacobian(_floating(lib, f), tuple(range(len(xs))))(*xs)
    return [block for row in rows for block in row]


def gradient_of_each(lib: Any, f: Callable[..., Any], xs: list[Any]) -> Any:
    """vmap of grad."""

    def loss(*given: Any) -> Any:
        return sum((y * _waves(lib, y, 0)).sum() for y in _floating(lib, f)(*given))

    gradient = lib.func.grad(loss, tuple(range(len(xs))))
    return lib.vmap(gradient)(*[lib.stack([x, x * 1.01, x * 0.99]) for x in xs])


def forward_over_reverse(lib: Any, f: Callable[..., Any], xs: list[Any]) -> Any:
    """jvp of vjp: what a Hessian is made of."""

    def pulled(*given: Any) -> Any:
        ys, pull = lib.func.vjp(_floating(lib, f), *given)
        return pull(tuple(_waves(lib, y, 1) for y in ys))

    out, along = lib.func.jvp(pulled, tuple(xs), tuple(_waves(lib, x, 2) for x in xs))
    return [*out, *along]


def _floating(lib: Any, f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: tuple(y for y in f(*xs) if y.dtype == lib.float64)


def _waves(lib: Any, x: Any, k: int) -> Any:
    return lib.sin(lib.arange(x.numel(), dtype=lib.float64) + k).reshape(x.shape)


def _numbers(x: Any) -> Any:
    return x.detach().numpy()


def _program(name: str) -> tuple[Any, Any, list[Any], list[Any]]:
    """A function as one of its floating arguments, in both libraries, and these."""
    plain, _, variant = name.partition(":")
    entry = next(e for e in op_tables.table()[plain] if e.variant_test_name == variant)
    function = op_tables.ours(plain, variant)
    samples = op_tables.first(entry, torch.float64, 40, False)
    sizes = [_size(s) for s in samples]
    fitting = [s for s, n in zip(samples, sizes, strict=True) if 1 < n <= 150]
    sample = (fitting or samples)[len(fitting) // 2]
    given = (sample.input, sample.args, sample.kwargs)
    values, form = flatten(op_tables.translated(given))
    others, spec = torch.utils._pytree.tree_flatten(given)
    places = [
        i
        for i, x in enumerate(values)
        if isinstance(x, rg.Tensor) and x.is_floating_point()
    ]
    assert places == [
        i
        for i, x in enumerate(others)
        if isinstance(x, torch.Tensor) and x.is_floating_point()
    ]

    def call(*xs: Any) -> Any:
        full = list(values)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        first, args, kwargs = form.build(full)
        out = flatten(function(first, *args, **kwargs))[0]
        return tuple(y for y in out if isinstance(y, rg.Tensor))

    def theirs(*xs: Any) -> Any:
        full = list(others)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        first, args, kwargs = torch.utils._pytree.tree_unflatten(full, spec)
        out = torch.utils._pytree.tree_leaves(entry.op(first, *args, **kwargs))
        return tuple(y for y in out if isinstance(y, torch.Tensor))

    mine = [values[i].detach() for i in places]
    return call, theirs, mine, [others[i].detach() for i in places]


def _size(sample: Any) -> int:
    parts = torch.utils._pytree.tree_leaves((sample.input, sample.args, sample.kwargs))
    return sum(x.numel() for x in parts if isinstance(x, torch.Tensor))
