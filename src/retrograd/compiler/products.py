"""Matrix products: C = A·B for static shapes, each operand in either layout.

A micro-kernel keeps a tile of C, a few rows of a few vectors, in registers through the
whole of k: for each k it loads a row of B and multiplies it by each row's number of A.
So B must lie row by row; where it lies column by column it is first transposed into
scratch memory, block by block in registers. A may lie either way. A large B is copied
into panels of four vectors' width, which avoids strides that collide in the cache.
"""

from __future__ import annotations

from typing import Any

from .fuse import Fusion, Product
from .ir import SIZES, Function, Module, Value, literal
from .lower import element_of
from .views import View

#: k is cut into blocks of at most this many, so that a panel of B stays in the cache
DEPTH = 512


def tile_rows(m: int, vectors: int) -> int:
    """Rows of a tile: few distinct sizes, and as much as the registers hold."""
    most = {1: 12, 2: 8, 3: 7, 4: 6}[vectors]
    if m <= most:
        return m
    whole = [r for r in range(most, most // 2, -1) if m % r == 0]
    return whole[0] if whole else most


class ProductCode:
    """Emits one product; ``parameters`` are its buffers, ``scratch`` the bytes of
    memory it wants as its last parameter."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Product,
        fusion: Fusion,
        vector_bytes: int,
    ) -> None:
        (node,) = kernel.nodes
        self.module = module
        self.element = str(element_of(node.spec))
        self.lanes = vector_bytes // SIZES[self.element]
        a, b = (fusion.view(k) for k in node.inputs)
        self.parameters = [a.buffer, b.buffer, node]
        *batch, m, n = node.spec.shape
        k = a.shape[-1]
        self.m, self.n, self.k = m, n, k
        self.flops = 2 * m * n * k
        for size in batch:
            self.flops *= size
        self.scratch = 0
        f = self.f = Function(
            module, name, [("ptr", "a"), ("ptr", "b"), ("ptr", "c"), ("ptr", "s")]
        )
        pa, pb, pc, self.ps = f.parameters
        pa = f.at(pa, a.offset, self.element) if a.offset else pa
        pb = f.at(pb, b.offset, self.element) if b.offset else pb
        loops = []
        step = m * n
        outer = []
        for size in reversed(batch):
            outer.append(step)
            step *= size
        for d, (size, sc) in enumerate(zip(batch, reversed(outer), strict=True)):
            loop = f.loop(0, size)
            loops.append(loop)
            pa = self._move(pa, loop.index, _batch_stride(a, d, len(batch)))
            pb = self._move(pb, loop.index, _batch_stride(b, d, len(batch)))
            pc = self._move(pc, loop.index, sc)
        self._matrix(pa, a, pb, b, pc)
        for loop in reversed(loops):
            loop.end()
        f.emit("ret void")

    def _move(self, pointer: Value, index: Value, stride: int) -> Value:
        if not stride:
            return pointer
        by = self.f.value(f"mul i64 {index.name}, {stride}", "i64")
        return self.f.at(pointer, by, self.element)

    # -- one matrix -----------------------------------------------------------------

    def _matrix(self, pa: Value, a: View, pb: Value, b: View, pc: Value) -> None:
        f, m, n, k, w = self.f, self.m, self.n, self.k, self.lanes
        a_row, a_col = a.strides[-2:]
        b_row, b_col = b.strides[-2:]
        across = n == 1 or b_col == 1  # B lies row by row
        panel = 4 * w
        wide = n * SIZES[self.element] * 2 >= 4096 and m >= 24
        packed = (not across) or wide
        size = SIZES[self.element]
        if packed:
            columns = -(-n // panel) * panel
            self.scratch = columns * k * size
            self._pack(pb, b_row, b_col, across)
        rows = tile_rows(m, -(-min(n, panel) // w))
        stride = a_row if a_col == 1 else a_col
        self.tiled = stride * size >= 2048 and n >= 4 * panel and m >= 2 * rows
        if self.tiled:
            start = self.scratch
            self.scratch += m * k * size
            tiles = f.at(self.ps, start, "i8")
            self._tile(pa, a_row, a_col, tiles, rows)
            pa = tiles
        blocks = [(j, min(panel, n - j)) for j in range(0, n, panel)]
        depth = -(-k // -(-k // DEPTH))
        cuts = [(p, min(depth, k - p)) for p in range(0, k, depth)]
        for p, deep in cuts:
            full = [blk for blk in blocks if blk[1] == panel]
            if len(full) > 1:
                loop = f.loop(0, len(full) * panel, panel)
                self._column_block(pa, a_row, a_col, pb, b_row, pc, loop.index, panel,
                                   p, deep, packed)  # fmt: skip
                loop.end()
                left = [blk for blk in blocks if blk[1] != panel]
            else:
                left = blocks
            for j, size in left:
                self._column_block(pa, a_row, a_col, pb, b_row, pc, Value(str(j), "i64"),
                                   size, p, deep, packed)  # fmt: skip

    def _column_block(
        self, pa: Value, a_row: int, a_col: int, pb: Value, b_row: int, pc: Value,
        j: Value, size: int, p: int, deep: int, packed: bool,
    ) -> None:  # fmt: skip
        """All rows of C in *size* columns from *j*, for *deep* of k from *p*."""
        f, w, e = self.f, self.lanes, self.element
        panel = 4 * w
        if packed:
            by = f.value(f"mul i64 {j.name}, {self.k}", "i64")
            b = f.at(self.ps, by, e)
            b = f.at(b, p * panel, e)
            step_b = panel
        else:
            b = f.at(f.at(pb, j, e), p * b_row, e)
            step_b = b_row
        c = f.at(pc, j, e)
        vectors, tail = -(-size // w), size % w
        a = f.at(pa, p * a_col, e) if p and not self.tiled else pa
        kind = "n" if a_col == 1 or deep == 1 else "t"
        rows = tile_rows(self.m, 4 if self.tiled else vectors)
        many = self.m - self.m % rows
        accumulate = p > 0
        ld = a_row if kind == "n" else a_col

        def tile(i: Value, r: int) -> None:
            layout = "t" if self.tiled else kind
            kernel = micro(self.module, e, w, layout, r, vectors, tail, accumulate)
            here, lead = a, ld
            if self.tiled:  # the tile of all k, from k = p on
                lead = r
                here = f.at(a, f.value(f"mul i64 {i.name}, {self.k}", "i64"), e)
                here = f.at(here, p * r, e)
            elif a_row:
                by = f.value(f"mul i64 {i.name}, {a_row}", "i64")
                here = f.at(a, by, e)
            there = f.at(c, f.value(f"mul i64 {i.name}, {self.n}", "i64"), e)
            sizes = (Value(str(x), "i64") for x in (lead, step_b, self.n, deep))
            f.call(kernel, here, b, there, *sizes)

        if many > rows:
            loop = f.loop(0, many, rows)
            tile(loop.index, rows)
            loop.end()
        elif many:
            tile(Value("0", "i64"), rows)
        if self.m > many:
            tile(Value(str(many), "i64"), self.m - many)

    # -- copying A into tiles, and B into panels --------------------------------------

    def _tile(self, pa: Value, a_row: int, a_col: int, tiles: Value, rows: int) -> None:
        """tiles[block][k][row of the block] = A."""
        f, e, w, k = self.f, self.element, self.lanes, self.k
        many = self.m - self.m % rows

        def block(i: Value, r: int) -> None:
            source = f.at(pa, f.value(f"mul i64 {i.name}, {a_row}", "i64"), e)
            target = f.at(tiles, f.value(f"mul i64 {i.name}, {k}", "i64"), e)
            if a_col != 1:
                loop = f.loop(0, k)
                here = f.at(
                    source, f.value(f"mul i64 {loop.index.name}, {a_col}", "i64"), e
                )
                there = f.at(
                    target, f.value(f"mul i64 {loop.index.name}, {r}", "i64"), e
                )
                f.store(f.load(here, e, w, r % w), there, r % w)
                loop.end()
                return
            for start, depth in ((0, k - k % w), (k - k % w, k % w)):
                if depth:
                    turn = transposer(self.module, e, w, r, min(depth, w))
                    loop = f.loop(start, start + depth, w)
                    by = f.value(f"mul i64 {loop.index.name}, {r}", "i64")
                    f.call(turn, f.at(source, loop.index, e), f.at(target, by, e),
                           Value(str(a_row), "i64"), Value(str(r), "i64"))  # fmt: skip
                    loop.end()

        loop = f.loop(0, many, rows)
        block(loop.index, rows)
        loop.end()
        if self.m > many:
            block(Value(str(many), "i64"), self.m - many)

    def _pack(self, pb: Value, b_row: int, b_col: int, across: bool) -> None:
        """scratch[panel][k][4 vectors] = B, transposed in registers where need be."""
        f, n, k, w, e = self.f, self.n, self.k, self.lanes, self.element
        panel = 4 * w
        if across:
            copy = copier(self.module, e, w)
            for j in range(0, n, panel):
                size = min(panel, n - j)
                f.call(copy, f.at(pb, j, e), f.at(self.ps, j * k, e),
                       *(Value(str(x), "i64") for x in (b_row, size, k)))  # fmt: skip
            return
        for first, columns in ((0, n - n % w), (n - n % w, n % w)):
            if not columns:
                continue
            c = min(columns, w)
            loop = f.loop(first, first + columns, w)
            block = f.value(f"sdiv i64 {loop.index.name}, {panel}", "i64")
            lane = f.value(f"srem i64 {loop.index.name}, {panel}", "i64")
            target = f.at(
                self.ps, f.value(f"mul i64 {block.name}, {panel * k}", "i64"), e
            )
            target = f.at(target, lane, e)
            source = f.at(pb, f.value(f"mul i64 {loop.index.name}, {b_col}", "i64"), e)
            for start, depth in ((0, k - k % w), (k - k % w, k % w)):
                if not depth:
                    continue
                r = min(depth, w)
                turn = transposer(self.module, e, w, c, r)
                inner = f.loop(start, start + depth, w)
                by = f.value(f"mul i64 {inner.index.name}, {panel}", "i64")
                f.call(turn, f.at(source, inner.index, e), f.at(target, by, e),
                       Value(str(b_col), "i64"), Value(str(panel), "i64"))  # fmt: skip
                inner.end()
            loop.end()


def _batch_stride(view: View, d: int, dims: int) -> int:
    """How far apart the matrices of an operand lie along a batch dimension."""
    own = d - (dims - (len(view.shape) - 2))
    return view.strides[own] if own >= 0 else 0


def micro(
    module: Module, e: str, w: int, kind: str, rows: int, vectors: int, tail: int,
    accumulate: bool,
) -> str:  # fmt: skip
    """C[rows × vectors] (+)= Σₖ A[·, k] B[k, ·]. *kind* "n": A lies row by row with
    *lda* between rows; "t": column by column."""
    name = f"tile_{e}{w}_{kind}{rows}x{vectors}_{tail}{'_add' if accumulate else ''}"
    if name in module.functions:
        return name
    types = [("ptr", "a"), ("ptr", "b"), ("ptr", "c"), ("i64", "lda"), ("i64", "ldb"),
             ("i64", "ldc"), ("i64", "k")]  # fmt: skip
    f = Function(module, name, types)
    a, b, c, lda, ldb, ldc, k = f.parameters

    def lanes(v: int) -> int:
        return tail if v == vectors - 1 else 0

    targets = [c]
    for _ in range(rows - 1):
        targets.append(f.at(targets[-1], ldc, e))
    left = [a]
    if kind == "n":
        for _ in range(rows - 1):
            left.append(f.at(left[-1], lda, e))
    zero = Value(f"splat ({e} {literal(0, e)})", e, w)
    tile = [zero] * (rows * vectors)
    if accumulate:
        tile = [f.load(f.at(targets[r], v * w, e), e, w, lanes(v))
                for r in range(rows) for v in range(vectors)]  # fmt: skip

    def along(count: Any, start: Any, values: list[Value], unroll: int) -> list[Value]:
        loop = f.loop(start, count, unroll, *values)
        now = list(loop.values)
        row = f.at(b, f.value(f"mul i64 {loop.index.name}, {ldb.name}", "i64"), e)
        column = loop.index
        if kind == "t":
            column = f.value(f"mul i64 {loop.index.name}, {lda.name}", "i64")
        for u in range(unroll):
            if u:
                row = f.at(row, ldb, e)
            wide = [f.load(f.at(row, v * w, e), e, w, lanes(v)) for v in range(vectors)]
            base = f.at(a, column, e) if kind == "t" else a
            if kind == "t":
                for _ in range(u):
                    base = f.at(base, lda, e)
            for r in range(rows):
                if kind == "t":
                    one = f.load(f.at(base, r, e), e)
                else:
                    one = f.load(f.at(f.at(left[r], column, e), u, e), e)
                spread = f.splat(one, w)
                for v in range(vectors):
                    i = r * vectors + v
                    now[i] = f.fma(spread, wide[v], now[i])
        return loop.end(*now)

    fours = f.value(f"and i64 {k.name}, -4", "i64")
    tile = along(fours, 0, tile, 4)
    tile = along(k, fours, tile, 1)
    for r in range(rows):
        for v in range(vectors):
            f.store(tile[r * vectors + v], f.at(targets[r], v * w, e), lanes(v))
    f.emit("ret void")
    return name


def copier(module: Module, e: str, w: int) -> str:
    """target[i, 0:size] = source[i, 0:size] for k rows; a row of the target has four
    vectors."""
    name = f"panel_{e}{w}"
    if name in module.functions:
        return name
    types = [("ptr", "source"), ("ptr", "target"), ("i64", "ld"), ("i64", "size"),
             ("i64", "k")]  # fmt: skip
    f = Function(module, name, types)
    source, target, ld, size, k = f.parameters
    rows = f.loop(0, k)
    here = f.at(source, f.value(f"mul i64 {rows.index.name}, {ld.name}", "i64"), e)
    there = f.at(target, f.value(f"mul i64 {rows.index.name}, {4 * w}", "i64"), e)
    whole = f.value(f"and i64 {size.name}, -{w}", "i64")
    loop = f.loop(0, whole, w)
    f.store(f.load(f.at(here, loop.index, e), e, w), f.at(there, loop.index, e))
    loop.end()
    loop = f.loop(whole, size)
    f.store(f.load(f.at(here, loop.index, e), e), f.at(there, loop.index, e))
    loop.end()
    rows.end()
    f.emit("ret void")
    return name


def transposer(module: Module, e: str, w: int, rows: int, columns: int) -> str:
    """target[j, i] = source[i, j] for a block of rows × columns, at most w × w: pairs
    of registers exchange halves at distance 1, 2, 4, …"""
    name = f"turn_{e}{w}_{rows}x{columns}"
    if name in module.functions:
        return name
    types = [("ptr", "source"), ("ptr", "target"), ("i64", "lds"), ("i64", "ldt")]
    f = Function(module, name, types)
    source, target, lds, ldt = f.parameters
    zero = Value(f"splat ({e} {literal(0, e)})", e, w)
    block = []
    for i in range(rows):
        if i:
            source = f.at(source, lds, e)
        block.append(f.load(source, e, w, columns % w))
    block += [zero] * (w - rows)
    distance = 1
    while distance < w:
        for i in range(w):
            if i & distance:
                continue
            a, b = block[i], block[i + distance]
            low = [j if not j & distance else w + j - distance for j in range(w)]
            high = [j + distance if not j & distance else w + j for j in range(w)]
            for at, lanes in ((i, low), (i + distance, high)):
                text = ", ".join(f"i32 {j}" for j in lanes)
                block[at] = f.value(
                    f"shufflevector {a.type} {a.name}, {b.type} {b.name}, "
                    f"<{w} x i32> <{text}>",
                    e,
                    w,
                )
        distance *= 2
    for j in range(columns):
        if j:
            target = f.at(target, ldt, e)
        f.store(block[j], target, rows % w)
    f.emit("ret void")
    return name
