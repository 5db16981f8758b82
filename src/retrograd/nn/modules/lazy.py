"""Modules that learn from their first input how many features it has.

Until then their parameters have no shape. The first call makes them, and turns the
module into one of the ordinary class.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ... import dtypes
from ...autograd import no_grad
from ...functions import tensor as make_tensor
from ...tensor import Tensor
from ...trace import changes
from ..calling import look_for_hooks
from ..module import Module
from ..parameter import UninitializedBuffer, UninitializedParameter
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from .linear import Linear
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)

_LAZY = (UninitializedParameter, UninitializedBuffer)


class LazyModuleMixin(Module):
    """For modules with UninitializedParameters: ``initialize_parameters(input)`` is
    called before the first ``forward``, and gives them their shapes."""

    cls_to_become: ClassVar[type[Any] | None] = None

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Make the parameters that *args* call for."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether the first call is still to come."""
        have = (self.__dict__[name] for name in self._roles)
        return any(isinstance(value, _LAZY) for value in have)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(
                f"module {type(self).__name__} has not been fully initialized"
            )
        kind = type(self).cls_to_become
        if kind is not None:
            self.__class__ = kind
            changes[0] += 1
            if self.__dict__.get("_hooks"):
                look_for_hooks(kind)
        return self.forward(*args, **kwargs)

    def reset_parameters(self) -> None:
        """Draw the parameters anew, if they are there."""
        if self.__dict__.get("_begun") and not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def _save_to_state_dict(
        self, destination: Any, prefix: str, keep_vars: bool
    ) -> None:
        for name, tensor in self._saved_here().items():
            plain = keep_vars or isinstance(tensor, _LAZY)
            destination[prefix + name] = tensor if plain else tensor.detach()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        for name, tensor in self._saved_here().items():
            given = state_dict.get(prefix + name)
            if isinstance(tensor, _LAZY) and given is not None:
                if isinstance(given, _LAZY):  # nothing to load
                    state_dict[prefix + name] = tensor.detach()
                else:
                    tensor.materialize(tuple(given.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _begin(
        self, names: tuple[str, ...], buffers: tuple[str, ...], how: Any
    ) -> None:
        """Replace members by ones without a shape."""
        for name in names:
            setattr(self, name, UninitializedParameter(**how))
        for name in buffers:
            self.register_buffer(name, UninitializedBuffer(**how))
        self.__dict__["_begun"] = True


class LazyLinear(LazyModuleMixin, Linear):
    """Linear, with the length of the first input's last dimension as in_features.

    >>> import retrograd as rg
    >>> layer = rg.nn.LazyLinear(2)
    >>> layer(rg.ones(3, 4)).shape, layer
    (retrograd.Size([3, 2]), Linear(in_features=4, out_features=2, bias=True))
    """

    cls_to_become = Linear

    def __init__(
        self,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, bias)
        self.out_features = out_features
        how = {"device": device, "dtype": dtype}
        self._begin(("weight", "bias") if bias else ("weight",), (), how)

    def initialize_parameters(self, input: Tensor) -> None:
        """Take in_features from *input*."""
        if self.has_uninitialized_params():
            self.in_features = int(input.shape[-1])
            with no_grad():
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        elif not self.in_features:  # a state dict has brought the weight
            self.in_features = int(self.weight.shape[-1])


class _LazyConv(LazyModuleMixin):
    _n: int
    transposed: bool

    def __init__(
        self, out_channels: int, kernel_size: Any, stride: Any, padding: Any, groups: int,
        bias: bool, padding_mode: str, device: Any, dtype: Any, **others: Any,
    ) -> None:  # fmt: skip
        super().__init__(  # type: ignore[call-arg]
            groups, out_channels, kernel_size, stride=stride, padding=padding,
            groups=groups, bias=bias, padding_mode=padding_mode, **others,
        )  # fmt: skip
        self.in_channels = 0
        how = {"device": device, "dtype": dtype}
        self._begin(("weight", "bias") if bias else ("weight",), (), how)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take in_channels from *input*."""
        if not self.has_uninitialized_params():
            if not self.in_channels:  # a state dict has brought the weight
                first, second = tuple(self.weight.shape)[:2]
                self.in_channels = first if self.transposed else second * self.groups
            return
        n = self._n
        if input.ndim not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {tuple(input.shape)}"
            )
        self.in_channels = int(input.shape[input.ndim - n - 1])
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        pair = (self.out_channels, self.in_channels // self.groups)
        if self.transposed:
            pair = (self.in_channels, self.out_channels // self.groups)
        with no_grad():
            self.weight.materialize((*pair, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()


class _LazyForward(_LazyConv):
    def __init__(
        self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(out_channels, kernel_size, stride, padding, groups, bias,
                         padding_mode, device, dtype, dilation=dilation)  # fmt: skip


class _LazyTransposed(_LazyConv):
    def __init__(
        self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            out_channels, kernel_size, stride, padding, groups, bias, padding_mode, device,
            dtype, dilation=dilation, output_padding=output_padding,
        )  # fmt: skip


class LazyConv1d(_LazyForward, Conv1d):
    """Conv1d, with in_channels from the first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyForward, Conv2d):
    """Conv2d, with in_channels from the first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyForward, Conv3d):
    """Conv3d, with in_channels from the first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyTransposed, ConvTranspose1d):
    """ConvTranspose1d, with in_channels from the first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, ConvTranspose2d):
    """ConvTranspose2d, with in_channels from the first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, ConvTranspose3d):
    """ConvTranspose3d, with in_channels from the first input."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    def _start(
        self, affine: bool, tracked: bool, bias: bool, device: Any, dtype: Any
    ) -> None:
        self.num_features = 0
        self.affine, self.track_running_stats = affine, tracked
        names = ("weight", "bias") if bias else ("weight",)
        stats = ("running_mean", "running_var") if tracked else ()
        self._begin(names if affine else (), stats, {"device": device, "dtype": dtype})
        if tracked:
            self.register_buffer(
                "num_batches_tracked", make_tensor(0, dtype=dtypes.int64)
            )

    def initialize_parameters(self, input: Tensor) -> None:
        """Take num_features from *input*."""
        if self.has_uninitialized_params():
            self.num_features = int(input.shape[1])
            with no_grad():
                for name in ("weight", "bias", "running_mean", "running_var"):
                    value = getattr(self, name)
                    if value is not None:
                        value.materialize((self.num_features,))
                self.reset_parameters()
        elif not self.num_features:
            known = self.weight if self.weight is not None else self.running_mean
            self.num_features = int(
                known.shape[0] if known is not None else input.shape[1]
            )


class _LazyBatchNorm(_LazyNorm):
    def __init__(
        self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(0, eps, momentum, False, False)  # type: ignore[call-arg]
        self._start(affine, track_running_stats, bias, device, dtype)


class _LazyInstanceNorm(_LazyNorm):
    def __init__(
        self, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(0, eps, momentum, False, False)  # type: ignore[call-arg]
        self._start(affine, track_running_stats, bias, device, dtype)


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """BatchNorm1d, with num_features from the first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """BatchNorm2d, with num_features from the first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """BatchNorm3d, with num_features from the first input."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """InstanceNorm1d, with num_features from the first input."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """InstanceNorm2d, with num_features from the first input."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """InstanceNorm3d, with num_features from the first input."""

    cls_to_become = InstanceNorm3d
