"""Convolution (cross-correlation, as in every deep-learning library) and its adjoints.

The three primitives are bilinear and closed under differentiation: the derivative of
each with respect to one operand is one of the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dispatch import apply
from .movement import Fold, Windows
from .op import Array, Op, Sample, Shape, Spec, probe


def _windows(
    x: Array, size: Shape, stride: Shape, padding: Shape, dilation: Shape
) -> Array:
    """[N, C, out…, kernel…]: every window of the padded input, without copying."""
    n = len(size)
    if any(padding):
        x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    return Windows.forward(
        x, dims=tuple(range(2, 2 + n)), size=size, step=stride, dilation=dilation
    )


def _grouped(w: Array, groups: int) -> Array:
    """[groups, O/groups, C/groups · kernel]."""
    return w.reshape(groups, w.shape[0] // groups, -1)


def _columns(windows: Array, groups: int, n: int) -> Array:
    """[groups, N · out…, C/groups · kernel]: the rows of the matrix product."""
    N, C = windows.shape[:2]
    out = windows.shape[2 : 2 + n]
    x = windows.reshape(N, groups, C // groups, *windows.shape[2:])
    order = (1, 0, *range(3, 3 + n), 2, *range(3 + n, 3 + 2 * n))
    return x.transpose(order).reshape(groups, N * int(np.prod(out)), -1)


class Conv(Op):
    """out[n,o,i] = Σ_c Σ_k x[n, c, i·stride + k·dilation − padding] · w[o,c,k]."""

    formula, adjoint = "x ∗ w", ("ḡ ∗ᵀ w", "x ∗ ḡ")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        x, w = specs
        groups, n = attrs["groups"], len(attrs["stride"])
        if len(x.shape) != n + 2 or len(w.shape) != n + 2:
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv{n}d, but "
                f"got input of size: {list(x.shape)}"
            )
        if x.dtype is not w.dtype:
            raise RuntimeError(
                f"Input type ({x.dtype.name}) and weight type ({w.dtype.name}) should be the same"
            )
        if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
            raise RuntimeError(
                f"Given groups={groups}, weight of size {list(w.shape)}, expected input"
                f"{list(x.shape)} to have {w.shape[1] * groups} channels, but got "
                f"{x.shape[1]} channels instead"
            )
        out = []
        for i in range(n):
            reach = attrs["dilation"][i] * (w.shape[2 + i] - 1) + 1
            room = x.shape[2 + i] + 2 * attrs["padding"][i]
            if reach > room:
                raise RuntimeError(
                    f"Calculated padded input size per channel: ({room}). Kernel size: "
                    f"({reach}). Kernel size can't be greater than actual input size"
                )
            out.append((room - reach) // attrs["stride"][i] + 1)
        return Spec((x.shape[0], w.shape[0], *out), x.dtype)

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
        n = len(stride)
        windows = _windows(x, w.shape[2:], stride, padding, dilation)
        rows = _columns(windows, groups, n) @ _grouped(w, groups).transpose(0, 2, 1)
        out = rows.reshape(groups, x.shape[0], *windows.shape[2 : 2 + n], -1)
        order = (1, 0, out.ndim - 1, *range(2, 2 + n))
        return out.transpose(order).reshape(
            x.shape[0], w.shape[0], *windows.shape[2 : 2 + n]
        )

    @staticmethod
    def vjp_x(g: Any, w: Any, x_spec: Spec, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Any:  # fmt: skip
        return apply(ConvInput, g, w, size=x_spec.shape[2:], stride=stride, padding=padding,
                     dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def vjp_w(g: Any, x: Any, w_spec: Spec, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Any:  # fmt: skip
        return apply(ConvWeight, x, g, size=w_spec.shape[2:], stride=stride, padding=padding,
                     dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def samples() -> list[Sample]:
        plain: dict[str, Any] = {
            "stride": (1, 1),
            "padding": (1, 0),
            "dilation": (1, 1),
            "groups": 1,
        }
        odd: dict[str, Any] = {
            "stride": (2,),
            "padding": (2,),
            "dilation": (2,),
            "groups": 2,
        }
        return [
            Sample(probe(2, 2, 4, 4), probe(3, 2, 3, 2, seed=2), **plain),
            Sample(probe(1, 4, 7), probe(2, 2, 3, seed=2), **odd),
        ]


class ConvInput(Op):
    """The adjoint of Conv in x: a transposed convolution of y with w."""

    formula, adjoint = "y ∗ᵀ w", ("ḡ ∗ w", "ḡ ∗ y")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        y, w = specs
        if y.shape[1] != w.shape[0]:
            raise RuntimeError(
                f"Given transposed=1, weight of size {list(w.shape)}, expected input"
                f"{list(y.shape)} to have {w.shape[0]} channels, but got {y.shape[1]} "
                "channels instead"
            )
        return Spec((y.shape[0], w.shape[1] * attrs["groups"], *attrs["size"]), y.dtype)

    @staticmethod
    def forward(
        y: Array, w: Array, *, size: Shape, stride: Shape, padding: Shape, dilation: Shape,
        groups: int,
    ) -> Array:  # fmt: skip
        n, N = len(stride), y.shape[0]
        out, kernel = y.shape[2:], w.shape[2:]
        rows = y.reshape(N, groups, -1, *out).transpose(1, 0, *range(3, 3 + n), 2)
        columns = rows.reshape(groups, -1, rows.shape[-1]) @ _grouped(w, groups)
        c = columns.reshape(groups, N, *out, w.shape[1], *kernel)
        order = (1, 0, 2 + n, *range(2, 2 + n), *range(3 + n, 3 + 2 * n))
        windows = c.transpose(order).reshape(N, groups * w.shape[1], *out, *kernel)
        padded = tuple(k + 2 * p for k, p in zip(size, padding, strict=True))
        # windows may leave the end of the input untouched
        whole = Fold.forward(
            windows, shape=(*windows.shape[:2], *padded), dims=tuple(range(2, 2 + n)),
            size=kernel, step=stride, dilation=dilation,
        )  # fmt: skip
        inner = tuple(slice(p, p + k) for k, p in zip(size, padding, strict=True))
        return np.ascontiguousarray(whole[(slice(None), slice(None), *inner)])

    @staticmethod
    def vjp_y(
        g: Any, w: Any, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> Any:
        return apply(
            Conv, g, w, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    @staticmethod
    def vjp_w(g: Any, y: Any, w_spec: Spec, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Any:  # fmt: skip
        return apply(ConvWeight, g, y, size=w_spec.shape[2:], stride=stride, padding=padding,
                     dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(
                probe(2, 4, 3), probe(4, 1, 3, seed=2), size=(7,), stride=(2,), padding=(0,),
                dilation=(1,), groups=2,
            )
        ]  # fmt: skip


class ConvWeight(Op):
    """The adjoint of Conv in w: the correlation of x with y."""

    formula, adjoint = "x ∗ y", ("y ∗ᵀ ḡ", "x ∗ ḡ")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        x, y = specs
        return Spec(
            (y.shape[1], x.shape[1] // attrs["groups"], *attrs["size"]), x.dtype
        )

    @staticmethod
    def forward(
        x: Array, y: Array, *, size: Shape, stride: Shape, padding: Shape, dilation: Shape,
        groups: int,
    ) -> Array:  # fmt: skip
        n, out = len(stride), y.shape[2:]
        windows = _windows(x, size, stride, padding, dilation)
        index = tuple(slice(0, k) for k in out)
        columns = _columns(windows[(slice(None), slice(None), *index)], groups, n)
        rows = y.reshape(y.shape[0], groups, -1, *out).transpose(
            1, 2, 0, *range(3, 3 + n)
        )
        rows = rows.reshape(groups, rows.shape[1], -1)
        return (rows @ columns).reshape(y.shape[1], x.shape[1] // groups, *size)

    @staticmethod
    def vjp_x(g: Any, y: Any, x_spec: Spec, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Any:  # fmt: skip
        return apply(ConvInput, y, g, size=x_spec.shape[2:], stride=stride, padding=padding,
                     dilation=dilation, groups=groups)  # fmt: skip

    @staticmethod
    def vjp_y(
        g: Any, x: Any, stride: Shape, padding: Shape, dilation: Shape, groups: int
    ) -> Any:
        return apply(
            Conv, x, g, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(
                probe(2, 2, 5), probe(2, 2, 3, seed=2), size=(3,), stride=(1,), padding=(0,),
                dilation=(1,), groups=2,
            )
        ]  # fmt: skip
