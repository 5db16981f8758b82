"""The graph of the training's loss as a page whose values follow the training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ops.op import Array
from ...trace import Const
from ..capture import Capture
from ..description import _plain
from ..names import Names
from ..page import document, levels
from ..story import Story, explain
from ..values import summary
from .sample import forward

#: seconds after its last question that a graph counts as open
OPEN = 4.0


class Live:
    """Builds the page of a loss once, and computes its values for later steps."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self.wanted = False
        self._page: str | None = None
        self._capture: Capture | None = None
        self._key: tuple[Any, ...] = ()
        self._stories: dict[str, Story] = {}
        self._values: dict[Any, Array] = {}
        self._step, self._others, self._read = 0, 0, 0.0
        self.token = ""

    # -- for the page ---------------------------------------------------------------

    def ask(self) -> None:
        """The next loss is to be drawn."""
        with self._ready:
            self.wanted, self._page = True, None

    def page(self, seconds: float, ended: Callable[[], bool]) -> str | None:
        """The page, once the next loss was there."""
        end = time.monotonic() + seconds
        with self._ready:
            while self._page is None and time.monotonic() < end and not ended():
                self._ready.wait(0.2)
            self._read = time.monotonic()
            return self._page

    def news(self, level: str, after: int) -> dict[str, Any]:
        """Values of one level of detail, by identifier, if newer than step *after*."""
        self._read = time.monotonic()
        with self._ready:
            step, values, story = self._step, self._values, self._stories.get(level)
        about = {"step": step, "others": self._others}
        if story is None or step <= after or not values:
            return about
        found = {}
        describer = story.describer
        for entry, name in describer.id.items():
            array = values.get(entry.key)
            if array is not None:
                shape = getattr(entry, "line", entry).spec.shape
                found[name] = summary(
                    np.broadcast_to(array, shape), "recomputed", describer.precision,
                    len(describer.lines.forward) <= 200,
                )  # fmt: skip
        return {**about, "values": _plain(found)}

    # -- for the training -----------------------------------------------------------

    def draw(self, loss: Any, model: Any, step: int, lang: str) -> None:
        """Before a backward pass: make the page, if it was asked for."""
        if not self.wanted:
            return
        story = explain(loss, limit=None, lang=lang)
        if model is not None:
            names = Names.here()
            names.add("model", model)
            story._names = names
        found = levels(story)
        page = document(found, live={"token": self.token, "step": step})
        with self._ready:
            self._capture, self._stories = story._capture, found
            self._key = _key(story._capture)
            self._capture.origin.clear()  # it holds what the run kept
            self._capture.tensor = None
            for leaf in self._capture.leaves.values():
                leaf.tensor = None
            self._step, self._others, self._values = step, 0, {}
            self._page, self.wanted = page, False
            self._ready.notify_all()

    def follow(self, loss: Any, step: int) -> None:
        """Before a backward pass: the values of this step, while the page is open."""
        drawn = self._capture
        if drawn is None or time.monotonic() - self._read > OPEN:
            return
        now = Capture(loss)
        if _key(now) != self._key:
            self._others += 1  # another graph, such as a smaller last batch
            return
        found = forward(now)
        values: dict[Any, Any] = {}
        for ours, theirs in zip(drawn.leaves, now.leaves, strict=False):
            if theirs in found:
                values[ours] = np.array(found[theirs])
        for ours, leaf in list(drawn.leaves.items())[len(now.leaves) :]:
            values[ours] = leaf.array  # the gradient that the backward pass begins with
        for mine, node in zip(drawn.nodes, now.nodes, strict=True):
            if node in found:
                values[mine] = found[node]
        with np.errstate(all="ignore"):
            for state in drawn.back:
                ins = [k.value if type(k) is Const else values.get(k) for k in state.inputs]  # fmt: skip
                if any(x is None for x in ins):
                    continue
                op: Any = state.op
                values[state] = np.asarray(op.forward(*ins, **state.attrs))
        with self._ready:
            self._values, self._step, self._others = values, step, 0


def _key(capture: Capture) -> tuple[Any, ...]:
    """What two captures have in common if one derivative graph fits both: operations on
    the same operands. Where no gradient goes, attributes may differ (which rows are
    chosen)."""
    number: dict[Any, Any] = {}
    for x in (*capture.leaves, *capture.nodes):
        number[x] = len(number)
    return tuple(
        (s.op, s.spec, repr(s.attrs) if s.grad else "",
         *[k.value if type(k) is Const else number.get(k) for k in s.inputs])
        for s in capture.nodes
    )  # fmt: skip
