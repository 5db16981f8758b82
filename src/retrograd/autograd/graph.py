"""What PyTorch lets one do with the values that a backward pass keeps.

Here the run decides which values these are, when it is known what is computed: there is
no moment at which one of them is packed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from .. import errors
from ..dispatch import realize
from ..trace import Handle, memory_of, meta_of


def _left_out(name: str, advice: str) -> NoReturn:
    raise NotImplementedError(f"autograd.graph.{name}: {advice}")


class saved_tensors_hooks:
    """Left out: what is kept is not known until it is computed."""

    def __init__(self, *hooks: Callable[[Any], Any]) -> None:
        _left_out(
            "saved_tensors_hooks",
            "to keep less for the backward pass use utils.checkpoint.checkpoint, which "
            "computes again what a function has inside",
        )


@contextmanager
def save_on_cpu(pin_memory: bool = False, device_type: str = "cuda") -> Iterator[None]:
    """What is kept for the backward pass is kept on the CPU, as always."""
    yield


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """There are no hooks on what is kept; nothing to disable."""
    yield


def allow_mutation_on_saved_tensors() -> NoReturn:
    """Left out: what was kept and is overwritten is an error that names both lines."""
    _left_out(
        "allow_mutation_on_saved_tensors", "change a clone instead: x = x.clone()"
    )


def register_multi_grad_hook(
    tensors: Any, fn: Callable[..., Any], *, mode: str = "all"
) -> NoReturn:
    """Left out: gradients are promises, which no hook has to wait for."""
    _left_out(
        "register_multi_grad_hook",
        "call autograd.grad for these tensors and go on with the results, or use "
        "Tensor.register_hook for each",
    )


def increment_version(tensor: Any) -> None:
    """Count a write to the memory of a tensor (or of several), so that a backward pass
    that needs what was there before refuses."""
    tensors: Iterable[Any] = [tensor] if isinstance(tensor, Handle) else tensor
    for t in tensors:
        realize(t)
        memory_of(t)[0] += 1
        history = meta_of(t).history
        if history is not None:
            segment, state = history
            segment.overwritten[state] = errors.user_line()


__all__ = [
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]
