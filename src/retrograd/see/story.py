"""``rg.explain``: a loss, its derivative and every number on the way, as a story."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from .. import errors
from ..collector import paused
from ..trace import Handle, State
from . import html, text
from .capture import Capture
from .describe import Describer
from .description import Check, Description, Node
from .messages import language, translator
from .names import Names
from .typeset import digits

LEVELS = ("modules", "operations", "kernels")
LAYOUTS = ("denominator", "numerator")


class Story:
    """What :func:`explain` returns. ``print(story)`` shows it; ``str``, ``markdown()``,
    ``latex()``, ``html()`` and ``json()`` are forms of the one ``description``."""

    def __init__(
        self,
        capture: Capture,
        names: Names,
        level: str = "modules",
        layout: str = "denominator",
        lang: str = "en",
        precision: int = 4,
        limit: int | None = 200,
        proof: bool = False,
    ) -> None:
        self._capture, self._names = capture, names
        self._options: dict[str, Any] = {
            "level": level, "layout": layout, "lang": lang, "precision": precision,
            "limit": limit,
        }  # fmt: skip
        self._proof = proof
        self._describer: Describer | None = None
        self._description: Description | None = None
        self._laboratory: Any = None
        self._lines: dict[str, Any] = {}  # by identifier
        self._walk: Any = None

    # -- forms ----------------------------------------------------------------------

    @property
    def describer(self) -> Describer:
        if self._describer is None:
            self._describer = Describer(self._capture, self._names, **self._options)
        return self._describer

    @property
    def description(self) -> Description:
        """The data that all forms show (see :mod:`retrograd.see.description`)."""
        if self._description is None:
            self._description = self._described()
        return self._description

    @paused
    def _described(self) -> Description:
        found = self.describer.description()
        if self._proof:
            for g in found.gradients:
                line = self._line(found[g.node])
                g.check = self._prove(line.key)
        return found

    @paused
    def text(self, width: int | None = None) -> str:
        """Plain text; without a *width*, that of the terminal."""
        if width is None:
            width = max(60, shutil.get_terminal_size((100, 24)).columns)
        return text.plain(self.description, width)

    def __str__(self) -> str:
        return self.text(text.WIDTH)

    def __repr__(self) -> str:
        d = self.description
        return f"<story of {d[d.loss].name}: {len(d.nodes)} values, {len(d.gradients)} gradients>"

    def markdown(self) -> str:
        """GitHub's Markdown with formulas between dollar signs."""
        return text.markdown(self.description)

    def latex(self) -> str:
        """Sections with ``align*``, to be put into a document with amsmath."""
        return text.latex(self.description)

    def html(self) -> str:
        """One file with MathML, without scripts and without anything from elsewhere."""
        return html.document(self.description)

    def _repr_html_(self) -> str:
        return html.fragment(self.description)

    def json(self, indent: int | None = None) -> str:
        """The description as JSON."""
        return self.description.json(indent)

    def draw(self, **options: Any) -> Any:
        """The drawing of it: as :func:`retrograd.draw`."""
        from .draw import Drawing

        return Drawing(self.description, **options)

    def level(self, level: str) -> Story:
        """The same at another level of detail."""
        return self._with(level=_one_of("level", level, LEVELS))

    def layout(self, layout: str) -> Story:
        """The same in the other layout of matrix calculus."""
        return self._with(layout=_one_of("layout", layout, LAYOUTS))

    def lang(self, lang: str) -> Story:
        """The same in another language: "en", "es" or "ko"."""
        return self._with(lang=language(lang))

    def _with(self, **changes: Any) -> Story:
        options = {**self._options, **changes}
        return Story(self._capture, self._names, **options, proof=self._proof)

    # -- one value ------------------------------------------------------------------

    def find(self, name: Any) -> Node:
        """The node that is called so: by symbol ("f₁", "f1"), by the user's name
        ("model.0.weight"), by identifier, or the tensor itself."""
        found = self._find(name)
        if found is None:
            names = ", ".join(x.name.text for x in self.description.nodes[:20])
            raise KeyError(f"nothing here is called {name!r}; there are {names}")
        return found

    def _find(self, name: Any) -> Node | None:
        d = self.description
        if isinstance(name, Handle):
            for node in d.nodes:
                if self._tensor_is(name, node):
                    return node
            return None
        if name in d and isinstance(d[name], Node):
            node_: Node = d[name]
            return node_
        from .notation import Symbol

        symbol = Symbol.of(str(name)).text()
        leaves = [x for x in d.nodes if x.formula is None]
        for found in (
            [x for x in d.nodes if x.name.text == name],
            [x for x in leaves if x.label == name],
            [x for x in d.nodes if x.name.text == symbol],
            [x for x in d.nodes if x.label == name],
        ):
            if found:
                return found[0]
        return None

    def _tensor_is(self, tensor: Any, node: Node) -> bool:
        line = self._line(node)
        leaf = self._capture.leaves.get(line.key)
        if leaf is not None:
            return leaf.tensor is tensor
        place = self._capture.origin.get(line.key)
        if type(tensor._key) is State:
            return place is not None and place[1] is tensor._key
        history = None if tensor._meta is None else tensor._meta.history
        return history is not None and place == history

    def _line(self, node: Node) -> Any:
        if not self._lines:
            self._lines = {id: x for x, id in self.describer.id.items()}
        return self._lines[node.id]

    def value(self, name: Any) -> Any:
        """The numbers of a value, as an array; None if the run did not keep them."""
        return self._capture.value(self._line(self.find(name)).key)

    def gradient(self, name: Any) -> Any:
        """∂ℓ/∂*name*, as an array; None if there is none."""
        line = self._line(self.find(name))
        found = self._capture.gradient_value(line.key)
        return None if found is None else np.broadcast_to(found, line.spec.shape)

    def jacobian(self, of: Any, by: Any) -> Any:
        """The numbers of the local Jacobian ∂*of*/∂*by*, in the layout of the story.

        *by* must be among the operands of the line of *of*. ValueError if it has more
        than 4096 entries."""
        from .jacobian import written_out

        chain = self.describer.chain
        through, line = (self._line(self.find(x)) for x in (of, by))
        gradient = None if chain is None else chain.by_line.get(line)
        for term in gradient.terms if gradient is not None else ():
            if term.through is through:
                return written_out(self._capture, term, self._options["layout"])
        raise ValueError(
            f"{through.symbol} is not computed from {line.symbol} directly"
        )

    # -- proofs ---------------------------------------------------------------------

    @property
    def laboratory(self) -> Any:
        from .proof import Laboratory

        if self._laboratory is None:
            self._laboratory = Laboratory(self._capture)
        return self._laboratory

    def prove(self, name: Any) -> Check | None:
        """∂ℓ/∂*name* beside central differences in float64; None where the values that
        they need were not kept."""
        return self._prove(self._line(self.find(name)).key)

    def _prove(self, key: Any) -> Check | None:
        found = self.laboratory.prove(key)
        if found is None:
            return None
        return Check(
            found.way, found.derivative.tolist(), found.difference.tolist(),
            found.error, found.kink, found.holds,
            not found.holds and self.laboratory.stopped(key),
        )  # fmt: skip

    def perturb(self, name: Any, by: Any = 1e-3) -> Perturbation:
        """Change a value by *by* (a number for every entry, or an array): what the chain
        rule predicts for what comes after it, and what happens."""
        return Perturbation(self, self.find(name), by)

    # -- stepping -------------------------------------------------------------------

    @property
    def walk(self) -> Any:
        from .walk import Walk

        if self._walk is None:
            self._walk = Walk(self)
        return self._walk

    def step(self) -> Any:
        """The next line, forwards and then backwards; None at the end."""
        return self.walk.step()

    def back(self) -> Any:
        """One line back; None at the beginning."""
        return self.walk.back()

    def run(self) -> Any:
        """On to the next breakpoint; None if there is none any more."""
        return self.walk.run()

    def rewind(self) -> None:
        """To the beginning."""
        self.walk.rewind()

    def break_at(self, what: Any) -> Story:
        """Stop ``run()`` at a value and at its gradient (by name), at a module (by its
        path), or at the first "nonfinite" number."""
        self.walk.break_at(what)
        return self


class Perturbation:
    """dz = ds · h′(s), dC = dz · dC/dz: predicted, and measured in float64."""

    def __init__(self, story: Story, node: Node, by: Any) -> None:
        self.node, self.story = node, story
        line = story._line(node)
        change = story.laboratory.perturb(line.key, by)
        self.amount: Any = change.amount
        self.predicted: float = change.predicted
        self.measured: float = change.measured
        self.before: float = change.before
        #: for each line that uses the value: (symbol, predicted, measured)
        self.through: list[tuple[str, Any, Any]] = []
        chain = story.describer.chain
        gradient = None if chain is None else chain.by_line.get(line)
        for term in gradient.terms if gradient is not None else ():
            found = story.laboratory.through(term, self.amount)
            if found is not None:
                self.through.append((term.through.symbol.text(), *found))

    @property
    def error(self) -> float:
        """Of the prediction, relative to what was measured."""
        return abs(self.predicted - self.measured) / max(abs(self.measured), 1e-300)

    def __str__(self) -> str:
        d, p = self.story.description, self.story.description.precision
        say = translator(d.language)
        loss, name = d[d.loss].name.text, self.node.name.text
        measured = say("measured: {number}")
        one = bool(np.all(self.amount == self.amount.flat[0]))
        start = self.amount.flat[0:1].reshape(()) if one else self.amount
        lines = [f"d{name} = {_short(start, p)}"]
        for other, predicted, actual in self.through:
            if other == loss:
                continue
            text = f"d{other} = ∂{other}/∂{name} · d{name} = {_short(predicted, p)}"
            lines.append(
                f"{text}   {measured.format(number=_short(np.asarray(actual), p))}"
            )
        ways = [o for o, _, _ in self.through if o != loss] or [name]
        sum = " + ".join(f"∂{loss}/∂{o} · d{o}" for o in ways)
        lines.append(
            f"d{loss} = {sum} = {digits(self.predicted, p)}   "
            + measured.format(number=digits(self.measured, p))
        )
        return "\n".join(lines)

    __repr__ = __str__


def _short(value: Any, precision: int) -> str:
    from .typeset import array_text

    if value.size <= 6:
        return array_text(value, precision)
    return f"‖{digits(float(np.linalg.norm(value)), precision)}‖"


def _one_of(what: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{what} is {value!r}; there are {', '.join(known)}")
    return str(value)


@paused
def explain(
    loss: Any,
    gradient: Any = None,
    *,
    level: str = "modules",
    layout: str = "denominator",
    lang: str | None = None,
    precision: int = 4,
    proof: bool = False,
    limit: int | None = 200,
) -> Story:
    """The forward pass of *loss*, then its backward pass, line by line, with numbers.

    Each line has the name that your program gives it, its formula, the formula with
    numbers, its value, and which values it uses again; each gradient the products of
    the chain rule with their shapes. It is the graph that runs; nothing of your program
    is changed by it.

    *gradient* is dL/d*loss* where *loss* has several numbers. *level* is "modules",
    "operations" or "kernels"; *layout* "denominator" (gradients are columns) or
    "numerator" (rows). *proof* puts central differences in float64 beside each gradient.
    *lang* is "en", "es" or "ko". Of more than *limit* lines the first and the last are
    shown.

    >>> import retrograd as rg
    >>> x = rg.tensor(3.0, requires_grad=True)
    >>> print(rg.explain(x * x, precision=3))  # doctest: +SKIP
    """
    if not isinstance(loss, Handle):
        raise TypeError(
            f"explain() takes a tensor, the loss, not {type(loss).__name__}"
            f"\n  at {errors.user_line()}"
        )
    _one_of("level", level, LEVELS)
    _one_of("layout", layout, LAYOUTS)
    lang = language(lang)
    if isinstance(gradient, Handle):
        gradient = gradient.detach().numpy()  # type: ignore[attr-defined]
    names = Names.here()
    capture = (
        Capture(loss, gradient).reverse().evaluate()
    )  # errors come here, not later
    return Story(capture, names, level, layout, lang, precision, limit, proof)
