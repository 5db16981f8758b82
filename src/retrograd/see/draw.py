"""``rg.draw``: the graph of a loss, or of a model, in the lectures' block notation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .. import errors
from ..collector import paused
from ..trace import Handle
from . import diagrams, svg
from .capture import Capture
from .describe import Describer
from .description import Description
from .far import shortened
from .layout import Layout, align, place
from .messages import language, translator
from .names import Names
from .notation import escape
from .scene import MOST, Scene, backward, forward

#: what a notebook has room for, in points
ROOM = 860
DIRECTIONS = ("right", "up")


class Drawing:
    """What :func:`draw` returns; a notebook shows it. ``save("x.svg")``, or ``.png``,
    ``.mmd``, ``.dot``, ``.html``."""

    def __init__(
        self,
        description: Description,
        derivative: bool = False,
        direction: str = "right",
        depth: int | None = None,
        background: str | None = "white",
    ) -> None:
        if direction not in DIRECTIONS:
            raise ValueError(
                f"direction is {direction!r}; there are {', '.join(DIRECTIONS)}"
            )
        if depth is not None and (type(depth) is not int or depth < 1):
            raise ValueError(
                f"depth is {depth!r}; it is a whole number from 1, or None"
            )
        self.description = d = description
        self.direction, self.background = direction, background
        self.derivative = derivative and bool(d.gradients)
        say = translator(d.language)
        self.depth = depth
        scene = forward(d, depth)
        if depth is None and len(scene.marks) > MOST and d.modules:
            deepest = max(m.path.count(".") + 1 for m in d.modules)
            for level in range(deepest, 0, -1):
                self.depth, scene = level, forward(d, level)
                if len(scene.marks) <= MOST:
                    break
        self.scenes: list[tuple[str, Scene]] = [("", scene)]
        if self.derivative:
            layout, back = d.words[d.layout], say("Derivative graph")
            self.scenes = [
                (say("Forward graph"), scene),
                (f"{back} ({layout})", backward(d)),
            ]
        self._svg: str | None = None

    def svg(self) -> str:
        """As SVG: no scripts, nothing from elsewhere."""
        if self._svg is None:
            parts: list[tuple[str, Layout, str]] = []
            for i, (title, scene) in enumerate(self.scenes):
                flow = "backward" if i else "forward"
                layout = place(shortened(scene), self.direction, bool(i))
                if i:
                    align(parts[0][1], layout, 0 if self.direction == "right" else 1)
                parts.append((title, layout, flow))
            self._svg = svg.sheet(parts, self.direction, self.background)
        return self._svg

    def png(self, scale: float = 2.0) -> bytes:
        """As PNG, *scale* pixels to a point."""
        try:
            import resvg_py
        except ImportError:
            raise ImportError(
                "PNG needs resvg-py: pip install retrograd[see] (svg() does not)"
            ) from None
        found: Any = resvg_py.svg_to_bytes(svg_string=self.svg(), zoom=float(scale))
        return bytes(found)

    def mermaid(self) -> str:
        """As a Mermaid flowchart."""
        return diagrams.mermaid(self.scenes, self.direction)

    def dot(self) -> str:
        """As text for Graphviz."""
        return diagrams.dot(self.scenes, self.direction)

    def html(self) -> str:
        """As a page of its own."""
        d = self.description
        return (
            f'<!doctype html>\n<html lang="{d.language}"><meta charset="utf-8">'
            f"<title>{escape(d.title)}</title>\n{self.svg()}</html>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it; the ending says what: .svg .png .mmd .dot .html."""
        from ..io.atomic import write_atomically

        target = Path(path)
        forms: dict[str, Any] = {
            ".svg": self.svg, ".png": self.png, ".mmd": self.mermaid,
            ".dot": self.dot, ".gv": self.dot, ".html": self.html,
        }  # fmt: skip
        form = forms.get(target.suffix.lower())
        if form is None:
            raise ValueError(
                f"{target.name}: the ending says what to write: {', '.join(forms)}"
            )
        content = form()
        data = content if isinstance(content, bytes) else content.encode()
        try:
            write_atomically(target, data)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(f"cannot write {target}: {reason}") from None

    def _repr_svg_(self) -> str:
        return svg.narrowed(self.svg(), ROOM)

    def __repr__(self) -> str:
        marks = sum(len(scene.marks) for _, scene in self.scenes)
        return f"<drawing of {self.description.title}: {marks} marks>"


@paused
def draw(
    what: Any,
    *inputs: Any,
    derivative: bool | None = None,
    direction: str = "right",
    level: str = "modules",
    layout: str = "denominator",
    depth: int | None = None,
    lang: str | None = None,
    limit: int | None = 200,
    background: str | None = "white",
) -> Drawing:
    """The graph of a tensor, or of a model called on *inputs*, in block notation.

    Circles are variables (grey: given from outside; yellow: parameters), blocks rounded
    on one side are functions, easy to compute towards that side, squares are functions
    whose value is one number. With *derivative* (the default for a loss is to draw it)
    the derivative graph stands beside it, reversed, with shapes on its edges.

    *direction* is "right" or "up"; *depth* draws each module of that depth as one block.
    A model runs once, on copies of its buffers and with the random state put back; without
    inputs it gets zeros, if its first layer says of what size.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0], requires_grad=True)
    >>> picture = rg.draw((x * x).sum())
    >>> picture.save("square.svg")  # doctest: +SKIP
    """
    lang = language(lang)
    names = Names.here()
    tensor = what
    if not isinstance(what, Handle):
        from .models import output_of

        tensor = output_of(what, inputs)
        names.add("model", what)
    elif inputs:
        raise TypeError(
            "draw(tensor) takes no inputs; draw(model, *inputs) does"
            f"\n  at {errors.user_line()}"
        )
    capture = Capture(tensor)
    one = capture.spec.size == 1 and bool(capture.root.grad)
    wanted = one and what is tensor if derivative is None else derivative
    if wanted and not one:
        raise RuntimeError(
            "the derivative graph is drawn of one number that requires grad; this has "
            f"shape {list(capture.spec.shape)}: reduce it first, e.g. .sum()"
            f"\n  at {errors.user_line()}"
        )
    describer = Describer(
        capture, names, level, layout, lang, limit=limit, pictures=False,
        derivative=bool(wanted),
    )  # fmt: skip
    return Drawing(describer.description(), bool(wanted), direction, depth, background)
