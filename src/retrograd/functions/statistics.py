"""Statistics and differences: covariance, histograms, trapezoids, slopes, bounded
norms."""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..dispatch import apply, composite, constant
from ..ops.elementwise import Gt, Le, Where
from ..ops.families import Tensor
from ..ops.movement import Cat
from ..ops.op import normalize_dim
from ..ops.reduce import Cumsum, Sum
from ..trace import is_tensor
from .arithmetic import result_type
from .sums import diff, vector_norm

__all__ = ["trapezoid", "trapz", "cumulative_trapezoid", "gradient", "cov", "corrcoef",
           "bincount", "histc", "histogram", "histogramdd", "renorm"]  # fmt: skip


class Histogram(NamedTuple):
    """Counts, and the edges of the bins."""

    hist: Any
    bin_edges: Any


# -- differences and sums over a grid -------------------------------------------------


def _panels(y: Tensor, x: Any, dx: Any, dim: int) -> Tensor:
    """The areas between neighbouring points along *dim*."""
    if y.dtype is dtypes.bool_:
        raise RuntimeError("trapezoid: received a bool input for `y`: convert it")
    d = normalize_dim(dim, y.ndim)
    n = y.shape[d] - 1
    pairs = y.narrow(d, 0, n) + y.narrow(d, 1, n)
    if x is None:
        return pairs * dx / 2
    if x.dtype is dtypes.bool_:
        raise RuntimeError("trapezoid: received a bool input for `x`: convert it")
    if x.ndim == 1:
        if x.shape[0] != y.shape[d]:
            raise RuntimeError(
                "trapezoid: There must be one `x` value for each sample point, but "
                f"{x.shape[0]} were given for {y.shape[d]}"
            )
        width = diff(x).reshape([-1 if i == d else 1 for i in range(y.ndim)])
    elif x.ndim < y.ndim:
        lead = [1] * (y.ndim - x.ndim)
        width = diff(x.reshape([*lead, *x.shape]), dim=d)
    else:
        width = diff(x, dim=dim)
    return pairs * width / 2


@composite
def trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1
) -> Tensor:
    """Σ (xᵢ₊₁ − xᵢ) (yᵢ + yᵢ₊₁) / 2 along *dim*: the integral of the line through the
    points. Without *x* they are *dx* apart.

    >>> import retrograd as rg
    >>> rg.trapezoid(rg.tensor([1.0, 2.0, 4.0]))
    tensor(4.5000)
    """
    if not y.shape[normalize_dim(dim, y.ndim)]:
        return apply(Sum, y * 1.0, dim=dim, keepdim=False)
    return apply(Sum, _panels(y, x, dx, dim), dim=dim, keepdim=False)


@composite
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1
) -> Tensor:
    """The integral up to each point but the first: see :func:`trapezoid`."""
    return apply(Cumsum, _panels(y, x, dx, dim), dim=dim, reverse=False)


trapz = trapezoid


def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The slope along each of the dimensions *dim*, by central differences of second
    order; at the ends by one-sided ones of *edge_order*. *spacing* is the distance of
    the points, one for each dimension, or tensors of their coordinates.

    >>> import retrograd as rg
    >>> rg.gradient(rg.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)
    """
    if edge_order not in (1, 2):
        raise RuntimeError("gradient only supports edge_order=1 and edge_order=2.")
    if dim is None:
        dims = list(range(input.ndim))
    else:
        given = dim if isinstance(dim, (tuple, list)) else [dim]
        dims = [normalize_dim(d, input.ndim) for d in given]
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"gradient: dim {dim} names a dimension twice")
    spacing = 1 if spacing is None else spacing
    many = isinstance(spacing, (tuple, list))
    if many and len(spacing) != len(dims):
        raise RuntimeError(
            f"gradient expected spacing to have one value for each of the {len(dims)} "
            f"dimensions, but it has {len(spacing)}"
        )
    steps = list(spacing) if many else [spacing] * len(dims)
    kind = input.dtype
    if not kind.is_floating_point:
        input = input.to(dtypes.get_default_dtype())
    return tuple(
        _slope(input, h, d, edge_order) for d, h in zip(dims, steps, strict=True)
    )


def _slope(f: Tensor, h: Any, d: int, edge_order: int) -> Tensor:
    n = f.shape[d]
    if n < edge_order + 1:
        raise RuntimeError(
            "gradient expected each dimension size to be at least edge_order+1, but "
            f"dimension {d} of {list(f.shape)} has {n}"
        )

    def at(i: int, length: int = 1) -> Tensor:
        return f.narrow(d, i if i >= 0 else n + i, length)

    parts = []
    if not is_tensor(h):
        if n > 2:
            parts = [(at(2, n - 2) - at(0, n - 2)) / (2 * h)]
        if edge_order == 1:
            first, last = (at(1) - at(0)) / h, (at(-1) - at(-2)) / h
        else:
            first = (-1.5 * at(0) + 2 * at(1) - 0.5 * at(2)) / h
            last = (0.5 * at(-3) - 2 * at(-2) + 1.5 * at(-1)) / h
        return apply(Cat, first, *parts, last, dim=d)
    if h.ndim != 1 or h.shape[0] != n:
        raise RuntimeError(
            f"gradient expected the coordinates of dimension {d} to be {n} numbers in "
            f"one dimension, not of shape {list(h.shape)}"
        )
    line = [-1 if i == d else 1 for i in range(f.ndim)]
    dx = diff(h).to(f.dtype).reshape(line)

    def gap(i: int, length: int = 1) -> Tensor:
        return dx.narrow(d, i if i >= 0 else n - 1 + i, length)

    if n > 2:
        p, q = gap(0, n - 2), gap(1, n - 2)
        a, c = -q / (p * (p + q)), p / (q * (p + q))
        b = (q - p) / (p * q)
        parts = [a * at(0, n - 2) + b * at(1, n - 2) + c * at(2, n - 2)]
    if edge_order == 1:
        first, last = (at(1) - at(0)) / gap(0), (at(-1) - at(-2)) / gap(-1)
    else:
        first = _edge(at(0), at(1), at(2), gap(0), gap(1))
        last = -_edge(at(-1), at(-2), at(-3), gap(-1), gap(-2))
    return apply(Cat, first, *parts, last, dim=d)


def _edge(f: Tensor, g: Tensor, h: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """The slope at the first of three points, p and q apart, of their parabola."""
    return (
        -(2 * p + q) / (p * (p + q)) * f + (p + q) / (p * q) * g - p / (q * (p + q)) * h
    )


# -- covariance -----------------------------------------------------------------------


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance of the variables in the rows of input, whose columns are
    observations: Σ wₖ (xᵢₖ − x̄ᵢ)(xⱼₖ − x̄ⱼ) / (Σ w − correction). *fweights* are
    numbers of repetitions, *aweights* are weights.

    >>> import retrograd as rg
    >>> rg.cov(rg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input "
            f"with {input.ndim} dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input.ndim == 2 else input.reshape(1, -1)
    n = x.shape[1]
    weights: Any = None
    for name, given, kinds in (
        ("fweights", fweights, (dtypes.INTEGRAL,)),
        ("aweights", aweights, (dtypes.FLOATING,)),
    ):
        if given is None:
            continue
        _check_weights(name, given, n, kinds)
        weights = given if weights is None else weights * given
    kind = result_type(x) if weights is None else result_type(x, weights)
    if not kind.is_floating_point:
        kind = dtypes.get_default_dtype()
    x = x.to(kind)
    return _covariance(x, weights, aweights, correction)


def _check_weights(name: str, w: Tensor, n: int, kinds: tuple[int, ...]) -> None:
    if w.ndim > 1 or w.numel() != n:
        raise RuntimeError(
            f"cov(): expected {name} to be {n} numbers, one for each observation, but "
            f"its shape is {list(w.shape)}"
        )
    if w.dtype.category not in kinds:
        kind = "integral" if kinds == (dtypes.INTEGRAL,) else "floating point"
        raise RuntimeError(
            f"cov(): expected {name} to have {kind} dtype but got {w.dtype.name}"
        )
    if np.any(w.detach().numpy() < 0):
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite
def _covariance(x: Tensor, w: Any, aweights: Any, correction: int) -> Tensor:
    n = x.shape[1]
    if w is None:
        norm: Any = max(n - correction, 0)
        mean = apply(Sum, x, dim=1, keepdim=True) / n
        off = x - mean
        products = off @ off.t()
    else:
        w = w.reshape(-1).to(x.dtype)
        total = apply(Sum, w, dim=None, keepdim=False)
        mean = apply(Sum, x * w, dim=1, keepdim=True) / total
        norm = total - correction
        if aweights is not None and correction != 0:
            lost = apply(Sum, w * aweights.reshape(-1), dim=None, keepdim=False)
            norm = total - correction * lost / total
        norm = apply(Where, apply(Le, norm, 0.0), 0.0, norm)
        off = x - mean
        products = (off * w) @ off.t()
    return (products / norm).squeeze()


def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation of the variables in the rows of input: the covariance over
    the two standard deviations, in [−1, 1]."""
    if input.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an "
            f"input with {input.ndim} dimensions"
        )
    c = cov(input)
    if not c.ndim:
        return c / c
    sigma = c.diagonal().sqrt()
    return (c / sigma.unsqueeze(1) / sigma.unsqueeze(0)).clamp(-1, 1)


# -- histograms -----------------------------------------------------------------------


def bincount(
    input: Tensor, weights: Tensor | None = None, minlength: int = 0
) -> Tensor:
    """How often each integer occurs, or the sum of its weights. Runs what is pending:
    the length of the result is the largest one plus 1."""
    whole = input.dtype.category == dtypes.INTEGRAL
    values = input.detach().numpy()
    if not whole:
        raise NotImplementedError(
            f"bincount of {input.dtype.name}: it counts whole numbers, as of x.long()"
        )
    if values.ndim != 1 or np.any(values < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, but it is {minlength}")
    values = values.astype(np.int64)
    if weights is None:
        return constant(np.bincount(values, None, minlength).astype(np.int64))
    if tuple(weights.shape) != values.shape:
        raise RuntimeError(
            "weights should be 1-d and have the same length as input: "
            f"{list(weights.shape)} and {list(values.shape)}"
        )
    given = weights.detach().numpy()
    kind = np.float32 if weights.dtype is dtypes.float32 else np.float64
    if not values.size:
        return constant(np.zeros(minlength, np.int64))
    return constant(np.bincount(values, given, minlength).astype(kind))


def _bounds(
    values: Any, low: float, high: float, name: str, margin: float
) -> tuple[float, float]:
    """The range of a histogram: that of the values where both ends are equal."""
    if low == high and values.size:
        low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min, not {high} < {low}")
    return (low - margin, high + margin) if low == high else (low, high)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of *bins* equal intervals from *min* to *max* (by
    default those of input). Runs what is pending."""
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"histc is not implemented for {input.dtype.name}: use x.float()"
        )
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, but it is {bins}")
    values = input.detach().numpy().reshape(-1)
    low, high = _bounds(values, float(min), float(max), "histc", 1)
    counts = _counted([values], None, [np.linspace(low, high, bins + 1)])
    return constant(counts.astype(values.dtype))


def _counted(columns: list[Any], weights: Any, edges: list[Any]) -> Any:
    """The sum of weights in each bin; the last one holds its right edge too."""
    shape = [e.size - 1 for e in edges]
    place = np.zeros(columns[0].shape, np.int64)
    inside = np.ones(columns[0].shape, bool)
    for values, e in zip(columns, edges, strict=True):
        i = np.searchsorted(e, values, "right") - 1
        i = np.where(values == e[-1], e.size - 2, i)
        inside &= (values >= e[0]) & (values <= e[-1])
        place = place * (e.size - 1) + np.where(inside, i, 0)
    given = None if weights is None else weights[inside]
    counts = np.bincount(place[inside], given, math.prod(shape))
    return np.asarray(counts, np.float64).reshape(shape)


def _edges(values: Any, bins: Any, ends: Any, kind: Any) -> Any:
    if is_tensor(bins):
        return bins.detach().numpy()
    if bins <= 0:
        raise RuntimeError(f"histogram(): bins must be > 0, but got {bins}")
    low, high = (0.0, 0.0) if ends is None else (float(ends[0]), float(ends[1]))
    if ends is None and not values.size:
        high = 1.0
    low, high = _bounds(values, low, high, "histogram", 0.5)
    return np.linspace(low, high, bins + 1).astype(kind)


def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Histogram:
    """How many elements (or what weight) lie in each of *bins* equal intervals of
    *range*, or between the edges that *bins* lists; with ``density`` over the total
    and the width. Runs what is pending.

    >>> import retrograd as rg
    >>> rg.histogram(rg.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 3.0))
    Histogram(hist=tensor([2., 1.]), bin_edges=tensor([0.0000, 1.5000, 3.0000]))
    """
    counts, edges = histogramdd(
        input.reshape(-1, 1),
        [bins],
        range=range,
        weight=None if weight is None else weight.reshape(-1),
        density=density,
    )
    return Histogram(counts, edges[0])


def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Histogram:
    """A histogram of points: input's last dimension holds their coordinates, *bins* the
    number of intervals for each of them, or their edges."""
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f"histogram is not implemented for {input.dtype.name}: use x.float()"
        )
    if input.ndim < 2:
        raise RuntimeError("histogramdd(): input must have at least 2 dimensions")
    points = input.detach().numpy().reshape(-1, input.shape[-1])
    count = points.shape[1]
    each = [bins] * count if isinstance(bins, int) else list(bins)
    if len(each) != count:
        raise RuntimeError(
            f"histogramdd(): expected {count} sequences of bin edges or numbers for a "
            f"{count}-dimensional histogram but got {len(each)}"
        )
    ends = [None] * count
    if range is not None:
        if len(range) != 2 * count:
            raise RuntimeError(
                f"histogramdd(): for a {count}-dimensional histogram range should have "
                f"{2 * count} elements, but got {len(range)}"
            )
        ends = [range[2 * i : 2 * i + 2] for i in builtins.range(count)]
    columns = [np.ascontiguousarray(points[:, i]) for i in builtins.range(count)]
    edges = [
        _edges(c, b, r, points.dtype)
        for c, b, r in zip(columns, each, ends, strict=True)
    ]
    weights = None
    if weight is not None:
        if weight.dtype is not input.dtype:
            raise RuntimeError("histogramdd(): weight and input must be of one type")
        if weight.numel() != points.shape[0]:
            raise RuntimeError(
                "histogramdd(): expected one weight for each point, but got "
                f"{list(weight.shape)} for {points.shape[0]} points"
            )
        weights = weight.detach().numpy().reshape(-1)
    counts = _counted(columns, weights, edges)
    if density:
        counts = counts / counts.sum()
        for i, e in enumerate(edges):
            widths = np.diff(e.astype(np.float64))
            counts = counts / widths.reshape(
                [-1 if k == i else 1 for k in builtins.range(count)]
            )
    made = [constant(np.array(e)) for e in edges]
    return Histogram(constant(counts.astype(points.dtype)), tuple(made))


# -- bounded norms --------------------------------------------------------------------


@composite
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """input with each part along *dim* scaled down where its p-norm is above *maxnorm*."""
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported: p = {p}")
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    d = normalize_dim(dim, input.ndim)
    others = tuple(i for i in builtins.range(input.ndim) if i != d)
    size = vector_norm(input, float(p), others, True)
    above = apply(Gt, size, float(maxnorm))
    scaled = input * (maxnorm / (apply(Where, above, size, 1.0) + 1e-7))
    return apply(Where, above, scaled, input)
