"""``autocast``: products in bfloat16, losses in float32, as they are recorded.

Which function does what is one table, PyTorch's for the CPU. The dispatcher asks it
where something is recorded for the first time; the type is part of the recorded path.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .. import dispatch, dtypes
from ..autograd.modes import _Mode
from ..tensor import Tensor

#: compositions and operations whose operands become the narrow type …
NARROW = frozenset(
    """linear _conv _conv_transpose conv_tbc _scaled_dot_product_attention _added
    matmul vecdot""".split()
)
#: … and those whose operands become float32
WIDE = frozenset(
    """_mse _l1 _smooth _bce _bce_logits _hinge _ranking _cosine _soft_margin
    _multi_margin _multilabel_margin _triplet _ctc _nll _cross_entropy kl_div
    poisson_nll_loss _cdist prod trace inverse solve""".split()
)
_DTYPES = {"cpu": dtypes.bfloat16, "cuda": dtypes.float16}


def prepared(name: str, args: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """The operands of the function *name* where *dtype* is the narrow type. float64,
    whole numbers and what is no tensor stay what they are."""
    if name in NARROW:
        return tuple(_cast(x, dtype) for x in args)
    if name in WIDE:
        return tuple(_cast(x, dtypes.float32) for x in args)
    return args


def _cast(x: Any, dtype: Any) -> Any:
    if not isinstance(x, Tensor) or x.dtype in (dtype, dtypes.float64):
        return x
    return x.to(dtype) if x.is_floating_point() else x


class autocast(_Mode):
    """Within the block, matrix products, linear layers and convolutions of float32
    operands give *dtype* (bfloat16), and losses of narrow operands float32; gradients
    have the type of what they belong to.

    *device_type* is ``"cpu"`` for an effect: other devices are not there, and for them
    nothing changes. Leave the backward pass out of the block, as it uses the types of
    the forward pass. bfloat16 needs ``ml_dtypes``: ``pip install 'retrograd[bf16]'``.

    >>> import retrograd as rg
    >>> layer, x = rg.nn.Linear(4, 2), rg.ones(1, 4)
    >>> with rg.autocast("cpu", enabled=False):
    ...     print(layer(x).dtype)
    retrograd.float32

    Micikevicius et al., Mixed precision training, ICLR 2018.
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(
                f"Expected `device_type` of type `str`, got: `{type(device_type)}`"
            )
        device_type = device_type.split(":")[0]
        if device_type not in _DTYPES:
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'; "
                "there is 'cpu'"
            )
        dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if device_type == "cuda":
            if enabled:
                warnings.warn(
                    "User provided device_type of 'cuda', but CUDA is not available. "
                    "Disabling",
                    stacklevel=2,
                )
            enabled = False
        elif enabled and dtype not in (dtypes.bfloat16, dtypes.float16):
            warnings.warn(
                f"In CPU autocast, but the target dtype {dtype} is not supported. "
                "Disabling autocast; it casts to bfloat16 or float16",
                stacklevel=2,
            )
            enabled = False
        self.device, self.fast_dtype, self._enabled = device_type, dtype, enabled

    def _again(self) -> Any:
        return autocast(self.device, self.fast_dtype, self._enabled)

    def __enter__(self) -> Any:
        self._before = dispatch.recorder().autocast
        if self.device == "cpu":
            dispatch.set_autocast(self.fast_dtype if self._enabled else None)
        return self

    def __exit__(self, *exc: object) -> None:
        dispatch.set_autocast(self._before)


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether an ``autocast`` block is open for the device (default CUDA)."""
    return device_type == "cpu" and dispatch.recorder().autocast is not None


def get_autocast_dtype(device_type: str) -> Any:
    """The narrow type of an ``autocast`` block: the open one's, or the default."""
    if device_type == "cpu" and dispatch.recorder().autocast is not None:
        return dispatch.recorder().autocast
    return _DTYPES[device_type]


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` can be asked for on the device."""
    return device_type in _DTYPES


def custom_fwd(
    fwd: Callable[..., Any] | None = None,
    *,
    device_type: str,
    cast_inputs: Any = None,
) -> Any:
    """Decorates the ``forward`` of a ``Function``: with *cast_inputs*, tensors of it are
    cast to that type and nothing else is cast inside."""
    if fwd is None:
        return functools.partial(
            custom_fwd, device_type=device_type, cast_inputs=cast_inputs
        )
    wrapped = fwd

    @functools.wraps(wrapped)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._casts = dispatch.recorder().autocast if cast_inputs is None else None
        if cast_inputs is None or not is_autocast_enabled(device_type):
            return wrapped(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return wrapped(ctx, *[_cast(x, cast_inputs) for x in args], **kwargs)

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorates the ``backward`` of a ``Function``: it casts as its forward did."""
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    wrapped = bwd

    @functools.wraps(wrapped)
    def backward(ctx: Any, *args: Any) -> Any:
        casts = ctx._casts
        with autocast(device_type, casts, enabled=casts is not None):
            return wrapped(ctx, *args)

    return backward
