"""Primitives that move elements and compute nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..dispatch import apply, constant
from .op import (
    REGISTRY,
    Array,
    Op,
    Sample,
    Shape,
    Spec,
    normalize_dim,
    probe,
    whole_number,
)


class Cast(Op):
    """out = a in another number type."""

    formula, adjoint = "a", ("ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(specs[0].shape, attrs["dtype"])

    @staticmethod
    def forward(a: Array, *, dtype: dtypes.dtype) -> Array:
        return np.asarray(a).astype(dtype.np)

    @staticmethod
    def vjp_a(g: Any, a_spec: Spec) -> Any:
        return apply(Cast, g, dtype=a_spec.dtype)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(3), dtype=dtypes.float64)]


class Reshape(Op):
    """The same elements, in row-major order, in another shape."""

    formula, adjoint, view = "a", ("ḡ",), True

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        size, wanted = (
            specs[0].size,
            tuple(whole_number(n, "a size") for n in attrs["shape"]),
        )
        known = 1
        for n in wanted:
            known *= n if n != -1 else 1
        shape = wanted
        if wanted.count(-1) > 1:
            raise RuntimeError("only one dimension can be inferred")
        if -1 in wanted and known > 0 and size % known == 0:
            shape = tuple(size // known if n == -1 else n for n in wanted)
        if (
            -1 in shape
            or any(n < 0 for n in shape)
            or Spec(shape, specs[0].dtype).size != size
        ):
            raise RuntimeError(
                f"shape '{list(wanted)}' is invalid for input of size {size}"
            )
        return {"shape": shape}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(attrs["shape"], specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, shape: Shape) -> Array:
        return np.reshape(a, shape)

    @staticmethod
    def vjp_a(g: Any, a_spec: Spec) -> Any:
        return apply(Reshape, g, shape=a_spec.shape)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(2, 6), shape=(3, -1)), Sample(probe(), shape=(1, 1))]


class Permute(Op):
    """out has the dimensions of a in another order."""

    formula, adjoint, view = "aᵀ", ("ḡᵀ",), True

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        ndim = len(specs[0].shape)
        dims = tuple(normalize_dim(d, ndim) for d in attrs["dims"])
        if sorted(dims) != list(range(ndim)):
            raise RuntimeError(
                f"permute(dims): dims {list(attrs['dims'])} must name each of the "
                f"{ndim} dimensions of the input once"
            )
        return {"dims": dims}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(tuple(specs[0].shape[d] for d in attrs["dims"]), specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, dims: Shape) -> Array:
        return np.transpose(a, dims)

    @staticmethod
    def vjp_a(g: Any, dims: Shape) -> Any:
        return apply(Permute, g, dims=tuple(dims.index(i) for i in range(len(dims))))

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(2, 3, 4), dims=(2, 0, -2)), Sample(probe(), dims=())]


class Expand(Op):
    """Dimensions of length 1 repeated, and new ones in front, without copying."""

    formula, adjoint, view = "a", ("Σ ḡ",), True

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        have, wanted = (
            specs[0].shape,
            tuple(whole_number(n, "a size") for n in attrs["shape"]),
        )
        lead = len(wanted) - len(have)
        if lead < 0:
            raise RuntimeError(
                f"the number of sizes provided ({len(wanted)}) must be greater or equal "
                f"to the number of dimensions in the tensor ({len(have)})"
            )
        shape = []
        for i, n in enumerate(wanted):
            old = have[i - lead] if i >= lead else 1
            if n == -1 and i >= lead:
                n = old
            if n < 0 or (old != 1 and n != old):
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) must match the existing size "
                    f"({old}) at non-singleton dimension {i}. Target sizes: "
                    f"{list(wanted)}. Tensor sizes: {list(have)}"
                )
            shape.append(n)
        return {"shape": tuple(shape)}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(attrs["shape"], specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, shape: Shape) -> Array:
        a = np.asarray(a)
        strides = [0] * (len(shape) - a.ndim)
        strides += [s if n != 1 else 0 for n, s in zip(a.shape, a.strides, strict=True)]
        return np.lib.stride_tricks.as_strided(a, shape, strides)

    @staticmethod
    def vjp_a(g: Any) -> Any:
        return g  # the reverse loop sums it back

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(3, 1), shape=(2, 3, 4)), Sample(probe(), shape=(2,))]


def _to_index(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """The hashable form of a basic index as NumPy's."""
    parts: list[Any] = []
    for part in index:
        if part[0] == "s":
            parts.append(slice(*part[1:]))
        else:
            parts.append(part[1] if part[0] == "i" else None)
    return (*parts, Ellipsis)


class Slice(Op):
    """Basic indexing. *index* has ("s", start, stop, step), ("i", k) or ("n",)."""

    formula, adjoint, view = "a[index]", ("ḡ at index, 0 elsewhere",), True

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        shape, dim, result = specs[0].shape, 0, []
        given = sum(part[0] != "n" for part in attrs["index"])
        if given > len(shape):
            raise IndexError(
                f"too many indices for tensor of dimension {len(shape)}: {given}"
            )
        for part in attrs["index"]:
            if part[0] == "n":
                result.append(part)
                continue
            n = shape[dim]
            if part[0] == "i":
                if not -n <= part[1] < n:
                    raise IndexError(
                        f"index {part[1]} is out of bounds for dimension {dim} with size {n}"
                    )
                result.append(("i", part[1] % n))
            else:
                if part[3] is not None and part[3] <= 0:
                    raise ValueError(
                        "step must be greater than zero; use flip() to reverse"
                    )
                start, stop, step = slice(*part[1:]).indices(n)
                result.append(("s", start, max(start, stop), step))
            dim += 1
        return {"index": tuple(result)}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        shape: list[int] = []
        dim = 0
        for part in attrs["index"]:
            if part[0] == "n":
                shape.append(1)
                continue
            if part[0] == "s":
                shape.append(len(range(*part[1:])))
            dim += 1
        return Spec((*shape, *specs[0].shape[dim:]), specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, index: tuple[Any, ...]) -> Array:
        result: Array = np.asarray(a)[_to_index(index)]
        return result

    @staticmethod
    def vjp_a(g: Any, a_spec: Spec, index: tuple[Any, ...]) -> Any:
        zeros = constant_zeros(Spec(a_spec.shape, g.dtype))
        return apply(ViewWrite, zeros, g, path=(("slice", (("index", index),)),))

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(4, 5), index=(("s", 1, None, 2), ("i", -1))),
            Sample(probe(3), index=(("n",), ("s", None, 2, None))),
            Sample(probe(2, 3), index=(("i", 0),)),
        ]


class Zeros(Op):
    """A tensor of zeros."""

    formula = "0"

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return attrs["spec"]  # type: ignore[no-any-return]

    @staticmethod
    def forward(*, spec: Spec) -> Array:
        return np.zeros(spec.shape, spec.dtype.np)


def constant_zeros(spec: Spec) -> Any:
    """Zeros, made when they are needed."""
    return apply(Zeros, spec=spec)


def _put(whole: Array, path: tuple[Any, ...], value: Array) -> None:
    """Write *value* to the part of *whole* at the end of a path of views."""
    part = whole
    for i, (name, attrs) in enumerate(path):
        inner = REGISTRY[name].forward(part, **dict(attrs))
        if name == "reshape" and not np.may_share_memory(inner, part):
            # a view of memory that lies otherwise: here its elements are not in order
            _put(inner, path[i + 1 :], value)
            part[...] = inner.reshape(part.shape)
            return
        part = inner
    part[...] = value


class ViewWrite(Op):
    """out = base, with *value* in the part that the views of *path* lead to."""

    formula = "base with value at path"
    adjoint = ("ḡ, 0 at path", "ḡ at path")

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(base: Array, value: Array, *, path: tuple[Any, ...]) -> Array:
        out = np.array(base, order="C")
        _put(out, path, value)
        return out

    @staticmethod
    def vjp_base(g: Any, value_spec: Spec, path: tuple[Any, ...]) -> Any:
        zeros = constant_zeros(Spec(value_spec.shape, g.dtype))
        return apply(ViewWrite, g, zeros, path=path)

    @staticmethod
    def vjp_value(g: Any, path: tuple[Any, ...]) -> Any:
        for name, attrs in path:
            g = apply(REGISTRY[name], g, **dict(attrs))
        return g

    @staticmethod
    def samples() -> list[Sample]:
        path = (
            ("slice", (("index", (("s", 1, 3, 1),)),)),
            ("permute", (("dims", (1, 0)),)),
        )
        return [Sample(probe(3, 2), probe(2, 2, seed=1), path=path)]


class Diagonal(Op):
    """The elements a[i, i + offset] of two dimensions, as a last dimension."""

    formula, adjoint, view = "aᵢᵢ", ("ḡ on the diagonal",), True

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        ndim = len(specs[0].shape)
        d1, d2 = normalize_dim(attrs["dim1"], ndim), normalize_dim(attrs["dim2"], ndim)
        if d1 == d2:
            raise RuntimeError(f"diagonal dimensions cannot be identical {d1}, {d2}")
        return {"offset": attrs["offset"], "dim1": d1, "dim2": d2}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        d1, d2, k = attrs["dim1"], attrs["dim2"], attrs["offset"]
        shape = specs[0].shape
        rest = tuple(n for i, n in enumerate(shape) if i not in (d1, d2))
        n = min(shape[d1], shape[d2] - k) if k >= 0 else min(shape[d1] + k, shape[d2])
        return Spec((*rest, max(n, 0)), specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, offset: int, dim1: int, dim2: int) -> Array:
        view = np.diagonal(a, offset, dim1, dim2)
        # NumPy marks it read-only; it is memory of a like any other view
        return np.lib.stride_tricks.as_strided(
            _at(a, offset, dim1, dim2), view.shape, view.strides
        )

    @staticmethod
    def vjp_a(g: Any, a_spec: Spec, offset: int, dim1: int, dim2: int) -> Any:
        attrs = (("offset", offset), ("dim1", dim1), ("dim2", dim2))
        zeros = constant_zeros(Spec(a_spec.shape, g.dtype))
        return apply(ViewWrite, zeros, g, path=(("diagonal", attrs),))

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(3, 4), offset=1, dim1=0, dim2=1)]


def _at(a: Array, offset: int, dim1: int, dim2: int) -> Array:
    """*a* from the first element of its diagonal on."""
    index: list[Any] = [slice(None)] * a.ndim
    if offset >= 0:
        index[dim2] = slice(min(offset, a.shape[dim2]), None)
    else:
        index[dim1] = slice(min(-offset, a.shape[dim1]), None)
    part: Array = a[tuple(index)]
    return part


class Flip(Op):
    """out has the order along some dimensions reversed."""

    formula, adjoint = "flip a", ("flip ḡ",)

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        ndim = len(specs[0].shape)
        return {"dims": tuple(normalize_dim(d, ndim) for d in attrs["dims"])}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return specs[0]

    @staticmethod
    def forward(a: Array, *, dims: Shape) -> Array:
        return np.flip(a, dims).copy()

    @staticmethod
    def vjp_a(g: Any, dims: Shape) -> Any:
        return apply(Flip, g, dims=dims)

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(2, 3), dims=(1,))]


class Cat(Op):
    """The inputs one after another along a dimension."""

    formula, adjoint, promotion = "[a₁, a₂, …]", ("its part of ḡ",), "same"

    @staticmethod
    def normalize(*specs: Spec, **attrs: Any) -> dict[str, Any]:
        if not specs:
            raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
        return {"dim": normalize_dim(attrs["dim"], len(specs[0].shape))}

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        d, first = attrs["dim"], specs[0].shape
        if not first:
            raise RuntimeError(
                "zero-dimensional tensor (at position 0) cannot be concatenated"
            )
        for i, s in enumerate(specs):
            if len(s.shape) != len(first):
                raise RuntimeError(
                    "Tensors must have same number of dimensions: got "
                    f"{len(first)} and {len(s.shape)}"
                )
            for k, (n, m) in enumerate(zip(first, s.shape, strict=True)):
                if k != d and n != m:
                    raise RuntimeError(
                        f"Sizes of tensors must match except in dimension {d}. Expected "
                        f"size {n} but got size {m} for tensor number {i} in the list"
                    )
        total = sum(s.shape[d] for s in specs)
        return Spec((*first[:d], total, *first[d + 1 :]), specs[0].dtype)

    @staticmethod
    def forward(*inputs: Array, dim: int) -> Array:
        return np.concatenate(inputs, axis=dim)

    @staticmethod
    def vjp_inputs(g: Any, index: int, inputs_spec: tuple[Spec, ...], dim: int) -> Any:
        start = sum(s.shape[dim] for s in inputs_spec[:index])
        part = ("s", start, start + inputs_spec[index].shape[dim], None)
        return apply(Slice, g, index=(("s", None, None, None),) * dim + (part,))

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(2, 3), probe(2, 1, seed=3), dim=1)]


class Pad(Op):
    """Constants around a; negative amounts crop. *pad* has (before, after) pairs."""

    formula, adjoint = "pad a", ("crop ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        pairs = zip(specs[0].shape, attrs["pad"], strict=True)
        shape = tuple(n + before + after for n, (before, after) in pairs)
        if any(n < 0 for n in shape):
            raise RuntimeError(
                f"padding {attrs['pad']} makes a negative size of {specs[0]!r}"
            )
        return Spec(shape, specs[0].dtype)

    @staticmethod
    def forward(a: Array, *, pad: tuple[tuple[int, int], ...], value: float) -> Array:
        shape = [n + b + c for n, (b, c) in zip(a.shape, pad, strict=True)]
        out = np.full(shape, value, a.dtype)
        to = tuple(
            slice(max(b, 0), m - max(c, 0))
            for m, (b, c) in zip(shape, pad, strict=True)
        )
        source = tuple(
            slice(max(-b, 0), n - max(-c, 0))
            for n, (b, c) in zip(a.shape, pad, strict=True)
        )
        out[to] = a[source]
        return out

    @staticmethod
    def vjp_a(g: Any, pad: tuple[tuple[int, int], ...]) -> Any:
        return apply(Pad, g, pad=tuple((-b, -c) for b, c in pad), value=0.0)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(probe(2, 3), pad=((1, 0), (2, 1)), value=0.0),
            Sample(probe(4), pad=((-1, 2),), value=3.0),
        ]


def window_counts(n: int, size: int, step: int, dilation: int) -> int:
    return (n - dilation * (size - 1) - 1) // step + 1


class Windows(Op):
    """Sliding windows over *dims*, as new last dimensions; shares a's memory."""

    formula, adjoint, view = "windows of a", ("fold ḡ",), True

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        shape = list(specs[0].shape)
        zipped = zip(
            attrs["dims"], attrs["size"], attrs["step"], attrs["dilation"], strict=True
        )
        for d, size, step, dilation in zipped:
            n = window_counts(shape[d], size, step, dilation)
            if n <= 0:
                raise RuntimeError(
                    f"a window of {dilation * (size - 1) + 1} does not fit into dimension "
                    f"{d} of size {shape[d]}"
                )
            shape[d] = n
        return Spec((*shape, *attrs["size"]), specs[0].dtype)

    @staticmethod
    def forward(
        a: Array, *, dims: Shape, size: Shape, step: Shape, dilation: Shape
    ) -> Array:
        a = np.asarray(a)
        shape, strides = list(a.shape), list(a.strides)
        for d, k, s, l in zip(dims, size, step, dilation, strict=True):
            shape[d] = window_counts(shape[d], k, s, l)
            strides[d] *= s
            shape.append(k)
            strides.append(a.strides[d] * l)
        return np.lib.stride_tricks.as_strided(a, shape, strides)

    @staticmethod
    def vjp_a(
        g: Any, a_spec: Spec, dims: Shape, size: Shape, step: Shape, dilation: Shape
    ) -> Any:
        return apply(
            Fold,
            g,
            shape=a_spec.shape,
            dims=dims,
            size=size,
            step=step,
            dilation=dilation,
        )

    @staticmethod
    def samples() -> list[Sample]:
        return [Sample(probe(2, 6), dims=(1,), size=(3,), step=(2,), dilation=(1,))]


class Fold(Op):
    """Windows added back where they were taken: the adjoint of Windows."""

    formula, adjoint = "Σ windows", ("windows of ḡ",)

    @staticmethod
    def infer(*specs: Spec, **attrs: Any) -> Spec:
        return Spec(attrs["shape"], specs[0].dtype)

    @staticmethod
    def forward(
        a: Array,
        *,
        shape: Shape,
        dims: Shape,
        size: Shape,
        step: Shape,
        dilation: Shape,
    ) -> Array:
        out = np.zeros(shape, a.dtype)
        for place in np.ndindex(*size):
            index: list[Any] = [slice(None)] * len(shape)
            for d, p, s, l in zip(dims, place, step, dilation, strict=True):
                index[d] = slice(p * l, p * l + s * (a.shape[d] - 1) + 1, s)
            out[tuple(index)] += a[(..., *place)]
        return out

    @staticmethod
    def vjp_a(g: Any, dims: Shape, size: Shape, step: Shape, dilation: Shape) -> Any:
        return apply(Windows, g, dims=dims, size=size, step=step, dilation=dilation)

    @staticmethod
    def samples() -> list[Sample]:
        return [
            Sample(
                probe(2, 3, 2),
                shape=(2, 6),
                dims=(1,),
                size=(2,),
                step=(2,),
                dilation=(1,),
            )
        ]


__all__ = ["Cast", "Cat", "Diagonal", "Expand", "Flip", "Fold", "Pad", "Permute", "Reshape",
           "Slice", "ViewWrite", "Windows", "Zeros", "constant"]  # fmt: skip
