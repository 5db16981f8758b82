"""Stepping through a story: forwards through the values, then through the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .description import Gradient, Node
from .outline import Item, Outline
from .text import WIDTH, _item

if TYPE_CHECKING:
    from .story import Story


class Step:
    """One line as it is computed: ``node`` or ``gradient``, and what it looks like."""

    def __init__(
        self, entry: Node | Gradient, item: Item, number: int, all: int
    ) -> None:
        self.entry, self._item = entry, item
        self.number, self.all = number, all
        self.phase = "forward" if isinstance(entry, Node) else entry.phase

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def name(self) -> str:
        return self.entry.name.text

    @property
    def value(self) -> Any:
        """What is known of the numbers (a :class:`~retrograd.see.description.Value`)."""
        return self.entry.value

    def __str__(self) -> str:
        lines = "\n".join(_item(self._item, WIDTH - 10, False)).lstrip()
        return f"[{self.number}/{self.all}] {lines}"

    __repr__ = __str__


class Walk:
    """Where the reader is. The graph is not run again: the numbers are there."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.description = story.description
        self.outline = Outline(self.description)
        self.at = -1
        self.stops: set[str] = set()

    @property
    def steps(self) -> list[str]:
        return self.description.steps

    def step(self) -> Step | None:
        if self.at + 1 >= len(self.steps):
            self.at = len(self.steps)
            return None
        self.at += 1
        return self.here()

    def back(self) -> Step | None:
        if self.at <= 0:
            self.at = -1
            return None
        self.at -= 1
        return self.here()

    def run(self) -> Step | None:
        while self.step() is not None:
            if self.steps[self.at] in self.stops:
                return self.here()
        return None

    def rewind(self) -> None:
        self.at = -1

    def here(self) -> Step | None:
        """The step that the reader is at; None before the first and after the last."""
        if not 0 <= self.at < len(self.steps):
            return None
        entry = self.description[self.steps[self.at]]
        item = (
            self.outline.node(entry)
            if isinstance(entry, Node)
            else self.outline.gradient(entry)
        )
        return Step(entry, item, self.at + 1, len(self.steps))

    def break_at(self, what: Any) -> None:
        d = self.description
        if what == "nonfinite":
            found = [d.nonfinite] if d.nonfinite else []
            self.stops.update(found)
            return
        if isinstance(what, str) and any(m.path == what for m in d.modules):
            inside = {
                x.id
                for x in d.nodes
                if x.module == what or x.module.startswith(what + ".")
            }
        else:
            inside = {self.story.find(what).id}
        self.stops |= inside
        self.stops |= {g.id for g in d.gradients if g.node in inside}
