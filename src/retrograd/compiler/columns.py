"""The code of a sum over rows, and of other reductions that keep the last dimension."""

from __future__ import annotations

import math
from typing import Any

from .fuse import REDUCTIONS, Columns, Fusion
from .ir import SIZES, Function, Module, Value
from .lower import element_of
from .stage import Stage, last_part, stage_function
from .sums import blocked, combine, identity, merge
from .views import squeezed_strides, whole


class ColumnsCode:
    """A reduction that keeps the last dimension: vectors of columns, down the rows."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Columns,
        fusion: Fusion,
        vector_bytes: int,
    ) -> None:
        (node,) = kernel.nodes
        view = fusion.view(node.inputs[0])
        self.parameters = [view.buffer, node]
        given, wanted = str(element_of(view.buffer.spec)), str(element_of(node.spec))
        word = REDUCTIONS[node.op.name]
        dims = node.attrs["dim"]
        kept = [d for d, n in enumerate(view.shape) if n != 1 and d not in dims]
        gone = [d for d, n in enumerate(view.shape) if n != 1 and d in dims]
        out = squeezed_strides(whole(node))
        sizes, (source, target) = merge(
            tuple(view.shape[d] for d in kept),
            [tuple(view.strides[d] for d in kept), out],
        )
        depth, (down,) = merge(
            tuple(view.shape[d] for d in gone), [tuple(view.strides[d] for d in gone)]
        )
        width = vector_bytes // max(SIZES[given], SIZES[wanted], 4)
        n = sizes[-1] if sizes else 1
        stride = source[-1] if sizes else 0
        by_columns = len(sizes) < 2
        extent = -(-n // (4 * width)) if by_columns else sizes[0]
        buffers = (view.buffer, node)
        f = stage_function(module, name, buffers)
        a, result, begin, end = f.parameters
        time = math.prod(view.shape) * SIZES[given] / 16
        self.stages = [Stage(name, buffers, extent, time)]
        if view.offset:
            a = f.at(a, view.offset, given)
        loops: list[Any] = []
        for size, s, t in zip(sizes[:-1], source[:-1], target[:-1], strict=True):
            loops.append(f.loop(0, size) if loops else f.loop(begin, end))
            a, result = (
                f.at(p, f.value(f"mul i64 {loops[-1].index.name}, {k}", "i64"), e)
                for p, k, e in ((a, s, given), (result, t, wanted))
            )

        def block(start: Any, vectors: int, count: int) -> None:
            """Columns from *start*: so many vectors, the last one of *count* lanes."""
            first = f.at(a, f.value(f"mul i64 {start}, {stride or 1}", "i64"), given)
            values = [f.splat(identity(word, wanted), width)] * vectors
            after = down_rows(f, first, depth, down, values, vectors, count)
            place = f.at(result, start, wanted)
            for k, v in enumerate(after):
                lanes = count if k == vectors - 1 else 0
                f.store(v, f.at(place, k * width, wanted), lanes)

        def down_rows(
            f: Function, pointer: Value, sizes: list[int], steps: list[int],
            values: list[Value], vectors: int, count: int,
        ) -> list[Value]:  # fmt: skip
            if not sizes:
                after = []
                for k, v in enumerate(values):
                    here = f.at(pointer, k * width * stride, given)
                    lanes = count if k == vectors - 1 else 0
                    if stride == 1:
                        x = f.load(here, given, width, lanes)
                    else:
                        x = f.gather(here, stride, given, width, lanes)
                    after.append(combine(f, word, v, f.convert(x, wanted)))
                return after
            starts = [f.splat(identity(word, wanted), width)] * vectors

            def joined(before: list[Value], inside: list[Value]) -> list[Value]:
                return [
                    combine(f, word, a, b) for a, b in zip(before, inside, strict=True)
                ]

            def row(i: Value, now: list[Value]) -> list[Value]:
                by = f.value(f"mul i64 {i.name}, {steps[0]}", "i64")
                here = f.at(pointer, by, given)
                if len(sizes) == 1:
                    return down_rows(f, here, [], [], now, vectors, count)
                rest = (sizes[1:], steps[1:])
                return joined(now, down_rows(f, here, *rest, starts, vectors, count))

            return blocked(f, 0, sizes[0], 1, sizes[0], values, starts, joined, row)

        many = n - n % (4 * width)
        rest = n - many
        if not by_columns:
            begin, end = Value("0", "i64"), Value(str(extent), "i64")
        if many:
            last = f.least(f.times(end, 4 * width), many) if by_columns else many
            loop = f.loop(f.times(begin, 4 * width), last, 4 * width)
            block(loop.index.name, 4, 0)
            loop.end()
        if rest and by_columns:
            with f.when(last_part(f, extent)):
                block(str(many), -(-rest // width), rest % width)
        elif rest:
            block(str(many), -(-rest // width), rest % width)
        for loop in reversed(loops):
            loop.end()
        f.emit("ret void")
