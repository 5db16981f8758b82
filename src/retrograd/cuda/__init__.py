"""What programs ask of CUDA before they choose a device: there is none.

Questions are answered (no device, no memory in use), what concerns every device there
is does nothing, and what needs one raises AssertionError, as in a build of PyTorch for
the CPU.

>>> import retrograd as rg
>>> device = rg.device("cuda" if rg.cuda.is_available() else "cpu")
>>> device
device(type='cpu')
"""

from __future__ import annotations

from typing import Any, NoReturn


def is_available() -> bool:
    """Whether there is a device: no."""
    return False


def device_count() -> int:
    """How many devices there are: none."""
    return 0


def is_initialized() -> bool:
    """Whether the driver is in use: no."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a device computes with bfloat16: there is none that could."""
    return False


def manual_seed(seed: int) -> None:
    """Seeds the current device's generator, of which there is none."""


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices, of which there are none."""


def empty_cache() -> None:
    """Gives back the memory that devices hold in reserve: nothing."""


def memory_allocated(device: Any = None) -> int:
    """The bytes in use on devices: none."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def refuse(*_: Any, **__: Any) -> NoReturn:
    """AssertionError: what was asked for needs a device."""
    raise AssertionError(
        "there is no CUDA device: everything runs on the 'cpu'. Ask cuda.is_available() "
        "before a device is used"
    )


synchronize = current_device = set_device = get_device_name = refuse
get_device_properties = get_device_capability = mem_get_info = refuse
reset_peak_memory_stats = ipc_collect = refuse


def __getattr__(name: str) -> Any:
    if name == "amp":
        import importlib

        return importlib.import_module("retrograd.cuda.amp")
    from ..left_out import error

    raise error("cuda", name)
