"""Normalisation: x̂ = (x − μ) / √(σ² + ε), then γ x̂ + β.

What differs is over which elements μ and σ² are taken: over the batch and all places
for each channel (batch), over all features of a sample (layer), over groups of channels
of a sample (group), over the places of each channel of a sample (instance).
Backward, with m elements in a set: dγ = Σ dy x̂, dβ = Σ dy, and with d = dy γ:
dx = (d − mean d − x̂ · mean(d x̂)) / √(σ² + ε).
"""

from __future__ import annotations

from typing import Any

from ... import dtypes
from ...functions import empty, ones, tensor, zeros
from ...tensor import Parameter, Tensor
from .. import functional as F
from .. import init
from ..module import Module


class _Norm(Module):
    """Channels with optional scale and shift and optional running statistics."""

    _version = 2  # since then, num_batches_tracked is saved
    _dims: tuple[int, ...] = ()
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        how = {"device": device, "dtype": dtype}
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(empty(num_features, **how)) if wanted else None
            self.register_parameter(name, value)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", zeros(num_features, **how) if tracked else None
        )
        self.register_buffer(
            "running_var", ones(num_features, **how) if tracked else None
        )
        count = tensor(0, dtype=dtypes.int64) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches yet."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, and no running statistics yet."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim not in self._dims:
            names = " or ".join(f"{n}D" for n in self._dims)
            raise ValueError(f"expected {names} input (got {input.ndim}D input)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        *args: Any,
    ) -> None:
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.num_batches_tracked is not None:
            state_dict.setdefault(key, tensor(0, dtype=dtypes.int64))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


class _BatchNorm(_Norm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats,
                         device, dtype, bias)  # fmt: skip

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        training, momentum = self.training, self.momentum
        mean, variance = self.running_mean, self.running_var
        if training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:  # all batches count alike
                momentum = 1.0 / float(self.num_batches_tracked)
        if training and not self.track_running_stats:
            mean = variance = None
        return F.batch_norm(
            input, mean, variance, self.weight, self.bias, training or mean is None,
            0.0 if momentum is None else momentum, self.eps,
        )  # fmt: skip


class BatchNorm1d(_BatchNorm):
    """y = γ (x − μ)/√(σ² + ε) + β, μ and σ² over the batch, for each channel of (N, C)
    or (N, C, L).

    In training, μ and σ² are the batch's (σ² divided by n), and running ones are kept:
    r ← (1 − momentum) r + momentum · batch's (there σ² is divided by n − 1); with
    momentum None, the mean over all batches. In evaluation the running ones are used.

    >>> import retrograd as rg
    >>> y = rg.nn.BatchNorm1d(3)(rg.randn(50, 3))
    >>> bool((y.mean(0).abs() < 1e-5).all())
    True
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """As BatchNorm1d, over the batch and all places, for channels of (N, C, H, W)."""

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """As BatchNorm1d, for each channel of (N, C, D, H, W)."""

    _dims = (5,)


class _InstanceNorm(_Norm):
    _version = 2

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats,
                         device, dtype, bias)  # fmt: skip

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        single = input.ndim == self._dims[0]  # one sample without the batch dimension
        out = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean, self.running_var, self.weight, self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum, self.eps,
        )  # fmt: skip
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """As BatchNorm1d, but μ and σ² over the places of each sample and channel of
    (N, C, L) or (C, L)."""

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """As InstanceNorm1d, for (N, C, H, W) or (C, H, W)."""

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """As InstanceNorm1d, for (N, C, D, H, W) or (C, D, H, W)."""

    _dims = (4, 5)


def _shape_of(normalized_shape: Any) -> tuple[int, ...]:
    if isinstance(normalized_shape, int):
        return (normalized_shape,)
    return tuple(normalized_shape)


class LayerNorm(Module):
    """y = γ (x − μ)/√(σ² + ε) + β, μ and σ² over the last dimensions of each sample,
    which have the shape *normalized_shape*, as have γ and β.

    >>> import retrograd as rg
    >>> rg.nn.LayerNorm(4)(rg.tensor([1.0, 1.0, 3.0, 3.0]))
    tensor([-1.0000, -1.0000,  1.0000,  1.0000], grad_fn=<...>)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        how = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", True), ("bias", bias)):
            made = elementwise_affine and wanted
            value = Parameter(empty(self.normalized_shape, **how)) if made else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return F.layer_norm(
            input, self.normalized_shape, self.weight, self.bias, self.eps
        )

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """y = γ (x − μ)/√(σ² + ε) + β, μ and σ² over each group of channels of a sample of
    (N, C, …), γ and β for each channel."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups "
                f"({num_groups})"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        how = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            value = Parameter(empty(num_channels, **how)) if wanted else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, "
            f"affine={self.affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """y = γ x / √(mean(x²) + ε), the mean over the last dimensions, which have the
    shape *normalized_shape*; ε is the type's smallest step from 1 unless given."""

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = empty(self.normalized_shape, device=device, dtype=dtype)
        self.register_parameter(
            "weight", Parameter(weight) if elementwise_affine else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}"
        )


class LocalResponseNorm(Module):
    """y = x / (k + α · mean of x² over *size* neighbouring channels)^β."""

    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
