"""Convolution, pooling, normalisation, resampling and losses on PyTorch's own sample
inputs: values, types, derivatives to the second order, and what is refused."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest

import op_tables

torch: Any = pytest.importorskip(
    "torch", reason="comparisons with PyTorch are skipped: it is not installed"
)

NAMES = """
conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d unfold linear
bilinear max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d pad
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d
max_unpool1d max_unpool2d max_unpool3d interpolate upsample_nearest upsample_bilinear
grid_sample pixel_shuffle pixel_unshuffle channel_shuffle
batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm normalize
mse_loss l1_loss smooth_l1_loss huber_loss nll_loss cross_entropy binary_cross_entropy
binary_cross_entropy_with_logits kl_div poisson_nll_loss gaussian_nll_loss
hinge_embedding_loss margin_ranking_loss cosine_embedding_loss soft_margin_loss
multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss triplet_margin_loss
triplet_margin_with_distance_loss cosine_similarity pairwise_distance pdist one_hot
linear_cross_entropy ctc_loss
""".split()

#: drawn: only the samples with given numbers can be compared
DRAWN = ("fractional_max_pool2d", "fractional_max_pool3d")
#: PyTorch adds these up in half precision
ROUGH = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "grid_sample")


def first(entry: Any, dtype: Any, most: int, grad: bool) -> list[Any]:
    """A few samples, evenly taken from the first hundred (some tables are vast)."""
    torch.manual_seed(0)
    every = entry.sample_inputs("cpu", dtype, requires_grad=grad)
    some = list(itertools.islice(every, 100 if most > 2 else most))
    return some[:: max(1, len(some) // most)][:most]


def left_out(name: str, sample: Any) -> bool:
    """Samples that draw numbers, and ways of working that are PyTorch's own."""
    if name in DRAWN:
        return sample.kwargs.get("_random_samples") is None
    if name == "linear_cross_entropy":
        return sample.kwargs.get("options") is not None
    own = sample.kwargs.get("distance_function")
    return isinstance(own, torch.nn.Module)


def check(name: str, dtype: Any, most: int, order: int, rtol: float = 1e-9) -> None:
    full = f"nn.functional.{name}"
    for entry in op_tables.table()[full]:
        if dtype not in entry.dtypes:
            continue
        levels = min(order, 2 if entry.supports_gradgrad else 1)
        levels = levels if entry.supports_autograd else 0
        for sample in first(entry, dtype, most, levels > 0):
            if left_out(name, sample):
                continue
            if name == "ctc_loss":
                levels = 0  # tests/peers/test_ctc.py has derivatives
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                op_tables.compare(
                    op_tables.ours(full), entry.op, sample, levels, rtol, rtol / 1000
                )


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    check(name, torch.float64, most=6, order=2)


@pytest.mark.parametrize("name", NAMES)
def test_types(name: str) -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.int64):
        if name == "soft_margin_loss" and dtype is torch.float16:
            continue  # PyTorch's overflows
        loose = dtype in (torch.bfloat16, torch.float16)
        check(
            name, dtype, most=2, order=0, rtol=0.1 if loose and name in ROUGH else 1e-4
        )


@pytest.mark.parametrize("name", NAMES)
def test_refusals(name: str) -> None:
    for entry in op_tables.table()[f"nn.functional.{name}"]:
        for bad, kind in op_tables.refusals(entry):
            parts = (bad.input, bad.args, bad.kwargs)
            tensors = op_tables.flat([parts[0], parts[1], list(parts[2].values())])
            if any(isinstance(t, torch.Tensor) and t.is_complex() for t in tensors):
                continue
            given, args, kwargs = op_tables.translated(parts)
            with pytest.raises(kind), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                out = op_tables.ours(f"nn.functional.{name}")(given, *args, **kwargs)
                for o in op_tables.flat(out):
                    o.tolist()
