"""Layers on empty batches, on views, and on sizes that just fit, beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number, refused
from peers.twins import follow, twins

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

EMPTY, P, K = np.zeros((0, 4, 7, 8)), number(2, 4, 7, 8), number(6, 4, 3, 3)

CASES: dict[str, tuple[Any, ...]] = {
    "conv, no sample": (lambda F, x, w: F.conv2d(x, w, None, 2, 1), EMPTY, K),
    "transposed conv, no sample": (lambda F, x, w: F.conv_transpose2d(x, w, None, 2),
                                   EMPTY, number(4, 3, 3, 3)),
    "max_pool, no sample": (lambda F, x: F.max_pool2d(x, 2), EMPTY),
    "avg_pool, no sample": (lambda F, x: F.avg_pool2d(x, 2), EMPTY),
    "adaptive, no sample": (lambda F, x: F.adaptive_avg_pool2d(x, (3, 5)), EMPTY),
    "batch_norm, no sample": (lambda F, x: F.batch_norm(x, None, None, None, None, True),
                              EMPTY),
    "layer_norm, no sample": (lambda F, x: F.layer_norm(x, (8,)), EMPTY),
    "interpolate, no sample": (lambda F, x: F.interpolate(x, (3, 3), mode="bicubic"), EMPTY),
    "conv of views": (lambda F, x, w: F.conv2d(x.permute(0, 3, 2, 1), w.transpose(2, 3)),
                      number(2, 8, 7, 4), K),
    "conv of an expanded input": (lambda F, x, w: F.conv2d(x.expand(2, 4, 7, 8), w),
                                  number(1, 4, 7, 1), K),
    "max_pool of a view": (lambda F, x: F.max_pool2d(
        x.transpose(2, 3)[:, :, ::2], 3, 2, 1, return_indices=True), P),
    "strides past the end": (lambda F, x, w: F.conv1d(x, w, None, 7), number(2, 3, 5),
                             number(2, 3, 2)),
    "a kernel of the whole input": (lambda F, x, w: F.conv2d(x, w), P, number(5, 4, 7, 8)),
    "one window": (lambda F, x: F.max_pool2d(x, (7, 8)), P),
    "dilated past the padding": (lambda F, x, w: F.conv2d(x, w, None, 1, 3, 4), P, K),
    "unfold of everything": (lambda F, x: F.unfold(x, (2, 3), (2, 1), (1, 2), (2, 1)),
                             number(2, 3, 6, 7)),
    "fold of everything": (lambda F, x: F.fold(x, (6, 7), (2, 3), (2, 1), (1, 2), (2, 1)),
                           number(2, 18, 27)),
    "padding that crops": (lambda F, x: F.pad(x, (-1, 2, 3, -2), "circular"), P),
    "padding that only crops": (lambda F, x: F.pad(x, (-1, -2, -3, -2), "reflect"), P),
    "batch_norm with a weight only": (lambda F, x, w: F.batch_norm(
        x, None, None, w, None, True), number(3, 4, 5), number(4)),
    "more windows than places": (lambda F, x: F.adaptive_max_pool2d(
        x, (9, 11), return_indices=True), P),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_like_pytorch(name: str) -> None:
    call, *arrays = CASES[name]
    compare(torch, lambda lib, *xs: call(lib.nn.functional, *xs), *arrays)


REFUSED: dict[str, tuple[Any, ...]] = {
    "no output channels": (lambda F, x, w: F.conv1d(x, w), number(2, 3, 5),
                           np.zeros((0, 3, 2))),
    "types": (lambda F, x, w: F.conv2d(x, w), P, K.astype(np.float32)),
    "a bias of another size": (lambda F, x, w, b: F.conv2d(x, w, b), P, K, number(5)),
    "unknown padding": (lambda F, x, w: F.conv2d(x, w, padding="full"), P, K),
    "same and strides": (lambda F, x, w: F.conv2d(x, w, None, 2, "same"), P, K),
    "output_padding": (lambda F, x, w: F.conv_transpose2d(x, w, None, 2, 0, 2), P,
                       number(4, 3, 3, 3)),
    "too much reflected": (lambda F, x: F.pad(x, (8, 0), "reflect"), number(2, 3, 5)),
    "wrapped twice": (lambda F, x: F.pad(x, (6, 0), "circular"), number(2, 3, 5)),
    "odd padding": (lambda F, x: F.pad(x, (1, 2, 3)), P),
    "a value without constants": (lambda F, x: F.pad(x, (1, 1), "reflect", 2.0), P[0]),
    "unknown mode": (lambda F, x: F.pad(x, (1, 1), "mirror"), P[0]),
    "channels and groups": (lambda F, x: F.group_norm(x, 3), P),
    "shuffled channels": (lambda F, x: F.pixel_shuffle(x, 3), P),
    "an integer image": (lambda F, x: F.adaptive_avg_pool2d(x, 2),
                         np.ones((1, 1, 4, 4), np.int64)),
    "fold of another size": (lambda F, x: F.fold(x, (6, 7), (2, 3)), number(2, 18, 5)),
    "running statistics": (lambda F, x: F.batch_norm(x, None, None), P),
    "one value": (lambda F, x: F.batch_norm(x, None, None, training=True), P[:1, :, :1, :1]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, *arrays = REFUSED[name]
    refused(torch, lambda lib, *xs: call(lib.nn.functional, *xs), *arrays)


def test_a_stack_of_many_kinds() -> None:
    """As one event, from the second call on."""

    def make(lib: Any) -> Any:
        n = lib.nn
        return n.Sequential(
            n.ReflectionPad2d(1), n.Conv2d(3, 8, 3), n.GroupNorm(2, 8), n.PReLU(8),
            n.PixelShuffle(2), n.Upsample(scale_factor=0.5, mode="bilinear"),
            n.ZeroPad2d((1, 2, 0, 1)), n.ConvTranspose2d(2, 4, 2, 2),
            n.LocalResponseNorm(2), n.ChannelShuffle(2), n.AdaptiveAvgPool2d((3, 2)),
            n.LPPool2d(2, 1), n.Flatten(), n.Linear(24, 8), n.GLU(),
            n.Threshold(0.1, 0.2), n.RMSNorm(4),
        )  # fmt: skip

    pair = twins(torch, make)
    for seed in range(3):
        follow(torch, pair, number(2, 3, 6, 5, seed=seed))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_unpooling_modules(n: int) -> None:
    x = number(*(2, 3, 7, 8, 5)[: n + 2])

    def call(lib: Any, module: Any, x: Any) -> Any:
        pool = getattr(lib.nn, f"MaxPool{n}d")(3, 2, return_indices=True)
        y, where = pool(x)
        return module(y, where, output_size=x.shape)

    pair = twins(torch, lambda lib: getattr(lib.nn, f"MaxUnpool{n}d")(3, 2))
    follow(torch, pair, x, call=call)


@pytest.mark.parametrize("n", [2, 3])
def test_fractional_pooling_modules(n: int) -> None:
    """From given numbers the same windows, by size and by ratio."""
    x, places = number(*(2, 3, 9, 8, 7)[: n + 2]), number(2, 3, n, positive=True) % 1

    for how in ({"output_size": 3}, {"output_ratio": 0.5, "return_indices": True}):

        def make(lib: Any, how: Any = how) -> Any:
            kind = getattr(lib.nn, f"FractionalMaxPool{n}d")
            return kind(2, _random_samples=lib.tensor(places), **how)

        follow(torch, twins(torch, make), x)
    drawn = getattr(rg.nn, f"FractionalMaxPool{n}d")(2, output_ratio=0.5)(rg.tensor(x))
    assert drawn.shape == (2, 3, *(m // 2 for m in x.shape[2:]))
    assert np.isin(drawn.numpy(), x).all()


def test_unpooling_to_the_usual_size() -> None:
    pair = twins(torch, lambda lib: lib.nn.MaxUnpool2d(2))
    places = np.array([[[[0, 3], [12, 10]]]])
    follow(torch, pair, number(1, 1, 2, 2), places)
    refused(torch, lambda lib, x, i: lib.nn.MaxUnpool2d(2)(x, i), number(1, 1, 2, 2),
            places + 10)  # fmt: skip
    refused(torch, lambda lib, x, i: lib.nn.MaxUnpool2d(2)(x, i, (9, 9)),
            number(1, 1, 2, 2), places)  # fmt: skip
