"""Sums of products over named dimensions."""

from __future__ import annotations

import math
from typing import Any

from ..dispatch import apply, apply2
from ..ops.families import Tensor
from ..ops.matmul import Matmul
from ..ops.op import normalize_dim
from ..ops.reduce import Sum
from ..trace import Handle, is_tensor

__all__ = ["einsum", "tensordot", "multi_dot", "chain_matmul", "kron"]

#: A dimension: a letter, or the k-th from the right of those that ``...`` stands for.
Label = Any


def einsum(*args: Any) -> Tensor:
    """Σ over the letters that the result does not have: ``einsum("ij,jk->ik", a, b)``.
    A letter that stands twice in one operand is its diagonal, ``...`` are dimensions
    that broadcast; without ``->`` the result has the letters that stand once, in
    alphabetical order. Operands may also be followed by lists of numbers from 0 to 51:
    ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.

    >>> import retrograd as rg
    >>> a = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> rg.einsum("ii", a), rg.einsum("ij->j", a)
    (tensor(5.), tensor([4., 6.]))
    """
    if len(args) < 2:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at "
            "least one operand and its subscripts list"
        )
    if isinstance(args[0], str):
        xs = args[1:]
        if len(xs) == 1 and isinstance(xs[0], (list, tuple)):
            xs = tuple(xs[0])
        terms, result = _parsed(args[0])
    else:
        xs, terms, result = _from_lists(args)
    for i, x in enumerate(xs):
        if not is_tensor(x):
            raise TypeError(
                f"einsum(): operand {i + 1} must be Tensor, not {type(x).__name__}"
            )
    if len(xs) != len(terms):
        more = "more" if len(xs) > len(terms) else "fewer"
        raise RuntimeError(
            f"einsum(): {more} operands were provided than specified in the equation: "
            f"{len(xs)} and {len(terms)}"
        )
    named, wanted = _labelled(list(xs), terms, result)
    return _summed(list(xs), named, wanted)


def _parsed(equation: str) -> tuple[list[list[Label]], list[Label] | None]:
    """The letters of each operand and of the result (None: to be inferred)."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [_letters(t, equation) for t in left.split(",")]
    return terms, _letters(right, equation) if arrow else None


def _letters(term: str, equation: str) -> list[Label]:
    found: list[Label] = []
    rest = term
    while rest:
        if rest.startswith("..."):
            found.append(Ellipsis)
            rest = rest[3:]
            continue
        if not (rest[0].isascii() and rest[0].isalpha()):
            raise RuntimeError(
                f"einsum(): invalid subscript given in {equation!r}: {rest[0]!r}; "
                "subscripts must be in [a-zA-Z]"
            )
        found.append(rest[0])
        rest = rest[1:]
    if found.count(Ellipsis) > 1:
        raise RuntimeError(f"einsum(): {term!r} has more than one ellipsis")
    return found


def _from_lists(args: Any) -> tuple[Any, list[list[Label]], list[Label] | None]:
    def letters(numbers: Any) -> list[Label]:
        found: list[Label] = []
        for n in numbers:
            if n is Ellipsis:
                found.append(n)
            elif isinstance(n, int) and 0 <= n < 52:
                found.append(chr(ord("A") + n) if n < 26 else chr(ord("a") + n - 26))
            else:
                raise ValueError(
                    "einsum(): subscripts must be in the range [0, 52), or Ellipsis, "
                    f"not {n!r}"
                )
        return found

    result = None
    if len(args) % 2:
        result, args = letters(args[-1]), args[:-1]
    for x in args[::2]:
        if not isinstance(x, Handle):
            raise TypeError(
                "einsum(): operands must be tensors, each followed by its subscripts, "
                f"not {type(x).__name__}"
            )
    return args[::2], [letters(n) for n in args[1::2]], result


def _labelled(
    xs: list[Any], terms: list[list[Label]], result: list[Label] | None
) -> tuple[list[list[Label]], list[Label]]:
    """Labels for every dimension, with ellipses written out."""
    named = []
    width = 0
    for i, (x, term) in enumerate(zip(xs, terms, strict=True)):
        n = len(x.shape) - sum(c is not Ellipsis for c in term)
        if n < 0 or (n > 0 and Ellipsis not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(term)}) does "
                f"not match the number of dimensions ({len(x.shape)}) for operand {i}"
            )
        width = max(width, n)
        named.append(_expanded(term, n))
    every = [c for term in named for c in term]
    dots = [(k,) for k in range(width, 0, -1)]
    if result is None:
        once = sorted(c for c in set(every) if every.count(c) == 1 and c not in dots)
        return named, [*dots, *once]
    wanted = _expanded(result, width)
    for c in wanted:
        if wanted.count(c) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {c} appears more than once in the output"
            )
        if c not in every and c not in dots:
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation for "
                "any input operand"
            )
    return named, wanted


def _expanded(term: list[Label], n: int) -> list[Label]:
    out: list[Label] = []
    for c in term:
        out += [(k,) for k in range(n, 0, -1)] if c is Ellipsis else [c]
    return out


def _summed(xs: list[Any], terms: list[list[Label]], wanted: list[Label]) -> Tensor:
    """Operand after operand; what no later one and not the result has is summed."""
    sizes: dict[Label, int] = {}
    for i, (x, term) in enumerate(zip(xs, terms, strict=True)):
        for c, n in zip(term, x.shape, strict=True):
            have = sizes.setdefault(c, n)
            if have == 1:
                sizes[c] = n
            elif n not in (1, have):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast: {c!r} is {have} long, but "
                    f"{n} in operand {i} of shape {list(x.shape)}"
                )
    a, ta = _traced(xs[0], terms[0])
    for i in range(1, len(xs)):
        b, tb = _traced(xs[i], terms[i])
        later = {c for t in terms[i + 1 :] for c in t} | set(wanted)
        a, ta = _contracted(a, ta, b, tb, later, sizes)
    a, ta = _dropped(a, ta, set(wanted), last=True)
    for c in wanted:
        if c not in ta:  # an ellipsis that no operand fills
            a, ta = a.unsqueeze(0), [c, *ta]
    if ta != wanted:
        a = a.permute([ta.index(c) for c in wanted])
    elif any(a is x for x in xs):
        a = a.clone() if not wanted else a.permute(tuple(range(len(wanted))))
    return a


def _traced(x: Any, term: list[Label]) -> tuple[Any, list[Label]]:
    """A label that stands twice in one operand: the diagonal."""
    for c in list(dict.fromkeys(term)):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {c!r} is repeated for one operand but the "
                    f"sizes don't match, {x.shape[j]} != {x.shape[i]}"
                )
            x = x.diagonal(0, i, j)
            term = [*term[:i], *term[i + 1 : j], *term[j + 1 :], c]
    return x, term


def _dropped(
    x: Any, term: list[Label], kept: set[Label], last: bool = False
) -> tuple[Any, list[Label]]:
    """Without the labels that nobody wants: summed (at last in int64)."""
    drop = tuple(i for i, c in enumerate(term) if c not in kept)
    if drop:
        kind = x.dtype
        x = apply(Sum, x, dim=drop, keepdim=False)
        x = x if last or x.dtype is kind else x.to(kind)
    return x, [c for c in term if c in kept]


def _contracted(
    a: Any, ta: list[Label], b: Any, tb: list[Label], later: set[Label],
    sizes: dict[Label, int],
) -> tuple[Any, list[Label]]:  # fmt: skip
    """Two operands as one: common labels that end here are summed, by a product of
    matrices."""
    a, ta = _dropped(a, ta, later | set(tb))
    b, tb = _dropped(b, tb, later | set(ta))
    ends = [c for c in ta if c in tb and c not in later]
    # A label that is 1 long in one of them is summed in the other alone.
    for c in ends:
        if a.shape[ta.index(c)] != b.shape[tb.index(c)]:
            if a.shape[ta.index(c)] == 1:
                b, tb = _dropped(b, tb, set(tb) - {c})
                a, ta = a.squeeze(ta.index(c)), [d for d in ta if d != c]
            else:
                a, ta = _dropped(a, ta, set(ta) - {c})
                b, tb = b.squeeze(tb.index(c)), [d for d in tb if d != c]
    ends = [c for c in ends if c in ta and c in tb]
    stay = [c for c in ta if c in tb and c in later]
    ra, rb = [c for c in ta if c not in tb], [c for c in tb if c not in ta]
    if not ends:
        order = [*stay, *ra, *rb]
        return _aligned(a, ta, order) * _aligned(b, tb, order), order

    def grouped(x: Any, t: list[Label], *groups: list[Label]) -> Any:
        x = x.permute([t.index(c) for g in (stay, *groups) for c in g])
        have = dict(zip([c for g in (stay, *groups) for c in g], x.shape, strict=True))
        shape = [have[c] for c in stay]
        shape += [math.prod(have[c] for c in g) for g in groups]
        return x.reshape(shape)

    out = apply2(Matmul, grouped(a, ta, ra, ends), grouped(b, tb, ends, rb))
    length = dict(zip(ta, a.shape, strict=True))
    for c, n in zip(tb, b.shape, strict=True):
        length[c] = max(n, length.get(c, 1)) if n and length.get(c, 1) else 0
    labels = [*stay, *ra, *rb]
    return out.reshape([length[c] for c in labels]), labels


def _aligned(x: Any, t: list[Label], order: list[Label]) -> Any:
    """With its dimensions in *order*, of length 1 where it has none."""
    x = x.permute([t.index(c) for c in order if c in t])
    have = dict(zip([c for c in order if c in t], x.shape, strict=True))
    return x.reshape([have.get(c, 1) for c in order])


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Σ over pairs of dimensions: the last *dims* of a with the first of b, or lists.

    >>> import retrograd as rg
    >>> rg.tensordot(rg.ones(2, 3, 4), rg.ones(4, 3), ([1, 2], [1, 0]))
    tensor([12., 12.])
    """
    na, nb = len(a.shape), len(b.shape)
    if is_tensor(dims):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(na, nb):
            raise RuntimeError(
                f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}"
            )
        da, db = list(range(na - dims, na)), list(range(dims))
    elif not isinstance(dims, (tuple, list)) or len(dims) != 2:
        counted = isinstance(dims, (tuple, list))
        raise (ValueError if counted else RuntimeError)(
            "tensordot expects dims to be int or two lists of dimensions, one for each "
            f"tensor, but got dims={dims!r}"
        )
    else:
        da, db = ([d] if isinstance(d, int) else list(d) for d in dims)
        da = [normalize_dim(d, na) for d in da]
        db = [normalize_dim(d, nb) for d in db]
    if len(da) != len(db):
        raise RuntimeError("both dimension lists should have same length")
    for i, j in zip(da, db, strict=True):
        if a.shape[i] == b.shape[j]:
            continue
        if a.shape[i] == 1:
            b = b.sum(j, keepdim=True).to(b.dtype)
        elif b.shape[j] == 1:
            a = a.sum(i, keepdim=True).to(a.dtype)
        else:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} "
                f"in dim {i} and second has size {b.shape[j]} in dim {j}"
            )
    ra = [i for i in range(na) if i not in da]
    rb = [i for i in range(nb) if i not in db]
    n = math.prod(a.shape[d] for d in da)
    rows, columns = [a.shape[i] for i in ra], [b.shape[i] for i in rb]
    left = a.permute(*ra, *da).reshape(math.prod(rows), n)
    right = b.permute(*db, *rb).reshape(n, math.prod(columns))
    return apply2(Matmul, left, right).reshape(rows + columns)


def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices, in the order that takes the fewest
    multiplications. The first and the last may be vectors.

    >>> import retrograd as rg
    >>> rg.linalg.multi_dot([rg.ones(2), rg.ones(2, 3), rg.ones(3)])
    tensor(6.)
    """
    xs = list(tensors)
    if len(xs) < 2:
        raise RuntimeError(
            f"multi_dot(): expected at least 2 tensors but got {len(xs)}"
        )
    for i, x in enumerate(xs):
        ends = i in (0, len(xs) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be 2D{' or 1D' if ends else ''} but got "
                f"{x.ndim}D"
            )
        if x.dtype is not xs[0].dtype:
            raise RuntimeError(
                "multi_dot(): all tensors must have be the same dtype but tensor "
                f"{i} is {x.dtype.name} and tensor 0 {xs[0].dtype.name}"
            )
    first, last = xs[0].ndim == 1, xs[-1].ndim == 1
    if first:
        xs[0] = xs[0].unsqueeze(0)
    if last:
        xs[-1] = xs[-1].unsqueeze(1)
    out = _chained(xs)
    out = out.squeeze(-1) if last else out
    return out.squeeze(0) if first else out


def _chained(xs: list[Any]) -> Tensor:
    sides = [xs[0].shape[0], *[x.shape[1] for x in xs]]
    for i, x in enumerate(xs):
        if x.shape[0] != sides[i]:
            raise RuntimeError(
                f"multi_dot(): tensors {i - 1} and {i} with shapes "
                f"{list(xs[i - 1].shape)} and {list(x.shape)} cannot be multiplied"
            )
    n = len(xs)
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (
                    cost[i][k]
                    + cost[k + 1][j]
                    + sides[i] * sides[k + 1] * sides[j + 1],
                    k,
                )
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        if i == j:
            return xs[i]
        k = cut[i][j]
        return apply2(Matmul, product(i, k), product(k + 1, j))

    return product(0, n - 1)


def chain_matmul(*matrices: Any) -> Tensor:
    """The product of several matrices, in the best order: see multi_dot."""
    for m in matrices:
        if m.ndim != 2:
            raise RuntimeError(
                f"Tensor dimension is {m.ndim}, expected 2 instead: chain_matmul "
                "multiplies matrices; linalg.multi_dot takes vectors at the ends"
            )
    if len(matrices) == 1:
        return matrices[0].clone()
    return multi_dot(matrices)


def kron(input: Any, other: Any) -> Tensor:
    """The Kronecker product: each element of input times all of other.

    >>> import retrograd as rg
    >>> rg.kron(rg.eye(2), rg.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    n = max(input.ndim, other.ndim)
    a = [1] * (n - input.ndim) + list(input.shape)
    b = [1] * (n - other.ndim) + list(other.shape)
    x = input.reshape([m for k in a for m in (k, 1)])
    y = other.reshape([m for k in b for m in (1, k)])
    return (x * y).reshape([i * j for i, j in zip(a, b, strict=True)])
