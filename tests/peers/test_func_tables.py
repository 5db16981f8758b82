"""Every function on PyTorch's own samples: mapped over a batch it is the loop, and its
derivative in forward mode is that in reverse."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
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
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

#: what draws random numbers, or has results whose shape depends on values, or reads them;
#: unpooling to one place twice (the reverse gives both their gradient, as PyTorch's does)
LEFT_OUT = set(
    """fractional_max_pool2d fractional_max_pool3d max_unpool1d max_unpool2d max_unpool3d
    alpha_dropout dropout dropout2d dropout3d feature_alpha_dropout rrelu bernoulli
    normal multinomial rand_like randn_like randint_like randn scaled_dot_product_attention
    multi_head_attention_forward uniform svd_lowrank pca_lowrank
    argwhere nonzero nonzero_static unique unique_consecutive
    histc histogram histogramdd geqrf lstsq cov gaussian_nll_loss linspace
    chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v
    chebyshev_polynomial_w shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u
    shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w hermite_polynomial_h
    hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p""".split()
)
INITIALS = "abcdefghijklmnopqrstuvwxyz_"


@pytest.mark.parametrize("initial", INITIALS)
def test_every_function_under_vmap_and_in_forward_mode(initial: str) -> None:
    """On PyTorch's samples, what our function does to a batch is what it does to each
    example, and its tangent agrees with its reverse."""
    for name in op_tables.table():
        short = name.rsplit(".", 1)[-1]
        if short[0] != initial or short in LEFT_OUT:
            continue
        for call, given in programs(name):
            batch_is_loop(name, call, given)
            forward_is_reverse(name, call, given)


def trees(value: Any) -> list[Any]:
    return [t for t in flatten(value)[0] if isinstance(t, rg.Tensor)]


def programs(name: str) -> Iterator[tuple[Callable[..., Any], list[Any]]]:
    """A function as one of its floating arguments, on some of its samples."""
    for entry in op_tables.table()[name]:
        if torch.float64 not in entry.dtypes:
            continue
        try:
            f = op_tables.ours(name, entry.variant_test_name)
        except AttributeError:
            continue  # not here (yet): the page of coverage says so
        samples = entry.sample_inputs("cpu", torch.float64, requires_grad=False)
        for sample in list(itertools.islice(samples, 2))[
            -1:
        ]:  # the first is the plainest
            program = translated(f, sample)
            if program is not None:
                yield program


def translated(f: Any, sample: Any) -> tuple[Callable[..., Any], list[Any]] | None:
    try:
        parts = op_tables.translated((sample.input, sample.args, sample.kwargs))
    except BaseException as error:
        if isinstance(error, (pytest.skip.Exception, TypeError, AttributeError)):
            return None  # complex numbers, or a kind of tensor that is not here
        raise
    values, form = flatten(parts)
    places = [
        i
        for i, x in enumerate(values)
        if isinstance(x, rg.Tensor) and x.is_floating_point()
    ]

    def call(*given: Any) -> Any:
        full = list(values)
        for i, x in zip(places, given, strict=True):
            full[i] = x
        first, args, kwargs = form.build(full)
        return f(first, *args, **kwargs)

    given = [values[i] for i in places]
    try:
        outs = trees(call(*[x.clone() for x in given]))
        for out in outs:
            out.tolist()
    except Exception:
        return None  # what is refused, or left out
    return (call, given) if places and outs else None


def batch_is_loop(name: str, call: Callable[..., Any], given: list[Any]) -> None:
    xs = [rg.stack([x, x * 1.01, x * 0.99]).detach() for x in given]
    loop = [trees(call(*[x[i].clone() for x in xs])) for i in range(3)]
    if any(
        len({tuple(t.shape) for t in column}) > 1 for column in zip(*loop, strict=True)
    ):
        return
    found = trees(rg.vmap(call)(*[x.clone() for x in xs]))
    for out, column in zip(found, zip(*loop, strict=True), strict=True):
        expected = rg.stack(list(column)).detach().numpy()
        np.testing.assert_allclose(
            out.detach().numpy(), expected, rtol=1e-8, atol=1e-9, err_msg=name
        )


def forward_is_reverse(name: str, call: Callable[..., Any], given: list[Any]) -> None:
    def floating(*xs: Any) -> Any:
        return tuple(t for t in trees(call(*xs)) if t.is_floating_point())

    try:
        ys, pull = rg.func.vjp(floating, *given)
        us = tuple(
            rg.cos(rg.arange(y.numel(), dtype=y.dtype)).reshape(y.shape) for y in ys
        )
        back = pull(us)
    except (NotImplementedError, RuntimeError):
        return  # has no derivative
    vs = tuple(
        rg.sin(rg.arange(x.numel(), dtype=x.dtype) + 1).reshape(x.shape) for x in given
    )
    _, along = rg.func.jvp(floating, tuple(given), vs)
    left = sum(float((u * t).sum()) for u, t in zip(us, along, strict=True))
    right = sum(float((g * v).sum()) for g, v in zip(back, vs, strict=True))
    if np.isfinite(left) or np.isfinite(right):
        assert left == pytest.approx(right, rel=1e-6, abs=1e-7), name
