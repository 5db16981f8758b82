"""A module that :func:`retrograd.compile` has taken."""

from __future__ import annotations

from typing import Any

from ..autograd import is_grad_enabled
from ..compiler.step import Compiled
from .module import Module


class OptimizedModule(Module):
    """*module*, with its parameters, buffers and methods; its state dict has them under
    ``_orig_mod``, as in PyTorch.

    Where gradients are recorded it is called as it is: what it does is part of the
    step, which is compiled as a whole. Under ``no_grad`` it is one native call.
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._orig_mod = module
        object.__setattr__(self, "_compiled", Compiled(module))
        self.training = module.training

    @property
    def history(self) -> list[str]:
        """What was compiled, and why not, or not any more."""
        history: list[str] = self._compiled.history
        return history

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if is_grad_enabled():
            return self._orig_mod(*args, **kwargs)
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """What it has not, *module* may have."""
        if name == "_orig_mod":
            raise AttributeError(name)
        return getattr(self._orig_mod, name)


__all__ = ["OptimizedModule"]
