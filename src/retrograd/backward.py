"""Backpropagation: the forward graph reversed into a derivative graph.

The reverse loop walks the recorded operations from the last to the first. Each rule is
written in Tensor operations, so what it does is recorded like any other work: the
derivative graph can be printed, run, compiled and differentiated again.
"""

from __future__ import annotations

import heapq
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dispatch, errors, templates
from .collector import paused
from .dispatch import apply, constant, place, stand_in
from .node_hooks import Gather
from .ops.op import REGISTRY
from .parts import Part, both, part_of, whole
from .paths import LatePath, LeafPath, accumulate, kept_for, takes_of
from .replay import Replay
from .trace import (
    Arg,
    Bound,
    Const,
    Failed,
    Handle,
    Jump,
    Segment,
    State,
    meta_of,
    spec_of,
    version_of,
)

_FREED = (
    "Trying to backward through the graph a second time: the values that its rules "
    "need were freed by the first backward. Pass retain_graph=True to the first one."
)

_ONES: dict[Any, Const] = {}

#: called with the outputs before a backward is recorded; empty unless a training is
#: being looked at
watchers: list[Callable[[Sequence[Any]], None]] = []
#: hooks of several gradients: they are told which a backward will reach
joint: set[weakref.ref[Any]] = set()


def sum_to_shape(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum *g* over the dimensions that were stretched."""
    have = g.shape
    if have == shape:
        return g
    extra = len(have) - len(shape)
    dims = [*range(extra)]
    dims += [i + extra for i, n in enumerate(shape) if n == 1 and have[i + extra] != 1]
    if dims:
        g = apply(REGISTRY["sum"], g, dim=tuple(dims), keepdim=False)
    return g if g.shape == shape else apply(REGISTRY["reshape"], g, shape=shape)


class Pull:
    """The derivative of an operation with respect to some of its inputs."""

    __slots__ = ("wants", "kept", "keeps")

    def __init__(self, state: State, wants: tuple[int, ...]) -> None:
        self.wants = wants
        op: Any = state.op
        last = len(op.inputs) - 1
        kept: dict[int | None, None] = {}
        holds = False
        for i in wants:
            rule = op.rules[op.inputs[min(i, last)]]
            holds = holds or rule.holds
            if rule.keeps_out:
                kept[None] = None
            for j in rule.keeps:
                kept.update(
                    dict.fromkeys(range(last, len(state.inputs)) if j < 0 else [j])
                )
        #: the inputs whose values the rules ask for; None is the output
        self.kept = tuple(kept)
        #: whether that is anything but numbers of the program
        self.keeps = holds or any(
            j is None or type(state.inputs[j]) is not Const for j in kept
        )


class _Reverse:
    """The state of one backward pass."""

    def __init__(self, rec: dispatch.Recorder, keep: bool, join: bool = False) -> None:
        self.rec, self.keep = rec, keep
        self.join = join  # gradients of parts are put side by side, not added
        #: gradients that wait: (segment, state) or leaf → tensor (or Parts)
        self.waiting: dict[Any, Any] = {}
        self.heap: list[tuple[float, int, int]] = []
        self.nodes: dict[tuple[float, int, int], tuple[Segment | None, State]] = {}
        self.leaves: dict[int, tuple[Any, Handle]] = {}
        self.freed: set[State] = set()  # by an earlier backward of this trace
        self.freeing: list[tuple[Segment | None, State]] = []
        self.captured: dict[Any, Any] = {}  # wanted non-leaves → gradient
        self.only: set[Any] | None = None  # what leads to the inputs asked for
        self.segment: Segment | None = None  # where it begins; None: in this trace
        self.simple = True  # nothing but that and its leaves
        self.taken: dict[Any, Handle] = {}  # the kept values that rules asked for
        self.replay = Replay()
        self.one = False  # the caller may remember the whole as one
        #: what leads where, for the case that it is not
        self.leads: list[tuple[State, Any, State, list[Any]]] = []
        self.gradient: Any = None  # of the operation whose rules are applied
        self.overwritten: dict[Any, tuple[int, str]] = {}
        for s in rec.state.path():
            if s.kind == "backward":
                self.freed |= s.attrs["freed"]
            elif s.kind in ("write", "inplace"):
                self.overwritten[s.inputs[0]] = (s.depth, s.line)

    # -- where gradients go ---------------------------------------------------------

    def add(self, segment: Segment | None, key: Any, g: Any) -> None:
        """The gradients of a value that feeds several add up."""
        if not key.grad:
            return
        node, tensor = self._origin(segment, key)
        if not self._asked(node, tensor):
            return
        if node is not None:
            self._wait(node[0], node[1], g)
            return
        self.leaves.setdefault(id(tensor), (key, tensor))
        old = self.waiting.get(id(tensor))
        self.waiting[id(tensor)] = both(old, g, key.spec)

    def _origin(self, segment: Segment | None, key: Any) -> tuple[Any, Any]:
        """Where a gradient for *key* goes: to a node, or to a leaf."""
        if type(key) is State:
            return (segment, key), None
        tensor = self._leaf(segment, key)
        if tensor is None:
            return None, None  # it died since: nobody can see its gradient
        if segment is not None:
            history = segment.histories.get(key)
        else:
            history = None if tensor._meta is None else tensor._meta.history
        if history is not None:
            self.simple = False
        return history, tensor

    def _asked(self, node: Any, tensor: Any) -> bool:
        """Whether a gradient that goes there is asked for."""
        if node is None and tensor is None:
            return False
        if self.only is None:
            return True
        return (id(tensor) if node is None else node) in self.only

    def restrict(self, roots: list[Any], wanted: set[Any]) -> None:
        """Go only where it leads to *wanted*: nodes, and leaves by identity."""
        users = self.users(roots)
        self.only = set()
        stack = list(wanted)
        while stack:
            node = stack.pop()
            if node not in self.only:
                self.only.add(node)
                stack.extend(users.get(node, ()))

    def users(self, roots: list[Any]) -> dict[Any, list[Any]]:
        """What each node, or leaf by identity, feeds on the way to *roots*."""
        users: dict[Any, list[Any]] = {}
        stack = [r for r in roots if r is not None]
        seen = set(stack)
        while stack:
            node = stack.pop()
            segment, state = node  # a placeholder of vmap has no inputs
            for key in state.inputs:
                if not key.grad:
                    continue
                source, tensor = self._origin(segment, key)
                users.setdefault(source or id(tensor), []).append(node)
                if source is not None and source not in seen:
                    seen.add(source)
                    stack.append(source)
        return users

    def _leaf(self, segment: Segment | None, key: Any) -> Handle | None:
        if segment is not self.segment:
            self.simple = False
        if segment is not None:
            tensor: Any = segment.saved.get(key)
            return tensor if tensor is not None else key.ref()  # type: ignore[no-any-return]
        if type(key) is Bound:
            found: Handle = key.ref()  # type: ignore[assignment]
            return found
        argument: Handle = self.rec.args[key.index]
        return argument

    def _wait(self, segment: Segment | None, state: State, g: Any) -> None:
        node = (segment, state)
        old = self.waiting.get(node)
        if old is None:
            age = float("inf") if segment is None else segment.sequence
            order = (-age, -state.depth, id(state))
            self.nodes[order] = node
            heapq.heappush(self.heap, order)
        self.waiting[node] = both(old, g, state.spec)

    # -- the reverse loop -----------------------------------------------------------

    @paused
    def run(self, wanted: set[Any]) -> None:
        """Take the nodes from the last to the first and pull each gradient back."""
        rec = self.rec
        line = rec.where or place()
        while self.heap:
            node = self.nodes.pop(heapq.heappop(self.heap))
            segment, state = node
            if segment is not None:
                rec.hold = False  # from here on a run in between does no harm
            g = whole(self.waiting.pop(node))
            table = rec.hooks if segment is None else segment.hooks
            hooks = table.get(state)
            if hooks is not None:
                self.simple = False
                g = hooks.run(g)
            if node in wanted:
                self.captured[node] = g
            if hooks is not None:
                g = hooks.enter(g)
            outer, rec.of, before = rec.of, state, rec.where
            if REGISTRY.get(state.op.name) is state.op:  # type: ignore[union-attr]
                rec.where = line  # its rules are the library's
            try:
                if hooks is not None and hooks.after:
                    self.gathered(segment, state, g, hooks.after)
                    continue
                part = self._part(state, g)
                if part is not None:
                    self.add(segment, state.inputs[0], part)
                    continue
                for key, gx in self.pullback(segment, state, g):
                    self.add(segment, key, gx)
            finally:
                rec.of, rec.where = outer, before
        for _, leaf in self.leaves.values():
            self.waiting[id(leaf)] = whole(self.waiting[id(leaf)])
        if not self.one:
            self.lead()

    def gathered(
        self, segment: Segment | None, state: State, g: Any, hooks: dict[int, Any]
    ) -> None:
        """Reverse the node that *state* ends as a whole, and tell its hooks."""
        gather = Gather(segment, state, g)
        for key, gx in gather.take(segment, self.pullback(segment, state, g)):
            self.add(segment, key, gx)
        while waits := [o for o, n in self.nodes.items() if n in gather.inner]:
            self.heap.remove(min(waits))
            heapq.heapify(self.heap)
            segment, self.rec.of = node = self.nodes.pop(min(waits))
            pairs = self.pullback(*node, whole(self.waiting.pop(node)))
            for key, gx in gather.take(segment, pairs):
                self.add(segment, key, gx)
        for segment, key, gx in gather.release(hooks):
            self.add(segment, key, gx)

    def _part(self, state: State, g: Any) -> Part | None:
        if not self.join or state.op is not REGISTRY["slice"]:
            return None
        return part_of(state, g) if state.inputs[0].grad else None

    def pullback(
        self, segment: Segment | None, state: State, g: Any
    ) -> list[tuple[Any, Any]]:
        """Apply the rules of one operation: (input, its share of the gradient)."""
        self.gradient = g
        wants = self._wants(segment, state)
        if not wants:
            return []
        row = state.row or templates.row_of(state)
        pull = None if row is None else row.pulls.get(wants)
        if pull is None:
            pull = Pull(state, wants)
            if row is not None:
                row.pulls[wants] = pull
        if pull.keeps:
            if state in (self.freed if segment is None else segment.freed):
                raise RuntimeError(f"{_FREED}\n  at {errors.user_line()}")
            if not self.keep:
                self.freeing.append((segment, state))
        packed = segment is not None and segment.packed  # each use unpacks once
        if row is None or packed or not templates.usable(self.rec):
            outs = self._apply(segment, state, wants, g)
        else:
            outs = self._again(segment, state, pull, g)
        inputs = state.inputs
        return [
            (inputs[i], gx) for i, gx in zip(wants, outs, strict=True) if gx is not None
        ]

    def lead(self) -> None:
        """Let the rules of each operation be one edge, where this comes back."""
        for start, path, final, found in self.leads:
            start.lead(path, Jump(final, tuple(found)))

    def _wants(self, segment: Segment | None, state: State) -> tuple[int, ...]:
        """The inputs to which a gradient goes."""
        row = state.row
        if self.only is None and row is not None and row.wants is not None:
            return row.wants  # type: ignore[no-any-return]
        wants = self._all(segment, state)
        if self.only is None and row is not None:
            row.wants = wants
        return wants

    def _all(self, segment: Segment | None, state: State) -> tuple[int, ...]:
        op: Any = state.op
        last = len(op.inputs) - 1
        return tuple(
            [
                i
                for i, key in enumerate(state.inputs)
                if key.grad
                and op.inputs[i if i < last else last] in op.rules
                and (self.only is None or self._asked(*self._origin(segment, key)))
            ]
        )

    def _again(
        self, segment: Segment | None, state: State, pull: Pull, g: Any
    ) -> list[Any]:
        """What the rules record for operands like these, if that is known; or their
        application, noted. It follows from the gradient and the values they ask for."""
        rec = self.rec
        values = [g]
        for j in pull.kept:
            key = state if j is None else state.inputs[j]
            values.append(self.value(segment, key, state))
        keys = [t._key or rec.leaf(t) for t in values]
        path = (pull, *keys)
        start = rec.state
        edge = start.next.get(path)
        if edge is None:
            relation, operands = templates.relative(rec, path)
            template = templates.find(relation, path)
            if template is not None:
                if not template.steps:
                    return [None if i is None else values[i] for i in template.outs]
                found = template.play(rec, keys, rec.where or place())
            else:
                arguments, epoch = len(rec.args), rec.epoch
                outs = self._apply(segment, state, pull.wants, g)
                found = [None if t is None else t._key for t in outs]
                known = [t for t in outs if t is not None]
                if (
                    any(t._key is None for t in known)
                    or len(rec.args) != arguments
                    or rec.epoch != epoch
                ):
                    return outs
                templates.learn(rec, relation, path, operands, start, tuple(found))
            if rec.state is not start:
                self.leads.append((start, path, rec.state, found))
        else:
            rec.state, found = edge.final, edge.outs
        have: dict[Any, Any] = dict(zip(keys, values, strict=True))
        have[None] = None
        return [have[k] if k in have else rec.handle(k) for k in found]

    def _apply(
        self, segment: Segment | None, state: State, wants: tuple[int, ...], g: Any
    ) -> list[Any]:
        """Call the rules."""
        op: Any = state.op
        last = len(op.inputs) - 1
        outs = []
        for i in wants:
            rule = op.rules[op.inputs[min(i, last)]]
            values: dict[str, Any] = {}
            for ask in rule.asks:
                values[ask] = self._answer(segment, state, ask, i, g)
            gx = rule.function(**values)
            if gx is not None:
                spec = state.inputs[i].spec
                gx = sum_to_shape(gx, spec.shape)
                if gx.dtype is not spec.dtype:
                    gx = apply(REGISTRY["cast"], gx, dtype=spec.dtype)
            outs.append(gx)
        return outs

    def _answer(
        self, segment: Segment | None, state: State, ask: str, i: int, g: Any
    ) -> Any:
        """What a rule asks for by name."""
        op: Any = state.op
        if ask == "g":
            return g
        if ask == "index" and op.variadic and "index" not in state.attrs:
            return i - (len(op.inputs) - 1)
        if ask == "out":
            return self.value(segment, state, state)
        if ask == "out_spec":
            return state.spec
        if ask in op.inputs:
            j = op.inputs.index(ask)
            if op.variadic and j == len(op.inputs) - 1:
                return tuple(self.value(segment, k, state) for k in state.inputs[j:])
            return self.value(segment, state.inputs[j], state)
        if ask.endswith("_spec") and ask[:-5] in op.inputs:
            j = op.inputs.index(ask[:-5])
            if op.variadic and j == len(op.inputs) - 1:
                return tuple(k.spec for k in state.inputs[j:])
            return state.inputs[j].spec
        return state.attrs[ask]

    def value(self, segment: Segment | None, key: Any, user: State) -> Any:
        """A value of the forward pass, as a tensor of this trace."""
        if type(key) is Const:
            return stand_in(key)
        if segment is not None and key in segment.packed:
            return segment.packed[key].value(segment, key)
        again = self.replay.value(self, segment, key, user, self.gradient)
        if again is not None:
            return again
        line = None
        if segment is None:
            if key in self.overwritten and self.overwritten[key][0] > user.depth:
                line = self.overwritten[key][1]
        elif key in segment.overwritten:
            line = segment.overwritten[key]
        elif type(key) is not State:
            if version_of(segment.saved[key]) != segment.versions[key]:
                line = "a later line"
        if line is not None:
            assert user.op is not None
            raise RuntimeError(
                "one of the variables needed for gradient computation has been "
                f"modified by an inplace operation: {key.spec!r}, which "
                f"{user.op.name} at {user.line} needs, was changed at {line}. "
                "Change a clone instead: x = x.clone(), or use the out-of-place form"
            )
        if segment is None:
            return self.rec.args[key.index] if type(key) is Arg else stand_in(key)
        if key not in segment.saved:
            raise RuntimeError(f"{_FREED}\n  at {errors.user_line()}")
        saved = segment.saved[key]
        if type(key) is State and not isinstance(saved, Handle):
            saved = segment.saved[key] = constant(np.asarray(saved))
            if key.grad:
                meta_of(saved).history = (segment, key)
        self.taken[key] = saved
        return saved


def node_of(rec: dispatch.Recorder, tensor: Any) -> tuple[Segment | None, Any] | None:
    """Where a tensor's history begins: (segment, state), or None for a leaf."""
    key = tensor._key
    if type(key) is Failed:
        raise key.error
    if type(key) is State:
        if key.recorder is not rec:
            rec.adopt(tensor, key)
        else:
            return (None, key)
    meta = tensor._meta
    if meta is None:
        return None
    if meta.base is not None:
        fresh = dispatch._refresh(rec, tensor, meta)
        if fresh is not None:
            return (None, fresh)
    return meta.history  # type: ignore[no-any-return]


def _seed(tensor: Any, g: Any, what: str) -> Any:
    spec = spec_of(tensor)
    if g is None:
        if spec.size != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs, but {what} "
                f"has shape {list(spec.shape)}. Reduce it first, e.g. .sum() or "
                f".mean(), or pass gradient=…\n  at {errors.user_line()}"
            )
        one = stand_in(_ONES.setdefault(spec.dtype, Const(1, spec.dtype)))
        return (
            one if not spec.shape else apply(REGISTRY["reshape"], one, shape=spec.shape)
        )
    if spec_of(g).shape != spec.shape:
        raise RuntimeError(
            f"Mismatch in shape: the gradient has shape {list(g.shape)} and {what} has "
            f"shape {list(spec.shape)}\n  at {errors.user_line()}"
        )
    return g


def _tell(tensors: Sequence[Any]) -> None:
    for watcher in list(watchers):
        watcher(tensors)


def _begin(run: _Reverse, leaves: Sequence[Any], roots: Sequence[Any]) -> None:
    """Tell hooks of several gradients which nodes and leaves are reached."""
    reached = run.only
    if reached is None:
        reached = {*run.users(list(roots)), *roots, *map(id, leaves)}
    for known in list(joint):
        hook = known()
        if hook is not None:
            hook.begin(reached)


def reverse(
    tensors: Sequence[Any],
    seeds: Sequence[Any],
    retain_graph: bool,
    create_graph: bool,
    wanted: Sequence[Any] = (),
    one: bool = False,
) -> _Reverse:
    """Reverse the graph that leads to *tensors*; the gradients are recorded. With *one*
    the caller notes where it led, or calls ``lead``."""
    _tell(tensors)
    rec = dispatch.recorder()
    if rec.hooks and rec.tracing is None:
        rec.flush()  # hooks may read values: let them find everything computed
    roots = []
    for t in tensors:
        node = node_of(rec, t)
        if node is None and not t.requires_grad:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a "
                "grad_fn: it is detached from every tensor with requires_grad=True"
                f"\n  at {errors.user_line()}"
            )
        if node is not None and not node[1].grad:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a "
                "grad_fn: it was computed without gradients (under no_grad, or from "
                "tensors none of which requires them)"
                f"\n  at {errors.user_line()}"
            )
        roots.append(node)
    before, casts = rec.grad_mode, rec.autocast
    dispatch.set_mode(create_graph)
    dispatch.set_autocast(None)  # rules use the types of the forward pass
    try:
        run = _Reverse(rec, retain_graph, join=True)
        run.one = one
        run.segment = None if roots[0] is None else roots[0][0]
        rec.hold = True
        targets = set()
        for w in wanted:
            node = node_of(rec, w)
            targets.add(node)
        if wanted:
            leaves = {id(w) for w in wanted if node_of(rec, w) is None}
            run.restrict(roots, (targets - {None}) | leaves)
        if joint:
            _begin(run, [t for t, n in zip(tensors, roots, strict=True) if n is None],
                   roots)  # fmt: skip
        for t, g, node in zip(tensors, seeds, roots, strict=True):
            g = _seed(t, g, "the output")
            if node is None:
                known = (t._key or rec.leaf(t), t)
                run.leaves.setdefault(id(t), known)
                have = run.waiting.get(id(t))
                run.waiting[id(t)] = g if have is None else have + g
            else:
                run.simple = run.simple and node[0] is run.segment
                run._wait(node[0], node[1], g)
        run.run(targets)
        here = frozenset(s for segment, s in run.freeing if segment is None)
        for segment, state in run.freeing:
            if segment is not None:
                segment.free(state)
        if here:
            rec.mark("backward", here, {"freed": here})
    finally:
        rec.hold = False
        dispatch.set_mode(before)
        dispatch.set_autocast(casts)
    return run


def backward(
    tensor: Any, gradient: Any, retain_graph: bool | None, create_graph: bool
) -> None:
    """Add dtensor/dleaf to ``leaf.grad`` for every leaf that requires it."""
    rec = dispatch._local.rec
    if rec.tracing is not None and rec.tracing.closed:
        raise RuntimeError(
            "backward() called inside of a function that is transformed by vmap or jvp: "
            f"use rg.func.grad or rg.func.vjp there\n  at {errors.user_line()}"
        )
    retain = create_graph if retain_graph is None else retain_graph
    segment, key = None, None
    if gradient is None and not rec.hooks and not joint:
        if type(tensor._key) is State:
            key = ("backward", tensor._key, retain, create_graph)
        elif not (retain or create_graph or rec.eager or rec.tracing is not None):
            segment, key = kept_for(tensor)
    if key is not None:
        path = rec.state.next.get(key) or rec.enter(key)
        if path is not None and watchers:
            _tell([tensor])
        if path is not None and path.follow(rec, segment, create_graph):
            return
    start = rec.state
    arguments, pending, epoch = len(rec.args), len(rec.pending), rec.epoch
    run = reverse([tensor], [gradient], retain, create_graph, one=True)
    found = [(k, run.waiting[id(t)]._key) for k, t in run.leaves.values()]
    takes = takes_of(rec, run, arguments)
    simple = (
        key is not None
        and run.simple
        and run.segment is segment
        and epoch == rec.epoch
        and takes is not None
        and not rec.eager
        and all(type(state) is State for _, state in found)
    )
    if epoch == rec.epoch and run.simple:
        del rec.pending[pending:]
    if simple and segment is None:
        start.lead(key, LeafPath(rec.state, found))
    elif simple:
        start.lead(key, LatePath(rec, run, found, takes or []))
    else:
        run.lead()
    # all are promised before any is added: hooks may run what is pending
    given = [
        (leaf, deliver(rec, run.waiting[id(leaf)], known=simple))
        for _, leaf in run.leaves.values()
    ]
    for leaf, g in given:
        accumulate(rec, leaf, g, create_graph)
    if rec.eager:
        rec.flush()


def deliver(rec: dispatch.Recorder, g: Any, known: bool = False) -> Any:
    """A gradient as a tensor of the user's own.

    What is promised next must follow from the place in the trie. Unless it is *known*
    to, it is noted there: the same operations may be asked for in another order.
    """
    if type(g._key) is State:
        if g._key.recorder is not rec:
            return g
        if not known:
            rec.mark("deliver", g._key, {})
        return rec.handle(g._key)
    if type(g._key) is Const:
        return constant(np.array(g._key.value))
    return g.clone()
