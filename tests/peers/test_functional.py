"""nn.functional, function by function, beside PyTorch's: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from peers.cases import compare, number, refused

torch = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

X = number(3, 5)
ROW = number(2, 3, 8)
IMAGE = number(2, 4, 7, 6)
CLASSES = np.array([1, 0, 4])

ACTIVATIONS: dict[str, Any] = {
    "relu": lambda F, x: F.relu(x),
    "relu6": lambda F, x: F.relu6(x * 4),
    "leaky_relu": lambda F, x: F.leaky_relu(x, 0.2),
    "elu": lambda F, x: F.elu(x, 1.5),
    "selu": lambda F, x: F.selu(x),
    "celu": lambda F, x: F.celu(x, 0.7),
    "gelu": lambda F, x: F.gelu(x),
    "gelu tanh": lambda F, x: F.gelu(x, approximate="tanh"),
    "silu": lambda F, x: F.silu(x),
    "mish": lambda F, x: F.mish(x),
    "softplus": lambda F, x: F.softplus(x, beta=2, threshold=3),
    "softsign": lambda F, x: F.softsign(x),
    "hardtanh": lambda F, x: F.hardtanh(x, -0.5, 0.8),
    "hardsigmoid": lambda F, x: F.hardsigmoid(x * 3),
    "hardswish": lambda F, x: F.hardswish(x * 3),
    "tanhshrink": lambda F, x: F.tanhshrink(x),
    "softshrink": lambda F, x: F.softshrink(x, 0.3),
    "hardshrink": lambda F, x: F.hardshrink(x, 0.3),
    "threshold": lambda F, x: F.threshold(x, 0.1, 20.0),
    "logsigmoid": lambda F, x: F.logsigmoid(x),
    "glu": lambda F, x: F.glu(x[:, :4], dim=1),
    "softmax": lambda F, x: F.softmax(x, 0),
    "log_softmax": lambda F, x: F.log_softmax(x, -1),
    "softmin": lambda F, x: F.softmin(x, 1),
    "normalize": lambda F, x: F.normalize(x, p=3, dim=0),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    # PyTorch's kernels of these two have constants in single precision.
    rtol = 1e-7 if name in ("celu", "hardsigmoid") else 1e-10
    compare(torch, lambda lib, x: ACTIVATIONS[name](lib.nn.functional, x), X, rtol=rtol)


def test_prelu() -> None:
    compare(torch, lambda lib, x, w: lib.nn.functional.prelu(x, w), X, number(5))
    compare(torch, lambda lib, x, w: lib.nn.functional.prelu(x, w), X, number(1))


REDUCTIONS = ("none", "mean", "sum")
P = number(3, 5, positive=True) * 0.8
LOSSES: dict[str, Any] = {
    "mse_loss": (lambda F, r, x, y: F.mse_loss(x, y, reduction=r), X, P),
    "l1_loss": (lambda F, r, x, y: F.l1_loss(x, y, reduction=r), X, P),
    "smooth_l1_loss": (
        lambda F, r, x, y: F.smooth_l1_loss(x, y, reduction=r, beta=0.5), X, P),
    "huber_loss": (lambda F, r, x, y: F.huber_loss(x, y, reduction=r, delta=0.7), X, P),
    "kl_div": (lambda F, r, x, y: F.kl_div(x, y, reduction=r), X, P),
    "kl_div log": (
        lambda F, r, x, y: F.kl_div(x, y, reduction=r, log_target=True), X, P),
    "bce": (lambda F, r, x, y: F.binary_cross_entropy(x, y, reduction=r),
            P, number(3, 5, seed=2, positive=True) * 0.8),
    "bce logits": (
        lambda F, r, x, y, w: F.binary_cross_entropy_with_logits(
            x, y, reduction=r, pos_weight=w.detach()), X, P, number(5, positive=True)),
    "nll": (lambda F, r, x, t: F.nll_loss(x, t, reduction=r), X, CLASSES),
    "nll weights": (
        lambda F, r, x, t, w: F.nll_loss(
            x, t, weight=w.detach(), ignore_index=0, reduction=r),
        X, CLASSES, number(5, positive=True)),
    "cross_entropy": (lambda F, r, x, t: F.cross_entropy(x, t, reduction=r), X, CLASSES),
    "cross_entropy all": (
        lambda F, r, x, t, w: F.cross_entropy(
            x, t, weight=w.detach(), ignore_index=4, reduction=r, label_smoothing=0.2),
        X, CLASSES, number(5, positive=True)),
    "cross_entropy probabilities": (
        lambda F, r, x, y: F.cross_entropy(x, y, reduction=r, label_smoothing=0.1), X, P),
    "cross_entropy images": (
        lambda F, r, x, t: F.cross_entropy(x, t, reduction=r), IMAGE,
        np.arange(2 * 7 * 6).reshape(2, 7, 6) % 4),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # PyTorch's kl_div
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, reduction: str) -> None:
    function, *arrays = LOSSES[name]
    compare(
        torch,
        lambda lib, *ts: function(lib.nn.functional, reduction, *ts),
        *arrays,
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 3, 5)])
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    arrays = [number(*shape), number(6, 5), *([number(6)] if bias else [])]
    compare(torch, lambda lib, *ts: lib.nn.functional.linear(*ts), *arrays)


CONVOLUTIONS = [
    {},
    {"stride": 2},
    {"padding": 1},
    {"padding": 2, "dilation": 2},
    {"stride": 2, "padding": 1, "groups": 2},
    {"groups": 4},
    {"padding": "same"},
    {"padding": "valid"},
]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("options", CONVOLUTIONS)
@pytest.mark.parametrize("bias", [True, False])
def test_convolutions(options: dict[str, Any], bias: bool) -> None:
    groups = options.get("groups", 1)
    for name, x, kernel in (("conv1d", number(2, 4, 9), (3,)),
                            ("conv2d", IMAGE, (3, 2))):  # fmt: skip
        if isinstance(options.get("padding"), int) and name == "conv2d":
            kernel = (3, 3)
        w = number(8, 4 // groups, *kernel)
        arrays = [x, w, *([number(8)] if bias else [])]
        compare(
            torch,
            lambda lib, *ts, name=name: getattr(lib.nn.functional, name)(
                *ts, **options
            ),
            *arrays,
        )


POOLS: dict[str, Any] = {
    "max_pool1d": (lambda F, x: F.max_pool1d(x, 3, 2, 1), ROW),
    "max_pool1d ceil": (lambda F, x: F.max_pool1d(x, 3, 2, ceil_mode=True), ROW),
    "max_pool2d": (lambda F, x: F.max_pool2d(x, 2), IMAGE),
    "max_pool2d all": (
        lambda F, x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), dilation=(1, 2)), IMAGE),
    "avg_pool1d": (lambda F, x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False), ROW),
    "avg_pool2d": (lambda F, x: F.avg_pool2d(x, 2), IMAGE),
    "avg_pool2d all": (
        lambda F, x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, divisor_override=5), IMAGE),
    "adaptive_avg_pool1d": (lambda F, x: F.adaptive_avg_pool1d(x, 3), ROW),
    "adaptive_avg_pool2d": (lambda F, x: F.adaptive_avg_pool2d(x, (3, None)), IMAGE),
    "adaptive_max_pool2d": (lambda F, x: F.adaptive_max_pool2d(x, (3, 2)), IMAGE),
}  # fmt: skip


@pytest.mark.parametrize("name", POOLS)
def test_pools(name: str) -> None:
    function, x = POOLS[name]
    compare(torch, lambda lib, x: function(lib.nn.functional, x), x)


NORMS: dict[str, Any] = {
    "layer_norm": lambda F, x, w, b: F.layer_norm(x, (6,), w, b, 1e-3),
    "layer_norm plain": lambda F, x, w, b: F.layer_norm(x, (7, 6)),
    "batch_norm": lambda F, x, w, b: F.batch_norm(
        x.transpose(1, 3), None, None, w, b, training=True),
    "group_norm": lambda F, x, w, b: F.group_norm(
        x.transpose(1, 3), 3, w, b),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
def test_norms(name: str) -> None:
    arrays = (IMAGE, number(6), number(6, seed=1))
    compare(torch, lambda lib, *ts: NORMS[name](lib.nn.functional, *ts), *arrays)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_statistics(training: bool) -> None:
    def run(lib: Any, x: Any) -> Any:
        mean = lib.tensor(number(4))
        var = lib.tensor(number(4, positive=True))
        y = lib.nn.functional.batch_norm(x, mean, var, training=training, momentum=0.3)
        return y, mean, var

    compare(torch, run, IMAGE)


def test_embedding_and_one_hot() -> None:
    index = np.array([[1, 2, 0], [2, 2, 3]])
    compare(
        torch,
        lambda lib, i, w: lib.nn.functional.embedding(i, w, padding_idx=2),
        index,
        number(4, 3),
    )
    compare(torch, lambda lib, i: lib.nn.functional.one_hot(i, 6), index)


def test_distances_and_similarity() -> None:
    a, b = number(3, 5), number(3, 5, seed=4)
    compare(torch, lambda lib, a, b: lib.nn.functional.cosine_similarity(a, b, 0), a, b)
    compare(torch, lambda lib, a, b: lib.nn.functional.pairwise_distance(a, b, 3), a, b)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode: str) -> None:
    more = {"value": 2.5} if mode == "constant" else {}
    compare(
        torch,
        lambda lib, x: lib.nn.functional.pad(x, (1, 2, 3, 0), mode, **more),
        IMAGE,
    )


def test_dropout_keeps_the_mean_and_does_nothing_at_test_time() -> None:
    import retrograd as rg

    rg.manual_seed(0)
    x = rg.ones(100_000)
    y = rg.nn.functional.dropout(x, 0.3)
    kept = (y != 0).float().mean().item()
    assert abs(kept - 0.7) < 0.01 and set(y.unique().tolist()) <= {0.0, y.max().item()}
    assert y.max().item() == pytest.approx(1 / 0.7)
    assert (rg.nn.functional.dropout(x, 0.3, training=False) == x).all()


REFUSED: dict[str, Any] = {
    "linear shapes": (lambda F, x, w: F.linear(x, w), X, number(6, 4)),
    "class out of range": (
        lambda F, x, t: F.cross_entropy(x, t),
        X,
        np.array([0, 5, 1]),
    ),
    "batches differ": (lambda F, x, t: F.nll_loss(x, t), X, np.array([0, 1])),
    "float classes": (lambda F, x, t: F.nll_loss(x, t), X, number(3)),
    "reduction": (lambda F, x, y: F.mse_loss(x, y, reduction="average"), X, X),
    "conv channels": (lambda F, x, w: F.conv2d(x, w), IMAGE, number(8, 3, 3, 3)),
    "kernel too big": (lambda F, x, w: F.conv2d(x, w), IMAGE, number(8, 4, 9, 9)),
    "pool pad": (lambda F, x: F.max_pool2d(x, 2, padding=2), IMAGE),
    "groups": (lambda F, x, w: F.conv2d(x, w, groups=3), IMAGE, number(8, 4, 3, 3)),
    "layer norm": (lambda F, x: F.layer_norm(x, (5,)), IMAGE),
    "dropout p": (lambda F, x: F.dropout(x, 1.5), X),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    function, *arrays = REFUSED[name]
    refused(torch, lambda lib, *ts: function(lib.nn.functional, *ts), *arrays)
