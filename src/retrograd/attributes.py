"""The last of PyTorch's methods: those of layers, and of the main namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .tensor import Tensor

#: what is true of no tensor here: they are dense, real, on the CPU
_NEVER = (
    "is_meta is_sparse is_sparse_csr is_quantized is_nested is_mkldnn is_mps is_xpu "
    "is_xla is_ipu is_mtia is_maia is_vulkan"
).split()


def _of_layers(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        from .nn import functional

        return getattr(functional, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"See ``nn.functional.{name}``."
    return method


def _bind() -> None:
    members: dict[str, Any] = dict.fromkeys(_NEVER, False)
    members |= {name: _of_layers(name) for name in ("hardshrink", "prelu")}
    for name, member in members.items():
        if not hasattr(Tensor, name):
            setattr(Tensor, name, member)


_bind()
