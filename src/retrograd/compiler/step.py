"""``rg.compile``: a function of tensors as one guard and one native call.

The function is called as it is until what it does comes back as one native call; from
then on only the call is made, with new arguments. So the function must do the same
thing each time: Python code in it that has other effects runs only while recording.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .. import dispatch
from ..dispatch import stand_in
from ..execute import cache
from ..gradients import Bundle
from ..trace import Handle, changes, spec_of

#: calls without success before giving up, and saying so
PATIENCE = 12
_RANDOM = {"uniform", "normal", "random_int", "permutation", "bernoulli", "poisson",
           "binomial"}  # fmt: skip


class Capture:
    """What a recorded call did: runs, and steps of optimizers."""

    def __init__(self) -> None:
        self.runs: list[Any] = []
        self.steps: list[Any] = []
        self.cleared: list[Any] = []  # common gradients that were taken away


class Refused(Exception):
    """Why a call cannot become one native call."""


class Variant:
    """One way in which the function is called, as a native call."""

    def __init__(self, capture: Capture, args: tuple[Any, ...], result: Any) -> None:
        if len(capture.runs) != 1:
            raise Refused(f"it runs {len(capture.runs)} graphs, not one")
        self.plan, taken, pending = capture.runs[0]
        native = self.native = self.plan.native
        if not native or not native.whole:
            raise Refused("part of it has no machine code")
        if any(s.op.name in _RANDOM for s in self.plan.nodes):
            raise Refused("it draws random numbers")
        if len(capture.steps) > 1:
            raise Refused("it steps more than one optimizer")
        self.optimizer: Any = None
        self.swift: Any = None
        if capture.steps:
            self.optimizer, self.swift = capture.steps[0]
        # Where each argument of the plan comes from: an argument of the call, a number
        # of the optimizer, or a tensor that was made on the way and is a constant now.
        where: dict[int, tuple[str, Any]] = {}
        for n, t in enumerate(args):
            if isinstance(t, Handle):
                where[id(t)] = ("argument", n)
        if self.swift is not None:
            for i, numbers in enumerate(self.swift.numbers):
                for j, t in enumerate(numbers):
                    where[id(t)] = ("number", (i, j))
        self.sources = [
            (i, *where.get(id(taken[i]), ("constant", taken[i])))
            for i in native.arguments
        ]
        at = {id(pending[i]): i for i, _, _ in native.shown}
        self.result = _template(result, at)
        if len(set(_places(self.result))) != len(native.shown):
            raise Refused("it leaves tensors elsewhere than in its result")
        self.common = None
        if native.bundles:
            if self.swift is None or len(native.bundles) != 1:
                raise Refused("it computes gradients and does not step with them")
            self.common = self.swift.common
        elif self.swift is not None:
            raise Refused("its gradients are read or changed")
        #: the function itself takes away the gradients from before
        self.cleared = any(c is self.common for c in capture.cleared)
        self.size = len(pending)
        self.changes = changes[0]
        self.grad_mode = dispatch.recorder().grad_mode

    def stale(self, rec: dispatch.Recorder) -> str:
        """Why the recorded call is no longer what the function does, or ""."""
        if changes[0] != self.changes:
            return "a module or a parameter was changed"
        if rec.grad_mode is not self.grad_mode or rec.eager:
            return "the mode is another one"
        if self.swift is not None and not self.swift.same(self.optimizer):
            return "the optimizer was changed"
        if self.common is not None and not self.cleared:
            if self.common.value is not None:
                return "there are gradients from before"
        return ""

    def run(self, rec: dispatch.Recorder, args: tuple[Any, ...]) -> Any:
        """Make the call; None if the arguments need the interpreter."""
        counts: Any = []
        if self.swift is not None:
            counts = self.swift.prepare(self.optimizer)
            if counts is None:
                return None
        given: dict[int, Any] = {}
        for i, kind, what in self.sources:
            if kind == "argument":
                given[i] = args[what]
            elif kind == "number":
                given[i] = self.swift.numbers[what[0]][what[1]]
            else:
                given[i] = what
        pending: list[Any] = [None] * self.size
        for i, key, _ in self.native.shown:
            pending[i] = stand_in(key)
        promise = None
        for i, _ in self.native.bundles:
            promise = pending[i] = Bundle.__new__(Bundle)
            promise._key, promise._grad, promise._meta = None, None, None
        call = _Call(pending, given)
        if not self.plan._run_whole(call, self.native):
            return None
        if self.common is not None:
            self.common.value = promise
        if self.swift is not None:
            self.swift.count(self.optimizer, counts)
        return (_filled(self.result, pending),)


class _Call:
    """What a plan asks of a recorder, for one call."""

    __slots__ = ("pending", "args", "hooks")

    def __init__(self, pending: list[Any], args: dict[int, Any]) -> None:
        self.pending, self.args, self.hooks = pending, args, {}  # type: ignore[var-annotated]


class _Place(int):
    """The position of a tensor among those of the run."""


def _template(result: Any, at: dict[int, int]) -> Any:
    if isinstance(result, Handle):
        if id(result) not in at:
            raise Refused("a tensor of its result is not computed by the call")
        return _Place(at[id(result)])
    if type(result) in (tuple, list):
        return type(result)(_template(r, at) for r in result)
    if type(result) is dict:
        return {k: _template(r, at) for k, r in result.items()}
    if result is None:
        return None
    raise Refused(f"its result has a {type(result).__name__}, not only tensors")


def _places(template: Any) -> list[int]:
    if type(template) is _Place:
        return [template]
    parts = template.values() if type(template) is dict else template or ()
    return [p for part in parts for p in _places(part)]


def _filled(template: Any, pending: list[Any]) -> Any:
    if type(template) is _Place:
        return pending[template]
    if type(template) in (tuple, list):
        return type(template)(_filled(t, pending) for t in template)
    if type(template) is dict:
        return {k: _filled(t, pending) for k, t in template.items()}
    return None


class Compiled:
    """A function that :func:`compile` has taken; ``history`` says when it was recorded
    anew, and why."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.history: list[str] = []
        self.variants: dict[Any, Variant] = {}
        self.misses: dict[Any, int] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        rec = dispatch.recorder()
        if kwargs or rec.capture is not None or cache.EXECUTOR == "interpreter":
            return self.function(*args, **kwargs)
        if rec.state.kind != "root" or rec.pending:
            rec.flush()
        key = tuple([_key(a) for a in args])
        variant = self.variants.get(key)
        if variant is not None:
            why = variant.stale(rec)
            if not why:
                for a in args:
                    if isinstance(a, Handle) and a._array is None:
                        dispatch.realize(a)
                result = variant.run(rec, args)
                if result is not None:
                    return result[0]
                return self.function(*args)
            del self.variants[key]
            self.misses[key] = 0
            self.history.append(f"recorded anew: {why}")
        if self.misses.get(key, 0) > PATIENCE:
            return self.function(*args)
        return self._record(rec, key, args)

    def explain(self, measure: bool = True) -> Any:
        """The kernels of the newest native call, with their times; see
        :func:`retrograd.plans`."""
        if not self.variants:
            why = self.history[-1] if self.history else "it was not called often enough"
            raise RuntimeError(f"there is no native call to explain: {why}")
        return list(self.variants.values())[-1].native.explain(measure)

    def _record(self, rec: dispatch.Recorder, key: Any, args: tuple[Any, ...]) -> Any:
        capture = rec.capture = Capture()
        before = changes[0]
        try:
            result = self.function(*args)
            rec.flush()
        finally:
            rec.capture = None
        self.misses[key] = self.misses.get(key, 0) + 1
        try:
            if any(getattr(a, "requires_grad", False) for a in args):
                raise Refused("an argument requires gradients")
            if changes[0] != before:
                raise Refused("it changes a module, or writes to an attribute of one")
            variant = Variant(capture, args, result)
        except Refused as error:
            if self.misses[key] > PATIENCE:
                name = getattr(self.function, "__name__", "the function")
                text = f"{name} is not one native call: {error}. It runs uncompiled"
                self.history.append(text)
                warnings.warn(f"rg.compile: {text}", stacklevel=3)
        else:
            self.variants[key] = variant
            shapes = ", ".join(repr(spec_of(a)) if isinstance(a, Handle) else repr(a)
                               for a in args)  # fmt: skip
            self.history.append(f"compiled for ({shapes})")
        return result


def _key(a: Any) -> Any:
    if isinstance(a, Handle):
        return spec_of(a)
    return (type(a), a)


def compile(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """*function* as one native call, for functions that do the same thing each time.

    It may use modules and an optimizer; it is recorded while it is called as usual, a
    few times for each combination of shapes, and afterwards its Python code no longer
    runs. What changes (a learning rate, the arguments) is passed on; a changed module
    or optimizer is recorded anew, which ``history`` tells with the reason. What cannot
    be one native call runs as it is, with a warning that says why.

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> model = rg.nn.Linear(2, 1)
    >>> optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
    >>> @rg.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = ((model(x) - y) ** 2).mean()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> x, y = rg.ones(4, 2), rg.zeros(4, 1)
    >>> losses = [step(x, y).item() for _ in range(60)]
    >>> losses[-1] < 1e-3
    True
    """
    if function is None:
        return compile
    if not callable(function):
        raise TypeError(f"compile() takes a function, not {type(function).__name__}")
    return Compiled(function)


__all__ = ["Compiled", "compile"]
