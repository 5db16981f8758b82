"""The rest of nn.functional beside PyTorch's: losses on vectors, transposed and
three-dimensional convolutions, folding, attention, dropout, and every refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import retrograd as rg
from peers.cases import compare, number, refused

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

REDUCTIONS = ("none", "mean", "sum")
X, Y, Z = number(4, 5), number(4, 5, seed=1), number(4, 5, seed=2)
POSITIVE = number(4, 5, positive=True)
SIGNS = np.sign(number(4, 5, seed=3))
SIGN = np.sign(number(4, seed=4))
COUNTS = np.arange(20.0).reshape(4, 5) % 4

LOSSES: dict[str, Any] = {
    "poisson": (lambda F, r, x, y: F.poisson_nll_loss(x, y.detach(), reduction=r), X, COUNTS),
    "poisson rates": (
        lambda F, r, x, y: F.poisson_nll_loss(
            x, y.detach(), log_input=False, full=True, eps=1e-6, reduction=r),
        POSITIVE, COUNTS),
    "poisson full": (
        lambda F, r, x, y: F.poisson_nll_loss(x, y.detach(), full=True, reduction=r), X, COUNTS),
    "gaussian": (
        lambda F, r, x, y, v: F.gaussian_nll_loss(x, y, v, reduction=r), X, Y, POSITIVE),
    "gaussian full": (
        lambda F, r, x, y, v: F.gaussian_nll_loss(x, y, v, full=True, eps=0.3, reduction=r),
        X, Y, POSITIVE),
    "gaussian one variance a row": (
        lambda F, r, x, y, v: F.gaussian_nll_loss(x, y, v, reduction=r),
        X, Y, POSITIVE[:, :1]),
    "hinge_embedding": (
        lambda F, r, x, y: F.hinge_embedding_loss(
            x, y.detach(), margin=0.7, reduction=r), X, SIGNS),
    "margin_ranking": (
        lambda F, r, x, y, t: F.margin_ranking_loss(
            x, y, t.detach(), margin=0.3, reduction=r), X, Y, SIGNS),
    "cosine_embedding": (
        lambda F, r, x, y, t: F.cosine_embedding_loss(
            x, y, t.detach(), margin=0.1, reduction=r), X, Y, SIGN),
    "soft_margin": (
        lambda F, r, x, y: F.soft_margin_loss(x, y.detach(), reduction=r), X, SIGNS),
    "multi_margin": (
        lambda F, r, x, t: F.multi_margin_loss(x, t, reduction=r), X, np.array([0, 4, 2, 2])),
    "multi_margin all": (
        lambda F, r, x, t, w: F.multi_margin_loss(
            x, t, p=2, margin=0.5, weight=w.detach(), reduction=r),
        X, np.array([0, 4, 2, 2]), number(5, positive=True)),
    "triplet": (
        lambda F, r, a, p, n: F.triplet_margin_loss(a, p, n, reduction=r), X, Y, Z),
    "triplet all": (
        lambda F, r, a, p, n: F.triplet_margin_loss(
            a, p, n, margin=2.0, p=3, eps=1e-4, swap=True, reduction=r), X, Y, Z),
    "huber weight": (
        lambda F, r, x, y: F.huber_loss(x, y, reduction=r, delta=2.0), X * 3, Y),
    "smooth_l1 of beta 0": (
        lambda F, r, x, y: F.smooth_l1_loss(x, y, reduction=r, beta=0.0), X, Y),
    "bce weight": (
        lambda F, r, x, y, w: F.binary_cross_entropy(
            x, y, weight=w.detach(), reduction=r),
        POSITIVE * 0.8, number(4, 5, seed=7, positive=True) * 0.8, number(5, positive=True)),
    "bce logits weight": (
        lambda F, r, x, y, w: F.binary_cross_entropy_with_logits(
            x, y, weight=w.detach(), reduction=r),
        X * 30, POSITIVE * 0.8, number(4, 1, positive=True)),
    "nll of one": (
        lambda F, r, x, t: F.nll_loss(x[0], t, reduction=r), X, np.array(3)),
    "cross_entropy of one": (
        lambda F, r, x, t: F.cross_entropy(x[0], t, reduction=r, label_smoothing=0.3),
        X, np.array(3)),
    "cross_entropy in three dimensions": (
        lambda F, r, x, t: F.cross_entropy(x, t, reduction=r, ignore_index=1),
        number(2, 3, 4), np.arange(8).reshape(2, 4) % 3),
    "cross_entropy weights and probabilities": (
        lambda F, r, x, y, w: F.cross_entropy(x, y, weight=w.detach(), reduction=r),
        X, POSITIVE, number(5, positive=True)),
}  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, reduction: str) -> None:
    function, *arrays = LOSSES[name]
    compare(
        torch, lambda lib, *ts: function(lib.nn.functional, reduction, *ts), *arrays
    )


@pytest.mark.filterwarnings("ignore:size_average and reduce args")
@pytest.mark.parametrize("old", [{"size_average": False}, {"reduce": False},
                                 {"size_average": True, "reduce": True}])  # fmt: skip
def test_the_older_arguments(old: dict[str, bool]) -> None:
    compare(torch, lambda lib, x, y: lib.nn.functional.mse_loss(x, y, **old), X, Y)


TRANSPOSED = [
    {},
    {"stride": 2},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"padding": 2, "dilation": 2},
    {"groups": 2, "stride": 3},
]


@pytest.mark.parametrize("options", TRANSPOSED)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_transposed_convolutions(n: int, options: dict[str, Any]) -> None:
    groups = options.get("groups", 1)
    x = number(2, 4, *(5, 4, 3)[:n])
    w = number(4, 6 // groups, *(3, 2, 3)[:n])
    if options.get("padding") == 2:
        w = number(4, 6 // groups, *(3,) * n)
    compare(
        torch,
        lambda lib, *ts: getattr(lib.nn.functional, f"conv_transpose{n}d")(
            *ts, **options
        ),
        x, w, number(6),
    )  # fmt: skip


THREE = [
    {},
    {"stride": (1, 2, 1), "padding": (0, 1, 1)},
    {"dilation": (2, 1, 1), "groups": 2},
    {"padding": "same"},
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("options", THREE)
def test_conv3d(options: dict[str, Any]) -> None:
    w = number(4, 4 // options.get("groups", 1), 2, 3, 2)
    compare(
        torch,
        lambda lib, *ts: lib.nn.functional.conv3d(*ts, **options),
        number(2, 4, 5, 4, 4), w, number(4),
    )  # fmt: skip


def test_convolutions_of_a_single_example() -> None:
    for n in (1, 2, 3):
        compare(
            torch,
            lambda lib, x, w, n=n: getattr(lib.nn.functional, f"conv{n}d")(x, w),
            number(3, *(5, 6, 4)[:n]),
            number(2, 3, *(2, 3, 2)[:n]),
        )


FOLDS = [{"kernel_size": 2}, {"kernel_size": (2, 3), "stride": (2, 1)},
         {"kernel_size": 3, "padding": 1, "dilation": (1, 2), "stride": 2}]  # fmt: skip


@pytest.mark.parametrize("options", FOLDS)
def test_unfold_and_fold(options: dict[str, Any]) -> None:
    image = number(2, 3, 6, 7)

    def run(lib: Any, x: Any) -> Any:
        columns = lib.nn.functional.unfold(x, **options)
        back = lib.nn.functional.fold(columns, (6, 7), **options)
        return columns, back

    compare(torch, run, image)


CUBE, ROW, IMAGE = number(2, 3, 4, 5, 6), number(2, 3, 9), number(2, 3, 6, 7)
POOLS: dict[str, Any] = {
    "max_pool3d": (lambda F, x: F.max_pool3d(x, 2, stride=1, padding=1), CUBE),
    "max_pool3d mixed": (
        lambda F, x: F.max_pool3d(x, (2, 3, 2), (1, 2, 2), dilation=(1, 1, 2), ceil_mode=True),
        CUBE),
    "avg_pool3d": (lambda F, x: F.avg_pool3d(x, 2, 2, 1), CUBE),
    "avg_pool3d all": (
        lambda F, x: F.avg_pool3d(x, (2, 3, 2), 2, (0, 1, 1), ceil_mode=True,
                                  count_include_pad=False), CUBE),
    "adaptive_avg_pool3d": (lambda F, x: F.adaptive_avg_pool3d(x, (2, None, 4)), CUBE),
    "adaptive_max_pool1d": (lambda F, x: F.adaptive_max_pool1d(x, 4), ROW),
    "max_pool1d indices": (
        lambda F, x: F.max_pool1d(x, 3, 2, 1, return_indices=True), ROW),
    "max_pool2d indices": (
        lambda F, x: F.max_pool2d(x, 2, 1, 1, return_indices=True), IMAGE),
    "lp_pool1d": (lambda F, x: F.lp_pool1d(x, 3, 2, ceil_mode=True), ROW + 5),
    "lp_pool2d": (lambda F, x: F.lp_pool2d(x, 2, (2, 3), stride=2), IMAGE),
    "max_pool2d of one": (lambda F, x: F.max_pool2d(x[0], 2), IMAGE),
    "avg_pool1d of one": (lambda F, x: F.avg_pool1d(x[0], 2), ROW),
    "ties": (lambda F, x: F.max_pool2d(x * 0, 2, return_indices=True), IMAGE),
}  # fmt: skip


@pytest.mark.parametrize("name", POOLS)
def test_pools(name: str) -> None:
    function, x = POOLS[name]
    compare(torch, lambda lib, x: function(lib.nn.functional, x), x)


NORMS: dict[str, Any] = {
    "rms_norm": (lambda F, x, w: F.rms_norm(x, (7,), w), IMAGE, number(7)),
    "rms_norm eps": (lambda F, x: F.rms_norm(x, (6, 7), eps=0.1), IMAGE),
    "instance_norm": (
        lambda F, x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-3),
        IMAGE, number(3), number(3, seed=1)),
    "local_response_norm": (
        lambda F, x: F.local_response_norm(x, 3, alpha=0.1, beta=0.5, k=2.0), IMAGE),
    "local_response_norm even": (lambda F, x: F.local_response_norm(x, 2), ROW),
    "normalize dims": (lambda F, x: F.normalize(x, dim=(1, 2)), IMAGE),
    "normalize zeros": (lambda F, x: F.normalize(x * 0, eps=0.5), X),
    "normalize largest": (lambda F, x: F.normalize(x, p=float("inf")), X),
    "bilinear": (
        lambda F, x, y, w, b: F.bilinear(x, y, w, b),
        X, number(4, 3), number(2, 5, 3), number(2)),
    "cosine_similarity": (lambda F, x, y: F.cosine_similarity(x, y, dim=-1, eps=10.0), X, Y),
    "pairwise_distance": (
        lambda F, x, y: F.pairwise_distance(x, y, p=1, eps=0.1, keepdim=True), X, Y),
    "gelu at extremes": (
        lambda F, x: (F.gelu(x), F.gelu(x, approximate="tanh")), X * 8),
    "softmax type": (lambda F, x: F.softmax(x.float(), 1, dtype=x.dtype), X),
    "log_softmax of large": (lambda F, x: F.log_softmax(x * 1000, 1), X),
    "rrelu": (lambda F, x: F.rrelu(x, 0.1, 0.4), X),
    "dropout off": (lambda F, x: F.dropout(x, 0.5, training=False), X),
    "dropout all": (lambda F, x: F.dropout(x, 1.0), X),
    "dropout none": (lambda F, x: F.dropout(x, 0.0), X),
    "alpha_dropout off": (lambda F, x: F.alpha_dropout(x, 0.5), X),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
def test_norms_and_others(name: str) -> None:
    function, *arrays = NORMS[name]
    compare(torch, lambda lib, *ts: function(lib.nn.functional, *ts), *arrays)


@pytest.mark.parametrize("stats", [True, False])
def test_instance_norm_statistics(stats: bool) -> None:
    def run(lib: Any, x: Any) -> Any:
        mean, var = lib.tensor(number(3)), lib.tensor(number(3, positive=True))
        y = lib.nn.functional.instance_norm(
            x, mean, var, use_input_stats=stats, momentum=0.3
        )
        return y, mean, var

    compare(torch, run, IMAGE)


Q, K, V = number(2, 3, 4, 6), number(2, 3, 5, 6, seed=1), number(2, 3, 5, 7, seed=2)
MASK = number(4, 5, seed=3) > -0.5
ATTENTION: dict[str, Any] = {
    "plain": (lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v), Q, K, V),
    "scale": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.3), Q, K, V),
    "causal": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), Q, K, V),
    "mask": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
        Q, K, V, MASK),
    "added mask": (
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
        Q, K, V, number(4, 5)),
    "grouped queries": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        number(2, 4, 3, 6), K[:, :2], V[:, :2]),
    "no batch": (
        lambda F, q, k, v: F.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0]),
        Q, K, V),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name: str) -> None:
    function, *arrays = ATTENTION[name]
    compare(torch, lambda lib, *ts: function(lib.nn.functional, *ts), *arrays)


@pytest.mark.parametrize(
    ("name", "shape", "shared"),
    [("dropout", (500, 40), ()), ("alpha_dropout", (500, 40), ()),
     ("feature_alpha_dropout", (500, 40, 3), (2,)), ("dropout1d", (500, 40, 3), (2,)),
     ("dropout2d", (50, 40, 3, 2), (2, 3)), ("dropout3d", (50, 40, 3, 2, 2), (2, 3, 4))],
)  # fmt: skip
def test_dropout_drops_elements_or_whole_channels(
    name: str, shape: tuple[int, ...], shared: tuple[int, ...]
) -> None:
    rg.manual_seed(1)
    y = getattr(rg.nn.functional, name)(rg.ones(shape), 0.25, True)
    values = y.unique()
    assert values.numel() == 2, "an element is kept, scaled, or dropped"
    kept = y == values[-1]
    if shared:
        assert (kept == kept.amax(shared, keepdim=True)).all()
    assert abs(kept.float().mean().item() - 0.75) < 0.03
    if "alpha" not in name:
        assert values.tolist() == pytest.approx([0, 1 / 0.75])


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    rg.manual_seed(2)
    y = rg.nn.functional.alpha_dropout(rg.randn(200_000), 0.3, training=True)
    assert abs(y.mean().item()) < 0.02
    assert abs(y.var().item() - 1) < 0.02


def test_gumbel_softmax() -> None:
    rg.manual_seed(3)
    logits = rg.tensor([0.5, 0.0, -1.0]).expand(50_000, 3)
    soft = rg.nn.functional.gumbel_softmax(logits, tau=0.7)
    assert rg.allclose(soft.sum(1), rg.ones(50_000))
    hard = rg.nn.functional.gumbel_softmax(logits, hard=True)
    assert sorted(hard.unique().tolist()) == [0.0, 1.0]
    assert (hard.sum(1) == 1).all()
    # Gumbel's trick: the largest is drawn with the softmax's probability
    drawn = hard.mean(0)
    assert rg.allclose(drawn, logits[0].softmax(0), atol=0.01)


def test_rrelu_draws_slopes_between_its_bounds() -> None:
    rg.manual_seed(4)
    y = rg.nn.functional.rrelu(-rg.ones(10_000), 0.2, 0.6, training=True)
    slopes = -y
    assert slopes.min().item() >= 0.2 and slopes.max().item() <= 0.6
    assert abs(slopes.mean().item() - 0.4) < 0.01


REFUSED: dict[str, Any] = {
    "bce sizes": (lambda F, x, y: F.binary_cross_entropy(x, y[:2]), POSITIVE * 0.8, X),
    "bce logits sizes": (
        lambda F, x, y: F.binary_cross_entropy_with_logits(x, y[:2]), X, Y),
    "gaussian variance": (lambda F, x, y: F.gaussian_nll_loss(x, y, -x * x), X, Y),
    "gaussian sizes": (lambda F, x, y: F.gaussian_nll_loss(x, y, y[:3]), X, Y),
    "multi_margin p": (lambda F, x, t: F.multi_margin_loss(x, t, p=3), X, np.arange(4)),
    "multi_margin class": (
        lambda F, x, t: F.multi_margin_loss(x, t), X, np.array([0, 5, 1, 1])),
    "margin_ranking sizes": (
        lambda F, x, y, t: F.margin_ranking_loss(x, y, t[0, :2]), X, Y, SIGNS),
    "cosine_embedding target": (
        lambda F, x, y, t: F.cosine_embedding_loss(x, y, t), X, Y, SIGNS),
    "hinge reduction": (
        lambda F, x, t: F.hinge_embedding_loss(x, t, reduction="all"), X, SIGNS),
    "conv dims": (lambda F, x, w: F.conv1d(x, w), IMAGE, number(2, 3, 2)),
    "conv stride": (
        lambda F, x, w: F.conv2d(x, w, stride=0), IMAGE, number(2, 3, 2, 2)),
    "conv padding": (
        lambda F, x, w: F.conv2d(x, w, padding=-1), IMAGE, number(2, 3, 2, 2)),
    "conv same stride": (
        lambda F, x, w: F.conv2d(x, w, padding="same", stride=2), IMAGE, number(2, 3, 2, 2)),
    "conv bias": (
        lambda F, x, w, b: F.conv2d(x, w, b), IMAGE, number(2, 3, 2, 2), number(3)),
    "transposed output_padding": (
        lambda F, x, w: F.conv_transpose1d(x, w, output_padding=1), ROW, number(3, 2, 2)),
    "glu odd": (lambda F, x: F.glu(x), X),
    "softshrink": (lambda F, x: F.softshrink(x, -1.0), X),
    "prelu sizes": (lambda F, x, w: F.prelu(x, w), X, number(3)),
    "group_norm": (lambda F, x: F.group_norm(x, 2), IMAGE),
    "batch_norm of one": (
        lambda F, x: F.batch_norm(x[:1], None, None, training=True), X),
    "instance_norm of one": (lambda F, x: F.instance_norm(x[:, :, :1]), ROW),
    "pool kernel": (lambda F, x: F.avg_pool2d(x, 9), IMAGE),
    "pool dims": (lambda F, x: F.max_pool2d(x, 2), X),
    "adaptive size": (lambda F, x: F.adaptive_avg_pool2d(x, (2, 2, 2)), IMAGE),
    "embedding index": (lambda F, w, i: F.embedding(i, w), X, np.array([4])),
    "embedding type": (lambda F, w: F.embedding(w, w), X),
    "one_hot negative": (lambda F, i: F.one_hot(i), np.array([-1, 2])),
    "one_hot small": (lambda F, i: F.one_hot(i, 2), np.array([0, 2])),
    "pad odd": (lambda F, x: F.pad(x, (1, 2, 3)), IMAGE),
    "pad reflect": (lambda F, x: F.pad(x, (7, 0, 0, 0), mode="reflect"), IMAGE),
    "pad mode": (lambda F, x: F.pad(x, (1, 1), mode="mirror"), IMAGE),
    "fold count": (lambda F, x: F.fold(x, (4, 4), 2), number(1, 4, 8)),
    "attention sizes": (
        lambda F, q, k: F.scaled_dot_product_attention(q, k[..., :3], k), Q, K),
    "rms_norm": (lambda F, x: F.rms_norm(x, (3,)), X),
    "bilinear": (lambda F, x, w: F.bilinear(x, x, w), X, number(2, 5, 3)),
    "linear of integers": (lambda F, x, w: F.linear(x, w), np.arange(5), number(2, 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    function, *arrays = REFUSED[name]
    refused(torch, lambda lib, *ts: function(lib.nn.functional, *ts), *arrays)
