"""Settings of the process under PyTorch's names for them: how numbers are printed, and
what of PyTorch's choices there is only one way of here."""

from __future__ import annotations

import warnings
from typing import Any

from . import printing
from .tensor import Tensor, device

_DEVICE = device("cpu")
_warn_only = False
_deterministic = False
_precision = "highest"
_warns_always = False

#: precision, elements before a tensor is cut short, elements kept at each end, width
_PROFILES = {
    "default": (4, 1000, 3, 80),
    "short": (2, 1000, 2, 80),
    "full": (4, float("inf"), 3, 80),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed: digits, the number of elements from which on only the
    ends are shown and how many of them, the width of a line; 1e+03 or 1000, or None for
    what suits the numbers.

    >>> import retrograd as rg
    >>> rg.set_printoptions(precision=2)
    >>> rg.tensor([1 / 3])
    tensor([0.33])
    >>> rg.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"profile is one of {list(_PROFILES)}, not {profile!r}")
        (printing.PRECISION, printing.THRESHOLD, printing.EDGE,
         printing.WIDTH) = _PROFILES[profile]  # fmt: skip
    if precision is not None:
        printing.PRECISION = precision
    if threshold is not None:
        printing.THRESHOLD = threshold
    if edgeitems is not None:
        printing.EDGE = edgeitems
    if linewidth is not None:
        printing.WIDTH = linewidth
    printing.SCIENTIFIC = sci_mode


def get_default_device() -> device:
    """Where tensors are made: on the CPU."""
    return _DEVICE


def set_default_device(device: Any) -> None:
    """Accepts the CPU, where tensors are made anyway; RuntimeError for anything else."""
    if device is not None:
        type(_DEVICE)(device)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remembered for ``are_deterministic_algorithms_enabled``. Every operation gives
    the same result each time, whatever is asked for here."""
    global _deterministic, _warn_only
    _deterministic, _warn_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What ``use_deterministic_algorithms`` was told."""
    return _deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What ``use_deterministic_algorithms`` was told."""
    return _deterministic and _warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """``use_deterministic_algorithms`` as 0 "default", 1 "warn" or 2 "error"."""
    modes = ("default", "warn", "error")
    mode = modes.index(debug_mode) if debug_mode in modes else debug_mode
    if isinstance(debug_mode, str) and debug_mode not in modes:
        raise RuntimeError(f"debug_mode is one of {list(modes)}, not {debug_mode!r}")
    if mode not in (0, 1, 2):
        raise RuntimeError(f"debug_mode is 0, 1 or 2, not {debug_mode}")
    use_deterministic_algorithms(mode != 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: see ``set_deterministic_debug_mode``."""
    return 0 if not _deterministic else 1 if _warn_only else 2


def set_float32_matmul_precision(precision: str) -> None:
    """Remembered, and otherwise without effect: products of float32 are made in it."""
    global _precision
    kinds = ("highest", "high", "medium")
    if precision not in kinds:
        text = f"precision is one of {list(kinds)}, not {precision!r}: nothing changed"
        warnings.warn(text, stacklevel=2)
        return
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What ``set_float32_matmul_precision`` was told."""
    return _precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether denormal numbers could be made zeros: they are kept, so False."""
    return False


def set_warn_always(b: bool) -> None:
    """Let each warning of the library show every time, not once a place."""
    global _warns_always
    if bool(b) != _warns_always:
        _warns_always = bool(b)
        if _warns_always:
            warnings.filterwarnings("always", module=r"retrograd(\.|$)")
        else:
            warnings.filterwarnings("default", module=r"retrograd(\.|$)")


def is_warn_always_enabled() -> bool:
    """What ``set_warn_always`` was told."""
    return _warns_always


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Look each ``backward()`` through for NaN: ``autograd.set_detect_anomaly``."""
    from .autograd import set_detect_anomaly

    set_detect_anomaly(mode, check_nan)


def is_anomaly_enabled() -> bool:
    """Whether each ``backward()`` is looked through for NaN."""
    from .autograd import is_anomaly_enabled as enabled

    return enabled()


is_anomaly_check_nan_enabled = is_anomaly_enabled


def get_num_interop_threads() -> int:
    """How many operations run beside each other: one."""
    return 1


def set_num_interop_threads(number: int, /) -> None:
    """Accepted without effect: operations follow each other, and share threads."""
    if not isinstance(number, int) or isinstance(number, bool):
        kind = type(number).__name__
        raise TypeError(f"set_num_interop_threads expects an int, but got {kind}")
    if number < 1:
        raise RuntimeError(
            f"set_num_interop_threads expects a positive integer, not {number}"
        )


def typename(obj: Any) -> str:
    """The name of an object's type, of a tensor's with that of its numbers."""
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type) or callable(obj) else type(obj)
    name = getattr(kind, "__qualname__", getattr(kind, "__name__", ""))
    module = getattr(kind, "__module__", "")
    return name if module in ("builtins", "", None) else f"{module}.{name}"


__all__ = [
    "are_deterministic_algorithms_enabled", "get_default_device",
    "get_deterministic_debug_mode", "get_float32_matmul_precision",
    "get_num_interop_threads", "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
    "set_anomaly_enabled",
    "is_deterministic_algorithms_warn_only_enabled", "is_warn_always_enabled",
    "set_default_device", "set_deterministic_debug_mode",
    "set_float32_matmul_precision", "set_flush_denormal", "set_num_interop_threads",
    "set_printoptions", "set_warn_always", "typename", "use_deterministic_algorithms",
]  # fmt: skip
