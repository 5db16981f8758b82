"""The gradients that one backward moves together, as one thing.

A training step gives every parameter a gradient and takes it away again. Where the same
backward comes back, the leaves it reaches share one :class:`Gradients`: adding all
gradients, forgetting them, and naming them in the key of an optimizer's step is then
one store or one look-up, and a tensor for a gradient is made when somebody asks for it.
"""

from __future__ import annotations

from typing import Any

from . import dispatch
from .dispatch import _local, constant
from .trace import Handle, own, spec_of


class Bundle(Handle):
    """The promise of several gradients: ``_key`` is the backward that records them.

    A run puts their arrays, in the order of the leaves, into ``_array``.
    """

    __slots__ = ()


class Share:
    """What stands in the ``_grad`` of a leaf: its place in the common gradients."""

    __slots__ = ("gradients", "index")

    def __init__(self, gradients: Gradients, index: int) -> None:
        self.gradients, self.index = gradients, index


class Gradients:
    """``value`` is None (no leaf has a gradient), a Bundle, or a list of one entry a
    leaf: None, a tensor, or an array that nobody asked for yet."""

    __slots__ = ("value", "alive", "size", "__weakref__")

    def __init__(self, leaves: list[Handle]) -> None:
        self.value: Any = None
        self.alive = True  # every leaf still looks here
        self.size = len(leaves)
        for i, leaf in enumerate(leaves):
            release(leaf)
            leaf._grad = Share(self, i)

    def forget(self) -> None:
        """No leaf has a gradient any more."""
        if _local.rec.capture is not None:
            note(self, "cleared")
        self.value = None

    def entries(self) -> list[Any]:
        """The gradients one by one."""
        value = self.value
        if type(value) is not Bundle:
            if value is None:
                value = self.value = [None] * self.size
            entries: list[Any] = value
            return entries
        if value._array is not None:
            entries = list(value._array)
        else:
            # which promises come next must follow from the place in the trie
            dispatch.recorder().mark("ask", value._key, {})
            entries = [_promise(state) for _, state in value._key.leaves]
        self.value = entries
        return entries


def note(owner: Any, event: str) -> None:
    """Tell the function that is being compiled what becomes of the gradients of *owner*
    (a leaf, or common ones): they are "cleared", "begun" where there are none, "used".
    """
    capture = dispatch.recorder().capture
    if capture is not None:
        capture.gradients.setdefault(id(owner), (owner, event))


def _promise(state: Any) -> Handle:
    rec = dispatch.recorder()
    out: Handle = dispatch.stand_in(state)
    if state.recorder is rec:
        rec.pending.append(out)
    else:
        rec.adopt(out, state)
    return out


def shared(leaves: list[Any]) -> Gradients | None:
    """The common gradients of just these leaves, if there are such."""
    first = leaves[0]._grad
    if type(first) is not Share or first.gradients.size != len(leaves):
        return None
    common = first.gradients
    for i, leaf in enumerate(leaves):
        share = leaf._grad
        if (
            type(share) is not Share
            or share.gradients is not common
            or share.index != i
        ):
            return None
    return common if common.alive else None


def gradient_of(leaf: Handle) -> Any:
    """The gradient tensor of a leaf, or None."""
    share = leaf._grad
    if type(share) is not Share:
        return share
    common = share.gradients
    if common.value is None:
        return None
    entries = common.entries()
    found = entries[share.index]
    if found is None or isinstance(found, Handle):
        return found
    found = entries[share.index] = constant(own(found, spec_of(leaf)))
    return found


def set_gradient(leaf: Handle, value: Any) -> None:
    """Give a leaf a gradient of its own, or None."""
    share = leaf._grad
    if type(share) is not Share:
        note(leaf, "cleared")
        leaf._grad = value
        return
    common = share.gradients
    if value is None and common.value is None:
        return
    if value is not None:
        note(common, "begun" if common.value is None else "used")
    entries = common.entries()
    entries[share.index] = value
    if value is None and not any(e is not None for e in entries):
        common.forget()


def release(leaf: Handle) -> None:
    """Take a leaf, and with it all others, out of its common gradients."""
    share = leaf._grad
    if type(share) is Share:
        share.gradients.alive = False
        leaf._grad = gradient_of(leaf)
