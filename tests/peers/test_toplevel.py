"""Functions of layers under PyTorch's top-level names, and nn.grad, beside PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

X, W, V = number(2, 4, 9), number(6, 4, 3), number(2, 4, 5, 5, 5)
P, K = number(2, 4, 7, 8), number(6, 4, 3, 3)
R, S = number(4, 6), number(4, 6, seed=1)
four = number(4, positive=True)
signs = np.sign(number(4, 6, seed=3))

CALLS: dict[str, tuple[Any, ...]] = {
    "conv1d": (lambda t, x, w: t.conv1d(x, w, None, 2, 1), X, W),
    "conv2d": (lambda t, x, w: t.conv2d(x, w), P, K),
    "conv3d": (lambda t, x, w: t.conv3d(x, w), V, number(2, 4, 2, 2, 2)),
    "conv_tbc": (lambda t, x, w, b: t.conv_tbc(x, w, b, 1), number(5, 2, 4),
                 number(3, 4, 6), number(6)),
    "conv_transpose1d": (lambda t, x, w: t.conv_transpose1d(x, w, None, 2), X,
                         number(4, 3, 3)),
    "conv_transpose2d": (lambda t, x, w: t.conv_transpose2d(x, w), P, number(4, 3, 2, 2)),
    "conv_transpose3d": (lambda t, x, w: t.conv_transpose3d(x, w), V,
                         number(4, 3, 2, 2, 2)),
    "convolution": (lambda t, x, w: t.convolution(x, w, None, [2], [1], [1], False, [0], 1),
                    X, W),
    "convolution, transposed": (lambda t, x, w: t.convolution(
        x, w, None, [2, 1], [1, 0], [1, 1], True, [1, 0], 1), P, number(4, 3, 3, 3)),
    "constant_pad_nd": (lambda t, x: t.constant_pad_nd(x, (1, 2, 0, -1), 2.5), R),
    "max_pool1d": (lambda t, x: t.max_pool1d(x, 3, 2, 1), X),
    "max_pool1d_with_indices": (lambda t, x: t.max_pool1d_with_indices(x, 3), X),
    "max_pool2d": (lambda t, x: t.max_pool2d(x, 2), P),
    "max_pool3d": (lambda t, x: t.max_pool3d(x, 2), V),
    "avg_pool1d": (lambda t, x: t.avg_pool1d(x, 3, 2), X),
    "adaptive_avg_pool1d": (lambda t, x: t.adaptive_avg_pool1d(x, 4), X),
    "adaptive_max_pool1d": (lambda t, x: t.adaptive_max_pool1d(x, 4), X),
    "bilinear": (lambda t, a, b, w: t.bilinear(a, b, w), R, S, number(3, 6, 6)),
    "batch_norm": (lambda t, x, w, b, v: t.batch_norm(
        x, w, b, b.detach(), v.detach(), False, 0.1, 1e-5, False), X, four, four, four),
    "batch_norm, training": (lambda t, x, w: t.batch_norm(
        x, w, None, None, None, True, 0.1, 1e-5, False), X, four),
    "instance_norm": (lambda t, x, w: t.instance_norm(
        x, w, None, None, None, True, 0.1, 1e-5, False), X, four),
    "layer_norm": (lambda t, x: t.layer_norm(x, (6,)), R),
    "group_norm": (lambda t, x, w: t.group_norm(x, 2, w), X, four),
    "rms_norm": (lambda t, x: t.rms_norm(x, (6,)), R),
    "dropout": (lambda t, x: t.dropout(x, 0.5, False), R),
    "dropout all": (lambda t, x: t.dropout(x, 1.0, True), R),
    "alpha_dropout": (lambda t, x: t.alpha_dropout(x, 0.5, False), R),
    "feature_dropout": (lambda t, x: t.feature_dropout(x, 1.0, True), P),
    "feature_alpha_dropout": (lambda t, x: t.feature_alpha_dropout(x, 0.5, False), P),
    "dropout_": (lambda t, x: t.dropout_(x * 1, 1.0, True), R),
    "alpha_dropout_": (lambda t, x: t.alpha_dropout_(x * 1, 0.5, False), R),
    "feature_dropout_": (lambda t, x: t.feature_dropout_(x * 1, 1.0, True), P),
    "feature_alpha_dropout_": (lambda t, x: t.feature_alpha_dropout_(x * 1, 0.5, False), P),
    "embedding": (lambda t, w, i: t.embedding(w, i), R, np.array([[0, 2], [3, 0]])),
    "embedding, padding": (lambda t, w, i: t.embedding(w, i, 0), R, np.array([0, 2])),
    "grid_sampler": (lambda t, x, g: t.grid_sampler(x, g, 2, 1, True), P,
                     number(2, 3, 3, 2)),
    "grid_sampler_2d": (lambda t, x, g: t.grid_sampler_2d(x, g, 0, 2, False), P,
                        number(2, 3, 3, 2)),
    "grid_sampler_3d": (lambda t, x, g: t.grid_sampler_3d(x, g, 0, 0, False), V,
                        number(2, 3, 3, 2, 3)),
    "affine_grid_generator": (lambda t, m: t.affine_grid_generator(m, (2, 1, 3, 4), False),
                              number(2, 2, 3)),
    "pixel_shuffle": (lambda t, x: t.pixel_shuffle(x, 2), P),
    "pixel_unshuffle": (lambda t, x: t.pixel_unshuffle(x, 2), number(2, 3, 4, 6)),
    "channel_shuffle": (lambda t, x: t.channel_shuffle(x, 2), P),
    "native_channel_shuffle": (lambda t, x: t.native_channel_shuffle(x.detach(), 2), P),
    "cosine_similarity": (lambda t, a, b: t.cosine_similarity(a, b), R, S),
    "pairwise_distance": (lambda t, a, b: t.pairwise_distance(a, b, 1.5), R, S),
    "pdist": (lambda t, a: t.pdist(a), R),
    "binary_cross_entropy_with_logits": (
        lambda t, a, b: t.binary_cross_entropy_with_logits(a, b.detach(), reduction=2),
        R, (signs + 1) / 2),
    "kl_div": (lambda t, a, b: t.kl_div(a, b, 0), R, np.abs(S)),
    "poisson_nll_loss": (lambda t, a, b: t.poisson_nll_loss(a, b, True, True, 1e-8, 1), R,
                         np.abs(S) * 3),
    "hinge_embedding_loss": (lambda t, a, b: t.hinge_embedding_loss(a, b.detach(), 0.5, 2),
                             R, signs),
    "margin_ranking_loss": (lambda t, a, b, y: t.margin_ranking_loss(
        a, b, y.detach(), 0.5, 0), R, S, signs),
    "cosine_embedding_loss": (lambda t, a, b, y: t.cosine_embedding_loss(
        a, b, y.detach()), R, S, signs[:, 0]),
    "triplet_margin_loss": (lambda t, a, b, c: t.triplet_margin_loss(a, b, c, swap=True), R,
                            S, number(4, 6, seed=2)),
    "ctc_loss": (lambda t, x: t.ctc_loss(x.log_softmax(-1), t.tensor([[1, 2], [3, 3]]),
                                         (9, 7), (2, 1), 0, 2), number(9, 2, 4)),
    "celu": (lambda t, x: t.celu(x, 0.5), R), "selu": (lambda t, x: t.selu(x), R),
    "prelu": (lambda t, x, w: t.prelu(x, w), X, four),
    "rrelu": (lambda t, x: t.rrelu(x), R), "hardshrink": (lambda t, x: t.hardshrink(x), R),
    "threshold": (lambda t, x: t.threshold(x, 0.1, 2.0), R),
    "relu_": (lambda t, x: t.relu_(x * 1), R), "selu_": (lambda t, x: t.selu_(x * 1), R),
    "celu_": (lambda t, x: t.celu_(x * 1), R), "rrelu_": (lambda t, x: t.rrelu_(x * 1), R),
    "threshold_": (lambda t, x: t.threshold_(x * 1, 0.1, 2.0), R),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_like_pytorch(name: str) -> None:
    call, *arrays = CALLS[name]
    compare(torch, call, *arrays, rtol=1e-7 if name.startswith("celu") else 1e-9)


def test_every_name_is_compared() -> None:
    assert set(rg._LAYERS) == {name.split(",")[0].split(" ")[0] for name in CALLS}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_gradients_of_convolutions(n: int) -> None:
    size, kernel = (7, 6, 5)[:n], (3, 2, 3)[:n]
    x, w = number(2, 4, *size), number(6, 2, *kernel)
    how = (2, 1, 1, 2)
    out = getattr(torch.nn.functional, f"conv{n}d")(
        torch.tensor(x), torch.tensor(w), None, *how
    )
    g = number(*out.shape, seed=4)
    compare(torch, lambda t, w, g: getattr(t.nn.grad, f"conv{n}d_input")(
        x.shape, w, g, *how), w, g)  # fmt: skip
    compare(torch, lambda t, x, g: getattr(t.nn.grad, f"conv{n}d_weight")(
        x, w.shape, g, *how), x, g)  # fmt: skip


@pytest.mark.parametrize("name", ["grouped_mm", "scaled_mm", "scaled_grouped_mm"])
def test_left_out(name: str) -> None:
    with pytest.raises(NotImplementedError, match="use"):
        getattr(rg.nn.functional, name)(rg.ones(2, 2), rg.ones(2, 2))
