"""Automatic mixed precision: what gains from a narrow type is computed in one."""

from .casting import autocast as autocast
from .casting import custom_bwd as custom_bwd
from .casting import custom_fwd as custom_fwd
from .casting import get_autocast_dtype as get_autocast_dtype
from .casting import is_autocast_available as is_autocast_available
from .casting import is_autocast_enabled as is_autocast_enabled
from .scaler import GradScaler as GradScaler

__all__ = [
    "GradScaler",
    "autocast",
    "custom_bwd",
    "custom_fwd",
    "is_autocast_available",
]
