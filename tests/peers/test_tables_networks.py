"""Convolution, pooling, normalisation, resampling and losses on PyTorch's own sample
inputs: values, types, derivatives to the second order, and what is refused."""

from __future__ import annotations

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

#: drawn: compared with the same numbers given
DRAWN = {"fractional_max_pool2d": 2, "fractional_max_pool3d": 3}
#: PyTorch adds these up in half precision, and places in single
COARSER = {
    ("conv_transpose2d", "float16"): 0.01, ("conv_transpose3d", "float16"): 0.03,
    ("grid_sample", "float16"): 0.03, ("grid_sample", "bfloat16"): 0.1,
    ("interpolate", "float32"): 1e-4,
}  # fmt: skip


def given(name: str, sample: Any) -> Any:
    """The sample without what is drawn, and without ways of working of PyTorch's own."""
    words = dict(sample.kwargs)
    if name == "linear_cross_entropy" and words.get("options") is not None:
        return None
    if isinstance(words.get("distance_function"), torch.nn.PairwiseDistance):
        del words["distance_function"]  # the default
    if name in DRAWN:
        x, n = sample.input, DRAWN[name]
        planes = x.shape[: x.ndim - n]
        planes = planes if len(planes) == 2 else (1, *planes)
        words["_random_samples"] = torch.rand(*planes, n, dtype=x.dtype)
    return op_tables.Sample(sample.input, *sample.args, **words)


def check(name: str, dtype: Any, most: int, order: int, rtol: float = 1e-9) -> int:
    if name == "ctc_loss":
        order = 0  # tests/peers/test_ctc.py has derivatives
    return op_tables.check(
        f"nn.functional.{name}", dtype, most, order, rtol,
        lambda sample: given(name, sample),
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives(name: str) -> None:
    dtype = torch.int64 if name == "one_hot" else torch.float64
    assert check(name, dtype, most=6, order=2)


@pytest.mark.parametrize("name", NAMES)
def test_types(name: str) -> None:
    for kind in ("float32", "bfloat16", "float16", "int64"):
        if name == "soft_margin_loss" and kind == "float16":
            continue  # PyTorch's overflows
        rtol = COARSER.get((name, kind), 1e-9)
        check(name, getattr(torch, kind), most=2, order=0, rtol=rtol)


#: of which PyTorch's table has refusals
REFUSED = """
conv1d conv2d conv3d max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
adaptive_max_pool2d adaptive_max_pool3d max_unpool1d max_unpool2d max_unpool3d
group_norm rms_norm l1_loss huber_loss poisson_nll_loss gaussian_nll_loss
hinge_embedding_loss margin_ranking_loss soft_margin_loss multi_margin_loss
multilabel_margin_loss triplet_margin_loss triplet_margin_with_distance_loss
linear_cross_entropy
""".split()


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    op_tables.check_refusals(f"nn.functional.{name}")
