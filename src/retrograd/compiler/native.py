"""A plan whose operations run as machine code, with NumPy calls between where an
operation has no kernel.

The native code reads the data pointers out of the array objects that it is called with,
so that a call costs no more than a few hundred nanoseconds. Parameters that nobody reads
afterwards are written in place.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from sys import getrefcount
from typing import Any

import numpy as np

from ..dtypes import float64
from ..ops.op import Array
from ..trace import Arg, Bound, Const, State, memory_of
from . import jit
from .chance import RandomCode
from .conv import ConvCode
from .fuse import (
    Call,
    Columns,
    Convolution,
    Fusion,
    Joined,
    Kernel,
    Loop,
    Pooling,
    Random,
    Rows,
)
from .ir import SIZES, Function, Module, Value
from .join import JoinCode
from .loops import ColumnsCode, LoopCode
from .lower import element_of
from .memory import Life, arrange
from .passes import optimized
from .pool import POOL
from .pooling import PoolCode
from .products import ProductCode
from .program import Node, from_trace
from .recompute import recompute
from .rows import RowsCode
from .stage import ERROR, SCRATCH, WORTH, Stage
from .views import whole

#: operations that may find an index that lies outside
CHECKED = ("gather", "pick_class", "scatter", "index", "index_put", "plane_add")
#: nanoseconds below which the interpreter's lock is kept
_RELEASE = 20_000.0
#: nanoseconds of divided work for which sleeping threads are woken
_WAKE = 200_000.0
#: bytes in front of the arena: whether something is wrong, and the pool
HEADER = 64


#: the graphs of this process that have become machine code
NATIVES: weakref.WeakSet[Native] = weakref.WeakSet()
_numbers = itertools.count()


class Segment:
    """Kernels in a row as one function of arrays."""

    def __init__(self) -> None:
        self.kernels: list[int] = []
        self.inputs: list[Any] = []  # buffers that come from outside
        self.outputs: list[Any] = []  # … and that others want
        self.function: Any = None
        self.address = 0  # of its code
        self.stages: list[tuple[int, Stage]] = []  # kernel and stage, as they run
        self.arena: Any = None
        self.size = 0  # of what lies in the arena
        self.keep: Any = None  # what must live as long as the function
        self.ins: list[int] = []  # slots of the inputs
        self.outs: list[Any] = []  # slot, shape and type of each output
        self.pool: list[Any] = []
        self.clean = True  # the inputs are sure to lie row by row

    def results(self) -> list[Array]:
        """Arrays for the outputs: new ones, or of the pool if nobody holds them."""
        made = []
        pool = self.pool
        for i, (_, shape, dtype) in enumerate(self.outs):
            array = pool[i]
            if array is None:
                array = np.empty(shape, dtype)
            elif getrefcount(array) > 3:  # somebody holds what it showed before
                array = pool[i] = np.empty(shape, dtype)
            made.append(array)
        return made


class Native:
    """How a plan's values are computed; ``steps`` are segments and NumPy calls."""

    def __init__(self, plan: Any) -> None:
        if not jit.layout_known():
            raise NotImplementedError("arrays look different in memory here")
        wanted = [k for k in plan.wanted if type(k) is State]
        program = recompute(optimized(from_trace(plan.nodes, wanted)))
        self.fusion = fusion = Fusion(program)
        #: the buffer in which each wanted state arrives
        self.results: dict[Any, Any] = {}
        for state, key in program.wanted.items():
            if type(key) is not Node or fusion.view(key) != whole(key):
                key = fusion.copy(key)
            self.results[state] = key
        self._outside()
        self._in_place(plan)
        self._cut()
        self._emit()
        self._prepare(plan)
        self.calls = any(type(step) is Call for step in self.steps)
        self._usual(plan)
        self.number = next(_numbers)
        NATIVES.add(self)

    def explain(self, measure: bool = True) -> Any:
        """The kernels, what is fused into each and from which lines, operations, bytes,
        memory, and the times: predicted, and measured on copies of the parameters."""
        from .explain import explain

        return explain(self, measure)

    # -- what lies where ------------------------------------------------------------

    def _reads(self, kernel: Kernel) -> set[Any]:
        buffers = set()
        for node in kernel.nodes:
            for key in node.inputs:
                buffers.add(self.fusion.view(key).buffer)
        return buffers

    def _outside(self) -> None:
        """Nodes whose values other kernels or the user want in memory."""
        fusion = self.fusion
        self.readers: dict[Any, list[int]] = {}
        for i, kernel in enumerate(fusion.kernels):
            for buffer in self._reads(kernel):
                self.readers.setdefault(buffer, []).append(i)
        self.outside = set(self.results.values())
        for buffer, readers in self.readers.items():
            if type(buffer) is Node and any(i != fusion.home[buffer] for i in readers):
                self.outside.add(buffer)
        for kernel in fusion.kernels:
            if type(kernel) is not Loop:
                self.outside.update(kernel.nodes)

    def _in_place(self, plan: Any) -> None:
        """Writes whose value can go straight into the memory of the leaf."""
        fusion = self.fusion
        self.target: dict[Node, Any] = {}
        checks = [
            i
            for i, kernel in enumerate(fusion.kernels)
            if any(n.op.name in CHECKED for n in kernel.nodes)
        ]
        given = [k for _, k in plan.outputs]
        given += [s for _, states in plan.bundles for s in states] + list(plan.saved)
        shown = {id(self.results[s]) for s in given if s in self.results}
        last = len(fusion.kernels) - 1
        calls = [i for i, k in enumerate(fusion.kernels) if type(k) is Call]
        taken: set[int] = set()
        for leaf, state in plan.writes:
            node = self.results.get(state)
            if node is None or id(node) in shown or id(node) in taken:
                continue
            home = fusion.home[node]
            kernel = fusion.kernels[home]
            safe = (
                leaf in plan.slot
                and type(kernel) is Loop
                and node.spec is leaf.spec
                and all(i <= home for i in self.readers.get(leaf, ()))
                and all(i <= home for i in checks)
                and all(i <= home for i in calls)
                and max(kernel.phase.values()) == 0
                and home <= last
            )
            if safe and home in self.readers.get(leaf, ()):
                safe = self._same_place(kernel, leaf, node)  # type: ignore[arg-type]
            if safe:
                self.target[node] = leaf
                taken.add(id(node))
        self.direct = [
            leaf
            for leaf, state in plan.writes
            if self.results.get(state) in self.target
        ]
        #: (node, leaf): values that are copied to the leaf when all else is done
        self.moved: list[tuple[Node, Any]] = []
        self.left = []
        for leaf, state in plan.writes:
            node = self.results.get(state)
            if node in self.target:
                continue
            known = type(leaf) is Bound and leaf in plan.slot
            if (
                known
                and type(node) is Node
                and node.spec is leaf.spec
                # after the last NumPy call, so that nothing can fail afterwards
                and all(i < fusion.home[node] for i in calls)
            ):
                self.moved.append((node, leaf))
                self.direct.append(leaf)
            else:
                self.left.append((leaf, state))
        self.written = set(self.direct)
        self.shown_nodes = shown

    def _same_place(self, kernel: Loop, leaf: Any, node: Node) -> bool:
        """Whether the kernel reads the leaf just where it writes the node."""
        from .views import broadcast

        own = kernel.own_place(node)
        for user in kernel.nodes:
            for key in user.inputs:
                view = self.fusion.view(key)
                if view.buffer is leaf:
                    if kernel.level[user] != kernel.level[node] or view.offset:
                        return False
                    stretched = broadcast(view, user.spec.shape)
                    if kernel.place(stretched, kernel.level[user]) != own:
                        return False
        return True

    def _cut(self) -> None:
        """Segments between NumPy calls."""
        self.steps: list[Any] = []
        fusion = self.fusion
        for i, kernel in enumerate(fusion.kernels):
            if type(kernel) is Call:
                self.steps.append(kernel)
            else:
                if not self.steps or type(self.steps[-1]) is not Segment:
                    self.steps.append(Segment())
                self.steps[-1].kernels.append(i)
        where: dict[Any, int] = {}
        for n, step in enumerate(self.steps):
            if type(step) is Segment:
                for i in step.kernels:
                    for node in fusion.kernels[i].nodes:
                        where[node] = n
            else:
                where[step.nodes[0]] = n
        within = {id(n) for n, _ in self.moved} - self.shown_nodes
        self.arrays: set[Any] = {
            b
            for b in self.results.values()
            if b not in self.target and id(b) not in within
        }
        for n, step in enumerate(self.steps):
            kernels = (
                [fusion.kernels[i] for i in step.kernels]
                if type(step) is Segment
                else [step]
            )
            for kernel in kernels:
                for buffer in self._reads(kernel):
                    if type(buffer) is Node and where[buffer] != n:
                        self.arrays.add(buffer)

    # -- code -----------------------------------------------------------------------

    def _emit(self) -> None:
        pool = POOL.prepare()
        for step in self.steps:
            if type(step) is Segment:
                library = jit.library(self.text(step))
                step.address = library.address("step")
                step.function, keep = jit.python_function(step.address)
                step.keep = (library, keep)
                step.arena = _aligned(step.size + HEADER)
                step.arena[8:16].view(np.int64)[0] = pool

    def text(self, step: Segment, clock: bool = False) -> str:
        """The code of a segment; with *clock*, it notes the time after each stage, at
        the address that the header names."""
        module = Module()
        known: dict[str, str] = {}
        width = jit.vector_bytes()
        codes = [self._kernel(module, known, i, width) for i in step.kernels]
        step.stages = [
            (i, stage)
            for i, (stages, _) in zip(step.kernels, codes, strict=True)
            for stage in stages
        ]
        self._entry(module, step, codes, clock)
        return module.text()

    def _kernel(
        self, module: Module, known: dict[str, str], i: int, width: int
    ) -> tuple[list[Stage], int]:
        """The stages of one kernel, and the scratch memory that they share; equal
        functions are the same one."""
        kernel = self.fusion.kernels[i]
        name = f"k{i}"
        code: Any
        if type(kernel) is Loop:
            code = LoopCode(module, name, kernel, self.fusion, self.outside, width)
        elif type(kernel) is Convolution:
            code = ConvCode(module, name, kernel, self.fusion, width)
        elif type(kernel) is Joined:
            code = JoinCode(module, name, kernel, self.fusion, width)
        elif type(kernel) is Rows:
            code = RowsCode(module, name, kernel, self.fusion, width)
        elif type(kernel) is Random:
            code = RandomCode(module, name, kernel, self.fusion, width)
        elif type(kernel) is Pooling:
            code = PoolCode(module, name, kernel, self.fusion, width)
        elif type(kernel) is Columns:
            code = ColumnsCode(module, name, kernel, self.fusion, width)
        else:
            code = ProductCode(module, name, kernel, self.fusion, width)  # type: ignore[arg-type]
        stages = []
        for stage in code.stages:
            body = module.functions[stage.function].text()
            body = body.replace(f"@{stage.function}(", "@(", 1)
            same = known.setdefault(body, stage.function)
            if same != stage.function:
                del module.functions[stage.function]
            stages.append(stage._replace(function=same))
        return stages, getattr(code, "scratch", 0)

    def _entry(
        self,
        module: Module,
        step: Segment,
        codes: list[tuple[list[Stage], int]],
        clock: bool,
    ) -> None:
        """The function that Python calls: pointers out of the objects, then stages."""
        fusion = self.fusion
        made = {n for i in step.kernels for n in fusion.kernels[i].nodes}
        lives: dict[Any, list[int]] = {}
        scratch = []
        work = 0.0
        for n, (stages, size) in enumerate(codes):
            for stage in stages:
                for buffer in stage.buffers:
                    if type(buffer) is not str:
                        lives.setdefault(buffer, [n, n])[1] = n
                work += stage.nanoseconds
            if size:
                scratch.append((n, size))
        moved = [(n, leaf) for n, leaf in self.moved if n in made]
        for node, leaf in moved:
            lives[node][1] = len(codes)
            lives.setdefault(leaf, [0, len(codes)])
        inputs, outputs, inner = [], [], []
        for buffer in lives:
            if buffer in self.target:
                continue
            if buffer not in made:
                inputs.append(buffer)
            elif buffer in self.arrays:
                outputs.append(buffer)
            else:
                inner.append(buffer)
        for node, leaf in self.target.items():
            if node in made and leaf not in inputs:
                inputs.append(leaf)
        spaces = [Life(b.spec.nbytes, *lives[b]) for b in inner]
        spaces += [Life(size, n, n) for n, size in scratch]
        offsets, size = arrange(spaces)
        inputs.sort(key=lambda b: (type(b) is not Arg, type(b) is not Bound))
        step.inputs, step.outputs = inputs, outputs
        step.size = size
        f = Function(
            module,
            "step",
            [("ptr", "self"), ("ptr", "args"), ("i64", "n")],
            "ptr",
            False,
        )
        pointers = self._unpack(f, [*inputs, *outputs])
        arena = self._data(f, len(inputs) + len(outputs))
        for buffer, offset in zip(inner, offsets, strict=False):
            pointers[buffer] = f.at(arena, offset + HEADER, "i8")
        space = {}
        for (n, _), offset in zip(scratch, offsets[len(inner) :], strict=True):
            space[n] = f.at(arena, offset + HEADER, "i8")
        for node, leaf in self.target.items():
            if node in made:
                pointers[node] = pointers[leaf]
        self._unaliased(f, made, inputs)
        doubles = any(b.spec.dtype is float64 for b in (*made, *lives))
        self._prologue(f, work > _RELEASE, jit.is_x86() and not doubles)
        f.emit(f"store i32 0, ptr {arena.name}, align 4")
        shared = [s for stages, _ in codes for s in stages if divided(s)]
        wake = int(sum(s.nanoseconds for s in shared) > _WAKE)
        if shared:
            most = max(len(s.buffers) for s in shared)
            self.context = f.value(f"alloca [{most} x ptr], align 8", "ptr")
            self.pool = f.load(f.at(arena, 8, "i8"), "ptr_")
            self.share = f.load(self.pool, "ptr_")
        checks = [
            n
            for n, (stages, _) in enumerate(codes)
            if any(ERROR in s.buffers for s in stages)
        ]
        ticks = _Ticks(f, arena) if clock else None
        for n, (stages, _) in enumerate(codes):
            for stage in stages:
                given = []
                for b in stage.buffers:
                    if b is ERROR:
                        given.append(arena)
                    else:
                        given.append(space[n] if b is SCRATCH else pointers[b])
                if divided(stage):
                    self._shared(f, stage, given, wake)
                else:
                    whole = Value("0", "i64"), Value(str(stage.extent), "i64")
                    f.call(stage.function, *given, *whole)
                if ticks:
                    ticks.note()
            if checks and n == checks[-1]:
                wrong = f.load(arena, "i32")
                bad = f.op(f"icmp ne i32 {wrong.name}, 0")
                f.emit(f"br i1 {bad}, label %wrong, label %right")
                f.start("wrong")
                self._epilogue(f, 2)
                f.start("right")
        for node, leaf in moved:
            f.module.declare("llvm.memcpy.p0.p0.i64", "void (ptr, ptr, i64, i1)")
            f.emit(f"call void @llvm.memcpy.p0.p0.i64(ptr {pointers[leaf].name}, "
                   f"ptr {pointers[node].name}, i64 {leaf.spec.nbytes}, i1 false)")  # fmt: skip
        self._epilogue(f, 0)
        f.start("layout")
        self._return(f, 1)

    def _shared(self, f: Function, stage: Stage, given: list[Value], wake: int) -> None:
        """Have a stage done by all threads: a function that they can call with one
        pointer, to the pointers that the stage takes."""
        module, task = f.module, f"{stage.function}_task"
        if task not in module.functions:
            kinds = [("ptr", "on"), ("i64", "begin"), ("i64", "end")]
            t = Function(module, task, kinds)
            on, begin, end = t.parameters
            places = [t.load(t.at(on, 8 * i, "i8"), "ptr_") for i in range(len(given))]
            t.call(stage.function, *places, begin, end)
            t.emit("ret void")
        for i, pointer in enumerate(given):
            f.emit(f"store ptr {pointer.name}, "
                   f"ptr {f.at(self.context, 8 * i, 'i8').name}, align 8")  # fmt: skip
        f.emit(
            f"call void {self.share.name}(ptr {self.pool.name}, ptr @{task}, "
            f"ptr {self.context.name}, i64 {stage.extent}, i64 {wake})"
        )

    def _data(self, f: Function, i: int) -> Value:
        place = f.at(f.parameters[1], i, "i64")
        return f.load(f.at(f.load(place, "ptr_"), jit.DATA, "i8"), "ptr_")

    def _unpack(self, f: Function, buffers: list[Any]) -> dict[Any, Value]:
        """Data pointers of the arrays; out if one does not lie row by row."""
        pointers: dict[Any, Value] = {}
        fine = Value("true", "i1")
        for i, buffer in enumerate(buffers):
            place = f.at(f.parameters[1], i, "i64")
            array = f.load(place, "ptr_")
            pointers[buffer] = f.load(f.at(array, jit.DATA, "i8"), "ptr_")
            flags = f.load(f.at(array, jit.FLAGS, "i8"), "i32")
            both = f.value(f"and i32 {flags.name}, 257", "i32")  # contiguous, aligned
            good = Value(f.op(f"icmp eq i32 {both.name}, 257"), "i1")
            fine = f.logic("and", fine, good)
        f.emit(f"br i1 {fine.name}, label %start, label %layout")
        f.start("start")
        return pointers

    def _unaliased(self, f: Function, made: set[Node], inputs: list[Any]) -> None:
        """Out if an argument is a view of memory that is written in place."""
        written = [b for n, b in self.target.items() if n in made]
        views = [b for b in inputs if type(b) is Arg and b not in written]
        if not written or not views:
            return
        owners = [self._object(f, inputs.index(b)) for b in written]
        bad = Value("false", "i1")
        for view in views:
            array = self._object(f, inputs.index(view))
            base = f.load(f.at(array, jit.BASE, "i8"), "ptr_")
            for owner in owners:
                same = Value(f.op(f"icmp eq ptr {base.name}, {owner.name}"), "i1")
                bad = f.logic("or", bad, same)
        f.emit(f"br i1 {bad.name}, label %alias, label %apart")
        f.start("alias")
        self._return(f, 3)
        f.start("apart")

    def _object(self, f: Function, i: int) -> Value:
        return f.load(f.at(f.parameters[1], i, "i64"), "ptr_")

    def _prologue(self, f: Function, released: bool, flushes: bool) -> None:
        """Denormal numbers of float32 count as zero (they cost a hundredfold; who
        computes in float64 wants them), and other Python threads may run meanwhile,
        if the work is worth it."""
        declare = f.module.declare
        self.released = released
        if released:
            declare("PyEval_SaveThread", "ptr ()")
            declare("PyEval_RestoreThread", "void (ptr)")
            self.thread = f.value("call ptr @PyEval_SaveThread()", "ptr")
        self.flushes = flushes
        if flushes:
            self.flags = f.value("alloca i32, align 4", "ptr")
            self.other = f.value("alloca i32, align 4", "ptr")
            declare("llvm.x86.sse.stmxcsr", "void (ptr)")
            declare("llvm.x86.sse.ldmxcsr", "void (ptr)")
            f.emit(f"call void @llvm.x86.sse.stmxcsr(ptr {self.flags.name})")
            now = f.load(self.flags, "i32")
            quick = f.value(f"or i32 {now.name}, {0x8040}", "i32")
            f.store(quick, self.other)
            f.emit(f"call void @llvm.x86.sse.ldmxcsr(ptr {self.other.name})")

    def _epilogue(self, f: Function, status: int) -> None:
        if self.flushes:
            f.emit(f"call void @llvm.x86.sse.ldmxcsr(ptr {self.flags.name})")
        if self.released:
            f.emit(f"call void @PyEval_RestoreThread(ptr {self.thread.name})")
        self._return(f, status)

    def _return(self, f: Function, status: int) -> None:
        f.module.declare("PyLong_FromLong", "ptr (i64)")
        number = f.op(f"call ptr @PyLong_FromLong(i64 {status})")
        f.emit(f"ret ptr {number}")

    # -- running --------------------------------------------------------------------

    def _prepare(self, plan: Any) -> None:
        """Slots for everything that steps hand on."""
        count = len(plan.template)
        self.place: dict[Any, int] = {}
        for key, n in plan.slot.items():
            if type(key) in (Arg, Bound):
                self.place[key] = n
        states = {id(b): s for s, b in self.results.items()}
        pooled = {plan.slot[s] for _, bundle in plan.bundles for s in bundle}
        for step in self.steps:
            nodes = step.outputs if type(step) is Segment else step.nodes
            for node in nodes:
                state = states.get(id(node))
                if state is not None:
                    self.place[node] = plan.slot[state]
                else:
                    self.place[node] = count
                    count += 1
        self.extra = count - len(plan.template)
        #: wanted states that arrive in the buffer of another one
        self.same = [
            (plan.slot[s], self.place[b])
            for s, b in self.results.items()
            if b in self.place and self.place[b] != plan.slot[s]
        ]
        for n, step in enumerate(self.steps):
            if type(step) is Segment:
                step.ins = [self._source(k) for k in step.inputs]
                step.outs = [
                    (self.place[k], k.spec.shape, k.spec.dtype.np) for k in step.outputs
                ]
                # Gradients that nobody asked for leave their memory to the next step.
                step.pool = [
                    np.empty(s, d) if n in pooled else None for n, s, d in step.outs
                ]
                step.clean = n == 0 or all(type(k) in (Arg, Bound) for k in step.inputs)
            else:
                node = step.nodes[0]
                op = node.op.forward
                call = functools.partial(op, **node.attrs) if node.attrs else op
                ins = []
                for key in node.inputs:
                    view = self.fusion.view(key)
                    ins.append(view.buffer.value if type(view.buffer) is Const
                               else self._source(view.buffer))  # fmt: skip
                consts = [
                    type(self.fusion.view(k).buffer) is Const for k in node.inputs
                ]
                step.run = (call, tuple(zip(ins, consts, strict=True)),
                            self.place[node], node.spec.dtype.np)  # fmt: skip

    def _usual(self, plan: Any) -> None:
        """Prepare for :meth:`call`, where the plan is one native call that makes all."""
        self.whole = False
        nodes = [n for kernel in self.fusion.kernels for n in kernel.nodes]
        #: whether an index can turn out to lie outside
        self.checked = any(n.op.name in CHECKED for n in nodes)
        #: why it is not one native call of arguments and parameters
        self.why = "it writes to its arguments, or to tensors that nothing keeps"
        written = [*self.direct, *(leaf for leaf, _ in self.left)]
        bound = all(type(leaf) is Bound for leaf in written)
        self.counters = [memory_of(leaf.ref()) for leaf in written if bound]
        if self.calls:
            names = {s.nodes[0].op.name for s in self.steps if type(s) is Call}
            self.why = f"there is no machine code for {', '.join(sorted(names))}"
        if len(self.steps) != 1 or self.calls or self.same or not bound:
            return
        (step,) = self.steps
        place = {node: n for n, node in enumerate(step.outputs)}
        wanted = {s: place.get(b) for s, b in self.results.items()}
        if any(type(k) not in (Arg, Bound) for k in step.inputs):
            return
        given = [s for _, s in plan.outputs]
        given += [s for _, states in plan.bundles for s in states]
        if len(set(given)) != len(given) or any(wanted[s] is None for s in given):
            return
        self.kept = {s: wanted[s] for s in plan.saved if type(s) is State}
        if any(n is None for n in self.kept.values()):
            return
        self.shown = [(i, s, wanted[s]) for i, s in plan.outputs]
        self.bundles = [(i, [wanted[s] for s in states]) for i, states in plan.bundles]
        self.arguments = [k.index for k in step.inputs if type(k) is Arg]
        self.parameters = [k.ref for k in step.inputs if type(k) is Bound]
        self.copied = [(leaf.ref, wanted.get(s)) for leaf, s in self.left]
        if any(n is None for _, n in self.copied):
            return
        self.whole = True

    def call(self, arrays: list[Any]) -> list[Any] | None:
        """The outputs of the one native call; None where the slow way is to be gone."""
        step = self.steps[0]
        outs: list[Any] = step.results()
        if step.function(*arrays, *outs, step.arena):
            return None
        return outs

    def _source(self, buffer: Any) -> int:
        return self.place[buffer]

    def run(self, values: list[Any]) -> bool:
        """Compute into *values*; False if the interpreter should do it instead."""
        if self.extra:
            values.extend([None] * self.extra)
        for step in self.steps:
            if type(step) is Segment:
                if not self._call(step, values):
                    return False
            else:
                call, ins, out, dtype = step.run
                result = call(*[x if const else values[x] for x, const in ins])
                if type(result) is not np.ndarray:
                    result = np.asarray(result, dtype)
                values[out] = result
        for n, other in self.same:
            values[n] = values[other].copy()
        return True

    def _call(self, step: Any, values: list[Any]) -> bool:
        arrays = [values[n] for n in step.ins]
        if not step.clean:
            arrays = [np.ascontiguousarray(a) if a.ndim else a for a in arrays]
        for (n, _, _), array in zip(step.outs, step.results(), strict=True):
            values[n] = array
            arrays.append(array)
        arrays.append(step.arena)
        status = step.function(*arrays)
        if status == 1:  # what is only read may lie in another order
            last = len(step.ins)
            again = [
                a if key in self.written or not a.ndim else np.ascontiguousarray(a)
                for key, a in zip(step.inputs, arrays, strict=False)
            ]
            status = step.function(*again, *arrays[last:])
        return bool(status == 0)


class _Ticks:
    """Notes the processor's clock in memory, again and again."""

    def __init__(self, f: Function, arena: Value) -> None:
        self.f, self.count = f, 0
        f.module.declare("llvm.readcyclecounter", "i64 ()")
        self.place = f.load(f.at(arena, 16, "i8"), "ptr_")
        self.note()

    def note(self) -> None:
        now = self.f.value("call i64 @llvm.readcyclecounter()", "i64")
        self.f.store(now, self.f.at(self.place, self.count, "i64"))
        self.count += 1


def divided(stage: Stage) -> bool:
    return stage.extent > 1 and stage.nanoseconds >= WORTH


def _aligned(size: int) -> Array:
    """Bytes that begin at a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    start = -int(raw.__array_interface__["data"][0]) % 64
    return raw[start : start + size]


__all__ = ["Native", "SIZES", "element_of"]
