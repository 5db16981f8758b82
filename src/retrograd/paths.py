"""A backward that comes back: its rules are applied once, and where they led is followed.

What a backward records depends on where the trace stands, and on what it starts from: a
pending value, or one that a run computed whose plan says what it kept. Both are keys in
the trie; a path says which gradients are promised there, and to which leaves they go.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from . import dispatch
from .dispatch import constant
from .gradients import Bundle, Gradients, Share, gradient_of, note, set_gradient, shared
from .hooks import told
from .trace import Arg, Bound, Failed, Handle, Segment, State, version_of


class LeafPath:
    """What a backward leads to: where the trace goes, and whose gradient is which."""

    __slots__ = ("final", "leaves", "gradients", "bundled")
    spec = recorder = None  # a Bundle has it as its key

    def __init__(self, final: State, leaves: list[tuple[Any, State]]) -> None:
        self.final, self.leaves = final, leaves
        #: … weakly: those of a model that is gone are not to stay
        self.gradients: weakref.ref[Gradients] | None = None
        self.bundled: State | None = None  # where one promise stands for all

    def follow(
        self, rec: dispatch.Recorder, segment: Segment | None, create_graph: bool
    ) -> bool:
        """Promise the gradients as the last time; False if it has to be worked out."""
        if create_graph or not self._together(rec):
            leaves = [(self._leaf(rec, segment, k), s) for k, s in self.leaves]
            rec.state = self.final
            # all are promised before any is added: hooks may run what is pending
            promised = [(leaf, rec.handle(state)) for leaf, state in leaves]
            for leaf, g in promised:
                accumulate(rec, leaf, g, create_graph)
        return True

    def _leaf(self, rec: dispatch.Recorder, segment: Segment | None, key: Any) -> Any:
        if type(key) is Bound:
            return key.ref()
        return rec.args[key.index] if segment is None else segment.saved[key]

    def _together(self, rec: dispatch.Recorder) -> bool:
        """Promise all gradients at once, if no leaf has one yet and none has hooks."""
        common = None if self.gradients is None else self.gradients()
        if common is None or not common.alive:
            tensors: list[Any] = []
            for key, _ in self.leaves:
                t: Any = key.ref() if type(key) is Bound else None
                if t is None or gradient_of(t) is not None:
                    return False
                meta = t._meta
                if meta.hooks or meta.post_hooks or not meta.requires_grad:
                    return False
                tensors.append(t)
            common = shared(tensors) or Gradients(tensors)
            self.gradients = weakref.ref(common)
        elif common.value is not None:
            return False
        if self.bundled is None:
            rec.state = self.final
            self.bundled = rec.mark("bundle", None, {})
        rec.state = self.bundled
        promise = Bundle.__new__(Bundle)
        promise._key, promise._array, promise._grad, promise._meta = (
            self, None, None, None,
        )  # fmt: skip
        if rec.capture is not None:
            note(common, "begun")
        common.value = promise
        rec.pending.append(promise)
        return True


class LatePath(LeafPath):
    """A backward of what an earlier run has computed: also which of the values that
    were kept it takes into the trace, as which arguments, and what is left of them."""

    __slots__ = ("takes", "freed", "uses", "dropped")

    def __init__(
        self, rec: dispatch.Recorder, run: Any, leaves: list[Any], takes: list[Any]
    ) -> None:
        super().__init__(rec.state, leaves)
        self.takes = takes
        segment: Any = run.segment
        self.freed, self.uses, segment.shared = segment.freed, segment.uses, True
        self.dropped = [k for k in segment.plan.saved if k not in segment.saved]

    def follow(
        self, rec: dispatch.Recorder, segment: Segment | None, create_graph: bool
    ) -> bool:
        assert segment is not None
        saved = segment.saved
        for key, known in self.takes:
            value = saved.get(key)
            if type(key) is State:
                if value is None or isinstance(value, Handle):
                    return False
                if known.index != len(rec.args):
                    return False
                value = constant(np.asarray(value))
                value._key = known
                rec.args.append(value)
            elif value is None or version_of(value) != segment.versions[key]:
                return False
            elif (value._key or rec.leaf(value)) is not known:
                return False
        if any(type(k) is Bound and k.ref() is None for k, _ in self.leaves):
            return False
        super().follow(rec, segment, create_graph)
        segment.freed, segment.uses, segment.shared = self.freed, self.uses, True
        for key in self.dropped:
            saved.pop(key, None)
        return True


def kept_for(tensor: Any) -> tuple[Segment | None, Any]:
    """What the run that computed *tensor* kept, and the key of its usual backward."""
    meta = tensor._meta
    if type(tensor._key) is Failed or meta is None or meta.base is not None:
        return None, None
    segment, state = meta.history or (None, None)
    if segment is None or not segment.untouched:
        return None, None
    return segment, ("backward", segment.plan, state)


def takes_of(
    rec: dispatch.Recorder, run: Any, arguments: int
) -> list[tuple[Any, Any]] | None:
    """The kept values that became arguments of the trace, in that order, with the keys
    they have there. None if there are other arguments since the first *arguments*."""
    known = {id(t) for t in run.taken.values()}
    if any(id(t) not in known for t in rec.args[arguments:]):
        return None
    keys = [(k, t._key) for k, t in run.taken.items() if t._key is not None]
    if any(type(key) is State for _, key in keys):
        return None
    return sorted(keys, key=lambda x: x[1].index if type(x[1]) is Arg else -1)


def accumulate(rec: dispatch.Recorder, leaf: Any, g: Any, create_graph: bool) -> None:
    if not leaf.requires_grad:
        return  # the flag was taken away after the leaf was used
    meta = leaf._meta
    if meta is not None and meta.hooks:
        g = told(meta.hooks, g)
        g = g.clone()  # what a hook may have kept is not added to
    old = gradient_of(leaf)
    if type(leaf._grad) is not Share:
        note(leaf, "begun" if old is None else "used")
    elif old is not None:
        note(leaf._grad.gradients, "used")
    if old is None:
        set_gradient(leaf, g)
    elif create_graph:
        set_gradient(leaf, old + g)
    else:
        before = rec.grad_mode
        dispatch.set_mode(False)
        try:
            old.add_(g)
        finally:
            dispatch.set_mode(before)
    if meta is not None and meta.post_hooks:
        for hook in list(meta.post_hooks.values()):
            hook(leaf)
