"""The one doorway: every operation on tensors is recorded here and nothing computed.

The hot path is a dictionary look-up in the trie of :mod:`retrograd.trace`; the rest of
this module is what happens when a look-up misses: promotion, shape rules, lines, and
the limits that keep pending work bounded.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import dtypes, errors, refusals, templates
from .ops.op import REGISTRY, Array, Comparison, Op, Spec
from .trace import (
    Arg,
    Bound,
    Branch,
    Const,
    Failed,
    Handle,
    Jump,
    Meta,
    Sign,
    State,
    follow_base,
    meta_of,
    scalar_key,
    spec_of,
)

#: Past this many events, pending work is run where the trace begins to repeat …
SOFT_LIMIT = 3000
#: … and past this many anywhere, so that no loop hoards memory.
HARD_LIMIT = 12000
#: Bytes of leaves that pending work may keep alive.
BYTES_LIMIT = 1 << 29
#: States in the trie of a thread before it is forgotten and grown anew …
TRIE_LIMIT = 100_000
#: … and so many before it is asked what in it ever comes back: Python's garbage
#: collector looks at all of them again and again. Where hardly anything does, as many
#: runs are not remembered at all.
VARIED_LIMIT, ONCE = 10_000, 200

_new = object.__new__
_tensor_type: type[Handle] = Handle
#: … and one that traces know by identity
_held_type: type[Handle] = Handle
_module_type: type[Any] | None = None
#: set by execute.interpreter: runs what is pending in a recorder
_run: Callable[[Recorder], None] = None  # type: ignore[assignment]
#: set by strides: whether a tensor as it lies has another shape, too
_can_view: Callable[..., bool] = None  # type: ignore[assignment]
#: set by mutate: gives a view the history of the whole that was changed since
_refresh: Callable[..., Any] = None  # type: ignore[assignment]


class Numbers:
    """The numbers that an operation at a line of the program was called with.

    They *change* (``since`` is negative) if there was one that no run before had, or if a
    place in the trie got another one. Then they are arguments wherever they come: if each
    place found that out by itself, a program with many would be another one for many runs.
    """

    __slots__ = ("since", "code", "seen")

    def __init__(self, since: int, code: Any) -> None:
        self.since, self.seen = since, set[Any]()  # … in the first of its runs
        self.code = code  # alive, so that its identity is its own

    def note(self, epoch: int, given: list[Any]) -> None:
        """Compare with those of the first run, or add to them."""
        if self.since < 0:
            return
        new = [x for x in map(scalar_key, given) if x not in self.seen]
        if epoch == self.since:
            self.seen.update(new)
        elif new:
            self.since = -1


class Recorder:
    """The pending work of one thread."""

    __slots__ = ("state", "pending", "args", "snapshots", "writes", "hooks", "roots",
                 "args_known", "group", "of", "epoch", "count", "known", "limit", "once",
                 "eager", "grad_mode", "inference", "autocast", "running", "unsettled", "bases",
                 "hold", "targets", "orphans", "capture", "region",
                 "tracing", "instead", "variables",
                 "interpreted", "compiled", "where", "saving", "known_lasting", "numbers",
                 "__weakref__")  # fmt: skip

    def __init__(self) -> None:
        self.roots: dict[tuple[Any, ...], State] = {}
        self.args_known: dict[Any, Arg] = {}
        self.group: tuple[str, ...] = ()
        self.of: State | None = None
        self.epoch = 0  # runs so far
        self.count = 0  # states in the trie
        self.known, self.limit = 0, VARIED_LIMIT  # … before this trace; looked at above
        self.once = False  # what is recorded now hardly ever comes back
        self.eager = EAGER
        self.grad_mode, self.inference = True, False
        self.autocast: Any = None  # the narrow type of an autocast block
        self.running = False  # a run is under way
        self.hold = False  # do not run for reasons of space
        self.tracing: Any = None  # the innermost function that is being transformed
        self.instead: State | None = None  # what is recorded takes the place of this
        self.variables: set[State] = set()  # of the func.grad and func.vjp under way
        #: line and module of what is recorded, where the library records by itself
        self.where: tuple[str, Any] | None = None
        self.capture: Any = None  # notes the runs of a function that is compiled
        self.saving: Any = None  # what packs the values that are kept, if they are
        self.interpreted = self.compiled = 0  # operations
        self.numbers: dict[Any, Numbers] = {}
        self.snapshots: dict[int, Array] = {}
        self.writes: list[Handle] = []  # memory that takes a value at the run
        self.targets: dict[int, Any] = {}  # … and what it was as a leaf
        self.bases: set[int] = set()  # what has pending views, by identity
        self.orphans: list[Handle] = []  # parameters that died with work pending
        self.known_lasting: tuple[State | None, set[Any]] = None, set()
        self.reset()

    def reset(self) -> None:
        """Start a new trace at the root."""
        if self.count != self.known:
            self._grown()
        self.once = False
        modes = (self.grad_mode, self.eager, self.inference, self.autocast,
                 dtypes._default)  # fmt: skip
        root = self.roots.get(modes)
        if root is None:
            root = self.roots[modes] = State(None, "root", self, self.grad_mode)
        self.pending: list[Handle] = []
        self.args: list[Handle] = []
        self.hooks: dict[State, Any] = {}
        self.state = root
        self.region: State | None = None  # the checkpoint that is being recorded
        self.unsettled = False  # memory that wants gradients was changed under no_grad
        # Mostly these are empty, and another one would cost more than to look.
        if self.snapshots:
            self.snapshots = {}
        if self.writes:
            self.writes, self.targets = [], {}
        if self.bases:
            self.bases = set()
        if self.orphans:
            self.orphans = []
        self.epoch += 1

    def _grown(self) -> None:
        """New states were made: forget what is worth less than the memory it takes."""
        branch = self.state.first
        if self.count > TRIE_LIMIT:
            for branch in self._branches():
                branch.forget()
            self.roots, self.args_known, self.count = {}, {}, 0
            self.limit = VARIED_LIMIT
        elif self.once:
            self.count = self.known  # they are gone
        elif type(branch) is Branch:
            branch.made += self.count - self.known
        if self.count > self.limit:
            for branch in self._branches():
                if branch.varied:
                    self.count -= branch.made
                    branch.forget()
                    branch.once = ONCE
            self.limit = self.count + VARIED_LIMIT
        self.known = self.count

    def _branches(self) -> list[Branch]:
        return [b for root in self.roots.values() for b in (root.lines or {}).values()]

    def lasting(self) -> set[Any]:
        """The long-lived leaves that pending work reads."""
        state = self.state
        if state.kind == "root":
            return set()
        if self.known_lasting[0] is not state:
            keys = itertools.chain.from_iterable(s.inputs for s in state.path())
            self.known_lasting = state, {k for k in keys if type(k) is Bound}
        return self.known_lasting[1]

    # -- leaves and handles ---------------------------------------------------------

    def leaf(self, tensor: Handle, weak: bool = False) -> Arg:
        """Take a materialised tensor into the trace as its next argument."""
        grad, inference = 0, False
        meta = tensor._meta
        if meta is not None:
            inference = meta.inference
            if meta.base is not None:
                fresh: Arg | None = _refresh(self, tensor, meta)
                if fresh is not None:
                    return fresh
            grad = 2 if meta.history is not None else int(meta.requires_grad)
            base = meta.base
            shown = meta.exposed or (
                base is not None and base._meta is not None and base._meta.exposed
            )
            if shown and _held_elsewhere(tensor._array):
                # NumPy code may write to it before the work is run.
                self.snapshots[len(self.args)] = tensor._array.copy()
        array = tensor._array
        known = (len(self.args), array.shape, array.dtype, grad, weak, inference)
        key = self.args_known.get(known)
        if key is None:
            spec = spec_of(tensor)
            key = Arg(known[0], spec, grad, weak, self, inference)
            self.args_known[known] = key
        self.args.append(tensor)
        tensor._key = key
        return key

    def handle(self, state: Any) -> Handle:
        """A new pending tensor for *state*."""
        out = _new(_tensor_type)
        out._key, out._array, out._grad, out._meta = state, None, None, None
        self.pending.append(out)
        return out

    # -- recording, the slow way ----------------------------------------------------

    def event(
        self,
        kind: str,
        op: type[Op] | None = None,
        inputs: tuple[Any, ...] = (),
        attrs: dict[str, Any] | None = None,
        spec: Spec | None = None,
        grad: int = 0,
    ) -> State:
        """Append one state to the trace."""
        mode = self.grad_mode
        state = State(self.state, kind, self, mode, op, inputs, attrs, spec, grad)
        if self.instead is not None:
            state.line, state.module = self.instead.line, self.instead.module
        else:
            state.line, state.module = self.where or place()
        state.group, state.of, state.region = self.group, self.of, self.region
        for key in inputs:
            if type(key) is Arg:
                state.bytes += key.spec.nbytes
        self.count += 1
        self.state = state
        return state

    def mark(self, kind: str, key: Any, attrs: dict[str, Any]) -> State:
        """Go along the edge of something that is no operation."""
        start = self.state
        edge = start.next.get((kind, key))
        if edge is None:
            inputs = attrs.pop("inputs", ())
            edge = self.event(kind, inputs=inputs, attrs=attrs)
            if not self.eager:
                start.lead((kind, key), edge)
        self.state = edge
        return edge

    def emit(self, op: type[Op], keys: list[Any], attrs: dict[str, Any]) -> State:
        """Promote the operands, apply the shape rule and append the operation."""
        try:
            operands, attrs, spec = self.inferred(op, keys, attrs)
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            shown = ", ".join(
                repr(k.spec) if hasattr(k, "spec") else repr(k) for k in keys
            )
            what = f"in {op.name}({shown}) at {errors.user_line()}"
            raise errors.at(error, what) from None
        grad = 0
        if self.grad_mode and spec.dtype.category == dtypes.FLOATING and op.rules:
            if op.variadic:
                fixed = len(op.inputs) - 1
                names = op.inputs[:-1] + op.inputs[-1:] * (len(operands) - fixed)
            else:
                names = op.inputs
            for name, key in zip(names, operands, strict=True):
                if key.grad and name in op.rules:
                    grad = 1
                    self._check_kept(op, op.rules[name].keeps, operands)
            if attrs.get("tracked"):
                grad = 1
        state = self.event("op", op, tuple(operands), attrs, spec, grad)
        state.view = op.view
        if op.view and state.inference is not operands[0].inference:
            state.inference = operands[0].inference
            state.sign = Sign(spec, bool(grad), state.inference, False)
        return state

    def inferred(
        self, op: type[Op], keys: list[Any], attrs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any], Spec]:
        """Operands of the type that promotion gives them, attributes as *op* wants
        them, and the result's shape: looked up where all three follow from types and
        shapes that were met before."""
        known: Any = None
        plain = all(map(_plain, attrs.values())) if attrs else True
        if plain and all(hasattr(k, "spec") and not k.weak for k in keys):
            known = (op, *(k.spec for k in keys))
            if attrs:
                known += tuple((k, type(v), v) for k, v in attrs.items())
            found = _inferred.get(known)
            if found is not None:
                return keys, dict(found[0]), found[1]
        operands = self.promote(op, keys)
        specs = [k.spec for k in operands]
        attrs = op.normalize(*specs, **attrs)
        spec = op.infer(*specs, **attrs)
        if known is not None and operands == keys:
            if len(_inferred) > TRIE_LIMIT:
                _inferred.clear()
            _inferred[known] = (dict(attrs), spec)
        return operands, attrs, spec

    def _check_kept(
        self, op: type[Op], keeps: tuple[int, ...], operands: list[Any]
    ) -> None:
        """RuntimeError where a rule needs a value that promised to need no gradient."""
        for i in keeps:
            for key in operands[i:] if op.variadic and i < 0 else [operands[i]]:
                if key.inference:
                    raise RuntimeError(
                        "Inference tensors cannot be saved for backward: "
                        f"{op.name} at {errors.user_line()} needs the value of "
                        f"{key.spec!r}, which was made in inference_mode. Use a clone of "
                        "it, or no_grad instead of inference_mode"
                    )

    def promote(self, op: type[Op], keys: list[Any]) -> list[Any]:
        """Give numbers a type and bring operands to a common one, as *op* asks."""
        first = getattr(op, "promote_from", 0)
        target = None
        if op.promotion and len(keys) > first:
            ranked = []
            for k in keys[first:]:
                if not hasattr(k, "spec"):
                    ranked.append((dtypes.of_scalar(k), 0))
                elif type(k) is Arg and k.weak:
                    # a number that became an argument: still a number
                    whole = k.spec.dtype.category != dtypes.FLOATING
                    d = dtypes.int64 if whole else dtypes.get_default_dtype()
                    ranked.append((d, 0))
                else:
                    rank = 0 if k.weak else 2 if k.spec.shape else 1
                    ranked.append((k.spec.dtype, rank))
            if op.no_truths and any(d is dtypes.bool_ for d, _ in ranked):
                raise RuntimeError(op.no_truths)
            target = dtypes.result_type_of(ranked)
            if target.category == dtypes.INTEGRAL and issubclass(op, Comparison):
                if any(not _fits(k, target) for k in keys[first:]):
                    target = dtypes.int64  # x < 1000 is true for every uint8
            if op.promotion == "float" and target.category != dtypes.FLOATING:
                target = dtypes.get_default_dtype()
        result = []
        for i, k in enumerate(keys):
            wanted = target if i >= first else None
            if not hasattr(k, "spec"):
                number = isinstance(k, (int, float, np.number, np.bool_))
                if not (number and op.numbers):
                    what = "a Tensor or a number" if op.numbers else "a Tensor"
                    raise TypeError(
                        f"{op.name}(): argument {i + 1} must be {what}, "
                        f"not {type(k).__name__}"
                    )
                k = Const(k, wanted or dtypes.of_scalar(k))
            elif wanted is not None and (
                k.spec.dtype is not wanted or (type(k) is Arg and k.weak)
            ):
                # Rules get an operand of the promoted type, never the bare number.
                if type(k) is Const:
                    k = Const(k.value, wanted)
                else:
                    k = self.emit(REGISTRY["cast"], [k], {"dtype": wanted})
            result.append(k)
        return result

    # -- misses ---------------------------------------------------------------------

    def enter(self, key: Any) -> Any:
        """Called on a miss: honour the limits and, at the root, branch by line.

        Returns the edge if the branch knows it.
        """
        state = self.state
        if state.kind == "root":
            # The first event of a trace is keyed by its line as well, so that lines
            # shown later are those of this program and not of one that began alike.
            frame = errors.user_frame(3)  # operations have their functions
            code = None if frame is None else frame.f_code
            where = None if frame is None else (id(code), frame.f_lasti)
            if state.lines is None:
                state.lines = {}
            branch = state.lines.get(where)
            if branch is None:
                branch = Branch(state, self, self.grad_mode)
                branch.line = errors.line_of(frame) if frame else ""
                branch.attrs = {"code": code}  # alive, so that its identity is its own
                state.lines[where] = branch
            self.state = branch
            branch.runs += 1
            if branch.once:
                branch.once -= 1
                if self.capture is None:  # what somebody wants compiled comes back
                    self.once = True
                    return None
            return None if self.eager else branch.next.get(key)
        return None

    def full(self) -> bool:
        """Whether pending work should be run before more is recorded."""
        state = self.state
        if self.tracing is not None:
            return False
        if self.hold or (state.depth < SOFT_LIMIT and state.bytes < BYTES_LIMIT):
            return False
        if state.depth >= HARD_LIMIT or state.bytes >= BYTES_LIMIT:
            return True
        first = state.first
        if first is None or self.of is not None:  # a backward is all at one line
            return False
        return first.line == errors.user_line()

    def keys(self, inputs: tuple[Any, ...]) -> list[Any]:
        """The operands as keys of this recorder; numbers stay numbers."""
        result = []
        for x in inputs:
            if isinstance(x, Handle):
                key = x._key
                if key is not None and key.recorder is not self:
                    key = self.adopt(x, key)
                result.append(key or self.leaf(x))
            else:
                result.append(x)
        return result

    def adopt(self, tensor: Handle, key: Any) -> Any:
        """The key of a tensor that is pending, or a leaf in use, elsewhere."""
        if type(key) is Failed:
            raise key.error
        if type(key) is Bound or type(key) is Const:
            return key
        if type(key) is State:
            from .execute.interpreter import materialize_foreign

            materialize_foreign(tensor, key)
        return self.leaf(tensor)

    def miss(
        self, key: Any, op: type[Op], inputs: tuple[Any, ...], attrs: dict[str, Any]
    ) -> Handle:
        """Record an operation for the first time in this place."""
        if self.autocast is not None:
            cast = narrowed(op.name, *inputs)
            if any(x is not y for x, y in zip(cast, inputs, strict=True)):
                return apply(op, *cast, **attrs)  # type: ignore[no-any-return]
        full = self.full()
        if full:
            self.flush()  # what *key* names is pending no more
        edge = self.enter(key)
        start = self.state
        relation: Any = None
        numbers = self._numbers(op, inputs) if edge is None else None
        changing = numbers is not None and numbers.since < 0
        if edge is None and not full and not changing and templates.usable(self):
            relation, operands = templates.relative(self, key)
            if len(operands) < len(inputs) and start.many is not None:
                relation = None  # it may change from time to time
            template = templates.find(relation, key)
            if template is not None:
                if len(operands) < len(inputs) and not self.once:
                    start.many = {slot for slot, _ in _slots(op, self.keys(inputs))}
                (edge,) = template.play(self, operands, self.where or place())
                start.lead(key, edge)
        if edge is None or type(edge) is Jump:
            keys = self.keys(inputs)
            returns = not (self.eager or self.once)
            for slot, i in _slots(op, keys) if returns else ():
                # A number that changes from time to time becomes an argument.
                if start.many is None:
                    start.many = set()
                x = keys[i]
                if (slot in start.many or changing) and _fits_array(x):
                    d = np.float64 if isinstance(x, float) else np.int64
                    keys[i] = self.leaf(constant(np.array(x, d)), weak=True)
                    relation = None
                    if numbers is not None:
                        numbers.since = -1
                start.many.add(slot)
            key = (op, *(k if hasattr(k, "spec") else scalar_key(k) for k in keys))
            if attrs:
                key = (*key, tuple(attrs.items()))
            edge = start.next.get(key)
            if edge is None:
                _part(start, key)
                try:
                    edge = self.emit(op, keys, attrs)
                except BaseException:
                    self.state = start
                    raise
                if not self.eager:
                    start.lead(key, edge)
                if relation is not None:
                    templates.learn(self, relation, key, operands, start, (edge,))
        self.state = edge
        out = self.handle(edge)
        if edge.view:
            alias(out, inputs[0])
        if self.eager and not self.running and self.tracing is None:
            self.flush()
        return out

    def _numbers(self, op: type[Op], inputs: tuple[Any, ...]) -> Numbers | None:
        """What is known of the numbers with which *op* is called at this line of the
        program, these included: None if there are none."""
        given = [x for x in inputs if type(x) is float or type(x) is int]
        if not given or self.once or self.eager:
            return None
        if self.group or self.where is not None:
            return None  # those of the library follow from shapes and its own arguments
        frame = errors.user_frame()
        if frame is None:
            return None
        where = (id(frame.f_code), frame.f_lasti, op, len(inputs))
        numbers = self.numbers.get(where)
        if numbers is None:
            if len(self.numbers) > TRIE_LIMIT:
                self.numbers.clear()
            numbers = self.numbers[where] = Numbers(self.epoch, frame.f_code)
        numbers.note(self.epoch, given)
        return numbers

    # -- running --------------------------------------------------------------------

    def flush(self) -> None:
        """Run everything pending that somebody still holds, as one graph."""
        if self.tracing is not None:
            raise RuntimeError(
                "pending work cannot be run inside of a function that is transformed by "
                "jvp or vmap, or within a dual_level: for instance to write to memory "
                f"that NumPy arrays or views share\n  at {errors.user_line()}"
            )
        _run(self)


def _slots(op: type[Op], keys: list[Any]) -> Iterator[tuple[Any, int]]:
    """The places of numbers among operands, with the others."""
    for i, x in enumerate(keys):
        if not hasattr(x, "spec") and isinstance(x, (int, float)):
            yield (op, i, *(k if hasattr(k, "spec") else None for k in keys)), i


def _fits_array(x: Any) -> bool:
    """Whether a number is one in an array, too: a float, or a whole number of 64 bits."""
    if isinstance(x, float):
        return True
    return type(x) is not bool and -(1 << 63) <= x < 1 << 63


def _part(start: State, key: tuple[Any, ...]) -> None:
    """Where *key* has an argument for a number, take out the edges of the same operation
    with numbers: the next one may be among them, and is to go the new way."""
    places = [i for i, k in enumerate(key) if type(k) is Arg and k.weak]
    if not places:
        return
    rest = [i for i in range(len(key)) if i not in places]
    for known in list(start.next):
        if (
            type(known) is tuple
            and len(known) == len(key)
            and all(known[i] == key[i] for i in rest)
            and all(type(known[i]) is tuple for i in places)
        ):
            del start.next[known]


#: attributes and shape of the result by operation, shapes and attributes
_inferred: dict[Any, tuple[dict[str, Any], Spec]] = {}


def _plain(value: Any) -> bool:
    """Whether equal values of that type are the same in every respect."""
    kind = type(value)
    if kind is tuple:
        return all(type(v) is int for v in value)
    return value is None or kind is int or kind is bool or kind is str


def place() -> tuple[str, Any]:
    """The line of the user's code that is running, and the module that it is in."""
    frame = errors.user_frame()
    if frame is None:
        return "", None
    return errors.line_of(frame), errors.module_path(sys._getframe(1), _module_type)


#: those of all threads
_recorders: list[weakref.ref[Recorder]] = []


class _Local(threading.local):
    def __init__(self) -> None:
        self.rec = Recorder()
        _recorders[:] = [r for r in _recorders if r() is not None]
        _recorders.append(weakref.ref(self.rec))


EAGER = os.environ.get("RETROGRAD_EAGER", "0") not in ("", "0")
_local = _Local()


def recorder() -> Recorder:
    """The recorder of this thread."""
    return _local.rec


def _fits(key: Any, d: dtypes.dtype) -> bool:
    """Whether an operand that is a number surely fits into an integer type."""
    if hasattr(key, "spec"):
        return not key.weak or type(key) is not Arg
    limits = dtypes.iinfo(d)
    return bool(limits.min <= key <= limits.max)


def undo(rec: Recorder, start: State) -> None:
    """Take back what was recorded after *start*: it is refused, and must not be known
    when it comes back."""
    templates.forget()
    state: Any = rec.state
    while state is not None and state is not start:
        state = state.parent
    if state is None:  # it has been run meanwhile
        rec.count = TRIE_LIMIT + 1  # the trie is grown anew after the next run
        return
    rec.state = start
    start.next.clear()
    start.lines = None
    rec.pending = [
        t
        for t in rec.pending
        if type(t._key) is not State or t._key.depth <= start.depth
    ]


def awaits(rec: Recorder, leaf: Handle) -> bool:
    """Whether pending work reads a long-lived leaf, under any of its keys."""
    homes = None if leaf._meta is None else leaf._meta.homes
    return homes is not None and not rec.lasting().isdisjoint(homes.values())


def bequeath(leaf: Handle, homes: dict[Any, Bound]) -> None:
    """Let the values of a long-lived leaf that dies live on while pending work of any
    thread reads them."""
    heir: Any = None
    for ref in _recorders:
        rec = ref()
        if rec is None or not awaits(rec, leaf):
            continue
        if heir is None:
            heir = _new(type(leaf))
            heir._key, heir._array = leaf._key, leaf._array
            heir._grad, heir._meta = None, leaf._meta
            for home in homes.values():
                home.ref = weakref.ref(heir)
        rec.orphans.append(heir)


def _held_elsewhere(array: Array) -> bool:
    owner = array if array.base is None else array.base
    if type(owner) is not np.ndarray or not owner.flags.owndata:
        return True  # memory of another library: who else knows it cannot be told
    # the tensor's slot (or the view), this frame's one or two names, and the argument
    return sys.getrefcount(owner) > (4 if owner is array else 3)


def _copies(key: State, source: Handle) -> bool:
    """Whether a reshape has to copy, because of how its operand lies."""
    root: Any = source._key
    while type(root) is State and root.view:
        root = root.inputs[0]
    if root is source._key and type(root) is State:
        return False
    if type(root) is State or type(root) is Const:
        lies_well = True
    else:
        leaf: Any = root.ref() if type(root) is Bound else None
        leaf = root.recorder.args[root.index] if leaf is None else leaf
        # what has no memory yet (the argument of a recorded function) lies row by row
        lies_well = leaf._array is None or leaf._array.flags.c_contiguous
        if lies_well and root is source._key:
            return False
    if not lies_well:
        return not _can_view(source, key.spec.shape)
    if key.copies is None:
        key.copies = not _can_view(source, key.spec.shape)
    return key.copies


def alias(out: Handle, source: Handle) -> None:
    """Note that *out* is a view of *source*: writing to one writes the other."""
    key: Any = out._key
    if key.op.name == "reshape" and _copies(key, source):
        return
    meta = meta_of(out)
    follow_base(meta, source)
    _local.rec.bases.add(id(meta.base))


def apply1(op: type[Op], a: Any) -> Any:
    """Record ``op(a)``: *a* is a tensor."""
    rec = _local.rec
    try:
        key = (op, a._key or rec.leaf(a))
    except AttributeError:
        if isinstance(a, Handle):
            raise
        raise TypeError(
            f"{op.name}(): argument 'input' must be Tensor, not {type(a).__name__}\n"
            f"  at {errors.user_line()}"
        ) from None
    state = rec.state.next.get(key)
    if state is None:
        return rec.miss(key, op, (a,), {})
    rec.state = state
    out = _new(_tensor_type)
    out._key, out._array, out._grad, out._meta = state, None, None, None
    rec.pending.append(out)
    return out


def apply2(op: type[Op], a: Any, b: Any) -> Any:
    """Record ``op(a, b)``: tensors, or one of them a Python number."""
    if not (isinstance(a, Handle) and isinstance(b, Handle)):
        return apply(op, a, b)
    rec = _local.rec
    key = (op, a._key or rec.leaf(a), b._key or rec.leaf(b))
    state = rec.state.next.get(key)
    if state is None:
        return rec.miss(key, op, (a, b), {})
    rec.state = state
    out = _new(_tensor_type)
    out._key, out._array, out._grad, out._meta = state, None, None, None
    rec.pending.append(out)
    return out


def apply(op: type[Op], *inputs: Any, **attrs: Any) -> Any:
    """Record ``op(*inputs)`` with attributes: inputs are tensors or numbers."""
    rec = _local.rec
    parts: list[Any] = [op]
    try:
        for x in inputs:
            if isinstance(x, Handle):
                parts.append(x._key or rec.leaf(x))
            else:
                parts.append(scalar_key(x))
    except ValueError:  # an array has no truth value
        raise _no_operand(op, inputs) from None
    if attrs:
        parts.append(tuple(attrs.items()))
    key = tuple(parts)
    try:
        state = rec.state.next.get(key)
    except TypeError:
        if any(isinstance(x, (list, dict, np.ndarray)) for x in inputs):
            raise _no_operand(op, inputs) from None
        if not attrs:
            raise
        attrs = {k: _hashable(v) for k, v in attrs.items()}
        parts[-1] = tuple(attrs.items())
        key = tuple(parts)
        state = rec.state.next.get(key)
    if state is None:
        return rec.miss(key, op, inputs, attrs)
    rec.state = state
    out = rec.handle(state)
    if state.view:
        alias(out, inputs[0])
    return out


def _no_operand(op: type[Op], inputs: tuple[Any, ...]) -> TypeError:
    """The error for a list or an array among operands."""
    kinds = [type(x) for x in inputs if isinstance(x, (list, dict, np.ndarray))]
    mend = ": use rg.from_numpy(array)" if np.ndarray in kinds else ""
    return TypeError(
        f"{op.name}(): an argument must be a Tensor or a number, not "
        f"{kinds[0].__name__}{mend}\n  at {errors.user_line()}"
    )


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(v) for v in value)
    return value


class Composition(str):
    """The name of a composition; each application of it is an object of its own."""

    __slots__ = ()


def composite(function: Callable[..., Any]) -> Callable[..., Any]:
    """Remember a pure composition as one named group: one event when it comes back."""
    name = function.__name__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        rec = _local.rec
        try:
            if kwargs or len(args) > 3:
                if kwargs and not refusals.NUMPY_NAMES.keys().isdisjoint(kwargs):
                    kwargs = refusals.renamed(function, kwargs)
                key: Any = _composite_key(rec, call, args, kwargs)
            elif len(args) == 3:
                a, b, c = args
                key = (call, a._key or rec.leaf(a), b._key or rec.leaf(b),
                       c if type(c) is str else c._key or rec.leaf(c))  # fmt: skip
            else:
                key = (call, *[x._key or rec.leaf(x) for x in args])
        except AttributeError:
            key = _composite_key(rec, call, args, kwargs)
        try:
            edge = rec.state.next.get(key)
        except TypeError:  # an argument that cannot be hashed: just compose
            return _plainly(name, function, args, kwargs)
        if type(edge) is State:
            rec.state = edge
            out = _new(_tensor_type)
            out._key, out._array, out._grad, out._meta = edge, None, None, None
            rec.pending.append(out)
            return out
        return _follow(rec, edge, key, name, function, args, kwargs)

    call.tells = True  # type: ignore[attr-defined]
    return call


def _composite_key(
    rec: Recorder, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The key of a call with numbers, words and the like among its arguments."""
    parts: list[Any] = [call]
    for x in args:
        kind = type(x)
        if x is None or kind is str:
            parts.append(x)
        elif kind is float or kind is int:
            parts.append((kind, x) if x and x == x else scalar_key(x))
        elif isinstance(x, Handle):
            parts.append(x._key or rec.leaf(x))
        else:
            parts.append((kind, x))
    for word, x in kwargs.items():
        parts.append(word)
        if isinstance(x, Handle):
            parts.append(x._key or rec.leaf(x))
        else:
            parts.append(scalar_key(x) if type(x) is float else (type(x), x))
    return tuple(parts)


def _follow(
    rec: Recorder,
    edge: Any,
    key: Any,
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Where a composition leads: along a known edge, or by recording it in full."""
    if edge is None:
        if rec.state.kind != "root" and rec.full():
            rec.flush()
            return _plainly(name, function, args, kwargs)
        edge = rec.enter(key)
        if edge is None:
            return _compose(rec, key, name, function, args, kwargs)
    if type(edge) is Jump:
        rec.state = edge.final
        return tuple([rec.handle(s) for s in edge.outs])
    rec.state = edge
    return rec.handle(edge)


def stacked(token: Any, function: Callable[[Any], Any], x: Handle) -> Any:
    """``function(x)``, a pure composition that *token* stands for, as one event."""
    rec = _local.rec
    key = (token, x._key or rec.leaf(x))
    edge = rec.state.next.get(key)
    if type(edge) is State:
        rec.state = edge
        out = _new(_tensor_type)
        out._key, out._array, out._grad, out._meta = edge, None, None, None
        rec.pending.append(out)
        return out
    return _follow(rec, edge, key, "", function, (x,), {})


def _plainly(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Any
) -> Any:
    """Call a composition; one clear error where an argument is of the wrong kind."""
    wrong = refusals.refusal(function, args, kwargs)
    if wrong is not None:
        raise wrong
    return function(*narrowed(name, *args), **kwargs)


def _compose(
    rec: Recorder,
    key: Any,
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Record a composition in full, and remember where it led."""
    foreign = any(
        isinstance(x, Handle)
        and x._key is not None
        and x._key.recorder not in (None, rec)
        for x in (*args, *kwargs.values())
    )
    rec.keys(
        (*args, *kwargs.values())
    )  # what another thread has pending is a leaf here
    start, epoch = rec.state, rec.epoch
    relation: Any = None
    operands: list[Any] = []
    if not foreign and templates.usable(rec):
        relation, operands = templates.relative(rec, key)
        template = templates.find(relation, key)
        if template is not None:
            states = template.play(rec, operands, rec.where or place())
            if template.alone:
                start.lead(key, rec.state)
                return rec.handle(rec.state)
            start.lead(key, Jump(rec.state, tuple(states)))
            return tuple([rec.handle(s) for s in states])
    pending, arguments = len(rec.pending), len(rec.args)
    outer, before = rec.group, rec.where
    if name:
        rec.group = (*outer, Composition(name))
        if before is None and not any(map(callable, args)):
            rec.where = place()  # no line of the user's comes in between
    try:
        result = _plainly(name, function, args, kwargs)
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        if rec.epoch == epoch:
            rec.state = start
            del rec.pending[pending:]
        if not name:
            raise
        what = f"in {name}({_shown(args)}) at {errors.user_line()}"
        raise errors.at(error, what) from None
    finally:
        rec.group, rec.where = outer, before
    outs = result if type(result) is tuple else (result,)
    known = {id(t) for t in rec.pending[pending:]}
    if (
        rec.epoch != epoch
        or rec.eager
        or foreign
        or len(rec.args) != arguments
        or not all(isinstance(t, Handle) and id(t) in known for t in outs)
    ):
        return result
    del rec.pending[pending:]
    rec.pending.extend(outs)
    for t in outs:
        t._meta = None  # an alias of something that is gone
    if type(result) is tuple:
        start.lead(key, Jump(rec.state, tuple(t._key for t in outs)))
    elif result._key is rec.state:
        start.lead(key, rec.state)
    else:
        return result
    found = tuple([t._key for t in outs])
    alone = type(result) is not tuple
    templates.learn(rec, relation, key, operands, start, found, alone)
    return result


def _shown(args: tuple[Any, ...]) -> str:
    return ", ".join(
        repr(spec_of(x)) if isinstance(x, Handle) else repr(x) for x in args
    )


def stand_in(key: Any) -> Any:
    """A tensor that stands for a key of the trace; nobody waits for its value."""
    out = _new(_tensor_type)
    out._key, out._array, out._grad, out._meta = key, None, None, None
    return out


def constant(array: Array) -> Any:
    """A materialised tensor on *array* itself (no copy, no gradient)."""
    out = _new(_tensor_type)
    out._key, out._array, out._grad, out._meta = None, array, None, None
    return out


def differs(tensor: Any) -> bool:
    """Whether the value is another one for each example of a vmap: not to be looked at."""
    trace = _local.rec.tracing
    return trace is not None and bool(trace.unknown(tensor._key))


def note_read() -> None:
    """The program looks at a value: what it does next may depend on it."""
    capture = _local.rec.capture
    if capture is not None and not capture.read:
        capture.read = errors.user_line()


def realize(*tensors: Any) -> None:
    """Run pending work if any of *tensors* waits for it."""
    for t in tensors:
        key = t._key
        if key is None or type(key) is Arg or type(key) is Bound:
            continue
        if type(key) is Failed:
            raise key.error
        if key.recorder is _local.rec:
            _local.rec.flush()
            if type(t._key) is Failed:
                raise t._key.error
        else:
            _local.rec.adopt(t, key)


def set_mode(grad: bool) -> None:
    """Turn the recording of gradients on or off, as an event of the trace."""
    rec = _local.rec
    if rec.grad_mode == grad:
        return
    rec.grad_mode = grad
    if rec.state.kind == "root" and not rec.args:
        rec.reset()
        return
    rec.mark("mode", grad, {})


def set_inference(inference: bool) -> None:
    """Whether what is made needs no gradient ever, as an event of the trace."""
    rec = _local.rec
    if rec.inference == inference:
        return
    rec.inference = inference
    if rec.state.kind == "root" and not rec.args:
        rec.reset()
        return
    rec.mark("inference", inference, {})


def set_autocast(dtype: Any) -> None:
    """The narrow type that products are made in, or None, as an event of the trace."""
    rec = _local.rec
    if rec.autocast is dtype:
        return
    rec.autocast = dtype
    if rec.state.kind == "root" and not rec.args:
        rec.reset()
        return
    rec.mark("autocast", dtype, {})


def narrowed(name: str, *inputs: Any) -> tuple[Any, ...]:
    """Operands of the function *name*, cast as within an autocast block."""
    if _local.rec.autocast is None:
        return inputs
    from .amp.casting import prepared  # a program without autocast never needs it

    return prepared(name, inputs, _local.rec.autocast)


def settle() -> None:
    """Called where gradients are recorded again: what was changed in place meanwhile is
    written now, so that what is recorded next finds the leaf and not a pending value."""
    rec = _local.rec
    if rec.unsettled and not rec.running:
        rec.flush()


def set_eager(eager: bool) -> None:
    """Run every operation as it is recorded (for debugging), or stop doing so."""
    rec = _local.rec
    if rec.tracing is not None:
        rec.eager = eager  # from when the function is transformed
    elif rec.eager != eager:
        rec.flush()
        rec.eager = eager
        rec.reset()


refusals.bind(_local, undo)

__all__ = ["Meta", "apply", "apply1", "apply2", "composite", "constant", "realize"]
