"""Matrix products: C = A·B for static shapes, each operand in either layout.

A micro-kernel keeps a tile of C, a few rows of a few vectors, in registers through the
whole of k: for each k it loads a row of B and multiplies it by each row's number of A.
So B must lie row by row; where it lies column by column it is first transposed into
scratch memory, block by block in registers. A may lie either way. A large B is copied
into panels of four vectors' width, which avoids strides that collide in the cache.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from .fuse import Fusion, Product
from .ir import SIZES, Function, Module, Value, literal
from .lower import element_of
from .stage import SCRATCH, WORTH, Stage, last_part, stage_function
from .views import View

#: k is cut into blocks of at most this many, so that a panel of B stays in the second
#: cache; smaller blocks, for the first, read and write C more often than they save
DEPTH = 1024
#: bytes of a panel of B that stay in the first cache beside the rest
NEAR = 24 << 10
#: bytes of a line of the caches
LINE = 64
#: so many blocks of rows are copied at once, where A lies column by column
GROUP = 8
#: copies up to so many bytes lie on the stack
STACK = 256 << 10
#: blocks of columns that are enough for all threads, whatever the rows
_ENOUGH = 8
#: operations of a product that is worth more code
LARGE = 4e6
#: operations in a nanosecond, about
SPEED = 100.0


def tile_rows(m: int, vectors: int, near: bool = True) -> int:
    """Rows of a tile. Where the panel of B is *near*, few distinct sizes; where it comes
    from afar for each tile, as few tiles as the registers allow."""
    most = {1: 12, 2: 8, 3: 7, 4: 6}[vectors]
    if m <= most:
        return m
    if not near:
        return -(-m // -(-m // most))
    whole = [r for r in range(most, most // 2, -1) if m % r == 0]
    return whole[0] if whole else most


class Part(NamedTuple):
    """From which to which of its blocks a stage goes."""

    begin: Value
    end: Value
    extent: int

    def final(self, f: Function) -> AbstractContextManager[None]:
        """For what comes after the last whole block."""
        return f.when(last_part(f, self.extent))


class ProductCode:
    """Emits one product; ``parameters`` are its buffers, ``scratch`` the bytes of
    memory that its stages share."""

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
        *batch, m, n = node.spec.shape
        k = a.shape[-1]
        while batch and _one_matrix(a, b, m):
            # many matrices times the same one are a single tall one
            row = a.strides[-3] if m == 1 else a.strides[-2]
            m *= batch.pop()
            a = View(a.buffer, (*a.shape[:-3], m, k), (*a.strides[:-3], row, a.strides[-1]),
                     a.offset)  # fmt: skip
            if len(b.shape) > 2:
                b = View(b.buffer, (*b.shape[:-3], *b.shape[-2:]),
                         (*b.strides[:-3], *b.strides[-2:]), b.offset)  # fmt: skip
        self.a, self.b = a, b
        self.parameters = [a.buffer, b.buffer, node]
        self.m, self.n, self.k, self.batch = m, n, k, tuple(batch)
        self.flops = 2 * m * n * k * math.prod(batch)
        self.scratch = 0
        self.stages: list[Stage] = []
        self._plan()
        if self.scratch and batch:
            self._batched_alone(name)
        elif batch:
            self._batched(name)
        else:
            self._single(name)

    def _plan(self) -> None:
        """What is copied, and how large the tiles are."""
        m, n, k, w = self.m, self.n, self.k, self.lanes
        a_row, a_col = self.a.strides[-2:]
        size = SIZES[self.element]
        #: B lies row by row
        self.across = n == 1 or self.b.strides[-1] == 1
        panel = self.panel = 4 * w
        wide = n * size * 2 >= 4096 and m >= 24
        self.packed = (not self.across) or wide
        self.near = k * panel * size <= NEAR
        self.rows = self._rows(-(-min(n, panel) // w))
        stride = a_row if a_col == 1 else a_col
        far = stride * size >= 2048 and n >= 4 * panel
        # lines of a column of A that are gone before the next tile wants them
        far |= a_col != 1 and k * LINE > NEAR and n >= panel
        self.tiled = far and m >= 2 * self.rows
        columns = -(-n // panel)
        #: threads take blocks of columns, else of rows
        self.by_columns = columns >= -(-m // self._tile_rows())
        #: each thread copies a panel of B just before it uses it, onto its stack
        self.own = (
            self.packed
            and not self.batch
            and k <= DEPTH
            and k * panel * size <= STACK
            and (self.by_columns or self.flops / SPEED < WORTH or columns >= _ENOUGH)
        )
        self.by_columns |= self.own
        if self.packed and not self.own:
            self.scratch = columns * panel * k * size
        self.tiles_at = self.scratch
        if self.tiled:
            self.scratch += m * k * size

    def _stage(self, name: str, extent: int, time: float) -> Function:
        """A stage of the buffers and the scratch memory."""
        buffers = (*self.parameters, SCRATCH) if self.scratch else (*self.parameters,)
        self.stages.append(Stage(name, buffers, extent, time))
        f = self.f = stage_function(self.module, name, buffers)
        if self.scratch:
            self.ps = f.parameters[3]
        self.begin, self.end = f.parameters[-2:]
        return f

    def _operands(self) -> tuple[Value, Value, Value]:
        f, e = self.f, self.element
        pa, pb, pc = f.parameters[:3]
        pa = f.at(pa, self.a.offset, e) if self.a.offset else pa
        pb = f.at(pb, self.b.offset, e) if self.b.offset else pb
        return pa, pb, pc

    def _single(self, name: str) -> None:
        """One matrix: B and A are copied in parts, then C is computed in parts."""
        size = SIZES[self.element]
        columns, rows = -(-self.n // self.panel), -(-self.m // self._tile_rows())
        time = self.flops / SPEED
        if self.packed and not self.own:
            extent = -(-self.n // self.panel)
            moved = self.n * self.k * size / 5
            f = self._stage(f"{name}b", extent, moved)
            _, pb, _ = self._operands()
            self._pack(pb, Part(self.begin, self.end, extent))
            f.emit("ret void")
        if self.tiled:
            extent = -(-self.m // self.rows)
            f = self._stage(f"{name}a", extent, self.m * self.k * size / 5)
            pa, _, _ = self._operands()
            tiles = f.at(self.ps, self.tiles_at, "i8")
            self._tile(pa, tiles, Part(self.begin, self.end, extent))
            f.emit("ret void")
        extent = columns if self.by_columns else rows
        if time < WORTH:
            extent = 1
        f = self._stage(name, extent, time)
        if self.own:
            own = self.k * self.panel * size
            self.stack = f.value(f"alloca i8, i64 {own}, align 64", "ptr")
        part = Part(self.begin, self.end, extent) if extent > 1 else None
        parts = (part, None) if self.by_columns else (None, part)
        self._compute(*self._operands(), *parts)
        f.emit("ret void")

    def _batched(self, name: str) -> None:
        """Many matrices, none of which needs a copy: matrices are the parts."""
        f = self._stage(name, self.batch[0], self.flops / SPEED)
        self._matrices(self.begin, self.end)
        f.emit("ret void")

    def _batched_alone(self, name: str) -> None:
        """Many matrices that are copied before use: small copies lie on the stack of
        each thread, large ones in memory that one thread uses."""
        small = self.scratch <= STACK
        size, self.scratch = self.scratch, 0 if small else self.scratch
        f = self._stage(name, self.batch[0] if small else 1, self.flops / SPEED)
        if small:
            self.ps = f.value(f"alloca i8, i64 {size}, align 64", "ptr")
        one = Value("0", "i64"), Value(str(self.batch[0]), "i64")
        self._matrices(*((self.begin, self.end) if small else one))
        f.emit("ret void")

    def _matrices(self, begin: Value, end: Value) -> None:
        f = self.f
        pa, pb, pc = self._operands()
        loops = []
        step = self.m * self.n * math.prod(self.batch)
        for d, size in enumerate(self.batch):
            step //= size
            loops.append(f.loop(0, size) if d else f.loop(begin, end))
            index = loops[-1].index
            pa = self._move(pa, index, _batch_stride(self.a, d, len(self.batch)))
            pb = self._move(pb, index, _batch_stride(self.b, d, len(self.batch)))
            pc = self._move(pc, index, step)
        if self.packed:
            self._pack(pb, None)
        if self.tiled:
            self._tile(pa, f.at(self.ps, self.tiles_at, "i8"), None)
        self._compute(pa, pb, pc, None, None)
        for loop in reversed(loops):
            loop.end()

    def _move(self, pointer: Value, index: Value, stride: int) -> Value:
        if not stride:
            return pointer
        return self.f.at(pointer, self.f.times(index, stride), self.element)

    # -- one matrix -----------------------------------------------------------------

    def _unrolled(self, depth: int) -> int:
        """How many steps of k the loop of a tile does at once. Two are up to 5 % faster
        than one where k is long, four no faster than two; LLVM takes twice as long."""
        return 2 if depth % 2 == 0 and self.flops >= LARGE else 1

    def _rows(self, vectors: int) -> int:
        return tile_rows(self.m, vectors, self.near)

    def _tile_rows(self) -> int:
        """Rows of the tiles of a full block of columns."""
        return self._rows(
            4 if self.tiled else -(-min(self.n, self.panel) // self.lanes)
        )

    def _compute(
        self, pa: Value, pb: Value, pc: Value, columns: Part | None, rows: Part | None
    ) -> None:
        """C, or some of its blocks of columns, or some of its blocks of rows."""
        f, n, k, panel = self.f, self.n, self.k, self.panel
        if self.tiled:
            pa = f.at(self.ps, self.tiles_at, "i8")
        depth = -(-k // -(-k // DEPTH))
        many = n - n % panel
        for p in range(0, k, depth):
            deep = min(depth, k - p)
            if many > panel or (many and columns):
                first, last = Value("0", "i64"), Value(str(many), "i64")
                if columns:
                    first = f.times(columns.begin, panel)
                    last = f.least(f.times(columns.end, panel), many)
                loop = f.loop(first, last, panel)
                self._column_block(pa, pb, pc, loop.index, panel, p, deep, rows)
                loop.end()
            elif many:
                self._column_block(pa, pb, pc, Value("0", "i64"), panel, p, deep, rows)
            if n > many:
                start = Value(str(many), "i64")
                with columns.final(f) if columns else nullcontext():
                    self._column_block(pa, pb, pc, start, n - many, p, deep, rows)

    def _column_block(
        self, pa: Value, pb: Value, pc: Value, j: Value, size: int, p: int, deep: int,
        part: Part | None,
    ) -> None:  # fmt: skip
        """All rows of C in *size* columns from *j*, for *deep* of k from *p*."""
        f, w, e, panel = self.f, self.lanes, self.element, self.panel
        a_row, a_col = self.a.strides[-2:]
        b_row = self.b.strides[-2]
        if self.own:
            self._copy(pb, j, size)
        if self.packed:
            b = f.at(self._panel_of(j), p * panel, e)
            step_b = panel
        else:
            b = f.at(f.at(pb, j, e), p * b_row, e)
            step_b = b_row
        c = f.at(pc, j, e)
        vectors, tail = -(-size // w), size % w
        a = f.at(pa, p * a_col, e) if p and not self.tiled else pa
        kind = "n" if a_col == 1 or deep == 1 else "t"
        rows = self._tile_rows() if part else self._rows(4 if self.tiled else vectors)
        many = self.m - self.m % rows
        accumulate = p > 0
        ld = a_row if kind == "n" else a_col

        def tile(i: Value, r: int) -> None:
            layout = "t" if self.tiled else kind
            kernel = micro(self.module, e, w, layout, r, vectors, tail, accumulate,
                           self._unrolled(deep))  # fmt: skip
            here, lead = a, ld
            if self.tiled:  # the tile of all k, from k = p on
                lead = r
                here = f.at(a, f.times(i, self.k), e)
                here = f.at(here, p * r, e)
            elif a_row:
                here = f.at(a, f.times(i, a_row), e)
            there = f.at(c, f.times(i, self.n), e)
            sizes = (Value(str(x), "i64") for x in (lead, step_b, self.n, deep))
            f.call(kernel, here, b, there, *sizes)

        if part and many:
            last = f.least(f.times(part.end, rows), many)
            loop = f.loop(f.times(part.begin, rows), last, rows)
            tile(loop.index, rows)
            loop.end()
        elif many > rows:
            loop = f.loop(0, many, rows)
            tile(loop.index, rows)
            loop.end()
        elif many:
            tile(Value("0", "i64"), rows)
        if self.m > many:
            with part.final(f) if part else nullcontext():
                tile(Value(str(many), "i64"), self.m - many)

    # -- copying A into tiles, and B into panels --------------------------------------

    def _tile(self, pa: Value, tiles: Value, part: Part | None) -> None:
        """tiles[block][k][row of the block] = A."""
        f, e, w, k = self.f, self.element, self.lanes, self.k
        a_row, a_col = self.a.strides[-2:]
        rows = self.rows
        many = self.m - self.m % rows

        def copied(i: Value, r: int, blocks: int) -> None:
            """Blocks of a matrix that lies column by column: whole lines of the cache
            are read, as far as several blocks need them."""
            loop = f.loop(0, k)
            for n in range(blocks):
                row = f.value(f"add i64 {i.name}, {n * r}", "i64") if n else i
                here = f.at(pa, f.times(loop.index, a_col), e)
                there = f.at(tiles, f.times(row, k), e)
                there = f.at(there, f.times(loop.index, r), e)
                f.store(f.load(f.at(here, row, e), e, w, r % w), there, r % w)
            loop.end()

        def turned(i: Value, r: int) -> None:
            source = f.at(pa, f.times(i, a_row), e)
            target = f.at(tiles, f.times(i, k), e)
            sizes = (Value(str(x), "i64") for x in (r, k, a_row, r))
            f.call(transposer(self.module, e, w, r, k, a_row), source, target, *sizes)

        def blocks(begin: Value, end: Value, count: int) -> None:
            loop = f.loop(begin, end, count * rows)
            if a_col == 1:
                turned(loop.index, rows)
            else:
                copied(loop.index, rows, count)
            loop.end()

        first, last = Value("0", "i64"), Value(str(many), "i64")
        if part:
            first = f.times(part.begin, rows)
            last = f.least(f.times(part.end, rows), many)
        if a_col != 1:
            group = GROUP * rows
            size = f.value(f"sub i64 {last.name}, {first.name}", "i64")
            rest = f.value(f"urem i64 {size.name}, {group}", "i64")
            middle = f.value(f"sub i64 {last.name}, {rest.name}", "i64")
            blocks(first, middle, GROUP)
            first = middle
        blocks(first, last, 1)
        if self.m > many:
            with part.final(f) if part else nullcontext():
                end = Value(str(many), "i64")
                if a_col == 1:
                    turned(end, self.m - many)
                else:
                    copied(end, self.m - many, 1)

    def _pack(self, pb: Value, part: Part | None) -> None:
        """scratch[panel][k][4 vectors] = B, transposed in registers where need be."""
        f, n, panel = self.f, self.n, self.panel
        many = n - n % panel
        first, last = Value("0", "i64"), Value(str(many), "i64")
        if part:
            first = f.times(part.begin, panel)
            last = f.least(f.times(part.end, panel), many)
        if many:
            loop = f.loop(first, last, panel)
            self._copy(pb, loop.index, panel)
            loop.end()
        if n > many:
            with part.final(f) if part else nullcontext():
                self._copy(pb, Value(str(many), "i64"), n - many)

    def _copy(self, pb: Value, j: Value, size: int) -> None:
        """One panel of B."""
        (self._copy_panel if self.across else self._turn_panel)(pb, j, size)

    def _panel_of(self, j: Value) -> Value:
        """Where the copy of the panel from column *j* on lies."""
        if self.own:
            return self.stack
        return self.f.at(self.ps, self.f.times(j, self.k), self.element)

    def _copy_panel(self, pb: Value, j: Value, size: int) -> None:
        """A panel of *size* columns of a B that lies row by row."""
        f, e, k = self.f, self.element, self.k
        copy = copier(self.module, e, self.lanes)
        given = (Value(str(x), "i64") for x in (self.b.strides[-2], size, k))
        f.call(copy, f.at(pb, j, e), self._panel_of(j), *given)

    def _turn_panel(self, pb: Value, j: Value, size: int) -> None:
        """A panel of *size* columns of a B that lies column by column."""
        f, e = self.f, self.element
        b_col = self.b.strides[-1]
        source = f.at(pb, f.times(j, b_col), e)
        sizes = (Value(str(x), "i64") for x in (size, self.k, b_col, self.panel))
        turn = transposer(self.module, e, self.lanes, size, self.k, b_col)
        f.call(turn, source, self._panel_of(j), *sizes)


def _one_matrix(a: View, b: View, m: int) -> bool:
    """Whether the matrices of *a* along the last batch dimension lie one under another,
    and all meet the same matrix of *b*."""
    same = len(b.shape) < 3 or b.shape[-3] == 1 or b.strides[-3] == 0
    if len(a.shape) < 3 or not same:
        return False
    return a.shape[-3] > 1 and (m == 1 or a.strides[-3] == m * a.strides[-2])


def _batch_stride(view: View, d: int, dims: int) -> int:
    """How far apart the matrices of an operand lie along a batch dimension."""
    own = d - (dims - (len(view.shape) - 2))
    return view.strides[own] if own >= 0 else 0


def micro(
    module: Module, e: str, w: int, kind: str, rows: int, vectors: int, tail: int,
    accumulate: bool, unroll: int,
) -> str:  # fmt: skip
    """C[rows × vectors] (+)= Σₖ A[·, k] B[k, ·]. *kind* "n": A lies row by row with
    *lda* between rows; "t": column by column. k is a multiple of *unroll*."""
    name = f"tile_{e}{w}_{kind}{rows}x{vectors}_{tail}{'_add' if accumulate else ''}"
    name += f"_{unroll}" if unroll > 1 else ""
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

    loop = f.loop(0, k, unroll, *tile)
    tile = list(loop.values)
    row = f.at(b, f.value(f"mul i64 {loop.index.name}, {ldb.name}", "i64"), e)
    column = loop.index
    if kind == "t":
        column = f.value(f"mul i64 {loop.index.name}, {lda.name}", "i64")
        base = f.at(a, column, e)
    for u in range(unroll):
        if u:
            row = f.at(row, ldb, e)
        if u and kind == "t":
            base = f.at(base, lda, e)
        wide = [f.load(f.at(row, v * w, e), e, w, lanes(v)) for v in range(vectors)]
        for r in range(rows):
            if kind == "t":
                one = f.load(f.at(base, r, e), e)
            else:
                one = f.load(f.at(f.at(left[r], column, e), u, e), e)
            spread = f.splat(one, w)
            for v in range(vectors):
                i = r * vectors + v
                tile[i] = f.fma(spread, wide[v], tile[i])
    tile = loop.end(*tile)
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


def transposer(
    module: Module, e: str, w: int, rows: int, columns: int, apart: int
) -> str:
    """target[j, i] = source[i, j] for matrices about as large as rows × columns, whose
    rows lie *apart*, in blocks that are transposed in registers. Where a size is no
    multiple of a block's, the last block goes back over what the one before it did."""
    across = 16 // SIZES[e]
    # more rows so far apart would throw each other out of the first cache
    height = min(w, 4 * across if apart * SIZES[e] % 2048 else 2 * across)
    if rows < height:
        height = across
    if rows < height or columns < across:
        height = across = 1
    name = f"turn_{e}_{height}x{across}"
    if name in module.functions:
        return name
    types = [("ptr", "source"), ("ptr", "target"), ("i64", "rows"), ("i64", "columns"),
             ("i64", "lds"), ("i64", "ldt")]  # fmt: skip
    f = Function(module, name, types)
    source, target, rows_, columns_, lds, ldt = f.parameters
    last_row, last_column = (
        f.value(f"sub i64 {size.name}, {step}", "i64")
        for size, step in ((rows_, height), (columns_, across))
    )
    # as many columns as leave their part of the target in the first cache
    band = f.loop(0, columns_, LINE)
    end = f.least(f.value(f"add i64 {band.index.name}, {LINE}", "i64"), columns_)
    down = f.loop(0, rows_, height)
    i = f.least(down.index, last_row)
    line = f.at(source, f.value(f"mul i64 {i.name}, {lds.name}", "i64"), e)
    along = f.loop(band.index, end, across)
    j = f.least(along.index, last_column)
    here = f.at(line, j, e)
    there = f.value(f"mul i64 {j.name}, {ldt.name}", "i64")
    there = f.at(f.at(target, there, e), i, e)
    pieces = []
    for n in range(height):
        here = f.at(here, lds, e) if n else here
        pieces.append(f.load(here, e, across if across > 1 else 0))
    for n, row in enumerate(_turned(f, pieces, across)):
        there = f.at(there, ldt, e) if n else there
        f.store(row, there)
    along.end()
    down.end()
    band.end()
    f.emit("ret void")
    return name


def _turned(f: Function, pieces: list[Value], across: int) -> list[Value]:
    """The columns of rows of *across* elements, 128 bits: rows are put beside each other
    in as many registers, and in these each such part is transposed by itself."""
    if across == 1:
        return pieces
    block = pieces
    while len(block) > across:
        both = range(2 * block[0].width)
        block = [f.shuffled(block[n], block[n + across], both)
                 for start in range(0, len(block), 2 * across)
                 for n in range(start, start + across)]  # fmt: skip
    w = block[0].width

    def woven(a: Value, b: Value) -> tuple[Value, Value]:
        """a₀ b₀ a₁ b₁ … of the first half of each part, and of the second half."""
        half = across // 2
        order = [start + i + by for start in range(0, w, across)
                 for i in range(half) for by in (0, w)]  # fmt: skip
        return f.shuffled(a, b, order), f.shuffled(a, b, [n + half for n in order])

    if across == 2:
        return list(woven(*block))
    a, b, c, d = block
    even, odd = woven(a, c), woven(b, d)
    return [*woven(even[0], odd[0]), *woven(even[1], odd[1])]
