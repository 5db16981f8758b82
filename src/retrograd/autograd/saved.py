"""Hooks on the values that the rules of a backward pass keep.

Which values are kept is known when operations are run. So within the hooks each
operation is run as it is recorded, and what it keeps is packed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from .. import dispatch
from ..dispatch import apply, constant
from ..ops.op import REGISTRY
from ..trace import Handle, Segment, State, version_of
from .modes import no_grad


class Packed:
    """What a hook made of a value, and what makes a tensor of it again."""

    __slots__ = ("content", "unpack", "leaf")

    def __init__(self, content: Any, unpack: Callable[[Any], Any], leaf: Any) -> None:
        self.content, self.unpack, self.leaf = content, unpack, leaf

    def value(self, segment: Segment, key: Any) -> Any:
        """The value again, with the history that it had."""
        with no_grad():
            out = self.unpack(self.content)
        if not isinstance(out, Handle):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got "
                f"result of type {type(out).__name__}"
            )
        if not (key.grad and dispatch.recorder().grad_mode):
            return out
        from ..nodes import node_for

        origin = node_for(segment, key).tensor() if type(key) is State else self.leaf
        return apply(REGISTRY["_overwrite"], out, origin)


class saved_tensors_hooks:
    """Within ``with saved_tensors_hooks(pack, unpack)``, ``pack(x)`` is called with each
    value that a rule of the backward pass keeps (once, however many rules of the same
    operation keep it), and what it returns is kept instead; ``unpack`` makes a tensor of
    it whenever a rule asks for the value.

    Operations are run one by one here, as they are recorded.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0], requires_grad=True)
    >>> with rg.autograd.graph.saved_tensors_hooks(lambda x: x.half(), lambda x: x.float()):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    #: why hooks are refused, by a disable_saved_tensors_hooks
    refusal: ClassVar[list[str]] = []

    def __init__(
        self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook
        self.made: list[Segment] = []

    def __enter__(self) -> None:
        if self.refusal:
            raise RuntimeError(self.refusal[-1])
        rec = dispatch.recorder()
        if rec.tracing is not None:
            raise RuntimeError(
                "saved_tensors_hooks cannot begin inside of a function that is "
                "transformed: nothing is kept there. Begin outside of it"
            )
        self.before = rec.eager, rec.saving
        dispatch.set_eager(True)
        rec.flush()
        rec.saving = self

    def __exit__(self, *exc: object) -> None:
        rec = dispatch.recorder()
        rec.flush()
        eager, rec.saving = self.before
        dispatch.set_eager(eager)

    def pack(self) -> None:
        """Pack what the last run has kept."""
        made, self.made = self.made, []
        rec = dispatch.recorder()
        rec.saving = None  # what the hook does keeps nothing
        try:
            with no_grad():
                for segment in made:
                    for key, value in list(segment.saved.items()):
                        self._pack(segment, key, value)
        finally:
            rec.saving = self

    def _pack(self, segment: Segment, key: Any, value: Any) -> None:
        computed = type(key) is State
        if not computed and not segment.uses.get(key):
            return  # only its gradient is wanted
        x = value if isinstance(value, Handle) else constant(np.asarray(value))
        before = version_of(x)
        content = self.pack_hook(x)
        if version_of(x) != before:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors "
                "provided as input to pack hook can not be modified by in-place "
                "operations"
            )
        leaf = None if computed or not key.grad else value
        segment.packed[key] = Packed(content, self.unpack_hook, leaf)
        if leaf is None:
            del segment.saved[key]


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """What the backward pass keeps is copied, so that it may be changed in place.

    >>> import retrograd as rg
    >>> with rg.autograd.graph.allow_mutation_on_saved_tensors():
    ...     x = rg.ones(2, requires_grad=True)
    ...     y = x.clone()
    ...     loss = (y**2).sum()
    ...     _ = y.sin_()
    ...     loss.backward()
    >>> x.grad
    tensor([2., 2.])
    """

    def __init__(self) -> None:
        super().__init__(lambda x: x.clone(), lambda x: x)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """``saved_tensors_hooks`` raises RuntimeError with this message meanwhile."""
    saved_tensors_hooks.refusal.append(error_message)
    try:
        yield
    finally:
        saved_tensors_hooks.refusal.pop()


__all__ = [
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "saved_tensors_hooks",
]
