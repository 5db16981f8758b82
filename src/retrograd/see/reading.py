"""Names read off the program: which operand of a line is which recorded value.

The variables of a function that has returned are gone, its lines are not. Where the
operands of a statement, in the order in which Python evaluates them, are as many as those
of the operations that it recorded, and agree wherever a name is known, they are the same.
"""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

from ..autograd.function import Result
from ..tensor import Tensor
from ..trace import Arg, Const, State

_SAME = ("reshape", "permute", "expand", "cast", "clone", "slice")


class _Unreadable(Exception):
    """A statement with something in it whose operands cannot be told."""


def operands(node: ast.stmt, imported: set[str]) -> list[str] | None:
    """The variables that a statement's operations take, in order; None if unclear."""
    value = getattr(node, "value", None)
    if not isinstance(value, ast.expr):
        return None
    out: list[str] = []
    try:
        _visit(value, imported, out)
    except _Unreadable:
        return None
    return out


def _visit(e: ast.expr, imported: set[str], out: list[str]) -> None:
    parts: list[ast.expr] = []
    if isinstance(e, ast.BinOp):
        parts = [e.left, e.right]
    elif isinstance(e, ast.UnaryOp):
        parts = [e.operand]
    elif isinstance(e, ast.Call):
        if e.keywords and any(
            not isinstance(k.value, ast.Constant) for k in e.keywords
        ):
            raise _Unreadable
        if isinstance(e.func, ast.Attribute):
            if _root(e.func) not in imported:
                if e.func.attr not in _methods():
                    raise _Unreadable  # self.layer(x): its parameters are not named here
                parts.append(e.func.value)
        elif not isinstance(e.func, ast.Name) or e.func.id not in imported:
            raise _Unreadable
        parts += e.args
    elif not isinstance(e, ast.Constant):
        raise _Unreadable
    for part in parts:
        if _word(part) is None:
            _visit(part, imported, out)
    for part in parts:
        word = _word(part)
        if word is not None:
            out.append(word)


def _root(e: ast.expr) -> str:
    while isinstance(e, ast.Attribute):
        e = e.value
    return e.id if isinstance(e, ast.Name) else ""


def _word(e: ast.expr) -> str | None:
    if isinstance(e, ast.Name):
        return e.id
    if isinstance(e, ast.Attribute) and isinstance(e.value, ast.Name):
        return e.attr if e.value.id == "self" else None
    if isinstance(e, ast.Subscript) and isinstance(e.value, ast.Name):
        if isinstance(e.slice, ast.Constant):
            return e.value.id  # a part of it
        if isinstance(e.slice, ast.Name):
            return e.value.id + "[]"  # a part, or one of a list
    return None


def imports(tree: ast.AST) -> set[str]:
    """The names that a file gives to what it imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(a.asname or a.name).split(".")[0] for a in node.names}
    for node in ast.walk(tree):  # F = nn.functional
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            if _root(node.value) in found:
                found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return found


@cache
def _methods() -> frozenset[str]:
    return frozenset(dir(Tensor))


def recorded(run: list[State]) -> list[Any]:
    """The operands of the operations of one statement that come from elsewhere."""
    inside, out = set(run), []
    for state in run:
        if state.op is not None and state.op.name in _SAME:
            continue
        own = state.op is not None and issubclass(state.op, Result)
        for key in state.inputs[own:]:  # not what forward computed
            while type(key) is State and key in inside:
                if key.op is None or key.op.name not in _SAME:
                    break
                key = key.inputs[0]
            if type(key) is not Const and key not in inside:
                out.append(key)
    return out


def match(
    words: list[str], keys: list[Any], known: dict[Any, str]
) -> dict[Arg, str] | None:
    """Names of the leaves among *keys*; None where something contradicts them."""
    if len(words) != len(keys):
        return None
    found: dict[Arg, str] = {}
    for word, key in zip(words, keys, strict=True):
        name = known.get(key)
        if name is not None and name.rstrip("0123456789_") != word.rstrip(
            "0123456789_"
        ):
            return None
        if name is None and type(key) is Arg and found.setdefault(key, word) != word:
            return None
    return found


def _stem(name: str) -> str:
    return name.split("[")[0].rstrip("0123456789_")
