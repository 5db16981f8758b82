"""Functions of layers under PyTorch's top-level names, as ``rg.conv2d``.

Most are those of ``nn.functional``. Some have other arguments there: normalisation takes
its parameters before the running statistics, dropout is told whether to drop, and a
reduction is a number (0 none, 1 mean, 2 sum; none unless given).
"""

from __future__ import annotations

from typing import Any

from ..refusals import explain_all as _explain_all
from . import functional as F
from .functional.adaptive import adaptive_avg_pool1d as adaptive_avg_pool1d
from .functional.common import Ints, Tensor
from .functional.convolution import conv1d as conv1d
from .functional.convolution import conv2d as conv2d
from .functional.convolution import conv3d as conv3d
from .functional.convolution import conv_tbc as conv_tbc
from .functional.convolution import conv_transpose1d as conv_transpose1d
from .functional.convolution import conv_transpose2d as conv_transpose2d
from .functional.convolution import conv_transpose3d as conv_transpose3d
from .functional.linear import bilinear as bilinear
from .functional.margins import cosine_similarity as cosine_similarity
from .functional.margins import pairwise_distance as pairwise_distance
from .functional.margins import pdist as pdist
from .functional.misc import _channels
from .functional.norm import rms_norm as rms_norm
from .functional.pooling import avg_pool1d as avg_pool1d
from .functional.pooling import max_pool1d as max_pool1d
from .functional.pooling import max_pool2d as max_pool2d
from .functional.pooling import max_pool3d as max_pool3d
from .functional.shuffling import channel_shuffle as channel_shuffle
from .functional.shuffling import native_channel_shuffle as native_channel_shuffle
from .functional.shuffling import pixel_shuffle as pixel_shuffle
from .functional.shuffling import pixel_unshuffle as pixel_unshuffle

celu, celu_, selu, selu_ = F.celu, F.celu_, F.selu, F.selu_
rrelu, rrelu_, prelu, hardshrink = F.rrelu, F.rrelu_, F.prelu, F.hardshrink
relu_, threshold, threshold_ = F.relu_, F.threshold, F.threshold_

_REDUCTIONS = ("none", "mean", "sum")


def _way(reduction: int) -> str:
    if reduction not in (0, 1, 2):
        raise ValueError(
            f"a reduction is 0 (none), 1 (mean) or 2 (sum), not {reduction}"
        )
    return _REDUCTIONS[reduction]


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Ints, padding: Ints,
    dilation: Ints, transposed: bool, output_padding: Ints, groups: int,
) -> Tensor:  # fmt: skip
    """conv1d, 2d or 3d, or their transposes, as the weight has dimensions."""
    n = weight.ndim - 2
    if n not in (1, 2, 3):
        raise RuntimeError(f"convolution: a weight of shape {list(weight.shape)}")
    if transposed:
        function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
        return function(
            input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    straight = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    return straight(input, weight, bias, stride, padding, dilation, groups)


def constant_pad_nd(input: Tensor, pad: Any, value: float = 0) -> Tensor:
    """Constants around: pairs of counts, for the last dimension first."""
    return F.pad(input, pad, "constant", value)


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> Any:
    """Maxima of as many windows of [N, C, L] as the output is long, and their places."""
    return F.adaptive_max_pool1d(input, output_size, True)


def max_pool1d_with_indices(
    input: Tensor, kernel_size: Ints, stride: Any = (), padding: Ints = 0,
    dilation: Ints = 1, ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """The maximum of each window, and where it is."""
    return F.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


# -- normalisation --------------------------------------------------------------------


def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:  # fmt: skip
    """nn.functional.batch_norm."""
    return F.batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, use_input_stats: bool, momentum: float, eps: float,
    cudnn_enabled: bool = False,
) -> Tensor:  # fmt: skip
    """nn.functional.instance_norm."""
    return F.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """nn.functional.layer_norm."""
    return F.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """nn.functional.group_norm."""
    result: Tensor = F.group_norm(input, num_groups, weight, bias, eps)
    return result


# -- dropout --------------------------------------------------------------------------


def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """nn.functional.dropout."""
    return F.dropout(input, p, train)


def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """dropout in place."""
    return F.dropout(input, p, train, inplace=True)


def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """nn.functional.alpha_dropout."""
    return F.alpha_dropout(input, p, train)


def alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """alpha_dropout in place."""
    return F.alpha_dropout(input, p, train, inplace=True)


def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Whole channels of [N, C, …] set to zero."""
    return _channels(input, p, train, False)


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """feature_dropout in place."""
    return _channels(input, p, train, True)


def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """nn.functional.feature_alpha_dropout."""
    return F.feature_alpha_dropout(input, p, train)


def feature_alpha_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """feature_alpha_dropout in place."""
    return F.feature_alpha_dropout(input, p, train, inplace=True)


# -- looking up -----------------------------------------------------------------------


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Rows of the table, which comes first here; padding_idx −1: none."""
    none = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, none, None, 2.0, scale_grad_by_freq, sparse)


_PLACES, _BORDERS = (
    ("bilinear", "nearest", "bicubic"),
    ("zeros", "border", "reflection"),
)


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int,
    align_corners: bool,
) -> Tensor:  # fmt: skip
    """nn.functional.grid_sample, modes by number: 0 bilinear, 1 nearest, 2 bicubic; 0
    zeros, 1 border, 2 reflection."""
    for name, value in (
        ("interpolation", interpolation_mode),
        ("padding", padding_mode),
    ):
        if not 0 <= value <= 2:
            raise ValueError(f"grid_sampler: {name}_mode is 0, 1 or 2, not {value}")
    mode, border = _PLACES[interpolation_mode], _BORDERS[padding_mode]
    return F.grid_sample(input, grid, mode, border, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """nn.functional.affine_grid."""
    return F.affine_grid(theta, size, align_corners)


# -- losses ---------------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None,
    pos_weight: Tensor | None = None, reduction: int = 0,
) -> Tensor:  # fmt: skip
    """nn.functional.binary_cross_entropy_with_logits."""
    result: Tensor = F.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_way(reduction), pos_weight=pos_weight
    )
    return result


def kl_div(
    input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False
) -> Tensor:
    """nn.functional.kl_div."""
    result: Tensor = F.kl_div(
        input, target, reduction=_way(reduction), log_target=log_target
    )
    return result


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool,
    full: bool,
    eps: float,
    reduction: int,
) -> Tensor:
    """nn.functional.poisson_nll_loss."""
    result: Tensor = F.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_way(reduction)
    )
    return result


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0
) -> Tensor:
    """nn.functional.hinge_embedding_loss."""
    return F.hinge_embedding_loss(input, target, margin, reduction=_way(reduction))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    reduction: int = 0,
) -> Tensor:
    """nn.functional.margin_ranking_loss."""
    how = _way(reduction)
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=how)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    reduction: int = 0,
) -> Tensor:
    """nn.functional.cosine_embedding_loss."""
    how = _way(reduction)
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=how)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: int = 0,
) -> Tensor:  # fmt: skip
    """nn.functional.triplet_margin_loss."""
    return F.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_way(reduction)
    )


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any,
    blank: int = 0, reduction: int = 0, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """nn.functional.ctc_loss."""
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank,
                      _way(reduction), zero_infinity)  # fmt: skip


_explain_all(globals(), [name for name in globals() if not name.startswith("_")])
