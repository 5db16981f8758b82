"""Uniform random numbers: Philox4x32-10, sixteen counters at a time in lanes.

The numbers are those of :mod:`retrograd.ops.random`, to the bit.
"""

from __future__ import annotations

from .fuse import Fusion, Random
from .ir import Function, Module, Value
from .stage import Stage, last_part, stage_function

_LANES = 16
_M = (0xD2511F53, 0xCD9E8D57)
_W = (0x9E3779B9, 0xBB67AE85)


def _word(number: int) -> Value:
    return Value(f"splat (i32 {_signed(number)})", "i32", _LANES)


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


class RandomCode:
    """Emits one draw; four words of 32 bits a counter, one a number."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: Random,
        fusion: Fusion,
        vector_bytes: int,
    ) -> None:
        (node,) = kernel.nodes
        n = node.spec.size
        self.parameters = [fusion.view(node.inputs[0]).buffer, node]
        buffers = tuple(self.parameters)
        extent = -(-n // (4 * _LANES))
        self.stages = [Stage(name, buffers, extent, n * 1.0)]
        f = stage_function(module, name, buffers)
        state, out, begin, end = f.parameters
        seed = f.load(state, "i64")
        first = f.load(f.at(state, 1, "i64"), "i64")
        high = f.value(f"lshr i64 {seed.name}, 32", "i64")
        keys = []
        for k, weyl in (
            (f.convert(seed, "i32"), _W[0]),
            (f.convert(high, "i32"), _W[1]),
        ):
            keys.append(
                [f.splat(f.add(k, Value(str(_signed(weyl * r)), "i32")), _LANES)
                 for r in range(10)]
            )  # fmt: skip
        loop = f.loop(begin, end)
        count = f.add(first, f.times(loop.index, _LANES))
        counts = f.add(f.splat(count, _LANES), f.lanes(_LANES))
        upper = f.value(
            f"lshr {counts.type} {counts.name}, splat (i64 32)", "i64", _LANES
        )
        zero = _word(0)
        c = [f.convert(counts, "i32"), f.convert(upper, "i32"), zero, zero]
        for r in range(10):
            high0, low0 = _product(f, c[0], _M[0])
            high1, low1 = _product(f, c[2], _M[1])
            c = [
                f.logic("xor", f.logic("xor", high1, c[1]), keys[0][r]),
                low1,
                f.logic("xor", f.logic("xor", high0, c[3]), keys[1][r]),
                low0,
            ]
        here = f.at(out, f.times(loop.index, 4 * _LANES), "float")
        vectors = [_uniform(f, v) for v in _in_order(f, c)]
        rest = n % (4 * _LANES)
        if rest:
            last = last_part(f, extent)
            final = Value(f.op(f"icmp eq i64 {loop.index.name}, {extent - 1}"), "i1")
            last = f.logic("and", last, final)
            room = f.select(
                last, Value(str(rest), "i64"), Value(str(4 * _LANES), "i64")
            )
            for i, v in enumerate(vectors):
                left = f.value(f"sub i64 {room.name}, {i * _LANES}", "i64")
                f.store_some(v, f.at(here, i * _LANES, "float"), left)
        else:
            for i, v in enumerate(vectors):
                f.store(v, f.at(here, i * _LANES, "float"))
        loop.end()
        f.emit("ret void")


def _product(f: Function, a: Value, factor: int) -> tuple[Value, Value]:
    """The high and the low half of a product of words."""
    wide = f.value(f"zext {a.type} {a.name} to <{_LANES} x i64>", "i64", _LANES)
    full = f.mul(wide, Value(f"splat (i64 {factor})", "i64", _LANES))
    high = f.value(f"lshr {full.type} {full.name}, splat (i64 32)", "i64", _LANES)
    return f.convert(high, "i32"), f.convert(full, "i32")


def _in_order(f: Function, c: list[Value]) -> list[Value]:
    """Four words a lane, as vectors of words one after the other."""
    kind, twice = f"<{_LANES} x i32>", f"<{2 * _LANES} x i32>"
    lanes = ", ".join(f"i32 {i}" for i in range(2 * _LANES))
    pairs = [
        f.op(f"shufflevector {kind} {a.name}, {kind} {b.name}, {twice} <{lanes}>")
        for a, b in ((c[0], c[1]), (c[2], c[3]))
    ]
    vectors = []
    for part in range(4):
        # word w of lane l stands at (w mod 2)·16 + l of pair w div 2
        chosen = ", ".join(
            f"i32 {(w // 2) * 2 * _LANES + (w % 2) * _LANES + lane}"
            for lane in range(4 * part, 4 * part + 4)
            for w in range(4)
        )
        text = (
            f"shufflevector {twice} {pairs[0]}, {twice} {pairs[1]}, {kind} <{chosen}>"
        )
        vectors.append(f.value(text, "i32", _LANES))
    return vectors


def _uniform(f: Function, word: Value) -> Value:
    """24 bits as a number in [0, 1)."""
    bits = f.value(f"lshr {word.type} {word.name}, splat (i32 8)", "i32", _LANES)
    number = f.convert(bits, "float")
    return f.mul(number, f.constant(2.0**-24, number))
