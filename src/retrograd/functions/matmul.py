"""Products of vectors, matrices and stacks of them."""

from __future__ import annotations

from typing import Any

from ..dispatch import apply2, composite
from ..ops.matmul import Matmul
from ..ops.op import normalize_dim
from ..trace import spec_of

__all__ = ["matmul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "ger", "addmm", "addmv",
           "baddbmm", "einsum", "tensordot", "chain_matmul", "multi_dot", "trace", "kron"]  # fmt: skip


def matmul(input: Any, other: Any) -> Any:
    """a b: vectors, matrices, or stacks of matrices that broadcast."""
    a, b = len(spec_of(input).shape), len(spec_of(other).shape)
    if a > 1 and b > 1:
        return apply2(Matmul, input, other)
    if a == 0 or b == 0:
        raise RuntimeError("both arguments to matmul need to be at least 1D, but they are "
                           f"{a}D and {b}D")  # fmt: skip
    if a == 1:
        input = input.unsqueeze(0)
    if b == 1:
        other = other.unsqueeze(1)
    out = apply2(Matmul, input, other)
    if a == 1:
        out = out.squeeze(-2)
    return out.squeeze(-1) if b == 1 else out


def _dims(name: str, x: Any, n: int) -> None:
    if len(x.shape) != n:
        raise RuntimeError(f"{name}: expected a {n}D tensor, but got {len(x.shape)}D")


def mm(input: Any, mat2: Any) -> Any:
    """a b of two matrices."""
    _dims("mm", input, 2)
    _dims("mm", mat2, 2)
    return apply2(Matmul, input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """aᵢ bᵢ of two stacks of matrices."""
    _dims("bmm", input, 3)
    _dims("bmm", mat2, 3)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, "
            f"{input.shape[2]}] but got: [{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    return apply2(Matmul, input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """A x."""
    _dims("mv", input, 2)
    _dims("mv", vec, 1)
    return matmul(input, vec)


def dot(input: Any, tensor: Any) -> Any:
    """Σ aᵢ bᵢ of two vectors."""
    _dims("dot", input, 1)
    _dims("dot", tensor, 1)
    if input.shape != tensor.shape:
        raise RuntimeError(
            "inconsistent tensor size, expected tensor "
            f"{list(input.shape)} and src {list(tensor.shape)} to have the same number of "
            "elements"
        )
    return matmul(input, tensor)


vdot = dot


def inner(input: Any, other: Any) -> Any:
    """Σ over the last dimension of both."""
    if not input.shape or not other.shape:
        return input * other
    return tensordot(input, other, ([-1], [-1]))


def outer(input: Any, vec2: Any) -> Any:
    """aᵢ bⱼ."""
    _dims("outer", input, 1)
    _dims("outer", vec2, 1)
    return input.unsqueeze(1) * vec2


ger = outer


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """β c + α a b."""
    product = mm(mat1, mat2)
    return (input if beta == 1 else input * beta) + (
        product if alpha == 1 else product * alpha
    )


def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """β c + α A x."""
    return input * beta + mv(mat, vec) * alpha


def baddbmm(
    input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1
) -> Any:
    """β cᵢ + α aᵢ bᵢ."""
    return input * beta + bmm(batch1, batch2) * alpha


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Σ over pairs of dimensions: the last *dims* of a with the first of b, or lists."""
    na, nb = len(a.shape), len(b.shape)
    if isinstance(dims, int):
        da, db = list(range(na - dims, na)), list(range(dims))
    else:
        da = [normalize_dim(d, na) for d in dims[0]]
        db = [normalize_dim(d, nb) for d in dims[1]]
    ra, rb = (
        [i for i in range(na) if i not in da],
        [i for i in range(nb) if i not in db],
    )
    n = 1
    for d in da:
        n *= a.shape[d]
    left = a.permute(*ra, *da).reshape(-1, n) if n else a.reshape(-1, n)
    right = b.permute(*db, *rb).reshape(n, -1)
    out = apply2(Matmul, left, right)
    return out.reshape([a.shape[i] for i in ra] + [b.shape[i] for i in rb])


def _letters(equation: str, operands: list[Any]) -> tuple[list[str], str]:
    """Subscripts of the operands and of the result, ellipses written out."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(
            f"einsum(): {len(terms)} subscripts for {len(operands)} operands in {equation!r}"
        )
    widths = [
        len(x.shape) - len(t.replace("...", "")) if "..." in t else 0
        for t, x in zip(terms, operands, strict=True)
    ]
    dots = "".join(chr(0x3B1 + i) for i in range(max(widths, default=0)))
    terms = [
        t.replace("...", dots[len(dots) - w :] if w else "")
        for t, w in zip(terms, widths, strict=True)
    ]
    for t, x in zip(terms, operands, strict=True):
        if len(t) != len(x.shape):
            raise RuntimeError(
                f"einsum(): the number of subscripts in {t!r} does not match the number of "
                f"dimensions ({len(x.shape)}) of its operand"
            )
    if arrow:
        return terms, right.replace("...", dots)
    every = "".join(terms)
    return terms, dots + "".join(
        sorted(c for c in set(every) - set(dots) if every.count(c) == 1)
    )


def einsum(equation: str, *operands: Any) -> Any:
    """Σ over the letters that the result does not have: ``einsum("ij,jk->ik", a, b)``."""
    xs = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else list(operands)  # fmt: skip
    terms, result = _letters(equation, xs)
    a, ta = _traced(xs[0], terms[0])
    for i in range(1, len(xs)):
        b, tb = _traced(xs[i], terms[i])
        later = set(result).union(*map(set, terms[i + 1 :]))
        a, ta = _contract(a, ta, b, tb, later)
    drop = [i for i, c in enumerate(ta) if c not in result]
    if drop:
        a, ta = a.sum(drop), "".join(c for c in ta if c in result)
    return a.permute(*[ta.index(c) for c in result]) if len(ta) > 1 else a


def _traced(x: Any, term: str) -> tuple[Any, str]:
    """A letter that stands twice in one operand: the diagonal."""
    for c in term:
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            x = x.diagonal(0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + c
    return x, term


def _contract(a: Any, ta: str, b: Any, tb: str, later: set[str]) -> tuple[Any, str]:
    """Two operands into one: batch letters stay, common ones that end here are summed."""
    alone_a = [i for i, c in enumerate(ta) if c not in tb and c not in later]
    alone_b = [i for i, c in enumerate(tb) if c not in ta and c not in later]
    if alone_a:
        a, ta = a.sum(alone_a), "".join(c for i, c in enumerate(ta) if i not in alone_a)
    if alone_b:
        b, tb = b.sum(alone_b), "".join(c for i, c in enumerate(tb) if i not in alone_b)
    batch = [c for c in ta if c in tb and c in later]
    both = [c for c in ta if c in tb and c not in later]
    ra, rb = [c for c in ta if c not in tb], [c for c in tb if c not in ta]
    size = dict(zip(ta, a.shape, strict=True))
    for c, n in zip(tb, b.shape, strict=True):
        size[c] = max(n, size.get(c, 1))

    def grouped(x: Any, t: str, *groups: list[str]) -> Any:
        wide = [size[c] for c in t]
        if list(x.shape) != wide:
            x = x.expand(*wide)
        x = x.permute(*[t.index(c) for g in groups for c in g])
        shape = [size[c] for c in batch]
        for g in groups[1:]:
            n = 1
            for c in g:
                n *= size[c]
            shape.append(n)
        return x.reshape(shape)

    left, right = grouped(a, ta, batch, ra, both), grouped(b, tb, batch, both, rb)
    out = apply2(Matmul, left, right)
    letters = [*batch, *ra, *rb]
    return out.reshape([size[c] for c in letters]), "".join(letters)


def multi_dot(tensors: Any) -> Any:
    """The product of several matrices, from left to right."""
    out = tensors[0]
    for x in tensors[1:]:
        out = matmul(out, x)
    return out


def chain_matmul(*matrices: Any) -> Any:
    """The product of several matrices."""
    return multi_dot(matrices)


def trace(input: Any) -> Any:
    """Σ aᵢᵢ."""
    _dims("trace", input, 2)
    return input.diagonal().sum()


@composite
def kron(input: Any, other: Any) -> Any:
    """The Kronecker product."""
    a, b = list(input.shape), list(other.shape)
    n = max(len(a), len(b))
    a, b = [1] * (n - len(a)) + a, [1] * (n - len(b)) + b
    x = input.reshape([m for k in a for m in (k, 1)])
    y = other.reshape([m for k in b for m in (1, k)])
    return (x * y).reshape([i * j for i, j in zip(a, b, strict=True)])
