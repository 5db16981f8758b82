"""One value of a calculation with a name of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..trace import Arg, State
from . import notation as n
from .notation import Expr, Symbol


class Line:
    """One value of the forward pass: its name, its formula, and where it came from."""

    __slots__ = ("key", "symbol", "_expr", "writer", "states", "inputs", "module", "kind", "label",
                 "where", "group", "element")  # fmt: skip

    def __init__(self, key: Any, symbol: Symbol) -> None:
        self.key, self.symbol = key, symbol
        self._expr: Expr | None = None
        self.writer: Callable[[State], Expr] | None = None  # of its formula
        self.states: list[State] = []  # the operations that the formula spells out
        self.inputs: list[Line] = []
        self.module = self.kind = self.label = ""
        self.where: Any = ""
        self.group = ""
        self.element = False  # a part of a leaf, such as beta[0]

    @property
    def expr(self) -> Expr:
        """The formula, written when it is first asked for."""
        if self._expr is None:
            written = self.writer
            self._expr = n.name(self.symbol) if written is None else written(self.key)
        return self._expr

    @expr.setter
    def expr(self, expr: Expr) -> None:
        self._expr = expr

    @property
    def is_leaf(self) -> bool:
        return type(self.key) is Arg

    @property
    def spec(self) -> Any:
        return self.key.spec

    def __repr__(self) -> str:
        return f"{self.symbol} = {self.expr}"
