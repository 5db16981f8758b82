"""What was recorded before in another place, recorded again without running its Python.

An operation, a composition and the rules of a derivative record the same for operands of
the same signs (:class:`~retrograd.trace.Sign`), wherever the trace stands. So the first
time something is recorded, the operations that it led to are noted as a
:class:`Template`: what each one is (a :class:`Row`), and which of the operands or of the
operations before it each one takes. Elsewhere a template is played: states are made from
rows, and no promotion, shape rule or rule of a derivative runs. A graph that never comes
back costs by this what its states cost.
"""

from __future__ import annotations

from typing import Any

from . import dtypes
from .ops.op import Spec
from .trace import NOWHERE, Arg, Bound, Const, Sign, State

#: templates and rows before they are forgotten and noted anew
LIMIT = 20_000
#: operations in a template
LONGEST = 256

_new = object.__new__


class Row:
    """An operation, relative to its operands: all that is the same wherever operands of
    the same signs meet."""

    __slots__ = ("op", "attrs", "spec", "grad", "grad_mode", "view", "inference",
                 "sign", "signs", "pulls", "wants", "call")  # fmt: skip

    def __init__(self, state: State, signs: tuple[Sign, ...]) -> None:
        self.op: Any = state.op
        self.attrs, self.spec, self.grad = state.attrs, state.spec, state.grad
        self.grad_mode, self.view = state.grad_mode, state.view
        self.inference, self.sign = state.inference, state.sign
        self.signs = signs
        #: what its derivative with respect to some operands takes: see backward
        self.pulls: dict[Any, Any] = {}
        self.wants: tuple[int, ...] | None = None
        self.call: Any = None  # the interpreter's


class Template:
    """Rows, the places of their operands, and the places of the results.

    Places count the operands first, then the constants, then the operations; None is
    a result that is not there.
    """

    __slots__ = ("steps", "consts", "outs", "names", "exact", "alone")

    def __init__(
        self,
        steps: list[tuple[Row, tuple[int, ...], int]],
        consts: list[Const],
        outs: tuple[int | None, ...],
        names: list[tuple[str, ...]],
        exact: str | None,
        alone: bool,
    ) -> None:
        self.steps, self.consts, self.outs = steps, consts, outs
        self.names = names  # of the compositions inside, from the outermost
        self.exact = exact  # the attributes, if a zero's sign is among them
        self.alone = alone  # the result is no tuple

    def play(self, rec: Any, keys: list[Any], where: tuple[str, Any]) -> list[Any]:
        """Record the operations, with *keys* as operands; the keys of the results."""
        found = [*keys, *self.consts]
        state: State = rec.state
        line, module = where
        outer, of, region = rec.group, rec.of, rec.region
        groups = [outer]
        if self.names:
            groups += _renamed(outer, self.names)
        size = state.bytes
        for key in keys:
            if type(key) is Arg:
                size += key.spec.nbytes
        depth = state.depth
        for row, places, group in self.steps:
            depth += 1
            new = _new(State)
            new.next, new.parent, new.depth, new.kind = NOWHERE, state, depth, "op"
            new.op, new.attrs, new.spec, new.grad = (
                row.op,
                row.attrs,
                row.spec,
                row.grad,
            )
            new.inputs = tuple([found[i] for i in places])
            new.grad_mode, new.recorder, new.row = row.grad_mode, rec, row
            new.line, new.module, new.group = line, module, groups[group]
            new.of, new.region, new.view, new.sign = of, region, row.view, row.sign
            new.inference, new.bytes = row.inference, size
            new.first = state.first or new
            new.plans = new.lines = new.many = new.copies = None
            found.append(new)
            state = new
        rec.count += len(self.steps)
        rec.state = state
        return [None if i is None else found[i] for i in self.outs]


_templates: dict[Any, Template] = {}
_rows: dict[Any, Row] = {}


def _renamed(
    outer: tuple[str, ...], names: list[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """The names of compositions as objects of this application."""
    fresh: dict[int, str] = {}
    result = []
    for name in names:
        own = []
        for part in name:
            made = fresh.get(id(part))
            if made is None:
                made = fresh[id(part)] = type(part)(part)
            own.append(made)
        result.append((*outer, *own))
    return result


def usable(rec: Any) -> bool:
    """Whether what is recorded now depends on nothing but operands and modes."""
    return (
        rec.tracing is None
        and rec.autocast is None
        and rec.instead is None
        and not rec.eager
        and rec.state.kind != "root"
    )


def relative(rec: Any, key: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """A key of the trie, without regard to place: the signs instead of the operands,
    and these. None if an operand has no sign."""
    parts: list[Any] = [rec.grad_mode, rec.inference, dtypes.get_default_dtype()]
    operands: list[Any] = []
    for part in key:
        kind = type(part)
        if kind is State or kind in _LEAVES:
            if part in operands:
                parts.append(operands.index(part))
            else:
                sign = getattr(part, "sign", None)
                if sign is None or (part.recorder or rec) is not rec:
                    return None, operands
                parts.append(sign)
            operands.append(part)
        else:
            parts.append(part)
    return tuple(parts), operands


def find(relation: Any, key: tuple[Any, ...]) -> Template | None:
    """The template for what *key* names, if there is one."""
    found = _templates.get(relation)
    if found is not None and found.exact is not None and found.exact != repr(key[-1]):
        return None
    return found


def learn(
    rec: Any,
    relation: Any,
    key: tuple[Any, ...],
    operands: list[Any],
    start: State,
    outs: tuple[Any, ...],
    alone: bool = False,
) -> None:
    """Note what was recorded since *start* for *key*, if it follows from its parts."""
    if relation is None or rec.state.depth - start.depth > LONGEST:
        return
    if not all(map(_plain, relation[_TOKEN + 1 :])):
        return
    states: list[State] = []
    state: Any = rec.state
    n = len(rec.group)
    while state is not start:
        if state is None or state.kind != "op" or state.of is not rec.of:
            return
        if state.region is not rec.region or state.group[:n] != rec.group:
            return
        states.append(state)
        state = state.parent
    states.reverse()
    consts = {k: None for s in states for k in s.inputs if type(k) is Const}
    places: dict[Any, int] = {}
    for i, known in enumerate((*operands, *consts, *states)):
        places.setdefault(known, i)
    names: list[tuple[str, ...]] = []
    steps = []
    for state in states:
        row = row_of(state)
        if row is None or not all(k in places for k in state.inputs):
            return
        name, group = state.group[n:], 0
        if name:
            if name not in names:
                names.append(name)
            group = names.index(name) + 1
        steps.append((row, tuple([places[k] for k in state.inputs]), group))
    if not all(k is None or k in places for k in outs):
        return
    if len(_templates) > LIMIT:
        forget()
    results = tuple([None if k is None else places[k] for k in outs])
    exact = repr(key[-1]) if _has_zero(key[-1]) else None
    _templates[relation] = Template(steps, list(consts), results, names, exact, alone)


def forget() -> None:
    """Everything has to be noted anew."""
    _templates.clear()
    _rows.clear()


def row_of(state: State) -> Row | None:
    """What *state* has in common with others; None if it may have more of its own."""
    if state.row is None:
        attrs = tuple(state.attrs.items())
        if not _plain(attrs) or not all(hasattr(k, "sign") for k in state.inputs):
            return None
        signs = tuple([k.sign for k in state.inputs])
        modes = (state.grad_mode, state.inference, repr(attrs))
        known = (state.op, attrs, signs, state.spec, state.grad, modes)
        row = _rows.get(known)
        if row is None:
            row = _rows[known] = Row(state, signs)
        state.row = row
    return state.row  # type: ignore[no-any-return]


def _plain(value: Any) -> bool:
    """Whether equal values of that kind are the same in every respect but a zero's
    sign."""
    kind = type(value)
    if kind is tuple:
        return all(map(_plain, value))
    return value is None or kind in _PLAIN or isinstance(value, type)


def _has_zero(value: Any) -> bool:
    if type(value) is tuple:
        return any(map(_has_zero, value))
    return type(value) is float and value == 0


_PLAIN = {int, bool, str, bytes, float, Sign, Spec, dtypes.dtype}
_LEAVES = {Arg, Bound, Const}
#: where the operation stands in a relation, after the modes
_TOKEN = 3
