"""Gradients in the numerator layout: what the rules compute is shaped like the value
(columns for columns); as rows every gradient is its transpose, and so is the formula:
(Ωᵀ · c)ᵀ = cᵀ · Ω."""

from __future__ import annotations

from . import notation as n
from .notation import Expr

#: heads of which the transpose is that of the parts
_TERMWISE = ("sum", "neg", "product", "div")


def as_row(e: Expr, shape: tuple[int, ...]) -> Expr:
    """The formula of a gradient of that shape where gradients are rows."""
    if not _partials(e) and len(shape) < 2:
        return e
    if len(shape) == 2 or (len(shape) == 1 and _oriented(e)):
        return _flipped(e)
    return _kept(e)


def _flipped(e: Expr) -> Expr:
    """The transpose of a formula in whose place gradients are rows now."""
    if e.head == "partial":
        return e if len(e.shape) < 3 else n.transpose(e)
    if not _partials(e):
        return n.transpose(e) if e.shape else e
    if e.head == "transpose":
        return _kept(e.parts[0])
    if e.head == "matmul":
        parts = [_flipped(p) for p in reversed(e.parts)]
        return Expr("matmul", *parts, shape=e.shape[::-1])
    if e.head in _TERMWISE and all(len(p.shape) in (0, len(e.shape)) for p in e.parts):
        return Expr(e.head, *map(_flipped, e.parts), shape=e.shape[::-1])
    return n.transpose(_kept(e))


def _kept(e: Expr) -> Expr:
    """The same value, written with gradients that are rows."""
    if e.head == "partial":
        return n.transpose(e) if len(e.shape) == 2 else e
    if e.head == "transpose" and _partials(e):
        return _flipped(e.parts[0])
    parts = [_kept(p) if type(p) is Expr else p for p in e.parts]
    return Expr(e.head, *parts, shape=e.shape)


def _partials(e: Expr) -> bool:
    return e.head == "partial" or any(_partials(p) for p in e.parts if type(p) is Expr)


def _oriented(e: Expr) -> bool:
    """Whether a vector stands in it as a column or a row."""
    return e.head in ("matmul", "transpose") or any(
        _oriented(p) for p in e.parts if type(p) is Expr
    )
