"""From a plan to the text of its machine code: passes, kernels, and where all lies."""

from __future__ import annotations

from typing import Any

from ..dtypes import float64
from ..trace import Arg, Bound, State
from . import jit
from .alike import Description
from .chance import RandomCode
from .columns import ColumnsCode
from .conv import ConvCode
from .driver import CHECKED, DIVIDED, FLUSHES, HEADER, RELEASES
from .fuse import (
    Call,
    Columns,
    Convolution,
    Joined,
    Kernel,
    Loop,
    Pooling,
    Random,
    Rows,
)
from .ir import Module
from .join import JoinCode
from .loops import LoopCode
from .memory import Life, arrange
from .passes import optimized, staged
from .pool import POOL
from .pooling import PoolCode
from .products import ProductCode
from .program import Node, from_trace
from .recompute import recompute
from .rows import RowsCode
from .segment import Layout, Segment
from .stage import ERROR, WORTH, Stage, stage_function
from .views import broadcast, whole

#: operations that may find an index that lies outside
_SEARCHING = ("gather", "pick_class", "scatter", "index", "index_put", "plane_add")
#: nanoseconds below which the interpreter's lock is kept
_RELEASE = 20_000.0
#: nanoseconds of divided work for which sleeping threads are woken
_WAKE = 200_000.0
#: parts of the code that are compiled at once
_PARTS = 4


class Build:
    """What a plan consists of; ``steps`` are segments and NumPy calls, ``checked`` says
    whether an index can turn out to lie outside."""

    def __init__(self, plan: Any) -> None:
        states = (k for k in plan.wanted if type(k) is State)
        wanted = sorted(states, key=lambda s: s.depth)
        program = optimized(from_trace(plan.nodes, wanted))
        program, self.fusion = recompute(program)
        staged("recompute", program)
        fusion, program = self.fusion, self.fusion.program
        #: the buffer in which each wanted state arrives
        self.results: dict[Any, Any] = {}
        for state, key in program.wanted.items():
            if type(key) is not Node or fusion.view(key) != whole(key):
                key = fusion.copy(key)
            self.results[state] = key
        self._outside()
        self._in_place(plan)
        self._cut()
        nodes = (n for kernel in fusion.kernels for n in kernel.nodes)
        self.checked = any(n.op.name in _SEARCHING for n in nodes)

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
            if any(n.op.name in _SEARCHING for n in kernel.nodes)
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
                # an index outside is to be found before anything is changed
                and all(i < home for i in checks)
                and all(i <= home for i in calls)
                and max(kernel.phase.values()) == 0
                and home <= last
            )
            if safe and home in self.readers.get(leaf, ()):
                safe = self._same_place(kernel, leaf, node)  # type: ignore[arg-type]
            if safe:
                self.target[node] = leaf
                taken.add(id(node))
        self.shown = shown
        #: (node, leaf): values that are copied to the leaf when all else is done
        self.moved: list[tuple[Node, Any]] = []
        for leaf, state in plan.writes:
            node = self.results.get(state)
            if (
                type(node) is Node
                and node not in self.target
                and type(leaf) is Bound
                and leaf in plan.slot
                and node.spec is leaf.spec
                # after the last NumPy call, so that nothing can fail afterwards
                and all(i < fusion.home[node] for i in calls)
            ):
                self.moved.append((node, leaf))

    def _same_place(self, kernel: Loop, leaf: Any, node: Node) -> bool:
        """Whether the kernel reads the leaf just where it writes the node."""
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
        within = {id(n) for n, _ in self.moved} - self.shown
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

    def text(self, step: Segment) -> str:
        """The code of a segment's kernels; finds its layout too."""
        return self._module(step).text()

    def texts(self, step: Segment) -> list[str]:
        """The same in parts, as many as there are threads, if it is much."""
        module = self._module(step)
        return module.parts(
            min(POOL.threads, _PARTS) if len(module.functions) > 8 else 1
        )

    def _module(self, step: Segment) -> Module:
        module = Module(jit.fuses())
        known: dict[str, str] = {}
        same: dict[Any, Any] = {}
        codes = [self._code(module, known, same, i) for i in step.kernels]
        step.stages = [
            (i, stage)
            for i, (stages, _) in zip(step.kernels, codes, strict=True)
            for stage in stages
        ]
        step.scratch = {
            i: size for i, (_, size) in zip(step.kernels, codes, strict=True)
        }
        made = {n for i in step.kernels for n in self.fusion.kernels[i].nodes}
        for number, (node, leaf) in enumerate(self.moved):
            if node in made:
                copy = _copy(module, f"copy{number}", node, leaf)
                codes.append(([copy], 0))
                step.stages.append((-1, copy))
        functions = list(dict.fromkeys(s.function for _, s in step.stages))
        module.roots = functions
        step.calls = {f: module.functions[f].calls() for f in functions}
        self._layout(step, codes, {f: n for n, f in enumerate(functions)})
        return module

    def _code(
        self, module: Module, known: dict[str, str], same: dict[Any, Any], i: int
    ) -> tuple[list[Stage], int]:
        """The stages of one kernel: those of a kernel that is alike, or new ones."""
        mine = Description(self.fusion.kernels[i], self.fusion, self.outside)
        found = same.get(mine.key)
        if mine.key is None or found is None:
            stages, scratch = self._kernel(module, known, i)
            same[mine.key] = (mine.buffers, stages, scratch)
            return stages, scratch
        theirs, stages, scratch = found
        instead = dict(zip(theirs, mine.buffers, strict=True))
        moved = [
            s._replace(buffers=tuple(instead.get(b, b) for b in s.buffers))
            for s in stages
        ]
        return moved, scratch

    def _kernel(
        self, module: Module, known: dict[str, str], i: int
    ) -> tuple[list[Stage], int]:
        """The stages of one kernel, and the scratch memory that they share; equal
        functions are the same one."""
        kernel, width = self.fusion.kernels[i], jit.vector_bytes()
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

    def _layout(
        self,
        step: Segment,
        codes: list[tuple[list[Stage], int]],
        number: dict[str, int],
    ) -> None:
        """What the segment takes and gives, and where everything lies."""
        fusion = self.fusion
        made = {n for i in step.kernels for n in fusion.kernels[i].nodes}
        lives: dict[Any, list[int]] = {}
        scratch = []
        for n, (stages, size) in enumerate(codes):
            for stage in stages:
                for buffer in stage.buffers:
                    if type(buffer) is not str:
                        lives.setdefault(buffer, [n, n])[1] = n
            if size:
                scratch.append((n, size))
        written = {n: leaf for n, leaf in self.target.items() if n in made}
        mine = [b for b in lives if b in made and b not in self.target]
        inner = [b for b in mine if b not in self.arrays]
        step.outputs = [b for b in mine if b in self.arrays]
        inputs = {b for b in lives if b not in made} | set(written.values())
        order = dict.fromkeys([*lives, *written.values()])
        step.inputs = sorted((b for b in order if b in inputs),
                             key=lambda b: (type(b) is not Arg, type(b) is not Bound))  # fmt: skip
        spaces = [Life(b.spec.nbytes, *lives[b]) for b in inner]
        spaces += [Life(size, n, n) for n, size in scratch]
        offsets, step.size = arrange(spaces)
        array = {b: i for i, b in enumerate([*step.inputs, *step.outputs])}
        array.update({n: array[leaf] for n, leaf in written.items()})
        all_ = [(n, s) for n, (stages, _) in enumerate(codes) for s in stages]
        first = HEADER + 8 * sum(len(s.buffers) for _, s in all_)
        first += -first % 64  # where that begins which lives within the step
        inside = {b: first + at for b, at in zip(inner, offsets, strict=False)}
        space = {n: first + at
                 for (n, _), at in zip(scratch, offsets[len(inner) :], strict=True)}  # fmt: skip
        checked = [k for k, (_, s) in enumerate(all_) if ERROR in s.buffers][-1:]
        moves, fixed, rows = [], [], []
        at = HEADER
        for k, (n, stage) in enumerate(all_):
            flags = DIVIDED * divided(stage) | CHECKED * (k in checked)
            rows.append((number[stage.function], at, stage.extent, flags))
            for b in stage.buffers:
                if type(b) is str:
                    fixed.append((at, 0 if b is ERROR else space[n]))
                elif b in array:
                    moves.append((array[b], at))
                else:
                    fixed.append((at, inside[b]))
                at += 8
        owners = [array[leaf] for leaf in written.values()]
        views = [array[b] for b in step.inputs
                 if owners and type(b) is Arg and b not in written.values()]  # fmt: skip
        doubles = any(b.spec.dtype is float64 for b in (*made, *lives))
        flags = RELEASES * (sum(s.nanoseconds for _, s in all_) > _RELEASE)
        flags |= FLUSHES * (jit.is_x86() and not doubles)
        wake = sum(s.nanoseconds for _, s in all_ if divided(s)) > _WAKE
        step.layout = Layout(len(step.inputs) + len(step.outputs), len(number), moves,
                             fixed, views, owners, rows, flags, int(wake),
                             first + step.size)  # fmt: skip


def _copy(module: Module, name: str, node: Node, leaf: Any) -> Stage:
    """The values of *node* to the memory of *leaf*, when all else is done."""
    f = stage_function(module, name, (leaf, node))
    target, source, begin, end = f.parameters
    module.declare("llvm.memcpy.p0.p0.i64", "void (ptr, ptr, i64, i1)")
    size = f.value(f"sub i64 {end.name}, {begin.name}", "i64")
    f.emit(f"call void @llvm.memcpy.p0.p0.i64(ptr {f.at(target, begin, 'i8').name}, "
           f"ptr {f.at(source, begin, 'i8').name}, i64 {size.name}, i1 false)")  # fmt: skip
    f.emit("ret void")
    return Stage(name, (leaf, node), leaf.spec.nbytes, leaf.spec.nbytes / 10)


def divided(stage: Stage) -> bool:
    return stage.extent > 1 and stage.nanoseconds >= WORTH
