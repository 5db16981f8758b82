"""What a trace is made of: keys (what an operand is) and states (what was recorded).

The recorded program of a thread is a path in a trie. A :class:`State` is one event,
and also the node of the graph: its inputs are the keys of earlier states or of leaves.
The same program walks the same path, so a repeated event costs one dictionary look-up;
shapes, lines and the graph itself are worked out only when a state is made.
"""

from __future__ import annotations

import itertools
import weakref
from typing import Any, ClassVar, TypeGuard

import numpy as np

from . import dtypes
from .ops.op import Array, Op, Spec

#: counts what may change the meaning of a module: writes to attributes, hooks, new keys
changes = [0]
#: how many functions are being recorded in order to be compiled
captures = [0]
#: counts writes to the options and the state of optimizers
settings = [0]


#: a chain of view operations: the name and the attributes of each
Path = tuple[tuple[str, Any], ...]


class Handle:
    """The slots of a Tensor.

    ``_key`` says what the tensor is in the running trace: None (a materialised leaf
    not used yet), an :class:`Arg` or :class:`Bound` (a leaf in use), or a
    :class:`State` (pending). ``_array`` is the memory, if there is any yet.
    """

    __slots__ = ("_key", "_array", "_grad", "_meta", "__dict__", "__weakref__")
    _key: Any
    _array: Any
    _grad: Any
    _meta: Meta | None


class Meta:
    """What few tensors have: history, aliases, hooks, a requires_grad flag."""

    # Defaults are the class's, so that making one costs nothing.
    requires_grad = False
    #: (segment, state): the run that computed this tensor with gradients on
    history: tuple[Segment, State] | None = None
    #: the tensor whose memory this one shares, and the views that lead there
    base: Handle | None = None
    path: tuple[Any, ...] = ()
    #: of a view: how often its base had become a view of itself, when the path was noted
    since = 0
    #: counts the writes to this memory, and the changes in place besides (of a value that
    #: had none yet, or several that were one write); one list for all aliases
    memory: list[int] | None = None
    exposed = False  # NumPy code may hold the memory
    hooks: dict[int, Any] | None = None
    post_hooks: dict[int, Any] | None = None
    retained: Any = None  # the hooks that keep the gradient of a computed tensor
    home: Bound | None = None
    #: what home was while the flag was another, by flag
    homes: dict[int, Bound] | None = None
    inference = False
    #: each time it became a view of itself: the way back (None: there is none), and its
    #: key before
    turns: tuple[tuple[Path | None, Any], ...] = ()
    seen = 0  # of a view: the writes to its memory when it got its history


class Sign:
    """What the recording of an operation may depend on of an operand, apart from which
    one it is. Interned: equal ones are the same object."""

    __slots__ = ("__weakref__",)
    _known: ClassVar[dict[Any, Sign]] = {}

    def __new__(cls, *what: Any) -> Sign:
        found = cls._known.get(what)
        if found is None:
            found = cls._known.setdefault(what, super().__new__(cls))
        return found


class Arg:
    """A leaf of the running trace, by position. One object for a (position, spec)."""

    __slots__ = ("index", "spec", "grad", "weak", "inference", "recorder", "sign")

    def __init__(
        self,
        index: int,
        spec: Spec,
        grad: int,
        weak: bool,
        recorder: Any,
        inference: bool = False,
    ) -> None:
        self.index, self.spec, self.weak = index, spec, weak
        self.grad = grad  # 0: none, 1: a leaf that wants one, 2: has a history
        self.inference, self.recorder = inference, recorder
        self.sign = Sign(spec, bool(grad), inference, weak)


class Bound:
    """A long-lived leaf (a parameter), known by identity; owns nothing."""

    __slots__ = ("ref", "spec", "grad", "sign", "__weakref__")
    recorder = None
    weak = inference = False

    def __init__(self, tensor: Handle, spec: Spec, grad: int) -> None:
        self.ref, self.spec, self.grad = weakref.ref(tensor), spec, grad
        self.sign = Sign(spec, bool(grad), False, False)


class Const:
    """A Python number among the operands, in the type that promotion gave it."""

    __slots__ = ("value", "spec", "weak", "sign")
    recorder = None
    grad = 0
    inference = False

    def __init__(self, value: Any, dtype: dtypes.dtype) -> None:
        try:
            with np.errstate(all="ignore"):
                self.value = dtype.np.type(value)
        except OverflowError:  # an integer that does not fit wraps around
            self.value = np.array(value, np.int64).astype(dtype.np)[()]
        self.spec = Spec((), dtype)
        self.weak = True
        self.sign = (self.spec, self.value.tobytes())


class Failed:
    """What a pending tensor becomes when the run that should make it fails."""

    __slots__ = ("spec", "error")
    recorder = None
    grad = 0
    weak = inference = False

    def __init__(self, spec: Spec, error: BaseException) -> None:
        self.spec, self.error = spec, error


class _Nowhere(dict[Any, Any]):
    """Where a state leads that nothing followed yet."""

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("this is everybody's: use State.lead")


NOWHERE: dict[Any, Any] = _Nowhere()


class State:
    """One event after another: a node of the graph and a place in the trie.

    ``kind`` is "op", or "root", "line", "mode", "write" (memory of ``inputs[0]`` takes
    the value ``inputs[1]``), "inplace" (a pending value was replaced), "backward",
    "checkpoint" and "end" of one: between them, ``region`` is the former. ``row`` is
    what an operation has in common with others like it elsewhere.
    """

    __slots__ = ("next", "parent", "depth", "kind", "op", "inputs", "attrs", "spec",
                 "grad", "grad_mode", "recorder", "line", "module", "group", "of",
                 "view", "plans", "bytes", "lines", "many", "region",
                 "inference", "copies", "sign", "row", "first")  # fmt: skip
    weak = False

    def __init__(
        self,
        parent: State | None,
        kind: str,
        recorder: Any,
        grad_mode: bool,
        op: type[Op] | None = None,
        inputs: tuple[Any, ...] = (),
        attrs: dict[str, Any] | None = None,
        spec: Spec | None = None,
        grad: int = 0,
    ) -> None:
        self.next = NOWHERE
        self.parent, self.kind, self.recorder = parent, kind, recorder
        self.depth: int = 0 if parent is None else parent.depth + 1
        #: the first event after the root (None: this is the root)
        self.first: State | None = None if parent is None else parent.first or self
        self.bytes: int = 0 if parent is None else parent.bytes
        self.op, self.inputs, self.attrs = op, inputs, attrs or {}
        self.spec: Any = spec
        self.grad, self.grad_mode = grad, grad_mode
        self.line, self.module = "", None
        self.group: tuple[str, ...] = ()
        self.of: State | None = None
        self.region: State | None = None
        self.view = False
        self.copies: bool | None = None  # of a reshape: whether it has to
        self.inference: bool = recorder is not None and recorder.inference
        self.plans: dict[Any, Any] | None = None
        self.lines: dict[Any, State] | None = None
        self.many: set[Any] | None = None
        self.row: Any = None
        if op is not None:
            self.sign = Sign(spec, bool(grad), self.inference, False)

    def lead(self, key: Any, edge: Any) -> None:
        """Let *key* lead from here along *edge*."""
        if self.next is NOWHERE:
            self.next = {key: edge}
        else:
            self.next[key] = edge

    def path(self) -> list[State]:
        """All events from the root to this one, in order."""
        states: list[State] = []
        state: State | None = self
        while state is not None:
            states.append(state)
            state = state.parent
        states.reverse()
        return states


class Jump:
    """Several events as one: where they lead, and which states are the results."""

    __slots__ = ("final", "outs")

    def __init__(self, final: State, outs: tuple[Any, ...]) -> None:
        self.final, self.outs = final, outs


_sequence = itertools.count(1)


class Segment:
    """What remains of a run for a later backward: the values that rules keep.

    ``saved`` maps keys (states and leaves) to tensors or arrays, ``versions`` leaves to
    the state of their memory, ``freed`` the states whose values were given up,
    ``histories`` where a leaf came from: it may have been changed in place since.
    ``plan`` is what was run, ``packed`` what saved_tensors_hooks took of ``saved``.
    """

    __slots__ = ("sequence", "plan", "saved", "versions", "freed", "overwritten",
                 "hooks", "uses", "histories", "shared", "packed")  # fmt: skip

    def __init__(self, plan: Any, hooks: dict[State, Any]) -> None:
        self.sequence = next(_sequence)
        self.plan = plan
        self.saved: dict[Any, Any] = {}
        self.versions: dict[Any, int] = {}
        self.histories: dict[Any, tuple[Segment, State]] = {}
        self.freed: set[State] = plan.freed  # these two are the plan's until …
        self.uses: dict[Any, int] = plan.kept
        self.shared = True  # … something is freed
        self.overwritten: dict[Any, str] = plan.overwritten.copy()
        self.hooks = hooks
        self.packed: dict[Any, Any] = {}

    @property
    def untouched(self) -> bool:
        """Whether a backward finds what any other run of the plan would leave."""
        return (
            self.freed is self.plan.freed
            and len(self.overwritten) == len(self.plan.overwritten)
            and not self.hooks
            and not self.histories
            and not self.packed
        )

    def free(self, state: State) -> None:
        """Give up what the rules of *state* kept, unless others need it too."""
        if state in self.freed:
            return
        if self.shared:
            self.freed, self.uses = set(self.freed), dict(self.uses)
            self.shared = False
        self.freed.add(state)
        for key in kept_by(state):
            left = self.uses.get(key, 0) - 1
            self.uses[key] = left
            if left == 0 and type(key) is State:
                self.saved.pop(key, None)
            if left == 0:
                self.packed.pop(key, None)


def kept_by(state: State) -> set[Any]:
    """The keys whose values the rules of one operation ask for."""
    kept: set[Any] = set()
    op: Any = state.op
    for i, key in enumerate(state.inputs):
        rule = op.rules.get(op.inputs[min(i, len(op.inputs) - 1)])
        if rule is None or not key.grad:
            continue
        if rule.keeps_out:
            kept.add(state)
        for j in rule.keeps:
            first = len(op.inputs) - 1
            kept.update(state.inputs[first:] if j < 0 else (state.inputs[j],))
    if state.region is not None:
        again = [k for k in kept if shared_region(k, state) is not None]
        kept.difference_update(again)
        for key in again:
            kept |= entering(key)
    return {k for k in kept if type(k) is not Const}


def within(key: Any, region: State) -> bool:
    """Whether *key* was recorded in a region, or in one inside it."""
    inner = key.region if type(key) is State else None
    while inner is not None and inner is not region:
        inner = inner.region
    return inner is region


def shared_region(key: Any, user: State) -> State | None:
    """The innermost region that has both."""
    region = key.region if type(key) is State else None
    while region is not None and not within(user, region):
        region = region.region
    return region


def entering(key: State) -> frozenset[Any]:
    """The values outside the outermost region of *key* from which it is recomputed."""
    region: Any = key.region
    while region.region is not None:
        region = region.region
    known: dict[State, frozenset[Any]] = region.attrs.setdefault("entering", {})
    stack = [key]
    while stack:
        state = stack[-1]
        inside = [k for k in state.inputs if within(k, region)]
        missing = [k for k in inside if k not in known]
        if missing:
            stack.extend(missing)
            continue
        outside = {k for k in state.inputs if k not in inside and type(k) is not Const}
        known[state] = frozenset(outside.union(*(known[k] for k in inside)))
        stack.pop()
    return known[key]


def memory_of(tensor: Handle) -> list[int]:
    """The counters of a tensor's memory: writes, and other changes in place."""
    meta = meta_of(tensor)
    if meta.base is not None:
        return memory_of(meta.base)
    if meta.memory is None:
        meta.memory = [0, 0]
    return meta.memory


def version_of(tensor: Handle) -> int:
    """Counts the changes of a tensor: writes to its memory, and changes of its shape."""
    meta = tensor._meta
    turned = 0 if meta is None else len(meta.turns)
    return memory_of(tensor)[0] + (turned << 40)


def follow_base(meta: Meta, source: Handle) -> None:
    """Note in *meta* that its tensor shares the memory of *source*."""
    origin = source._meta
    if origin is not None and origin.base is not None:
        meta.base, meta.path, meta.since = origin.base, origin.path, origin.since
    else:
        meta.base = source
        meta.since = 0 if origin is None else len(origin.turns)


def way_back(base: Handle, since: int) -> Path:
    """From a base as it is now to what it was before it became a view of itself, all but
    *since* times."""
    meta = base._meta
    back: Path = ()
    for way, _ in meta.turns[since:] if meta is not None else ():
        if way is None:
            raise RuntimeError(
                "a view is used, or written to, whose base was laid out anew since by "
                "as_strided_ or resize_: make the view after that"
            )
        back = way + back
    return back


def base_path(meta: Meta) -> Path:
    """The views that lead from the base of an alias, as it is now, to it."""
    base: Any = meta.base
    if base._meta is not None and meta.since != len(base._meta.turns):
        meta.path = way_back(base, meta.since) + tuple(meta.path)
        meta.since = len(base._meta.turns)
    return meta.path


def meta_of(tensor: Handle) -> Meta:
    meta = tensor._meta
    if meta is None:
        meta = tensor._meta = Meta()
    return meta


def is_tensor(x: object) -> TypeGuard[Any]:
    """Whether *x* is a tensor, of whatever class."""
    return isinstance(x, Handle)


def spec_of(tensor: Handle) -> Spec:
    """Shape and type, without running anything."""
    if not isinstance(tensor, Handle):
        raise TypeError(f"expected a Tensor, not {type(tensor).__name__}")
    key = tensor._key
    if key is not None:
        spec: Spec = key.spec
        return spec
    array: Array = tensor._array
    return Spec(array.shape, dtypes.from_numpy_dtype(array.dtype))


def scalar_key(value: Any) -> Any:
    """A number as part of a key: 1, True and 1.0 differ, and so do 0.0 and −0.0."""
    if value == value and value != 0:
        return (type(value), value)
    return (type(value), repr(value))


def own(value: Any, spec: Spec) -> Array:
    """The value as an array that nobody else holds."""
    if type(value) is not np.ndarray:
        return np.array(value, dtype=spec.dtype.np)
    if value.base is not None or not value.flags.owndata:
        return np.array(value, order="C")
    return value
