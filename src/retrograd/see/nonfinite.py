"""Where the first NaN or infinity was made, forwards or backwards, and where it went."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import errors
from ..trace import Const, Handle, State
from .capture import Capture
from .lines import Lines
from .messages import language, translator
from .names import Names, Source
from .typeset import digits, shape_text
from .values import SHOWN, summary

#: operations on the way that are told
STEPS = 12


class Nonfinite:
    """The operation that made the first NaN or infinity.

    ``phase`` is "forward", "backward" or "given" (it came from outside); ``operation``
    the op's name, ``formula`` its formula; ``operands`` and ``result`` are pairs of a
    name and an array; ``where`` is the line of your program; ``path`` the names of what
    it went through from there. ``print`` it."""

    def __init__(self, finder: _Finder, phase: str, key: Any) -> None:
        self.phase = phase
        lines, capture = finder.lines, finder.capture
        state: Any = key if type(key) is State else None
        self.operation: str = state.op.name if state is not None else ""
        self.formula: str = state.op.formula if state is not None else ""
        of = state.of if state is not None else None
        #: of a derivative the line of the operation: that of backward() tells nothing
        self.where: Any = (of or state).line if state is not None else ""
        self.source: str = Source().text(self.where)
        self.derivative_of: str = of.op.name if phase == "backward" and of else ""
        self.module: str = (
            lines.names.of_module((of or state).module)[0] if state is not None else ""
        )
        self.result: tuple[str, Any] = finder.name(key), np.array(capture.value(key))
        self.operands: list[tuple[str, Any]] = []
        for k in state.inputs if state is not None else ():
            known = k.value if type(k) is Const else capture.value(k)
            pair = finder.name(k), np.array(known)
            if all(pair[0] != n for n, _ in self.operands):
                self.operands.append(pair)
        self.path: list[str] = finder.path(key)
        self._say = translator(finder.lang)

    def __str__(self) -> str:
        say = self._say
        what = _what(self.result[1])
        name = self.result[0]
        if self.phase == "given":
            head = say("{name} was given with {what}.").format(name=name, what=what)
        elif self.derivative_of:
            head = say(
                "The first {what} is made in the backward pass, by {op} in the "
                "derivative of {of}, at {where}"
            ).format(
                what=what, op=self.operation, of=self.derivative_of, where=self.where
            )
        elif self.phase == "backward":
            head = say(
                "The first {what} is made in the backward pass, by {op}, at {where}"
            ).format(what=what, op=self.operation, where=self.where)
        else:
            head = say(
                "The first {what} is made in the forward pass, by {op}, at {where}"
            ).format(what=what, op=self.operation, where=self.where)
        lines = [head]
        if self.source:
            lines.append(f"    {self.source}")
        if self.module:
            lines.append(f"    {say('module')} {self.module}")
        rows = [*self.operands, self.result] if self.operands else [self.result]
        wide = max(len(n) for n, _ in rows)
        for n, value in rows:
            mark = "→" if n is self.result[0] and self.operands else " "
            lines.append(f"  {mark} {n:<{wide}}  {_shown(value, say)}")
        if len(self.path) > 1:
            lines.append(say("From there: {path}").format(path=" → ".join(self.path)))
        return "\n".join(lines)

    __repr__ = __str__


def _what(value: Any) -> str:
    return "NaN" if np.isnan(value).any() else "∞"


def _shown(value: Any, say: Any) -> str:
    about = summary(value, "", pictures=False)
    assert about is not None
    shape = shape_text(about.shape) if about.shape else ""
    text = about.text if about.text.startswith(shape) else f"{shape} {about.text}"
    if about.size > 1:
        words = []
        if (about.nan or about.inf) and about.size > SHOWN:
            bad = np.argwhere(~np.isfinite(value))[0]
            place = ", ".join(map(str, bad))
            words.append(say("the first at [{place}]").format(place=place))
        if words:
            text += f"  ({', '.join(words)})"
    return text.strip()


class _Finder:
    """Looks through the values of a capture."""

    def __init__(self, capture: Capture, names: Names, lang: str) -> None:
        self.capture, self.lang = capture.evaluate(), lang
        self.names = names
        self._lines: Lines | None = None
        self.kinds: dict[Any, tuple[bool, bool]] = {}  # (NaN, infinite) of a value

    @property
    def lines(self) -> Lines:
        if self._lines is None:
            self._lines = Lines(self.capture, self.names)
        return self._lines

    def kind(self, key: Any) -> tuple[bool, bool]:
        if key not in self.kinds:
            value = key.value if type(key) is Const else self.capture.values.get(key)
            array = None if value is None else np.asarray(value)
            if array is None or array.dtype.kind in "biuO":
                found = False, False
            elif np.isfinite(array).all():
                found = False, False
            else:
                found = bool(np.isnan(array).any()), bool(np.isinf(array).any())
            self.kinds[key] = found
        return self.kinds[key]

    def find(self) -> Nonfinite | None:
        capture = self.capture
        for phase, states in (("forward", capture.nodes), ("backward", capture.back)):
            for state in states:
                nan, inf = self.kind(state)
                if not nan and not inf:
                    continue
                given = [self.kind(k) for k in state.inputs]
                had_nan = any(k[0] for k in given)
                if (nan and not had_nan) or not any(k[0] or k[1] for k in given):
                    return Nonfinite(self, phase, state)
        results = [capture.root, *capture.gradient.values()]
        if any(any(self.kind(k)) for k in results):
            for leaf in capture.leaves:
                if any(self.kind(leaf)):
                    return Nonfinite(self, "given", leaf)
        return None

    def name(self, key: Any) -> str:
        """What the user calls it, or what made it."""
        if type(key) is Const:
            value = key.value.item() if hasattr(key.value, "item") else key.value
            return digits(value)
        line = self.lines.of.get(key)
        if line is not None:
            return line.symbol.text()
        for owner, g in self.capture.gradient.items():
            if g is key:
                above = self.lines.of.get(owner)
                if above is not None:
                    loss = self.lines.of[self.capture.root].symbol
                    return f"∂{loss}/∂{above.symbol}"
        op: Any = getattr(key, "op", None)
        if op is None:
            return "gradient"
        text = str(self.lines.written(key)) if key in self.lines.inline else ""
        return text if 0 < len(text) <= 24 else op.name

    def path(self, key: Any) -> list[str]:
        """Names of what carries it on, to the loss or to a gradient."""
        users: dict[Any, Any] = {}
        for state in (*self.capture.nodes, *self.capture.back):
            for k in state.inputs:
                if any(self.kind(state)):
                    users.setdefault(k, state)
        out, at = [self.name(key)], key
        while at in users:
            at = users[at]
            name = self.name(at)
            named = at in self.lines.of or at in set(self.capture.gradient.values())
            if named and name != out[-1]:
                out.append(name)
        if len(out) > STEPS:
            out = [*out[: STEPS // 2], "…", *out[-STEPS // 2 :]]
        return out


def find_nonfinite(
    loss: Any, gradient: Any = None, *, lang: str | None = None
) -> Nonfinite | None:
    """The first operation, forward or backward, that makes a NaN or infinity out of
    numbers: with its operands, their shapes, the line of your program, and the path
    from there. None if there is none.

    Every value is computed again, by NumPy; nothing of your program is changed. To have
    every ``backward()`` checked, use :func:`retrograd.autograd.detect_anomaly`.

    >>> import retrograd as rg
    >>> p = rg.tensor([0.5, 0.0], requires_grad=True)
    >>> found = rg.find_nonfinite(-(p * p.log()).sum())
    >>> found.operation, found.phase
    ('log', 'forward')
    """
    if not isinstance(loss, Handle):
        raise TypeError(
            f"find_nonfinite() takes a tensor, the loss, not {type(loss).__name__}"
            f"\n  at {errors.user_line()}"
        )
    if isinstance(gradient, Handle):
        gradient = gradient.detach().numpy()  # type: ignore[attr-defined]
    lang = language(lang)
    capture = Capture(loss, gradient)
    if capture.root.grad:
        capture.reverse()
    return _Finder(capture, Names.here(), lang).find()
