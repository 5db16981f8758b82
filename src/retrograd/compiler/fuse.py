"""Which operations share a kernel.

A kernel is a loop over rows, and for each row one or more loops along it (*phases*):
after a phase the reductions along the row are known and the next phase may use them.
Softmax, normalisations and losses become one kernel so, and a chain of element-wise
operations a single loop. Nodes are taken in order; each joins the kernel of its
operands, or the last one, where shapes and places agree, and else begins a new one.
"""

from __future__ import annotations

from typing import Any

from ..ops.op import Shape, Spec
from ..trace import Const
from .ir import FLOATS
from .lower import element_of, lowering
from .program import Node, Program
from .views import (
    View,
    broadcast,
    derived,
    squeezed,
    squeezed_strides,
    whole,
)

REDUCTIONS = {"sum": "add", "prod": "mul", "amax": "maximum", "amin": "minimum",
              "all": "and", "any": "or"}  # fmt: skip
POOLING = ("max_pool", "max_pool_index", "max_pool_input", "plane_add", "sum_pool",
           "sum_pool_input")  # fmt: skip
SCALAR, ROW, FULL = 0, 1, 2
#: nodes in one kernel: code grows with them, and so does what must stay in registers
MOST = 96


class Kernel:
    """Something that is run as a whole; ``nodes`` in order."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []


class Seen:
    """A value as it is seen now; later its name may stand for a copy."""

    __slots__ = ("spec",)

    def __init__(self, spec: Spec) -> None:
        self.spec = spec


class Call(Kernel):
    """An operation that has no kernel: its NumPy ``forward``; ``run`` is what is
    called, on what, and where the result goes."""

    run: Any = None


class Product(Kernel):
    """A matrix product."""


class Convolution(Kernel):
    """A convolution, or one of its adjoints."""


class Pooling(Kernel):
    """Windows reduced, or their adjoints."""


class Joined(Kernel):
    """An array put together of ``parts``: (what, where) in order."""

    def __init__(self, parts: list[Any]) -> None:
        super().__init__()
        self.parts = parts


class Rows(Kernel):
    """Rows chosen by an index, or added where an index says."""


class Random(Kernel):
    """Random numbers."""


class Columns(Kernel):
    """A reduction that keeps the last dimension: rows are added to rows."""


class Loop(Kernel):
    """Element-wise operations and reductions along rows (see the module)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape  # without dimensions of length 1
        self.order = tuple(range(len(shape)))
        self.outer = 0  # so many of the ordered dimensions are rows
        self.decided = False
        self.level: dict[Node, int] = {}
        self.phase: dict[Node, int] = {}

    @property
    def rows(self) -> Shape:
        return tuple(self.shape[d] for d in self.order[: self.outer])

    @property
    def inner(self) -> Shape:
        return tuple(self.shape[d] for d in self.order[self.outer :])

    def decide(self, reduced: tuple[int, ...]) -> None:
        """Fix the rows: everything but the *reduced* dimensions."""
        kept = tuple(d for d in range(len(self.shape)) if d not in reduced)
        self.order, self.outer, self.decided = kept + reduced, len(kept), True

    def place(self, view: View, level: int) -> Shape:
        """Strides over rows and along them of an operand of a node of that level."""
        n = len(self.shape)
        if level == SCALAR:
            return (0,) * n
        strides = squeezed_strides(view)
        if level == ROW:
            return strides + (0,) * (n - self.outer)
        return tuple(strides[d] for d in self.order)

    def own_place(self, node: Node) -> Shape:
        """Strides of a node's own values, as they lie in its buffer."""
        return self.place(whole(node), self.level[node])


class Fusion:
    """The kernels of a program, in the order in which they run."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.views: dict[Any, View] = {}
        self.kernels: list[Kernel] = []
        self.home: dict[Node, int] = {}  # the kernel that makes a node
        self.floor: dict[Any, int] = {}  # no user in a kernel before this one
        for node in program.nodes:
            self._take(node)

    def view(self, key: Any) -> View:
        found = self.views.get(key)
        if found is None:
            found = self.views[key] = whole(key)
        return found

    # -- placing nodes --------------------------------------------------------------

    def _take(self, node: Node) -> None:
        name = node.op.name
        same = name in ("detach", "barrier")
        if node.op.view or same:
            source = self.view(node.inputs[0])
            if name == "barrier":
                self.floor[node] = len(self.kernels) - 1
            elif node.inputs[0] in self.floor:
                self.floor[node] = self.floor[node.inputs[0]]
            seen = source if same else derived(node, source)
            if seen is None and 0 not in node.spec.shape and element_of(node.spec):
                copied = self.copy(node.inputs[0])
                seen = derived(node, whole(copied))
            if seen is not None:
                self.views[node] = seen
                return
        if self._loops(node) or self._special(node):
            return
        call = Call()
        node.inputs = tuple(self._lying(key) for key in node.inputs)
        self._append(call, node)

    def copy(self, key: Any) -> Node:
        """The values of *key* in a buffer of their own."""
        from ..ops.op import REGISTRY

        seen = Seen(key.spec)
        self.views[seen] = self.view(key)
        if key in self.floor:
            self.floor[seen] = self.floor[key]
        state = getattr(key, "state", None)
        node = Node(REGISTRY["clone"], (seen,), {}, key.spec, state)  # type: ignore[arg-type]
        if not self._loops(node):
            raise NotImplementedError(f"no kernel copies {key.spec!r}")
        return node

    def _lying(self, key: Any) -> Any:
        """A value that is used as a whole array: itself, or a copy that lies so."""
        view = self.view(key)
        if type(key) is Const or view == whole(key):
            return key  # a number, or an array as it is
        if type(view.buffer) is not Const and view == whole(view.buffer):
            return view.buffer  # another name of a whole array
        if element_of(key.spec) is None:
            raise NotImplementedError(f"no kernel copies {key.spec!r}")
        return self.copy(key)

    def _append(self, kernel: Kernel, node: Node) -> None:
        kernel.nodes.append(node)
        self.kernels.append(kernel)
        self.home[node] = len(self.kernels) - 1

    def _special(self, node: Node) -> bool:
        name = node.op.name
        if name == "matmul":
            return self._product(node)
        if name in ("conv", "conv_input", "conv_weight"):
            return self._windowed(node, Convolution(), len(node.spec.shape) - 2)
        if name == "uniform" and element_of(node.spec) == "float" and node.spec.size:
            self._append(Random(), node)
            return True
        if name in ("cat", "pad", "view_write"):
            return self._joined(node)
        if name in ("index", "index_put"):
            return self._chosen_rows(node)
        if name in POOLING:
            return self._windowed(node, Pooling(), _pooled(node))
        if name in REDUCTIONS and element_of(node.spec) and node.attrs["dim"]:
            if element_of(node.inputs[0].spec) and 0 not in node.inputs[0].spec.shape:
                if type(self.view(node.inputs[0]).buffer) is Const:
                    node.inputs = (self._lying(node.inputs[0]),)
                self._append(Columns(), node)
                return True
        return False

    def _windowed(self, node: Node, kernel: Kernel, dimensions: int) -> bool:
        shapes = [k.spec.shape for k in (*node.inputs, node)]
        element = element_of(node.inputs[0].spec)
        if element not in FLOATS or any(0 in s for s in shapes) or dimensions > 2:
            return False
        node.inputs = tuple(self._memory(key) for key in node.inputs)
        self._append(kernel, node)
        return True

    def _joined(self, node: Node) -> bool:
        from .join import parts_of

        if any(element_of(k.spec) is None for k in (*node.inputs, node)):
            return False
        if 0 in node.spec.shape or any(
            k.spec.dtype is not node.spec.dtype for k in node.inputs
        ):
            return False
        if any(type(self.view(k).buffer) is Const for k in node.inputs):
            node.inputs = tuple(self._memory(k) for k in node.inputs)
        parts = parts_of(node, self)
        if parts is None:
            return False
        self._append(Joined(parts), node)
        return True

    def _chosen_rows(self, node: Node) -> bool:
        table, *value, index = (k.spec for k in node.inputs)
        if len(node.inputs) != (3 if node.op.name == "index_put" else 2):
            return False
        fits = node.attrs["dims"] == (0,) and element_of(table) in (*FLOATS, "i64")
        shapes = [k.spec.shape for k in (*node.inputs, node)]
        if not fits or any(0 in s for s in shapes):
            return False
        if element_of(index) not in ("i64", "i32"):
            return False
        if value and value[0] != Spec((*index.shape, *table.shape[1:]), table.dtype):
            return False
        node.inputs = tuple(self._memory(k) for k in node.inputs)
        self._append(Rows(), node)
        return True

    def _memory(self, key: Any) -> Any:
        """A value as an array that lies row by row, also where it is one number."""
        if type(self.view(key).buffer) is Const:
            return self.copy(key)
        return self._lying(key)

    def _product(self, node: Node) -> bool:
        a, b = (self.view(k) for k in node.inputs)
        if element_of(node.spec) not in FLOATS or 0 in (*a.shape, *b.shape):
            return False
        if len(a.shape) < 2 or len(b.shape) < 2:
            return False
        operands = []
        for key, v in zip(node.inputs, (a, b), strict=True):
            # one of the two dimensions of a matrix must lie in steps of one
            flat = 1 not in v.strides[-2:] and any(n != 1 for n in v.shape[-2:])
            lies = not flat and type(v.buffer) is not Const
            operands.append(key if lies else self._lying(key))
        node.inputs = tuple(operands)
        self._append(Product(), node)
        return True

    def _loops(self, node: Node) -> bool:
        """Place an element-wise operation or a reduction along rows."""
        if 0 in node.spec.shape or any(0 in k.spec.shape for k in node.inputs):
            return False
        kind = self._kind(node)
        if kind is None:
            return False
        producers = [
            self.home[b]
            for b in (self.view(k).buffer for k in node.inputs)
            if b in self.home
        ]
        producers += [self.floor[k] for k in node.inputs if k in self.floor]
        first = max(producers, default=-1)
        last = len(self.kernels) - 1
        avoid = self.home.get(node.late) if node.late else None
        for i in dict.fromkeys((first, last)):
            if i >= 0 and i >= first and i != avoid and type(self.kernels[i]) is Loop:
                if self._join(self.kernels[i], node, kind):  # type: ignore[arg-type]
                    self.home[node] = i
                    return True
        source = node.inputs[0] if kind in ("reduce", "pick") else node
        fresh = Loop(squeezed(source.spec.shape))
        if not self._join(fresh, node, kind):
            return False
        self.kernels.append(fresh)
        self.home[node] = len(self.kernels) - 1
        return True

    def _kind(self, node: Node) -> str | None:
        name = node.op.name
        if any(element_of(k.spec) is None for k in (*node.inputs, node)):
            return None
        if name == "zeros" or lowering(node) is not None:
            return "map"
        if name in REDUCTIONS:
            return "reduce" if self._along_rows(node) else None
        if name in ("gather", "pick_class", "scatter"):
            shape, index = node.inputs[0].spec.shape, node.inputs[1].spec.shape
            dim = node.attrs["dim"]
            last = bool(shape) and dim == len(shape) - 1 and shape[-1] > 1
            if last and index == (*shape[:-1], 1):
                if name == "scatter":
                    same = node.inputs[2].spec.shape == index
                    return "put" if same and node.attrs["reduce"] == "add" else None
                return "pick" if element_of(node.spec) in FLOATS else None
        return None

    def _along_rows(self, node: Node) -> bool:
        shape, dims = node.inputs[0].spec.shape, node.attrs["dim"]
        kept = [d for d, n in enumerate(shape) if n != 1 and d not in dims]
        gone = [d for d in dims if shape[d] != 1]
        view = self.view(node.inputs[0])
        if not gone:
            return False
        if not kept:
            return True
        # along what lies closest together
        steps = {d: abs(view.strides[d]) or 1 << 60 for d in kept + gone}
        return min(steps, key=lambda d: (steps[d], -d)) in gone

    def _join(self, kernel: Loop, node: Node, kind: str) -> bool:
        """Add *node* to a kernel, if its shape and the places of its operands fit."""
        if len(kernel.nodes) >= MOST:
            return False
        before = (kernel.order, kernel.outer, kernel.decided)
        if self._fits(kernel, node, kind):
            kernel.nodes.append(node)
            return True
        kernel.order, kernel.outer, kernel.decided = before
        kernel.level.pop(node, None)
        kernel.phase.pop(node, None)
        return False

    def _fits(self, kernel: Loop, node: Node, kind: str) -> bool:
        reads: list[tuple[Any, Shape, int]] = []  # operand, shape it is used in, level
        if kind in ("reduce", "pick"):
            full = node.inputs[0].spec.shape
            if squeezed(full) != kernel.shape:
                return False
            if kind == "reduce":
                dims = {d for d in node.attrs["dim"] if full[d] != 1}
            else:
                dims = {len(full) - 1}
            at = [d for d, n in enumerate(full) if n != 1]
            if not self._rows(kernel, tuple(i for i, d in enumerate(at) if d in dims)):
                return False
            level = ROW
            reads.append((node.inputs[0], full, FULL))
            if kind == "pick":
                reads.append((node.inputs[1], node.spec.shape, ROW))
        elif kind == "put":
            shape = node.spec.shape
            if squeezed(shape) != kernel.shape:
                return False
            if not self._rows(kernel, (len(kernel.shape) - 1,)):
                return False
            level = FULL
            reads.append((node.inputs[0], shape, FULL))
            for key in node.inputs[1:]:
                reads.append((key, key.spec.shape, ROW))
        else:
            shape = node.spec.shape
            small = squeezed(shape)
            if small == kernel.shape:
                level = FULL
            elif kernel.decided and small == kernel.rows:
                level = ROW
            elif small == ():
                level = SCALAR
            else:
                return False
            if small == () and kernel.decided and kernel.outer == 0:
                inside = [self.view(k).buffer for k in node.inputs]
                rowish = any(kernel.level.get(b, SCALAR) == ROW for b in inside)
                level = ROW if rowish else SCALAR
                if kernel.shape == ():
                    level = FULL
            reads += [(k, shape, level) for k in node.inputs]
        phase = 0
        for key, shape, used in reads:
            place = broadcast(self.view(key), shape)
            made = place.buffer
            if made not in kernel.level:
                continue
            if kernel.level[made] > used:
                return False
            if place.offset or kernel.place(place, used) != kernel.own_place(made):
                return False
            after = made.op.name in (*REDUCTIONS, "gather", "pick_class")
            phase = max(phase, kernel.phase[made] + after)
        kernel.level[node], kernel.phase[node] = level, phase
        return True

    def _rows(self, kernel: Loop, reduced: tuple[int, ...]) -> bool:
        """Let the kernel go along the *reduced* dimensions, if it can."""
        if not reduced:
            return False
        if kernel.decided:
            return set(kernel.order[kernel.outer :]) == set(reduced)
        kernel.decide(reduced)
        return True


def _pooled(node: Node) -> int:
    """How many dimensions are pooled."""
    attrs = node.attrs
    return len(attrs["plane"] if "plane" in attrs else attrs["count"])
