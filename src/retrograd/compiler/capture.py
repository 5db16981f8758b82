"""What a call that is recorded does, as those who do it tell."""

from __future__ import annotations

from typing import Any

from ..ops.op import Array


class Capture:
    """What a call that is recorded does: runs, steps of optimizers, random draws, and
    what becomes of gradients."""

    def __init__(self) -> None:
        self.runs: list[tuple[Any, list[Any], list[Any]]] = []
        #: the arrays that a native run made, by the number of the run
        self.outs: dict[int, list[Array]] = {}
        #: … what the rules of later operations keep of a run
        self.saved: dict[int, dict[Any, Any]] = {}
        self.steps: list[tuple[Any, Any, list[list[Any]]]] = []
        self.draws: list[tuple[Any, Any, int]] = []  # state, generator, words
        #: runs before, target, value: memory that is written between runs
        self.writes: list[tuple[int, Any, Array]] = []
        self.gradients: dict[int, tuple[Any, str]] = {}
        self.read = ""  # where the program looked at a value first
        self.refused = ""

    def step(self, optimizer: Any, swift: Any, numbers: list[list[Any]]) -> None:
        self.steps.append((optimizer, swift, [list(n) for n in numbers]))

    def write(self, target: Any, value: Array) -> None:
        self.writes.append((len(self.runs), target, value))

    def refuse(self, why: str) -> None:
        self.refused = self.refused or why
