"""retrograd: deep learning whose heart is backpropagation.

PyTorch's interface on tensors that are promises: operations are recorded, ``backward()``
reverses the recorded graph, and what is pending runs as one program when numbers are
asked for.

>>> import retrograd as rg
>>> x = rg.tensor([1.0, 2.0], requires_grad=True)
>>> y = (x * x).sum()
>>> y.backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

import importlib as _importlib
from math import e, inf, nan, pi
from typing import Any as _Any

from . import attributes as _attributes  # noqa: F401
from . import autograd as autograd
from . import methods as _methods  # noqa: F401
from .autograd import (
    eager,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .dtypes import (
    bfloat16,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from .dtypes import bool_ as bool
from .execute import interpreter as _interpreter  # noqa: F401
from .functions import *  # noqa: F403
from .functions.create import tensor as tensor  # not the module
from .graph import graph
from .layouts import *  # noqa: F403
from .refusals import explain_all as _explain_all
from .tensor import Size, Tensor, device
from .trace import is_tensor

float, double, half = float32, float64, float16
long, int, short = int64, int32, int16
newaxis = None
__version__ = "0.1.0"

#: parts that are imported when they are first used, so that importing costs little
_LAZY = {"nn", "optim", "utils", "io", "datasets", "train", "func", "linalg",
         "special", "see", "experiment", "calculus", "amp", "cuda", "backends",
         "accelerator", "version", "testing"}  # fmt: skip
_LAZY_NAMES = {"save": "io", "load": "io", "Generator": "functions.random",
               "compile": "compiler.step", "get_num_threads": "threads",
               "set_num_threads": "threads", "plans": "compiler.explain",
               "explain": "see.story", "draw": "see.draw",
               "find_nonfinite": "see.nonfinite",
               "autocast": "amp", "GradScaler": "amp", "is_autocast_enabled": "amp",
               "get_autocast_dtype": "amp", "norm_except_dim": "nn.utils.norms", "vmap": "func",
               "page": "see.page", "watch": "see.watching"}  # fmt: skip
_LAZY_NAMES |= {f"{name}{cell}": "nn.functional.recurrent" for cell in ("", "_cell")
                for name in ("rnn_tanh", "rnn_relu", "gru", "lstm")}  # fmt: skip
_LAZY_NAMES |= dict.fromkeys(
    """
    are_deterministic_algorithms_enabled get_default_device get_deterministic_debug_mode
    get_float32_matmul_precision get_num_interop_threads
    is_deterministic_algorithms_warn_only_enabled is_warn_always_enabled
    set_default_device set_deterministic_debug_mode set_float32_matmul_precision
    set_flush_denormal set_num_interop_threads set_printoptions set_warn_always typename
    use_deterministic_algorithms set_anomaly_enabled is_anomaly_enabled
    is_anomaly_check_nan_enabled
    """.split(),
    "settings",
)
_LAZY_NAMES |= {"svd_lowrank": "functions.lowrank",
                "pca_lowrank": "functions.lowrank", "can_cast": "dtypes",
                "to_dlpack": "utils.dlpack"}  # fmt: skip
#: functions of layers, from nn.toplevel
_LAYERS = frozenset(
    """
adaptive_avg_pool1d adaptive_max_pool1d affine_grid_generator alpha_dropout
alpha_dropout_ avg_pool1d batch_norm bilinear binary_cross_entropy_with_logits celu
celu_ channel_shuffle constant_pad_nd conv1d conv2d conv3d conv_tbc conv_transpose1d
conv_transpose2d conv_transpose3d convolution cosine_embedding_loss cosine_similarity
ctc_loss dropout dropout_ embedding feature_alpha_dropout feature_alpha_dropout_
feature_dropout feature_dropout_ grid_sampler grid_sampler_2d grid_sampler_3d
group_norm hardshrink hinge_embedding_loss instance_norm kl_div layer_norm
margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d max_pool3d
native_channel_shuffle pairwise_distance pdist pixel_shuffle pixel_unshuffle
poisson_nll_loss prelu relu_ rms_norm rrelu rrelu_ selu selu_ threshold threshold_
triplet_margin_loss
""".split()
)


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        return _importlib.import_module(f"retrograd.{name}")
    if name in _LAZY_NAMES:
        module = _importlib.import_module(f"retrograd.{_LAZY_NAMES[name]}")
        return getattr(module, name)
    if name in _LAYERS:
        return getattr(_importlib.import_module("retrograd.nn.toplevel"), name)
    if name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name):
        return getattr(Tensor, name)  # x.exp_() as rg.exp_(x)
    if name.endswith("_copy"):
        copies = _importlib.import_module("retrograd.functions.copies")
        if name.removesuffix("_copy") in copies.NAMES:
            return copies.copying(name)
    from .left_out import error

    raise error("torch", name)


def is_floating_point(input: _Any) -> _Any:
    """Whether the tensor's type is a floating one."""
    return input.is_floating_point()


def is_complex(input: _Any) -> _Any:
    """Whether the numbers are complex: no."""
    return input.is_complex()


def is_inference(input: _Any) -> _Any:
    """Whether the tensor was made in ``inference_mode``."""
    return input.is_inference()


def get_device(input: _Any) -> _Any:
    """The number of the GPU that holds the tensor: −1, for the CPU."""
    return input.get_device()


def numel(input: _Any) -> _Any:
    """The number of elements."""
    return input.numel()


def clone(input: _Any) -> _Any:
    """A copy in memory of its own, through which gradients flow."""
    return input.clone()


def detach(input: _Any) -> _Any:
    """The same values without history, sharing memory."""
    return input.detach()


def result_type(a: _Any, b: _Any) -> _Any:
    """The type that an operation on *a* and *b* gives."""
    from .dtypes import of_scalar, result_type_of

    ranked = [
        (x.dtype, 2 if x.ndim else 1) if is_tensor(x) else (of_scalar(x), 0)
        for x in (a, b)
    ]
    return result_type_of(ranked)


_explain_all(
    globals(),
    "is_floating_point is_complex is_inference get_device numel clone detach".split(),
)


__all__ = [name for name in dir() if not name.startswith("_")]
__all__ += ["autograd", "bfloat16", "bool", "device", "dtype", "e", "eager", "enable_grad",
            "finfo", "float16", "float32", "float64", "get_default_dtype", "graph",
            "iinfo", "inf", "inference_mode", "int16", "int32", "int64", "int8",
            "is_grad_enabled", "is_inference_mode_enabled", "is_tensor", "nan", "no_grad", "pi",
            "promote_types", "set_default_dtype", "set_grad_enabled", "Size", "Tensor",
            "uint8"]  # fmt: skip
