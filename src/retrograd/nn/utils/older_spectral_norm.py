"""The older spectral_norm, by a hook before each forward. Newer programs use
``parametrizations.spectral_norm``."""

from __future__ import annotations

from typing import Any

from ... import linalg
from ...autograd import no_grad
from ...functions import as_tensor, randn
from ...tensor import Parameter
from ..functional.norm import normalize
from .hooks import PreHook, drop, find
from .norms import matrix_of, power_step
from .parametrizations import dim_of_outputs

__all__ = ["SpectralNorm", "spectral_norm", "remove_spectral_norm"]


class SpectralNorm(PreHook):
    """Before each forward: W/σ(W), σ ≈ uᵀ W v; training improves u and v."""

    _version = 1

    def __init__(
        self, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def compute_weight(self, module: Any, do_power_iteration: bool) -> Any:
        """W/σ, after the power iterations if they are wanted."""
        weight, u, v = (getattr(module, f"{self.name}_{p}") for p in ("orig", "u", "v"))
        w = matrix_of(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                kept = u, v
                fixed = w.detach()
                for _ in range(self.n_power_iterations):
                    v = power_step(fixed.mT, u, self.eps)
                    u = power_step(fixed, v, self.eps)
                for old, new in zip(kept, (u, v), strict=True):
                    old.copy_(new)
        return weight / (u.clone() * (w @ v.clone())).sum()

    def remove(self, module: Any) -> None:
        """Make W/σ a parameter."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    def loaded(self, state: Any, prefix: str, version: int | None) -> None:
        """State dicts from before version 1 have W/σ and no v: v from Wᵀ W v ∝ Wᵀ u."""
        key = prefix + self.name
        if version is not None or f"{key}_v" in state or key not in state:
            return
        with no_grad():
            given = (state[f"{key}_orig"], state[f"{key}_u"], state.pop(key))
            original, u, weight = map(as_tensor, given)
            sigma = (original / weight).mean()
            w = matrix_of(original, self.dim)
            v = linalg.pinv(w.mT @ w) @ (w.mT @ u)
            state[f"{key}_v"] = v * (sigma / (u * (w @ v)).sum())


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """W/σ(W) with ``<name>_orig`` learned and the buffers ``<name>_u``, ``<name>_v``;
    ``parametrizations.spectral_norm`` is the newer form."""
    if dim is None:
        dim = dim_of_outputs(module)
    if find(module, SpectralNorm, name) is not None:
        raise RuntimeError(
            f"Cannot register two spectral_norm hooks on the same parameter {name}"
        )
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(
            f"`SpectralNorm` cannot be applied as parameter `{name}` is None"
        )
    sizes = matrix_of(weight.detach(), dim).shape
    u, v = (
        normalize(randn(n, dtype=weight.dtype), dim=0, eps=eps).detach() for n in sizes
    )
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)

    def saved(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        known = metadata.setdefault("spectral_norm", {})
        known[f"{name}.version"] = hook._version

    def load(module: Any, state: Any, prefix: str, metadata: Any, *rest: Any) -> None:
        known = metadata.get("spectral_norm", {})
        hook.loaded(state, prefix, known.get(f"{name}.version"))

    saved.of = load.of = hook  # type: ignore[attr-defined]
    module.register_state_dict_post_hook(saved)
    module.register_load_state_dict_pre_hook(load)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make *name* a parameter again, with the value it has."""
    found = find(module, SpectralNorm, name)
    if found is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    found.remove(module)
    drop(module, found)
    return module
