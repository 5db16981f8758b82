"""Transformations of functions: derivatives and batching, nested in any order.

A function is recorded as any other work and the record rewritten, so all of PyTorch's
``torch.func`` is a handful of walks along recorded operations:

>>> import retrograd as rg
>>> from retrograd.func import grad, vmap
>>> per_sample = vmap(grad(lambda w, x: (w * x).sum() ** 2), in_dims=(None, 0))
>>> per_sample(rg.ones(2), rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
tensor([[ 6., 12.],
        [42., 56.]])
"""

from __future__ import annotations

from .forward import jvp, linearize
from .jacobians import hessian, hvp, jacfwd, jacrev
from .modules import (
    debug_unwrap,
    functional_call,
    functionalize,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from .reverse import grad, grad_and_value, vjp
from .vmapping import vmap


def __getattr__(name: str) -> object:
    from ..left_out import error

    raise error("func", name)


__all__ = ["debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "hvp",
           "jacfwd", "jacrev", "jvp", "linearize", "replace_all_batch_norm_modules_",
           "stack_module_state", "vjp", "vmap"]  # fmt: skip
