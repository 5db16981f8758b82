"""Which operations the compiler computes together: the kernels of a loss and its
gradients, found by the compiler's own passes. No machine code is made."""

from __future__ import annotations

from collections.abc import Callable

from ..compiler.fuse import (
    Call,
    Columns,
    Convolution,
    Fusion,
    Joined,
    Loop,
    Pooling,
    Product,
    Random,
    Rows,
)
from ..compiler.fuse import Kernel as Kernel_
from ..compiler.passes import optimized
from ..compiler.program import Node, from_trace
from ..trace import State
from .capture import Capture
from .description import Kernel
from .messages import Say
from .typeset import shape_text


def kernels_of(
    capture: Capture, identifier: Callable[[State | None], str | None], say: Say
) -> list[Kernel]:
    """The kernels of the loss and the gradients of all leaves, in order."""
    states = [*capture.nodes, *capture.back]
    made = set(states)
    wanted = [capture.root]
    for leaf in capture.leaves:
        g = capture.gradient.get(leaf)
        if g in made and g not in wanted:
            wanted.append(g)
    program = optimized(from_trace(states, wanted))
    fusion = Fusion(program)
    outside = set(program.wanted.values())
    for i, kernel in enumerate(fusion.kernels):
        for node in kernel.nodes:
            for key in node.inputs:
                buffer = fusion.view(key).buffer
                if type(buffer) is Node and fusion.home.get(buffer, i) != i:
                    outside.add(buffer)
    found = []
    for i, kernel in enumerate(fusion.kernels):
        kind, words, shape = _kind(kernel, say)
        inside: dict[str, None] = {}
        for node in kernel.nodes:
            name = identifier(node.state)
            if name is not None:
                inside[name] = None
        written = [x for x in kernel.nodes if x in outside or kind != "loop"]
        found.append(
            Kernel(
                f"k{i}", kind, words.format(shape=shape_text(shape)), list(shape), list(inside),
                sum(x.spec.size for x in written),
            )
        )  # fmt: skip
    return found


def _kind(kernel: Kernel_, say: Say) -> tuple[str, str, tuple[int, ...]]:
    """What it is called in the data, in words, and the shape that it goes over."""
    shape = kernel.nodes[-1].spec.shape
    if isinstance(kernel, Loop):
        return "loop", say("one loop over {shape}"), kernel.shape
    words = {
        Product: say("matrix product {shape}"),
        Convolution: say("convolution {shape}"),
        Pooling: say("pooling {shape}"),
        Joined: say("put together {shape}"),
        Rows: say("rows by an index {shape}"),
        Random: say("random numbers {shape}"),
        Columns: say("sum of rows to {shape}"),
        Call: say("NumPy computes {shape}"),
    }
    return type(kernel).__name__.lower(), words[type(kernel)], shape
