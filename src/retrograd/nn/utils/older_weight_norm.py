"""The older weight_norm, by a hook before each forward. Newer programs use
``parametrizations.weight_norm``."""

from __future__ import annotations

from typing import Any

from ...tensor import Parameter
from ..functional.common import warn
from .hooks import PreHook, drop, find
from .norms import norm_except_dim, with_norm

__all__ = ["WeightNorm", "weight_norm", "remove_weight_norm"]


class WeightNorm(PreHook):
    """Before each forward: W = g v/‖v‖."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Any) -> Any:
        """W, from what is learned now."""
        g, v = (getattr(module, f"{self.name}_{part}") for part in "gv")
        return with_norm(v, g, self.dim)

    def remove(self, module: Any) -> None:
        """Make W a parameter again."""
        weight = self.compute_weight(module).detach()
        for name in (self.name, f"{self.name}_g", f"{self.name}_v"):
            delattr(module, name)
        setattr(module, self.name, Parameter(weight))

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """W = g v/‖v‖ with ``<name>_g`` and ``<name>_v`` learned, a norm for each index of
    *dim*; deprecated for ``parametrizations.weight_norm``."""
    warn(
        "`nn.utils.weight_norm` is deprecated in favor of "
        "`nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
    )
    if find(module, WeightNorm, name) is not None:
        raise RuntimeError(
            f"Cannot register two weight_norm hooks on the same parameter {name}"
        )
    hook = WeightNorm(name, dim)
    weight = getattr(module, name).detach().clone()
    delattr(module, name)
    norm = norm_except_dim(weight, 2, hook.dim)
    module.register_parameter(f"{name}_g", Parameter(norm))
    module.register_parameter(f"{name}_v", Parameter(weight))
    hook(module, None)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make *name* a parameter again, with the value it has."""
    found = find(module, WeightNorm, name)
    if found is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    found.remove(module)
    drop(module, found)
    return module
