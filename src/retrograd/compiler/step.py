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

import numpy as np

from .. import dispatch
from ..dispatch import constant
from ..execute import cache
from ..gradients import Bundle
from ..trace import Handle, Meta, Segment, State, changes, settings, spec_of
from .repeat import Copies, repeat

#: calls without success before giving up, and saying so
PATIENCE = 12
_RANDOM = {"uniform", "normal", "random_int", "permutation", "bernoulli", "poisson",
           "binomial"}  # fmt: skip


class Capture:
    """What a recorded call did: runs, steps of optimizers, random draws."""

    def __init__(self) -> None:
        self.runs: list[Any] = []
        self.steps: list[Any] = []
        self.cleared: list[Any] = []  # common gradients that were taken away
        self.draws: list[Any] = []  # (state, generator, words)


class Refused(Exception):
    """Why a call cannot become one native call."""


class Variant:
    """One way in which the function is called, as a native call.

    ``call`` are the objects that the native function takes: arguments, parameters,
    results and the arena. A call puts in what is new; the rest stays.
    """

    def __init__(self, capture: Capture, args: tuple[Any, ...], result: Any) -> None:
        if len(capture.runs) != 1:
            raise Refused(f"it runs {len(capture.runs)} graphs, not one")
        self.plan, taken, pending = capture.runs[0]
        native = self.native = self.plan.native
        if not native or not native.whole:
            raise Refused("part of it has no machine code")
        if len(capture.steps) > 1:
            raise Refused("it steps more than one optimizer")
        self.optimizer: Any = None
        self.swift: Any = None
        if capture.steps:
            self.optimizer, self.swift = capture.steps[0]
        self._find_sources(capture, args, taken)
        at = {id(pending[i]): n for i, _, n in native.shown}
        keys = {n: key for _, key, n in native.shown}
        self.result = _template(result, at)
        shown = _places(self.result)
        if len(set(shown)) != len(native.shown):
            raise Refused("it leaves tensors elsewhere than in its result")
        #: (output, key in the trace, whether the tensor has a history) of the results
        self.shown = [(n, keys[n], bool(keys[n].grad)) for n in sorted(set(shown))]
        if any(keys[n].inference for n in keys):
            raise Refused("it makes tensors of inference mode")
        self.common: Any = None
        self.gradients: list[Any] = []
        if native.bundles:
            if self.swift is None or len(native.bundles) != 1:
                raise Refused("it computes gradients and does not step with them")
            self.common = self.swift.common
            self.gradients = native.bundles[0][1]
            self.bundle = pending[native.bundles[0][0]]._key
        elif self.swift is not None:
            raise Refused("its gradients are read or changed")
        #: the function itself takes away the gradients from before
        self.cleared = any(c is self.common for c in capture.cleared)
        self.recorder = dispatch.recorder()  # of the thread whose plan it is
        self.changes = changes[0]
        self.settings = -1
        self.grad_mode = self.recorder.grad_mode
        self.segment: Segment | None = None

    def _find_sources(
        self, capture: Capture, args: tuple[Any, ...], taken: dict[int, Any] | list[Any]
    ) -> None:
        """Where each argument of the native call comes from: an argument of the
        function, a number of the optimizer, a random draw, or a tensor that was made on
        the way and is a constant now."""
        native = self.native
        self.step = native.steps[0]
        places = {i: n for n, i in enumerate(native.arguments)}
        self.count = len(args)
        of: dict[int, list[int]] = {}
        for i, n in places.items():
            of.setdefault(id(taken[i]), []).append(n)
        self.call: list[Any] = [None] * (
            len(self.step.inputs) + len(self.step.outs) + 1
        )
        self.call[-1] = self.step.arena
        for i, n in places.items():
            self.call[n] = taken[i]._array
        number = {id(a): n for n, a in enumerate(args)}
        self.given = {i: number[id(taken[i])] for i in places if id(taken[i]) in number}
        new = {id(state) for state, _, _ in capture.draws}
        new |= {id(t) for group in getattr(self.swift, "numbers", ()) for t in group}
        self.held = {
            i: taken[i]
            for i in places
            if i not in self.given and id(taken[i]) not in new
        }
        self.now: tuple[Any, ...] = ()
        #: arguments of the function: number, shape, type, places in the call
        self.tensors = [
            (n, a._array.shape, a._array.dtype, tuple(of.get(id(a), ())))
            for n, a in enumerate(args)
            if isinstance(a, Handle)
        ]
        self.others = [
            (n, type(a), a) for n, a in enumerate(args) if not isinstance(a, Handle)
        ]
        self.numbers: list[tuple[int, int, int]] = []  # place, group, which
        if self.swift is not None:
            for i, numbers in enumerate(self.swift.numbers):
                for j, t in enumerate(numbers):
                    self.numbers += [(n, i, j) for n in of.get(id(t), ())]
        self.draws = [
            (of[id(state)], generator, words)
            for state, generator, words in capture.draws
            if id(state) in of
        ]
        first = len(places)
        self.parameters = [
            (ref(), first + k) for k, ref in enumerate(native.parameters)
        ]
        self.outputs = slice(len(self.step.inputs), len(self.call) - 1)

    def fits(self, args: tuple[Any, ...]) -> bool:
        """Whether the arguments are like those of the recorded call; if so, they are
        put in their places."""
        if len(args) != self.count:
            return False
        for n, kind, value in self.others:
            if type(args[n]) is not kind or args[n] != value:
                return False
        call = self.call
        for n, shape, dtype, places in self.tensors:
            t = args[n]
            if not isinstance(t, Handle):
                return False
            array = t._array
            if array is None:
                dispatch.realize(t)
                array = t._array
            if array.shape != shape or array.dtype != dtype:
                return False
            meta = t._meta
            if meta is not None and (meta.requires_grad or meta.history is not None):
                return False
            for place in places:
                call[place] = array
        return True

    def stale(self, rec: dispatch.Recorder) -> str:
        """Why the recorded call is no longer what the function does, or ""."""
        if changes[0] != self.changes:
            return "a module or a parameter was changed"
        if rec.grad_mode is not self.grad_mode or rec.eager:
            return "the mode is another one"
        if self.swift is not None and settings[0] != self.settings:
            if not self.swift.same(self.optimizer):
                return "the optimizer was changed"
        if self.common is not None:
            if not self.common.alive:
                return "the gradients no longer move together"
            if not self.cleared and self.common.value is not None:
                return "there are gradients from before"
        return ""

    def run(self, rec: dispatch.Recorder, args: tuple[Any, ...]) -> Any:
        """Make the call; None if its values need the interpreter."""
        call, swift = self.call, self.swift
        counts: Any = ()
        if swift is not None and (
            settings[0] != self.settings or self.optimizer.counts_steps
        ):
            counts = swift.prepare(self.optimizer)
            if counts is None:
                return None
            for n, i, j in self.numbers:
                call[n] = swift.numbers[i][j]._array
            self.settings = settings[0]
        for t, n in self.parameters:
            call[n] = t._array
        before = None
        if self.draws:
            before = [(g, g._counter) for _, g, _ in self.draws]
            for places, generator, words in self.draws:
                for n in places:
                    call[n] = generator._take(words)._array
        if self.cleared and self.common is not None:
            self.common.value = None  # its memory can be used again
        outs = call[self.outputs] = self.step.results()
        status = self.step.function(*call)
        if status == 1:  # arguments that lie in another order
            for _, shape, _, places in self.tensors:
                for n in places if shape else ():
                    call[n] = np.ascontiguousarray(call[n])
            status = self.step.function(*call)
        if status:
            for generator, counter in before or ():
                generator._counter = counter
            return None
        made: dict[int, Any] = {}
        if self.plan.saved:
            self.now = args
        for n, key, history in self.shown:
            tensor = made[n] = constant(outs[n])
            if history:
                tensor._meta = Meta()
                tensor._meta.history = (self._segment(outs), key)
        for ref, n in self.native.copied:
            np.copyto(ref()._array, outs[n])
        for counter in self.native.counters:
            counter[0] += 1
        self._promise(outs)
        if counts:
            swift.count(self.optimizer, counts)
        call[self.outputs] = [None] * len(outs)
        return (_filled(self.result, made),)

    def repeat(self, data: list[Any], order: Any, batch: int, kept: Any) -> int:
        """So many steps as *kept* has rows, in one native loop: on the rows of *data*
        in the given order. How many were made; their results are in *kept*."""
        call, swift, steps = self.call, self.swift, len(kept)
        copies = Copies()
        index = np.ascontiguousarray(order, np.int64)
        for n, shape, dtype, places in self.tensors:
            room = np.empty(shape, dtype)
            copies.before(room, data[n], index)
            for place in places:
                call[place] = room
        counts: Any = ()
        if swift is not None:
            counts = swift.prepare(self.optimizer)
            if counts is None:
                return 0
            tables = swift.ahead(self.optimizer, counts, steps)
            for n, i, j in self.numbers:
                room = call[n] = swift.numbers[i][j]._array.copy()
                copies.before(room, np.array([v[j] for v in tables[i]], room.dtype))
            swift.forget()
        before = [(g, g._counter) for _, g, _ in self.draws]
        states: list[list[Any]] = [[] for _ in self.draws]
        counters: list[tuple[int, ...]] = []
        for _ in range(steps if self.draws else 0):
            for own, (_, generator, words) in zip(states, self.draws, strict=True):
                own.append(generator._take(words)._array)
            counters.append(tuple(g._counter for _, g, _ in self.draws))
        for draw, own in zip(self.draws, states, strict=True):
            room = np.empty(2, np.int64)
            copies.before(room, np.stack(own))
            for n in draw[0]:
                call[n] = room
        for t, n in self.parameters:
            call[n] = t._array
        if self.cleared and self.common is not None:
            self.common.value = None
        outs = call[self.outputs] = self.step.results()
        copies.after(kept, outs[self.shown[0][0]])
        done = repeat(self.step.address, call, copies, steps)
        if done < steps and self.draws:
            ends = counters[done - 1] if done else tuple([c for _, c in before])
            for (_, generator, _), counter in zip(self.draws, ends, strict=True):
                generator._counter = counter
        if done:
            for counter in self.native.counters:
                counter[0] += done
            self._promise(outs)
            if swift is not None:
                swift.count(self.optimizer, [c + done - 1 for c in counts])
        call[self.outputs] = [None] * len(outs)
        self.settings = -1
        return done

    def repeats(self) -> bool:
        """Whether calls can follow each other without Python in between."""
        copied = self.native.copied or self.native.left
        alone = type(self.result) is _Place and not self.others
        return alone and not copied and (self.cleared or self.common is None)

    def _promise(self, outs: list[Any]) -> None:
        """The gradients of the call, as those of the parameters."""
        if self.common is not None:
            promise = Bundle.__new__(Bundle)
            promise._key, promise._grad, promise._meta = None, None, None
            promise._array = [outs[n] for n in self.gradients]
            self.common.value = promise

    def _segment(self, outs: list[Any]) -> Segment:
        """What remains for a later backward; one for all calls if nothing does."""
        plan = self.plan
        if self.segment is not None and not plan.saved:
            return self.segment
        segment = Segment(plan.freed, plan.kept, plan.overwritten, {})
        for key in plan.saved:
            array = outs[self.native.kept[key]] if type(key) is State else None
            plan._save(segment, self, key, array)
        self.segment = segment
        return segment

    @property
    def args(self) -> dict[int, Any]:
        """The tensors of the present call by their number in the trace."""
        found = dict(self.held)
        for i, n in self.given.items():
            found[i] = self.now[n]
        return found


class _Place(int):
    """Which of the outputs a tensor is."""


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


def _filled(template: Any, made: dict[int, Any]) -> Any:
    if type(template) is _Place:
        return made[template]
    if type(template) in (tuple, list):
        return type(template)(_filled(t, made) for t in template)
    if type(template) is dict:
        return {k: _filled(t, made) for k, t in template.items()}
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
        self.last: Variant | None = None  # of the last call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        rec = dispatch.recorder()
        if kwargs or rec.capture is not None or cache.EXECUTOR == "interpreter":
            return self.function(*args, **kwargs)
        if rec.state.kind != "root" or rec.pending:
            rec.flush()
        variant = self.last
        key = None
        if variant is None or variant.recorder is not rec or not variant.fits(args):
            key = (id(rec), *map(_key, args))
            variant = self.variants.get(key)
            if variant is not None and not variant.fits(args):
                variant = None
        if variant is not None:
            why = variant.stale(rec)
            if not why:
                self.last = variant
                result = variant.run(rec, args)
                return self.function(*args) if result is None else result[0]
            key = key or (id(rec), *map(_key, args))
            self.last = None
            del self.variants[key]
            self.misses[key] = 0
            self.history.append(f"recorded anew: {why}")
        if self.misses.get(key, 0) > PATIENCE:
            return self.function(*args)
        return self._record(rec, key, args)

    def over(
        self,
        *data: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        generator: Any = None,
        drop_last: bool = False,
    ) -> Any:
        """Call the function on batches of *data*, once through; the results, one a row.

        The tensors of *data* have the same length; a batch is *batch_size* rows of
        each, in order or shuffled. Once the function is compiled, whole batches run in
        one native loop, without Python between them. The results have no history.

        >>> import retrograd as rg
        >>> _ = rg.manual_seed(0)
        >>> layer = rg.nn.Linear(3, 1)
        >>> optimizer = rg.optim.SGD(layer.parameters(), lr=0.1)
        >>> @rg.compile
        ... def step(x, y):
        ...     optimizer.zero_grad()
        ...     loss = (layer(x) - y).square().mean()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> x, y = rg.randn(200, 3), rg.ones(200, 1)
        >>> losses = step.over(x, y, batch_size=10, shuffle=True)
        >>> losses.shape
        retrograd.Size([20])
        """
        from ..functions.random import randperm

        n = _length(data)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size is a positive integer, not {batch_size!r}")
        order = np.arange(n)
        if shuffle:
            order = randperm(n, generator=generator).numpy()
        arrays = [np.ascontiguousarray(t.detach().numpy()) for t in data]
        rec = dispatch.recorder()
        found: list[Any] = []
        at, whole = 0, n - n % batch_size
        while at < n and not (drop_last and at >= whole):
            rows = order[at : at + batch_size]
            result = self(*(constant(a[rows]) for a in arrays))
            if not isinstance(result, Handle):
                raise TypeError("over() is for functions that give one tensor")
            value: Any = result
            found.append(value.detach().numpy()[None])
            at += len(rows)
            steps = (whole - at) // batch_size
            variant = self.last
            if variant is None or not variant.repeats() or steps < 1:
                continue
            some = tuple(constant(a[order[at : at + batch_size]]) for a in arrays)
            if variant.fits(some) and not variant.stale(rec):
                kept = np.empty((steps, *found[-1].shape[1:]), found[-1].dtype)
                done = variant.repeat(arrays, order[at:whole], batch_size, kept)
                found.append(kept[:done])
                at += done * batch_size
        return constant(np.concatenate(found))

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
    """What two calls must have in common to be the same native call."""
    if isinstance(a, Handle):
        meta = a._meta
        return spec_of(a), meta is not None and (
            meta.requires_grad or meta.history is not None
        )
    return type(a), a


def _length(data: tuple[Any, ...]) -> int:
    """The common length of tensors."""
    if not data or not all(isinstance(t, Handle) for t in data):
        kinds = ", ".join(type(t).__name__ for t in data) or "nothing"
        raise TypeError(f"over() takes tensors of data, not {kinds}")
    shapes = [spec_of(t).shape for t in data]
    if not all(s and s[0] == shapes[0][0] for s in shapes) or not shapes[0][0]:
        raise ValueError(
            "over() takes tensors of the same length, at least 1; their shapes are "
            + ", ".join(str(list(s)) for s in shapes)
        )
    return int(shapes[0][0])


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
