"""Convolution (cross-correlation, as in every deep-learning library) and its adjoints.

Three primitives, for any number n of spatial dimensions, channels first:

    conv        x [N, C, in…],  w [O, C/groups, kernel…]  →  y [N, O, out…]
    conv_input  y [N, O, out…], w [O, C/groups, kernel…]  →  x [N, C, size…]
    conv_weight x [N, C, in…],  y [N, O, out…]            →  w [O, C/groups, size…]

    y[n, o, i] = Σ_c Σ_k x[n, c + C/groups · g(o), i·stride − padding + k·dilation]
                         · w[o, c, k],            g(o) = o // (O/groups)

where i, k, in, out, kernel, size, stride, padding and dilation have one number for each
spatial dimension, in the order of the shape (first … last), and places outside x are 0.
The other two are its adjoints in x and in w. The attributes:

- ``stride`` (n numbers ≥ 1): the step from one window to the next, in elements of x;
- ``padding`` (n numbers ≥ 0): how far before x the first window begins; as much room is
  left behind, so that out = (in + 2·padding − dilation·(kernel − 1) − 1) // stride + 1;
- ``dilation`` (n numbers ≥ 1): the step within a window;
- ``groups``: outputs o and channels c are cut into so many equal runs, in order, and each
  run of outputs sees its own run of channels;
- ``size``: the spatial shape that the adjoints make: of x, which the shape of y does not
  tell when stride > 1 (what no window reaches is 0), or of the kernel.

In ``conv_input`` y may have fewer windows than an input of *size* has room for, and in
``conv_weight`` likewise: those that are missing count as 0.

They are linear in each operand and closed under differentiation: the derivative of each
with respect to one operand is another of the three. In NumPy all are one matrix product
with the *columns* of x: the numbers that the windows see, one column a window (im2col).
The batch is taken in parts, so that the columns stay small enough for the cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..dispatch import apply
from .families import Tensor
from .op import Array, Op, Sample, Shape, Spec, probe

#: bytes of columns at a time
_PART = 1 << 22


def _parts(n: int, size: int) -> Iterator[slice]:
    """The batch in parts of about _PART bytes, *size* bytes for each element."""
    step = max(1, _PART // max(size, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _padded(x: Array, padding: Shape) -> Array:
    if not any(padding):
        return x
    around = [m + 2 * p for m, p in zip(x.shape[2:], padding, strict=True)]
    out = np.zeros((*x.shape[:2], *around), x.dtype)
    out[_inner(x.shape[2:], padding)] = x
    return out


def _inner(size: Shape, padding: Shape) -> tuple[slice, ...]:
    """Where the input lies in the padded one."""
    sides = (slice(p, p + m) for m, p in zip(size, padding, strict=True))
    return slice(None), slice(None), *sides


def _columns(
    x: Array, kernel: Shape, out: Shape, stride: Shape, dilation: Shape, groups: int
) -> Array:
    """[groups, C/groups · kernel, N · out]: what each weight meets, window by window."""
    N, C = x.shape[:2]
    steps = x.strides[2:]
    between = (s * d for s, d in zip(steps, dilation, strict=True))
    along = (s * d for s, d in zip(steps, stride, strict=True))
    windows = as_strided(
        x,
        (C, *kernel, N, *out),
        (x.strides[1], *between, x.strides[0], *along),
        writeable=False,
    )
    height = C // groups * math.prod(kernel)
    return windows.reshape(groups, height, N * math.prod(out))


def _rows(y: Array, groups: int) -> Array:
    """[groups, O/groups, N · out] of an output [N, O, out…]."""
    N, O = y.shape[:2]
    rows = y.swapaxes(0, 1)
    return rows.reshape(groups, O // groups, N * math.prod(y.shape[2:]))


def _weights(w: Array, groups: int) -> Array:
    """[groups, O/groups, C/groups · kernel]."""
    return w.reshape(groups, w.shape[0] // groups, math.prod(w.shape[1:]))


def _single(*arrays: Array) -> list[Array]:
    """Half precision in float32: there are no fast products for it."""
    half = arrays[0].dtype.itemsize == 2 and arrays[0].dtype.kind not in "iu"
    return [a.astype(np.float32) for a in arrays] if half else list(arrays)


def out_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many windows there are along a dimension: 0 or less where none fits."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _cropped(y: Tensor, spec: Spec) -> Tensor:
    """An output may leave room for more windows than y has (``size`` says which)."""
    for i, (m, wanted) in enumerate(zip(y.shape, spec.shape, strict=True)):
        if m != wanted:
            y = y.narrow(i, 0, wanted)
    return y


class _Convolution(Op):
    """What the three have in common; all attributes but ``groups`` have a number for
    each spatial dimension."""

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        for name in ("stride", "dilation"):
            if any(v < 1 for v in attrs[name]):
                raise RuntimeError(
                    f"non-positive {name} is not supported: {attrs[name]}"
                )
        if any(p < 0 for p in attrs["padding"]):
            raise RuntimeError(f"negative padding is not supported: {attrs['padding']}")
        if attrs["groups"] < 1:
            raise RuntimeError(
                f"non-positive groups is not supported: {attrs['groups']}"
            )
        return attrs


def _same_type(x: Spec, w: Spec) -> None:
    if x.dtype is not w.dtype:
        raise RuntimeError(
            f"Input type ({x.dtype.name}) and weight type ({w.dtype.name}) should be the "
            f"same. Convert the input with .to(rg.{w.dtype.name})"
        )


def dimensions(x: Spec, w: Spec, n: int, name: str) -> None:
    """RuntimeError unless both have a batch, channels and *n* spatial dimensions."""
    if len(x.shape) != n + 2:
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}{n}d, "
            f"but got input of size: {list(x.shape)}"
        )
    if len(w.shape) != n + 2:
        raise RuntimeError(
            f"{name}{n}d: expected a {n + 2}D weight, but got size {list(w.shape)}"
        )


class Conv(_Convolution):
    """out[n, o, i] = Σ_c Σ_k x[n, c, i·stride + k·dilation − padding] · w[o, c, k]."""

    formula, adjoint = "x ∗ w", ("ḡ ∗ᵀ w", "x ∗ ḡ")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        x, w = specs
        groups, n = attrs["groups"], len(attrs["stride"])
        dimensions(x, w, n, "conv")
        _same_type(x, w)
        if w.shape[0] % groups or not w.shape[0]:
            raise RuntimeError(
                f"Given groups={groups}, expected weight to be at least {groups} at "
                f"dimension 0, and divisible by it, but got weight of size "
                f"{list(w.shape)} instead"
            )
        if x.shape[1] != w.shape[1] * groups:
            raise RuntimeError(
                f"Given groups={groups}, weight of size {list(w.shape)}, expected input"
                f"{list(x.shape)} to have {w.shape[1] * groups} channels, but got "
                f"{x.shape[1]} channels instead"
            )
        names = ("stride", "padding", "dilation")
        sizes = [
            out_size(x.shape[2 + i], w.shape[2 + i], *(attrs[a][i] for a in names))
            for i in range(n)
        ]
        if min(sizes) < 1:
            pairs = list(zip(attrs["padding"], attrs["dilation"], strict=True))
            room = [m + 2 * p for m, (p, _) in zip(x.shape[2:], pairs, strict=True)]
            reach = [
                d * (k - 1) + 1 for k, (_, d) in zip(w.shape[2:], pairs, strict=True)
            ]
            raise RuntimeError(
                "Calculated padded input size per channel: "
                f"({' x '.join(map(str, room))}). Kernel size: "
                f"({' x '.join(map(str, reach))}). Kernel size can't be greater than "
                "actual input size"
            )
        return Spec((x.shape[0], w.shape[0], *sizes), x.dtype)

    @staticmethod
    def forward(
        x: Array,
        w: Array,
        *,
        stride: Shape,
        padding: Shape,
        dilation: Shape,
        groups: int,
    ) -> Array:
        kind, (x, w) = x.dtype, _single(x, w)
        kernel = w.shape[2:]
        sizes = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
        out = tuple(out_size(*s) for s in sizes)
        y = np.empty((x.shape[0], w.shape[0], *out), kind)
        weights = _weights(w, groups)
        column = math.prod(x.shape[1:2] + kernel + out) * x.itemsize
        for part in _parts(x.shape[0], column):
            some = _padded(x[part], padding)
            columns = _columns(some, kernel, out, stride, dilation, groups)
            rows = np.matmul(weights, columns)
            y[part] = rows.reshape(w.shape[0], some.shape[0], *out).swapaxes(0, 1)
        return y

    @staticmethod
    def vjp_x(
        g: Tensor, w: Tensor, x_spec: Spec,
        stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Tensor:  # fmt: skip
        return apply(ConvInput, g, w, size=x_spec.shape[2:], stride=stride,
                     padding=padding, dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def vjp_w(
        g: Tensor, x: Tensor, w_spec: Spec,
        stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Tensor:  # fmt: skip
        return apply(ConvWeight, x, g, size=w_spec.shape[2:], stride=stride,
                     padding=padding, dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def samples() -> list[Sample]:
        plain = {"stride": (1, 1), "padding": (1, 0), "dilation": (1, 1), "groups": 1}
        odd = {"stride": (2,), "padding": (2,), "dilation": (2,), "groups": 2}
        solid = {"stride": (1, 2, 1), "padding": (0, 1, 0), "dilation": (1, 1, 1)}
        return [
            Sample(probe(2, 2, 4, 4), probe(3, 2, 3, 2, seed=2), **plain),
            Sample(probe(1, 4, 8), probe(2, 2, 3, seed=2), **odd),
            Sample(
                probe(1, 1, 2, 3, 2), probe(2, 1, 2, 2, 1, seed=2), **solid, groups=1
            ),
        ]


class ConvInput(_Convolution):
    """The adjoint of Conv in x: the transposed convolution of y with w, of spatial
    ``size``."""

    formula, adjoint = "y ∗ᵀ w", ("ḡ ∗ w", "ḡ ∗ y")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        y, w = specs
        groups, n = attrs["groups"], len(attrs["stride"])
        dimensions(y, w, n, "conv_transpose")
        _same_type(y, w)
        if y.shape[1] != w.shape[0]:
            raise RuntimeError(
                f"Given transposed=1, weight of size {list(w.shape)}, expected input"
                f"{list(y.shape)} to have {w.shape[0]} channels, but got {y.shape[1]} "
                "channels instead"
            )
        if w.shape[0] % groups:
            raise RuntimeError(
                f"Given groups={groups}, expected weight to be divisible by {groups} at "
                f"dimension 0, but got weight of size {list(w.shape)} instead"
            )
        if min(attrs["size"]) < 1:
            raise RuntimeError(
                f"Given input size per channel: {list(y.shape[2:])}. Calculated output "
                f"size per channel: {list(attrs['size'])}. Output size is too small"
            )
        return Spec((y.shape[0], w.shape[1] * groups, *attrs["size"]), y.dtype)

    @staticmethod
    def forward(
        y: Array, w: Array, *,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Array:  # fmt: skip
        kind, (y, w) = y.dtype, _single(y, w)
        out, kernel, C = y.shape[2:], w.shape[2:], w.shape[1] * groups
        x = np.empty((y.shape[0], C, *size), kind)
        weights = _weights(w, groups).swapaxes(1, 2)
        around = tuple(m + 2 * p for m, p in zip(size, padding, strict=True))
        column = C * math.prod(kernel + out) * y.itemsize
        for part in _parts(y.shape[0], column):
            columns = np.matmul(weights, _rows(y[part], groups))
            n = part.stop - part.start
            columns = columns.reshape(C, *kernel, n, *out)
            some = np.zeros((C, n, *around), y.dtype)
            for place in np.ndindex(kernel):
                at = (
                    slice(p * d, p * d + s * (m - 1) + 1, s)
                    for p, d, s, m in zip(place, dilation, stride, out, strict=True)
                )
                some[:, :, *at] += columns[:, *place]
            x[part] = some[_inner(size, padding)].swapaxes(0, 1)
        return x

    @staticmethod
    def vjp_y(
        g: Tensor, w: Tensor, y_spec: Spec,
        stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Tensor:  # fmt: skip
        gy = apply(Conv, g, w, stride=stride, padding=padding, dilation=dilation,
                   groups=groups)  # fmt: skip
        return _cropped(gy, y_spec)

    @staticmethod
    def vjp_w(
        g: Tensor, y: Tensor, w_spec: Spec,
        stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Tensor:  # fmt: skip
        return apply(ConvWeight, g, y, size=w_spec.shape[2:], stride=stride,
                     padding=padding, dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def samples() -> list[Sample]:
        odd = {"stride": (2,), "padding": (0,), "dilation": (1,), "groups": 2}
        wide = {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1), "groups": 1}
        more = {"stride": (1,), "padding": (1,), "dilation": (3,), "groups": 1}
        return [
            Sample(probe(1, 2, 3), probe(2, 1, 2, seed=2), size=(6,), **more),
            Sample(probe(2, 4, 3), probe(4, 1, 3, seed=2), size=(7,), **odd),
            Sample(probe(1, 2, 3, 2), probe(2, 2, 2, 2, seed=2), size=(3, 5), **wide),
        ]


class ConvWeight(_Convolution):
    """The adjoint of Conv in w: x correlated with y, of kernel ``size``."""

    formula, adjoint = "x ∗ y", ("y ∗ᵀ ḡ", "x ∗ ḡ")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        x, y = specs
        channels = x.shape[1] // attrs["groups"]
        return Spec((y.shape[1], channels, *attrs["size"]), x.dtype)

    @staticmethod
    def forward(
        x: Array, y: Array, *,
        size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Array:  # fmt: skip
        kind, (x, y) = x.dtype, _single(x, y)
        C, O, out = x.shape[1], y.shape[1], y.shape[2:]
        shape = (groups, O // groups, C // groups * math.prod(size))
        w = np.zeros(shape, x.dtype)
        column = C * math.prod(size + out) * x.itemsize
        for part in _parts(x.shape[0], column):
            some = _padded(x[part], padding)
            columns = _columns(some, size, out, stride, dilation, groups)
            w += np.matmul(_rows(y[part], groups), columns.swapaxes(1, 2))
        return w.reshape(O, C // groups, *size).astype(kind, copy=False)

    @staticmethod
    def vjp_x(
        g: Tensor, y: Tensor, x_spec: Spec,
        stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Tensor:  # fmt: skip
        return apply(ConvInput, y, g, size=x_spec.shape[2:], stride=stride,
                     padding=padding, dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def vjp_y(
        g: Tensor, x: Tensor, y_spec: Spec,
        stride: Shape, padding: Shape, dilation: Shape, groups: int,
    ) -> Tensor:  # fmt: skip
        gy = apply(Conv, x, g, stride=stride, padding=padding, dilation=dilation,
                   groups=groups)  # fmt: skip
        return _cropped(gy, y_spec)

    @staticmethod
    def samples() -> list[Sample]:
        deep = {"stride": (1,), "padding": (0,), "dilation": (1,), "groups": 2}
        wide = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
        return [
            Sample(probe(2, 2, 5), probe(2, 2, 3, seed=2), size=(3,), **deep),
            Sample(probe(2, 1, 4, 2), probe(2, 2, 2, 3, seed=2), size=(3, 2), **wide),
        ]
