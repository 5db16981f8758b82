"""What PyTorch lets one do with the graph and with the values that it keeps."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import backward, errors
from ..dispatch import realize
from ..hooks import RemovableHandle
from ..nodes import GradientEdge, Node, accumulator
from ..trace import Handle, memory_of, meta_of
from .saved import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    saved_tensors_hooks,
)


@contextmanager
def save_on_cpu(pin_memory: bool = False, device_type: str = "cuda") -> Iterator[None]:
    """What is kept for the backward pass is kept on the CPU, as always."""
    yield


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The place in the graph where the gradient of *tensor* arrives: it can stand for
    the tensor in ``autograd.grad`` and ``autograd.backward``, and does not keep it."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge of a Tensor that does not "
            "require gradients"
        )
    node = tensor.grad_fn
    return GradientEdge(accumulator(tensor) if node is None else node, 0)


class _Joint:
    """A hook of several gradients, and what one backward has found of them."""

    def __init__(
        self, tensors: Sequence[Any], fn: Callable[..., Any], each: bool
    ) -> None:
        self.fn, self.first_only = fn, each
        self.found: list[Any] = []
        self.waits = 0
        self.places = [_place(t) for t in tensors]
        self.handles = [
            t.register_hook(lambda g, i=i: self.note(i, g))
            for i, t in enumerate(tensors)
        ]

    def begin(self, reached: set[Any]) -> None:
        """A backward begins that will come to these nodes and leaves."""
        self.found = [None] * len(self.places)
        self.waits = sum(place() in reached for place in self.places)

    def note(self, i: int, g: Any) -> None:
        """The gradient of one of the tensors is known."""
        self.found[i] = g
        self.waits -= 1
        if self.first_only:
            if sum(f is not None for f in self.found) == 1:
                self.fn(g)
        elif self.waits == 0:
            self.fn(self.found)

    def remove(self) -> None:
        """Take the hook out of all tensors."""
        for handle in self.handles:
            handle.remove()
        backward.joint.discard(weakref.ref(self))


def _place(tensor: Any) -> Callable[[], Any]:
    """What says, later on, where a backward pass meets the gradient of *tensor*."""
    node = tensor.grad_fn
    if node is None:
        identity = id(tensor)
        return lambda: identity
    return lambda: node.place


class _JointHandle(RemovableHandle):
    """Removes a hook of several gradients."""

    def __init__(self, joint: _Joint) -> None:
        super().__init__({})
        self._joint = joint

    def remove(self) -> None:
        self._joint.remove()


def register_multi_grad_hook(
    tensors: Sequence[Any], fn: Callable[..., Any], *, mode: str = "all"
) -> RemovableHandle:
    """Call ``fn(gradients)`` when a backward has come to all of *tensors* that it comes
    to (None for the others); with mode "any", ``fn(gradient)`` at the first of them.

    >>> import retrograd as rg
    >>> a, b = rg.ones(2, requires_grad=True), rg.ones(2, requires_grad=True)
    >>> handle = rg.autograd.graph.register_multi_grad_hook((a, b), print)
    >>> (a * b).sum().backward()
    [tensor([1., 1.]), tensor([1., 1.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    joint = _Joint(tensors, fn, mode == "any")
    backward.joint.add(weakref.ref(joint, backward.joint.discard))
    return _JointHandle(joint)


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
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]
