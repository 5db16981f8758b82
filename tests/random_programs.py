"""Random programs for the property tests: drawn by hypothesis, run by any library that
has PyTorch's interface.

A program is a list of instructions on numbered values. It is drawn together with the
shapes, so that every instruction is legal, and it steers clear of what PyTorch forbids:
nothing is changed in place after another operation may have kept it for its derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

Shape = tuple[int, ...]

#: Bounded or slowly growing, so that long chains stay comparable in floating point.
SMOOTH_UNARY: dict[str, Callable[[Any, Any], Any]] = {
    "sin": lambda lib, a: a.sin(),
    "cos": lambda lib, a: lib.cos(a),
    "tanh": lambda lib, a: a.tanh(),
    "sigmoid": lambda lib, a: lib.sigmoid(a),
    "exp of tanh": lambda lib, a: lib.exp(a.tanh()),
    "log1p of square": lambda lib, a: lib.log1p(a * a),
    "sqrt": lambda lib, a: (a.square() + 0.5).sqrt(),
    "neg": lambda lib, a: -a,
    "square": lambda lib, a: a**2,
    "cube": lambda lib, a: a**3,
    "affine": lambda lib, a: 1.5 * a - 0.25,
    "from one": lambda lib, a: 1 - a,
    "reciprocal": lambda lib, a: 2.0 / (1.0 + a * a),
    "rsqrt": lambda lib, a: (a * a + 1).rsqrt(),
    "erf": lambda lib, a: lib.erf(a),
    "softplus": lambda lib, a: lib.nn.functional.softplus(a),
    "gelu": lambda lib, a: lib.nn.functional.gelu(a),
    "silu": lambda lib, a: lib.nn.functional.silu(a),
    "shared": lambda lib, a: a * a + a,
    "cumsum": lambda lib, a: a.cumsum(0) if a.dim() else a,
}
KINKED_UNARY: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda lib, a: lib.relu(a),
    "abs": lambda lib, a: a.abs(),
    "clamp": lambda lib, a: a.clamp(-0.7, 0.9),
    "leaky": lambda lib, a: lib.nn.functional.leaky_relu(a, 0.1),
    "masked": lambda lib, a: a.masked_fill(a > 0.4, -0.3),
    "float of mask": lambda lib, a: (a > 0).to(a.dtype) * a,
    "sign": lambda lib, a: lib.sign(a) + a,
}
SMOOTH_BINARY: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda lib, a, b: a + b,
    "sub": lambda lib, a, b: a - b,
    "mul": lambda lib, a, b: a * b,
    "div": lambda lib, a, b: a / (b * b + 1),
    "pow": lambda lib, a, b: (a.abs() + 0.5) ** b.tanh(),
    "atan2": lambda lib, a, b: lib.atan2(a, b.square() + 0.5),
}
KINKED_BINARY: dict[str, Callable[[Any, Any, Any], Any]] = {
    "maximum": lambda lib, a, b: lib.maximum(a, b + 0.01),
    "minimum": lambda lib, a, b: lib.minimum(a, b - 0.01),
    "where": lambda lib, a, b: lib.where(a > b, a, b * 0.5),
}
SMOOTH_REDUCTIONS: dict[str, Callable[[Any, Any, int, bool], Any]] = {
    "sum": lambda lib, a, d, k: a.sum(d, keepdim=k),
    "mean": lambda lib, a, d, k: a.mean(dim=d, keepdim=k),
    "logsumexp": lambda lib, a, d, k: lib.logsumexp(a, d, keepdim=k),
    "var": lambda lib, a, d, k: a.var(d, unbiased=False, keepdim=k),
    "prod": lambda lib, a, d, k: (a + 1.5).prod(d, keepdim=k),
}
KINKED_REDUCTIONS: dict[str, Callable[[Any, Any, int, bool], Any]] = {
    "amax": lambda lib, a, d, k: a.amax(d, keepdim=k),
    "max": lambda lib, a, d, k: a.max(d, keepdim=k)[0],
    "min": lambda lib, a, d, k: a.min(d, keepdim=k).values,
}
NORMALISATIONS: dict[str, Callable[[Any, Any, int], Any]] = {
    "softmax": lambda lib, a, d: a.softmax(d),
    "log_softmax": lambda lib, a, d: lib.log_softmax(a, dim=d),
    "centre": lambda lib, a, d: a - a.mean(d, keepdim=True),
    "flip": lambda lib, a, d: a.flip(d),
}
#: Reads force what is pending to run; the number found is used as a constant.
READS: dict[str, Callable[[Any], float]] = {
    "item": lambda a: a.sum().item(),
    "float": lambda a: float(a.detach().reshape(-1)[0]),
    "list": lambda a: float(np.sum(a.tolist())),
    "numpy": lambda a: float(a.detach().numpy().max()),
    "branch": lambda a: 0.25 if bool((a > 0).any()) else -0.25,
    "text": lambda a: float(len(repr(a)) * 0),
}
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "add_": lambda a, b: a.add_(b),
    "sub_": lambda a, b: a.sub_(b),
    "mul_": lambda a, b: a.mul_(b.tanh()),
    "iadd": lambda a, b: a.__iadd__(b),
    "copy_": lambda a, b: a.copy_(b),
    "set all": lambda a, b: a.__setitem__(Ellipsis, b),
}


@dataclass
class Step:
    """``values[out] = name(*args, **how)``; several outs where a view comes with it."""

    name: str
    args: tuple[int, ...]
    how: tuple[Any, ...] = ()
    no_grad: bool = False


@dataclass
class Program:
    leaves: list[Shape]
    seed: int
    steps: list[Step] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)

    def arrays(self) -> list[np.ndarray[Any, Any]]:
        """The leaves' values: distinct, reproducible, of both signs."""
        numbers = np.random.default_rng(self.seed)
        return [numbers.uniform(-1.2, 1.2, shape) for shape in self.leaves]

    def without(self, *names: str) -> Program:
        """The same program with these steps made idle."""
        steps = [Step("idle", s.args) if s.name in names else s for s in self.steps]
        return Program(self.leaves, self.seed, steps, self.heads)


def _broadcast(*shapes: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _index(draw: Any, shape: Shape) -> Any:
    """A basic index that leaves no dimension empty."""
    parts: list[Any] = []
    for n in shape:
        kinds = ["all", "int", "cut", "every other", "none"]
        kind = draw(st.sampled_from(kinds))
        if kind == "none":
            parts.append(None)
            kind = "all"
        if kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "cut" and n > 1:
            parts.append(slice(1, None))
        elif kind == "every other":
            parts.append(slice(None, None, 2))
        else:
            parts.append(slice(None))
    if draw(st.booleans()):
        while parts and parts[-1] == slice(None):
            parts.pop()
        parts.append(Ellipsis)
    return tuple(parts)


class _Writer:
    """Draws a program step by step, with the shapes and what may still be changed."""

    def __init__(self, draw: Any, smooth: bool, reads: bool) -> None:
        self.draw, self.smooth, self.reads = draw, smooth, reads
        dims = st.lists(st.integers(1, 3), max_size=3).map(tuple)
        leaves = draw(st.lists(dims, min_size=1, max_size=3))
        self.program = Program(leaves, draw(st.integers(0, 99)))
        self.shapes: list[Shape | None] = list(leaves)
        self.buffer = list(range(len(leaves)))  # which values share memory
        self.fixed: set[int] = set(self.buffer)  # buffers not to be changed any more

    def pick(self, wanted: Callable[[Shape], bool] = lambda s: True) -> int | None:
        fits = [i for i, s in enumerate(self.shapes) if s is not None and wanted(s)]
        # The youngest first: shrinks to short chains, and makes deep ones likely.
        return self.draw(st.sampled_from(fits[::-1])) if fits else None

    def shape(self, i: int) -> Shape:
        shape = self.shapes[i]
        assert shape is not None
        return shape

    def emit(
        self,
        name: str,
        args: tuple[int, ...],
        shape: Shape,
        *how: Any,
        view: bool = False,
        new: bool = False,
    ) -> int:
        """A step with one new value. A view shares its first argument's memory; *new*
        memory may be changed in place until something else uses it."""
        plain = view or self.smooth
        no_grad = not plain and self.draw(st.integers(0, 19)) == 19
        self.program.steps.append(Step(name, args, how, no_grad))
        self.shapes.append(shape)
        out = len(self.shapes) - 1
        if view:
            self.buffer.append(self.buffer[args[0]])
        else:
            self.buffer.append(out)
            self.fixed.update(self.buffer[a] for a in args)
            if not new:
                self.fixed.add(out)
        return out

    def act(self, name: str, args: tuple[int, ...], *how: Any) -> None:
        """A step without a new value."""
        self.program.steps.append(Step(name, args, how))

    def loose(self) -> list[int]:
        """Values that may be changed in place."""
        return [
            i
            for i, s in enumerate(self.shapes)
            if s is not None and self.buffer[i] not in self.fixed
        ]

    # Each kind of step: draws its arguments, does nothing where none fit.

    def unary(self) -> None:
        a = self.pick()
        assert a is not None
        names = list(SMOOTH_UNARY) + ([] if self.smooth else list(KINKED_UNARY))
        self.emit("unary", (a,), self.shape(a), self.draw(st.sampled_from(names)))

    def binary(self) -> None:
        a = self.pick()
        assert a is not None
        b = self.pick(lambda s: _broadcast(self.shape(a), s) is not None)
        assert b is not None
        names = list(SMOOTH_BINARY) + ([] if self.smooth else list(KINKED_BINARY))
        if self.smooth:
            names.remove("pow")  # |a| has a kink
        out = _broadcast(self.shape(a), self.shape(b))
        assert out is not None
        self.emit("binary", (a, b), out, self.draw(st.sampled_from(names)))

    def reduce(self) -> None:
        a = self.pick(lambda s: len(s) > 0)
        if a is None:
            return
        shape = self.shape(a)
        dim, keep = self.draw(st.integers(0, len(shape) - 1)), self.draw(st.booleans())
        names = list(SMOOTH_REDUCTIONS) + (
            [] if self.smooth else list(KINKED_REDUCTIONS)
        )
        kept = (1,) if keep else ()
        out = shape[:dim] + kept + shape[dim + 1 :]
        dim = self.draw(st.sampled_from([dim, dim - len(shape)]))
        self.emit("reduce", (a,), out, self.draw(st.sampled_from(names)), dim, keep)

    def normalise(self) -> None:
        a = self.pick(lambda s: len(s) > 0)
        if a is None:
            return
        dim = self.draw(st.integers(-len(self.shape(a)), len(self.shape(a)) - 1))
        name = self.draw(st.sampled_from(list(NORMALISATIONS)))
        self.emit("normalise", (a,), self.shape(a), name, dim)

    def matmul(self) -> None:
        a = self.pick(lambda s: len(s) > 0)
        if a is None:
            return
        shape = self.shape(a)

        def fits(s: Shape) -> bool:
            inner = len(s) and s[max(len(s) - 2, 0)] == shape[-1]
            return bool(inner) and _broadcast(shape[:-2], s[:-2]) is not None

        b = self.pick(fits)
        if b is None:
            return
        out = np.matmul(np.zeros(shape), np.zeros(self.shape(b))).shape
        self.emit("matmul", (a, b), out)

    def view_of_loose(self) -> None:
        """A view of memory that may still be changed."""
        loose = self.loose()
        self.view(self.draw(st.sampled_from(loose[::-1])) if loose else None)

    def view(self, a: int | None = None) -> None:
        a = self.pick() if a is None else a
        assert a is not None
        shape = self.shape(a)
        empty = np.zeros(shape)
        kinds = ["flatten", "unsqueeze", "index", "expand"]
        kinds += ["transpose", "permute", "diagonal"] if len(shape) > 1 else []
        kinds += ["squeeze"] if 1 in shape else []
        kind = self.draw(st.sampled_from(kinds))
        if kind == "flatten":
            # Not always a view, so that what follows may not write through it.
            self.emit("reshape", (a,), (empty.size,), (-1,))
        elif kind == "unsqueeze":
            dim = self.draw(st.integers(0, len(shape)))
            out = np.expand_dims(empty, dim).shape
            self.emit("unsqueeze", (a,), out, dim, view=True)
        elif kind == "index":
            index = _index(self.draw, shape)
            self.emit("index", (a,), empty[index].shape, index, view=True)
        elif kind == "expand":
            out = (2, *(2 if n == 1 else n for n in shape))
            self.emit("expand", (a,), out, out)
        elif kind == "transpose":
            self.emit("transpose", (a,), (*shape[:-2], shape[-1], shape[-2]), view=True)
        elif kind == "permute":
            order = tuple(self.draw(st.permutations(range(len(shape)))))
            out = empty.transpose(order).shape
            self.emit("permute", (a,), out, order, view=True)
        elif kind == "diagonal":
            out = np.diagonal(empty).shape
            self.emit("diagonal", (a,), out, view=True)
        else:
            dim = shape.index(1)
            self.emit("squeeze", (a,), np.squeeze(empty, dim).shape, dim, view=True)

    def gather(self) -> None:
        a = self.pick(lambda s: len(s) > 0)
        if a is None:
            return
        shape = self.shape(a)
        rows = st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=4).map(tuple)
        kind = self.draw(st.sampled_from(["rows", "index_select", "gather", "roll"]))
        index = self.draw(rows)
        out = (*((len(index),) if kind != "roll" else shape[:1]), *shape[1:])
        self.emit(kind, (a,), out, index)

    def join(self) -> None:
        a = self.pick()
        assert a is not None
        b = self.pick(lambda s: s == self.shape(a))
        assert b is not None
        shape = self.shape(a)
        if shape and self.draw(st.booleans()):
            self.emit("cat", (a, b), (2 * shape[0], *shape[1:]))
        else:
            self.emit("stack", (a, b), (2, *shape))

    def clone(self) -> None:
        """New memory that the next steps may change in place."""
        a = self.pick()
        assert a is not None
        self.emit("clone", (a,), self.shape(a), new=True)

    def change(self) -> None:
        loose = self.loose()
        if not loose:
            return self.clone()
        a = self.draw(st.sampled_from(loose[::-1]))
        b = self.pick(lambda s: _broadcast(self.shape(a), s) == self.shape(a))
        if b is None or self.buffer[b] == self.buffer[a]:
            return self.act("scale_", (a,), 0.75)
        self.fixed.add(self.buffer[b])
        self.act("in place", (a, b), self.draw(st.sampled_from(list(IN_PLACE))))

    def detach(self) -> None:
        a = self.pick()
        assert a is not None
        self.fixed.add(self.buffer[a])
        self.emit("detach", (a,), self.shape(a), view=True)

    def read(self) -> None:
        """Half of the reads only look; the others use the number as a constant."""
        a = self.pick()
        assert a is not None
        how = self.draw(st.sampled_from(list(READS)))
        if self.draw(st.booleans()):
            self.act("look", (a,), how)
        else:
            b = self.pick()
            assert b is not None
            self.emit("use number", (b, a), self.shape(b), how)

    def drop(self) -> None:
        """The last handle of a value goes; a leaf keeps being held for its gradient."""
        alive = [i for i, s in enumerate(self.shapes) if s is not None]
        later = alive[len(self.program.leaves) :]
        if len(later) < 2:
            return
        a = self.draw(st.sampled_from(later[:-1]))
        self.shapes[a] = None
        self.act("drop", (a,))

    def write(self, length: int, changes: bool) -> Program:
        if changes:
            # Short of arithmetic, rich in aliases: a buffer, views, writes, reads.
            self.clone()
            kinds = [self.change] * 4 + [self.view_of_loose] * 3 + [self.read] * 2
            kinds += [self.unary, self.binary, self.detach, self.drop, self.clone]
            return self.finish(length, kinds)
        kinds = [self.unary, self.binary, self.unary, self.binary, self.reduce]
        kinds += [self.normalise, self.matmul, self.view, self.view, self.gather]
        kinds += [self.join]
        if not self.smooth:
            kinds += [self.change, self.change, self.detach, self.drop]
        if self.reads:
            kinds += [self.read]
        return self.finish(length, kinds)

    def finish(self, length: int, kinds: list[Callable[[], None]]) -> Program:
        for _ in range(length):
            self.draw(st.sampled_from(kinds))()
        alive = [i for i, s in enumerate(self.shapes) if s is not None]
        heads = self.draw(st.lists(st.sampled_from(alive), max_size=3))
        self.program.heads = sorted({alive[-1], *heads})
        return self.program


@st.composite
def programs(
    draw: Any,
    max_length: int = 14,
    smooth: bool = False,
    reads: bool = True,
    changes: bool = False,
) -> Program:
    """Programs of up to *max_length* steps; *smooth* ones have derivatives of every
    order and change nothing in place; without *reads* nothing runs before the end;
    with *changes* most steps make views, change them in place, or read."""
    length = draw(st.integers(1, max_length))
    return _Writer(draw, smooth, reads and not smooth).write(length, changes)


def _value(lib: Any, step: Step, args: list[Any]) -> Any:
    """What one step computes, in the library's own operations."""
    a, how = args[0], step.how
    unary = {**SMOOTH_UNARY, **KINKED_UNARY}
    binary = {**SMOOTH_BINARY, **KINKED_BINARY}
    reductions = {**SMOOTH_REDUCTIONS, **KINKED_REDUCTIONS}
    match step.name:
        case "unary":
            return unary[how[0]](lib, a)
        case "binary":
            return binary[how[0]](lib, a, args[1])
        case "reduce":
            return reductions[how[0]](lib, a, how[1], how[2])
        case "normalise":
            return NORMALISATIONS[how[0]](lib, a, how[1])
        case "matmul":
            return a @ args[1]
        case "reshape":
            return a.reshape(*how[0])
        case "unsqueeze":
            return a.unsqueeze(how[0])
        case "squeeze":
            return a.squeeze(how[0])
        case "index":
            return a[how[0]]
        case "expand":
            return a.expand(*how[0])
        case "transpose":
            return a.transpose(-1, -2)
        case "permute":
            return a.permute(*how[0])
        case "diagonal":
            return a.diagonal()
        case "rows":
            return a[list(how[0])]
        case "index_select":
            return lib.index_select(a, 0, lib.tensor(list(how[0])))
        case "gather":
            index = np.broadcast_to(
                np.reshape(how[0], (-1,) + (1,) * (a.dim() - 1)),
                (len(how[0]), *a.shape[1:]),
            )
            return lib.gather(a, 0, lib.tensor(index.tolist()))
        case "roll":
            return lib.roll(a, how[0][0], 0)
        case "cat":
            return lib.cat([a, args[1]])
        case "stack":
            return lib.stack([a, args[1]])
        case "clone":
            return a.clone()
        case "detach":
            return a.detach()
        case "use number":
            return a * float(np.tanh(READS[how[0]](args[1])))
    raise AssertionError(step.name)


def play(
    lib: Any, program: Program, leaves: list[Any], largest: list[float] | None = None
) -> list[Any]:
    """Run the steps; the values that are still held, None where one was dropped."""
    values: list[Any] = list(leaves)
    for step in program.steps:
        match step.name:
            case "idle":
                continue
            case "drop":
                values[step.args[0]] = None
                continue
        args = [values[i] for i in step.args]
        match step.name:
            case "look":
                READS[step.how[0]](args[0])
            case "scale_":
                args[0].mul_(step.how[0])
            case "in place":
                IN_PLACE[step.how[0]](args[0], args[1])
            case _ if step.no_grad:
                with lib.no_grad():
                    values.append(_value(lib, step, args))
            case _:
                values.append(_value(lib, step, args))
        if largest is not None and values[-1] is not None and values[-1].numel():
            largest[0] = max(largest[0], float(values[-1].detach().abs().max()))
    return values


def loss_of(lib: Any, program: Program, values: list[Any]) -> Any:
    """A scalar that weighs each element of the heads differently."""
    total: Any = 0.0
    for k, i in enumerate(program.heads):
        head = values[i]
        weights = np.cos(np.arange(head.numel()) + k).reshape(tuple(head.shape))
        total = total + (head * lib.tensor(weights, dtype=lib.float64)).sum()
    return total


def leaves_of(lib: Any, program: Program) -> list[Any]:
    return [
        lib.tensor(a, dtype=lib.float64, requires_grad=True) for a in program.arrays()
    ]


@dataclass
class Outcome:
    """What a run leaves: the loss, the values still held, the leaves' gradients."""

    loss: float
    values: list[np.ndarray[Any, Any] | None]
    grads: list[np.ndarray[Any, Any] | None]
    largest: float

    @classmethod
    def of(
        cls, loss: Any, values: list[Any], leaves: list[Any], largest: float = 0.0
    ) -> Outcome:
        """After ``loss.backward()`` where there is something to differentiate."""
        if loss.requires_grad:
            loss.backward()
        return cls(
            loss=loss.item(),
            values=[None if v is None else v.detach().numpy().copy() for v in values],
            grads=[None if x.grad is None else x.grad.numpy().copy() for x in leaves],
            largest=largest,
        )

    def assert_same(self, other: Outcome, rtol: float) -> None:
        close: Any = np.testing.assert_allclose
        pairs = [*zip(self.values, other.values, strict=True)]
        # The gradient of a leaf that was overwritten before its use may be None or
        # zero: both say the same.
        for mine, theirs in zip(self.grads, other.grads, strict=True):
            if mine is None or theirs is None:
                assert all(g is None or not g.any() for g in (mine, theirs))
            else:
                pairs.append((mine, theirs))
        for mine, theirs in [(np.float64(self.loss), np.float64(other.loss)), *pairs]:
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                assert mine.shape == theirs.shape
                scale = float(np.abs(theirs).max(initial=0.0)) + 1.0
                close(mine, theirs, rtol=rtol, atol=rtol * scale)


def outcome(lib: Any, program: Program, watch: bool = False) -> Outcome:
    """Play, differentiate, and read everything at the end."""
    leaves = leaves_of(lib, program)
    largest = [0.0]
    values = play(lib, program, leaves, largest if watch else None)
    return Outcome.of(loss_of(lib, program, values), values, leaves, largest[0])
