"""Rows chosen by an index, and rows added where an index says: embeddings, and their
gradients.

An index that lies outside is noted; the interpreter then says so in its own words.
"""

from __future__ import annotations

import math
from typing import Any

from .fuse import Fusion, Rows
from .ir import SIZES, Function, Module, Value
from .lower import element_of
from .stage import ERROR, Stage, last_part, stage_function


class RowsCode:
    """Emits ``index`` or ``index_put`` over the first dimension."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Rows,
        fusion: Fusion,
        vector_bytes: int,
    ) -> None:
        (node,) = kernel.nodes
        self.module, self.name, self.node = module, name, node
        self.parameters = [fusion.view(k).buffer for k in node.inputs] + [node]
        self.e = str(element_of(node.spec))
        self.w = vector_bytes // max(SIZES[self.e], 4)
        table = self.parameters[0].spec.shape
        self.high, self.wide = table[0], math.prod(table[1:])
        index = self.parameters[-2].spec
        self.index, self.count = str(element_of(index)), index.size
        self.stages: list[Stage] = []
        if node.op.name == "index":
            self._chosen()
        else:
            self._put()

    def _row(self, f: Function, index: Value, i: Value, error: Value) -> Value:
        """Index number *i*, counted from the end if negative (unless that is refused); 0
        if it lies outside."""
        number = f.convert(f.load(f.at(index, i, self.index), self.index), "i64")
        if self.node.attrs.get("wraps", True):
            behind = f.value(f"add i64 {number.name}, {self.high}", "i64")
            negative = f.compare("lt", number, Value("0", "i64"))
            number = f.select(negative, behind, number)
        bad = Value(f.op(f"icmp uge i64 {number.name}, {self.high}"), "i1")
        flag = f.convert(bad, "i32")
        f.op(f"atomicrmw or ptr {error.name}, i32 {flag.name} monotonic")
        return f.select(bad, Value("0", "i64"), number)

    def _chosen(self) -> None:
        """out[i] = table[index[i]]."""
        e, w, n = self.e, self.w, self.wide
        buffers: tuple[Any, ...] = (*self.parameters, ERROR)
        time = self.count * n * SIZES[e] * 0.1
        self.stages.append(Stage(self.name, buffers, self.count, time))
        f = stage_function(self.module, self.name, buffers)
        table, index, out, error, begin, end = f.parameters
        loop = f.loop(begin, end)
        row = self._row(f, index, loop.index, error)
        here = f.at(table, f.times(row, n), e)
        there = f.at(out, f.times(loop.index, n), e)
        full = n - n % w
        if full:
            along = f.loop(0, full, w)
            f.store(
                f.load(f.at(here, along.index, e), e, w), f.at(there, along.index, e)
            )
            along.end()
        if n > full:
            value = f.load(f.at(here, full, e), e, w, n - full)
            f.store(value, f.at(there, full, e), n - full)
        loop.end()
        f.emit("ret void")

    def _put(self) -> None:
        """out = table; out[index[i]] += value[i], or = value[i], in order. Columns are
        the parts, so that no two threads meet in a row."""
        e, w, n = self.e, self.w, self.wide
        add = self.node.attrs["accumulate"]
        buffers: tuple[Any, ...] = (*self.parameters, ERROR)
        extent = -(-n // w)
        time = (2 * self.high + 3 * self.count) * n * SIZES[e] * 0.1
        self.stages.append(Stage(self.name, buffers, extent, time))
        f = stage_function(self.module, self.name, buffers)
        table, value, index, out, error, begin, end = f.parameters

        def columns(first: Value, last: Value, lanes: int) -> None:
            def over(body: Any) -> None:
                if lanes:
                    body(first)
                    return
                along = f.loop(first, last, w)
                body(along.index)
                along.end()

            rows = f.loop(0, self.high)
            row = f.times(rows.index, n)
            here, there = f.at(table, row, e), f.at(out, row, e)
            over(
                lambda j: f.store(
                    f.load(f.at(here, j, e), e, w, lanes), f.at(there, j, e), lanes
                )
            )
            rows.end()
            loop = f.loop(0, self.count)
            target = f.at(out, f.times(self._row(f, index, loop.index, error), n), e)
            source = f.at(value, f.times(loop.index, n), e)

            def one(j: Value) -> None:
                new = f.load(f.at(source, j, e), e, w, lanes)
                place = f.at(target, j, e)
                if add:
                    new = f.add(f.load(place, e, w, lanes), new)
                f.store(new, place, lanes)

            over(one)
            loop.end()

        full = n - n % w
        if full:
            last = f.least(f.times(end, w), full)
            columns(f.times(begin, w), last, 0)
        if n > full:
            with f.when(last_part(f, extent)):
                columns(Value(str(full), "i64"), Value(str(n), "i64"), n - full)
        f.emit("ret void")
