"""Local Jacobians ∂f/∂x as what they are: diagonal, masked, a matrix, a Kronecker
product, a selection, a row of ones. None is built unless asked for, and small.

Tensors are read row by row as vectors. In the numerator layout ∂f/∂x is [m×n], for f of
m numbers and x of n, and gradients are rows: [1×n] = [1×m]·[m×n]. In the denominator
layout everything is transposed, and gradients are columns: [n×1] = [n×m]·[m×1].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import backward, dispatch
from ..ops.op import Array, Elementwise, Spec
from ..trace import Arg, Const, State
from . import notation as n
from .capture import Capture, Leaf
from .chain import Term
from .formulas import factor
from .line import Line
from .lines import Lines
from .notation import Expr

LAYOUTS = ("denominator", "numerator")
#: entries up to which a Jacobian is written out
ENTRIES = 4096

_MASKS = {"relu", "where", "maximum", "minimum", "amax", "amin"}
_SAME = {"reshape", "cast", "clone"}
_MOVES = {"permute", "flip", "slice", "gather", "pick_class", "diagonal", "index",
          "unfold"}  # fmt: skip
#: … beside other numbers, or zeros
_PLACES = {"cat", "pad", "view_write"}


class Structure:
    """What a Jacobian looks like: its kind, and the matrix it is made of if it has one
    (in numerator layout)."""

    __slots__ = ("kind", "matrix")

    def __init__(self, kind: str, matrix: Expr | None = None) -> None:
        self.kind, self.matrix = kind, matrix

    def expr(self, layout: str) -> Expr | None:
        if self.matrix is None:
            return None
        return n.transpose(self.matrix) if layout == "denominator" else self.matrix

    def __repr__(self) -> str:
        return self.kind if self.matrix is None else f"{self.kind}: {self.matrix}"


IDENTITY = Structure("identity", n.name("I", (2, 2)))


def structure(lines: Lines, term: Term) -> Structure:
    """The structure of ∂(line that uses)/∂(value)."""
    target, source = term.through.key, term.line.key
    if term.through.spec.size == 1:
        return Structure("number" if term.line.spec.size == 1 else "row")
    if target in lines.called or source is target:
        return Structure("dense")
    known: dict[Any, Structure | None] = {source: IDENTITY}
    for state in sorted(term.through.states, key=lines.position.__getitem__):
        if state not in known:
            known[state] = _of_state(lines, state, known)
    found = known.get(target)
    return Structure("dense") if found is None else found


def _of_state(
    lines: Lines, state: State, known: dict[Any, Structure | None]
) -> Structure | None:
    """Through one operation, from what is known of its operands."""
    out: Structure | None = None
    for i, key in enumerate(state.inputs):
        inner = known.get(key)
        if inner is None:
            continue
        outer = primitive(lines, state, i)
        both = _compose(outer, inner)
        out = both if out is None else _sum(out, both)
    return out


def primitive(lines: Lines, state: State, i: int) -> Structure:
    """∂(one operation)/∂(its i-th operand)."""
    op: Any = state.op
    have, out = state.inputs[i].spec, state.spec
    if op.name in _SAME:
        return IDENTITY
    if op.name == "permute" and state.attrs["dims"] == (1, 0):
        return Structure("selection", n.name("K", (2, 2)))
    if op.name in _MOVES:
        return Structure("selection")
    if op.name in _PLACES:
        kept = op.name == "view_write" and i == 0  # what it is written into
        return Structure("mask" if kept else "placement")
    if op.name == "expand":
        return Structure("repetition") if have.size != out.size else IDENTITY
    if op.name == "sum":
        return Structure("sum")
    if op.name == "matmul":
        return _matmul(lines, state, i)
    if issubclass(op, Elementwise):
        stretched = have.shape != out.shape and have.size != out.size
        kind = _pointwise(state, i)
        if not stretched:
            return kind
        if kind.kind == "identity":
            return Structure("repetition")
        return Structure("diagonal · repetition")
    return Structure("dense")


def _pointwise(state: State, i: int) -> Structure:
    op: Any = state.op
    if op.name == "add" or (op.name == "sub" and i == 0):
        return IDENTITY
    if op.name == "neg" or (op.name == "sub" and i == 1):
        return Structure("scaled identity", n.neg(n.name("I", (2, 2))))
    if op.name in _MASKS:
        return Structure("mask")
    if op.name in ("mul", "div"):
        other = state.inputs[1 - i] if len(state.inputs) == 2 else None
        if type(other) is Const and (op.name == "mul" or i == 0):
            c = n.number(other.value.item())
            one = n.name("I", (2, 2))
            by = n.mul(c, one) if op.name == "mul" else n.div(one, c)
            return Structure("scaled identity", by)
    return Structure("diagonal")


def _matmul(lines: Lines, state: State, i: int) -> Structure:
    a, b = state.inputs
    if len(a.spec.shape) != 2 or len(b.spec.shape) != 2:
        return Structure("block diagonal")
    rows, columns = a.spec.shape[0], b.spec.shape[1]
    parts: list[State] = []
    needs: list[Line] = []
    other = b if i == 0 else a
    if other in lines.hidden:
        return Structure("dense")
    matrix = factor(other, lines.operand(other, parts, needs))
    matrix = Expr(matrix.head, *matrix.parts, shape=other.spec.shape)
    if i == 1:  # vec(a·b) = (a ⊗ I) vec(b)
        if columns == 1:
            return Structure("matrix", matrix)
        return Structure("Kronecker", kronecker(matrix, identity(columns)))
    if rows == 1:  # vec(a·b) = (I ⊗ bᵀ) vec(a)
        return Structure("matrix", n.transpose(matrix))
    return Structure("Kronecker", kronecker(identity(rows), n.transpose(matrix)))


def identity(size: int) -> Expr:
    return n.name(n.Symbol("I", str(size)), (size, size))


def kronecker(a: Expr, b: Expr) -> Expr:
    return Expr("kronecker", a, b, shape=(2, 2))


_DIAGONAL = ("identity", "scaled identity", "mask", "diagonal")


def _compose(outer: Structure, inner: Structure) -> Structure:
    """outer · inner."""
    if inner.kind == "identity":
        return outer
    if outer.kind == "identity":
        return inner
    if outer.kind in _DIAGONAL and inner.kind in _DIAGONAL:
        if outer.kind == inner.kind == "mask":
            return outer
        return Structure("diagonal")
    if outer.kind == inner.kind == "selection":
        return Structure("selection")
    if outer.kind == "Kronecker" and inner.kind == "selection" and inner.matrix:
        both = n.matmul(outer.matrix, inner.matrix, (2, 2))  # type: ignore[arg-type]
        return Structure("Kronecker", both)
    if "dense" in (outer.kind, inner.kind):
        return Structure("dense")
    return Structure(" · ".join([outer.kind, inner.kind])[:60])


def _sum(a: Structure, b: Structure) -> Structure:
    if a.kind in _DIAGONAL and b.kind in _DIAGONAL:
        return Structure("diagonal")
    return a if a.kind == b.kind and a.matrix is None else Structure("dense")


def shapes(term: Term, loss: int, layout: str) -> tuple[str, str, str]:
    """(outgoing, first factor, second factor) of the product, as ``[1×5]``."""
    size, through = term.sizes
    if layout == "numerator":
        return f"[{loss}×{size}]", f"[{loss}×{through}]", f"[{through}×{size}]"
    return f"[{size}×{loss}]", f"[{size}×{through}]", f"[{through}×{loss}]"


def written_out(capture: Capture, term: Term, layout: str = "numerator") -> Array:
    """The Jacobian's numbers, from the recorded rules: one reverse pass over this part
    of the graph, evaluated once for each number of the output.

    ValueError if it has more than :data:`ENTRIES` entries."""
    size, through = term.sizes
    if size * through > ENTRIES:
        raise ValueError(
            f"∂{term.through.symbol}/∂{term.line.symbol} has {through}×{size} entries; "
            f"Jacobians of more than {ENTRIES} are not written out"
        )
    part, seed, out = _part(capture, term)
    rows = []
    for i in range(through):
        one = np.zeros(through, seed.spec.dtype.np)
        one[i] = 1
        values = dict(part.values)
        values[seed] = one.reshape(seed.spec.shape)
        found = _evaluate(part.back, values, out)
        rows.append(np.zeros(size) if found is None else np.asarray(found).reshape(-1))
    jacobian = np.stack(rows) if rows else np.zeros((0, size))
    return jacobian.T if layout == "denominator" else jacobian


def _evaluate(states: list[State], values: dict[Any, Any], wanted: Any) -> Any:
    if type(wanted) is Const:
        return np.asarray(wanted.value)
    with np.errstate(all="ignore"):
        for state in states:
            op: Any = state.op
            ins = [k.value if type(k) is Const else values[k] for k in state.inputs]
            values[state] = op.forward(*ins, **state.attrs)
    return values.get(wanted)


def _part(capture: Capture, term: Term) -> tuple[Any, Arg, Any]:
    """The operations between a value and a line that uses it, as a graph of their own
    whose leaves are all that comes from elsewhere; only the value wants a gradient."""
    inside = set(term.through.states)
    part: Any = Capture.__new__(Capture)
    part.rec = rec = dispatch.Recorder()
    rec.eager, rec.hold, rec.hooks = False, True, {}
    part.values, part.leaves = {}, {}
    copy: dict[Any, Any] = {}

    def leaf(key: Any, wants: bool) -> Arg:
        arg = Arg(len(rec.args), key.spec, int(wants), False, rec)
        rec.args.append(dispatch.stand_in(arg))
        part.values[arg] = capture.value(key)
        part.leaves[arg] = Leaf(arg, None, None, False)
        return arg

    copy[term.line.key] = source = leaf(term.line.key, True)
    for state in sorted(inside, key=lambda s: s.depth):
        if state is term.line.key:
            continue
        for key in state.inputs:
            if type(key) is not Const and key not in copy:
                copy[key] = leaf(key, False)
        ins = tuple(k if type(k) is Const else copy[k] for k in state.inputs)
        op: Any = state.op
        grad = int(any(k.grad for k in ins) and bool(op.rules))
        new = State(rec.state, "op", rec, True, state.op, ins, state.attrs, state.spec,
                    grad)  # fmt: skip
        rec.state = copy[state] = new
        part.values[new] = capture.value(state)
    root = copy[term.through.key]
    seed = Arg(len(rec.args), Spec(root.spec.shape, root.spec.dtype), 0, False, rec)
    handle = dispatch.stand_in(seed)
    rec.args.append(handle)
    start, outer = rec.state, dispatch._local.rec
    rec.grad_mode = False
    dispatch._local.rec = rec
    try:
        run = backward._Reverse(rec, keep=True)
        run._wait(None, root, handle)
        run.run(set())
    except Exception as error:  # a backward of the user's own that needs numbers
        raise ValueError(
            f"∂{term.through.symbol}/∂{term.line.symbol} is not written out: "
            f"{type(error).__name__}: {error}"
        ) from None
    finally:
        dispatch._local.rec = outer
    for handle in rec.args:  # what such a backward took from elsewhere
        if handle._key not in part.values and handle._array is not None:
            part.values[handle._key] = handle._array
    found = [run.waiting[id(h)]._key for k, h in run.leaves.values() if k is source]
    back: list[State] = []
    at: State | None = rec.state
    while at is not start and at is not None:
        if at.kind == "op":
            back.append(at)
        at = at.parent
    part.back = back[::-1]
    return part, seed, found[0] if found else None
